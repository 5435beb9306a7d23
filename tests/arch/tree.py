"""The source tree as the rules see it: files, includes, code without comments."""

import dataclasses
import os
import re

# Folders at the root that hold no sources of ours.
_NOT_OURS = {'.git', 'build', 'testdata'}
_SUFFIXES = ('.h', '.cc', '.py', '.sh', '.bzl', '.md')
_NAMES = ('BUILD', 'WORKSPACE', 'dev')

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.M)
# Comments, raw strings, strings and character literals; the last two so that
# a `//` within them starts no comment.
_TOKENS = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"([^(\s]*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"'
    r"|(?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])*'", re.S)


@dataclasses.dataclass(frozen=True)
class Include:
  line: int
  angled: bool
  path: str


@dataclasses.dataclass(frozen=True)
class Source:
  """One file; `path` counts from the root of the tree."""
  path: str
  text: str

  @property
  def folder(self):
    return os.path.dirname(self.path)

  @property
  def name(self):
    return os.path.basename(self.path)

  @property
  def is_cpp(self):
    return self.name.endswith(('.h', '.cc'))

  @property
  def is_test(self):
    stem = os.path.splitext(self.name)[0]
    return stem.endswith('_test') or self.path.startswith('tests/')

  def includes(self):
    for match in _INCLUDE.finditer(_blank(self.text, strings=False)):
      yield Include(self.text.count('\n', 0, match.start()) + 1,
                    match.group(1) == '<', match.group(2))

  def code(self):
    """The text with comments and literals blanked; lines stay lines."""
    return _blank(self.text, strings=True)


def _blank(text, strings):

  def replace(match):
    token = match.group(0)
    if token[0] != '/' and not strings:
      return token
    return re.sub(r'[^\n]', ' ', token)

  return _TOKENS.sub(replace, text)


def read_tree(root):
  """All files below `root` that the rules are about, sorted by path."""
  sources = []
  for folder, folders, names in os.walk(root):
    relative = os.path.relpath(folder, root)
    if relative == '.':
      relative = ''
    folders[:] = [
        f for f in folders
        if not (relative == '' and
                (f in _NOT_OURS or f.startswith('bazel-'))) and
        f != '__pycache__'
    ]
    for name in names:
      if name in _NAMES or name.endswith(_SUFFIXES):
        path = os.path.join(relative, name)
        with open(os.path.join(root, path), encoding='utf-8') as file:
          sources.append(Source(path, file.read()))
  return sorted(sources, key=lambda source: source.path)
