"""Where things are received into: file systems that don't let everything be had."""

import shutil
import unittest

from tests.e2e import mounts
from tests.e2e import pair
from tests.lab import network

_KEPT_BACK = 8


class Targets(mounts.Mounted):

  def test_a_read_only_file_system_is_said_before_anybody_is_met(self):
    recv = self.recv_on('mount -t tmpfs -o ro none disk')
    self.assertEqual(recv.wait(), pair.CANNOT_WRITE, recv.log())
    self.assertRegex(recv.text, 'disk.*[Rr]ead-only file system')
    self.assertNotRegex(recv.text, 'broker .*: subscribed')

  def test_no_inode_is_left(self):
    self.make(**{f'{i:03}': 'x' * i for i in range(200)})
    send = self.people.send('tree')
    recv = self.recv_on('mount -t tmpfs -o nr_inodes=100 none disk')
    self.assertEqual(recv.wait(), pair.CANNOT_WRITE, recv.log())
    self.assertEqual(send.wait(), pair.CANNOT_WRITE, send.log())
    self.assertRegex(recv.text, 'No space left on device')

  def test_names_that_differ_in_case_only_replace_nothing(self):
    self.make(**{'README': 'the first', 'readme': 'the second, longer',
                 'Docs/x': 'in Docs', 'docs/X': 'another x', 'docs/y': 'y',
                 'other': 'fine'})
    library = network.find_program('folding_names', 'tests/e2e/folding_names.so')
    expected = {'readme': 'the first', 'docs/x': 'in Docs', 'docs/y': 'y',
                'other': 'fine'}
    # The second time all that could be had is there.
    for conflict in ('rename', 'overwrite', 'overwrite', 'skip'):
      with self.subTest(conflict):
        send = self.people.send('tree')
        recv = self.people.recv(extra=['--conflict', conflict],
                                env={'LD_PRELOAD': library})
        self.people.expect(send, recv, codes=(_KEPT_BACK,) * 2)
        self.assertRegex(recv.text, 'readme.* has the same name here|exists')
        self.assertEqual(self.there(), expected, recv.log())
        if conflict != 'overwrite':
          shutil.rmtree(self.bob.path('tree'))


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
