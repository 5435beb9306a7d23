"""ristretto255 (RFC 9496): decode, encode, multiply, and the one-way map."""

from tests.e2e.decoder.keys import Violation

_P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_SQRT_M1 = pow(2, (_P - 1) // 4, _P)
# RFC 9496 section 4.1.
_SQRT_AD_MINUS_ONE = (
    25063068953384623474111414158702152701244531502492656460079210482610430750235
)
_INVSQRT_A_MINUS_D = (
    54469307008909316920995813868745141605393597292927456921205312896311721017578
)
_NEUTRAL = (0, 1, 1, 0)


def _negative(x):
  return x % _P & 1


def _abs(x):
  return -x % _P if _negative(x) else x % _P


def _sqrt_ratio(u, v):
  """(whether u / v is a square, its root or that of sqrt(-1) u / v)."""
  r = u * pow(v, 3, _P) * pow(u * pow(v, 7, _P), (_P - 5) // 8, _P) % _P
  check = v * r * r % _P
  flipped = check == -u % _P
  if flipped or check == -u * _SQRT_M1 % _P:
    r = r * _SQRT_M1 % _P
  return check == u % _P or flipped, _abs(r)


def decode(data):
  """A point; raises for what is none."""
  s = int.from_bytes(data, 'little')
  if len(data) != 32 or s >= _P or _negative(s):
    raise Violation('not a canonical element')
  u1, u2 = (1 - s * s) % _P, (1 + s * s) % _P
  v = (-_D * u1 * u1 - u2 * u2) % _P
  square, inverse = _sqrt_ratio(1, v * u2 * u2 % _P)
  x = _abs(2 * s * inverse * u2)
  y = u1 * inverse * inverse * u2 * v % _P
  if not square or _negative(x * y) or y == 0:
    raise Violation('not an element')
  return x, y, 1, x * y % _P


def encode(point):
  x, y, z, t = point
  u1, u2 = (z + y) * (z - y) % _P, x * y % _P
  _, inverse = _sqrt_ratio(1, u1 * u2 * u2 % _P)
  one, two = inverse * u1 % _P, inverse * u2 % _P
  z_inverse = one * two * t % _P
  if _negative(t * z_inverse):
    x, y = y * _SQRT_M1 % _P, x * _SQRT_M1 % _P
    two = one * _INVSQRT_A_MINUS_D % _P
  if _negative(x * z_inverse):
    y = -y % _P
  return _abs(two * (z - y)).to_bytes(32, 'little')


def _add(p, q):
  """Extended coordinates, a = -1."""
  a = (p[1] - p[0]) * (q[1] - q[0])
  b = (p[1] + p[0]) * (q[1] + q[0])
  c, d = 2 * _D * p[3] * q[3], 2 * p[2] * q[2]
  e, f, g, h = b - a, d - c, d + c, b + a
  return e * f % _P, g * h % _P, f * g % _P, e * h % _P


def multiply(scalar, point):
  result = _NEUTRAL
  while scalar:
    if scalar & 1:
      result = _add(result, point)
    point = _add(point, point)
    scalar >>= 1
  return result


def _map(t):
  """Section 4.3.4."""
  r = _SQRT_M1 * t * t % _P
  u = (r + 1) * (1 - _D * _D) % _P
  v = (-1 - r * _D) * (r + _D) % _P
  square, s = _sqrt_ratio(u, v)
  c = -1
  if not square:
    s, c = -_abs(s * t), r
  n = c * (r - 1) * (_D - 1) * (_D - 1) - v
  w0, w1 = 2 * s * v, n * _SQRT_AD_MINUS_ONE
  w2, w3 = 1 - s * s, 1 + s * s
  return w0 * w3 % _P, w2 * w1 % _P, w1 * w3 % _P, w0 * w2 % _P


def from_hash(data):
  """64 uniform bytes to a point."""
  halves = [
      int.from_bytes(half, 'little') % 2**255
      for half in (data[:32], data[32:])
  ]
  return _add(*(_map(half % _P) for half in halves))
