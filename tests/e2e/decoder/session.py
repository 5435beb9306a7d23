"""Messages of transfer/session/PROTOCOL.md, and the files that they describe."""

import collections

from tests.e2e.decoder.keys import Violation
from tests.e2e.decoder.reader import Reader

SENDER, RECEIVER = 0, 1
WANTED, KEPT_BACK, SAME, HAS = range(4)
FOLDER, STREAM, EXECUTABLE, HOLED = 1, 2, 4, 8
MAX_EARLY = 65_536

Entry = collections.namedtuple('Entry', 'flags left name mtime size data')


def _varints(*names):
  return lambda reader: {name: reader.varint() for name in names}


def _reason(reader):
  reason = reader.number(1)
  if reason > 9:
    raise Violation(f'reason {reason}')
  return reason


def _hello(reader):
  lowest, highest, role = reader.varint(), reader.varint(), reader.number(1)
  if not 1 <= lowest <= highest or role > 1:
    raise Violation('HELLO')
  return {'lowest': lowest, 'highest': highest, 'role': role}


def _offer(reader):
  flags = reader.number(1)
  if flags > 1:
    raise Violation('flags of an OFFER')
  return {'receipt': reader.bytes(16) if flags else None}


def _entry(reader):
  flags = reader.number(1)
  if flags not in (FOLDER, STREAM) and flags & ~(EXECUTABLE | HOLED):
    raise Violation(f'flags {flags} of an entry')
  left, name = reader.varint(), reader.bytes(reader.varint())
  if (not 1 <= len(name) <= 255 or name in (b'.', b'..') or
      any(c < 0x20 or c in (0x2f, 0x7f) for c in name)):
    raise Violation(f'the name {name}')
  zigzag, nanoseconds = reader.varint(), reader.number(4)
  if nanoseconds >= 10**9:
    raise Violation('nanoseconds')
  mtime = (zigzag >> 1 ^ -(zigzag & 1)), nanoseconds
  size = None if flags in (FOLDER, STREAM) else reader.varint()
  data = reader.varint() if flags & HOLED else None
  return Entry(flags, left, name, mtime, size, data)


def _some(read, name, *before):
  """A message of some fields, then one or more of the same up to its end."""

  def message(reader):
    fields = {field: reader.varint() for field in before}
    fields[name] = []
    while reader.left() or not fields[name]:
      fields[name].append(read(reader))
    return fields

  return message


def _decision(reader):
  value = reader.varint()
  if value & 7 > HAS or value < 8:
    raise Violation(f'a decision of {value}')
  return value >> 3, value & 7


def _runs(name, *before):

  def message(reader):
    fields = {field: reader.varint() for field in before}
    runs, at = [], 0
    while reader.left() or not runs:
      distance, size = reader.varint(), reader.varint()
      if size == 0 or (runs and distance == 0):
        raise Violation('a run that is empty or touches the one before')
      runs.append((at + distance, size))
      at += distance + size
    return {**fields, name: runs}

  return message


def _signatures(reader):
  fields = _varints('index', 'base_size', 'copies', 'first')(reader)
  fields['signatures'] = []
  while reader.left():
    fields['signatures'].append((reader.number(4), reader.bytes(8).hex()))
  return fields


def _copies(reader):
  fields = _varints('index', 'wanted')(reader)
  fields['copies'], at = [], 0
  while reader.left():
    distance, size = reader.varint(), reader.varint()
    if size == 0:
      raise Violation('a copy of nothing')
    fields['copies'].append((at + distance, size, reader.varint()))
    at += distance + size
  return fields


def _early(reader):
  index = reader.varint()
  if not reader.left():
    raise Violation('an EARLY of nothing')
  return {'index': index, 'data': reader.bytes(reader.left())}


def _digests(reader):
  result, index = [], -1
  while reader.left() or not result:
    index += reader.varint() + 1
    result.append((index, reader.bytes(16).hex()))
  return {'digests': result}


def _received(reader):
  return reader.varint(), reader.bytes(32)


def _receipt(reader):
  size = reader.varint()
  if size > 1024:
    raise Violation('a receipt whose end is too long')
  return {'text': reader.bytes(size)}


def _accept(reader):
  flags = reader.number(1)
  if flags & ~1:
    raise Violation('flags of an ACCEPT')
  return {'in_order': bool(flags)}


def _failed(reader):
  return {'index': reader.varint(), 'reason': _reason(reader)}


_RECEIVER_REPORT = ('elapsed', 'busy', 'disk', 'disk_cpu', 'socket_drops')
_REPORT = ('packets', 'lost', 'rtt', 'min_rtt', 'bytes', 'bytes_again')


def _finished(reader):
  bottleneck = reader.number(1)
  if bottleneck > 8:
    raise Violation(f'bottleneck {bottleneck}')
  return {'bottleneck': bottleneck, **_varints(*_REPORT)(reader)}


