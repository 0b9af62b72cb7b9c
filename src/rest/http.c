#include "rest/http.h"
#include "rest/fault.h"
#include "rest/http_head.h"
#include "trust/fault.h"
#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAPER_MS 100

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
    pthread_t reaper;
    bool has_reaper;

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

static void
server_unref(HttpServer *server)
{
    if (!g_atomic_int_dec_and_test(&server->references))
        return;
    g_hash_table_unref(server->slots);
    pthread_cond_destroy(&server->changed);
    pthread_mutex_destroy(&server->lock);
    g_free(server);
}

HttpRequest *
http_request_ref(HttpRequest *request)
{
    g_atomic_int_inc(&request->references);
    return request;
}

void
http_request_unref(HttpRequest *request)
{
    if (!g_atomic_int_dec_and_test(&request->references))
        return;
    g_free(request->answer.body);
    g_free(request->answer.location);
    g_free(request->method);
    g_free(request->path);
    g_free(request->authorization);
    g_hash_table_unref(request->parameters);
    g_byte_array_unref(request->body);
    server_unref(request->server);
    g_free(request);
}

const char *
http_request_method(const HttpRequest *request)
{
    return request->method;
}

const char *
http_request_path(const HttpRequest *request)
{
    return request->path;
}

const char *
http_request_parameter(const HttpRequest *request, const char *name)
{
    return g_hash_table_lookup(request->parameters, name);
}

const char *
http_request_authorization(const HttpRequest *request)
{
    return request->authorization;
}

const char *
http_request_body(const HttpRequest *request, size_t *size)
{
    *size = request->body->len;
    return (const char *)request->body->data;
}

/* --- answers --- */

static void
fault_answer(HttpAnswer *answer, unsigned status, const char *detail)
{
    *answer = (HttpAnswer){.status = status};
    answer->body = fault_document_for(detail, &answer->size);
}

static enum MHD_Result
send_answer(struct MHD_Connection *connection, HttpAnswer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(answer->size, answer->body, g_free);
    if (response == NULL)
        return MHD_NO;
    if (answer->body != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE,
                                answer->type != NULL ? answer->type : "application/xml");
    answer->body = NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (answer->location != NULL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, answer->location);
    if (answer->asks_for_login)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"RESTAPI\"");
    enum MHD_Result result = MHD_queue_response(connection, answer->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
send_fault(struct MHD_Connection *connection, unsigned status, const char *detail)
{
    HttpAnswer answer;
    fault_answer(&answer, status, detail);
    return send_answer(connection, &answer);
}

/* Under the lock: the request gets this answer and leaves WAITING; the caller resumes it after unlocking. */
static void
claim(HttpRequest *request, const HttpAnswer *answer)
{
    g_free(request->answer.body);
    g_free(request->answer.location);
    request->answer = *answer;
    request->state = ANSWERED;
    request->slot->deadline_us = g_get_monotonic_time() + (gint64)request->server->settings.arrival_ms * 1000;
}

void
http_request_answer(HttpRequest *request, const HttpAnswer *answer)
{
    HttpServer *server = request->server;
    bool resumes = false;
    pthread_mutex_lock(&server->lock);
    bool is_taken = request->state == WAITING && request->due_us == 0;
    if (is_taken && answer->delay_ms > 0) {
        request->answer = *answer;
        request->due_us = g_get_monotonic_time() + (gint64)answer->delay_ms * 1000;
    } else if (is_taken) {
        claim(request, answer);
        resumes = true;
    }
    pthread_mutex_unlock(&server->lock);
    if (resumes)
        MHD_resume_connection(request->connection);
    if (!is_taken) {
        g_free(answer->body);
        g_free(answer->location);
    }
}

/* --- what arrives --- */

static enum MHD_Result
see_header(void *closure, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    http_head_add(closure, name, value);
    return MHD_YES;
}

static enum MHD_Result
see_parameter(void *closure, enum MHD_ValueKind kind, const char *key, const char *value)
{
    (void)kind;
    g_hash_table_replace(closure, g_strdup(key), g_strdup(value != NULL ? value : ""));
    return MHD_YES;
}

/* Takes ;name=value off the path (oVirt's matrix parameters). */
static void
take_matrix_parameters(HttpRequest *request)
{
    char *semicolon = strchr(request->path, ';');
    if (semicolon == NULL)
        return;
    g_auto(GStrv) parts = g_strsplit(semicolon + 1, ";", 16);
    *semicolon = '\0';
    for (char **p = parts; *p != NULL; p++) {
        char *equals = strchr(*p, '=');
        if (equals != NULL)
            *equals = '\0';
        see_parameter(request->parameters, MHD_GET_ARGUMENT_KIND, *p, equals != NULL ? equals + 1 : NULL);
    }
}

static HttpRequest *
request_new(HttpServer *server, struct MHD_Connection *connection, const char *method, const char *path,
            const HttpHead *head)
{
    HttpRequest *request = g_new0(HttpRequest, 1);
    request->references = 1;
    g_atomic_int_inc(&server->references);
    request->server = server;
    request->connection = connection;
    request->slot = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    request->method = g_strdup(strcmp(method, "HEAD") == 0 ? "GET" : method);
    request->path = g_strdup(path);
    request->parameters = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    request->authorization = g_strdup(head->authorization);
    request->body = g_byte_array_new();
    take_matrix_parameters(request);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, see_parameter, request->parameters);
    return request;
}

