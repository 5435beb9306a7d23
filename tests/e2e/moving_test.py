"""What changes under a transfer: it goes on where it was, soon, on its own.

Every case has a laboratory of its own and all of them run at once: lines are
slow, so that each transfer lasts for seconds, and cost next to nothing.
"""

import concurrent.futures
import json
import threading
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_LINE = 'rate=8mbit delay=10ms'
_SIZE = 6_000_000  # 6 s on that line.
_CUT = 20
# From the moment of the change, or of the line's return.
_SAME_PORT = 1.0
_NEW_PORT = 5.0


class Meter:
  """The longest time in which a host got no data."""

  def __init__(self, pid, interval=0.01):
    self._interval = interval  # Of the samples, in seconds.
    self._file = f'/proc/{pid}/net/dev'
    self.longest = 0.0
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _received(self):
    with open(self._file, encoding='ascii') as file:
      return sum(
          int(line.partition(':')[2].split()[0])
          for line in file
          if ':' in line and not line.strip().startswith('lo:'))

  def _run(self):
    last, since = self._received(), time.monotonic()
    while not self._stop.wait(self._interval):
      try:
        now = self._received()
      except OSError:
        return
      # More than probes and brokers: two full packets at once. The line must
      # bring more in that time.
      if now - last >= 2500:
        self.longest = max(self.longest, time.monotonic() - since)
        since = time.monotonic()
      last = now

  def stop(self):
    self._stop.set()
    self._thread.join()
    return self.longest


# The changes. Each gets the laboratory and a function that is true once the
# transfer is over.


def new_mapping_at(nat):

  def change(lab):
    lab.set_kind(nat, 'REMAP')

  return change


def flush_at(nat):

  def change(lab):
    lab[nat].run('conntrack', '-F')

  return change


def renew_lease(lab):
  lab['hostA'].ip('addr del 10.1.0.2/24 dev eth0',
                  'addr add 10.1.0.77/24 dev eth0',
                  'route replace default via 10.1.0.1')


def renumber_line(lab):
  lab['natB'].ip('addr flush dev wan scope global',
                 'addr add 192.0.2.77/24 dev wan',
                 'route replace default via 192.0.2.1')
  lab['natB'].run('conntrack', '-F')


def move_to_other_network(lab):
  """Out of one Wi-Fi, and a moment later into that of the peer."""
  host = lab['hostA']
  host.ip('link del eth0')
  time.sleep(0.3)
  lab.veth(host, 'wlan0', lab['natB'], 'lan@guest')
  host.ip('addr add 10.2.0.9/24 dev wlan0', 'route add default via 10.2.0.1')


def cut_line(lab):
  lab.links['A'].set('both', 'loss=100%')
  time.sleep(_CUT)
  lab.links['A'].set('both', f'clear {_LINE}')


def cut_line_and_forget(lab):
  """As when the router starts anew: the NAT has forgotten everything."""
  lab.links['A'].set('both', 'loss=100%')
  time.sleep(_CUT)
  lab.set_kind('natA', 'REMAP')
  lab.links['A'].set('both', f'clear {_LINE}')


def lose_ipv6(lab):
  lab['natA'].run(
      'nft', 'add table ip6 gone; add chain ip6 gone forward '
      '{ type filter hook forward priority -1; policy drop; }')


def kill_broker(lab):
  lab.end(lab.mosquitto)


# Title, topology, change, how long the data may pause.
_CASES = (
    ('the sender\'s mapping changes', 'homes', new_mapping_at('natA'),
     _NEW_PORT),
    ('the receiver\'s mapping changes', 'homes', new_mapping_at('natB'),
     _NEW_PORT),
    ('it changes before an open NAT', 'PRC-FULL', new_mapping_at('natA'),
     _SAME_PORT),
    ('the sender\'s NAT forgets', 'homes', flush_at('natA'), _SAME_PORT),
    ('the receiver\'s NAT forgets', 'homes', flush_at('natB'), _SAME_PORT),
    ('the sender has a new lease', 'homes', renew_lease, _NEW_PORT),
    ('the receiver\'s line has a new address', 'homes', renumber_line,
     _NEW_PORT),
    ('the sender moves to the other network', 'homes', move_to_other_network,
     _NEW_PORT),
    ('the line is cut', 'homes', cut_line, _CUT + _SAME_PORT),
    ('the line is cut and the router forgets', 'homes', cut_line_and_forget,
     _CUT + _NEW_PORT),
    ('IPv6 is lost, IPv4 stands by', 'dual-stack', lose_ipv6, _SAME_PORT),
    ('the broker is killed', 'homes', kill_broker, _SAME_PORT),
)


def run_case(lab, change):
  """One transfer with a change in its middle: (pause, both commands, done)."""
  people = pair.Pair(lab)
  source = pair.write_file(people.alice.path('file'), _SIZE)
  send = people.send('file', extra=['--json'])
  recv = people.recv(extra=['--json'])
  recv.when('first bytes of the file')
  meter = Meter(recv.process.pid)
  time.sleep(1.5)
  change(lab)
  people.expect(send, recv, timeout=_CUT + 40)
  pause = meter.stop()
  people.check_file(source, 'file', send, recv)
  done = json.loads(send.stdout[-1][1])
  return pause, send, recv, done


class Moving(unittest.TestCase):

  def test_it_goes_on_whatever_changes(self):
    # One after the other: the making of many networks at once disturbs them.
    labs = []
    for _, name, _, _ in _CASES:
      labs.append(topology.Lab(name, link_a=_LINE))
      self.addCleanup(labs[-1].close)
    with concurrent.futures.ThreadPoolExecutor(len(_CASES)) as pool:
      runs = [
          pool.submit(run_case, lab, change)
          for lab, (_, _, change, _) in zip(labs, _CASES)
      ]
    for (title, _, _, bound), run in zip(_CASES, runs):
      with self.subTest(title):
        pause, send, recv, done = run.result()
        logs = f'{send.log()}\n{recv.log()}'
        again = done['retransmitted'] * _SIZE
        print(f'{title}: {pause:.2f} s without data, {again / 1e3:.0f} kB '
              'sent again')
        self.assertLess(pause, bound, logs)
        # What was under way when the path died, and what was sent into the
        # dark since: at most a second of the line. Nothing that had arrived.
        self.assertLess(again, 1_000_000, logs)
        if pause > 1.5:
          self.assertRegex(send.text + recv.text, 'stalled: nothing comes from',
                           logs)
          events = [json.loads(l) for _, l in send.stdout + recv.stdout]
          names = [event['event'] for event in events]
          self.assertIn('stalled', names, logs)
          self.assertIn('resumed', names, logs)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
