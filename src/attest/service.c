#include "attest/service.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "trust/fault.h"

#define CONNECT_TIMEOUT_MS 10000 /* a server that takes longer to shake hands is not there */
#define POLL_MS 1000             /* how long curl may sleep before the deadline is looked at */
#define KEEPALIVE_S 15L
#define CA_CACHE_S 60L /* a new authority's file is noticed so soon; curl's default is a day */

struct Service {
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    char *url;  /* without the call's name */
    char *name; /* "SERVER:PORT", for messages */
    char curl_error[CURL_ERROR_SIZE];
    atomic_bool is_cancelled;
};

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Service, service_free)

/* Where a reply grows. */
typedef struct {
    GByteArray *body;
    size_t max;
    bool is_full;
} Sink;

void
service_reply_clear(ServiceReply *reply)
{
    g_clear_pointer(&reply->body, g_byte_array_unref);
    g_clear_pointer(&reply->error, g_free);
}

bool
service_global_init(GError **error)
{
    CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);

    if (code == CURLE_OK)
        return true;
    g_set_error(error, FAULT, FAULT_FAILED, "libcurl cannot be started: %s", curl_easy_strerror(code));
    return false;
}

static size_t
sink_write(char *bytes, size_t size, size_t n, void *closure)
{
    Sink *sink = closure;

    if (size * n > sink->max - sink->body->len) {
        sink->is_full = true;
        return 0;
    }
    g_byte_array_append(sink->body, (const guint8 *)bytes, (guint)(size * n));
    return size * n;
}

/* curl's own sockets would be inherited by the children of the program that loads this. */
static curl_socket_t
open_socket(void *closure, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)closure;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool
check_readable(const char *what, const char *path, GError **error)
{
    if (!path || access(path, R_OK) == 0)
        return true;
    g_set_error(error, FAULT, FAULT_INVALID, "%s: the file \"%s\" cannot be read: %s.", what, path, g_strerror(errno));
    return false;
}

static bool
check_address(const ServiceAddress *address, GError **error)
{
    if (!address->server || !*address->server || address->port < 1 || address->port > 65535 || !address->api_url ||
        address->api_url[0] != '/') {
        g_set_error_literal(error, FAULT, FAULT_INVALID,
                            "An attestation server needs a name, a port and a path that begins with \"/\".");
        return false;
    }
    return check_readable("attestation_server_ca_file", address->ca_file, error) &&
           check_readable("attestation_client_cert_file", address->client_cert_file, error) &&
           check_readable("attestation_client_key_file", address->client_key_file, error);
}

static CURLcode
set_tls(CURL *easy, const ServiceAddress *address)
{
    CURLcode code = curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, address->insecure_ssl ? 0L : 1L);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, address->insecure_ssl ? 0L : 2L);
    if (code == CURLE_OK && address->ca_file)
        code = curl_easy_setopt(easy, CURLOPT_CAINFO, address->ca_file);
    if (code == CURLE_OK && address->ca_file) /* that one alone, not the system's besides it */
        code = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    if (code == CURLE_OK && address->client_cert_file)
        code = curl_easy_setopt(easy, CURLOPT_SSLCERT, address->client_cert_file);
    if (code == CURLE_OK && address->client_key_file)
        code = curl_easy_setopt(easy, CURLOPT_SSLKEY, address->client_key_file);
    curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
    return code;
}

static CURLcode
set_http(Service *service)
{
    CURL *easy = service->easy;
    CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https");

    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_HTTPHEADER, service->headers);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, sink_write);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, service->curl_error);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, KEEPALIVE_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    /* The resolver's thread may sit in getaddrinfo() for long: past the deadline nobody waits for it. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    return code;
}

static void
add_header(Service *service, const char *name, const char *value)
{
    g_autofree char *line = g_strdup_printf("%s: %s", name, value);
    struct curl_slist *headers = curl_slist_append(service->headers, line);

    if (!headers)
        g_error("no memory for a header");
    service->headers = headers;
}

Service *
service_new(const ServiceAddress *address, GError **error)
{
    g_autoptr(Service) service = NULL;
    bool is_ipv6 = address->server && strchr(address->server, ':') != NULL;
    size_t path_length;
    CURLcode code;

    if (!check_address(address, error))
        return NULL;
    service = g_new0(Service, 1);
    for (path_length = strlen(address->api_url); path_length > 0 && address->api_url[path_length - 1] == '/';)
        path_length--;
    service->name = g_strdup_printf(is_ipv6 ? "[%s]:%u" : "%s:%u", address->server, address->port);
    service->url = g_strdup_printf("https://%s%.*s", service->name, (int)path_length, address->api_url);
    add_header(service, "Content-Type", "application/json");
    add_header(service, "Accept", "application/json");
    add_header(service, "Expect", ""); /* no waiting for "100 Continue" with long requests */
    if (address->auth_blob) {
        add_header(service, "Auth_blob", address->auth_blob);
        add_header(service, "x-auth-blob", address->auth_blob);
    }
    service->multi = curl_multi_init();
    service->easy = curl_easy_init();
    if (!service->multi || !service->easy) {
        g_set_error_literal(error, FAULT, FAULT_FAILED, "libcurl cannot make a handle.");
        return NULL;
    }
    code = set_tls(service->easy, address);
    if (code == CURLE_OK)
        code = set_http(service);
    if (code != CURLE_OK) {
        g_set_error(error, FAULT, FAULT_INVALID, "The attestation server %s cannot be used: %s.", service->name,
                    curl_easy_strerror(code));
        return NULL;
    }
    return g_steal_pointer(&service);
}

