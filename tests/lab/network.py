"""Network namespaces, the links between them, and what runs in them.

A Network owns everything it made: on leaving its `with` block, or when the
program is told to end, processes are ended by their ids and namespaces removed.
Names carry this process's id; what a killed predecessor left behind is removed
by the next Network that starts.
"""

import atexit
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading

_PREFIX = 'p2pcplab'
_TUN = '/dev/net/tun'
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)

# Where Debian keeps ip, nft and mosquitto, which tests' paths leave out.
os.environ['PATH'] = os.environ.get('PATH', '/usr/bin:/bin') + (
    ':/usr/local/sbin:/usr/sbin:/sbin')

# A process that has been asked to end is killed after so many seconds.
_PATIENCE = 5


class LabError(Exception):
  """The laboratory itself doesn't work; says nothing of what is tested."""


def _die_with_parent():
  _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def command(argv, text=None):
  """Runs a command that has to succeed; returns its output."""
  result = subprocess.run(argv,
                          input=text,
                          text=True,
                          capture_output=True,
                          check=False,
                          timeout=60)
  if result.returncode != 0:
    raise LabError(f'{" ".join(argv)}: {result.stderr.strip()}\n{text or ""}')
  return result.stdout


class Namespace:
  """One network namespace: a host, a router or a server."""

  def __init__(self, short, name):
    self.short = short  # 'natA'
    self.name = name  # What `ip netns` calls it.
    self.file = f'/run/netns/{name}'

  def ip(self, *lines):
    """Runs lines of `ip` commands."""
    command(['ip', '-n', self.name, '-batch', '-'], '\n'.join(lines) + '\n')

  def prefix(self):
    """What to put before a command so that it runs here."""
    return ['ip', 'netns', 'exec', self.name]

  def run(self, *argv, text=None):
    return command(self.prefix() + list(argv), text)

  def nft(self, rules):
    self.run('nft', '-f', '-', text=rules)

  def sysctl(self, **values):
    """net.ipv4.ip_forward=1 is sysctl(ipv4__ip_forward=1)."""
    self.run(
        'sh', '-c', '\n'.join(
            f'echo {value} > /proc/sys/net/{key.replace("__", "/")} || exit 1'
            for key, value in values.items()))

  def socket(self, family=socket.AF_INET, kind=socket.SOCK_DGRAM):
    """A socket of this namespace, for use in this process."""
    made = []

    def make():
      # A namespace belongs to a thread; a socket stays in the one it was made.
      with open(self.file, 'rb') as file:
        if _libc.setns(file.fileno(), _CLONE_NEWNET) != 0:
          made.append(OSError(ctypes.get_errno(), f'setns {self.name}'))
          return
      made.append(socket.socket(family, kind))

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if isinstance(made[0], OSError):
      raise made[0]
    return made[0]

  def processes(self):
    return [int(p) for p in command(['ip', 'netns', 'pids', self.name]).split()]


class EmulatedLink:
  """A link that runs through link_emulator; its ends are "a" and "b"."""

  def __init__(self, process, control):
    self.process = process
    self.control = control  # The path of its socket.

  def _ask(self, text):
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as client:
      client.settimeout(10)
      client.connect(self.control)
      client.send(text.encode())
      answer = client.recv(65536).decode()
    if answer.startswith('error'):
      raise LabError(f'{text}: {answer}')
    return answer

  def set(self, direction, options):
    """direction: 'ab', 'ba' or 'both'; options: 'loss=5% delay=20ms'."""
    self._ask(f'{direction} {options}')

  def stats(self):
    """{'ab': {'received': ..., ...}, 'ba': ...}"""
    return json.loads(self._ask('stats'))


def _remove_namespace(name):
  try:
    pids = command(['ip', 'netns', 'pids', name]).split()
  except LabError:
    pids = []
  for pid in pids:
    try:
      os.kill(int(pid), signal.SIGKILL)
    except ProcessLookupError:
      pass
  subprocess.run(['ip', 'netns', 'del', name], check=False,
                 capture_output=True)
  shutil.rmtree(f'/etc/netns/{name}', ignore_errors=True)


def _sweep():
  """Removes what was left behind by processes that no longer exist."""
  for name in os.listdir('/tmp'):
    match = re.fullmatch(r'p2pcp-lab-(\d+)-\w+', name)
    if match and not os.path.exists(f'/proc/{match.group(1)}'):
      shutil.rmtree(os.path.join('/tmp', name), ignore_errors=True)
  if not os.path.isdir('/run/netns'):
    return
  for name in os.listdir('/run/netns'):
    match = re.fullmatch(_PREFIX + r'-(\d+)-\w+', name)
    if match and not os.path.exists(f'/proc/{match.group(1)}'):
      _remove_namespace(name)


