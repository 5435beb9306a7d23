"""The goodput of all tools on all rows, as one SVG."""

import html
import statistics

_WIDTH = 760
_LABEL = 110  # Where bars begin.
_BARS = 520  # Of the longest one.
_BAR = 14
_GAP = 4
_TITLE = 26
_COLOURS = {'p2pcp': '#c0392b', 'file': '#4a6fa5', 'limit': '#b8b8b8'}


def _colour(name):
  if name.startswith('p2pcp'):
    return _COLOURS['p2pcp']
  limits = ('iperf3', 'blast', 'bare_pipe')
  return _COLOURS['limit' if name.startswith(limits) else 'file']


def _text(x, y, text, size=11, anchor='start', weight='normal'):
  return (f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" '
          f'text-anchor="{anchor}" font-weight="{weight}">'
          f'{html.escape(text)}</text>')


def _panel(top, row, runs):
  """Shapes of one row's panel, and where the next begins."""
  shapes = [_text(8, top + 16, f'{row.name}  {row.title}', 13, weight='bold')]
  y = top + _TITLE
  bars = {name: [run.goodput for run in done if not run.error]
          for name, done in runs.items()}
  longest = max((max(rates) for rates in bars.values() if rates), default=0)
  scale = _BARS / longest if longest else 0
  for name, rates in bars.items():
    shapes.append(_text(_LABEL - 6, y + 11, name, anchor='end'))
    if rates:
      value = statistics.median(rates)
      shapes.append(f'<rect x="{_LABEL}" y="{y}" width="{value * scale:.1f}" '
                    f'height="{_BAR}" fill="{_colour(name)}"/>')
      low, high = min(rates) * scale, max(rates) * scale
      middle = y + _BAR / 2
      shapes.append(f'<path d="M{_LABEL + low:.1f} {middle}H'
                    f'{_LABEL + high:.1f}" stroke="#222" stroke-width="2"/>')
      shapes.append(_text(_LABEL + high + 6, y + 11,
                          f'{value:.4g} Mbit/s'))
    else:
      shapes.append(_text(_LABEL, y + 11, 'failed'))
    y += _BAR + _GAP
  return shapes, y + 12


def draw(races):
  """An SVG. races: [(Row, {name: [Run]}, ...)]"""
  shapes = [
      _text(8, 22, 'Goodput by tool: medians, and the range of the runs', 15,
            weight='bold'),
      _text(8, 40, 'red: p2pcp; blue: tools that move files; grey: what path '
            'and machine give')
  ]
  top = 54
  for row, runs, *_ in races:
    panel, top = _panel(top, row, runs)
    shapes += panel
  return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" '
          f'height="{top}" viewBox="0 0 {_WIDTH} {top}" '
          'font-family="sans-serif">\n'
          f'<rect width="{_WIDTH}" height="{top}" fill="#fff"/>\n' +
          '\n'.join(shapes) + '\n</svg>\n')
