"""A topology as a picture made of text. Needs no privileges."""

from tests.lab import nat_rules
from tests.lab import servers
from tests.lab import topology


def _server_lines(plan):
  address = topology.SERVER4 if plan.v4 else topology.SERVER6
  return [
      f'  srv {" ".join(address)}   mosquitto :{servers.MQTT_PORT}, '
      f'coturn :{servers.STUN_PORT}', '   |'
  ]


def _router_lines(plan, short, kind, indent, options):
  letter = short[-1].lower()
  address = topology.wan4(plan, short) or f'2001:db8:{letter}0::10'
  cable = '' if options is None else f'   link_emulator {options}'.rstrip()
  return [
      f'{indent}|{cable}',
      f'{indent}{short} {address}   {kind}: {nat_rules.KINDS[kind]}'
  ]


def _host_lines(plan, letter, home, indent):
  lines = []
  for i in range(home.hosts):
    short = f'host{letter}' + (str(i + 1) if i else '')
    addresses = []
    if plan.v4:
      addresses.append(f'10.{topology.NUMBERS[letter]}.0.{i + 2}')
    if plan.v6:
      addresses.append(f'2001:db8:{letter.lower()}1::{i + 2}')
    people = [
        name for name, host in (('alice', plan.alice), ('bob', plan.bob))
        if host == short
    ]
    lines.append(f'{indent}|')
    lines.append(f'{indent}{short} {" ".join(addresses)}   '
                 f'{" and ".join(people)}'.rstrip())
  return lines


def draw(name, hops=1, link_a=None, link_b=None):
  """The picture of what topology.Lab makes of the same arguments."""
  plan = topology.plan(name)
  links = {'A': link_a, 'B': link_b}
  lines = [f'{name}: {plan.about}', ''] + _server_lines(plan)
  lines.append('  ' + ' - '.join(f'core{i + 1}' for i in range(hops)))
  if plan.shared_carrier:
    lines += _router_lines(plan, 'cgn', plan.shared_carrier, '   ', link_a)
  for letter, home in (('A', plan.a), ('B', plan.b)):
    if home is None:
      continue
    indent = '   '
    options = None if plan.shared_carrier else links[letter]
    if home.carrier:
      lines += _router_lines(plan, f'cgn{letter}', home.carrier, indent,
                             options)
      options = None
    if home.carrier or plan.shared_carrier:
      indent += '   '
    lines += _router_lines(plan, f'nat{letter}', home.kind, indent, options)
    lines += _host_lines(plan, letter, home, indent + '   ')
  return '\n'.join(lines) + '\n'