static enum MHD_Result
hand_over(HttpServer *server, HttpRequest *request)
{
    http_request_ref(request);
    MHD_suspend_connection(request->connection);
    pthread_mutex_lock(&server->lock);
    bool is_stopping = server->is_stopping;
    server->waiting++;
    request->is_counted = true;
    if (is_stopping) {
        HttpAnswer answer;
        fault_answer(&answer, MHD_HTTP_SERVICE_UNAVAILABLE, "[the server is stopping]");
        claim(request, &answer);
    } else {
        request->state = WAITING;
        request->slot->deadline_us = g_get_monotonic_time() + (gint64)server->settings.answer_ms * 1000;
    }
    pthread_mutex_unlock(&server->lock);
    if (is_stopping)
        MHD_resume_connection(request->connection);
    else
        server->handler(request, server->closure);
    http_request_unref(request);
    return MHD_YES;
}

static enum MHD_Result
begin_request(HttpServer *server, struct MHD_Connection *connection, const char *method, const char *path,
              void **context)
{
    HttpHead head = {0};
    const char *why = NULL;
    bool is_read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    MHD_get_connection_values(connection, MHD_HEADER_KIND, see_header, &head);
    unsigned status = http_head_judge(&head, is_read, server->settings.body_max, &why);
    HttpRequest *request = request_new(server, connection, method, path, &head);
    *context = request;
    pthread_mutex_lock(&server->lock);
    request->slot->request = request;
    pthread_mutex_unlock(&server->lock);
    if (status != 0) {
        request->state = ANSWERED;
        return send_fault(connection, status, why);
    }
    /* The body of a GET means nothing, and may never come: answer in this first call. It costs the connection, so that
     * requests without a body are answered in the second. */
    return is_read && http_head_has_body(&head) ? hand_over(server, request) : MHD_YES;
}

static enum MHD_Result
on_request(void *closure, struct MHD_Connection *connection, const char *path, const char *method, const char *version,
           const char *bytes, size_t *size, void **context)
{
    HttpServer *server = closure;
    HttpRequest *request = *context;
    (void)version;
    if (request == NULL)
        return begin_request(server, connection, method, path, context);
    pthread_mutex_lock(&server->lock);
    RequestState state = request->state;
    if (state == ANSWERED && request->is_counted) {
        request->is_counted = false;
        server->waiting--;
        pthread_cond_broadcast(&server->changed);
    }
    pthread_mutex_unlock(&server->lock);
    if (state == ANSWERED)
        return send_answer(connection, &request->answer);
    if (*size > 0) {
        request->is_too_large |= *size > server->settings.body_max - request->body->len;
        if (!request->is_too_large)
            g_byte_array_append(request->body, (const guint8 *)bytes, (guint)*size);
        *size = 0;
        return MHD_YES;
    }
    if (!request->is_too_large)
        return hand_over(server, request);
    return send_fault(connection, MHD_HTTP_CONTENT_TOO_LARGE, "[the request's body is too large]");
}

