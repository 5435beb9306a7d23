"""Kills the real program at random moments of a large transfer, again and
again, and demands that each next run goes on where the one before ended.

  ./dev torture                200 kills of sender, receiver or both; then 50
                               power failures of the receiver's machine
  ./dev torture --kills 10 --power 3 --size 256M --seed 7

Between two hosts that a cable joins. After each kill: how much was there when
the run began, how much the sender has put on the wire since, how much the next
run finds. What is missing may be what was in flight, and 8 MiB a kill; after a
power failure, in which writes that were not synced get lost, 32 MiB more. A
program that starts over fails. At the end every byte is compared.
"""

import argparse
import filecmp
import json
import os
import random
import shutil
import signal
import sys
import time

from tests.e2e import pair
from tests.lab import network
from tests.lab import servers
from tests.lab import topology
from tests.torture import power_loss

_MIB = 1 << 20
A = '198.51.100.20'
B = topology.SERVER4[0]
DEVICE = 'eth0'

# Of a kill, and of a power failure more.
ALLOWED = 8 * _MIB
ALLOWED_POWER = 32 * _MIB
# On this cable a round trip is a millisecond or less: so much may be under
# way, and in the chunks that the receiver gathers.
IN_FLIGHT = 4 * _MIB
# What a byte of the file is on the wire at most: headers, acknowledgements,
# rendezvous and probes are beside it.
OVERHEAD = 1.06
# What meeting costs, in bytes of the wire.
MEETING = 512 << 10
# A run that has not got anywhere in this time hangs.
PATIENCE = 120


class Cable(network.Network):
  """Two hosts; B has the broker and the STUN server."""

  def __init__(self):
    super().__init__()
    self.a = self.namespace('hostA')
    self.b = self.namespace('hostB')
    self.veth(self.a, DEVICE, self.b, DEVICE)
    self.a.ip(f'addr add {A}/24 dev {DEVICE}')
    self.b.ip(*[f'addr add {address}/24 dev {DEVICE}'
                for address in topology.SERVER4],
              *[f'addr add {address}/64 dev {DEVICE} nodad'
                for address in topology.SERVER6])
    self.plan = topology.Plan('two hosts and a cable', None, None)
    self.broker = f'mqtt://{B}:{servers.MQTT_PORT}'
    self.stun = [f'{server}:{servers.STUN_PORT}'
                 for server in topology.SERVER4]
    servers.start_mosquitto(self, self.b)
    servers.start_coturn(self, self.b)
    self._holder = self.start(self.a, ['sleep', 'infinity']).pid

  def sent(self):
    """Bytes that A has put on the cable."""
    with open(f'/proc/{self._holder}/net/dev', encoding='ascii') as file:
      for line in file:
        name, _, numbers = line.partition(':')
        if name.strip() == DEVICE:
          return int(numbers.split()[8])
    raise AssertionError('there is no device')


