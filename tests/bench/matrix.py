"""The benchmark matrix: p2pcp beside what else one would take, in one run.

Each row is a path: loopback, a cable, a line with a rate, a delay, losses. The
tools take turns on it. `./dev bench` installs and builds what this needs.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(
    0,
    os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))

# pylint: disable=wrong-import-position
from tests.bench import contest
from tests.bench import measure
from tests.bench import outage
from tests.bench import peers
from tests.bench import pipes
from tests.bench import plot
from tests.bench import race
from tests.bench import report
from tests.bench import rows
from tests.bench import trees
from tests.lab import network

_RUNS = 5
# After so many seconds a run is stopped, and what has arrived counts.
_CAP = 60
_QUICK_CAP = 20
# Rows of their own kind.
_TABLES = {rows.CONTEST: contest, rows.OUTAGE: outage, rows.TREES: trees,
           rows.PIPES: pipes}


def parse(argv):
  parser = argparse.ArgumentParser(
      prog='./dev bench',
      description=__doc__,
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--rows', default='', metavar='LIST',
                      help='some rows only, such as 1,4-9,15 (default: all)')
  parser.add_argument('--peers', default='', metavar='LIST',
                      help='some tools only, such as p2pcp,scp,rsync-bbr')
  parser.add_argument('--runs', type=int, default=_RUNS, metavar='N',
                      help=f'runs of each tool on each row ({_RUNS}); those '
                      'that take long run less often')
  parser.add_argument('--quick', action='store_true',
                      help='little to move: only whether everything works')
  parser.add_argument('--out', default='bench-results', metavar='FOLDER',
                      help='where the results go (bench-results)')
  parser.add_argument('--priority', type=int, default=0, metavar='N',
                      help='run the tools as real-time processes (chrt -r N), '
                      'on a machine that has other work')
  options = parser.parse_args(argv)
  if options.runs < 1 or not 0 <= options.priority < 20:
    parser.error('--runs is at least 1, --priority from 0 to 19')
  try:
    options.names = select_rows(options.rows)
  except ValueError as error:
    parser.error(str(error))
  return options


def select_rows(text):
  """Names of rows for a list such as '1,4-9,14'; '' stands for all."""
  names = [row.name for row in rows.ROWS] + list(_TABLES)
  if not text:
    return names
  chosen = set()
  for part in text.split(','):
    first, _, last = part.partition('-')
    if part in names:
      found = {part}
    elif not first.isdigit() or (last and not last.isdigit()):
      found = set()
    else:
      found = {name for name in names if int(first) <= int(
          name.rstrip('ab')) <= int(last or first)}
    if not found:
      raise ValueError(f'there is no row {part}')
    chosen |= found
  return [name for name in names if name in chosen]


def select_peers(row, text):
  """The row's tools that a list names; 'scp' stands for all of scp-*."""
  if not text:
    return list(row.peers)
  wanted = text.split(',')
  names = [name for name in row.peers
           if name in wanted or name.split('-')[0] in wanted]
  # Those that a row does not have by itself, if they are named whole.
  return names + [name for name in wanted if name == 'p2pcp-cubic']


def say(line):
  print(f'{time.strftime("%H:%M:%S")}  {line}', file=sys.stderr, flush=True)


def run(options, folder):
  """Everything that was asked for: a report.Results."""
  count = 1 if options.quick else options.runs
  cap = _QUICK_CAP if options.quick else _CAP
  results = report.Results(sys.argv, options.quick, cap)
  for row in rows.ROWS:
    if row.name not in options.names:
      continue
    if options.quick:
      row = rows.quick(row)
    names = select_peers(row, options.peers)
    if row.send and not peers.knows(row.send[0]):
      say(f'row {row.name}: left out, since p2pcp has no {row.send[0]}')
      continue
    if not names:
      continue
    say(f'row {row.name}: {row.title}')
    runs, typed = race.race(row, names, count, cap, folder, options.priority,
                            say)
    results.add_race(row, runs, typed)
    # What stands so far survives whatever comes.
    write(results, options.out)
  for name, module in _TABLES.items():
    if name in options.names:
      results.add_table(
          name,
          module.run(folder, options.priority, options.quick, count, say))
      write(results, options.out)
  return results


def write(results, folder):
  os.makedirs(folder, exist_ok=True)
  for ending, text in (('md', results.markdown()), ('json', results.json()),
                       ('svg', plot.draw(results.races))):
    name = os.path.join(folder, f'results.{ending}')
    with open(name, 'w', encoding='utf-8') as file:
      file.write(text)


def main(argv):
  options = parse(argv)
  network.become_root()
  measure.keep_time()
  folder = tempfile.mkdtemp(prefix='p2pcp-bench-', dir='/dev/shm')
  try:
    results = run(options, folder)
  finally:
    shutil.rmtree(folder, ignore_errors=True)
  print(results.summary())
  say(f'tables, numbers and plot stand in {options.out}')
  return 1 if results.failed() else 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
