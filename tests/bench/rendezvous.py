"""What a rendezvous costs: many peers listen at one mosquitto, some meet.

For each number of listening peers: how fast they come; then a period in which
they do nothing but listen; then one with a number of rendezvous a second on top
(fewer where there are few peers: each takes its turn, of four seconds).
Counted are MQTT messages and bytes, packets and bytes on the line (loopback, with
all headers), the broker's processor time and memory; and how long it takes from
dialling the broker until the answer is there, which is when both sides have
keys and begin to punch.

The peers are those of light_peers.py. A few transfers of the real program run
beside them at the end of each period.
"""

import argparse
import datetime
import json
import os
import platform
import resource
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), '..', '..'))
# pylint: disable=wrong-import-position
from tests.bench import measure
from tests.e2e import pair
from tests.lab import network
from tests.lab import servers

_HERE = os.path.dirname(os.path.abspath(__file__))
# Nobody stands there: on one host no NAT has to be seen.
NO_STUN = '127.0.0.1:9'
_TICKS = os.sysconf('SC_CLK_TCK')
_PAGE = os.sysconf('SC_PAGESIZE')
# Descriptors for those who come to meet.
_SPARE = 2000
# As `serve` configures it, without its limit of connections.
_BROKER = ('max_qos 0\nretain_available false\nset_tcp_nodelay true\n'
           'max_packet_size 2048\nsys_interval 0\nmax_queued_messages 64\n'
           'persistence false\n')


class Counters:
  """The broker's processor seconds and memory, and what loopback carried."""

  def __init__(self, lab, process):
    with open(f'/proc/{process}/stat', encoding='ascii') as file:
      fields = file.read().rpartition(')')[2].split()
    self.at = time.monotonic()
    self.cpu = (int(fields[11]) + int(fields[12])) / _TICKS
    self.memory = int(fields[21]) * _PAGE
    line = next(
        l for l in lab['host'].run('cat', '/proc/net/dev').splitlines()
        if 'lo:' in l).split()
    self.bytes, self.packets = int(line[1]), int(line[2])


def _broker_process(lab):
  for pid in lab['host'].processes():
    with open(f'/proc/{pid}/comm', encoding='ascii') as file:
      if file.read().strip() == 'mosquitto':
        return pid
  raise network.LabError('there is no broker')


def _percentile(values, share):
  return values[min(len(values) - 1, int(share * len(values)))]


def _certificate(folder):
  """One that has signed itself, and its key: their paths."""
  certificate, key = (os.path.join(folder, n) for n in ('cert.pem', 'key.pem'))
  subprocess.run([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:P-256', '-nodes', '-keyout', key, '-out', certificate,
      '-days', '2', '-subj', '/CN=bench', '-addext',
      'subjectAltName=IP:127.0.0.1'
  ], check=True, capture_output=True)
  return certificate, key


def _real_transfers(people, count, extra):
  """Seconds from when both are subscribed until both have a path."""
  times = []
  for number in range(count):
    name = f'file{number}'
    pair.write_file(people.alice.path(name), 1000)
    recv = people.recv(extra=extra)
    recv.when('subscribed')
    send = people.send(name, extra=extra)
    people.expect(send, recv, timeout=60)
    times.append(pair.path_after_both(send, recv))
  return sorted(times)


