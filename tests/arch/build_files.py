"""Targets of BUILD files. Starlark's grammar for them is within Python's."""

import ast
import dataclasses
import fnmatch
import os


# Rules of ours that name their only source after the target.
_OWN_SOURCE = {'fuzz_target': '{}_fuzz.cc'}


@dataclasses.dataclass
class Target:
  package: str  # 'net/stun'
  rule: str  # 'cc_library'
  name: str
  line: int
  files: list  # of srcs and hdrs, counted from the root of the tree
  deps: list  # of (package, name)
  testonly: bool


def _strings(node, package, names):
  """The strings that a list-valued attribute can hold."""
  if isinstance(node, ast.Constant) and isinstance(node.value, str):
    return [node.value]
  if isinstance(node, (ast.List, ast.Tuple)):
    return [s for item in node.elts for s in _strings(item, package, names)]
  if isinstance(node, ast.BinOp):
    return (_strings(node.left, package, names) +
            _strings(node.right, package, names))
  if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
    if node.func.id == 'select' and isinstance(node.args[0], ast.Dict):
      return [
          s for value in node.args[0].values
          for s in _strings(value, package, names)
      ]
    if node.func.id == 'glob':
      wanted, unwanted = [], []
      for argument in node.args:
        wanted += _strings(argument, package, names)
      for keyword in node.keywords:
        (unwanted if keyword.arg == 'exclude' else wanted).extend(
            _strings(keyword.value, package, names))
      return [
          name for name in names
          if any(fnmatch.fnmatch(name, w) for w in wanted) and
          not any(fnmatch.fnmatch(name, u) for u in unwanted)
      ]
  return []


def _is_true(node, default=False):
  """An attribute's value, which may be missing (None)."""
  return bool(node.value) if isinstance(node, ast.Constant) else default


def _label(text, package):
  """(package, name) of a label, None for another repository's."""
  if text.startswith('@'):
    return None
  if not text.startswith('//'):
    return package, text.lstrip(':')
  path, _, name = text[2:].partition(':')
  return path, name or os.path.basename(path)


def parse_targets(build, names):
  """The targets of one BUILD file: every call that has a name.

  Args:
    build: the tree.Source of the BUILD file.
    names: names of the files in its folder, for glob().
  """
  package = build.folder
  targets = []
  default_testonly = False
  for statement in ast.parse(build.text, build.path).body:
    # A comprehension of targets counts as one that holds them all.
    for node in ast.walk(statement):
      if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
        continue
      attributes = {k.arg: k.value for k in node.keywords}
      if node.func.id == 'package':
        default_testonly = _is_true(attributes.get('default_testonly'))
      if 'name' not in attributes:
        continue

      def strings(key):
        if key not in attributes:
          return []
        return _strings(attributes[key], package, names)

      name = ''.join(strings('name'))
      files = []
      if node.func.id in _OWN_SOURCE and 'srcs' not in attributes:
        files.append(f'{package}/{_OWN_SOURCE[node.func.id].format(name)}')
      for text in strings('srcs') + strings('hdrs') + strings('textual_hdrs'):
        label = _label(text, package)
        if label is not None:
          files.append('/'.join(part for part in label if part))
      labels = [
          _label(text, package)
          for text in strings('deps') + strings('implementation_deps')
      ]
      targets.append(
          Target(
              package=package,
              rule=node.func.id,
              name=name,
              line=node.lineno,
              files=files,
              deps=[label for label in labels if label is not None],
              testonly=node.func.id == 'cc_test' or
              _is_true(attributes.get('testonly'), default_testonly),
          ))
  return targets
