"""The path MTU, with real interfaces and no ICMP: found, and followed."""

import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

_MB = 1_000_000
# Two routers between the hosts drop every message about an MTU.
_NO_ICMP = '''
table inet quiet {
  chain out {
    type filter hook output priority 0;
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
  }
}
'''


class Road(network.Network):
  """hostA - r1 - r2 - hostB; the broker and coturn stand on hostA."""

  def __init__(self):
    super().__init__()
    a = self.namespace('hostA')
    r1 = self.namespace('r1', forwards=True)
    r2 = self.namespace('r2', forwards=True)
    b = self.namespace('hostB')
    self.veth(a, 'eth0', r1, 'left')
    self.veth(r1, 'right', r2, 'left')
    self.veth(r2, 'right', b, 'eth0')
    server = topology.SERVER4
    a.ip(*[f'addr add {address}/24 dev eth0' for address in server],
         *[f'addr add {address}/64 dev eth0' for address in topology.SERVER6])
    near = server[0].rpartition('.')[0]
    near6 = topology.SERVER6[0].rpartition('::')[0]
    r1.ip(f'addr add {near}.254/24 dev left',
          f'addr add {near6}::254/64 dev left',
          'addr add 10.9.0.1/24 dev right',
          'addr add 2001:db8:9::1/64 dev right',
          'route add 10.8.0.0/24 via 10.9.0.2',
          'route add 2001:db8:8::/64 via 2001:db8:9::2')
    r2.ip('addr add 10.9.0.2/24 dev left',
          'addr add 2001:db8:9::2/64 dev left',
          'addr add 10.8.0.1/24 dev right',
          'addr add 2001:db8:8::1/64 dev right',
          f'route add {near}.0/24 via 10.9.0.1',
          f'route add {near6}::/64 via 2001:db8:9::1')
    b.ip('addr add 10.8.0.20/24 dev eth0',
         'addr add 2001:db8:8::20/64 dev eth0',
         'route add default via 10.8.0.1',
         'route add default via 2001:db8:8::1')
    a.ip(f'route add default via {near}.254',
         f'route add default via {near6}::254')
    for router in (r1, r2):
      router.nft(_NO_ICMP)
    self.plan = topology.Plan('a road', None, None)
    self.broker = f'mqtt://{server[0]}:{servers.MQTT_PORT}'
    self.stun = [f'{address}:{servers.STUN_PORT}' for address in server]
    servers.start_mosquitto(self, a)
    servers.start_coturn(self, a)

  def set_mtu(self, mtu, *devices):
    """Of these devices, each 'host:device'; of all, if none is named."""
    for name in devices or ('hostA:eth0', 'r1:left', 'r1:right', 'r2:left',
                            'r2:right', 'hostB:eth0'):
      host, device = name.split(':')
      self[host].ip(f'link set {device} mtu {mtu}')

  def limit(self, rate):
    """Of the middle link, from hostA to hostB."""
    self['r1'].run('tc', 'qdisc', 'replace', 'dev', 'right', 'root', 'tbf',
                   'rate', rate, 'burst', '128k', 'latency', '50ms')


def _size(size):
  return rf'path MTU: datagrams of {size} bytes'


class Mtu(unittest.TestCase):

  def setUp(self):
    self.lab = Road()
    self.addCleanup(self.lab.close)
    self.people = pair.Pair(self.lab)

  def last_size(self, command):
    lines = [line for _, line in command.stderr if 'path MTU' in line]
    self.assertTrue(lines, command.log())
    return int(lines[-1].split('datagrams of ')[1].split()[0])

  def check(self, send, recv, source):
    self.people.expect(send, recv)
    self.people.check_file(source, 'file', send, recv)

  def transfer(self, size, family='-4'):
    """Over one family: sizes are told by it, and either may win the race."""
    source = pair.write_file(self.people.alice.path('file'), size)
    send = self.people.send('file', extra=[family])
    recv = self.people.recv(extra=[family])
    self.check(send, recv, source)
    return send, recv

  def test_a_link_of_1280_in_the_middle_that_says_nothing(self):
    self.lab.limit('100mbit')
    self.lab.set_mtu(1280, 'r1:right', 'r2:left')
    send, recv = self.transfer(20 * _MB)
    self.assertEqual(self.last_size(send), 1252, send.log())
    # Two tries: a burst for 1500, and one with all the smaller sizes.
    self.assertLess(
        send.when(_size(1252)) - send.when('path: direct'), 0.5, send.log())
    self.assertLess(recv.took, 10)

  def test_the_same_over_ipv6(self):
    self.lab.limit('100mbit')
    self.lab.set_mtu(1280, 'r1:right', 'r2:left')
    send, _ = self.transfer(20 * _MB, '-6')
    self.assertIn('direct udp6', send.text)
    self.assertEqual(self.last_size(send), 1232, send.log())

  def test_an_mtu_of_9000_is_found_at_once(self):
    self.lab.set_mtu(9000)
    send, _ = self.transfer(100 * _MB)
    self.assertEqual(self.last_size(send), 8972, send.log())
    self.assertLess(send.when(_size(8972)) - send.when('path: direct'), 0.2,
                    send.log())

  def test_jumbo_frames_at_one_end_only(self):
    self.lab.set_mtu(9000, 'hostA:eth0', 'r1:left')
    send, _ = self.transfer(20 * _MB)
    self.assertEqual(self.last_size(send), 1472, send.log())

  def lower(self, mtu, *devices):
    """Sends 60 MB at 100 Mbit/s; lowers the MTU of devices after 1.5 s.

    Returns how long it took until the sender knew, and the sender.
    """
    self.lab.limit('100mbit')
    source = pair.write_file(self.people.alice.path('file'), 60 * _MB)
    send = self.people.send('file', extra=['-4'])
    recv = self.people.recv(extra=['-4'])
    recv.when('first bytes of the file')
    time.sleep(1.5)
    self.lab.set_mtu(mtu, *devices)
    lowered = time.monotonic() - send.begin
    known = send.when(_size(1252))
    self.check(send, recv, source)
    self.assertEqual(self.last_size(send), 1252, send.log())
    # 60 MB take 5 s; the rest is the path's, and a busy machine's.
    self.assertLess(recv.took, 20, f'{send.log()}\n{recv.log()}')
    return known - lowered

  def test_the_middle_shrinks_mid_transfer_and_says_nothing(self):
    self.lab.set_mtu(9000)
    took = self.lower(1280, 'r1:right', 'r2:left')
    print(f'a black hole was found after {took:.2f} s')
    self.assertLess(took, 2)

  def test_the_own_interface_shrinks_mid_transfer(self):
    self.lab.set_mtu(9000)
    took = self.lower(1280, 'hostA:eth0', 'r1:left')
    print(f'the own interface was heard after {took:.2f} s')
    self.assertLess(took, 2)

  def test_offloads_that_are_switched_off_mid_transfer(self):
    self.lab.limit('100mbit')
    source = pair.write_file(self.people.alice.path('file'), 30 * _MB)
    send = self.people.send('file')
    recv = self.people.recv()
    recv.when('first bytes of the file')
    for host in ('hostA', 'hostB'):
      self.lab[host].run('ethtool', '-K', 'eth0', 'gso', 'off', 'gro', 'off',
                         'tx', 'off', 'tx-udp-segmentation', 'off')
    self.check(send, recv, source)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
