"""An MQTT proxy that loses one message: between the clients and mosquitto.

It understands just the framing of MQTT 3.1.1 and 5. The chosen PUBLISH is taken
from its sender, acknowledged as the broker would, and never forwarded.
"""

import selectors
import socket
import struct
import threading

_PUBLISH = 3
_PUBACK = 4


class Proxy:
  """Forwards clients of one address to a broker.

  Messages are counted over all clients, in the order in which they come in.
  """

  def __init__(self, namespace, listen, broker, lose=None):
    """Starts it.

    Args:
      namespace: tests.lab.network.Namespace in which it stands.
      listen: its (host, port).
      broker: the broker's (host, port).
      lose: number of the message that is lost, from 0 on; None: no one.
    """
    self._namespace = namespace
    self._broker = broker
    self._lose = lose
    self.messages = 0  # PUBLISH packets that came from clients.
    self.lost = 0
    self._selector = selectors.DefaultSelector()
    self._pipes = {}  # socket -> _Pipe
    self._wake, wake_reader = socket.socketpair()
    self._listener = namespace.socket(kind=socket.SOCK_STREAM)
    self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    self._listener.bind(listen)
    self._listener.listen()
    self._selector.register(self._listener, selectors.EVENT_READ)
    self._selector.register(wake_reader, selectors.EVENT_READ)
    self._wake_reader = wake_reader
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def close(self):
    self._wake.send(b'x')
    self._thread.join()
    for sock in list(self._pipes) + [
        self._listener, self._wake, self._wake_reader
    ]:
      sock.close()
    self._selector.close()

  def _run(self):
    while True:
      for key, _ in self._selector.select():
        if key.fileobj is self._wake_reader:
          return
        if key.fileobj is self._listener:
          self._accept()
        elif key.fileobj in self._pipes:
          self._forward(key.fileobj)

  def _accept(self):
    client, _ = self._listener.accept()
    server = self._namespace.socket(kind=socket.SOCK_STREAM)
    try:
      server.connect(self._broker)
    except OSError:
      client.close()
      server.close()
      return
    self._pipes[client] = (server, bytearray(), True)
    self._pipes[server] = (client, bytearray(), False)
    self._selector.register(client, selectors.EVENT_READ)
    self._selector.register(server, selectors.EVENT_READ)

  def _forward(self, sock):
    other, pending, from_client = self._pipes[sock]
    try:
      data = sock.recv(65536)
      if not data:
        raise ConnectionError
      if not from_client:
        other.sendall(data)
        return
      pending += data
      for packet in take_packets(pending):
        answer = self._answer_lost(packet)
        if answer is None:
          other.sendall(packet)
        else:
          sock.sendall(answer)
    except OSError:
      for end in (sock, other):
        self._selector.unregister(end)
        del self._pipes[end]
        end.close()

  def _answer_lost(self, packet):
    """What to answer in the broker's place; None if it is to be forwarded."""
    if packet[0] >> 4 != _PUBLISH:
      return None
    number = self.messages
    self.messages += 1
    if number != self._lose:
      return None
    self.lost += 1
    qos = packet[0] >> 1 & 3
    if qos == 0:
      return b''
    body = 1
    while packet[body] & 0x80:
      body += 1
    body += 1
    topic = struct.unpack_from('!H', packet, body)[0]
    return bytes([_PUBACK << 4, 2]) + packet[body + 2 + topic:][:2]


def take_packets(pending):
  """Whole control packets from the front of pending, which they leave."""
  while len(pending) >= 2:
    length = 0
    at = 1
    while True:
      if at >= len(pending):
        return
      length |= (pending[at] & 0x7f) << 7 * (at - 1)
      at += 1
      if not pending[at - 1] & 0x80:
        break
    if len(pending) < at + length:
      return
    packet = bytes(pending[:at + length])
    del pending[:at + length]
    yield packet
