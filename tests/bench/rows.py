"""The rows of the matrix: paths, sizes, and what is demanded on them."""

import dataclasses

MIB = 1 << 20
GIB = 1 << 30

# Tools that move a file, and what only shows what the path or machine can do.
FILE_PEERS = ('scp-cubic', 'scp-bbr', 'rsync-cubic', 'rsync-bbr', 'srt', 'udt',
              'uftp')
PROXIES = ('iperf3-cubic', 'iperf3-bbr')


@dataclasses.dataclass(frozen=True)
class Target:
  """A demand on a row.

  what: a field of the median of p2pcp's runs (report.median), or 'ratio':
  p2pcp's goodput over a peer's, 'best': over that of the best file peer,
  'cpu': the larger of both sides' CPU time over the peer's.
  """
  what: str
  at_least: float | None = None
  at_most: float | None = None
  peer: str = ''

  def met(self, value):
    return ((self.at_least is None or value >= self.at_least) and
            (self.at_most is None or value <= self.at_most))


@dataclasses.dataclass(frozen=True)
class Row:
  """One scenario."""
  name: str  # Its number in the matrix.
  title: str
  kind: str  # 'loopback', 'cable', 'line'
  size: int
  rate: int = 0  # Mbit/s, of a line
  rtt: float = 0  # ms
  queue: int = 0  # bytes; 0: one bandwidth-delay product
  forward: str = ''  # More options of the emulator, from sender to receiver,
  backward: str = ''  # and back.
  no_offload: bool = False
  # What a tool that has to be told a rate is told, in Mbit/s.
  told_rate: int = 0
  send: tuple = ()  # More options of p2pcp send.
  # Bytes of the file a second that the bare pipe keeps to; 0: no limit. (A
  # --bwlimit is of all that goes onto the wire, and its M is 2^20.)
  held_to: int = 0
  peers: tuple = ('p2pcp',) + FILE_PEERS + PROXIES
  targets: tuple = ()

  def bdp(self):
    return int(self.rate * 1e6 / 8 * self.rtt / 1e3)

  def link(self):
    """{'ab': options, 'ba': options}"""
    common = (f'rate={self.rate}mbit delay={self.rtt / 2:g}ms '
              f'queue={self.queue or self.bdp()} ')
    return {'ab': common + self.forward, 'ba': common + self.backward}


_MEMORY = Target('memory', at_most=64)


def _line(name, title, size, rate, rtt, goodput, *targets, **options):
  # Every line shares the demand to keep up with the best tool there is, and
  # that on the set-up: six round trips and 0.3 s.
  options.setdefault('told_rate', int(rate * 0.95))
  return Row(name, title, 'line', size, rate, rtt,
             targets=(Target('goodput', at_least=goodput),
                      Target('best', at_least=0.98),
                      Target('setup', at_most=6 * rtt / 1e3 + 0.3),
                      _MEMORY) + targets,
             **options)


# Beside p2pcp, on the machine's own speed.
_FAST = ('p2pcp', 'bare_pipe', 'blast') + FILE_PEERS + PROXIES
_FAST_TARGETS = (
    Target('ratio', at_least=5, peer='scp-cubic'),
    Target('ratio', at_least=1.1, peer='rsync-cubic'),
    Target('ratio', at_least=1.1, peer='rsync-bbr'),
    Target('ratio', at_least=6, peer='srt'),
    Target('ratio', at_least=13, peer='udt'),
    Target('ratio', at_least=0.85, peer='bare_pipe'),
    Target('cpu', at_most=1.2, peer='bare_pipe'),
    _MEMORY,
)

# Losses in bursts of 20 packets (leave 5 %), 1 % in all.
_BURSTS = 'burst_enter=0.0505% burst_leave=5%'

