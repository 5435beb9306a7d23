"""Row 16: a line that fails for a while, a NAT that begins anew, and connecting
over a bad line."""

import os
import time

from tests.bench import measure
from tests.bench import path as paths
from tests.bench import peers
from tests.bench import race
from tests.bench import report
from tests.bench import rows
from tests.lab import servers

_OUTAGES = (0.5, 2, 10, 30)
# Into the transfer when it begins.
_BEGINS = 2.0
# Data flow again once so many bytes have come: more than the two packets of a
# probe timeout.
_FLOWS = 10 * 1500
# Of a NAT before p2pcp: the port that it gives it, and its next one.
_PORTS = (40000, 50000)
# After a NAT has begun anew data pause for so long at most: half a second until
# a side that hears nothing looks for the other one, and some round trips; and
# where the kernel damages the trains of a machine that is its own NAT (6.18 does,
# before the emulator's device), single packets are not many at first.
_REBIND_PAUSE = 2.0
# Connecting, with 30 % of the datagrams lost both ways.
_LOSSY_SETUPS = 20
_LOSS_PERCENT = 30


def _outage(path, task, seconds, begins):
  """(seconds from the line's return until data flow, whether it was whole)"""
  sender, receiver = peers.P2pcp('p2pcp').start(task)
  connected, _ = receiver.await_line(peers.CONNECTED, time.monotonic() + 30)
  time.sleep(max(0, connected + begins - time.monotonic()))
  path.link.set('both', 'loss=100%')
  time.sleep(seconds)
  sampler = path.sampler(interval=0.002)
  # What was on its way when the line failed has arrived by now, or never does.
  back = time.monotonic()
  start = measure.device_bytes(path.holders[path.b], path.device)[0]
  path.link.set('both', 'loss=0')
  deadline = back + 60
  whole = receiver.wait(deadline) and sender.wait(deadline)
  samples = sampler.stop()
  sender.end()
  receiver.end()
  flows = next((at for at, count in samples if count - start >= _FLOWS), None)
  whole = whole and (sender.code, receiver.code) == (0, 0)
  return (flows - back if flows else None, whole,
          f'{sender.text[-300:]}\n{receiver.text[-300:]}')


def _nat(port):
  """Rules of a host that is its own NAT: what nobody asked for stays outside."""
  return f'''
table ip home {{}}
delete table ip home
table ip home {{
  chain post {{ type nat hook postrouting priority srcnat
    oifname "{paths.DEVICE}" udp sport != {servers.STUN_PORT} masquerade to :{port}
  }}
  chain in {{ type filter hook input priority filter
    meta l4proto udp udp dport != {servers.STUN_PORT} ct state new drop
  }}
}}
'''


def _longest_pause(samples, begin, end):
  """The longest time within [begin, end] in which less than _FLOWS came."""
  longest, since, last = 0.0, begin, None
  for at, count in samples:
    if begin <= at <= end:
      last = count if last is None else last
      if count - last >= _FLOWS:
        longest, since, last = max(longest, at - since), at, count
  return longest


def _rebind(path, task, host, begins):
  """(longest pause after a NAT has begun anew, whether it was whole, text)"""
  host.nft(_nat(_PORTS[0]))
  try:
    sender, receiver = peers.P2pcp('p2pcp').start(task)
    connected, _ = receiver.await_line(peers.CONNECTED, time.monotonic() + 30)
    sampler = path.sampler(interval=0.002)
    time.sleep(max(0, connected + begins - time.monotonic()))
    rebound = time.monotonic()
    host.nft(_nat(_PORTS[1]))
    host.run('conntrack', '-F')
    deadline = rebound + 60
    whole = receiver.wait(deadline) and sender.wait(deadline)
    # What is left at the very end is less than what counts as flowing.
    pause = _longest_pause(sampler.stop(), rebound, receiver.ended or deadline)
    sender.end()
    receiver.end()
  finally:
    host.nft('delete table ip home')
    host.run('conntrack', '-F')
  whole = whole and (sender.code, receiver.code) == (0, 0)
  return pause, whole, f'{sender.text[-300:]}\n{receiver.text[-300:]}'


