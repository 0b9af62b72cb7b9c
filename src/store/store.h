/*
 * store.h: the connections to PostgreSQL. Only files of store/ call libpq.
 *
 * A Store is a pool of sessions, shared by all threads. A call takes a session, sends one statement with its
 * parameters, waits for the answer up to the deadline, and gives the session back: one statement is one transaction.
 * Statements that fail with 40001 or 40P01 (serialization, deadlock) are sent again, at most 5 times. A session whose
 * deadline passed is closed. SQLSTATEs of the schema's own refusals become FAULT_REFUSED (TP409), FAULT_NOT_FOUND
 * (TP404), FAULT_INVALID (TP400), with PostgreSQL's message as the text; connection errors FAULT_UNAVAILABLE.
 *
 * When the connection breaks while a statement is under way, nobody knows whether it was committed. store_call reports
 * it as FAULT_UNAVAILABLE; store_call_again sends the statement once more on a fresh session, and is for statements
 * that change nothing when they come a second time: reads, and functions that know the caller's ids (operations,
 * questions, generations).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Store Store;
typedef struct StoreResult StoreResult;

typedef struct {
    const char *conninfo; /* libpq connection string */
    unsigned sessions;    /* at most this many */
    unsigned deadline_ms; /* of one call, the wait for a session included */
} StoreSettings;

/* Connects one session to see that it works. Thread: any. */
Store *store_new(const StoreSettings *settings, GError **error);
/* No call may be under way. Takes NULL. */
void store_free(Store *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Store, store_free)

/* Sends `sql` with n text parameters (NULL is SQL's null). Never NULL without an error. Free with store_result_free. */
StoreResult *store_call(Store *store, GError **error, const char *sql, unsigned n, const char *const params[]);
/* The same for statements whose rows nobody reads. */
bool store_run(Store *store, GError **error, const char *sql, unsigned n, const char *const params[]);
/* The same for statements that may come twice: sent again, once, when the connection broke; a server that is away is
 * waited for up to the deadline. */
StoreResult *store_call_again(Store *store, GError **error, const char *sql, unsigned n, const char *const params[]);
bool store_run_again(Store *store, GError **error, const char *sql, unsigned n, const char *const params[]);
void store_result_free(StoreResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreResult, store_result_free)

unsigned store_rows(const StoreResult *result);
/* The text of a field, NULL for SQL's null; belongs to the result. `column` must be one of the statement's. */
const char *store_text(const StoreResult *result, unsigned row, const char *column);
bool store_bool(const StoreResult *result, unsigned row, const char *column);   /* null: false */
int64_t store_int(const StoreResult *result, unsigned row, const char *column); /* null: 0 */

/* A PostgreSQL array literal of these strings, quoted, for a parameter like $1::uuid[]; g_free it. */
char *store_array(const char *const items[], size_t n);

#endif
