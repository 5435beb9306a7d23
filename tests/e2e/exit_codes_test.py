"""Every exit code but success, provoked with the real program: its name in
--json, the cause in words, and what to do about it.

Who ends how, in time and with nothing under a final name, is ends_test's; here
the table is complete, and tells people and programs the same. All cases run at
once, each with two people of its own.
"""

import concurrent.futures
import json
import os
import re
import signal
import socket
import unittest

from tests.docs import manual_test
from tests.e2e import event_schema
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_EVENTS = 'cmd/EVENTS.md'
_SLOW = ['--bwlimit', '200k']
_GO_ON = 'to go on from there, run on both sides .*\n +p2pcp (send|recv) '


class Case:
  """Two people, and what is done to them."""

  def __init__(self, lab, number):
    self.lab = lab
    self.people = pair.Pair(lab, f'-{number}')
    self.alice, self.bob = self.people.alice, self.people.bob
    self.file = pair.write_file(self.alice.path('file'), 400_000)

  def send(self, *paths, extra=(), **options):
    return self.people.send(*(paths or ['file']), extra=['--json', *extra],
                            **options)

  def recv(self, extra=(), **options):
    return self.people.recv(extra=['--json', *extra], **options)

  def slowly(self):
    """Both, once bytes flow."""
    send, recv = self.send(extra=_SLOW), self.recv(['--patience', '0'])
    recv.when('first bytes of the file')
    send.when('first bytes of the file')
    return send, recv


def _faulty(fault):
  library = os.path.realpath(
      network.find_program('faults.so', 'tests/e2e/faults.so'))
  # AddressSanitizer would have its own library first.
  return ['env', 'ASAN_OPTIONS=verify_asan_link_order=0', f'FAULT={fault}',
          f'LD_PRELOAD={library}']


# One function a code. Each gives back the commands that have to end with it.


def other(case):
  taken = case.lab[case.lab.plan.alice].socket(kind=socket.SOCK_DGRAM)
  taken.bind(('0.0.0.0', 0))
  command = case.send(extra=['--port', str(taken.getsockname()[1])])
  command.wait()
  taken.close()
  return [command]


def usage(case):
  return [case.send(to='bop')]


def peer_never_appeared(case):
  return [case.send(extra=['--timeout', '1'])]


def rendezvous_unreachable(case):
  case.people.broker = f'mqtt://{topology.SERVER4[0]}:9'
  return [case.send()]


def no_path(case):
  return [case.send(), case.recv()]


def authentication_failed(case):
  for person, digit in ((case.alice, 'a'), (case.bob, 'b')):
    book = os.path.join(person.environment['P2PCP_HOME'], 'peers')
    with open(book, encoding='utf-8') as file:
      fields = file.read().split(' ')
    fields[3] = digit * 64  # The secret of a pairing.
    with open(book, 'w', encoding='utf-8') as file:
      file.write(' '.join(fields))
  return [case.send(), case.recv()]


def declined(case):
  # Nobody sits at a terminal to be asked.
  return [case.send(), case.recv(['--ask'])]


def kept_back(case):
  with open(case.bob.path('file'), 'wb'):
    pass
  commands = [case.send(), case.recv(['--conflict', 'skip'])]
  for command in commands:
    command.wait()
  os.remove(case.bob.path('file'))
  return commands


def integrity(case):
  return [case.send(), case.recv(prefix=_faulty('damage'))]


def connection_lost(case):
  send, recv = case.slowly()
  send.kill()
  # Who comes in its place finds that nobody waits for long.
  case.send(extra=['--timeout', '20'])
  return [recv]


def source_unreadable(case):
  os.chmod(case.file, 0)
  return [case.send()]


def cannot_write(case):
  os.mkdir(case.bob.path('closed'), 0o555)
  command = case.recv(out='closed')
  command.wait()
  os.rmdir(case.bob.path('closed'))
  return [command]


def version_mismatch(case):
  return [case.send(), case.recv(prefix=_faulty('version'))]


def interrupted(case):
  send, _ = case.slowly()
  send.interrupt(signal.SIGINT)
  return [send]


def terminated(case):
  _, recv = case.slowly()
  recv.interrupt(signal.SIGTERM)
  return [recv]


