"""What net/signaling/PROTOCOL.md, sections Keys, Topics and Envelope, derives.

Written from the documents alone, as is all of this folder; slow and plain.
"""

import base64
import hashlib
import struct

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.asymmetric import x25519
from cryptography.hazmat.primitives.ciphers import aead

OFFERER, ANSWERER = 0, 1
DAY = 86_400
ENVELOPE = 1024
_P = 2**255 - 19
_RAW = dict(encoding=serialization.Encoding.Raw,
            format=serialization.PublicFormat.Raw)


class Violation(Exception):
  """Bytes that the documents do not allow."""


def derive(key, label, size, context=b''):
  label = label.encode()
  return hashlib.blake2b(bytes([len(label)]) + label + context,
                         key=key,
                         digest_size=size).digest()


def base32(data):
  """RFC 4648, lower case, no padding."""
  return base64.b32encode(data).decode().rstrip('=').lower()


def from_base32(text):
  return base64.b32decode(text.upper() + '=' * (-len(text) % 8))


def agree(private, public):
  """X25519 of 32 bytes each."""
  return x25519.X25519PrivateKey.from_private_bytes(private).exchange(
      x25519.X25519PublicKey.from_public_bytes(public))


def x25519_public(private):
  return x25519.X25519PrivateKey.from_private_bytes(private).public_key(
  ).public_bytes(**_RAW)


class Device:
  """A device of which everything is known."""

  def __init__(self, seed):
    self.ed25519 = ed25519.Ed25519PrivateKey.from_private_bytes(
        seed).public_key().public_bytes(**_RAW)
    scalar = bytearray(hashlib.sha512(seed).digest()[:32])
    scalar[0] &= 248
    scalar[31] = scalar[31] & 127 | 64
    self.private = bytes(scalar)
    y = int.from_bytes(self.ed25519, 'little') & (2**255 - 1)
    u = (1 + y) * pow(1 - y, -1, _P) % _P
    self.public = u.to_bytes(32, 'little')
    assert self.public == x25519_public(self.private)

  def text(self):
    """What `p2pcp id` prints."""
    return base32(self.ed25519 + derive(self.ed25519, 'p2pcp key v1', 3))


class Couple:
  """What two devices derive of each other's keys; the offerer comes first."""

  def __init__(self, offerer, answerer):
    self.devices = (offerer, answerer)
    self.shared = agree(offerer.private, answerer.public)
    self.topic_key = derive(self.shared, 'p2pcp/1 topic', 32,
                            b''.join(sorted(d.ed25519 for d in self.devices)))

  def direction_key(self, speaker):
    one, other = self.devices[speaker], self.devices[1 - speaker]
    return derive(self.shared, 'p2pcp/1 signaling', 32,
                  one.ed25519 + other.ed25519)

  def topic(self, speaker, day):
    return base32(
        derive(self.topic_key, 'p2pcp/1 topic', 20,
               self.devices[speaker].ed25519 + struct.pack('!Bq', speaker, day)))

  def open_envelope(self, speaker, topic, envelope):
    if len(envelope) != ENVELOPE:
      raise Violation(f'an envelope of {len(envelope)} bytes')
    return xchacha_open(self.direction_key(speaker), envelope[:24],
                        envelope[24:], b'p2pcp/1' + topic.encode())


def open_sealed(cipher, nonce, sealed, associated):
  """cipher: AESGCM or ChaCha20Poly1305 with its key."""
  try:
    return cipher.decrypt(nonce, sealed, associated)
  except InvalidTag:
    raise Violation('a tag is wrong') from None


def xchacha_open(key, nonce, sealed, associated):
  """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha section 2)."""
  cipher = aead.ChaCha20Poly1305(_hchacha20(key, nonce[:16]))
  return open_sealed(cipher, bytes(4) + nonce[16:], sealed, associated)


def xchacha_seal(key, nonce, plain, associated):
  cipher = aead.ChaCha20Poly1305(_hchacha20(key, nonce[:16]))
  return cipher.encrypt(bytes(4) + nonce[16:], plain, associated)


def _hchacha20(key, nonce):
  state = list(
      struct.unpack('<16I', b'expand 32-byte k' + key + nonce))

  def quarter(a, b, c, d):
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8),
                          (c, d, b, 7)):
      state[x] = (state[x] + state[y]) & 0xffffffff
      mixed = state[z] ^ state[x]
      state[z] = (mixed << bits | mixed >> (32 - bits)) & 0xffffffff

  for _ in range(10):
    for column in range(4):
      quarter(column, column + 4, column + 8, column + 12)
    for row in range(4):
      quarter(row, 4 + (row + 1) % 4, 8 + (row + 2) % 4, 12 + (row + 3) % 4)
  return struct.pack('<8I', *state[:4], *state[12:])
