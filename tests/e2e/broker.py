"""A small MQTT broker that keeps a transcript, or means ill.

It speaks what p2pcp needs of MQTT 3.1.1 and 5: CONNECT, SUBSCRIBE, UNSUBSCRIBE,
PUBLISH at QoS 0, PINGREQ. Each listener has a label, which the transcript
keeps, and may have a Malice, whose methods decide what becomes of its clients.
"""

import dataclasses
import queue
import socket
import ssl
import struct
import threading
import time

from tests.e2e import mqtt_proxy

_CONNECT, _PUBLISH, _SUBSCRIBE, _UNSUBSCRIBE, _PINGREQ = 1, 3, 8, 10, 12
_V5 = 5
# Messages that wait for a client; more are dropped, as brokers do.
_QUEUE = 2000


@dataclasses.dataclass
class Message:
  """One PUBLISH of a client."""
  at: float
  label: object
  client: str  # The client id.
  topic: str
  payload: bytes


class Malice:
  """What a listener does to its clients; this one is honest."""

  def accepted(self, client):
    """Just connected; True: the connection is over."""
    del client

  def connected(self, client):
    """CONNACK is due; True: nothing further is to be said to it."""
    client.send_connack()

  def subscribed(self, client, packet_id, topics):
    client.send_suback(packet_id, len(topics))

  def published(self, client, topic, payload):
    client.broker.deliver(topic, payload)


class Client:
  """A connection, served by a thread that reads and one that writes."""

  def __init__(self, broker, sock, label, malice):
    self.broker = broker
    self.sock = sock
    self.label = label
    self.malice = malice
    self.version = 4
    self.name = ''
    self.topics = set()
    self.open = True
    self._out = queue.Queue(_QUEUE)
    threading.Thread(target=self._read, daemon=True).start()
    threading.Thread(target=self._write, daemon=True).start()

  def close(self):
    self.open = False
    try:
      self.sock.shutdown(socket.SHUT_RDWR)
    except OSError:
      pass
    self._put(None)

  def _put(self, data):
    try:
      self._out.put_nowait(data)
    except queue.Full:
      pass

  def send(self, data):
    """Queues bytes; None: the connection is over once they are sent."""
    self._put(data)

  def backlog(self):
    return self._out.qsize()

  def send_connack(self, code=0):
    properties = b'\0' if self.version == _V5 else b''
    self.send(bytes([0x20, 2 + len(properties), 0, code]) + properties)

  def send_suback(self, packet_id, count):
    properties = b'\0' if self.version == _V5 else b''
    body = packet_id + properties + bytes(count)
    self.send(bytes([0x90]) + encode_length(len(body)) + body)

  def send_publish(self, topic, payload, retained=False):
    properties = b'\0' if self.version == _V5 else b''
    body = (struct.pack('!H', len(topic)) + topic.encode() + properties +
            payload)
    self.send(bytes([0x30 | int(retained)]) + encode_length(len(body)) + body)

  def _write(self):
    try:
      while True:
        data = self._out.get()
        if data is None:
          break
        self.sock.sendall(data)
    except OSError:
      pass
    self.open = False
    self.sock.close()
    self.broker.forget(self)

  def _read(self):
    pending = bytearray()
    try:
      if self.malice.accepted(self):
        return
      while self.open:
        data = self.sock.recv(65536)
        if not data:
          break
        self.broker.keep_bytes(self, data)
        pending += data
        for packet in mqtt_proxy.take_packets(pending):
          if self._handle(packet):
            return
    except OSError:
      pass
    self.close()

  def _handle(self, packet):
    """Acts on one control packet; True: the client is not listened to again."""
    kind = packet[0] >> 4
    at = 1
    while packet[at] & 0x80:
      at += 1
    body = packet[at + 1:]
    if kind == _CONNECT:
      self.version = body[6]
      at = 10
      if self.version == _V5:
        at += 1 + body[at]  # Its properties are short.
      size = struct.unpack_from('!H', body, at)[0]
      self.name = body[at + 2:at + 2 + size].decode()
      return self.malice.connected(self)
    if kind == _SUBSCRIBE:
      topics = self._topics(body, 1)
      self.topics.update(topics)
      self.broker.keep_subscription(self, topics)
      return self.malice.subscribed(self, body[:2], topics)
    if kind == _UNSUBSCRIBE:
      topics = self._topics(body, 0)
      self.topics.difference_update(topics)
      codes = bytes(len(topics)) if self.version == _V5 else b''
      properties = b'\0' if self.version == _V5 else b''
      answer = body[:2] + properties + codes
      self.send(bytes([0xb0]) + encode_length(len(answer)) + answer)
    elif kind == _PUBLISH:
      size = struct.unpack_from('!H', body)[0]
      topic = body[2:2 + size].decode()
      payload = body[2 + size:]
      if self.version == _V5:
        payload = payload[1 + payload[0]:]
      self.broker.keep(self, topic, payload)
      return self.malice.published(self, topic, payload)
    elif kind == _PINGREQ:
      self.send(b'\xd0\0')
    return False

  def _topics(self, body, options):
    at = 2
    if self.version == _V5:
      at += 1 + body[at]
    topics = []
    while at + 2 <= len(body):
      size = struct.unpack_from('!H', body, at)[0]
      topics.append(body[at + 2:at + 2 + size].decode())
      at += 2 + size + options
    return topics


