"""What p2pcp tells of a run: the verdict on what limited it, --json, --trace."""

import json
import os
import unittest

from tests.e2e import event_schema
from tests.e2e import pair
from tests.lab import network
from tests.lab import topology

_MIB = 1 << 20
_MOST_EARLY = 64 << 10
_SLOW_WRITES = 'tests/e2e/slow_writes.so'


def events_of(command):
  """The events of --json, checked one by one."""
  events = [json.loads(line) for _, line in command.stdout]
  for event in events:
    event_schema.check(event)
  assert events[0]['event'] == 'start' and events[0]['schema'] == 1, events[0]
  return events


def named(events, name):
  return [event for event in events if event['event'] == name]


def records_of(path):
  """The records of a JSON text sequence (RFC 7464), as a viewer reads them."""
  with open(path, encoding='ascii') as file:
    texts = file.read().split('\x1e')
  assert texts[0] == '', 'something before the first record'
  for text in texts[1:]:
    assert text.endswith('\n'), 'a record that is cut off'
  return [json.loads(text) for text in texts[1:]]


class Report(unittest.TestCase):

  @classmethod
  def setUpClass(cls):
    cls.lab = topology.Lab('homes', link_a='delay=20ms')
    cls.addClassCleanup(cls.lab.close)

  def setUp(self):
    self.lab.links['A'].set('both', 'clear')
    self.people = pair.Pair(self.lab, '-' + self._testMethodName[5:35])

  def run_both(self, size, name='file', recv_options=None, extra=('--json',),
               recv_extra=None):
    source = pair.write_file(self.people.alice.path(name), size)
    send = self.people.send(name, extra=extra)
    recv = self.people.recv(extra=recv_extra or extra, **(recv_options or {}))
    self.people.expect(send, recv, timeout=60)
    self.people.check_file(source, name, send, recv)
    return send, recv

  def check_verdict(self, commands, name, words):
    """Both sides say the same, to people and to programs."""
    numbers = []
    for command in commands:
      log = '\n'.join(c.log() for c in commands)
      done = events_of(command)[-1]
      self.assertEqual(done['event'], 'done', log)
      self.assertEqual(done['limited_by'], name, log)
      self.assertIn(f'limited by {words}: ', command.text, log)
      numbers.append([done[field] for field in
                      ('loss', 'retransmitted', 'rtt_ms', 'min_rtt_ms')])
    self.assertEqual(numbers[0][:2], numbers[1][:2])
    # One side knows nanoseconds, the other was told microseconds.
    for mine, other in zip(numbers[0][2:], numbers[1][2:]):
      self.assertAlmostEqual(mine, other, delta=0.002)
    return numbers[0]

  def test_a_lossy_line_is_the_path(self):
    self.lab.links['A'].set('both', 'rate=20mbit delay=20ms loss=1%')
    commands = self.run_both(6 * _MIB, extra=('--json', '--cc', 'bbr'),
                             recv_extra=('--json',))
    loss, again, _, least = self.check_verdict(commands, 'path', 'the path')
    self.assertGreater(loss, 0.003)
    self.assertLess(loss, 0.1)
    self.assertGreater(again, 0.003)
    self.assertGreater(least, 39)
    self.assertLess(least, 80)

  def test_slow_writes_are_the_receivers_disk(self):
    preload = os.path.realpath(network.find_program('slow_writes.so',
                                                    _SLOW_WRITES))
    commands = self.run_both(40 * _MIB, recv_options={
        # AddressSanitizer would have its own library first.
        'prefix': ['env', 'ASAN_OPTIONS=verify_asan_link_order=0',
                   f'LD_PRELOAD={preload}']})
    self.check_verdict(commands, 'receiver_disk', "the receiver's disk")

  def test_events_tell_the_run(self):
    name = 'Gr\u00fc\u00dfe "an alle".txt'
    self.lab.links['A'].set('both', 'rate=20mbit delay=20ms')
    send, recv = self.run_both(4 * _MIB, name=name)
    for command, peer in ((send, 'bob'), (recv, 'alice')):
      events = events_of(command)
      order = [event['event'] for event in events]
      self.assertEqual(named(events, 'waiting')[0]['peer'], peer)
      self.assertEqual(order[-1], 'done', command.log())
      self.assertLess(order.index('waiting'), order.index('path'))
      self.assertLess(order.index('path'), order.index('transferring'))
      steps = [event['step'] for event in named(events, 'connecting')]
      self.assertIn('broker', steps)
      self.assertIn('handshake', steps)
      self.assertIn('direct udp4', named(events, 'path')[0]['path'])
      progress = named(events, 'progress')
      self.assertGreater(len(progress), 2)
      done = [event['bytes'] for event in progress]
      self.assertEqual(done, sorted(done))
      file, = named(events, 'file')
      self.assertEqual(file['name'], name)
      self.assertIn(file['xxh128'], command.text)
      last = events[-1]
      self.assertEqual(last['bytes'], 4 * _MIB)
      self.assertEqual(last['digests'],
                       [{'name': name, 'xxh128': file['xxh128']}])
      self.assertAlmostEqual(last['bytes_per_second'],
                             last['bytes'] / last['seconds'], delta=1)
    self.assertEqual(named(events_of(recv), 'offered')[0]['files'], 1)
    self.assertEqual(named(events_of(recv), 'file')[0]['final_name'], name)

  def test_a_name_that_is_no_utf8_is_told_as_bytes(self):
    name = os.fsdecode(b'caf\xe9')
    pair.write_file(self.people.alice.path(name), 10)
    send = self.people.send(name, extra=['--json'])
    recv = self.people.recv(extra=['--json'])
    self.people.expect(send, recv)
    for command in (send, recv):
      file, = named(events_of(command), 'file')
      self.assertEqual(file['name'], 'caf\ufffd')
      self.assertEqual(bytes.fromhex(file['name_hex']), b'caf\xe9')

  def test_an_error_is_the_last_event(self):
    pair.write_file(self.people.alice.path('file'), 10)
    send = self.people.send('file', extra=['--json', '--timeout', '1'])
    self.assertEqual(send.wait(), pair.PEER_NEVER_APPEARED, send.log())
    last = events_of(send)[-1]
    self.assertEqual((last['event'], last['error'], last['exit_code'],
                      last['retryable']),
                     ('error', 'peer_never_appeared',
                      pair.PEER_NEVER_APPEARED, True))
    send = self.people.send('file', extra=['--json'])
    send.when('broker .*: subscribed')
    send.interrupt()
    self.assertEqual(send.wait(), pair.INTERRUPTED, send.log())
    self.assertEqual(events_of(send)[-1]['error'], 'interrupted')

  def test_stdout_is_for_one_thing(self):
    send = self.people.send('file', extra=['--json', '--code-file', '-'])
    self.assertEqual(send.wait(), pair.USAGE, send.log())
    self.assertEqual(send.stdout, [])

  def check_trace(self, command, path):
    """What a viewer relies on, and that the sums are those of --json."""
    records = records_of(path)
    header, events = records[0], records[1:]
    self.assertEqual((header['qlog_version'], header['qlog_format']),
                     ('0.3', 'JSON-SEQ'))
    self.assertEqual(header['trace']['common_fields']['time_format'],
                     'relative')
    times = [event['time'] for event in events]
    self.assertEqual(times, sorted(times))
    sent = {}
    received = set()
    received_bytes = 0
    lost = set()
    acked = set()
    metrics = []
    for event in events:
      self.assertEqual(set(event), {'time', 'name', 'data'})
      data = event['data']
      number = data.get('header', {}).get('packet_number')
      if event['name'] == 'transport:packet_sent':
        self.assertTrue(not sent or number > max(sent))
        sent[number] = data['raw']['length']
      elif event['name'] == 'transport:packet_received':
        received.add(number)
        received_bytes += data['raw']['length']
        for frame in data['frames']:
          if frame['frame_type'] == 'ack':
            for first, last in frame['acked_ranges']:
              acked.update(range(first, last + 1))
      elif event['name'] == 'recovery:packet_lost':
        self.assertIn(number, sent)
        self.assertNotIn(number, lost)
        lost.add(number)
      elif event['name'] == 'recovery:metrics_updated':
        metrics.append(data)
      self.assertNotEqual(event['name'], 'loglevel:warning')
    packets = events_of(command)[-1]['packets']
    # Numbers that are acknowledged and not in the trace are the channel's own.
    self.assertLess(len(acked - set(sent)), 100)
    self.assertEqual(packets['sent'], len(sent))
    self.assertEqual(packets['bytes_sent'], sum(sent.values()))
    self.assertEqual(packets['received'], len(received))
    self.assertEqual(packets['bytes_received'], received_bytes)
    self.assertEqual(packets['lost'], len(lost))
    self.assertEqual(packets['lost_spuriously'], len(lost & acked))
    self.assertTrue(all('congestion_window' in data and
                        'bytes_in_flight' in data for data in metrics))
    with open(path, encoding='ascii') as file:
      text = file.read()
    for secret in ('wonderful', '203.0.113', '192.0.2', 'alice', 'bob'):
      self.assertNotIn(secret, text)
    return events, sent, lost, acked

  def test_a_trace_is_what_viewers_open(self):
    self.lab.links['A'].set('both', 'rate=20mbit delay=20ms loss=1%')
    paths = [person.path('trace.sqlog')
             for person in (self.people.alice, self.people.bob)]
    os.mkdir(self.people.bob.path('out'))
    name = 'wonderful'
    pair.write_file(self.people.alice.path(name), 3 * _MIB)
    send = self.people.send(name, extra=('--json', '--trace', 'trace.sqlog'))
    recv = self.people.recv(out='out',
                            extra=('--json', '--trace', 'trace.sqlog'))
    self.people.expect(send, recv, timeout=60)
    events, sent, lost, acked = self.check_trace(send, paths[0])
    self.assertGreater(len(sent), 2000)
    self.assertGreater(len(lost), 2)
    names = {event['name'] for event in events}
    self.assertIn('recovery:congestion_state_updated', names)
    # All the bytes of the file, and each of them acknowledged; but for those
    # that went with the list (EARLY).
    arrived = set()
    for event in events:
      if event['name'] != 'transport:packet_sent':
        continue
      if event['data']['header']['packet_number'] not in acked:
        continue
      for frame in event['data']['frames']:
        if frame['frame_type'] == 'stream' and frame['stream_id'] == 0:
          arrived.add((frame['offset'], frame['length']))
    end = _MOST_EARLY
    for offset, length in sorted(arrived):
      self.assertLessEqual(offset, end)
      end = max(end, offset + length)
    self.assertEqual(end, 3 * _MIB)
    self.check_trace(recv, paths[1])
    for path in paths:
      os.remove(path)

  def test_a_trace_overwrites_nothing_and_stops_no_transfer(self):
    pair.write_file(self.people.alice.path('mine'), 10)
    send = self.people.send('mine', extra=('--trace', 'mine'))
    self.assertEqual(send.wait(), pair.CANNOT_WRITE, send.log())
    # A disk that is full, as far as the trace goes.
    source = pair.write_file(self.people.alice.path('file'), 2 * _MIB)
    send = self.people.send(
        'file', extra=('--trace', 'trace.sqlog'),
        prefix=pair.shell('ulimit -f 64; trap "" XFSZ; exec "$@"'))
    recv = self.people.recv()
    self.people.expect(send, recv)
    self.people.check_file(source, 'file', send, recv)
    self.assertEqual(send.text.count('--trace trace.sqlog'), 1, send.log())


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
