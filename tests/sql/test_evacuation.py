"""The life of evacuation work: opened with its reason, held, due, tried, waiting, staying, closed."""

import pytest
from pool import Call, Refused


@pytest.fixture
def pool(db):
    """Four hosts, so that one that turns bad is no storm, and one VM on the first."""
    db.c = db.cluster()
    db.a, db.b, db.d, db.e = (db.up_host(db.c, name) for name in "abde")
    db.v = db.running_vm(db.c, "vm1", db.a)
    return db


def close(db):
    db.rows("select evacuation_close()")


def test_work_is_ordered_by_priority_and_says_what_the_plan_needs(pool):
    pool.running_vm(pool.c, "vm2", pool.a, priority=50)
    pool.running_vm(pool.c, "vm3", pool.a, memory=2048)
    pool.answer("untrusted", pool.a)
    assert pool.work() == ["vm2", "vm3", "vm1"]
    row = pool.rows("select * from evacuation_work()")[2]
    assert (row["host"], row["host_name"], row["host_generation"], row["cluster"], row["why"], row["vm"], row["memory_mib"], row["requires_trust"],
            row["affinity"], row["tried"]) == (
        pool.a, "a", pool.generation(pool.a), pool.c, "untrusted", pool.v, 1024, True, "migratable", [])
    targets = pool.rows("select * from evacuation_targets() order by name")
    assert [(t["name"], t["trusted_fresh"], t["free_mib"], t["incoming"]) for t in targets] == [
        ("b", True, 8192, 0), ("d", True, 8192, 0), ("e", True, 8192, 0)]


def test_no_work_is_opened_for_a_host_without_vms_until_one_arrives(pool):
    pool.answer("untrusted", pool.b)
    assert pool.evacuation(pool.b) is None
    move = pool.place("migrate", pool.v, pool.d)
    pool.answer("untrusted", pool.d)
    assert pool.evacuation(pool.d)["why"] == "untrusted", "one is on its way there"
    assert pool.work() == []
    close(pool)
    pool.end(move)
    assert pool.work() == ["vm1"]


def test_a_vm_that_arrives_on_a_bad_host_after_its_work_was_closed_opens_it_again(pool):
    pool.answer("untrusted", pool.b)
    pool.rows("update vms set host_id = %s where id = %s", pool.b, pool.v)  # whatever the way
    pool.rows("select domains_listed(%s, %s, %s)", pool.b, pool.generation(pool.b),
              '[{"uuid": "%s", "name": "vm1", "state": "running"}]' % pool.v)
    assert pool.work() == ["vm1"]


def test_done_when_the_last_vm_has_left_and_not_while_one_is_on_its_way(pool):
    pool.answer("untrusted", pool.a)
    move = pool.place("migrate", pool.v, pool.b, evacuation=True)
    assert pool.work() == []
    close(pool)
    assert pool.evacuation(pool.a) is not None
    pool.end(move)
    close(pool)
    close(pool)
    assert pool.evacuation(pool.a) is None
    assert pool.events("EVACUATION_DONE") == ["EVACUATION_DONE"] and pool.events("EVACUATION_STARTED") == ["EVACUATION_STARTED"]


def test_over_when_the_host_is_up_again(pool):
    pool.answer("untrusted", pool.a)
    pool.rows("select activate_host(%s)", pool.a)
    assert pool.evacuation(pool.a) is not None, "an activation alone clears nothing"
    pool.answer("trusted", pool.a)
    assert pool.evacuation(pool.a) is None and pool.events("EVACUATION_DONE") == []


def test_a_target_that_fails_is_remembered_and_after_three_the_vm_stays_and_is_reported_once(pool):
    pool.answer("untrusted", pool.a)
    for n, target in enumerate((pool.b, pool.d, pool.e), 1):
        move = pool.place("migrate", pool.v, target, evacuation=True)
        pool.end(move, "failed", "no route")
        pool.rows("select evacuation_tried(%s, %s, %s, 'no route')", pool.a, pool.v, target)
        assert pool.work() == (["vm1"] if n < 3 else [])
        if n < 3:
            assert pool.rows("select tried from evacuation_work()")[0]["tried"] == [pool.b, pool.d, pool.e][:n]
    assert (pool.vm_status(pool.v), pool.where(pool.v)) == ("up", pool.a), "rule RUNNING"
    assert pool.texts("VM_MIGRATION_FAILED") == [
        "VM vm1 stays on host a and keeps running: its migration failed to 3 hosts. The last error: no route"]
    assert pool.events("VM_MIGRATION_TRY_FAILED") == ["VM_MIGRATION_TRY_FAILED"] * 3
    close(pool)
    assert pool.evacuation(pool.a) is not None, "what stays keeps the work open"
    pool.up_host(pool.c, "new")
    assert pool.work() == ["vm1"], "a host that comes up is one more to try"


