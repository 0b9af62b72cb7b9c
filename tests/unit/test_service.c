#include "attest/service.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "canned_server.h"
#include "test_certs.h"
#include "trust/fault.h"

#define LONG_MS 60000 /* a deadline that no test reaches */
#define REPLY_MAX 65536

static char *directory, *ca_file;
static CannedServer *server;

/* What the handler says, and what it has seen. */
static unsigned canned_status = 200;
static size_t canned_size;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER; /* held by a test: the handler blocks */
static char *seen;

static char *
canned(void *closure, const CannedRequest *request, unsigned *status)
{
    (void)closure;
    pthread_mutex_lock(&gate);
    g_free(seen);
    seen = g_strdup_printf("%s %s %s %s %s client=%s", request->url, request->content_type,
                           request->auth_blob ? request->auth_blob : "-",
                           request->x_auth_blob ? request->x_auth_blob : "-", request->body,
                           request->client_name ? request->client_name : "-");
    pthread_mutex_unlock(&gate);
    *status = canned_status;
    return canned_size ? g_strnfill(canned_size, 'x') : g_strdup("{\"hosts\":[]}");
}

static void
set_up(void)
{
    ck_assert(service_global_init(NULL));
    directory = test_certs_new();
    ca_file = g_build_filename(directory, "ca-cert.pem", NULL);
}

static void
tear_down(void)
{
    if (server)
        canned_server_stop(server);
    server = NULL;
    g_free(seen);
    seen = NULL;
    g_free(ca_file);
    test_certs_free(directory);
}

static void
start(CannedOptions options)
{
    options.directory = directory;
    server = canned_server_start(&options, canned, NULL);
}

static ServiceAddress
address(void)
{
    return (ServiceAddress){.server = "127.0.0.1",
                            .port = canned_server_port(server),
                            .api_url = "/api/V1.0",
                            .ca_file = ca_file};
}

static Service *
connect_to(ServiceAddress to)
{
    g_autoptr(GError) error = NULL;
    Service *service = service_new(&to, &error);

    ck_assert_msg(service != NULL, "%s", error ? error->message : "");
    return service;
}

static void
expect_unreachable(ServiceAddress to)
{
    Service *service = connect_to(to);
    ServiceReply reply;

    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_UNREACHABLE);
    ck_assert(g_str_has_prefix(reply.error, "The attestation server "));
    service_reply_clear(&reply);
    service_free(service);
}

START_TEST(a_request_arrives_and_the_reply_comes_back)
{
    ServiceAddress to;
    Service *service;
    ServiceReply reply;

    start((CannedOptions){0});
    to = address();
    to.api_url = "/api/V1.0/";
    service = connect_to(to);
    service_post(service, "PollHosts", "{\"count\":0}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_msg(reply.outcome == SERVICE_ANSWERED, "%s", reply.error);
    ck_assert_int_eq(reply.status, 200);
    ck_assert_uint_eq(reply.body->len, 12);
    ck_assert_int_eq(memcmp(reply.body->data, "{\"hosts\":[]}", 12), 0);
    ck_assert_ptr_null(reply.error);
    ck_assert_str_eq(seen, "/api/V1.0/PollHosts application/json - - {\"count\":0} client=-");
    service_reply_clear(&reply);
    service_free(service);
}
END_TEST

START_TEST(connections_are_used_again)
{
    Service *service;

    start((CannedOptions){0});
    service = connect_to(address());
    for (int i = 0; i < 20; i++) {
        ServiceReply reply;

        service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
        ck_assert_int_eq(reply.outcome, SERVICE_ANSWERED);
        service_reply_clear(&reply);
    }
    ck_assert_uint_eq(canned_server_requests(server), 20);
    ck_assert_uint_eq(canned_server_connections(server), 1);
    service_free(service);
}
END_TEST

START_TEST(the_secret_goes_into_both_headers)
{
    ServiceAddress to;
    Service *service;
    ServiceReply reply;

    start((CannedOptions){0});
    to = address();
    to.auth_blob = "s3cret";
    service = connect_to(to);
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_str_eq(seen, "/api/V1.0/PollHosts application/json s3cret s3cret {} client=-");
    service_reply_clear(&reply);
    service_free(service);
}
END_TEST

START_TEST(every_2xx_is_an_answer_and_nothing_else_is)
{
    static const unsigned answers[] = {200, 201, 202, 204}, refusals[] = {302, 400, 401, 404, 500, 503};
    Service *service;
    ServiceReply reply;

    start((CannedOptions){0});
    service = connect_to(address());
    for (size_t i = 0; i < G_N_ELEMENTS(answers); i++) {
        canned_status = answers[i];
        service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
        ck_assert_int_eq(reply.outcome, SERVICE_ANSWERED);
        service_reply_clear(&reply);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        canned_status = refusals[i];
        service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
        ck_assert_int_eq(reply.outcome, SERVICE_REFUSED);
        ck_assert_int_eq(reply.status, refusals[i]);
        ck_assert_ptr_nonnull(strstr(reply.error, "answered HTTP"));
        ck_assert_uint_eq(reply.body->len, 12);
        service_reply_clear(&reply);
    }
    service_free(service);
}
END_TEST

START_TEST(a_reply_above_the_limit_is_cut_off)
{
    Service *service;
    ServiceReply reply;

    start((CannedOptions){0});
    service = connect_to(address());
    canned_size = REPLY_MAX;
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_ANSWERED);
    ck_assert_uint_eq(reply.body->len, REPLY_MAX);
    service_reply_clear(&reply);
    canned_size = REPLY_MAX + 1;
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_OVERSIZE);
    service_reply_clear(&reply);
    service_free(service);
}
END_TEST

