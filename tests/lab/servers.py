"""The real servers of the laboratory: mosquitto, and coturn for STUN and TURN."""

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


def start_mosquitto(lab, namespace, port=MQTT_PORT, extra='', log_type='all'):
  """A broker that anybody may use, on every address of the namespace."""
  folder = os.path.join(lab.folder, f'mosquitto{port}')
  os.makedirs(folder)
  log = os.path.join(folder, 'log')
  configuration = os.path.join(folder, 'mosquitto.conf')
  with open(configuration, 'w', encoding='utf-8') as file:
    file.write(f'listener {port}\nallow_anonymous true\nuser root\n'
               f'log_type {log_type}\nconnection_messages true\n{extra}')
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


TURN_PORT = 3480
TURNS_PORT = 5349
TURN_USER = 'me'
TURN_PASSWORD = 'a secret of the laboratory'


def start_turn(lab, namespace):
  """A relay: UDP and TCP on TURN_PORT, TLS on TURNS_PORT.

  Returns its address and the file with the authority of its certificate.
  """
  # Here, since topology imports this module.
  from tests.lab import topology  # pylint: disable=import-outside-toplevel
  address = topology.SERVER4[0]
  folder = os.path.join(lab.folder, 'turn')
  os.makedirs(folder)
  certificate = os.path.join(folder, 'certificate.pem')
  key = os.path.join(folder, 'key.pem')
  subprocess.run([
      'openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt',
      'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out',
      certificate, '-days', '2', '-subj', '/CN=relay.lab', '-addext',
      f'subjectAltName=IP:{address},DNS:relay.lab'
  ], check=True, capture_output=True)
  os.chmod(certificate, 0o644)
  os.chmod(folder, 0o755)
  log = os.path.join(folder, 'log')
  with open(log, 'wb') as out:
    process = lab.start(namespace, [
        'turnserver', '-n', '--no-dtls', '--no-cli', '--lt-cred-mech',
        '--realm', 'lab', '--user', f'{TURN_USER}:{TURN_PASSWORD}',
        '--listening-ip', address, '--relay-ip', address, '--listening-port',
        str(TURN_PORT), '--tls-listening-port',
        str(TURNS_PORT), '--cert', certificate, '--pkey', key, '--log-file',
        'stdout', '--simple-log', '--pidfile',
        os.path.join(folder, 'pid'), '--userdb',
        os.path.join(folder, 'userdb')
    ], stdout=out, stderr=subprocess.STDOUT, cwd=folder)

  def ready():
    with namespace.socket(kind=socket.SOCK_STREAM) as client:
      return client.connect_ex((address, TURNS_PORT)) == 0

  _wait('the relay', ready, process, log)
  return address, certificate
