#include "store/session.h"

#include "trust/fault.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* Prepared statements of a session; more than the program has, so that a mistake cannot fill the server's memory. */
#define PREPARED_MAX 256

struct StoreSession {
    PGconn *conn;
    GHashTable *prepared; /* SQL text → name */
    bool is_ending;       /* the server has said, unasked, that it ends the session */
};

/* What the server is told at the start. The keepalives are the server's: without them a session that was cut off keeps
 * its advisory lock for hours. A unix socket ignores them. */
#define SERVER_OPTIONS                                                                                                 \
    "-c search_path=trustpool,public -c default_transaction_isolation=read\\ committed -c client_min_messages=error "  \
    "-c TimeZone=UTC -c DateStyle=ISO -c tcp_keepalives_idle=2 -c tcp_keepalives_interval=1 "                          \
    "-c tcp_keepalives_count=3 -c tcp_user_timeout=4000 -c statement_timeout=%u"

/* Texts of libpq end with a newline. */
static char *
trimmed(const char *text)
{
    return g_strchomp(g_strdup(text != NULL ? text : ""));
}

/* 1: ready, 0: the deadline has passed, -1: broken. */
static int
wait_socket(int fd, short events, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - g_get_monotonic_time();
        if (left <= 0)
            return 0;
        struct pollfd poller = {.fd = fd, .events = events};
        int timeout = left / 1000 >= G_MAXINT ? G_MAXINT : (int)(left / 1000) + 1;
        int n = poll(&poller, 1, timeout);
        if (n > 0)
            return 1;
        if (n < 0 && errno != EINTR)
            return -1;
    }
}

/* What the server says unasked. Its last words (FATAL) come before the socket closes, while its process still cleans
 * up. */
static void
receive_notice(void *closure, const PGresult *notice)
{
    StoreSession *session = closure;
    const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (g_strcmp0(severity, "FATAL") == 0 || g_strcmp0(severity, "PANIC") == 0)
        session->is_ending = true;
}

/* The `options` of the connection string, with ours behind them so that ours count; NULL with an error when the string
 * cannot be parsed. */
static char *
merged_options(const SessionSettings *settings, GError **error)
{
    char *why = NULL;
    PQconninfoOption *options = PQconninfoParse(settings->conninfo, &why);
    if (options == NULL) {
        g_autofree char *text = trimmed(why);
        g_set_error(error, FAULT, FAULT_INVALID, "the database's connection string is wrong: %s", text);
        PQfreemem(why);
        return NULL;
    }
    g_autofree char *ours = g_strdup_printf(SERVER_OPTIONS, settings->statement_ms);
    char *merged = NULL;
    for (PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, "options") == 0 && option->val != NULL)
            merged = g_strdup_printf("%s %s", option->val, ours);
    }
    PQconninfoFree(options);
    return merged != NULL ? merged : g_steal_pointer(&ours);
}

static PGconn *
start_connection(const SessionSettings *settings, GError **error)
{
    g_autofree char *options = merged_options(settings, error);
    if (options == NULL)
        return NULL;
    /* Later ones win: what stands before dbname are defaults, what stands behind is ours whatever the string says. */
    const char *const keywords[] = {"keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "dbname",
                                    "application_name",
                                    "client_encoding",
                                    "options",
                                    NULL};
    const char *const values[] = {"2",    "1",     "3", "4000", settings->conninfo, settings->application,
                                  "UTF8", options, NULL};
    return PQconnectStartParams(keywords, values, 1);
}

static bool
finish_connection(PGconn *conn, int64_t deadline, bool *late)
{
    PostgresPollingStatusType wanted = PGRES_POLLING_WRITING;
    while (PQstatus(conn) != CONNECTION_BAD) {
        int ready = wait_socket(PQsocket(conn), wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline);
        *late = ready == 0;
        if (ready <= 0)
            return false;
        wanted = PQconnectPoll(conn);
        if (wanted == PGRES_POLLING_OK)
            return true;
        if (wanted == PGRES_POLLING_FAILED)
            return false;
    }
    return false;
}

StoreSession *
session_open(const SessionSettings *settings, int64_t deadline, GError **error)
{
    PGconn *conn = start_connection(settings, error);
    if (conn == NULL) {
        if (error != NULL && *error == NULL)
            g_set_error_literal(error, FAULT, FAULT_UNAVAILABLE, "no memory for a connection to the database");
        return NULL;
    }
    bool late = false;
    if (!finish_connection(conn, deadline, &late)) {
        g_autofree char *why = trimmed(PQerrorMessage(conn));
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "cannot connect to the database: %s",
                    late ? "it did not answer in time" : why);
        PQfinish(conn);
        return NULL;
    }
    StoreSession *session = g_new0(StoreSession, 1);
    session->conn = conn;
    PQsetNoticeReceiver(conn, receive_notice, session);
    PQsetnonblocking(conn, 1);
    session->prepared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return session;
}

