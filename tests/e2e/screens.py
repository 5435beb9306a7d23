"""Two people at terminals: tmux, what they type, and what they then see."""

import os
import re
import subprocess
import time

_WIDTH, _HEIGHT = 100, 30
_PATIENCE = 60

# What differs from run to run.
_CHANGING = (
    (r'\b\d{4}-[a-z]+-[a-z]+-[a-z]+\b', '1234-acid-bagel-crumb'),
    (r'\b(?:[a-z2-7]{4}-){7}[a-z2-7]{4}\b',
     'aaaa-bbbb-cccc-dddd-eeee-ffff-gggg-hhhh'),
    (r'in [\d.]+ (?:s|ms|min \d+ s) \([\d.]+ .?i?B/s\)',
     'in 1.0 s (1.0 MiB/s)'),
    (r'\budp[46] \S+:\d+', 'udp4 192.0.2.1:41641'),
    (r'rtt [\d.]+ m?s', 'rtt 1.0 ms'),
    # A bar that was on its way when something else was said.
    (r'.*[\u2580-\u259f].*\n', ''),
    # Versions of groff set manual pages differently, and more options are no
    # other screen.
    (r'P2PCP\(1\) [^()]+ Manual\s+P2PCP\(1\)', 'P2PCP(1) ... P2PCP(1)'),
    (r'(?m)^ +p2pcp — ', '     p2pcp — '),
    (r'(?s)SYNOPSIS\n.*', 'SYNOPSIS\n'),
    (r'limited by .*', 'limited by ...'),
    (r'[\d.]+ .?i?B of (\S+ .?i?B) are there', r'1.0 MiB of \1 are there'),
)


def normalise(text):
  """The same text for every run that did the same."""
  for pattern, instead in _CHANGING:
    text = re.sub(pattern, instead, text)
  return text


class Screen:
  """A terminal of a size of its own, with a shell in it."""

  def __init__(self, folder, name, argv, width=_WIDTH, height=_HEIGHT):
    """Starts argv in a tmux whose socket lies in the folder."""
    self.name = name
    self._tmux = ['tmux', '-f', '/dev/null', '-S', os.path.join(folder, name)]
    self._run('new-session', '-d', '-x', str(width), '-y', str(height),
              *argv)

  def _run(self, *argv):
    return subprocess.run(self._tmux + list(argv), check=True,
                          stdout=subprocess.PIPE, text=True,
                          env={**os.environ, 'LC_ALL': 'C.UTF-8'}).stdout

  def type(self, text, enter=True):
    self._run('send-keys', '-l', '--', text)
    if enter:
      self._run('send-keys', 'Enter')

  def key(self, name):
    """'C-c', 'q', ..."""
    self._run('send-keys', name)

  def text(self, colours=False):
    """What it shows; colours: as it wraps, with sequences for the colours."""
    # Where a line wraps depends on the numbers in it: -J undoes that.
    how = '-e' if colours else '-J'
    lines = self._run('capture-pane', '-p', how).splitlines()
    return '\n'.join(line.rstrip() for line in lines).rstrip('\n') + '\n'

  def wait(self, pattern):
    """Until it shows that; the match."""
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
      match = re.search(pattern, self.text(), re.M)
      if match:
        return match
      time.sleep(0.05)
    raise AssertionError(f'{self.name} never shows {pattern!r}:\n{self.text()}')

  def wait_prompt(self):
    """Until the command has ended, and the shell waits."""
    return self.wait(rf'\n{self.name}\$ ?\n?\Z')

  def clear(self):
    self.type('clear')
    self.wait(rf'\A{self.name}\$ ?\n?\Z')
    self._run('clear-history')

  def close(self):
    subprocess.run(self._tmux + ['kill-server'], check=False,
                   capture_output=True)
