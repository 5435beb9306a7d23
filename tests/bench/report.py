"""What the benchmark writes: tables for people, all numbers for programs."""

import dataclasses
import json
import os
import platform
import shlex
import statistics
import subprocess
import time

from tests.bench import peers
from tests.bench import rows

_TREE = os.path.dirname(
    os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
_PACKAGES = ('openssh-client', 'rsync', 'srt-tools', 'libudt-dev', 'uftp',
             'iperf3')

# How each number of a target is called and written: (name, factor, unit).
_NUMBERS = {
    'goodput': ('goodput', 1, 'Mbit/s'),
    'steady': ('steady goodput', 1, 'Mbit/s'),
    'setup': ('set-up', 1, 's'),
    'queue_mean': ('mean added queue', 1e3, 'ms'),
    'cpu_sender': ('CPU time of the sender', 1, 's/GB'),
    'cpu_receiver': ('CPU time of the receiver', 1, 's/GB'),
    'memory': ('memory of each side', 1, 'MiB'),
    'queue_p95': ('95th percentile of the added queue', 1e3, 'ms'),
    'resent': ('sent again', 100, '% of the packets'),
    'lost': ('lost', 100, '% of the packets'),
    'spurious': ('sent again needlessly', 100, '% of the packets'),
}


@dataclasses.dataclass
class Verdict:
  """A target beside what came out."""
  demand: str
  value: str
  met: bool | None  # None: nothing to compare.


@dataclasses.dataclass
class Table:
  """What is no race: columns, lines, verdicts."""
  title: str
  about: str
  header: list
  lines: list
  verdicts: list
  numbers: dict = dataclasses.field(default_factory=dict)


def median(runs, name):
  """The median of a field over a tool's runs that count, or None."""
  values = [getattr(run, name) for run in runs
            if not run.error and getattr(run, name) is not None]
  return statistics.median(values) if values else None


def _goodput(runs, name):
  return median(runs.get(name, ()), 'goodput')


def judge(row, target, runs):
  """A Verdict on a row's target."""
  ours = runs.get('p2pcp', ())
  bound = target.at_least if target.at_least is not None else target.at_most
  sign = '>=' if target.at_least is not None else '<='
  name, factor, unit = target.what, 1, ''
  value = None
  rival = None
  if target.what == 'ratio':
    name, unit = 'goodput', f'x {target.peer}'
    rival = _goodput(runs, target.peer)
  elif target.what == 'best':
    best = max((peer for peer in row.peers
                if peer in rows.FILE_PEERS and _goodput(runs, peer)),
               key=lambda peer: _goodput(runs, peer), default='')
    name = 'goodput'
    unit = f'x the best tool for files ({best or "none ran"})'
    rival = _goodput(runs, best)
  elif target.what == 'cpu':
    name, unit = 'CPU time of each side', f'x {target.peer}'
    pairs = [(median(ours, side), median(runs.get(target.peer, ()), side))
             for side in ('cpu_sender', 'cpu_receiver')]
    if all(mine is not None and theirs for mine, theirs in pairs):
      value = max(mine / theirs for mine, theirs in pairs)
  else:
    name, factor, unit = _NUMBERS[target.what]
    value = median(ours, target.what)
  if target.what in ('ratio', 'best'):
    mine = _goodput(runs, 'p2pcp')
    value = mine / rival if mine is not None and rival else None
  demand = f'{name} {sign} {bound * factor:g} {unit}'.strip()
  if value is None:
    return Verdict(demand, 'not measured', None)
  return Verdict(demand, f'{value * factor:.3g}', target.met(value))


def _number(value, digits, factor=1):
  return '' if value is None else f'{value * factor:.{digits}f}'


def _rate(value):
  return f'{value:.0f}' if value >= 1000 else f'{value:.1f}'


def race_lines(runs):
  """The lines of a race's table: one a tool."""
  everybody = peers.all_peers()
  for name, done in runs.items():
    good = [run for run in done if not run.error]
    if not good:
      error = done[0].error.strip().split('\n')[-1] if done else 'did not run'
      yield ([name, 'failed'] + [''] * (len(_RACE_HEADER) - 3) +
             [error[:80].replace('|', '/')])
      continue
    rates = [run.goodput for run in good]
    notes = [everybody[name].about]
    stopped = sum(not run.whole for run in good)
    if stopped:
      notes.append(f'{stopped} of {len(good)} stopped at the cap')
    if len(good) < len(done):
      notes.append(f'{len(done) - len(good)} failed')
    emulator = median(good, 'emulator')
    if emulator > 0.9:
      notes.append(f'the emulator took {emulator * 100:.0f} % of a core')
    yield [
        name, _rate(statistics.median(rates)),
        f'{_rate(min(rates))} to {_rate(max(rates))}', str(len(good)),
        _number(median(good, 'steady'), 1),
        _number(median(good, 'setup'), 2),
        _number(median(good, 'overall'), 2),
        _number(median(good, 'cpu_sender'), 2),
        _number(median(good, 'cpu_receiver'), 2),
        _number(median(good, 'memory'), 0),
        _number(median(good, 'wire'), 3),
        _number(median(good, 'queue_mean'), 1, 1e3),
        _number(median(good, 'queue_p95'), 1, 1e3), '; '.join(notes)
    ]


_RACE_HEADER = ['tool', 'Mbit/s', 'min to max', 'runs', 'steady', 'set-up s',
                'all s', 'CPU s/GB sender', 'receiver', 'MiB', 'sent/file',
                'queue ms', 'p95', 'remarks']

_METHOD = '''\
One file, from memory (tmpfs) to memory, compared at the end. Mbit/s: the file's
bytes by the time from connected to verified, at the receiver. p2pcp is
connected when a path has been proven, every other tool when the receiver has
opened the file, which is later and so in their favour; none of them verifies
but p2pcp and rsync. iperf3, blast and bare_pipe are no competitors: they show
what the path and the machine give. "steady" is the rate of the middle half.
"set-up" is from the start of both (of the client, where a server listens)
until connected; for p2pcp that includes meeting at the broker, which stands at
the far end; "all" is both times. CPU is user and system of all processes of a
side; on a cable and on loopback the kernel's delivery counts for the sender.
"MiB" is the most that a process of either side had in memory, but not less
than the benchmark's own 30 or so. "sent/file" counts all bytes that leave the
sender's device, headers included. The queue is what a ping through the same
path takes longer than its shortest. Medians; the tools take turns. A run is
stopped after {cap} s, and what has arrived by then counts; a tool of less than
half of p2pcp's goodput runs once.'''


def _markdown_table(header, lines):
  out = ['| ' + ' | '.join(header) + ' |',
         '|' + '|'.join('---' for _ in header) + '|']
  out += ['| ' + ' | '.join(line) + ' |' for line in lines]
  return '\n'.join(out)


def _mark(verdict):
  return {True: 'met', False: 'MISSED', None: 'open'}[verdict.met]


def _output(*argv):
  try:
    return subprocess.run(argv, capture_output=True, text=True, check=False,
                          cwd=_TREE).stdout.strip()
  except FileNotFoundError:
    return ''


def machine():
  """What the numbers depend on."""
  model = ''
  with open('/proc/cpuinfo', encoding='utf-8') as file:
    for line in file:
      if line.startswith('model name'):
        model = line.partition(':')[2].strip()
        break
  versions = _output('dpkg-query', '-W', '-f', '${Package} ${Version}, ',
                     *_PACKAGES)
  with open('/proc/sys/net/ipv4/tcp_available_congestion_control',
            encoding='ascii') as file:
    controls = file.read().strip()
  memory = os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE')
  changed = _output('git', 'status', '--porcelain', '--untracked-files=no')
  return {
      'processor': model,
      'cores': str(os.cpu_count()),
      'memory': f'{memory / 2**30:.0f} GiB',
      'kernel': platform.release(),
      'commit': _output('git', 'rev-parse', '--short=12', 'HEAD') +
                (' with changes' if changed else ''),
      'TCP congestion control that the kernel has': controls,
      'packages': versions.rstrip(', '),
      'load average at the start': f'{os.getloadavg()[0]:.2f}',
      'begun': time.strftime('%Y-%m-%d %H:%M %Z'),
  }


class Results:
  """Everything that a run of the benchmark gave."""

  def __init__(self, argv, quick, cap):
    self.machine = machine()
    self.machine['command'] = './dev bench ' + shlex.join(argv[1:])
    self.quick = quick
    self.cap = cap
    self.races = []  # (Row, {name: [Run]}, {name: command}, [Verdict])
    self.tables = {}  # name -> Table

  def add_race(self, row, runs, typed):
    verdicts = [judge(row, target, runs) for target in row.targets]
    self.races.append((row, runs, typed, verdicts))

  def add_table(self, name, table):
    self.tables[name] = table

  def failed(self):
    """Whether a run of p2pcp itself did not succeed."""
    return any(run.error for _, runs, _, _ in self.races
               for run in runs.get('p2pcp', ()))

  def _verdicts(self):
    """(row's name, title, Verdict) of everything."""
    for row, _, _, verdicts in self.races:
      for verdict in verdicts:
        yield row.name, row.title, verdict
    for name, table in self.tables.items():
      for verdict in table.verdicts:
        yield name, table.title, verdict

  def summary(self):
    """One line a target."""
    lines = []
    for name, title, verdict in self._verdicts():
      lines.append(f'{_mark(verdict):7} {name:4} {title}: {verdict.demand}: '
                   f'{verdict.value}')
    return '\n'.join(lines)

  def markdown(self):
    parts = ['# Results of `./dev bench`\n']
    if self.quick:
      parts.append('**A quick run: it shows that everything works, not how '
                   'fast it is.**\n')
    parts.append(_markdown_table(['', ''], self.machine.items()) + '\n')
    parts.append(_METHOD.format(cap=self.cap) + '\n')
    parts.append('## Targets\n')
    parts.append(_markdown_table(
        ['row', 'path', 'target', 'measured', ''],
        [[name, title, verdict.demand, verdict.value, _mark(verdict)]
         for name, title, verdict in self._verdicts()]) + '\n')
    if self.races:
      parts.append('![goodput](results.svg)\n')
    for row, runs, typed, _ in self.races:
      parts.append(f'## Row {row.name}: {row.title}, {row.size >> 20} MiB\n')
      if row.kind == 'line':
        link = row.link()
        parts.append(f'Emulator: `{link["ab"].strip()}`, back '
                     f'`{link["ba"].strip()}`\n')
      parts.append(_markdown_table(_RACE_HEADER, race_lines(runs)) + '\n')
      parts.append('```\n' + '\n'.join(typed.values()) + '\n```\n')
    for name, table in self.tables.items():
      parts.append(f'## Row {name}: {table.title}\n\n{table.about}\n')
      parts.append(_markdown_table(table.header, table.lines) + '\n')
    return '\n'.join(parts)

  def json(self):
    return json.dumps(
        {
            'machine': self.machine,
            'quick': self.quick,
            'races': [{
                'row': row.name,
                'title': row.title,
                'size': row.size,
                'commands': typed,
                'runs': {name: [dataclasses.asdict(run) for run in done]
                         for name, done in runs.items()},
                'targets': [dataclasses.asdict(v) for v in verdicts],
            } for row, runs, typed, verdicts in self.races],
            'tables': {name: dataclasses.asdict(table)
                       for name, table in self.tables.items()},
        }, indent=1) + '\n'
