"""Hosts: connections (rule IDENTITY), activation, fencing, domains after a reconnect (rule HOSTILE), and the cluster's flag."""

import json
import uuid

import pytest
from pool import Call, Refused


def domains(*items):
    return json.dumps([{"uuid": str(i), "name": f"domain {i}", "state": state} for i, state in items])


def listed(db, host, *items):
    db.rows("select domains_listed(%s, %s, %s)", host, db.generation(host), domains(*items))


@pytest.fixture
def two(db):
    db.c = db.cluster()
    db.a, db.b = db.up_host(db.c, "a"), db.up_host(db.c, "b")
    db.v = db.running_vm(db.c, "vm1", db.a)
    return db


# --- identity ---

def test_the_uuid_is_pinned_at_the_first_connection_and_belongs_to_one_host(db):
    cluster = db.cluster()
    a, b = db.host(cluster, "a", connected=False), db.host(cluster, "b", connected=False)
    mine = uuid.uuid4()
    assert db.connect_host(a, libvirt_uuid=mine)["outcome"] == "connected"
    made = db.connect_host(b, libvirt_uuid=mine, domains=None)
    assert made["outcome"] == "identity" and f"libvirt with the UUID {mine}, which is host a" in made["detail"]
    assert db.value("select libvirt_uuid from hosts where id = %s", b) is None
    assert db.connect_host(b, libvirt_uuid=uuid.uuid4())["outcome"] == "connected", "nothing was pinned by what was refused"


def test_names_addresses_and_attestation_ids_are_unique_without_regard_to_case_of_addresses(db):
    cluster = db.cluster()
    db.rows("select host_add(%s, 'a', 'A.example', 'tag-1')", cluster)
    for name, address, attestation, text in (("a", "x", None, "name a"), ("x", "a.EXAMPLE", None, "address a.EXAMPLE"), ("x", "y", "TAG-1", "attestation id TAG-1")):
        with pytest.raises(Refused, match=f"There is a host with the {text} already"):
            db.rows("select host_add(%s, %s, %s, %s)", cluster, name, address, attestation)
    db.rows("select host_add(%s, 'b', 'b.example')", cluster)
    assert db.value("select attestation_id from hosts where name = 'b'") == "b.example"
    with pytest.raises(Refused) as refused:
        db.rows("select host_add(%s, '', 'c')", cluster)
    assert refused.value.code == "TP400"


