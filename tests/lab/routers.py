"""What runs on a router for its users: miniupnpd, and a few of our own.

    start_miniupnpd(lab, 'natA')            UPnP, PCP and NAT-PMP of Debian
    start(lab, 'natA', 'pcp')               PCP by this file, for any address
    start(lab, 'natA', 'nat-pmp')           NAT-PMP by this file
    start(lab, 'natA', 'hostile')           nonsense by all three ways

miniupnpd maps nothing where its own outside address is no public one, which in
the laboratory is so by design; it is told one that the core routes there.
"""

import ipaddress
import os
import socket
import struct
import subprocess
import sys
import threading
import time

PCP_PORT = 5351
# Routed to the router of home A for miniupnpd; of the Internet, but nothing
# leaves the laboratory.
PUBLIC = '5.45.96.10'

_NFT_MINIUPNPD = '''
table inet miniupnpd {
  chain forward { type filter hook forward priority 0; policy accept;
    jump upnp_forward
  }
  chain upnp_forward {
  }
  chain pre { type nat hook prerouting priority -100; policy accept;
    jump upnp_pre
  }
  chain upnp_pre {
  }
  chain post { type nat hook postrouting priority 99; policy accept;
    jump upnp_post
  }
  chain upnp_post {
  }
}
'''

_MINIUPNPD = '''
ext_ifname=wan
ext_ip={public}
listening_ip=lan
http_port=5000
enable_upnp={upnp}
enable_natpmp={pcp}
secure_mode=yes
system_uptime=yes
uuid=00000000-0000-0000-0000-000000000001
upnp_table_name=miniupnpd
upnp_nat_table_name=miniupnpd
upnp_forward_chain=upnp_forward
upnp_nat_chain=upnp_pre
upnp_nat_postrouting_chain=upnp_post
allow 1024-65535 {lan} 1024-65535
deny 0-65535 0.0.0.0/0 0-65535
'''


def start_miniupnpd(lab, short, upnp=True, pcp=True):
  """Debian's daemon on the router of home A; returns its process."""
  router = lab[short]
  outside = lab.wan(short)
  router.ip(f'addr add {PUBLIC}/32 dev wan')
  for node in lab.namespaces():
    if node.short.startswith('core'):
      hop = node.run('ip', 'route', 'get', outside).split()
      via = hop[hop.index('via') + 1] if 'via' in hop else outside
      node.ip(f'route add {PUBLIC}/32 via {via}')
  router.nft(_NFT_MINIUPNPD)
  folder = os.path.join(lab.folder, f'miniupnpd-{short}')
  os.makedirs(folder)
  configuration = os.path.join(folder, 'conf')
  yes = {True: 'yes', False: 'no'}
  lan = '.'.join(
      router.run('ip', '-4', '-o', 'addr', 'show', 'dev',
                 'lan').split()[3].split('.')[:3]) + '.0/24'
  with open(configuration, 'w', encoding='utf-8') as file:
    file.write(
        _MINIUPNPD.format(public=PUBLIC, upnp=yes[upnp], pcp=yes[pcp],
                          lan=lan))
  with open(os.path.join(folder, 'log'), 'wb') as log:
    process = lab.start(router, [
        'miniupnpd', '-d', '-f', configuration, '-P',
        os.path.join(folder, 'pid')
    ], stdout=log, stderr=subprocess.STDOUT)
  ports = [':1900 '] * upnp + [f':{PCP_PORT} '] * pcp
  deadline = time.monotonic() + 10
  while not all(port in router.run('ss', '-lun') for port in ports):
    if process.poll() is not None or time.monotonic() > deadline:
      with open(os.path.join(folder, 'log'), encoding='utf-8') as file:
        raise RuntimeError(f'miniupnpd does not start:\n{file.read()}')
    time.sleep(0.05)
  return process


def start(lab, short, mode):
  """One of our own on the router; returns its process once it listens."""
  process = lab.start(
      lab[short],
      [sys.executable, os.path.realpath(__file__), mode,
       lab.wan(short)],
      stdout=subprocess.PIPE)
  if process.stdout.readline() != 'ready\n':
    raise RuntimeError(f'{mode} does not start')
  return process


def mappings(lab, short):
  """The mappings that stand on the router, as text of nft."""
  return '\n'.join(
      line for line in lab[short].run('nft', 'list', 'ruleset').splitlines()
      if 'dnat' in line and 'dport' in line and 'map' not in line)


