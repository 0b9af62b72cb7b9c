/*
 * session.h: one session with PostgreSQL: connect, send, wait, all with deadlines. Inside store/ only.
 *
 * Deadlines are absolute, in microseconds of g_get_monotonic_time(). A session belongs to one thread at a time.
 */
#ifndef STORE_SESSION_H
#define STORE_SESSION_H

#include <glib.h>
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Session advisory locks of the database. */
#define SESSION_LOCK_MANAGER "8390891584375416432" /* held by the one manager */
#define SESSION_LOCK_SCHEMA "8390891584375416433"  /* held by who applies schema steps */

typedef struct StoreSession StoreSession;

typedef struct {
    const char *conninfo;
    const char *application; /* shown in pg_stat_activity */
    unsigned statement_ms;   /* the server gives a statement up after this; 0: never */
} SessionSettings;

typedef enum {
    SESSION_DONE,     /* it has happened */
    SESSION_FAILED,   /* refused by the server: nothing has happened; the session lives */
    SESSION_COLLIDED, /* a serialization failure or a deadlock: nothing has happened, it may be sent again */
    SESSION_STALE, /* the prepared statement is of an older schema: nothing has happened, send it on a fresh session */
    SESSION_LOST,  /* the connection broke: what became of the statement is not known; close the session */
    SESSION_LATE,  /* past the deadline: as SESSION_LOST */
} SessionOutcome;

/* Connects with search_path trustpool, public and READ COMMITTED. Errors: FAULT_UNAVAILABLE. (Resolving a host name is
 * libpq's and heeds no deadline.) */
StoreSession *session_open(const SessionSettings *settings, int64_t deadline, GError **error);
void session_close(StoreSession *session); /* takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreSession, session_close)

/* Sends one statement, prepared at its first use in the session. *result (PQclear it) only with SESSION_DONE; an error
 * is set otherwise. */
SessionOutcome session_call(StoreSession *session, const char *sql, unsigned n, const char *const params[],
                            int64_t deadline, PGresult **result, GError **error);
/* Sends statements without parameters as one text. FAILED errors name the line. */
SessionOutcome session_script(StoreSession *session, const char *text, int64_t deadline, GError **error);

/* Looks, without waiting, whether the server is still there. */
bool session_is_alive(StoreSession *session);
/* Is a transaction open (and not failed)? */
bool session_in_transaction(const StoreSession *session);

/* For who waits for notifications: the socket, and PQnotifies' next one (PQfreemem it); *lost when the session is. */
int session_socket(const StoreSession *session);
PGnotify *session_notification(StoreSession *session, bool *lost);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PGresult, PQclear)

#endif