# Of each: the cause, and the remedy, as people read them.
_CASES = {
    1: (other, 'Address already in use', 'name another --port, or none'),
    2: (usage, "no 'bop'", "did you mean 'bob'"),
    3: (peer_never_appeared, 'did not appear within 1 s',
        'on both sides:\n +p2pcp pair bob'),
    4: (rendezvous_unreachable, 'no broker could be reached\n.*refused',
        'Check the network, or name another broker with --broker'),
    5: (no_path, 'UDP', 'p2pcp doctor|another network|--turn'),
    6: (authentication_failed, 'the handshake with it failed',
        'on both sides:\n +p2pcp pair (alice|bob)'),
    7: (declined, 'declined|no terminal', 'Agree with the other side'),
    8: (kept_back,
        '(?m)^file (was kept back|exists: --conflict overwrite)', 'The lines above say which'),
    9: (integrity, 'arrived damaged', 'Run both commands again'),
    10: (connection_lost, 'connection was lost|nothing has come', _GO_ON),
    11: (source_unreadable, 'file.*Permission denied',
         'Let this user be able to read it'),
    12: (cannot_write, 'closed.*Permission denied',
         'Get the right to write there'),
    13: (version_mismatch, 'no version in common',
         'Install the newer of the two on both sides'),
    130: (interrupted, 'what has arrived is kept', _GO_ON),
    143: (terminated, 'what has arrived is kept', _GO_ON),
}


class ExitCodes(unittest.TestCase):

  def names(self):
    """{exit code: its name}, as cmd/EVENTS.md has them in the order of --help."""
    with open(_EVENTS, encoding='utf-8') as file:
      text = file.read()
    listed = re.search(r'\n`error` is (.*?): the exit codes', text, re.S)[1]
    codes = [int(code) for code in manual_test.Help().exit_codes if code != '0']
    return dict(zip(codes, re.findall(r'`(\w+)`', listed), strict=True))

  def check(self, code, name, words, command):
    log = command.log()
    self.assertEqual(command.wait(45), code, log)
    events = [json.loads(line) for _, line in command.stdout]
    for event in events:
      event_schema.check(event)
    self.assertEqual(events[0]['event'], 'start', log)
    last = events[-1]
    self.assertEqual(
        (last['event'], last['error'], last['exit_code']), ('error', name,
                                                            code), log)
    self.assertEqual(last['retryable'], code in (3, 4, 9, 10, 130, 143), log)
    for word in words:
      self.assertRegex(command.text, word, log)
    # Programs are told the same.
    if last.get('remedy'):
      self.assertIn(last['remedy'], command.text, log)
    if code < 128:
      self.assertIn(last['message'].splitlines()[0], command.text, log)

  def test_each_is_told_to_people_and_programs(self):
    names = self.names()
    self.assertEqual(set(names), set(_CASES), 'a code that is not provoked')
    homes = topology.Lab('homes', link_a='', link_b='')
    self.addCleanup(homes.close)
    blocked = topology.Lab('BLOCK-PRC')
    self.addCleanup(blocked.close)

    def run(code):
      case = Case(blocked if code == 5 else homes, code)
      commands = _CASES[code][0](case)
      for command in commands:
        command.wait(45)
      return case, commands

    with concurrent.futures.ThreadPoolExecutor(len(_CASES)) as pool:
      running = {code: pool.submit(run, code) for code in _CASES}
    for code, (function, *words) in _CASES.items():
      with self.subTest(code=code, name=names[code]):
        case, commands = running[code].result()
        self.assertEqual(function.__name__, names[code])
        for command in commands:
          self.check(code, names[code], words, command)
        case.people.expect_nothing(*commands)

  def test_the_command_line_itself_is_told_on_stderr_only(self):
    lab = pair.Alone()
    self.addCleanup(lab.close)
    person = topology.Person(lab, 'alice', 'host')
    command = pair.Command(person, ['send', 'x', '--json', '--two', 'bob'])
    self.assertEqual(command.wait(), pair.USAGE, command.log())
    self.assertEqual(command.stdout, [])
    self.assertRegex(command.text, "no option '--two'; did you mean '--to'")


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
