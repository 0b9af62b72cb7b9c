"""Questions and answers: rule NEWEST, and what happens when several arrive at the same time."""

import threading

import pytest
from pool import Call, Refused


def test_an_answer_to_an_older_question_is_dropped_however_late(db):
    host = db.up_host(db.cluster(), "a")
    older, newer = db.poll(host), db.poll(host)
    assert db.record(newer, {host: "untrusted"})[0]["accepted"] is True
    (row,) = db.record(older, {host: "trusted"})
    assert (row["accepted"], row["status"]) == (False, "non_operational")
    assert db.value("select verdict from hosts where id = %s", host) == "untrusted"
    assert db.record(newer, {host: "trusted"})[0]["accepted"] is False, "the same question has been answered"


def test_an_answer_to_a_question_from_before_the_connection_is_dropped(db):
    host = db.up_host(db.cluster(), "a")
    before = db.poll(host)
    db.disconnect(host)
    db.connect_host(host)
    assert db.record(before, {host: "trusted"})[0]["accepted"] is False
    assert db.status(host) == "initializing"
    assert db.value("select verdict from hosts where id = %s", host) == "unknown"


def test_what_was_asked_before_an_activation_does_not_answer_it(db):
    host = db.up_host(db.cluster(), "a")
    db.answer("untrusted", host)
    before = db.poll(host)
    db.rows("select activate_host(%s)", host)
    assert db.record(before, {host: "trusted"})[0]["accepted"] is False
    assert db.state(host) == ("initializing", "untrusted")
    db.answer("trusted", host)
    assert db.state(host) == ("up", "")


def test_a_host_that_is_not_connected_comes_up_by_no_answer(db):
    host = db.up_host(db.cluster(), "a")
    poll = db.poll(host)
    db.rows("select all_disconnected()")
    assert db.status(host) == "initializing"
    assert db.record(poll, {host: "trusted"})[0]["accepted"] is False
    assert db.status(host) == "initializing"
    assert db.record(poll, {host: "untrusted"})[0]["accepted"] is True, "distrust is always recorded"
    assert db.state(host) == ("non_operational", "untrusted")


def test_answers_about_hosts_that_are_gone_or_unknown_are_dropped_in_their_order(db):
    cluster = db.cluster()
    a, gone, b = db.up_host(cluster, "a"), db.host(cluster, "gone"), db.up_host(cluster, "b")
    poll = db.poll(a, gone, b)
    db.rows("select host_remove(%s)", gone)
    rows = db.record(poll, {b: "trusted", gone: "trusted", a: "untrusted"})
    assert [(r["ord"], r["host"], r["accepted"], r["status"]) for r in rows] == [
        (1, b, True, "up"), (2, gone, False, None), (3, a, True, "non_operational")]


