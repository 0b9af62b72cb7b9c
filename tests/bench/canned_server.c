/*
 * canned_server: an attestation server that answers PollHosts at once, over HTTPS, with what it was told to.
 *
 *     canned_server CERTIFICATE KEY
 *
 * Prints "port N" and then serves until its input ends. Lines of its input: "bad N": hosts whose number (the digits in
 * the name) is below N are untrusted; "mute": answer nothing but HTTP 500; "stats": prints, and begins anew, the polls
 * and the hosts in them, and when the first and the last one were answered, in ms of CLOCK_MONOTONIC:
 * "POLLS HOSTS FIRST LAST".
 */
#include "bench.h"

#include <jansson.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BODY_MAX (8 * 1024 * 1024)
#define THREADS 2

static struct {
    pthread_mutex_t lock;
    long bad;
    bool mute;
    long polls;
    long hosts;
    double first_ms;
    double last_ms;
} server = {.lock = PTHREAD_MUTEX_INITIALIZER};

static long
number_of(const char *name)
{
    return strtol(name + strcspn(name, "0123456789"), NULL, 10);
}

static char *
make_reply(const json_t *request, size_t *size, long *hosts)
{
    const json_t *names = json_object_get(request, "hosts");
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *second = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S");
    GString *reply = g_string_sized_new(json_array_size(names) * 110 + 32);
    json_t *name;
    size_t i;

    g_string_append(reply, "{\"hosts\":[");
    json_array_foreach(names, i, name)
    {
        const char *text = json_string_value(name);

        g_string_append(reply, i ? ",{\"host_name\":\"" : "{\"host_name\":\"");
        g_string_append(reply, text);
        g_string_append(reply, number_of(text) < server.bad ? "\",\"trust_lvl\":\"untrusted\",\"vtime\":\""
                                                            : "\",\"trust_lvl\":\"trusted\",\"vtime\":\"");
        g_string_append(reply, second);
        g_string_append_printf(reply, ".%03dZ\"}", g_date_time_get_microsecond(now) / 1000);
    }
    g_string_append(reply, "]}");
    *size = reply->len;
    *hosts = (long)json_array_size(names);
    return g_string_free(reply, FALSE);
}

static enum MHD_Result
answer(struct MHD_Connection *connection, const GByteArray *body)
{
    json_t *request = json_loadb((const char *)body->data, body->len, 0, NULL);
    struct MHD_Response *response;
    enum MHD_Result result;
    size_t size = 0;
    long hosts = 0;
    bool mute;
    char *reply;

    pthread_mutex_lock(&server.lock);
    reply = make_reply(request, &size, &hosts);
    mute = server.mute;
    if (server.polls++ == 0)
        server.first_ms = bench_ms();
    server.hosts += hosts;
    server.last_ms = bench_ms();
    pthread_mutex_unlock(&server.lock);
    json_decref(request);
    response = MHD_create_response_from_buffer_with_free_callback(size, reply, g_free);
    MHD_add_response_header(response, "Content-Type", "application/json");
    result = MHD_queue_response(connection, mute ? MHD_HTTP_INTERNAL_SERVER_ERROR : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result
handle(void *closure, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
       const char *data, size_t *size, void **state)
{
    GByteArray *body = *state;

    (void)closure;
    (void)url;
    (void)method;
    (void)version;
    if (!body) {
        *state = g_byte_array_new();
        return MHD_YES;
    }
    if (*size == 0)
        return answer(connection, body);
    if (body->len + *size > BODY_MAX)
        return MHD_NO;
    g_byte_array_append(body, (const guint8 *)data, (guint)*size);
    *size = 0;
    return MHD_YES;
}

static void
forget(void *closure, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode why)
{
    (void)closure;
    (void)connection;
    (void)why;
    if (*state)
        g_byte_array_unref(*state);
}

static void
obey(const char *line)
{
    pthread_mutex_lock(&server.lock);
    if (g_str_has_prefix(line, "bad "))
        server.bad = strtol(line + 4, NULL, 10);
    server.mute = g_str_has_prefix(line, "mute");
    if (g_str_has_prefix(line, "stats"))
        printf("%ld %ld %.3f %.3f\n", server.polls, server.hosts, server.first_ms, server.last_ms);
    else
        puts("ok");
    server.polls = server.hosts = 0;
    fflush(stdout);
    pthread_mutex_unlock(&server.lock);
}

int
main(int argc, char *argv[])
{
    g_autofree char *certificate = NULL, *key = NULL;
    const union MHD_DaemonInfo *info;
    struct MHD_Daemon *daemon;
    char line[64];

    if (argc != 3 || !g_file_get_contents(argv[1], &certificate, NULL, NULL) ||
        !g_file_get_contents(argv[2], &key, NULL, NULL)) {
        fputs("usage: canned_server CERTIFICATE KEY\n", stderr);
        return 2;
    }
    daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TLS, 0, NULL, NULL, handle, NULL,
                              MHD_OPTION_THREAD_POOL_SIZE, (unsigned)THREADS, MHD_OPTION_HTTPS_MEM_CERT, certificate,
                              MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_NOTIFY_COMPLETED, forget, NULL, MHD_OPTION_END);
    info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        fputs("canned_server: cannot start\n", stderr);
        return 2;
    }
    printf("port %u\n", info->port);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin))
        obey(line);
    MHD_stop_daemon(daemon);
    return 0;
}
