"""A recorded transfer, opened from the datagrams up to the files."""

import collections
import math

from tests.e2e.decoder import channel
from tests.e2e.decoder import session
from tests.e2e.decoder import wire
from tests.e2e.decoder.keys import Violation


class Transfer:
  """What the two sides of one channel did; every datagram has to fit.

  Args:
    keys: signaling.Session.
  """

  def __init__(self, keys):
    self._channel = channel.Channel(keys.secrets, keys.suite, keys.hash)
    self._streams = (wire.ControlStream(), wire.ControlStream())
    self._payloads = (set(), set())  # The numbers of each side's payloads.
    self._credit = 0
    self._challenges = (set(), set())
    self.session = session.Session()
    self.space = wire.ByteSpace()
    self.packets = collections.Counter()  # (side, 'payload' or 'probe')
    self.frames = collections.Counter()  # (side, name)
    self.close_codes = [None, None]
    self._closed = [math.inf, math.inf]  # Numbers of the first CLOSE.
    self.most_ranges = 0  # In an ACK.

  def owns(self, datagram):
    return self._channel.owns(datagram)

  def take(self, datagram):
    packet = self._channel.open(datagram)
    side = packet.sender
    if packet.type == channel.PROBE:
      self.packets[side, 'probe'] += 1
      self._take_probe(side, channel.read_probe(packet.plain))
      return
    self.packets[side, 'payload'] += 1
    self._payloads[side].add(packet.number)
    for frame in wire.read_frames(packet.plain):
      name = type(frame).__name__
      self.frames[side, name] += 1
      # In the order of sending: on the way packets overtake each other.
      if packet.number > self._closed[side] and name not in ('Close',
                                                             'Padding'):
        raise Violation(f'{name} after CLOSE')
      if name == 'Close':
        self._closed[side] = min(self._closed[side], packet.number)
      getattr(self, '_take_' + name.lower())(side, frame)

  def _take_probe(self, side, probe):
    none = bytes(8)
    if probe.challenge != none:
      self._challenges[side].add(probe.challenge)
    if probe.echo != none and probe.echo not in self._challenges[1 - side]:
      raise Violation('an echo of no challenge')

  def _take_padding(self, side, frame):
    pass

  def _take_ping(self, side, frame):
    pass

  def _take_ack(self, side, frame):
    sent = self._payloads[1 - side]
    self.most_ranges = max(self.most_ranges, len(frame.ranges))
    for low, high in frame.ranges:
      for number in range(low, high + 1):
        if number not in sent:
          raise Violation(f'an ACK of {number}, which was not sent')
    self._take_credit(side, frame)

  def _take_credit(self, side, frame):
    if side == channel.CONTROLLED:
      self._credit = max(self._credit, frame.max_data)

  def _take_control(self, side, frame):
    for message in self._streams[side].take(frame):
      self.session.take(side, message)

  def _take_data(self, side, frame):
    if side != channel.CONTROLLING:
      raise Violation('DATA from the receiver')
    self.space.take(frame.offset, frame.bytes)
    if self.space.distinct > self._credit:
      raise Violation(f'{self.space.distinct} bytes for {self._credit}')

  def _take_close(self, side, frame):
    self.close_codes[side] = frame.code
