"""Files cross real NATs: each topology, with the real program and servers."""

import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

# What comes from outside to a firewall that has let nothing out for it.
_COUNT_UNASKED = """
add table inet unasked
add chain inet unasked forward { type filter hook forward priority -1; }
add rule inet unasked forward iifname "wan" meta l4proto udp ct state new counter
"""

# The first byte arrives within a second from when both are there.
_FIRST_BYTE = 1.0
_SIZE = 3_000_000


class Nats(unittest.TestCase):

  def check(self, name, path='udp4', **options):
    with topology.Lab(name, **options) as lab:
      people = pair.Pair(lab)
      send, recv = people.transfer(_SIZE)
      for command in (send, recv):
        self.assertRegex(command.text, rf'direct {path} ', command.log())
      first = pair.first_byte_after_both(send, recv)
      print(f'{name}: first byte {first * 1000:.0f} ms after both were there, '
            f'all in {recv.took:.2f} s')
      self.assertLess(first, _FIRST_BYTE, f'{send.log()}\n{recv.log()}')
      return send, recv

  # The classic three.

  def test_the_same_machine(self):
    self.check('same-host')

  def test_one_lan_behind_a_router_that_does_not_hairpin(self):
    send, _ = self.check('same-lan')
    self.assertRegex(send.text, r'direct udp4 10\.1\.0\.3:', send.log())

  def test_two_homes_behind_port_restricted_nats(self):
    send, recv = self.check('homes')
    self.assertRegex(send.text, r'direct udp4 192\.0\.2\.10:', send.log())
    self.assertRegex(recv.text, r'direct udp4 203\.0\.113\.10:', recv.log())

  # And more.

  def test_an_outside_port_that_differs_from_the_inside_one(self):
    self.check('remapped')

  def test_two_ipv6_firewalls_without_ipv4(self):
    self.check('v6-firewalls', path='udp6')

  def test_ipv6_openers_die_before_the_other_firewall(self):
    with topology.Lab('v6-firewalls', hops=5) as lab:
      for router in ('natA', 'natB'):
        for line in _COUNT_UNASKED.strip().splitlines():
          lab[router].run('nft', line)
      people = pair.Pair(lab)
      send, recv = people.transfer(_SIZE)
      logs = f'{send.log()}\n{recv.log()}'
      self.assertLess(pair.path_after_both(send, recv), _FIRST_BYTE, logs)
      for router in ('natA', 'natB'):
        table = lab[router].run('nft', 'list', 'table', 'inet', 'unasked')
        self.assertIn('counter packets 0 ', table, logs)

  def test_a_double_nat_on_both_sides(self):
    self.check('double-nat')

  def test_homes_that_are_many_hops_and_a_slow_line_apart(self):
    self.check('homes', hops=5, link_a='rate=50mbit delay=20ms',
               link_b='rate=50mbit delay=20ms')

  def test_a_full_cone_and_an_address_restricted_one(self):
    self.check('FULL-ADDR')

  def test_nats_that_a_packet_from_outside_poisons(self):
    for name in ('M-PRC', 'PRC-M', 'M-M'):
      with self.subTest(name):
        self.check(name, hops=5)

  def test_a_home_with_both_families(self):
    self.check('dual-stack', path='udp[46]')


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
