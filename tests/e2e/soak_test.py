"""A short form of the soak (soak.py): `./dev soak` is the long one."""

import unittest

from tests.e2e import soak
from tests.lab import network
from tests.lab import topology


class ShortSoak(unittest.TestCase):

  def test_fifty_transfers_ten_at_once_leave_nothing_behind(self):
    lab = topology.Lab('homes')
    self.addCleanup(lab.close)
    run = soak.Soak(lab, seconds=15, transfers=50, at_once=10, seed=1)
    run.run()
    self.assertEqual(run.done, 50)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
