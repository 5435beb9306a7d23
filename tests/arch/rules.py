"""The rules on who may include whom, and on what a file may look like.

Each rule is a function from the tree to findings, `path:line: what is wrong`.
"""

import re

from tests.arch import build_files

# Which packages each package may include besides itself. Everything else is an
# arrow upwards or sideways. cmd and tests, with the folders below them, may
# include everything but tests.
MAY_INCLUDE = {
    'net/base': set(),
    'net/crypto': {'net/base'},
    'net/stun': {'net/base'},
    'net/udp': {'net/base'},
    'net/ice': {'net/base', 'net/stun'},
    'net/signaling': {'net/base', 'net/crypto', 'net/ice'},
    'net/channel': {'net/base', 'net/crypto', 'net/ice'},
    'net/crypto/tls': {'net/base'},
    'net/turn': {'net/base', 'net/crypto/tls'},
    'net/connect': {
        'net/base', 'net/crypto', 'net/stun', 'net/udp', 'net/ice',
        'net/signaling', 'net/channel'
    },
    'transfer/wire': {'net/base'},
    'transfer/file': {'net/base'},
    'transfer/recovery': {'net/base', 'transfer/wire'},
    'transfer/connection': {'net/base', 'transfer/wire', 'transfer/recovery'},
    'transfer/session': {'net/base', 'transfer/connection', 'transfer/file'},
}
# Who may use a library: its headers, and its target in the root BUILD file.
# A package name stands for itself, 'tests' for everything below tests/.
LIBRARIES = (
    (r'sodium(\.h|/)', 'sodium', {'net/crypto'}),
    (r'openssl/', 'openssl_crypto', {'net/crypto', 'net/crypto/tls', 'tests'}),
    (r'openssl/ssl', 'openssl_tls', {'net/crypto/tls'}),
    (r'intel-ipsec-mb\.h', 'ipsec_mb', {'net/crypto'}),
    (r'mosquitto(\.h|pp\.h|_)', 'mosquitto', {'net/signaling'}),
    (r'miniupnpc/', 'miniupnpc', {'net/udp'}),
    (r'(xxhash|xxh3|xxh_x86dispatch)\.h', 'xxhash', {'transfer/file'}),
    (r'boost/', 'program_options', {'cmd/options'}),
    (r'fmt/', 'fmt', {'cmd', 'tests'}),
    (r'nlohmann/', 'json', {'cmd', 'tests'}),
)
TEST_LIBRARIES = r'(gtest|gmock|benchmark)/'

MAX_LINES = 600
MAX_LINES_TEST = 1000
# A BUILD file is a list, and long where a package has many small libraries.
MAX_LINES_BUILD = 1000

# Protocol cores: what gets `now` and bytes as arguments. Not the MQTT client,
# which is a process of its own, nor what reads and writes files.
_CORE = re.compile(
    r'net/(stun|turn|ice|channel|signaling)/|cmd/pump|'
    r'transfer/(wire|recovery|connection|session)/')
_NO_CORE = re.compile(r'net/signaling/mqtt_')
_CORE_HEADERS = re.compile(
    # sockets and waiting for them
    r'sys/(socket|un|select|poll|epoll|eventfd|timerfd|ioctl)\.h$|poll\.h$|'
    r'netinet/|arpa/inet\.h$|netdb\.h$|net/if\.h$|ifaddrs\.h$|linux/|'
    # clocks; <chrono> is where durations live, its clocks are found by name
    r'ctime$|time\.h$|sys/time\.h$|sys/times\.h$|'
    # threads
    r'thread$|mutex$|shared_mutex$|condition_variable$|future$|stop_token$|'
    r'semaphore$|semaphore\.h$|latch$|barrier$|pthread\.h$|threads\.h$|'
    # the random device
    r'sys/random\.h$')
# Reading a clock or sleeping, anywhere but in the event loop.
_CLOCK_READERS = re.compile(
    r'\b((system|steady|high_resolution|utc|tai|gps|file)_clock|'
    r'clock_gettime|gettimeofday|timespec_get|sleep_for|sleep_until|usleep|'
    r'nanosleep|random_device)\b')
