/* The server with routes of the test's own, over TLS on a free port of the loopback. */
#include "https_client.h"
#include "manager/tls_files.h"
#include "rest/password.h"
#include "rest/service.h"
#include "trust/fault.h"

#include <check.h>
#include <ftw.h>
#include <libxml/parser.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ID "0d4bd2a5-7f4e-4a0b-9b55-0a6b6a1f3c11"
#define LOGIN "Authorization: Basic YWRtaW5AaW50ZXJuYWw6c2VjcmV0\r\n" /* admin@internal:secret */
#define HOST "Host: localhost\r\n"

static char directory[] = "/tmp/tprest.XXXXXX";
static char *stored_hash;
static Service *service;
static unsigned port;
static gint lookups;

/* Calls that were begun and wait for the test. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static GPtrArray *held;

static char *
look_up(void *closure, const char *user, GError **error)
{
    (void)closure;
    (void)error;
    g_atomic_int_inc(&lookups);
    return strcmp(user, "admin@internal") == 0 ? g_strdup(stored_hash) : NULL;
}

static bool
serve_echo(RestCall *call, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "thing", error);
    if (document == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "echo");
    xml_text(writer, "user", call->user);
    xml_text(writer, "root", call->root);
    xml_text(writer, "id", call->id);
    xml_text(writer, "max", http_request_parameter(call->request, "max"));
    xml_close(writer);
    rest_call_created(call, "things", ID);
    return true;
}

static bool
serve_get(RestCall *call, GError **error)
{
    (void)error;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "thing");
    xml_text(writer, "id", call->id);
    xml_text(writer, "max", http_request_parameter(call->request, "max"));
    xml_close(writer);
    return true;
}

static bool
serve_refusal(RestCall *call, GError **error)
{
    (void)call;
    g_set_error(error, FAULT, FAULT_REFUSED, "not now");
    return false;
}

static bool
serve_nothing(RestCall *call, GError **error)
{
    (void)call;
    g_set_error(error, FAULT, FAULT_NOT_FOUND, "no such thing");
    return false;
}

static void
begin_hold(RestCall *call)
{
    pthread_mutex_lock(&lock);
    g_ptr_array_add(held, call);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static const Route routes[] = {
    {"GET", "/things/{id}", .serve = serve_get},
    {"POST", "/things", .serve = serve_echo},
    {"POST", "/things/{id}/refuse", .serve = serve_refusal, .is_action = true},
    {"PUT", "/things/{id}", .serve = serve_refusal},
    {"DELETE", "/things/{id}", .serve = serve_nothing},
    {"POST", "/things/{id}/hold", .begin = begin_hold, .is_action = true},
    {.method = NULL},
};

static void
start_with(unsigned arrival_ms, unsigned answer_ms)
{
    g_autoptr(GError) error = NULL;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert(tls_files_make(directory, "localhost,127.0.0.1", &error));
    g_autofree char *certificate = g_build_filename(directory, "cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "key.pem", NULL);
    const ServiceSettings settings = {
        .http = {.address = "127.0.0.1",
                 .certificate_file = certificate,
                 .key_file = key,
                 .body_max = DOCUMENT_MAX,
                 .arrival_ms = arrival_ms,
                 .idle_ms = 120000,
                 .answer_ms = answer_ms,
                 .connections = 1000},
        .routes = routes,
        .lookup = look_up,
    };
    held = g_ptr_array_new();
    stored_hash = password_hash("secret", &error);
    ck_assert_ptr_nonnull(stored_hash);
    service = service_new(&settings, &error);
    ck_assert_msg(service != NULL, "%s", error != NULL ? error->message : "");
    port = service_port(service);
    ck_assert_uint_ne(port, 0);
}

static void
start(void)
{
    start_with(120000, 120000);
}

static int
remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static void
stop(void)
{
    g_clear_pointer(&service, service_free);
    for (guint i = 0; i < held->len; i++)
        rest_call_finish(g_ptr_array_index(held, i), NULL);
    g_ptr_array_unref(held);
    g_free(stored_hash);
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void
wait_for_held(guint n)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    pthread_mutex_lock(&lock);
    while (held->len < n)
        ck_assert_int_eq(pthread_cond_timedwait(&changed, &lock, &until), 0);
    pthread_mutex_unlock(&lock);
}

static void
assert_answer(const char *request, int status, const char *text)
{
    g_autofree char *response = https_exchange(port, request);
    ck_assert_msg(https_status(response) == status, "%d wanted: %s", status, response);
    ck_assert_msg(text == NULL || strstr(response, text) != NULL, "\"%s\" wanted: %s", text, response);
}

START_TEST(a_request_is_served_at_each_root)
{
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, "<id>" ID "</id>");
    assert_answer("GET /ovirt-engine/api/things/" ID "/ HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, "<id>" ID "</id>");
    assert_answer("GET /ovirt-engine/api/v3/things/" ID ";max=7 HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, "<max>7</max>");
    assert_answer("GET /api/things/" ID "?max=8 HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, "<max>8</max>");
    assert_answer("POST /ovirt-engine/api/things HTTP/1.1\r\n" HOST LOGIN
                  "Content-Type: application/xml; charset=UTF-8\r\nContent-Length: 8\r\n\r\n<thing/>",
                  201, "Location: /ovirt-engine/api/things/" ID);
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN
                  "Transfer-Encoding: chunked\r\n\r\n3\r\n<th\r\n5\r\ning/>\r\n0\r\n\r\n",
                  201, "<user>admin@internal</user>");
}
END_TEST

START_TEST(errors_are_faults_and_failed_actions)
{
    assert_answer("PUT /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "Content-Length: 0\r\n\r\n", 409,
                  "<detail>[not now]</detail>");
    assert_answer("POST /api/things/" ID "/refuse HTTP/1.1\r\n" HOST LOGIN "Content-Length: 0\r\n\r\n", 409,
                  "<state>failed</state>");
    assert_answer("DELETE /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "\r\n", 404, "Content-Length: 0");
    assert_answer("GET /api/nothing HTTP/1.1\r\n" HOST LOGIN "\r\n", 404, NULL);
    assert_answer("GET /apis HTTP/1.1\r\n" HOST LOGIN "\r\n", 404, NULL);
    assert_answer("GET /api/things/17 HTTP/1.1\r\n" HOST LOGIN "\r\n", 404, NULL);
    assert_answer("PUT /api/things HTTP/1.1\r\n" HOST LOGIN "Content-Length: 0\r\n\r\n", 405, "<fault>");
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN "Content-Length: 8\r\n\r\n<think/>", 400,
                  "element &lt;think&gt; in line 1");
}
END_TEST

START_TEST(nobody_is_served_without_the_right_password)
{
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST "\r\n", 401, "WWW-Authenticate: Basic realm=\"RESTAPI\"");
    assert_answer("GET /api/nothing HTTP/1.1\r\n" HOST "\r\n", 401, NULL);
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST "Authorization: Bearer x\r\n\r\n", 401, NULL);
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST "Authorization: Basic \r\n\r\n", 401, NULL);
    gint64 before = g_get_monotonic_time();
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST
                  "Authorization: Basic YWRtaW5AaW50ZXJuYWw6d3Jvbmc=\r\n\r\n",
                  401, "user or password is wrong");
    ck_assert_msg(g_get_monotonic_time() - before >= AUTH_FAILURE_MS * 1000, "the answer came at once");
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST
                  "Authorization: Basic bm9ib2R5QGludGVybmFsOnNlY3JldA==\r\n\r\n",
                  401, "user or password is wrong");
}
END_TEST

START_TEST(a_verified_password_is_remembered)
{
    for (int i = 0; i < 5; i++)
        assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, NULL);
    ck_assert_int_eq(g_atomic_int_get(&lookups), 1);
}
END_TEST

START_TEST(ambiguous_requests_are_refused)
{
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" LOGIN "\r\n", 400, NULL);
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST HOST LOGIN "\r\n", 400, NULL);
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN "Content-Length: 8\r\nContent-Length: 8\r\n\r\n<thing/>",
                  400, NULL);
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN
                  "Content-Length: 8\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                  400, NULL);
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN
                  "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\n<thing/>",
                  415, "application/xml");
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN
                  "Origin: https://elsewhere.example\r\nContent-Length: 8\r\n\r\n<thing/>",
                  403, "another site");
}
END_TEST

START_TEST(a_body_that_is_too_large_is_refused)
{
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN "Content-Length: 65537\r\n\r\n", 413, "too large");
    assert_answer("POST /api/things HTTP/1.1\r\n" HOST LOGIN "Content-Length: 99999999999999999999999\r\n\r\n",
                  400 + 13, NULL);
    g_autoptr(GString) chunked =
        g_string_new("POST /api/things HTTP/1.1\r\n" HOST LOGIN "Transfer-Encoding: chunked\r\n\r\n");
    g_autofree char *chunk = g_strnfill(0x1000, 'x');
    for (int i = 0; i < 17; i++)
        g_string_append_printf(chunked, "1000\r\n%s\r\n", chunk);
    g_string_append(chunked, "0\r\n\r\n");
    assert_answer(chunked->str, 413, "too large");
}
END_TEST

START_TEST(a_get_whose_body_never_comes_is_answered)
{
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "Content-Length: 100\r\n\r\n", 200, "<id>");
}
END_TEST

START_TEST(a_connection_serves_many_requests)
{
    HttpsClient *client = https_client_new(port);
    for (int i = 0; i < 20; i++) {
        https_client_send(client, i % 2 == 0 ? "GET /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "\r\n"
                                             : "POST /api/things HTTP/1.1\r\n" HOST LOGIN
                                               "Content-Length: 8\r\n\r\n<thing/>");
        g_autofree char *response = https_client_receive(client);
        ck_assert_int_eq(https_status(response), i % 2 == 0 ? 200 : 201);
    }
    https_client_free(client);
}
END_TEST

START_TEST(callers_that_wait_hold_up_nobody)
{
    HttpsClient *clients[30];
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        clients[i] = https_client_new(port);
        https_client_send(clients[i],
                          "POST /api/things/" ID "/hold HTTP/1.1\r\n" HOST LOGIN "Content-Length: 9\r\n\r\n<action/>");
    }
    wait_for_held(G_N_ELEMENTS(clients));
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, NULL);
    for (guint i = 0; i < held->len; i++) {
        RestCall *call = g_ptr_array_index(held, i);
        g_autoptr(GError) error = i % 2 == 0 ? NULL : g_error_new(FAULT, FAULT_REFUSED, "the host is not trusted");
        if (error == NULL)
            rest_call_complete(call);
        rest_call_finish(call, error);
    }
    g_ptr_array_set_size(held, 0);
    unsigned complete = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(clients); i++) {
        g_autofree char *response = https_client_receive(clients[i]);
        bool is_complete = https_status(response) == 200;
        ck_assert(is_complete || https_status(response) == 409);
        ck_assert_ptr_nonnull(strstr(response, is_complete ? "<state>complete</state>" : "[the host is not trusted]"));
        complete += is_complete;
        https_client_free(clients[i]);
    }
    ck_assert_uint_eq(complete, G_N_ELEMENTS(clients) / 2);
}
END_TEST

START_TEST(stopping_answers_those_who_wait)
{
    HttpsClient *client = https_client_new(port);
    HttpsClient *idle = https_client_new(port);
    https_client_send(client, "POST /api/things/" ID "/hold HTTP/1.1\r\n" HOST LOGIN "Content-Length: 0\r\n\r\n");
    wait_for_held(1);
    g_clear_pointer(&service, service_free);
    g_autofree char *response = https_client_receive(client);
    ck_assert_int_eq(https_status(response), 503);
    ck_assert(https_client_is_closed(idle));
    https_client_free(client);
    https_client_free(idle);
    /* The call's late end (in stop) does no harm. */
}
END_TEST

