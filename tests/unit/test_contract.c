/* A tiny manager of its own: it knows nothing of the plugins but cluster-plugin.h, and loads both. */
#include "cluster-plugin.h"

#include <check.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "fake_attestation.h"
#include "fake_manager.h"

static FakeManager *manager;
static FakeAttestation *attestation;
static Answers *answers;
static char text[CLUSTER_PLUGIN_TEXT_MAX + 1];

static const ClusterPluginHost hosts[] = {
    {"11111111-2222-4333-8444-555555555555", "good", "good.example", ""},
    {"66666666-2222-4333-8444-555555555555", "bad", "bad.example", ""},
};

/* This program exports its symbols. Functions of the same names inside a plugin must not be replaced by these. */
void *settings_parse(void);
void *filter_new(void);

void *
settings_parse(void)
{
    abort();
}

void *
filter_new(void)
{
    abort();
}

static void
set_up(void)
{
    manager = fake_manager_new();
    attestation = fake_attestation_start();
    answers = answers_new();
    *text = '\0';
}

static void
tear_down(void)
{
    ck_assert_uint_eq(fake_manager_violations(manager), 0);
    fake_attestation_stop(attestation);
    answers_free(answers);
    fake_manager_free(manager);
}

static const ClusterPlugin *
load(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    const ClusterPlugin *plugin;

    ck_assert_msg(library != NULL, "%s", dlerror());
    plugin = dlsym(library, CLUSTER_PLUGIN_ENTRY);
    ck_assert_ptr_nonnull(plugin);
    ck_assert_uint_eq(plugin->abi, CLUSTER_PLUGIN_ABI);
    ck_assert_uint_eq(plugin->struct_size, sizeof(ClusterPlugin));
    ck_assert_ptr_nonnull(plugin->sections);
    return plugin;
}

static void *
start(const ClusterPlugin *plugin, const ClusterPluginSetting *settings, size_t n)
{
    void *state = plugin->start(fake_manager_table(manager), settings, n, text, sizeof text);

    ck_assert_msg(state != NULL, "%s", text);
    return state;
}

START_TEST(only_the_entry_can_be_seen)
{
    static const char *const hidden[] = {"oat_reply_parse", "service_post", "validator_new", "trust_valid_until"};
    void *library = dlopen(VALIDATION_PLUGIN, RTLD_NOW | RTLD_LOCAL);

    ck_assert_msg(library != NULL, "%s", dlerror());
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        ck_assert_ptr_null(dlsym(library, hidden[i]));
}
END_TEST

START_TEST(host_validation_asks_marks_and_stops)
{
    const ClusterPlugin *plugin = load(VALIDATION_PLUGIN);
    ClusterPluginCandidate candidates[] = {{.host = &hosts[0]}, {.host = &hosts[1]}};
    const ClusterPluginSetting *settings;
    void *state;
    size_t n;

    ck_assert_str_eq(plugin->name, "host-validation");
    ck_assert_str_eq(plugin->sections[0], "trusted_computing");
    ck_assert_str_eq(plugin->options[0].name, "attestation_server");
    settings = fake_attestation_settings(attestation, NULL, &n);
    state = start(plugin, settings, n);
    fake_attestation_set(attestation, "bad.example", "untrusted");
    plugin->filter_hosts(state, true, candidates, 2);
    ck_assert(!candidates[0].passes && !candidates[1].passes);

    plugin->hosts_event(state, hosts, 2, CLUSTER_PLUGIN_UP, answers_done, answers);
    UNTIL(answers_count(answers) == 2);
    ck_assert_int_eq(answers_find(answers, hosts[0].id, 0)->outcome, CLUSTER_PLUGIN_TRUSTED);
    ck_assert_int_eq(answers_find(answers, hosts[1].id, 0)->outcome, CLUSTER_PLUGIN_UNTRUSTED);
    ck_assert(answers_find(answers, hosts[0].id, 0)->recorded && answers_find(answers, hosts[1].id, 0)->recorded);
    ck_assert_uint_eq(fake_manager_count(manager, hosts[0].id, CLUSTER_PLUGIN_TRUSTED), 1);
    ck_assert_uint_eq(fake_manager_count(manager, hosts[1].id, CLUSTER_PLUGIN_UNTRUSTED), 1);

    plugin->filter_hosts(state, true, candidates, 2);
    ck_assert(candidates[0].passes && !candidates[1].passes);
    ck_assert_str_eq(candidates[0].why, "");
    ck_assert_ptr_nonnull(strstr(candidates[1].why, "bad.example"));
    plugin->filter_hosts(state, false, candidates, 2);
    ck_assert(candidates[0].passes && candidates[1].passes);

    plugin->hosts_event(state, hosts, 1, CLUSTER_PLUGIN_DOWN, answers_done, answers);
    UNTIL(answers_count(answers) == 3);
    plugin->filter_hosts(state, true, candidates, 1);
    ck_assert(!candidates[0].passes);
    plugin->stop(state);
    ck_assert_uint_eq(answers_count(answers), 3);
}
END_TEST

