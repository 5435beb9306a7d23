"""nftables rules of routers, by the behaviours that RFC 4787 names.

In every router the outside is called "wan", the inside "lan". Each text stands
for itself; WAN is the router's outside IPv4 address. The last rule of a chain
needs a newline before the brace, and `fwd` is a keyword (nft 1.0.6).
"""

# The router itself takes nothing from outside. Without this, a packet that
# comes before the own host's first one occupies the mapping's place, and the
# host gets another port: that is what "M" is.
_FW = '''
table ip fw {
  chain input { type filter hook input priority filter; policy accept;
    iifname "wan" ct state established,related accept
    iifname "wan" drop
  }
}
'''


def _source_nat(*rules):
  lines = '\n    '.join(rules)
  return f'''
table ip nat {{
  chain post {{ type nat hook postrouting priority srcnat; policy accept;
    {lines}
  }}
}}
'''


_MASQUERADE = 'oifname "wan" masquerade'


def _cone(wan, incoming, hairpin=''):
  """A map from outside ports to inside endpoints, filled by what goes out."""
  return f'''
table ip nat {{
  map eim {{ type inet_service : ipv4_addr . inet_service;
    flags dynamic,timeout; timeout 120s; size 65536;
  }}
  chain pre {{ type nat hook prerouting priority dstnat; policy accept;
    {incoming} meta l4proto udp dnat ip to udp dport map @eim
  }}
  chain post {{ type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" meta l4proto udp update @eim {{ udp sport timeout 120s : ip saddr . udp sport }}
    {hairpin}
    oifname "wan" snat to {wan}
  }}
}}
'''


_ADDRESS_FILTER = '''
table ip filt {
  set seen { type ipv4_addr . ipv4_addr . inet_service;
    flags dynamic,timeout; timeout 120s; size 65536;
  }
  chain forward { type filter hook forward priority filter; policy accept;
    iifname "lan" oifname "wan" meta l4proto udp update @seen { ip daddr . ip saddr . udp sport timeout 120s }
    iifname "wan" ct state established,related accept
    iifname "wan" meta l4proto udp ip saddr . ip daddr . udp dport @seen accept
    iifname "wan" drop
  }
}
'''

_PORTS_IN_MAP = 3000


def _port_from_map(wan, index, first, step=1):
  """Ports `first` and up, chosen by an expression below _PORTS_IN_MAP."""
  ports = ', '.join(
      f'{i} : {wan} . {first + i * step}' for i in range(_PORTS_IN_MAP))
  return _FW + _source_nat(
      f'oifname "wan" meta l4proto udp snat ip to {index} map {{ {ports} }}',
      _MASQUERADE)


def _blocked(verdict):
  return f'''
table ip filt {{
  chain forward {{ type filter hook forward priority filter; policy accept;
    meta l4proto udp {verdict}
  }}
}}
'''


_FIREWALL6 = '''
table inet fw6 {
  chain forward { type filter hook forward priority filter; policy drop;
    ct state established,related accept
    iifname "lan" accept
    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept
  }
}
'''

# Mappings that are forgotten soon: 2 s before an answer, 4 s after.
_SHORT_TIMEOUTS = '''
table ip tmo {
  ct timeout short { protocol udp; l3proto ip; policy = { unreplied : 2, replied : 4 }
  }
  chain pre { type filter hook prerouting priority filter; policy accept;
    meta l4proto udp ct timeout set "short"
  }
}
'''

# EIM, ADM, APDM: endpoint-independent, address dependent, address and port
# dependent mapping; EIF, ADF, APDF: the same of filtering (RFC 4787).
_KINDS = {
    'PRC':
        ('port-restricted cone (EIM, APDF), no hairpinning',
         lambda wan: _FW + _source_nat(_MASQUERADE)),
    'M':
        ('like PRC, but the router itself takes packets from outside, which '
         'poisons mappings', lambda wan: _source_nat(_MASQUERADE)),
    'REMAP':
        ('like PRC, with outside ports that differ from the inside ones',
         lambda wan: _FW + _source_nat(
             'oifname "wan" meta l4proto udp masquerade to :20000-29999',
             _MASQUERADE)),
    'FULL':
        ('full cone (EIM, EIF)',
         lambda wan: _FW + _cone(wan, 'iifname "wan"')),
    'ADDR':
        ('address-restricted cone (EIM, ADF)',
         lambda wan: _FW + _cone(wan, 'iifname "wan"') + _ADDRESS_FILTER),
    'HP':
        ('full cone that hairpins',
         lambda wan: _FW + _cone(
             wan, f'ip daddr {wan}', 'oifname "lan" ct status dnat meta l4proto'
             f' udp snat ip to {wan} : udp sport')),
    'SYM':
        ('symmetric (APDM, APDF) with random ports',
         lambda wan: _FW + _source_nat(_MASQUERADE + ' fully-random')),
    'BLK':
        ('symmetric within a block of 512 ports',
         lambda wan: _FW + _source_nat(
             f'oifname "wan" meta l4proto udp snat to {wan}:30720-31231 '
             'fully-random', _MASQUERADE)),
    'SEQ':
        ('symmetric with one port after the other',
         lambda wan: _port_from_map(
             wan, f'numgen inc mod {_PORTS_IN_MAP}', 20000)),
    'SEQ2':
        ('symmetric with every second port, one after the other',
         lambda wan: _port_from_map(
             wan, f'numgen inc mod {_PORTS_IN_MAP}', 20000, step=2)),
    'POOL':
        ('symmetric with random ports, on any of four addresses',
         lambda wan: _FW + _source_nat(
             f'oifname "wan" meta l4proto udp snat ip to {wan}-{wan[:-1]}3 '
             'fully-random', _MASQUERADE)),
    'ADM':
        ('symmetric by address only (ADM, APDF)',
         lambda wan: _port_from_map(
             wan, 'jhash ip saddr . udp sport . ip daddr mod '
             f'{_PORTS_IN_MAP} seed 0x5eed', 30000)),
    'BLOCK':
        ('PRC that lets no UDP through',
         lambda wan: _FW + _source_nat(_MASQUERADE) + _blocked('drop')),
    'REJECT':
        ('PRC that refuses UDP by ICMP',
         lambda wan: _FW + _source_nat(_MASQUERADE) + _blocked(
             'reject with icmp type admin-prohibited')),
    'WEBONLY':
        ('PRC that lets no UDP through but to ports 53 and 443',
         lambda wan: _FW + _source_nat(_MASQUERADE) + _blocked(
             'udp dport != { 53, 443 } drop')),
    'T30':
        ('PRC whose mappings are forgotten after 2 s to 4 s',
         lambda wan: _FW + _source_nat(_MASQUERADE) + _SHORT_TIMEOUTS),
    'V6FW': ('stateful firewall without NAT', lambda wan: _FIREWALL6),
    'OPEN': ('router without NAT or firewall', lambda wan: ''),
}

KINDS = {kind: text for kind, (text, _) in _KINDS.items()}


def rules(kind, wan):
  """The text for nft of a router of that kind with that outside address."""
  return 'flush ruleset\n' + _KINDS[kind][1](wan)
