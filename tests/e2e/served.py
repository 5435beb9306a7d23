"""Alice and Bob on one machine that has nothing but loopback, and `p2pcp serve`
there: what tests need that are not about networks."""

import os
import shutil
import signal
import time
import unittest

from tests.e2e import pair
from tests.lab import network
from tests.lab import topology


def start(server, *argv, **options):
  """`p2pcp serve` on that person's loopback, and the words that it prints."""
  # mosquitto changes its user when root starts it; where there is no other
  # user, it is not to take us for root.
  prefix = []
  if not network.is_root_of_machine():
    prefix = ['unshare', '--user', '--map-user=1000', '--map-group=1000']
  serve = pair.Command(server, ['serve', '--bind', '127.0.0.1', *argv],
                       prefix=prefix, **options)
  serve.when('give both sides these options')
  deadline = time.monotonic() + 5
  while not serve.stdout and time.monotonic() < deadline:
    time.sleep(0.01)
  return serve, serve.stdout[0][1].split()


class Served(unittest.TestCase):
  """`people` have a broker; whoever inherits adds tests."""

  @classmethod
  def setUpClass(cls):
    cls.lab = pair.Alone()
    cls.addClassCleanup(cls.lab.close)
    cls.server = topology.Person(cls.lab, 'server', 'host')
    cls.serve, words = start(cls.server)
    cls.lab.broker = words[words.index('--broker') + 1]
    cls.lab.stun = [words[words.index('--stun') + 1]]
    cls.people = pair.Pair(cls.lab)

  def setUp(self):
    self.alice, self.bob = self.people.alice, self.people.bob
    # Without what the last test has left.
    for person in (self.alice, self.bob):
      for name in os.listdir(person.folder):
        path = person.path(name)
        shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)

  @classmethod
  def tearDownClass(cls):
    # `serve` itself ends cleanly, and takes its broker along.
    cls.serve.interrupt(signal.SIGINT)
    code = cls.serve.wait(10)
    left = cls.lab['host'].processes()
    if code != pair.INTERRUPTED or left:
      raise AssertionError(f'serve ended with {code} and left {left}:\n'
                           f'{cls.serve.log()}')