def test_a_vm_that_cannot_migrate_keeps_running_and_is_reported_once(pool):
    pool.answer("untrusted", pool.a)
    for _ in range(3):
        pool.rows("select evacuation_stays(%s, %s, 'it is pinned')", pool.a, pool.v)
    assert pool.work() == [] and pool.vm_status(pool.v) == "up"
    assert pool.texts("VM_CANNOT_MIGRATE") == ["VM vm1 cannot leave host a and keeps running there: it is pinned"]
    pool.up_host(pool.c, "new")
    pool.answer("untrusted", pool.a)
    close(pool)
    assert pool.work() == [] and pool.evacuation(pool.a) is not None
    # it stops: then nothing is left
    pool.rows("select domain_event(%s, %s, %s, 'stopped')", pool.a, pool.generation(pool.a), pool.v)
    close(pool)
    assert pool.evacuation(pool.a) is None


def test_no_target_is_an_alarm_once_until_a_vm_has_left_again(pool):
    pool.answer("untrusted", pool.a)
    for _ in range(3):
        pool.rows("select evacuation_waits(%s)", pool.a)
    assert pool.events("EVACUATION_NO_TARGET") == ["EVACUATION_NO_TARGET"]
    pool.place("migrate", pool.v, pool.b, evacuation=True)
    pool.rows("select evacuation_waits(%s)", pool.a)
    assert len(pool.events("EVACUATION_NO_TARGET")) == 2


def test_a_paused_vm_leaves_too_and_stays_paused(pool):
    pool.rows("select domain_event(%s, %s, %s, 'suspended')", pool.a, pool.generation(pool.a), pool.v)
    pool.answer("untrusted", pool.a)
    assert pool.work() == ["vm1"]
    pool.end(pool.place("migrate", pool.v, pool.b, evacuation=True))
    assert (pool.vm_status(pool.v), pool.where(pool.v)) == ("paused", pool.b)


def test_what_is_said_of_work_that_is_over_is_ignored(pool):
    pool.rows("select evacuation_tried(%s, %s, %s, 'late')", pool.a, pool.v, pool.b)
    pool.rows("select evacuation_stays(%s, %s, 'late')", pool.a, pool.v)
    pool.rows("select evacuation_waits(%s)", pool.a)
    assert pool.rows("select * from evacuation_vms") == []


# --- rule CALM ---

def test_a_host_the_service_does_not_know_is_emptied_after_the_grace_and_not_if_it_comes_back(pool):
    pool.rows("select all_disconnected()")
    pool.connect_host(pool.a, domains='[{"uuid": "%s", "name": "vm1", "state": "running"}]' % pool.v)
    pool.answer("unanswered", pool.a)
    assert pool.state(pool.a) == ("non_operational", "not_attested")
    assert pool.work() == []
    due = pool.value("select next_evacuation()")
    pool.answer("unanswered", pool.a)
    assert pool.value("select next_evacuation()") == due, "the grace begins with the first unanswered question"
    pool.answer("untrusted", pool.a)
    assert pool.work() == ["vm1"] and pool.evacuation(pool.a)["why"] == "untrusted", "what is known to be bad has no grace"


def test_a_storm_is_held_until_an_administrator_releases_it(pool):
    vms = [pool.running_vm(pool.c, f"on_{host}", host) for host in (pool.b, pool.d)]
    pool.answer("untrusted", pool.a)
    assert pool.work() == ["vm1"], "one of four"
    pool.answer("untrusted", pool.b)
    assert sorted(pool.work()) == sorted(["vm1", f"on_{pool.b}"]), "two of four are not more than half"
    pool.answer("untrusted", pool.d)
    assert pool.work() == [] and pool.evacuation(pool.a)["held"]
    assert pool.texts("EVACUATION_HELD")[0].startswith("3 of 4 hosts of cluster trusted turned bad at once. The evacuation of a, b, d waits")
    assert [pool.state(h) for h in (pool.a, pool.b, pool.d)] == [("non_operational", "untrusted")] * 3, "held is the moving only"
    pool.rows("select evacuation_release(%s, 'admin@internal')", pool.b)
    assert pool.work() == [f"on_{pool.b}"]
    assert pool.events("EVACUATION_RELEASED") == ["EVACUATION_RELEASED"]
    with pytest.raises(Refused, match="No evacuation of host b is held"):
        pool.rows("select evacuation_release(%s)", pool.b)
    pool.answer("untrusted", pool.a, pool.b, pool.d)
    assert pool.work() == [f"on_{pool.b}"], "what was released is not held again"
    assert vms