# A network of its own needs its own /run/netns and /etc/netns (ip-netns(8)).
_ENTER = '''
mount -t tmpfs none /run && mkdir /run/netns || exit 1
mkdir -p "$1/upper/netns" "$1/work" || exit 1
mount -t overlay -o "lowerdir=/etc,upperdir=$1/upper,workdir=$1/work" none /etc ||
  exit 1
shift
exec "$@"
'''


def become_root():
  """Programs call this first: where need be, starts them anew as root.

  In a user namespace an ordinary user is root over networks of his own. Where
  the kernel grants none, or no TUN device in it, sudo is asked, unless it would
  ask for a password. Where that fails too, Network says so.
  """
  entered = os.environ.pop('P2PCP_LAB_ENTERED', None)
  if entered:
    atexit.register(shutil.rmtree, entered, ignore_errors=True)
  if os.geteuid() == 0:
    return
  again = [sys.executable] + sys.argv
  unshare = ['unshare', '--user', '--map-root-user', '--net', '--mount']
  if (os.access(_TUN, os.R_OK | os.W_OK) and _succeeds(unshare + ['true'])):
    folder = tempfile.mkdtemp(prefix='p2pcp-lab-user-', dir='/tmp')
    os.environ['P2PCP_LAB_ENTERED'] = folder
    os.execvp('unshare', unshare + ['sh', '-c', _ENTER, 'sh', folder] + again)
  sudo = ['sudo', '-n', 'env']
  if shutil.which('sudo') and _succeeds(sudo + ['true']):
    # Bazel's variables, which sudo would leave out.
    variables = [f'{name}={value}' for name, value in os.environ.items()]
    os.execvp('sudo', sudo + variables + again)


def _succeeds(argv):
  return subprocess.run(argv, check=False, stdin=subprocess.DEVNULL,
                        capture_output=True).returncode == 0


def is_root_of_machine():
  """Whether all users of the machine exist here, not just one as root."""
  with open('/proc/self/uid_map', encoding='ascii') as file:
    return file.read().split()[2] == '4294967295'


def check_privileges():
  """Raises LabError where namespaces and TUN devices can't be made."""
  if os.geteuid() != 0:
    raise LabError('the laboratory makes network namespaces: run it as root')
  if not os.access(_TUN, os.R_OK | os.W_OK):
    raise LabError(f'the laboratory needs TUN devices: {_TUN} can not be opened')
  for tool in ('ip', 'nft', 'mosquitto', 'turnserver'):
    if not shutil.which(tool):
      raise LabError(f'the laboratory needs the program "{tool}"')


