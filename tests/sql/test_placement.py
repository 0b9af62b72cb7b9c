"""Rule TRUST: which placements are refused, with which text, and what operations do to a VM."""

import json
import uuid

import pytest
from pool import Refused


@pytest.fixture
def three(db):
    cluster = db.cluster()
    return cluster, db.up_host(cluster, "a"), db.up_host(cluster, "b"), db.up_host(cluster, "c")


def refusal(db, kind, vm, host, **keys):
    with pytest.raises(Refused) as refused:
        db.place(kind, vm, host, **keys)
    return refused.value.code, str(refused.value)


# --- requires_trust ---

def test_a_vm_requires_trust_by_its_cluster_its_flag_or_its_instance_type(db):
    plain, trusted = db.cluster("plain", trusted=False), db.cluster()
    requires = lambda vm: db.value("select requires_trust(%s)", vm)
    vm = db.vm(plain, "vm1")
    assert requires(vm) is False
    assert requires(db.vm(trusted, "vm2")) is True
    assert requires(db.vm(plain, "vm3", trusted_host_flag=True)) is True
    for properties, expected in (('{"trust:trusted_host": "trusted"}', True), ('{"trust:trusted_host": "untrusted"}', False), ("{}", False)):
        kind = db.value("insert into instance_types (name, properties) values (%s, %s) returning id", properties, properties)
        db.rows("update vms set instance_type_id = %s where id = %s", kind, vm)
        assert requires(vm) is expected


def test_a_vm_that_requires_trust_is_placed_in_another_cluster_only_on_a_trusted_host(db):
    plain = db.cluster("plain", trusted=False)
    a, b = db.up_host(plain, "a"), db.up_host(plain, "b")
    vm = db.vm(plain, "vm1", trusted_host_flag=True)
    assert refusal(db, "start", vm, a) == ("TP409", "Host a is not attested as trusted (its verdict is unknown), and VM vm1 requires trust.")
    db.answer("untrusted", a)
    assert "its verdict is untrusted" in refusal(db, "start", vm, a)[1]
    db.answer("trusted", b)
    db.end(db.place("start", vm, b))
    assert "its verdict is untrusted" in refusal(db, "migrate", vm, a)[1], "every placement is checked, not only the first"
    other = db.vm(plain, "vm2")
    db.end(db.place("start", other, a))
    assert db.where(other) == a, "a VM that does not require trust runs anywhere"
    # untrusted moves only the VMs that require trust, and the host stays up
    db.answer("untrusted", b)
    assert db.status(b) == "up" and db.work() == ["vm1"]
    db.answer("untrusted", a)
    assert db.evacuation(a) is None
    db.answer("trusted", b)
    assert db.work() == [] and db.evacuation(b) is None


# --- refusals ---

def test_refused_in_another_cluster(db, three):
    other = db.up_host(db.cluster("other"), "x")
    assert refusal(db, "start", db.vm(three[0], "vm1"), other) == ("TP409", "Host x is in another cluster than VM vm1.")


def test_refused_on_hosts_that_are_not_up(db, three):
    cluster, a, b, c = three
    vm = db.vm(cluster, "vm1")
    db.answer("untrusted", a)
    assert refusal(db, "start", vm, a)[1] == "Host a is non_operational (untrusted); VMs are placed only on hosts that are up."
    db.disconnect(b)
    assert refusal(db, "start", vm, b)[1] == "Host b is non_responsive (connection); VMs are placed only on hosts that are up."
    db.rows("select deactivate_host(%s)", c)
    assert refusal(db, "start", vm, c)[1] == "Host c is maintenance; VMs are placed only on hosts that are up."
    assert db.rows("select * from operations") == [] and db.vm_status(vm) == "down"


