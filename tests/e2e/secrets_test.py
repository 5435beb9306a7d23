"""Where secrets are while the program runs: not in argv, environment, logs,
other files, core files, nor in memory that a dump would hold."""

import base64
import os
import re
import shutil
import signal
import stat
import subprocess
import time
import unittest

from tests.e2e import lan
from tests.e2e import pair
from tests.lab import network

# Every call by which bytes, names or variables leave a process.
_CALLS = ('execve,openat,open,creat,write,writev,pwrite64,sendto,sendmsg,'
          'sendmmsg,prctl,prlimit64,setrlimit,madvise,mlock,fchmod,chmod')


def _strace(log):
  """-v: whole environments; -y: paths of descriptors."""
  return [
      'strace', '-f', '-v', '-y', '-s', '70000', '-e', f'trace={_CALLS}', '-o',
      log
  ]


def _secrets(person):
  """{what: text} in the forms in which they stand in files."""
  return {
      what: text.decode()
      for what, text in lan.kept_secrets(person).items()
      # Public keys are no secret.
      if what.endswith('identity 1') or what.endswith('peers 3')
  }


def _binary(text):
  """The bytes of a secret that is kept as text."""
  if re.fullmatch('[0-9a-f]{64}', text):
    return bytes.fromhex(text)
  return base64.b32decode(text.upper() + '=' * (-len(text) % 8))[:32]


def _mappings(pid):
  """(begin, end, name, permissions, flags) of all."""
  found = []
  with open(f'/proc/{pid}/smaps', encoding='utf-8') as file:
    for line in file:
      head = re.match(r'([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \S+ *(.*)', line)
      if head:
        found.append([int(head[1], 16), int(head[2], 16), head[4], head[3]])
      elif line.startswith('VmFlags:'):
        found[-1].append(line.split()[1:])
  return found


def _dumped(pid):
  """(name of a mapping, its bytes) for what a core file would hold.

  That is what the process has written (core(5)) and has not marked with
  MADV_DONTDUMP ("dd").
  """
  with open(f'/proc/{pid}/mem', 'rb', buffering=0) as memory:
    for begin, end, name, permissions, flags in _mappings(pid):
      if permissions[0] == 'r' and permissions[1] == 'w' and 'dd' not in flags:
        memory.seek(begin)
        yield name or 'anonymous memory', memory.read(end - begin)


