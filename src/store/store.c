#include "store/store.h"

#include "store/group.h"
#include "store/session.h"
#include "trust/fault.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#define COLLISIONS_MAX 5
#define RECONNECT_US 50000 /* between attempts to reach a server that is away */

struct Store {
    char *conninfo;
    unsigned max;
    unsigned deadline_ms;
    pthread_mutex_t lock; /* of what follows; held for no call of libpq that waits */
    pthread_cond_t freed;
    GPtrArray *idle; /* the latest used one last */
    unsigned open;   /* idle, in use, or being connected */
    StoreGroup *groups[STORE_GROUPS];
};

struct StoreResult {
    PGresult *result;
};

static void
lock_init(Store *store)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&store->freed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&store->lock, NULL);
}

static void
forget_session(Store *store)
{
    pthread_mutex_lock(&store->lock);
    store->open--;
    pthread_cond_signal(&store->freed);
    pthread_mutex_unlock(&store->lock);
}

/* Waits for an idle session (NULL in *session: connect one, the place is taken). False: the deadline has passed. */
static bool
take_place(Store *store, int64_t deadline, StoreSession **session)
{
    struct timespec until = {.tv_sec = (time_t)(deadline / G_USEC_PER_SEC),
                             .tv_nsec = (long)(deadline % G_USEC_PER_SEC) * 1000};
    bool taken = true;
    *session = NULL;
    pthread_mutex_lock(&store->lock);
    while (store->idle->len == 0 && store->open >= store->max && taken)
        taken = pthread_cond_timedwait(&store->freed, &store->lock, &until) == 0;
    if (store->idle->len > 0) {
        *session = g_ptr_array_steal_index(store->idle, store->idle->len - 1);
        taken = true;
    } else if (store->open < store->max) {
        store->open++;
        taken = true;
    }
    pthread_mutex_unlock(&store->lock);
    return taken;
}

static StoreSession *
take_session(Store *store, int64_t deadline, GError **error)
{
    StoreSession *session = NULL;
    for (;;) {
        if (!take_place(store, deadline, &session)) {
            g_set_error(error, FAULT, FAULT_UNAVAILABLE, "all %u sessions of the database are busy: try again",
                        store->max);
            return NULL;
        }
        if (session == NULL)
            break;
        if (session_is_alive(session))
            return session;
        session_close(session);
        forget_session(store);
    }
    /* The server gives up a little earlier than we: then it is known that nothing has happened. */
    SessionSettings settings = {.conninfo = store->conninfo,
                                .application = "trustpoold",
                                .statement_ms = store->deadline_ms - store->deadline_ms / 10};
    session = session_open(&settings, deadline, error);
    if (session == NULL)
        forget_session(store);
    return session;
}

static void
give_session(Store *store, StoreSession *session, SessionOutcome outcome)
{
    if (outcome == SESSION_LOST || outcome == SESSION_LATE || outcome == SESSION_STALE) {
        session_close(session);
        forget_session(store);
        return;
    }
    pthread_mutex_lock(&store->lock);
    g_ptr_array_add(store->idle, session);
    pthread_cond_signal(&store->freed);
    pthread_mutex_unlock(&store->lock);
}

Store *
store_new(const StoreSettings *settings, GError **error)
{
    Store *store = g_new0(Store, 1);
    store->conninfo = g_strdup(settings->conninfo);
    store->max = MAX(settings->sessions, 1);
    store->deadline_ms = settings->deadline_ms;
    store->idle = g_ptr_array_new();
    lock_init(store);
    StoreSession *session = take_session(store, g_get_monotonic_time() + (int64_t)store->deadline_ms * 1000, error);
    if (session == NULL) {
        store_free(store);
        return NULL;
    }
    give_session(store, session, SESSION_DONE);
    return store;
}

void
store_free(Store *store)
{
    if (store == NULL)
        return;
    g_assert(store->open == store->idle->len);
    for (guint i = 0; i < store->idle->len; i++)
        session_close(g_ptr_array_index(store->idle, i));
    g_ptr_array_free(store->idle, TRUE);
    for (unsigned i = 0; i < STORE_GROUPS; i++)
        store_group_free(store->groups[i]);
    pthread_cond_destroy(&store->freed);
    pthread_mutex_destroy(&store->lock);
    g_free(store->conninfo);
    g_free(store);
}

StoreGroup *
store_group(Store *store, StoreGroupKind kind, StoreGroupSend send)
{
    pthread_mutex_lock(&store->lock);
    if (store->groups[kind] == NULL)
        store->groups[kind] = store_group_new(send, store);
    StoreGroup *group = store->groups[kind];
    pthread_mutex_unlock(&store->lock);
    return group;
}

