"""Noise_KK and Noise_KKpsk0 with 25519, ChaChaPoly and BLAKE2b (revision 34),
as somebody reads it who knows the private keys of both sides.
"""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import aead

from tests.e2e.decoder import keys

_HASH = 64


def _hash(data):
  return hashlib.blake2b(data, digest_size=_HASH).digest()


def _hkdf(key, material, outputs):
  """Noise section 4.3."""

  def mac(secret, data):
    return hmac.new(secret, data, hashlib.blake2b).digest()

  secret = mac(key, material)
  result, last = [], b''
  for i in range(outputs):
    last = mac(secret, last + bytes([i + 1]))
    result.append(last)
  return result


class Handshake:
  """The symmetric state (section 5.2) of a handshake that is listened to."""

  def __init__(self, prologue, initiator, responder, psk=None):
    name = f'Noise_KK{"psk0" if psk else ""}_25519_ChaChaPoly_BLAKE2b'
    self._h = name.encode().ljust(_HASH, b'\0')
    self._ck = self._h
    self._key, self._n = None, 0
    self._psk = psk
    self._s = initiator, responder
    self._e = [None, None]
    for data in (prologue, initiator.public, responder.public):
      self._mix_hash(data)

  def read_first(self, message, ephemeral):
    """psk, e, es, ss; ephemeral: the initiator's private key."""
    if self._psk:
      self._ck, temp, key = _hkdf(self._ck, self._psk, 3)
      self._mix_hash(temp)
      self._key, self._n = key[:32], 0
    self._read_ephemeral(0, message, ephemeral)
    initiator, responder = self._s
    self._mix_key(keys.agree(ephemeral, responder.public))
    self._mix_key(keys.agree(initiator.private, responder.public))
    return self._open(message[32:])

  def read_second(self, message, ephemeral):
    """e, ee, se; ephemeral: the responder's private key."""
    self._read_ephemeral(1, message, ephemeral)
    first = keys.x25519_public(self._e[0])
    self._mix_key(keys.agree(ephemeral, first))
    self._mix_key(keys.agree(ephemeral, self._s[0].public))
    return self._open(message[32:])

  def split(self):
    """The two keys, and the handshake hash."""
    one, two = _hkdf(self._ck, b'', 2)
    return one[:32], two[:32], self._h

  def _read_ephemeral(self, side, message, private):
    if keys.x25519_public(private) != message[:32]:
      raise keys.Violation('not the ephemeral key of this message')
    self._e[side] = private
    self._mix_hash(message[:32])
    if self._psk:
      self._mix_key(message[:32])

  def _mix_hash(self, data):
    self._h = _hash(self._h + data)

  def _mix_key(self, material):
    self._ck, key = _hkdf(self._ck, material, 2)
    self._key, self._n = key[:32], 0

  def _open(self, sealed):
    nonce = bytes(4) + self._n.to_bytes(8, 'little')
    self._n += 1
    plain = keys.open_sealed(aead.ChaCha20Poly1305(self._key), nonce, sealed,
                             self._h)
    self._mix_hash(sealed)
    return plain
