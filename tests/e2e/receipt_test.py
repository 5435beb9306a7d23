"""Delivery receipts: what `send --receipt` writes, and what `verify` finds."""

import os
import shutil
import subprocess
import time
import unittest

from tests.e2e import pair
from tests.e2e import served
from tests.lab import network
from tests.lab import topology

_MIB = 1 << 20
_KEPT_BACK = 8
_INTEGRITY = 9


class Receipts(served.Served):
  """Alice sends, Bob signs; Carol knows neither."""

  def verify(self, person, *argv, expect=pair.VERIFIED):
    """What `verify` says to a person."""
    command = pair.Command(person, ['verify', *argv])
    self.assertEqual(command.wait(), expect, command.log())
    self.assertEqual(command.stdout, [])
    return command.text

  def send_tree(self):
    """A tree with all kinds of names, sent to Bob; the receipt's text."""
    tree = self.alice.path('tree')
    os.makedirs(os.path.join(tree, 'empty'))
    for i, name in enumerate(('a', 'größe 1', 'much', os.fsdecode(b'\xff'))):
      pair.write_file(os.path.join(tree, name), (i * 1000)**2)
    send = self.people.send('tree', extra=['--receipt', 'r'])
    recv = self.people.recv()
    self.people.expect(send, recv)
    self.assertRegex(send.text, 'bob has signed for it: r')
    self.assertRegex(recv.text, 'alice wanted a receipt: you have signed one')
    with open(self.alice.path('r'), errors='surrogateescape') as file:
      return file.read()

  def test_names_what_arrived_with_digests_that_b2sum_prints(self):
    text = self.send_tree()
    lines = text.split('\n')
    for name in os.listdir(self.alice.path('tree')):
      path = self.bob.path(f'tree/{name}')
      if os.path.isdir(path):
        self.assertIn(f'folder tree/{name}', lines)
        continue
      digest = network.command(
          ['sh', '-c', 'b2sum -l 256 < "$1"', 'sh', path])
      size = os.path.getsize(path)
      self.assertIn(f'file {size} {digest.split()[0]} tree/{name}', lines)
    self.assertIn('end 4 2 14000000 0', lines)
    self.assertIn('path direct udp4', lines)
    self.assertEqual([n for n in os.listdir(self.alice.folder) if n[0] == '.'],
                     [])

  def test_every_side_can_check_it_and_finds_what_has_changed(self):
    text = self.send_tree()
    shutil.copy(self.alice.path('r'), self.bob.path('r'))
    said = self.verify(self.alice, 'r', '.')
    self.assertRegex(said, r'signed by bob \(.*\) at 20\d\d-')
    self.assertRegex(said, r'4 files and 2 folders, .*, from you')
    self.assertRegex(said, 'all of it is there, unchanged')
    self.assertRegex(self.verify(self.bob, 'r', '.'), 'signed by you')
    # One byte, of the same size and time.
    path = self.bob.path('tree/much')
    before = os.stat(path)
    with open(path, 'r+b') as file:
      file.seek(1234567)
      byte = file.read(1)
      file.seek(1234567)
      file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    said = self.verify(self.bob, 'r', '.', expect=_INTEGRITY)
    self.assertRegex(said, '(?m)^changed: tree/much$')
    self.assertNotRegex(said, 'missing:|größe')
    os.remove(path)
    os.rmdir(self.bob.path('tree/empty'))
    said = self.verify(self.bob, 'r', '.', expect=_KEPT_BACK)
    self.assertRegex(said, '(?m)^missing: tree/much$')
    self.assertRegex(said, '(?m)^missing: tree/empty$')
    # Without a folder no file is looked at.
    self.verify(self.bob, 'r')
    # Forged: a digit of a digest, and what another version would look like.
    for old, new, code in (('0 tree/a', '1 tree/a', 6), ('file 0', 'file 1', 6),
                           ('end 4', 'end 3', 6), ('receipt 1', 'receipt 2',
                                                   13)):
      with open(self.bob.path('r2'), 'w', errors='surrogateescape') as file:
        file.write(text.replace(old, new) if old in text else text[:-9])
      said = self.verify(self.bob, 'r2', '.', expect=code)
      self.assertRegex(said, 'r2 is no good receipt')
      self.assertNotRegex(said, 'tree/')
    self.verify(self.bob, 'none', expect=pair.SOURCE_UNREADABLE)

  def test_a_key_that_nobody_knows_proves_nothing(self):
    self.send_tree()
    carol = topology.Person(self.lab, 'carol', 'host')
    receipt = self.alice.path('r')
    key = self.people.key(self.bob)
    said = self.verify(carol, receipt, expect=pair.AUTHENTICATION_FAILED)
    self.assertIn(f'--signer {key}', said)
    self.verify(carol, receipt, '--signer', key)
    self.verify(carol, receipt, '--signer', self.people.key(self.alice),
                expect=pair.AUTHENTICATION_FAILED)
    self.verify(carol, receipt, '--signer', 'bob', expect=pair.USAGE)
    self.people.run(carol, 'peers', 'add', 'robert', key)
    self.assertRegex(self.verify(carol, receipt), 'signed by robert')

  def test_a_stream(self):
    send = pair.Command(self.alice, ['send', '-', '--name', 'dump', '--to',
                                     'bob', '--receipt', 'r'] +
                        self.people.options, stdin=subprocess.PIPE)
    recv = pair.Command(self.bob, ['recv', '--from', 'alice', '--out', '-'] +
                        self.people.options,
                        prefix=pair.PLAIN_USER + pair.shell('"$@" > dump'))
    send.process.stdin.write('x' * 100_000)
    send.process.stdin.close()
    self.people.expect(send, recv)
    self.assertRegex(self.verify(self.alice, 'r', self.bob.folder),
                     'all of it is there')

  def test_what_is_kept_back_is_counted(self):
    for name in ('a', 'b'):
      pair.write_file(self.alice.path(name), 100)
    pair.write_file(self.bob.path('a'), 50)
    send = self.people.send('a', 'b', extra=['--receipt', 'r'])
    recv = self.people.recv(extra=['--conflict', 'skip'])
    self.people.expect(send, recv, codes=(_KEPT_BACK, _KEPT_BACK))
    said = self.verify(self.alice, 'r', '.')
    self.assertRegex(said, '1 file and 0 folders, .*; 1 did not arrive')

  def test_what_was_killed_goes_on_and_is_signed_whole(self):
    size = 24 * _MIB
    pair.write_file(self.alice.path('file'), size)
    small = pair.write_file(self.alice.path('a small one'), 1000)
    argv = ['a small one', 'file']
    extra = ['--receipt', 'r', '--patience', '0']
    send = self.people.send(*argv, extra=extra + ['--bwlimit', '16M'])
    recv = self.people.recv()
    send.when('first bytes of the file')
    time.sleep(0.8)
    recv.kill()
    self.assertEqual(send.wait(60), pair.CONNECTION_LOST, send.log())
    self.assertFalse(os.path.exists(self.alice.path('r')))
    self.assertEqual(os.listdir(self.alice.folder).count('r'), 0)
    send, recv = self.people.send(*argv, extra=extra), self.people.recv()
    self.people.expect(send, recv)
    self.assertRegex(recv.text, 'goes on: .* are there')
    self.assertRegex(self.verify(self.bob, self.alice.path('r'), '.'),
                     '2 files and 0 folders')
    os.remove(small)

  def test_an_existing_file_is_not_written_over(self):
    pair.write_file(self.alice.path('file'), 10)
    mine = pair.write_file(self.alice.path('r'), 10)
    send = self.people.send('file', extra=['--receipt', 'r'])
    self.assertEqual(send.wait(), pair.CANNOT_WRITE, send.log())
    self.assertEqual(os.path.getsize(mine), 10)
    send = self.people.send('file', extra=['--receipt', 'no/such/folder'])
    self.assertEqual(send.wait(), pair.CANNOT_WRITE, send.log())


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
