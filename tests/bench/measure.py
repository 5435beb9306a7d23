"""Processes whose costs are counted, files that are watched, pings, counters.

Times are seconds of time.monotonic().
"""

import ctypes
import os
import re
import select
import signal
import struct
import subprocess
import threading
import time

_libc = ctypes.CDLL(None, use_errno=True)
_IN_CREATE = 0x100
_IN_CLOSE_WRITE = 0x8
_IN_MOVED_TO = 0x80
# Seconds: what has been told to end is killed after them,
_PATIENCE = 5
# and what children of a server may take after their client has ended.
_CHILDREN_END = 1


# Among real-time processes: above the tools, which may be such.
_PRIORITY = 25


def real_time(pid):
  """A process is woken in time however busy the cores are.

  What it starts is an ordinary process or thread again. Root in a user
  namespace may not do this; there the times are a little less exact.
  """
  try:
    os.sched_setscheduler(pid, os.SCHED_RR | os.SCHED_RESET_ON_FORK,
                          os.sched_param(_PRIORITY))
  except PermissionError:
    pass


def keep_time():
  """The calling thread is woken in time."""
  real_time(0)


class Failure(Exception):
  """A tool did not do what it should; the run counts as failed."""


class Process:
  """A process in a namespace: what it prints, when it ends, what it cost."""

  def __init__(self, lab, namespace, argv, **options):
    self.argv = argv
    self.lines = []  # (time, text) of both outputs
    self.ended = None
    self.usage = None  # Of it and all descendants that were waited for.
    self._ready = threading.Event()
    self.begin = time.monotonic()
    self._lab = lab
    self._process = lab.start(namespace, argv, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, errors='replace',
                              **options)
    self._threads = [
        threading.Thread(target=target, daemon=True)
        for target in (self._read, self._wait)
    ]
    for thread in self._threads:
      thread.start()

  @property
  def pid(self):
    return self._process.pid

  @property
  def code(self):
    """The exit code; None while it runs."""
    return self._process.returncode if self.ended else None

  @property
  def text(self):
    return '\n'.join(line for _, line in self.lines)

  def _read(self):
    keep_time()
    for line in self._process.stdout:
      self.lines.append((time.monotonic(), line.rstrip('\n')))

  def _wait(self):
    keep_time()
    # Popen can't tell what a process has used.
    try:
      _, status, usage = os.wait4(self._process.pid, 0)
    except ChildProcessError:  # The network was closed meanwhile.
      return
    self._process.returncode = os.waitstatus_to_exitcode(status)
    self.usage = usage
    self.ended = time.monotonic()
    self._ready.set()

  def wait(self, deadline):
    """Whether it has ended by then; its output is complete if so."""
    if not self._ready.wait(max(0, deadline - time.monotonic())):
      return False
    self._threads[0].join(_PATIENCE)
    return True

  def end(self, how=signal.SIGTERM):
    if not self._ready.is_set():
      try:
        os.kill(self._process.pid, how)
      except ProcessLookupError:
        pass
      if not self._ready.wait(_PATIENCE):
        os.kill(self._process.pid, signal.SIGKILL)
        self._ready.wait()
    self._threads[0].join(_PATIENCE)
    self._lab.end(self._process)

  def await_children(self):
    """Those of a server count for it once they have ended."""
    deadline = time.monotonic() + _CHILDREN_END
    while self._has_children() and time.monotonic() < deadline:
      time.sleep(0.01)

  def _has_children(self):
    try:
      with open(f'/proc/{self.pid}/task/{self.pid}/children',
                encoding='ascii') as file:
        return file.read() != ''
    except OSError:
      return False

  def find(self, pattern):
    """(time, match) of the first line that matches, or None."""
    for at, line in list(self.lines):
      match = re.search(pattern, line)
      if match:
        return at, match
    return None

  def await_line(self, pattern, deadline):
    """As find; raises Failure where none comes in time."""
    while True:
      ended = self._ready.is_set()
      if ended:
        self._threads[0].join(_PATIENCE)
      found = self.find(pattern)
      if found:
        return found
      if ended or time.monotonic() > deadline:
        raise Failure(f'{self.argv[0]} never says {pattern!r}: {self.text}')
      time.sleep(0.002)

  @property
  def cpu(self):
    """Seconds of CPU, user and system, of the whole tree."""
    return self.usage.ru_utime + self.usage.ru_stime

  @property
  def memory(self):
    """Most bytes that one process of the tree had in memory.

    Never less than this interpreter's, from which it was started.
    """
    return self.usage.ru_maxrss * 1024


