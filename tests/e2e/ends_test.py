"""Every way in which p2pcp ends without success: the code, the words, in time,
and nothing under the final name. (A peer that does not come back: lost_test.)"""

import os
import signal
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_SIZE = 200_000
# An authenticated packet must come within 45 s; then the connection is lost.
_CONSENT = 45
# Within so many seconds it is said that UDP is blocked.
_BLOCKED = 15


class Ends(pair.EndsTest):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes', link_a='', link_b='')
    cls.addClassCleanup(cls.lab.close)

  def setUp(self):
    self.lab.links['A'].set('both', 'clear')
    self.people = pair.Pair(self.lab, '-' + self._testMethodName[5:35])
    self.source = pair.write_file(self.people.alice.path('file'), _SIZE)
    self.addCleanup(self.people.expect_nothing)

  # 2

  def test_an_unknown_peer_is_named_with_what_to_type(self):
    self.check(self.people.send('file', to='bop'), pair.USAGE, "'bop'",
               "did you mean 'bob'")
    self.check(self.people.send('file', to='somebody'), pair.USAGE,
               'p2pcp peers add somebody')
    self.check(self.people.recv(sender='alcie'), pair.USAGE,
               "did you mean 'alice'")

  def test_a_bad_option_is_named_with_the_nearest(self):
    self.check(self.people.send('file', extra=['--brokr', 'x']), pair.USAGE,
               '--brokr', "did you mean '--broker'")
    self.check(self.people.send('file', extra=['--broker', 'http://x']),
               pair.USAGE, 'broker')
    self.check(pair.Command(self.people.alice, ['sned', 'file']), pair.USAGE,
               "did you mean 'send'")
    self.check(pair.Command(self.people.alice, ['send', 'file']), pair.USAGE,
               '--to')

  # 3

  def test_a_peer_that_never_comes(self):
    for start in (lambda: self.people.send('file', extra=['--timeout', '2']),
                  lambda: self.people.recv(extra=['--timeout', '2'])):
      command = start()
      self.check(command, pair.PEER_NEVER_APPEARED, 'did not appear',
                 'fingerprint', within=15)
      self.assertGreaterEqual(command.took, 2)

  def test_a_peer_with_another_key(self):
    # Bob's book has the key of somebody else under alice's name.
    other = topology.Person(self.lab, 'stranger', 'hostA')
    self.people.run(self.people.bob, 'peers', 'remove', 'alice')
    self.people.run(self.people.bob, 'peers', 'add', 'alice',
                    self.people.key(other))
    send = self.people.send('file', extra=['--timeout', '5'])
    recv = self.people.recv(extra=['--timeout', '5'])
    for command in (send, recv):
      self.check(command, pair.PEER_NEVER_APPEARED, 'p2pcp (send|recv)',
                 'fingerprint', within=15)

  # 4

  def test_no_broker_and_a_dead_resolver(self):
    self.people.broker = f'mqtt://{topology.SERVER4[0]}:9'
    refused = self.people.send('file')
    self.people.broker = f'mqtt://{topology.SILENT4}'
    silent = self.people.send('file')
    self.people.broker = 'mqtt://broker.invalid'
    unresolved = self.people.recv()
    self.check(refused, pair.RENDEZVOUS_UNREACHABLE, 'no broker', 'refused')
    self.check(silent, pair.RENDEZVOUS_UNREACHABLE, 'no broker',
               topology.SILENT4)
    self.check(unresolved, pair.RENDEZVOUS_UNREACHABLE, 'no broker',
               r'broker\.invalid')

  # 6

  def test_a_handshake_that_fails(self):
    for person, digit in ((self.people.alice, 'a'), (self.people.bob, 'b')):
      book = os.path.join(person.environment['P2PCP_HOME'], 'peers')
      with open(book, encoding='utf-8') as file:
        fields = file.read().split(' ')
      self.assertEqual(fields[3], '-')
      fields[3] = digit * 64  # The secret of a pairing, another on each side.
      with open(book, 'w', encoding='utf-8') as file:
        file.write(' '.join(fields))
    send, recv = self.people.send('file'), self.people.recv()
    for command in (send, recv):
      self.check(command, pair.AUTHENTICATION_FAILED, 'handshake', 'pair again')

  # 7

  def test_a_receiver_who_says_no(self):
    send = self.people.send('file')
    # Nobody sits at a terminal to be asked: that is a no.
    recv = self.people.recv(extra=['--ask'])
    self.check(send, pair.DECLINED, 'declined')
    self.check(recv, pair.DECLINED)

  # 11

  def test_a_file_that_can_not_be_read(self):
    os.chmod(self.source, 0)
    self.check(self.people.send('file'), pair.SOURCE_UNREADABLE, 'file',
               'ermission')
    self.check(self.people.send('absent'), pair.SOURCE_UNREADABLE, 'absent')

  def test_a_file_that_changes_while_it_is_sent(self):
    pair.write_file(self.source, 10_000_000)
    self.lab.links['A'].set('both', 'rate=20mbit')
    send, recv = self.people.send('file'), self.people.recv()
    recv.when('transferring')
    os.truncate(self.source, 1000)
    self.check(send, pair.SOURCE_UNREADABLE, 'file')
    self.assertNotEqual(recv.wait(), pair.VERIFIED, recv.log())

  # 12

  def test_a_folder_that_can_not_be_written(self):
    os.mkdir(self.people.bob.path('closed'), 0o555)
    self.addCleanup(os.rmdir, self.people.bob.path('closed'))
    self.check(self.people.recv(out='closed'), pair.CANNOT_WRITE, 'closed',
               'ermission')
    self.assertEqual(os.listdir(self.people.bob.path('closed')), [])

  def fill_disk(self, size, room, fill=':'):
    """A receiver whose folder is a file system of `room`, filled by `fill`."""
    pair.write_file(self.source, size)
    small = self.people.bob.path('small')
    os.mkdir(small)
    self.addCleanup(os.rmdir, small)
    # The mount lasts as long as the shell, in a mount namespace of its own.
    script = (f'mount -t tmpfs -o size={room} none small && {fill}; '
              'setpriv --bounding-set=-all --no-new-privs "$@"; code=$?; '
              'ls -A small >&2; exit $code')
    send = self.people.send('file')
    argv = ['recv', '--from', 'alice', '--out', 'small'] + self.people.options
    recv = pair.Command(self.people.bob, argv, prefix=pair.shell(script))
    self.check(recv, pair.CANNOT_WRITE, 'room|space|full')
    self.assertNotIn('file', recv.text.splitlines(), recv.log())
    self.check(send, pair.CANNOT_WRITE, 'receiver')

  def test_a_disk_that_is_full(self):
    self.fill_disk(4_000_000, '1m')

  def test_a_disk_that_fills_up_meanwhile(self):
    self.lab.links['A'].set('both', 'rate=20mbit')
    self.fill_disk(
        6_000_000, '8m',
        '(sleep 1; head -c 8000000 /dev/zero > small/other) & sleep 0.1')

  # 130, 143

  def test_ctrl_c_while_waiting(self):
    for how, code in ((signal.SIGINT, pair.INTERRUPTED),
                      (signal.SIGTERM, pair.TERMINATED)):
      send = self.people.send('file')
      send.when('subscribed')
      send.interrupt(how)
      self.check(send, code, within=5)

  def test_ctrl_c_while_transferring(self):
    pair.write_file(self.source, 30_000_000)
    self.lab.links['A'].set('both', 'rate=20mbit')
    for who in ('send', 'recv'):
      send, recv = self.people.send('file'), self.people.recv()
      recv.when('transferring')
      time.sleep(0.5)
      interrupted, other = (send, recv) if who == 'send' else (recv, send)
      interrupted.interrupt()
      self.check(interrupted, pair.INTERRUPTED, within=5)
      self.assertNotEqual(other.wait(_CONSENT + 10), pair.VERIFIED,
                          other.log())
      self.people.expect_nothing(send, recv)


class NoPath(unittest.TestCase):

  # 5

  def test_what_the_network_does_not_allow_is_said_in_time(self):
    running = []
    # What the words must name: UDP is blocked, or both NATs are to blame.
    reasons = {'BLOCK-PRC': 'UDP', 'REJECT-PRC': 'UDP', 'SYM-SYM': 'symmetric'}
    for name in reasons:
      lab = topology.Lab(name)
      self.addCleanup(lab.close)
      people = pair.Pair(lab)
      pair.write_file(people.alice.path('file'), _SIZE)
      running.append((name, people, people.send('file'), people.recv()))
    for name, people, send, recv in running:
      with self.subTest(name):
        people.expect(send, recv, (pair.NO_PATH, pair.NO_PATH), timeout=25)
        for command in (send, recv):
          self.assertLess(command.took, _BLOCKED, command.log())
          self.assertIn(reasons[name], command.text, command.log())
        people.expect_nothing(send, recv)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