START_TEST(a_client_that_left_while_it_waited_does_no_harm)
{
    HttpsClient *client = https_client_new(port);
    https_client_send(client, "POST /api/things/" ID "/hold HTTP/1.1\r\n" HOST LOGIN "Content-Length: 0\r\n\r\n");
    wait_for_held(1);
    https_client_free(client);
    rest_call_finish(g_ptr_array_index(held, 0), NULL);
    g_ptr_array_set_size(held, 0);
    assert_answer("GET /api/things/" ID " HTTP/1.1\r\n" HOST LOGIN "\r\n", 200, NULL);
}
END_TEST

START_TEST(a_request_that_drips_in_is_cut_off)
{
    start_with(1000, 120000);
    HttpsClient *silent = https_client_new(port);
    HttpsClient *dripping = https_client_new(port);
    https_client_send(dripping, "POST /api/things HTTP/1.1\r\n" HOST LOGIN "Content-Length: 1000\r\n\r\n<");
    ck_assert(https_client_is_closed(silent));
    ck_assert(https_client_is_closed(dripping));
    https_client_free(silent);
    https_client_free(dripping);
}
END_TEST

START_TEST(a_call_without_an_outcome_is_answered_in_the_end)
{
    start_with(120000, 1000);
    assert_answer("POST /api/things/" ID "/hold HTTP/1.1\r\n" HOST LOGIN "Content-Length: 0\r\n\r\n", 503,
                  "no outcome in time");
    wait_for_held(1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rest_service");
    TCase *tests = tcase_create("served");
    TCase *deadlines = tcase_create("deadlines");
    SRunner *runner = srunner_create(suite);
    int failed;

    signal(SIGPIPE, SIG_IGN);
    xmlInitParser();
    tcase_add_checked_fixture(tests, start, stop);
    tcase_add_checked_fixture(deadlines, NULL, stop);
    tcase_set_timeout(tests, 120);
    tcase_set_timeout(deadlines, 120);
    tcase_add_test(tests, a_request_is_served_at_each_root);
    tcase_add_test(tests, errors_are_faults_and_failed_actions);
    tcase_add_test(tests, nobody_is_served_without_the_right_password);
    tcase_add_test(tests, a_verified_password_is_remembered);
    tcase_add_test(tests, ambiguous_requests_are_refused);
    tcase_add_test(tests, a_body_that_is_too_large_is_refused);
    tcase_add_test(tests, a_get_whose_body_never_comes_is_answered);
    tcase_add_test(tests, a_connection_serves_many_requests);
    tcase_add_test(tests, callers_that_wait_hold_up_nobody);
    tcase_add_test(tests, stopping_answers_those_who_wait);
    tcase_add_test(tests, a_client_that_left_while_it_waited_does_no_harm);
    tcase_add_test(deadlines, a_request_that_drips_in_is_cut_off);
    tcase_add_test(deadlines, a_call_without_an_outcome_is_answered_in_the_end);
    suite_add_tcase(suite, tests);
    suite_add_tcase(suite, deadlines);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
