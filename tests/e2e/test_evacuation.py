"""How an evacuation goes: what is shown of it, guests that do not converge, targets that lose their trust, hosts onto each other."""
import os
import re
import subprocess
import threading

import pytest

from lab import wait_until
from pool import find_program
from rest_client import text_of

# Guests that are slow to converge take minutes: make check-long.
pytestmark = pytest.mark.long


def busy_disk(pool):
    """The image of the lab's guest that changes 16 MiB of its memory all the time."""
    pool.lab.sh('vmxml', 'busy', 'busy')
    with open(pool.lab.folder + '/storage/busy.img', 'rb') as image:
        return image.read()


def add_busy_vm(pool, name, i):
    """A VM that boots that image; it is writable, and served over the network, so that nothing but its memory is in the way."""
    content = busy_disk(pool)
    pool.add_vm(name)
    with open('%s/storage/%s.raw' % (pool.lab.folder, name), 'r+b') as disk:
        disk.write(content)
    pool.rest.start(name, 'h%d' % i)
    pool.wait_vm(name, 'up', i)


def evacuation(pool, host):
    """What the API shows of it, or None."""
    return next((part for part in pool.rest.list('evacuations') if text_of(part, 'host/name') == host), None)


def counts(part):
    return {name: int(text_of(part, 'vms/' + name)) for name in ('waiting', 'moving', 'staying')}


