"""Topologies of the laboratory: who stands behind what.

Everybody reaches the servers over a chain of core routers:

  srv 198.51.100.10, .11 (mosquitto 1883, coturn 3478)
   |
  core1 - core2 - ... - coreN          no NAT; one router unless told otherwise
   |                     |
  natA 203.0.113.10     natB 192.0.2.10
   | 10.1.0.1/24         | 10.2.0.1/24
  hostA .2, hostA2 .3   hostB .2

With IPv6 the nets are 2001:db8:f::/64 (srv), a0 and b0 (outside), a1 and b1
(inside), with the same last numbers.
"""

import dataclasses
import os
import subprocess

from tests.lab import nat_rules
from tests.lab import network
from tests.lab import servers

SERVER4 = ('198.51.100.10', '198.51.100.11')
SERVER6 = ('2001:db8:f::10', '2001:db8:f::11')
# Nobody answers there, and nothing says so.
SILENT4 = '198.51.100.99'


@dataclasses.dataclass(frozen=True)
class Home:
  """One side: a router of some kind, perhaps behind a carrier's NAT."""
  kind: str
  hosts: int = 1
  carrier: str = ''  # Kind of the NAT before natX, '' for none.


@dataclasses.dataclass(frozen=True)
class Plan:
  """What a topology consists of, and where the two people sit."""
  about: str
  a: Home
  b: Home | None  # None: everybody sits in home A.
  alice: str = 'hostA'
  bob: str = 'hostB'
  shared_carrier: str = ''  # Kind of one NAT that both homes are behind.
  v4: bool = True
  v6: bool = False


PLANS = {
    'same-host':
        Plan('both on one machine', Home('PRC'), None, bob='hostA'),
    'same-lan':
        Plan('one LAN behind one router that does not hairpin',
             Home('PRC', hosts=2),
             None,
             bob='hostA2'),
    'homes':
        Plan('two homes behind two port-restricted NATs', Home('PRC'),
             Home('PRC')),
    'remapped':
        Plan('two homes; one NAT gives other ports than the inside ones',
             Home('REMAP'), Home('PRC')),
    'double-nat':
        Plan('two homes, each behind a NAT of its carrier',
             Home('PRC', carrier='PRC'), Home('PRC', carrier='PRC')),
    'one-carrier':
        Plan('two homes behind one carrier NAT that hairpins',
             Home('PRC'),
             Home('PRC'),
             shared_carrier='HP'),
    'one-strict-carrier':
        Plan('two homes behind one carrier NAT that does not hairpin',
             Home('PRC'),
             Home('PRC'),
             shared_carrier='PRC'),
    'v6-firewalls':
        Plan('two homes with IPv6 only, behind stateful firewalls',
             Home('V6FW'),
             Home('V6FW'),
             v4=False,
             v6=True),
    'dual-stack':
        Plan('two homes behind NATs, with IPv6 behind firewalls',
             Home('PRC'),
             Home('PRC'),
             v6=True),
    'udp-blocked':
        Plan('home A lets no UDP through', Home('BLOCK'), Home('PRC')),
}


# Last numbers of the homes' nets, and of their routers within one carrier's.
NUMBERS = {'A': 1, 'B': 2}
OUTSIDE4 = {'A': '203.0.113', 'B': '192.0.2'}
CARRIER_NUMBERS = {'A': 10, 'B': 20}


def wan4(plan_, short):
  """The outside IPv4 address of a router; '' if it has none."""
  letter = short[-1]
  if not plan_.v4:
    return ''
  if short == 'cgn':
    return f'{OUTSIDE4["A"]}.10'
  if short.startswith('nat') and plan_.shared_carrier:
    return f'100.64.0.{CARRIER_NUMBERS[letter]}'
  home = plan_.a if letter == 'A' else plan_.b
  if short.startswith('nat') and home.carrier:
    return f'100.{63 + NUMBERS[letter]}.0.10'
  return f'{OUTSIDE4[letter]}.10'


def plan(name):
  """The plan of a name; also `KIND-KIND` of NATs such as `SYM-PRC`."""
  if name in PLANS:
    return PLANS[name]
  kinds = name.upper().split('-')
  if len(kinds) == 2 and all(kind in nat_rules.KINDS for kind in kinds):
    return Plan(f'{kinds[0]} to {kinds[1]}', Home(kinds[0]), Home(kinds[1]))
  raise KeyError(name)


