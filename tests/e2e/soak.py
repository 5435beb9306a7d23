"""recv --listen for a long time under many transfers: nothing may leak.

usage: soak.py [--minutes N] [--transfers N] [--at-once N] [--seed N]

Senders behind one NAT send files of random sizes to one listener behind
another, each at a rate that makes them last: so many transfers in so many
minutes, so many of them at any time. Some are interrupted on the way and sent
again. Every file is compared with its source. What the listener holds (memory,
descriptors, threads, child processes, temporary files) is looked at in the
pauses between the rounds.
"""

import argparse
import filecmp
import os
import random
import signal
import sys
import threading
import time

from tests.e2e import crowd
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_KIB = 1 << 10
_MIB = 1 << 20
# What a heap may have more of at the end than in the middle.
_GROWTH = 2 * _MIB
_INTERRUPTED = 0.05
_ROUNDS = 5


def _status(pid, field):
  with open(f'/proc/{pid}/status', encoding='utf-8') as file:
    for line in file:
      if line.startswith(field + ':'):
        return int(line.split()[1])
  raise KeyError(field)


def _held(people, listener):
  """What the listener and its child for the brokers hold, by name."""
  verbs = people.processes()
  held = {'processes': sorted(verbs.values())}
  for pid, verb in verbs.items():
    if verb not in ('recv', 'mqtt-child'):
      continue
    held[verb] = {
        'resident': _status(pid, 'VmRSS') * _KIB,
        'descriptors': len(os.listdir(f'/proc/{pid}/fd')),
        'threads': _status(pid, 'Threads'),
    }
  held['unfinished'] = crowd.unfinished(people.bob.folder)
  return held


class Soak:
  """The campaign; run() raises AssertionError where something is wrong."""

  def __init__(self, lab, seconds, transfers, at_once, seed, report=print):
    self._seconds = seconds
    self._transfers = transfers
    self._report = report
    self._random = random.Random(seed)
    self._names = [f'sender{i}' for i in range(at_once)]
    self.people = crowd.Crowd(lab, self._names, '-soak')
    # How long one has to last, so that all of them are at it all the time.
    self._mean = seconds * at_once / transfers
    self.done = 0
    self.interrupted = 0
    self._most = 0
    self._errors = []
    self._lock = threading.Lock()

  def _one(self, name, rng, number):
    """One file of a sender's, until it is there."""
    path = f'{name}-{number}'
    lasts = rng.uniform(0.2, 1.8) * self._mean
    size = rng.choice((rng.randrange(2), rng.randrange(64 * _KIB)) + 6 *
                      (rng.randrange(4 * _MIB),))
    source = self.people.file(name, size, path)
    extra = ['--timeout', '60']
    if size > 4 * _KIB:
      extra += ['--bwlimit', str(max(1500, int(size / lasts)))]
    if size > 64 * _KIB and rng.random() < _INTERRUPTED:
      send = self.people.send(name, path, extra=extra)
      time.sleep(rng.uniform(0.3, max(0.4, lasts)))
      send.interrupt()
      if send.wait(30) == pair.INTERRUPTED:
        with self._lock:
          self.interrupted += 1
        send = self.people.send(name, path, extra=extra)
    else:
      send = self.people.send(name, path, extra=extra)
    if send.wait(lasts * 4 + 120) != pair.VERIFIED:
      raise AssertionError(send.log())
    there = self.people.bob.path(path)
    if not filecmp.cmp(source, there, shallow=False):
      raise AssertionError(f'{path} is not what was sent:\n{send.log()}')
    if pair.xxh128sum(there) not in send.text:
      raise AssertionError(f'another digest was said:\n{send.log()}')
    os.remove(there)
    os.remove(source)

  def _sender(self, name, seed, numbers):
    rng = random.Random(seed)
    try:
      for number in numbers:
        self._one(name, rng, number)
        with self._lock:
          self.done += 1
    except Exception as error:  # pylint: disable=broad-except
      # The others see it and stop.
      self._errors.append(error)

  def _round(self, first):
    share = self._transfers // _ROUNDS
    numbers = [range(first + i, first + share, len(self._names))
               for i in range(len(self._names))]
    threads = [
        threading.Thread(target=self._sender,
                         args=(name, self._random.random(), own))
        for name, own in zip(self._names, numbers)
    ]
    for thread in threads:
      thread.start()
    while any(thread.is_alive() for thread in threads):
      time.sleep(0.2)
      verbs = list(self.people.processes().values())
      self._most = max(self._most, verbs.count('transfer-worker'))
    if self._errors:
      raise self._errors[0]
    return first + share

  def run(self):
    listener = self.people.listen('--from', 'any', '--listen',
                                  '--max-transfers', str(len(self._names)))
    begin = time.monotonic()
    rounds = []
    number = 0
    for i in range(_ROUNDS):
      number = self._round(number)
      time.sleep(1)
      self.people.settle(('mqtt-child', 'recv'))
      rounds.append(_held(self.people, listener))
      self._report(f'{time.monotonic() - begin:7.1f} s  round {i + 1}: '
                   f'{self.done} transfers, {self.interrupted} of them '
                   f'interrupted on the way; {rounds[-1]}')
    took = time.monotonic() - begin
    if listener.process.poll() is not None:
      raise AssertionError(listener.log())
    listener.interrupt(signal.SIGINT)
    code = listener.wait(10)
    self._report(f'{self.done} transfers in {took:.0f} s, up to {self._most} '
                 f'at once, all right')
    self._judge(rounds, code)

  def _judge(self, rounds, code):
    expect = []
    first, last = rounds[0], rounds[-1]
    for held in rounds:
      if held['processes'] != ['mqtt-child', 'recv']:
        expect.append(f'processes are left: {held["processes"]}')
      if held['unfinished']:
        expect.append(f'temporary files are left: {held["unfinished"]}')
    for verb in ('recv', 'mqtt-child'):
      for what in ('descriptors', 'threads'):
        if last[verb][what] > first[verb][what]:
          expect.append(f'{what} of {verb}: {first[verb][what]}, at the end '
                        f'{last[verb][what]}')
      middle = max(held[verb]['resident'] for held in rounds[:_ROUNDS // 2 + 1])
      if last[verb]['resident'] > middle + _GROWTH:
        expect.append(f'memory of {verb}: {middle}, at the end '
                      f'{last[verb]["resident"]}')
    if code != pair.INTERRUPTED:
      expect.append(f'the listener ended with {code}')
    if self.people.processes():
      expect.append(f'left behind: {self.people.processes()}')
    if expect:
      raise AssertionError('\n'.join(expect))


def main():
  parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
  parser.add_argument('--minutes', type=float, default=60)
  parser.add_argument('--transfers', type=int, default=None,
                      help='default: 500 an hour')
  parser.add_argument('--at-once', type=int, default=10)
  parser.add_argument('--seed', type=int, default=None)
  options = parser.parse_args()
  network.become_root()
  seconds = options.minutes * 60
  transfers = options.transfers or max(_ROUNDS * options.at_once,
                                       round(500 * seconds / 3600))
  seed = options.seed if options.seed is not None else time.time_ns() % 10**6
  print(f'{transfers} transfers in {options.minutes:g} minutes, '
        f'{options.at_once} at once, seed {seed}', flush=True)
  with topology.Lab('homes') as lab:
    Soak(lab, seconds, transfers, options.at_once, seed,
         lambda text: print(text, flush=True)).run()
  return 0


if __name__ == '__main__':
  sys.exit(main())
