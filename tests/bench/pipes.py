"""Row 18: a stream from pipe to pipe over a cable, beside a file of that size."""

import os
import shlex
import statistics
import time

from tests.bench import measure
from tests.bench import path as paths
from tests.bench import peers
from tests.bench import race
from tests.bench import report
from tests.bench import rows
from tests.e2e import pair

_SIZE = 10 << 30
_QUICK_SIZE = 32 << 20
_CAP = 300
_RUNS = 3
_SHARE = 0.8
_MEMORY = 64
# What comes out of the pipe: the same few bytes again and again, from memory,
# so that nobody waits for a disk or for whoever makes them.
_PATTERN = 64 << 20
# Who writes into the one pipe and who reads from the other do so without
# copying: on two cores their work would be a part of what is measured.
_WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
for _ in range(int(sys.argv[2])):
  at = 0
  while size := os.splice(file, 1, 1 << 20, offset_src=at):
    at += size
"""
_READER = """
import os
out = os.open('/dev/null', os.O_WRONLY)
while os.splice(0, out, 1 << 20):
  pass
"""


def _run(task, size, streams):
  """(seconds from the path to the end, sender, receiver)"""
  people = task.path.people[0]
  program = pair.program()
  if streams:
    repeat = size // os.path.getsize(task.source)
    argv = ['send', '-', '--to', 'bob'] + people.options
    writer = ['python3', '-c', _WRITER, task.source, str(repeat)]
    send = ['sh', '-c', f'{shlex.join(writer)} | '
            f'exec {shlex.join([program] + argv)}']
    argv = ['recv', '--from', 'alice', '--out', '-'] + people.options
    reader = ['python3', '-c', _READER]
    recv = ['sh', '-c', f'{shlex.join([program] + argv)} | '
            f'exec {shlex.join(reader)}']
  else:
    send = [program, 'send', task.source, '--to', 'bob'] + people.options
    recv = [program, 'recv', '--from', 'alice', '--out', task.out
           ] + people.options
  ends = []
  for person, argv in ((people.bob, recv), (people.alice, send)):
    ends.append(task.path.tool(person.host, pair.PLAIN_USER + argv,
                               env={**os.environ, **person.environment},
                               cwd=person.folder))
  receiver, sender = ends
  deadline = receiver.begin + task.seconds
  over = sender.wait(deadline) and receiver.wait(deadline)
  sender.end()
  receiver.end()
  said = sender.find(r'xxh128 [0-9a-f]+ +verified')
  connected = sender.find(peers.CONNECTED)
  if not over or not said or not connected:
    raise measure.Failure(f'{sender.text[-1000:]}\n{receiver.text[-1000:]}')
  return said[0] - connected[0], sender, receiver


def run(folder, priority, quick, count, say):
  """A report.Table."""
  size = _QUICK_SIZE if quick else _SIZE
  out = os.path.join(folder, 'out')
  pattern = race.write_random(os.path.join(folder, 'pattern'),
                              min(size, _PATTERN))
  # A file of that size stands in memory twice: a part of it serves as well.
  whole = race.write_random(os.path.join(folder, 'file'), min(size, 2 << 30))
  rates = {'pipes': [], 'files': []}
  memory = {}
  with paths.Path(rows.PIPES_ROW, priority) as path:
    for _ in range(min(count, _RUNS)):
      for name in rates:
        streams = name == 'pipes'
        task = peers.Task(path, pattern if streams else whole, out,
                          path.folder, _CAP)
        moved = size if streams else os.path.getsize(whole)
        peers.empty(out)
        time.sleep(0.5)
        try:
          seconds, *ends = _run(task, moved, streams)
        except measure.Failure as failure:
          say(f'row {rows.PIPES}  {name}: {failure}')
          continue
        rates[name].append(moved * 8e-6 / seconds)
        memory[name] = [end.memory / (1 << 20) for end in ends]
        say(f'row {rows.PIPES}  {name:6} {rates[name][-1]:8.0f} Mbit/s, CPU '
            f'{ends[0].cpu:.1f} + {ends[1].cpu:.1f} s, at most '
            f'{memory[name][0]:.0f} and {memory[name][1]:.0f} MiB')
  peers.empty(folder)
  median = {name: statistics.median(values) if values else None
            for name, values in rates.items()}
  lines = [[name, f'{value:.0f}' if value else 'failed',
            ' and '.join(f'{mib:.0f}' for mib in memory.get(name, ()))]
           for name, value in median.items()]
  known = median['pipes'] and median['files']
  share = median['pipes'] / median['files'] if known else None
  return report.Table(
      f'{size >> 20} MiB from pipe to pipe over veth',
      'Mbit/s from the path to the verified end; MiB of the larger process of '
      'each side.', ['what', 'Mbit/s', 'MiB'], lines, [
          report.Verdict(f'at least {_SHARE:.0%} of the rate of a file',
                         f'{share:.0%}' if known else 'not measured',
                         share >= _SHARE if known else None),
          report.Verdict(f'at most {_MEMORY} MiB each side', lines[0][2],
                         bool(memory.get('pipes')) and
                         max(memory['pipes']) <= _MEMORY)
      ])
