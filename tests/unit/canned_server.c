#include "canned_server.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct CannedServer {
    struct MHD_Daemon *daemon;
    CannedHandler handler;
    void *closure;
    unsigned port;
    atomic_uint connections, requests, together, most_together;
    bool wants_client_certificate;
};

static void
count_connection(void *closure, struct MHD_Connection *connection, void **context,
                 enum MHD_ConnectionNotificationCode code)
{
    CannedServer *server = closure;

    (void)connection;
    (void)context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        atomic_fetch_add(&server->connections, 1);
}

static void
forget_request(void *closure, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code)
{
    (void)closure;
    (void)connection;
    (void)code;
    if (*context)
        g_string_free(*context, TRUE);
    *context = NULL;
}

static char *
client_name(CannedServer *server, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info;
    const gnutls_datum_t *certificates;
    gnutls_x509_crt_t certificate;
    char name[256];
    size_t size = sizeof name;
    unsigned status = 1, n;
    bool is_named;

    if (!server->wants_client_certificate)
        return NULL;
    info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (!info || gnutls_certificate_verify_peers2(info->tls_session, &status) != 0 || status != 0)
        return NULL;
    certificates = gnutls_certificate_get_peers(info->tls_session, &n);
    if (!certificates || n == 0 || gnutls_x509_crt_init(&certificate) != 0)
        return NULL;
    is_named = gnutls_x509_crt_import(certificate, &certificates[0], GNUTLS_X509_FMT_DER) == 0 &&
               gnutls_x509_crt_get_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, 0, name, &size) == 0;
    gnutls_x509_crt_deinit(certificate);
    return is_named ? g_strndup(name, size) : NULL;
}

static enum MHD_Result
answer(CannedServer *server, struct MHD_Connection *connection, const char *url, GString *body)
{
    g_autofree char *name = client_name(server, connection);
    CannedRequest request = {
        .url = url,
        .body = body->str,
        .auth_blob = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Auth_blob"),
        .x_auth_blob = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "x-auth-blob"),
        .content_type = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Content-Type"),
        .client_name = name,
    };
    unsigned status = 200, together = atomic_fetch_add(&server->together, 1) + 1, most;
    struct MHD_Response *response;
    enum MHD_Result result;
    char *text;

    atomic_fetch_add(&server->requests, 1);
    for (most = atomic_load(&server->most_together); together > most;)
        if (atomic_compare_exchange_weak(&server->most_together, &most, together))
            break;
    text = server->handler(server->closure, &request, &status);
    atomic_fetch_sub(&server->together, 1);
    response = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_COPY);
    g_free(text);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
handle(void *closure, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
       const char *upload, size_t *upload_size, void **context)
{
    (void)method;
    (void)version;
    if (!*context) {
        *context = g_string_new(NULL);
        return MHD_YES;
    }
    if (*upload_size > 0) {
        g_string_append_len(*context, upload, (gssize)*upload_size);
        *upload_size = 0;
        return MHD_YES;
    }
    return answer(closure, connection, url, *context);
}

static char *
load(const CannedOptions *options, const char *name, const char *suffix)
{
    g_autofree char *path = g_strdup_printf("%s/%s-%s.pem", options->directory, name, suffix);
    char *text = NULL;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        g_error("%s cannot be read", path);
    return text;
}

CannedServer *
canned_server_start(const CannedOptions *options, CannedHandler handler, void *closure)
{
    CannedServer *server = g_new0(CannedServer, 1);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    g_autofree char *certificate = load(options, options->certificate ? options->certificate : "server", "cert");
    g_autofree char *key = load(options, options->certificate ? options->certificate : "server", "key");
    g_autofree char *authority = load(options, "ca", "cert");
    struct MHD_OptionItem more[] = {
        {options->wants_client_certificate ? MHD_OPTION_HTTPS_MEM_TRUST : MHD_OPTION_END, 0, authority},
        {MHD_OPTION_END, 0, NULL},
    };
    const union MHD_DaemonInfo *info;

    server->handler = handler;
    server->closure = closure;
    server->wants_client_certificate = options->wants_client_certificate;
    server->daemon = MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_TLS, 0,
                                      NULL, NULL, handle, server, MHD_OPTION_SOCK_ADDR, &address,
                                      MHD_OPTION_HTTPS_MEM_CERT, certificate, MHD_OPTION_HTTPS_MEM_KEY, key,
                                      MHD_OPTION_HTTPS_PRIORITIES, options->priorities ? options->priorities : "NORMAL",
                                      MHD_OPTION_NOTIFY_COMPLETED, forget_request, NULL, MHD_OPTION_NOTIFY_CONNECTION,
                                      count_connection, server, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (!server->daemon)
        g_error("the canned server does not start");
    info = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT);
    server->port = info->port;
    return server;
}

void
canned_server_stop(CannedServer *server)
{
    MHD_stop_daemon(server->daemon);
    g_free(server);
}

unsigned
canned_server_port(const CannedServer *server)
{
    return server->port;
}

unsigned
canned_server_connections(CannedServer *server)
{
    return atomic_load(&server->connections);
}

unsigned
canned_server_requests(CannedServer *server)
{
    return atomic_load(&server->requests);
}

unsigned
canned_server_most_together(CannedServer *server)
{
    return atomic_load(&server->most_together);
}
