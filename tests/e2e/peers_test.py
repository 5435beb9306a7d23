"""What the contact book lays down for a peer, and books that don't match."""

import os
import re
import shutil
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import servers

_SIZE = 100_000


class Peers(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = pair.Alone()
    cls.addClassCleanup(cls.lab.close)
    servers.start_mosquitto(cls.lab, cls.lab['host'])
    cls.lab.broker = f'mqtt://127.0.0.1:{servers.MQTT_PORT}'
    cls.lab.stun = ['127.0.0.1:9']

  def setUp(self):
    self.people = pair.Pair(self.lab, '-' + self._testMethodName[5:])
    self.source = pair.write_file(self.people.alice.path('file'), _SIZE)

  def rules(self, *words, expect=pair.VERIFIED):
    self.people.run(self.people.bob, 'peers', 'set', 'alice', *words,
                    expect=expect)

  def book(self, person):
    return os.path.join(person.environment['P2PCP_HOME'], 'peers')

  def receive(self, codes=(pair.VERIFIED, pair.VERIFIED), extra=()):
    bob = self.people.bob
    recv = pair.Command(bob, ['recv', '--from', 'alice', *extra] +
                        self.people.options)
    send = self.people.send('file')
    self.people.expect(send, recv, codes)
    return send, recv

  def test_the_rules_of_a_peer_are_kept(self):
    bob = self.people.bob
    os.mkdir(bob.path('in box'))
    os.mkdir(bob.path('other'))
    self.rules('out=nowhere', expect=pair.USAGE)
    self.rules('max-size=much', expect=pair.USAGE)
    self.rules('colour=red', expect=pair.USAGE)

    self.rules('out=in box', 'max-size=1M')
    self.receive()
    self.assertEqual(os.listdir(bob.path('in box')), ['file'])
    self.receive(extra=['--out', 'other'])
    self.assertEqual(os.listdir(bob.path('other')), ['file'])

    self.rules('max-size=90k')
    _, recv = self.receive((pair.DECLINED, pair.DECLINED))
    self.assertIn('more than the 90.0 KiB', recv.text)

    # Nobody can be asked here, so that is a no.
    self.rules('max-size=', 'ask=yes', 'out=')
    _, recv = self.receive((pair.DECLINED, pair.DECLINED))
    self.assertIn('alice offers 1 file', recv.text)
    listed = self.people.run(bob, 'peers')
    self.assertIn('ask=yes', listed)
    self.assertNotIn('max-size', listed)
    self.rules('ask=no')
    self.receive()
    self.assertIn('file', self.people.finals())

  def test_the_list_and_the_id_show_the_same_fingerprint(self):
    command = pair.Command(self.people.bob, ['id'])
    self.assertEqual(command.wait(), pair.VERIFIED)
    fingerprint = re.search(r'([a-z2-7]{4}-){7}[a-z2-7]{4}', command.text)
    listed = self.people.run(self.people.alice, 'peers', 'list')
    self.assertRegex(
        listed, rf'^bob +{fingerprint.group(0)} +added \d{{4}}-\d\d-\d\d +'
        r'last seen never +\(by hand\)$')
    self.receive()
    self.assertRegex(self.people.run(self.people.alice, 'peers'),
                     r'last seen \d{4}-')
    listed = self.people.run(self.people.alice, 'peers', '-v')
    self.assertIn(self.people.key(self.people.bob), listed)

  def key_of(self, person):
    """The key that the person's book has for the other one."""
    with open(self.book(person), encoding='ascii') as file:
      return file.read().split()[2]

  def test_a_new_key_is_taken_over_at_the_next_transfer(self):
    alice, bob = self.people.alice, self.people.bob
    before = self.people.key(alice)
    after = self.people.run(alice, 'id', '--rotate').strip()
    self.assertNotEqual(before, after)
    self.assertEqual(self.people.key(alice), after)
    old = os.path.join(alice.environment['P2PCP_HOME'], 'identity.old')
    self.assertEqual(os.stat(old).st_mode & 0o777, 0o600)
    # Once more only when all know it.
    again = pair.Command(alice, ['id', '--rotate'])
    self.assertEqual(again.wait(), pair.USAGE)
    self.assertIn('bob', again.text)

    self.assertEqual(self.key_of(bob), before)
    _, recv = self.receive()
    self.assertEqual(self.key_of(bob), after)
    self.assertIn('alice has a new key', recv.text)
    # Alice can't know yet whether that has arrived.
    self.assertTrue(os.path.exists(old))
    _, recv = self.receive()
    self.assertNotIn('new key', recv.text)
    self.assertFalse(os.path.exists(old))
    self.assertNotIn('old key', self.people.run(alice, 'peers'))
    self.receive()
    self.assertEqual(self.key_of(bob), after)

  def test_both_have_a_new_key(self):
    alice, bob = self.people.alice, self.people.bob
    new_of_bob = self.people.run(bob, 'id', '--rotate').strip()
    new_of_alice = self.people.run(alice, 'id', '--rotate').strip()
    send, recv = self.receive()
    self.assertIn('bob has a new key', send.text)
    self.assertIn('alice has a new key', recv.text)
    self.assertEqual(self.key_of(alice), new_of_bob)
    self.assertEqual(self.key_of(bob), new_of_alice)
    self.receive()
    for person in (alice, bob):
      self.assertEqual(sorted(set(os.listdir(person.environment['P2PCP_HOME'])) -
                              {'partial'}),  # Journals of transfers.
                       ['identity', 'identity.lock', 'peers', 'peers.lock'])

  def test_an_old_key_that_is_given_up(self):
    alice = self.people.alice
    self.people.run(alice, 'id', '--rotate')
    self.people.run(alice, 'id', '--forget-old')
    send = self.people.send('file', extra=['--timeout', '2'])
    recv = self.people.recv(extra=['--timeout', '2'])
    self.people.expect(send, recv, (pair.PEER_NEVER_APPEARED,) * 2)
    self.people.run(alice, 'id', '--rotate')

  def test_an_old_key_lives_for_ninety_days(self):
    alice = self.people.alice
    self.people.run(alice, 'id', '--rotate')
    old = os.path.join(alice.environment['P2PCP_HOME'], 'identity.old')
    for days in (89, 91):
      then = time.time() - days * 86400
      os.utime(old, (then, then))
      send = self.people.send('file', extra=['--timeout', '1'])
      self.assertEqual(send.wait(), pair.PEER_NEVER_APPEARED, send.log())
      listed = self.people.run(alice, 'peers')
      self.assertEqual((os.path.exists(old), 'old key' in listed),
                       (days < 90,) * 2)

  def test_verify_of_a_peer_whose_key_was_carried_by_hand(self):
    send = self.people.send('file', extra=['--verify'])
    recv = self.people.recv(extra=['--verify'])
    self.people.expect(send, recv)
    pattern = r'([a-z2-7]{4}(?:-[a-z2-7]{4}){7})'
    mine = re.findall(pattern, send.text)
    self.assertEqual(len(set(mine)), 2, send.log())
    self.assertEqual(re.findall(pattern, recv.text), mine[::-1])

  def test_a_rotation_that_was_killed_half_way(self):
    alice = self.people.alice
    home = alice.environment['P2PCP_HOME']
    before = self.people.key(alice)
    # The copy is written first; then all is as it was, and it can go on.
    shutil.copy(os.path.join(home, 'identity'),
                os.path.join(home, 'identity.old'))
    self.receive()
    self.assertEqual(self.people.key(alice), before)
    after = self.people.run(alice, 'id', '--rotate').strip()
    self.receive()
    self.assertEqual(self.key_of(self.people.bob), after)

  def test_a_secret_that_only_one_side_has(self):
    with open(self.book(self.people.bob), encoding='ascii') as file:
      words = file.read().split()
    self.assertEqual(words[3], '-')
    words[3] = '5a' * 32
    with open(self.book(self.people.bob), 'w', encoding='ascii') as file:
      file.write(' '.join(words) + '\n')
    send, recv = self.receive((pair.AUTHENTICATION_FAILED,) * 2)
    self.assertIn('This side has none', send.text)
    self.assertIn('p2pcp pair bob', send.text)
    self.assertIn('This side has a secret', recv.text)
    self.assertIn('p2pcp pair alice', recv.text)

  def test_one_side_has_removed_the_other(self):
    self.people.run(self.people.bob, 'peers', 'remove', 'alice')
    send = self.people.send('file', extra=['--timeout', '2'])
    recv = self.people.recv()
    self.assertEqual(recv.wait(), pair.USAGE)
    self.assertIn('p2pcp pair alice', recv.text)
    self.assertEqual(send.wait(), pair.PEER_NEVER_APPEARED)
    self.assertIn('removed the other', send.text)
    self.assertIn('p2pcp pair bob', send.text)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