def _lossy_setups(path, task, count):
  """Seconds until connected, of so many small transfers."""
  rule = f'meta l4proto udp numgen random mod 100 < {_LOSS_PERCENT} drop'
  for host in (path.a, path.b):
    host.nft('table inet lossy {\nchain in {\n'
             f'type filter hook input priority 0\n{rule}\n}}\n}}\n')
  took = []
  for _ in range(count):
    peers.empty(task.out)
    sender, receiver = peers.P2pcp('p2pcp').start(task)
    try:
      connected, _ = receiver.await_line(peers.CONNECTED,
                                         time.monotonic() + 30)
      took.append(connected - receiver.begin)
    except measure.Failure:
      took.append(30.0)
    sender.end()
    receiver.end()
  for host in (path.a, path.b):
    host.nft('delete table inet lossy')
  return sorted(took)


def run(folder, priority, quick, _, say):
  """A report.Table."""
  outages = _OUTAGES[:1] if quick else _OUTAGES
  begins = 0.3 if quick else _BEGINS
  row = rows.OUTAGE_ROW
  size = (8 << 20) if quick else row.size
  source = race.write_random(os.path.join(folder, 'file'), size)
  lines, verdicts = [], []
  bound = 2 * row.rtt / 1e3 + 0.1
  out = os.path.join(folder, 'out')
  with paths.Path(row, priority) as path:
    task = peers.Task(path, source, out, path.folder)
    for seconds in outages:
      peers.empty(out)
      flows, whole, text = _outage(path, task, seconds, begins)
      value = 'never' if flows is None else f'{flows * 1e3:.0f} ms'
      lines.append([f'outage of {seconds:g} s', value,
                    'whole' if whole else 'not finished'])
      verdicts.append(report.Verdict(
          f'after {seconds:g} s without a line, data flow within '
          f'{bound * 1e3:.0f} ms, and the file is finished',
          ', '.join(lines[-1][1:]),
          flows is not None and flows <= bound and whole))
      say(f'row {rows.OUTAGE}  ' + ', '.join(lines[-1]))
      if not whole:
        say(text)
    for title, host in (('sender', path.a), ('receiver', path.b)):
      peers.empty(out)
      pause, whole, text = _rebind(path, task, host, begins)
      lines.append([f'the {title}\'s NAT begins anew', f'{pause * 1e3:.0f} ms',
                    'whole' if whole else 'not finished'])
      verdicts.append(report.Verdict(
          f'when the {title}\'s NAT begins anew, data pause for '
          f'{_REBIND_PAUSE * 1e3:.0f} ms at most, and the file is finished',
          ', '.join(lines[-1][1:]), pause <= _REBIND_PAUSE and whole))
      say(f'row {rows.OUTAGE}  ' + ', '.join(lines[-1]))
      if not whole:
        say(text)
    count = 2 if quick else _LOSSY_SETUPS
    took = _lossy_setups(path, task, count)
    p95 = took[min(count - 1, int(count * 0.95))]
    lines.append([f'{count} set-ups, {_LOSS_PERCENT} % of datagrams lost both '
                  'ways', f'median {took[count // 2] * 1e3:.0f} ms, p95 '
                  f'{p95 * 1e3:.0f} ms', ''])
    verdicts.append(report.Verdict(
        f'connected within 3 s at p95 with {_LOSS_PERCENT} % lost',
        f'{p95:.2f} s', p95 <= 3))
    say(f'row {rows.OUTAGE}  ' + ', '.join(lines[-1]))
  os.remove(source)
  peers.empty(out)
  return report.Table(
      'outages, NATs that begin anew, and a bad line at the start, on '
      '100 Mbit/s and 50 ms',
      'The time is from the line\'s return until the first '
      f'{_FLOWS // 1500} packets\' worth of bytes have arrived; the longest '
      'one in which fewer came, once a NAT had begun anew.',
      ['what', 'time', ''], lines, verdicts)
