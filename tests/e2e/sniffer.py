"""Hears which UDP datagrams a host sends, and where to."""

import collections
import select
import socket
import struct
import threading

_ETH_P_ALL = 3
_OUTGOING = 4  # PACKET_OUTGOING, <linux/if_packet.h>
_UDP = 17


class Sniffer:
  """Counts the datagrams that leave a namespace, by (address, port)."""

  def __init__(self, namespace, devices=('lan', 'lo')):
    self._sockets = []
    for device in devices:
      sock = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
      sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
      sock.bind((device, _ETH_P_ALL))
      self._sockets.append(sock)
    self._lock = threading.Lock()
    self._sent = collections.Counter()
    self._open = True
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self):
    while self._open:
      for sock in select.select(self._sockets, [], [], 0.1)[0]:
        data, address = sock.recvfrom(65536)
        # Each datagram on loopback is seen twice.
        if address[2] == _OUTGOING and len(data) >= 28:
          self._count(data)

  def _count(self, data):
    if data[0] >> 4 != 4 or data[9] != _UDP:
      return
    header = (data[0] & 15) * 4
    port = struct.unpack_from('!H', data, header + 2)[0]
    with self._lock:
      self._sent[socket.inet_ntoa(data[16:20]), port] += 1

  def sent(self):
    """{(address, port): datagrams}; multicast stays on the own network."""
    with self._lock:
      return {(address, port): count
              for (address, port), count in self._sent.items()
              if not 224 <= int(address.partition('.')[0]) < 240}

  def close(self):
    self._open = False
    self._thread.join()
    for sock in self._sockets:
      sock.close()


class Recorder:
  """Keeps the UDP datagrams that a device sends and receives, in their order.

  The device must not be given trains of datagrams in one piece:
  `ethtool -K DEVICE tx-udp-segmentation off` there and at whoever sends to it.
  """

  _SO_RCVBUFFORCE = 33
  _SOL_PACKET, _PACKET_STATISTICS = 263, 6  # <linux/if_packet.h>

  def __init__(self, namespace, device='lan'):
    self._socket = namespace.socket(socket.AF_PACKET, socket.SOCK_DGRAM)
    self._socket.setsockopt(socket.SOL_SOCKET, self._SO_RCVBUFFORCE, 64 << 20)
    self._socket.bind((device, _ETH_P_ALL))
    self._socket.settimeout(0.1)
    self.datagrams = []  # (source, destination, payload); addresses as pairs.
    self._open = True
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self):
    while True:
      try:
        self._keep(self._socket.recvfrom(65536)[0])
      except socket.timeout:
        if not self._open:
          return

  def _keep(self, data):
    if data[0] >> 4 == 4 and data[9] == _UDP:
      at, family, addresses = (data[0] & 15) * 4, socket.AF_INET, data[12:20]
    elif data[0] >> 4 == 6 and data[6] == _UDP:
      at, family, addresses = 40, socket.AF_INET6, data[8:40]
    else:
      return
    source, to, size = struct.unpack_from('!HHH', data, at)
    half = len(addresses) // 2
    self.datagrams.append(
        ((socket.inet_ntop(family, addresses[:half]), source),
         (socket.inet_ntop(family, addresses[half:]), to),
         data[at + 8:at + size]))

  def close(self):
    """All that came until now is in; raises if the kernel dropped some."""
    self._open = False
    self._thread.join()
    _, dropped = struct.unpack(
        'II',
        self._socket.getsockopt(self._SOL_PACKET, self._PACKET_STATISTICS, 8))
    self._socket.close()
    if dropped:
      raise AssertionError(f'{dropped} packets were not recorded')
