"""Row 17: a folder of a million small files over a cable, in memory, beside an
rsync daemon and tar through ssh."""

import os
import random
import statistics
import time

from tests.bench import measure
from tests.bench import path as paths
from tests.bench import peers
from tests.bench import report
from tests.bench import rows

# In 100 files a folder, of 0 to 4 KiB.
_FILES = 1_000_000
_QUICK_FILES = 2_000
_FILES_A_FOLDER = 100
_MAX_SIZE = 4096
# Seconds for each tool, and runs: each takes minutes.
_CAP = 900
_RUNS = 3
_MEMORY = 64


def make_tree(root, files, seed=1):
  """A tree of two levels of folders; the bytes of its files."""
  numbers = random.Random(seed)
  noise = os.urandom(1 << 20)
  total = 0
  for first in range(0, files, _FILES_A_FOLDER):
    number = first // _FILES_A_FOLDER
    folder = os.path.join(root, f'{number // 100:03}', f'{number % 100:02}')
    os.makedirs(folder)
    for i in range(min(_FILES_A_FOLDER, files - first)):
      size = numbers.randrange(_MAX_SIZE + 1)
      begin = numbers.randrange(len(noise) - size)
      fd = os.open(os.path.join(folder, f'file {i}'),
                   os.O_WRONLY | os.O_CREAT, 0o755 if i % 10 == 0 else 0o644)
      os.write(fd, noise[begin:begin + size])
      # Some time ago, to the nanosecond.
      os.utime(fd, ns=(0, 1_600_000_000_000_000_000 + first + i))
      os.close(fd)
      total += size
  return total


def _entries(root):
  """(path below root, os.DirEntry) of all files, and of folders."""
  waiting = ['']
  while waiting:
    folder = waiting.pop()
    with os.scandir(os.path.join(root, folder)) as scan:
      for entry in scan:
        path = os.path.join(folder, entry.name)
        yield path, entry
        if entry.is_dir(follow_symlinks=False):
          waiting.append(path)


def difference(source, copy, same_time=True):
  """What the copy of a tree has wrong; '' if nothing."""
  count = 0
  for path, entry in _entries(source):
    count += 1
    other = os.path.join(copy, path)
    try:
      ours, theirs = entry.stat(), os.stat(other, follow_symlinks=False)
    except FileNotFoundError:
      return f'{path} is missing'
    if entry.is_dir():
      continue
    if (ours.st_size != theirs.st_size or
        (ours.st_mode & 0o100) != (theirs.st_mode & 0o100) or
        (same_time and ours.st_mtime_ns != theirs.st_mtime_ns)):
      return f'{path} has another size, x bit or time'
    with open(entry.path, 'rb') as a, open(other, 'rb') as b:
      if a.read() != b.read():
        return f'{path} has another content'
  there = sum(1 for _ in _entries(copy))
  return '' if there == count else f'{there} entries, not {count}'


class _RsyncTree(peers.Rsync):

  def command(self, task):
    return ['rsync', '-a', task.source, f'rsync://{paths.B}/bench/']


class _TarSsh(peers.Scp):
  about = 'encrypted (aes128-gcm), not verified'

  def command(self, task):
    folder, name = os.path.split(task.source)
    ssh = ' '.join(['ssh', '-c', 'aes128-gcm@openssh.com', '-i',
                    self._key(task, 'user'), '-o', 'StrictHostKeyChecking=no',
                    '-o', 'UserKnownHostsFile=/dev/null', f'root@{paths.B}'])
    return ['sh', '-c', f'tar cf - -C {folder} {name} | {ssh} '
            f'tar xf - -C {task.out}']


def _served(tool, task):
  """(seconds, sender, receiver) of a tool with a server."""
  path = task.path
  receiver = path.tool(path.b, tool.server(task))
  try:
    measure.await_bound(path.holders[path.b], tool.port, 'tcp', receiver)
    sender = path.tool(path.a, tool.command(task))
    if not sender.wait(sender.begin + task.seconds):
      sender.end()
      raise measure.Failure(f'not done within {task.seconds} s')
    if sender.code != 0:
      raise measure.Failure(f'exit {sender.code}: {sender.text[-2000:]}')
    receiver.await_children()
  finally:
    receiver.end()
  return sender.ended - sender.begin, sender, receiver


