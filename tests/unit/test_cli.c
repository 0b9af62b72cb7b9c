/* The client as a program of its own, against a server with routes of the test's. */
#include "cli/table.h"
#include "manager/tls_files.h"
#include "rest/password.h"
#include "rest/resources.h"
#include "rest/service.h"
#include "trust/fault.h"

#include <check.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <libxml/parser.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define ID_1 "11111111-1111-4111-8111-111111111111"
#define ID_2 "22222222-2222-4222-8222-222222222222"

static char directory[] = "/tmp/tpcli.XXXXXX";
static char *stored_hash;
static Service *service;
static gint event_requests;
static gint evacuation_requests;

static char *
look_up(void *closure, const char *user, GError **error)
{
    (void)closure;
    (void)error;
    return strcmp(user, "admin@internal") == 0 ? g_strdup(stored_hash) : NULL;
}

static bool
serve_clusters(RestCall *call, GError **error)
{
    Cluster cluster = {.id = (char *)ID_2,
                       .data_center_id = (char *)ID_1,
                       .name = (char *)"trusted",
                       .trusted_service = true,
                       .on_error = (char *)"migrate"};
    XmlWriter *writer = rest_call_writer(call);
    (void)error;
    xml_open(writer, "clusters");
    cluster_to_xml(writer, call->root, &cluster);
    xml_close(writer);
    return true;
}

static bool
serve_data_centers(RestCall *call, GError **error)
{
    DataCenter center = {.id = (char *)ID_1, .name = (char *)"Default"};
    XmlWriter *writer = rest_call_writer(call);
    (void)error;
    xml_open(writer, "data_centers");
    data_center_to_xml(writer, call->root, &center);
    xml_close(writer);
    return true;
}

static bool
serve_hosts(RestCall *call, GError **error)
{
    g_autofree char *name = NULL;
    Host host = {.id = (char *)ID_1,
                 .cluster_id = (char *)ID_2,
                 .name = (char *)"h 1",
                 .address = (char *)"192.0.2.1",
                 .status = (char *)"non_operational",
                 .reason = (char *)"untrusted",
                 .verdict = (char *)"trusted",
                 .valid_until = (char *)"2026-01-31T12:01:00.123Z",
                 .vms = 3};
    if (!rest_call_search(call, &name, error))
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "hosts");
    if (name == NULL || strcmp(name, host.name) == 0)
        host_to_xml(writer, call->root, &host);
    xml_close(writer);
    return true;
}

static bool
serve_vms(RestCall *call, GError **error)
{
    g_autofree char *name = NULL;
    g_autoptr(Vm) vm = vm_new();
    g_free(vm->name);
    g_free(vm->status);
    vm->id = g_strdup(ID_2);
    vm->cluster_id = g_strdup(ID_2);
    vm->host_id = g_strdup(ID_1);
    vm->name = g_strdup("web\x1b[31m");
    vm->status = g_strdup("up");
    vm->memory_mib = 2048;
    vm->requires_trust = true;
    if (!rest_call_search(call, &name, error))
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "vms");
    vm_to_xml(writer, call->root, vm);
    xml_close(writer);
    return true;
}

/* Events 1 and 2 are there; 3 comes later; then the server refuses, so that a client that follows ends. */
static bool
serve_events(RestCall *call, GError **error)
{
    Event events[] = {
        {.id = 2,
         .time = (char *)"T2",
         .name = (char *)"SECOND",
         .severity = (char *)"normal",
         .description = (char *)"b"},
        {.id = 1,
         .time = (char *)"T1",
         .name = (char *)"FIRST",
         .severity = (char *)"normal",
         .description = (char *)"a"},
        {.id = 3,
         .time = (char *)"T3",
         .name = (char *)"THIRD",
         .severity = (char *)"alert",
         .description = (char *)"c"},
    };
    const char *after = http_request_parameter(call->request, "from");
    if (after != NULL && strcmp(after, "3") == 0) {
        g_set_error(error, FAULT, FAULT_REFUSED, "that is all");
        return false;
    }
    bool is_later = after != NULL && g_atomic_int_add(&event_requests, 1) > 0;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "events");
    for (size_t i = after == NULL ? 0 : 2; i < (after == NULL ? 2U : is_later ? 3U : 2U); i++)
        event_to_xml(writer, call->root, &events[i]);
    xml_close(writer);
    return true;
}

/* Three pictures, one per request: moving, nearly done, and nothing left. */
static bool
serve_evacuations(RestCall *call, GError **error)
{
    gint n = g_atomic_int_add(&evacuation_requests, 1);
    EvacuationMove move = {.vm = (char *)ID_2,
                           .vm_name = (char *)"web",
                           .target = (char *)ID_1,
                           .target_name = (char *)"h2",
                           .data_total = 32 << 20,
                           .data_remaining = n == 0 ? 16 << 20 : 1,
                           .percent = n == 0 ? 50 : 99,
                           .step = (char *)(n == 0 ? "" : "bandwidth")};
    EvacuationProgress progress = {.host = (char *)ID_1,
                                   .host_name = (char *)"h 1",
                                   .why = (char *)"untrusted",
                                   .opened_at = (char *)"T1",
                                   .not_before = (char *)"T1",
                                   .held = n > 0,
                                   .waiting = 2,
                                   .moving = 1};
    g_autoptr(GPtrArray) moves = g_ptr_array_new();
    XmlWriter *writer = rest_call_writer(call);
    (void)error;
    g_ptr_array_add(moves, &move);
    progress.moves = moves;
    xml_open(writer, "evacuations");
    if (n < 2)
        evacuation_to_xml(writer, call->root, &progress);
    xml_close(writer);
    return true;
}

