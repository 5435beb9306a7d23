"""The tools of the benchmark, and how each moves one file from A to B."""

import dataclasses
import os
import re
import shutil
import time

from tests.bench import measure
from tests.bench import path as paths
from tests.e2e import pair
from tests.lab import network

_PORT = 9000
# What SRT and UDT may have on their way, as much as any row needs and TCP gets.
_WINDOW = 25_000_000
# Of p2pcp's options, those that the benchmark is about.
_CONTROLLER = {'p2pcp': [], 'p2pcp-cubic': ['--cc', 'cubic']}
_CIPHER = 'aes128-gcm@openssh.com'


@dataclasses.dataclass
class Task:
  """One file to move."""
  path: paths.Path
  source: str
  out: str  # An empty folder on B.
  folder: str  # For keys and configurations; the same for all tasks.
  seconds: float = 60  # Then it is stopped.

  @property
  def row(self):
    return self.path.row

  @property
  def size(self):
    return os.path.getsize(self.source)

  @property
  def target(self):
    return os.path.join(self.out, os.path.basename(self.source))


@dataclasses.dataclass
class Outcome:
  """How it went. Times are of time.monotonic()."""
  begin: float  # When the first of those that connect was started.
  connected: float | None  # Both ends know of each other.
  done: float | None  # The receiver has everything, and has verified it if it
  # does so; None: not within the time.
  sender: measure.Process
  receiver: measure.Process
  bytes_moved: int | None = None  # Where it isn't the size of the file.
  said: dict = dataclasses.field(default_factory=dict)


class Peer:
  """A tool. run() moves the file of a task."""

  about = ''
  moves_file = True

  def __init__(self, name):
    self.name = name

  def command(self, task):
    """What the sender types, for the report."""
    raise NotImplementedError

  def run(self, task):
    raise NotImplementedError


class _Served(Peer):
  """Somebody listens on B; a client on A connects, sends and ends."""

  port = _PORT
  kind = 'tcp'
  # Whether the receiver ends by itself after one file.
  one_file = False

  def server(self, task):
    """What listens."""
    raise NotImplementedError

  def run(self, task):
    path = task.path
    congestion = self.name.rpartition('-')[2]
    if congestion in ('bbr', 'cubic'):
      path.set_tcp(congestion)
    watch = measure.FolderWatch(task.out, os.path.basename(task.source))
    receiver = path.tool(path.b, self.server(task))
    try:
      measure.await_bound(path.holders[path.b], self.port, self.kind, receiver)
      sender = path.tool(path.a, self.command(task))
      deadline = sender.begin + task.seconds
      over = sender.wait(deadline)
      if over and sender.code != 0:
        raise measure.Failure(f'exit {sender.code}: {sender.text[-2000:]}')
      # What the sender has handed over may still be on its way.
      while over and not self._is_done(watch, task, receiver):
        if time.monotonic() > deadline:
          over = False
        time.sleep(0.01)
      sender.end()
      if over:
        receiver.await_children()
    finally:
      receiver.end()
      watch.stop()
    return Outcome(sender.begin, watch.made, watch.done if over else None,
                   sender, receiver)

  def _is_done(self, watch, task, receiver):
    if self.one_file:
      return receiver.code is not None
    return (watch.done is not None and os.path.exists(task.target) and
            os.path.getsize(task.target) == task.size)


class Scp(_Served):
  about = 'encrypted (aes128-gcm), not verified'
  port = 22

  def server(self, task):
    return ['/usr/sbin/sshd', '-D', '-f', '/dev/null', '-h',
            self._key(task, 'host'), '-o', f'ListenAddress={paths.B}', '-o',
            f'AuthorizedKeysFile={self._key(task, "user")}.pub', '-o',
            'StrictModes=no', '-o', 'PermitRootLogin=yes', '-o', 'UsePAM=no',
            '-o', 'PidFile=none', '-o', 'Subsystem=sftp internal-sftp']

  def command(self, task):
    return ['scp', '-q', '-c', _CIPHER, '-i', self._key(task, 'user'), '-o',
            'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null',
            task.source, f'root@{paths.B}:{task.out}/']

  def _key(self, task, name):
    key = os.path.join(task.folder, f'ssh-{name}')
    if not os.path.exists(key):
      network.command(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                       key])
    os.makedirs('/run/sshd', exist_ok=True)
    return key


