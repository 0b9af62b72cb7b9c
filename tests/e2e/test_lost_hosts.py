"""Hosts that are off or frozen: their VMs are never started a second time by themselves, and the others are served."""
import pytest

from rest_client import text_of


def test_a_host_that_is_powered_off_keeps_its_vms_reserved_until_it_is_back(pool):
    pool.prepare(hosts=[1, 2])
    pool.run_vm('guest', 1)
    pool.lab.sh('crash', 1)
    pool.wait_host(1, 'non_responsive')
    pool.wait_vm('guest', 'unknown')
    pool.refused(409, pool.rest.start, 'guest', 'h2')
    pool.lab.power_on(1)
    pool.wait_host(1, 'up')             # asked again: the connection is another one
    pool.wait_vm('guest', 'down')
    pool.rest.start('guest', 'h2')
    pool.wait_places('guest', [2])


def test_an_administrator_who_confirms_that_a_host_is_dead_frees_its_vms(pool):
    pool.prepare(hosts=[1, 2])
    pool.run_vm('guest', 1)
    confirm = '<action><fence_type>manual</fence_type></action>'
    pool.refused(409, pool.rest.action, 'hosts', 'h1', 'fence', confirm)     # it is connected
    pool.lab.sh('crash', 1)
    pool.wait_host(1, 'non_responsive')
    pool.rest.action('hosts', 'h1', 'fence', confirm)
    pool.wait_host(1, 'down')
    pool.wait_vm('guest', 'down')
    pool.rest.start('guest', 'h2')
    pool.wait_places('guest', [2])


def test_a_host_that_was_taken_for_dead_and_returns_with_its_copy_is_kept_out(pool):
    """Neither copy is stopped: nobody but an administrator can know which one holds the data."""
    pool.prepare(hosts=[1, 2])
    pool.rest.add_vm('guest', pool.CLUSTER)
    pool.rest.start('guest', 'h1')
    pool.wait_vm('guest', 'up', 1)
    pool.lab.sh('cut', 1)
    pool.wait_host(1, 'non_responsive')
    pool.rest.action('hosts', 'h1', 'fence', '<action><fence_type>manual</fence_type></action>')
    pool.wait_vm('guest', 'down')
    pool.rest.start('guest', 'h2')
    pool.wait_vm('guest', 'up', 2)
    pool.lab.sh('join', 1)
    pool.wait_host(1, 'non_operational', 'copy')
    pool.wait_event('VM_SECOND_COPY', 'guest')
    assert pool.lab.places('guest') == [1, 2] and pool.host_of('guest') == ('up', 2)


def test_a_host_that_loses_its_manager_is_asked_again_before_it_counts(pool):
    """It was tampered with while it was out of sight."""
    pool.prepare()
    pool.run_vm('guest', 1)
    pool.lab.sh('stopd', 1)
    pool.wait_host(1, 'non_responsive')
    pool.lab.tpm('tamper', 1)
    pool.lab.sh('startd', 1)
    pool.wait_host(1, 'non_operational', 'untrusted')
    pool.wait_places('guest', [2, 3])
    pool.wait_vm('guest', 'up', [2, 3])


@pytest.mark.settings(openers=1, open_deadline=3)
def test_more_frozen_hosts_than_openers_do_not_keep_healthy_ones_from_service(pool):
    pool.prepare()
    pool.daemon.kill()
    for i in (1, 2):
        pool.lab.sh('freeze', i)
    pool.start()
    pool.wait_host(3, 'up')
    for i in (1, 2):
        pool.wait_host(i, 'non_responsive')
    pool.run_vm('guest', 3)
    assert 'guest' in pool.lab.domains(3)       # the other two would not answer the witness either
    for i in (1, 2):
        pool.lab.sh('thaw', i)
    for i in (1, 2):
        pool.wait_host(i, 'up')
    assert {text_of(host, 'status/state') for host in pool.rest.list('hosts')} == {'up'}
