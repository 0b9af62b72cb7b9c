"""The daemon is killed with SIGKILL at named points and started again: what it was doing is neither lost nor doubled
(rules DURABLE and ATOMIC)."""
import http.client

import pytest

from rest_client import Refused


def start_in_vain(pool, name, host):
    """The daemon dies while it serves this request."""
    try:
        pool.rest.start(name, host)
    except (OSError, http.client.HTTPException):
        return
    except Refused as refusal:
        assert refusal.status == 503, refusal
        return


@pytest.mark.parametrize('point', ['place_before_commit', 'place_after_commit'])
def test_killed_around_the_commit_of_a_placement_the_vm_runs_nowhere_and_can_be_started(pool, point):
    pool.prepare(hosts=[1, 2])
    pool.add_vm('guest')
    pool.daemon.kill()
    pool.start(crash_at=point)
    pool.wait_host(1, 'up')
    start_in_vain(pool, 'guest', 'h1')
    pool.daemon.wait_for_crash()
    pool.restart()
    pool.wait_host(1, 'up')
    pool.wait_vm('guest', 'down')
    assert pool.copies('guest') == []
    pool.rest.start('guest', 'h1')
    pool.wait_places('guest', [1])
    pool.wait_vm('guest', 'up', 1)


@pytest.mark.parametrize('point', ['verdict_after_commit', 'during_migration', 'migrated_before_record'])
def test_killed_during_an_evacuation_it_is_finished_after_the_restart(pool, point):
    pool.prepare()
    for name in ('one', 'two', 'three'):
        pool.run_vm(name, 1)
    pool.daemon.kill()
    pool.lab.tpm('tamper', 1)
    pool.daemon.start(crash_at=point)
    pool.daemon.wait_for_crash()
    pool.restart()
    pool.wait_host(1, 'non_operational', 'untrusted')
    for name in ('one', 'two', 'three'):
        pool.wait_places(name, [2, 3])
        pool.wait_vm(name, 'up', [2, 3])
        pool.wait_one_copy(name)
        status, host = pool.host_of(name)
        assert [host] == pool.lab.places(name)
        assert len(pool.events('VM_MIGRATED', 'VM %s ' % name)) == 1
    assert len(pool.events('HOST_UNTRUSTED', 'h1')) == 1
