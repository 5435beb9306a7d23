"""What a person at a terminal sees: one clean line, whatever its width and
whatever files are called."""

import os
import re
import signal
import time
import unittest

from tests.e2e import pair
from tests.e2e import terminal
from tests.lab import network
from tests.lab import topology

# Of 255 bytes each: ideographs, emoji, letters with marks, no UTF-8 at all.
_NAMES = [
    ('\u65e5' * 85).encode(),
    ('\U0001f600' * 63 + 'jpg').encode(),
    ('e\u0301' * 85).encode(),
    b'\xff' * 255,
]
# Clears the screen, sets the window's title, rings the bell.
_HOSTILE = b'\x1b[2J\x1b]0;title\x07\r\n'
_LINE = 'rate=6mbit delay=10ms'
_FILE = 600_000
_WIDTHS = [20, 300, 21, 137, 40, 20, 80]

_LIVE = re.compile(r'\d %(  |$)|[\u2588\u2591]|, punching again')


class TerminalTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes', link_a='', link_b='')
    cls.addClassCleanup(cls.lab.close)
    cls.people = pair.Pair(cls.lab)

  def command(self, *argv):
    return (pair.PLAIN_USER + [pair.program(), *argv] +
            self.people.options[1:])  # Without -v.

  def check(self, screen):
    """There is one live line, in the last row, and nothing left of others."""
    model = screen.terminal
    rows = model.text()
    self.assertEqual(model.y, len(rows) - 1, screen)
    for row in rows[:-1]:
      self.assertNotRegex(row, _LIVE, screen)
    self.assertLess(sum(map(terminal.width, rows[-1])), model.columns, screen)

  def test_one_clean_line_at_any_width(self):
    folder = os.fsencode(self.people.alice.path('d'))
    os.mkdir(folder)
    for name in _NAMES + [_HOSTILE]:
      pair.write_file(os.path.join(folder, name), _FILE)
    self.lab.links['A'].set('both', _LINE)
    self.addCleanup(self.lab.links['A'].set, 'both', 'clear')
    recv = terminal.Screen(self.people.bob,
                           self.command('recv', '--from', 'alice'),
                           environment={'COLUMNS': '500'})
    recv.until('waiting for alice to appear  ')
    send = terminal.Screen(self.people.alice,
                           self.command('send', 'd', '--to', 'bob'), columns=60,
                           environment={'NO_COLOR': '1'})
    check = lambda: (self.check(recv), self.check(send), send.read(0))
    recv.until(r'\d %', check=check)
    for columns in _WIDTHS:
      recv.resize(columns)
      # It is drawn anew at once, and again a quarter of a second later.
      for _ in range(2):
        self.assertTrue(recv.read(1), recv)
        check()
      self.assertRegex(recv.terminal.text()[-1], r'\d %', recv)

    # How it stands, whoever asks; the line is below it again.
    recv.process.send_signal(signal.SIGUSR1)
    recv.until('receiving from alice for .*: .* %')
    recv.until('  now: ')
    recv.until(r'/s now, .* of late')
    recv.until('direct udp4 .*, rtt ')

    # While the path is dead it says so, and then it goes on.
    self.lab.links['A'].set('both', 'loss=100%')
    recv.until('stalled for [23] s, punching again', check=lambda: send.read(0))
    self.lab.links['A'].set('both', 'clear')
    codes = recv.wait(), send.wait()
    self.assertEqual(codes, (pair.KEPT_BACK, pair.KEPT_BACK), f'{recv}\n{send}')

    self.assertEqual(sorted(os.listdir(os.fsencode(self.people.bob.path('d')))),
                     sorted(_NAMES))
    for screen in (recv, send):
      self.assertIn('\u65e5' * 20, str(screen))
      self.assertIn('\\xff' * 4, str(screen))
      # What moved is gone; what stays are lines that were to stay.
      for row in screen.terminal.text():
        self.assertNotRegex(row, _LIVE, screen)
    self.assertIn('\\x1b[2J', str(send).replace('\n', ''))
    self.assertTrue(recv.terminal.coloured)
    self.assertFalse(send.terminal.coloured, 'NO_COLOR was set')

  def test_who_listens_sees_all_transfers_in_one_line(self):
    pair.write_file(self.people.alice.path('heard'), 2_000_000)
    recv = terminal.Screen(
        self.people.bob, self.command('recv', '--from', 'alice', '--listen'))
    recv.until('waiting for alice  +.* s')
    send = pair.Command(self.people.alice, [
        'send', 'heard', '--to', 'bob', '--bwlimit', '1M', *self.people.options])
    recv.until(r'^alice  .* [1-9]\d? %.*/s', check=lambda: self.check(recv))
    recv.resize(30)
    recv.until(r'^alice .*%', check=lambda: self.check(recv))
    recv.until('waiting for alice  +.* s')
    self.assertEqual(send.wait(), 0, send.log())
    recv.process.send_signal(signal.SIGINT)
    self.assertEqual(recv.wait(), pair.INTERRUPTED, recv)
    self.assertRegex(str(recv).replace('\n', ''), 'alice: .*heard.* verified')
    for row in recv.terminal.text():
      self.assertNotRegex(row, _LIVE, recv)
      self.assertNotIn('waiting for', row)
    os.remove(self.people.bob.path('heard'))

  def test_a_terminal_that_cuts_its_rows_loses_nothing_else(self):
    screen = terminal.Screen(
        self.people.bob,
        self.command('recv', '--from', 'alice', '--timeout', '3'),
        environment={'XTERM_VERSION': 'XTerm(379)'}, reflows=False)
    screen.until('waiting for alice to appear  ')
    screen.resize(20)
    self.assertEqual(screen.wait(), pair.PEER_NEVER_APPEARED, screen)
    self.assertIn('p2pcp: alice did not', str(screen).replace('\n', ' '))
    self.assertNotIn('waiting', screen.terminal.text()[0])

  def test_nothing_is_drawn_where_an_answer_is_typed(self):
    pair.write_file(self.people.alice.path('asked'), 1000)
    recv = terminal.Screen(self.people.bob,
                           self.command('recv', '--from', 'alice', '--ask'))
    recv.until('waiting for alice to appear  ')
    send = pair.Command(self.people.alice, [
        'send', 'asked', '--to', 'bob', *self.people.options])
    recv.until('Take them')
    recv.type('ye')
    # Two quarters of a second, at which lines are drawn.
    enough = time.monotonic() + 0.6
    while time.monotonic() < enough:
      recv.read(0.1)
    self.assertEqual(recv.terminal.text()[-2:], ['Take them? [y/N]', 'ye'])
    recv.type('s\n')
    self.assertEqual((recv.wait(), send.wait()), (0, 0), f'{recv}{send.log()}')
    self.assertIn('yes', recv.terminal.text())
    os.remove(self.people.bob.path('asked'))

  def test_where_there_is_no_such_terminal(self):
    recv = ['recv', '--from', 'alice', '--timeout', '1']
    dumb = terminal.Screen(self.people.bob, self.command(*recv),
                           environment={'TERM': 'dumb'})
    piped = pair.Command(self.people.bob, [*recv, *self.people.options],
                         env={'TERM': 'xterm'})
    wide = pair.Command(self.people.bob,
                        [*recv, '--progress', 'always', *self.people.options],
                        env={'TERM': 'xterm', 'COLUMNS': '24'})
    for command in (dumb, piped, wide):
      self.assertEqual(command.wait(), pair.PEER_NEVER_APPEARED, command)
    self.assertNotIn(b'\x1b', dumb.raw)
    self.assertNotIn('\x1b', piped.text)
    live = re.findall('waiting for[^\r\n\x1b]*', wide.text)
    self.assertTrue(live, wide.log())
    self.assertEqual({len(line) for line in live}, {23}, live)
    self.assertNotIn('\x1b[3', wide.text, 'a pipe has no colours')

  def test_a_wait_tells_how_it_stands_even_with_q(self):
    alice, bob = self.people.alice, self.people.bob
    listen = pair.Command(bob, ['recv', '--listen', '--from', 'alice',
                                *self.people.options[1:]])
    listen.when('listening')
    listen.interrupt(signal.SIGUSR1)
    listen.when('^0 transfers under way')
    listen.interrupt()
    self.assertEqual(listen.wait(), pair.INTERRUPTED, listen.log())
    send = pair.Command(alice, ['send', '.', '--to', 'bob', '-q',
                                *self.people.options[1:]])
    for _ in range(40):
      # Until the program has begun they would end it.
      time.sleep(0.25)
      # The process that talks to brokers, too, as pkill does.
      os.killpg(send.process.pid, signal.SIGUSR1)
      if send.stderr:
        break
    send.when('^waiting for bob to appear for .* s$', timeout=1)
    for command in (send,
                    pair.Command(alice, ['pair', 'carol', '--show', '-q',
                                         *self.people.options[1:]])):
      if command is not send:
        command.when(r'\d{4}-[a-z]')
        command.interrupt(signal.SIGUSR1)
        command.when('^pairing with carol for .*; waiting for ')
      command.interrupt()
      self.assertEqual(command.wait(), pair.INTERRUPTED, command.log())


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
