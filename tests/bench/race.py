"""Races: the tools of a row move the same file over the same path, in turns."""

import dataclasses
import os
import shutil
import subprocess
import time

from tests.bench import measure
from tests.bench import path as paths
from tests.bench import peers

# A run that takes longer than this is repeated less often, or not at all.
_SHORT = 15
_LONG_RUNS = 3
# Before a run, what the one before has left on its way drains.
_PAUSE = 0.5


@dataclasses.dataclass
class Run:
  """What one run of one tool gave. Rates are Mbit/s of the file's bytes."""
  peer: str
  error: str = ''
  goodput: float = 0
  seconds: float = 0  # From connected to verified.
  setup: float | None = None
  overall: float | None = None  # Seconds, set-up included.
  steady: float | None = None  # Of the middle half of the bytes.
  whole: bool = False  # The file arrived in time, and is what was sent.
  cpu_sender: float | None = None  # Seconds a GB.
  cpu_receiver: float | None = None
  memory: float | None = None  # MiB, of the side that had more.
  copies: float = 0  # Bytes that were sent twice lest the end be lost.
  wire: float | None = None  # Bytes sent for each of the file.
  queue_mean: float | None = None  # Seconds that the path added to a ping.
  queue_p95: float | None = None
  resent: float | None = None  # Shares of the packets that were sent.
  lost: float | None = None
  spurious: float | None = None
  emulator: float = 0  # Share of a core that the link emulator took.
  load: float = 0  # The machine's load average when it began.


def write_random(path, size):
  with open(path, 'wb') as file:
    while size > 0:
      piece = os.urandom(min(size, 1 << 20))
      file.write(piece)
      size -= len(piece)
  return path


def _arrived(folder):
  """Bytes that stand in a folder, under whatever names."""
  return sum(
      min(status.st_size, status.st_blocks * 512)
      for status in (entry.stat() for entry in os.scandir(folder)))


def _is_same(source, copy):
  return os.path.exists(copy) and subprocess.run(
      ['cmp', '-s', source, copy], check=False).returncode == 0


def _steady(samples, begin, end, share):
  """Rate of the middle half of what arrived; share: of it that is the file."""
  during = [(at, count) for at, count in samples if begin <= at <= end]
  if len(during) < 8:
    return None
  first, last = during[0][1], during[-1][1]
  middle = [(at, count) for at, count in during
            if 0.25 <= (count - first) / max(1, last - first) <= 0.75]
  if len(middle) < 4:
    return None
  (t0, c0), (t1, c1) = middle[0], middle[-1]
  return (c1 - c0) * share * 8e-6 / (t1 - t0)


def run_once(peer, task):
  """Moves the task's file with a tool: a Run."""
  path = task.path
  run = Run(peer.name, load=os.getloadavg()[0])
  peers.empty(task.out)
  time.sleep(_PAUSE)
  sent = path.sent_bytes()
  emulator = path.emulator_cpu()
  sampler = path.sampler()
  try:
    outcome = peer.run(task)
  except measure.Failure as failure:
    run.error = str(failure)
    return run
  finally:
    samples = sampler.stop()
  stopped = time.monotonic()
  run.emulator = ((path.emulator_cpu() - emulator) /
                  max(stopped - outcome.begin, 0.01))
  _fill(run, peer, task, outcome)
  if outcome.connected is not None:
    end = outcome.done or outcome.begin + task.seconds
    delivered = max(samples[-1][1] - samples[0][1], 1)
    bytes_moved = run.goodput * run.seconds / 8e-6
    # The middle has no copies of the end.
    moved = bytes_moved + run.copies * (1 - (run.lost or 0))
    run.steady = _steady(samples, outcome.connected, end,
                         min(1, moved / delivered))
    queue = path.ping.queue(outcome.connected, end)
    if queue and task.row.kind == 'line':
      run.queue_mean, run.queue_p95 = queue
    if bytes_moved:
      run.wire = (path.sent_bytes() - sent) / bytes_moved
  peers.empty(task.out)
  return run


def _fill(run, peer, task, outcome):
  size = outcome.bytes_moved or task.size
  run.whole = outcome.done is not None
  if outcome.connected is None:
    run.error = f'not connected within {task.seconds:.0f} s'
    return
  run.setup = outcome.connected - outcome.begin
  if run.whole:
    run.seconds = outcome.done - outcome.connected
    arrives = peer.moves_file or isinstance(peer, peers.BarePipe)
    if arrives and not _is_same(task.source, task.target):
      run.error = 'what arrived is not what was sent'
      run.whole = False
      return
  else:
    run.seconds = task.seconds - run.setup
    size = outcome.bytes_moved or _arrived(task.out)
  run.overall = run.setup + run.seconds
  run.goodput = size * 8e-6 / max(run.seconds, 1e-6)
  for name, value in outcome.said.items():
    setattr(run, name, value)
  for side in ('sender', 'receiver'):
    process = getattr(outcome, side)
    setattr(run, f'cpu_{side}', process.cpu / max(size / 1e9, 1e-9))
    run.memory = max(run.memory or 0, process.memory / (1 << 20))


def _warm_memory(task):
  """Makes a copy and removes it.

  A virtual machine gets much of its memory only when it first touches it, which
  takes several times as long as all else.
  """
  peers.empty(task.out)
  shutil.copyfile(task.source, task.target)
  peers.empty(task.out)


def _wanted(runs, ours, count):
  """How often a tool runs, after its first run."""
  first = runs[0]
  if first.error and not first.goodput:
    return 2  # Once more, in case it was chance.
  if ours and first.goodput < ours / 2:
    return 1
  return count if first.seconds <= _SHORT else min(count, _LONG_RUNS)


def race(row, names, count, seconds, folder, priority, say):
  """All runs of a row: {name: [Run]}, and what was typed: {name: command}.

  Args:
    row: a rows.Row.
    names: of the tools, p2pcp first if it takes part.
    count: of runs, at most, of each tool.
    seconds: after which a run is stopped.
    folder: in memory, for source and copy.
    priority: of the tools among real-time processes; 0: ordinary.
    say: called with a line for whoever waits.
  """
  tools = peers.all_peers()
  runs = {name: [] for name in names}
  typed = {}
  source = write_random(os.path.join(folder, 'file'), row.size)
  out = os.path.join(folder, 'out')
  try:
    with paths.Path(row, priority) as path:
      task = peers.Task(path, source, out, path.folder, seconds)
      _warm_memory(task)
      for turn in range(count):
        for name in names:
          done = runs[name]
          ours = [run.goodput for run in runs.get('p2pcp', ())]
          if done and turn >= _wanted(done, max(ours, default=0), count):
            continue
          run = run_once(tools[name], task)
          done.append(run)
          typed[name] = ' '.join(tools[name].command(task))
          say(f'row {row.name}  {name:12}  ' + describe(run))
  finally:
    os.remove(source)
    peers.empty(out)
  return runs, typed


def describe(run):
  if run.error:
    return 'FAILED: ' + run.error.strip().split('\n')[-1][:200]
  text = f'{run.goodput:9.1f} Mbit/s in {run.seconds:6.2f} s'
  if not run.whole:
    text += ' (stopped)'
  text += f', set-up {run.setup:.2f} s'
  if run.queue_mean is not None:
    text += f', queue {run.queue_mean * 1e3:.1f} ms'
  if run.cpu_sender is not None:
    text += f', CPU {run.cpu_sender:.2f} + {run.cpu_receiver:.2f} s/GB'
  return text
