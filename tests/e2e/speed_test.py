"""By hand: a large file's memory, and the speed beside scp's, on a veth pair.

P2PCP_BIG_FILE_GIB (20) is the size of the large file; it needs twice that
much room below /tmp. Everything else is in memory (/dev/shm).
"""

import filecmp
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import unittest

from tests.e2e import memory
from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

_MIB = 1 << 20
_GIB = 1 << 30
_MEMORY = 64 * _MIB
_RUNS = 3


class Cable(network.Network):
  """Two hosts at one cable; the broker and coturn stand on the first."""

  def __init__(self):
    super().__init__()
    a = self.namespace('hostA')
    b = self.namespace('hostB')
    self.veth(a, 'eth0', b, 'eth0')
    a.ip(*[f'addr add {address}/24 dev eth0' for address in topology.SERVER4],
         *[f'addr add {address}/64 dev eth0' for address in topology.SERVER6])
    b.ip('addr add 198.51.100.20/24 dev eth0')
    self.plan = topology.Plan('a cable', None, None)
    self.broker = f'mqtt://{topology.SERVER4[0]}:{servers.MQTT_PORT}'
    self.stun = [f'{a}:{servers.STUN_PORT}' for a in topology.SERVER4]
    servers.start_mosquitto(self, a)
    servers.start_coturn(self, a)


class Speed(unittest.TestCase):

  def setUp(self):
    self.lab = Cable()
    self.addCleanup(self.lab.close)
    self.people = pair.Pair(self.lab)
    self.folder = tempfile.mkdtemp(prefix='p2pcp-speed-', dir='/dev/shm')
    self.addCleanup(shutil.rmtree, self.folder)

  def start_sshd(self):
    folder = os.path.join(self.lab.folder, 'ssh')
    os.makedirs(folder)
    for name in ('host', 'user'):
      network.command(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f',
                       os.path.join(folder, name)])
    shutil.copy(os.path.join(folder, 'user.pub'),
                os.path.join(folder, 'authorized'))
    os.makedirs('/run/sshd', exist_ok=True)
    self.lab.start(self.lab['hostB'], [
        '/usr/sbin/sshd', '-D', '-f', '/dev/null', '-h',
        os.path.join(folder, 'host'), '-p', '22', '-o',
        f'AuthorizedKeysFile={folder}/authorized', '-o', 'StrictModes=no',
        '-o', 'PermitRootLogin=yes', '-o', 'UsePAM=no', '-o', 'PidFile=none',
        '-o', 'Subsystem=sftp internal-sftp'
    ], stderr=subprocess.DEVNULL)
    time.sleep(1)
    return ['scp', '-q', '-c', 'aes128-gcm@openssh.com', '-i',
            os.path.join(folder, 'user'), '-o', 'StrictHostKeyChecking=no',
            '-o', 'UserKnownHostsFile=/dev/null']

  def test_twice_as_fast_as_scp(self):
    source = pair.write_file(os.path.join(self.folder, 'file'), _GIB)
    out = os.path.join(self.folder, 'out')
    os.mkdir(out)
    there = os.path.join(out, 'file')
    scp = self.start_sshd()
    took = {'scp': [], 'p2pcp': []}
    for _ in range(_RUNS):
      begin = time.monotonic()
      self.lab['hostA'].run(*scp, source, f'root@198.51.100.20:{there}')
      took['scp'].append(time.monotonic() - begin)
      os.remove(there)
      begin = time.monotonic()
      send, recv = self.people.send(source), self.people.recv(out=out)
      self.people.expect(send, recv, timeout=120)
      took['p2pcp'].append(time.monotonic() - begin)
      self.assertTrue(filecmp.cmp(source, there, shallow=False))
      os.remove(there)
    for tool, times in took.items():
      print(f'{tool}: median {1024 / statistics.median(times):.0f} MiB/s, '
            f'{[round(t, 2) for t in times]} s')
    self.assertLessEqual(2 * statistics.median(took['p2pcp']),
                         statistics.median(took['scp']))

  def test_a_large_file_in_little_memory(self):
    size = int(os.environ.get('P2PCP_BIG_FILE_GIB', '20')) * _GIB
    source = self.people.alice.path('file')
    with open(source, 'wb') as file:
      block = os.urandom(_MIB)
      for _ in range(size // _MIB):  # Written: holes would not travel.
        file.write(block)
    send, recv = self.people.send('file'), self.people.recv()
    watches = [memory.Watch(c.process.pid) for c in (send, recv)]
    self.people.expect(send, recv, timeout=3600)
    peaks = [watch.stop() for watch in watches]
    print(f'{size / _GIB:.0f} GiB: {size / _MIB / recv.took:.0f} MiB/s, sender '
          f'at most {peaks[0] / _MIB:.1f} MiB, receiver {peaks[1] / _MIB:.1f}')
    self.people.check_file(source, 'file', send, recv)
    self.assertLess(max(peaks), _MEMORY)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