START_TEST(a_server_that_does_not_answer_in_time_is_late)
{
    Service *service;
    ServiceReply reply;

    start((CannedOptions){0});
    service = connect_to(address());
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply); /* so that the connection stands */
    ck_assert_int_eq(reply.outcome, SERVICE_ANSWERED);
    service_reply_clear(&reply);
    pthread_mutex_lock(&gate);
    service_post(service, "PollHosts", "{}", 300, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_LATE);
    ck_assert_ptr_nonnull(strstr(reply.error, "did not answer within 0.3 s"));
    service_reply_clear(&reply);
    pthread_mutex_unlock(&gate);
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_ANSWERED);
    service_reply_clear(&reply);
    service_free(service);
}
END_TEST

static void *
cancel_later(void *closure)
{
    g_usleep(100 * 1000);
    service_cancel(closure);
    return NULL;
}

START_TEST(a_call_can_be_cancelled_and_so_is_every_later_one)
{
    Service *service;
    ServiceReply reply;
    pthread_t thread;
    gint64 begun = g_get_monotonic_time();

    start((CannedOptions){0});
    service = connect_to(address());
    pthread_mutex_lock(&gate);
    pthread_create(&thread, NULL, cancel_later, service);
    service_post(service, "PollHosts", "{}", 10 * LONG_MS, REPLY_MAX, &reply);
    pthread_join(thread, NULL);
    pthread_mutex_unlock(&gate);
    ck_assert_int_eq(reply.outcome, SERVICE_CANCELLED);
    service_reply_clear(&reply);
    service_post(service, "PollHosts", "{}", 10 * LONG_MS, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_CANCELLED);
    service_reply_clear(&reply);
    ck_assert_int_lt(g_get_monotonic_time() - begun, (gint64)5 * LONG_MS * 1000);
    service_free(service);
}
END_TEST

START_TEST(a_server_of_another_authority_is_not_believed)
{
    ServiceAddress to;
    g_autofree char *stranger = g_build_filename(directory, "stranger-cert.pem", NULL);

    start((CannedOptions){0});
    to = address();
    to.ca_file = stranger;
    expect_unreachable(to);
    to.ca_file = NULL;
    expect_unreachable(to);
    ck_assert_uint_eq(canned_server_requests(server), 0);
}
END_TEST

START_TEST(a_server_with_another_name_is_not_believed)
{
    start((CannedOptions){.certificate = "other"});
    expect_unreachable(address());
    ck_assert_uint_eq(canned_server_requests(server), 0);
}
END_TEST

START_TEST(insecure_ssl_believes_anybody)
{
    ServiceAddress to;
    g_autofree char *stranger = g_build_filename(directory, "stranger-cert.pem", NULL);
    Service *service;
    ServiceReply reply;

    start((CannedOptions){.certificate = "other"});
    to = address();
    to.ca_file = stranger;
    to.insecure_ssl = true;
    service = connect_to(to);
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_ANSWERED);
    service_reply_clear(&reply);
    service_free(service);
}
END_TEST

