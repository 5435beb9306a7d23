"""The units for systemd: what systemd itself says of them."""

import os
import re
import subprocess
import tempfile
import unittest

_UNITS = {
    'p2pcp-serve.service': [],
    'p2pcp-listen.service': ['--user'],
}
# Of 10; the lower the less a unit can do. systemd calls 2.0 to 4.9 "OK".
_WORST_SCORE = 3.0


class Units(unittest.TestCase):

  def setUp(self):
    folder = tempfile.TemporaryDirectory()
    self.addCleanup(folder.cleanup)
    self.folder = folder.name
    program = os.path.realpath('cmd/p2pcp')
    self.assertTrue(os.access(program, os.X_OK))
    for name in _UNITS:
      with open(os.path.join('cmd/package', name), encoding='ascii') as file:
        text = file.read()
      # Where the package puts the program, there need not be one now.
      self.assertIn('ExecStart=/usr/bin/p2pcp ', text)
      with open(self.path(name), 'w', encoding='ascii') as file:
        file.write(text.replace('/usr/bin/p2pcp', program))

  def path(self, name):
    return os.path.join(self.folder, name)

  def analyze(self, *argv):
    return subprocess.run(['systemd-analyze', '--no-pager', *argv],
                          text=True,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT,
                          env={
                              **os.environ, 'XDG_RUNTIME_DIR': self.folder,
                              'LC_ALL': 'C.UTF-8'
                          },
                          check=False)

  def test_systemd_has_no_complaints(self):
    for name, options in _UNITS.items():
      result = self.analyze('verify', '--man=no', *options, self.path(name))
      self.assertEqual((result.returncode, result.stdout), (0, ''), name)

  def test_they_can_do_little(self):
    for name in _UNITS:
      result = self.analyze('security', '--offline=true', self.path(name))
      score = re.search(r'exposure level for .*: (\d+\.\d+)', result.stdout)
      self.assertIsNotNone(score, result.stdout)
      self.assertLessEqual(float(score.group(1)), _WORST_SCORE, result.stdout)


if __name__ == '__main__':
  unittest.main(verbosity=2)
