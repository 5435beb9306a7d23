"""Streams: from a pipe into a pipe, and from and into files."""

import hashlib
import os
import signal
import subprocess
import threading
import time
import unittest

from tests.e2e import memory
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_MIB = 1 << 20
_MEMORY = 64 * _MIB


class Tap:
  """What comes out of a pipe: its size and digest, at a rate if asked."""

  def __init__(self, stream, rate=None):
    self.size = 0
    self._hash = hashlib.blake2b()
    self._stream = stream
    self._rate = rate
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self):
    begin = time.monotonic()
    while piece := os.read(self._stream, 1 << 16):
      self.size += len(piece)
      self._hash.update(piece)
      if self._rate:
        ahead = self.size / self._rate - (time.monotonic() - begin)
        if ahead > 0:
          time.sleep(ahead)
    os.close(self._stream)

  def digest(self):
    self._thread.join(pair.PATIENCE)
    assert not self._thread.is_alive()
    return self._hash.hexdigest()


def digest_of(path):
  with open(path, 'rb') as file:
    return hashlib.file_digest(file, hashlib.blake2b).hexdigest()


class Pipe(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('same-lan')
    cls.addClassCleanup(cls.lab.close)

  def setUp(self):
    self.people = pair.Pair(self.lab, '-' + self._testMethodName[5:30])

  def recv_to_pipe(self, **options):
    """A receiver that writes to a pipe, and the end that others read."""
    out, theirs = os.pipe()
    # The harness reads what a command prints; this goes past it.
    recv = self.people.recv(out='-', prefix=['bash', '-c',
        f'exec "$@" >&{theirs}', 'bash'] + pair.PLAIN_USER, pass_fds=[theirs],
        **options)
    os.close(theirs)
    return recv, out

  def send_stdin(self, stdin, extra=(), **options):
    return self.people.send('-', extra=list(extra), stdin=stdin, **options)

  def expect_said(self, digest, *commands):
    for command in commands:
      self.assertRegex(command.text, f'{digest}  verified', command.log())

  def test_from_a_pipe_into_a_pipe_in_little_memory(self):
    source = pair.write_file(self.people.alice.path('file'), 200 * _MIB)
    feeder = self.people.alice.start(['cat', 'file'], stdout=subprocess.PIPE)
    recv, out = self.recv_to_pipe()
    tap = Tap(out)
    send = self.send_stdin(feeder.stdout, ['--name', 'dump.tar'])
    feeder.stdout.close()
    watches = [memory.Watch(c.process.pid) for c in (send, recv)]
    self.people.expect(send, recv, timeout=90)
    peaks = [watch.stop() for watch in watches]
    self.assertEqual(tap.digest(), digest_of(source))
    self.expect_said(pair.xxh128sum(source), send, recv)
    recv.when('dump.tar')
    # Nothing but the product on stdout, nothing in the folder.
    self.assertEqual(recv.stdout, [])
    self.people.expect_nothing(send, recv)
    print([f'{peak / _MIB:.0f} MiB' for peak in peaks])
    if not pair.is_sanitized():
      for peak in peaks:
        self.assertLess(peak, _MEMORY)

  def test_a_folder_as_people_do_it(self):
    for name, size in (('a', 10), ('b', _MIB), ('folder/c', 3 * _MIB)):
      path = self.people.alice.path('tree/' + name)
      os.makedirs(os.path.dirname(path), exist_ok=True)
      pair.write_file(path, size)
    os.mkdir(self.people.bob.path('in'))
    options = ' '.join(self.people.options)
    send = self.people.alice.start(
        ['sh', '-c', f'tar c tree | {pair.program()} send - --to bob '
         f'{options}'])
    recv = self.people.bob.start(
        ['bash', '-c', f'set -o pipefail; {pair.program()} recv --from alice '
         f'--out - {options} | tar x -C in'])
    self.assertEqual(send.wait(pair.PATIENCE), 0)
    self.assertEqual(recv.wait(pair.PATIENCE), 0)
    network.command(['diff', '-r', self.people.alice.path('tree'),
                     self.people.bob.path('in/tree')])

  def test_a_file_into_a_pipe(self):
    for size in (0, 1, 5 * _MIB + 7):
      source = pair.write_file(self.people.alice.path('file'), size)
      recv, out = self.recv_to_pipe()
      tap = Tap(out)
      send = self.people.send('file')
      self.people.expect(send, recv)
      self.assertEqual(tap.digest(), digest_of(source))
      self.expect_said(pair.xxh128sum(source), send, recv)

  def test_a_sparse_file_comes_out_of_a_pipe_whole(self):
    source = self.people.alice.path('sparse')
    with open(source, 'wb') as file:
      file.write(b'begin')
      file.seek(100 * _MIB)
      file.write(os.urandom(_MIB))
      file.truncate(120 * _MIB)
    recv, out = self.recv_to_pipe()
    tap = Tap(out)
    send = self.people.send('sparse')
    self.people.expect(send, recv)
    self.assertEqual(tap.digest(), digest_of(source))

  def test_a_slow_reader_holds_the_sender_back(self):
    source = pair.write_file(self.people.alice.path('file'), 60 * _MIB)
    recv, out = self.recv_to_pipe()
    tap = Tap(out, rate=12 * _MIB)
    with open(source, 'rb') as file:
      send = self.send_stdin(file)
      self.people.expect(send, recv, timeout=60)
    self.assertEqual(tap.digest(), digest_of(source))
    # All but what buffers hold at the end goes at the reader's pace.
    self.assertGreater(send.took, 1)

  def test_what_trickles_in_is_passed_on_at_once(self):
    ours, theirs = os.pipe()
    recv, out = self.recv_to_pipe()
    send = self.send_stdin(ours)
    os.close(ours)
    for text in (b'one', b'two\n'):
      os.write(theirs, text)
      begin = time.monotonic()
      self.assertEqual(os.read(out, 100), text)
      send.when('path: direct')
      print(f'{time.monotonic() - begin:.3f} s')
    os.close(theirs)
    self.people.expect(send, recv)
    self.assertEqual(os.read(out, 100), b'')
    os.close(out)

  def test_a_reader_that_goes_ends_both_with_clear_words(self):
    ours, theirs = os.pipe()
    recv, out = self.recv_to_pipe()
    with subprocess.Popen(['cat', '/dev/zero'], stdout=theirs) as endless:
      os.close(theirs)
      send = self.send_stdin(ours)
      os.close(ours)
      self.assertEqual(len(os.read(out, 1000)), 1000)
      os.close(out)
      self.people.expect(send, recv, (pair.CANNOT_WRITE, pair.CANNOT_WRITE))
      endless.wait(10)
    recv.when('reads our standard output has closed it')
    send.when('receiver cannot write')

  def test_nobody_is_told_that_a_pipe_keeps_anything(self):
    pair.write_file(self.people.alice.path('file'), 20 * _MIB)
    recv, out = self.recv_to_pipe()
    send = self.people.send('file')
    self.assertTrue(os.read(out, 1000))
    recv.interrupt(signal.SIGINT)
    self.assertEqual(recv.wait(5), pair.INTERRUPTED, recv.log())
    self.assertEqual(send.wait(5), pair.DECLINED, send.log())
    os.close(out)
    self.assertNotIn('is kept', recv.text)
    self.assertNotIn('is kept;', send.text)
    self.assertIn('to begin anew, run on both sides', send.text)

  def test_ctrl_c_while_nothing_comes(self):
    ours, theirs = os.pipe()
    recv, out = self.recv_to_pipe()
    send = self.send_stdin(ours)
    os.close(ours)
    os.write(theirs, b'x')
    self.assertEqual(os.read(out, 10), b'x')
    send.interrupt(signal.SIGINT)
    self.assertEqual(send.wait(5), pair.INTERRUPTED, send.log())
    self.assertEqual(recv.wait(5), pair.DECLINED, recv.log())
    os.close(theirs)
    os.close(out)

  def test_what_can_not_be_is_said(self):
    for words, why in (
        (['send', '-', 'file', '--to', 'bob'], 'alone'),
        (['send', '-', '--to', 'bob', '--to', 'carol'], 'one peer'),
        (['send', 'file', '--name', 'x', '--to', 'bob'], '--name'),
        (['send', '-', '--name', '../x', '--to', 'bob'], '--name'),
        (['recv', '--from', 'alice', '--out', '-', '--json'], 'stdout'),
        (['recv', '--from', 'alice', '--out', '-', '--ask'], '--ask'),
        (['recv', '--from', 'any', '--out', '-', '--listen'], '--listen')):
      command = pair.Command(self.people.alice, words)
      self.assertEqual(command.wait(), pair.USAGE, command.log())
      self.assertIn(why, command.text)
    # A stream needs a pipe at the other end.
    send = self.send_stdin(subprocess.DEVNULL)
    recv = self.people.recv()
    self.people.expect(send, recv, (pair.DECLINED, pair.USAGE))
    recv.when('receive it with --out -')
    # Two files into one pipe.
    for name in ('a', 'b'):
      pair.write_file(self.people.alice.path(name), 10)
    recv, out = self.recv_to_pipe()
    send = self.people.send('a', 'b')
    self.people.expect(send, recv, (pair.DECLINED, pair.USAGE))
    os.close(out)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