_CLOCK_OWNER = re.compile(r'net/udp/event_loop(_test)?\.(h|cc)$')
# A document that is named: with folders or alone, but no part of a URL.
_DOCUMENT = re.compile(r'(?<![\w/.:-])((?:[\w-]+/)*[\w-]+\.md)\b')


class Tree:
  """The sources with their targets."""

  def __init__(self, sources):
    self.sources = sources
    self.cpp = [s for s in sources if s.is_cpp]
    self.targets = []
    for source in sources:
      if source.name == 'BUILD':
        names = [s.name for s in sources if s.folder == source.folder]
        self.targets += [(source, target)
                         for target in build_files.parse_targets(
                             source, names)]


_README = 'README' + '.md'
_SECURITY = 'SECURITY' + '.md'
_TEST = re.compile(r'^TEST(?:_F|_P)?\(\s*(\w+),\s*(\w+)\s*\)', re.M)
_PYTHON_TEST = re.compile(r'^  def (test_\w+)\(', re.M)
_TEST_NAME = re.compile(r'`([A-Z]\w*\.[A-Z]\w*|\w+_test\.test_\w+)`')


def _top(package):
  return package.partition('/')[0]


def _allowed(user, used):
  """Whether package `user` may use `used`, both folders of this tree."""
  if user == used:
    return True
  if _top(user) == 'tests':
    return True
  if _top(user) == 'cmd':
    return _top(used) in ('net', 'transfer', 'cmd')
  return used in MAY_INCLUDE.get(user, ())


def _may_use_library(user, users):
  top = _top(user)
  return user in users or (top in ('cmd', 'tests') and top in users)


def _is_library(path):
  """Headers of libraries stand in quotes too; check_libraries sees to them."""
  return any(re.match(headers, path)
             for headers in [l[0] for l in LIBRARIES] + [TEST_LIBRARIES])


def check_packages(tree):
  """Sources stand in packages that the design knows."""
  for source in tree.cpp:
    package = source.folder
    if package not in MAY_INCLUDE and _top(package) not in ('cmd', 'tests'):
      yield f'{source.path}:1: {package or "the root"} is no known package'


def check_includes(tree):
  """No include points upwards or outside the table."""
  paths = {source.path for source in tree.cpp}
  for source in tree.cpp:
    for include in source.includes():
      where = f'{source.path}:{include.line}:'
      if include.angled:
        if include.path in paths:
          yield f'{where} <{include.path}> is ours: use quotes'
        continue
      if _is_library(include.path):
        continue
      if include.path not in paths:
        yield (f'{where} "{include.path}" is no file of this tree, '
               'counted from its root')
        continue
      used = include.path.rpartition('/')[0]
      if not _allowed(source.folder, used):
        yield f'{where} {source.folder} may not include {used}'
      if include.path.endswith('.cc'):
        yield f'{where} includes a source file'


def check_deps(tree):
  """No dep points upwards or outside the table."""
  for build, target in tree.targets:
    where = f'{build.path}:{target.line}:'
    user = target.package
    for package, name in target.deps:
      if package and not _allowed(user, package):
        yield f'{where} {user} may not depend on //{package}:{name}'
      if package:
        continue
      for _, library, users in LIBRARIES:
        if name == library and user and not _may_use_library(user, users):
          yield f'{where} {user} may not depend on //:{name}'


def check_direct_deps(tree):
  """What a file includes belongs to its target, or to a direct dep of that.

  As layering_check, which only clang++ has, does for what it compiles.
  """
  owners = {}
  for _, target in tree.targets:
    for path in target.files:
      owners.setdefault(path, set()).add((target.package, target.name))
  sources = {source.path: source for source in tree.cpp}
  for _, target in tree.targets:
    near = {(target.package, target.name), *target.deps}
    for path in target.files:
      if path not in sources:
        continue
      source = sources[path]
      for include in source.includes():
        used = owners.get(include.path, set())
        if (used and not include.angled and not used & near and
            _allowed(source.folder, include.path.rpartition('/')[0])):
          yield (f'{path}:{include.line}: "{include.path}" is in no dep of '
                 f'//{target.package}:{target.name}')