class Secrets(lan.Lonely):

  def meet(self, prefix_alice=None, prefix_bob=None, *code):
    source = pair.write_file(self.alice.path('file'), 30_000)
    options = [*lan.options(self.url), *code]
    send = pair.Command(self.alice, ['send', source, '--to', 'bob'] + options,
                        prefix=(prefix_alice or []) + pair.PLAIN_USER)
    recv = pair.Command(self.bob, ['recv', '--from', 'alice'] + options,
                        prefix=(prefix_bob or []) + pair.PLAIN_USER)
    for command in (send, recv):
      self.assertEqual(command.wait(60), 0, f'{send.log()}\n{recv.log()}')
    return send, recv

  def test_traced(self):
    if pair.is_sanitized():
      return  # LeakSanitizer and strace exclude each other.
    if not shutil.which('strace'):
      self.fail('there is no strace')
    code_file = self.alice.path('code')
    logs = [self.alice.path('trace'), self.bob.path('trace')]

    # Keep the code, which the receiving side deletes.
    def read_code():
      for _ in range(2_000):
        try:
          with open(code_file, encoding='ascii') as file:
            text = file.read().strip()
          if text:
            return text
        except OSError:
          pass
        time.sleep(0.005)
      return ''

    source = pair.write_file(self.alice.path('file'), 30_000)
    options = [*lan.options(self.url), '--code-file', code_file]
    send = pair.Command(self.alice, ['send', source, '--to', 'bob'] + options,
                        prefix=_strace(logs[0]) + pair.PLAIN_USER)
    code = read_code()
    self.assertRegex(code, r'\d{4}(-[a-z]+){3}')
    self.assertEqual(stat.S_IMODE(os.stat(code_file).st_mode), 0o600)
    recv = pair.Command(self.bob, ['recv', '--from', 'alice'] + options,
                        prefix=_strace(logs[1]) + pair.PLAIN_USER)
    for command in (send, recv):
      self.assertEqual(command.wait(60), 0, f'{send.log()}\n{recv.log()}')
      self.assertNotIn(code, command.text)
    for person, log in ((self.alice, logs[0]), (self.bob, logs[1])):
      secrets = _secrets(person)
      self.assertEqual(len(secrets), 2, secrets)
      secrets['the code'] = code
      secrets['its words'] = code.split('-', 1)[1]
      self.check_trace(person, log, secrets, code_file)

  def check_trace(self, person, log, secrets, code_file):
    home = person.environment['P2PCP_HOME']
    with open(log, encoding='utf-8', errors='replace') as file:
      lines = file.readlines()
    started = [line for line in lines if 'execve(' in line]
    self.assertGreaterEqual(len(started), 2)  # The child of the brokers too.
    written = 0
    for line in lines:
      for what, text in secrets.items():
        if text not in line:
          continue
        # Only into the person's own files, or the code's.
        self.assertRegex(
            line, r'write[v64]*\(\d+<(' + re.escape(home) + '/|' +
            re.escape(code_file) + ')', what)
        written += 1
    self.assertGreater(written, 0)
    # What is made is for its owner alone, from the first moment.
    for line in lines:
      made = re.search(r'openat\(.*?, "(.*?)", (\S*O_CREAT\S*), (0\d+)\)', line)
      if made and '/dev/' not in made[1]:
        self.assertEqual(made[3], '0600', line)
    # No core file, and nobody looks inside, before the key is read.
    text = ''.join(lines)
    begin = text.index(f'"{home}/identity"') if (
        f'"{home}/identity"' in text) else text.index('identity')
    before = text[:begin]
    self.assertRegex(
        before, r'prlimit64\(0, RLIMIT_CORE, \{rlim_cur=0, rlim_max=0\}')
    self.assertIn('prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)', before)
    self.assertIn('MADV_DONTDUMP', text)

  def test_no_memory_is_for_a_dump(self):
    pair.write_file(self.alice.path('file'), 1000)
    send = pair.Command(
        self.alice, ['send', self.alice.path('file'), '--to', 'bob',
                     '--code-file', self.alice.path('code')] +
        lan.options(self.url))
    send.when('waiting for')
    pid = send.process.pid
    with open(f'/proc/{pid}/task/{pid}/children', encoding='ascii') as file:
      pids = [pid] + [int(child) for child in file.read().split()]
    self.assertEqual(len(pids), 2)  # The child of the brokers too.
    for pid in pids:
      with open(f'/proc/{pid}/coredump_filter', encoding='ascii') as file:
        self.assertEqual(int(file.read(), 16), 0)
    send.interrupt()
    send.wait()

  def test_the_identity_stands_in_no_memory_that_would_be_dumped(self):
    if pair.is_sanitized():
      return  # A sanitizer keeps what is freed.
    code_file = self.alice.path('code')
    self.meet(None, None, '--code-file', code_file)
    # Without a broker or a family of addresses in common they wait for ever.
    waiting = [
        pair.Command(self.alice, ['send', self.alice.path('file'), '--to',
                                  'bob', '-4'] + lan.options(self.url)),
        pair.Command(self.bob, ['recv', '--from', 'alice', '-6'] +
                     lan.options('mqtt://127.0.0.1'))
    ]
    for command in waiting:
      command.when('waiting for')
    time.sleep(0.3)
    found = []
    for person, command in zip((self.alice, self.bob), waiting):
      sought = {}
      for what, text in _secrets(person).items():
        if ': identity' not in what:
          continue
        sought[what + ' as text'] = text.encode()
        sought[what] = _binary(text)
      name = person.name.encode()
      kept = False
      for where, content in _dumped(command.process.pid):
        kept = kept or name in content
        for what, needle in sought.items():
          if needle in content:
            found.append(f'{what} in {where}')
      self.assertTrue(kept, 'the test has seen no memory')
      command.interrupt()
      command.wait()
    self.assertEqual(found, [])

  def test_no_core_file_is_written(self):
    unlimited = pair.shell('ulimit -c unlimited; exec "$@"')
    self.net.introduce(self.alice, self.bob)
    for how in (signal.SIGABRT, signal.SIGSEGV):
      command = pair.Command(self.bob, ['recv', '--from', 'alice'] +
                             lan.options(self.url),
                             prefix=unlimited)
      command.when('waiting for')
      with open(f'/proc/{command.process.pid}/limits',
                encoding='ascii') as file:
        limit = next(l for l in file if l.startswith('Max core file size'))
      self.assertEqual(limit.split()[4:6], ['0', '0'], limit)
      os.kill(command.process.pid, how)
      command.process.wait(10)
      if not pair.is_sanitized():
        self.assertEqual(command.process.returncode, -how)
      self.assertEqual(
          [n for n in os.listdir(self.bob.folder) if n.startswith('core')], [])

  def test_what_others_may_read_is_refused_with_what_mends_it(self):
    self.net.introduce(self.alice, self.bob)
    home = self.alice.environment['P2PCP_HOME']
    for path, wrong, right in ((home, 0o755, '700'),
                               (os.path.join(home, 'identity'), 0o640, '600'),
                               (os.path.join(home, 'peers'), 0o604, '600')):
      mode = stat.S_IMODE(os.stat(path).st_mode)
      os.chmod(path, wrong)
      argv = [pair.program(), *(['peers'] if 'peers' in path else ['id'])]
      code, _, said = self.alice.run(argv)
      self.assertNotEqual(code, 0, path)
      mend = re.search(r"chmod \d+ '[^']+'", said)
      self.assertTrue(mend, said)
      self.assertEqual(mend[0], f"chmod {right} '{path}'")
      subprocess.run(mend[0], shell=True, check=True)
      self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)
    code, _, said = self.alice.run([pair.program(), 'id'])
    self.assertEqual(code, 0, said)


if __name__ == '__main__':
  network.become_root()
  unittest.main(verbosity=2)
