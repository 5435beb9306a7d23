"""A new user's first hour, at terminals: what stands on the screens is kept in
testdata/screens, and compared.

The programs are those that ./dev install puts somewhere. With --update the
screens are written anew; with --root FOLDER the two sit in a system that stands
there, such as one by debootstrap, with the package installed in it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from xml.etree import ElementTree

from tests.e2e import pair
from tests.e2e import picture
from tests.e2e import screens
from tests.lab import network
from tests.lab import servers

_KEPT = 'testdata/screens'
_LARGE = 60_000_000


class Here:
  """Two people on this system, with what install_into has put into a folder."""

  def __init__(self, lab):
    self._lab = lab
    self._installed = os.path.join(lab.folder, 'installed')
    subprocess.run(['sh', '-c', f'''
        set -eu
        p2pcp=$1
        # From ./dev, so that what is tested is what is installed.
        eval "$(sed -n '/^install_into() {{/,/^}}/p' dev)"
        install_into "$2"''', 'sh', pair.program(), self._installed],
                   check=True)

  def home(self, name):
    path = os.path.join(self._lab.folder, name)
    os.makedirs(path)
    return path

  def shell(self, name, home):
    return self._lab['host'].prefix() + [
        'env', '-i', '-C', home, f'HOME={home}',
        f'PATH={self._installed}/bin:/usr/bin:/bin',
        f'MANPATH={self._installed}/share/man', 'TERM=tmux-256color',
        'LANG=C.UTF-8', f'PS1={name}$ ', 'bash', '--norc'
    ]


class Elsewhere:
  """Two people, each on a copy of a system that lies in a folder."""

  def __init__(self, lab, root):
    self._lab, self._root = lab, root
    self._mounted = []

  def home(self, name):
    """The system's folders, with a layer of its own above them."""
    layers = os.path.join(self._lab.folder, f'root-{name}')
    system = os.path.join(layers, 'system')
    for folder in ('upper', 'work', 'system'):
      os.makedirs(os.path.join(layers, folder))
    subprocess.run([
        'mount', '-t', 'overlay', 'none', '-o',
        f'lowerdir={self._root},upperdir={layers}/upper,workdir={layers}/work',
        system
    ], check=True)
    for place in ('proc', 'dev', 'dev/pts'):
      subprocess.run(['mount', '--bind', f'/{place}',
                      os.path.join(system, place)], check=True)
      self._mounted.append(os.path.join(system, place))
    self._mounted.append(system)
    subprocess.run(['chroot', system, 'useradd', '-m', '-s', '/bin/bash',
                    name], check=True)
    return os.path.join(system, 'home', name)

  def shell(self, name, home):
    system = home.removesuffix(f'/home/{name}')
    return self._lab['host'].prefix() + [
        'chroot', f'--userspec={name}:{name}', system, 'env', '-i', '-C',
        f'/home/{name}', f'HOME=/home/{name}', 'PATH=/usr/bin:/bin',
        'TERM=tmux-256color', 'LANG=C.UTF-8', f'PS1={name}$ ', 'bash',
        '--norc'
    ]

  def close(self):
    for place in sorted(self._mounted, key=len, reverse=True):
      subprocess.run(['umount', '-l', place], check=False)


