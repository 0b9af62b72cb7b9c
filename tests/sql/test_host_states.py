"""docs/host-states.md is what the transition table says."""

from host_states import PAGE, text


def test_the_page_of_host_states_is_current(db):
    with open(PAGE, encoding="utf-8") as file:
        assert file.read() == text(db), "docs/host-states.md is out of date: make host-states"


def test_every_status_can_be_reached_and_left(db):
    for trusted in (True, False):
        arrows = db.rows("select distinct status, to_status from host_transition where trusted = %s and status <> to_status", trusted)
        reached, before = {"maintenance"}, set()
        while reached != before:
            before = set(reached)
            reached |= {row["to_status"] for row in arrows if row["status"] in reached}
        assert reached == {row["status"] for row in db.rows("select distinct status from host_transition")}
        assert {row["status"] for row in arrows} == reached