START_TEST(tls_before_1_2_is_refused)
{
    start((CannedOptions){.priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT"});
    expect_unreachable(address());
}
END_TEST

START_TEST(a_client_certificate_is_shown)
{
    g_autofree char *certificate = g_build_filename(directory, "client-cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "client-key.pem", NULL);
    ServiceAddress to;
    Service *service;
    ServiceReply reply;

    start((CannedOptions){.wants_client_certificate = true});
    to = address();
    to.client_cert_file = certificate;
    to.client_key_file = key;
    service = connect_to(to);
    service_post(service, "PollHosts", "{}", LONG_MS, REPLY_MAX, &reply);
    ck_assert_msg(reply.outcome == SERVICE_ANSWERED, "%s", reply.error);
    ck_assert_ptr_nonnull(strstr(seen, "client=manager"));
    service_reply_clear(&reply);
    service_free(service);
}
END_TEST

/* A listening socket of the loopback; *port is its port. */
static int
listen_somewhere(unsigned *port)
{
    struct sockaddr_in where = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof where;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert_int_eq(bind(fd, (struct sockaddr *)&where, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&where, &size), 0);
    ck_assert_int_eq(listen(fd, 1), 0);
    *port = ntohs(where.sin_port);
    return fd;
}

START_TEST(nobody_there_and_nobody_who_shakes_hands_are_unreachable)
{
    ServiceAddress to = {.server = "127.0.0.1", .api_url = "/", .ca_file = ca_file};
    Service *service;
    ServiceReply reply;
    int fd = listen_somewhere(&to.port);

    service = connect_to(to);
    service_post(service, "PollHosts", "{}", 300, REPLY_MAX, &reply);
    ck_assert_int_eq(reply.outcome, SERVICE_UNREACHABLE);
    service_reply_clear(&reply);
    service_free(service);
    close(fd);
    expect_unreachable(to);
}
END_TEST

START_TEST(addresses_that_cannot_be_used_are_refused_by_name)
{
    ServiceAddress to = {.server = "localhost", .port = 1, .api_url = "/", .ca_file = "/nonexistent/ca.pem"};
    g_autoptr(GError) error = NULL, another = NULL;

    ck_assert_ptr_null(service_new(&to, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    ck_assert_ptr_nonnull(strstr(error->message, "attestation_server_ca_file"));
    ck_assert_ptr_nonnull(strstr(error->message, "/nonexistent/ca.pem"));
    to = (ServiceAddress){.server = "localhost", .port = 70000, .api_url = "/"};
    ck_assert_ptr_null(service_new(&to, &another));
    ck_assert(g_error_matches(another, FAULT, FAULT_INVALID));
}
END_TEST

START_TEST(ipv6_addresses_are_put_into_brackets)
{
    Service *service = connect_to((ServiceAddress){.server = "::1", .port = 8443, .api_url = "/x/"});

    ck_assert_str_eq(service_url(service), "https://[::1]:8443/x");
    service_free(service);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("service");
    TCase *tests = tcase_create("service");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_request_arrives_and_the_reply_comes_back);
    tcase_add_test(tests, connections_are_used_again);
    tcase_add_test(tests, the_secret_goes_into_both_headers);
    tcase_add_test(tests, every_2xx_is_an_answer_and_nothing_else_is);
    tcase_add_test(tests, a_reply_above_the_limit_is_cut_off);
    tcase_add_test(tests, a_server_that_does_not_answer_in_time_is_late);
    tcase_add_test(tests, a_call_can_be_cancelled_and_so_is_every_later_one);
    tcase_add_test(tests, a_server_of_another_authority_is_not_believed);
    tcase_add_test(tests, a_server_with_another_name_is_not_believed);
    tcase_add_test(tests, insecure_ssl_believes_anybody);
    tcase_add_test(tests, tls_before_1_2_is_refused);
    tcase_add_test(tests, a_client_certificate_is_shown);
    tcase_add_test(tests, nobody_there_and_nobody_who_shakes_hands_are_unreachable);
    tcase_add_test(tests, addresses_that_cannot_be_used_are_refused_by_name);
    tcase_add_test(tests, ipv6_addresses_are_put_into_brackets);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
