"""Two hosts on one network find each other without any broker or Internet."""

import subprocess
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

# From when the second one starts until bytes of the file have come.
_MEETING = 2.0
_SIZE = 2_000_000


def first_byte(send, recv):
  last = max(send.begin, recv.begin)
  return recv.begin + recv.when('first bytes of the file') - last


class Lan(unittest.TestCase):

  def setUp(self):
    self.lab = topology.Lab('same-lan')
    self.addCleanup(self.lab.close)
    self.people = pair.Pair(self.lab)

  def island(self):
    """The router is there no more: only the switch is."""
    for short in ('hostA', 'hostA2'):
      self.lab[short].ip('route del default')
    self.lab['natA'].ip('link set wan down')

  def check(self, path, **options):
    send, recv = self.people.transfer(_SIZE, **options)
    took = first_byte(send, recv)
    print(f'first byte {took * 1000:.0f} ms after both had started')
    self.assertLess(took, _MEETING, f'{send.log()}\n{recv.log()}')
    for command in (send, recv):
      self.assertRegex(command.text, path, command.log())
      self.assertNotIn('subscribed', command.text, command.log())

  def test_without_a_broker(self):
    self.island()
    self.check(r'direct udp4 10\.1\.0\.')

  def test_the_second_comes_when_the_first_would_have_given_up(self):
    self.island()
    self.check(r'direct udp4 10\.1\.0\.', late=('recv', 17))

  def test_with_nothing_but_ipv6_link_local_addresses(self):
    self.island()
    for short in ('hostA', 'hostA2'):
      self.lab[short].ip('addr flush dev eth0 scope global')
    self.check(r'direct udp6 \[fe80:')

  def test_a_router_whose_line_is_dead(self):
    self.lab['natA'].ip('link set wan down')
    self.check(r'direct udp4 10\.1\.0\.')

  def test_what_is_said_there_shows_nothing(self):
    """Only sealed datagrams of one size, with a tag that changes daily."""
    self.island()
    script = ('import socket, struct, sys\n'
              's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
              's.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)\n'
              's.bind(("", 21327))\n'
              's.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,\n'
              '  socket.inet_aton("239.255.112.50") +\n'
              '  socket.inet_aton("10.1.0.1"))\n'
              'print("ready", flush=True)\n'
              's.settimeout(20)\n'
              'for i in range(4): print(s.recv(2000).hex(), flush=True)\n')
    eavesdropper = self.lab.start(self.lab['natA'], ['python3', '-c', script],
                                  stdout=subprocess.PIPE)
    self.assertEqual(eavesdropper.stdout.readline(), 'ready\n')
    self.check(r'direct udp4 10\.1\.0\.')
    heard = [bytes.fromhex(eavesdropper.stdout.readline()) for _ in range(4)]
    keys = [self.people.key(p) for p in (self.people.alice, self.people.bob)]
    for datagram in heard:
      self.assertEqual(len(datagram), 1032)
      for word in [b'alice', b'bob', b'file', b'10.1.0', bytes([10, 1, 0, 2])
                  ] + [key.encode() for key in keys]:
        self.assertNotIn(word, datagram)
    # Two directions, and no two datagrams alike.
    self.assertEqual(len({datagram[:8] for datagram in heard}), 2)
    self.assertEqual(len({datagram[8:] for datagram in heard}), 4)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
