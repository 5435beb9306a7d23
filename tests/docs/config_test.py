"""Every option has a twin in the environment and a line in the configuration
file, and `p2pcp config` tells which of them holds."""

import os
import re
import subprocess
import tempfile
import unittest

from tests.docs import manual_test

PROGRAM = os.path.abspath('cmd/p2pcp')

# Not options of a run.
_NONE = {'--help', '--config'}

# Of options that do not take any small number, or text.
_VALUES = {
    'bwlimit': '1M',
    'cc': 'cubic',
    'conflict': 'skip',
    'max-transfers': '7',
    'progress': 'never'
}


class ConfigTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.options = {}
    for options in manual_test.Help().options.values():
      cls.options.update(options)
    cls.names = sorted(name[2:] for name in set(cls.options) - _NONE)

  def setUp(self):
    folder = tempfile.TemporaryDirectory(prefix='p2pcp-config-')
    self.addCleanup(folder.cleanup)
    self.home = folder.name
    self.file = os.path.join(self.home, 'config')

  def value(self, name, number):
    """Of a switch or of an option with an argument."""
    if name in _VALUES:
      return _VALUES[name]
    return str(1 + number) if self.options['--' + name][1] else 'true'

  def run_program(self, *arguments, environment=None):
    return subprocess.run([PROGRAM, *arguments],
                          env={
                              'P2PCP_HOME': self.home,
                              **(environment or {})
                          },
                          capture_output=True,
                          encoding='utf-8')

  def in_force(self, environment=None):
    done = self.run_program('config', environment=environment)
    self.assertEqual((done.returncode, done.stderr), (0, ''))
    found = re.findall(r'^([\w-]+) = (.*?)  # (.*)$', done.stdout, re.M)
    rest = re.search(r'^# as by default: (.*)$', done.stdout, re.M)[1]
    return ({name: (value, source) for name, value, source in found},
            {name for name in rest.split(', ') if name})

  def test_all_are_as_by_default(self):
    self.assertEqual(self.in_force(), ({}, set(self.names)))

  def test_each_has_a_twin_in_the_environment(self):
    twins = {name: 'P2PCP_' + name.upper().replace('-', '_')
             for name in self.names}
    said, rest = self.in_force({
        twins[name]: self.value(name, i) for i, name in enumerate(self.names)
    })
    self.assertEqual(said, {
        name: (self.value(name, i), twins[name])
        for i, name in enumerate(self.names)
    })
    self.assertEqual(rest, set())

  def test_each_may_stand_in_the_file(self):
    with open(self.file, 'w', encoding='utf-8') as file:
      for i, name in enumerate(self.names):
        file.write(f'{name} = {self.value(name, i)}\n')
    said, rest = self.in_force()
    self.assertEqual(said, {
        name: (self.value(name, i), self.file)
        for i, name in enumerate(self.names)
    })
    self.assertEqual(rest, set())

  def test_the_environment_beats_the_file(self):
    with open(self.file, 'w', encoding='utf-8') as file:
      file.write('timeout = 60\nbroker = mqtt://a\nbroker = mqtt://b\n')
    said, _ = self.in_force({'P2PCP_TIMEOUT': '5'})
    self.assertEqual(said['timeout'], ('5', 'P2PCP_TIMEOUT'))
    self.assertEqual(said['broker'], ('mqtt://b', self.file))

  def test_what_it_prints_is_a_configuration_file(self):
    with open(self.file, 'w', encoding='utf-8') as file:
      file.write('timeout = 60\nask = true\n')
    printed = self.run_program('config').stdout
    with open(self.file, 'w', encoding='utf-8') as file:
      file.write(printed)
    self.assertEqual(self.run_program('config').stdout, printed)

  def test_what_it_cannot_read_is_said(self):
    with open(self.file, 'w', encoding='utf-8') as file:
      file.write('colour = red\n')
    done = self.run_program('config')
    self.assertEqual(done.returncode, 2)
    self.assertIn('colour', done.stderr)
    self.assertIn(self.file, done.stderr)

  def test_a_value_that_no_command_takes_is_told_after_all_that_hold(self):
    for name, value, why in (('conflict', 'skp', "did you mean 'skip'"),
                             ('port', '70000', '0 to 65535'),
                             ('stun-port', 'many', 'stun-port'),
                             ('timeout', '-1', 'seconds'),
                             ('bwlimit', '1', 'at least 1500')):
      with open(self.file, 'w', encoding='utf-8') as file:
        file.write(f'{name} = {value}\nlisten = true\n')
      done = self.run_program('config')
      self.assertEqual(done.returncode, 2, done)
      self.assertRegex(done.stderr, f'{self.file}: .*{why}')
      for line in (f'{name} = {value}', 'listen = true'):
        self.assertIn(f'{line}  # {self.file}', done.stdout)
    # Said in a variable, it hides that of the file.
    done = self.run_program('config', environment={'P2PCP_BWLIMIT': '2k'})
    self.assertEqual((done.returncode, done.stderr), (0, ''))
    done = self.run_program('config', environment={'P2PCP_BWLIMIT': '2k',
                                                   'P2PCP_CC': 'reno'})
    self.assertIn('P2PCP_CC: --cc: ', done.stderr)

  def test_what_excludes_each_other_is_for_the_commands_to_say(self):
    twins = {'P2PCP_IPV4': 'true', 'P2PCP_IPV6': 'true', 'P2PCP_TURN': 'a:1'}
    said, _ = self.in_force(twins)
    self.assertLessEqual({'ipv4', 'ipv6', 'turn'}, set(said))

  def test_alone_it_says_what_to_type_in_five_lines(self):
    done = self.run_program()
    self.assertEqual((done.returncode, done.stdout), (2, ''))
    self.assertEqual(len(done.stderr.splitlines()), 5)
    self.assertIn('p2pcp send', done.stderr)
    self.assertIn('p2pcp recv', done.stderr)


if __name__ == '__main__':
  unittest.main(verbosity=2)