class Screens(unittest.TestCase):
  maxDiff = None
  update = False
  root = None

  @classmethod
  def setUpClass(cls):
    cls.lab = pair.Alone()
    cls.addClassCleanup(cls.lab.close)
    servers.start_mosquitto(cls.lab, cls.lab['host'])
    if cls.root:
      system = Elsewhere(cls.lab, cls.root)
      cls.addClassCleanup(system.close)
    else:
      system = Here(cls.lab)
    sockets = tempfile.mkdtemp(prefix='p2pcp-screens-')
    cls.addClassCleanup(shutil.rmtree, sockets)
    cls.people, cls.homes = {}, {}
    for name in ('alice', 'bob'):
      home = cls.homes[name] = system.home(name)
      person = screens.Screen(sockets, name, system.shell(name, home))
      cls.addClassCleanup(person.close)
      cls.people[name] = person
      person.wait(rf'{name}\$')

  def check(self, number, name):
    """What the person sees now is what was kept."""
    person = self.people[name]
    seen = screens.normalise(person.text())
    path = os.path.join(_KEPT, f'{number}-{name}.txt')
    if self.update:
      with open(path, 'w', encoding='utf-8') as file:
        file.write(seen)
    with open(path, encoding='utf-8') as file:
      self.assertEqual(seen, file.read(), path)

  def begin(self):
    for person in self.people.values():
      person.clear()
    return self.people['alice'], self.people['bob']

  def settle(self, *people):
    for person in people:
      person.wait_prompt()

  def test_the_first_hour(self):
    alice, bob = self.people['alice'], self.people['bob']

    # What is this?
    alice.clear()
    alice.type('p2pcp')
    self.settle(alice)
    self.check('1-first-run', 'alice')

    # A broker in the house, so that the test needs no Internet.
    for person in (alice, bob):
      person.clear()
      person.type('export P2PCP_BROKER=mqtt://127.0.0.1 P2PCP_STUN=127.0.0.1:9')

    alice, bob = self.begin()
    alice.type('p2pcp pair bob')
    code = alice.wait(r'\d{4}-[a-z]+-[a-z]+-[a-z]+').group()
    bob.type('p2pcp pair alice')
    bob.wait(r'\d{4}-[a-z]+-[a-z]+-[a-z]+')
    bob.type(code)
    self.settle(alice, bob)
    for name in ('alice', 'bob'):
      self.check('2-pair', name)

    alice, bob = self.begin()
    alice.type('seq 100000 >numbers')
    self.settle(alice)
    bob.type('p2pcp recv --from alice')
    bob.wait('waiting for')
    alice.type('p2pcp send numbers --to bob')
    self.settle(alice, bob)
    for name in ('alice', 'bob'):
      self.check('3-send', name)
    sizes = [os.path.getsize(os.path.join(self.homes[n], 'numbers'))
             for n in ('alice', 'bob')]
    self.assertEqual(sizes[0], sizes[1])

    # Ctrl-C in the middle.
    alice, bob = self.begin()
    alice.type(f'seq 10000000 | head -c {_LARGE} >large')
    self.settle(alice)
    alice.clear()
    bob.type('p2pcp recv --from alice')
    bob.wait('waiting for')
    alice.type('p2pcp send large --to bob --bwlimit 8M')
    bob.wait(r'\b[1-9]\d ?%')  # More than a block.
    bob.key('C-c')
    self.settle(bob)
    self.check('4-interrupted', 'bob')
    self.settle(alice)
    self.check('4-interrupted', 'alice')

    # The same two commands.
    alice, bob = self.begin()
    bob.type('p2pcp recv --from alice')
    bob.wait('waiting for')
    alice.type('p2pcp send large --to bob')
    self.settle(alice, bob)
    for name in ('alice', 'bob'):
      self.check('5-goes-on', name)

    alice.clear()
    alice.type('man p2pcp')
    alice.wait(r'SYNOPSIS')
    self.check('6-manual', 'alice')
    alice.key('q')
    self.settle(alice)


class Picture(unittest.TestCase):
  """The one in the README."""

  def texts(self, drawing, group):
    frame = next(
        g for g in ElementTree.fromstring(drawing) if g.get('id') == group)
    return [''.join(text.itertext()) for text in frame]

  def test_it_shows_each_screen_in_its_time(self):
    drawing = picture.draw([(0, 'alice$ a\n', 'bob$\n'),
                            (1, '\x1b[1;32ma < b\x1b[0m\n\n& c\n', 'bob$\n')])
    self.assertEqual(self.texts(drawing, 'f0'), ['alice$ a', 'bob$'])
    self.assertEqual(self.texts(drawing, 'f1'), ['a < b', '& c', 'bob$'])
    self.assertIn('font-weight="bold" fill="#98c379"', drawing)
    # One after the other, the last for a while.
    self.assertIn(
        'k0 { 0.00% { visibility: visible } 16.67% { visibility: hidden } }',
        drawing)

  def test_the_one_that_is_kept_shows_a_file_that_arrived(self):
    with open(os.path.join(_KEPT, 'first-file.svg'), encoding='utf-8') as file:
      drawing = file.read()
    last = re.findall('id="(f[0-9]+)"', drawing)[-1]
    self.assertEqual(
        [t for t in self.texts(drawing, last) if t.endswith('verified')][::2],
        [t for t in self.texts(drawing, last) if 'xxh128' in t])


if __name__ == '__main__':
  network.become_root()
  Screens.update = '--update' in sys.argv
  if '--root' in sys.argv:
    Screens.root = os.path.abspath(sys.argv[sys.argv.index('--root') + 1])
  os.makedirs(_KEPT, exist_ok=True)
  unittest.main(argv=sys.argv[:1], verbosity=2)
