/*
 * http.h: HTTP over TLS, by libmicrohttpd (only http.c includes it). It knows nothing of what is served.
 *
 * Every request whose head and body are well-formed and within bounds is given to one handler, on a thread of the
 * server, with its connection suspended: the handler must not block, and http_request_answer() is called once, there or
 * later, on any thread. Requests that are ambiguous (two Content-Lengths, both Content-Length and Transfer-Encoding, no
 * Host) are refused, because a proxy before the server may read them otherwise. One deadline covers the arrival of a
 * request, whatever bytes drip in (libmicrohttpd's own timeout begins again with each byte).
 */
#ifndef REST_HTTP_H
#define REST_HTTP_H

#include <glib.h>
#include <stdbool.h>

typedef struct HttpServer HttpServer;
typedef struct HttpRequest HttpRequest;

/* Must not block; must see to it that http_request_answer() is called. */
typedef void (*HttpHandler)(HttpRequest *request, void *closure);

typedef struct {
    const char *address; /* IP */
    unsigned port;       /* 0: any */
    const char *certificate_file;
    const char *key_file;
    unsigned body_max;    /* bytes of a request's body */
    unsigned arrival_ms;  /* for a request to arrive, its TLS handshake included; and to take its answer */
    unsigned idle_ms;     /* a connection that is kept alive may stay silent so long, besides */
    unsigned answer_ms;   /* for the handler to answer; then the client gets 503 */
    unsigned connections; /* at most */
} HttpSettings;

HttpServer *http_server_new(const HttpSettings *settings, HttpHandler handler, void *closure, GError **error);
unsigned http_server_port(const HttpServer *server);
/* Takes no new connections; new requests on old ones get 503. */
void http_server_quiesce(HttpServer *server);
/* Quiesces, answers what waits with 503, and ends. Takes NULL. Requests that are still held stay valid. */
void http_server_free(HttpServer *server);

/* What arrived; valid while the request is held. */
const char *http_request_method(const HttpRequest *request); /* HEAD comes as GET */
const char *http_request_path(const HttpRequest *request);
/* NULL: no such parameter; "" when it has no value. Parameters of the query and of the path (;name=value) alike. */
const char *http_request_parameter(const HttpRequest *request, const char *name);
const char *http_request_authorization(const HttpRequest *request); /* or NULL */
const char *http_request_body(const HttpRequest *request, size_t *size);

/* Who keeps a request beyond the handler's return holds it. */
HttpRequest *http_request_ref(HttpRequest *request);
void http_request_unref(HttpRequest *request);

typedef struct {
    unsigned status;
    char *body; /* g_free'd by the server; NULL: none */
    size_t size;
    const char *type;    /* of the body: static text; NULL: application/xml */
    char *location;      /* g_free'd; NULL: none */
    bool asks_for_login; /* adds WWW-Authenticate */
    unsigned delay_ms;   /* wait before it is sent: costs no thread */
} HttpAnswer;

/* Takes the answer's body and location. An answer after the first, or after the server has answered by itself, is
 * dropped. Any thread, does not block. */
void http_request_answer(HttpRequest *request, const HttpAnswer *answer);

#endif