static bool
serve_activate(RestCall *call, GError **error)
{
    (void)call;
    g_set_error(error, FAULT, FAULT_REFUSED, "Host h 1 is not trusted");
    return false;
}

/* Fencing wants its type, starting a host: the documents that the client sends. */
static bool
serve_action(RestCall *call, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "action", error);
    g_auto(ActionInput) input = {0};
    if (document == NULL || !action_from_xml(document_root(document), &input, error))
        return false;
    bool is_fence = g_str_has_suffix(http_request_path(call->request), "/fence");
    bool is_deactivate = g_str_has_suffix(http_request_path(call->request), "/deactivate");
    if (is_fence != (input.fence_type != NULL) || is_deactivate != input.leave_running) {
        g_set_error(error, FAULT, FAULT_INVALID, "another document");
        return false;
    }
    rest_call_complete(call);
    return true;
}

static const Route routes[] = {
    {"GET", "/datacenters", .serve = serve_data_centers},
    {"GET", "/clusters", .serve = serve_clusters},
    {"GET", "/hosts", .serve = serve_hosts},
    {"GET", "/vms", .serve = serve_vms},
    {"GET", "/evacuations", .serve = serve_evacuations},
    {"GET", "/events", .serve = serve_events},
    {"POST", "/hosts/{id}/activate", .serve = serve_activate, .is_action = true},
    {"POST", "/hosts/{id}/deactivate", .serve = serve_action, .is_action = true},
    {"POST", "/hosts/{id}/fence", .serve = serve_action, .is_action = true},
    {"POST", "/hosts/{id}/release_evacuation", .serve = serve_action, .is_action = true},
    {"POST", "/vms/{id}/start", .serve = serve_action, .is_action = true},
    {"POST", "/vms/{id}/stop", .serve = serve_action, .is_action = true},
    {"POST", "/vms/{id}/migrate", .serve = serve_action, .is_action = true},
    {.method = NULL},
};