def test_a_storm_in_one_answer_is_held_and_one_spread_over_time_is_not(pool):
    pool.running_vm(pool.c, "vm2", pool.b)
    pool.running_vm(pool.c, "vm3", pool.d)
    pool.answer("untrusted", pool.a)
    pool.answer("untrusted", pool.b)
    pool.rows("update hosts set turned_bad_at = turned_bad_at - (select auth_timeout from settings)")
    pool.answer("untrusted", pool.d)
    assert sorted(pool.work()) == ["vm1", "vm2", "vm3"] and pool.events("EVACUATION_HELD") == []


def test_hosts_of_one_cluster_that_turn_bad_in_racing_transactions_are_counted_together(pool):
    pool.running_vm(pool.c, "vm2", pool.b)
    pool.rows("update settings set evacuation_max_share = 25")
    one, two = pool.session(), pool.session()
    one.begin()
    pool.record(pool.poll(pool.a), {pool.a: "untrusted"}, session=one)
    call = Call(lambda: pool.record(pool.poll(pool.b), {pool.b: "untrusted"}, session=two))
    pool.wait_until_blocked(two)
    one.commit()
    call.result()
    assert pool.work() == [] and pool.evacuation(pool.a)["held"] and pool.evacuation(pool.b)["held"]


# --- maintenance ---

def test_a_host_without_vms_is_in_maintenance_at_once(pool):
    pool.rows("select deactivate_host(%s)", pool.b)
    assert pool.state(pool.b) == ("maintenance", "") and pool.evacuation(pool.b) is None
    assert pool.events()[-2:] == ["HOST_PREPARING_FOR_MAINTENANCE", "HOST_MAINTENANCE"]
    with pytest.raises(Refused, match="Host b is in maintenance already"):
        pool.rows("select deactivate_host(%s)", pool.b)


def test_maintenance_moves_every_vm_and_begins_when_the_last_has_left(db):
    plain = db.cluster("plain", trusted=False)
    a, b = db.up_host(plain, "a"), db.up_host(plain, "b")
    vm = db.running_vm(plain, "vm1", a)
    db.rows("select deactivate_host(%s, false, 'admin@internal')", a)
    assert db.status(a) == "preparing_for_maintenance"
    assert db.work() == ["vm1"]
    with pytest.raises(Refused, match="Host a is preparing for maintenance. Wait"):
        db.rows("select activate_host(%s)", a)
    move = db.place("migrate", vm, b, evacuation=True)
    close(db)
    assert db.status(a) == "preparing_for_maintenance"
    db.end(move)
    close(db)
    assert db.status(a) == "maintenance" and db.evacuation(a) is None


def test_maintenance_is_refused_for_vms_that_cannot_move_unless_they_may_stay(pool):
    pool.running_vm(pool.c, "pinned", pool.b, affinity="pinned", pinned_host_id=str(pool.b))
    pool.running_vm(pool.c, "by hand", pool.b, affinity="user_migratable")
    with pytest.raises(Refused, match="VMs on host b cannot migrate: pinned. Stop them, or deactivate the host with leave_running."):
        pool.rows("select deactivate_host(%s)", pool.b)
    assert pool.status(pool.b) == "up"
    pool.rows("select deactivate_host(%s, true)", pool.b)
    assert sorted(pool.work()) == ["by hand", "pinned"]
    pinned, by_hand = (pool.value("select id from vms where name = %s", name) for name in ("pinned", "by hand"))
    pool.rows("select evacuation_stays(%s, %s, 'it is pinned')", pool.b, pinned)
    close(pool)
    assert pool.status(pool.b) == "preparing_for_maintenance"
    pool.end(pool.place("migrate", by_hand, pool.d, evacuation=True))
    close(pool)
    assert pool.status(pool.b) == "maintenance" and pool.vm_status(pinned) == "up"


def test_the_wish_for_maintenance_outlives_a_lost_connection_and_a_bad_verdict(pool):
    pool.rows("select deactivate_host(%s)", pool.a)
    pool.answer("untrusted", pool.a)
    assert pool.status(pool.a) == "preparing_for_maintenance"
    pool.disconnect(pool.a)
    assert pool.status(pool.a) == "non_responsive" and pool.work() == []
    pool.connect_host(pool.a, domains='[{"uuid": "%s", "name": "vm1", "state": "running"}]' % pool.v)
    assert pool.status(pool.a) == "preparing_for_maintenance" and pool.work() == ["vm1"]
    pool.end(pool.place("migrate", pool.v, pool.b, evacuation=True))
    close(pool)
    assert pool.status(pool.a) == "maintenance"