typedef struct {
    unsigned collisions;
    unsigned stale;
    unsigned lost;
} Attempts;

static bool
may_send_again(const Store *store, Attempts *attempts, SessionOutcome outcome, bool again, int64_t deadline)
{
    if (g_get_monotonic_time() >= deadline)
        return false;
    switch (outcome) {
    case SESSION_COLLIDED:
        g_usleep((gulong)g_random_int_range(1000, 10000)); /* so that the same two do not meet again */
        return ++attempts->collisions <= COLLISIONS_MAX;
    case SESSION_STALE:
        return ++attempts->stale <= store->max; /* every idle session may have the old plan */
    case SESSION_LOST:
        return again && ++attempts->lost <= 1;
    case SESSION_DONE:
    case SESSION_FAILED:
    case SESSION_LATE:
        break;
    }
    return false;
}

/* A statement that is to be repeated is worth the wait for a server that restarts: what became of it would stay
 * unknown.
 */
static bool
may_connect_again(const Attempts *attempts, int64_t deadline)
{
    if (attempts->lost == 0 || deadline - g_get_monotonic_time() <= RECONNECT_US)
        return false;
    g_usleep(RECONNECT_US);
    return true;
}

static StoreResult *
call(Store *store, bool again, GError **error, const char *sql, unsigned n, const char *const params[])
{
    int64_t deadline = g_get_monotonic_time() + (int64_t)store->deadline_ms * 1000;
    Attempts attempts = {0};
    for (;;) {
        g_autoptr(GError) why = NULL;
        PGresult *answer = NULL;
        StoreSession *session = take_session(store, deadline, &why);
        if (session == NULL) {
            if (may_connect_again(&attempts, deadline))
                continue;
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
        SessionOutcome outcome = session_call(session, sql, n, params, deadline, &answer, &why);
        give_session(store, session, outcome);
        if (outcome == SESSION_DONE) {
            StoreResult *result = g_new0(StoreResult, 1);
            result->result = answer;
            return result;
        }
        if (!may_send_again(store, &attempts, outcome, again, deadline)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return NULL;
        }
    }
}

StoreResult *
store_call(Store *store, GError **error, const char *sql, unsigned n, const char *const params[])
{
    return call(store, false, error, sql, n, params);
}

StoreResult *
store_call_again(Store *store, GError **error, const char *sql, unsigned n, const char *const params[])
{
    return call(store, true, error, sql, n, params);
}

bool
store_run(Store *store, GError **error, const char *sql, unsigned n, const char *const params[])
{
    g_autoptr(StoreResult) result = call(store, false, error, sql, n, params);
    return result != NULL;
}

bool
store_run_again(Store *store, GError **error, const char *sql, unsigned n, const char *const params[])
{
    g_autoptr(StoreResult) result = call(store, true, error, sql, n, params);
    return result != NULL;
}

void
store_result_free(StoreResult *result)
{
    if (result == NULL)
        return;
    PQclear(result->result);
    g_free(result);
}

unsigned
store_rows(const StoreResult *result)
{
    return (unsigned)PQntuples(result->result);
}

const char *
store_text(const StoreResult *result, unsigned row, const char *column)
{
    int field = PQfnumber(result->result, column);
    if (field < 0 || row >= store_rows(result))
        g_error("the statement has no column %s or no row %u", column, row);
    if (PQgetisnull(result->result, (int)row, field))
        return NULL;
    return PQgetvalue(result->result, (int)row, field);
}

bool
store_bool(const StoreResult *result, unsigned row, const char *column)
{
    const char *text = store_text(result, row, column);
    return text != NULL && text[0] == 't';
}

int64_t
store_int(const StoreResult *result, unsigned row, const char *column)
{
    const char *text = store_text(result, row, column);
    return text != NULL ? g_ascii_strtoll(text, NULL, 10) : 0;
}

char *
store_array(const char *const items[], size_t n)
{
    GString *array = g_string_new("{");
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            g_string_append_c(array, ',');
        if (items[i] == NULL) {
            g_string_append(array, "NULL");
            continue;
        }
        g_string_append_c(array, '"');
        for (const char *p = items[i]; *p != '\0'; p++) {
            if (*p == '"' || *p == '\\')
                g_string_append_c(array, '\\');
            g_string_append_c(array, *p);
        }
        g_string_append_c(array, '"');
    }
    g_string_append_c(array, '}');
    return g_string_free(array, FALSE);
}