START_TEST(host_validation_checks_clusters_and_vms)
{
    const ClusterPlugin *plugin = load(VALIDATION_PLUGIN);
    const ClusterPluginCluster vault = {.name = "vault", .trusted_service = true}, yard = {.name = "yard"};
    const ClusterPluginVm vm = {.name = "db"};
    void *state = start(plugin, NULL, 0);
    const ClusterPluginSetting *settings;
    size_t n;

    ck_assert_int_eq(plugin->cluster_check(state, NULL, &vault, text, sizeof text), CLUSTER_PLUGIN_REFUSE);
    ck_assert_ptr_nonnull(strstr(text, "no attestation server is configured"));
    settings = fake_attestation_settings(attestation, NULL, &n);
    ck_assert(plugin->reload(state, settings, n, text, sizeof text));
    ck_assert_int_eq(plugin->cluster_check(state, NULL, &vault, text, sizeof text), CLUSTER_PLUGIN_ALLOW);
    ck_assert_int_eq(plugin->vm_check(state, &vm, &vault, &yard, CLUSTER_PLUGIN_VM_MOVE, text, sizeof text),
                     CLUSTER_PLUGIN_WARN);
    ck_assert_int_eq(plugin->webhook(state, (const char *const[]){NULL}, "", 0), 404);
    plugin->stop(state);
}
END_TEST

START_TEST(host_validation_without_its_section_starts_and_answers_that_there_is_no_service)
{
    const ClusterPlugin *plugin = load(VALIDATION_PLUGIN);
    void *state = start(plugin, NULL, 0);

    plugin->hosts_event(state, hosts, 2, CLUSTER_PLUGIN_ACTIVATE, answers_done, answers);
    UNTIL(answers_count(answers) == 2);
    for (size_t i = 0; i < 2; i++) {
        ck_assert_int_eq(answers_find(answers, hosts[i].id, 0)->outcome, CLUSTER_PLUGIN_SILENT);
        ck_assert_str_eq(answers_find(answers, hosts[i].id, 0)->reason, "no_service");
        ck_assert_str_eq(answers_find(answers, hosts[i].id, 0)->detail, "no attestation server is configured");
    }
    plugin->stop(state);
}
END_TEST

START_TEST(host_validation_names_what_keeps_it_from_starting)
{
    const ClusterPlugin *plugin = load(VALIDATION_PLUGIN);
    const ClusterPluginSetting wrong = {"trusted_computing", "attestation_port", "many", 7};
    const ClusterPluginSetting missing[] = {{"trusted_computing", "attestation_server", "localhost", 7},
                                            {"trusted_computing", "attestation_server_ca_file", "/nonexistent", 8}};
    ClusterPluginManager newer = *fake_manager_table(manager);
    void *state;

    ck_assert_ptr_null(plugin->start(fake_manager_table(manager), &wrong, 1, text, sizeof text));
    ck_assert(strstr(text, "Line 7") && strstr(text, "attestation_port"));
    ck_assert_ptr_null(plugin->start(fake_manager_table(manager), missing, 2, text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "attestation_server_ca_file"));
    newer.abi++;
    ck_assert_ptr_null(plugin->start(&newer, NULL, 0, text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "version"));
    state = start(plugin, NULL, 0);
    ck_assert(!plugin->reload(state, &wrong, 1, text, sizeof text));
    ck_assert_ptr_nonnull(strstr(text, "attestation_port"));
    plugin->stop(state);
}
END_TEST

START_TEST(the_null_plugin_lets_everything_pass_and_records_nothing)
{
    const ClusterPlugin *plugin = load(NULL_PLUGIN);
    const ClusterPluginCluster vault = {.name = "vault", .trusted_service = true}, yard = {.name = "yard"};
    const ClusterPluginVm vm = {.name = "db"};
    ClusterPluginCandidate candidates[] = {{.host = &hosts[0]}, {.host = &hosts[1]}};
    void *state = start(plugin, NULL, 0);

    ck_assert_ptr_null(plugin->sections[0]);
    ck_assert(plugin->reload(state, NULL, 0, text, sizeof text));
    plugin->hosts_event(state, hosts, 2, CLUSTER_PLUGIN_UP, answers_done, answers);
    plugin->hosts_event(state, hosts, 2, CLUSTER_PLUGIN_UP, NULL, NULL);
    ck_assert_uint_eq(answers_count(answers), 2);
    ck_assert_int_eq(answers_find(answers, hosts[0].id, 0)->outcome, CLUSTER_PLUGIN_SILENT);
    plugin->filter_hosts(state, true, candidates, 2);
    ck_assert(candidates[0].passes && candidates[1].passes);
    ck_assert_int_eq(plugin->cluster_check(state, NULL, &vault, text, sizeof text), CLUSTER_PLUGIN_ALLOW);
    ck_assert_int_eq(plugin->vm_check(state, &vm, &vault, &yard, CLUSTER_PLUGIN_VM_MOVE, text, sizeof text),
                     CLUSTER_PLUGIN_ALLOW);
    ck_assert_int_eq(plugin->webhook(state, (const char *const[]){NULL}, "", 0), 404);
    plugin->stop(state);
    ck_assert_uint_eq(fake_manager_begun(manager), 0);
    ck_assert_uint_eq(fake_manager_records(manager), 0);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("contract");
    TCase *tests = tcase_create("contract");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, only_the_entry_can_be_seen);
    tcase_add_test(tests, host_validation_asks_marks_and_stops);
    tcase_add_test(tests, host_validation_checks_clusters_and_vms);
    tcase_add_test(tests, host_validation_without_its_section_starts_and_answers_that_there_is_no_service);
    tcase_add_test(tests, host_validation_names_what_keeps_it_from_starting);
    tcase_add_test(tests, the_null_plugin_lets_everything_pass_and_records_nothing);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
