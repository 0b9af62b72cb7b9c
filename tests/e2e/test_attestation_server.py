"""What the attestation server does wrong never makes a host trusted (rule CLOSED), and its silence empties none (rule CALM)."""
import json

import pytest


@pytest.mark.settings(activate_timeout=4, attestation_auth_timeout=12, attestation_poll_timeout=3)
@pytest.mark.parametrize('knobs', [{'slow': 30}, {'fail': 500}, {'garbage': '<html>busy</html>'}], ids=['slow', 'failing', 'garbage'])
def test_with_a_server_that_says_nothing_usable_no_host_comes_up_until_it_recovers(pool, knobs):
    pool.rest.add_cluster(pool.CLUSTER)
    pool.rest.add_host('h1', pool.lab.address(1), pool.CLUSTER)
    pool.lab.tpm('knob', json.dumps(knobs))
    pool.refused(409, pool.activate, 1)
    assert pool.state('h1')[0] == 'initializing'
    pool.add_vm('guest')
    assert 'h1' in pool.refused(409, pool.rest.start, 'guest', 'h1')
    assert pool.copies('guest') == []
    pool.lab.tpm('knob')
    pool.wait_host(1, 'up')             # asking has gone on
    pool.rest.start('guest', 'h1')
    pool.wait_places('guest', [1])


@pytest.mark.settings(attestation_auth_timeout=12, attestation_poll_timeout=3)
def test_while_the_server_is_down_trust_expires_but_nothing_moves_and_all_recovers(pool):
    pool.prepare(hosts=[1, 2])
    pool.run_vm('guest', 1)
    pool.lab.tpm('unserve')
    for i in (1, 2):
        pool.wait_host(i, 'non_operational', 'expired')
    pool.add_vm('late')
    pool.refused(409, pool.rest.start, 'late')
    assert pool.lab.places('guest') == [1] and pool.host_of('guest') == ('up', 1)
    pool.lab.tpm('serve')
    for i in (1, 2):
        pool.wait_host(i, 'up')
    assert pool.lab.places('guest') == [1]
    assert pool.events('HOST_UNTRUSTED') == []


@pytest.mark.settings(attestation_auth_timeout=12, attestation_poll_timeout=3, host_grace=2)
def test_an_answer_about_another_host_is_none_and_the_host_is_emptied_after_its_grace(pool):
    pool.prepare(hosts=[1, 2])
    pool.run_vm('guest', 1)
    pool.lab.knob(rename={pool.lab.address(1): '10.0.0.99'})
    pool.wait_host(1, 'non_operational', 'not_attested')
    pool.wait_places('guest', [2])
    pool.wait_vm('guest', 'up', 2)
    pool.refused(409, pool.activate, 1)
    pool.lab.tpm('knob')
    pool.wait_host(1, 'up')             # silence is no guilt: it returns by itself


def test_a_lie_in_another_hosts_favour_does_not_help_a_bad_host(pool):
    """The server answers about h1 with what h2 has measured: h1's name is not in the answer, h2's twice."""
    pool.rest.add_cluster(pool.CLUSTER)
    for i in (1, 2):
        pool.rest.add_host('h%d' % i, pool.lab.address(i), pool.CLUSTER)
    pool.activate(2)
    pool.lab.tpm('tamper', 1)
    pool.lab.knob(rename={pool.lab.address(1): pool.lab.address(2)}, lie={pool.lab.address(1): 'trusted'})
    pool.refused(409, pool.activate, 1)
    assert pool.state('h1')[0] != 'up'