def _p2pcp(task):
  """The same, from when both had been started: the set-up counts."""
  people = task.path.people[0]
  # Without -v, which says a line for each file.
  options = [word for word in people.options if word != '-v']
  receiver = task.path.p2pcp(
      people.bob, ['recv', '--from', 'alice', '--out', task.out] + options)
  sender = task.path.p2pcp(
      people.alice, ['send', task.source, '--to', 'bob'] + options)
  deadline = receiver.begin + task.seconds
  over = sender.wait(deadline) and receiver.wait(deadline)
  sender.end()
  receiver.end()
  if not over or (sender.code, receiver.code) != (0, 0):
    raise measure.Failure(f'exit {sender.code}, {receiver.code}:\n'
                          f'{sender.text[-1000:]}\n{receiver.text[-1000:]}')
  return (max(sender.ended, receiver.ended) - receiver.begin, sender, receiver)


def run(folder, priority, quick, count, say):
  """A report.Table."""
  files = _QUICK_FILES if quick else _FILES
  source = os.path.join(folder, 'tree')
  os.makedirs(source)
  size = make_tree(source, files)
  say(f'row {rows.TREES}  {files} files, {size / 1e9:.2f} GB')
  tools = {'p2pcp': _p2pcp,
           'rsync daemon': lambda task: _served(_RsyncTree('rsync'), task),
           'tar through ssh': lambda task: _served(_TarSsh('tar'), task)}
  took = {name: [] for name in tools}
  memory = {}
  errors = {}
  out = os.path.join(folder, 'out')
  with paths.Path(rows.TREES_ROW, priority) as path:
    task = peers.Task(path, source, out, path.folder, _CAP)
    for _ in range(min(count, _RUNS)):
      for name, tool in tools.items():
        peers.empty(out)
        time.sleep(0.5)
        try:
          seconds, *ends = tool(task)
        except measure.Failure as failure:
          errors[name] = str(failure)
          say(f'row {rows.TREES}  {name}: {failure}')
          continue
        took[name].append(seconds)
        memory[name] = [end.memory / (1 << 20) for end in ends]
        say(f'row {rows.TREES}  {name:16} {seconds:7.2f} s, '
            f'{files / seconds:7.0f} files/s, CPU '
            f'{ends[0].cpu:.1f} + {ends[1].cpu:.1f} s, at most '
            f'{memory[name][0]:.0f} and {memory[name][1]:.0f} MiB')
        # tar keeps whole seconds only.
        wrong = difference(source, os.path.join(out, 'tree'),
                           same_time=name != 'tar through ssh')
        if wrong:
          errors[name] = wrong
          say(f'row {rows.TREES}  {name}: {wrong}')
  peers.empty(folder)
  lines = [[name, f'{statistics.median(times):.2f} s' if times else 'failed',
            f'{files / statistics.median(times):.0f}' if times else '',
            ' and '.join(f'{mib:.0f}' for mib in memory.get(name, ())),
            errors.get(name, '')]
           for name, times in took.items()]
  others = [statistics.median(times) for name, times in took.items()
            if times and name != 'p2pcp']
  ours = statistics.median(took['p2pcp']) if took['p2pcp'] else None
  verdicts = [
      report.Verdict('no slower than the faster of both',
                     f'{ours:.2f} s, {min(others):.2f} s' if ours and others
                     else 'not measured',
                     ours <= min(others) if ours and others else None),
      report.Verdict('all of it arrives as it was', errors.get('p2pcp', 'yes'),
                     'p2pcp' not in errors),
      report.Verdict(f'at most {_MEMORY} MiB each side',
                     lines[0][3], bool(memory.get('p2pcp')) and
                     max(memory['p2pcp']) <= _MEMORY)
  ]
  return report.Table(
      f'{files:,} files of 0 to 4 KiB over veth, in memory',
      'Seconds from the start of the sender, or of whoever waits for it, to the '
      'end of the sender; MiB of the larger process of each side.',
      ['tool', 'median', 'files a second', 'MiB', ''], lines, verdicts)
