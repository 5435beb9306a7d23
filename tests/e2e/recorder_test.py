"""What a broker learns: fifty pairs meet, pair and transfer through one that
writes down every byte, and days later it says all of it again."""

import base64
import collections
import concurrent.futures
import datetime
import filecmp
import os
import re
import socket
import time
import unittest

from tests.e2e import broker
from tests.e2e import lan
from tests.e2e import pair
from tests.e2e import sniffer
from tests.lab import network

_PAIRS = 50
# As many at a time; each is two programs, each of two processes.
_AT_ONCE = 6
_FIRST_PORT = 20_000
_MESSAGE = 1024
_DAY = 86_400
_TOPIC = re.compile('[a-z2-7]{32}')


class Couple:
  """A pair that has never met, with a port of the broker for itself."""

  def __init__(self, net, number):
    self.net = net
    self.number = number
    self.alice = net.person(f'alicia{number}', 'alice')
    self.bob = net.person(f'robert{number}', 'bob')
    self.url = f'mqtt://{lan.SERVER}:{_FIRST_PORT + number}'
    self.name = f'holiday-picture-{number}.jpg'
    self.code = ''

  def run(self, *code, env=None):
    """A file from one to the other; what both commands said."""
    source = pair.write_file(self.alice.path(self.name), 30_000)
    common = [*lan.options(self.url), *code]
    send = pair.Command(self.alice,
                        ['send', source, '--to', f'robert{self.number}'] +
                        common,
                        env=env or {})
    recv = pair.Command(self.bob,
                        ['recv', '--from', f'alicia{self.number}'] + common,
                        env=env or {})
    codes = (send.wait(60), recv.wait(60))
    there = self.bob.path(self.name)
    if codes != (0, 0) or not filecmp.cmp(source, there, shallow=False):
      raise AssertionError(f'{codes}\n{send.log()}\n{recv.log()}')
    os.remove(there)
    return send, recv

  def first(self):
    """By a code, which this process hands over, as people do."""
    typed = self.bob.path('code')
    source = pair.write_file(self.alice.path(self.name), 30_000)
    common = lan.options(self.url)
    send = pair.Command(
        self.alice, ['send', source, '--to', f'robert{self.number}',
                     '--code-file', '-'] + common)
    while not send.stdout:
      if send.process.poll() is not None:
        raise AssertionError(send.log())
      time.sleep(0.005)
    self.code = send.stdout[0][1].strip()
    with open(os.open(typed, os.O_WRONLY | os.O_CREAT, 0o600), 'w',
              encoding='ascii') as file:
      file.write(self.code + '\n')
    recv = pair.Command(self.bob, [
        'recv', '--from', f'alicia{self.number}', '--code-file', typed
    ] + common)
    codes = (send.wait(60), recv.wait(60))
    there = self.bob.path(self.name)
    if codes != (0, 0) or not filecmp.cmp(source, there, shallow=False):
      raise AssertionError(f'{codes}\n{send.log()}\n{recv.log()}')
    os.remove(there)


def _needles(couple):
  """{what: bytes} that may stand nowhere in what a broker is told."""
  needles = {
      'the sender\'s name': couple.alice.name.encode(),
      'the receiver\'s name': couple.bob.name.encode(),
      'the file\'s name': couple.name.encode(),
      'a folder': couple.net.folder.encode(),
      'the code': couple.code.encode(),
      'the code\'s words': couple.code.split('-', 1)[1].encode(),
  }
  for word in couple.code.split('-')[1:]:
    # A shorter one may turn up in random bytes by chance.
    if len(word) >= 5:
      needles[f'a word of the code'] = word.encode()
  for person in (couple.alice, couple.bob):
    code, key, _ = person.run([pair.program(), 'id'])
    assert code == 0
    text = key.strip().upper()
    raw = base64.b32decode(text + '=' * (-len(text) % 8))[:32]
    needles[f'{person.name}: key'] = raw
    needles[f'{person.name}: key as text'] = key.strip().encode()
    for what, secret in lan.kept_secrets(person).items():
      needles[what] = secret
      try:
        needles[f'{what}, binary'] = bytes.fromhex(secret.decode())
      except ValueError:
        pass
  for address in (lan.ALICE, lan.BOB):
    needles[f'{address}'] = address.encode()
    needles[f'{address}, binary'] = socket.inet_aton(address)
  return needles


