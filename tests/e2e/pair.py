"""Two people with p2pcp, in a laboratory: what every end-to-end test needs."""

import filecmp
import os
import re
import signal
import subprocess
import threading
import time
import unittest

from tests.lab import network
from tests.lab import topology

# The exit codes of the program's --help.
VERIFIED = 0
USAGE = 2
PEER_NEVER_APPEARED = 3
RENDEZVOUS_UNREACHABLE = 4
NO_PATH = 5
AUTHENTICATION_FAILED = 6
DECLINED = 7
KEPT_BACK = 8
CONNECTION_LOST = 10
SOURCE_UNREADABLE = 11
CANNOT_WRITE = 12
INTERRUPTED = 130
TERMINATED = 143

# What an undisturbed transfer of a small file may take, on a busy machine.
PATIENCE = 30

# Names that p2pcp gives to files that are not finished.
_TEMPORARY = re.compile(r'\.p2pcp-.*\.part')

# p2pcp needs no privilege; without them, modes of files count for root too.
PLAIN_USER = ['setpriv', '--bounding-set=-all', '--no-new-privs']


def program():
  return network.find_program('p2pcp', 'cmd/p2pcp')


def write_file(path, size, chunk=1 << 20):
  """A file of that many random bytes."""
  with open(path, 'wb') as file:
    while size > 0:
      file.write(os.urandom(min(size, chunk)))
      size -= chunk
  return path


def is_sanitized():
  """Whether the program is built with a sanitizer, and so slow and large."""
  with open(program(), 'rb') as file:
    code = file.read()
  return any(name in code
             for name in (b'__asan_init', b'__tsan_init', b'__msan_init'))


def xxh128sum(path):
  return network.command(['xxh128sum', path]).split()[0]


def shell(script):
  """A prefix: the script finds the command in "$@"."""
  return ['sh', '-c', script, 'sh']


class Command:
  """A p2pcp that runs; keeps the lines that it prints, with their times."""

  def __init__(self, person, argv, prefix=PLAIN_USER, **options):
    """Starts it on the person's host, behind the words of `prefix`."""
    self.title = f'{person.name}: p2pcp {" ".join(argv)}'
    self.lab = person.lab
    self.begin = time.monotonic()
    self.process = person.start(prefix + [program()] + argv,
                                stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE,
                                errors='replace',
                                **options)
    self.stdout = []
    self.stderr = []  # (seconds since begin, line)
    self.took = None
    self._threads = [
        threading.Thread(target=self._read, args=pair, daemon=True)
        for pair in ((self.process.stdout, self.stdout), (self.process.stderr,
                                                          self.stderr))
    ]
    for thread in self._threads:
      thread.start()

  def _read(self, stream, lines):
    for line in stream:
      lines.append((time.monotonic() - self.begin, line.rstrip('\n')))

  @property
  def text(self):
    return '\n'.join(line for _, line in self.stderr)

  def log(self):
    """Everything that it said, for a failed test's message."""
    lines = [f'--- {self.title} -> {self.process.poll()}']
    lines += [f'{at:9.3f}  {line}' for at, line in sorted(self.stdout +
                                                          self.stderr)]
    return '\n'.join(lines)

  def when(self, pattern, timeout=PATIENCE):
    """Seconds since its start until a line matches; waits for it."""
    deadline = time.monotonic() + timeout
    while True:
      ended = self.process.poll() is not None
      for at, line in list(self.stderr):
        if re.search(pattern, line):
          return at
      if ended or time.monotonic() > deadline:
        raise AssertionError(f'no line matches {pattern!r}:\n{self.log()}')
      time.sleep(0.005)

  def wait(self, timeout=PATIENCE):
    """Its exit code; fails the test if it does not end in time."""
    try:
      self.process.wait(timeout)
    except subprocess.TimeoutExpired:
      raise AssertionError(
          f'still runs after {timeout} s:\n{self.log()}') from None
    self.took = time.monotonic() - self.begin
    for thread in self._threads:
      thread.join(5)
    return self.process.returncode

  def interrupt(self, how=signal.SIGINT):
    self.process.send_signal(how)

  def kill(self):
    self.lab.end(self.process, signal.SIGKILL)


class EndsTest(unittest.TestCase):
  """Tests of how commands end."""

  def check(self, command, code, *words, within=PATIENCE):
    self.assertEqual(command.wait(within), code, command.log())
    for word in words:
      self.assertRegex(command.text, word, command.log())


class Alone(network.Network):
  """One namespace with loopback, as if it were a topology."""

  def __init__(self):
    super().__init__()
    self.namespace('host')
    self.plan = topology.Plan('one machine without a network', None, None,
                              alice='host', bob='host')
    self.broker = ''
    self.stun = []


