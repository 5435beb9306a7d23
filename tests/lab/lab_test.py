"""The laboratory is what it says: NATs behave as named, links as told.

Everything runs on real namespaces, nftables, mosquitto and coturn, and fails
where those can't be had.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import unittest

from tests.lab import classify
from tests.lab import drawing
from tests.lab import nat_rules
from tests.lab import network
from tests.lab import stun
from tests.lab import topology

_STUN1 = (topology.SERVER4[0], 3478)
_STUN2 = (topology.SERVER4[1], 3478)


def _receive(sock, wait=0.3):
  sock.settimeout(wait)
  try:
    return sock.recv(65536)
  except OSError:
    return None


class NatKinds(unittest.TestCase):
  """Each kind, classified by RFC 4787."""

  # mapping, filtering, preserves the port, hairpins
  _EXPECTED = {
      'PRC': ('EIM', 'APDF', True, False),
      'M': ('EIM', 'APDF', True, False),
      'REMAP': ('EIM', 'APDF', False, False),
      'FULL': ('EIM', 'EIF', True, False),
      'ADDR': ('EIM', 'ADF', True, False),
      'HP': ('EIM', 'EIF', True, True),
      'SYM': ('APDM', 'APDF', False, False),
      'BLK': ('APDM', 'APDF', False, False),
      'SEQ': ('APDM', 'APDF', False, False),
      'ADM': ('ADM', 'APDF', False, False),
      'T30': ('EIM', 'APDF', True, False),
  }

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes')
    cls.classifier = classify.Classifier(cls.lab)

  @classmethod
  def tearDownClass(cls):
    cls.classifier.close()
    cls.lab.close()

  def test_each_is_classified_as_named(self):
    for kind, expected in self._EXPECTED.items():
      with self.subTest(kind):
        self.lab.set_kind('natA', kind)
        seen = self.classifier.classify()
        self.assertEqual(
            (seen.mapping, seen.filtering, seen.preserves_port, seen.hairpins),
            expected, seen)
        self.assertEqual(seen.address, '203.0.113.10')
        if kind == 'SEQ':
          steps = [b - a for a, b in zip(seen.ports, seen.ports[1:])]
          self.assertEqual(steps, [1] * 7)
        if kind == 'BLK':
          self.assertTrue(all(30720 <= p <= 31231 for p in seen.ports), seen)

  def test_only_m_lets_a_stranger_take_the_port(self):
    for kind, port in (('PRC', 40001), ('M', 40002)):
      with self.subTest(kind):
        self.lab.set_kind('natA', kind)
        after = self.classifier.port_after_a_strangers_packet(port)
        self.assertEqual(after == port, kind == 'PRC', after)

  def test_t30_forgets_mappings(self):
    for kind, forgets in (('T30', True), ('PRC', False)):
      with self.subTest(kind):
        self.lab.set_kind('natA', kind)
        client = self.classifier.client()
        server = (topology.SERVER4[0], 5001)
        outside = self.classifier.seen_at(client, server)
        self.classifier.answer(server, outside)
        self.assertIsNotNone(_receive(client))
        time.sleep(5 if forgets else 0.5)
        self.classifier.answer(server, outside)
        self.assertEqual(_receive(client) is None, forgets)

  def test_blocking_kinds_let_tcp_through_and_udp_not(self):
    for kind in ('BLOCK', 'REJECT', 'WEBONLY'):
      with self.subTest(kind):
        self.lab.set_kind('natA', kind)
        with self.lab['hostA'].socket() as client:
          self.assertIsNone(stun.mapped_address(client, _STUN1, timeout=0.3))
        with self.lab['hostA'].socket(kind=socket.SOCK_STREAM) as client:
          client.settimeout(2)
          self.assertEqual(client.connect_ex((topology.SERVER4[0], 1883)), 0)


class Homes(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes', hops=5, link_a='', link_b='', seed=7)

  @classmethod
  def tearDownClass(cls):
    cls.lab.close()

  def setUp(self):
    for letter in 'AB':
      self.lab.set_kind(f'nat{letter}', 'PRC')
      self.lab.links[letter].set('both', 'clear')
    self.a = self.lab['hostA'].socket()
    self.b = self.lab['hostB'].socket()
    self.addCleanup(self.a.close)
    self.addCleanup(self.b.close)
    self.outside_a = stun.mapped_address(self.a, _STUN1)
    self.outside_b = stun.mapped_address(self.b, _STUN1)

  def punch(self):
    """Both send to the other's STUN address, A first, as often as it takes."""
    for _ in range(3):
      self.a.sendto(b'from a', self.outside_b)
      time.sleep(0.02)
      self.b.sendto(b'from b', self.outside_a)
      if _receive(self.a, 0.1) == b'from b':
        self.a.sendto(b'again', self.outside_b)
        return _receive(self.b, 0.1) is not None
    return False

  def test_two_servers_see_one_endpoint(self):
    self.assertEqual(self.outside_a[0], '203.0.113.10')
    self.assertEqual(stun.mapped_address(self.a, _STUN2), self.outside_a)

  def test_a_hole_can_be_punched_between_port_restricted_nats(self):
    self.assertTrue(self.punch())

  def test_no_simple_hole_between_symmetric_and_port_restricted(self):
    self.lab.set_kind('natA', 'SYM')
    self.outside_a = stun.mapped_address(self.a, _STUN1)
    self.assertFalse(self.punch())

  def test_a_poisonable_nat_that_is_sent_to_first_can_not_be_punched(self):
    self.lab.set_kind('natB', 'M')
    self.outside_b = stun.mapped_address(self.b, _STUN1)
    self.assertFalse(self.punch())

  def test_nobody_gets_in_unasked(self):
    self.b.sendto(b'knock', self.outside_a)
    self.assertIsNone(_receive(self.a))

  def test_a_packet_of_four_hops_ends_between_the_nats(self):
    # The NATs learn of each other first, so that only hops can be the reason.
    self.assertTrue(self.punch())
    self.a.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 4)
    self.a.sendto(b'short', self.outside_b)
    self.assertIsNone(_receive(self.b, 0.2))
    self.a.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 8)
    self.a.sendto(b'long', self.outside_b)
    self.assertEqual(_receive(self.b, 0.2), b'long')

  def test_links_delay_and_lose_as_told_while_running(self):
    link = self.lab.links['A']
    link.set('both', 'delay=40ms')
    begin = time.monotonic()
    self.assertIsNotNone(stun.mapped_address(self.a, _STUN1))
    taken = time.monotonic() - begin
    self.assertGreaterEqual(taken, 0.08)
    self.assertLess(taken, 0.3)
    link.set('both', 'delay=0 loss=100%')
    self.assertIsNone(stun.mapped_address(self.a, _STUN1, timeout=0.2))
    link.set('both', 'loss=0')
    self.assertIsNotNone(stun.mapped_address(self.a, _STUN1))
    with self.assertRaises(network.LabError):
      link.set('both', 'lose=everything')

  def test_the_middlebox_changes_what_passes_and_it_still_arrives(self):
    self.assertTrue(self.punch())
    link = self.lab.links['A']
    message = bytes(range(256))
    before = link.stats()['ab']
    for options, check in (
        ('flip=100%', lambda got: got != message and len(got) == 256),
        ('truncate=100%', lambda got: message.startswith(got) and
         len(got) < 256)):
      with self.subTest(options):
        link.set('both', 'clear ' + options)
        self.a.sendto(message, self.outside_b)
        self.assertTrue(check(_receive(self.b)))
    link.set('both', 'clear replay=100%')
    self.a.sendto(message, self.outside_b)
    self.assertEqual(_receive(self.b), message)
    self.assertIsNotNone(_receive(self.b))
    link.set('both', 'clear reflect=100%')
    self.a.sendto(message, self.outside_b)
    self.assertEqual(_receive(self.a), message)
    link.set('both', 'clear')
    after = link.stats()['ab']
    for what in ('flipped', 'truncated', 'replayed', 'reflected'):
      self.assertGreater(after[what], before[what], what)

  def test_invented_datagrams_arrive_in_the_peers_name(self):
    self.assertTrue(self.punch())
    link = self.lab.links['A']
    link.set('ba', 'forged=200/s strangers=200/s')
    self.b.sendto(b'seen', self.outside_a)
    self.assertEqual(_receive(self.a), b'seen')
    self.assertIsNotNone(_receive(self.a, 0.5))
    link.set('ba', 'clear')
    self.assertGreater(link.stats()['ba']['invented'], 0)