ROWS = (
    Row('1', 'loopback, tmpfs', 'loopback', 2 * GIB, told_rate=2000,
        peers=_FAST, targets=_FAST_TARGETS),
    Row('2', 'veth, MTU 1500, tmpfs', 'cable', 2 * GIB, told_rate=2000,
        peers=_FAST, targets=_FAST_TARGETS),
    Row('2b', 'veth, held to 1 Gbit/s', 'cable', 512 * MIB,
        send=('--bwlimit', '125M'), held_to=125_000_000,
        peers=('p2pcp', 'bare_pipe'),
        # A tenth of a core: a GB takes 8 s.
        targets=(Target('cpu_sender', at_most=0.8),
                 Target('cpu_receiver', at_most=0.8),
                 Target('cpu', at_most=1.2, peer='bare_pipe'), _MEMORY)),
    Row('3', 'veth without GSO and GRO', 'cable', 512 * MIB, no_offload=True,
        told_rate=1000,
        peers=('p2pcp', 'blast-no-gso', 'scp-cubic', 'rsync-cubic', 'srt',
               'udt'),
        targets=(Target('ratio', at_least=0.9, peer='blast-no-gso'),)),
    _line('4', '100 Mbit/s, 50 ms', 64 * MIB, 100, 50, 89,
          Target('queue_mean', at_most=0.010)),
    _line('5', '100 Mbit/s, 50 ms, 1 % lost', 64 * MIB, 100, 50, 86,
          forward='loss=1%'),
    _line('6', '100 Mbit/s, 50 ms, 5 % lost', 64 * MIB, 100, 50, 78,
          forward='loss=5%'),
    _line('7', '100 Mbit/s, 200 ms, 0.1 % lost', 64 * MIB, 100, 200, 73,
          forward='loss=0.1%'),
    _line('8', '100 Mbit/s, 200 ms, 10 % lost both ways', 64 * MIB, 100, 200,
          58, Target('steady', at_least=84), forward='loss=10%',
          backward='loss=10%'),
    _line('9', '500 Mbit/s, 40 ms, 0.1 % lost', 256 * MIB, 500, 40, 425,
          forward='loss=0.1%'),
    _line('10', '1 Gbit/s, 100 ms, 0.01 % lost, buffer of 0.5 BDP', GIB, 1000,
          100, 780, queue=6_250_000, forward='loss=0.01%'),
    _line('11', '20 Mbit/s, 80 ms, buffer of 1 s', 16 * MIB, 20, 80, 17.8,
          Target('queue_mean', at_most=0.015),
          Target('queue_p95', at_most=0.060), queue=2_500_000),
    _line('12', '20 Mbit/s, 80 ms, buffer of 30 kB', 16 * MIB, 20, 80, 17,
          Target('resent', at_most=0.04), queue=30_000),
    _line('13', '100 Mbit/s, 50 ms, policed to 20 Mbit/s', 32 * MIB, 100, 50,
          18, Target('lost', at_most=0.04), told_rate=19,
          forward='policer=20mbit policer_burst=250000'),
    _line('14a', '100 Mbit/s, 50 ms, bursts of 20 lost, 1 % in all', 64 * MIB,
          100, 50, 85, forward=_BURSTS),
    _line('14b', '100 Mbit/s, 50 ms, jitter 10 ms, 1 % reordered by 5 ms',
          64 * MIB, 100, 50, 85, Target('spurious', at_most=0.01),
          forward='jitter=10ms reorder=1% reorder_delay=5ms'),
)

# Rows that are no races between tools with one file: contest.py, outage.py,
# trees.py and pipes.py.
CONTEST = '15'
OUTAGE = '16'
TREES = '17'
PIPES = '18'


def contest_row(buffer):
  """The line of row 15, with a buffer of so many BDP."""
  row = Row(CONTEST, f'100 Mbit/s, 50 ms, buffer of {buffer:g} BDP', 'line',
            GIB, 100, 50)
  return dataclasses.replace(row, queue=int(row.bdp() * buffer))


OUTAGE_ROW = Row(OUTAGE, '100 Mbit/s, 50 ms, which fails for a while', 'line',
                 64 * MIB, 100, 50)


TREES_ROW = Row(TREES, 'veth, a million small files', 'cable', 0)
PIPES_ROW = Row(PIPES, 'veth, from pipe to pipe', 'cable', 0)


def quick(row):
  """The same row with little to move: whether everything works."""
  size = 32 * MIB if row.kind != 'line' else 2 * MIB
  return dataclasses.replace(row, size=min(row.size, size))
