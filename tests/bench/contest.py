"""Row 15: how p2pcp shares a line with TCP CUBIC, and with itself."""

import dataclasses
import json
import os
import statistics
import time
from typing import Callable

from tests.bench import measure
from tests.bench import path as paths
from tests.bench import peers
from tests.bench import race
from tests.bench import report
from tests.bench import rows

_TCP_PORT = 5201
_UDP_PORTS = (41001, 41002)
# Seconds until the second flow starts, until counting begins once both run,
# and of counting.
_AHEAD = 3
_SETTLE = 10
_COUNTED = 50
# Shares differ from run to run, by chance of who loses what when.
_CONTESTS = 3


def _counters(host):
  """Counts in the receiver's kernel what each flow brings."""
  flows = {'cubic': f'tcp dport {_TCP_PORT}'}
  for i, port in enumerate(_UDP_PORTS):
    flows[f'udp{i}'] = f'udp dport {port}'
  host.nft('table inet bench {\n' +
           ''.join(f'counter {name} {{}}\n' for name in flows) +
           'chain in { type filter hook input priority 0;\n' +
           ''.join(f'{match} counter name {name}\n'
                   for name, match in flows.items()) + '}\n}\n')


def _bytes(host):
  """{counter: bytes}"""
  listed = json.loads(host.run('nft', '-j', 'list', 'counters'))['nftables']
  return {item['counter']['name']: item['counter']['bytes']
          for item in listed if 'counter' in item}


def jain(rates):
  """Jain's index of fairness: 1 if all are equal."""
  squares = sum(rate * rate for rate in rates)
  return sum(rates)**2 / (len(rates) * squares) if squares else 0


class _Contest:
  """One line with two flows on it."""

  def __init__(self, folder, priority, buffer, source, times):
    self.path = paths.Path(rows.contest_row(buffer), priority)
    self._source = source
    self._folder = folder
    self._times = times
    self._processes = []
    _counters(self.path.b)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    for process in reversed(self._processes):
      process.end()
    self.path.close()

  def cubic(self):
    """A TCP flow that does not end by itself."""
    server = self.path.tool(self.path.b, ['iperf3', '-s', '-1'])
    self._processes.append(server)
    measure.await_bound(self.path.holders[self.path.b], _TCP_PORT, 'tcp',
                        server)
    self._processes.append(
        self.path.tool(self.path.a, ['iperf3', '-c', paths.B, '-C', 'cubic',
                                     '-t', '600']))

  def p2pcp(self, number=0, send=()):
    """A transfer; returns once it has connected."""
    while len(self.path.people) <= number:
      self.path.more_people()
    out = os.path.join(self._folder, f'out{number}')
    peers.empty(out)
    task = peers.Task(self.path, self._source, out, self.path.folder)
    ends = peers.P2pcp('p2pcp').start(
        task, self.path.people[number], send=send,
        recv=('--port', str(_UDP_PORTS[number])))
    self._processes += ends
    ends[1].await_line(peers.CONNECTED, time.monotonic() + 30)

  def count(self):
    """Mbit/s that arrive, by flow, after a while: {counter: rate}."""
    time.sleep(self._times[1])
    begin, before = time.monotonic(), _bytes(self.path.b)
    time.sleep(self._times[2])
    end, after = time.monotonic(), _bytes(self.path.b)
    for process in self._processes:
      if process.code is not None:
        raise measure.Failure(f'{process.argv} ended: {process.text[-500:]}')
    return {name: (after[name] - before[name]) * 8e-6 / (end - begin)
            for name in after}

  def ahead(self):
    time.sleep(self._times[0])


@dataclasses.dataclass(frozen=True)
class _Plan:
  """Two flows, and what is demanded of how they share."""
  title: str
  buffer: float  # BDP
  other: str  # 'cubic', or 'udp1': a second p2pcp.
  demand: str
  # From the median of (p2pcp's share, Jain's index): the number that counts,
  # and whether it is good enough.
  judge: Callable
  send: tuple = ()


def _percent(share):
  return f'{share * 100:.0f} %'