class OtherTopologies(unittest.TestCase):

  def test_two_hosts_of_one_lan_meet_inside_only(self):
    with topology.Lab('same-lan') as lab:
      first, second = lab['hostA'].socket(), lab['hostA2'].socket()
      outside = stun.mapped_address(first, _STUN1)
      stun.mapped_address(second, _STUN1)
      second.sendto(b'outside', outside)
      self.assertIsNone(_receive(first))
      second.sendto(b'inside', ('10.1.0.2', first.getsockname()[1]))
      self.assertEqual(_receive(first), b'inside')
      first.close()
      second.close()

  def test_a_double_nat_shows_the_carriers_address(self):
    with topology.Lab('double-nat') as lab:
      for host, outside in (('hostA', '203.0.113.10'), ('hostB',
                                                        '192.0.2.10')):
        with lab[host].socket() as client:
          self.assertEqual(stun.mapped_address(client, _STUN1)[0], outside)
      classifier = classify.Classifier(lab)
      seen = classifier.classify()
      classifier.close()
      self.assertEqual((seen.mapping, seen.filtering), ('EIM', 'APDF'))

  def test_one_carrier_hairpins_between_its_homes(self):
    with topology.Lab('one-carrier') as lab:
      first, second = lab['hostA'].socket(), lab['hostB'].socket()
      outside_first = stun.mapped_address(first, _STUN1)
      outside_second = stun.mapped_address(second, _STUN1)
      self.assertEqual(outside_first[0], outside_second[0])
      first.sendto(b'open', outside_second)
      second.sendto(b'hairpin', outside_first)
      self.assertEqual(_receive(first), b'hairpin')
      first.close()
      second.close()

  def test_firewalls_of_ipv6_open_from_inside_only(self):
    with topology.Lab('v6-firewalls') as lab:
      first, second = (lab[host].socket(socket.AF_INET6)
                       for host in ('hostA', 'hostB'))
      addresses = [
          stun.mapped_address(s, (topology.SERVER6[0], 3478))
          for s in (first, second)
      ]
      self.assertEqual([a[0] for a in addresses],
                       ['2001:db8:a1::2', '2001:db8:b1::2'])
      second.sendto(b'unasked', addresses[0])
      self.assertIsNone(_receive(first))
      first.sendto(b'open', addresses[1])
      second.sendto(b'answer', addresses[0])
      self.assertEqual(_receive(first), b'answer')
      with lab['hostA'].socket() as client:
        self.assertIsNone(stun.mapped_address(client, _STUN1, timeout=0.2))
      first.close()
      second.close()

  def test_dual_stack_has_nat_and_firewall(self):
    with topology.Lab('dual-stack') as lab:
      with lab['hostA'].socket() as client:
        self.assertEqual(
            stun.mapped_address(client, _STUN1)[0], '203.0.113.10')
      with lab['hostA'].socket(socket.AF_INET6) as client:
        outside = stun.mapped_address(client, (topology.SERVER6[0], 3478))
        self.assertEqual(outside[0], '2001:db8:a1::2')
        with lab['hostB'].socket(socket.AF_INET6) as other:
          other.sendto(b'unasked', outside)
          self.assertIsNone(_receive(client))

  def test_an_emulated_link_carries_300_mbit_a_second(self):
    with topology.Lab('OPEN-OPEN', link_a='', link_b=None) as lab:
      # The best of a few: what else runs here may take its share.
      rates = []
      while len(rates) < 5 and max(rates, default=0) < 300:
        rates.append(self.rate(lab, 9 + len(rates)))
    print(f'link_emulator: {max(rates):.0f} Mbit/s over TCP')
    self.assertGreater(max(rates), 300)

  def rate(self, lab, port):
    """Mbit/s of a TCP connection from natA to the server."""
    size = 40 << 20
    server = lab['srv'].socket(kind=socket.SOCK_STREAM)
    server.bind(('0.0.0.0', port))
    server.listen()
    client = lab['natA'].socket(kind=socket.SOCK_STREAM)
    client.connect((topology.SERVER4[0], port))
    connection, _ = server.accept()
    program = ('import socket\n'
               f's = socket.socket(fileno={client.fileno()})\n'
               f'for _ in range({size >> 20}): s.sendall(bytes(1 << 20))\n')
    send = subprocess.Popen([sys.executable, '-c', program],
                            pass_fds=[client.fileno()])
    client.close()
    begin = time.monotonic()
    received = 0
    while received < size:
      data = connection.recv(1 << 20)
      self.assertTrue(data)
      received += len(data)
    took = time.monotonic() - begin
    send.wait(10)
    connection.close()
    server.close()
    return size * 8 / took / 1e6


