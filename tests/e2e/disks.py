"""Real file systems that are not like ext4: with a quota, without case, without
links and modes. `./dev disks`, as root: it needs loop devices and FUSE.
"""

import os
import re
import time
import unittest

from tests.e2e import mounts
from tests.e2e import pair
from tests.lab import network

_MIB = 1 << 20

# They end by themselves when the mount does. Each takes its options before
# the words IMAGE and FOLDER.
_NTFS = 'lowntfs-3g -o ignore_case,no_detach disk.image disk >&2 &'
_EXFAT = 'mount.exfat-fuse -d "$loop" disk >/dev/null 2>&1 &'
_MOUNTED = ('for i in $(seq 200); do mountpoint -q disk && break; '
            'sleep 0.05; done; mountpoint -q disk')
_TO_AFTER = ('rm -rf after; cp -r disk after; '
             'for i in $(seq 100); do umount disk && break; sleep 0.1; done')


class Disks(mounts.Mounted):

  def image(self, mib, *mkfs):
    """An empty file system in Bob's `disk.image`."""
    path = self.bob.path('disk.image')
    with open(path, 'wb') as file:
      file.truncate(mib * _MIB)
    network.command([*mkfs, path])

  def after(self):
    """What stood on the disk at the end: path -> text."""
    return self.there('after')

  def check_same(self, *names):
    for name in names:
      with open(self.alice.path(name), 'rb') as sent:
        with open(self.bob.path(os.path.join('after', name)), 'rb') as got:
          self.assertEqual(sent.read(), got.read(), name)

  def test_a_quota_that_is_used_up_and_raised(self):
    self.image(256, 'mkfs.btrfs', '-q')
    pair.write_file(self.alice.path('small'), _MIB)
    pair.write_file(self.alice.path('large'), 40 * _MIB)

    def run(megabytes):
      send = self.people.send('small', 'large')
      recv = self.recv_on(
          'mount -o loop disk.image disk && chmod 777 disk && '
          '{ btrfs quota enable disk; btrfs quota rescan -w disk; '
          f'btrfs qgroup limit {megabytes}M disk; }} >&2',
          after='rm -rf after; cp -r disk after; umount disk')
      return recv.wait(60), send.wait(60), recv, send

    code, other, recv, send = run(20)
    self.assertEqual([code, other], [pair.CANNOT_WRITE] * 2,
                     recv.log() + send.log())
    self.assertRegex(recv.text, 'Disk quota exceeded')
    self.assertNotIn('large', os.listdir(self.bob.path('after')))
    code, other, recv, send = run(100)
    self.assertEqual([code, other], [pair.VERIFIED] * 2,
                     recv.log() + send.log())
    # As much as had been synced before the disk was mounted anew.
    there = re.search(r'large  goes on: ([0-9.]+) MiB of 40', recv.text)
    self.assertGreater(float(there[1]), 10, recv.log())
    self.assertNotIn('unfinished', recv.text)
    self.check_same('small', 'large')

  def test_a_disk_that_is_pulled_out_and_put_back(self):
    """Nobody has restarted the machine, and what was not synced is lost."""
    self.image(256, 'mkfs.ext4', '-q')
    pair.write_file(self.alice.path('large'), 64 * _MIB)
    mount = 'mount -o loop disk.image disk && chmod 777 disk'
    # The disk is as it was the moment before the kill.
    pull = ('{ { until [ -e pull ]; do sleep 0.05; done; '
            'cp disk.image pulled.image; pkill -KILL -P $$ p2pcp; } & }')
    send = self.people.send('large', extra=['--bwlimit', '8M'])
    recv = self.recv_on(f'{mount} && {pull}',
                        after='umount disk; mv pulled.image disk.image')
    recv.when('first bytes of the file')
    time.sleep(5)
    with open(self.bob.path('pull'), 'w'):
      pass
    self.assertNotIn(recv.wait(60), (pair.VERIFIED, pair.CANNOT_WRITE),
                     recv.log())
    recv = self.recv_on(mount, after='rm -rf after; cp -r disk after; umount disk')
    self.assertEqual([recv.wait(60), send.wait(60)], [pair.VERIFIED] * 2,
                     recv.log() + send.log())
    there = re.search(r'large  goes on: ([0-9.]+) MiB of 64', recv.text)
    self.assertIsNotNone(there, recv.log())
    self.assertGreater(float(there[1]), 8, recv.log())
    self.check_same('large')

  def test_names_that_differ_in_case_only_on_ntfs(self):
    self.make(**{'README': 'the first', 'readme': 'the second, longer',
                 'Docs/x': 'in Docs', 'docs/X': 'another x', 'docs/y': 'y',
                 'other': 'fine'})
    # lowntfs-3g shows all names in lower case.
    expected = {'tree/readme': 'the first', 'tree/docs/x': 'in Docs',
                'tree/docs/y': 'y', 'tree/other': 'fine'}
    self.image(64, 'mkntfs', '-F', '-Q', '-q')
    # From the second time on all that could be had is there.
    for conflict in ('overwrite', 'overwrite', 'skip'):
      with self.subTest(conflict):
        send = self.people.send('tree')
        recv = self.recv_on(f'{_NTFS} {_MOUNTED}', after=_TO_AFTER,
                            extra=['--conflict', conflict])
        self.people.expect(send, recv, codes=(pair.KEPT_BACK,) * 2)
        self.assertRegex(recv.text, 'readme.* has the same name here|exists')
        self.assertEqual(self.after(), expected, recv.log())

  def test_exfat_has_neither_links_nor_modes_nor_all_names(self):
    self.image(64, 'mkfs.exfat')
    self.make(**{'plain': 'text', 'a:b': 'a colon', 'sub/Foo::Bar.3pm': 'perl'})
    pair.write_file(self.alice.path('large'), 20 * _MIB)
    os.chmod(self.alice.path('tree/plain'), 0o755)
    loop = 'loop=$(losetup --find --show disk.image)'
    for conflict in ('rename', 'rename', 'overwrite'):
      with self.subTest(conflict):
        send = self.people.send('tree', 'large')
        recv = self.recv_on(f'{loop}; {_EXFAT} {_MOUNTED}',
                            after=f'{_TO_AFTER}; losetup --detach "$loop"',
                            extra=['--conflict', conflict])
        self.people.expect(send, recv, codes=(pair.KEPT_BACK,) * 2)
        self.assertRegex(recv.text, 'cannot have this name')
        self.check_same('large')
        # Once, though it came three times.
        self.assertEqual(sorted(os.listdir(self.bob.path('after'))),
                         ['large', 'tree'], recv.log())


if __name__ == '__main__':
  network.check_privileges()
  unittest.main(verbosity=2)
