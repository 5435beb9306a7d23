"""Packets and probes of net/channel/PROTOCOL.md."""

import collections
import struct

from cryptography.hazmat.primitives.ciphers import aead

from tests.e2e.decoder.keys import Violation
from tests.e2e.decoder.keys import derive
from tests.e2e.decoder.keys import open_sealed

CONTROLLING, CONTROLLED = 0, 1
PAYLOAD, PROBE = 0xc0, 0xc1
HEADER, OVERHEAD = 12, 28
_EPOCH = 22
_CIPHERS = {1: aead.AESGCM, 2: aead.ChaCha20Poly1305}
_SIDES = ('controlling', 'controlled')

Packet = collections.namedtuple('Packet', 'type sender number plain')
Probe = collections.namedtuple('Probe', 'challenge echo selected padding')


def connection_id(digest, receiver):
  return derive(digest, f'connection id of the {_SIDES[receiver]} side', 5)


class Keys:
  """Those of one direction: secret[0] and the suite give all epochs."""

  def __init__(self, secret, suite):
    self._secrets = [secret]
    self._cipher = _CIPHERS[suite]

  def of(self, number):
    """(cipher, nonce) of the packet with that number."""
    epoch = number >> _EPOCH
    while len(self._secrets) <= epoch:
      self._secrets.append(derive(self._secrets[-1], 'ku', 32))
    secret = self._secrets[epoch]
    iv = int.from_bytes(derive(secret, 'iv', 12), 'big')
    return (self._cipher(derive(secret, 'key', 32)),
            (iv ^ number).to_bytes(12, 'big'))


class Channel:
  """Opens the packets of one session, of both directions."""

  def __init__(self, secrets, suite, digest):
    self._keys = [Keys(secret, suite) for secret in secrets]
    self._senders = {
        connection_id(digest, 1 - sender): sender
        for sender in (CONTROLLING, CONTROLLED)
    }
    self._numbers = (set(), set())

  def owns(self, datagram):
    return datagram[1:6] in self._senders

  def open(self, datagram):
    if len(datagram) < OVERHEAD or datagram[0] not in (PAYLOAD, PROBE):
      raise Violation('no packet')
    sender = self._senders[datagram[1:6]]
    number = int.from_bytes(datagram[6:HEADER], 'big')
    if number == 0 or number in self._numbers[sender]:
      raise Violation(f'packet number {number} again')
    self._numbers[sender].add(number)
    cipher, nonce = self._keys[sender].of(number)
    plain = open_sealed(cipher, nonce, datagram[HEADER:], datagram[:HEADER])
    return Packet(datagram[0], sender, number, plain)


def read_probe(plain):
  if len(plain) < 18:
    raise Violation('a short probe')
  challenge, echo, flags = struct.unpack_from('!8s8sH', plain)
  if flags & ~1 or any(plain[18:]):
    raise Violation('a probe with flags or padding that nobody knows')
  return Probe(challenge, echo, bool(flags & 1), len(plain) - 18)