class Campaign:
  """A number of kills over as many transfers as that takes."""

  def __init__(self, lab, options, choose):
    self.lab = lab
    self.people = pair.Pair(lab)
    self.options = options
    self.choose = choose
    self.kills = 0
    self.serial = 0
    self.worst = 0
    self.wasted = 0
    self.transfers = 0
    self.commands = {}
    self.environment = {}
    self.ledger = None
    self.boots = 0

  def log(self, text):
    print(f'{time.strftime("%H:%M:%S")}  {text}', flush=True)

  # --- One transfer ---

  def begin(self):
    """A new file, and nothing of it there."""
    self.serial += 1
    self.name = f'film{self.serial}'
    self.source = pair.write_file(self.people.alice.path(self.name),
                                  self.options.size)
    os.makedirs(self.people.bob.path('in'), exist_ok=True)
    # What the receiver had when the wire was looked at last, and that.
    self.had = 0
    self.mark = self.lab.sent()
    self.since = 0  # Kills since then,
    self.power = 0  # and of them power failures.

  def start(self, side):
    if side == 'send':
      self.commands[side] = self.people.send(
          self.name, extra=['--json', '--bwlimit', self.options.rate,
                            '--patience', '600'])
    else:
      self.commands[side] = self.people.recv(
          out='in', extra=['--json', '--patience', '600'],
          env=self.environment)

  def events(self, side):
    for _, line in list(self.commands[side].stdout):
      try:
        yield json.loads(line)
      except ValueError:
        pass

  def running(self, side):
    return (side in self.commands and
            self.commands[side].process.poll() is None)

  def check_progress(self):
    """Whenever a session has begun: how much does the receiver have?"""
    if 'recv' not in self.commands:
      return
    had = None
    sessions = 0
    for event in self.events('recv'):
      if event['event'] == 'transferring':
        sessions += 1
        had = 0
      elif event['event'] == 'goes_on' and had is not None:
        had += event['bytes_there']
      elif event['event'] == 'progress' and had is not None:
        # All that is had is told before the first of these. Each session is
        # judged once, those of before, whose events are still here, are not.
        command, judged = self.judged
        if command is not self.commands['recv'] or sessions > judged:
          self.judged = (self.commands['recv'], sessions)
          self.judge(had)

  judged = (None, 0)  # The receiver, and its last session that was.

  def judge(self, had):
    sent = self.lab.sent()
    wire = sent - self.mark
    payload = max(0, wire - MEETING * (1 + self.since)) / OVERHEAD
    missing = self.had + payload - had
    allowed = (IN_FLIGHT + ALLOWED) * self.since + ALLOWED_POWER * self.power
    if self.since:
      self.worst = max(self.worst, missing / self.since)
      self.wasted += max(0, missing)
      self.log(f'kill {self.kills}: {self.had / _MIB:.1f} MiB were there, '
               f'{wire / _MIB:.1f} MiB on the wire, now '
               f'{had / _MIB:.1f} MiB: {missing / _MIB:.1f} MiB again, '
               f'{allowed / _MIB:.0f} allowed')
      if missing > allowed:
        raise AssertionError(
            f'{missing / _MIB:.1f} MiB have to be sent again after '
            f'{self.since} kills:\n' + self.both())
    # What has been sent of this session until now is judged with the next.
    self.had = had
    self.mark = sent - min(wire, MEETING)
    self.since = self.power = 0

  def both(self):
    return '\n'.join(c.log()[-6000:] for c in self.commands.values())

  def kill(self, power):
    """One side, the other, or both, at once."""
    sides = ['recv'] if power else self.choose.choice(
        [['send'], ['recv'], ['send', 'recv'], ['send', 'recv']])
    if power and self.choose.random() < 0.5:
      sides = ['send', 'recv']
    for side in sides:
      if self.running(side):
        os.killpg(self.commands[side].process.pid, signal.SIGKILL)
    for side in sides:
      self.commands[side].process.wait()
    self.check_progress()
    self.kills += 1
    self.since += 1
    if power:
      self.power += 1
      self.fail_power()
    for side in sides:
      del self.commands[side]

  def fail_power(self):
    """The receiver's machine loses its power, and is started again."""
    lost = self.ledger.fail(
        [self.people.bob.path('in'), self.state_folder()], self.choose)
    self.boots += 1
    self.new_boot()
    self.log(f'power failure: {lost / _MIB:.1f} MiB of writes are gone')

  def state_folder(self):
    return os.path.join(self.people.bob.environment['P2PCP_HOME'], 'partial')

  def new_boot(self):
    with open(self.environment['P2PCP_POWER_BOOT'], 'w',
              encoding='ascii') as file:
      file.write(f'{self.boots:08x}-0000-4000-8000-{self.serial:012x}\n')

  def use_power(self):
    folder = self.people.bob.folder
    self.environment = {
        'LD_PRELOAD': network.find_program('losing_disk.so',
                                           'tests/torture/losing_disk.so'),
        'P2PCP_POWER_LOG': os.path.join(folder, 'power.log'),
        'P2PCP_POWER_BOOT': os.path.join(folder, 'boot_id'),
    }
    self.ledger = power_loss.Ledger(self.environment['P2PCP_POWER_LOG'])
    self.new_boot()

  def ended(self):
    """Both have ended, or one has and the other never will."""
    codes = {side: command.process.poll()
             for side, command in self.commands.items()}
    if codes.get('send') == 0 and codes.get('recv') == 0:
      return True
    for side, code in codes.items():
      if code not in (None, 0):
        raise AssertionError(f'{side} has ended with {code}:\n' + self.both())
    # Whoever was killed when the other had all it wanted finds nobody.
    return any(code == 0 for code in codes.values()) and self.stands()

  def stands(self):
    return os.path.exists(self.people.bob.path(f'in/{self.name}'))

  def transfer(self, kills, power):
    """Until the file is there, with kills as long as there are any left."""
    self.begin()
    deadline = time.monotonic() + PATIENCE
    next_kill = None
    while True:
      for side in ('send', 'recv'):
        if side not in self.commands:
          self.start(side)
      self.check_progress()
      if self.ended():
        break
      now = time.monotonic()
      if next_kill is None and self.kills < kills:
        next_kill = now + self.choose.uniform(0, self.options.longest)
      if next_kill is not None and now >= next_kill:
        self.kill(power)
        next_kill = None
        deadline = time.monotonic() + PATIENCE
      if now > deadline:
        raise AssertionError('it does not go on:\n' + self.both())
      time.sleep(0.005)
    self.finish()

  def finish(self):
    """Every byte is right, and nothing else is left."""
    time.sleep(0.2)
    for command in self.commands.values():
      command.kill()
    self.commands = {}
    there = self.people.bob.path(f'in/{self.name}')
    if not filecmp.cmp(self.source, there, shallow=False):
      raise AssertionError(f'{there} is not what was sent')
    names = os.listdir(self.people.bob.path('in'))
    if [n for n in names if not n.startswith('.p2pcp-')] != [self.name]:
      raise AssertionError(f'there is {names}')
    self.transfers += 1
    os.remove(self.source)
    shutil.rmtree(self.people.bob.path('in'))

  def run(self, kills, power):
    target = self.kills + kills
    while self.kills < target:
      self.transfer(target, power)
    what = 'power failures' if power else 'kills'
    self.log(f'{kills} {what} over {self.transfers} transfers of '
             f'{self.options.size / _MIB:.0f} MiB: at most '
             f'{self.worst / _MIB:.1f} MiB again, '
             f'{self.wasted / _MIB / kills:.2f} MiB on average')