void
session_close(StoreSession *session)
{
    if (session == NULL)
        return;
    PQfinish(session->conn);
    g_hash_table_destroy(session->prepared);
    g_free(session);
}

/* SQLSTATE (or the beginning of it) → what it is for who asked. The first that fits counts. */
static const struct {
    const char *state;
    FaultCode code;
} fault_codes[] = {
    {"TP400", FAULT_INVALID},     {"TP404", FAULT_NOT_FOUND},
    {"TP409", FAULT_REFUSED},     {"23505", FAULT_REFUSED}, /* unique_violation */
    {"23503", FAULT_REFUSED},                               /* foreign_key_violation */
    {"23", FAULT_INVALID},                                  /* other constraints */
    {"22", FAULT_INVALID},                                  /* values that do not parse or are out of range */
    {"57014", FAULT_DEADLINE},                              /* statement_timeout */
    {"08", FAULT_UNAVAILABLE},                              /* connection exceptions */
    {"25006", FAULT_UNAVAILABLE},                           /* read only: a standby */
    {"40", FAULT_UNAVAILABLE},                              /* collisions that did not end */
    {"53", FAULT_UNAVAILABLE},                              /* disk full, out of memory, too many connections */
    {"55P03", FAULT_UNAVAILABLE},                           /* lock_timeout */
    {"57P", FAULT_UNAVAILABLE},                             /* shutting down, starting up */
    {"58", FAULT_UNAVAILABLE},                              /* the server's own input or output */
};

static FaultCode
fault_code(const char *state)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fault_codes); i++) {
        if (g_str_has_prefix(state, fault_codes[i].state))
            return fault_codes[i].code;
    }
    return FAULT_FAILED;
}

/* The refusals of the schema are whole sentences; to other errors the SQLSTATE and the detail are added. */
static SessionOutcome
set_fault(const PGresult *result, GError **error)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
    state = state != NULL ? state : "";
    message = message != NULL ? message : "the database gave no reason";
    if (g_str_has_prefix(state, "TP4"))
        g_set_error_literal(error, FAULT, (gint)fault_code(state), message);
    else
        g_set_error(error, FAULT, (gint)fault_code(state), "%s%s%s (SQLSTATE %s)", message, detail != NULL ? ": " : "",
                    detail != NULL ? detail : "", state);
    if (strcmp(state, "40001") == 0 || strcmp(state, "40P01") == 0)
        return SESSION_COLLIDED;
    /* feature_not_supported is what "cached plan must not change result type" is; invalid_sql_statement_name */
    if (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0)
        return SESSION_STALE;
    return SESSION_FAILED;
}

static SessionOutcome
set_lost(StoreSession *session, GError **error)
{
    g_autofree char *why = trimmed(PQerrorMessage(session->conn));
    g_set_error(error, FAULT, FAULT_UNAVAILABLE, "the connection to the database was lost: %s", why);
    return SESSION_LOST;
}

static SessionOutcome
set_late(GError **error)
{
    g_set_error_literal(error, FAULT, FAULT_DEADLINE, "the database did not answer in time");
    return SESSION_LATE;
}

static SessionOutcome
flush(StoreSession *session, int64_t deadline, GError **error)
{
    int left;
    while ((left = PQflush(session->conn)) > 0) {
        int ready = wait_socket(PQsocket(session->conn), POLLIN | POLLOUT, deadline);
        if (ready == 0)
            return set_late(error);
        if (ready < 0 || PQconsumeInput(session->conn) == 0)
            return set_lost(session, error);
    }
    return left < 0 ? set_lost(session, error) : SESSION_DONE;
}

/* The next result, or NULL at the end. */
static SessionOutcome
next_result(StoreSession *session, int64_t deadline, PGresult **result, GError **error)
{
    while (PQisBusy(session->conn)) {
        int ready = wait_socket(PQsocket(session->conn), POLLIN, deadline);
        if (ready == 0)
            return set_late(error);
        if (ready < 0 || PQconsumeInput(session->conn) == 0)
            return set_lost(session, error);
    }
    *result = PQgetResult(session->conn);
    return SESSION_DONE;
}

static bool
result_is_good(const PGresult *result)
{
    return PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_COMMAND_OK ||
           PQresultStatus(result) == PGRES_EMPTY_QUERY;
}