# type: (name, who says it or None, what reads its fields)
MESSAGES = {
    0x01: ('HELLO', None, _hello),
    0x02: ('OFFER', SENDER, _offer),
    0x03: ('ENTRIES', SENDER, _some(_entry, 'entries', 'first')),
    0x04: ('DECISIONS', RECEIVER, _some(_decision, 'decisions', 'first')),
    0x05: ('ACCEPT', RECEIVER, _accept),
    0x06: ('DECLINE', RECEIVER, lambda r: {'reason': _reason(r)}),
    0x07: ('DIGESTS', SENDER, _digests),
    0x08: ('FILES_DONE', RECEIVER, _runs('indexes')),
    0x09: ('FILE_FAILED', RECEIVER, _failed),
    0x0a: ('DONE', RECEIVER, _varints('entries', *_RECEIVER_REPORT)),
    0x0b: ('FINISHED', SENDER, _finished),
    0x0c: ('ABORT', None, lambda r: {'reason': _reason(r)}),
    0x0d: ('END', SENDER, _varints('entries', 'total', 'unreadable',
                                   'left_out')),
    0x0e: ('SOURCE_FAILED', SENDER, _varints('index', 'charged')),
    0x0f: ('HOLES', SENDER, _runs('holes', 'index')),
    0x10: ('WANT', RECEIVER, _varints('index')),
    0x11: ('CHECK_BLOCKS', RECEIVER, _varints('index')),
    0x12: ('BLOCK_DIGESTS', SENDER,
           _some(lambda r: r.bytes(16).hex(), 'digests', 'index', 'first')),
    0x13: ('REPAIR', RECEIVER, _runs('blocks', 'index')),
    0x14: ('HAVE', RECEIVER, _runs('have', 'index')),
    0x15: ('STREAM_END', SENDER, _varints('index', 'size')),
    0x16: ('RECEIVED', RECEIVER, _some(_received, 'files')),
    0x17: ('RECEIPT', RECEIVER, _receipt),
    0x18: ('SIGNATURES', RECEIVER, _signatures),
    0x19: ('COPIES', SENDER, _copies),
    0x1a: ('EARLY', SENDER, _early),
}


def read_message(data, side):
  """(name, {field: value})"""
  reader = Reader(data)
  kind = reader.number(1)
  if kind not in MESSAGES:
    raise Violation(f'a message of type {kind:#x}')
  name, speaker, read = MESSAGES[kind]
  if speaker not in (None, side):
    raise Violation(f'{name} by the wrong side')
  fields = read(reader)
  if name not in ('HELLO', 'OFFER'):
    reader.end()
  return name, fields


def _weights():
  state = 0
  for _ in range(256):
    state = (state + 0x9e3779b97f4a7c15) % 2**64
    z = (state ^ state >> 30) * 0xbf58476d1ce4e5b9 % 2**64
    z = (z ^ z >> 27) * 0x94d049bb133111eb % 2**64
    yield (z ^ z >> 31) >> 32


def weak_sum(block):
  """The first half of a block's signature."""
  weights = list(_weights())
  low = high = 0
  for byte in block:
    low = (low + weights[byte]) % 2**32
    high = (high + low) % 2**32
  return (low << 32 | high) * 0x9e3779b97f4a7c15 % 2**64 >> 32


class File:
  """An entry, and what became of it."""

  def __init__(self, entry, path):
    self.entry = entry
    self.path = path
    self.verdict = None
    self.offset = None  # In the byte space, where it has a place there.
    self.size = entry.size
    # (offset, size, 'hole', 'have', 'early' or where in the base)
    self.skipped = []
    self.early = b''
    self.base_size = None
    self.signatures = []  # Of the base's blocks: (weak, strong)
    self.digest = None
    self.done = False
    self.failed = None