class Rsync(_Served):
  about = 'daemon: not encrypted, verified'
  port = 873

  def server(self, task):
    configuration = os.path.join(task.folder, 'rsyncd.conf')
    with open(configuration, 'w', encoding='utf-8') as file:
      file.write('use chroot = no\nuid = root\ngid = root\n'
                 f'[bench]\npath = {task.out}\nread only = no\n')
    return ['rsync', '--daemon', '--no-detach', f'--config={configuration}']

  def command(self, task):
    return ['rsync', '-W', task.source, f'rsync://{paths.B}/bench/']


class Srt(_Served):
  about = 'not encrypted, not verified'
  kind = 'udp'
  one_file = True

  def _uri(self, host, mode):
    return (f'srt://{host}:{_PORT}?mode={mode}&sndbuf={_WINDOW}'
            f'&rcvbuf={_WINDOW}&fc=51200')

  def server(self, task):
    return ['srt-file-transmit', self._uri('', 'listener'),
            f'file://{task.out}/']

  def command(self, task):
    return ['srt-file-transmit', '-q', f'file://{task.source}',
            self._uri(paths.B, 'caller')]


class Udt(_Served):
  about = 'not encrypted, not verified'
  kind = 'udp'
  one_file = True

  def _program(self):
    return network.find_program('udt_file', 'tests/bench/udt_file')

  def server(self, task):
    return [self._program(), '--listen', str(_PORT), task.target]

  def command(self, task):
    return [self._program(), '--to', paths.B, str(_PORT), task.source]


class Uftp(_Served):
  about = 'told the rate; not encrypted, not verified'
  kind = 'udp'
  port = 1044

  def server(self, task):
    # With another interface it tries to join the address as a group.
    return ['uftpd', '-d', '-x', '0', '-B', str(_WINDOW), '-D', task.out, '-I',
            'lo', '-M', paths.B]

  def command(self, task):
    return ['uftp', '-x', '1', '-B', str(_WINDOW), '-M', paths.B, '-R',
            str(task.row.told_rate * 1000), task.source]


class Iperf(Peer):
  about = 'memory to memory: what TCP makes of the path, no file'
  moves_file = False

  def command(self, task):
    return ['iperf3', '-c', paths.B, '-C', self.name.rpartition('-')[2], '-n',
            str(task.size)]

  def run(self, task):
    path = task.path
    receiver = path.tool(path.b, ['iperf3', '-s', '-1'])
    try:
      measure.await_bound(path.holders[path.b], 5201, 'tcp', receiver)
      before = measure.device_bytes(path.holders[path.b], path.device)[0]
      sender = path.tool(path.a, self.command(task))
      over = sender.wait(sender.begin + task.seconds)
      moved = (measure.device_bytes(path.holders[path.b], path.device)[0] -
               before)
      sender.end()
      receiver.wait(time.monotonic() + 2)
    finally:
      receiver.end()
    if over and sender.code != 0:
      raise measure.Failure(sender.text[-2000:])
    connected = sender.find(r'connected to') or (sender.begin, None)
    if not over:
      # 40 bytes of each 1,500, and 12 for the time stamp.
      return Outcome(sender.begin, connected[0], None, sender, receiver,
                     int(moved * 1448 / 1500))
    # Its own count, from the start of the data to their arrival. Its output
    # comes in one piece at the end.
    match = re.search(r'0\.00-([\d.]+) +sec +[\d.]+ \w+ +[\d.]+ \w+/sec +'
                      'receiver', sender.text)
    if not match:
      raise measure.Failure(sender.text[-2000:])
    return Outcome(sender.begin, sender.ended - float(match.group(1)),
                   sender.ended, sender, receiver)


class Blast(Peer):
  """Datagrams without any protocol: what the kernel delivers."""
  about = 'datagrams that nobody counts: no file'
  moves_file = False
  _SECONDS = 4

  def _options(self):
    return ['--no-gso', '--no-gro'] if self.name.endswith('no-gso') else []

  def _program(self):
    return network.find_program('udp_blast', 'tests/bench/udp_blast')

  def command(self, task):
    return [self._program(), '--seconds', str(self._SECONDS), '--to',
            f'{paths.B}:{_PORT}'] + self._options()

  def run(self, task):
    path = task.path
    receiver = path.tool(path.b, [self._program(), '--listen',
                                  f'{paths.B}:{_PORT}'] + self._options())
    try:
      measure.await_bound(path.holders[path.b], _PORT, 'udp', receiver)
      sender = path.tool(path.a, self.command(task))
      sender.wait(sender.begin + 2 * self._SECONDS)
      sender.end()
    finally:
      receiver.end()
    # A line each second; the first and the last are no whole seconds.
    rates = [float(rate) for rate in
             re.findall(r'([\d.]+) Gbit/s', receiver.text)][1:-1]
    if not rates:
      raise measure.Failure(f'{sender.text}\n{receiver.text}')
    rate = sum(rates) / len(rates)
    return Outcome(sender.begin, sender.begin, sender.begin + self._SECONDS,
                   sender, receiver, int(rate * 1e9 / 8 * self._SECONDS))


