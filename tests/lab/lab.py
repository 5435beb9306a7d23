"""The laboratory by hand: shows topologies and runs commands in them.

  lab.py list                        the topologies
  lab.py show TOPOLOGY               draws one
  lab.py run TOPOLOGY [-- COMMAND]   makes it, runs a command (or a shell) in
                                     this network, and removes it again

TOPOLOGY is a name of the list, or two kinds of NAT such as SYM-PRC. While it
stands, `alice COMMAND`, `bob COMMAND` run a command as one of the two people
(with p2pcp in the path if it is built), `at NODE COMMAND` on any node;
$BROKER and $STUN hold the options that p2pcp wants, $LAB_A and $LAB_B are the
sockets of the link emulators (tests/lab/link_emulator).
"""

import argparse
import os
import shlex
import subprocess
import sys

sys.path.insert(
    0,
    os.path.dirname(
        os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))

# pylint: disable=wrong-import-position
from tests.lab import drawing
from tests.lab import nat_rules
from tests.lab import network
from tests.lab import topology


def _list():
  for name, plan in topology.PLANS.items():
    print(f'{name:14} {plan.about}')
  print('\nKIND-KIND, of these kinds of NAT:')
  for kind, about in nat_rules.KINDS.items():
    print(f'{kind:14} {about}')


def _write_script(folder, name, text):
  path = os.path.join(folder, name)
  with open(path, 'w', encoding='utf-8') as file:
    file.write('#!/bin/sh\n' + text)
  os.chmod(path, 0o755)


def _make_tools(lab):
  """The commands `alice`, `bob` and `at`; returns their folder."""
  folder = os.path.join(lab.folder, 'bin')
  os.makedirs(folder)
  try:
    program = network.find_program('p2pcp', 'cmd/p2pcp')
    os.symlink(program, os.path.join(folder, 'p2pcp'))
  except network.LabError as error:
    print(error, file=sys.stderr)
  for name, host in (('alice', lab.plan.alice), ('bob', lab.plan.bob)):
    person = topology.Person(lab, name, host)
    environment = dict(person.environment)
    environment['PATH'] = folder + ':' + environment['PATH']
    _write_script(
        folder, name, f'cd {person.folder} && exec ' +
        shlex.join(person.host.prefix() + ['env'] +
                   [f'{k}={v}' for k, v in environment.items()]) + ' "$@"\n')
  cases = ''.join(f'{n.short}) name={n.name};;\n' for n in lab.namespaces())
  _write_script(
      folder, 'at', f'node=$1\nshift\ncase "$node" in\n{cases}'
      '*) echo "there is no node $node" >&2; exit 2;;\nesac\n'
      'exec ip netns exec "$name" "$@"\n')
  return folder


def _run(arguments):
  with topology.Lab(arguments.topology, arguments.hops, arguments.link_a,
                    arguments.link_b, arguments.seed) as lab:
    environment = dict(os.environ)
    environment['PATH'] = _make_tools(lab) + ':' + environment['PATH']
    environment['BROKER'] = f'--broker {lab.broker}'
    environment['STUN'] = ' '.join(f'--stun {s}' for s in lab.stun)
    for letter, link in lab.links.items():
      environment[f'LAB_{letter}'] = link.control
    argv = arguments.command
    if argv[:1] == ['--']:
      argv = argv[1:]
    if not argv:
      print(drawing.draw(arguments.topology, arguments.hops, arguments.link_a,
                         arguments.link_b),
            file=sys.stderr)
      argv = [environment.get('SHELL', '/bin/sh')]
    # Ctrl-C is for the command.
    try:
      process = subprocess.Popen(argv, env=environment)
    except OSError as error:
      print(f'{argv[0]}: {error.strerror}', file=sys.stderr)
      return 127
    while True:
      try:
        return process.wait()
      except KeyboardInterrupt:
        pass


def main():
  parser = argparse.ArgumentParser(
      description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
  verbs = parser.add_subparsers(dest='verb', required=True)
  verbs.add_parser('list')
  for verb in ('show', 'run'):
    sub = verbs.add_parser(verb)
    sub.add_argument('topology')
    sub.add_argument('--hops', type=int, default=1,
                     help='routers between the two homes')
    sub.add_argument('--link-a', metavar='OPTIONS',
                     help='emulate the link of home A: "delay=20ms loss=1%%"')
    sub.add_argument('--link-b', metavar='OPTIONS')
    if verb == 'run':
      sub.add_argument('--seed', type=int, help='of the emulators')
      sub.add_argument('command', nargs=argparse.REMAINDER)
  arguments = parser.parse_args()
  if arguments.verb == 'list':
    return _list()
  try:
    if arguments.verb == 'show':
      print(drawing.draw(arguments.topology, arguments.hops, arguments.link_a,
                         arguments.link_b),
            end='')
      return 0
    network.become_root()
    return _run(arguments)
  except KeyError as error:
    print(f'there is no topology {error}; see `lab.py list`', file=sys.stderr)
    return 2
  except network.LabError as error:
    print(error, file=sys.stderr)
    return 1


if __name__ == '__main__':
  sys.exit(main())
