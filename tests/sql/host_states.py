#!/usr/bin/python3
"""Writes docs/host-states.md from the table host_transition, on a private server of its own: make host-states."""

import os
import sys

PAGE = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "host-states.md")
CHANGES = ("select trusted, status, event, keeps_reasons, coalesce(kept_status, to_status)::text as kept, to_status::text as becomes,"
           " to_reason, empties, comment from host_transition"
           " where to_status <> status or coalesce(kept_status, to_status) <> status"
           " order by trusted desc, status, to_status, event")
HEAD = """# Host states

Made from the table `host_transition` by `make host-states`; do not edit. A test compares it with the schema. Shown is what
changes a host's status; every other event leaves it as it is, or is refused (`sql/002-transitions.sql` has a row for each).
"""
EMPTIES = {"no": "", "now": "leave at once", "grace": "leave after `host_grace`", "configured": "leave if `expired_hosts = evacuate`"}


def diagram(rows):
    """Arrows with the events that take them; what happens only to hosts with a graver reason is in the table alone."""
    arrows = {}
    for row in rows:
        if row["becomes"] != row["status"]:
            arrows.setdefault((row["status"], row["becomes"]), []).append(row["event"])
    lines = ["```mermaid", "stateDiagram-v2", "    [*] --> maintenance: added"]
    lines += ["    %s --> %s: %s" % (*ends, ", ".join(events)) for ends, events in arrows.items()]
    return lines + ["```"]


def table(rows):
    lines = ["| from | event | to | reason | its VMs | unless its reason is | why |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        reason = {None: "stays", "": "none"}.get(row["to_reason"], row["to_reason"])
        kept = ""
        if row["keeps_reasons"]:
            kept = "%s: then %s" % (", ".join(row["keeps_reasons"]), row["kept"])
        lines.append("| %s | %s | %s | %s | %s | %s | %s |" % (
            row["status"], row["event"], row["becomes"], reason, EMPTIES[row["empties"]], kept, row["comment"]))
    return lines


def page(rows):
    lines = [HEAD]
    for title, trusted in (("In a trusted cluster", True), ("In other clusters", False)):
        chosen = [row for row in rows if row["trusted"] == trusted]
        lines += ["## " + title, "", *diagram(chosen), "", *table(chosen), ""]
    lines += ["## Events", ""]
    return lines


def text(session):
    """The page, as the schema of this database has it."""
    events = session.rows("select event, meaning from host_events order by event")
    return "\n".join(page(session.rows(CHANGES)) + ["- `%(event)s`: %(meaning)s" % row for row in events]) + "\n"


def main():
    from conftest import Server
    from pool import Session
    server = Server()
    try:
        connection = server.connect("postgres")
        connection.cursor().execute("create database trustpool")
        connection.close()
        connection = server.connect("trustpool")
        server.make_schema(connection)
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text(Session(connection)))
        connection.close()
    finally:
        server.stop()


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
