"""The tree keeps the rules of its design, and each rule catches a breach."""

import os
import tempfile
import unittest

from tests.arch import rules
from tests.arch import tree

# A small tree without fault, to be broken in one place at a time.
_GOOD = {
    'BUILD':
        'cc_library(name = "sodium", linkopts = ["-lsodium"])\n',
    'net/base/BUILD':
        'cc_library(\n    name = "time",\n    hdrs = ["time.h"],\n)\n',
    'net/base/time.h':
        '#ifndef P2PCP_NET_BASE_TIME_H_\n#define P2PCP_NET_BASE_TIME_H_\n'
        '#include <chrono>\n'
        '#endif  // P2PCP_NET_BASE_TIME_H_\n',
    'net/stun/BUILD':
        'cc_library(\n    name = "message",\n    srcs = ["message.cc"],\n'
        '    hdrs = glob(["*.h"]),\n    deps = ["//net/base:time"],\n)\n'
        'cc_test(\n    name = "message_test",\n'
        '    srcs = ["message_test.cc"],\n'
        '    deps = [":message"] + ["//:gtest_main"],\n)\n',
    'net/stun/message.h':
        '#ifndef P2PCP_NET_STUN_MESSAGE_H_\n'
        '#define P2PCP_NET_STUN_MESSAGE_H_\n'
        '#include "net/base/time.h"\n'
        '#endif  // P2PCP_NET_STUN_MESSAGE_H_\n',
    'net/stun/message.cc':
        '#include "net/stun/message.h"\n'
        '// #include <thread> and steady_clock are only spoken of here.\n'
        'const char* kText = "steady_clock // x";\n',
    'net/stun/message_test.cc':
        '#include "net/stun/message.h"\n#include <gtest/gtest.h>\n',
    'net/crypto/BUILD':
        'cc_library(name = "key", srcs = ["key.cc"], deps = ["//:sodium"])\n',
    'net/crypto/key.cc':
        '#include <sodium.h>\n',
    'net/udp/BUILD':
        'cc_library(name = "event_loop", srcs = ["event_loop.cc"])\n',
    'net/udp/event_loop.cc':
        '#include <sys/epoll.h>\nint x = clock_gettime(0, nullptr);\n',
    'transfer/wire/BUILD':
        'cc_library(name = "frames", srcs = ["frames.cc"])\n',
    'transfer/wire/frames.cc':
        'int x;\n',
    'cmd/BUILD':
        'cc_binary(name = "p2pcp", srcs = ["main.cc"], '
        'deps = ["//net/stun:message"])\n',
    'cmd/main.cc':
        '#include "net/stun/message.h"\n',
    'tests/sim/BUILD':
        'cc_test(name = "t", srcs = ["t_test.cc"], '
        'deps = ["//net/stun:message", "//:gtest_main"])\n',
    'tests/sim/t_test.cc':
        '#include <thread>\n#include "net/stun/message.h"\n',
}


def _findings(changes):
  """What the rules say of the good tree with some files changed."""
  with tempfile.TemporaryDirectory() as root:
    for path, text in {**_GOOD, **changes}.items():
      path = os.path.join(root, path)
      os.makedirs(os.path.dirname(path), exist_ok=True)
      with open(path, 'w', encoding='utf-8') as file:
        file.write(text)
    return rules.check_all(tree.read_tree(root))


