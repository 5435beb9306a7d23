"""A delivery receipt, by cmd/receipt/PROTOCOL.md."""

import collections
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519

from tests.e2e.decoder import keys
from tests.e2e.decoder.keys import Violation

Receipt = collections.namedtuple(
    'Receipt', 'id files folders missing sender receiver time path')


def _key(text):
  data = keys.from_base32(text.decode())
  if keys.derive(data[:32], 'p2pcp key v1', 3) != data[32:]:
    raise Violation('a key with another checksum')
  return data[:32]


def read(text):
  """What a receipt says; files: path -> (size, digest)."""
  *lines, none = text.split(b'\n')
  if none or lines[0] != b'p2pcp receipt 1':
    raise Violation('no receipt')
  fields = dict(line.split(b' ', 1) for line in lines[-6:] + [lines[1]])
  names = [line.split(b' ', 1)[0] for line in lines[-6:]]
  if names != [b'end', b'from', b'to', b'time', b'path', b'signature']:
    raise Violation(f'a receipt that ends with {names}')
  files, folders = {}, set()
  for line in lines[2:-6]:
    word, rest = line.split(b' ', 1)
    if word == b'folder':
      folders.add(rest)
    else:
      size, digest, path = rest.split(b' ', 2)
      files[path] = int(size), bytes.fromhex(digest.decode())
  counts = [int(number) for number in fields[b'end'].split(b' ')]
  if counts[:3] != [len(files), len(folders), sum(s for s, _ in files.values())]:
    raise Violation('totals that are not those of the lines')
  receiver = _key(fields[b'to'])
  head = text[:text.rindex(b'signature ')]
  try:
    ed25519.Ed25519PublicKey.from_public_bytes(receiver).verify(
        bytes.fromhex(fields[b'signature'].decode()),
        b'p2pcp/1 receipt' + hashlib.blake2b(head, digest_size=32).digest())
  except InvalidSignature:
    raise Violation('a receipt with a bad signature') from None
  return Receipt(bytes.fromhex(fields[b'id'].decode()), files, folders,
                 counts[3], _key(fields[b'from']), receiver, fields[b'time'],
                 fields[b'path'])
