#include "rest/http_private.h"
#include "rest/fault.h"
#include <string.h>

void
http_server_unref(HttpServer *server)
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
    http_server_unref(request->server);
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

HttpRequest *
http_request_new(HttpServer *server, struct MHD_Connection *connection, const char *method, const char *path,
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

void
http_answer_fault(HttpAnswer *answer, unsigned status, const char *detail)
{
    *answer = (HttpAnswer){.status = status};
    answer->body = fault_document_for(detail, &answer->size);
}

void
http_request_claim(HttpRequest *request, const HttpAnswer *answer)
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
        http_request_claim(request, answer);
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
