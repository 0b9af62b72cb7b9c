"""The main job as a story, told while it happens.  Called by ../../quickstart, which sets the environment."""
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = [os.path.join(TOP, 'tests', 'e2e'), os.path.join(TOP, 'tests', 'lab')]

from lab import Lab                     # noqa: E402
from pool import PORT, Pool             # noqa: E402
from rest_client import Refused     # noqa: E402

PLACE, RUN = os.environ['PLACE'], os.path.join(TOP, 'run')
BEGUN = time.monotonic()
ASKED_EVERY = 5                         # s: a third of attestation_auth_timeout


def tell(text):
    print('[%5.1f s] %s' % (time.monotonic() - BEGUN, text), flush=True)


def forward(lab):
    """The port on 127.0.0.1 that leads to the REST API."""
    wanted = int(os.environ.get('PORT', PORT))
    done = lab.sh('forward', wanted, PORT, check=False)
    if done.returncode == 0:
        return wanted
    if 'in use' not in done.stderr:
        raise AssertionError(done.stderr.strip())
    port = int(lab.sh('forward', 0, PORT))
    tell('port %d is taken by another program, so the REST API is at port %d (PORT=... ./quickstart chooses)' % (wanted, port))
    return port


def write_env(lab, pool):
    """What a script or client needs to go on from here; a shell can read it."""
    os.makedirs(RUN, exist_ok=True)
    shutil.copy(pool.daemon.state + '/tls/ca.pem', RUN + '/ca.pem')
    with open(pool.daemon.state + '/admin-password') as file:
        password = file.read().strip()
    values = {'TRUSTPOOL_URL': 'https://127.0.0.1:%d/api' % pool.port, 'TRUSTPOOL_USER': 'admin@internal',
              'TRUSTPOOL_PASSWORD': password, 'TRUSTPOOL_CA': RUN + '/ca.pem',
              'TRUSTPOOL_LAB': TOP + '/tests/lab/lab.sh', 'TRUSTPOOL_TPM': TOP + '/tests/lab/tpm.sh',
              **{name: lab.env[name] for name in ('PFX', 'LAB', 'NET', 'N', 'KEEPALIVE')}}
    descriptor = os.open(RUN + '/quickstart.env', os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, 'w') as file:
        file.write('# Read it with: set -a; . run/quickstart.env\n# "$TRUSTPOOL_LAB" and "$TRUSTPOOL_TPM" without arguments '
                   'tell what they can do to the hosts h1, h2, h3.\n')
        file.writelines('%s=%s\n' % (name, shlex.quote(value)) for name, value in values.items())
    with open(PLACE + '/pid', 'w') as file:
        file.write(str(pool.daemon.process.pid))


def places(pool, names):
    return ', '.join('%s on h%s' % (name, '/h'.join(map(str, pool.lab.places(name))) or '?') for name in names)


def set_the_stage(lab):
    tell('starting three libvirt hosts (h1, h2, h3), each with a TPM, and the attestation server')
    lab.up()
    pool = Pool(lab, PLACE + '/installed', forward(lab), folder=PLACE + '/manager', attestation_auth_timeout=3 * ASKED_EVERY,
                attestation_poll_timeout=5, host_grace=60, evacuation_max_share=50, log_level=6, keepalive_interval=5, keepalive_count=3)
    tell('starting trustpoold on a private PostgreSQL')
    pool.start()
    write_env(lab, pool)
    return pool


def begin(pool):
    pool.rest.add('datacenters', '<data_center><name>berlin</name><description>made by the quickstart</description></data_center>')
    tell('POST /api/datacenters: a data center, berlin')
    pool.rest.add_cluster(pool.CLUSTER)
    tell('POST /api/clusters: a trusted cluster, my_trust_cluster, in the data center Default')
    for i in pool.lab.hosts:
        pool.rest.add_host('h%d' % i, pool.lab.address(i), pool.CLUSTER)
        pool.activate(i)
        tell('h%d is activated: the attestation server vouches for it, so it is %s' % (i, pool.state('h%d' % i)[0]))
    for name in ('web', 'mail'):
        pool.run_vm(name, 1)
    pool.run_vm('ledger', 1, affinity='pinned')
    tell('VMs run: %s.  ledger is pinned to its host: it must not migrate' % places(pool, ('web', 'mail', 'ledger')))


