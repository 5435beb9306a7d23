"""The examples in the documents, read out of them and decoded."""

import hashlib
import re
import unittest

from tests.e2e.decoder import channel
from tests.e2e.decoder import cpace
from tests.e2e.decoder import keys
from tests.e2e.decoder import receipt
from tests.e2e.decoder import ristretto
from tests.e2e.decoder import signaling
from tests.e2e.decoder import wire
from tests.e2e.decoder.reader import Reader


def _document(path):
  with open(path, encoding='utf-8') as file:
    return file.read()


def _rows(text):
  """{first cell: second cell} of all tables, without the backticks."""
  cells = re.findall(r'^\| (.*?) \| (.*?) \|$', text, re.M)
  return {one.replace('`', ''): other.replace('`', '') for one, other in cells}


def _hex(text):
  return bytes.fromhex(''.join(text.split()))


class Receipt(unittest.TestCase):

  def test_is_signed(self):
    with open('testdata/receipt/two_files.receipt', 'rb') as file:
      text = file.read()
    said = receipt.read(text)
    self.assertEqual(set(said.files), {b'photos/a.jpg', b'b \xff'})
    self.assertEqual(said.files[b'photos/a.jpg'],
                     (5, hashlib.blake2b(b'hello', digest_size=32).digest()))
    self.assertEqual(said.missing, 1)
    self.assertEqual(said.sender, keys.Device(bytes(range(32))).ed25519)
    self.assertEqual(said.receiver, keys.Device(bytes(range(32, 64))).ed25519)
    with self.assertRaises(keys.Violation):
      receipt.read(text.replace(b'5 1\n', b'5 2\n'))


class Signaling(unittest.TestCase):

  def setUp(self):
    text = _document('net/signaling/PROTOCOL.md').partition('## Example')[2]
    self.rows = _rows(text)
    self.blocks = re.findall(r'^```\n(.*?)^```', text, re.M | re.S)
    self.text = text
    self.alice = keys.Device(bytes(range(32)))
    self.bob = keys.Device(bytes(range(32, 64)))
    self.couple = keys.Couple(self.alice, self.bob)

  def test_keys(self):
    rows = self.rows
    for name, device in (('Alice', self.alice), ('Bob', self.bob)):
      self.assertEqual(device.ed25519.hex(), rows[f'{name}\'s Ed25519 key'])
    self.assertEqual(self.alice.text(), rows['what her p2pcp id prints'])
    self.assertEqual(self.couple.shared.hex(), rows['S'])
    self.assertEqual(self.couple.topic_key.hex(), rows['k_topic'])
    self.assertEqual(
        self.couple.direction_key(keys.OFFERER).hex(), rows['k[Alice->Bob]'])
    self.assertEqual(
        self.couple.direction_key(keys.ANSWERER).hex(), rows['k[Bob->Alice]'])

  def test_topics(self):
    self.assertEqual(self.couple.topic(keys.OFFERER, 20000),
                     self.rows['Alice\'s topic as offerer on day 20000'])
    self.assertEqual(self.couple.topic(keys.ANSWERER, 20000),
                     self.rows['Bob\'s as answerer'])

  def test_hello(self):
    instance = bytes(range(16))
    plain = (bytes([1, 1, 1, 0]) + instance + bytes(16)).ljust(984, b'\0')
    topic = self.couple.topic(keys.OFFERER, 20000)
    nonce = bytes(range(24))
    envelope = nonce + keys.xchacha_seal(
        self.couple.direction_key(keys.OFFERER), nonce, plain,
        b'p2pcp/1' + topic.encode())
    begin, end = self.blocks[0].split('...')
    self.assertTrue(envelope[24:].hex().startswith(begin.strip()))
    self.assertTrue(envelope.hex().endswith(end.strip()))
    digest = re.search(r'BLAKE2b-256 `(\w+)`', self.text).group(1)
    self.assertEqual(
        hashlib.blake2b(envelope, digest_size=32).hexdigest(), digest)
    opened = self.couple.open_envelope(keys.OFFERER, topic, envelope)
    message = signaling.read_message(opened, keys.OFFERER)
    self.assertEqual((message.type, message.source), ('hello', instance))

  def test_candidates(self):
    reader = Reader(_hex(self.blocks[1]))
    self.assertEqual(signaling.read_candidates(reader), [
        signaling.Candidate(0, '192.0.2.1', 5000, 0x7effffff),
        signaling.Candidate(1, '203.0.113.7', 40000, 0x64ffffff),
    ])
    reader.end()


