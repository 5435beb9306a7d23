"""NATs that plain punching does not pass, with the real program: port guessing.

The cells that stand for the others, once each; `./dev nat` runs all of them
many times (nat_campaign.py).
"""

import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

# Routers between two homes of the real Internet.
HOPS = 5
_SIZE = 200_000


class HardNats(unittest.TestCase):

  def check(self, name, within, extra=()):
    """Both connect and the file arrives; returns (seconds, probes)."""
    with topology.Lab(name, hops=HOPS) as lab:
      people = pair.Pair(lab)
      source = pair.write_file(people.alice.path('file'), _SIZE)
      send = people.send('file', extra=extra)
      recv = people.recv(extra=extra)
      people.expect(send, recv)
      people.check_file(source, 'file', send, recv)
      seconds = pair.path_after_both(send, recv)
      print(f'{name}: path after {seconds * 1000:.0f} ms, '
            f'probes {pair.probes(send)} and {pair.probes(recv)}')
      self.assertLess(seconds, within, f'{send.log()}\n{recv.log()}')
      return send, recv

  def test_a_symmetric_nat_and_a_port_restricted_one(self):
    for name in ('SYM-PRC', 'PRC-SYM'):
      with self.subTest(name):
        self.check(name, within=7)

  def test_a_symmetric_nat_and_one_that_packets_poison(self):
    self.check('SYM-M', within=7)

  def test_a_sequence_is_guessed_with_a_handful_of_probes(self):
    _, recv = self.check('SEQ-PRC', within=2)
    self.assertLess(pair.probes(recv)[1], 10, recv.log())

  def test_two_sequences_meet(self):
    self.check('SEQ-SEQ', within=4)

  def test_two_blocks_of_ports(self):
    self.check('BLK-BLK', within=6)

  def test_two_random_ones_end_in_time_and_say_why(self):
    with topology.Lab('SYM-SYM', hops=HOPS) as lab:
      people = pair.Pair(lab)
      pair.write_file(people.alice.path('file'), _SIZE)
      send, recv = people.send('file'), people.recv()
      people.expect(send, recv, (pair.NO_PATH, pair.NO_PATH), timeout=15)
      for command in (send, recv):
        self.assertRegex(command.text, 'our NAT: another port for every',
                         command.log())
        self.assertRegex(command.text, "the peer's NAT: another port for every",
                         command.log())
        self.assertRegex(command.text, 'what helps: .*UPnP', command.log())
      people.expect_nothing(send, recv)

  def test_forty_useless_addresses_on_each_host_cost_little(self):
    with topology.Lab('homes', hops=HOPS) as lab:
      for number, host in ((11, 'hostA'), (12, 'hostB')):
        lab[host].ip(
            'link add tunnels type veth peer name nowhere',
            'link set tunnels up', 'link set nowhere up',
            *[f'addr add 10.{number}.{i}.1/24 dev tunnels' for i in range(40)])
      people = pair.Pair(lab)
      pair.write_file(people.alice.path('file'), _SIZE)
      send, recv = people.send('file'), people.recv()
      people.expect(send, recv)
      seconds = pair.path_after_both(send, recv)
      print(f'40 useless addresses: path after {seconds * 1000:.0f} ms')
      # 0.2 s is what it takes without them on a busy machine.
      self.assertLess(seconds, 0.2 + 0.3, f'{send.log()}\n{recv.log()}')

  def test_who_does_not_want_to_guess_does_not(self):
    with topology.Lab('SYM-PRC', hops=HOPS) as lab:
      people = pair.Pair(lab)
      pair.write_file(people.alice.path('file'), _SIZE)
      send = people.send('file', extra=['--no-port-guess'])
      recv = people.recv(extra=['--no-port-guess'])
      people.expect(send, recv, (pair.NO_PATH, pair.NO_PATH), timeout=15)
      self.assertRegex(send.text, 'what helps: .*--no-port-guess', send.log())
      count = int(lab['natA'].run('conntrack', '-C'))
      self.assertLess(count, 40)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
