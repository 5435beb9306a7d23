"""Thousands of peers at one broker, in one process: they say as much as p2pcp
says, at the same times, under topics of the same form, and mean nothing by it.

usage: light_peers.py HOST PORT PEERS RATE SECONDS [AUTHORITY]

With AUTHORITY, the file that says whom to trust, by TLS.

Runs in the namespace of the broker. Prints JSON objects, a line each: one when
all peers listen, one after SECONDS of that alone, one after SECONDS with RATE
rendezvous a second on top.
"""

import base64
import collections
import hashlib
import heapq
import itertools
import json
import os
import random
import resource
import select
import socket
import ssl
import struct
import sys
import time

_CONNACK, _PUBLISH, _SUBACK = 2, 3, 9
_PING, _DISCONNECT = b'\xc0\0', b'\xe0\0'
# What p2pcp does: net/signaling/PROTOCOL.md, and keepalives of libmosquitto.
_BEACON = 30
_KEEPALIVE = 20
DAYS = 3
ENVELOPE = 1024
# The sender's: from the answer until it says good-bye.
_STAYS = 2
# A listener is met no more often than each so many seconds.
_TURN = 4
# So that the broker's backlog of connections is never the measure.
_CONNECTS_AT_ONCE = 50
_HELLO, _READY, _OFFER, _ANSWER, _CANDIDATES, _BYE = range(1, 7)


def _topic(*parts):
  text = '/'.join(map(str, parts)).encode()
  return base64.b32encode(hashlib.blake2b(
      text, digest_size=20).digest()).lower()


def _length(size):
  encoded = bytearray()
  while True:
    size, digit = divmod(size, 128)
    encoded.append(digit | (0x80 if size else 0))
    if not size:
      return bytes(encoded)


def _packet(kind, body):
  return bytes([kind]) + _length(len(body)) + body


def _string(text):
  return struct.pack('!H', len(text)) + text


def _connect():
  """MQTT 5, clean start, a maximum packet size of 8 KiB."""
  name = os.urandom(16).hex().encode()
  return _packet(0x10, _string(b'MQTT') + bytes([5, 2]) +
                 struct.pack('!H', _KEEPALIVE) + bytes([5, 0x27]) +
                 struct.pack('!I', 8192) + _string(name))


def _subscribe(topics):
  return _packet(0x82, struct.pack('!HB', 1, 0) + b''.join(
      _string(t) + b'\0' for t in topics))


def _publish(topic, kind, number):
  """QoS 0, with an expiry of a minute; what is sealed is noise."""
  payload = struct.pack('!BQ', kind, number) + _NOISE
  return _packet(0x30, _string(topic) + bytes([5, 2]) +
                 struct.pack('!I', 60) + payload)


_NOISE = os.urandom(ENVELOPE - 9)


class Client:
  """A connection; a subclass says what it does with what it is told."""

  def __init__(self, world, topics):
    self.world = world
    self.topics = topics
    self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    self.sock.setblocking(False)
    self.inbox = b''
    self.outbox = _connect()
    self.shaking = world.tls is not None  # Hands.
    self.wants_write = True
    self.sock.connect_ex(world.address)
    world.watch(self)

  def shake(self):
    """Goes on with the TLS handshake, on a connection that stands."""
    if not isinstance(self.sock, ssl.SSLSocket):
      self.sock = self.world.tls.wrap_socket(
          self.sock, do_handshake_on_connect=False,
          server_hostname=self.world.address[0])
    try:
      self.sock.do_handshake()
      self.shaking = False
    except ssl.SSLWantReadError:
      pass
    self.wants_write = not self.shaking
    self.world.watch(self)

  def send(self, data):
    self.world.sent += len(data)
    if self.outbox:
      self.outbox += data
      return
    self.outbox = data
    self.writable()

  def writable(self):
    try:
      done = self.sock.send(self.outbox)
    except (BlockingIOError, ssl.SSLWantWriteError):
      done = 0
    self.outbox = self.outbox[done:]
    if self.wants_write != bool(self.outbox):
      self.wants_write = bool(self.outbox)
      self.world.watch(self)

  def readable(self):
    try:
      data = self.sock.recv(65536)
    except ssl.SSLWantReadError:
      return  # A record that is not complete.
    if not data:
      raise SystemExit('the broker has hung up')
    self.world.received += len(data)
    self.inbox += data
    while len(self.inbox) >= 2:
      size, at, shift = 0, 1, 0
      while True:
        if at >= len(self.inbox):
          return
        size |= (self.inbox[at] & 127) << shift
        at, shift = at + 1, shift + 7
        if self.inbox[at - 1] < 128:
          break
      if len(self.inbox) < at + size:
        return
      kind, body = self.inbox[0] >> 4, self.inbox[at:at + size]
      self.inbox = self.inbox[at + size:]
      if kind == _CONNACK:
        self.send(_subscribe(self.topics))
      elif kind == _SUBACK:
        self.subscribed()
      elif kind == _PUBLISH:
        self.world.deliveries += 1
        payload = body[-ENVELOPE:]
        self.heard(*struct.unpack_from('!BQ', payload))

  def publish(self, topic, kind, number):
    self.world.publishes += 1
    self.send(_publish(topic, kind, number))

  def close(self):
    self.world.forget(self)
    self.sock.close()


