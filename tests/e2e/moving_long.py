"""What takes minutes: mappings that die of age, and pauses longer than mappings
live. `./dev moves`."""

import concurrent.futures
import os
import re
import threading
import time
import unittest

from tests.e2e import moving_test
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_AGE = 50
_PAUSE = 60
_SHORT = 30  # Seconds that a NAT remembers.


class Reaper:
  """Deletes each UDP mapping of a router once it is _AGE seconds old."""

  def __init__(self, router):
    self._router = router
    self._born = {}
    self.deleted = 0
    self._stop = threading.Event()
    self._thread = threading.Thread(target=self._run, daemon=True)
    self._thread.start()

  def _run(self):
    while not self._stop.wait(0.5):
      now = time.monotonic()
      seen = {}
      for line in self._router.run('conntrack', '-L', '-p', 'udp',
                                   '-o', 'id').splitlines():
        flow = re.search(r'src=(\S+) dst=(\S+) sport=(\d+) dport=(\d+)', line)
        number = re.search(r' id=(\d+)', line)
        if flow and number:
          key = number.group(1)
          seen[key] = self._born.get(key, now)
          if now - seen[key] >= _AGE:
            source, target, sport, dport = flow.groups()
            self._router.run('sh', '-c',
                             f'conntrack -D -p udp -s {source} -d {target} '
                             f'--sport {sport} --dport {dport} || true')
            self.deleted += 1
      self._born = seen

  def stop(self):
    self._stop.set()
    self._thread.join()


def die_of_age(name):
  with topology.Lab(name, link_a='rate=1mbit delay=10ms') as lab:
    people = pair.Pair(lab)
    source = pair.write_file(people.alice.path('file'), 17_000_000)
    reaper = Reaper(lab['natA'])
    send, recv = people.send('file'), people.recv()
    recv.when('first bytes of the file')
    meter = moving_test.Meter(recv.process.pid, interval=0.05)
    people.expect(send, recv, timeout=220)
    longest = meter.stop()
    reaper.stop()
    people.check_file(source, 'file', send, recv)
    return longest, reaper.deleted, f'{send.log()}\n{recv.log()}'


def pause(name):
  with topology.Lab(name) as lab:
    for router in ('natA', 'natB'):
      lab[router].sysctl(netfilter__nf_conntrack_udp_timeout=_SHORT,
                         netfilter__nf_conntrack_udp_timeout_stream=_SHORT)
    people = pair.Pair(lab)
    source = pair.write_file(people.alice.path('file'), 60_000_000)
    preload = os.path.realpath(
        network.find_program('slow_writes.so', 'tests/e2e/slow_writes.so'))
    send = people.send('file')
    recv = people.recv(env={
        'LD_PRELOAD': preload,
        'SLOW_WRITES_STALL': str(_PAUSE * 1000)
    })
    people.expect(send, recv, timeout=_PAUSE + 60)
    people.check_file(source, 'file', send, recv)
    return recv.took, 0, f'{send.log()}\n{recv.log()}'


class MovingLong(unittest.TestCase):

  def test_mappings_that_die_and_pauses(self):
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
      open_side = pool.submit(die_of_age, 'SYM-FULL')
      restricted = pool.submit(die_of_age, 'REMAP-PRC')
      paused = pool.submit(pause, 'homes')
    for title, run in (('open', open_side), ('port-restricted', restricted)):
      with self.subTest(title):
        longest, deleted, logs = run.result()
        print(f'{title}: longest pause {longest:.2f} s, {deleted} mappings '
              'deleted')
        self.assertGreaterEqual(deleted, 2, logs)
        self.assertLess(longest, 1, logs)
    with self.subTest('a slow disk'):
      took, _, logs = paused.result()
      print(f'a disk that took {_PAUSE} s for a write: {took:.1f} s in all')
      self.assertGreater(took, _PAUSE, logs)
      self.assertLess(took, _PAUSE + 15, logs)
      self.assertNotIn('stalled', logs)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
