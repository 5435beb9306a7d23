"""What arrives: files of every size, over `p2pcp serve` on loopback, with the
digests that xxh128sum prints, in little memory."""

import filecmp
import os
import re
import subprocess
import unittest

from tests.e2e import memory
from tests.e2e import pair
from tests.e2e import served
from tests.lab import network

_MIB = 1 << 20
_MEMORY = 64 * _MIB


class Files(served.Served):
  """Whatever is sent."""

  def test_files_of_every_size(self):
    for size in (0, 1, 2, 1199, 1200, 1201, 65535, 65536, 65537, _MIB,
                 _MIB + 1, 33 * _MIB + 7):
      with self.subTest(size):
        self.people.transfer(size)

  def test_a_limit_of_the_rate_is_kept(self):
    # Loopback is not paced by itself. Large packets cost a thousandth of the
    # rate, packets of 1,200 bytes 7 %; the rest are round trips, and a disk.
    for rate, size in (('4M', 16 * _MIB), ('10k', 40 << 10)):
      with self.subTest(rate):
        pair.write_file(self.people.alice.path('file'), size)
        send = self.people.send('file', extra=['--bwlimit', rate])
        recv = self.people.recv()
        self.people.expect(send, recv, timeout=60)
        took = send.when('verified') - send.when(r'path: direct')
        print(f'--bwlimit {rate}: {took:.2f} s')
        self.assertGreaterEqual(took, 3.95)
        self.assertLessEqual(took, 5.5)
        self.assertRegex(send.text, "limited by the sender's --bwlimit")
        os.remove(self.people.bob.path('file'))

  def test_in_the_background(self):
    source = pair.write_file(self.people.alice.path('file'), 64 * _MIB)
    send = self.people.send('file', extra=['--background'])
    recv = self.people.recv()
    self.people.expect(send, recv, timeout=60)
    self.people.check_file(source, 'file', send, recv)

  def test_several_files_at_once(self):
    sizes = {'empty': 0, 'one': 1, 'much': 5 * _MIB, 'Grüße an alle.txt': 12}
    for name, size in sizes.items():
      pair.write_file(self.people.alice.path(name), size)
    os.mkdir(self.people.bob.path('in'))
    send = self.people.send(*sizes)
    recv = self.people.recv(out='in')
    self.people.expect(send, recv)
    there = self.people.bob.path('in')
    self.assertEqual(sorted(os.listdir(there)), sorted(sizes))
    for name in sizes:
      path = os.path.join(there, name)
      self.assertTrue(
          filecmp.cmp(self.people.alice.path(name), path, shallow=False), name)
      self.assertIn(pair.xxh128sum(path), recv.text)
      os.remove(path)
    os.rmdir(there)

  def test_nothing_is_said_to_have_limited_what_took_no_time(self):
    pair.write_file(self.people.alice.path('file'), 10)
    send = self.people.send('file')
    recv = self.people.recv()
    self.people.expect(send, recv)
    for command in (send, recv):
      self.assertNotIn('limited by', command.text)
    os.remove(self.people.bob.path('file'))

  def test_the_place_to_write_to_is_told_as_what_it_is(self):
    pair.write_file(self.people.bob.path('file'), 10)
    recv = self.people.recv(out='file/')
    self.assertEqual(recv.wait(), pair.CANNOT_WRITE, recv.log())
    self.assertRegex(recv.text,
                     r'folder file/: Not a directory\nMake that folder')
    os.remove(self.people.bob.path('file'))

  def test_a_name_of_ones_own_is_escaped_in_an_error(self):
    name = 'new\nline\x1b[31m'
    pair.write_file(self.people.alice.path(name), 10)
    send = self.people.send(name)
    self.assertEqual(send.wait(), pair.USAGE, send.log())
    self.assertRegex(send.text, r'p2pcp: new\\x0aline\\x1b\[31m: the name has')
    os.remove(self.people.alice.path(name))

  def test_an_existing_file_is_never_lost(self):
    pair.write_file(self.people.alice.path('file'), 1000)
    mine = pair.write_file(self.people.bob.path('file'), 10)
    with open(mine, 'rb') as file:
      before = file.read()
    self.people.expect(self.people.send('file'), self.people.recv())
    with open(mine, 'rb') as file:
      self.assertEqual(file.read(), before)
    names = self.people.finals()
    self.assertEqual(len(names), 2, names)
    other = next(name for name in names if name != 'file')
    self.assertTrue(
        filecmp.cmp(self.people.alice.path('file'),
                    self.people.bob.path(other), shallow=False))
    for name in names:
      os.remove(self.people.bob.path(name))

  def test_a_file_of_256_mib_in_little_memory(self):
    size = 256 * _MIB
    source = pair.write_file(self.people.alice.path('file'), size)
    send, recv = self.people.send('file'), self.people.recv()
    watches = [memory.Watch(c.process.pid) for c in (send, recv)]
    self.people.expect(send, recv, timeout=90)
    peaks = [watch.stop() for watch in watches]
    self.people.check_file(source, 'file', send, recv)
    os.remove(source)
    for command, peak, watch in zip((send, recv), peaks, watches):
      print(f'{command.title.split()[2]}: at most {peak / _MIB:.1f} MiB, '
            f'{size / _MIB / command.took:.0f} MiB/s')
      # Each has the highest mark that the kernel keeps of every process.
      self.assertGreater(watch.samples, 1)
      # A sanitizer's own memory counts as the program's.
      if not pair.is_sanitized():
        self.assertLess(peak, _MEMORY)

  def test_a_terminal_sees_progress_and_a_file_sees_plain_lines(self):
    pair.write_file(self.people.alice.path('file'), 64 * _MIB)
    send = self.people.send('file')
    terminal = network.command(['which', 'script']).strip()
    argv = ['recv', '--from', 'alice'] + self.people.options
    typed = ' '.join([pair.program()] + argv)
    recv = self.people.bob.start([terminal, '-qec', typed, '/dev/null'],
                                 stdout=subprocess.PIPE,
                                 text=False,
                                 env={'TERM': 'xterm', 'COLUMNS': '100'})
    # As it is: text would lose what tells a drawn line from a new one.
    shown = recv.communicate(timeout=pair.PATIENCE)[0].decode()
    self.assertEqual(recv.returncode, 0, shown)
    self.assertEqual(send.wait(), 0, send.log())
    self.assertRegex(shown, r'\d+ ?%')
    self.assertIn('\r', shown)
    self.assertNotRegex(send.text, '[\r\x1b]')
    os.remove(self.people.bob.path('file'))

  def test_an_answer_at_the_terminal_is_taken(self):
    pair.write_file(self.people.alice.path('file'), 10)
    typed = ' '.join([pair.program(), 'recv', '--from', 'alice', '--ask'] +
                     self.people.options)
    for answer, code in (('y', pair.VERIFIED), ('n', pair.DECLINED)):
      with self.subTest(answer):
        send = self.people.send('file')
        recv = self.people.bob.start(['script', '-qec', typed, '/dev/null'],
                                     stdin=subprocess.PIPE,
                                     stdout=subprocess.PIPE)
        shown = ''
        while not re.search(r'\? |\[y', shown):
          more = recv.stdout.read(1)
          self.assertTrue(more, shown)
          shown += more
        shown += recv.communicate(answer + '\n', timeout=pair.PATIENCE)[0]
        self.assertEqual(recv.returncode, code, shown)
        self.assertEqual(send.wait(), code, send.log())
    os.remove(self.people.bob.path('file'))


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
