"""The transition table against the design's table "What an answer does", every status with every event."""

import pytest

STATUSES = ["initializing", "up", "non_operational", "non_responsive", "preparing_for_maintenance", "maintenance", "down"]
RESTING = ["preparing_for_maintenance", "maintenance", "down"]


def test_every_status_has_a_row_for_every_event_with_a_comment(db):
    missing = db.rows(
        "select t, s, event from unnest(array[true, false]) t, unnest(%s::text[]) s, host_events e"
        " where not exists (select from host_transition x where (x.trusted, x.status, x.event) = (t, s, e.event) and x.comment <> '')", STATUSES)
    assert missing == []
    assert db.value("select count(*) from host_transition") == 2 * 7 * db.value("select count(*) from host_events")


def test_an_event_without_a_row_is_an_error(db):
    host = db.host(db.cluster(), "a")
    db.rows("delete from host_transition where status = 'maintenance' and event = 'silent'")
    with pytest.raises(Exception, match="There is no transition for event silent in status maintenance"):
        db.rows("select * from apply_host_event(array[%s], 'silent')", host)


# (status, reason before) → outcome of asking → (status, reason after, evacuation)
DESIGN = [
    ("initializing", "", "trusted", "up", "", None),
    ("initializing", "untrusted", "trusted", "non_operational", "untrusted", None),
    ("initializing", "identity", "trusted", "non_operational", "identity", None),
    ("initializing", "not_attested", "trusted", "up", "", None),
    ("up", "", "trusted", "up", "", None),
    ("non_operational", "not_attested", "trusted", "up", "", None),
    ("non_operational", "expired", "trusted", "up", "", None),
    ("non_operational", "untrusted", "trusted", "non_operational", "untrusted", None),
    ("non_operational", "identity", "trusted", "non_operational", "identity", None),
    ("non_responsive", "connection", "trusted", "non_responsive", "connection", None),
    ("initializing", "", "untrusted", "non_operational", "untrusted", "untrusted"),
    ("up", "", "untrusted", "non_operational", "untrusted", "untrusted"),
    ("non_operational", "not_attested", "untrusted", "non_operational", "untrusted", "untrusted"),
    ("non_operational", "expired", "untrusted", "non_operational", "untrusted", "untrusted"),
    ("non_operational", "untrusted", "untrusted", "non_operational", "untrusted", "untrusted"),
    ("non_responsive", "connection", "untrusted", "non_responsive", "untrusted", None),
    ("initializing", "", "unanswered", "non_operational", "not_attested", "not_attested"),
    ("initializing", "untrusted", "unanswered", "non_operational", "untrusted", "untrusted"),
    ("up", "", "unanswered", "up", "", None),
    ("non_operational", "expired", "unanswered", "non_operational", "not_attested", "not_attested"),
    ("non_operational", "untrusted", "unanswered", "non_operational", "untrusted", "untrusted"),
    ("non_operational", "identity", "unanswered", "non_operational", "identity", "identity"),
    ("non_responsive", "connection", "unanswered", "non_responsive", "connection", None),
    ("initializing", "", "silent", "initializing", "", None),
    ("up", "", "silent", "up", "", None),
    ("non_operational", "untrusted", "silent", "non_operational", "untrusted", None),
    ("non_operational", "expired", "silent", "non_operational", "expired", None),
    ("non_responsive", "connection", "silent", "non_responsive", "connection", None),
] + [(status, "", outcome, status, "", None) for status in RESTING for outcome in ("trusted", "untrusted", "unanswered", "silent")]


def put(db, host, status, reason):
    """Puts a host into any state, as if it had come there."""
    db.rows("update hosts set status = %s, reason = %s, distrusted = %s, valid_until = clock_timestamp() + '1 h',"
            " verdict = case when %s = 'up' then 'trusted' else verdict end where id = %s", status, reason, reason == "untrusted", status, host)


@pytest.mark.parametrize("status,reason,outcome,status_after,reason_after,why", DESIGN)
def test_what_an_answer_does_to_a_host_of_a_trusted_cluster(db, status, reason, outcome, status_after, reason_after, why):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    db.running_vm(cluster, "vm1", host)
    put(db, host, status, reason)
    (row,) = db.answer(outcome, host)
    assert row["accepted"] and (row["status"], row["reason"]) == (status_after, reason_after)
    assert db.state(host) == (status_after, reason_after)
    evacuation = db.evacuation(host)
    assert (evacuation and evacuation["why"]) == why
    if evacuation:
        grace = db.value("select not_before > clock_timestamp() + '30 s' from evacuations")
        assert grace == (outcome == "unanswered")


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("outcome", ["trusted", "untrusted", "unanswered", "silent"])
def test_an_answer_never_changes_the_status_of_a_host_of_another_cluster(db, status, outcome):
    cluster = db.cluster("plain", trusted=False)
    host = db.up_host(cluster, "a")
    db.running_vm(cluster, "vm1", host)
    put(db, host, status, "")
    (row,) = db.answer(outcome, host)
    assert row["accepted"] and db.state(host) == (status, "")
    assert db.evacuation(host) is None, "no VM there requires trust"


