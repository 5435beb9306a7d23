"""What a power failure does to files: what was not synced may be gone.

losing_disk.so notes what a program writes and syncs. Afterwards what was
written to a page and not synced since is lost or kept by chance: it may have
been written out before the power failed.
"""

import os

_PAGE = 4096


class Ledger:
  """What of which file was not synced yet."""

  def __init__(self, log):
    self._log = log
    self._at = 0
    # inode -> {page: [(number of the write, begin, end), ...]}
    self._dirty = {}
    self._begun = {}  # serial -> (inode, number of the last write before it)
    self._number = 0

  def read(self):
    """Takes what has been logged since the last time."""
    if not os.path.exists(self._log):
      return
    with open(self._log, 'rb') as file:
      file.seek(self._at)
      text = file.read()
    whole = text.rfind(b'\n') + 1
    self._at += whole
    for line in text[:whole].decode().splitlines():
      self._take(line.split())

  def _take(self, words):
    self._number += 1
    if words[0] == 'w':
      inode, offset, size = map(int, words[1:])
      pages = self._dirty.setdefault(inode, {})
      while size > 0:
        page = offset // _PAGE
        part = min(size, (page + 1) * _PAGE - offset)
        pages.setdefault(page, []).append((self._number, offset, offset + part))
        offset += part
        size -= part
    elif words[0] == 'b':
      self._begun[words[1]] = (int(words[2]), self._number)
    elif words[0] == 's':
      inode, number = self._begun.pop(words[1])
      pages = {}
      for page, writes in self._dirty.get(inode, {}).items():
        later = [write for write in writes if write[0] > number]
        if later:
          pages[page] = later
      self._dirty[inode] = pages
    elif words[0] == 't':
      # The model keeps the new size, and what is behind it is nothing.
      inode, size = map(int, words[1:])
      pages = self._dirty.get(inode, {})
      for page in [page for page in pages if page * _PAGE >= size]:
        del pages[page]

  def fail(self, folders, choose):
    """The power fails. Returns the bytes that were lost.

    Args:
      folders: where the files are that the program has written.
      choose: a random.Random.
    """
    self.read()
    lost = 0
    for folder in folders:
      for parent, _, names in os.walk(folder):
        for name in sorted(names):
          lost += self._fail_file(os.path.join(parent, name), choose)
    # The rest is on the disk by now, or was never more than a name.
    self._dirty.clear()
    self._begun.clear()
    return lost

  def _fail_file(self, path, choose):
    info = os.stat(path, follow_symlinks=False)
    pages = self._dirty.get(info.st_ino, {})
    if not pages:
      return 0
    # How much the system had written out by itself: anything.
    chance = choose.random()
    lost = 0
    size = info.st_size
    with open(path, 'r+b') as file:
      for page in sorted(pages):
        if choose.random() < chance:
          continue
        for _, begin, end in pages[page]:
          end = min(end, info.st_size)
          if begin >= end:
            continue
          # What was allocated and not written reads as zeros.
          file.seek(begin)
          file.write(bytes(end - begin))
          lost += end - begin
      # The size may be older than the data, too.
      if choose.random() < 0.5:
        ends = sorted((write for writes in pages.values() for write in writes),
                      key=lambda write: -write[2])
        for _, begin, end in ends:
          if end < size or choose.random() < 0.2:
            break
          size = min(size, begin)
        file.truncate(size)
    return lost
