#include "store/schema.h"

#include "store/session.h"
#include "trust/fault.h"

#include <stdlib.h>
#include <string.h>

/* A step may rewrite a large table; the wait for another daemon that migrates is in it too. */
#define MIGRATE_DEADLINE_US (600 * G_USEC_PER_SEC)
#define STEP_BYTES_MAX (4 * 1024 * 1024)

typedef struct {
    unsigned number;
    char *name; /* of the file */
    char *text;
    char *sha256;
} Step;

static void
step_free(Step *step)
{
    g_free(step->name);
    g_free(step->text);
    g_free(step->sha256);
    g_free(step);
}

/* 001-tables.sql → 1; 0: not the name of a step. */
static unsigned
step_number(const char *name)
{
    size_t digits = strspn(name, "0123456789");
    if (digits == 0 || digits > 6 || name[digits] != '-' || !g_str_has_suffix(name, ".sql"))
        return 0;
    return (unsigned)strtoul(name, NULL, 10);
}

static Step *
step_read(const char *directory, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *text = NULL;
    gsize size = 0;
    if (!g_file_get_contents(path, &text, &size, error))
        return NULL;
    if (size > STEP_BYTES_MAX || strlen(text) != size || !g_utf8_validate(text, (gssize)size, NULL)) {
        g_set_error(error, FAULT, FAULT_INVALID, "%s: not a schema step: it must be UTF-8 text of at most %u bytes",
                    path, (unsigned)STEP_BYTES_MAX);
        return NULL;
    }
    Step *step = g_new0(Step, 1);
    step->number = step_number(name);
    step->name = g_strdup(name);
    step->sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)text, size);
    step->text = g_steal_pointer(&text);
    return step;
}

static gint
compare_steps(gconstpointer a, gconstpointer b)
{
    const Step *left = *(const Step *const *)a;
    const Step *right = *(const Step *const *)b;
    return left->number < right->number ? -1 : left->number > right->number;
}

static bool
check_numbers(const GPtrArray *steps, const char *directory, GError **error)
{
    if (steps->len == 0) {
        g_set_error(error, FAULT, FAULT_FAILED, "%s: there are no schema steps (NNN-name.sql)", directory);
        return false;
    }
    for (guint i = 1; i < steps->len; i++) {
        const Step *before = g_ptr_array_index(steps, i - 1);
        const Step *step = g_ptr_array_index(steps, i);
        if (before->number == step->number) {
            g_set_error(error, FAULT, FAULT_FAILED, "%s: %s and %s have the same number", directory, before->name,
                        step->name);
            return false;
        }
    }
    return true;
}

static GPtrArray *
steps_read(const char *directory, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, error);
    if (dir == NULL)
        return NULL;
    g_autoptr(GPtrArray) steps = g_ptr_array_new_with_free_func((GDestroyNotify)step_free);
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        if (step_number(name) == 0)
            continue;
        Step *step = step_read(directory, name, error);
        if (step == NULL)
            return NULL;
        g_ptr_array_add(steps, step);
    }
    g_ptr_array_sort(steps, compare_steps);
    return check_numbers(steps, directory, error) ? g_steal_pointer(&steps) : NULL;
}

static Step *
step_find(const GPtrArray *steps, unsigned number)
{
    for (guint i = 0; i < steps->len; i++) {
        Step *step = g_ptr_array_index(steps, i);
        if (step->number == number)
            return step;
    }
    return NULL;
}

/* Steps are applied in order: one that came later with an older number would never be. */
static bool
check_gaps(const GPtrArray *steps, unsigned newest, guint applied, GError **error)
{
    guint due = 0;
    while (due < steps->len && ((const Step *)g_ptr_array_index(steps, due))->number <= newest)
        due++;
    if (due == applied)
        return true;
    g_set_error(error, FAULT, FAULT_FAILED,
                "the database has %u of the %u schema steps up to number %u: a step was added behind its back; give it "
                "a number above %u",
                applied, due, newest, newest);
    return false;
}