static void
start(void)
{
    g_autoptr(GError) error = NULL;
    ck_assert_ptr_nonnull(mkdtemp(directory));
    ck_assert(tls_files_make(directory, "localhost,127.0.0.1", &error));
    g_autofree char *certificate = g_build_filename(directory, "cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "key.pem", NULL);
    g_autofree char *ca = g_build_filename(directory, "ca.pem", NULL);
    const ServiceSettings settings = {.http = {.address = "127.0.0.1",
                                               .certificate_file = certificate,
                                               .key_file = key,
                                               .body_max = DOCUMENT_MAX,
                                               .arrival_ms = 120000,
                                               .idle_ms = 120000,
                                               .answer_ms = 120000,
                                               .connections = 1000},
                                      .routes = routes,
                                      .lookup = look_up};
    stored_hash = password_hash("secret", &error);
    service = service_new(&settings, &error);
    ck_assert_msg(service != NULL, "%s", error != NULL ? error->message : "");
    g_autofree char *url = g_strdup_printf("https://127.0.0.1:%u", service_port(service));
    g_setenv("TRUSTPOOL_URL", url, TRUE);
    g_setenv("TRUSTPOOL_PASSWORD", "secret", TRUE);
    g_setenv("TRUSTPOOL_CA", ca, TRUE);
    g_unsetenv("TRUSTPOOL_USER");
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
    service_free(service);
    g_free(stored_hash);
    nftw(directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* Runs `trustpool ARGUMENTS`; returns its exit code. */
static int
run(const char *arguments, char **out, char **err)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    int status = 0;
    g_autofree char *line = g_strdup_printf("%s %s", CLI_PROGRAM, arguments);
    ck_assert(g_shell_parse_argv(line, NULL, &argv, &error));
    ck_assert_msg(g_spawn_sync(NULL, argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, out, err, &status, &error), "%s",
                  error != NULL ? error->message : "");
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
assert_run(const char *arguments, int code, const char *out, const char *err)
{
    g_autofree char *printed = NULL;
    g_autofree char *said = NULL;
    int got = run(arguments, &printed, &said);
    ck_assert_msg(got == code, "trustpool %s ends with %d: %s%s", arguments, got, printed, said);
    ck_assert_msg(strstr(printed, out) != NULL, "\"%s\" wanted: %s", out, printed);
    ck_assert_msg(strstr(said, err) != NULL, "\"%s\" wanted: %s", err, said);
}

START_TEST(tables_are_aligned)
{
    static const char *const titles[] = {"A", "LONG TITLE", "C", NULL};
    g_autoptr(Table) table = table_new(titles);
    table_add(table, g_strdup("wide cell"), g_strdup(""), g_strdup("x"));
    table_add(table, g_strdup("\303\251"), g_strdup("y"), g_strdup("z"));
    g_autofree char *text = table_format(table);
    ck_assert_str_eq(text, "A          LONG TITLE  C\n"
                           "wide cell  -           x\n"
                           "\303\251          y           z\n");
}
END_TEST

START_TEST(collections_are_shown_as_tables)
{
    assert_run("clusters", 0,
               "NAME     DATA CENTER  TRUSTED  ON ERROR  CPU\ntrusted  Default      yes      migrate   -\n", "");
    assert_run("hosts", 0, "h 1   192.0.2.1  trusted  non_operational  untrusted  trusted (expired)  2026-01-31", "");
    assert_run("vms", 0, "web\357\277\275[31m  trusted  up      h 1   -        2048 MiB  1         yes\n", "");
    assert_run("events", 0, "T1  normal   FIRST  a\nT2  normal   SECOND  b\n", "");
}
END_TEST

START_TEST(following_shows_each_event_once)
{
    assert_run("events --follow", 1, "T1  normal   FIRST  a\nT2  normal   SECOND  b\nT3  alert    THIRD  c\n",
               "that is all");
}
END_TEST

START_TEST(evacuations_are_followed_with_a_bar_until_none_is_left)
{
    assert_run("evacuations --follow", 0,
               "h 1 (untrusted) since T1: 2 waiting, 1 moving, 0 staying\n"
               "  VM   TO  PROGRESS                     TOTAL   REMAINING  MEASURE\n"
               "  web  h2  [##########..........]  50%  32 MiB  16 MiB     -\n"
               "h 1 (untrusted) since T1: 2 waiting, 1 moving, 0 staying; held: it waits for `trustpool release`\n"
               "  VM   TO  PROGRESS                     TOTAL   REMAINING  MEASURE\n"
               "  web  h2  [###################.]  99%  32 MiB  1 MiB      bandwidth\n"
               "no host is being emptied\n",
               "");
    assert_run("evacuations", 0, "no host is being emptied\n", "");
}
END_TEST

START_TEST(actions_end_with_0_when_done_and_1_when_refused)
{
    assert_run("activate 'h 1'", 1, "", "trustpool: Host h 1 is not trusted\n");
    assert_run("deactivate --leave-running 'h 1'", 0, "host h 1 goes into maintenance", "");
    assert_run("confirm-dead 'h 1'", 0, "is down", "");
    assert_run("release 'h 1'", 0, "may move", "");
    assert_run("start web 'h 1'", 0, "runs", "");
    assert_run("migrate web", 0, "on its way", "");
    assert_run("stop web", 0, "stopped", "");
    assert_run("activate h9", 1, "", "there is no host h9");
    assert_run("start web h9", 1, "", "there is no host h9");
}
END_TEST

START_TEST(wrong_calls_end_with_2)
{
    assert_run("", 2, "", "no command");
    assert_run("bogus", 2, "", "there is no command bogus");
    assert_run("activate", 2, "", "usage: trustpool activate HOST");
    assert_run("activate a b", 2, "", "usage: trustpool activate HOST");
    assert_run("hosts --bogus", 2, "", "bogus");
    assert_run("--url http://127.0.0.1 hosts", 2, "", "does not begin with https://");
    assert_run("--password-file /nonexistent hosts", 2, "", "/nonexistent");
    g_unsetenv("TRUSTPOOL_URL");
    assert_run("hosts", 2, "", "TRUSTPOOL_URL");
}
END_TEST

START_TEST(a_manager_that_cannot_be_reached_or_believed_ends_with_1)
{
    g_autofree char *path = g_build_filename(directory, "password", NULL);
    ck_assert(g_file_set_contents(path, "wrong\n", -1, NULL));
    g_autofree char *wrong = g_strdup_printf("--password-file %s hosts", path);
    assert_run(wrong, 1, "", "user or password is wrong");
    ck_assert(g_file_set_contents(path, "secret\n", -1, NULL));
    assert_run(wrong, 0, "h 1", "");
    assert_run("--ca /etc/ssl/certs/ca-certificates.crt hosts", 1, "", "cannot ask");
    assert_run("--url https://127.0.0.1:1 hosts", 1, "", "cannot ask");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("cli");
    TCase *tests = tcase_create("cli");
    SRunner *runner = srunner_create(suite);
    int failed;

    signal(SIGPIPE, SIG_IGN);
    xmlInitParser();
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 240);
    tcase_add_test(tests, tables_are_aligned);
    tcase_add_test(tests, collections_are_shown_as_tables);
    tcase_add_test(tests, following_shows_each_event_once);
    tcase_add_test(tests, evacuations_are_followed_with_a_bar_until_none_is_left);
    tcase_add_test(tests, actions_end_with_0_when_done_and_1_when_refused);
    tcase_add_test(tests, wrong_calls_end_with_2);
    tcase_add_test(tests, a_manager_that_cannot_be_reached_or_believed_ends_with_1);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
