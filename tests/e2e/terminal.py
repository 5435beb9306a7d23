"""A terminal, as far as p2pcp uses one, and a program that runs on it.

The model knows what p2pcp may write and nothing else: a character or a control
sequence that it does not know is an error, so that nothing of a file's name can
reach a terminal as a command.
"""

import codecs
import fcntl
import os
import re
import select
import signal
import struct
import termios
import time
import unicodedata

# Makes stdin the controlling terminal, so that signals come from it.
ON_TERMINAL = [
    'python3', '-c',
    'import fcntl, os, sys, termios\n'
    'fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n'
    'os.execvp(sys.argv[1], sys.argv[1:])'
]

_SEQUENCE = re.compile(r'\x1b\[(\d*(?:;\d+)*)([A-Za-z])')
_UNFINISHED = re.compile(r'\x1b(\[[\d;]*)?$')


def width(char):
  """Columns of a character, by the Unicode database of Python."""
  if unicodedata.category(char) in ('Mn', 'Me'):
    return 0
  return 2 if unicodedata.east_asian_width(char) in 'WF' else 1


class Terminal:
  """Rows of cells, as many as are needed; the cursor."""

  def __init__(self, columns, reflows=True):
    self.columns = columns
    self.reflows = reflows  # Breaks its rows anew when it is resized.
    self.rows = [[]]  # Of cells; the second half of a wide one is ''.
    self.wrapped = [False]  # The row goes on in the next.
    self.x = self.y = 0
    self.full = False  # The last column is written; the cursor waits there.
    self.coloured = False
    self._decoder = codecs.getincrementaldecoder('utf-8')()
    self._rest = ''

  def feed(self, data):
    text = self._rest + self._decoder.decode(data)
    self._rest = ''
    while text:
      if text[0] == '\x1b':
        match = _SEQUENCE.match(text)
        if match:
          self._command(match[2], match[1])
          text = text[match.end():]
          continue
        if _UNFINISHED.match(text):
          self._rest = text
          return
      self._put(text[0])
      text = text[1:]

  @property
  def between(self):
    """Nothing is half written."""
    return not self._rest

  def _put(self, char):
    if char == '\r':
      self.x, self.full = 0, False
    elif char == '\n':
      self.y, self.full = self.y + 1, False
      if self.y == len(self.rows):
        self._add_row()
    elif unicodedata.category(char) in ('Cc', 'Cf'):
      raise AssertionError(f'a terminal obeys {char!r}')
    elif width(char) == 0:
      if self.x > 0:
        row = self.rows[self.y]
        at = self.x - (0 if self.full else 1)
        row[at - 1 if row[at] == '' else at] += char
    else:
      self._put_wide(char, width(char))

  def _put_wide(self, char, columns):
    if self.full or self.x + columns > self.columns:
      self.wrapped[self.y] = True
      self.x, self.full = 0, False
      self.y += 1
      if self.y == len(self.rows):
        self._add_row()
    row = self.rows[self.y]
    row += [' '] * (self.x - len(row))
    row[self.x:self.x + columns] = [char] + [''] * (columns - 1)
    self.x += columns
    if self.x >= self.columns:
      self.x, self.full = self.columns - 1, True

  def _add_row(self):
    self.rows.append([])
    self.wrapped.append(False)

  def _command(self, letter, arguments):
    if letter == 'K' and not arguments:
      del self.rows[self.y][self.x:]
      self.wrapped[self.y] = False
    elif letter == 'J' and not arguments:
      self._command('K', '')
      del self.rows[self.y + 1:]
      del self.wrapped[self.y + 1:]
    elif letter == 'A':
      self.y = max(0, self.y - int(arguments or 1))
      self.full = False
    elif letter == 'm':
      self.coloured = True
    else:
      raise AssertionError(f'a terminal obeys ESC [ {arguments}{letter}')

  def resize(self, columns):
    """Another width: rows are broken anew, or cut off."""
    if not self.reflows:
      self.columns = columns
      for row in self.rows:
        del row[columns:]
      self.x, self.full = min(self.x, columns - 1), False
      return
    lines, line, cursor = [], [], None
    for y, row in enumerate(self.rows):
      if y == self.y:
        # Beyond the last character the cursor stands in the same place.
        cursor = len(lines), len(line) + min(self.x, len(row))
      line += row
      if not self.wrapped[y]:
        lines.append(line)
        line = []
    self.columns = columns
    self.rows, self.wrapped, self.full = [], [], False
    for number, line in enumerate(lines):
      at = 0
      while True:
        end = min(at + columns, len(line))
        # A wide character is not broken.
        if end < len(line) and line[end] == '':
          end -= 1
        if cursor[0] == number and at <= cursor[1] and (
            cursor[1] < end or end == len(line)):
          self.y = len(self.rows)
          self.x = min(cursor[1] - at, columns - 1)
        self.rows.append(line[at:end])
        self.wrapped.append(end < len(line))
        at = end
        if at >= len(line):
          break

  def text(self):
    return [''.join(row).rstrip() for row in self.rows]


class Screen:
  """A terminal and the program on it."""

  def __init__(self, person, argv, columns=80, environment=None, reflows=True):
    self.terminal = Terminal(columns, reflows)
    self.raw = b''
    self._master, slave = os.openpty()
    self._tell_size(columns)
    self.process = person.start(
        ON_TERMINAL + argv,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={'TERM': 'xterm-256color', **(environment or {})})
    os.close(slave)

  def _tell_size(self, columns):
    fcntl.ioctl(self._master, termios.TIOCSWINSZ,
                struct.pack('HHHH', 24, columns, 0, 0))

  def read(self, seconds):
    """Takes what comes within that time; whether anything did."""
    if not select.select([self._master], [], [], seconds)[0]:
      return False
    try:
      data = os.read(self._master, 65536)
    except OSError:  # The program has ended.
      data = b''
    self.raw += data
    self.terminal.feed(data)
    return bool(data)

  def until(self, pattern, timeout=20, check=lambda: None):
    """Reads until a row matches; `check` is called after each piece."""
    deadline = time.monotonic() + timeout
    while not any(re.search(pattern, row) for row in self.terminal.text()):
      if not self.read(0.1) and self.process.poll() is not None:
        raise AssertionError(f'ended without {pattern!r}:\n{self}')
      if time.monotonic() > deadline:
        raise AssertionError(f'no row matches {pattern!r}:\n{self}')
      check()

  def type(self, text):
    os.write(self._master, text.encode())

  def resize(self, columns):
    """Another width, at a moment at which the program writes nothing."""
    self.process.send_signal(signal.SIGSTOP)
    while self.read(0.05):
      pass
    self.terminal.resize(columns)
    self._tell_size(columns)
    self.process.send_signal(signal.SIGCONT)

  def wait(self, timeout=30, check=lambda: None):
    """Its exit code; all that it has written has been read then."""
    deadline = time.monotonic() + timeout
    while self.process.poll() is None:
      self.read(0.1)
      check()
      if time.monotonic() > deadline:
        raise AssertionError(f'still runs after {timeout} s:\n{self}')
    while self.read(0):
      check()
    os.close(self._master)
    return self.process.returncode

  def __str__(self):
    return '\n'.join(self.terminal.text())
