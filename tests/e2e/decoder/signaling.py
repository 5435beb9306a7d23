"""Messages of net/signaling/PROTOCOL.md, and the sessions that they agree on."""

import collections
import ipaddress
import struct

from tests.e2e.decoder import keys
from tests.e2e.decoder import noise
from tests.e2e.decoder.keys import Violation
from tests.e2e.decoder.reader import Reader

TYPES = {
    1: 'hello', 2: 'ready', 3: 'offer', 4: 'answer', 5: 'candidates', 6: 'bye'
}
HEADER = 36
NONE = bytes(16)
# Which of the two says what (section Messages).
_ONLY = {
    'hello': keys.OFFERER, 'offer': keys.OFFERER,
    'ready': keys.ANSWERER, 'answer': keys.ANSWERER
}

Candidate = collections.namedtuple('Candidate', 'type address port priority')
Message = collections.namedtuple(
    'Message', 'type speaker versions source to header body')
Offer = collections.namedtuple('Offer', 'message n_s suites noise')
Session = collections.namedtuple(
    'Session', 'version suite secrets hash offer answer candidates')


def read_message(plain, speaker):
  reader = Reader(plain)
  kind = TYPES.get(reader.number(1))
  versions = (reader.number(1), reader.number(1))
  if reader.number(1) != 0 or kind is None:
    raise Violation('no message')
  if _ONLY.get(kind, speaker) != speaker:
    raise Violation(f'{kind} by the wrong side')
  source, to = reader.bytes(16), reader.bytes(16)
  return Message(kind, speaker, versions, source, to, plain[:HEADER],
                 reader.rest())


def read_offer(message):
  reader = Reader(message.body)
  n_s = reader.bytes(16)
  suites = reader.bytes(reader.number(1))
  sealed = reader.bytes(reader.number(2))
  _zeros(reader)
  return Offer(message, n_s, suites, sealed)


def _zeros(reader):
  if any(reader.rest()):
    raise Violation('something stands in the padding')


def read_candidates(reader):
  count = reader.number(1)
  if count > 16:
    raise Violation(f'{count} candidates')
  result = []
  for _ in range(count):
    kind, family = reader.number(1), reader.number(1)
    if kind not in (0, 1, 3, 4) or family not in (4, 6):
      raise Violation(f'a candidate of type {kind}, family {family}')
    address = ipaddress.ip_address(reader.bytes(4 if family == 4 else 16))
    result.append(
        Candidate(kind, str(address), reader.number(2), reader.number(4)))
  return result


def read_nat(data):
  """None where nothing is known."""
  if not data:
    return None
  reader = Reader(data)
  fields = struct.unpack('!4BHH', reader.bytes(8))
  addresses = [
      str(ipaddress.ip_address(reader.bytes(4)))
      for _ in range(reader.number(1))
  ]
  if len(addresses) > 4:
    raise Violation(f'{len(addresses)} addresses of a NAT')
  return fields + (addresses,)


def read_extensions(reader):
  """[(name, content)]"""
  result = []
  while reader.left():
    kind, data = reader.number(1), reader.bytes(reader.number(2))
    if kind == 1 and len(data) == 160:
      result.append(('hand-over', data))
    elif kind == 2:
      result.append(('nat', read_nat(data)))
    else:
      raise Violation(f'an extension of type {kind}')
  return result


class Listener:
  """Follows what two devices say, with all their secrets.

  Args:
    couple: keys.Couple.
    psk: of their pairing, or None.
    ephemerals: every 32 bytes that may be a private key, of either side.
  """

  def __init__(self, couple, psk, ephemerals):
    self.couple = couple
    self._psk = psk
    self._private = {keys.x25519_public(e): e for e in ephemerals}
    self._offers = {}  # N_s: Offer
    self.sessions = {}  # (N_s, N_r): Session
    self.heard = []  # Message, in order.
    self._counters = collections.defaultdict(int)

  def hear(self, topic, envelope, day):
    """One that was published; day: when."""
    for speaker in (keys.OFFERER, keys.ANSWERER):
      if topic in (self.couple.topic(speaker, d)
                   for d in (day - 1, day, day + 1)):
        plain = self.couple.open_envelope(speaker, topic, envelope)
        self._take(read_message(plain, speaker))
        return
    raise Violation(f'nobody\'s topic: {topic}')

  def _take(self, message):
    self.heard.append(message)
    getattr(self, '_' + message.type)(message)

  def _hello(self, message):
    if message.to != NONE or message.source == NONE or any(message.body):
      raise Violation('hello')

  def _ready(self, message):
    if message.source == NONE or any(message.body):
      raise Violation('ready')

  def _bye(self, message):
    if message.body[0] > 4 or any(message.body[1:]):
      raise Violation('bye')

  def _offer(self, message):
    offer = read_offer(message)
    self._offers[offer.n_s] = offer

  def _answer(self, message):
    offer = self._offers.get(message.to)
    if offer is None or message.source != offer.message.to:
      raise Violation('an answer to no offer')
    reader = Reader(message.body)
    sealed = reader.bytes(reader.number(2))
    _zeros(reader)
    prologue = (b'p2pcp/1' + bytes(offer.message.versions) +
                bytes(message.versions) + bytes([len(offer.suites)]) +
                offer.suites + offer.message.source + message.source +
                offer.n_s)
    handshake = noise.Handshake(prologue, *self.couple.devices, self._psk)
    first = Reader(
        handshake.read_first(offer.noise, self._private[offer.noise[:32]]))
    second = Reader(handshake.read_second(sealed, self._private[sealed[:32]]))
    version, suite = second.number(1), second.number(1)
    if suite not in offer.suites:
      raise Violation('a suite that was not on offer')
    candidates = [read_candidates(first), read_candidates(second)]
    for reader in (first, second):
      read_extensions(reader)
    key_c, key_d, digest = handshake.split()
    self.sessions.setdefault(
        (offer.n_s, message.source),
        Session(version, suite, (key_c, key_d), digest, offer, message,
                candidates))

  def _candidates(self, message):
    pair = (message.source, message.to)
    session = self.sessions.get(pair if message.speaker ==
                                keys.OFFERER else pair[::-1])
    if session is None:
      raise Violation('candidates of no session')
    reader = Reader(message.body)
    sealed = reader.bytes(reader.number(2))
    _zeros(reader)
    key = keys.derive(session.secrets[message.speaker], 'p2pcp/1 candidates',
                      32)
    inner = Reader(
        keys.xchacha_open(key, sealed[:24], sealed[24:], message.header))
    counter = inner.number(4)
    if counter != self._counters[session.hash, message.speaker] + 1:
      raise Violation(f'counter {counter}')
    self._counters[session.hash, message.speaker] = counter
    session.candidates[message.speaker] += read_candidates(inner)
    read_nat(inner.bytes(inner.number(2)))
    inner.end()