def trustpool(pool, *arguments):
    """The command line client, started."""
    with open(pool.daemon.state + '/admin-password') as file:
        password = file.read().strip()
    return subprocess.Popen([find_program(pool.daemon.prefix, 'trustpool'), '--url', 'https://127.0.0.1:%d' % pool.port, '--ca',
                             pool.daemon.state + '/tls/ca.pem', *arguments], env={'TRUSTPOOL_PASSWORD': password, 'LANG': 'C.UTF-8'},
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(process, deadline=90):
    try:
        return process.communicate(timeout=deadline)[0]
    finally:
        process.kill()
        process.wait()


def moving(pool, host, measure=None):
    """The first migration off the host of which libvirt has said something, and for which this has been done, or None."""
    part = evacuation(pool, host)
    return next((move for move in (part.iter('migration') if part is not None else ()) if text_of(move, 'data/total') != '0'
                 and measure in (None, text_of(move, 'measure'))), None)


@pytest.mark.settings(migration_bandwidth=2, migration_bandwidth_max=1024, evacuation_deadline=300)
def test_a_busy_guest_gets_more_bandwidth_and_its_progress_is_shown_meanwhile(pool):
    pool.prepare(hosts=[1, 2])
    add_busy_vm(pool, 'busy', 1)
    pool.lab.tpm('tamper', 1)
    wait_until(lambda: moving(pool, 'h1') is not None, 'a migration with its size')
    follower = trustpool(pool, 'evacuations', '--follow')
    part = evacuation(pool, 'h1')
    assert text_of(part, 'why') == 'untrusted' and text_of(part, 'held') == 'false'
    move = part.find('migrations/migration')
    assert (text_of(move, 'vm/name'), text_of(move, 'target_host/name')) == ('busy', 'h2')
    assert int(text_of(move, 'data/total')) >= 32 << 20 and 0 <= int(text_of(move, 'percent')) <= 99

    pool.wait_vm('busy', 'up', 2, deadline=240)
    assert pool.lab.places('busy') == [2] and pool.copies('busy') == [2]
    wait_until(lambda: evacuation(pool, 'h1') is None, 'the evacuation to be over')
    shown = finish(follower)
    assert re.search(r'h1 \(untrusted\) since .*: 0 waiting, 1 moving, 0 staying', shown), shown
    assert re.search(r'busy +h2 +\[[#.]{20}\] +\d+%', shown), shown
    assert shown.endswith('no host is being emptied\n'), shown
    assert 'its migration gets 8 MiB/s' in pool.daemon.output()
    assert not pool.events('VM_CANNOT_MIGRATE')


@pytest.mark.settings(migration_bandwidth=4, migration_bandwidth_max=4, evacuation_deadline=30)
def test_a_guest_that_does_not_converge_is_slowed_down_and_then_stays_and_is_reported(pool):
    """Its bandwidth may not be raised, and the deadline comes before it is slowed down enough."""
    pool.prepare(hosts=[1, 2])
    add_busy_vm(pool, 'busy', 1)
    pool.run_vm('idle', 1)
    pool.lab.tpm('tamper', 1)
    wait_until(lambda: moving(pool, 'h1', 'auto_converge') is not None, 'the guest to be slowed down', deadline=180)
    pool.wait_event('VM_CANNOT_MIGRATE', 'busy', deadline=180)
    pool.wait_vm('busy', 'up', 1)
    pool.wait_vm('idle', 'up', 2)
    assert pool.lab.places('busy') == [1] and pool.copies('busy') == [1]
    wait_until(lambda: counts(evacuation(pool, 'h1')) == {'waiting': 0, 'moving': 0, 'staying': 1}, 'one that stays to be shown')
    assert len(pool.events('VM_CANNOT_MIGRATE', 'busy')) == 1
    assert len([text for text in pool.events('VM_MIGRATION_TRY_FAILED', 'busy') if 'auto-converge' in text]) == 1


@pytest.mark.settings(migration_bandwidth=2, migration_bandwidth_max=2, evacuation_deadline=900, evacuation_tries=1)
def test_a_target_that_loses_its_trust_under_way_does_not_get_the_vm(pool):
    """The migration is aborted, the VM goes elsewhere, and nothing is held against it: one failure would make it stay."""
    pool.prepare()
    add_busy_vm(pool, 'busy', 1)
    pool.lab.tpm('tamper', 1)
    move = wait_until(lambda: moving(pool, 'h1', 'auto_converge'), 'a migration that goes on for minutes', deadline=180)
    first = int(text_of(move, 'target_host/name')[1:])
    pool.lab.tpm('tamper', first)
    pool.wait_event('VM_MIGRATION_TRY_FAILED', 'h%d is not trusted any more' % first)
    wait_until(lambda: moving(pool, 'h1') is not None and text_of(moving(pool, 'h1'), 'target_host/name') == 'h%d' % (5 - first),
               'the VM to be on its way to the other host')
    assert pool.lab.places('busy') == [1] and 'busy' not in pool.lab.domains(first)
    assert not pool.events('VM_CANNOT_MIGRATE') and not pool.events('VM_MIGRATION_FAILED')


@pytest.mark.settings(migrations_per_host=8)
def test_two_hosts_emptied_onto_each_other_do_not_deadlock(pool):
    """With as many migrations at a time as VMs, and libvirtd's own number of workers: the manager drives each of them, so no
    libvirtd waits for the other."""
    pool.prepare(hosts=[1, 2])
    names = {1: ['a%d' % n for n in range(6)], 2: ['b%d' % n for n in range(6)]}
    for i, vms in names.items():
        for name in vms:
            pool.run_vm(name, i)
    refusals = []

    def move(name, target):
        try:
            pool.rest.migrate(name, target)
        except Exception as error:      # shown below
            refusals.append('%s: %s' % (name, error))
    threads = [threading.Thread(target=move, args=(name, 'h%d' % (3 - i))) for i, vms in names.items() for name in vms]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert not refusals, refusals
    for i, vms in names.items():
        for name in vms:
            pool.wait_vm(name, 'up', 3 - i)
            assert pool.copies(name) == [3 - i]


@pytest.fixture
def pki_place():
    """Where libvirtd looks for what it shows to others; a host's own is mounted over it."""
    missing = not os.path.isdir('/etc/pki')
    os.makedirs('/etc/pki', exist_ok=True)
    yield '/etc/pki'
    if missing:
        os.rmdir('/etc/pki')


@pytest.mark.settings(peer_to_peer='on')
def test_peer_to_peer_is_warned_of_and_takes_credentials_that_hosts_do_not_have(pool, pki_place):
    pool.prepare(hosts=[1, 2])
    assert 'peer_to_peer is on' in pool.daemon.output() and 'root on all of them' in pool.daemon.output()
    pool.run_vm('guest', 1)
    pool.rest.migrate('guest', 'h2')
    pool.wait_event('VM_MIGRATION_FAILED', 'guest')
    pool.wait_vm('guest', 'up', 1)
    assert pool.lab.places('guest') == [1]

    script = ('mount -t tmpfs tmpfs {0} && mkdir -p {0}/CA {0}/libvirt/private && cp {1}/cacert.pem {0}/CA/ && '
              'cp {1}/clientcert.pem {0}/libvirt/ && cp {1}/clientkey.pem {0}/libvirt/private/').format(pki_place, pool.daemon.folder + '/pki')
    pool.lab.sh('exec', 1, 'sh', '-c', script)
    try:
        pool.rest.migrate('guest', 'h2')
        pool.wait_vm('guest', 'up', 2)
        assert pool.lab.places('guest') == [2] and pool.copies('guest') == [2]
    finally:
        pool.lab.sh('exec', 1, 'umount', pki_place)


@pytest.mark.settings(migration_bandwidth=8, migration_bandwidth_max=8, evacuation_deadline=300, post_copy='on')
def test_where_it_is_allowed_a_guest_that_cannot_be_slowed_down_enough_is_moved_by_post_copy(pool):
    pool.prepare(hosts=[1, 2])
    pool.run_vm('idle', 1)
    add_busy_vm(pool, 'busy', 1)
    pool.lab.tpm('tamper', 1)
    pool.wait_vm('idle', 'up', 2)
    pool.wait_vm('busy', 'up', 2, deadline=280)
    assert pool.lab.places('busy') == [2] and pool.copies('busy') == [2]
    assert not pool.events('VM_CANNOT_MIGRATE')