class Network:
  """Namespaces and links; a context manager that leaves nothing behind."""

  # Networks of this process, so that two can stand at once.
  _serial = 0

  def __init__(self):
    check_privileges()
    _sweep()
    Network._serial += 1
    self._prefix = f'{_PREFIX}-{os.getpid()}-n{Network._serial}'
    self._namespaces = {}
    self._processes = []
    self._links = 0
    self._closed = False
    self._mac = 0
    # Bazel ends a test that takes too long like this.
    if (threading.current_thread() is threading.main_thread() and
        signal.getsignal(signal.SIGTERM) == signal.SIG_DFL):
      signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    self.folder = tempfile.mkdtemp(prefix=f'p2pcp-lab-{os.getpid()}-',
                                   dir='/tmp')
    atexit.register(self.close)

  def __enter__(self):
    return self

  def __exit__(self, *_):
    self.close()

  def close(self):
    if self._closed:
      return
    self._closed = True
    atexit.unregister(self.close)
    # Servers and links last, in the reverse order of their start.
    for process in reversed(self._processes.copy()):
      self.end(process)
    for namespace in self._namespaces.values():
      _remove_namespace(namespace.name)
    shutil.rmtree(self.folder, ignore_errors=True)

  def __getitem__(self, short):
    return self._namespaces[short]

  def namespaces(self):
    return list(self._namespaces.values())

  def namespace(self, short, forwards=False):
    """Makes a namespace; `short` becomes a part of its name."""
    namespace = Namespace(short, f'{self._prefix}{short}')
    self._namespaces[short] = namespace
    command(['ip', 'netns', 'add', namespace.name])
    namespace.ip('link set lo up')
    # Reverse-path filters would drop what asymmetric routes bring; duplicate
    # address detection would make each IPv6 address wait for a second.
    namespace.sysctl(ipv4__conf__all__rp_filter=0,
                     ipv4__conf__default__rp_filter=0,
                     ipv6__conf__all__accept_dad=0,
                     ipv6__conf__default__accept_dad=0,
                     ipv4__ip_forward=int(forwards),
                     ipv6__conf__all__forwarding=int(forwards),
                     ipv4__icmp_ratelimit=0)
    # Where the kernel has it, a bridge would run the IP rules on what it
    # bridges, and drop what hairpins.
    namespace.run('sh', '-c', 'cd /proc/sys/net/bridge 2>/dev/null || exit 0; '
                  'for f in bridge-nf-call-*; do echo 0 > $f; done')
    return namespace

  def files(self, namespace, **contents):
    """Files of /etc as commands in the namespace see them (ip-netns(8))."""
    folder = f'/etc/netns/{namespace.name}'
    os.makedirs(folder, exist_ok=True)
    for name, text in contents.items():
      with open(f'{folder}/{name.replace("_", ".")}', 'w',
                encoding='utf-8') as file:
        file.write(text)

  def veth(self, a, a_device, b, b_device):
    """A cable; a device that is to be a bridge's port gets "BRIDGE@NAME"."""
    ends = []
    for device in (a_device, b_device):
      bridge, _, port = device.rpartition('@')
      ends.append((bridge, port))
    command([
        'ip', 'link', 'add', ends[0][1], 'netns', a.name, 'type', 'veth',
        'peer', 'name', ends[1][1], 'netns', b.name
    ])
    for namespace, (bridge, port) in zip((a, b), ends):
      lines = [f'link set {port} up']
      if bridge:
        lines.insert(0, f'link set {port} master {bridge}')
      namespace.ip(*lines)

  def bridge(self, namespace, device):
    namespace.ip(f'link add {device} type bridge', f'link set {device} up')

  def emulated(self, a, a_device, b, b_device, options='', seed=None,
               mtu=1500):
    """A link through the emulator. Its devices need no neighbours' addresses."""
    control = os.path.join(self.folder, f'link{self._links}')
    self._links += 1
    argv = [
        find_program('link_emulator', 'tests/lab/link_emulator/link_emulator'),
        '--a', f'{a.file}:{a_device}', '--b', f'{b.file}:{b_device}',
        '--control', control, '--mtu',
        str(mtu), '--both', options
    ]
    if seed is not None:
      argv += ['--seed', str(seed)]
    process = self.start(None, argv, stdout=subprocess.PIPE)
    line = process.stdout.readline()
    if not line.startswith('ready'):
      raise LabError('the link emulator does not start')
    # The emulator reads as fast as it can: what is too much shall be dropped in
    # its own queue, where it is counted.
    for namespace, device in ((a, a_device), (b, b_device)):
      namespace.ip(f'link set {device} txqueuelen 2000')
    return EmulatedLink(process, control)

  def start(self, namespace, argv, **options):
    """Starts a process of its own group, which ends with this network."""
    if namespace is not None:
      argv = namespace.prefix() + argv
    options.setdefault('text', True)
    options.setdefault('stdin', subprocess.DEVNULL)
    # pylint: disable=subprocess-popen-preexec-fn
    process = subprocess.Popen(argv,
                               start_new_session=True,
                               preexec_fn=_die_with_parent,
                               **options)
    self._processes.append(process)
    return process

  def end(self, process, how=signal.SIGTERM):
    """Ends a process that start() has given, and its group."""
    if process.poll() is None:
      process.send_signal(how)
      try:
        process.wait(_PATIENCE)
      except subprocess.TimeoutExpired:
        pass
    try:
      os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
      pass
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
      if stream:
        stream.close()
    # Its number may soon be another's.
    if process in self._processes:
      self._processes.remove(process)


def find_program(name, path):
  """A program built by Bazel: in the runfiles, or in the source tree.

  The variable P2PCP_LAB_<NAME> overrides both.
  """
  told = os.environ.get(f'P2PCP_LAB_{name.upper()}')
  here = os.path.dirname(os.path.realpath(__file__))
  tree = os.path.dirname(os.path.dirname(here))
  for candidate in (told, path, os.path.join(tree, 'bazel-bin', path)):
    if candidate and os.access(candidate, os.X_OK):
      return os.path.realpath(candidate)
  raise LabError(f'{name} is not built: bazel build //{os.path.dirname(path)}'
                 f':{os.path.basename(path)}')