class Pair:
  """Alice and Bob, who know each other's keys."""

  def __init__(self, lab, suffix='', broker=None):
    self.lab = lab
    self.broker = broker or lab.broker
    self.alice = topology.Person(lab, 'alice' + suffix, lab.plan.alice)
    self.bob = topology.Person(lab, 'bob' + suffix, lab.plan.bob)
    self.run(self.alice, 'peers', 'add', 'bob', self.key(self.bob))
    self.run(self.bob, 'peers', 'add', 'alice', self.key(self.alice))

  def run(self, person, *argv, expect=VERIFIED):
    """A command that does not connect; returns what it printed."""
    command = Command(person, list(argv))
    code = command.wait()
    if code != expect:
      raise AssertionError(f'exit {code}, not {expect}:\n{command.log()}')
    return '\n'.join(line for _, line in command.stdout)

  def key(self, person):
    return self.run(person, 'id').strip()

  @property
  def options(self):
    options = ['-v', '--broker', self.broker]
    for server in self.lab.stun:
      options += ['--stun', server]
    return options

  def send(self, *paths, to='bob', extra=(), **options):
    return Command(self.alice, ['send', *paths, '--to', to] + self.options +
                   list(extra), **options)

  def recv(self, sender='alice', out='.', extra=(), **options):
    return Command(
        self.bob, ['recv', '--from', sender, '--out', out] + self.options +
        list(extra), **options)

  def finals(self):
    """Names in Bob's folder that are not those of unfinished files."""
    return sorted(name for name in os.listdir(self.bob.folder)
                  if not _TEMPORARY.fullmatch(name))

  def transfer(self, size, name='file', timeout=PATIENCE, late=None):
    """Sends a file of that size and checks everything about it.

    Args:
      size: bytes of the file.
      name: of the file.
      timeout: seconds for all of it.
      late: ('send' or 'recv', seconds): who comes that much later.
    """
    source = write_file(self.alice.path(name), size)
    who, seconds = late or ('', 0)
    if who == 'send':
      recv = self.recv()
      time.sleep(seconds)
      send = self.send(name)
    else:
      send = self.send(name)
      time.sleep(seconds)
      recv = self.recv()
    self.expect(send, recv, timeout=timeout)
    self.check_file(source, name, send, recv)
    return send, recv

  def expect(self, send, recv, codes=(VERIFIED, VERIFIED), timeout=PATIENCE):
    """Waits for both ends and compares their exit codes."""
    deadline = time.monotonic() + timeout
    seen = []
    for command in (send, recv):
      try:
        seen.append(command.wait(max(0.1, deadline - time.monotonic())))
      except AssertionError:
        raise AssertionError(f'one does not end within {timeout} s:\n'
                             f'{send.log()}\n{recv.log()}') from None
    if tuple(seen) != tuple(codes):
      raise AssertionError(
          f'exit codes {seen}, not {codes}:\n{send.log()}\n{recv.log()}')

  def check_file(self, source, name, send, recv):
    """The file is there, bit by bit, and both said so with its digest."""
    both = f'{send.log()}\n{recv.log()}'
    there = self.bob.path(name)
    if self.finals() != [name]:
      raise AssertionError(f'{self.finals()} stands there, not {name}:\n{both}')
    if not filecmp.cmp(source, there, shallow=False):
      raise AssertionError(f'the file is not what was sent:\n{both}')
    digest = xxh128sum(there)
    for command in (send, recv):
      line = next((l for _, l in command.stderr if digest in l), None)
      if line is None or 'verified' not in line:
        raise AssertionError(f'"{digest} verified" was not said:\n{both}')
      if 'direct' not in command.text:
        raise AssertionError(f'the path is not printed as direct:\n{both}')
    os.remove(there)

  def expect_nothing(self, *commands):
    """Nothing stands under a final name."""
    if self.finals():
      raise AssertionError(f'{self.finals()} stands there:\n' +
                           '\n'.join(c.log() for c in commands))


def first_byte_after_both(send, recv):
  """Seconds from when both were subscribed until bytes of the file came."""
  both_there = max(
      command.begin + command.when(r'broker .*: subscribed')
      for command in (send, recv))
  return recv.begin + recv.when('first bytes of the file') - both_there


def path_after_both(send, recv):
  """Seconds from when both were subscribed until both had a path."""
  both_there = max(
      command.begin + command.when(r'broker .*: subscribed')
      for command in (send, recv))
  return max(command.begin + command.when(r'  path: direct')
             for command in (send, recv)) - both_there


def probes(command):
  """What a command says it has sent until it had a path: (all, guesses)."""
  match = re.search(r'(\d+) probes so far, (\d+) of them', command.text)
  return int(match.group(1)), int(match.group(2))
