"""recv --listen, recv --from any, and send to several."""

import filecmp
import os
import signal
import time
import unittest

from tests.e2e import crowd
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_MIB = 1 << 20
_NAMES = ['alice', 'carol', 'dave', 'erin', 'frank']


class Listen(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes')
    cls.addClassCleanup(cls.lab.close)

  def crowd(self, count):
    made = crowd.Crowd(self.lab, _NAMES[:count],
                       '-' + self._testMethodName[5:25])
    self.addCleanup(self.assertEqual, [], crowd.unfinished(made.bob.folder))
    return made

  def listen(self, people, *words, **options):
    listener = people.listen(*words, **options)
    # One that a failed test leaves is none of the others'.
    self.addCleanup(listener.kill)
    return listener

  def expect(self, command, code=pair.VERIFIED, timeout=pair.PATIENCE):
    self.assertEqual(command.wait(timeout), code, command.log())

  def stop(self, listener, how=signal.SIGINT, code=pair.INTERRUPTED):
    listener.interrupt(how)
    self.expect(listener, code, 10)

  def check(self, people, name, listener, path='file'):
    """What that sender sent stands there, and was said to."""
    source = people.senders[name].path(path)
    there = people.bob.path(os.path.basename(path))
    self.assertTrue(filecmp.cmp(source, there, shallow=False), listener.log())
    listener.when(f'{name}: .*{pair.xxh128sum(there)}  verified')

  def test_more_than_may_come_at_once_all_get_their_turn(self):
    people = self.crowd(5)
    listener = self.listen(people, '--from', 'any', '--listen', '--max-transfers',
                             '2')
    sends = []
    for name in people.senders:
      people.file(name, 2 * _MIB, name)
      # So slow that all of them want to be served at the same time.
      sends.append(people.send(name, name, extra=['--bwlimit', '3M']))
    most = 0
    before = set()
    while any(send.process.poll() is None for send in sends):
      processes = people.processes()
      workers = {p for p, v in processes.items() if v == 'transfer-worker'}
      # One look takes time: what ended in it may stand beside its successor.
      most = max(most, len(workers & before))
      before = workers
      # All of them share one connection to the broker.
      verbs = list(processes.values())
      self.assertLessEqual(verbs.count('mqtt-child'), 1, verbs)
      time.sleep(0.05)
    for send in sends:
      self.expect(send)
    self.assertEqual(most, 2)
    waited = [s for s in sends if 'waiting for our turn' in s.text]
    self.assertGreaterEqual(len(waited), 2)
    for name in people.senders:
      self.check(people, name, listener, name)
    # It stays, as small as it was before.
    self.assertIsNone(listener.process.poll())
    people.settle(['mqtt-child', 'recv'])
    self.stop(listener)
    people.settle([])

  def test_a_second_send_of_the_same_peer_waits_its_turn(self):
    people = self.crowd(1)
    listener = self.listen(people, '--from', 'alice', '--listen')
    people.file('alice', 3 * _MIB, 'first')
    people.file('alice', _MIB, 'second')
    first = people.send('alice', 'first', extra=['--bwlimit', '2M', '-v'])
    first.when('transferring')
    second = people.send('alice', 'second')
    second.when('busy with another transfer; waiting for our turn')
    self.assertIsNone(first.process.poll(), first.log())
    self.expect(first)
    self.expect(second)
    # Not with the next of the hellos that come every half a minute.
    self.assertLess(second.begin + second.took - first.begin - first.took, 3)
    for path in ('first', 'second'):
      self.check(people, 'alice', listener, path)
    self.stop(listener, signal.SIGTERM, pair.TERMINATED)

  def test_only_who_is_named_is_let_in_and_the_book_may_change(self):
    people = self.crowd(2)
    mallory = people.stranger('mallory')
    pair.write_file(mallory.path('file'), 1000)
    people.file('alice', 1000)
    people.file('carol', 1000)
    one = self.listen(people, '--from', 'alice', '--listen', out='/dev/shm')
    self.expect(people.send('carol', 'file', extra=['--timeout', '2']),
                pair.PEER_NEVER_APPEARED)
    self.stop(one)
    # Everybody in the book, whoever comes into it later, nobody who has left.
    listener = self.listen(people, '--from', 'any', '--listen')
    stranger = people.send('mallory', 'file', person=mallory)
    people.run(people.bob, 'peers', 'remove', 'carol')
    self.expect(people.send('carol', 'file', extra=['--timeout', '4']),
                pair.PEER_NEVER_APPEARED)
    self.assertIsNone(stranger.process.poll(), stranger.log())
    people.introduce('mallory', mallory)
    self.expect(stranger, timeout=40)
    self.expect(people.send('alice', 'file'))
    # Two files of one name: neither is lost.
    self.assertEqual(len(os.listdir(people.bob.folder)), 2)
    self.stop(listener)

  def test_keys_that_change_while_it_listens(self):
    people = self.crowd(1)
    alice, bob = people.senders['alice'], people.bob
    people.file('alice', 1000)
    listener = self.listen(people, '--from', 'any', '--listen')
    self.expect(people.send('alice', 'file'))
    for person in (bob, alice):
      people.run(person, 'id', '--rotate')
      # The first is met under the old key, the second under the new one, once
      # the listener has looked at its files again.
      for _ in range(2):
        time.sleep(2.5)
        self.expect(people.send('alice', 'file'), timeout=40)
      old = os.path.join(person.environment['P2PCP_HOME'], 'identity.old')
      self.assertFalse(os.path.exists(old), listener.log())
    listener.when('alice has a new key')
    self.stop(listener)

  def test_what_befalls_one_transfer_does_not_befall_others(self):
    people = self.crowd(2)
    listener = self.listen(people, '--from', 'any', '--listen')
    people.file('alice', 4 * _MIB, 'broken')
    people.file('carol', 4 * _MIB)
    broken = people.send('alice', 'broken', extra=['--bwlimit', '2M', '-v'])
    whole = people.send('carol', 'file', extra=['--bwlimit', '2M', '-v'])
    for command in (broken, whole):
      command.when('transferring')
    broken.interrupt()
    self.expect(broken, pair.INTERRUPTED)
    self.expect(whole)
    self.check(people, 'carol', listener)
    again = people.send('alice', 'broken')
    self.expect(again)
    self.check(people, 'alice', listener, 'broken')
    self.stop(listener)

  def test_workers_end_with_the_one_who_started_them(self):
    people = self.crowd(1)
    listener = self.listen(people, '--from', 'any', '--listen')
    people.file('alice', 8 * _MIB)
    send = people.send('alice', 'file', extra=['--bwlimit', '1M'])
    while 'transfer-worker' not in people.processes().values():
      self.assertIsNone(send.process.poll(), send.log())
      time.sleep(0.02)
    # Not its group, which the workers are not in anyway.
    listener.interrupt(signal.SIGKILL)
    people.settle([])
    send.interrupt()
    send.wait()

  def test_from_any_takes_one_transfer_of_whoever_comes(self):
    people = self.crowd(3)
    recv = self.listen(people, '--from', 'any')
    people.file('carol', _MIB)
    send = people.send('carol', 'file')
    self.expect(send)
    self.expect(recv)
    self.check(people, 'carol', recv)
    nobody = self.listen(people, '--from', 'alice', '--from', 'dave', '--timeout',
                           '2')
    self.expect(nobody, pair.PEER_NEVER_APPEARED, 10)

  def test_events_of_several_transfers(self):
    people = self.crowd(2)
    listener = self.listen(people, '--from', 'any', '--listen', '--json',
                             '--timeout', '3')
    for name in people.senders:
      people.file(name, _MIB, name)
    sends = [people.send(name, name) for name in people.senders]
    for send in sends:
      self.expect(send)
    # Nobody comes any more.
    self.expect(listener)
    told = crowd.events(listener)
    listening = next(e for e in told if e['event'] == 'listening')
    self.assertEqual(sorted(listening['peers']), sorted(people.senders))
    began = {e['peer']: e['transfer'] for e in told if e['event'] == 'began'}
    self.assertEqual(set(began), set(people.senders))
    for name, number in began.items():
      of_it = [e for e in told if e.get('transfer') == number]
      self.assertEqual([e['event'] for e in of_it][-2:], ['done', 'ended'])
      self.assertEqual(of_it[-1]['exit_code'], 0)
      file = next(e for e in of_it if e['event'] == 'file')
      self.assertEqual(file['name'], name)

  def test_sends_to_several_at_once(self):
    people = self.crowd(1)
    carol = topology.Person(self.lab, 'carol-several', self.lab.plan.bob)
    alice = people.senders['alice']
    people.run(alice, 'peers', 'add', 'carol',
               people.run(carol, 'id').strip())
    people.run(carol, 'peers', 'add', 'alice',
               people.run(alice, 'id').strip())
    source = people.file('alice', 5 * _MIB)

    def receive(person):
      return pair.Command(person, ['recv', '--from', 'alice'] + people.options)

    recvs = [receive(people.bob), receive(carol)]
    send = people.send('alice', 'file', to=('bob', 'carol'))
    self.expect(send)
    for recv, person in zip(recvs, (people.bob, carol)):
      self.expect(recv)
      self.assertTrue(filecmp.cmp(source, person.path('file'), shallow=False))
    digest = pair.xxh128sum(source)
    for name in ('bob', 'carol'):
      send.when(f'^{name}: .*{digest}  verified')
      send.when(f'^{name}: done and verified')
    # One of them does not come.
    recv = receive(carol)
    send = people.send('alice', 'file', to=('bob', 'carol'),
                       extra=['--timeout', '3', '--json'])
    self.expect(send, pair.PEER_NEVER_APPEARED)
    self.expect(recv)
    send.when('^bob: failed .3.: the peer never appeared')
    send.when('^carol: done and verified')
    ended = {
        e['transfer']: e['exit_code']
        for e in crowd.events(send) if e['event'] == 'ended'
    }
    self.assertEqual(sorted(ended.values()), [0, 3])
    # A Ctrl-C ends both.
    send = people.send('alice', 'file', to=('bob', 'carol'))
    send.when('carol: waiting')
    send.interrupt()
    self.expect(send, pair.INTERRUPTED, 10)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
