"""How far migrations are, what evacuations show of it, and which migrations must not go on."""

import uuid

import pytest


@pytest.fixture
def pool(db):
    """Four hosts, three VMs on the first, which is emptied; the first VM is on its way to the second host."""
    db.c = db.cluster()
    db.a, db.b, db.d, db.e = (db.up_host(db.c, name) for name in "abde")
    db.v, db.w, db.x = (db.running_vm(db.c, name, db.a) for name in ("vm1", "vm2", "vm3"))
    db.answer("untrusted", db.a)
    db.move = db.place("migrate", db.v, db.b, evacuation=True)
    return db


def tell(pool, *reports):
    """reports: (operation, total, remaining, step); what must be aborted comes back."""
    columns = [list(column) for column in zip(*reports)] or [[], [], [], []]
    return {row["operation"]: row["why"] for row in pool.rows(
        "select * from migrations_progress(%s::uuid[], %s::bigint[], %s::bigint[], %s::text[])", *columns)}


def shown(pool):
    return [(row["host_name"], row["waiting"], row["moving"], row["staying"]) for row in pool.rows("select * from evacuation_rows order by host_name")]


def moves(pool):
    return [(row["vm_name"], row["target_name"], row["data_total"], row["data_remaining"], row["percent"], row["step"])
            for row in pool.rows("select * from evacuation_moves order by vm_name")]


def test_every_vm_of_the_work_is_waiting_moving_or_staying(pool):
    pool.rows("select evacuation_stays(%s, %s, 'it has a local disk')", pool.a, pool.w)
    assert shown(pool) == [("a", 1, 1, 1)]
    row = pool.row("select * from evacuation_rows")
    assert (row["why"], row["held"]) == ("untrusted", False) and row["opened_at"].endswith("Z") and row["not_before"].endswith("Z")
    pool.end(pool.move)
    assert shown(pool) == [("a", 1, 0, 1)]


def test_a_vm_on_its_way_to_a_host_that_is_emptied_waits_there(pool):
    pool.answer("untrusted", pool.b)
    assert shown(pool) == [("a", 2, 1, 0), ("b", 1, 0, 0)]
    assert [name for name, *_ in moves(pool)] == ["vm1"], "it moves off one of them only"


def test_what_is_told_is_shown_until_the_operation_has_ended(pool):
    assert moves(pool) == [("vm1", "b", 0, 0, 0, "")]
    assert tell(pool, (pool.move, 0, 0, "")) == {}
    assert pool.rows("select * from migration_progress") == [], "libvirt has not said anything yet"
    tell(pool, (pool.move, 1000, 250, "bandwidth"))
    assert moves(pool) == [("vm1", "b", 1000, 250, 75, "bandwidth")]
    tell(pool, (pool.move, 1000, 0, ""))
    assert moves(pool) == [("vm1", "b", 1000, 0, 99, "")], "it is not there before it is recorded"
    tell(pool, (pool.move, 1000, 4000, ""))
    assert moves(pool) == [("vm1", "b", 1000, 4000, 0, "")], "it changes more than it sends"
    pool.end(pool.move)
    assert moves(pool) == []
    tell(pool, (pool.move, 1000, 10, ""))
    assert pool.rows("select * from migration_progress") == [], "what comes too late is not kept"


def test_an_operation_that_nobody_knows_is_not_recorded(pool):
    assert tell(pool, (uuid.uuid4(), 10, 1, ""), (pool.move, 10, 5, "")) == {}
    assert pool.value("select count(*) from migration_progress") == 1
    assert tell(pool) == {}


def test_a_migration_towards_a_host_that_lost_its_trust_is_to_be_aborted(pool):
    other = pool.place("migrate", pool.w, pool.d, evacuation=True)
    pool.answer("untrusted", pool.b)
    assert tell(pool, (pool.move, 10, 5, ""), (other, 10, 5, "")) == {pool.move: "Host b is not trusted any more."}
    pool.end(pool.move, "failed", "aborted")
    assert tell(pool, (pool.move, 10, 5, ""), (other, 10, 5, "")) == {}
    assert "vm1" in pool.work(), "it is planned again"
    assert pool.value("select count(*) from evacuation_vms") == 0, "and nothing speaks against it"


def test_not_knowing_aborts_nothing(pool):
    """Rule CALM: the target is silent, its verdict expires, or its connection is lost."""
    pool.rows("update settings set host_grace = '1 h'")
    pool.answer("unanswered", pool.b)
    pool.rows("update hosts set valid_until = clock_timestamp() - interval '1 s' where id = %s", pool.b)
    pool.rows("select expire_verdicts()")
    assert tell(pool, (pool.move, 10, 5, "")) == {}
    pool.disconnect(pool.b)
    assert tell(pool, (pool.move, 10, 5, "")) == {}


def test_a_silent_target_whose_grace_is_over_aborts(pool):
    pool.rows("update settings set host_grace = '0 s'")
    pool.rows("update hosts set valid_until = clock_timestamp() - interval '1 s' where id = %s", pool.b)
    pool.rows("select expire_verdicts()")
    pool.answer("unanswered", pool.b)
    assert tell(pool, (pool.move, 10, 5, "")) == {pool.move: "Host b is to be emptied itself."}


def test_a_vm_that_requires_no_trust_goes_on(db):
    free = db.cluster("free", trusted=False)
    source, target = db.up_host(free, "f1"), db.up_host(free, "f2")
    vm = db.running_vm(free, "loose", source)
    move = db.place("migrate", vm, target)
    db.answer("untrusted", target)
    assert tell(db, (move, 10, 5, "")) == {}
