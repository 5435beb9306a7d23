"""The benchmark of the rendezvous in a quick form, and whether its light peers
say as much as the real program does."""

import time
import unittest

from tests.bench import light_peers
from tests.bench import rendezvous
from tests.e2e import broker
from tests.e2e import pair
from tests.lab import network


class Rendezvous(unittest.TestCase):

  def test_everybody_meets_and_is_counted(self):
    row = rendezvous.run(peers=40, rate=100, seconds=3, real=1)
    listen, meet = row['listen'], row['meet']
    # One beacon each in half a minute.
    self.assertLess(listen['publishes'], 10)
    self.assertEqual(listen['deliveries'], 0)
    self.assertAlmostEqual(meet['rate'], 8)
    self.assertGreater(meet['met'], 5)
    self.assertLessEqual(meet['began'] - meet['met'], 3)
    self.assertGreater(meet['line_bytes'],
                       meet['rate'] * 5 * light_peers.ENVELOPE)
    self.assertGreater(listen['memory'], 1 << 20)
    self.assertEqual(len(row['real']), 1)
    self.assertIn('| 40 | 8 |', rendezvous.table([row]))

  def test_by_tls(self):
    row = rendezvous.run(peers=8, rate=100, seconds=2, real=1, tls=True)
    self.assertGreater(row['meet']['met'], 0)
    self.assertLessEqual(row['meet']['began'] - row['meet']['met'], 3)
    self.assertEqual(len(row['real']), 1)

  def test_the_program_says_as_much(self):
    """Seven messages of 1,024 bytes, and three topics for each side."""
    with pair.Alone() as lab:
      lab.broker, lab.stun = 'mqtt://127.0.0.1', [rendezvous.NO_STUN]
      recorder = broker.Broker(lab['host'])
      self.addCleanup(recorder.close)
      recorder.listen(('127.0.0.1', 1883))
      people = pair.Pair(lab)
      pair.write_file(people.alice.path('file'), 1000)
      recv = people.recv()
      recv.when('subscribed')
      time.sleep(0.2)  # Its first beacon is nobody's.
      before = len(recorder.messages)
      send = people.send('file')
      people.expect(send, recv)
      said = recorder.messages[before:]
      self.assertEqual({len(m.payload) for m in said}, {light_peers.ENVELOPE})
      # hello, ready, offer, answer, candidates, two byes. On a busy machine
      # some are repeated.
      self.assertGreaterEqual(len(said), 6)
      self.assertLessEqual(len(said), 12)
      self.assertEqual([len(t) for _, _, t in recorder.subscriptions],
                       [light_peers.DAYS] * 2)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
