"""An attacker on the path: what arrives is right, or nothing is there."""

import filecmp
import os
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_SIZE = 8_000_000
_SEED = 20240607


class Middlebox(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    print(f'seed {_SEED}')
    cls.lab = topology.Lab('homes', link_a='', link_b='', seed=_SEED)
    cls.addClassCleanup(cls.lab.close)
    cls.people = pair.Pair(cls.lab)

  def setUp(self):
    self.link = self.lab.links['A']
    self.link.set('both', 'clear delay=2ms')
    self.addCleanup(self.link.set, 'both', 'clear')

  def tampered(self, what):
    stats = self.link.stats()
    return stats['ab'][what] + stats['ba'][what]

  def test_up_to_five_percent_the_file_arrives_right(self):
    for share in (1, 5):
      for option, what in (('flip', 'flipped'), ('truncate', 'truncated'),
                           ('replay', 'replayed'), ('duplicate', 'duplicated'),
                           ('reflect', 'reflected')):
        with self.subTest(option, share=share):
          before = self.tampered(what)
          self.link.set('both', f'clear delay=2ms {option}={share}%')
          self.people.transfer(_SIZE, timeout=25)
          self.assertGreater(self.tampered(what), before)

  def test_all_of_it_at_once(self):
    self.link.set(
        'both', 'flip=1% truncate=1% replay=1% reflect=1% duplicate=1% '
        'reorder=1% reorder_delay=3ms')
    self.people.transfer(_SIZE)

  def test_above_it_is_right_or_absent(self):
    self.link.set('both', 'flip=30% truncate=20% replay=30% reflect=30%')
    source = pair.write_file(self.people.alice.path('file'), 500_000)
    send = self.people.send('file', extra=['--timeout', '20'])
    recv = self.people.recv(extra=['--timeout', '20'])
    codes = (send.wait(60), recv.wait(60))
    print(f'at 65 % tampered: exit codes {codes}')
    if recv.process.returncode == pair.VERIFIED:
      self.assertTrue(
          filecmp.cmp(source, self.people.bob.path('file'), shallow=False))
      os.remove(self.people.bob.path('file'))
    self.people.expect_nothing(send, recv)

  def test_garbage_from_strangers_changes_nothing(self):
    self.link.set('both', 'strangers=1000/s forged=1000/s rate=40mbit')
    send, recv = self.people.transfer(_SIZE)
    self.assertGreater(self.tampered('invented'), 1000)
    # 40 Mbit/s carry 8 MB in 1.6 s; garbage may take its share of the line.
    self.assertLess(recv.took, 8, f'{send.log()}\n{recv.log()}')


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
