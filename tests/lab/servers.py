"""The real servers of the laboratory: mosquitto, and coturn as STUN server."""

import os
import socket
import subprocess
import time

from tests.lab import stun
from tests.lab.network import LabError

MQTT_PORT = 1883
STUN_PORT = 3478

# Both start within a second on an idle machine.
_START_TIMEOUT = 20


def _wait(what, ready, process, log):
  deadline = time.monotonic() + _START_TIMEOUT
  while not ready():
    if process.poll() is not None or time.monotonic() > deadline:
      with open(log, encoding='utf-8', errors='replace') as file:
        raise LabError(f'{what} does not start:\n{file.read()}')
    time.sleep(0.02)


def start_mosquitto(lab, namespace, port=MQTT_PORT, extra=''):
  """A broker that anybody may use, on every address of the namespace."""
  folder = os.path.join(lab.folder, f'mosquitto{port}')
  os.makedirs(folder)
  log = os.path.join(folder, 'log')
  configuration = os.path.join(folder, 'mosquitto.conf')
  with open(configuration, 'w', encoding='utf-8') as file:
    file.write(f'listener {port}\nallow_anonymous true\nuser root\n'
               f'log_type all\nconnection_messages true\n{extra}')
  with open(log, 'wb') as out:
    process = lab.start(namespace, ['mosquitto', '-c', configuration],
                        stdout=out,
                        stderr=subprocess.STDOUT)

  def ready():
    with namespace.socket(kind=socket.SOCK_STREAM) as client:
      return client.connect_ex(('127.0.0.1', port)) == 0

  _wait('mosquitto', ready, process, log)
  return process


def start_coturn(lab, namespace):
  """A STUN server on both addresses of the namespace, UDP only."""
  # Here, since topology imports this module.
  from tests.lab import topology  # pylint: disable=import-outside-toplevel
  folder = os.path.join(lab.folder, 'coturn')
  os.makedirs(folder)
  log = os.path.join(folder, 'log')
  argv = [
      'turnserver', '-n', '--stun-only', '--no-tcp', '--no-tls', '--no-dtls',
      '--no-cli', '--listening-port',
      str(STUN_PORT), '--log-file', 'stdout', '--simple-log', '--pidfile',
      os.path.join(folder, 'pid'), '--userdb',
      os.path.join(folder, 'userdb')
  ]
  for address in topology.SERVER4 + topology.SERVER6:
    argv += ['--listening-ip', address]
  with open(log, 'wb') as out:
    process = lab.start(namespace,
                        argv,
                        stdout=out,
                        stderr=subprocess.STDOUT,
                        cwd=folder)

  def ready():
    for family, addresses in ((socket.AF_INET, topology.SERVER4),
                              (socket.AF_INET6, topology.SERVER6)):
      with namespace.socket(family) as client:
        for address in addresses:
          if stun.mapped_address(client, (address, STUN_PORT),
                                 timeout=0.2) is None:
            return False
    return True

  _wait('coturn', ready, process, log)
  return process
