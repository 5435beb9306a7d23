"""How much memory a process and its descendants use."""

import os
import threading


def _children():
  """Parent -> children, of every process."""
  tree = {}
  for name in os.listdir('/proc'):
    if not name.isdigit():
      continue
    try:
      with open(f'/proc/{name}/stat', encoding='utf-8',
                errors='replace') as file:
        # The command's name may hold anything, in parentheses.
        parent = int(file.read().rpartition(')')[2].split()[1])
    except (OSError, IndexError, ValueError):
      continue
    tree.setdefault(parent, []).append(int(name))
  return tree


def _resident(pid):
  """Bytes in memory, and the most there ever were; (0, 0) if it is gone."""
  now = peak = 0
  try:
    with open(f'/proc/{pid}/status', encoding='utf-8',
              errors='replace') as file:
      for line in file:
        if line.startswith('VmRSS:'):
          now = int(line.split()[1]) * 1024
        elif line.startswith('VmHWM:'):
          peak = int(line.split()[1]) * 1024
  except OSError:
    pass
  return now, peak


class Watch:
  """Samples a process tree until it is stopped."""

  _INTERVAL = 0.05

  def __init__(self, pid):
    self._pid = pid
    self._peaks = {}
    self.together = 0  # Most bytes that the tree had at one moment.
    self.samples = 0
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _sample(self):
    tree = _children()
    pids = [self._pid]
    for pid in pids:
      pids += tree.get(pid, [])
    total = 0
    for pid in pids:
      now, peak = _resident(pid)
      total += now
      self._peaks[pid] = max(peak, self._peaks.get(pid, 0))
    self.together = max(self.together, total)
    self.samples += 1

  def _run(self):
    while not self._stop.wait(self._INTERVAL):
      self._sample()

  def stop(self):
    """The sum of each process's own peak: never less than the tree's."""
    self._stop.set()
    self._thread.join()
    return sum(self._peaks.values())