def run(peers, rate, seconds, real, tls=False):
  """One row of the table."""
  with pair.Alone() as lab:
    scheme, config, authority = 'mqtt', _BROKER, []
    if tls:
      certificate, key = _certificate(lab.folder)
      config += f'certfile {certificate}\nkeyfile {key}\n'
      scheme, authority = 'mqtts', [certificate]
    lab.broker = f'{scheme}://127.0.0.1:{servers.MQTT_PORT}'
    lab.stun = [NO_STUN]
    # The broker and the peers inherit it.
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < peers + _SPARE:
      raise SystemExit(f'{peers} peers need {peers + _SPARE} descriptors, and '
                       f'there may be {most} (ulimit -Hn)')
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    servers.start_mosquitto(lab, lab['host'],
                            extra=config, log_type='error')
    broker = _broker_process(lab)
    bare = Counters(lab, broker)
    load = lab.start(
        lab['host'],
        [sys.executable, os.path.join(_HERE, 'light_peers.py'), '127.0.0.1',
         str(servers.MQTT_PORT), str(peers), str(rate), str(seconds),
         *authority],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    # Else the times would be those of whatever else runs here.
    for process in (broker, load.pid):
      measure.real_time(process)

    def period(before):
      line = load.stdout.readline()
      if not line:
        raise SystemExit('the light peers gave up')
      told, after = json.loads(line), Counters(lab, broker)
      took = after.at - before.at
      return after, {
          **told,
          'cpu': (after.cpu - before.cpu) / took,
          'line_bytes': (after.bytes - before.bytes) / took,
          'line_packets': (after.packets - before.packets) / took,
          'publishes': told['publishes'] / told['seconds'],
          'deliveries': told['deliveries'] / told['seconds'],
          'memory': after.memory,
      }

    def go_on():
      load.stdin.write('\n')
      load.stdin.flush()
      return Counters(lab, broker)

    come_end, come = period(bare)
    come['cpu_each'] = (come_end.cpu - bare.cpu) / peers
    come['memory_each'] = (come_end.memory - bare.memory) / peers
    _, listen = period(go_on())
    before = go_on()
    people = pair.Pair(lab)
    times = _real_transfers(people, real,
                            [f'--broker-ca={a}' for a in authority])
    _, meet = period(before)
    went = meet.pop('times')
    go_on()
    return {
        'peers': peers, 'tls': tls, 'come': come, 'listen': listen,
        'meet': meet,
        'p50': _percentile(went, 0.5) if went else None,
        'p99': _percentile(went, 0.99) if went else None,
        'real': times,
    }


def table(rows):
  """Markdown: a row of each period."""
  lines = [
      '| peers | rendezvous/s | messages/s in, out | kB/s on the line | '
      'broker: processor | memory | p50 | p99 | the program |',
      '|---:|' + '---:|' * 8
  ]
  for row in rows:
    for name in ('listen', 'meet'):
      this = row[name]
      cells = [
          f'{row["peers"]:,}',
          f'{this.get("rate", 0):.3g}',
          f'{this["publishes"]:.1f}, {this["deliveries"]:.1f}',
          f'{this["line_bytes"] / 1000:.1f}',
          f'{this["cpu"]:.1%}',
          f'{this["memory"] / 1e6:.1f} MB',
      ]
      if name == 'meet':
        cells += [f'{row[p] * 1000:.1f} ms' for p in ('p50', 'p99')]
        real = row['real']
        cells.append(f'{real[len(real) // 2] * 1000:.0f} ms' if real else '')
      else:
        cells += [''] * 3
      lines.append('| ' + ' | '.join(cells) + ' |')
  return '\n'.join(lines)


def main():
  parser = argparse.ArgumentParser(
      prog='./dev rendezvous', description=__doc__,
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--peers', default='1,10,100,1000,10000',
                      metavar='N,...', help='default: %(default)s')
  parser.add_argument('--rate', type=float, default=100,
                      help='rendezvous a second on top (%(default)s)')
  parser.add_argument('--seconds', type=float, default=60,
                      help='of each period (%(default)s)')
  parser.add_argument('--real', type=int, default=10,
                      help='transfers of the real program (%(default)s)')
  parser.add_argument('--tls', action='store_true',
                      help='a broker that takes TLS only')
  parser.add_argument('--out', metavar='FILE', help='all numbers, as JSON')
  arguments = parser.parse_args()
  rows = []
  for peers in map(int, arguments.peers.split(',')):
    rows.append(run(peers, arguments.rate, arguments.seconds,
                    arguments.real, arguments.tls))
    print('\n'.join(table(rows[-1:]).splitlines()[2:]), file=sys.stderr,
          flush=True)
  about = {
      'date': datetime.date.today().isoformat(),
      'processors': os.cpu_count(), 'machine': platform.machine(),
      'kernel': platform.release(), 'seconds': arguments.seconds,
  }
  if arguments.out:
    with open(arguments.out, 'w', encoding='ascii') as file:
      json.dump({'about': about, 'rows': rows}, file, indent=1)
  print(f'{about}\n\n{table(rows)}')
  # Everybody who came has met.
  lost = [r['peers'] for r in rows
          if r['meet']['began'] - r['meet']['met'] > 3]
  return f'not all have met, with {lost} peers' if lost else 0


if __name__ == '__main__':
  network.become_root()
  sys.exit(main())