class Recorder(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.net = lan.Lan()
    cls.addClassCleanup(cls.net.close)
    cls.recorder = broker.Broker(cls.net['srv'])
    cls.addClassCleanup(cls.recorder.close)
    for number in range(_PAIRS):
      cls.recorder.listen((lan.SERVER, _FIRST_PORT + number), label=number)
    cls.couples = [Couple(cls.net, number) for number in range(_PAIRS)]
    with concurrent.futures.ThreadPoolExecutor(_AT_ONCE) as pool:
      list(pool.map(Couple.first, cls.couples))
    cls.recorded = list(cls.recorder.messages)

  def test_it_learns_no_name_key_address_path_or_code(self):
    self.assertGreaterEqual(len(self.recorded), 10 * _PAIRS)
    for couple in self.couples:
      said = bytes(self.recorder.bytes[couple.number])
      for what, needle in _needles(couple).items():
        self.assertGreaterEqual(len(needle), 4, what)
        self.assertNotIn(needle, said, f'pair {couple.number}: {what}')
    # The test can find what it looks for.
    topic = self.recorded[0].topic.encode()
    self.assertIn(topic, bytes(self.recorder.bytes[self.recorded[0].label]))

  def test_every_message_has_the_same_size_and_no_topic_a_meaning(self):
    self.assertEqual({len(m.payload) for m in self.recorded}, {_MESSAGE})
    for message in self.recorded:
      self.assertRegex(message.topic, _TOPIC)
    # Nor does a client, whose id is another with each connection.
    clients = collections.Counter()
    for label, client, _ in self.recorder.subscriptions:
      clients[client, label] += 1
    names = [client for client, _ in clients]
    self.assertEqual(len(set(names)), len(names))

  def test_no_two_pairs_share_a_topic(self):
    owners = collections.defaultdict(set)
    for message in self.recorded:
      owners[message.topic].add(message.label)
    for label, _, topics in self.recorder.subscriptions:
      for topic in topics:
        owners[topic].add(label)
    shared = {t: o for t, o in owners.items() if len(o) > 1}
    # Nameplates have four digits: two pairs may have drawn the same.
    plates = collections.Counter(c.code[:4] for c in self.couples)
    twice = sum(n for n in plates.values() if n > 1)
    self.assertLessEqual(len(shared), 6 * twice, shared)

  def test_no_two_days_share_a_topic(self):
    couple = self.couples[0]
    seen = []
    for day in (0, 1, 2):
      before = len(self.recorder.messages)
      couple.run(env=lan.shim(day * _DAY))
      seen.append({m.topic for m in self.recorder.messages[before:]})
      self.assertGreaterEqual(len(seen[-1]), 2)
    self.assertFalse(seen[0] & seen[1])
    self.assertFalse(seen[1] & seen[2])
    self.assertFalse(seen[0] & seen[2])

  def test_what_was_said_starts_no_packet_when_it_is_said_again(self):
    """An hour later by their clocks, each waits alone, and hears it all."""
    couple = self.couples[1]
    couple.run()
    mine = [m for m in self.recorder.messages if m.label == couple.number]
    # What the next of them will listen to, on its own port.
    ears = {
        host: sniffer.Sniffer(self.net[host]) for host in ('alice', 'bob')
    }
    for ear in ears.values():
      self.addCleanup(ear.close)
    for person, argv in ((couple.bob, ['recv', '--from',
                                       couple.alice.name]),
                         (couple.alice, ['send', couple.name, '--to',
                                         couple.bob.name])):
      alone = pair.Command(person,
                           argv + lan.options(couple.url) +
                           ['--timeout', '6'],
                           env=lan.shim(3_600))
      alone.when('subscribed')
      heard = 0
      for _ in range(4):
        for message in mine:
          heard += self.recorder.deliver(message.topic, message.payload)
        time.sleep(0.5)
      # They were its own topics, and it took what it heard for the peer.
      self.assertGreater(heard, 10)
      self.assertEqual(alone.wait(30), pair.PEER_NEVER_APPEARED, alone.log())
      self.assertIn('is there', alone.text, alone.log())
    server = (lan.SERVER, 3478)
    for ear in ears.values():
      sent = ear.sent()
      self.assertIn(server, sent)  # It hears.
      self.assertEqual([to for to in sent if to != server], [], sent)


class Clocks(lan.Lonely):
  """Wall clocks that are wrong, with the real program."""

  def setUp(self):
    super().setUp()
    self.net.introduce(self.alice, self.bob)

  def start(self, offset_alice, offset_bob, pause):
    source = pair.write_file(self.alice.path('file'), 30_000)
    recv = pair.Command(self.bob,
                        ['recv', '--from', 'alice'] + lan.options(self.url),
                        env=lan.shim(offset_bob))
    time.sleep(pause)
    send = pair.Command(self.alice, ['send', source, '--to', 'bob'] +
                        lan.options(self.url),
                        env=lan.shim(offset_alice))
    for command in (send, recv):
      self.assertEqual(command.wait(), 0, f'{send.log()}\n{recv.log()}')

  def test_a_day_apart(self):
    for days in (1, -1):
      self.start(days * _DAY - 60, 0, 0)
      os.remove(self.bob.path('file'))

  def test_over_midnight(self):
    """Bob waits before it, Alice comes after it."""
    now = time.time()
    to_midnight = _DAY - now % _DAY
    offset = to_midnight - 2
    midnight = datetime.datetime.fromtimestamp(now + offset + 2,
                                               datetime.timezone.utc)
    self.assertEqual(midnight.minute, 0)
    self.start(offset, offset, 4)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
