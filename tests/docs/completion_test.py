"""What shells complete is what `p2pcp --help` says, and the shells take it."""

import os
import re
import subprocess
import tempfile
import unittest

from tests.docs import manual_test

PROGRAM = os.path.abspath('cmd/p2pcp')

# Completes the line in "$@" as bash would, a candidate a line.
_BASH = '''
eval "$(p2pcp completion bash)"
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
# Outside of a real completion the shell has none.
compopt() { :; }
_p2pcp
printf '%s\\n' "${COMPREPLY[@]}"
'''


class CompletionTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.help = manual_test.Help()

  def setUp(self):
    folder = tempfile.TemporaryDirectory(prefix='p2pcp-completion-')
    self.addCleanup(folder.cleanup)
    self.folder = folder.name
    self.environment = {
        'PATH': os.path.dirname(PROGRAM) + ':' + os.environ['PATH'],
        'HOME': self.folder,
        'P2PCP_HOME': os.path.join(self.folder, 'home'),
        'LC_ALL': 'C.UTF-8',
    }

  def run_program(self, *arguments):
    return subprocess.run([PROGRAM, *arguments],
                          env=self.environment,
                          check=True,
                          capture_output=True,
                          encoding='utf-8').stdout

  def complete(self, *words):
    done = subprocess.run(
        ['bash', '--norc', '-c', _BASH, 'bash', 'p2pcp', *words],
        env=self.environment,
        cwd=self.folder,
        check=True,
        capture_output=True,
        encoding='utf-8')
    self.assertEqual(done.stderr, '')
    return set(done.stdout.split())

  def options_of(self, command):
    """Names and short forms, as --help has them."""
    help_text = manual_test.help_of(command)
    options = {}
    for heading in manual_test.SECTIONS:
      options.update(
          manual_test.options_in(manual_test.block(help_text, heading)))
    return options

  def test_bash_completes_every_command(self):
    self.assertEqual(self.complete(''),
                     set(self.help.commands) | {'--help', '--version'})
    self.assertEqual(self.complete('se'),
                     {c for c in self.help.commands if c.startswith('se')})

  def test_bash_completes_every_option_and_no_other(self):
    for command in self.help.commands:
      with self.subTest(command):
        self.assertEqual(self.complete(command, '--'),
                         set(self.options_of(command)))

  def test_bash_completes_what_options_take(self):
    self.assertEqual(self.complete('recv', '--conflict', ''),
                     {'rename', 'skip', 'overwrite'})
    self.assertEqual(self.complete('send', 'x', '--progress', 'a'),
                     {'auto', 'always'})
    for name in ('photo.jpg', 'film.mp4'):
      with open(os.path.join(self.folder, name), 'wb'):
        pass
    self.assertEqual(self.complete('send', 'ph'), {'photo.jpg'})
    self.assertEqual(self.complete('recv', '-o', 'fi'), {'film.mp4'})

  def test_bash_completes_names_of_the_contact_book(self):
    other = dict(self.environment,
                 P2PCP_HOME=os.path.join(self.folder, 'other'))
    key = subprocess.run([PROGRAM, 'id'],
                         env=other,
                         check=True,
                         capture_output=True,
                         encoding='utf-8').stdout.strip()
    self.run_program('peers', 'add', 'bob', key)
    self.assertEqual(self.complete('send', 'x', '--to', ''), {'bob'})
    self.assertEqual(self.complete('pair', 'b'), {'bob'})

  def test_bash_knows_other_spellings_of_commands(self):
    for spelling, command in (('receive', 'recv'), ('rx', 'recv'),
                              ('tx', 'send'), ('contacts', 'peers')):
      self.assertEqual(self.complete(spelling, '--'),
                       set(self.options_of(command)))
    self.assertEqual(self.complete('contacts', ''),
                     {'list', 'add', 'rename', 'remove', 'set'})

  def test_zsh_and_fish_take_their_scripts(self):
    for shell in ('zsh', 'fish'):
      with self.subTest(shell):
        script = os.path.join(self.folder, shell)
        text = self.run_program('completion', shell)
        with open(script, 'w', encoding='utf-8') as file:
          file.write(text)
        done = subprocess.run([shell, '-n', script],
                              env=self.environment,
                              capture_output=True,
                              encoding='utf-8')
        self.assertEqual((done.returncode, done.stderr), (0, ''))

  def test_zsh_and_fish_have_every_option_and_no_other(self):
    zsh = self.run_program('completion', 'zsh')
    fish = self.run_program('completion', 'fish')
    for command in self.help.commands:
      with self.subTest(command):
        own = re.split(rf'\n      {command}(?:\|[a-z|]+)?\)', zsh,
                       maxsplit=1)[1].partition(';;')[0]
        found = set(
            re.findall(r"^ *'\*(--?[\w-]+)\[", own,
                                   re.M))
        wanted = set()
        for name, (letter, _) in self.options_of(command).items():
          wanted |= {name, letter} - {''}
        self.assertEqual(found, wanted)
        lines = [
            line for line in fish.splitlines()
            if re.search(rf"seen_subcommand_from {command}[ ']", line)
        ]
        found = {
            '--' + match[1] for match in
            (re.search(r' -l ([\w-]+)', line) for line in lines)
            if match
        }
        self.assertEqual(found, set(self.options_of(command)))


if __name__ == '__main__':
  unittest.main(verbosity=2)
