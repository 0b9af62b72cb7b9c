#include "store/listen.h"

#include "store/session.h"
#include "trust/fault.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define CONNECT_US (15 * G_USEC_PER_SEC)
/* How long the lock is waited for at the start. A manager that was killed holds it until the server notices: at once on
 * this machine; over TCP after the server's keepalives, 2 + 3 * 1 s (session.c). */
#define LOCK_US (10 * G_USEC_PER_SEC)
#define LOCK_POLL_US 50000
#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 3000

struct StoreListener {
    char *conninfo;
    char *application;
    StoreNotified notified;
    void *closure;
    StoreSession *session; /* the thread's own, once it runs */
    atomic_bool has_lock;
    int stop; /* an eventfd: readable when the thread shall end */
    pthread_t thread;
};

static bool
run(StoreSession *session, const char *sql, int64_t deadline, PGresult **result, GError **error)
{
    return session_call(session, sql, 0, NULL, deadline, result, error) == SESSION_DONE;
}

/* Who holds the lock, for the error. */
static char *
describe_holder(StoreSession *session, int64_t deadline)
{
    g_autoptr(PGresult) row = NULL;
    if (!run(session,
             "select a.application_name || ' from ' || coalesce(host(a.client_addr), 'this machine') || ' since ' ||"
             " to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS') || ' UTC (server process ' || a.pid || ')'"
             " from pg_locks l join pg_stat_activity a using (pid)"
             " where l.locktype = 'advisory' and l.granted and l.objsubid = 1"
             " and (l.classid::bigint << 32) + l.objid::bigint = " SESSION_LOCK_MANAGER
             " and l.database = (select oid from pg_database where datname = current_database())",
             deadline, &row, NULL) ||
        PQntuples(row) == 0 || PQgetisnull(row, 0, 0))
        return g_strdup("somebody");
    return g_strdup(PQgetvalue(row, 0, 0));
}

static bool
take_lock(StoreSession *session, int64_t wait_us, GError **error)
{
    int64_t until = g_get_monotonic_time() + wait_us;
    for (;;) {
        g_autoptr(PGresult) row = NULL;
        int64_t deadline = g_get_monotonic_time() + CONNECT_US;
        if (!run(session, "select pg_try_advisory_lock(" SESSION_LOCK_MANAGER ")", deadline, &row, error))
            return false;
        if (PQgetvalue(row, 0, 0)[0] == 't')
            return true;
        if (g_get_monotonic_time() >= until) {
            g_autofree char *holder = describe_holder(session, deadline);
            g_set_error(error, FAULT, FAULT_REFUSED, "another trustpoold manages this database: %s", holder);
            return false;
        }
        g_usleep(LOCK_POLL_US);
    }
}

static StoreSession *
open_session(const StoreListener *listener, int64_t wait_us, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + CONNECT_US;
    SessionSettings settings = {.conninfo = listener->conninfo, .application = listener->application};
    g_autoptr(StoreSession) session = session_open(&settings, deadline, error);
    g_autoptr(PGresult) done = NULL;
    if (session == NULL || !take_lock(session, wait_us, error) ||
        !run(session, "listen trustpool", g_get_monotonic_time() + CONNECT_US, &done, error))
        return NULL;
    return g_steal_pointer(&session);
}

/* Waits up to timeout_ms (-1: for ever) for the socket (-1: none); true when the thread shall end. */
static bool
wait_stop(const StoreListener *listener, int socket, int timeout_ms)
{
    struct pollfd pollers[2] = {{.fd = listener->stop, .events = POLLIN}, {.fd = socket, .events = POLLIN | POLLRDHUP}};
    while (poll(pollers, 2, timeout_ms) < 0 && errno == EINTR)
        ;
    return pollers[0].revents != 0;
}

/* Until the session is lost (false) or the thread shall end (true). */
static bool
listen_on(StoreListener *listener)
{
    for (;;) {
        if (wait_stop(listener, session_socket(listener->session), -1))
            return true;
        bool lost = false;
        PGnotify *notification = session_notification(listener->session, &lost);
        while (notification != NULL) {
            listener->notified(notification->extra, listener->closure);
            PQfreemem(notification);
            notification = session_notification(listener->session, &lost);
        }
        if (lost)
            return false;
    }
}

/* Until a session with the lock is there again (false) or the thread shall end (true). */
static bool
come_back(StoreListener *listener)
{
    int backoff_ms = BACKOFF_MIN_MS;
    for (;;) {
        if (wait_stop(listener, -1, g_random_int_range(backoff_ms / 2, backoff_ms + 1)))
            return true;
        listener->session = open_session(listener, 0, NULL);
        if (listener->session != NULL)
            return false;
        backoff_ms = MIN(backoff_ms * 2, BACKOFF_MAX_MS);
    }
}

static void *
listener_thread(void *closure)
{
    StoreListener *listener = closure;
    while (!listen_on(listener)) {
        atomic_store(&listener->has_lock, false);
        session_close(g_steal_pointer(&listener->session));
        listener->notified("lost", listener->closure);
        if (come_back(listener))
            break;
        atomic_store(&listener->has_lock, true);
        listener->notified(NULL, listener->closure);
    }
    return NULL;
}

static void
free_listener(StoreListener *listener)
{
    session_close(listener->session);
    if (listener->stop >= 0)
        close(listener->stop);
    g_free(listener->conninfo);
    g_free(listener->application);
    g_free(listener);
}

StoreListener *
store_listener_new(const char *conninfo, StoreNotified notified, void *closure, GError **error)
{
    StoreListener *listener = g_new0(StoreListener, 1);
    listener->conninfo = g_strdup(conninfo);
    listener->application = g_strdup_printf("trustpoold %d on %s", (int)getpid(), g_get_host_name());
    listener->notified = notified;
    listener->closure = closure;
    listener->stop = eventfd(0, EFD_CLOEXEC);
    listener->session = open_session(listener, LOCK_US, error);
    if (listener->session == NULL) {
        free_listener(listener);
        return NULL;
    }
    atomic_store(&listener->has_lock, true);
    if (listener->stop < 0 || pthread_create(&listener->thread, NULL, listener_thread, listener) != 0) {
        g_set_error_literal(error, FAULT, FAULT_FAILED, "cannot start the thread that listens to the database");
        free_listener(listener);
        return NULL;
    }
    return listener;
}

bool
store_listener_has_lock(StoreListener *listener)
{
    return atomic_load(&listener->has_lock);
}

void
store_listener_free(StoreListener *listener)
{
    if (listener == NULL)
        return;
    uint64_t one = 1;
    while (write(listener->stop, &one, sizeof one) < 0 && errno == EINTR)
        ;
    pthread_join(listener->thread, NULL);
    free_listener(listener);
}
