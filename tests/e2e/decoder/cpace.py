"""CPACE-RISTR255-SHA512 of draft-irtf-cfrg-cpace-21, initiator and responder."""

import hashlib
import hmac

from tests.e2e.decoder import ristretto

_DSI = b'CPaceRistretto255'
_BLOCK = 128  # Of SHA-512.


def lv(*parts):
  """Each after its length in LEB128, one after the other."""
  out = b''
  for part in parts:
    size = len(part)
    while True:
      size, digit = divmod(size, 128)
      out += bytes([digit | (0x80 if size else 0)])
      if not size:
        break
    out += part
  return out


def generator(prs, channel, sid):
  pad = bytes(max(0, _BLOCK - len(lv(prs)) - len(lv(_DSI)) - 1))
  text = lv(_DSI, prs, pad, channel, sid)
  return ristretto.from_hash(hashlib.sha512(text).digest())


def secret(sid, k, ya, ad_a, yb, ad_b):
  """The ISK of 64 bytes."""
  text = lv(_DSI + b'_ISK', sid, k) + lv(ya, ad_a) + lv(yb, ad_b)
  return hashlib.sha512(text).digest()


def tag(sid, isk, share, associated):
  """Section 10.4."""
  key = hashlib.sha512(b'CPaceMac' + sid + isk).digest()
  return hmac.new(key, lv(share, associated), hashlib.sha512).digest()
