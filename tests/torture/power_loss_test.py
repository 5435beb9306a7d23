"""The model of a power failure loses what was not synced, and nothing else."""

import os
import random
import tempfile
import unittest

from tests.torture import power_loss

_PAGE = 4096


class PowerLossTest(unittest.TestCase):

  def setUp(self):
    self.folder = tempfile.TemporaryDirectory()
    self.addCleanup(self.folder.cleanup)
    self.log = os.path.join(self.folder.name, 'log')
    self.files = os.path.join(self.folder.name, 'files')
    os.mkdir(self.files)
    self.path = os.path.join(self.files, 'file')
    with open(self.path, 'wb') as file:
      file.write(b'x' * 4 * _PAGE)
    self.inode = os.stat(self.path).st_ino

  def _fail(self, *lines, seed=1):
    with open(self.log, 'a', encoding='ascii') as file:
      file.write(''.join(line.format(i=self.inode) + '\n' for line in lines))
    ledger = power_loss.Ledger(self.log)
    ledger.fail([self.files], random.Random(seed))
    with open(self.path, 'rb') as file:
      return file.read().ljust(4 * _PAGE, b'\0')

  def test_what_was_synced_is_kept(self):
    for seed in range(20):
      content = self._fail(f'w {{i}} 0 {2 * _PAGE}', 'b 1 {i}', 's 1', seed=seed)
      self.assertEqual(content, b'x' * 4 * _PAGE)

  def test_a_sync_that_has_not_ended_promises_nothing(self):
    lost = [self._fail(f'w {{i}} 0 {4 * _PAGE}', 'b 1 {i}', seed=seed)
            for seed in range(20)]
    self.assertTrue(any(b'\0' in content for content in lost))

  def test_of_a_page_only_what_came_after_the_sync_is_lost(self):
    lost = False
    for seed in range(20):
      content = self._fail('w {i} 0 100', 'b 1 {i}', 'w {i} 100 50', 's 1',
                           seed=seed)
      self.assertEqual(content[:100], b'x' * 100)
      lost = lost or content[100:150] == bytes(50)
    self.assertTrue(lost)


if __name__ == '__main__':
  unittest.main()