class People(unittest.TestCase):

  def test_commands_run_on_the_host_with_an_own_home(self):
    with topology.Lab('homes') as lab:
      alice = topology.Person(lab, 'alice', lab.plan.alice)
      code, out, _ = alice.run(
          ['sh', '-c', 'echo $P2PCP_HOME; pwd; ip -4 -br addr show eth0'])
      self.assertEqual(code, 0)
      home, folder, address = out.splitlines()
      self.assertTrue(home.startswith(lab.folder))
      self.assertEqual(folder, alice.folder)
      self.assertIn('10.1.0.2/24', address)
      self.assertEqual(alice.run(['getent', 'ahostsv4', 'broker.lab'])[0], 0)

  def test_a_command_that_hangs_is_ended(self):
    with topology.Lab('same-host') as lab:
      alice = topology.Person(lab, 'alice', lab.plan.alice)
      with self.assertRaises(subprocess.TimeoutExpired):
        alice.run(['sh', '-c', 'sleep 100 & sleep 100'], timeout=0.3)
      # Those that were killed take a moment to die.
      deadline = time.monotonic() + 2
      while lab['hostA'].processes() and time.monotonic() < deadline:
        time.sleep(0.01)
      self.assertEqual(lab['hostA'].processes(), [])


class NothingIsLeft(unittest.TestCase):

  def _left(self, pid):
    names = os.listdir('/run/netns')
    return [n for n in names if f'lab-{pid}-' in n]

  def test_after_the_end_and_after_a_failure(self):
    for fails in (False, True):
      with self.subTest(fails=fails):
        try:
          with topology.Lab('homes', link_a='') as lab:
            folder = lab.folder
            pids = [p for n in lab.namespaces() for p in n.processes()]
            self.assertGreaterEqual(len(pids), 2)
            lab['hostA'].ip('link show')
            emulator = lab.links['A'].process.pid
            if fails:
              raise RuntimeError('as if a test failed')
        except RuntimeError:
          pass
        self.assertEqual(self._left(os.getpid()), [])
        self.assertFalse(os.path.exists(folder))
        for pid in pids + [emulator]:
          self.assertFalse(os.path.exists(f'/proc/{pid}'))

  def _start_another(self):
    """A process in which a topology stands, and the topology's folder."""
    process = subprocess.Popen([
        sys.executable, '-c', 'import time\n'
        'from tests.lab import topology\n'
        'lab = topology.Lab("same-host", link_a="")\n'
        'print(lab.folder, flush=True)\ntime.sleep(100)'
    ],
                               stdout=subprocess.PIPE,
                               text=True)
    self.addCleanup(process.stdout.close)
    folder = process.stdout.readline().strip()
    self.assertNotEqual(self._left(process.pid), [])
    return process, folder

  def test_when_it_is_told_to_end(self):
    other, folder = self._start_another()
    other.terminate()
    self.assertEqual(other.wait(20), 128 + signal.SIGTERM)
    self.assertEqual(self._left(other.pid), [])
    self.assertFalse(os.path.exists(folder))

  def test_after_a_kill_the_next_one_cleans_up(self):
    other, folder = self._start_another()
    other.kill()
    other.wait()
    with network.Network():
      self.assertEqual(self._left(other.pid), [])
      self.assertFalse(os.path.exists(folder))


