#include "rest/service.h"
#include "manager/workers.h"
#include "rest/fault.h"
#include "trust/fault.h"
#include <string.h>

struct Service {
    const Route *routes;
    gint is_stopping; /* what waits for its turn is answered with 503 */
    Manager *manager;
    Store *store;
    char *schema_file;
    Auth *auth;
    HttpServer *http;
    Workers *passwords;
    Workers *requests;
    Workers *actions;
};

/* A request on its way from one stage to the next. */
typedef struct {
    Service *service;
    HttpRequest *request;
    Credentials *credentials;
    const Route *route;
    RestCall *call;
} Errand;

static void
errand_free(Errand *errand)
{
    if (errand->request != NULL)
        http_request_unref(errand->request);
    credentials_free(errand->credentials);
    g_free(errand);
}

static void
answer_fault(HttpRequest *request, unsigned status, const char *detail)
{
    HttpAnswer answer = {.status = status, .asks_for_login = status == 401};
    if (detail != NULL)
        answer.body = fault_document_for(detail, &answer.size);
    http_request_answer(request, &answer);
}

static void
answer_overload(HttpRequest *request)
{
    answer_fault(request, 503, "[too many requests wait, or the server is stopping; try again later]");
}

/* --- third stage: the route --- */

static void
run_route(void *item)
{
    Errand *errand = item;
    bool is_stopping = g_atomic_int_get(&errand->service->is_stopping);
    RestCall *call = errand->call;
    const Route *route = errand->route;
    errand_free(errand);
    if (is_stopping) {
        g_autoptr(GError) error = g_error_new(FAULT, FAULT_UNAVAILABLE, "the server is stopping");
        rest_call_finish(call, error);
    } else if (route->begin != NULL) {
        route->begin(call);
    } else {
        g_autoptr(GError) error = NULL;
        bool is_done = route->serve(call, &error);
        g_assert(is_done == (error == NULL));
        rest_call_finish(call, error);
    }
}

static void
go_to_route(Errand *errand)
{
    Service *service = errand->service;
    HttpRequest *request = errand->request;
    const char *rest = NULL;
    const Route *route = NULL;
    char *id = NULL;
    const char *root = router_root(http_request_path(request), &rest);
    RouterAnswer found =
        root != NULL ? router_find(service->routes, http_request_method(request), rest, &route, &id) : ROUTER_NO_PATH;
    if (found != ROUTER_FOUND) {
        if (found == ROUTER_NO_PATH)
            answer_fault(request, 404, NULL);
        else
            answer_fault(request, 405, "[the resource does not take this method]");
        errand_free(errand);
        return;
    }
    RestCall *call =
        rest_call_new(service->manager, service->store, request, g_steal_pointer(&errand->credentials->user), root, id);
    call->schema_file = service->schema_file;
    call->is_action = route->is_action;
    errand->route = route;
    errand->call = call;
    if (!workers_push(route->blocks ? service->actions : service->requests, run_route, errand)) {
        g_autoptr(GError) error =
            g_error_new(FAULT, FAULT_UNAVAILABLE, "too many requests wait, or the server is stopping; try again later");
        rest_call_finish(call, error);
        errand_free(errand);
    }
}

/* --- second stage: the password --- */

static void
run_password(void *item)
{
    Errand *errand = item;
    bool is_stopping = g_atomic_int_get(&errand->service->is_stopping);
    g_autoptr(GError) error = NULL;
    bool is_right = false;
    if (is_stopping) {
        answer_overload(errand->request);
    } else if (auth_is_known(errand->service->auth, errand->credentials)) {
        /* Another request of the same client has been verified while this one waited for its turn. */
        go_to_route(errand);
        return;
    } else if (!auth_verify(errand->service->auth, errand->credentials, &is_right, &error)) {
        g_warning("REST: cannot verify a password: %s", error->message);
        answer_fault(errand->request, 503, "[passwords cannot be verified now; try again later]");
    } else if (!is_right) {
        HttpAnswer answer = {.status = 401, .asks_for_login = true, .delay_ms = AUTH_FAILURE_MS};
        answer.body = fault_document_for("[user or password is wrong]", &answer.size);
        http_request_answer(errand->request, &answer);
    } else {
        go_to_route(errand);
        return;
    }
    errand_free(errand);
}

/* --- first stage: on a thread of the HTTP server, which must not wait --- */

static void
on_request(HttpRequest *request, void *closure)
{
    Service *service = closure;
    Errand *errand = g_new0(Errand, 1);
    errand->service = service;
    errand->request = http_request_ref(request);
    errand->credentials = credentials_parse(http_request_authorization(request));
    if (errand->credentials == NULL) {
        answer_fault(request, 401, "[log in with a user like admin@internal and its password]");
        errand_free(errand);
    } else if (auth_is_known(service->auth, errand->credentials)) {
        go_to_route(errand);
    } else if (!workers_push(service->passwords, run_password, errand)) {
        answer_overload(request);
        errand_free(errand);
    }
}

/* --- begin and end --- */

Service *
service_new(const ServiceSettings *settings, GError **error)
{
    Service *service = g_new0(Service, 1);
    service->routes = settings->routes;
    service->manager = settings->manager;
    service->store = settings->store;
    service->schema_file = g_strdup(settings->schema_file);
    service->auth = auth_new(settings->lookup, settings->lookup_closure, error);
    service->passwords = workers_new("rest-passwords", 2, 64);
    service->requests = workers_new("rest-requests", 4, 256);
    service->actions = workers_new("rest-actions", 8, 256);
    if (service->auth != NULL)
        service->http = http_server_new(&settings->http, on_request, service, error);
    if (service->http == NULL)
        g_clear_pointer(&service, service_free);
    return service;
}

unsigned
service_port(const Service *service)
{
    return http_server_port(service->http);
}

void
service_free(Service *service)
{
    if (service == NULL)
        return;
    g_atomic_int_set(&service->is_stopping, 1);
    if (service->http != NULL)
        http_server_quiesce(service->http);
    /* In the order in which they feed each other. */
    workers_stop(service->passwords);
    workers_stop(service->requests);
    workers_stop(service->actions);
    http_server_free(service->http);
    workers_free(service->passwords);
    workers_free(service->requests);
    workers_free(service->actions);
    auth_free(service->auth);
    g_free(service->schema_file);
    g_free(service);
}
