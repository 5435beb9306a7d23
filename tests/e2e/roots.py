"""The package in bare Debian systems: built, installed, used, run as services
under systemd, removed. As root, with the Internet; the systems stay in
build/roots for the next time.

What a new user sees there is compared with testdata/screens (screens_test.py).
"""

import argparse
import glob
import os
import shutil
import subprocess
import sys
import unittest

_FOLDER = os.path.abspath('build/roots')
_MIRROR = 'http://deb.debian.org/debian'
# What a machine has that somebody boots and logs in to.
_INCLUDE = 'systemd,systemd-sysv,libpam-systemd,dbus,man-db,procps'
_APT = 'export DEBIAN_FRONTEND=noninteractive; apt-get update -q >/dev/null; '

# Runs in a booted system with the package and mosquitto. Each line that it
# writes is one that _BOOTED expects.
_SCRIPT = r'''#!/bin/bash
exec >/result 2>/result.log
set -x
state() { systemctl "$@"; true; }
systemctl stop mosquitto
state start p2pcp-serve
echo "serve $(state is-active p2pcp-serve)"
pkill -9 -x mosquitto
for i in $(seq 50); do
  status=$(state show -p StatusText --value p2pcp-serve)
  case "$status" in *'is up, restarted once'*) echo 'serve again'; break;; esac
  sleep 0.2
done
useradd -m anna
useradd -m bert
for name in anna bert; do
  su - "$name" -c 'mkdir -m 700 .config .config/p2pcp
    printf "broker = mqtt://127.0.0.1\nstun = 127.0.0.1\n" >.config/p2pcp/config
    p2pcp id >id 2>/dev/null'
done
su - anna -c "p2pcp peers add bert $(cat /home/bert/id)"
su - bert -c "p2pcp peers add anna $(cat /home/anna/id)"
anna=$(id -u anna)
systemctl start "user@$anna"
su - anna -c "XDG_RUNTIME_DIR=/run/user/$anna systemctl --user start p2pcp-listen"
su - bert -c 'head -c 3000000 /dev/urandom >big; timeout 60 p2pcp send big --to anna'
echo "send $?"
cmp /home/bert/big /home/anna/Downloads/big && echo 'there'
su - anna -c "XDG_RUNTIME_DIR=/run/user/$anna systemctl --user stop p2pcp-listen
  XDG_RUNTIME_DIR=/run/user/$anna systemctl --user is-failed p2pcp-listen"
state stop p2pcp-serve
echo "serve $(state is-active p2pcp-serve)"
journalctl --no-pager | grep p2pcp >&2
exit 0
'''
_BOOTED = ['serve active', 'serve again', 'send 0', 'there', 'inactive',
           'serve inactive']
_UNIT = '''[Service]
Type=oneshot
ExecStart=/bin/bash /script
ExecStopPost=/bin/systemctl --no-block poweroff
[Install]
WantedBy=multi-user.target
'''


def say(text):
  print(f'== {text}', file=sys.stderr, flush=True)


def inside(root, script, *options):
  """Runs a shell script in a system; its output."""
  done = subprocess.run([
      'systemd-nspawn', '--quiet', '--register=no', '--keep-unit', *options,
      '-D', root, 'bash', '-e', '-c', script
  ], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT, text=True, check=False)
  if done.returncode != 0:
    raise SystemExit(f'{root}: exit {done.returncode}\n{done.stdout}')
  return done.stdout


def base(suite):
  """A bare system, made once."""
  root = os.path.join(_FOLDER, suite)
  if not os.path.exists(os.path.join(root, 'bare')):
    say(f'debootstrap {suite}')
    os.makedirs(_FOLDER, exist_ok=True)
    shutil.rmtree(root, ignore_errors=True)
    subprocess.run(['debootstrap', '--variant=minbase', f'--include={_INCLUDE}',
                    suite, root, _MIRROR], check=True, stdout=sys.stderr)
    with open(os.path.join(root, 'bare'), 'w', encoding='ascii'):
      pass
  return root