/* Compares the steps that the database has with ours; *newest: the highest number that it has. */
static bool
compare_applied(StoreSession *session, const GPtrArray *steps, int64_t deadline, unsigned *newest, GError **error)
{
    g_autoptr(PGresult) rows = NULL;
    *newest = 0;
    if (session_call(session, "select number, name, sha256 from trustpool.schema_steps order by number", 0, NULL,
                     deadline, &rows, error) != SESSION_DONE)
        return false;
    for (int i = 0; i < PQntuples(rows); i++) {
        unsigned number = (unsigned)strtoul(PQgetvalue(rows, i, 0), NULL, 10);
        const Step *step = step_find(steps, number);
        if (step == NULL) {
            g_set_error(error, FAULT, FAULT_FAILED,
                        "the database is newer than this program: it has schema step %s, which is not installed here",
                        PQgetvalue(rows, i, 1));
            return false;
        }
        if (strcmp(step->sha256, PQgetvalue(rows, i, 2)) != 0) {
            g_set_error(error, FAULT, FAULT_FAILED,
                        "schema step %s has changed since it was applied to the database as %s: install the version of "
                        "trustpool that the database belongs to, or a newer one",
                        step->name, PQgetvalue(rows, i, 1));
            return false;
        }
        *newest = number;
    }
    return check_gaps(steps, *newest, (guint)PQntuples(rows), error);
}

static bool
record_step(StoreSession *session, const Step *step, int64_t deadline, GError **error)
{
    char number[16];
    g_snprintf(number, sizeof number, "%u", step->number);
    const char *params[] = {number, step->name, step->sha256};
    g_autoptr(PGresult) done = NULL;
    return session_call(session, "insert into trustpool.schema_steps (number, name, sha256) values ($1, $2, $3)", 3,
                        params, deadline, &done, error) == SESSION_DONE;
}

static bool
run_script(StoreSession *session, const char *text, int64_t deadline, GError **error)
{
    return session_script(session, text, deadline, error) == SESSION_DONE;
}

/* One step in one transaction. A failure leaves the transaction open; the caller closes the session. */
static bool
apply_step(StoreSession *session, const Step *step, int64_t deadline, GError **error)
{
    bool applied = run_script(session, "begin; set local search_path to trustpool", deadline, error) &&
                   run_script(session, step->text, deadline, error);
    if (applied && !session_in_transaction(session)) {
        g_set_error_literal(error, FAULT, FAULT_FAILED, "it ends its transaction itself");
        applied = false;
    }
    applied = applied && record_step(session, step, deadline, error) && run_script(session, "commit", deadline, error);
    if (!applied)
        g_prefix_error(error, "schema step %s: ", step->name);
    return applied;
}

static bool
apply_steps(StoreSession *session, const GPtrArray *steps, int64_t deadline, unsigned *applied, GError **error)
{
    unsigned newest = 0;
    if (!compare_applied(session, steps, deadline, &newest, error))
        return false;
    for (guint i = 0; i < steps->len; i++) {
        const Step *step = g_ptr_array_index(steps, i);
        if (step->number > newest) {
            if (!apply_step(session, step, deadline, error))
                return false;
            (*applied)++;
        }
    }
    return true;
}

bool
schema_migrate(const char *conninfo, const char *directory, unsigned *applied, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + MIGRATE_DEADLINE_US;
    unsigned count = 0;
    g_autoptr(GPtrArray) steps = steps_read(directory, error);
    if (steps == NULL)
        return false;
    SessionSettings settings = {.conninfo = conninfo, .application = "trustpoold --migrate"};
    g_autoptr(StoreSession) session = session_open(&settings, deadline, error);
    /* The lock ends with the session. */
    bool done = session != NULL &&
                run_script(session, "select pg_advisory_lock(" SESSION_LOCK_SCHEMA ")", deadline, error) &&
                run_script(session,
                           "create schema if not exists trustpool;"
                           "create table if not exists trustpool.schema_steps ("
                           " number integer primary key, name text not null, sha256 text not null,"
                           " applied_at timestamptz not null default clock_timestamp())",
                           deadline, error) &&
                apply_steps(session, steps, deadline, &count, error);
    if (applied != NULL)
        *applied = count;
    return done;
}

bool
schema_check(const char *conninfo, const char *directory, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;
    g_autoptr(GPtrArray) steps = steps_read(directory, error);
    if (steps == NULL)
        return false;
    SessionSettings settings = {.conninfo = conninfo, .application = "trustpoold"};
    g_autoptr(StoreSession) session = session_open(&settings, deadline, error);
    if (session == NULL)
        return false;
    g_autoptr(PGresult) there = NULL;
    if (session_call(session, "select to_regclass('trustpool.schema_steps') is not null", 0, NULL, deadline, &there,
                     error) != SESSION_DONE)
        return false;
    unsigned newest = 0;
    if (PQgetvalue(there, 0, 0)[0] == 't' && !compare_applied(session, steps, deadline, &newest, error))
        return false;
    const Step *last = g_ptr_array_index(steps, steps->len - 1);
    if (newest == last->number)
        return true;
    g_set_error(error, FAULT, FAULT_FAILED,
                "the database lacks schema step %s: run `trustpoold --migrate` with the role that owns the database",
                last->name);
    return false;
}
