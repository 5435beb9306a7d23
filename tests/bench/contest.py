"""Row 15: how p2pcp shares a line with TCP CUBIC, and with itself."""

import json
import os
import time

from tests.bench import measure
from tests.bench import path as paths
from tests.bench import peers
from tests.bench import race
from tests.bench import report
from tests.bench import rows
from tests.e2e import pair
from tests.lab import network

_TCP_PORT = 5201
_UDP_PORTS = (41001, 41002)
# Seconds until the second flow starts, until counting begins once both run,
# and of counting.
_AHEAD = 3
_SETTLE = 10
_COUNTED = 50


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

  def p2pcp(self, number=0, send=('--cc', 'bbr')):
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


def _has_background():
  return '--background' in network.command([pair.program(), 'send', '--help'])


def run(folder, priority, quick, say):
  """A report.Table."""
  times = (1, 1, 3) if quick else (_AHEAD, _SETTLE, _COUNTED)
  line = rows.contest_row(1)
  # More than the line can carry until all is over.
  seconds = sum(times) + 30
  source = race.write_random(os.path.join(folder, 'long'),
                             int(line.rate * 1e6 / 8 * seconds))
  lines, verdicts, numbers = [], [], {}

  def add(title, first, second, rates, demand, value, met):
    one, two = (rates[name] for name in (first, second))
    share = one / max(one + two, 1e-9)
    lines.append([title, f'{one:.1f}', f'{two:.1f}', f'{share * 100:.0f} %',
                  f'{jain([one, two]):.3f}'])
    numbers[title] = rates
    verdicts.append(report.Verdict(f'{title}: {demand}', value(share), met(share)))
    say(f'row {rows.CONTEST}  ' + ', '.join(lines[-1]))

  def fail(title, failure):
    lines.append([title, 'failed', '', '', ''])
    verdicts.append(report.Verdict(title, 'failed', None))
    say(f'row {rows.CONTEST}  {title}: FAILED: {failure}')

  percent = lambda share: f'{share * 100:.0f} %'
  try:
    for buffer in (0.25, 1, 4):
      title = f'beside one TCP CUBIC, buffer {buffer:g} BDP'
      try:
        with _Contest(folder, priority, buffer, source, times) as contest:
          contest.cubic()
          contest.ahead()
          contest.p2pcp()
          rates = contest.count()
      except measure.Failure as failure:
        fail(title, failure)
        continue
      if buffer < 1:
        add(title, 'udp0', 'cubic', rates, 'CUBIC keeps at least 20 %',
            lambda share: percent(1 - share), lambda share: share <= 0.80)
      else:
        add(title, 'udp0', 'cubic', rates, 'p2pcp takes 35 to 65 %', percent,
            lambda share: 0.35 <= share <= 0.65)
    title = 'two of p2pcp, buffer 1 BDP'
    try:
      with _Contest(folder, priority, 1, source, times) as contest:
        contest.p2pcp(0)
        contest.ahead()
        contest.p2pcp(1)
        rates = contest.count()
      fairness = jain([rates['udp0'], rates['udp1']])
      add(title, 'udp0', 'udp1', rates, 'Jain\'s index >= 0.95',
          lambda _: f'{fairness:.3f}', lambda _: fairness >= 0.95)
    except measure.Failure as failure:
      fail(title, failure)
    title = '--background beside one TCP CUBIC, buffer 1 BDP'
    if _has_background():
      try:
        with _Contest(folder, priority, 1, source, times) as contest:
          contest.cubic()
          contest.ahead()
          contest.p2pcp(send=('--background',))
          rates = contest.count()
        add(title, 'udp0', 'cubic', rates, 'CUBIC keeps at least 90 %',
            lambda share: percent(1 - share), lambda share: share <= 0.10)
      except measure.Failure as failure:
        fail(title, failure)
    else:
      verdicts.append(
          report.Verdict(title, 'this p2pcp has no --background', None))
  finally:
    os.remove(source)
    for i in range(len(_UDP_PORTS)):
      peers.empty(os.path.join(folder, f'out{i}'))
  return report.Table(
      'sharing a line of 100 Mbit/s and 50 ms',
      'Mbit/s of IP packets that the receiver\'s kernel counted, over '
      f'{times[2]} s that begin {times[1]} s after both flows run; the one '
      f'named second, or TCP, has started {times[0]} s before.',
      ['contest', 'p2pcp', 'the other', 'share of p2pcp', 'Jain'], lines,
      verdicts, numbers)
