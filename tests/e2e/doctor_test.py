"""p2pcp doctor: what it says of networks of every kind."""

import json
import unittest

from tests.e2e import event_schema
from tests.e2e import pair
from tests.lab import network
from tests.lab import routers
from tests.lab import topology


class Doctor(unittest.TestCase):

  def people(self, name, **options):
    lab = topology.Lab(name, **options)
    self.addCleanup(lab.close)
    return pair.Pair(lab)

  def start(self, people, person=None, *arguments):
    return pair.Command(person or people.alice,
                        ['doctor', '--json', *arguments] + people.options)

  def diagnosis(self, command, code):
    self.assertEqual(command.wait(20), code, command.log())
    diagnosis = json.loads(command.stdout[0][1])
    event_schema.check(diagnosis)
    return diagnosis

  def outlook(self, diagnosis, word):
    return next(verdict['outlook'] for verdict in diagnosis['verdicts']
                if word in verdict['peer'])

  def test_what_it_says_of_each_kind_of_nat(self):
    cases = {
        'PRC': ('endpoint_independent', 'address_and_port_dependent',
                'preserved', 'will_punch'),
        'ADDR': ('endpoint_independent', 'address_dependent', 'preserved',
                 'will_punch'),
        'FULL': ('endpoint_independent', 'endpoint_independent', 'preserved',
                 'will_punch'),
        'SYM': ('dependent', 'address_and_port_dependent', 'random',
                'needs_guessing'),
        'SEQ': ('dependent', 'address_and_port_dependent', 'sequential',
                'needs_guessing'),
        'BLK': ('dependent', 'address_and_port_dependent', 'block',
                'needs_guessing'),
    }
    running = []
    for kind in cases:
      people = self.people(f'{kind}-PRC')
      running.append((kind, self.start(people)))
    for kind, command in running:
      with self.subTest(kind):
        found = self.diagnosis(command, pair.VERIFIED)
        mapping, filtering, ports, ordinary = cases[kind]
        self.assertEqual(found['nat']['mapping'], mapping, command.log())
        self.assertEqual(found['nat']['filtering'], filtering, command.log())
        self.assertEqual(found['nat']['ports'], ports, command.log())
        self.assertEqual(self.outlook(found, 'ordinary'), ordinary)
        self.assertIs(found['nat']['hairpin'], False, command.log())
        self.assertIsNotNone(found['brokers'][0]['up_ms'], command.log())
        self.assertEqual(found['mtu'], {'link': 1500, 'path': 1500})
        self.assertLess(command.took, 9, command.log())

  def test_a_router_that_maps_and_one_that_hairpins(self):
    people = self.people('HP-PRC')
    routers.start(people.lab, 'natA', 'pcp')
    found = self.diagnosis(self.start(people), pair.VERIFIED)
    self.assertIs(found['nat']['hairpin'], True)
    self.assertEqual(found['router']['protocols'], ['PCP'])
    self.assertEqual(routers.mappings(people.lab, 'natA'), '')

  def test_blocked_udp_and_no_broker(self):
    blocked = self.people('BLOCK-PRC')
    command = self.start(blocked)
    found = self.diagnosis(command, pair.NO_PATH)
    self.assertEqual(self.outlook(found, 'anywhere'), 'will_not')
    self.assertRegex(command.text, 'lets no UDP out')
    blocked.lab.end(blocked.lab.mosquitto)
    self.diagnosis(self.start(blocked), pair.RENDEZVOUS_UNREACHABLE)

  def test_two_doctors_try_it(self):
    people = self.people('homes')
    alice = self.start(people, people.alice, '--with', 'bob', '--timeout',
                       '30')
    bob = self.start(people, people.bob, '--with', 'alice', '--timeout', '30')
    for command in (alice, bob):
      self.assertEqual(command.wait(30), pair.VERIFIED, command.log())
      trial = json.loads(command.stdout[1][1])
      event_schema.check(trial)
      self.assertTrue(trial['works'], command.log())
      self.assertRegex(trial['path'], 'direct udp4')
      self.assertIn('a path will be punched, because', command.text,
                    command.log())

  def test_it_tries_a_receiver(self):
    people = self.people('homes')
    recv = people.recv()
    doctor = self.start(people, people.alice, '--with', 'bob', '--timeout',
                        '30')
    self.assertEqual(doctor.wait(30), pair.VERIFIED, doctor.log())
    recv.interrupt()
    recv.wait()


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
