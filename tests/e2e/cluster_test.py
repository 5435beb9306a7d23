"""More than one machine for the rendezvous: brokers of which each has a part of
the peers, and a STUN server that is somebody else's (coturn)."""

import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

_SIZE = 300_000
_SECOND = 1884


class Cluster(unittest.TestCase):

  def test_peers_meet_though_their_brokers_differ(self):
    """Two mosquittos, bridged as cmd/RENDEZVOUS.md says."""
    with open('cmd/RENDEZVOUS.md', encoding='utf-8') as file:
      text = file.read()
    bridge = next(
        block for block in text.split('```')[1::2] if 'connection ' in block)
    self.assertIn('address other.example:1883', bridge)
    with topology.Lab('homes') as lab:
      bridge = bridge.replace('other.example:1883',
                              f'127.0.0.1:{servers.MQTT_PORT}')
      servers.start_mosquitto(lab, lab['srv'], _SECOND, extra=bridge)
      people = pair.Pair(lab)
      source = pair.write_file(people.alice.path('file'), _SIZE)
      recv = people.recv()
      people.broker = lab.broker.replace(str(servers.MQTT_PORT), str(_SECOND))
      send = people.send('file')
      people.expect(send, recv)
      people.check_file(source, 'file', send, recv)
      send.when(f':{_SECOND}: subscribed')
      recv.when(f':{servers.MQTT_PORT}: subscribed')
      # coturn has told both what they look like.
      for command in (send, recv):
        command.when('STUN server .* sees us as')


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
