"""Draws the picture of the README: a first file, as two people see it.

The real program on two terminals, behind two NATs and on lines of 50 Mbit/s; what
they show is captured and becomes an animated SVG.

usage: picture.py FILE.svg
"""

import html
import os
import re
import sys
import tempfile
import time

from tests.e2e import pair
from tests.e2e import screens
from tests.lab import network
from tests.lab import topology

_COLUMNS, _ROWS = 80, 15
_INTERVAL = 0.15
# How long the last picture stands before it begins anew.
_REST = 5
_SIZE = 24 << 20
_CHAR_WIDTH, _LINE_HEIGHT, _MARGIN = 7.8, 17, 14
_COLOURS = {
    30: '#3b4252', 31: '#e06c75', 32: '#98c379', 33: '#e5c07b',
    34: '#61afef', 35: '#c678dd', 36: '#56b6c2', 37: '#d8dee9',
}
_TEXT, _PAPER, _FRAME = '#d8dee9', '#1f2430', '#141821'


def _spans(line):
  """A line with SGR sequences as SVG text spans."""
  out, style = [], {}
  for part in re.split(r'(\x1b\[[\d;]*m)', line):
    match = re.fullmatch(r'\x1b\[([\d;]*)m', part)
    if not match:
      if part:
        attributes = ''.join(f' {k}="{v}"' for k, v in style.items())
        text = html.escape(part)
        out.append(f'<tspan{attributes}>{text}</tspan>' if style else text)
      continue
    for code in map(int, filter(None, match.group(1).split(';') or ['0'])):
      if code in (0, 39) or code >= 40:
        style.clear()
      elif code == 1:
        style['font-weight'] = 'bold'
      elif code == 2:
        style['opacity'] = '0.6'
      else:
        style['fill'] = _COLOURS.get(30 + code % 10, _TEXT)
  return ''.join(out)


_WIDTH = round(_COLUMNS * _CHAR_WIDTH) + 2 * _MARGIN
_HEIGHT = _ROWS * _LINE_HEIGHT + 2 * _MARGIN


def _terminal(text, top):
  """What one screen shows."""
  lines = []
  for row, line in enumerate(text.rstrip('\n').split('\n')):
    if line.strip():
      lines.append(
          f'<text x="{12 + _MARGIN}" '
          f'y="{top + _MARGIN + 13 + row * _LINE_HEIGHT}">{_spans(line)}</text>')
  return '\n'.join(lines)


def draw(frames):
  """frames: [(seconds, text above, text below)]."""
  width, height = _WIDTH + 24, 2 * (_HEIGHT + 26) + 12
  total = frames[-1][0] + _REST
  out = [
      f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" '
      f'height="{height}" viewBox="0 0 {width} {height}" '
      'xml:space="preserve">',
      '<title>p2pcp: a first file from Alice to Bob</title>',
      '<style>text { font: 13px "DejaVu Sans Mono", Menlo, Consolas, monospace; '
      f'fill: {_TEXT}; white-space: pre }} '
      f'.f {{ visibility: hidden; animation: {total:.2f}s step-end infinite }}'
  ]
  for i, (at, _, _) in enumerate(frames):
    until = frames[i + 1][0] if i + 1 < len(frames) else total
    begin, end = 100 * at / total, 100 * until / total
    # The last one stands where nothing moves.
    still = ' visibility: visible;' if i + 1 == len(frames) else ''
    back = f' {end:.2f}% {{ visibility: hidden }}' if end < 100 else ''
    first = '' if begin == 0 else '0% { visibility: hidden } '
    out.append(f'#f{i} {{ animation-name: k{i};{still} }} @keyframes k{i} {{ '
               f'{first}{begin:.2f}% {{ visibility: visible }}{back} }}')
  out.append('</style>')
  out.append(
      f'<rect width="{width}" height="{height}" rx="8" fill="{_FRAME}"/>')
  below = 26 + _HEIGHT + 26
  for top, name in ((26, 'Alice, at home'), (below, 'Bob, at his')):
    out.append(f'<text x="16" y="{top - 8}" opacity="0.7">{name}</text>')
    out.append(f'<rect x="12" y="{top}" width="{_WIDTH}" height="{_HEIGHT}" '
               f'rx="6" fill="{_PAPER}"/>')
  for i, (_, one, other) in enumerate(frames):
    out.append(f'<g class="f" id="f{i}">')
    out.append(_terminal(one, 26))
    out.append(_terminal(other, below))
    out.append('</g>')
  out.append('</svg>')
  return '\n'.join(out) + '\n'


class _Watch:
  """Keeps what two screens show, whenever that changes."""

  def __init__(self, alice, bob):
    self._screens = alice, bob
    self._begin = time.monotonic()
    self.frames = []

  def look(self):
    seen = tuple(s.text(colours=True) for s in self._screens)
    if not self.frames or self.frames[-1][1:] != seen:
      self.frames.append((time.monotonic() - self._begin, *seen))

  def until(self, done):
    deadline = time.monotonic() + 60
    while not done():
      if time.monotonic() > deadline:
        raise AssertionError(self.frames[-1])
      self.look()
      time.sleep(_INTERVAL)

  def pause(self, seconds):
    end = time.monotonic() + seconds
    self.until(lambda: time.monotonic() > end)

  def type(self, screen, text):
    """As people do."""
    for word in re.findall(r'\S+\s*', text):
      screen.type(word, enter=False)
      self.pause(0.2)
    screen.key('Enter')


def record(folder):
  """The frames of a first file."""
  with topology.Lab('homes', link_a='rate=50mbit delay=10ms',
                    link_b='rate=50mbit delay=10ms') as lab:
    people = []
    for name, host in (('alice', lab.plan.alice), ('bob', lab.plan.bob)):
      person = topology.Person(lab, name, host)
      servers = [f'P2PCP_BROKER={lab.broker}']
      servers += [f'P2PCP_STUN={server}' for server in lab.stun[:1]]
      people.append(
          screens.Screen(folder, name, lab[host].prefix() + [
              'env', '-i', '-C', person.folder, f'HOME={person.home}',
              f'PATH={os.path.dirname(pair.program())}:/usr/bin:/bin',
              'TERM=tmux-256color', 'LANG=C.UTF-8', f'PS1={name}$ ', *servers,
              'bash', '--norc'
          ], _COLUMNS, _ROWS))
      if name == 'alice':
        pair.write_file(person.path('holiday.mp4'), _SIZE)
    alice, bob = people
    try:
      for person in people:
        person.wait(r'\$')
      watch = _Watch(alice, bob)
      watch.pause(0.5)
      watch.type(alice, 'p2pcp send holiday.mp4 --to bob')
      code = r'\d{4}-[a-z]+-[a-z]+-[a-z]+'
      watch.until(lambda: re.search(code, alice.text()))
      watch.pause(0.5)
      watch.type(bob, 'p2pcp recv --from alice')
      watch.until(lambda: 'Type the code' in bob.text())
      watch.pause(0.8)
      watch.type(bob, re.search(code, alice.text()).group().replace('-', ' '))
      for person in people:
        watch.until(
            lambda p=person: re.search(rf'\n{p.name}\$ ?\n?\Z', p.text()))
      watch.pause(0.5)
      watch.look()
    finally:
      for person in people:
        person.close()
  return watch.frames


def main():
  with tempfile.TemporaryDirectory(prefix='p2pcp-picture-') as folder:
    text = draw(record(folder))
  with open(sys.argv[1], 'w', encoding='utf-8') as file:
    file.write(text)


if __name__ == '__main__':
  network.become_root()
  main()