class RulesCatch(unittest.TestCase):

  def assert_caught(self, changes, *expected):
    """Exactly these findings, each told by a part of it."""
    findings = _findings(changes)
    self.assertEqual(len(findings), len(expected), findings)
    for finding, part in zip(findings, expected):
      self.assertIn(part, finding)

  def with_line(self, path, line):
    return {path: _GOOD[path] + line + '\n'}

  def test_nothing_in_a_good_tree(self):
    self.assert_caught({})

  def test_an_include_that_points_upwards(self):
    self.assert_caught(
        {
            'transfer/wire/frames.h':
                '#ifndef P2PCP_TRANSFER_WIRE_FRAMES_H_\n'
                '#define P2PCP_TRANSFER_WIRE_FRAMES_H_\n'
                '#endif  // P2PCP_TRANSFER_WIRE_FRAMES_H_\n',
            'transfer/wire/BUILD':
                'cc_library(name = "frames", srcs = ["frames.cc"], '
                'hdrs = ["frames.h"])\n',
            **self.with_line('net/stun/message.cc',
                             '#include "transfer/wire/frames.h"')
        }, 'net/stun/message.cc:4: net/stun may not include transfer/wire')

  def test_an_include_outside_the_table(self):
    self.assert_caught(
        self.with_line('transfer/wire/frames.cc',
                       '  #  include "net/stun/message.h"'),
        'frames.cc:2: transfer/wire may not include net/stun')

  def test_an_include_that_is_not_counted_from_the_root(self):
    self.assert_caught(
        self.with_line('net/stun/message.cc', '#include "message.h"'),
        '"message.h" is no file of this tree')

  def test_an_include_of_ours_in_angle_brackets(self):
    self.assert_caught(
        self.with_line('cmd/main.cc', '#include <net/base/time.h>'),
        'use quotes')

  def test_an_include_of_a_source_file(self):
    self.assert_caught(
        self.with_line('net/stun/message_test.cc',
                       '#include "net/stun/message.cc"'),
        'includes a source file')

  def test_a_dep_outside_the_table(self):
    self.assert_caught(
        {
            'transfer/wire/BUILD':
                'cc_library(name = "frames", srcs = ["frames.cc"],\n'
                '  deps = select({"//x": ["//net/stun:message"]}))\n'
        }, 'transfer/wire/BUILD:1: transfer/wire may not depend on '
        '//net/stun:message')

  def test_an_include_without_a_dep(self):
    self.assert_caught(
        self.with_line('cmd/main.cc', '#include "net/base/time.h"'),
        'cmd/main.cc:2: "net/base/time.h" is in no dep of //cmd:p2pcp')

  def test_a_program_that_depends_on_tests(self):
    self.assert_caught(
        {
            'cmd/BUILD':
                'cc_binary(name = "p2pcp", srcs = ["main.cc"], '
                'deps = ["//net/stun:message", "//tests/sim"])\n'
        }, 'cmd may not depend on //tests/sim:sim')

  def test_a_library_used_by_a_second_package(self):
    for header, user in (('sodium/utils.h', 'net/stun/message.cc'),
                         ('openssl/evp.h', 'cmd/main.cc'),
                         ('mosquitto.h', 'net/udp/event_loop.cc'),
                         ('xxhash.h', 'transfer/wire/frames.cc'),
                         ('sodium.h', 'tests/sim/t_test.cc'),
                         ('fmt/format.h', 'net/crypto/key.cc'),
                         ('nlohmann/json.hpp', 'net/crypto/key.cc'),
                         ('boost/program_options.hpp', 'net/crypto/key.cc')):
      with self.subTest(header):
        for include in (f'<{header}>', f'"{header}"'):
          self.assert_caught(
              self.with_line(user, f'#include {include}'),
              f'may not include <{header}>')

  def test_a_library_target_used_by_a_second_package(self):
    self.assert_caught(
        {
            'transfer/wire/BUILD':
                'cc_library(name = "frames", srcs = ["frames.cc"], '
                'deps = ["//:sodium"])\n'
        }, 'transfer/wire may not depend on //:sodium')

  def test_googletest_in_the_product(self):
    for package, target, caught in (
        ('', '', True), ('', 'testonly = True, ', False),
        ('package(default_testonly = True)\n', '', False)):
      self.assert_caught(
          {
              **self.with_line('net/crypto/key.cc', '#include "gtest/gtest.h"'),
              'net/crypto/BUILD':
                  f'{package}cc_library(name = "key", {target}'
                  'srcs = ["key.cc"], deps = ["//:sodium", "//:gtest"])\n'
          }, *['<gtest/gtest.h> in what is no test'][:caught])

  def test_a_core_with_a_socket_clock_or_thread_header(self):
    for header in ('sys/socket.h', 'netinet/in.h', 'sys/epoll.h',
                   'time.h', 'ctime', 'thread', 'mutex', 'condition_variable',
                   'sys/random.h'):
      with self.subTest(header):
        self.assert_caught(
            self.with_line('net/stun/message.cc', f'#include <{header}>'),
            f'a protocol core may not include <{header}>')

  def test_a_clock_read_outside_the_event_loop(self):
    for code in ('auto t = std::chrono::steady_clock::now();',
                 'clock_gettime(CLOCK_BOOTTIME, &t);', 'usleep(1);',
                 'std::random_device device;'):
      with self.subTest(code):
        self.assert_caught(
            self.with_line('cmd/main.cc', code), 'cmd/main.cc:2: ')

  def test_a_file_that_is_too_long(self):
    self.assert_caught({'cmd/main.cc': 'int x;\n' * 600})
    self.assert_caught({'cmd/main.cc': 'int x;\n' * 601},
                       'cmd/main.cc:1: 601 lines')
    self.assert_caught({'tests/sim/t_test.cc': '\n' * 1000})
    self.assert_caught({'tests/sim/t_test.cc': '\n' * 1001}, '1001 lines')

  def test_a_wrong_include_guard(self):
    good = _GOOD['net/base/time.h']
    self.assert_caught({'net/base/time.h': good.replace('TIME_H_', 'T_H_')},
                       'the include guard is not P2PCP_NET_BASE_TIME_H_')
    self.assert_caught({'net/base/time.h': '#pragma once\n'},
                       'the include guard is not')
    self.assert_caught({'net/base/time.h': good + 'int x;\n'},
                       'does not end with')

  def test_a_file_without_a_target(self):
    self.assert_caught({'net/udp/spare.cc': ''},
                       'net/udp/spare.cc:1: belongs to no target')

  def test_a_source_that_is_named_after_its_target(self):
    self.assert_caught(
        {
            'tests/fuzz/BUILD': 'fuzz_target(name = "frames", deps = [])\n',
            'tests/fuzz/frames_fuzz.cc': '',
            'tests/fuzz/probe_fuzz.cc': '',
        }, 'tests/fuzz/probe_fuzz.cc:1: belongs to no target')

  def test_a_document_that_is_not_there(self):
    known, unknown = 'PROTOCOL' + '.md', 'PLAN' + '.md'
    documents = {
        f'net/stun/{known}': f'See {unknown.lower()[:-3]}.\n',
        **self.with_line('net/stun/message.cc',
                         f'// {known} 2; net/stun/{known}, https://x.org/{unknown}')
    }
    self.assert_caught(documents)
    self.assert_caught(
        {
            **documents,
            **self.with_line('cmd/main.cc', f'// {unknown} 1, net/stun/{known}')
        }, f'cmd/main.cc:2: there is no {unknown}')
    # A document of another folder is named with its folder.
    self.assert_caught(
        {
            **documents,
            **self.with_line('cmd/main.cc', f'// ({known})')
        }, f'cmd/main.cc:2: there is no {known}')
    self.assert_caught({'NOTES' + '.md': f'[x]({unknown})\n'},
                       f'there is no {unknown}')

  def test_a_test_that_is_named_and_not_there(self):
    readme = 'tests/README' + '.md'
    tests = {
        'tests/sim/t_test.cc':
            _GOOD['tests/sim/t_test.cc'] + 'TEST_F(Suite,\n       Name) {}\n',
        'tests/e2e/x_test.py':
            'class X:\n\n  def test_y(self):\n    pass\n',
    }
    self.assert_caught({
        **tests, readme: '| `Suite.Name`, `x_test.test_y`, `a.b` |\n'
    })
    self.assert_caught({**tests, readme: '\n`Suite.Gone`, `x_test.test_z`\n'},
                       'README' + '.md:2: there is no test Suite.Gone',
                       'there is no test x_test.test_z')

  def test_a_package_that_nobody_planned(self):
    self.assert_caught(
        {
            'net/misc/BUILD': 'cc_library(name = "m", srcs = ["m.cc"])\n',
            'net/misc/m.cc': ''
        }, 'net/misc is no known package')


class ThisTree(unittest.TestCase):

  def test_keeps_every_rule(self):
    # Bazel's runfiles are links to the sources; without Bazel this is a source.
    here = os.path.realpath(__file__)
    root = os.path.dirname(os.path.dirname(os.path.dirname(here)))
    sources = tree.read_tree(root)
    self.assertTrue(any(s.path == 'WORKSPACE' for s in sources), root)
    self.assertGreater(sum(s.is_cpp for s in sources), 10)
    findings = rules.check_all(sources)
    self.assertFalse(findings, '\n' + '\n'.join(findings))


if __name__ == '__main__':
  unittest.main(verbosity=2)
