"""Routers that map a port for who asks: PCP, NAT-PMP, UPnP."""

import os
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import routers
from tests.lab import topology

_SIZE = 1_000_000


class Mapping(unittest.TestCase):

  def lab(self, name):
    lab = topology.Lab(name)
    self.addCleanup(lab.close)
    return lab

  def check(self, lab, protocol, nat='natA'):
    """A transfer by the mapping, and that none is left."""
    people = pair.Pair(lab)
    send, recv = people.transfer(_SIZE)
    self.assertRegex(send.text, rf'the router maps \S+ to us \({protocol}',
                     send.log())
    deadline = time.monotonic() + 5
    while routers.mappings(lab, nat) and time.monotonic() < deadline:
      time.sleep(0.05)
    self.assertEqual(routers.mappings(lab, nat), '')
    return send, recv

  def test_upnp_on_one_side_makes_a_symmetric_pair_direct(self):
    lab = self.lab('SYM-SYM')
    routers.start_miniupnpd(lab, 'natA', pcp=False)
    _, recv = self.check(lab, 'UPnP')
    self.assertRegex(recv.text, rf'direct udp4 {routers.PUBLIC}:', recv.log())

  def test_pcp_of_the_same_daemon(self):
    lab = self.lab('SYM-SYM')
    routers.start_miniupnpd(lab, 'natA', upnp=False)
    self.check(lab, '(PCP|NAT-PMP)')

  def test_a_router_that_knows_nat_pmp_only(self):
    lab = self.lab('SYM-SYM')
    routers.start(lab, 'natA', 'nat-pmp')
    self.check(lab, 'NAT-PMP')

  def test_two_homes_behind_one_carrier_that_does_not_hairpin(self):
    lab = self.lab('one-strict-carrier')
    routers.start(lab, 'natA', 'pcp')
    _, recv = self.check(lab, 'PCP')
    self.assertRegex(recv.text, r'direct udp4 100\.64\.0\.10:', recv.log())

  def test_a_router_that_answers_nonsense(self):
    lab = self.lab('homes')
    routers.start(lab, 'natA', 'hostile')
    people = pair.Pair(lab)
    pair.write_file(people.alice.path('file'), _SIZE)
    # It waits, and its router has all the time that it wants.
    send = people.send('file')
    time.sleep(4)
    rss = {}
    for pid in people.alice.host.processes():
      with open(f'/proc/{pid}/cmdline', encoding='utf-8') as file:
        words = file.read().split('\0')
      if 'upnp-child' in words or 'send' in words:
        with open(f'/proc/{pid}/status', encoding='utf-8') as file:
          peak = next(line for line in file if line.startswith('VmHWM:'))
        rss[words[1]] = int(peak.split()[1]) << 10
    print({name: f'{size >> 20} MiB' for name, size in rss.items()})
    if not pair.is_sanitized():
      for size in rss.values():
        self.assertLess(size, 64 << 20)
    recv = people.recv()
    people.expect(send, recv)
    self.assertNotIn('the router maps', send.text, send.log())
    os.remove(people.bob.path('file'))


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
