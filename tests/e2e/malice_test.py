"""Brokers that mean ill: whatever one does to its clients, they neither crash
nor swell nor send a datagram to anybody but each other, and the file arrives
once an honest broker can be reached too."""

import filecmp
import os
import random
import ssl
import struct
import threading
import time
import unittest

from tests.e2e import broker
from tests.e2e import lan
from tests.e2e import memory
from tests.e2e import pair
from tests.e2e import sniffer
from tests.lab import network

# Of a program with its child.
_MAX_RESIDENT = 96 << 20
_HUGE = 256 << 20
_SIZE = 200_000
_ALONE = 2.5  # Seconds with no honest broker.
_RIGHT = [pair.VERIFIED, pair.VERIFIED]


def _publish_header(topic, version, size):
  properties = b'\0' if version == 5 else b''
  start = struct.pack('!H', len(topic)) + topic.encode() + properties
  return b'\x30' + broker.encode_length(len(start) + size) + start


class Huge(broker.Malice):
  """Messages of 256 MB, all of them, to whoever subscribes."""

  def subscribed(self, client, packet_id, topics):
    super().subscribed(client, packet_id, topics)
    client.send(_publish_header(topics[0], client.version, _HUGE))
    threading.Thread(target=self._pour, args=(client,), daemon=True).start()

  def _pour(self, client):
    piece = bytes(1 << 20)
    for _ in range(_HUGE >> 20):
      while client.open and client.backlog() > 4:
        time.sleep(0.01)
      if not client.open:
        return
      client.send(piece)


class Endless(broker.Malice):
  """Remaining lengths and topics that have no end."""

  def connected(self, client):
    client.send(b'\x30' + b'\xff' * 1_000)
    return True


class Halves(broker.Malice):
  """The first half of each packet, and the connection is over."""

  def subscribed(self, client, packet_id, topics):
    super().subscribed(client, packet_id, topics)
    packet = _publish_header(topics[0], client.version, 1024) + bytes(1024)
    client.send(packet[:random.randrange(1, len(packet))])
    client.send(None)


class ConnackLoop(broker.Malice):
  """Welcome, and out."""

  def connected(self, client):
    client.send_connack()
    client.send(None)
    return True


class Refuses(broker.Malice):

  def connected(self, client):
    client.send_connack(0x87 if client.version == 5 else 5)
    client.send(None)
    return True


class Stalls(broker.Malice):
  """Takes the connection and never says a word."""

  def connected(self, client):
    return False


class Takeover(broker.Malice):
  """Says again and again that another client has this id."""

  def published(self, client, topic, payload):
    pass

  def subscribed(self, client, packet_id, topics):
    super().subscribed(client, packet_id, topics)

    def kick():
      time.sleep(0.2)
      if client.version == 5:
        client.send(b'\xe0\x01\x8e')  # DISCONNECT, session taken over.
      client.send(None)

    threading.Thread(target=kick, daemon=True).start()


class Garbage(broker.Malice):
  """Retained garbage in each topic, of every size, of the right one most."""

  def subscribed(self, client, packet_id, topics):
    super().subscribed(client, packet_id, topics)
    for size in [1024] * 200 + [0, 1, 39, 1023, 1025, 8_000]:
      for topic in topics:
        client.send_publish(topic, os.urandom(size), retained=True)
    # And what is no packet, or none for a client.
    client.send(bytes([0x82, 4, 0, 1, 0, 0]))

  def published(self, client, topic, payload):
    pass  # Else they may have met before its garbage ends the connection.


class Mixes(broker.Malice):
  """All that it hears, under other topics, in another order, changed, late and
  a hundred times; but none of it as it should be."""

  def __init__(self):
    self._heard = []
    self._lock = threading.Lock()

  def published(self, client, topic, payload):
    with self._lock:
      self._heard.append((topic, payload))
      heard = list(self._heard)
    others = [t for c in client.broker.clients() for t in c.topics]
    for other in others:
      client.broker.deliver(other, payload)
    for _ in range(100):
      client.broker.deliver(*random.choice(heard))
    changed = bytearray(payload)
    changed[random.randrange(len(changed))] ^= 1
    client.broker.deliver(topic, bytes(changed))
    threading.Timer(3, client.broker.deliver, (topic, payload)).start()


class Replays(broker.Malice):
  """What was said in other runs, over and over."""

  def __init__(self, recorded):
    self._recorded = recorded

  def published(self, client, topic, payload):
    pass

  def subscribed(self, client, packet_id, topics):
    super().subscribed(client, packet_id, topics)
    threading.Thread(target=self._replay, args=(client,), daemon=True).start()

  def _replay(self, client):
    while client.open:
      for message in self._recorded:
        if message.topic in client.topics:
          client.send_publish(message.topic, message.payload)
      time.sleep(0.1)


def _wrong_certificate(folder):
  """A TLS context whose certificate nobody vouches for."""
  key, certificate = (os.path.join(folder, f'tls.{what}')
                      for what in ('key', 'pem'))
  if not os.path.exists(key):
    network.command([
        'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
        'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out',
        certificate, '-days', '2', '-subj', '/CN=example.org'
    ])
  context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
  context.load_cert_chain(certificate, key)
  return context