class Listener(Client):
  """Waits for one sender, as `recv` does."""

  def __init__(self, world, number):
    self.says = _topic('answerer', number, 1)
    super().__init__(world, [_topic('offerer', number, d)
                             for d in range(DAYS)])

  def subscribed(self):
    self.world.listening += 1
    # The peers have come at any time before.
    self.world.at(random.uniform(0, _BEACON), self.beacon)
    self.world.at(random.uniform(0, _KEEPALIVE), self.ping)

  def beacon(self):
    self.publish(self.says, _READY, 0)
    self.world.at(_BEACON, self.beacon)

  def ping(self):
    self.send(_PING)
    self.world.at(_KEEPALIVE, self.ping)

  def heard(self, kind, number):
    answer = {_HELLO: _READY, _OFFER: _ANSWER, _BYE: _BYE}.get(kind)
    if answer is not None:
      self.publish(self.says, answer, number)


class Sender(Client):
  """Comes, meets a listener, stays for a moment and goes."""

  def __init__(self, world, number, peer):
    self.number = number
    self.began = time.monotonic()
    self.says = _topic('offerer', peer, 1)
    super().__init__(world, [_topic('answerer', peer, d)
                             for d in range(DAYS)])

  def subscribed(self):
    self.publish(self.says, _HELLO, self.number)

  def heard(self, kind, number):
    if number != self.number:
      return  # Another's, or a beacon.
    if kind == _READY:
      self.publish(self.says, _OFFER, number)
    elif kind == _ANSWER:
      self.world.took.append(time.monotonic() - self.began)
      self.publish(self.says, _CANDIDATES, number)
      self.world.at(_STAYS, self.leave)

  def leave(self):
    self.publish(self.says, _BYE, self.number)
    self.send(_DISCONNECT)
    self.close()


class World:
  """One loop for all of them, and what they have counted."""

  def __init__(self, address, authority=None):
    self.address = address
    self.tls = authority and ssl.create_default_context(cafile=authority)
    self.sent = self.received = self.publishes = self.deliveries = 0
    self.listening = 0
    self.took = []  # Seconds of each rendezvous, in this period.
    self._epoll = select.epoll()
    self._clients = {}
    self._timers = []
    self._order = itertools.count()

  def watch(self, client):
    fd = client.sock.fileno()
    events = select.EPOLLIN | (select.EPOLLOUT if client.wants_write else 0)
    if fd in self._clients:
      self._epoll.modify(fd, events)
    else:
      self._clients[fd] = client
      self._epoll.register(fd, events)

  def forget(self, client):
    fd = client.sock.fileno()
    del self._clients[fd]
    self._epoll.unregister(fd)

  def at(self, delay, call):
    heapq.heappush(self._timers,
                   (time.monotonic() + delay, next(self._order), call))

  def run(self, until):
    """until: () -> bool, or seconds."""
    deadline = None
    if not callable(until):
      deadline = time.monotonic() + until
    while True:
      now = time.monotonic()
      if now >= deadline if deadline else until():
        return
      while self._timers and self._timers[0][0] <= now:
        heapq.heappop(self._timers)[2]()
      wait = 0.05
      if self._timers:
        wait = min(wait, max(0, self._timers[0][0] - now))
      for fd, events in self._epoll.poll(wait):
        client = self._clients.get(fd)
        if client is None:
          continue
        if client.shaking:
          client.shake()
          continue
        if events & select.EPOLLOUT:
          client.writable()
        if events & (select.EPOLLIN | select.EPOLLHUP):
          client.readable()

  def counts(self):
    return collections.Counter(publishes=self.publishes,
                               deliveries=self.deliveries,
                               sent=self.sent,
                               received=self.received)


def _tell(what, world, before, seconds, **more):
  counts = world.counts()
  counts.subtract(before)
  usage = resource.getrusage(resource.RUSAGE_SELF)
  print(json.dumps({
      'what': what, 'seconds': seconds, **counts,
      'own_cpu': usage.ru_utime + usage.ru_stime, **more
  }), flush=True)


def main():
  host, port, peers, rate, seconds, *authority = sys.argv[1:]
  peers, rate, seconds = int(peers), float(rate), float(seconds)
  random.seed(1)
  world = World((host, int(port)), *authority)

  begin, before = time.monotonic(), world.counts()
  for number in range(peers):
    Listener(world, number)
    world.run(lambda n=number: world.listening > n - _CONNECTS_AT_ONCE)
  world.run(lambda: world.listening == peers)
  _tell('come', world, before, time.monotonic() - begin)

  sys.stdin.readline()  # The driver has read the broker's counters.
  before = world.counts()
  world.run(seconds)
  _tell('listen', world, before, seconds)

  sys.stdin.readline()
  before, numbers = world.counts(), itertools.count(1)
  free = list(range(peers))
  rate = min(rate, 0.8 * peers / _TURN)

  def come():
    peer = free.pop(random.randrange(len(free))) if free else None
    if peer is not None:
      Sender(world, next(numbers), peer)
      world.at(_TURN, lambda: free.append(peer))
    world.at(random.expovariate(rate), come)

  world.took.clear()
  world.at(0, come)
  world.run(seconds)
  took = sorted(world.took)
  _tell('meet', world, before, seconds, rate=rate,
        began=next(numbers) - 1, met=len(took), times=took)
  sys.stdin.readline()


if __name__ == '__main__':
  main()
