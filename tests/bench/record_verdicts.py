#!/usr/bin/python3
"""How long recording 10,000 unchanged verdicts takes, against the bare UPDATE of the same rows by the same arrays.

The budget is three times. Not part of the tests: a busy machine measures itself.
"""

import os
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sql"))
from conftest import STEPS, Server  # noqa: E402
from pool import Pool  # noqa: E402

HOSTS, ROUNDS = 10000, 20
UPDATE = """update hosts h set asked_at = now(), question = nextval('questions'), verdict = 'trusted', valid_until = g.v,
    verdict_reason = '', verdict_detail = '', unanswered_since = null from given, unnest(ids, v) g (id, v) where g.id = h.id"""
RECORD = "select count(*) from given, record_verdicts(%s, %s, ids, outcomes, empty, empty, v) where accepted"


def timed(call):
    begun = time.perf_counter()
    value = call()
    return (time.perf_counter() - begun) * 1000, value


def main():
    server = Server()
    try:
        pool = Pool(lambda: server.connect("postgres"))
        pool.rows("create schema trustpool")
        for step in STEPS:
            with open(step, encoding="utf-8") as file:
                pool.rows("begin; " + file.read() + "; commit")
        pool.rows("insert into hosts (cluster_id, name, address, attestation_id, status, connected, listed, verdict, valid_until)"
                  " select %s, 'h' || i, 'h' || i, 'h' || i, 'up', true, true, 'trusted', now() + interval '1 h' from generate_series(1, %s) i",
                  pool.cluster(), HOSTS)
        pool.rows("create table given as select array_agg(id order by random()) as ids, array_agg('trusted'::text) as outcomes,"
                  " array_agg(''::text) as empty, array_agg(now() + interval '1 h') as v from hosts")
        pool.rows("vacuum analyze hosts")
        updates, records = [], []
        for _ in range(ROUNDS):
            updates.append(timed(lambda: pool.rows(UPDATE))[0])
            poll = pool.poll()
            took, count = timed(lambda: pool.value(RECORD, poll["question"], poll["asked_at"]))
            assert count == HOSTS
            records.append(took)
        update, record = statistics.median(updates), statistics.median(records)
        print(f"{HOSTS} hosts, median of {ROUNDS}: UPDATE {update:.0f} ms, record_verdicts {record:.0f} ms, {record / update:.2f} times")
        return 0 if record <= 3 * update else 1
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