def test_a_host_removed_and_added_again_starts_with_no_verdict(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    with pytest.raises(Refused, match="Host a is not in maintenance. Deactivate it before it is removed"):
        db.rows("select host_remove(%s)", host)
    db.rows("select deactivate_host(%s)", host)
    db.rows("select host_remove(%s)", host)
    again = db.host(cluster, "a")
    assert db.row("select status, verdict, question from hosts where id = %s", again) == {"status": "maintenance", "verdict": "unknown", "question": 0}


# --- connections ---

def test_a_lost_connection_makes_the_vms_unknown_and_a_new_one_finds_them(two):
    two.disconnect(two.a, "keepalive timeout")
    assert two.state(two.a) == ("non_responsive", "connection")
    assert two.vm_status(two.v) == "unknown" and two.where(two.v) == two.a
    assert two.texts("HOST_NON_RESPONSIVE") == ["Host a is not responding: its VMs are unknown. keepalive timeout"]
    made = two.connect_host(two.a, domains=domains((two.v, "running")))
    assert made["status"] == "initializing" and two.vm_status(two.v) == "up"
    assert two.value("select verdict from hosts where id = %s", two.a) == "unknown", "it may have been a reboot"
    two.answer("trusted", two.a)
    assert two.state(two.a) == ("up", "")


def test_a_failed_attempt_to_connect_counts_only_while_there_is_no_connection(db):
    cluster = db.cluster()
    host = db.host(cluster, "a", connected=False)
    fails = lambda: db.rows("select host_disconnected(%s, 0, 'no route')", host)
    fails()
    assert db.status(host) == "maintenance"
    db.rows("select activate_host(%s)", host)
    fails()
    fails()
    assert db.state(host) == ("non_responsive", "connection") and db.events("HOST_NON_RESPONSIVE") == ["HOST_NON_RESPONSIVE"]
    db.connect_host(host)
    fails()
    assert db.status(host) == "initializing"


def test_a_vm_that_is_not_there_any_more_is_lost(two):
    two.disconnect(two.a)
    two.connect_host(two.a, domains=domains((two.v, "shutoff")))
    assert (two.vm_status(two.v), two.where(two.v)) == ("down", None)
    assert two.texts("VM_LOST") == ["VM vm1 is down: host a does not run it any more."]


def test_the_manager_starts_with_nothing_connected_and_no_verdict(two):
    maintenance, bad = two.host(two.c, "m"), two.up_host(two.c, "bad")
    two.answer("untrusted", bad)
    two.rows("select all_disconnected()")
    assert [two.state(h) for h in (two.a, maintenance, bad)] == [("initializing", ""), ("maintenance", ""), ("non_operational", "untrusted")]
    assert two.value("select bool_or(connected) or bool_or(verdict <> 'unknown') from hosts") is False
    assert two.vm_status(two.v) == "up", "until its host has been compared"


# --- domains ---

def test_libvirts_events_move_a_vm_that_was_placed_there(two):
    event = lambda what: two.rows("select domain_event(%s, %s, %s, %s)", two.a, two.generation(two.a), two.v, what)
    for what, status in (("suspended", "paused"), ("suspended", "paused"), ("resumed", "up"), ("stopped", "down")):
        event(what)
        assert two.vm_status(two.v) == status
    assert two.where(two.v) is None
    assert two.events()[-3:] == ["VM_PAUSED", "VM_RESUMED", "VM_DOWN"]
    with pytest.raises(Refused, match="There is no domain event exploded"):
        event("exploded")


def test_a_vm_that_left_without_the_manager_is_an_alarm(two):
    two.rows("select domain_event(%s, %s, %s, 'migrated_away')", two.a, two.generation(two.a), two.v)
    assert two.vm_status(two.v) == "unknown" and two.events("VM_LOST") == ["VM_LOST"]


def test_foreign_domains_are_reported_once_and_again_only_after_they_were_gone(two):
    foreign = uuid.uuid4()
    for _ in range(2):
        listed(two, two.b, (foreign, "running"))
    two.rows("select domain_event(%s, %s, %s, 'started')", two.b, two.generation(two.b), foreign)
    assert two.texts("FOREIGN_DOMAIN") == [f"Host b runs domain domain {foreign}, which the manager did not place there. It is left alone."]
    listed(two, two.b, (foreign, "shutoff"))
    assert two.rows("select * from foreign_domains") == []
    listed(two, two.b, (foreign, "running"))
    assert len(two.events("FOREIGN_DOMAIN")) == 2


def test_a_late_event_of_the_domain_before_says_nothing_about_the_one_that_runs_now(two):
    """A VM was stopped and started again, or came back, before the end of its earlier domain could be recorded."""
    event = "select domain_event(%s, %s, %s, %s, %s)"
    two.end(two.place("migrate", two.v, two.b))
    two.end(two.place("migrate", two.v, two.a))
    two.rows(event, two.a, two.generation(two.a), two.v, "migrated_away", "1 minute")
    two.rows(event, two.a, two.generation(two.a), two.v, "stopped", "1 minute")
    assert (two.vm_status(two.v), two.where(two.v)) == ("up", two.a)
    operation = two.place("migrate", two.v, two.b)
    two.rows(event, two.b, two.generation(two.b), two.v, "stopped", "1 minute")
    two.end(operation)
    assert (two.vm_status(two.v), two.where(two.v)) == ("up", two.b)
    two.rows(event, two.b, two.generation(two.b), two.v, "stopped", "0")
    assert (two.vm_status(two.v), two.where(two.v)) == ("down", None)


def test_a_second_copy_is_an_alarm_and_changes_nothing(two):
    listed(two, two.b, (two.v, "running"))
    assert two.texts("VM_SECOND_COPY") == ["Host b runs a domain with the id of VM vm1, which was placed on host a. "
                                           "Two copies may be running; neither is stopped."]
    assert (two.vm_status(two.v), two.where(two.v), two.status(two.b)) == ("up", two.a, "up")
    two.rows("select domain_event(%s, %s, %s, 'stopped')", two.b, two.generation(two.b), two.v)
    assert two.vm_status(two.v) == "up", "a host is not believed about VMs that were placed elsewhere"


def test_a_late_event_of_a_migration_that_failed_is_no_second_copy(two):
    two.end(two.place("migrate", two.v, two.b), "failed", "refused")
    two.rows("select domain_event(%s, %s, %s, 'started')", two.b, two.generation(two.b), two.v)
    assert two.events("VM_SECOND_COPY") == []
    two.rows("update operations set ended_at = ended_at - interval '1 minute'")
    two.rows("select domain_event(%s, %s, %s, 'started')", two.b, two.generation(two.b), two.v)
    assert two.events("VM_SECOND_COPY") == ["VM_SECOND_COPY"]


# --- operations that the manager's death left open ---

def orphan(db, kind, vm, host):
    operation = db.place(kind, vm, host)
    db.rows("select all_disconnected()")
    assert [r["id"] for r in db.rows("select * from operations_orphaned()")] == [operation]
    return operation


def outcome(db, operation):
    return db.value("select outcome from operations where id = %s", operation)


def test_an_orphaned_migration_that_arrived_is_done_whatever_an_untrusted_source_says(two):
    two.answer("untrusted", two.a)
    operation = orphan(two, "migrate", two.v, two.b)
    two.connect_host(two.a, domains=domains((two.v, "running")))
    assert outcome(two, operation) is None, "a host that is not trusted is not believed"
    two.connect_host(two.b, domains=domains((two.v, "running")))
    assert outcome(two, operation) == "done" and two.where(two.v) == two.b and two.vm_status(two.v) == "up"


def test_an_orphaned_migration_that_never_left_has_failed_when_the_target_says_so(two):
    two.answer("untrusted", two.a)
    operation = orphan(two, "migrate", two.v, two.b)
    two.connect_host(two.b, domains="[]")
    assert outcome(two, operation) is None
    two.connect_host(two.a, domains=domains((two.v, "running")))
    assert outcome(two, operation) == "failed" and two.where(two.v) == two.a and two.work() == ["vm1"]


def test_an_orphaned_migration_from_a_trusted_source_that_runs_it_has_failed(two):
    operation = orphan(two, "migrate", two.v, two.b)
    two.connect_host(two.a, domains=domains((two.v, "running")))
    assert outcome(two, operation) == "failed" and two.where(two.v) == two.a


@pytest.mark.parametrize("first", ["a", "b"])
def test_an_orphaned_migration_that_neither_host_has_ends_with_the_vm_down(two, first):
    operation = orphan(two, "migrate", two.v, two.b)
    order = [two.a, two.b] if first == "a" else [two.b, two.a]
    two.connect_host(order[0], domains="[]")
    assert outcome(two, operation) is None
    two.connect_host(order[1], domains="[]")
    assert outcome(two, operation) == "failed" and (two.vm_status(two.v), two.where(two.v)) == ("down", None)


def test_a_paused_copy_at_the_target_is_the_vm_only_when_the_source_has_it_no_more(two):
    operation = orphan(two, "migrate", two.v, two.b)
    two.connect_host(two.b, domains=domains((two.v, "paused")))
    assert outcome(two, operation) is None
    two.connect_host(two.a, domains="[]")
    assert outcome(two, operation) == "done" and two.where(two.v) == two.b


@pytest.mark.parametrize("state,result,status", [("running", "done", "up"), ("paused", "done", "paused"), (None, "failed", "down")])
def test_an_orphaned_start_ended_as_its_host_says(two, state, result, status):
    vm = two.vm(two.c, "vm2")
    operation = orphan(two, "start", vm, two.b)
    two.connect_host(two.b, domains=domains(*([(vm, state)] if state else [])))
    assert (outcome(two, operation), two.vm_status(vm)) == (result, status)


@pytest.mark.parametrize("state,result,status", [("running", "failed", "up"), (None, "done", "down")])
def test_an_orphaned_stop_ended_as_its_host_says(two, state, result, status):
    operation = uuid.uuid4()
    two.rows("select * from stop_vm(%s, %s)", operation, two.v)
    two.rows("select all_disconnected()")
    two.connect_host(two.a, domains=domains(*([(two.v, state)] if state else [])))
    assert (outcome(two, operation), two.vm_status(two.v)) == (result, status)


# --- fencing ---

def fence(db, host):
    db.rows("select fence_host(%s, 'admin@internal')", host)


def test_only_a_lost_host_can_be_confirmed_dead(two):
    with pytest.raises(Refused, match="Host a is connected"):
        fence(two, two.a)
    maintenance = two.host(two.c, "m", connected=False)
    with pytest.raises(Refused, match="Host m is not non-responsive"):
        fence(two, maintenance)


def test_the_vms_of_a_host_confirmed_dead_may_start_elsewhere(two):
    two.disconnect(two.a)
    fence(two, two.a)
    assert two.state(two.a) == ("down", "") and (two.vm_status(two.v), two.where(two.v)) == ("down", None)
    assert two.value("select user_name from audit_log where name = 'HOST_CONFIRMED_DEAD'") == "admin@internal"
    two.end(two.place("start", two.v, two.b))
    assert two.where(two.v) == two.b


@pytest.mark.parametrize("trusted", [True, False])
def test_a_fenced_host_that_comes_back_with_a_copy_stays_non_operational_and_alarms(db, trusted):
    cluster = db.cluster("c", trusted)
    a, b = db.up_host(cluster, "a"), db.up_host(cluster, "b")
    vm = db.running_vm(cluster, "vm1", a)
    db.disconnect(a)
    fence(db, a)
    db.end(db.place("start", vm, b))
    db.connect_host(a, domains=domains((vm, "running")))
    assert db.state(a) == ("non_operational", "copy")
    assert db.events("VM_SECOND_COPY") == ["VM_SECOND_COPY"] and db.events("HOST_SECOND_COPY") == ["HOST_SECOND_COPY"]
    assert (db.vm_status(vm), db.where(vm)) == ("up", b)
    db.answer("trusted", a)
    assert db.state(a) == ("non_operational", "copy"), "no verdict clears it"
    db.rows("select activate_host(%s)", a)
    db.answer("trusted", a)
    assert db.state(a) == ("up", "")


@pytest.mark.parametrize("trusted", [True, False])
def test_activating_a_fenced_host_does_not_overlook_the_copy_that_it_still_runs(db, trusted):
    cluster = db.cluster("c", trusted)
    a, b = db.up_host(cluster, "a"), db.up_host(cluster, "b")
    vm = db.running_vm(cluster, "vm1", a)
    db.disconnect(a)
    fence(db, a)
    db.end(db.place("start", vm, b))
    db.rows("select activate_host(%s)", a)
    db.connect_host(a, domains=domains((vm, "running")))
    assert db.state(a) == ("non_operational", "copy")
    assert (db.vm_status(vm), db.where(vm)) == ("up", b)
    db.rows("select activate_host(%s)", a)
    db.answer("trusted", a)
    assert db.state(a) == ("up", ""), "the administrator has seen it"


def test_a_fenced_host_that_comes_back_empty_is_asked_about(two):
    two.disconnect(two.a)
    fence(two, two.a)
    two.connect_host(two.a)
    assert two.state(two.a) == ("initializing", "")
    two.answer("trusted", two.a)
    assert two.state(two.a) == ("up", "")


def test_fencing_the_target_of_a_migration_leaves_the_vm_at_its_source(two):
    operation = two.place("migrate", two.v, two.b)
    two.disconnect(two.b)
    fence(two, two.b)
    assert (two.vm_status(two.v), two.where(two.v)) == ("up", two.a)
    two.end(operation, "failed")
    assert outcome(two, operation) == "failed"


def test_fencing_the_target_of_a_migration_that_left_its_source_leaves_the_vm_down(two):
    operation = orphan(two, "migrate", two.v, two.b)
    two.connect_host(two.a, domains="[]")
    two.rows("select host_disconnected(%s, 0, 'no route')", two.b)
    fence(two, two.b)
    assert outcome(two, operation) == "failed" and (two.vm_status(two.v), two.where(two.v)) == ("down", None)


def test_fencing_the_source_waits_for_a_migration_to_a_connected_target(two):
    operation = two.place("migrate", two.v, two.b)
    two.disconnect(two.a)
    with pytest.raises(Refused, match="VMs may be arriving from host a at other hosts: vm1"):
        fence(two, two.a)
    two.end(operation, "done")
    fence(two, two.a)
    assert (two.vm_status(two.v), two.where(two.v)) == ("up", two.b)


def test_fencing_the_source_with_the_target_lost_too_leaves_the_vm_unknown_at_the_target(two):
    two.place("migrate", two.v, two.b)
    two.disconnect(two.a)
    two.disconnect(two.b)
    fence(two, two.a)
    assert (two.vm_status(two.v), two.where(two.v)) == ("unknown", two.b)
    two.connect_host(two.b, domains=domains((two.v, "running")))
    assert two.vm_status(two.v) == "up"


# --- activation and clusters ---

def test_activation_in_a_cluster_that_is_not_trusted_needs_no_answer(db):
    host = db.host(db.cluster("plain", trusted=False), "a")
    row = db.row("select * from activate_host(%s, 'admin@internal')", host)
    assert row == {"generation": db.generation(host), "connected": True, "status": "up", "cluster_trusted": False,
                   "id": host, "name": "a", "attestation_id": db.value("select attestation_id from hosts")}
    with pytest.raises(Refused, match="Host a is up already"):
        db.rows("select * from activate_host(%s)", host)
    assert db.value("select user_name from audit_log where name = 'HOST_ACTIVATED'") == "admin@internal"


def test_activation_in_a_trusted_cluster_waits_for_the_answer(db):
    host = db.host(db.cluster(), "a", connected=False)
    row = db.row("select * from activate_host(%s)", host)
    assert (row["connected"], row["status"], row["cluster_trusted"]) == (False, "initializing", True)
    db.connect_host(host)
    assert db.status(host) == "initializing"
    db.answer("untrusted", host)
    assert db.state(host) == ("non_operational", "untrusted")
    with pytest.raises(Refused) as refused:
        db.rows("select * from activate_host(%s)", uuid.uuid4())
    assert refused.value.code == "TP404"


def update_flag(db, cluster, trusted):
    db.rows("select cluster_update(%s, null, null, null, null, null, null, %s, null)", cluster, trusted)


def test_the_flag_of_a_cluster_changes_only_while_its_hosts_are_in_maintenance(db):
    cluster = db.cluster("c", trusted=False)
    host = db.up_host(cluster, "a")
    with pytest.raises(Refused, match="trusted_service of cluster c cannot change while it has hosts that are not in maintenance: a."):
        update_flag(db, cluster, True)
    update_flag(db, cluster, False)
    db.rows("select deactivate_host(%s)", host)
    update_flag(db, cluster, True)
    assert db.events("CLUSTER_MADE_TRUSTED") == ["CLUSTER_MADE_TRUSTED"]
    db.rows("select activate_host(%s)", host)
    assert db.status(host) == "initializing", "now it needs a verdict"


def test_an_activation_that_races_a_change_of_the_flag_sees_the_new_flag(db):
    cluster = db.cluster("c", trusted=False)
    host = db.host(cluster, "a")
    one, two = db.session(), db.session()
    one.begin()
    update_flag(one, cluster, True)
    call = Call(lambda: two.rows("select * from activate_host(%s)", host))
    db.wait_until_blocked(two)
    one.commit()
    call.result()
    assert db.status(host) == "initializing"


def test_a_host_changes_its_cluster_only_in_maintenance(db):
    one, two = db.cluster("one"), db.cluster("two", trusted=False)
    host = db.up_host(one, "a")
    move = lambda: db.rows("select host_update(%s, null, null, %s)", host, two)
    with pytest.raises(Refused, match="Host a is not in maintenance. Deactivate it before it is moved to another cluster."):
        move()
    db.rows("select deactivate_host(%s)", host)
    move()
    db.rows("select host_update(%s, 'b', 'rack 4', null)", host)
    assert db.row("select name, comment, cluster_id from hosts") == {"name": "b", "comment": "rack 4", "cluster_id": two}


def test_clusters_and_data_centers_in_use_are_not_removed(db):
    cluster = db.cluster("c")
    host, vm = db.host(cluster, "a"), db.vm(cluster, "vm1")
    remove = lambda: db.rows("select cluster_remove(%s)", cluster)
    with pytest.raises(Refused, match="Cluster c has hosts: a"):
        remove()
    db.rows("select host_remove(%s)", host)
    with pytest.raises(Refused, match="Cluster c has VMs or templates: vm1"):
        remove()
    db.rows("select vm_remove(%s)", vm)
    remove()
    center = db.value("select data_center_add('dc', '')")
    with pytest.raises(Refused, match="There is a data center with the name dc already"):
        db.rows("select data_center_add('dc', '')")
    db.rows("select data_center_remove(%s)", center)
    with pytest.raises(Refused, match="Data center Default has clusters: Default"):
        db.rows("select data_center_remove((select id from data_centers))")


def test_notifications_come_with_the_commit(two):
    listener = two.session()
    listener.rows("listen trustpool")
    two.answer("untrusted", two.a)
    listener.rows("select 1")
    assert {n.payload for n in listener.connection.notifies} == {"evacuation", "verdict", "events"}
    two.host(two.c, "new", connected=False)
    listener.connection.notifies.clear()
    listener.rows("select 1")
    assert "hosts" in {n.payload for n in listener.connection.notifies}