def size(text):
  units = {'k': 1 << 10, 'M': _MIB, 'G': 1 << 30}
  return (int(text[:-1]) * units[text[-1]] if text[-1] in units else int(text))


def parse(arguments):
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--kills', type=int, default=200)
  parser.add_argument('--power', type=int, default=50,
                      help='power failures, after the kills')
  parser.add_argument('--size', type=size, default=size('2G'),
                      help='of each file')
  parser.add_argument('--rate', default='48M', help='as --bwlimit of send')
  parser.add_argument('--longest', type=float, default=3,
                      help='seconds from one kill to the next, at most')
  parser.add_argument('--seed', type=int, default=None)
  return parser.parse_args(arguments)


def main(arguments):
  options = parse(arguments)
  if options.seed is None:
    options.seed = random.randrange(1 << 32)
  print(f'seed {options.seed}', flush=True)
  for kills, power in ((options.kills, False), (options.power, True)):
    if not kills:
      continue
    with Cable() as lab:
      campaign = Campaign(lab, options, random.Random(options.seed))
      if power:
        campaign.use_power()
      try:
        campaign.run(kills, power)
      except BaseException:
        print(f'seed {options.seed}, kill {campaign.kills}', flush=True)
        raise
  print('every byte is right')


if __name__ == '__main__':
  network.become_root()
  main(sys.argv[1:])
