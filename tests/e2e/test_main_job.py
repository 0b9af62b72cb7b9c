"""The main job: a host that fails attestation becomes non-operational, and its VMs live-migrate to trusted hosts."""
from lab import wait_until


def test_a_host_that_fails_is_emptied_onto_trusted_hosts_and_returns_when_repaired(pool):
    pool.prepare()
    for name in ('one', 'two'):
        pool.run_vm(name, 1)
    pool.run_vm('rooted', 1, affinity='pinned')
    pool.lab.tpm('tamper', 1)

    pool.wait_host(1, 'non_operational', 'untrusted')
    for name in ('one', 'two'):
        pool.wait_places(name, [2, 3])
        pool.wait_vm(name, 'up', [2, 3])
        pool.wait_one_copy(name)
    pool.wait_event('VM_CANNOT_MIGRATE', 'rooted')
    assert pool.lab.places('rooted') == [1] and pool.host_of('rooted') == ('up', 1)

    pool.add_vm('late')
    assert 'h1' in pool.refused(409, pool.rest.start, 'late', 'h1')
    assert 'h1' in pool.refused(409, pool.rest.migrate, 'one', 'h1')
    assert 'trust' in pool.refused(409, pool.activate, 1)

    pool.lab.tpm('reboot', 1)
    pool.activate(1)
    assert pool.state('h1')[0] == 'up'
    pool.rest.start('late', 'h1')
    pool.wait_places('late', [1])
    assert pool.lab.places('rooted') == [1]
    assert len(pool.events('HOST_UNTRUSTED', 'h1')) == 2       # it was found, and the activation in vain
    assert len(pool.events('VM_CANNOT_MIGRATE', 'rooted')) == 1


def test_a_vm_that_libvirt_refuses_to_move_keeps_running_and_is_reported_once(pool):
    """Its writable disk is a file of the host's."""
    pool.prepare()
    local = pool.lab.folder + '/storage/local.raw'
    pool.lab.disk('moves')              # makes the folder
    with open(local, 'wb') as file:
        file.truncate(1 << 20)
    pool.rest.add_vm('stays', pool.CLUSTER, local)
    pool.rest.start('stays', 'h1')
    pool.run_vm('moves', 1)
    pool.lab.tpm('tamper', 1)
    pool.wait_event('VM_CANNOT_MIGRATE', 'stays')
    pool.wait_places('moves', [2, 3])
    pool.wait_vm('stays', 'up', 1)
    assert pool.lab.places('stays') == [1]
    pool.wait_vm('moves', 'up', [2, 3])
    assert len(pool.events('VM_CANNOT_MIGRATE', 'stays')) == 1


def test_with_no_target_left_vms_wait_and_move_when_a_host_comes_up(pool):
    pool.prepare(hosts=[1])
    pool.run_vm('waiting', 1)
    pool.rest.add_host('h2', pool.lab.address(2), pool.CLUSTER)
    pool.lab.tpm('tamper', 1)
    pool.wait_host(1, 'non_operational', 'untrusted')
    pool.wait_event('EVACUATION_NO_TARGET', 'h1')
    assert pool.lab.places('waiting') == [1]
    pool.activate(2)
    pool.wait_places('waiting', [2])
    pool.wait_vm('waiting', 'up', 2)
    assert len(pool.events('EVACUATION_NO_TARGET', 'h1')) == 1


def test_entering_maintenance_empties_the_host(pool):
    pool.prepare(hosts=[1, 2])
    pool.run_vm('guest', 1)
    pool.rest.action('hosts', 'h1', 'deactivate')
    pool.wait_host(1, 'maintenance')
    assert pool.lab.places('guest') == [2]
    pool.wait_vm('guest', 'up', 2)


def test_a_foreign_guest_is_reported_and_left_alone(pool):
    pool.lab.create(1, 'stranger')
    pool.prepare(hosts=[1, 2])
    pool.wait_event('FOREIGN_DOMAIN', 'stranger')
    pool.lab.tpm('tamper', 1)
    pool.wait_host(1, 'non_operational', 'untrusted')
    assert pool.lab.places('stranger') == [1]


def test_the_flag_of_a_cluster_with_hosts_at_work_is_not_changed(pool):
    pool.prepare(hosts=[1])
    cluster = pool.rest.find('clusters', pool.CLUSTER)
    change = '<cluster><trusted_service>false</trusted_service></cluster>'
    assert 'maintenance' in pool.refused(409, pool.rest.call, 'PUT', '/clusters/' + cluster.get('id'), change)
    pool.rest.action('hosts', 'h1', 'deactivate')
    pool.wait_host(1, 'maintenance')
    pool.rest.call('PUT', '/clusters/' + cluster.get('id'), change)
    wait_until(lambda: pool.rest.find('clusters', pool.CLUSTER).find('trusted_service').text == 'false', 'the flag')


def test_a_daemon_whose_plugin_is_missing_says_so_and_does_not_start(pool):
    assert pool.daemon.stop() is None
    pool.daemon.configure(plugin='/nonexistent/host-validation.so')
    pool.daemon.start()
    process = pool.daemon.process
    wait_until(lambda: process.poll() is not None, 'the daemon to give up')
    pool.daemon.process = None          # it has ended, as it had to
    assert process.returncode == 1
    assert 'plugin /nonexistent/host-validation.so: there is no such file' in pool.daemon.output()
