"""Brokers: TLS, passwords, a private authority, `serve` that is locked down,
and brokers that die in the middle. On one machine with nothing but loopback."""

import os
import shutil
import signal
import socket
import subprocess
import unittest

from tests.e2e import pair
from tests.e2e import served
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

_SIZE = 200_000
_PASSWORD = 'correct horse'


def certificate(person, name, subject='IP:127.0.0.1'):
  """A certificate that has signed itself, and its key: their paths."""
  key, cert = person.path(name + '.key'), person.path(name + '.pem')
  network.command([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:P-256', '-nodes', '-days', '2', '-subj', '/CN=test',
      '-addext', 'subjectAltName=' + subject, '-keyout', key, '-out', cert
  ])
  os.chmod(key, 0o600)
  return cert, key


def secret_file(person, name, text):
  path = person.path(name)
  with open(path, 'w', encoding='utf-8') as file:
    os.fchmod(file.fileno(), 0o600)
    file.write(text)
  return path


class Brokers(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = pair.Alone()
    cls.addClassCleanup(cls.lab.close)
    cls.server = topology.Person(cls.lab, 'server', 'host')
    cls.people = pair.Pair(cls.lab)

  def serve(self, *argv, **options):
    """`p2pcp serve` at free ports, and the options that it prints."""
    serve, words = served.start(self.server, '--broker-port', '0',
                                '--stun-port', '0', *argv, **options)
    self.addCleanup(serve.kill)
    return serve, words

  def transfer(self, options, name='file'):
    source = pair.write_file(self.people.alice.path(name), _SIZE)
    send = pair.Command(self.people.alice,
                        ['send', name, '--to', 'bob', '-v', *options])
    recv = pair.Command(self.people.bob,
                        ['recv', '--from', 'alice', '-v', *options])
    self.people.expect(send, recv)
    self.people.check_file(source, name, send, recv)
    return send, recv

  def refused(self, options, *patterns, code=pair.RENDEZVOUS_UNREACHABLE):
    """What is wrong with the broker is said at once and at the end."""
    send = pair.Command(self.people.alice,
                        ['send', 'file', '--to', 'bob', '--timeout', '2',
                         *options])
    self.assertEqual(send.wait(), code, send.log())
    for pattern in patterns:
      self.assertRegex(send.text, pattern)
      if code == pair.RENDEZVOUS_UNREACHABLE:
        self.assertRegex(send.text, 'still trying:\n.*' + pattern)

  def test_tls_with_a_password_and_a_certificate_of_ones_own(self):
    pair.write_file(self.people.alice.path('file'), _SIZE)
    cert, key = certificate(self.server, 'own')
    users = self.server.path('users')
    # In its arguments anybody could read it: this one is no secret.
    network.command(
        ['mosquitto_passwd', '-c', '-b', users, 'me', _PASSWORD])
    os.chmod(users, 0o644)
    bad = pair.Command(self.server, ['serve', '--password-file', users])
    self.assertEqual(bad.wait(), pair.USAGE, bad.log())
    self.assertIn(f"chmod 600 '{users}'", bad.text)
    os.chmod(users, 0o600)
    os.chmod(key, 0o640)
    bad = pair.Command(self.server,
                       ['serve', '--tls-cert', cert, '--tls-key', key])
    self.assertEqual(bad.wait(), pair.USAGE, bad.log())
    self.assertIn(f"chmod 600 '{key}'", bad.text)
    os.chmod(key, 0o600)
    serve, words = self.serve('--tls-cert', cert, '--tls-key', key,
                              '--password-file', users)
    self.assertIn('--broker-ca', serve.text)
    self.assertRegex(words[1], r'^mqtts://USER@127\.0\.0\.1:\d+$')
    words[1] = words[1].replace('USER', 'me')
    right = secret_file(self.server, 'right', _PASSWORD)
    ca = ['--broker-ca', cert]
    password = ['--broker-password-file', right]

    for command in self.transfer(words + ca + password):
      self.assertNotIn(_PASSWORD, command.log())
    # A file for several brokers, one of them without TLS and without a user;
    # it is there too, and either may be the quicker.
    servers.start_mosquitto(self.lab, self.lab['host'], 1884)
    lines = secret_file(self.server, 'lines', f'{words[1]} {_PASSWORD}\n')
    several = ['--broker-password-file', lines, '--broker',
               'mqtt://127.0.0.1:1884']
    for command in self.transfer(words + ca + several):
      for url in (words[1].replace('me@', ''), 'mqtt://127.0.0.1:1884'):
        command.when(f'broker {url}: subscribed')

    wrong = secret_file(self.server, 'wrong', 'guess')
    self.refused(words + ca + ['--broker-password-file', wrong],
                 'user or password is wrong')
    self.refused(words[:1] + [words[1].replace('me@', '')] + words[2:] + ca,
                 'may want a user')
    self.refused(words + password, 'from nobody that is trusted here')
    other, _ = certificate(self.server, 'other')
    self.refused(words + password + ['--broker-ca', other],
                 'from nobody that is trusted here')
    self.refused(words[:1] + [words[1].replace('mqtts', 'mqtt')] + words[2:],
                 r'mqtt://127\.0\.0\.1.*with TLS it is mqtts://')
    os.chmod(right, 0o644)
    self.refused(words + ca + password, f"chmod 600 '{right}'",
                 code=pair.USAGE)

    # And it takes its broker and its copies along.
    serve.interrupt(signal.SIGINT)
    self.assertEqual(serve.wait(10), pair.INTERRUPTED)

  def test_a_certificate_that_is_renewed(self):
    pair.write_file(self.people.alice.path('file'), _SIZE)
    cert, key = certificate(self.server, 'first')
    serve, words = self.serve('--tls-cert', cert, '--tls-key', key)
    old = self.server.path('old.pem')
    shutil.copy(cert, old)
    self.transfer(words + ['--broker-ca', old])
    os.replace(certificate(self.server, 'next')[1], key)
    os.replace(self.server.path('next.pem'), cert)
    serve.when('took certificate and users anew')
    self.transfer(words + ['--broker-ca', cert])
    self.refused(words + ['--broker-ca', old],
                 'from nobody that is trusted here')
    # What is not fit changes nothing.
    os.chmod(key, 0o644)
    os.utime(key)
    serve.when('not taken, the old ones count on: .*chmod 600')
    self.transfer(words + ['--broker-ca', cert])

  def test_a_certificate_for_another_name(self):
    pair.write_file(self.people.alice.path('file'), _SIZE)
    cert, key = certificate(self.server, 'name', 'DNS:other.example')
    _, words = self.serve('--tls-cert', cert, '--tls-key', key)
    self.refused(words + ['--broker-ca', cert],
                 r"certificate is not for '127\.0\.0\.1'")

  def test_serve_gives_p2pcp_what_it_needs_and_no_more(self):
    _, words = self.serve()
    port = words[1].rpartition(':')[2]
    host = self.lab['host']

    listener = self.lab.start(host, [
        'stdbuf', '-oL', 'mosquitto_sub', '-h', '127.0.0.1', '-p', port, '-v',
        '-d', '-t', 'plain', '-t', 'a/b', '-t', '$SYS/#', '-t', '#'
    ], stdout=subprocess.PIPE)
    self.addCleanup(self.lab.end, listener)
    while not listener.stdout.readline().startswith('Subscribed'):
      self.assertIsNone(listener.poll())

    def publish(topic, text, *options):
      return self.lab.start(host, [
          'mosquitto_pub', '-h', '127.0.0.1', '-p', port, '-t', topic, '-m',
          text, *options
      ], stderr=subprocess.DEVNULL).wait(10)

    publish('plain', 'x' * 1024)
    publish('plain', 'y' * 4096)
    publish('a/b', 'deeper')
    publish('plain', 'kept', '-r')
    publish('plain', 'acknowledged', '-q', '1')
    publish('plain', 'last')
    heard = []
    while 'plain last' not in heard:
      line = listener.stdout.readline()
      self.assertTrue(line, heard)
      if not line.startswith('Client '):
        heard.append(line.rstrip('\n'))
    self.assertEqual(heard, ['plain ' + 'x' * 1024, 'plain last'])

  def test_serve_starts_its_broker_again(self):
    """As a service: what waits stays, and comes back by itself."""
    told = os.path.join(self.lab.folder, 'notify')
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    self.addCleanup(manager.close)
    manager.bind(told)
    manager.settimeout(10)
    serve, words = self.serve(env={'NOTIFY_SOCKET': told})
    first = manager.recv(1024).decode()
    self.assertRegex(first, r'^READY=1\nSTATUS=up 0 s; the broker is up; ')
    pair.write_file(self.people.alice.path('file'), _SIZE)
    recv = pair.Command(self.people.bob,
                        ['recv', '--from', 'alice', '-v', *words])
    recv.when('subscribed')
    # Once, and again as soon as it is there.
    for delay in ('500 ms', '1.0 s'):
      broker, = self.children(serve.process.pid, 'mosquitto')
      os.kill(broker, signal.SIGKILL)
      serve.when(r'mosquitto has ended \(signal 9\); starting it again in ' +
                 delay)
      self.assertIn('the broker is down', manager.recv(1024).decode())
      status = manager.recv(1024).decode()
      self.assertIn('the broker is up, restarted', status)
    source = self.people.alice.path('file')
    send = pair.Command(self.people.alice,
                        ['send', 'file', '--to', 'bob', '-v', *words])
    self.people.expect(send, recv, timeout=60)
    self.people.check_file(source, 'file', send, recv)
    serve.interrupt(signal.SIGTERM)
    self.assertEqual(serve.wait(10), pair.TERMINATED)
    self.assertRegex(serve.text, 'stopped; up .*restarted 2 times; ')
    self.assertEqual(manager.recv(1024), b'STOPPING=1')

  def test_serve_notices_a_broker_that_hangs(self):
    """Its process is there and takes connections, but says nothing."""
    serve, words = self.serve()
    broker, = self.children(serve.process.pid, 'mosquitto')
    os.kill(broker, signal.SIGSTOP)
    # cmd/brokers/broker_watchdog.h: three calls of 5 s, and up to one before.
    serve.when('mosquitto has not answered for 15.0 s; killing it', timeout=40)
    serve.when(r'mosquitto has ended \(signal 9\); starting it again')
    serve.when('mosquitto takes connections again')
    self.transfer(words)

  def test_a_port_that_is_taken(self):
    _, words = self.serve()
    port = words[1].rpartition(':')[2]
    second = pair.Command(self.server, [
        'serve', '--bind', '127.0.0.1', '--broker-port', port, '--stun-port',
        '0'
    ])
    self.assertEqual(second.wait(), 1, second.log())
    self.assertRegex(
        second.text, rf'127\.0\.0\.1:{port}: Address already in use; .*'
        'disable --now mosquitto.*--broker-port')

  def children(self, pid, name):
    """Processes of that name under pid, however deep."""
    found = []
    for child in subprocess.run(['pgrep', '-P', str(pid)], text=True,
                                capture_output=True,
                                check=False).stdout.split():
      with open(f'/proc/{child}/comm', encoding='ascii') as file:
        if file.read().strip() == name:
          found.append(int(child))
      found += self.children(child, name)
    return found

  def test_the_configuration_serves_another_mosquitto(self):
    serve = pair.Command(self.server, [
        'serve', '--bind', '127.0.0.1', '--broker-port', '1888',
        '--print-config'
    ])
    self.assertEqual(serve.wait(), 0, serve.log())
    lines = [line for _, line in serve.stdout]
    acl = self.server.path('acl')
    with open(acl, 'w', encoding='ascii') as file:
      file.writelines(line[1:].strip() + '\n' for line in lines[1:]
                      if line.startswith('#'))
    config = self.server.path('config')
    with open(config, 'w', encoding='ascii') as file:
      file.write('\n'.join(lines).replace('/etc/mosquitto/p2pcp.acl', acl))
      file.write('\nuser root\n')
    broker = self.lab.start(self.lab['host'], ['mosquitto', '-c', config])
    self.addCleanup(self.lab.end, broker)
    self.transfer(['--broker', 'mqtt://127.0.0.1:1888', '--stun',
                   '127.0.0.1:9'])

  def test_any_broker_may_die_in_the_middle_of_a_rendezvous(self):
    host = self.lab['host']
    cert, key = certificate(self.server, 'race')
    os.chmod(key, 0o644)
    first = servers.start_mosquitto(self.lab, host, 1885)
    tls = f'certfile {cert}\nkeyfile {key}\n'
    second = servers.start_mosquitto(self.lab, host, 1886, tls)
    options = [
        '--broker', 'mqtt://127.0.0.1:1885', '--broker',
        'mqtts://127.0.0.1:1886', '--broker', 'mqtt://127.0.0.1:1887',
        '--broker-ca', cert, '--stun', '127.0.0.1:9'
    ]
    for round_, doomed in enumerate((first, second)):
      name = f'file{round_}'
      source = pair.write_file(self.people.alice.path(name), _SIZE)
      recv = pair.Command(self.people.bob,
                          ['recv', '--from', 'alice', '-v', *options])
      for port in (1885, 1886)[round_:]:
        recv.when(f':{port}: subscribed')
      if round_ == 1:
        # The one that is left goes too, while both wait; another comes up.
        send = pair.Command(self.people.alice,
                            ['send', name, '--to', 'bob', '-v', *options])
        self.lab.end(doomed, signal.SIGKILL)
        servers.start_mosquitto(self.lab, host, 1887)
      else:
        self.lab.end(doomed, signal.SIGKILL)
        send = pair.Command(self.people.alice,
                            ['send', name, '--to', 'bob', '-v', *options])
      self.people.expect(send, recv, timeout=60)
      self.people.check_file(source, name, send, recv)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
