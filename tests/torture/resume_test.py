"""What a user sees of a transfer that is interrupted: words, exit codes, and
the same command going on."""

import contextlib
import filecmp
import os
import re
import signal
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.torture import torture

_MIB = 1 << 20
_SIZE = 48 * _MIB
_RATE = '16M'


class Resume(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = torture.Cable()
    cls.addClassCleanup(cls.lab.close)

  def setUp(self):
    Resume.serial = getattr(Resume, 'serial', 0) + 1
    self.people = pair.Pair(self.lab, suffix=str(Resume.serial))
    self.source = pair.write_file(self.people.alice.path('my film'), _SIZE)
    self.out = self.people.bob.path('in')
    os.mkdir(self.out)

  def send(self, *extra):
    return self.people.send('my film', extra=['--bwlimit', _RATE, *extra])

  def recv(self, *extra, **options):
    return self.people.recv(out='in', extra=list(extra), **options)

  def begin(self, *extra):
    """Both, when a part has arrived."""
    send, recv = self.send(*extra), self.recv(*extra)
    recv.when('first bytes of the file')
    time.sleep(1)
    return send, recv

  def partials(self, *options):
    return self.people.run(self.people.bob, 'recv', *options)

  def check_done(self, send, recv):
    self.people.expect(send, recv)
    for command in (send, recv):
      self.assertRegex(command.text, r'my film  goes on: [\d.]+ MiB of 48')
    self.assertEqual(os.listdir(self.out), ['my film'])
    self.assertTrue(
        filecmp.cmp(self.source, os.path.join(self.out, 'my film'),
                    shallow=False))
    self.assertEqual(self.partials('--list-partial'), '')

  def test_ctrl_c_and_the_same_command(self):
    for side in (0, 1):
      with self.subTest(('send', 'recv')[side]):
        both = self.begin()
        both[side].interrupt()
        codes = [command.wait() for command in both]
        self.assertEqual(codes[side], pair.INTERRUPTED, both[side].log())
        self.assertEqual(codes[1 - side], pair.DECLINED, both[1 - side].log())
        for command in both:
          self.assertIn('to go on from there', command.text)
          self.assertRegex(command.text, "p2pcp (send 'my film' --to bob|recv "
                           '--from alice --out in)')
        self.assertRegex(self.partials('--list-partial'),
                         r'^alice  .*/in/my film  [\d.]+ MiB of 48')
        self.check_done(self.send(), self.recv())
        os.remove(os.path.join(self.out, 'my film'))

  def test_a_killed_one_is_waited_for(self):
    for side in (0, 1):
      with self.subTest(('send', 'recv')[side]):
        both = list(self.begin())
        both[side].kill()
        both[side] = self.send() if side == 0 else self.recv()
        survivor = both[1 - side]
        self.check_done(*both)
        self.assertRegex(survivor.text,
                         'connection lost, waiting for .*; Ctrl-C to stop')
        self.assertIn('is there again', survivor.text)
        os.remove(os.path.join(self.out, 'my film'))

  def into_memory(self):
    network.command(['mount', '-t', 'tmpfs', '-o', 'size=60M', 'none', self.out])
    self.addCleanup(network.command, ['umount', '-l', self.out])

  def test_what_was_written_into_memory_outlives_a_kill(self):
    self.into_memory()
    send, recv = self.begin()
    recv.kill()
    recv = self.recv()
    self.check_done(send, recv)
    had = re.search(r'my film  goes on: ([\d.]+) MiB of 48', recv.text)
    # Of a second at 16 MiB a second, on a machine that may be busy.
    self.assertGreaterEqual(float(had[1]), 4)

  def test_a_full_disk_goes_on_when_there_is_room(self):
    self.into_memory()
    send, recv = self.send(), self.recv()
    recv.when('first bytes of the file')
    # Somebody else takes what room there is.
    other = os.path.join(self.out, 'other')
    with open(other, 'wb', buffering=0) as file:
      with contextlib.suppress(OSError):
        while True:
          file.write(bytes(_MIB))
    self.people.expect(send, recv, codes=(pair.CANNOT_WRITE,
                                          pair.CANNOT_WRITE))
    self.assertRegex(recv.text, 'No space left on device')
    self.assertIn('to go on from there', recv.text)
    os.remove(other)
    send, recv = self.send(), self.recv()
    self.people.expect(send, recv)
    self.assertRegex(recv.text, 'my film  goes on')
    self.assertTrue(
        filecmp.cmp(self.source, os.path.join(self.out, 'my film'),
                    shallow=False))

  def test_what_is_left_is_cleaned_when_asked(self):
    _, recv = self.begin('--patience', '0')
    recv.interrupt(signal.SIGTERM)
    self.assertEqual(recv.wait(), pair.TERMINATED)
    self.assertTrue(re.search(r'\.p2pcp-.*\.part', str(os.listdir(self.out))))
    self.assertRegex(self.partials('--clean-partial', '--from', 'alice'),
                     'my film')
    self.assertEqual(os.listdir(self.out), [])
    self.assertEqual(self.partials('--list-partial'), '')

  def test_a_changed_source_begins_anew(self):
    _, recv = self.begin()
    recv.interrupt()
    recv.wait()
    pair.write_file(self.source, _SIZE)
    send, recv = self.send(), self.recv()
    self.people.expect(send, recv)
    self.assertIn('my film  changed since it was interrupted', recv.text)
    self.assertTrue(
        filecmp.cmp(self.source, os.path.join(self.out, 'my film'),
                    shallow=False))

  def test_a_target_that_is_removed(self):
    send, recv = self.begin()
    os.rename(self.out, self.out + '.old')
    for name in os.listdir(self.out + '.old'):
      os.remove(os.path.join(self.out + '.old', name))
    os.rmdir(self.out + '.old')
    self.people.expect(send, recv, codes=(pair.CANNOT_WRITE,
                                          pair.CANNOT_WRITE))
    self.assertRegex(recv.text, 'cannot write')


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