@pytest.mark.parametrize("trusted", [True, False])
@pytest.mark.parametrize("status", STATUSES)
def test_another_uuid_makes_any_host_non_operational_and_empties_nothing(db, status, trusted):
    cluster = db.cluster("c", trusted)
    host = db.up_host(cluster, "a")
    db.running_vm(cluster, "vm1", host, trusted_host_flag=False) if not trusted else db.running_vm(cluster, "vm1", host)
    put(db, host, status, "")
    made = db.connect_host(host, libvirt_uuid="00000000-0000-0000-0000-00000000000b", domains=None)
    assert (made["outcome"], made["generation"], made["status"]) == ("identity", 0, "non_operational")
    assert db.state(host) == ("non_operational", "identity")
    assert db.value("select connected from hosts where id = %s", host) is False
    assert db.evacuation(host) is None
    assert db.events("HOST_IDENTITY") == ["HOST_IDENTITY"]
    assert db.value("select severity from audit_log where name = 'HOST_IDENTITY'") == "alert"


EXPIRY = [("keep", None), ("evacuate", "expired")]


@pytest.mark.parametrize("setting,why", EXPIRY)
def test_a_verdict_that_expires_in_silence_stops_placements_and_empties_only_if_configured(db, setting, why):
    db.rows("update settings set expired_hosts = %s", setting)
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    db.running_vm(cluster, "vm1", host)
    db.rows("update hosts set valid_until = clock_timestamp() - interval '1 s'")
    db.answer("silent", host)
    assert db.status(host) == "up"
    (change,) = db.rows("select * from expire_verdicts()")
    assert (change["from_status"], change["to_status"], change["to_reason"]) == ("up", "non_operational", "expired")
    assert (db.evacuation(host) or {}).get("why") == why
    assert db.rows("select * from expire_verdicts()") == []
    db.answer("trusted", host)
    assert db.state(host) == ("up", "") and db.evacuation(host) is None


def test_a_verdict_that_expires_after_unanswered_questions_empties_after_the_grace(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    db.running_vm(cluster, "vm1", host)
    db.answer("unanswered", host)
    first = db.value("select unanswered_since from hosts where id = %s", host)
    db.answer("unanswered", host)
    db.rows("update hosts set valid_until = clock_timestamp() - interval '1 s'")
    db.rows("select * from expire_verdicts()")
    assert db.state(host) == ("non_operational", "not_attested")
    assert db.value("select not_before - %s = (select host_grace from settings) from evacuations", first) is True
    assert db.work() == [] and db.value("select next_evacuation() is not null")
    db.rows("update evacuations set not_before = clock_timestamp()")
    assert db.work() == ["vm1"]


def test_next_expiry_is_of_hosts_that_are_up_in_trusted_clusters(db):
    assert db.value("select next_expiry()") is None
    host = db.up_host(db.cluster(), "a")
    assert db.value("select next_expiry()") == db.value("select valid_until from hosts where id = %s", host)


def test_untrusted_survives_reconnects_restarts_silence_and_maintenance(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    db.answer("untrusted", host)

    def good_answer_does_not_help():
        db.answer("trusted", host)
        assert db.state(host) == ("non_operational", "untrusted")

    good_answer_does_not_help()
    db.disconnect(host)
    assert db.state(host) == ("non_responsive", "untrusted")
    db.connect_host(host)
    assert db.state(host) == ("initializing", "untrusted")
    good_answer_does_not_help()
    db.rows("select all_disconnected()")
    db.connect_host(host)
    good_answer_does_not_help()
    for outcome in ("silent", "unanswered"):
        db.answer(outcome, host)
        good_answer_does_not_help()
    db.rows("select deactivate_host(%s)", host)
    assert db.status(host) == "maintenance"
    db.answer("trusted", host)
    db.rows("select activate_host(%s)", host)
    db.answer("unanswered", host)  # the activation is answered: not trusted
    good_answer_does_not_help()
    db.rows("select activate_host(%s)", host)
    db.answer("silent", host)  # no answer: the activation still waits for one
    db.answer("trusted", host)
    assert db.state(host) == ("up", "")
    db.disconnect(host)
    db.connect_host(host)
    db.answer("trusted", host)
    assert db.state(host) == ("up", ""), "what was cleared does not come back"


def test_distrust_that_another_identity_hides_is_not_forgotten(db):
    host = db.up_host(db.cluster(), "a")
    db.answer("untrusted", host)
    db.rows("select host_identity(%s, 'another certificate')", host)
    db.rows("select activate_host(%s)", host)
    assert db.state(host) == ("initializing", "untrusted")
    db.connect_host(host)
    db.answer("unanswered", host)
    db.answer("trusted", host)
    assert db.state(host) == ("non_operational", "untrusted")


def test_identity_is_cleared_only_by_an_activation(db):
    host = db.up_host(db.cluster(), "a")
    db.rows("select host_identity(%s, 'The certificate is for b.example.')", host)
    db.connect_host(host)
    db.answer("trusted", host)
    assert db.state(host) == ("non_operational", "identity")
    db.rows("select activate_host(%s)", host)
    db.answer("trusted", host)
    assert db.state(host) == ("up", "")


def test_one_event_per_change_of_state(db):
    cluster = db.cluster()
    host = db.up_host(cluster, "a")
    before = db.value("select count(*) from audit_log")
    for outcome in ("untrusted", "untrusted", "trusted", "silent", "unanswered", "untrusted"):
        db.answer(outcome, host)
    assert db.value("select count(*) from audit_log") == before + 1
    assert db.texts("HOST_UNTRUSTED") == [
        "Host a was set to non-operational. Host is not trusted by the attestation service. detail of untrusted"]