class FolderWatch:
  """When a file was made in a folder, and when it was done.

  Tools may put other letters before and behind its name meanwhile.
  """

  def __init__(self, folder, name):
    self._name = name.encode()
    self._fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
    mask = _IN_CREATE | _IN_CLOSE_WRITE | _IN_MOVED_TO
    if self._fd < 0 or _libc.inotify_add_watch(self._fd, folder.encode(),
                                               mask) < 0:
      raise OSError(ctypes.get_errno(), f'inotify {folder}')
    self.made = None
    self.done = None
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self):
    keep_time()
    while not self._stop.is_set():
      if select.select([self._fd], [], [], 0.05)[0]:
        self._drain()
    self._drain()

  def _drain(self):
    try:
      events = os.read(self._fd, 65536)
    except BlockingIOError:
      return
    now = time.monotonic()
    at = 0
    while at < len(events):
      _, mask, _, length = struct.unpack_from('iIII', events, at)
      name = events[at + 16:at + 16 + length]
      at += 16 + length
      if self._name not in name:
        continue
      if mask & _IN_CREATE and self.made is None:
        self.made = now
      if mask & (_IN_CLOSE_WRITE | _IN_MOVED_TO):
        self.done = now

  def stop(self):
    self._stop.set()
    self._thread.join()
    os.close(self._fd)


class Ping:
  """Round trips through a path, 20 a second, for as long as it stands."""

  _INTERVAL = '0.05'

  def __init__(self, lab, namespace, to):
    self._process = Process(
        lab, namespace, ['ping', '-n', '-i', self._INTERVAL, '-W', '5', to])
    real_time(self._process.pid)

  def _trips(self):
    """(time of the answer, seconds that it took)"""
    for at, line in list(self._process.lines):
      match = re.search(r'time=([\d.]+) ms', line)
      if match:
        yield at, float(match.group(1)) / 1000

  def queue(self, begin, end):
    """(mean, 95th percentile) of what the path added, in seconds, or None.

    That is over the shortest trip ever seen.
    """
    trips = list(self._trips())
    during = sorted(trip for at, trip in trips if begin <= at <= end)
    if not during:
      return None
    shortest = min(trip for _, trip in trips)
    return (sum(during) / len(during) - shortest,
            during[min(len(during) - 1, int(len(during) * 0.95))] - shortest)


def device_bytes(pid, device):
  """(received, sent) by a device of the namespace that a process is in."""
  with open(f'/proc/{pid}/net/dev', encoding='ascii') as file:
    for line in file:
      name, _, numbers = line.partition(':')
      if name.strip() == device:
        fields = numbers.split()
        return int(fields[0]), int(fields[8])
  raise KeyError(device)


class Sampler:
  """What a device has received, every so often."""

  def __init__(self, pid, device, interval=0.05):
    self.samples = []  # (time, bytes received)
    self._source = (pid, device)
    self._interval = interval
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self):
    keep_time()
    while True:
      received, _ = device_bytes(*self._source)
      self.samples.append((time.monotonic(), received))
      if self._stop.wait(self._interval):
        return

  def stop(self):
    self._stop.set()
    self._thread.join()
    return self.samples


def cpu_of(pid):
  """Seconds of CPU that a process has used so far."""
  with open(f'/proc/{pid}/stat', encoding='utf-8') as file:
    fields = file.read().rpartition(')')[2].split()
  return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def is_bound(pid, port, kind):
  """Whether somebody in a process's namespace has that port; kind: tcp, udp."""
  for name in (kind, kind + '6'):
    with open(f'/proc/{pid}/net/{name}', encoding='ascii') as file:
      for line in list(file)[1:]:
        fields = line.split()
        # 0A: LISTEN. A UDP socket has no such state.
        if (int(fields[1].rpartition(':')[2], 16) == port and
            (kind == 'udp' or fields[3] == '0A')):
          return True
  return False


def await_bound(pid, port, kind, process, seconds=10):
  """Waits until a process in the namespace of pid has the port."""
  deadline = time.monotonic() + seconds
  while not is_bound(pid, port, kind):
    if process.code is not None or time.monotonic() > deadline:
      raise Failure(f'nobody has {kind} port {port}: {process.text}')
    time.sleep(0.005)
