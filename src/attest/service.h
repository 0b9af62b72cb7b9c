/*
 * service.h: HTTPS to an attestation server: one POST, with a deadline.
 *
 * A Service is a line of connection to one server: it keeps its connections open between calls. It belongs to the one
 * thread that calls service_post(); only service_cancel() may be called from others.
 */
#ifndef ATTEST_SERVICE_H
#define ATTEST_SERVICE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where the server is and how to trust it. Strings may be NULL where "none" is allowed; they are copied. */
typedef struct {
    const char *server;           /* name or address */
    unsigned port;                /* 1 to 65535 */
    const char *api_url;          /* path, begins with "/" */
    const char *ca_file;          /* PEM; none: the system's authorities */
    const char *client_cert_file; /* PEM, with client_key_file; or none */
    const char *client_key_file;
    const char *auth_blob; /* sent as Auth_blob (1.0's own name) and as x-auth-blob (Nova's); or none */
    bool insecure_ssl;     /* the server's certificate is not checked at all */
} ServiceAddress;

typedef enum {
    SERVICE_ANSWERED,    /* 2xx: `body` */
    SERVICE_REFUSED,     /* another HTTP status: `body` too. Asking about fewer hosts may help */
    SERVICE_LATE,        /* connected, but no whole reply within the deadline. Asking about fewer hosts may help */
    SERVICE_BROKEN,      /* connected, but the connection ended before the reply did. Fewer hosts may help */
    SERVICE_UNREACHABLE, /* no connection, or no trust in it */
    SERVICE_OVERSIZE,    /* the reply passes the limit. Asking about fewer hosts may help */
    SERVICE_CANCELLED,   /* by service_cancel() */
} ServiceOutcome;

typedef struct {
    ServiceOutcome outcome;
    long status;      /* HTTP; 0 when there is none */
    GByteArray *body; /* owned; never NULL after service_post() */
    char *error;      /* owned; a sentence that names the server, NULL when answered */
} ServiceReply;

void service_reply_clear(ServiceReply *reply);

typedef struct Service Service;

/* Once per process, before any other function here and before other threads start. */
bool service_global_init(GError **error);

/* FAULT_INVALID with the reason when the address cannot be used (a file that cannot be read, say). */
Service *service_new(const ServiceAddress *address, GError **error);
void service_free(Service *service);

/* "https://HOST:PORT/PATH", without the call's name; for messages. Borrowed. */
const char *service_url(const Service *service);

/*
 * POSTs JSON to URL/CALL and waits at most timeout_ms for the whole reply, of at most reply_max bytes. Redirections
 * are not followed, proxies of the environment not used: they would be another server. Always fills `reply`, which the
 * caller clears.
 */
void service_post(Service *service, const char *call, const char *body, int64_t timeout_ms, size_t reply_max,
                  ServiceReply *reply);

/* Ends the call under way, and every later one, at once. Any thread. */
void service_cancel(Service *service);

#endif
