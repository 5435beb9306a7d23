"""A STUN Binding client (RFC 8489), as far as the laboratory needs one."""

import os
import socket
import struct

_MAGIC_COOKIE = 0x2112A442
_BINDING_REQUEST = 0x0001
_BINDING_SUCCESS = 0x0101
_XOR_MAPPED_ADDRESS = 0x0020


def mapped_address(client, server, timeout=1.0):
  """The (host, port) that `server` sees `client` at; None without an answer."""
  transaction = os.urandom(12)
  request = struct.pack('!HHI', _BINDING_REQUEST, 0,
                        _MAGIC_COOKIE) + transaction
  client.settimeout(timeout)
  try:
    client.sendto(request, server)
    while True:
      answer, _ = client.recvfrom(2048)
      if answer[8:20] == transaction:
        break
  except OSError:
    return None
  kind, length, cookie = struct.unpack_from('!HHI', answer)
  if kind != _BINDING_SUCCESS or cookie != _MAGIC_COOKIE:
    return None
  mask = struct.pack('!I', _MAGIC_COOKIE) + transaction
  at = 20
  while at + 4 <= min(len(answer), 20 + length):
    attribute, size = struct.unpack_from('!HH', answer, at)
    if attribute == _XOR_MAPPED_ADDRESS:
      family = answer[at + 5]
      port = struct.unpack_from('!H', answer, at + 6)[0] ^ _MAGIC_COOKIE >> 16
      address = answer[at + 8:at + 4 + size]
      plain = bytes(a ^ b for a, b in zip(address, mask))
      return socket.inet_ntop(
          socket.AF_INET6 if family == 2 else socket.AF_INET, plain), port
    at += 4 + (size + 3) // 4 * 4
  return None
