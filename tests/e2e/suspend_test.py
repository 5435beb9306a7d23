"""A lid is closed in the middle of a transfer, for 20 s and for 10 minutes.

The machine that sleeps stands still, and finds at its end that its clocks have
gone on (clock_shim.cc). Those of the other one are put on meanwhile, in steps,
so that nobody has to wait for all that time.
"""

import concurrent.futures
import os
import signal
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_LINE = 'rate=8mbit delay=10ms'
_SIZE = 6_000_000  # 6 s on that line.
# What the other side lives through: that its peer is silent, in the end that
# it is gone, and that it waits for it.
_STEPS = {20: (20,), 600: (40, 50, 300, 600)}


class Clock:
  """Seconds that a machine has slept, as its processes see it."""

  def __init__(self, person):
    self._file = os.path.join(person.lab.folder, f'slept-{person.name}')
    self.set(0)
    self.environment = {
        'LD_PRELOAD': os.path.realpath(
            network.find_program('clock_shim.so', 'tests/e2e/clock_shim.so')),
        'P2PCP_TEST_SLEPT': self._file
    }

  def set(self, seconds):
    # At once, whoever reads it in between.
    with open(self._file + '.new', 'w', encoding='ascii') as file:
      file.write(str(seconds))
    os.rename(self._file + '.new', self._file)


def family(pid):
  """A process and its children."""
  with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
    children = [int(child) for child in file.read().split()]
  return [pid] + [each for child in children for each in family(child)]


def sleep_through(who, seconds):
  """One transfer in which `who` sleeps: (seconds since, both commands)."""
  with topology.Lab('homes', link_a=_LINE) as lab:
    people = pair.Pair(lab)
    source = pair.write_file(people.alice.path('file'), _SIZE)
    clocks = {'send': Clock(people.alice), 'recv': Clock(people.bob)}
    commands = {
        'send': people.send('file', env=clocks['send'].environment),
        'recv': people.recv(env=clocks['recv'].environment)
    }
    send, recv = commands['send'], commands['recv']
    recv.when('first bytes of the file')
    time.sleep(1.5)
    processes = family(commands[who].process.pid)
    for process in processes:
      os.kill(process, signal.SIGSTOP)
    other = 'recv' if who == 'send' else 'send'
    for step in _STEPS[seconds]:
      time.sleep(0.7)
      clocks[other].set(step)
    time.sleep(0.7)
    if seconds > 120:
      for router in ('natA', 'natB'):
        lab[router].run('conntrack', '-F')
    clocks[who].set(seconds)
    for process in processes:
      os.kill(process, signal.SIGCONT)
    begin = time.monotonic()
    people.expect(send, recv, timeout=40)
    took = time.monotonic() - begin
    people.check_file(source, 'file', send, recv)
    return took, send, recv


class Suspend(unittest.TestCase):

  def test_either_side_sleeps_and_the_transfer_ends_verified(self):
    cases = [(who, seconds) for who in ('send', 'recv') for seconds in _STEPS]
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as pool:
      runs = [pool.submit(sleep_through, *case) for case in cases]
    for (who, seconds), run in zip(cases, runs):
      with self.subTest(f'{who} {seconds} s'):
        took, send, recv = run.result()
        logs = f'{send.log()}\n{recv.log()}'
        print(f'{who} slept {seconds} s: verified {took:.1f} s after that')
        # Some 4 s of the file were left.
        self.assertLess(took, 25, logs)
        if seconds > 120:
          self.assertRegex(recv.text, 'goes on: .* are there', logs)
          self.assertIn('connection lost, waiting for', send.text + recv.text)
        else:
          self.assertNotIn('connection lost', send.text + recv.text, logs)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
