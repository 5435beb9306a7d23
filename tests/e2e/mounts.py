"""Bob receives into a file system of his own, made for one run of `recv`."""

import os

from tests.e2e import pair
from tests.e2e import served


class Mounted(served.Served):
  """`disk` in Bob's folder is where it is mounted."""

  def make(self, **files):
    """Writes Alice's `tree`: path -> text."""
    for path, content in files.items():
      path = self.alice.path(os.path.join('tree', path))
      os.makedirs(os.path.dirname(path), exist_ok=True)
      with open(path, 'w') as file:
        file.write(content)

  def recv_on(self, mount, after='cd disk && find . ! -name . >&2', extra=(),
              **options):
    """`recv` into `disk`.

    Args:
      mount: shell commands that mount it. The mount lasts as long as the shell.
      after: what is done while it is still there; by default what stands there
        is shown.
      extra: options of `recv`.
      **options: of pair.Command.
    """
    os.makedirs(self.bob.path('disk'), exist_ok=True)
    script = (f'{mount} && setpriv --bounding-set=-all --no-new-privs "$@"; '
              f'code=$?; {after}; exit $code')
    return pair.Command(
        self.bob, ['recv', '--from', 'alice', '--out', 'disk'] +
        self.people.options + list(extra),
        prefix=['unshare', '--mount'] + pair.shell(script), **options)

  def there(self, folder='tree'):
    """The files below that folder of Bob's: path -> text."""
    there = {}
    for parent, _, files in os.walk(self.bob.path(folder)):
      for name in files:
        path = os.path.join(parent, name)
        with open(path) as file:
          there[os.path.relpath(path, self.bob.path(folder))] = file.read()
    return there
