"""The benchmark works: a race and its report, in the quick form."""

import dataclasses
import json
import os
import shutil
import tempfile
import unittest
import xml.etree.ElementTree

from tests.bench import contest
from tests.bench import matrix
from tests.bench import measure
from tests.bench import peers
from tests.bench import plot
from tests.bench import race
from tests.bench import report
from tests.bench import rows
from tests.lab import network

_SVG = '{http://www.w3.org/2000/svg}'

_ROW = next(row for row in rows.ROWS if row.name == '4')


def _runs(**rates):
  """{tool: [Run]} with those goodputs; scp_bbr stands for 'scp-bbr'."""
  return {
      name.replace('_', '-') if name != 'bare_pipe' else name: [
          race.Run(name, goodput=rate, seconds=1, setup=0.1, whole=True)
          for rate in values
      ] for name, values in rates.items()
  }


class Arguments(unittest.TestCase):

  def test_lists_and_ranges_of_rows(self):
    self.assertEqual(matrix.select_rows('4-6,1'), ['1', '4', '5', '6'])
    self.assertEqual(matrix.select_rows('14'), ['14a', '14b'])
    self.assertEqual(matrix.select_rows('14b,16'), ['14b', '16'])
    self.assertEqual(matrix.select_rows('2'), ['2'])
    self.assertEqual(matrix.select_rows('2-3'), ['2', '2b', '3'])
    self.assertIn('15', matrix.select_rows(''))
    for text in ('19', 'x', '4-x', '4,,5'):
      with self.assertRaises(ValueError):
        matrix.select_rows(text)

  def test_a_tool_s_first_word_stands_for_all_of_it(self):
    row = _ROW
    self.assertEqual(matrix.select_peers(row, 'rsync,p2pcp'),
                     ['p2pcp', 'rsync-cubic', 'rsync-bbr'])
    self.assertEqual(matrix.select_peers(row, ''), list(row.peers))
    self.assertEqual(matrix.select_peers(row, 'p2pcp-cubic'), ['p2pcp-cubic'])

  def test_every_tool_of_every_row_exists(self):
    known = peers.all_peers()
    for row in rows.ROWS:
      for name in row.peers:
        self.assertIn(name, known)
      for target in row.targets:
        if target.peer:
          self.assertIn(target.peer, row.peers, row.name)


class Judgement(unittest.TestCase):

  def judge(self, target, runs):
    return report.judge(_ROW, target, runs)

  def test_medians_are_compared(self):
    runs = _runs(p2pcp=[50, 90, 95], scp_bbr=[10, 30, 20])
    self.assertTrue(self.judge(rows.Target('goodput', at_least=90), runs).met)
    self.assertFalse(self.judge(rows.Target('goodput', at_least=91), runs).met)
    ratio = rows.Target('ratio', at_least=4.5, peer='scp-bbr')
    self.assertTrue(self.judge(ratio, runs).met)
    ratio = dataclasses.replace(ratio, at_least=4.6)
    self.assertFalse(self.judge(ratio, runs).met)

  def test_the_best_is_the_best_that_moves_files(self):
    runs = _runs(p2pcp=[90], srt=[80], udt=[95], iperf3_bbr=[99])
    verdict = self.judge(rows.Target('best', at_least=0.98), runs)
    self.assertIn('udt', verdict.demand)
    self.assertFalse(verdict.met)

  def test_the_dearer_side_counts(self):
    runs = _runs(p2pcp=[90], bare_pipe=[95])
    for run, sender, receiver in ((runs['p2pcp'][0], 1, 3),
                                  (runs['bare_pipe'][0], 1, 2)):
      run.cpu_sender, run.cpu_receiver = sender, receiver
    target = rows.Target('cpu', at_most=1.2, peer='bare_pipe')
    verdict = self.judge(target, runs)
    self.assertEqual(verdict.value, '1.5')
    self.assertFalse(verdict.met)

  def test_what_was_not_measured_is_neither_met_nor_missed(self):
    runs = _runs(p2pcp=[90])
    for target in (rows.Target('ratio', at_least=2, peer='srt'),
                   rows.Target('best', at_least=1),
                   rows.Target('resent', at_most=0.1)):
      self.assertIsNone(self.judge(target, runs).met)
    runs['p2pcp'][0].error = 'broken'
    self.assertIsNone(
        self.judge(rows.Target('goodput', at_least=1), runs).met)

  def test_jain(self):
    self.assertAlmostEqual(contest.jain([5, 5]), 1)
    self.assertAlmostEqual(contest.jain([10, 0]), 0.5)
    self.assertEqual(contest.jain([0, 0]), 0)