class MaliciousBroker(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.net = lan.Lan()
    cls.addClassCleanup(cls.net.close)
    cls.ears = {h: sniffer.Sniffer(cls.net[h]) for h in ('alice', 'bob')}
    for ear in cls.ears.values():
      cls.addClassCleanup(ear.close)
    cls.sanitized = pair.is_sanitized()
    cls.port = 2_000

  def setUp(self):
    suffix = self._testMethodName[5:25]
    self.alice = self.net.person('alice' + suffix, 'alice')
    self.bob = self.net.person('bob' + suffix, 'bob')
    self.net.introduce(self.alice, self.bob)
    self.brokers = []
    self.addCleanup(lambda: [b.close() for b in self.brokers])

  def next_port(self):
    MaliciousBroker.port += 1
    return MaliciousBroker.port

  def evil(self, malice, tls=None):
    """The URL of a broker of its own."""
    made = broker.Broker(self.net['srv'])
    self.brokers.append(made)
    port = self.next_port()
    made.listen((lan.SERVER, port), malice=malice, tls=tls)
    scheme = 'mqtts' if tls else 'mqtt'
    return f'{scheme}://{lan.SERVER}:{port}'

  def start_both(self, *urls, limit=None):
    self.source = pair.write_file(self.alice.path('file'), _SIZE)
    options = lan.options(*urls)
    extra = ['--bwlimit', str(limit)] if limit else []
    self.send = pair.Command(
        self.alice, ['send', self.source, '--to', 'bob'] + options + extra)
    self.recv = pair.Command(self.bob, ['recv', '--from', 'alice'] + options)
    # One that a failed test left running would be counted in the next.
    for command in (self.send, self.recv):
      self.addCleanup(command.kill)
    self.watches = [
        memory.Watch(c.process.pid) for c in (self.send, self.recv)
    ]

  def check_end(self, codes):
    log = f'{self.send.log()}\n{self.recv.log()}'
    self.assertEqual([self.send.wait(60), self.recv.wait(60)], codes, log)
    peaks = [watch.stop() for watch in self.watches]
    print(f'{self._testMethodName}: {[p >> 20 for p in peaks]} MiB', flush=True)
    if not self.sanitized:
      for peak in peaks:
        self.assertLess(peak, _MAX_RESIDENT, log)
    there = self.bob.path('file')
    if codes == _RIGHT:
      self.assertTrue(filecmp.cmp(self.source, there, shallow=False))
      os.remove(there)
    self.assertEqual(os.listdir(self.bob.folder), [])
    # To each other, where a STUN server might be, and nowhere else.
    for host, ear in self.ears.items():
      other = lan.BOB if host == 'alice' else lan.ALICE
      self.assertLessEqual({to for to, _ in ear.sent()},
                           {other, lan.SERVER}, log)

  def datagrams(self):
    """To the peer, so far."""
    return sum(count for ear in self.ears.values()
               for (to, _), count in ear.sent().items() if to != lan.SERVER)

  def try_it(self, *evil_urls, alone=_ALONE):
    """The evil ones alone, then an honest one too."""
    honest = self.next_port()
    before = self.datagrams()
    self.start_both(*evil_urls, f'mqtt://{lan.SERVER}:{honest}')
    deadline = time.monotonic() + alone
    while time.monotonic() < deadline:
      for command in (self.send, self.recv):
        self.assertIsNone(command.process.poll(), command.log())
      time.sleep(0.1)
    # Nobody could tell anybody where to send.
    self.assertEqual(self.datagrams(), before,
                     f'{self.send.log()}\n{self.recv.log()}')
    made = broker.Broker(self.net['srv'])
    self.brokers.append(made)
    made.listen((lan.SERVER, honest))
    self.check_end(_RIGHT)

  def test_huge_messages(self):
    self.try_it(self.evil(Huge()), self.evil(Huge()), self.evil(Endless()))

  def test_half_packets_refusals_and_silence(self):
    self.try_it(self.evil(Halves()), self.evil(ConnackLoop()),
                self.evil(Refuses()), self.evil(Stalls()),
                self.evil(Takeover()))

  def test_garbage(self):
    self.try_it(self.evil(Garbage()), self.evil(Garbage()))

  def test_wrong_certificate(self):
    url = self.evil(broker.Malice(), tls=_wrong_certificate(self.net.folder))
    self.try_it(url)
    self.assertEqual(self.brokers[0].bytes, {})  # Nobody has talked to it.
    self.assertRegex(self.send.text, 'certificate|TLS|tls', self.send.log())

  def test_swapped_changed_repeated_and_late(self):
    """It carries enough for a meeting: then it is the right one."""
    self.start_both(self.evil(Mixes()))
    self.check_end(_RIGHT)

  def test_replays_of_earlier_runs(self):
    recorder = broker.Broker(self.net['srv'])
    self.brokers.append(recorder)
    port = self.next_port()
    recorder.listen((lan.SERVER, port))
    for _ in range(3):
      self.start_both(f'mqtt://{lan.SERVER}:{port}')
      self.check_end(_RIGHT)
    self.assertGreater(len(recorder.messages), 10)
    self.try_it(self.evil(Replays(list(recorder.messages))))

  def test_an_honest_one_that_turns(self):
    """Once they have met, the transfer does not need the broker any more."""
    turned = threading.Event()

    class Turns(broker.Malice):

      def published(self, client, topic, payload):
        if turned.is_set():
          for other in client.broker.clients():
            other.send(b'\xff' * 4_000)
          return
        super().published(client, topic, payload)

    url = self.evil(Turns())
    self.start_both(url, limit=_SIZE // 2)  # Two seconds.
    # Bob is done when he sends the answer, Alice when she has it.
    for command in (self.send, self.recv):
      command.when('handshake done')
    turned.set()
    for client in self.brokers[0].clients():
      client.send(os.urandom(10_000))
      client.send(None)
    self.assertIsNone(self.send.process.poll(), 'it turned too late')
    self.check_end(_RIGHT)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