class Lab(network.Network):
  """A topology that stands, with its servers."""

  def __init__(self, name, hops=1, link_a=None, link_b=None, seed=None):
    """Makes it.

    Args:
      name: of a plan, or of two kinds of NAT.
      hops: routers between the two homes.
      link_a: options of the emulator between natA and the core ('delay=10ms');
        None: a plain cable, without any limit.
      link_b: the same for natB.
      seed: of the emulators, for a run to be repeated.
    """
    super().__init__()
    self.plan = plan(name)
    self.name = name
    self.hops = hops
    self.links = {}
    self._emulators = {'A': link_a, 'B': link_b}
    self._seed = seed
    try:
      self._build()
    except BaseException:
      self.close()
      raise

  # Public addresses.

  @property
  def broker(self):
    host = SERVER4[0] if self.plan.v4 else f'[{SERVER6[0]}]'
    return f'mqtt://{host}:{servers.MQTT_PORT}'

  @property
  def stun(self):
    if self.plan.v4:
      return [f'{host}:{servers.STUN_PORT}' for host in SERVER4]
    return [f'[{host}]:{servers.STUN_PORT}' for host in SERVER6]

  def wan(self, nat):
    """The outside IPv4 address of a router."""
    return wan4(self.plan, nat)

  def set_kind(self, nat, kind):
    """Makes a router another one, at once; its mappings are forgotten."""
    if kind == 'POOL':
      # The router answers for the other addresses of its pool too.
      self[nat].ip(*[
          f'addr replace {self.wan(nat)[:-1]}{last}/32 dev wan'
          for last in (1, 2, 3)
      ])
    self[nat].nft(nat_rules.rules(kind, self.wan(nat)))
    self[nat].run('conntrack', '-F')

  # Building.

  def _build(self):
    cores = [
        self.namespace(f'core{i}', forwards=True)
        for i in range(1, self.hops + 1)
    ]
    self._cores = cores
    self._chain(cores)
    middle = cores[len(cores) // 2]
    self._serve(middle)
    if self.plan.shared_carrier:
      self._shared_carrier(cores[0])
    else:
      self._home('A', self.plan.a, cores[0])
      if self.plan.b:
        self._home('B', self.plan.b, cores[-1])
    self._route_core()
    self.mosquitto = servers.start_mosquitto(self, self['srv'])
    self.coturn = servers.start_coturn(self, self['srv'])

  def _chain(self, cores):
    for i in range(len(cores) - 1):
      self.veth(cores[i], 'next', cores[i + 1], 'prev')
      cores[i].ip(f'addr add 198.18.{i}.1/30 dev next',
                  f'addr add 2001:db8:c:{i}::1/64 dev next nodad')
      cores[i + 1].ip(f'addr add 198.18.{i}.2/30 dev prev',
                      f'addr add 2001:db8:c:{i}::2/64 dev prev nodad')
    # Who is reached through which of them: prefix -> index of the router.
    self._at = {}

  def _announce(self, core, *prefixes):
    for prefix in prefixes:
      self._at[prefix] = self._cores.index(core)

  def _route_core(self):
    for i, core in enumerate(self._cores):
      lines = []
      for prefix, at in self._at.items():
        if at == i:
          continue
        if ':' in prefix:
          via = f'2001:db8:c:{i}::2' if at > i else f'2001:db8:c:{i - 1}::1'
        else:
          via = f'198.18.{i}.2' if at > i else f'198.18.{i - 1}.1'
        lines.append(f'route add {prefix} via {via}')
      if lines:
        core.ip(*lines)

  def _serve(self, core):
    srv = self.namespace('srv')
    self.veth(srv, 'eth0', core, 'srv')
    core.ip('addr add 198.51.100.1/24 dev srv',
            'addr add 2001:db8:f::1/64 dev srv nodad')
    srv.ip(*[f'addr add {a}/24 dev eth0' for a in SERVER4],
           *[f'addr add {a}/64 dev eth0 nodad' for a in SERVER6],
           'route add default via 198.51.100.1',
           'route add default via 2001:db8:f::1')
    self._announce(core, '198.51.100.0/24', '2001:db8:f::/64')

  def _shared_carrier(self, core):
    """Both homes behind one NAT."""
    self._router('cgn', core, 'A')
    self._lan('cgn', '100.64.0.1/24')
    self.set_kind('cgn', self.plan.shared_carrier)
    for letter, home in (('A', self.plan.a), ('B', self.plan.b)):
      self._nat_behind('cgn', f'nat{letter}', '100.64.0.1')
      self._inside(letter, home)

  def _home(self, letter, home, core):
    """One side: [carrier -] natX - hostX..."""
    if not home.carrier:
      self._router(f'nat{letter}', core, letter)
    else:
      carrier = f'cgn{letter}'
      gateway = f'100.{63 + NUMBERS[letter]}.0.1'
      self._router(carrier, core, letter)
      self._lan(carrier, f'{gateway}/24')
      self.set_kind(carrier, home.carrier)
      self._nat_behind(carrier, f'nat{letter}', gateway)
    self._inside(letter, home)

  def _nat_behind(self, carrier, short, gateway):
    nat = self.namespace(short, forwards=True)
    self.veth(nat, 'wan', self[carrier], f'lan@{short}')
    nat.ip(f'addr add {self.wan(short)}/24 dev wan',
           f'route add default via {gateway}')

  def _router(self, short, core, letter):
    """A router at the core, with the addresses of its outside."""
    router = self.namespace(short, forwards=True)
    options = self._emulators[letter]
    if options is None:
      self.veth(router, 'wan', core, short)
    else:
      self.links[letter] = self.emulated(router, 'wan', core, short, options,
                                         self._seed)
    low = letter.lower()
    if self.plan.v4:
      outside = OUTSIDE4[letter]
      router.ip(f'addr add {outside}.10/24 dev wan',
                f'route add default via {outside}.1 dev wan')
      core.ip(f'addr add {outside}.1/24 dev {short}')
      self._announce(core, f'{outside}.0/24')
    if self.plan.v6:
      router.ip(f'addr add 2001:db8:{low}0::10/64 dev wan nodad',
                f'route add default via 2001:db8:{low}0::1 dev wan')
      core.ip(
          f'addr add 2001:db8:{low}0::1/64 dev {short} nodad',
          f'route add 2001:db8:{low}1::/64 via 2001:db8:{low}0::10 '
          f'dev {short}')
      self._announce(core, f'2001:db8:{low}0::/64', f'2001:db8:{low}1::/64')

  def _lan(self, short, *addresses):
    self.bridge(self[short], 'lan')
    self[short].ip(*[f'addr add {address} dev lan' for address in addresses])

  def _inside(self, letter, home):
    """The LAN of a home and its hosts."""
    low = letter.lower()
    number = NUMBERS[letter]
    nat = self[f'nat{letter}']
    addresses = []
    if self.plan.v4:
      addresses.append(f'10.{number}.0.1/24')
    if self.plan.v6:
      addresses.append(f'2001:db8:{low}1::1/64')
    self._lan(nat.short, *addresses)
    self.set_kind(nat.short, home.kind)
    if self.plan.v4 and self.plan.v6:
      nat.nft(nat_rules.rules('V6FW', '').replace(
          'flush ruleset', '').replace('table inet', 'table ip6'))
    for i in range(home.hosts):
      host = self.namespace(f'host{letter}' + (str(i + 1) if i else ''))
      self.veth(host, 'eth0', nat, f'lan@{host.short}')
      if self.plan.v4:
        host.ip(f'addr add 10.{number}.0.{i + 2}/24 dev eth0',
                f'route add default via 10.{number}.0.1')
      if self.plan.v6:
        host.ip(f'addr add 2001:db8:{low}1::{i + 2}/64 dev eth0 nodad',
                f'route add default via 2001:db8:{low}1::1')
      # No name server answers: names come from this file or not at all.
      self.files(
          host,
          resolv_conf=f'nameserver {SILENT4}\n',
          hosts='127.0.0.1 localhost\n::1 localhost\n' +
          f'{SERVER4[0] if self.plan.v4 else SERVER6[0]} broker.lab stun.lab\n')


class Person:
  """Somebody on a host, with an own home folder and an own identity."""

  def __init__(self, lab, name, host):
    self.lab = lab
    self.name = name
    self.host = lab[host]
    self.home = os.path.join(lab.folder, name)
    os.makedirs(os.path.join(self.home, 'work'))

  @property
  def environment(self):
    return {
        'PATH': '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
        'LANG': 'C.UTF-8',
        'HOME': self.home,
        'P2PCP_HOME': os.path.join(self.home, 'p2pcp'),
    }

  @property
  def folder(self):
    """Where this person's commands run."""
    return os.path.join(self.home, 'work')

  def path(self, name):
    return os.path.join(self.folder, name)

  def start(self, argv, **options):
    """Starts a command on the person's host."""
    environment = {**self.environment, **options.pop('env', {})}
    options.setdefault('cwd', self.folder)
    return self.lab.start(self.host, argv, env=environment, **options)

  def run(self, argv, timeout=20, **options):
    """Runs a command to its end: (exit code, stdout, stderr)."""
    process = self.start(argv,
                         stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE,
                         **options)
    try:
      out, err = process.communicate(timeout=timeout)
    finally:
      self.lab.end(process)
    return process.returncode, out, err