def test_a_generation_that_is_not_the_hosts_changes_nothing(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    vm = db.running_vm(cluster, "vm1", host)
    old = db.generation(host)
    db.connect_host(host, domains='[{"uuid": "%s", "name": "vm1", "state": "running"}]' % vm)
    db.answer("trusted", host)
    db.rows("select host_disconnected(%s, %s, 'late')", host, old)
    db.rows("select host_disconnected(%s, %s, 'never was')", host, old + 1000)
    db.rows("select host_disconnected(%s, 0, 'an attempt to connect that was given up late')", host)
    db.rows("select domain_event(%s, %s, %s, 'stopped')", host, old, vm)
    db.rows("select domains_listed(%s, %s, '[]')", host, old)
    assert (db.status(host), db.vm_status(vm)) == ("up", "up")


def test_a_silent_service_changes_the_time_of_the_question_only(db):
    host = db.up_host(db.cluster(), "a")
    before = db.row("select verdict, question, valid_until, unanswered_since from hosts where id = %s", host)
    poll = db.poll(host)
    db.record(poll, {host: "silent"})
    assert db.row("select verdict, question, valid_until, unanswered_since from hosts where id = %s", host) == before
    assert db.value("select asked_at from hosts where id = %s", host) == poll["asked_at"]


def test_trusted_without_an_end_and_unknown_words_are_refused(db):
    host = db.up_host(db.cluster(), "a")
    poll = db.poll(host)
    for outcome in ("trusted", "fine", None):
        with pytest.raises(Refused) as refused:
            db.rows("select * from record_verdicts(%s, %s, array[%s], array[%s], array[''], array[''], array[null::timestamptz])",
                    poll["question"], poll["asked_at"], host, outcome)
        assert refused.value.code == "TP400"


def test_hosts_due_are_those_whose_last_question_is_old_oldest_first(db):
    trusted, plain = db.cluster(), db.cluster("plain", trusted=False)
    a, b = db.up_host(trusted, "a"), db.up_host(trusted, "b")
    c = db.up_host(plain, "c")
    db.host(trusted, "in_maintenance")
    db.host(trusted, "unconnected", connected=False)
    due = "select name from hosts_due(clock_timestamp(), 10)"
    db.answer("silent", a)
    assert [r["name"] for r in db.rows(due)] == ["b", "a"]
    assert [r["name"] for r in db.rows("select name from hosts_due(clock_timestamp(), 1)")] == ["b"]
    assert db.rows("select name from hosts_due(clock_timestamp() - interval '1 h', 10)") == []
    # of another cluster: while a VM that requires trust is there
    db.answer("trusted", c)
    vm = db.running_vm(plain, "vm1", c, trusted_host_flag=True)
    assert [r["name"] for r in db.rows(due)] == ["b", "a", "c"]
    db.rows("select domain_event(%s, %s, %s, 'stopped')", c, db.generation(c), vm)
    assert [r["name"] for r in db.rows(due)] == ["b", "a"]
    db.connect_host(b)
    assert [r["name"] for r in db.rows("select name from hosts_due('-infinity', 10)")] == ["b"], "a new connection is asked about at once"


# --- at the same time ---

def test_of_two_verdicts_that_race_the_newer_question_wins_in_either_order(db):
    host = db.up_host(db.cluster(), "a")
    for first, second in (("older", "newer"), ("newer", "older")):
        polls = {"older": db.poll(host), "newer": db.poll(host)}
        outcomes = {"older": "trusted", "newer": "untrusted"}
        one, two = db.session(), db.session()
        one.begin()
        db.record(polls[first], {host: outcomes[first]}, session=one)
        call = Call(lambda: db.record(polls[second], {host: outcomes[second]}, session=two))
        db.wait_until_blocked(two)
        one.commit()
        assert call.result()[0]["accepted"] is (second == "newer")
        assert db.value("select verdict from hosts where id = %s", host) == "untrusted"
        assert db.state(host) == ("non_operational", "untrusted")
        db.rows("select activate_host(%s)", host)
        db.answer("trusted", host)


def test_sets_in_opposite_order_lose_nothing_and_never_deadlock(db):
    cluster = db.cluster()
    hosts = [db.up_host(cluster, f"h{i:02}") for i in range(20)]
    db.rows("update settings set evacuation_max_share = 100")
    errors = []
    accepted = []

    def recorder(session, order):
        for i in range(15):
            poll = db_poll(session)
            try:
                rows = db.record(poll, {h: ("trusted", "untrusted", "unanswered", "silent")[(i + j) % 4] for j, h in enumerate(order)}, session=session)
                accepted.append((poll["question"], sum(r["accepted"] for r in rows)))
            except Exception as error:  # a deadlock would be one
                errors.append(error)

    def db_poll(session):
        return session.row("select * from begin_poll('{}')")

    calls = [Call(lambda s=db.session(), o=o: recorder(s, o)) for o in (hosts, hosts[::-1], hosts[10:] + hosts[:10])]
    for call in calls:
        call.result()
    assert errors == []
    last = max(accepted)
    assert last[1] == 20, "the newest question is never dropped"
    assert db.value("select max(question) from hosts") <= last[0]
    assert db.value("select count(*) from audit_log where name = 'HOST_UNTRUSTED'") == 20, "each became untrusted once, and no event was lost"


def test_a_placement_that_races_a_verdict_is_refused_or_evacuated(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    vm = db.vm(cluster, "vm1")
    # the verdict first: the placement waits for it, and is refused
    one, two = db.session(), db.session()
    one.begin()
    db.record(db.poll(host), {host: "untrusted"}, session=one)
    call = Call(lambda: db.place("start", vm, host, session=two))
    db.wait_until_blocked(two)
    one.commit()
    with pytest.raises(Refused, match=r"Host a is non_operational \(untrusted\)"):
        call.result()
    assert db.vm_status(vm) == "down" and db.rows("select * from operations") == []
    db.rows("select activate_host(%s)", host)
    db.answer("trusted", host)
    # the placement first: the verdict waits for it, and its VM is evacuated
    one.begin()
    operation = db.place("start", vm, host, session=one)
    call = Call(lambda: db.record(db.poll(host), {host: "untrusted"}, session=two))
    db.wait_until_blocked(two)
    one.commit()
    assert call.result()[0]["accepted"] is True
    assert db.evacuation(host)["why"] == "untrusted"
    assert db.work() == [], "it is not up yet"
    db.end(operation)
    assert db.work() == ["vm1"]


def test_freshness_is_read_after_the_lock_is_granted(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    vm = db.vm(cluster, "vm1")
    one, two = db.session(), db.session()
    one.begin()
    one.rows("select lock_hosts(array[%s])", host)
    call = Call(lambda: db.place("start", vm, host, session=two))
    db.wait_until_blocked(two)
    # it expires while the placement waits: the statement began before, and is refused
    one.rows("update hosts set valid_until = clock_timestamp()")
    one.commit()
    with pytest.raises(Refused, match="The verdict on host a has expired"):
        call.result()


def test_two_placements_that_race_for_the_memory_of_a_host_do_not_both_get_it(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a", memory=1500)
    vms = [db.vm(cluster, f"vm{i}", memory=1000) for i in range(4)]
    barrier = threading.Barrier(4)

    def start(vm, session):
        barrier.wait(60)
        db_generation = session.value("select generation from hosts where id = %s", host)
        session.rows("select * from place_vm(gen_random_uuid(), 'start', %s, %s, %s, false)", vm, host, db_generation)

    results = []
    for call in [Call(lambda v=v, s=db.session(): start(v, s)) for v in vms]:
        try:
            call.result()
            results.append("placed")
        except Refused as refused:
            assert "MiB of memory free" in str(refused)
            results.append("refused")
    assert sorted(results) == ["placed", "refused", "refused", "refused"]


def test_a_disconnect_that_races_a_placement_leaves_no_vm_up_on_a_lost_host(db):
    cluster = db.cluster()
    a, b = db.up_host(cluster, "a"), db.up_host(cluster, "b")
    vm = db.running_vm(cluster, "vm1", a)
    one, two = db.session(), db.session()
    one.begin()
    operation = db.place("migrate", vm, b, session=one)
    call = Call(lambda: two.rows("select host_disconnected(%s, %s, 'cut')", b, db.generation(b)))
    db.wait_until_blocked(two)
    one.commit()
    call.result()
    db.end(operation, "done")
    assert (db.where(vm), db.vm_status(vm)) == (b, "unknown")
