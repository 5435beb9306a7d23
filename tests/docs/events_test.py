"""cmd/EVENTS.md, the schema beside it and the code that writes events agree."""

import copy
import re
import unittest

from tests.docs import manual_test
from tests.e2e import event_schema

DOCUMENT = 'cmd/EVENTS.md'
CODE = 'cmd/events.cc'
DOCTOR = 'cmd/doctor/diagnosis.cc'


def fields_in_code():
  """{event: its fields}, by the code that sets them."""
  text = manual_test.read(CODE)
  events = {}
  for name, body in re.findall(r'Json event = Event\("(\w+)"\);(.*?)\n}\n',
                               text, re.S):
    fields = set(re.findall(r'event\["(\w+)"\]', body))
    fields |= set(re.findall(r'SetRtt\(event, "(\w+)"', body))
    for field in re.findall(r'SetName\(event, "(\w+)"', body):
      fields |= {field, field + '_hex'}
    events[name] = fields
  return events


def doctors_fields_in_code():
  """Names of fields at any depth of what doctor writes, `event` left out."""
  text = manual_test.read(DOCTOR).partition('std::string DiagnosisAsJson(')[2]
  return set(re.findall(r'[{[]"(\w+)"[],]', text)) - {'event'}


def names_in(schema):
  """Names of fields at any depth."""
  names = set()
  for name, own in schema.get('properties', {}).items():
    names |= {name} | names_in(own)
  return names | (names_in(schema['items']) if 'items' in schema else set())


def rows_in_document():
  """{event: its row of the table}, and of `done` what stands below."""
  text = manual_test.read(DOCUMENT)
  rows = {}
  for line in re.findall(r'^\| (`.*)\|$', text, re.M):
    cells = line.split(' | ')
    if len(cells) != 3:
      continue
    for name in re.findall(r'`(\w+)`', cells[0]):
      rows[name] = cells[2]
  rows['done'] = text.partition('`done` has:')[2].partition('\n\n`p2pcp')[0]
  return rows


class EventsTest(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.schema = event_schema.Schema.load()
    cls.code = fields_in_code()
    cls.rows = rows_in_document()

  def test_the_code_is_read(self):
    self.assertEqual(self.code['waiting'], {'peer'})
    self.assertIn('name_hex', self.code['file'])
    self.assertIn('rtt_ms', self.code['path'])
    self.assertGreater(len(self.code), 18)

  def test_all_have_the_same_events(self):
    # Those of doctor stand in the text below the table.
    doctor = {'diagnosis', 'trial'}
    self.assertEqual(set(self.schema.events), set(self.code) | doctor)
    self.assertEqual(set(self.rows), set(self.code))

  def test_all_have_the_same_fields(self):
    for name, fields in self.code.items():
      with self.subTest(name):
        self.assertEqual(
            set(self.schema.events[name]['properties']) - {'event'}, fields)
        for field in fields:
          if not field.endswith('_hex'):  # Which go with every name.
            self.assertIn(f'`{field}`', self.rows[name])

  def test_what_doctor_writes_is_in_the_schema(self):
    fields = doctors_fields_in_code()
    self.assertIn('mapping', fields)
    self.assertIn('rtt_ms', fields)
    self.assertEqual(
        names_in(self.schema.events['diagnosis']) |
        names_in(self.schema.events['trial']), fields | {'event'})

  def test_errors_are_those_of_the_exit_codes(self):
    names = self.schema.root['$defs']['error_name']['enum']
    listed = re.search(r'\n`error` is (.*?): the exit codes',
                       manual_test.read(DOCUMENT), re.S)[1]
    self.assertEqual(re.findall(r'`(\w+)`', listed), names)
    codes = [int(code) for code in manual_test.Help().exit_codes]
    self.assertEqual(self.schema.root['$defs']['exit_code']['enum'], codes)
    self.assertEqual(len(names), len(codes) - 1)

  def test_the_schema_takes_what_is_right_and_nothing_else(self):
    good = {
        'event': 'error', 'error': 'no_path', 'exit_code': 5,
        'retryable': False, 'message': 'x', 'transfer': 3
    }
    self.assertEqual(self.schema.errors(good), [])
    for change in ({'event': 'eror'}, {'error': 'nopath'}, {'exit_code': 6.5},
                   {'exit_code': 14}, {'retryable': None}, {'message': 3},
                   {'hint': 'x'}, {'transfer': 0}):
      self.assertNotEqual(self.schema.errors({**good, **change}), [], change)
    for field in set(good) - {'transfer'}:
      bad = {name: value for name, value in good.items() if name != field}
      self.assertNotEqual(self.schema.errors(bad), [], field)
    unknown = copy.deepcopy(self.schema.root)
    unknown['$defs']['error']['properties']['message'] = {'minLength': 1}
    with self.assertRaises(AttributeError):
      event_schema.Schema(unknown).errors(good)

  def test_the_examples_of_the_document_are_right(self):
    examples = re.findall(r'^(\{"event".*\})$',
                          manual_test.read(DOCUMENT), re.M)
    self.assertGreater(len(examples), 5)
    for example in examples:
      name = re.search(r'"event":"(\w+)"', example)[1]
      self.assertIn(name, self.code)
      for field in re.findall(r'"(\w+)":', example):
        self.assertIn(field, self.code[name] | {'event'}, example)


if __name__ == '__main__':
  unittest.main(verbosity=2)