class BarePipe(_Served):
  about = 'the same work without a protocol: the ceiling'
  kind = 'udp'
  moves_file = False  # It serves nobody: no peer, though a file arrives.
  one_file = True

  def _program(self):
    return network.find_program('bare_pipe', 'tests/bench/bare_pipe')

  def server(self, task):
    return [self._program(), '--listen', f'{paths.B}:{_PORT}', task.target]

  def command(self, task):
    rate = ['--rate', str(task.row.held_to)] if task.row.held_to else []
    return [self._program(), *rate, '--to', f'{paths.B}:{_PORT}', task.source]

  def run(self, task):
    outcome = super().run(task)
    # From the first datagram to the last byte that was hashed, by its own
    # clock: the file is opened before anybody connects.
    match = re.search(r'receiver +([\d.]+) s', outcome.receiver.text)
    if not match:
      raise measure.Failure(outcome.receiver.text)
    outcome.connected = outcome.done - float(match.group(1))
    return outcome


class P2pcp(Peer):
  about = 'encrypted, verified'

  def command(self, task):
    return (['p2pcp', 'send', task.source, '--to', 'bob'] +
            task.path.people[0].options + self._send(task))

  def _send(self, task):
    return _CONTROLLER[self.name] + list(task.row.send)

  def start(self, task, people=None, send=(), recv=()):
    """Starts both ends: (sender, receiver)."""
    people = people or task.path.people[0]
    receiver = task.path.p2pcp(
        people.bob, ['recv', '--from', 'alice', '--out', task.out] +
        people.options + list(recv))
    sender = task.path.p2pcp(
        people.alice, ['send', task.source, '--to', 'bob'] +
        people.options + (list(send) or self._send(task)))
    return sender, receiver

  def run(self, task):
    sender, receiver = self.start(task)
    deadline = receiver.begin + task.seconds
    over = receiver.wait(deadline) and sender.wait(deadline)
    failed = {sender.code, receiver.code} - {0, None}
    sender.end()
    receiver.end()
    if failed:
      raise measure.Failure(f'exit {sender.code}, {receiver.code}:\n'
                            f'{sender.text}\n{receiver.text}')
    connected = receiver.find(CONNECTED)
    done = receiver.find(r'xxh128 [0-9a-f]+ +verified')
    return Outcome(receiver.begin, connected and connected[0],
                   done[0] if done and over else None, sender, receiver,
                   said=what_it_said(sender.text))


def knows(option):
  """Whether p2pcp send has an option."""
  return option in network.command([pair.program(), 'send', '--help'])


_UNITS = {'B': 1, 'KiB': 1 << 10, 'MiB': 1 << 20, 'GiB': 1 << 30}

# What p2pcp -v says once a path has been proven.
CONNECTED = r' path: direct '


def what_it_said(text):
  """From the sender's last lines: shares of packets, and the bytes of copies
  that the end of a file is sent in."""
  match = re.search(r'packets: (\d+) sent, .*?(\d+) lost \((\d+) of them '
                    r'arrived late\).* ([\d.]+) (\w+) copied at the end',
                    text)
  if not match:
    return {}
  sent, lost, late = (int(number) for number in match.groups()[:3])
  copies = float(match[4]) * _UNITS[match[5]]
  return {'resent': lost / sent, 'lost': (lost - late) / sent,
          'spurious': late / sent, 'copies': copies}


def all_peers():
  """Name -> Peer, in the order of the report."""
  kinds = {
      'p2pcp': P2pcp, 'p2pcp-cubic': P2pcp, 'bare_pipe': BarePipe,
      'blast': Blast, 'blast-no-gso': Blast, 'scp-cubic': Scp, 'scp-bbr': Scp,
      'rsync-cubic': Rsync, 'rsync-bbr': Rsync, 'srt': Srt, 'udt': Udt,
      'uftp': Uftp, 'iperf3-cubic': Iperf, 'iperf3-bbr': Iperf
  }
  return {name: kind(name) for name, kind in kinds.items()}


def empty(folder):
  """Makes a folder, or makes it empty."""
  shutil.rmtree(folder, ignore_errors=True)
  os.makedirs(folder)