void
service_free(Service *service)
{
    if (!service)
        return;
    if (service->easy)
        curl_easy_cleanup(service->easy);
    if (service->multi)
        curl_multi_cleanup(service->multi);
    curl_slist_free_all(service->headers);
    g_free(service->url);
    g_free(service->name);
    g_free(service);
}

const char *
service_url(const Service *service)
{
    return service->url;
}

/* Runs the one transfer to its end. CURLE_ABORTED_BY_CALLBACK when cancelled. */
static CURLcode
run_transfer(Service *service, int64_t timeout_ms)
{
    int64_t deadline = g_get_monotonic_time() / 1000 + timeout_ms;
    int running = 1, left;

    for (;;) {
        int64_t now = g_get_monotonic_time() / 1000;

        if (atomic_load(&service->is_cancelled))
            return CURLE_ABORTED_BY_CALLBACK;
        if (curl_multi_perform(service->multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (!running)
            break;
        if (now >= deadline)
            return CURLE_OPERATION_TIMEDOUT;
        if (curl_multi_poll(service->multi, NULL, 0, (int)MIN(deadline - now, POLL_MS), NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
    for (CURLMsg *message; (message = curl_multi_info_read(service->multi, &left));)
        if (message->msg == CURLMSG_DONE && message->easy_handle == service->easy)
            return message->data.result;
    return CURLE_FAILED_INIT;
}

/* Has the request been on its way? Then the connection stood and the TLS was trusted. */
static bool
was_sent(Service *service)
{
    curl_off_t begun = 0;

    return curl_easy_getinfo(service->easy, CURLINFO_PRETRANSFER_TIME_T, &begun) == CURLE_OK && begun > 0;
}

static void
explain(Service *service, CURLcode code, const Sink *sink, int64_t timeout_ms, ServiceReply *reply)
{
    const char *why = service->curl_error[0] ? service->curl_error : curl_easy_strerror(code);

    if (code == CURLE_OK && reply->status >= 200 && reply->status <= 299) {
        reply->outcome = SERVICE_ANSWERED;
    } else if (code == CURLE_OK) {
        reply->outcome = SERVICE_REFUSED;
        reply->error = g_strdup_printf("The attestation server %s answered HTTP %ld.", service->name, reply->status);
    } else if (code == CURLE_ABORTED_BY_CALLBACK) {
        reply->outcome = SERVICE_CANCELLED;
        reply->error = g_strdup_printf("The question to the attestation server %s was given up.", service->name);
    } else if (sink->is_full) {
        reply->outcome = SERVICE_OVERSIZE;
        reply->error = g_strdup_printf("The reply of the attestation server %s is larger than %zu bytes.",
                                       service->name, sink->max);
    } else if (code == CURLE_OPERATION_TIMEDOUT && was_sent(service)) {
        reply->outcome = SERVICE_LATE;
        reply->error = g_strdup_printf("The attestation server %s did not answer within %.3g s.", service->name,
                                       (double)timeout_ms / 1000);
    } else if (was_sent(service)) {
        reply->outcome = SERVICE_BROKEN;
        reply->error = g_strdup_printf("The attestation server %s broke off its reply: %s.", service->name, why);
    } else {
        reply->outcome = SERVICE_UNREACHABLE;
        reply->error = g_strdup_printf("The attestation server %s cannot be reached: %s.", service->name, why);
    }
}

void
service_post(Service *service, const char *call, const char *body, int64_t timeout_ms, size_t reply_max,
             ServiceReply *reply)
{
    g_autofree char *url = g_strdup_printf("%s/%s", service->url, call);
    Sink sink = {.body = g_byte_array_new(), .max = reply_max};
    CURL *easy = service->easy;
    CURLcode code = CURLE_FAILED_INIT;

    *reply = (ServiceReply){.body = sink.body};
    service->curl_error[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_POST, 1L);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(body));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &sink);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(timeout_ms, CONNECT_TIMEOUT_MS));
    if (curl_multi_add_handle(service->multi, easy) == CURLM_OK) {
        code = run_transfer(service, timeout_ms);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &reply->status);
        explain(service, code, &sink, timeout_ms, reply);
        curl_multi_remove_handle(service->multi, easy);
    } else {
        explain(service, code, &sink, timeout_ms, reply);
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, NULL);
}

void
service_cancel(Service *service)
{
    atomic_store(&service->is_cancelled, true);
    curl_multi_wakeup(service->multi);
}
