"""Recorded sessions, read frame by frame by a second implementation.

tests/e2e/decoder knows the documents and nothing of the program. It is given what
a broker heard, what went over the sender's line, both devices' long-term keys
and all that their random sources gave (random_log.cc); from these it has to make
out every message, packet and frame, and the files, byte for byte.
"""

import hashlib
import os
import signal
import time
import unittest

from tests.e2e import broker
from tests.e2e import lan
from tests.e2e import pair
from tests.e2e import sniffer
from tests.e2e.decoder import channel
from tests.e2e.decoder import keys
from tests.e2e.decoder import pairing
from tests.e2e.decoder import receipt
from tests.e2e.decoder import session
from tests.e2e.decoder import signaling
from tests.e2e.decoder import transfer
from tests.lab import network
from tests.lab import topology

# STUN, PCP and UPnP: what other documents say.
_OTHERS = {3478, 5351, 1900}
_LAN_PORT = 21327


def _device(person):
  """The key file: a word, the seed with a checksum, the public key."""
  with open(os.path.join(person.environment['P2PCP_HOME'], 'identity'),
            encoding='ascii') as file:
    _, seed, public = file.read().split()
  device = keys.Device(keys.from_base32(seed)[:32])
  assert device.text() == public
  return device


def _psk(person):
  """Of the only contact; None if its key was carried by hand."""
  with open(os.path.join(person.environment['P2PCP_HOME'], 'peers'),
            encoding='ascii') as file:
    fields = [l.split() for l in file if not l.startswith('#')][0]
  return None if fields[3] == '-' else bytes.fromhex(fields[3])