def copy(root, name):
  """A system of its own with the same in it."""
  there = f'{root}-{name}'
  subprocess.run(['rm', '-rf', there], check=True)
  subprocess.run(['cp', '-a', '--reflink=auto', root, there], check=True)
  return there


def build(root):
  """The package as it is built there, from what is committed."""
  say(f'building in {root}')
  there = copy(root, 'build')
  source = os.path.join(there, 'src')
  os.makedirs(source)
  archive = subprocess.run(['git', 'archive', 'HEAD'], check=True,
                           stdout=subprocess.PIPE).stdout
  subprocess.run(['tar', 'x', '-C', source], input=archive, check=True)
  inside(there, _APT + 'cd /src; ./dev package')
  return glob.glob(os.path.join(source, 'build/package/*.deb'))[0]


def screens(root):
  """A new user there sees what new users see."""
  from tests.e2e import screens_test  # pylint: disable=import-outside-toplevel
  screens_test.Screens.root = root
  suite = unittest.defaultTestLoader.loadTestsFromTestCase(
      screens_test.Screens)
  if not unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful():
    raise SystemExit(f'{root}: other screens')


def boot(root):
  """Both services, in the booted system."""
  for path, text in (('script', _SCRIPT),
                     ('etc/systemd/system/script.service', _UNIT)):
    with open(os.path.join(root, path), 'w', encoding='ascii') as file:
      file.write(text)
  subprocess.run(['systemctl', f'--root={root}', 'enable', 'script.service'],
                 check=True, capture_output=True)
  subprocess.run([
      'timeout', '180', 'systemd-nspawn', '--quiet', '--register=no',
      '--keep-unit', '--private-network', '--console=pipe', '-bD', root
  ], check=False, stdin=subprocess.DEVNULL, capture_output=True)
  with open(os.path.join(root, 'result'), encoding='utf-8') as file:
    lines = file.read().splitlines()
  if [l for l in lines if l in _BOOTED] != _BOOTED:
    with open(os.path.join(root, 'result.log'), encoding='utf-8') as file:
      raise SystemExit(f'{root}: {lines}, not {_BOOTED}\n{file.read()}')


def attempt(suite, package):
  root = base(suite)
  package = package or build(root)
  there = copy(root, 'use')
  shutil.copy(package, os.path.join(there, 'p2pcp.deb'))
  say(f'{suite}: installing, as a new user does')
  inside(there, _APT + 'apt-get install -y -q --no-install-recommends '
         '/p2pcp.deb; p2pcp --version')
  screens(there)
  say(f'{suite}: services')
  inside(there, _APT + 'apt-get install -y -q mosquitto')
  boot(there)
  say(f'{suite}: removing')
  left = inside(
      there, _APT + 'apt-get purge -y -q p2pcp >/dev/null 2>&1; '
      'find / -xdev -name "*p2pcp*" -not -path "/home/*" -not -path "/proc/*" '
      '-not -path "/p2pcp.deb" -not -path "/var/log/*" '
      '-not -path "/var/lib/private/*" -not -path "/tmp/*"')
  left = [l for l in left.splitlines() if l.startswith('/')]
  if left:
    raise SystemExit(f'{suite}: these are left: {left}')
  say(f'{suite}: built, installed, used, run and removed')


def main():
  parser = argparse.ArgumentParser(
      prog='./dev roots', description=__doc__,
      formatter_class=argparse.RawDescriptionHelpFormatter)
  parser.add_argument('--suite', action='append',
                      help='bookworm (default), trixie; repeat for more')
  parser.add_argument('--package', metavar='FILE',
                      help='one that was built for it, instead of building')
  arguments = parser.parse_args()
  if os.geteuid() != 0:
    raise SystemExit('this makes systems, and needs root')
  for suite in arguments.suite or ['bookworm']:
    attempt(suite, arguments.package)


if __name__ == '__main__':
  main()
