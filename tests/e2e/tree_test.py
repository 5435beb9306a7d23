"""Folders through the real program: what of them arrives, and what is left out."""

import os
import shutil
import stat
import unittest

from tests.e2e import pair
from tests.e2e import served
from tests.lab import network

_MIB = 1 << 20
_KEPT_BACK = 8


def snapshot(folder):
  """What stands in a folder: path -> kind, content, x bit, time in ns."""
  there = {}
  for parent, folders, files in os.walk(folder):
    for name in folders + files:
      path = os.path.join(parent, name)
      info = os.lstat(path)
      entry = [stat.S_IFMT(info.st_mode), info.st_mtime_ns]
      if stat.S_ISREG(info.st_mode):
        with open(path, 'rb') as file:
          entry += [info.st_mode & stat.S_IXUSR, file.read()]
      there[os.path.relpath(path, folder)] = entry
  return there


class Trees(served.Served):
  """Alice has a folder `tree`; Bob has none."""

  def make(self, **files):
    """Files below `tree`, by path; None makes a folder."""
    for path, content in files.items():
      path = self.alice.path(os.path.join('tree', path))
      os.makedirs(os.path.dirname(path), exist_ok=True)
      if content is None:
        os.makedirs(path)
      else:
        with open(path, 'w') as file:
          file.write(content)

  def send(self, *extra, paths=('tree',), codes=(0, 0), recv=()):
    """Sends them; what both said."""
    both = (self.people.send(*paths, extra=extra),
            self.people.recv(extra=recv))
    self.people.expect(*both, codes=codes)
    return both

  def names(self):
    """All paths below Bob's folder `tree`."""
    return sorted(snapshot(self.bob.path('tree')))

  def test_arrives_with_all_that_is_kept_of_it(self):
    self.make(**{'a/b/c/deep': 'x', 'empty folder': None, 'empty': '',
                 'größe': 'é', 'n\u0308fd': 'decomposed', 'tool': '#!/bin/sh\n',
                 '.hidden/.file': 'y', ' blank': 'z', 'a\\b:c*?': 'odd'})
    tree = self.alice.path('tree')
    with open(os.path.join(os.fsencode(tree), b'latin1-\xe9'), 'wb') as file:
      file.write(b'bytes')
    os.chmod(os.path.join(tree, 'tool'), 0o755)
    for i in range(300):
      self.make(**{f'many/{i}': str(i) * (i % 50)})
    pair.write_file(os.path.join(tree, 'large'), 5 * _MIB + 1)
    with open(os.path.join(tree, 'image'), 'wb') as file:
      file.seek(30 * _MIB)
      file.write(b'data')
      file.truncate(64 * _MIB)
    # Times to the nanosecond, one before 1970; folders last, from below.
    for i, (parent, folders, files) in enumerate(os.walk(tree, topdown=False)):
      for k, name in enumerate(files):
        os.utime(os.path.join(parent, name),
                 ns=(0, 1_500_000_000_123_456_789 + i * 10**9 + k))
      os.utime(parent, ns=(0, -987_654_321 - i * 10**9))
    send, recv = self.send()
    self.assertEqual(snapshot(self.bob.path('tree')), snapshot(tree),
                     f'{send.log()}\n{recv.log()}')
    self.assertEqual(os.stat(self.bob.path('tree')).st_mtime_ns,
                     os.stat(tree).st_mtime_ns)
    stored = os.stat(self.bob.path('tree/image')).st_blocks * 512
    self.assertLess(stored, 2 * _MIB, 'the holes were filled')
    # Once more: all is there, and nothing is sent.
    send, recv = self.send()
    self.assertEqual(snapshot(self.bob.path('tree')), snapshot(tree))
    self.assertEqual(self.people.finals(), ['tree'])

  def test_a_dry_run_shows_what_would_be_sent_and_meets_nobody(self):
    self.make(**{'a/b': 'x' * 2048, 'c': '', 'd.o': 'no'})
    os.symlink('c', self.alice.path('tree/link'))
    dry = pair.Command(self.alice, ['send', 'tree', '-n', '--exclude', '*.o'])
    self.assertEqual(dry.wait(), pair.VERIFIED, dry.log())
    lines = [line.strip() for line in dry.text.split('\n')]
    self.assertIn('2 files, 2.0 KiB would be sent', lines)
    self.assertIn('2.0 KiB  tree/a/b', lines)
    self.assertIn('tree/a/', lines)
    self.assertRegex(dry.text, 'tree/link is a symbolic link and is not sent')
    self.assertNotRegex(dry.text, r'd\.o|broker')

  def test_patterns_leave_out_what_fits_them(self):
    self.make(**{'a.o': '', 'src/b.o': '', 'src/b.c': '', 'build/x': '',
                 'src/build/y': '', 'keep.o': '', 'tmp/z': ''})
    with open(self.alice.path('patterns'), 'w') as file:
      file.write('# comment\n*.o\n!keep.o\n')
    self.send('--exclude', '/build', '--exclude-from', 'patterns', '--exclude',
              'tmp/')
    self.assertEqual(
        self.names(), ['keep.o', 'src', 'src/b.c', 'src/build', 'src/build/y'])

  def test_gitignore_is_followed_where_it_is_asked_for(self):
    self.make(**{'.git/config': '', '.gitignore': '*.log\n/out\n', 'a.log': '',
                 'out/x': '', 'b/.gitignore': '!a.log\n', 'b/a.log': '',
                 'b/c.log': '', 'b/out/y': ''})
    self.send('--gitignore')
    self.assertEqual(self.names(), ['.gitignore', 'b', 'b/.gitignore',
                                    'b/a.log', 'b/out', 'b/out/y'])
    shutil.rmtree(self.bob.path('tree'))
    self.send()
    self.assertEqual(self.names(), sorted(snapshot(self.alice.path('tree'))))

  def test_links_are_left_out_or_followed(self):
    self.make(**{'file': 'text', 'folder/inner': 'more'})
    os.mkdir(self.alice.path('elsewhere'))
    pair.write_file(self.alice.path('elsewhere/far'), 100)
    for name, target in (('to file', 'file'), ('to folder', '../elsewhere'),
                         ('folder/up', '..')):
      os.symlink(target, self.alice.path(f'tree/{name}'))
    send, _ = self.send()
    self.assertEqual(self.names(), ['file', 'folder', 'folder/inner'])
    self.assertEqual(send.text.count('is a symbolic link and is not sent'), 3)
    send, _ = self.send('--follow')
    self.assertEqual(self.names(), ['file', 'folder', 'folder/inner', 'to file',
                                    'to folder', 'to folder/far'])
    self.assertFalse(os.path.islink(self.bob.path('tree/to file')))
    self.assertRegex(send.text, 'tree/folder/up leads back')
    # A link that leads nowhere is a file that can't be read.
    os.symlink('nowhere', self.alice.path('tree/dangling'))
    self.send('--follow', codes=(pair.SOURCE_UNREADABLE,) * 2)

  def test_what_cant_be_sent_does_not_hold_up_the_rest(self):
    self.make(**{'good': 'x', 'closed/inner': 'y', 'secret': 'z'})
    os.mkfifo(self.alice.path('tree/fifo'))
    send, _ = self.send(codes=(_KEPT_BACK,) * 2)
    self.assertRegex(send.text, 'tree/fifo is not a regular file')
    self.assertNotIn('fifo', self.names())
    self.assertIn('good', self.names())
    shutil.rmtree(self.bob.path('tree'))
    os.chmod(self.alice.path('tree/closed'), 0)
    os.chmod(self.alice.path('tree/secret'), 0)
    try:
      send, _ = self.send(codes=(pair.SOURCE_UNREADABLE,) * 2)
    finally:
      os.chmod(self.alice.path('tree/closed'), 0o700)
    self.assertEqual(self.names(), ['good'])
    self.assertRegex(send.text, 'tree/closed.*ermission denied')
    self.assertRegex(send.text,
                     '(?m)^cannot read tree/secret: Permission denied')

  def test_a_folder_merges_and_its_name_has_to_be_plain(self):
    self.make(**{'a': 'new', 'b/c': 'new'})
    os.makedirs(self.bob.path('tree/b'))
    for name in ('a', 'b/mine'):
      with open(self.bob.path(f'tree/{name}'), 'w') as file:
        file.write('before')
    self.send()
    self.assertEqual(self.names(), ['a', 'a (1)', 'b', 'b/c', 'b/mine'])
    for said in self.send(codes=(_KEPT_BACK,) * 2, recv=['--conflict', 'skip']):
      self.assertRegex(said.text, '(?m)^tree/a (exists|was kept back)')
    os.rename(self.alice.path('tree'), self.alice.path('.tree'))
    _, recv = self.send(paths=['.tree'], codes=(_KEPT_BACK,) * 2)
    self.assertRegex(recv.text, r'\.tree begins with a dot: --allow-dotfiles')
    self.assertFalse(os.path.exists(self.bob.path('.tree')))
    self.send(paths=['.tree'], recv=['--allow-dotfiles'])
    self.assertTrue(os.path.exists(self.bob.path('.tree/b/c')))


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
