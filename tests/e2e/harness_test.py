"""The tools of the end-to-end tests do what the tests rely on."""

import os
import socket
import struct
import subprocess
import sys
import unittest

from tests.e2e import memory
from tests.e2e import mqtt_proxy
from tests.lab import network
from tests.lab import servers

_HOST = '127.0.0.1'
_PROXY_PORT = 2000


def _packet(kind, body):
  assert len(body) < 128
  return bytes([kind, len(body)]) + body


def _text(text):
  return struct.pack('!H', len(text)) + text.encode()


class _Client:
  """As much of MQTT 3.1.1 as it takes to publish and to listen."""

  def __init__(self, namespace, name):
    self._socket = namespace.socket(kind=socket.SOCK_STREAM)
    self._socket.settimeout(2)
    self._socket.connect((_HOST, _PROXY_PORT))
    self._buffer = bytearray()
    self.send(_packet(0x10, _text('MQTT') + bytes([4, 2, 0, 60]) + _text(name)))
    assert self.receive()[0] == 0x20

  def send(self, packet):
    # In pieces, since packets need not come whole.
    for byte in packet:
      self._socket.sendall(bytes([byte]))

  def receive(self):
    while True:
      for packet in mqtt_proxy.take_packets(self._buffer):
        return packet
      self._buffer += self._socket.recv(4096)

  def subscribe(self, topic):
    self.send(_packet(0x82, struct.pack('!H', 1) + _text(topic) + bytes([0])))
    assert self.receive()[0] == 0x90

  def publish(self, topic, number, text):
    self.send(
        _packet(0x32, _text(topic) + struct.pack('!H', number) + text.encode()))
    return self.receive()

  def close(self):
    self._socket.close()


class Proxy(unittest.TestCase):

  def test_loses_one_message_and_acknowledges_it(self):
    with network.Network() as lab:
      srv = lab.namespace('srv')
      servers.start_mosquitto(lab, srv)
      proxy = mqtt_proxy.Proxy(srv, (_HOST, _PROXY_PORT),
                               (_HOST, servers.MQTT_PORT), lose=1)
      listener = _Client(srv, 'listener')
      listener.subscribe('topic')
      speaker = _Client(srv, 'speaker')
      for i in range(3):
        self.assertEqual(speaker.publish('topic', i + 1, f'message {i}'),
                         bytes([0x40, 2, 0, i + 1]))
      heard = [listener.receive()[-9:].decode() for _ in range(2)]
      self.assertEqual(heard, ['message 0', 'message 2'])
      self.assertEqual((proxy.messages, proxy.lost), (3, 1))
      listener.close()
      speaker.close()
      proxy.close()


class Memory(unittest.TestCase):

  def test_counts_children_and_what_was_there_before(self):
    use = ('import subprocess, sys, time; x = bytearray(b"x" * (50 << 20)); '
           'del x; subprocess.run([sys.executable, "-c", "import time; '
           'x = bytearray(b\'x\' * (30 << 20)); print(1, flush=True); '
           'time.sleep(30)"])')
    process = subprocess.Popen([sys.executable, '-c', use],
                               stdout=subprocess.PIPE,
                               start_new_session=True)
    watch = memory.Watch(process.pid)
    process.stdout.readline()
    before = watch.samples
    while watch.samples < before + 2:
      pass
    peak = watch.stop()
    os.killpg(process.pid, 9)
    process.wait()
    process.stdout.close()
    self.assertGreater(peak, 80 << 20)
    self.assertGreater(watch.together, 30 << 20)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
