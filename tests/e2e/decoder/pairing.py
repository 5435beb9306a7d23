"""First contact, by net/signaling/PAIRING.md, as somebody reads it who knows the
code and both sides' random numbers.
"""

import collections
import hashlib
import struct

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.e2e.decoder import cpace
from tests.e2e.decoder import keys
from tests.e2e.decoder import ristretto
from tests.e2e.decoder.keys import Violation
from tests.e2e.decoder.reader import Reader

HOUR = 3600
_TYPES = {
    1: 'request', 2: 'share', 3: 'proof', 4: 'answer', 5: 'refusal', 6: 'done'
}
_NAME = b'p2pcp/1 pair'
DISPLAYER, ENTERER = b'displayer', b'enterer'

Message = collections.namedtuple('Message', 'type versions r_b r_a body')


def topic(nameplate, hour):
  return keys.base32(
      hashlib.blake2b(_NAME + nameplate + struct.pack('!q', hour),
                      digest_size=20).digest())


def read(nameplate, on, envelope):
  """The message in an envelope that was published to the topic `on`."""
  if len(envelope) != keys.ENVELOPE:
    raise Violation(f'an envelope of {len(envelope)} bytes')
  key = hashlib.blake2b(_NAME + b' envelope' + nameplate,
                        digest_size=32).digest()
  plain = keys.xchacha_open(key, envelope[:24], envelope[24:], on.encode())
  reader = Reader(plain)
  kind = _TYPES.get(reader.number(1))
  versions = reader.bytes(2)
  if kind is None or reader.number(1) != 0:
    raise Violation('no message')
  return Message(kind, versions, reader.bytes(16), reader.bytes(16),
                 reader.rest())


class Listener:
  """Follows one run.

  Args:
    code: as it is shown, '4821-acid-bagel-crumb'.
    randoms: every 32 bytes that may be a scalar, of either side.
  """

  def __init__(self, code, randoms):
    nameplate, _, words = code.partition('-')
    self.nameplate = nameplate.encode()
    self._words = words.encode()
    self._randoms = randoms
    self._runs = {}  # (r_b, r_a): what is known of it
    self._requests = {}  # r_b: ADb
    self.heard = []
    self.identities = {}  # role: Ed25519 key
    self.psk = None
    self.kept = None

  def hear(self, on, envelope, hour):
    """False: published to something else."""
    if on not in (topic(self.nameplate, h) for h in (hour - 1, hour, hour + 1)):
      return False
    message = read(self.nameplate, on, envelope)
    self.heard.append(message.type)
    getattr(self, '_' + message.type)(message, Reader(message.body))
    return True

  def _zeros(self, reader):
    if any(reader.rest()):
      raise Violation('something stands in the padding')

  def _request(self, message, reader):
    suites = reader.bytes(reader.number(1))
    self._zeros(reader)
    self._requests[message.r_b] = (message.versions + bytes([len(suites)]) +
                                   suites)

  def _share(self, message, reader):
    choice = reader.bytes(2)  # Version and suite.
    ya = reader.bytes(32)
    self._zeros(reader)
    sid = message.r_a + message.r_b
    ad_b = self._requests[message.r_b]
    channel = cpace.lv(_NAME, DISPLAYER, ENTERER, self.nameplate)
    self._runs[message.r_b, message.r_a] = {
        'sid': sid, 'ya': ya, 'ad_a': message.versions + choice + ad_b,
        'ad_b': ad_b, 'generator': cpace.generator(self._words, channel, sid),
    }

  def _proof(self, message, reader):
    run = self._runs[message.r_b, message.r_a]
    run['yb'], tag = reader.bytes(32), reader.bytes(64)
    k = self._agree(run)
    run['isk'] = cpace.secret(run['sid'], k, run['ya'], run['ad_a'], run['yb'],
                              run['ad_b'])
    if tag != cpace.tag(run['sid'], run['isk'], run['yb'], run['ad_b']):
      raise Violation('Tb')
    self._identity(run['isk'], ENTERER, reader.bytes(136))
    self._zeros(reader)

  def _agree(self, run):
    """K, by whichever scalar is that of a share."""
    for data in self._randoms:
      # The draft's sample_scalar clears what would make it larger than the
      # order; so a program may draw 252 or 253 bits.
      for bits in (252, 253):
        scalar = int.from_bytes(data, 'little') % 2**bits
        share = ristretto.encode(ristretto.multiply(scalar, run['generator']))
        for mine, other in (('ya', 'yb'), ('yb', 'ya')):
          if share == run[mine]:
            return ristretto.encode(
                ristretto.multiply(scalar, ristretto.decode(run[other])))
    raise Violation('no scalar fits the shares')

  def _answer(self, message, reader):
    run = self._runs[message.r_b, message.r_a]
    if reader.bytes(64) != cpace.tag(run['sid'], run['isk'], run['ya'],
                                     run['ad_a']):
      raise Violation('Ta')
    self._identity(run['isk'], DISPLAYER, reader.bytes(136))
    self._zeros(reader)
    self.psk = keys.derive(
        run['isk'], 'p2pcp/1 pair psk', 32,
        self.identities[DISPLAYER] + self.identities[ENTERER])

  def _identity(self, isk, role, sealed):
    key = keys.derive(isk, 'p2pcp/1 pair identity', 32, role)
    plain = keys.xchacha_open(key, sealed[:24], sealed[24:], _NAME)
    public, signature = plain[:32], plain[32:]
    text = _NAME + keys.derive(isk, 'p2pcp/1 pair signature', 32, role)
    try:
      ed25519.Ed25519PublicKey.from_public_bytes(public).verify(
          signature, text)
    except InvalidSignature:
      raise Violation(f'the signature of the {role.decode()}') from None
    self.identities[role] = public

  def _refusal(self, message, reader):
    if reader.number(1) > 4:
      raise Violation('refusal')
    self._zeros(reader)

  def _done(self, message, reader):
    run = self._runs[message.r_b, message.r_a]
    self.kept = bool(reader.number(1))
    word = b'kept' if self.kept else b'refused'
    if reader.bytes(32) != keys.derive(run['isk'], 'p2pcp/1 pair done', 32,
                                       word):
      raise Violation('the tag of done')
    self._zeros(reader)
