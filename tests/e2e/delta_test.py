"""Where an older version of a file is replaced, only what differs travels: both
ways together, in little memory, and what arrives is the new one."""

import filecmp
import json
import os
import signal
import time
import unittest

from tests.e2e import memory
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_MIB = 1 << 20
_SIZE = 128 * _MIB
_RUN = _MIB // 4


def done_of(command):
  """The last event of --json."""
  done = json.loads(command.stdout[-1][1])
  assert done['event'] == 'done', done
  return done


def travelled(command):
  """Bytes of payloads, both ways."""
  packets = done_of(command)['packets']
  return packets['bytes_sent'] + packets['bytes_received']


class Delta(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes')
    cls.addClassCleanup(cls.lab.close)

  def setUp(self):
    self.people = pair.Pair(self.lab, '-' + self._testMethodName[5:20])

  def versions(self, change):
    """Bob has the older version of Alice's file."""
    with open(self.people.bob.path('image'), 'wb') as old, open(
        self.people.alice.path('image'), 'wb') as new:
      for number in range(_SIZE // _MIB):
        block = os.urandom(_MIB)
        old.write(block)
        new.write(change(number, block))
    os.utime(self.people.bob.path('image'), (1, 1))

  def transfer(self, *extra):
    send = self.people.send('image', extra=['--json'])
    recv = self.people.recv(
        extra=['--json', '--conflict', 'overwrite', *extra])
    watches = [memory.Watch(c.process.pid) for c in (send, recv)]
    self.people.expect(send, recv, timeout=90)
    peaks = [watch.stop() for watch in watches]
    self.assertEqual(self.people.finals(), ['image'])
    self.assertTrue(
        filecmp.cmp(self.people.alice.path('image'),
                    self.people.bob.path('image'), shallow=False))
    self.assertEqual(done_of(send).get('delta'), done_of(recv).get('delta'))
    print(f'{travelled(send) / _SIZE:.2%} travelled, peaks of '
          f'{peaks[0] / _MIB:.1f} and {peaks[1] / _MIB:.1f} MiB, '
          f'{send.took:.1f} s')
    if not pair.is_sanitized():
      self.assertLess(max(peaks), 64 * _MIB)
    return send, recv

  def test_changed_runs(self):
    self.versions(lambda number, block: os.urandom(_RUN) + block[_RUN:]
                  if number % 25 == 0 else block)
    send, recv = self.transfer()
    self.assertLess(travelled(send), 0.025 * _SIZE)
    delta = done_of(recv)['delta']
    self.assertGreater(delta['copied_bytes'], 0.98 * _SIZE)
    # 12 bytes for each block, which are at least 4 KiB.
    self.assertGreater(delta['signature_bytes'], 0)
    self.assertLessEqual(delta['signature_bytes'], 0.003 * _SIZE)
    for command in (send, recv):
      self.assertRegex(
          command.text, r'12\d\.\d MiB of that are copied from older versions, '
          r'for \d.* of signatures')

  def test_what_moved(self):
    self.versions(lambda number, block: block
                  if number else os.urandom(_RUN) + block)
    send, _ = self.transfer()
    self.assertLess(travelled(send), 0.01 * _SIZE)

  def test_whole_files_where_that_is_asked_for(self):
    self.versions(lambda number, block: block[::-1] if number == 0 else block)
    send, recv = self.transfer('--whole-file')
    self.assertGreater(travelled(send), _SIZE)
    self.assertNotIn('delta', done_of(recv))
    self.assertNotIn('older versions', recv.text)

  def test_what_is_killed_goes_on(self):
    """What was copied is not copied again, and the older version stays."""
    self.versions(lambda number, block: os.urandom(_RUN) + block[_RUN:]
                  if number % 8 == 0 else block)
    send = self.people.send('image', extra=['--bwlimit', '4M'])
    recv = self.people.recv(extra=['--conflict', 'overwrite'])
    recv.when('first bytes of the file')
    time.sleep(0.5)
    recv.kill()
    send.interrupt(signal.SIGINT)
    self.assertEqual(send.wait(), pair.INTERRUPTED, send.log())
    self.assertEqual(self.people.finals(), ['image'])
    self.assertFalse(
        filecmp.cmp(self.people.alice.path('image'),
                    self.people.bob.path('image'), shallow=False))
    send, recv = self.transfer()
    self.assertRegex(recv.text, r'image  goes on: \d')
    self.assertLess(travelled(send), 0.06 * _SIZE)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
