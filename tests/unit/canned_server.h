/* canned_server.h: an HTTPS server for tests, on a port of its own of the loopback, which answers as a handler says.
 * Each connection has a thread, so that a handler may block. */
#ifndef TESTS_CANNED_SERVER_H
#define TESTS_CANNED_SERVER_H

#include <glib.h>
#include <stdbool.h>

typedef struct {
    const char *url;
    const char *body;
    const char *auth_blob; /* headers, or NULL */
    const char *x_auth_blob;
    const char *content_type;
    const char *client_name; /* common name of the client's verified certificate, or NULL */
} CannedRequest;

/* Writes *status (200 before) and returns the body, allocated. Any thread. */
typedef char *(*CannedHandler)(void *closure, const CannedRequest *request, unsigned *status);

typedef struct CannedServer CannedServer;

/* What a server may be told, all optional. */
typedef struct {
    const char *directory;   /* of certificates; see test_certs.h */
    const char *certificate; /* "server" when NULL */
    const char *priorities;  /* GnuTLS's */
    bool wants_client_certificate;
} CannedOptions;

CannedServer *canned_server_start(const CannedOptions *options, CannedHandler handler, void *closure);
void canned_server_stop(CannedServer *server);

unsigned canned_server_port(const CannedServer *server);

/* So far. */
unsigned canned_server_connections(CannedServer *server);
unsigned canned_server_requests(CannedServer *server);

/* The most requests that were under way together. */
unsigned canned_server_most_together(CannedServer *server);

#endif