class Recorded(unittest.TestCase):
  """Alice's line and the broker are recorded; a subclass makes the network.

  Attributes: net, hosts (theirs) with their device, broker (a broker.Broker),
  options.
  """

  # What both must have said at the least when they met.
  messages = {'ready', 'offer', 'answer', 'candidates'}

  @classmethod
  def start_recording(cls, address):
    for host in cls.hosts:
      cls.net[host].run('ethtool', '-K', cls.device,
                        'tx-udp-segmentation', 'off')
    cls.broker = broker.Broker(cls.net['srv'])
    cls.addClassCleanup(cls.broker.close)
    cls.broker.listen(address)

  def setUp(self):
    suffix = self._testMethodName[5:15]
    self.alice, self.bob = (
        topology.Person(self.net, name + suffix, host)
        for name, host in zip(('alice', 'bob'), self.hosts))
    self.random_log = os.path.join(self.net.folder, 'random' + suffix)
    library = network.find_program('random_log', 'tests/e2e/random_log.so')
    self.env = {
        'LD_PRELOAD': library,
        'P2PCP_TEST_RANDOM_LOG': self.random_log,
        # Else the sanitizer refuses whatever is loaded before it.
        'ASAN_OPTIONS': 'verify_asan_link_order=0',
    }

  def start(self, person, *argv, **options):
    return pair.Command(person, [*argv, *self.options], env=self.env,
                        **options)

  def record(self, run):
    """Does run() under observation; what both then did, as Transfers."""
    before = len(self.broker.messages)
    ear = sniffer.Recorder(self.net[self.hosts[0]], self.device)
    try:
      run()
      time.sleep(0.2)  # The last CLOSE is on its way.
    finally:
      ear.close()
    couple = keys.Couple(_device(self.alice), _device(self.bob))
    listener = signaling.Listener(couple, _psk(self.alice),
                                  self.randoms())
    self.assertEqual(_psk(self.alice), _psk(self.bob))
    today = int(time.time()) // keys.DAY
    for message in self.broker.messages[before:]:
      listener.hear(message.topic, message.payload, today)
    transfers = [transfer.Transfer(s) for s in listener.sessions.values()]
    said = {m.type for m in listener.heard}
    self.assertLessEqual(self.messages, said)
    for source, to, datagram in ear.datagrams:
      if _OTHERS & {source[1], to[1]}:
        continue
      if to[1] == _LAN_PORT:
        self.check_multicast(couple, datagram, today)
        continue
      owners = [t for t in transfers if t.owns(datagram)]
      self.assertEqual(len(owners), 1, (source, to, datagram[:32]))
      owners[0].take(datagram)
    return [t for t in transfers if t.packets]

  def check_multicast(self, couple, datagram, today):
    """The same envelopes (section On one network)."""
    topics = [
        (speaker, couple.topic(speaker, day))
        for speaker in (keys.OFFERER, keys.ANSWERER)
        for day in (today - 1, today, today + 1)
    ]
    speaker, topic = next(
        (s, t) for s, t in topics if t[:8].encode() == datagram[:8])
    signaling.read_message(
        couple.open_envelope(speaker, topic, datagram[8:]), speaker)

  def names(self, transfers, side):
    return [name for t in transfers for name, _ in t.session.said[side]]

  def check_ordinary(self, one):
    """What no transfer is without."""
    for side in (channel.CONTROLLING, channel.CONTROLLED):
      self.assertGreater(one.packets[side, 'probe'], 0)
      self.assertGreater(one.frames[side, 'Ack'], 0)
    self.assertGreater(one.frames[channel.CONTROLLING, 'Data'], 0)

  def both(self, send, recv, codes=(0, 0)):
    self.assertEqual((send.wait(60), recv.wait(60)), codes,
                     f'{send.log()}\n{recv.log()}')

  def first_contact(self, code_file):
    """They pair by a code; all of that is read, too (net/signaling/PAIRING.md)."""
    before = len(self.broker.messages)
    shows = self.start(self.alice, 'pair', 'bob', '--show', '--code-file',
                       code_file)
    while not os.path.exists(code_file) or not os.path.getsize(code_file):
      self.assertIsNone(shows.process.poll(), shows.log())
      time.sleep(0.005)
    with open(code_file, encoding='ascii') as file:
      code = file.read().strip()
    types = self.start(self.bob, 'pair', 'alice', '--code-file', code_file)
    self.both(shows, types)
    listener = pairing.Listener(code, self.randoms())
    for message in self.broker.messages[before:]:
      self.assertTrue(
          listener.hear(message.topic, message.payload,
                        int(time.time()) // pairing.HOUR))
    # What gets lost is repeated, and what did not may be.
    self.assertLessEqual({'request', 'share', 'proof', 'answer', 'done'},
                         set(listener.heard))
    self.assertEqual(
        listener.identities, {
            pairing.DISPLAYER: _device(self.alice).ed25519,
            pairing.ENTERER: _device(self.bob).ed25519
        })
    self.assertEqual(listener.psk, _psk(self.alice))
    self.assertEqual(listener.psk, _psk(self.bob))
    self.assertIs(listener.kept, True)

  def randoms(self):
    with open(self.random_log, encoding='ascii') as file:
      return [bytes.fromhex(line) for line in file]

  def introduce(self):
    """By keys that are carried by hand: Noise KK."""
    lan.introduce(self.alice, self.bob)
    self.assertIsNone(_psk(self.alice))


class Decode(Recorded):

  hosts = ('alice', 'bob')
  device = 'lan'
  options = lan.options(f'mqtt://{lan.SERVER}')

  @classmethod
  def setUpClass(cls):
    cls.net = lan.Lan()
    cls.addClassCleanup(cls.net.close)
    cls.start_recording((lan.SERVER, 1883))

  def test_a_folder(self):
    """Paired by a code: Noise KKpsk0."""
    code = self.bob.path('code')
    self.first_contact(code)
    tree = self.alice.path('tree')
    os.makedirs(os.path.join(tree, 'inner', 'empty'))
    contents = {
        b'tree/large': os.urandom(3_000_001),
        b'tree/script.sh': b'#!/bin/sh\n',
        b'tree/inner/none': b'',
        b'tree/inner/text': b'text\n' * 5000,
        b'tree/same': b'it stands there already' * 9,
    }
    for path, content in contents.items():
      with open(self.alice.path(path.decode()), 'wb') as file:
        file.write(content)
    os.chmod(self.alice.path('tree/script.sh'), 0o755)
    sparse = self.alice.path('tree/sparse')
    with open(sparse, 'wb') as file:
      file.write(b'x' * 70_000)
      file.truncate(5 << 20)
      file.seek(0, os.SEEK_END)
      file.write(b'end')
    with open(sparse, 'rb') as file:
      contents[b'tree/sparse'] = file.read()
    os.mkdir(self.bob.path('tree'))
    with open(self.bob.path('tree/same'), 'wb') as file:
      file.write(contents[b'tree/same'])
    state = os.stat(self.alice.path('tree/same'))
    os.utime(self.bob.path('tree/same'),
             ns=(state.st_atime_ns, state.st_mtime_ns))

    def run():
      self.both(self.start(self.alice, 'send', tree, '--to', 'bob'),
                self.start(self.bob, 'recv', '--from', 'alice'))

    one, = self.record(run)
    self.check_ordinary(one)
    self.assertEqual(one.close_codes[channel.CONTROLLED], 0)
    files = {f.path: f for f in one.session.files}
    self.assertEqual(set(files), {
        b'tree', b'tree/inner', b'tree/inner/empty', *contents})
    self.assertTrue(files[b'tree/inner'].entry.flags & session.FOLDER)
    self.assertTrue(files[b'tree/script.sh'].entry.flags & session.EXECUTABLE)
    self.assertTrue(files[b'tree/sparse'].entry.flags & session.HOLED)
    self.assertTrue(files[b'tree/sparse'].skipped)
    self.assertEqual(files[b'tree/same'].verdict, session.SAME)
    for path, content in contents.items():
      file = files[path]
      self.assertTrue(file.done, path)
      if path != b'tree/same':
        rebuilt = one.session.rebuild(file, one.space)
        self.assertEqual(rebuilt, content, path)
      # The digest that was told is the one that xxh128sum prints.
      there = self.alice.path(path.decode())
      self.assertEqual(file.digest, pair.xxh128sum(there), path)
    self.assertLessEqual(
        {'HELLO', 'OFFER', 'ENTRIES', 'HOLES', 'DIGESTS', 'END', 'FINISHED'},
        set(self.names([one], session.SENDER)))
    self.assertLessEqual({'HELLO', 'ACCEPT', 'DECISIONS', 'FILES_DONE', 'DONE'},
                         set(self.names([one], session.RECEIVER)))

  def test_what_goes_on(self):
    """Killed on the way, and begun again; keys carried by hand: Noise KK."""
    self.introduce()
    content = os.urandom(24 << 20)
    with open(self.alice.path('file'), 'wb') as file:
      file.write(content)

    def first():
      send = self.start(self.alice, 'send', 'file', '--to', 'bob', '--bwlimit',
                        '8M')
      recv = self.start(self.bob, 'recv', '--from', 'alice')
      recv.when('first bytes of the file')
      time.sleep(1)
      recv.kill()
      send.interrupt(signal.SIGINT)
      self.assertEqual(send.wait(), pair.INTERRUPTED, send.log())

    def second():
      self.both(self.start(self.alice, 'send', 'file', '--to', 'bob'),
                self.start(self.bob, 'recv', '--from', 'alice'))

    begun, = self.record(first)
    ended, = self.record(second)
    file, = begun.session.files
    self.assertEqual(file.path, b'file')
    file, = ended.session.files
    self.assertIn('HAVE', self.names([ended], session.RECEIVER))
    there = bytearray(len(content))
    # What came early was in vain; nothing does where the disk takes longer than
    # the receiver's answer, which is there at once on this network.
    self.assertIn(len(file.early), (0, session.MAX_EARLY))
    for offset, size, why in ended.session.skipped(file):
      self.assertEqual(why, 'have')
      # The receiver claims nothing that it was not sent.
      there[offset:offset + size] = begun.space.read(offset, size)
    self.assertEqual(ended.session.rebuild(file, ended.space, there), content)
    kept = sum(size for _, size, _ in file.skipped)
    self.assertGreater(kept, 1 << 20)
    self.assertEqual(ended.space.distinct, len(content) - kept)

  def test_a_stream(self):
    self.introduce()
    content = os.urandom(700_000)
    with open(self.alice.path('piped'), 'wb') as file:
      file.write(content)

    def run():
      with open(self.alice.path('piped'), 'rb') as piped, open(
          self.bob.path('out'), 'wb') as out:
        send = self.start(self.alice, 'send', '-', '--to', 'bob', '--name',
                          'stream', stdin=piped)
        recv = self.start(self.bob, 'recv', '--from', 'alice', '--out', '-',
                          prefix=pair.shell('"$@" > out'))
        self.both(send, recv)
        del out

    one, = self.record(run)
    self.check_ordinary(one)
    file, = one.session.files
    self.assertEqual(file.entry.flags, session.STREAM)
    self.assertEqual(file.path, b'stream')
    self.assertTrue(dict(one.session.said[session.RECEIVER])['ACCEPT']
                    ['in_order'])
    self.assertEqual(one.session.rebuild(file, one.space), content)
    with open(self.bob.path('out'), 'rb') as out:
      self.assertEqual(out.read(), content)

  def test_signed_for(self):
    self.net.introduce(self.alice, self.bob)
    contents = {b'tree/a/one': os.urandom(100_000), b'tree/two': b'',
                b'tree/gr\xf6sse': b'latin'}
    os.makedirs(self.alice.path('tree/a'))
    os.makedirs(self.alice.path('tree/empty'))
    for path, content in contents.items():
      with open(os.path.join(os.fsencode(self.alice.folder), path),
                'wb') as file:
        file.write(content)

    def run():
      self.both(self.start(self.alice, 'send', 'tree', '--to', 'bob',
                           '--receipt', 'signed'),
                self.start(self.bob, 'recv', '--from', 'alice'))

    one, = self.record(run)
    # The text that goes by is the one that is kept, and the signature is good.
    with open(self.alice.path('signed'), 'rb') as file:
      self.assertEqual(file.read(), one.session.receipt)
    said = receipt.read(one.session.receipt)
    self.assertEqual(said.files, {
        path: (len(content),
               hashlib.blake2b(content, digest_size=32).digest())
        for path, content in contents.items()
    })
    self.assertEqual(said.folders, {b'tree', b'tree/a', b'tree/empty'})
    self.assertEqual(said.missing, 0)
    self.assertEqual(said.sender, _device(self.alice).ed25519)
    self.assertEqual(said.receiver, _device(self.bob).ed25519)
    self.assertTrue(all(f.done or f.entry.flags & session.FOLDER
                        for f in one.session.files))

  def test_an_older_version(self):
    self.net.introduce(self.alice, self.bob)
    base = os.urandom(1_100_000)
    content = b'new' + base[:700_000] + base[710_000:]
    for person, data in ((self.alice, content), (self.bob, base)):
      with open(person.path('file'), 'wb') as file:
        file.write(data)

    def run():
      self.both(self.start(self.alice, 'send', 'file', '--to', 'bob'),
                self.start(self.bob, 'recv', '--from', 'alice', '--conflict',
                           'overwrite'))

    one, = self.record(run)
    self.check_ordinary(one)
    file, = one.session.files
    self.assertEqual(one.session.rebuild(file, one.space, base=base), content)
    self.assertLess(one.space.distinct, 20_000)
    # Half the root of its size is less than the least block.
    self.assertEqual(file.base_size, len(base))
    self.assertEqual(len(file.signatures), -(-len(base) // 4096))
    for number in (0, 1, len(file.signatures) - 1):
      block = base[number * 4096:(number + 1) * 4096]
      with open(self.alice.path('block'), 'wb') as there:
        there.write(block)
      self.assertEqual(file.signatures[number],
                       (session.weak_sum(block),
                        pair.xxh128sum(self.alice.path('block'))[:16]))

  def test_what_is_kept_back(self):
    self.introduce()
    for person, content in ((self.alice, b'new'), (self.bob, b'old!')):
      with open(person.path('file'), 'wb') as file:
        file.write(content)

    def run():
      self.both(self.start(self.alice, 'send', 'file', '--to', 'bob'),
                self.start(self.bob, 'recv', '--from', 'alice', '--conflict',
                           'skip'), (8, 8))

    one, = self.record(run)
    file, = one.session.files
    self.assertEqual(file.verdict, session.KEPT_BACK)
    self.assertEqual(one.space.distinct, 0)


class Lossy(Recorded):
  """Two NATs, and a line on which packets get lost and overtake each other."""

  hosts = ('hostA', 'hostB')
  device = 'eth0'
  # A STUN server may answer before the offer: then all candidates are in that.
  messages = {'ready', 'offer', 'answer'}

  @classmethod
  def setUpClass(cls):
    cls.net = topology.Lab('homes', link_a='delay=5ms loss=3% reorder=3%',
                           link_b='delay=5ms')
    cls.addClassCleanup(cls.net.close)
    address = topology.SERVER4[0], 1885
    cls.start_recording(address)
    cls.options = ['-v', '--broker', 'mqtt://{}:{}'.format(*address)]
    for server in cls.net.stun:
      cls.options += ['--stun', server]

  def test_a_lossy_line(self):
    self.introduce()
    content = os.urandom(2_000_000)
    with open(self.alice.path('file'), 'wb') as file:
      file.write(content)

    def run():
      self.both(self.start(self.alice, 'send', 'file', '--to', 'bob'),
                self.start(self.bob, 'recv', '--from', 'alice'))

    one, = self.record(run)
    self.check_ordinary(one)
    file, = one.session.files
    self.assertEqual(one.session.rebuild(file, one.space), content)
    self.assertEqual(file.digest, pair.xxh128sum(self.alice.path('file')))
    # Bytes went out more than once, and the ACKs tell of holes.
    report = dict(one.session.said[session.SENDER])['FINISHED']
    self.assertGreater(report['lost'], 0)
    self.assertEqual(one.session.skipped(file),
                     [(0, session.MAX_EARLY, 'early')])
    self.assertGreater(one.space.taken, len(content) - session.MAX_EARLY)
    self.assertGreater(one.most_ranges, 1)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
