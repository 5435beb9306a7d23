"""Who does not come back: the peer and the line are given up when it is certain,
with the code and the words for that."""

import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

# An authenticated packet must come within 45 s; then the connection is lost.
_CONSENT = 45


class Lost(pair.EndsTest):

  def start(self, people, lab, patience):
    """Both sides, in the middle of a transfer."""
    pair.write_file(people.alice.path('file'), 30_000_000)
    lab.links['A'].set('both', 'rate=20mbit')
    extra = ['--patience', str(patience)]
    send, recv = people.send('file', extra=extra), people.recv(extra=extra)
    recv.when('transferring')
    time.sleep(0.5)
    return send, recv

  def test_a_peer_that_is_killed_and_a_line_that_is_cut(self):
    """All at the same time: each takes 45 s."""
    labs = [topology.Lab('homes', link_a='', link_b='') for _ in range(2)]
    for lab in labs:
      self.addCleanup(lab.close)
    kills, cut = labs
    killed_pairs = []
    for who in ('send', 'recv'):
      people = pair.Pair(kills, f'-kill-{who}')
      send, recv = self.start(people, kills, patience=0)
      killed, survivor = (send, recv) if who == 'send' else (recv, send)
      killed.kill()
      killed_pairs.append((people, killed, survivor))
    people = pair.Pair(cut, '-cut')
    both = self.start(people, cut, patience=2)
    cut.links['A'].set('both', 'loss=100%')

    for killed_pair, killed, survivor in killed_pairs:
      self.check(survivor, pair.CONNECTION_LOST, 'lost|nothing has come',
                 within=_CONSENT + 10)
      killed_pair.expect_nothing(killed, survivor)
    for command in both:
      self.check(command, pair.CONNECTION_LOST,
                 'connection lost, waiting for .*; Ctrl-C to stop',
                 'did not come back within', 'to go on from there',
                 within=_CONSENT + 12)
    people.expect_nothing(*both)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
