"""How a NAT behaves, by the tests of RFC 4787 and RFC 5780, done by hand.

One socket inside sends to sockets of the server namespace, which see where it
comes from (mapping) and answer from elsewhere (filtering).
"""

import dataclasses
import time

from tests.lab import topology

_PORTS = (5001, 5002)
# Both ends are on one machine: what takes longer has been dropped.
_WAIT = 0.3


def _receive(sock, wait=_WAIT):
  sock.settimeout(wait)
  try:
    return sock.recvfrom(2048)
  except OSError:
    return None


@dataclasses.dataclass(frozen=True)
class Behaviour:
  """What was seen."""
  mapping: str  # 'EIM', 'ADM', 'APDM'
  filtering: str  # 'EIF', 'ADF', 'APDF'
  preserves_port: bool
  hairpins: bool
  address: str  # Where the outside sees the host.
  # Outside ports of eight fresh sockets, in their order.
  ports: tuple


class Classifier:
  """Sockets at the server, and the tests."""

  def __init__(self, lab, inside='hostA'):
    self._lab = lab
    self._inside = lab[inside]
    self._sockets = []
    # By (address, port), in the order (S1,p1), (S1,p2), (S2,p1), (S2,p2).
    self._servers = {}
    for address in topology.SERVER4:
      for port in _PORTS:
        sock = lab['srv'].socket()
        sock.bind((address, port))
        self._sockets.append(sock)
        self._servers[(address, port)] = sock

  def close(self):
    for sock in self._sockets:
      sock.close()

  def client(self, port=0):
    """A socket inside."""
    sock = self._inside.socket()
    sock.bind(('0.0.0.0', port))
    self._sockets.append(sock)
    return sock

  def seen_at(self, client, server):
    """Where a server sees the client; None if nothing arrives."""
    client.sendto(b'mapping?', server)
    received = _receive(self._servers[server])
    return received[1] if received else None

  def answer(self, server, outside):
    """Sends from a server to where it saw a client."""
    self._servers[server].sendto(b'answer', outside)

  def mapping(self):
    client = self.client()
    (s1p1, s1p2, s2p1, _) = self._servers
    first, second, third = (
        self.seen_at(client, server) for server in (s1p1, s1p2, s2p1))
    if first == second == third:
      return 'EIM'
    return 'ADM' if first == second else 'APDM'

  def filtering(self):
    client = self.client()
    (s1p1, s1p2, _, s2p2) = self._servers
    outside = self.seen_at(client, s1p1)
    for server, name in ((s2p2, 'EIF'), (s1p2, 'ADF'), (s1p1, 'APDF')):
      self._servers[server].sendto(b'filtering?', outside)
      if _receive(client):
        return name
    return 'nothing'

  def hairpins(self):
    """Whether two inside reach each other at their outside endpoints."""
    s1p1 = next(iter(self._servers))
    first, second = self.client(), self.client()
    outside_first = self.seen_at(first, s1p1)
    self.seen_at(second, s1p1)
    second.sendto(b'hairpin?', outside_first)
    return _receive(first) is not None

  def ports(self, count):
    s1p1 = next(iter(self._servers))
    return tuple(
        self.seen_at(self.client(), s1p1)[1] for _ in range(count))

  def port_after_a_strangers_packet(self, port):
    """The outside port of an inside one that a packet came for before."""
    s1p1 = next(iter(self._servers))
    nat = self._lab.wan('natA')
    self._servers[s1p1].sendto(b'too early', (nat, port))
    time.sleep(0.05)
    return self.seen_at(self.client(port), s1p1)[1]

  def classify(self):
    s1p1 = next(iter(self._servers))
    client = self.client()
    outside = self.seen_at(client, s1p1)
    return Behaviour(mapping=self.mapping(),
                     filtering=self.filtering(),
                     preserves_port=outside[1] == client.getsockname()[1],
                     hairpins=self.hairpins(),
                     address=outside[0],
                     ports=self.ports(8))