/* Sends what is buffered and reads to the end of the answer. *result: the first one that is an error, or the last. */
static SessionOutcome
collect(StoreSession *session, int64_t deadline, PGresult **result, GError **error)
{
    g_autoptr(PGresult) kept = NULL;
    SessionOutcome outcome = flush(session, deadline, error);
    while (outcome == SESSION_DONE) {
        PGresult *next = NULL;
        outcome = next_result(session, deadline, &next, error);
        if (outcome != SESSION_DONE || next == NULL)
            break;
        if (kept != NULL && !result_is_good(kept)) {
            PQclear(next);
            continue;
        }
        PQclear(kept);
        kept = next;
        if (PQresultStatus(kept) == PGRES_COPY_IN || PQresultStatus(kept) == PGRES_COPY_OUT)
            outcome = set_lost(session, error); /* it would never end */
    }
    if (outcome != SESSION_DONE)
        return outcome;
    if (kept == NULL || PQstatus(session->conn) == CONNECTION_BAD)
        return set_lost(session, error);
    *result = g_steal_pointer(&kept);
    return SESSION_DONE;
}

static SessionOutcome
prepare(StoreSession *session, const char *sql, const char *name, int64_t deadline, GError **error)
{
    if (!PQsendPrepare(session->conn, name, sql, 0, NULL))
        return set_lost(session, error);
    g_autoptr(PGresult) result = NULL;
    SessionOutcome outcome = collect(session, deadline, &result, error);
    if (outcome != SESSION_DONE)
        return outcome;
    if (!result_is_good(result))
        return set_fault(result, error);
    g_hash_table_insert(session->prepared, g_strdup(sql), g_strdup(name));
    return SESSION_DONE;
}

static SessionOutcome
send_statement(StoreSession *session, const char *sql, unsigned n, const char *const params[], int64_t deadline,
               GError **error)
{
    const char *name = g_hash_table_lookup(session->prepared, sql);
    int sent;
    if (name == NULL && g_hash_table_size(session->prepared) < PREPARED_MAX) {
        g_autofree char *fresh = g_strdup_printf("s%u", g_hash_table_size(session->prepared));
        SessionOutcome outcome = prepare(session, sql, fresh, deadline, error);
        if (outcome != SESSION_DONE)
            return outcome;
        name = g_hash_table_lookup(session->prepared, sql);
    }
    if (name != NULL)
        sent = PQsendQueryPrepared(session->conn, name, (int)n, params, NULL, NULL, 0);
    else
        sent = PQsendQueryParams(session->conn, sql, (int)n, NULL, params, NULL, NULL, 0);
    return sent ? SESSION_DONE : set_lost(session, error);
}

SessionOutcome
session_call(StoreSession *session, const char *sql, unsigned n, const char *const params[], int64_t deadline,
             PGresult **result, GError **error)
{
    SessionOutcome outcome = send_statement(session, sql, n, params, deadline, error);
    if (outcome != SESSION_DONE)
        return outcome;
    g_autoptr(PGresult) answer = NULL;
    outcome = collect(session, deadline, &answer, error);
    if (outcome != SESSION_DONE)
        return outcome;
    if (!result_is_good(answer))
        return set_fault(answer, error);
    *result = g_steal_pointer(&answer);
    return SESSION_DONE;
}

/* The line of a character position (1-based, in characters) of PostgreSQL. */
static unsigned
line_of(const char *text, const char *position)
{
    unsigned line = 1;
    int64_t left = position != NULL ? g_ascii_strtoll(position, NULL, 10) : 0;
    for (const char *p = text; *p != '\0' && left > 1; p = g_utf8_next_char(p), left--) {
        if (*p == '\n')
            line++;
    }
    return line;
}

SessionOutcome
session_script(StoreSession *session, const char *text, int64_t deadline, GError **error)
{
    if (!PQsendQuery(session->conn, text))
        return set_lost(session, error);
    g_autoptr(PGresult) result = NULL;
    SessionOutcome outcome = collect(session, deadline, &result, error);
    if (outcome != SESSION_DONE || result_is_good(result))
        return outcome;
    outcome = set_fault(result, error);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    if (position != NULL)
        g_prefix_error(error, "line %u: ", line_of(text, position));
    return outcome;
}

bool
session_is_alive(StoreSession *session)
{
    struct pollfd poller = {.fd = PQsocket(session->conn), .events = POLLIN};
    /* An idle session has nothing to read but notices, new parameter values, or its end. */
    for (int i = 0; i < 16; i++) {
        if (session->is_ending || PQstatus(session->conn) != CONNECTION_OK)
            return false;
        int n = poll(&poller, 1, 0);
        if (n == 0)
            return true;
        if (n < 0 || PQconsumeInput(session->conn) == 0)
            return false;
        PQisBusy(session->conn); /* parses what was read */
    }
    return false;
}

bool
session_in_transaction(const StoreSession *session)
{
    return PQtransactionStatus(session->conn) == PQTRANS_INTRANS;
}

int
session_socket(const StoreSession *session)
{
    return PQsocket(session->conn);
}

PGnotify *
session_notification(StoreSession *session, bool *lost)
{
    *lost = PQconsumeInput(session->conn) == 0 || PQstatus(session->conn) != CONNECTION_OK;
    return PQnotifies(session->conn);
}
