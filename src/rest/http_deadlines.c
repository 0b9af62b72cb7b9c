#include "rest/http_private.h"
#include "trust/fault.h"
#include <sys/socket.h>
#include <time.h>

#define LOOK_MS 100

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
                http_answer_fault(&answer, MHD_HTTP_SERVICE_UNAVAILABLE, "[the server is stopping]");
            else if (now >= slot->deadline_us)
                http_answer_fault(&answer, MHD_HTTP_SERVICE_UNAVAILABLE, "[no outcome in time; look again later]");
            else
                continue;
            http_request_claim(request, &answer);
            g_ptr_array_add(resumed, request->connection);
        } else if (now >= slot->deadline_us) {
            /* Still ours: libmicrohttpd says that a connection is closed before it closes the socket. */
            shutdown(slot->fd, SHUT_RDWR);
        }
    }
    return resumed;
}

void
http_deadlines_look(HttpServer *server)
{
    pthread_mutex_lock(&server->lock);
    g_autoptr(GPtrArray) resumed = reap(server);
    pthread_mutex_unlock(&server->lock);
    for (guint i = 0; i < resumed->len; i++)
        MHD_resume_connection(g_ptr_array_index(resumed, i));
}

void
http_wait_for_change(HttpServer *server, gint64 ms)
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
run(void *argument)
{
    HttpServer *server = argument;
    pthread_mutex_lock(&server->lock);
    while (!server->has_ended) {
        gint64 next = g_get_monotonic_time() + LOOK_MS * 1000;
        while (!server->has_ended && g_get_monotonic_time() < next)
            http_wait_for_change(server, LOOK_MS);
        pthread_mutex_unlock(&server->lock);
        http_deadlines_look(server);
        pthread_mutex_lock(&server->lock);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

bool
http_deadlines_start(HttpServer *server, GError **error)
{
    server->has_thread = pthread_create(&server->thread, NULL, run, server) == 0;
    if (server->has_thread)
        pthread_setname_np(server->thread, "http-deadlines");
    else
        g_set_error(error, FAULT, FAULT_FAILED, "cannot start the thread of HTTP deadlines");
    return server->has_thread;
}

void
http_deadlines_stop(HttpServer *server)
{
    pthread_mutex_lock(&server->lock);
    server->has_ended = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (server->has_thread)
        pthread_join(server->thread, NULL);
}
