/* http_private.h: what the files of the HTTP server share: http.c (arrival, begin and end), http_request.c (a request
 * and its answer), http_deadlines.c. */
#ifndef REST_HTTP_PRIVATE_H
#define REST_HTTP_PRIVATE_H

#include "rest/http.h"
#include "rest/http_head.h"
#include <microhttpd.h>
#include <pthread.h>

typedef enum {
    READING,  /* its body arrives */
    WAITING,  /* suspended: whoever moves it on from here resumes the connection */
    ANSWERED, /* resumed, or never suspended */
} RequestState;

/* One connection. */
typedef struct {
    int fd;
    gint64 deadline_us; /* then it is cut, or, while its request waits, answered with 503 */
    HttpRequest *request;
} Slot;

struct HttpServer {
    gint references;
    HttpSettings settings; /* numbers only */
    HttpHandler handler;
    void *closure;
    struct MHD_Daemon *daemon;
    unsigned port;
    MHD_socket listener; /* after quiescing */
    pthread_t thread;    /* of deadlines */
    bool has_thread;

    /* Guards what follows, and the state of every request. libmicrohttpd is not called under it. */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_stopping;
    bool has_ended;
    GHashTable *slots;
    unsigned waiting; /* requests that were suspended and have not been handed back */
};

struct HttpRequest {
    gint references;
    HttpServer *server;
    struct MHD_Connection *connection;
    Slot *slot;
    RequestState state;
    bool is_counted; /* in server->waiting */
    bool is_too_large;
    gint64 due_us; /* when the answer may go; 0: there is none yet */
    HttpAnswer answer;

    char *method;
    char *path;
    GHashTable *parameters;
    char *authorization;
    GByteArray *body;
};

/* With one reference, which is the connection's. */
HttpRequest *http_request_new(HttpServer *server, struct MHD_Connection *connection, const char *method,
                              const char *path, const HttpHead *head);
void http_server_unref(HttpServer *server);

/* A fault with this detail. */
void http_answer_fault(HttpAnswer *answer, unsigned status, const char *detail);
/* Under the lock: the request gets this answer and leaves WAITING; the caller resumes it after unlocking. */
void http_request_claim(HttpRequest *request, const HttpAnswer *answer);

bool http_deadlines_start(HttpServer *server, GError **error);
void http_deadlines_stop(HttpServer *server);
/* Answers now what is due, cuts connections past their deadline. */
void http_deadlines_look(HttpServer *server);
/* Under the lock: waits for `changed`, at most so long. */
void http_wait_for_change(HttpServer *server, gint64 ms);

#endif
