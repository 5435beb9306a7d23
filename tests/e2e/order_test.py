"""Who comes first, and which message is lost: they meet all the same."""

import time
import unittest

from tests.e2e import mqtt_proxy
from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

_SIZE = 100_000
_FIRST_BYTE = 1.0
# Longer than a NAT remembers a STUN server (30 s), and than the longest pause
# between two hellos.
_LONG_WAIT = 65
# What the loss of one message may cost: the first repetitions come after 1 s.
_AFTER_LOSS = 10


_lab = None
_early = {}  # Who came first -> (the pair, its command).


def setUpModule():
  """Those who wait long begin at once, beside everything else."""
  global _lab
  _lab = topology.Lab('homes')
  unittest.addModuleCleanup(_lab.close)
  for who in ('send', 'recv'):
    people = pair.Pair(_lab, f'-long-{who}')
    pair.write_file(people.alice.path('file'), _SIZE)
    _early[who] = (people,
                   people.send('file') if who == 'send' else people.recv())


class Order(unittest.TestCase):

  def check_first_byte(self, send, recv):
    self.assertLess(pair.first_byte_after_both(send, recv), _FIRST_BYTE,
                    f'{send.log()}\n{recv.log()}')

  def test_both_in_the_same_instant(self):
    people = pair.Pair(_lab, '-together')
    for _ in range(5):
      self.check_first_byte(*people.transfer(_SIZE))

  def test_either_some_seconds_later(self):
    for who in ('send', 'recv'):
      with self.subTest(who):
        people = pair.Pair(_lab, f'-late-{who}')
        self.check_first_byte(*people.transfer(_SIZE, late=(who, 3)))

  def test_the_same_two_again_at_once(self):
    people = pair.Pair(_lab, '-again')
    for i in range(3):
      people.transfer(_SIZE, name=f'file{i}')


class LostMessages(unittest.TestCase):

  # Each proxy's own.
  port = 2000

  def start(self, lose):
    """A proxy of its own that loses a message, and a pair behind it."""
    LostMessages.port += 1
    host = topology.SERVER4[0]
    proxy = mqtt_proxy.Proxy(_lab['srv'], (host, self.port),
                             (host, servers.MQTT_PORT), lose)
    self.addCleanup(proxy.close)
    people = pair.Pair(_lab, f'-lose-{lose}-{self.port}',
                       f'mqtt://{host}:{self.port}')
    source = pair.write_file(people.alice.path('file'), _SIZE)
    return proxy, people, source

  def test_any_single_message_may_be_lost(self):
    proxy, people, source = self.start(None)
    send, recv = people.send('file'), people.recv()
    people.expect(send, recv)
    people.check_file(source, 'file', send, recv)
    count = proxy.messages
    print(f'a rendezvous takes {count} messages')
    self.assertGreaterEqual(count, 3)
    # Both orders, since who is first decides which messages there are.
    for late in ('send', 'recv'):
      started = []
      for lose in range(count):
        proxy, people, source = self.start(lose)
        first = people.recv() if late == 'send' else people.send('file')
        started.append((lose, proxy, people, source, first))
      time.sleep(0.5)
      running = []
      for lose, proxy, people, source, first in started:
        second = people.send('file') if late == 'send' else people.recv()
        send, recv = (second, first) if late == 'send' else (first, second)
        running.append((lose, proxy, people, source, send, recv))
      for lose, proxy, people, source, send, recv in running:
        with self.subTest(lost=lose, late=late):
          people.expect(send, recv, timeout=_AFTER_LOSS)
          people.check_file(source, 'file', send, recv)
          # A message that repeats needlessly may not come in every run.
          self.assertEqual(proxy.lost, int(lose < proxy.messages))


class Waiting(unittest.TestCase):
  """Runs last, by its name: the time has gone by meanwhile."""

  def test_the_second_comes_more_than_a_minute_later(self):
    for who, (people, first) in _early.items():
      with self.subTest(first=who):
        time.sleep(max(0, first.begin + _LONG_WAIT - time.monotonic()))
        self.assertIsNone(first.process.poll(), first.log())
        if who == 'send':
          send, recv = first, people.recv()
        else:
          send, recv = people.send('file'), first
        people.expect(send, recv)
        people.check_file(people.alice.path('file'), 'file', send, recv)
        self.assertLess(pair.first_byte_after_both(send, recv), _FIRST_BYTE,
                        f'{send.log()}\n{recv.log()}')


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