def fail(pool):
    tell('now h1 measures something else (PCR 10 of its TPM is extended).  Hosts are asked again every %d s' % ASKED_EVERY)
    pool.lab.tpm('tamper', 1)
    pool.wait_host(1, 'non_operational', 'untrusted')
    tell('h1 is non_operational, untrusted: "%s"' % pool.wait_event('HOST_UNTRUSTED', 'h1')[0])
    for name in ('web', 'mail'):
        pool.wait_places(name, [2, 3])
        pool.wait_vm(name, 'up', [2, 3])
    tell('its VMs have moved, live: %s (asked of libvirt itself)' % places(pool, ('web', 'mail')))
    event = pool.wait_event('VM_CANNOT_MIGRATE', 'ledger')[0]
    tell('ledger keeps running, and is reported: "%s"' % event)
    try:
        pool.activate(1)
    except Refused as refusal:
        tell('activating h1 now is refused: "%s"' % refusal.text)


def repair(pool):
    tell('h1 is repaired: its TPM starts again and measures what is known to be good')
    pool.lab.tpm('reboot', 1)
    pool.activate(1)
    tell('h1 is activated again: %s.  VMs: %s' % (pool.state('h1')[0], places(pool, ('web', 'mail', 'ledger'))))


def tell_how_to_go_on(pool):
    print('''
Still running: h1, h2 and h3 with three VMs, the attestation server, trustpoold and its PostgreSQL.
  look        set -a; . run/quickstart.env; set +a
              curl --cacert "$TRUSTPOOL_CA" -u "$TRUSTPOOL_USER:$TRUSTPOOL_PASSWORD" "$TRUSTPOOL_URL/hosts"
              %s/installed/bin/trustpool hosts        (also: clusters, vms, events --follow, activate HOST)
  URL         %s   (password in run/quickstart.env, and in %s)
  log         %s
  the lab     "$TRUSTPOOL_TPM" tamper 2      h2 fails      "$TRUSTPOOL_TPM" reboot 2      and is repaired
              "$TRUSTPOOL_LAB" crash 3       power h3 off  "$TRUSTPOOL_LAB" status        (without arguments: all they can do)
  stop        ./quickstart stop''' % (PLACE, pool.rest.url.geturl(), pool.daemon.state + '/admin-password', pool.daemon.log))


def play():
    lab = Lab(os.environ['PFX'], os.environ['NET'], keepalive=int(os.environ['KEEPALIVE']))
    pool = None
    try:
        pool = set_the_stage(lab)
        begin(pool)
        fail(pool)
        repair(pool)
        tell_how_to_go_on(pool)
    except (AssertionError, Refused, OSError, subprocess.SubprocessError) as error:
        tell('it went wrong: %s' % error)
        if pool is not None and os.path.exists(pool.daemon.log):
            print('The end of %s:\n%s' % (pool.daemon.log, '\n'.join(pool.daemon.output().splitlines()[-20:])))
        sys.exit('quickstart: not finished; what was started is left for a look.  ./quickstart stop ends it')


def stop():
    """Ends trustpoold as an administrator does, if that process still is it; lab.sh down ends whatever is left."""
    try:
        with open(PLACE + '/pid') as file:
            pid = int(file.read())
        with open('/proc/%d/cmdline' % pid) as file:
            if PLACE not in file.read():
                return
        os.kill(pid, signal.SIGTERM)
        end = time.monotonic() + 30
        while os.path.exists('/proc/%d' % pid) and time.monotonic() < end:
            time.sleep(0.1)
    except (OSError, ValueError):
        pass


if __name__ == '__main__':
    {'play': play, 'stop': stop}[sys.argv[1]]()
