"""The manual page and the README say what `p2pcp --help` says.

Runs the program for its help and compares commands, options with their
arguments, and exit codes, in both directions.
"""

import re
import subprocess
import unittest

PROGRAM = 'cmd/p2pcp'
MANUAL = 'cmd/p2pcp.1'
README = 'README.md'

# Of --help, and the heading of the same options in the manual; '': under the
# command's own heading.
SECTIONS = {
    'Options': '',
    'Options of every command that connects':
        'Options of every command that connects',
    'Options of every command': 'Options of every command',
}


def help_of(*arguments):
  return subprocess.run([PROGRAM, *arguments, '--help'],
                        check=True,
                        capture_output=True,
                        encoding='utf-8').stdout


def read(path):
  with open(path, encoding='utf-8') as file:
    return file.read()


def block(text, heading):
  """The lines after `heading:`, up to the first that is not indented."""
  match = re.search(rf'^{re.escape(heading)}:\n((?:  .*\n|\n(?=  ))+)', text,
                    re.M)
  return match.group(1) if match else ''


def table(text):
  """First words and rests of lines."""
  return dict(line.split(maxsplit=1) for line in text.splitlines() if line)


def options_in(text):
  """Options of a section of --help: {'--out': ('-o', 'DIR|FILE')}."""
  options = {}
  for short, long, argument in re.findall(
      r'^  (?:(-\w) \[ )?(--[\w-]+)(?: \])?(?: ([^ \n]\S*))?(?:  |\n)', text,
      re.M):
    options[long] = (short, argument)
  return options


class Help:
  """What the program says of itself."""

  def __init__(self):
    text = help_of()
    self.commands = table(block(text, 'Commands'))
    self.exit_codes = table(block(text, 'Exit codes'))
    self.usages = {}
    # By heading in the manual: {'--out': ('-o', 'DIR|FILE')}.
    self.options = {}
    for command in self.commands:
      text = help_of(command)
      self.usages[command] = re.match(r'usage: (.*)\n', text).group(1)
      for section, heading in SECTIONS.items():
        options = options_in(block(text, section))
        if options:
          self.options.setdefault(heading or command, options)


class Manual:
  """What the manual page says; knows the macros that it uses (mdoc(7))."""

  def __init__(self):
    self.options = {}
    self.commands = []
    self.exit_codes = {}
    self.synopsis = set()
    section = heading = ''
    lines = read(MANUAL).splitlines()
    for line, after in zip(lines, lines[1:] + ['']):
      macro, _, rest = line.partition(' ')
      if macro in ('.Sh', '.Ss'):
        heading = rest
        section = rest if macro == '.Sh' else section
        if macro == '.Ss' and section == 'COMMANDS':
          self.commands.append(rest)
      elif macro == '.It' and section == 'EXIT STATUS':
        self.exit_codes[rest] = after
      elif macro == '.It' and rest.startswith('Fl '):
        short, long, argument = self._item(rest)
        self.options.setdefault(heading, {})[long] = (short, argument)
      if section == 'SYNOPSIS':
        self.synopsis |= set(re.findall(r'Fl -([\w-]+)', line))

  @staticmethod
  def _item(rest):
    """`Fl o , Fl -out Ar DIR` as ('-o', '--out', 'DIR')."""
    match = re.fullmatch(r'(?:Fl (\w) , )?Fl (-[\w-]+)(?: Ar (.*))?', rest)
    assert match, rest
    short, long, argument = match.groups()
    if argument:
      # HOST Ns Op : Ns Ar PORT is printed as HOST[:PORT].
      argument = re.sub(r' Ns Op (\S) Ns Ar (\w+)', r'[\1\2]', argument)
    return ('-' + short if short else '', '-' + long, argument or '')


class ManualTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.help = Help()
    cls.manual = Manual()

  def test_reads_the_help(self):
    self.assertIn('send', self.help.commands)
    self.assertEqual(self.help.options['send'], {
        '--to': ('', 'PEER'),
        '--code-file': ('', 'FILE'),
        '--name': ('', 'NAME'),
        '--exclude': ('', 'GLOB'),
        '--exclude-from': ('', 'FILE'),
        '--gitignore': ('', ''),
        '--follow': ('', ''),
        '--dry-run': ('-n', ''),
        '--receipt': ('', 'FILE'),
        '--background': ('', ''),
        '--bwlimit': ('', 'RATE'),
        '--cc': ('', 'HOW'),
        '--verify': ('', ''),
        '--patience': ('', 'SECONDS'),
        '--json': ('', ''),
        '--trace': ('', 'FILE'),
        '--no-port-guess': ('', '')
    })
    self.assertEqual(self.help.options['Options of every command']['--help'],
                     ('-h', ''))

  def test_has_every_command_and_no_other(self):
    self.assertEqual(self.manual.commands, list(self.help.commands))

  def test_has_every_option_and_no_other(self):
    for heading in self.help.options.keys() | self.manual.options.keys():
      with self.subTest(heading):
        self.assertEqual(self.manual.options.get(heading),
                         self.help.options.get(heading))

  def test_the_synopsis_has_the_options_of_the_commands(self):
    wanted = {'help', 'version'}
    for command in self.help.commands:
      wanted |= {
          option[2:] for option in self.help.options.get(command, {})
      }
    self.assertEqual(self.manual.synopsis, wanted)

  def test_has_every_exit_code(self):
    self.assertEqual(self.manual.exit_codes, self.help.exit_codes)

  def test_is_formatted_without_complaint(self):
    try:
      done = subprocess.run(
          ['groff', '-man', '-mdoc', '-Tascii', '-ww', '-z', MANUAL],
          check=True,
          capture_output=True,
          encoding='utf-8')
    except FileNotFoundError:
      self.fail('groff is missing: apt-get install groff-base')
    self.assertEqual(done.stderr, '')


class ReadmeTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.help = Help()
    cls.readme = read(README)

  def test_has_every_command_and_no_other(self):
    section = self.readme.partition('| command |')[2].partition('\n\n')[0]
    commands = re.findall(r'^\| `p2pcp (\w+)', section, re.M)
    self.assertEqual(commands, list(self.help.commands))

  def test_has_every_exit_code(self):
    section = self.readme.partition('### Exit codes')[2].partition('\n##')[0]
    cells = [
        cell.strip() for line in re.findall(r'^\|(.*)\|$', section, re.M)
        for cell in line.split('|')
    ]
    codes = {
        code: text for code, text in zip(cells[::2], cells[1::2])
        if code.isdigit()
    }
    self.assertEqual(codes, self.help.exit_codes)

  def test_names_no_option_that_does_not_exist(self):
    known = {
        option for options in self.help.options.values() for option in options
    }
    for option in set(re.findall(r'(?<![\w-])--[a-z][a-z-]*', self.readme)):
      self.assertIn(option, known)


if __name__ == '__main__':
  unittest.main(verbosity=2)