_PLANS = (
    _Plan('beside one TCP CUBIC, buffer 0.25 BDP', 0.25, 'cubic',
          'CUBIC keeps at least 20 %', lambda share, _:
          (_percent(1 - share), share <= 0.80)),
    _Plan('beside one TCP CUBIC, buffer 1 BDP', 1, 'cubic',
          'p2pcp takes 35 to 65 %', lambda share, _:
          (_percent(share), 0.35 <= share <= 0.65)),
    _Plan('beside one TCP CUBIC, buffer 4 BDP', 4, 'cubic',
          'p2pcp takes 35 to 65 %', lambda share, _:
          (_percent(share), 0.35 <= share <= 0.65)),
    _Plan('two of p2pcp, buffer 1 BDP', 1, 'udp1', 'Jain\'s index >= 0.95',
          lambda _, index: (f'{index:.3f}', index >= 0.95)),
    _Plan('--background beside one TCP CUBIC, buffer 1 BDP', 1, 'cubic',
          'CUBIC keeps at least 90 %', lambda share, _:
          (_percent(1 - share), share <= 0.10), ('--background',)),
)


def _hold(plan, folder, priority, source, times):
  """One contest: Mbit/s of (p2pcp, the other)."""
  with _Contest(folder, priority, plan.buffer, source, times) as contest:
    if plan.other == 'cubic':
      contest.cubic()
      contest.ahead()
      contest.p2pcp(send=plan.send)
    else:
      contest.p2pcp(0)
      contest.ahead()
      contest.p2pcp(1)
    rates = contest.count()
    return rates['udp0'], rates[plan.other]


def run(folder, priority, quick, count, say):
  """A report.Table; every contest is held at most `count` times."""
  times = (1, 1, 3) if quick else (_AHEAD, _SETTLE, _COUNTED)
  count = min(count, _CONTESTS)
  line = rows.contest_row(1)
  # More than the line can carry until all is over.
  source = race.write_random(os.path.join(folder, 'long'),
                             int(line.rate * 1e6 / 8 * (sum(times) + 30)))
  lines, verdicts, numbers = [], [], {}
  for plan in _PLANS:
    if plan.send and not peers.knows(plan.send[0]):
      verdicts.append(
          report.Verdict(plan.title, f'p2pcp has no {plan.send[0]}', None))
      continue
    held = []
    for _ in range(count):
      try:
        held.append(_hold(plan, folder, priority, source, times))
        say(f'row {rows.CONTEST}  {plan.title}: {held[-1][0]:.1f} and '
            f'{held[-1][1]:.1f} Mbit/s')
      except measure.Failure as failure:
        say(f'row {rows.CONTEST}  {plan.title}: FAILED: {failure}')
    numbers[plan.title] = held
    demand = f'{plan.title}: {plan.demand}'
    if not held:
      lines.append([plan.title, 'failed', '', '', ''])
      verdicts.append(report.Verdict(demand, 'failed', None))
      continue
    shares = [one / max(one + two, 1e-9) for one, two in held]
    fairness = statistics.median(jain(rates) for rates in held)
    value, met = plan.judge(statistics.median(shares), fairness)
    verdicts.append(report.Verdict(demand, value, met))
    lines.append([
        plan.title,
        *(f'{statistics.median(rates):.1f}' for rates in zip(*held)),
        f'{_percent(statistics.median(shares))} ({_percent(min(shares))} to '
        f'{_percent(max(shares))})', f'{fairness:.3f}'
    ])
  os.remove(source)
  for i in range(len(_UDP_PORTS)):
    peers.empty(os.path.join(folder, f'out{i}'))
  return report.Table(
      'sharing a line of 100 Mbit/s and 50 ms',
      f'Medians of {count}: Mbit/s of IP packets that the receiver\'s kernel '
      f'counted, over {times[2]} s that begin {times[1]} s after both flows '
      f'run. TCP, or the first of two, has started {times[0]} s before.',
      ['contest', 'p2pcp', 'the other', 'share of p2pcp', 'Jain'], lines,
      verdicts, numbers)
