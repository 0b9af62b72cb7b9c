#include "rest/http.h"
#include "rest/http_private.h"
#include "trust/fault.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

/* --- answers --- */

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
    http_answer_fault(&answer, status, detail);
    return send_answer(connection, &answer);
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
        http_answer_fault(&answer, MHD_HTTP_SERVICE_UNAVAILABLE, "[the server is stopping]");
        http_request_claim(request, &answer);
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
    HttpRequest *request = http_request_new(server, connection, method, path, &head);
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
        http_server_unref(server);
        return NULL;
    }
    server->port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
    if (!http_deadlines_start(server, error)) {
        http_server_free(server);
        return NULL;
    }
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
    http_deadlines_look(server);
    /* libmicrohttpd aborts the process when it is stopped with a suspended connection. */
    pthread_mutex_lock(&server->lock);
    gint64 now = g_get_monotonic_time();
    while (server->waiting > 0 && g_get_monotonic_time() < now + 10 * G_USEC_PER_SEC)
        http_wait_for_change(server, 100);
    while (any_request(server) && g_get_monotonic_time() < now + 2 * G_USEC_PER_SEC)
        http_wait_for_change(server, 100);
    bool is_stuck = server->waiting > 0;
    pthread_mutex_unlock(&server->lock);
    http_deadlines_stop(server);
    if (is_stuck) {
        g_critical("HTTP: a request is not handed back; the server's threads are left behind");
        return;
    }
    MHD_stop_daemon(server->daemon);
    if (server->listener != MHD_INVALID_SOCKET)
        close(server->listener);
    http_server_unref(server);
}
