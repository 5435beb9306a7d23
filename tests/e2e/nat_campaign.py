"""Pairs of NATs, many times each, with the real program: the result matrix.

  nat_campaign.py [--runs N] [--cells A-B,...] [--lossy] [--markdown FILE]
                  [--logs FOLDER]

For each cell (two kinds of NAT, tests/lab/nat_rules.py): the share of runs that
found a direct path, the time from when both were subscribed until both had it,
the probes that both sent, those of them that were guesses or openers for them, and the most entries that a router had in its
table. --lossy: 40 ms round trip and 5 % loss on each access line. --logs: what
both sides said, and both routers' tables, of each run without a direct path.
"""

import argparse
import os
import sys

sys.path.insert(
    0,
    os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))

# pylint: disable=wrong-import-position
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

# Routers between two homes of the real Internet.
HOPS = 5
# 10 ms each way on both access lines.
LOSSY = 'delay=10ms loss=5%'
_SIZE = 20_000

CELLS = [
    'PRC-PRC', 'FULL-PRC', 'ADDR-PRC', 'HP-PRC', 'M-PRC', 'PRC-M', 'M-M',
    'SYM-FULL', 'FULL-SYM', 'SYM-ADDR', 'ADDR-SYM', 'SYM-PRC',
    'PRC-SYM', 'SYM-M', 'M-SYM', 'ADM-PRC', 'POOL-PRC', 'BLK-PRC', 'PRC-BLK',
    'SEQ-PRC', 'PRC-SEQ', 'SEQ2-PRC', 'SEQ-SEQ', 'SEQ-SEQ2', 'BLK-BLK',
    'BLK-SEQ', 'SEQ-BLK', 'SYM-SYM', 'SEQ-SYM', 'BLK-SYM'
]


class Run:
  """One meeting of two people behind the NATs of a lab."""

  def __init__(self, lab, number):
    people = pair.Pair(lab, suffix=str(number))
    pair.write_file(people.alice.path('file'), _SIZE)
    # Either side first by turns: who comes last has been waited for.
    if number % 2:
      recv = people.recv()
      send = people.send('file')
    else:
      send = people.send('file')
      recv = people.recv()
    codes = [command.wait(60) for command in (send, recv)]
    self.direct = codes == [pair.VERIFIED, pair.VERIFIED]
    self.failed_cleanly = codes == [pair.NO_PATH, pair.NO_PATH]
    self.log = f'{send.log()}\n{recv.log()}'
    self.entries = 0
    for nat in ('natA', 'natB'):
      self.entries = max(self.entries, int(lab[nat].run('conntrack', '-C')))
      if not self.direct:
        self.log += f'\n--- {nat}\n' + lab[nat].run('conntrack', '-L')
      lab[nat].run('conntrack', '-F')
    self.took = self.probes = self.guesses = 0
    if self.direct:
      self.took = pair.path_after_both(send, recv)
      sent = [pair.probes(command) for command in (send, recv)]
      self.probes = sum(s[0] for s in sent)
      self.guesses = sum(s[1] for s in sent)
    elif self.failed_cleanly:
      self.took = max(send.took, recv.took)


def percentile(values, share):
  values = sorted(values)
  return values[round(share * (len(values) - 1))] if values else 0


def row(name, runs):
  """A line of the table."""
  direct = [run for run in runs if run.direct]
  if not direct:
    clean = sum(run.failed_cleanly for run in runs)
    return (f'| {name} | 0 of {len(runs)} | exit 5 in {clean} runs, after at '
            f'most {max(run.took for run in runs):.1f} s | | | | | '
            f'{max(run.entries for run in runs)} |')
  took = [run.took * 1000 for run in direct]
  cells = [f'{len(direct)} of {len(runs)}']
  cells += [f'{percentile(took, p):.0f} ms' for p in (0.5, 0.95, 0.99)]
  cells += [
      f'{percentile([run.probes for run in direct], 0.5):.0f}',
      f'{max(run.guesses for run in direct)}',
      f'{max(run.entries for run in runs)}'
  ]
  return f'| {name} | ' + ' | '.join(cells) + ' |'


HEAD = ('| NATs | direct | median | p95 | p99 | probes, median | guesses, most '
        '| router entries, most |\n|---|---|---|---|---|---|---|---|')


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  parser.add_argument('--runs', type=int, default=20)
  parser.add_argument('--cells', default=','.join(CELLS))
  parser.add_argument('--lossy', action='store_true')
  parser.add_argument('--markdown', metavar='FILE',
                      help='write the table there too')
  parser.add_argument('--logs', metavar='FOLDER',
                      help='keep the logs of runs without a direct path there')
  arguments = parser.parse_args()
  network.become_root()
  line = LOSSY if arguments.lossy else None
  lines = [HEAD]
  print(HEAD, flush=True)
  for name in arguments.cells.split(','):
    with topology.Lab(name, hops=HOPS, link_a=line, link_b=line) as lab:
      runs = [Run(lab, number) for number in range(arguments.runs)]
    if arguments.logs:
      os.makedirs(arguments.logs, exist_ok=True)
      for number, run in enumerate(runs):
        if not run.direct:
          keep = os.path.join(arguments.logs, f'{name}-{number}.log')
          with open(keep, 'w', encoding='utf-8') as file:
            file.write(run.log)
    lines.append(row(name, runs))
    print(lines[-1], flush=True)
    unclear = [run for run in runs if not run.direct and not run.failed_cleanly]
    for run in unclear[:1]:
      print(run.log, file=sys.stderr)
  if arguments.markdown:
    with open(arguments.markdown, 'w', encoding='utf-8') as file:
      file.write('\n'.join(lines) + '\n')


if __name__ == '__main__':
  main()