class Channel(unittest.TestCase):

  def setUp(self):
    text = _document('net/channel/PROTOCOL.md').partition('## 10. Examples')[2]
    self.rows = _rows(text)
    self.blocks = re.findall(r'^```\n(.*?)^```', text, re.M | re.S)
    self.secrets = bytes(range(32)), bytes(range(32, 64))
    self.digest = bytes(range(64))

  def open(self, datagram, suite):
    return channel.Channel(self.secrets, suite, self.digest).open(datagram)

  def test_derived(self):
    rows = self.rows
    for side, name in ((channel.CONTROLLED, 'controlled'),
                       (channel.CONTROLLING, 'controlling')):
      self.assertEqual(
          channel.connection_id(self.digest, side).hex(),
          rows[f'connection id, to the {name} side'])
    secret = self.secrets[0]
    following = keys.derive(secret, 'ku', 32)
    self.assertEqual(following.hex(), rows['secret[c] of epoch 1'])
    for of, key, iv in ((secret, 'key of secret[c], epoch 0', 'iv'),
                        (following, 'its key', 'its iv')):
      self.assertEqual(keys.derive(of, 'key', 32).hex(), rows[key])
      self.assertEqual(keys.derive(of, 'iv', 12).hex(), rows[iv])

  def test_probes(self):
    # The hexadecimal lines after the plaintext and the nonce.
    chacha = _hex(' '.join(
        re.split(r'  +', line)[0]
        for line in self.blocks[0].splitlines()[3:]))
    for datagram, suite in ((chacha, 2), (_hex(self.blocks[1]), 1)):
      packet = self.open(datagram, suite)
      self.assertEqual((packet.type, packet.sender, packet.number),
                       (channel.PROBE, channel.CONTROLLING, 1))
      self.assertEqual(
          channel.read_probe(packet.plain),
          channel.Probe(_hex('0102030405060708'), _hex('1112131415161718'),
                        True, 0))

  def test_the_next_epoch(self):
    lines = self.blocks[2].splitlines()
    for line, suite in zip(lines, (2, 1)):
      packet = self.open(_hex(line), suite)
      self.assertEqual((packet.type, packet.number), (channel.PAYLOAD, 1 << 22))
      self.assertEqual(wire.read_frames(packet.plain), [wire.Ping(1)])
    self.assertEqual(len(lines), 2)

  def test_a_changed_byte(self):
    datagram = _hex(self.blocks[1])
    for i in range(6, len(datagram)):
      changed = datagram[:i] + bytes([datagram[i] ^ 1]) + datagram[i + 1:]
      with self.assertRaises(keys.Violation):
        self.open(changed, 1)


class Wire(unittest.TestCase):

  def test_frames(self):
    text = _document('transfer/wire/PROTOCOL.md')
    rows = _rows(text.partition('### 2.4 Examples')[2].partition('\n## ')[0])
    frames = {
        meaning: wire.read_frames(_hex(data))
        for data, meaning in rows.items()
        if re.fullmatch('[0-9a-f ]+', data)
    }
    self.assertEqual(list(frames.values()), [
        [wire.Ping(0x0102030405)],
        [
            wire.Ack(5, 70_000, 17, 20_000, 0, 16 << 20,
                     [(0x1000, 0x100a), (0xffe, 0xffe), (3, 100)])
        ],
        [wire.Control(300, b'hello')],
        [wire.Credit(1 << 20)],
        [wire.Close(0x0a0b)],
        [wire.Data(0x123456789a, b'abc', False)],
        [wire.Data(0, b'z', True)],
    ], frames)

  def test_a_byte_space_takes_pieces_in_any_order(self):
    content = bytes(range(200))
    space = wire.ByteSpace()
    for begin, end in ((50, 60), (20, 30), (25, 55), (190, 200), (0, 20),
                       (10, 200), (0, 200)):
      space.take(begin, content[begin:end])
    self.assertEqual(space.read(0, 200), content)
    self.assertEqual(space.distinct, 200)
    with self.assertRaises(keys.Violation):
      space.take(99, b'other')
    with self.assertRaises(keys.Violation):
      space.read(199, 2)


class Cpace(unittest.TestCase):
  """The draft's appendix B.3: net/signaling/PAIRING.md has no example."""

  def setUp(self):
    self.vector = {
        name: _hex(value) for name, value in re.findall(
            r'^(\w+) = (\w+)$',
            _document('testdata/cpace/ristretto255_sha512.txt'), re.M)
    }

  def test_shares_and_secret(self):
    v = self.vector
    generator = cpace.generator(v['PRS'], v['CI'], v['sid'])
    self.assertEqual(ristretto.encode(generator), v['generator'])
    shares = {}
    for side in 'ab':
      scalar = int.from_bytes(v['y' + side], 'little')
      share = ristretto.multiply(scalar, generator)
      self.assertEqual(ristretto.encode(share), v['Y' + side])
      shares[side] = scalar, ristretto.decode(v['Y' + side])
    for one, other in ('ab', 'ba'):
      k = ristretto.multiply(shares[one][0], shares[other][1])
      self.assertEqual(ristretto.encode(k), v['K'])
    self.assertEqual(
        cpace.secret(v['sid'], v['K'], v['Ya'], v['ADa'], v['Yb'], v['ADb']),
        v['ISK_IR'])

  def test_what_is_no_element(self):
    with self.assertRaises(keys.Violation):
      ristretto.decode(self.vector['invalid_Y1'])


if __name__ == '__main__':
  unittest.main(verbosity=2)
