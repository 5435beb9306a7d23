"""Two hosts on one network find each other without any broker or Internet."""

import concurrent.futures
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


def leave(lab):
  """The router is there no more: only the switch is."""
  for short in ('hostA', 'hostA2'):
    lab[short].ip('route del default')
  lab['natA'].ip('link set wan down')


def leave_with_link_local_addresses(lab):
  leave(lab)
  for short in ('hostA', 'hostA2'):
    lab[short].ip('addr flush dev eth0 scope global')


def cut(lab):
  lab['natA'].ip('link set wan down')


# Title, what becomes of the network, the path, who comes how much later. The
# one who waits does so for longer than brokers are waited for elsewhere.
_CASES = (
    ('an island', leave, r'direct udp4 10\.1\.0\.', None),
    ('an island where one comes late', leave, r'direct udp4 10\.1\.0\.',
     ('recv', 17)),
    ('link-local addresses only', leave_with_link_local_addresses,
     r'direct udp6 \[fe80:', None),
    ('a router whose line is dead', cut, r'direct udp4 10\.1\.0\.', None),
)


def run_case(lab, change, late):
  people = pair.Pair(lab)
  change(lab)
  return people.transfer(_SIZE, late=late)


class Lan(unittest.TestCase):

  def check(self, path, send, recv):
    took = first_byte(send, recv)
    print(f'first byte {took * 1000:.0f} ms after both had started')
    self.assertLess(took, _MEETING, f'{send.log()}\n{recv.log()}')
    for command in (send, recv):
      self.assertRegex(command.text, path, command.log())
      self.assertNotIn('subscribed', command.text, command.log())

  def test_they_meet_without_a_broker(self):
    labs = []
    for _ in _CASES:
      labs.append(topology.Lab('same-lan'))
      self.addCleanup(labs[-1].close)
    with concurrent.futures.ThreadPoolExecutor(len(_CASES)) as pool:
      runs = [
          pool.submit(run_case, lab, change, late)
          for lab, (_, change, _, late) in zip(labs, _CASES)
      ]
    for (title, _, path, _), run in zip(_CASES, runs):
      with self.subTest(title):
        self.check(path, *run.result())

  def test_what_is_said_there_shows_nothing(self):
    """Only sealed datagrams of one size, with a tag that changes daily."""
    lab = topology.Lab('same-lan')
    self.addCleanup(lab.close)
    people = pair.Pair(lab)
    leave(lab)
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
    eavesdropper = lab.start(lab['natA'], ['python3', '-c', script],
                                  stdout=subprocess.PIPE)
    self.assertEqual(eavesdropper.stdout.readline(), 'ready\n')
    self.check(r'direct udp4 10\.1\.0\.', *people.transfer(_SIZE))
    heard = [bytes.fromhex(eavesdropper.stdout.readline()) for _ in range(4)]
    keys = [people.key(p) for p in (people.alice, people.bob)]
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
