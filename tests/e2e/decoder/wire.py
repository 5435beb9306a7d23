"""Frames of transfer/wire/PROTOCOL.md, and what holds for a run of them."""

import bisect
import collections

from tests.e2e.decoder.keys import Violation
from tests.e2e.decoder.reader import Reader

Padding = collections.namedtuple('Padding', '')
Ping = collections.namedtuple('Ping', 'lowest_unacked')
Ack = collections.namedtuple(
    'Ack', 'delay received_at packets bytes drops max_data ranges')
Control = collections.namedtuple('Control', 'offset bytes')
Credit = collections.namedtuple('Credit', 'max_data')
Close = collections.namedtuple('Close', 'code')
Data = collections.namedtuple('Data', 'offset bytes ack_now')

_WINDOW = 262_144


def read_frames(payload):
  """All frames of a payload."""
  reader = Reader(payload)
  if not reader.left():
    raise Violation('a payload without a frame')
  frames = []
  while reader.left():
    kind = reader.number(1)
    if kind not in _FRAMES:
      raise Violation(f'a frame of type {kind:#x}')
    frames.append(_FRAMES[kind](reader))
  return frames


def _ack(reader):
  largest = reader.number(6)
  fields = [reader.varint() for _ in range(6)]
  count = reader.varint()
  if not 1 <= count <= 256:
    raise Violation(f'an ACK of {count} ranges')
  ranges, top = [], largest
  for i in range(count):
    if i:
      top = ranges[-1][0] - (reader.varint() + 2)
    ranges.append((top - reader.varint(), top))
    if ranges[-1][0] < 0:
      raise Violation('a range below zero')
  return Ack(*fields, ranges)


def _control(reader):
  offset = reader.varint()
  size = reader.varint()
  if size == 0:
    raise Violation('an empty CONTROL')
  return Control(offset, reader.bytes(size))


def _data(reader, ack_now):
  offset = reader.number(6)
  size = reader.number(2)
  if size == 0 or offset + size > 2**48 - 1:
    raise Violation(f'DATA of {size} bytes at {offset}')
  return Data(offset, reader.bytes(size), ack_now)


_FRAMES = {
    0x00: lambda reader: Padding(),
    0x01: lambda reader: Ping(reader.number(6)),
    0x02: _ack,
    0x03: _control,
    0x04: lambda reader: Credit(reader.varint()),
    0x05: lambda reader: Close(reader.number(2)),
    0x10: lambda reader: _data(reader, False),
    0x11: lambda reader: _data(reader, True),
}


class ControlStream:
  """Puts the messages of one direction together."""

  def __init__(self):
    self._pieces = {}
    self._stream = bytearray()
    self._at = 0
    self.messages = []

  def take(self, frame):
    """Returns the messages that it completes."""
    if frame.offset + len(frame.bytes) > len(self._stream) + _WINDOW:
      raise Violation('beyond the window of the control stream')
    self._pieces[frame.offset, len(frame.bytes)] = frame.bytes
    for (offset, size), piece in sorted(self._pieces.items()):
      have = len(self._stream)
      if offset > have:
        break
      del self._pieces[offset, size]
      known = self._stream[offset:offset + size]
      if known != piece[:len(known)]:
        raise Violation(f'other bytes at {offset} of the control stream')
      self._stream += piece[len(known):]
    new = []
    while len(self._stream) - self._at >= 2:
      size = int.from_bytes(self._stream[self._at:self._at + 2], 'big')
      if size > 16_384:
        raise Violation(f'a message of {size} bytes')
      if len(self._stream) - self._at - 2 < size:
        break
      self._at += 2 + size
      new.append(bytes(self._stream[self._at - size:self._at]))
    self.messages += new
    return new


class ByteSpace:
  """The bytes that came, at their offsets; what comes twice is the same."""

  def __init__(self):
    self._starts = []  # Of extents that do not touch nor overlap, ascending.
    self._extents = {}  # start: bytearray
    self.distinct = 0
    self.taken = 0  # With what came more than once.

  def take(self, offset, data):
    """Raises where it contradicts what came before."""
    self.taken += len(data)
    end = offset + len(data)
    i = bisect.bisect_right(self._starts, offset) - 1
    if i >= 0 and self._end(i) >= offset:
      start = self._starts[i]
    else:
      i += 1
      start = offset
      self._starts.insert(i, offset)
      self._extents[offset] = bytearray()
    extent = self._extents[start]
    while True:
      have = start + len(extent)
      known = extent[offset - start:end - start]
      if known != data[:len(known)]:
        raise Violation(f'other bytes at {offset}')
      if have >= end:
        return
      # Up to the next extent, and then on after it.
      following = (self._starts[i + 1] if i + 1 < len(self._starts) else
                   None)
      stop = end if following is None else min(end, following)
      new = data[have - offset:stop - offset]
      extent += new
      self.distinct += len(new)
      if following is None or stop < following:
        return
      extent += self._extents.pop(self._starts.pop(i + 1))

  def _end(self, i):
    start = self._starts[i]
    return start + len(self._extents[start])

  def read(self, offset, size):
    """Raises where one of them never came."""
    if size == 0:
      return b''
    i = bisect.bisect_right(self._starts, offset) - 1
    if i < 0 or self._end(i) < offset + size:
      raise Violation(f'{size} bytes at {offset} never came')
    start = self._starts[i]
    return bytes(self._extents[start][offset - start:offset - start + size])
