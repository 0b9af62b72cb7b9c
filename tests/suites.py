"""Runs the suites of tests one after the other, never stopping at a failure, and tells at the end what failed and why.

A suite is a command with a time budget and a way to count its tests.  What a suite prints goes to build/test/logs.
A suite that dies, or is out of time, counts as one failed test more.
"""
import glob
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
import zlib

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(TOP, 'build', 'test')
CLANG = os.path.join(TOP, 'build', 'clang')
LOGS = os.path.join(BUILD, 'logs')
# Labs and installed files are named after the checkout, so that two checkouts can be tested at once on one machine, and
# what a killed run left is found by the next one.  Not inside the checkout: the daemon runs as a user who may not enter it.
PREFIX = 'tp%05x' % (zlib.crc32(TOP.encode()) & 0xfffff)
INSTALLED = '/var/lib/%s-installed' % PREFIX
SANITIZE = {'ASAN_OPTIONS': 'detect_leaks=1:abort_on_error=0', 'UBSAN_OPTIONS': 'print_stacktrace=1'}
TSAN_OPTIONS = 'ignore_noninstrumented_modules=1:second_deadlock_stack=1'
PYTEST = ['/usr/bin/python3', '-B', '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '--durations=5']
TAIL = 60                               # lines shown of each failure


class Failure:
    def __init__(self, name, text):
        self.name, self.text = name, text


def tail(text):
    return '\n'.join(text.rstrip().splitlines()[-TAIL:])


def read(path):
    try:
        with open(path, errors='replace') as file:
            return file.read()
    except FileNotFoundError:
        return ''


def count_tap(output):
    """Lines `ok NAME` and `not ok NAME`, with `# ` lines of explanation before them."""
    passed, failures, notes = 0, [], []
    for line in output.splitlines():
        if line.startswith('ok '):
            passed, notes = passed + 1, []
        elif line.startswith('not ok '):
            failures.append(Failure(line[7:], '\n'.join(notes)))
            notes = []
        else:
            notes.append(line)
    return passed, failures


def count_check(folder=BUILD):
    """Check's programs under automake's harness: each leaves a .trs with its result and a .log with its counts."""
    return lambda output: count_programs(folder)


def count_programs(folder):
    passed, failures = 0, []
    for trs in sorted(glob.glob(os.path.join(folder, 'tests', '**', '*.trs'), recursive=True)):
        name, log = os.path.relpath(trs[:-4], folder), read(trs[:-4] + '.log')
        counts = re.findall(r'^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)', log, re.M)
        bad = sum(int(failed) + int(errors) for _, failed, errors in counts)
        passed += sum(int(checks) for checks, _, _ in counts) - bad
        if not counts and ':test-result: PASS' in read(trs):
            passed += 1                 # a program that counts nothing is one test
        elif ':test-result: PASS' not in read(trs):
            failures += [Failure(name, tail(log))] + [Failure(name, 'more of the same program')] * (bad - 1)
    return passed, failures


def count_pytest(report):
    def count(output):
        passed, failures = 0, []
        if not os.path.exists(report):
            return 0, []
        for case in ElementTree.parse(report).iter('testcase'):
            name = '%s::%s' % (case.get('classname'), case.get('name'))
            # a skipped test shows nothing, so it has not passed: everything it could need is installed
            bad = [part for part in case if part.tag in ('failure', 'error', 'skipped')]
            if bad:
                more = ''.join(part.text or '' for part in case if part.tag.startswith('system-'))
                failures.append(Failure(name, tail(more)[-8000:] + '\n' + tail(bad[0].text or bad[0].get('message') or '')))
            else:
                passed += 1
        return passed, failures
    return count


class Suite:
    def __init__(self, name, budget, command, count, labs=(), environment=None):
        self.name, self.budget, self.command, self.count = name, budget, command, count
        self.labs, self.environment = labs, environment or {}
        self.log = os.path.join(LOGS, name + '.log')

    def run(self):
        """(passed, failures)"""
        env = dict(os.environ, TRUSTPOOL_PREFIX=INSTALLED, TRUSTPOOL_BUILD=BUILD, TRUSTPOOL_TEST_LAB=PREFIX, **self.environment)
        with open(self.log, 'w') as log:
            process = subprocess.Popen(self.command, cwd=TOP, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       start_new_session=True)
            try:
                status = process.wait(self.budget)
            except subprocess.TimeoutExpired:
                status = 'still running after its budget of %d s' % self.budget
            finally:
                end_session(process)
                for lab in self.labs:
                    remove_lab(lab)
        passed, failures = self.count(read(self.log))
        if status and not failures:
            failures.append(Failure(self.name, '%s\n%s: ended with %s' % (tail(read(self.log)), self.name, status)))
        elif isinstance(status, str):
            failures.append(Failure(self.name, status))
        if not passed and not failures:
            failures.append(Failure(self.name, 'no test was run\n' + tail(read(self.log))))
        return passed, failures


def end_session(process):
    """First what pytest takes as Ctrl-C, so that it reports and cleans up; then for good, with all its children."""
    for sign, patience in ((signal.SIGINT, 30), (signal.SIGKILL, 10)):
        try:
            if process.poll() is None:
                os.killpg(process.pid, sign)
                process.wait(patience)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)      # what it left behind in its own group
    except ProcessLookupError:
        pass