static void
on_completed(void *closure, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode how)
{
    HttpServer *server = closure;
    HttpRequest *request = *context;
    (void)connection;
    (void)how;
    if (request == NULL)
        return;
    *context = NULL;
    pthread_mutex_lock(&server->lock);
    if (request->is_counted)
        server->waiting--;
    request->is_counted = false;
    request->state = ANSWERED;
    request->slot->request = NULL;
    request->slot->deadline_us =
        g_get_monotonic_time() + ((gint64)server->settings.idle_ms + server->settings.arrival_ms) * 1000;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    http_request_unref(request);
}

static void
on_connection(void *closure, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode how)
{
    HttpServer *server = closure;
    Slot *slot = *context;
    pthread_mutex_lock(&server->lock);
    if (how == MHD_CONNECTION_NOTIFY_STARTED) {
        slot = g_new0(Slot, 1);
        slot->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        slot->deadline_us = g_get_monotonic_time() + (gint64)server->settings.arrival_ms * 1000;
        g_hash_table_add(server->slots, slot);
        *context = slot;
    } else if (slot != NULL) {
        g_hash_table_remove(server->slots, slot);
        g_free(slot);
        *context = NULL;
    }
    pthread_mutex_unlock(&server->lock);
}

/* --- deadlines --- */

/* Under the lock: gives the requests that must be answered now their answers, cuts connections past their deadline;
 * returns what is to be resumed. */
static GPtrArray *
reap(HttpServer *server)
{
    GPtrArray *resumed = g_ptr_array_new();
    gint64 now = g_get_monotonic_time();
    GHashTableIter iterator;
    gpointer key;
    g_hash_table_iter_init(&iterator, server->slots);
    while (g_hash_table_iter_next(&iterator, &key, NULL)) {
        Slot *slot = key;
        HttpRequest *request = slot->request;
        if (request != NULL && request->state == WAITING) {
            HttpAnswer answer = request->answer;
            if (request->due_us != 0 && (now >= request->due_us || server->is_stopping))
                request->answer = (HttpAnswer){0};
            else if (server->is_stopping)
                fault_answer(&answer, MHD_HTTP_SERVICE_UNAVAILABLE, "[the server is stopping]");
            else if (now >= slot->deadline_us)
                fault_answer(&answer, MHD_HTTP_SERVICE_UNAVAILABLE, "[no outcome in time; look again later]");
            else
                continue;
            claim(request, &answer);
            g_ptr_array_add(resumed, request->connection);
        } else if (now >= slot->deadline_us) {
            /* Still ours: libmicrohttpd says that a connection is closed before it closes the socket. */
            shutdown(slot->fd, SHUT_RDWR);
        }
    }
    return resumed;
}

static void
reap_and_resume(HttpServer *server)
{
    pthread_mutex_lock(&server->lock);
    g_autoptr(GPtrArray) resumed = reap(server);
    pthread_mutex_unlock(&server->lock);
    for (guint i = 0; i < resumed->len; i++)
        MHD_resume_connection(g_ptr_array_index(resumed, i));
}

static void
wait_until(HttpServer *server, gint64 ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&server->changed, &server->lock, &until);
}

static void *
run_reaper(void *argument)
{
    HttpServer *server = argument;
    pthread_mutex_lock(&server->lock);
    while (!server->has_ended) {
        gint64 next = g_get_monotonic_time() + REAPER_MS * 1000;
        while (!server->has_ended && g_get_monotonic_time() < next)
            wait_until(server, REAPER_MS);
        pthread_mutex_unlock(&server->lock);
        reap_and_resume(server);
        pthread_mutex_lock(&server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

/* --- begin and end --- */

static bool
parse_address(const HttpSettings *settings, struct sockaddr_storage *address, GError **error)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, settings->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)settings->port);
    } else if (inet_pton(AF_INET6, settings->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons((uint16_t)settings->port);
    } else {
        g_set_error(error, FAULT, FAULT_INVALID, "listen_address \"%s\" is no IP address", settings->address);
        return false;
    }
    return true;
}

static void G_GNUC_PRINTF(2, 0) log_mhd(void *closure, const char *format, va_list arguments)
{
    (void)closure;
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    g_debug("HTTP: %s", g_strchomp(text));
}

