"""Two people and a broker, each on a network of their own behind one router: no
NAT, no STUN server, and no multicast by which the two could meet.
"""

import os
import unittest

from tests.e2e import broker
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

ALICE, BOB, SERVER = '10.9.1.2', '10.9.2.2', '10.9.3.2'
# Nobody stands there.
NO_STUN = f'{SERVER}:3478'


class Lan(network.Network):
  """Namespaces alice, bob and srv around a router."""

  def __init__(self):
    super().__init__()
    router = self.namespace('router', forwards=True)
    for name, address in (('alice', ALICE), ('bob', BOB), ('srv', SERVER)):
      host = self.namespace(name)
      self.veth(host, 'lan', router, name)
      gateway = address.rpartition('.')[0] + '.1'
      router.ip(f'addr add {gateway}/24 dev {name}')
      # No default route: nobody to be asked for a port mapping.
      host.ip(f'addr add {address}/24 dev lan',
              f'route add 10.9.0.0/16 via {gateway}')
      self.files(host, resolv_conf='', hosts='127.0.0.1 localhost\n')

  def person(self, name, host):
    return topology.Person(self, name, host)

  def introduce(self, alice, bob):
    introduce(alice, bob)


class Lonely(unittest.TestCase):
  """A broker on such a LAN, and for each test an Alice and a Bob who do not know
  each other; whoever inherits adds tests."""

  @classmethod
  def setUpClass(cls):
    cls.net = Lan()
    cls.addClassCleanup(cls.net.close)
    cls.broker = broker.Broker(cls.net['srv'])
    cls.addClassCleanup(cls.broker.close)
    cls.broker.listen((SERVER, 1883))
    cls.url = f'mqtt://{SERVER}'

  def setUp(self):
    suffix = self._testMethodName[5:25]
    self.alice = self.net.person('alice' + suffix, 'alice')
    self.bob = self.net.person('bob' + suffix, 'bob')


def introduce(alice, bob):
  """Both get each other's key by hand."""
  for one, other, name in ((alice, bob, 'bob'), (bob, alice, 'alice')):
    code, key, error = other.run([pair.program(), 'id'])
    assert code == 0, error
    code, _, error = one.run(
        [pair.program(), 'peers', 'add', name, key.strip()])
    assert code == 0, error


def options(*urls):
  argv = ['-v', '--stun', NO_STUN]
  for url in urls:
    argv += ['--broker', url]
  return argv


def shim(offset):
  """The environment of a command whose wall clock is `offset` seconds off."""
  library = network.find_program('clock_shim', 'tests/e2e/clock_shim.so')
  return {'LD_PRELOAD': library, 'P2PCP_TEST_CLOCK_OFFSET': str(int(offset))}


def kept_secrets(person):
  """{what: bytes} of all that a person keeps and nobody may see."""
  home = person.environment['P2PCP_HOME']
  secrets = {}
  for name in ('identity', 'peers'):
    with open(os.path.join(home, name), encoding='ascii') as file:
      for line in file:
        if line.startswith('#'):
          continue
        for i, word in enumerate(line.split()):
          # Keys, secrets, names: not the short numbers beside them.
          if len(word) >= 16:
            secrets[f'{person.name}: {name} {i}'] = word.encode()
  return secrets