class Session:
  """Follows the messages of both sides in the order in which they came."""

  def __init__(self):
    self.files = []
    self.said = ([], [])  # [(name, fields)] of the sender, the receiver.
    self._open = []  # The folders that are open.
    self._decided = 0
    self._space = 0  # How long the byte space is.
    self.receipt = None  # Its text so far, where one is wanted.
    self._in_order = False
    self._early_index = None

  def take(self, side, data):
    name, fields = read_message(data, side)
    said = self.said[side]
    if (name == 'HELLO') != (not said):
      raise Violation(f'{name} is the message {len(said)} of its side')
    said.append((name, fields))
    handler = getattr(self, '_' + name.lower(), None)
    if handler:
      handler(**fields)

  def _offer(self, receipt):
    if receipt is not None:
      self.receipt = b'p2pcp receipt 1\nid %s\n' % receipt.hex().encode()

  def _entries(self, first, entries):
    if first != len(self.files):
      raise Violation(f'entries from {first}, not {len(self.files)}')
    for entry in entries:
      if entry.left > len(self._open):
        raise Violation('more folders are left than are open')
      del self._open[len(self._open) - entry.left:]
      path = b'/'.join(self._open + [entry.name])
      self.files.append(File(entry, path))
      if entry.flags & FOLDER:
        self._open.append(entry.name)

  def _accept(self, in_order):
    self._in_order = in_order

  def _early(self, index, data):
    file = self.files[index]
    if self._early_index not in (None, index):
      raise Violation('a second file comes early')
    if file.entry.flags & (FOLDER | STREAM | HOLED) or file.size <= MAX_EARLY:
      raise Violation('a file comes early that may not')
    self._early_index = index
    file.early += data
    if len(file.early) > MAX_EARLY:
      raise Violation('too much comes early')

  def skipped(self, file):
    """What has no place in the byte space: (offset, size, why) in order."""
    skipped = list(file.skipped)
    have = any(why == 'have' for _, _, why in skipped)
    if (file.early and file.verdict == WANTED and not have and
        file.base_size is None and not self._in_order):
      skipped.append((0, len(file.early), 'early'))
    return sorted(skipped, key=lambda one: one[0])

  def _decisions(self, first, decisions):
    if first != self._decided:
      raise Violation(f'decisions from {first}, not {self._decided}')
    for count, verdict in decisions:
      for file in self.files[self._decided:self._decided + count]:
        file.verdict = verdict
        folder = file.entry.flags & FOLDER
        if verdict == WANTED and not folder:
          self._place(file)
        if self.receipt is not None:
          if verdict == HAS:
            raise Violation('a file that is not in the receipt')
          if verdict == WANTED and folder:
            self.receipt += b'folder %s\n' % file.path
      self._decided += count
      if self._decided > len(self.files):
        raise Violation('a decision on what was not offered')

  def _place(self, file):
    file.offset = self._space
    self._space += file.size or 0

  def _want(self, index):
    if self.files[index].verdict != SAME:
      raise Violation('WANT of a file that is none')
    self._place(self.files[index])

  def _holes(self, index, holes):
    if not self.files[index].entry.flags & HOLED:
      raise Violation('holes of a file that has none')
    self._skip(index, holes, 'hole')

  def _have(self, index, have):
    self._skip(index, have, 'have')

  def _signatures(self, index, base_size, copies, first, signatures):
    del copies
    file = self.files[index]
    if file.base_size is None:
      file.base_size = base_size
    elif base_size not in (0, file.base_size):
      raise Violation('signatures of two versions')
    if first != len(file.signatures):
      raise Violation('signatures out of order')
    file.signatures += signatures

  def _copies(self, index, wanted, copies):
    del wanted
    for offset, size, start in copies:
      if start + size > self.files[index].base_size:
        raise Violation('a copy from beyond the older version')
      self._skip(index, [(offset, size)], start)

  def _skip(self, index, runs, why):
    file = self.files[index]
    for offset, size in runs:
      if offset + size > file.size:
        raise Violation('a run beyond the end of its file')
      file.skipped.append((offset, size, why))

  def _digests(self, digests):
    for index, digest in digests:
      self.files[index].digest = digest

  def _received(self, files):
    if self.receipt is None:
      raise Violation('RECEIVED without a receipt')
    for index, digest in files:
      file = self.files[index]
      file.done = True
      self.receipt += b'file %d %s %s\n' % (
          file.size, digest.hex().encode(), file.path)

  def _receipt(self, text):
    if self.receipt is None:
      raise Violation('RECEIPT without a receipt')
    self.receipt += text

  def _files_done(self, indexes):
    if self.receipt is not None:
      raise Violation('files that are not in the receipt')
    for first, count in indexes:
      for file in self.files[first:first + count]:
        file.done = True

  def _file_failed(self, index, reason):
    self.files[index].failed = reason

  def _stream_end(self, index, size):
    self.files[index].size = size

  def _end(self, entries, total, **_):
    sizes = [f.size for f in self.files if f.size is not None]
    if entries != len(self.files) or total != sum(sizes):
      raise Violation('END says something else than ENTRIES')

  def rebuild(self, file, space, there=b'', base=b''):
    """Its content.

    Args:
      file: one of files.
      space: the byte space.
      there: what an earlier transfer had left at the receiver's.
      base: the older version.
    """
    content = bytearray(file.size)
    at = 0
    for offset, size, why in self.skipped(file) + [(file.size, 0, '')]:
      if offset > at:
        content[at:offset] = space.read(file.offset + at, offset - at)
      if why == 'have':
        content[offset:offset + size] = there[offset:offset + size]
      elif why == 'early':
        content[:size] = file.early
      elif isinstance(why, int):
        content[offset:offset + size] = base[why:why + size]
      at = max(at, offset + size)
    return bytes(content)