def test_refused_when_the_verdict_has_expired_although_the_host_is_still_up(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1")
    db.rows("update hosts set valid_until = clock_timestamp() where id = %s", a)
    assert refusal(db, "start", vm, a)[1] == "The verdict on host a has expired, and VM vm1 requires trust."
    db.end(db.place("start", vm, b))
    assert refusal(db, "migrate", vm, a)[1] == "The verdict on host a has expired, and VM vm1 requires trust."


def test_refused_on_a_connection_newer_than_the_one_that_was_chosen(db, three):
    cluster, a, _, _ = three
    with pytest.raises(Refused, match="Host a has been connected anew since it was chosen. Try again."):
        db.rows("select * from place_vm(gen_random_uuid(), 'start', %s, %s, %s, false)", db.vm(cluster, "vm1"), a, db.generation(a) - 1)


def test_refused_until_the_domains_of_a_new_connection_were_compared(db):
    plain = db.cluster("plain", trusted=False)
    host, vm = db.up_host(plain, "a"), db.vm(plain, "vm1")
    made = db.connect_host(host, domains=None)
    assert db.status(host) == "up"
    assert refusal(db, "start", vm, host)[1] == "Host a has just connected and its domains are still being compared. Try again."
    db.rows("select domains_listed(%s, %s, '[]')", host, made["generation"])
    db.place("start", vm, host)


def test_refused_where_memory_is_short_counting_what_is_on_its_way(db):
    cluster = db.cluster()
    a, b = db.up_host(cluster, "a", memory=2048), db.up_host(cluster, "b", memory=2048)
    db.running_vm(cluster, "vm1", a, memory=1024)
    vm2 = db.running_vm(cluster, "vm2", b, memory=1000)
    db.place("migrate", vm2, a)
    vm3 = db.vm(cluster, "vm3", memory=512)
    assert refusal(db, "start", vm3, a) == ("TP409", "Host a has 24 MiB of memory free and VM vm3 needs 512 MiB.")
    assert refusal(db, "start", db.vm(cluster, "vm4", memory=1049), b)[1].startswith("Host b has 1048 MiB"), "it still counts where it comes from"


def test_refused_by_the_placement_policy(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1", affinity="pinned", pinned_host_id=str(a))
    assert refusal(db, "start", vm, b)[1] == "VM vm1 is pinned to host a."
    db.end(db.place("start", vm, a))
    assert refusal(db, "migrate", vm, b)[1] == "VM vm1 is pinned by its placement policy and cannot migrate."


def test_refused_in_the_wrong_state_of_the_vm(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1")
    assert refusal(db, "migrate", vm, a)[1] == "VM vm1 is down; only a VM that is up or paused can migrate."
    operation = db.place("start", vm, a)
    assert refusal(db, "start", vm, b)[1] == "VM vm1 is wait_for_launch: another operation is under way. Wait until it has ended."
    db.end(operation)
    assert refusal(db, "start", vm, b)[1] == "VM vm1 is up; only a VM that is down can be started."
    assert refusal(db, "migrate", vm, a)[1] == "VM vm1 is on host a already."
    db.disconnect(a)
    for kind in ("start", "migrate"):
        assert refusal(db, kind, vm, b)[1] == ("VM vm1 is unknown: host a, where it ran, is not responding. "
                                               "If the host is dead, confirm that first (fence).")


def test_refused_while_a_domain_with_its_id_runs_where_the_manager_did_not_place_it(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1")
    db.rows("select domain_event(%s, %s, %s, 'started')", a, db.generation(a), vm)
    assert refusal(db, "start", vm, b)[1] == "A domain with the id of VM vm1 runs on host a, where the manager did not place it. Stop it there first."
    db.rows("select domain_event(%s, %s, %s, 'stopped')", a, db.generation(a), vm)
    db.place("start", vm, b)


def test_what_is_not_there_is_not_found(db, three):
    cluster, a, _, _ = three
    assert refusal(db, "start", uuid.uuid4(), a)[0] == "TP404"
    assert refusal(db, "start", db.vm(cluster, "vm1"), uuid.uuid4())[0] == "TP404"
    with pytest.raises(Refused, match="There is no VM"):
        db.rows("select * from candidate_hosts(%s)", uuid.uuid4())


def test_candidates_say_for_each_host_of_the_cluster_why_not(db, three):
    cluster, a, b, c = three
    db.up_host(db.cluster("other"), "x")
    vm = db.vm(cluster, "vm1")
    db.running_vm(cluster, "vm2", b)
    db.answer("untrusted", a)
    rows = db.rows("select * from candidate_hosts(%s)", vm)
    assert [(r["name"], r["passes"], r["free_mib"], r["why"]) for r in rows] == [
        ("c", True, 8192, ""), ("b", True, 7168, ""),
        ("a", False, 8192, "Host a is non_operational (untrusted); VMs are placed only on hosts that are up.")]
    assert rows[0]["generation"] == db.generation(c) and rows[0]["attestation_id"] == "c.example"


# --- operations ---

def test_the_same_operation_again_returns_the_same_and_changes_nothing(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1")
    start, generation = uuid.uuid4(), db.generation(a)
    for _ in range(2):
        row = db.row("select * from place_vm(%s, 'start', %s, %s, %s, false)", start, vm, a, generation)
        assert row == {"generation": generation, "source": None}
    for _ in range(2):
        db.end(start)
    db.end(start, "failed")
    assert db.vm_status(vm) == "up" and db.events("VM_STARTED") == ["VM_STARTED"] and db.events("VM_START_FAILED") == []
    move = uuid.uuid4()
    for _ in range(2):
        assert db.row("select * from place_vm(%s, 'migrate', %s, %s, %s, false)", move, vm, b, db.generation(b))["source"] == a
    with pytest.raises(Refused) as refused:
        db.place("start", vm, b, operation=move)
    assert refused.value.code == "TP400"
    db.end(move)
    stop = uuid.uuid4()
    for _ in range(2):
        assert db.row("select * from stop_vm(%s, %s)", stop, vm) == {"host": b, "generation": db.generation(b)}
    db.end(stop)
    db.end(stop)
    assert db.events("VM_STOPPED") == ["VM_STOPPED"] and db.vm_status(vm) == "down" and db.where(vm) is None


def test_operations_that_ended_long_ago_are_forgotten_when_another_begins(db, three):
    cluster, a, b, _ = three
    vm = db.running_vm(cluster, "vm1", a)
    db.end(db.place("migrate", vm, b))
    db.rows("update operations set ended_at = ended_at - interval '2 days'")
    operation = db.place("migrate", vm, a)
    assert [row["id"] for row in db.rows("select id from operations where vm_id = %s", vm)] == [operation]


def test_what_failed_leaves_the_vm_where_it_was(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1")
    db.end(db.place("start", vm, a), "failed", "no such disk")
    assert (db.vm_status(vm), db.where(vm)) == ("down", None)
    assert db.texts("VM_START_FAILED") == ["VM vm1 could not be started on host a: no such disk"]
    db.end(db.place("start", vm, a))
    db.end(db.place("migrate", vm, b), "failed", "timeout")
    assert (db.vm_status(vm), db.where(vm)) == ("up", a)
    assert db.texts("VM_MIGRATION_FAILED") == ["VM vm1 could not migrate from host a to host b: timeout"]
    stop = uuid.uuid4()
    db.rows("select * from stop_vm(%s, %s)", stop, vm)
    assert db.vm_status(vm) == "powering_down"
    db.end(stop, "failed", "timeout")
    assert (db.vm_status(vm), db.where(vm)) == ("up", a)


def test_the_end_of_an_operation_that_is_not_the_vms_any_more_does_nothing_to_it(db, three):
    cluster, a, b, _ = three
    vm = db.running_vm(cluster, "vm1", a)
    late = db.place("migrate", vm, b)
    db.rows("update vms set status = 'up', operation = null, target_host_id = null where id = %s", vm)
    db.end(late, "done")
    assert db.where(vm) == a and db.events("VM_MIGRATED") == []


def test_a_vm_that_stopped_while_an_operation_was_under_way_is_down_when_it_ends(db, three):
    cluster, a, b, _ = three
    vm = db.vm(cluster, "vm1")
    start = db.place("start", vm, a)
    event = "select domain_event(%s, %s, %s, %s)"
    db.rows(event, a, db.generation(a), vm, "started")
    db.rows(event, a, db.generation(a), vm, "crashed")
    assert db.vm_status(vm) == "wait_for_launch"
    db.end(start)
    assert (db.vm_status(vm), db.where(vm)) == ("down", None)
    vm = db.running_vm(cluster, "vm2", a)
    move = db.place("migrate", vm, b)
    db.rows(event, b, db.generation(b), vm, "started")
    db.rows(event, a, db.generation(a), vm, "stopped")  # the source's copy, after the VM has left
    db.end(move)
    assert (db.vm_status(vm), db.where(vm)) == ("up", b)


def test_stopping_is_refused_for_a_vm_that_does_not_run_or_is_unknown(db, three):
    cluster, a, _, _ = three
    vm = db.vm(cluster, "vm1")
    stop = lambda: db.rows("select * from stop_vm(%s, %s)", uuid.uuid4(), vm)
    with pytest.raises(Refused, match="VM vm1 is down; only a VM that is up or paused can be stopped"):
        stop()
    db.end(db.place("start", vm, a))
    db.disconnect(a)
    with pytest.raises(Refused, match="VM vm1 is unknown: host a"):
        stop()


# --- definitions ---

def test_a_definition_is_kept_with_its_disks_and_nics(db):
    cluster = db.cluster()
    vm = db.vm(cluster, "vm1", cpus=2, display="none", disks=[{"source": "nbd://10.0.0.1:10809/x", "bootable": True}, {"source": "/x.iso", "readonly": True}],
               nics=[{"network": "default"}, {"network": "default", "mac": "52:54:00:AA:BB:CC"}])
    assert [(r["ordinal"], r["source"], r["format"], r["readonly"], r["bootable"]) for r in db.rows("select * from vm_disks where vm_id = %s order by ordinal", vm)] == [
        (0, "nbd://10.0.0.1:10809/x", "raw", False, True), (1, "/x.iso", "raw", True, False)]
    macs = [r["mac"] for r in db.rows("select mac from vm_nics order by ordinal")]
    assert macs[0].startswith("52:54:00:") and macs[1] == "52:54:00:aa:bb:cc"
    db.rows("select vm_update(%s, '{\"memory_mib\": 2048, \"disks\": [], \"name\": \"renamed\"}')", vm)
    assert db.row("select name, memory_mib, cpus from vms where id = %s", vm) == {"name": "renamed", "memory_mib": 2048, "cpus": 2}
    assert db.rows("select * from vm_disks") == [] and len(db.rows("select * from vm_nics")) == 2


@pytest.mark.parametrize("keys,text", [
    ({"memory_mib": 1}, "memory"), ({"cpus": 0}, "CPUs"), ({"priority": 101}, "priority"), ({"display": "x"}, "display"),
    ({"affinity": "x"}, "affinity"), ({"name": ""}, "name"), ({"name": None}, "name"), ({"disks": [{"format": "raw"}]}, "disk"),
    ({"disks": [{"source": "/x", "bus": "floppy"}]}, "disk"), ({"nics": [{"network": "n", "mac": "zz"}]}, "NIC"), ({"nics": [{}]}, "NIC"),
    ({"memory_mib": "much"}, "not valid"), ({"pinned_host_id": "x"}, "not valid")])
def test_a_bad_definition_is_refused_in_words_and_changes_nothing(db, keys, text):
    cluster = db.cluster()
    with pytest.raises(Refused, match=text) as refused:
        db.vm(cluster, **{"name": "vm1", **keys})
    assert refused.value.code == "TP400" and db.rows("select * from vms") == []


def test_two_who_change_a_vm_at_once_keep_each_others_changes(db):
    vm = db.vm(db.cluster(), "vm1")
    before = json.dumps({"name": "vm1", "comment": "", "trusted_host_flag": False})
    update = "select vm_update(%s, %s, %s)"
    db.rows(update, vm, json.dumps({"name": "vm1", "comment": "", "trusted_host_flag": True}), before)
    db.rows(update, vm, json.dumps({"name": "vm2", "comment": "", "trusted_host_flag": False}), before)
    assert db.row("select name, trusted_host_flag from vms where id = %s", vm) == {"name": "vm2", "trusted_host_flag": True}


def test_a_running_vm_keeps_its_definition_but_not_its_name(db, three):
    cluster, a, _, _ = three
    vm = db.running_vm(cluster, "vm1", a, nics=[{"network": "default"}], disks=[{"source": "/x"}])
    mac = db.value("select mac from vm_nics")
    same = '{"memory_mib": 1024, "name": "vm9", "priority": 7, "disks": [{"source": "/x"}], "nics": [{"network": "default", "mac": "%s"}]}' % mac
    db.rows("select vm_update(%s, %s)", vm, same)
    assert db.row("select name, priority from vms where id = %s", vm) == {"name": "vm9", "priority": 7}
    for change in ('{"memory_mib": 2048}', '{"trusted_host_flag": true}', '{"disks": []}', '{"disks": [{"source": "/y"}]}', '{"nics": []}'):
        with pytest.raises(Refused, match="VM vm9 is up. Stop it before its definition is changed"):
            db.rows("select vm_update(%s, %s)", vm, change)
    with pytest.raises(Refused, match="Stop it before it is removed"):
        db.rows("select vm_remove(%s)", vm)


def test_names_are_unique_and_references_are_checked(db):
    cluster = db.cluster()
    vm = db.vm(cluster, "vm1")
    with pytest.raises(Refused, match="There is a VM with the name vm1 already") as refused:
        db.vm(cluster, "vm1")
    assert refused.value.code == "TP409"
    for keys in ({"cluster_id": str(uuid.uuid4())}, {"template_id": str(uuid.uuid4())}):
        with pytest.raises(Refused) as refused:
            db.vm(**{"cluster": cluster, "name": "vm2", **keys})
        assert refused.value.code == "TP404"
    other = db.host(db.cluster("other"), "x")
    with pytest.raises(Refused, match="is not in the VM's cluster"):
        db.rows("select vm_update(%s, %s)", vm, '{"pinned_host_id": "%s"}' % other)
    db.rows("select vm_remove(%s)", vm)
    with pytest.raises(Refused) as refused:
        db.rows("select vm_remove(%s)", vm)
    assert refused.value.code == "TP404"