def remove_lab(name):
    subprocess.run([os.path.join(TOP, 'tests/lab/lab.sh'), 'down'], env=dict(os.environ, PFX=name, LAB='/var/lib/' + name),
                   stdin=subprocess.DEVNULL, timeout=60)


def pytest(name, budget, *paths, **more):
    report = os.path.join(LOGS, name + '.xml')
    return Suite(name, budget, PYTEST + ['--junitxml', report, *paths], count_pytest(report), **more)


def build(name, compiler, *options):
    """Configures and makes everything, tests included, in build/NAME; one test."""
    folder = os.path.join(TOP, 'build', name)
    script = '''set -e
        if [ ! -x configure ] || [ configure.ac -nt configure ]; then autoreconf -fi; fi
        mkdir -p "$0"; cd "$0"
        ../../configure CC=%s --enable-werror "$@"
        make -j2 all
        make -j2 check TESTS=
        case " $* " in *" --prefix="*) make install;; esac
        echo "ok %s builds without a warning"''' % (compiler, compiler)
    return ['bash', '-c', script, folder, *options]


def made(folder, target, *variables):
    """One test: that this target can be made in this folder."""
    script = 'make -C "$0" "$@" && echo "ok $2"'
    return ['bash', '-c', script, folder, '-s', target, *variables]


def without_aslr(*command):
    """TSan maps its shadow where addresses that are spread wide may lie (vm.mmap_rnd_bits)."""
    allowed = subprocess.run(['setarch', '-R', 'true'], stderr=subprocess.DEVNULL).returncode == 0
    return ['setarch', '-R', *command] if allowed else [*command]


def suites():
    return [
        Suite('build', 400, build('test', 'gcc', '--enable-sanitizers', '--enable-crash-points', '--prefix=' + INSTALLED), count_tap),
        Suite('clang', 300, build('clang', 'clang', '--enable-crash-points'), count_tap),
        Suite('checks', 300, ['tests/checks/run'], count_tap),
        Suite('unit', 480, ['make', '-k', '-C', BUILD, 'check'], count_check(), environment=SANITIZE),
        # always the same inputs, from the same seed: make check-long looks for new ones
        Suite('fuzz-oat', 300, made(CLANG, 'fuzz-oat', 'FUZZ_FOR=-seed=1 -runs=20000'), count_tap),
        Suite('fuzz-rest', 300, made(CLANG, 'fuzz-rest', 'FUZZ_FOR=-seed=1 -runs=10000'), count_tap),
        pytest('sql', 300, 'tests/sql'),
        pytest('lab', 240, 'tests/lab', labs=[PREFIX + 'lab', PREFIX + 'hlf']),
        pytest('e2e', 720, 'tests/e2e', '-m', 'not long', labs=[PREFIX + 'e2e'], environment=SANITIZE),
    ]


def main(program, table):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))     # so that `finally` ends what is running
    chosen = sys.argv[1:]
    unknown = set(chosen) - {suite.name for suite in table}
    if unknown:
        sys.exit(program + ': no suite %s; there are: %s' % (', '.join(unknown), ' '.join(suite.name for suite in table)))
    shutil.rmtree(LOGS, ignore_errors=True)
    os.makedirs(LOGS)
    shutil.rmtree(INSTALLED, ignore_errors=True)
    passed, failures = 0, []
    for suite in table:
        if chosen and suite.name not in chosen:
            continue
        begun = time.monotonic()
        good, bad = suite.run()
        passed, failures = passed + good, failures + bad
        print('%-10s %4d passed %3d failed %5.0f s' % (suite.name, good, len(bad), time.monotonic() - begun), flush=True)
        if suite.name == 'build' and bad:
            break                       # nothing else could say anything
    for failure in failures:
        print('\n==== FAILED %s\n%s' % (failure.name, failure.text))
    shutil.rmtree(INSTALLED, ignore_errors=True)
    print('\n%d passed, %d failed' % (passed, len(failures)), flush=True)
    sys.exit(1 if failures else 0)


if __name__ == '__main__':
    main('runtests', suites())
