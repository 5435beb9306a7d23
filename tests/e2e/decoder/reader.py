"""Reads numbers and bytes off the front of what has come."""

from tests.e2e.decoder.keys import Violation


class Reader:

  def __init__(self, data):
    self.data = bytes(data)
    self.at = 0

  def left(self):
    return len(self.data) - self.at

  def bytes(self, size):
    if size > self.left():
      raise Violation(f'{size} bytes wanted, {self.left()} there')
    self.at += size
    return self.data[self.at - size:self.at]

  def rest(self):
    return self.bytes(self.left())

  def number(self, size):
    return int.from_bytes(self.bytes(size), 'big')

  def varint(self):
    """RFC 9000 section 16."""
    first = self.number(1)
    size = 1 << (first >> 6)
    return (first & 0x3f) << (8 * (size - 1)) | self.number(size - 1)

  def end(self):
    if self.left():
      raise Violation(f'{self.left()} bytes are left over')
