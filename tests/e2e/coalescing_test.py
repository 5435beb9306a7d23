"""Packets that come in a steady stream are read together, not one by one."""

import os
import re
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_MIB = 1 << 20


def _waits(pid):
  """How often the process' main thread has waited for something so far."""
  try:
    with open(f'/proc/{pid}/status', encoding='utf-8') as file:
      return int(re.search(r'^voluntary_ctxt_switches:\s+(\d+)', file.read(),
                           re.MULTILINE).group(1))
  except (OSError, AttributeError):  # It has ended.
    return 0


def _be_in_time(process):
  """On a busy machine packets would gather by themselves."""
  try:
    os.sched_setscheduler(process.pid, os.SCHED_RR, os.sched_param(1))
  except PermissionError:  # Root of a user namespace may not.
    pass


class Coalescing(unittest.TestCase):

  def test_a_receiver_does_not_wake_up_for_each_packet(self):
    with topology.Lab('homes', link_a='delay=20ms') as lab:
      lab.links['A'].set('both', 'rate=100mbit delay=20ms')
      people = pair.Pair(lab)
      source = pair.write_file(people.alice.path('file'), 24 * _MIB)
      send, recv = people.send('file'), people.recv()
      for process in (lab.links['A'].process, recv.process):
        _be_in_time(process)
      waits = 0
      deadline = time.monotonic() + 60
      while recv.process.poll() is None and time.monotonic() < deadline:
        waits = max(waits, _waits(recv.process.pid))
        time.sleep(0.02)
      people.expect(send, recv)
      people.check_file(source, 'file', send, recv)
      packets = int(re.search(r'packets: (\d+) sent', send.text).group(1))
      print(f'{packets} packets, {waits} waits')
      self.assertGreater(packets, 16_000)
      # Each 120 us one; one by one that is two waits for three packets and more.
      self.assertLess(waits, packets / 4, recv.log())


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
