"""Whether an event of --json is as cmd/events.schema.json says.

Knows the part of JSON Schema (2020-12) that the file uses, and refuses a file
that uses more. Where readers have to pass over fields that they don't know, a
test must not: here they are errors.
"""

import json
import os
import re

PATH = 'cmd/events.schema.json'

_TYPES = {
    'object': lambda v: isinstance(v, dict),
    'array': lambda v: isinstance(v, list),
    'string': lambda v: isinstance(v, str),
    'boolean': lambda v: isinstance(v, bool),
    'null': lambda v: v is None,
    'number': lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    'integer': lambda v: isinstance(v, int) and not isinstance(v, bool),
}
_NOTES = {'$schema', 'title', 'description', '$defs'}


class Schema:

  def __init__(self, schema):
    self.root = schema

  @classmethod
  def load(cls):
    here = os.path.dirname(os.path.realpath(__file__))
    tree = os.path.dirname(os.path.dirname(here))
    path = PATH if os.path.exists(PATH) else os.path.join(tree, PATH)
    with open(path, encoding='ascii') as file:
      return cls(json.load(file))

  @property
  def events(self):
    """{name: its own schema}"""
    return {
        name: own
        for name, own in self.root['$defs'].items()
        if 'event' in own.get('properties', {})
    }

  def errors(self, event):
    """What is wrong with it, in words."""
    return list(self._check(event, self.root, 'event'))

  def _check(self, value, schema, where):
    if '$ref' in schema:
      name = re.fullmatch(r'#/\$defs/(\w+)', schema['$ref'])[1]
      yield from self._check(value, self.root['$defs'][name], where)
      return
    for keyword, wanted in schema.items():
      if keyword not in _NOTES:
        yield from getattr(self, '_' + keyword)(value, wanted, schema, where)

  def _type(self, value, wanted, _, where):
    names = [wanted] if isinstance(wanted, str) else wanted
    if not any(_TYPES[name](value) for name in names):
      yield f'{where} is {value!r}, not of type {wanted}'

  def _const(self, value, wanted, _, where):
    if value != wanted or isinstance(value, bool) != isinstance(wanted, bool):
      yield f'{where} is {value!r}, not {wanted!r}'

  def _enum(self, value, wanted, _, where):
    if value not in wanted or isinstance(value, bool):
      yield f'{where} is {value!r}, none of {wanted}'

  def _pattern(self, value, wanted, _, where):
    if isinstance(value, str) and not re.search(wanted, value):
      yield f'{where} is {value!r}, not as {wanted}'

  def _minimum(self, value, wanted, _, where):
    if _TYPES['number'](value) and value < wanted:
      yield f'{where} is {value}, less than {wanted}'

  def _maximum(self, value, wanted, _, where):
    if _TYPES['number'](value) and value > wanted:
      yield f'{where} is {value}, more than {wanted}'

  def _required(self, value, wanted, _, where):
    for name in wanted:
      if isinstance(value, dict) and name not in value:
        yield f'{where} has no {name}'

  def _properties(self, value, wanted, schema, where):
    if not isinstance(value, dict):
      return
    for name, own in value.items():
      if name in wanted:
        yield from self._check(own, wanted[name], f'{where}.{name}')
      elif 'oneOf' not in schema and name != 'transfer':
        yield f'{where}.{name} is not in the schema'

  def _items(self, value, wanted, _, where):
    for i, item in enumerate(value if isinstance(value, list) else []):
      yield from self._check(item, wanted, f'{where}[{i}]')

  def _anyOf(self, value, wanted, _, where):  # pylint: disable=invalid-name
    if all(list(self._check(value, one, where)) for one in wanted):
      yield f'{where} is {value!r}, none of what it may be'

  def _oneOf(self, value, wanted, _, where):  # pylint: disable=invalid-name
    own = self.events.get(value.get('event'))
    if {'$ref': f'#/$defs/{value.get("event")}'} not in wanted or own is None:
      yield f'{where}: there is no event {value.get("event")!r}'
    else:
      # All others have another name.
      yield from self._check(value, own, where)


_SCHEMA = []


def check(event):
  """Fails a test where the event is not as the schema says."""
  if not _SCHEMA:
    _SCHEMA.append(Schema.load())
  errors = _SCHEMA[0].errors(event)
  assert not errors, (errors, event)
