"""The checks that take too long for ./runtests: make check-long, or tests/check-long.py [SUITE..].

The same runner, and the same rules for what counts: see suites.py.  TSan needs no suppressions: what it cannot see into
(GLib, libvirt, libmicrohttpd) is not instrumented, and is left out by ignore_noninstrumented_modules.
"""
import os
import subprocess

import suites
from suites import INSTALLED, PREFIX, TOP, Suite, build, count_check, count_tap, made, pytest

TSAN = os.path.join(TOP, 'build', 'tsan')
PLAIN = os.path.join(TOP, 'build', 'plain')
# valgrind is 20 to 50 times slower; Check multiplies every deadline of a test by this
PATIENT = {'CK_TIMEOUT_MULTIPLIER': '10'}
VALGRIND = ('valgrind --quiet --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite'
            ' --error-exitcode=99')


def table():
    tsan = {'TSAN_OPTIONS': suites.TSAN_OPTIONS}
    return [
        Suite('build', 900, build('test', 'gcc', '--enable-sanitizers', '--enable-crash-points', '--prefix=' + INSTALLED), count_tap),
        pytest('e2e-long', 1800, 'tests/e2e', '-m', 'long', labs=[PREFIX + 'e2e'], environment=suites.SANITIZE),
        Suite('tsan-build', 900, build('tsan', 'gcc', '--enable-tsan', '--enable-crash-points', '--prefix=' + INSTALLED), count_tap),
        Suite('tsan', 1800, suites.without_aslr('make', '-k', '-C', TSAN, 'check'), count_check(TSAN), environment=dict(PATIENT, **tsan)),
        pytest('tsan-e2e', 1800, 'tests/e2e', labs=[PREFIX + 'e2e'], environment=tsan),
        Suite('plain', 900, build('plain', 'gcc', 'CFLAGS=-g -O1'), count_tap),
        Suite('valgrind', 3600, ['make', '-k', '-C', PLAIN, 'check', 'LOG_COMPILER=' + VALGRIND], count_check(PLAIN), environment=PATIENT),
        Suite('tidy', 1800, ['tests/checks/tidy'], count_tap, environment={'TRUSTPOOL_BUILD': PLAIN}),
        Suite('fuzz-oat', 300, made(PLAIN, 'fuzz-oat', 'FUZZ_SECONDS=120'), count_tap),
        Suite('fuzz-rest', 300, made(PLAIN, 'fuzz-rest', 'FUZZ_SECONDS=120'), count_tap),
        Suite('distcheck', 1800, made(PLAIN, 'distcheck'), count_tap),
    ]


if __name__ == '__main__':
    subprocess.run([os.path.join(TOP, 'tests/install-packages')], check=True)
    suites.main('check-long', table())