class Numbers(unittest.TestCase):

  def test_shares_of_packets_come_from_the_summary(self):
    said = peers.what_it_said(
        '   3.2 s  packets: 1000 sent, 300 received, 50 lost (10 of them '
        'arrived late); 2 probe timeouts; 57 KiB sent again, 1.5 KiB copied at '
        'the end lest it be lost')
    self.assertEqual(said, {
        'resent': 0.05, 'lost': 0.04, 'spurious': 0.01, 'copies': 1536
    })
    self.assertEqual(peers.what_it_said('nothing'), {})

  def test_a_plot_shows_every_tool_and_its_failure(self):
    runs = _runs(p2pcp=[90, 91], srt=[45])
    runs['udt'] = [race.Run('udt', error='broke')]
    tree = xml.etree.ElementTree.fromstring(
        plot.draw([(_ROW, runs, {}, [])]))
    texts = [element.text for element in tree.iter(_SVG + 'text')]
    for text in ('p2pcp', 'srt', 'udt', 'failed', '90.5 Mbit/s'):
      self.assertIn(text, texts)
    bars = [float(bar.get('width')) for bar in tree.iter(_SVG + 'rect')][1:]
    self.assertEqual(len(bars), 2)
    self.assertAlmostEqual(bars[1] / bars[0], 45 / 90.5, 2)

  def test_a_file_s_making_and_its_end_are_seen(self):
    with tempfile.TemporaryDirectory() as folder:
      watch = measure.FolderWatch(folder, 'file')
      with open(os.path.join(folder, 'other'), 'wb'):
        pass
      temporary = os.path.join(folder, '.file.x')
      with open(temporary, 'wb'):
        pass
      os.rename(temporary, os.path.join(folder, 'file'))
      watch.stop()
    self.assertIsNotNone(watch.made)
    self.assertGreaterEqual(watch.done, watch.made)


class Race(unittest.TestCase):

  def test_p2pcp_and_scp_on_a_cable_and_a_line(self):
    folder = tempfile.mkdtemp(prefix='p2pcp-bench-', dir='/dev/shm')
    self.addCleanup(shutil.rmtree, folder)
    out = os.path.join(folder, 'results')
    tools = ['p2pcp']
    if network.is_root_of_machine():  # Else sshd can't become anybody.
      tools.append('scp-cubic')
    options = matrix.parse(['--quick', '--rows', '2,4,17-18', '--peers',
                            ','.join(tools), '--out', out])
    results = matrix.run(options, folder)
    self.assertFalse(results.failed(), results.markdown())
    with open(os.path.join(out, 'results.json'), encoding='utf-8') as file:
      written = json.load(file)
    self.assertEqual([race['row'] for race in written['races']], ['2', '4'])
    for row in written['races']:
      for name in tools:
        run, = row['runs'][name]
        self.assertEqual(run['error'], '', name)
        self.assertTrue(run['whole'], name)
        for number in ('goodput', 'seconds', 'setup', 'cpu_sender',
                       'cpu_receiver', 'memory'):
          self.assertGreater(run[number], 0, f'{name} {number}')
        # Headers come on top, and nothing much is sent twice.
        self.assertGreater(run['wire'], 1, name)
        self.assertLess(run['wire'], 1.5, name)
    line = written['races'][1]
    p2pcp, = line['runs']['p2pcp']
    self.assertIsNotNone(p2pcp['queue_mean'])
    self.assertIsNotNone(p2pcp['resent'])
    # No faster than the line, whose packets carry 1,435 bytes of 1,500.
    self.assertLess(p2pcp['goodput'], 100)
    # A set-up takes a few round trips of 50 ms.
    self.assertGreater(p2pcp['setup'], 0.1)
    self.assertEqual(set(results.tables), {'17', '18'})
    for name, table in results.tables.items():
      for verdict in table.verdicts:
        if 'arrives' in verdict.demand or 'MiB' in verdict.demand:
          self.assertTrue(verdict.met, f'{name} {verdict}')
      self.assertNotIn('failed', table.lines[0])
    for ending in ('md', 'svg'):
      with open(os.path.join(out, f'results.{ending}'),
                encoding='utf-8') as file:
        text = file.read()
      for name in tools:
        self.assertIn(name, text)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