class Drawing(unittest.TestCase):

  def test_every_plan_shows_what_stands(self):
    for name, plan in topology.PLANS.items():
      with self.subTest(name):
        picture = drawing.draw(name, hops=2)
        self.assertIn(plan.about, picture)
        self.assertIn('core1 - core2', picture)
        for word in ('srv', 'natA', 'hostA', 'alice', 'bob', plan.a.kind):
          self.assertIn(word, picture)

  def test_two_kinds_name_a_topology(self):
    picture = drawing.draw('sym-PRC', link_a='loss=1%')
    self.assertIn('SYM: ' + nat_rules.KINDS['SYM'], picture)
    self.assertIn('link_emulator loss=1%', picture)
    with self.assertRaises(KeyError):
      drawing.draw('sym-xyz')

  def test_the_command_lists_shows_and_runs(self):
    here = os.path.dirname(os.path.abspath(__file__))
    lab = [sys.executable, os.path.join(here, 'lab.py')]
    listed = network.command(lab + ['list'])
    self.assertIn('double-nat', listed)
    self.assertIn('two homes', network.command(lab + ['show', 'homes']))
    ran = network.command(
        lab +
        ['run', 'homes', '--', 'sh', '-c', 'at natB ip addr; echo $BROKER'])
    self.assertIn('192.0.2.10/24', ran)
    self.assertIn('--broker mqtt://198.51.100.10:1883', ran)
    wrong = subprocess.run(lab + ['show', 'nowhere'], capture_output=True,
                           check=False)
    self.assertEqual(wrong.returncode, 2)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