class Broker:
  """All listeners of one broker: who subscribes anywhere hears everything."""

  def __init__(self, namespace):
    self._namespace = namespace
    self._lock = threading.Lock()
    self._clients = set()
    self._listeners = []
    self.messages = []  # Message of every PUBLISH.
    self.subscriptions = []  # (label, client id, [topics])
    self.bytes = {}  # label -> all that its clients have said.

  def listen(self, address, label=None, malice=None, tls=None):
    """Serves at address; tls: an ssl.SSLContext."""
    listener = self._namespace.socket(kind=socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(address)
    listener.listen(64)
    self._listeners.append(listener)
    threading.Thread(target=self._accept,
                     args=(listener, label, malice or Malice(), tls),
                     daemon=True).start()

  def _accept(self, listener, label, malice, tls):
    while True:
      try:
        sock, _ = listener.accept()
      except OSError:
        return
      sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
      threading.Thread(target=self._serve,
                       args=(sock, label, malice, tls),
                       daemon=True).start()

  def _serve(self, sock, label, malice, tls):
    try:
      if tls is not None:
        sock.settimeout(5)
        sock = tls.wrap_socket(sock, server_side=True)
        sock.settimeout(None)
    except (OSError, ssl.SSLError):
      sock.close()
      return
    client = Client(self, sock, label, malice)
    with self._lock:
      self._clients.add(client)

  def close(self):
    for listener in self._listeners:
      try:
        listener.shutdown(socket.SHUT_RDWR)
      except OSError:
        pass
      listener.close()
    for client in self.clients():
      client.close()

  def clients(self):
    with self._lock:
      return list(self._clients)

  def forget(self, client):
    with self._lock:
      self._clients.discard(client)

  def keep(self, client, topic, payload):
    with self._lock:
      self.messages.append(
          Message(time.monotonic(), client.label, client.name, topic, payload))

  def keep_subscription(self, client, topics):
    with self._lock:
      self.subscriptions.append((client.label, client.name, topics))

  def keep_bytes(self, client, data):
    with self._lock:
      self.bytes.setdefault(client.label, bytearray()).extend(data)

  def deliver(self, topic, payload):
    """To all who have subscribed to it; how many."""
    receivers = [c for c in self.clients() if topic in c.topics]
    for client in receivers:
      client.send_publish(topic, payload)
    return len(receivers)


def encode_length(value):
  """A remaining length (MQTT 3.1.1 section 2.2.3)."""
  encoded = bytearray()
  while True:
    value, digit = divmod(value, 128)
    encoded.append(digit | (0x80 if value else 0))
    if not value:
      return bytes(encoded)