static struct MHD_Daemon *
start_daemon(HttpServer *server, const HttpSettings *settings, const struct sockaddr_storage *address,
             const char *certificate, const char *key)
{
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TLS | MHD_USE_ERROR_LOG;
    if (address->ss_family == AF_INET6)
        flags |= MHD_USE_IPv6;
    return MHD_start_daemon(flags, (uint16_t)settings->port, NULL, NULL, on_request, server, MHD_OPTION_EXTERNAL_LOGGER,
                            log_mhd, NULL, MHD_OPTION_SOCK_ADDR, address, MHD_OPTION_THREAD_POOL_SIZE, 2U,
                            MHD_OPTION_CONNECTION_LIMIT, settings->connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)32768, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_HTTPS_MEM_CERT, certificate,
                            MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_HTTPS_PRIORITIES,
                            "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2", MHD_OPTION_LISTENING_ADDRESS_REUSE, 1U,
                            MHD_OPTION_END);
}

HttpServer *
http_server_new(const HttpSettings *settings, HttpHandler handler, void *closure, GError **error)
{
    struct sockaddr_storage address;
    g_autofree char *certificate = NULL;
    g_autofree char *key = NULL;
    if (!parse_address(settings, &address, error) ||
        !g_file_get_contents(settings->certificate_file, &certificate, NULL, error) ||
        !g_file_get_contents(settings->key_file, &key, NULL, error))
        return NULL;
    HttpServer *server = g_new0(HttpServer, 1);
    server->references = 1;
    server->settings = *settings;
    server->handler = handler;
    server->closure = closure;
    server->listener = MHD_INVALID_SOCKET;
    server->slots = g_hash_table_new(NULL, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    server->daemon = start_daemon(server, settings, &address, certificate, key);
    if (server->daemon == NULL) {
        g_set_error(error, FAULT, FAULT_UNAVAILABLE,
                    "cannot serve HTTPS on %s port %u: %s (is the port taken, or the certificate in %s bad?)",
                    settings->address, settings->port, g_strerror(errno), settings->certificate_file);
        server_unref(server);
        return NULL;
    }
    server->port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    server->has_reaper = pthread_create(&server->reaper, NULL, run_reaper, server) == 0;
    if (!server->has_reaper) {
        g_set_error(error, FAULT, FAULT_FAILED, "cannot start the thread of HTTP deadlines");
        http_server_free(server);
        return NULL;
    }
    pthread_setname_np(server->reaper, "http-deadlines");
    return server;
}

unsigned
http_server_port(const HttpServer *server)
{
    return server->port;
}

void
http_server_quiesce(HttpServer *server)
{
    if (server->listener == MHD_INVALID_SOCKET)
        server->listener = MHD_quiesce_daemon(server->daemon);
    pthread_mutex_lock(&server->lock);
    server->is_stopping = true;
    pthread_mutex_unlock(&server->lock);
}

static bool
any_request(HttpServer *server)
{
    GHashTableIter iterator;
    gpointer slot;
    g_hash_table_iter_init(&iterator, server->slots);
    while (g_hash_table_iter_next(&iterator, &slot, NULL))
        if (((Slot *)slot)->request != NULL)
            return true;
    return false;
}

void
http_server_free(HttpServer *server)
{
    if (server == NULL)
        return;
    http_server_quiesce(server);
    reap_and_resume(server);
    /* libmicrohttpd aborts the process when it is stopped with a suspended connection. */
    pthread_mutex_lock(&server->lock);
    gint64 now = g_get_monotonic_time();
    while (server->waiting > 0 && g_get_monotonic_time() < now + 10 * G_USEC_PER_SEC)
        wait_until(server, 100);
    while (any_request(server) && g_get_monotonic_time() < now + 2 * G_USEC_PER_SEC)
        wait_until(server, 100);
    bool is_stuck = server->waiting > 0;
    server->has_ended = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (server->has_reaper)
        pthread_join(server->reaper, NULL);
    if (is_stuck) {
        g_critical("HTTP: a request is not handed back; the server's threads are left behind");
        return;
    }
    MHD_stop_daemon(server->daemon);
    if (server->listener != MHD_INVALID_SOCKET)
        close(server->listener);
    server_unref(server);
}
