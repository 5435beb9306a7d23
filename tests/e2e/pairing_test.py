"""Two people who never met: a code once, then names, across two real NATs."""

import filecmp
import os
import re
import stat
import subprocess
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_SIZE = 300_000
_CODE = r'\b\d{4}-[a-z]+-[a-z]+-[a-z]+\b'

# A prefix: runs the rest on a terminal of its own, whose keyboard is stdin and
# whose screen is stdout.
_TERMINAL = [
    'setpriv', '--bounding-set=-all', '--no-new-privs', 'python3', '-c',
    'import os, pty, sys\n'
    'sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))'
]


def on_terminal(person, *argv):
  return pair.Command(person,
                      list(argv),
                      prefix=_TERMINAL,
                      stdin=subprocess.PIPE)


def screen(command):
  return '\n'.join(line for _, line in command.stdout)


def type_line(command, line):
  command.process.stdin.write(line + '\n')
  command.process.stdin.flush()


class Pairing(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes', link_a='', link_b='')
    cls.addClassCleanup(cls.lab.close)

  def setUp(self):
    suffix = '-' + self._testMethodName[5:35]
    self.alice = topology.Person(self.lab, 'alice' + suffix,
                                 self.lab.plan.alice)
    self.bob = topology.Person(self.lab, 'bob' + suffix, self.lab.plan.bob)
    self.code_file = self.alice.path('code')
    self.options = ['-v', '--broker', self.lab.broker]
    for server in self.lab.stun:
      self.options += ['--stun', server]

  def start(self, person, *argv):
    return pair.Command(person, [*argv, *self.options])

  def check(self, command, code=pair.VERIFIED):
    self.assertEqual(command.wait(), code, command.log())

  def wait_for_screen(self, command, pattern):
    for _ in range(int(pair.PATIENCE / 0.05)):
      match = re.search(pattern, screen(command))
      if match:
        return match.group(0)
      if command.process.poll() is not None:
        break
      try:
        command.process.wait(0.05)
      except subprocess.TimeoutExpired:
        pass
    raise AssertionError(f'no {pattern!r} on the screen:\n{command.log()}')

  def book(self, person):
    """The only contact: name and pairing secret; and the file's mode."""
    path = os.path.join(person.environment['P2PCP_HOME'], 'peers')
    self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
    with open(path, encoding='ascii') as file:
      lines = [line.split() for line in file if not line.startswith('#')]
    self.assertEqual(len(lines), 1, lines)
    return lines[0][0], lines[0][3]

  def check_books(self):
    name_of_bob, psk = self.book(self.alice)
    name_of_alice, same = self.book(self.bob)
    self.assertEqual((name_of_bob, name_of_alice), ('bob', 'alice'))
    self.assertRegex(psk, '^[0-9a-f]{64}$')
    self.assertEqual(psk, same)

  def read_code(self, shows):
    """The file is there before its line is."""
    for _ in range(int(pair.PATIENCE / 0.05)):
      if os.path.exists(self.code_file):
        with open(self.code_file, encoding='ascii') as file:
          line = file.read()
        if line.endswith('\n'):
          return line.strip()
      self.assertIsNone(shows.process.poll(), shows.log())
      time.sleep(0.05)
    raise AssertionError(f'no code in the file:\n{shows.log()}')

  def pair_by_file(self):
    shows = self.start(self.alice, 'pair', 'bob', '--show', '--code-file',
                       self.code_file)
    types = self.start(self.bob, 'pair', 'alice', '--code-file', self.code_file)
    self.check(shows)
    self.check(types)

  def transfer(self, *code):
    source = pair.write_file(self.alice.path('photo.jpg'), _SIZE)
    there = self.bob.path('photo.jpg')
    send = self.start(self.alice, 'send', source, '--to', 'bob', *code)
    recv = self.start(self.bob, 'recv', '--from', 'alice', *code)
    self.check(send)
    self.check(recv)
    self.assertTrue(filecmp.cmp(source, there, shallow=False))
    os.remove(there)
    return send, recv

  def test_the_first_file_needs_a_code_and_the_second_none(self):
    first = self.transfer('--code-file', self.code_file)
    for command in first:
      self.assertIn('paired with', command.text, command.log())
    self.check_books()
    # The code is worth nothing any more, so it is not left lying about.
    self.assertFalse(os.path.exists(self.code_file))
    for command in self.transfer():
      self.assertNotIn('paired with', command.text, command.log())

  def test_scripts_pair_by_a_file(self):
    self.pair_by_file()
    self.check_books()

  def test_people_pair_on_their_terminals(self):
    alice = on_terminal(self.alice, 'pair', 'bob', *self.options)
    bob = on_terminal(self.bob, 'pair', 'alice', *self.options)
    self.wait_for_screen(bob, 'type the code')
    code = self.wait_for_screen(alice, _CODE)
    # As people type: first something else, then a slip, then the code.
    type_line(bob, 'hello')
    self.wait_for_screen(bob, 'type it again')
    digits, *words = code.split('-')
    other = 'zebra' if words[0] != 'zebra' else 'acid'
    type_line(bob, '-'.join([digits, other, *words[1:]]))
    self.wait_for_screen(bob, 'not the code .* at most 2 tries left')
    self.wait_for_screen(alice, 'wrong code')
    type_line(bob, f'  {digits} {" ".join(words).upper()}')
    self.check(bob)
    # Who hears that it is done need not wait for ten seconds whether it is.
    self.assertEqual(alice.wait(5), pair.VERIFIED, alice.log())
    self.check_books()

  def test_verify_shows_the_same_digits_on_both_sides(self):
    alice = on_terminal(self.alice, 'pair', 'bob', '--verify', *self.options)
    bob = on_terminal(self.bob, 'pair', 'alice', '--verify', *self.options)
    self.wait_for_screen(bob, 'type the code')
    type_line(bob, self.wait_for_screen(alice, _CODE))
    seen = [
        self.wait_for_screen(command, r'(?m)^ +\d{3} \d{3}\s*$').strip()
        for command in (alice, bob)
    ]
    self.assertEqual(seen[0], seen[1])
    for command in (alice, bob):
      self.wait_for_screen(command, 'Are they the same')
    type_line(alice, 'y')
    type_line(bob, 'n')
    self.check(alice)
    self.check(bob, pair.AUTHENTICATION_FAILED)
    self.assertIn('p2pcp peers remove alice', screen(bob))
    # The same digits ever after, and without a terminal no question.
    for command in self.transfer('--verify'):
      self.assertIn(seen[0], command.text)

  def test_who_is_asked_for_a_code_that_nobody_shows_is_told_why(self):
    self.pair_by_file()
    removed = pair.Command(self.bob, ['peers', 'remove', 'alice'])
    self.check(removed)
    source = pair.write_file(self.alice.path('photo.jpg'), _SIZE)
    send = self.start(self.alice, 'send', source, '--to', 'bob')
    recv = on_terminal(self.bob, 'recv', '--from', 'alice', *self.options)
    self.wait_for_screen(recv, 'knows this device from before')
    recv.process.stdin.write('\x03')
    recv.process.stdin.flush()
    self.check(recv, pair.INTERRUPTED)
    send.interrupt()
    self.check(send, pair.INTERRUPTED)

  def test_send_shows_a_code_and_recv_asks_for_it(self):
    source = pair.write_file(self.alice.path('photo.jpg'), _SIZE)
    send = on_terminal(self.alice, 'send', source, '--to', 'bob', *self.options)
    recv = on_terminal(self.bob, 'recv', '--from', 'alice', *self.options)
    self.wait_for_screen(recv, 'Type the code')
    type_line(recv, self.wait_for_screen(send, _CODE))
    self.check(send)
    self.check(recv)
    self.assertTrue(
        filecmp.cmp(source, self.bob.path('photo.jpg'), shallow=False))
    self.check_books()

  def test_a_wrong_code_in_a_file(self):
    shows = self.start(self.alice, 'pair', 'bob', '--show', '--code-file',
                       self.code_file)
    for _ in range(3):
      digits, *words = self.read_code(shows).split('-')
      words[0] = 'zebra' if words[0] != 'zebra' else 'acid'
      wrong = self.bob.path('wrong')
      with open(wrong, 'w', encoding='ascii') as file:
        os.fchmod(file.fileno(), 0o600)
        file.write('-'.join([digits, *words]) + '\n')
      types = self.start(self.bob, 'pair', 'alice', '--code-file', wrong)
      self.check(types, pair.AUTHENTICATION_FAILED)
    self.check(shows, pair.AUTHENTICATION_FAILED)
    self.assertIn('three wrong codes', shows.text)
    for command in (shows, types):
      self.assertNotIn(words[1] + '-' + words[2], command.text)

  def test_a_known_name_with_another_key_is_refused_on_both_sides(self):
    self.pair_by_file()
    before = self.book(self.alice)
    other = topology.Person(self.lab, 'other', self.lab.plan.bob)
    shows = self.start(self.alice, 'pair', 'bob', '--show', '--code-file',
                       self.code_file)
    types = self.start(other, 'pair', 'alice', '--code-file', self.code_file)
    self.check(shows, pair.AUTHENTICATION_FAILED)
    self.check(types, pair.DECLINED)
    fingerprints = re.findall(r'(?:[a-z2-7]{4}-){7}[a-z2-7]{4}', shows.text)
    self.assertEqual(len(set(fingerprints)), 2, shows.log())
    self.assertIn('p2pcp peers remove bob', shows.text)
    self.assertEqual(self.book(self.alice), before)
    self.assertFalse(
        os.path.exists(os.path.join(other.environment['P2PCP_HOME'], 'peers')))

  def test_a_known_name_with_the_same_key_gets_a_new_secret(self):
    self.pair_by_file()
    before = self.book(self.alice)
    self.pair_by_file()
    self.check_books()
    self.assertNotEqual(self.book(self.alice), before)

  def test_nobody_types_the_code(self):
    shows = self.start(self.alice, 'pair', 'bob', '--timeout', '3')
    self.check(shows, pair.PEER_NEVER_APPEARED)
    self.assertRegex(shows.text, _CODE)

  def test_without_a_terminal_nothing_is_asked(self):
    recv = self.start(self.bob, 'recv', '--from', 'alice')
    self.check(recv, pair.USAGE)
    self.assertIn('p2pcp pair alice', recv.text)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