# --- What runs on the router ---


def _nft(text):
  subprocess.run(['nft', '-f', '-'], input=text, text=True, check=True)


class _Table:
  """Mappings as nftables has them."""

  def __init__(self):
    self._ports = {}  # Outside port -> (inside address, inside port).
    self._apply()

  def _apply(self):
    rules = '\n'.join(
        f'    iifname "wan" udp dport {outside} dnat to {ip}:{port}'
        for outside, (ip, port) in self._ports.items())
    _nft('table ip pcp {}\ndelete table ip pcp\ntable ip pcp {\n'
         '  chain pre { type nat hook prerouting priority -110; policy accept;'
         f'\n{rules}\n  }}\n}}\n')

  def map(self, ip, inside, wanted, lifetime):
    """The outside port; 0 once it is deleted."""
    self._ports = {
        outside: to
        for outside, to in self._ports.items()
        if to != (ip, inside)
    }
    outside = 0
    if lifetime:
      outside = wanted or inside
      while outside in self._ports:
        outside = 1024 + (outside + 7919) % 60000
      self._ports[outside] = (ip, inside)
    self._apply()
    return outside


def _answer(mode, table, wan, request, client):
  """RFC 6887 section 11, RFC 6886 section 3."""
  outside_ip = ipaddress.ip_address(wan).packed
  version, opcode = request[0], request[1]
  if version == 2 and mode == 'nat-pmp':
    return struct.pack('>BBHI', 0, 0x80 | opcode, 1, 7)
  if version == 2 and opcode == 1 and len(request) >= 60:
    lifetime, = struct.unpack_from('>I', request, 4)
    inside, wanted = struct.unpack_from('>HH', request, 40)
    outside = table.map(client, inside, wanted, lifetime)
    return (struct.pack('>BBBBII12x', 2, 0x81, 0, 0, lifetime, 7) +
            request[24:40] + struct.pack('>HH', inside, outside) +
            b'\0' * 10 + b'\xff\xff' + outside_ip)
  if version == 0 and opcode == 0:
    return struct.pack('>BBHI', 0, 0x80, 0, 7) + outside_ip
  if version == 0 and opcode == 1 and len(request) >= 12:
    inside, wanted, lifetime = struct.unpack_from('>HHI', request, 4)
    outside = table.map(client, inside, wanted, lifetime)
    return struct.pack('>BBHIHHI', 0, 0x81, 0, 7, inside, outside, lifetime)
  return None


def _serve_ssdp():
  """Says to every search that the description is at our own server."""
  server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  server.bind(('', 1900))
  for device in ('10.1.0.1', '10.2.0.1'):
    try:
      server.setsockopt(
          socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
          socket.inet_aton('239.255.255.250') + socket.inet_aton(device))
      address = device
    except OSError:
      pass
  while True:
    _, client = server.recvfrom(2000)
    server.sendto(
        'HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\n'
        'ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n'
        'USN: uuid:1::urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n'
        f'LOCATION: http://{address}:5000/{"x" * 900}\r\n\r\n'.encode(),
        client)


def _serve_endless_description():
  """A description that goes on for as long as somebody reads."""
  server = socket.socket()
  server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
  server.bind(('', 5000))
  server.listen()
  while True:
    client, _ = server.accept()
    try:
      client.recv(4096)
      client.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2000000000\r\n'
                     b'Content-Type: text/xml\r\n\r\n<root>')
      while True:
        client.sendall(b'<device>' * 8192)
    except OSError:
      client.close()


def _main(mode, wan):
  server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
  server.bind(('', PCP_PORT))
  if mode == 'hostile':
    threading.Thread(target=_serve_ssdp, daemon=True).start()
    threading.Thread(target=_serve_endless_description, daemon=True).start()
  else:
    table = _Table()
  print('ready', flush=True)
  while True:
    request, client = server.recvfrom(2000)
    if mode == 'hostile':
      for size in (0, 1, 2, 7, 8, 16, 24, 60, 1100, 1400):
        server.sendto(os.urandom(size), client)
        server.sendto((b'\x02\x81' + os.urandom(size))[:size + 2], client)
        server.sendto((b'\x00\x81\x00\x00' + os.urandom(size))[:size + 4],
                      client)
      continue
    answer = _answer(mode, table, wan, request, client[0])
    if answer:
      server.sendto(answer, client)


if __name__ == '__main__':
  _main(sys.argv[1], sys.argv[2])
