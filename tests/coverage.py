#!/usr/bin/python3
"""Prints how many lines of src/ the tests have run, a folder a line: coverage.py BUILD, a folder configured with --enable-coverage."""
import collections
import glob
import json
import os
import subprocess
import sys


def lines_of(build, data):
    """(source below src/, line, times run) for each line of one object; gcov -t writes JSON to its output."""
    done = subprocess.run(['gcov', '--stdout', '--json-format', data], cwd=build, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True, timeout=60)
    for document in done.stdout.decode().splitlines():
        for file in json.loads(document)['files']:
            name = os.path.realpath(os.path.join(build, file['file']))
            if '/src/' in name and name.endswith('.c'):
                for line in file['lines']:
                    yield name.rsplit('/src/', 1)[1], line['line_number'], line['count']


def main(build):
    notes = glob.glob(os.path.join(build, 'src', '**', '*.gcno'), recursive=True)
    if not notes:
        sys.exit('coverage.py: %s was not built with --enable-coverage' % build)
    run = collections.defaultdict(dict)                 # a source may be in several objects: run in one is run
    for note in sorted(notes):
        for source, line, count in lines_of(build, os.path.relpath(note, build)):
            run[source][line] = max(run[source].get(line, 0), count)
    folders = collections.Counter(), collections.Counter()
    for source, lines in run.items():
        for name in (os.path.dirname(source) or '.', 'all of src/'):
            folders[0][name] += sum(count > 0 for count in lines.values())
            folders[1][name] += len(lines)
    for name in sorted(folders[1], key=lambda name: (name.startswith('all'), name)):
        print('%-12s %6d of %6d lines  %5.1f %%' % (name, folders[0][name], folders[1][name], 100 * folders[0][name] / folders[1][name]))


if __name__ == '__main__':
    main(os.path.realpath(sys.argv[1] if len(sys.argv) > 1 else '.'))
