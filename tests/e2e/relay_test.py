"""A relay of last resort: where nothing else gets through."""

import filecmp
import os
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

_SIZE = 2_000_000


class Relay(unittest.TestCase):

  def make(self, name, scheme='turn', password=servers.TURN_PASSWORD,
           **options):
    """Two people, of whom alice has a relay: (people, options, environment)."""
    lab = topology.Lab(name, **options)
    self.addCleanup(lab.close)
    address, certificate = servers.start_turn(lab, lab['srv'])
    people = pair.Pair(lab)
    folder = os.path.join(people.alice.home, 'secrets')
    os.mkdir(folder, 0o700)
    file = os.path.join(folder, 'turn')
    with open(file, 'w', encoding='utf-8') as out:
      out.write(password + '\n')
    os.chmod(file, 0o600)
    port = servers.TURNS_PORT if scheme == 'turns' else servers.TURN_PORT
    extra = [
        '--turn', f'{scheme}://{servers.TURN_USER}@{address}:{port}',
        '--turn-password-file', file
    ]
    return people, extra, {'SSL_CERT_FILE': certificate}

  def transfer(self, people, extra, env, size=_SIZE):
    source = pair.write_file(people.alice.path('file'), size)
    send = people.send('file', extra=extra, env=env)
    recv = people.recv()
    people.expect(send, recv)
    self.assertTrue(
        filecmp.cmp(source, people.bob.path('file'), shallow=False))
    return send, recv

  def check(self, way, *arguments, **options):
    people, extra, env = self.make(*arguments, **options)
    send, recv = self.transfer(people, extra, env)
    logs = f'{send.log()}\n{recv.log()}'
    self.assertRegex(send.text, f'relay .* by {way}: gives us', logs)
    for command, verb in ((send, 'sent'), (recv, 'received')):
      self.assertRegex(command.text, rf'{verb} 1 file.*, relayed udp4 ', logs)

  def test_two_symmetric_nats(self):
    self.check('UDP', 'SYM-SYM')

  def test_tcp_where_udp_is_blocked_on_one_side(self):
    self.check('TCP', 'BLOCK-PRC')

  def test_tls_where_udp_is_blocked_on_one_side(self):
    self.check('TLS', 'BLOCK-PRC', scheme='turns')

  def test_a_wrong_password_is_told_and_the_end_is_the_usual_one(self):
    people, extra, env = self.make('BLOCK-PRC', password='wrong')
    pair.write_file(people.alice.path('file'), _SIZE)
    send = people.send('file', extra=extra, env=env)
    recv = people.recv()
    people.expect(send, recv, (pair.NO_PATH, pair.NO_PATH))
    self.assertIn('does not accept the user', send.text, send.log())

  def test_a_certificate_that_nobody_vouches_for(self):
    people, extra, _ = self.make('BLOCK-PRC', scheme='turns')
    pair.write_file(people.alice.path('file'), _SIZE)
    send = people.send('file', extra=extra)
    recv = people.recv()
    people.expect(send, recv, (pair.NO_PATH, pair.NO_PATH))
    self.assertRegex(send.text, 'relay .*certificate', send.log())

  def test_a_direct_path_that_opens_later_takes_over(self):
    people, extra, env = self.make('BLOCK-PRC', link_a='rate=4mbit')
    source = pair.write_file(people.alice.path('file'), 12_000_000)
    send = people.send('file', extra=extra, env=env)
    recv = people.recv()
    recv.when('first bytes of the file')
    self.assertRegex(recv.text, 'path: relayed', recv.log())
    people.lab.set_kind('natA', 'PRC')
    for command in (send, recv):
      command.when('path: direct udp4', timeout=30)
    people.expect(send, recv, timeout=60)
    self.assertRegex(send.text, 'sent 1 file.*, direct udp4 ', send.log())
    self.assertTrue(
        filecmp.cmp(source, people.bob.path('file'), shallow=False))


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
