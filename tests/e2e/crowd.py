"""One who listens and many who send, all in two homes of the laboratory."""

import json
import os
import time

from tests.e2e import event_schema
from tests.e2e import pair
from tests.lab import topology


class Crowd:
  """Bob, and senders whom he knows and who know him."""

  def __init__(self, lab, names, suffix=''):
    self.lab = lab
    self.bob = topology.Person(lab, 'bob' + suffix, lab.plan.bob)
    self.key = self._key(self.bob)
    self.senders = {}
    for name in names:
      self.senders[name] = self.stranger(name + suffix)
      self.introduce(name, self.senders[name])

  def stranger(self, name):
    """A sender who knows Bob and is not known to him."""
    person = topology.Person(self.lab, name, self.lab.plan.alice)
    self.run(person, 'peers', 'add', 'bob', self.key)
    return person

  def introduce(self, name, person):
    self.run(self.bob, 'peers', 'add', name, self._key(person))

  def _key(self, person):
    return self.run(person, 'id').strip()

  def run(self, person, *argv):
    """A command that does not connect; returns what it printed."""
    command = pair.Command(person, list(argv))
    if command.wait() != pair.VERIFIED:
      raise AssertionError(command.log())
    return '\n'.join(line for _, line in command.stdout)

  @property
  def options(self):
    options = ['--broker', self.lab.broker]
    for server in self.lab.stun:
      options += ['--stun', server]
    return options

  def listen(self, *words, out='.', **options):
    """Bob receives; ready when a broker hears him."""
    command = pair.Command(
        self.bob,
        ['recv', '--out', out, *words] + self.options, **options)
    command.when('listening for|waiting for')
    return command

  def send(self, name, *paths, to=('bob',), extra=(), person=None):
    words = ['send', *paths]
    for peer in to:
      words += ['--to', peer]
    return pair.Command(person or self.senders[name],
                        words + self.options + list(extra))

  def file(self, name, size, path='file'):
    """A file of that size of a sender's; its path."""
    return pair.write_file(self.senders[name].path(path), size)

  def processes(self):
    """Of the program on Bob's host: {pid: its verb}."""
    found = {}
    for pid in self.bob.host.processes():
      try:
        with open(f'/proc/{pid}/cmdline', encoding='utf-8') as file:
          words = file.read().split('\0')
      except OSError:
        continue
      # A worker is called p2pcp, the child for the brokers by its path.
      if len(words) > 1 and (words[0] == 'p2pcp' or
                             words[0] in ('/proc/self/exe', pair.program())):
        found[pid] = words[1]
    return found

  def settle(self, verbs, patience=10):
    """Until just these processes are left; the child that takes a mapping back
    from the router may end after the one that started it."""
    deadline = time.monotonic() + patience
    while sorted(self.processes().values()) != sorted(verbs):
      if time.monotonic() > deadline:
        raise AssertionError(f'{self.processes()}, not {verbs}')
      time.sleep(0.05)


def events(command):
  """What --json has told, as dictionaries without a key twice."""

  def unique(pairs):
    keys = [key for key, _ in pairs]
    assert len(set(keys)) == len(keys), keys
    return dict(pairs)

  told = [
      json.loads(line, object_pairs_hook=unique) for _, line in command.stdout
  ]
  for event in told:
    event_schema.check(event)
  return told


def unfinished(folder):
  """Temporary files that were left behind."""
  return [
      os.path.join(where, name) for where, _, names in os.walk(folder)
      for name in names if name.startswith('.p2pcp-')
  ]