def check_libraries(tree):
  """Each library's headers are included by its one package only."""
  shipped = {
      path for _, target in tree.targets if not target.testonly
      for path in target.files
  }
  for source in tree.cpp:
    for include in source.includes():
      where = f'{source.path}:{include.line}:'
      for headers, _, users in LIBRARIES:
        if re.match(headers, include.path) and not _may_use_library(
            source.folder, users):
          yield (f'{where} {source.folder} may not include '
                 f'<{include.path}>')
      if re.match(TEST_LIBRARIES, include.path) and source.path in shipped:
        yield f'{where} <{include.path}> in what is no test'


def check_cores(tree):
  """No protocol core includes a socket, clock or thread header."""
  for source in tree.cpp:
    if not _CORE.match(source.path) or _NO_CORE.match(source.path):
      continue
    for include in source.includes():
      if include.angled and _CORE_HEADERS.match(include.path):
        yield (f'{source.path}:{include.line}: a protocol core '
               f'may not include <{include.path}>')


def check_clocks(tree):
  """Only the event loop reads a clock; nobody sleeps; randomness is passed."""
  for source in tree.cpp:
    if (_top(source.folder) == 'tests' or _NO_CORE.match(source.path) or
        _CLOCK_OWNER.match(source.path)):
      continue
    for number, line in enumerate(source.code().split('\n'), 1):
      match = _CLOCK_READERS.search(line)
      if match:
        yield f'{source.path}:{number}: {match.group(0)}: time and ' \
            'randomness come as arguments'


def check_sizes(tree):
  """No file is over 600 lines, no test and no BUILD file over 1,000."""
  for source in tree.sources:
    limit = MAX_LINES_TEST if source.is_test else MAX_LINES
    if source.path.endswith('BUILD'):
      limit = MAX_LINES_BUILD
    lines = source.text.count('\n')
    if lines > limit:
      yield f'{source.path}:1: {lines} lines, at most {limit} are allowed'


def check_guards(tree):
  """Include guards are P2PCP_<PATH>_H_ and enclose the whole header."""
  for source in tree.cpp:
    if not source.path.endswith('.h'):
      continue
    guard = 'P2PCP_' + re.sub(r'[^A-Za-z0-9]', '_', source.path).upper() + '_'
    directives = re.findall(r'^[ \t]*#[ \t]*(.*?)[ \t]*$', source.text, re.M)
    if directives[:2] != [f'ifndef {guard}', f'define {guard}']:
      yield f'{source.path}:1: the include guard is not {guard}'
    elif not source.text.endswith(f'\n#endif  // {guard}\n'):
      yield f'{source.path}:1: does not end with "#endif  // {guard}"'


def check_targets(tree):
  """Every .cc and .h belongs to a target of its own package."""
  owned = {path for _, target in tree.targets for path in target.files}
  for source in tree.cpp:
    if source.path not in owned:
      yield f'{source.path}:1: belongs to no target of {source.folder}/BUILD'


def check_documents(tree):
  """A document that is named stands in this tree: from its root, or beside."""
  paths = {source.path for source in tree.sources}
  for source in tree.sources:
    for number, line in enumerate(source.text.split('\n'), 1):
      for name in _DOCUMENT.findall(line):
        beside = f'{source.folder}/{name}'.lstrip('/')
        if name not in paths and beside not in paths:
          yield f'{source.path}:{number}: there is no {name}'


def check_named_tests(tree):
  """A test that a README or SECURITY names as `Suite.Name` or `x_test.test_y` exists."""
  tests = set()
  for source in tree.sources:
    if source.is_cpp:
      tests.update('.'.join(m) for m in _TEST.findall(source.text))
    elif source.name.endswith('_test.py'):
      stem = source.name[:-len('.py')]
      tests.update(f'{stem}.{m}' for m in _PYTHON_TEST.findall(source.text))
  for source in tree.sources:
    if source.name not in (_README, _SECURITY):
      continue
    for number, line in enumerate(source.text.split('\n'), 1):
      for name in _TEST_NAME.findall(line):
        if name not in tests:
          yield f'{source.path}:{number}: there is no test {name}'


RULES = (check_packages, check_includes, check_deps, check_direct_deps,
         check_libraries, check_cores, check_clocks, check_sizes, check_guards,
         check_targets, check_documents, check_named_tests)


def check_all(sources):
  """All findings on a list of tree.Source."""
  tree = Tree(sources)
  return [finding for rule in RULES for finding in rule(tree)]
