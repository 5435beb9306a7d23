"""The script of the README drives both sides by --json alone, through a stall,
another path and a kill; every event is as the schema says."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import unittest

from tests.e2e import event_schema
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_SIZE = 6_000_000
_LINE = 'rate=8mbit delay=10ms'  # 6 s for that.

# Stands in for p2pcp: keeps a copy of what it tells, and its process id.
_RECORDER = '''#!/bin/bash
echo $$ >>"$P2PCP_HOME/pids"
exec {program} "$@" {options} > >(tee -a "$P2PCP_HOME/events")
'''


def script():
  """The text of the README's example."""
  with open('README.md', encoding='utf-8') as file:
    return re.search(r'\n```python\n(.*?)```\n', file.read(), re.S)[1]


class Driven:
  """A person's script, and what it and its p2pcp say."""

  def __init__(self, people, person, *argv):
    self.home = person.environment['P2PCP_HOME']
    folder = os.path.join(person.home, 'bin')
    os.mkdir(folder)
    for name, text in (('drive.py', script()), ('p2pcp', _RECORDER.format(
        program=pair.program(), options=' '.join(people.options[1:])))):
      path = os.path.join(folder, name)
      with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
      os.chmod(path, 0o755)
    self.process = person.start(
        [sys.executable, os.path.join(folder, 'drive.py'), *argv],
        env={'PATH': folder + ':' + person.environment['PATH']},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    self.lines = []
    self._thread = threading.Thread(
        target=lambda: self.lines.extend(map(str.strip, self.process.stdout)),
        daemon=True)
    self._thread.start()

  def events(self, last=True):
    path = os.path.join(self.home, 'events')
    if not os.path.exists(path):
      return []
    with open(path, encoding='ascii') as file:
      # The last line may be on its way.
      lines = file.read().splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith('\n') or last]

  def when(self, name, count=1, timeout=20, **fields):
    """Waits for so many events of that name and with these fields."""
    deadline = time.monotonic() + timeout
    while sum(event['event'] == name and fields.items() <= event.items()
              for event in self.events(last=False)) < count:
      if time.monotonic() > deadline or self.process.poll() is not None:
        raise AssertionError(f'no {name} {fields}: {self}')
      time.sleep(0.02)

  def kill_program(self):
    with open(os.path.join(self.home, 'pids'), encoding='ascii') as file:
      os.kill(int(file.read().split()[-1]), signal.SIGKILL)

  def wait(self, timeout=60):
    code = self.process.wait(timeout)
    self._thread.join()
    return code

  def __str__(self):
    events = [e for e in self.events(last=False) if e['event'] != 'progress']
    return f'{self.lines}\n' + '\n'.join(map(str, events))


class ScriptTest(unittest.TestCase):

  def test_the_script_of_the_readme_drives_both_sides(self):
    self.assertLessEqual(len(script().splitlines()), 31)
    lab = topology.Lab('homes', link_a=_LINE, link_b='')
    self.addCleanup(lab.close)
    people = pair.Pair(lab)
    source = pair.write_file(people.alice.path('file'), _SIZE)
    recv = Driven(people, people.bob, 'recv', '--from', 'alice')
    send = Driven(people, people.alice, 'send', 'file', '--to', 'bob')

    recv.when('progress', count=3, phase='transferring')
    lab.links['A'].set('both', 'loss=100%')
    recv.when('stalled')
    send.when('stalled')
    lab.links['A'].set('both', f'clear {_LINE}')
    recv.when('resumed')
    paths = sum(event['event'] == 'path' for event in recv.events(last=False))
    lab.set_kind('natA', 'REMAP')
    recv.when('path', count=paths + 1)
    recv.kill_program()
    send.when('lost', timeout=60)

    self.assertEqual((recv.wait(), send.wait()), (0, 0), f'{recv}\n{send}')
    self.assertEqual(people.finals(), ['file'])
    digest = pair.xxh128sum(source)
    self.assertEqual(pair.xxh128sum(people.bob.path('file')), digest)
    for driven in (recv, send):
      events = driven.events()
      for event in events:
        event_schema.check(event)
      names = [event['event'] for event in events]
      self.assertEqual(names[-1], 'done', driven)
      self.assertIn('goes_on', names, driven)
      self.assertIn(f'file {digest}', driven.lines, driven)
      for line in ('waiting', 'stalled', 'resumed', 'path'):
        self.assertIn(line, driven.lines, driven)
      self.assertRegex('\n'.join(driven.lines), r'(?m)^\d+ %$')
    self.assertEqual(
        [e['event'] for e in recv.events()].count('start'), 2, recv)
    self.assertEqual(
        [e['event'] for e in send.events()].count('start'), 1, send)
    self.assertIn('lost', send.lines)
    ports = {event['path'] for event in recv.events()
             if event['event'] == 'path'}
    self.assertGreater(len(ports), 1, recv)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
