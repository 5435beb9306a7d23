"""The paths that files take in the benchmark.

Two hosts, A that sends and B that receives, and between them a cable or the
link emulator; or one host and its loopback. The broker and the STUN server
stand on B: what meets through them crosses the path.
"""

import os

from tests.bench import measure
from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology

A = '198.51.100.20'
B = topology.SERVER4[0]
DEVICE = 'eth0'
# Of the emulator, so that a run can be repeated.
_SEED = 3
# TCP may have windows of any path of the matrix: 64 MiB, with the kernel's own
# first two numbers.
_TCP_MEMORY = '"4096 131072 67108864"'


class Path(network.Network):
  """Namespaces `a` and `b`, p2pcp's two people, a ping between them."""

  def __init__(self, row, priority):
    """Makes it.

    Args:
      row: a rows.Row.
      priority: of the tools among real-time processes (chrt -r); 0: ordinary.
    """
    super().__init__()
    self.row = row
    self._priority = priority
    self.link = None
    self.device = DEVICE
    try:
      self._build(row)
    except BaseException:
      self.close()
      raise

  def _build(self, row):
    b = self.namespace('hostB')
    a = b if row.kind == 'loopback' else self.namespace('hostA')
    self.a, self.b = a, b
    if row.kind == 'line':
      self.link = self.emulated(a, DEVICE, b, DEVICE, seed=_SEED)
      for direction, options in row.link().items():
        self.link.set(direction, options)
      # It must move packets when they are due, whoever else wants the cores.
      measure.real_time(self.link.process.pid)
    elif row.kind == 'loopback':
      # p2pcp offers addresses of interfaces other than lo; what is sent to
      # one's own goes through lo all the same.
      self.veth(b, DEVICE, self.namespace('nobody'), DEVICE)
      self.device = 'lo'
    else:
      self.veth(a, DEVICE, b, DEVICE)
    b.ip(*[f'addr add {address}/24 dev {DEVICE}'
           for address in topology.SERVER4],
         *[f'addr add {address}/64 dev {DEVICE} nodad'
           for address in topology.SERVER6])
    if a is not b:
      a.ip(f'addr add {A}/24 dev {DEVICE}')
    if row.no_offload:
      for host in (a, b):
        host.run('ethtool', '-K', DEVICE, 'gso', 'off', 'gro', 'off', 'tso',
                 'off', 'tx-udp-segmentation', 'off')
    for host in (a, b):
      host.sysctl(ipv4__tcp_rmem=_TCP_MEMORY, ipv4__tcp_wmem=_TCP_MEMORY,
                  ipv4__tcp_no_metrics_save=1)
    # For the counters of a namespace, somebody has to be in it.
    self.holders = {
        host: self.start(host, ['sleep', 'infinity']).pid for host in (a, b)
    }
    self.plan = topology.Plan(row.title, None, None,
                              alice='hostB' if a is b else 'hostA')
    self.broker = f'mqtt://{B}:{servers.MQTT_PORT}'
    self.stun = [f'{server}:{servers.STUN_PORT}' for server in topology.SERVER4]
    servers.start_mosquitto(self, b)
    servers.start_coturn(self, b)
    self.people = [pair.Pair(self)]
    self.ping = measure.Ping(self, a, B)

  def run_prefix(self):
    """What to put before each tool that is measured."""
    return ['chrt', '-r', str(self._priority)] if self._priority else []

  def tool(self, host, argv, **options):
    """Starts a tool that is measured, on self.a or self.b."""
    return measure.Process(self, host, self.run_prefix() + argv, **options)

  def p2pcp(self, person, argv):
    """Starts p2pcp as one of the people, without any privilege."""
    return self.tool(person.host, pair.PLAIN_USER + [pair.program()] + argv,
                     env={**os.environ, **person.environment},
                     cwd=person.folder)

  def more_people(self):
    """Another two, who know each other."""
    self.people.append(pair.Pair(self, suffix=str(len(self.people) + 1)))
    return self.people[-1]

  def set_tcp(self, congestion):
    """TCP's congestion control from A to B.

    By the route: as a namespace's default the kernel takes only what every
    user may choose.
    """
    if self.a is self.b:
      route = f'local {B} dev {DEVICE} table local scope host src {B}'
    else:
      route = f'{B}/32 dev {DEVICE} src {A}'
    self.a.ip(f'route replace {route} congctl {congestion}')

  def sent_bytes(self):
    """Bytes that A has put on the path so far, headers included."""
    return measure.device_bytes(self.holders[self.a], self.device)[1]

  def sampler(self, interval=0.05):
    return measure.Sampler(self.holders[self.b], self.device, interval)

  def emulator_cpu(self):
    return measure.cpu_of(self.link.process.pid) if self.link else 0
