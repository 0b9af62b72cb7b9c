/*
 * record-10000 and record-10000-changing: 10,000 verdicts through store/verdicts.c, held against one bare UPDATE that
 * writes the same columns of the same rows, told by their ids, on the same session. Both are one statement and one
 * commit, on a private PostgreSQL with its own (durable) settings.
 */
#include "../unit/pg_fixture.h"
#include "bench.h"
#include "store/clusters.h"
#include "store/data_centers.h"
#include "store/verdicts.h"

#include <stdio.h>
#include <stdlib.h>

#define HOSTS 10000
#define CHANGING 100 /* hosts that change state at each recording */
#define RUNS 11
#define LIMIT 3.0
#define LIMIT_CHANGING 4.0

typedef struct {
    Store *store;
    char *ids[HOSTS];
    StoreVerdict verdicts[HOSTS];
    StoreRecorded recorded[HOSTS];
    int64_t question;
    int64_t asked_at_ms;
    int64_t now_ms;
    bool is_bad; /* changing: what the changing hosts are now */
    bool is_changing;
} Recording;

/* Hosts as they are after they have come up: connected, listed, trusted. */
static const char fill[] =
    "insert into hosts (cluster_id, name, address, attestation_id, status, connected, listed, memory_mib, cpus,"
    " libvirt_uuid, generation, verdict, question, asked_at, valid_until)"
    " select $1, 'host-' || i, 'host-' || i || '.example.org', 'host-' || i || '.example.org', 'up', true, true, 65536,"
    " 16, gen_random_uuid(), nextval('generations'), 'trusted', 0, clock_timestamp(), clock_timestamp() + '1 h'"
    " from generate_series(1, 10000) i";

static void
run(Recording *recording, const char *sql, unsigned n, const char *const params[])
{
    GError *error = NULL;

    store_run(recording->store, &error, sql, n, params);
    bench_check(error, sql);
}

static char *
make_cluster(Store *store)
{
    GError *error = NULL;
    DataCenter data_center = {.name = (char *)"bench", .description = (char *)""};
    g_autofree char *place = data_center_add(store, &data_center, &error);
    Cluster cluster = {.data_center_id = place,
                       .name = (char *)"bench",
                       .description = (char *)"",
                       .comment = (char *)"",
                       .cpu_id = (char *)"",
                       .version_major = 3,
                       .version_minor = 6,
                       .trusted_service = true,
                       .on_error = (char *)"migrate"};
    char *id;

    bench_check(error, "a data center");
    id = cluster_add(store, &cluster, &error);
    bench_check(error, "a cluster");
    return id;
}

static void
make_hosts(Recording *recording)
{
    g_autofree char *cluster = make_cluster(recording->store);
    const char *params[] = {cluster};
    g_autoptr(StoreResult) result = NULL;
    GError *error = NULL;

    run(recording, fill, 1, params);
    run(recording, "update settings set evacuation_max_share = 100", 0, NULL);
    run(recording, "vacuum analyze hosts", 0, NULL);
    result = store_call(recording->store, &error, "select id from hosts order by random()", 0, NULL);
    bench_check(error, "the hosts");
    for (unsigned i = 0; i < HOSTS; i++) {
        recording->ids[i] = g_strdup(store_text(result, i, "id"));
        recording->verdicts[i].host = recording->ids[i];
    }
}

/* What the next answer says: all trusted, but where states change the first hundred turn bad and good in turn. */
static void
next_answer(void *closure)
{
    Recording *recording = closure;
    GError *error = NULL;

    recording->is_bad = recording->is_changing && !recording->is_bad;
    if (recording->is_changing && !recording->is_bad) /* what an administrator's activation would allow */
        run(recording, "update hosts set activating = true where status = 'non_operational'", 0, NULL);
    verdicts_begin(recording->store, (const char *const *)recording->ids, HOSTS, &recording->question,
                   &recording->asked_at_ms, &error);
    bench_check(error, "a question");
    for (unsigned i = 0; i < HOSTS; i++) {
        bool bad = recording->is_bad && i < CHANGING;

        recording->verdicts[i].outcome = bad ? "untrusted" : "trusted";
        recording->verdicts[i].reason = bad ? "untrusted" : "";
        recording->verdicts[i].detail = bad ? "The attestation server says that it is untrusted." : "";
        recording->verdicts[i].valid_until_ms = bad ? 0 : recording->asked_at_ms + 3600000;
    }
}

static void
update_bare(void *closure)
{
    Recording *recording = closure;
    g_autofree char *ids = store_array((const char *const *)recording->ids, HOSTS);
    const char *params[] = {ids};

    run(recording,
        "update hosts set asked_at = clock_timestamp(), question = question, verdict = 'trusted', verdict_reason = '',"
        " verdict_detail = '', valid_until = clock_timestamp() + '1 h', unanswered_since = null where id = any ($1)",
        1, params);
}

static void
record(void *closure)
{
    Recording *recording = closure;
    GError *error = NULL;

    verdicts_record(recording->store, recording->question, recording->asked_at_ms, recording->verdicts, HOSTS,
                    recording->recorded, &error);
    bench_check(error, "recording");
}

static void
check_recorded(const Recording *recording)
{
    for (unsigned i = 0; i < HOSTS; i++) {
        bool should = !(recording->is_bad && i < CHANGING);

        if (!recording->recorded[i].accepted || recording->recorded[i].is_up != should) {
            fprintf(stderr, "bench: verdict %u was %s, the host is %s\n", i,
                    recording->recorded[i].accepted ? "accepted" : "dropped",
                    recording->recorded[i].is_up ? "up" : "not up");
            exit(2);
        }
    }
}

static bool
measure(Recording *recording)
{
    BenchResult same, changing;
    bool ok;

    recording->is_changing = false;
    same = bench_measure(RUNS, update_bare, next_answer, record, recording);
    check_recorded(recording);
    ok = bench_row_max("record-10000", same.ratio, "times a bare UPDATE", LIMIT, same.floor_ms);
    recording->is_changing = true;
    changing = bench_measure(RUNS, update_bare, next_answer, record, recording);
    check_recorded(recording);
    return bench_row_max("record-10000-changing", changing.ratio, "times a bare UPDATE", LIMIT_CHANGING,
                         changing.floor_ms) &&
           ok;
}

int
main(void)
{
    Recording *recording = g_new0(Recording, 1);
    g_autofree char *conninfo = NULL;
    bool ok;

    if (!pg_fixture_start(NULL))
        return 2;
    conninfo = pg_fixture_database();
    recording->store = pg_fixture_store(conninfo);
    make_hosts(recording);
    ok = measure(recording);
    store_free(recording->store);
    for (unsigned i = 0; i < HOSTS; i++)
        g_free(recording->ids[i]);
    g_free(recording);
    pg_fixture_stop();
    return ok ? 0 : 1;
}
