#include "plugin/checks.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static char text[CLUSTER_PLUGIN_TEXT_MAX + 1];

static const ClusterPluginCluster trusted = {.name = "vault", .trusted_service = true};
static const ClusterPluginCluster open_one = {.name = "yard", .trusted_service = false};

static void
expect_cluster(bool has_service, const ClusterPluginCluster *before, const ClusterPluginCluster *after,
               ClusterPluginJudgement judgement, const char *says)
{
    strcpy(text, "left over");
    ck_assert_int_eq(checks_cluster(has_service, before, after, text, sizeof text), judgement);
    ck_assert_msg(*says ? strstr(text, says) != NULL : *text == '\0', "%s", text);
}

START_TEST(a_cluster_cannot_be_made_trusted_without_a_server)
{
    expect_cluster(false, NULL, &trusted, CLUSTER_PLUGIN_REFUSE, "no attestation server is configured");
    expect_cluster(false, &open_one, &trusted, CLUSTER_PLUGIN_REFUSE, "Set attestation_server");
    ck_assert_ptr_nonnull(strstr(text, "\"vault\""));
    expect_cluster(true, NULL, &trusted, CLUSTER_PLUGIN_ALLOW, "");
    expect_cluster(true, &open_one, &trusted, CLUSTER_PLUGIN_ALLOW, "");
}
END_TEST

START_TEST(what_does_not_touch_the_flag_is_allowed)
{
    ClusterPluginCluster busy = trusted;

    busy.active_hosts = 3;
    expect_cluster(false, &busy, &busy, CLUSTER_PLUGIN_ALLOW, "");
    expect_cluster(false, NULL, &open_one, CLUSTER_PLUGIN_ALLOW, "");
    expect_cluster(false, &busy, NULL, CLUSTER_PLUGIN_ALLOW, "");
}
END_TEST

START_TEST(the_flag_cannot_be_changed_while_hosts_are_active)
{
    ClusterPluginCluster busy_trusted = trusted, busy_open = open_one;

    busy_trusted.active_hosts = busy_open.active_hosts = 2;
    expect_cluster(true, &busy_open, &trusted, CLUSTER_PLUGIN_REFUSE, "made trusted while");
    expect_cluster(true, &open_one, &busy_trusted, CLUSTER_PLUGIN_REFUSE, "(2 now)");
    expect_cluster(true, &busy_trusted, &open_one, CLUSTER_PLUGIN_REFUSE, "made non-trusted while");
    expect_cluster(false, &busy_trusted, &open_one, CLUSTER_PLUGIN_REFUSE, "Deactivate them first");
    expect_cluster(false, &trusted, &open_one, CLUSTER_PLUGIN_ALLOW, "");
}
END_TEST

static void
expect_warning(const ClusterPluginVm *vm, const ClusterPluginCluster *from, const ClusterPluginCluster *to,
               ClusterPluginHow how, const char *says)
{
    ck_assert_int_eq(checks_vm(vm, from, to, how, text, sizeof text), CLUSTER_PLUGIN_WARN);
    ck_assert_str_eq(text, says);
}

START_TEST(crossing_is_warned_of_in_both_directions)
{
    const ClusterPluginVm vm = {.name = "db"}, template = {.name = "base", .is_template = true};

    expect_warning(&vm, &trusted, &open_one, CLUSTER_PLUGIN_VM_UPDATE,
                   "VM \"db\" was updated from the trusted cluster \"vault\" to the non-trusted one \"yard\".");
    expect_warning(&vm, &open_one, &trusted, CLUSTER_PLUGIN_VM_MOVE,
                   "VM \"db\" was updated from the non-trusted cluster \"yard\" to the trusted one \"vault\".");
    expect_warning(&vm, &trusted, &open_one, CLUSTER_PLUGIN_VM_IMPORT,
                   "VM \"db\" was created in the trusted cluster \"vault\" and imported into the non-trusted one "
                   "\"yard\".");
    expect_warning(
        &template, &open_one, &trusted, CLUSTER_PLUGIN_VM_IMPORT,
        "Template \"base\" was created in the non-trusted cluster \"yard\" and imported into the trusted one "
        "\"vault\".");
    expect_warning(&vm, &trusted, &open_one, CLUSTER_PLUGIN_VM_FROM_TEMPLATE,
                   "VM \"db\" was created in the non-trusted cluster \"yard\" from a template that was created in the "
                   "trusted one \"vault\".");
    expect_warning(&vm, &open_one, &trusted, CLUSTER_PLUGIN_VM_FROM_TEMPLATE,
                   "VM \"db\" was created in the trusted cluster \"vault\" from a template that was created in the "
                   "non-trusted one \"yard\".");
    expect_warning(&template, &trusted, &open_one, CLUSTER_PLUGIN_TEMPLATE_FROM_VM,
                   "The non-trusted template \"base\" in the cluster \"yard\" was created from a VM of the trusted "
                   "cluster \"vault\".");
    expect_warning(&template, &trusted, &open_one, CLUSTER_PLUGIN_VM_UPDATE,
                   "Template \"base\" was updated from the trusted cluster \"vault\" to the non-trusted one \"yard\".");
}
END_TEST

START_TEST(an_edit_inside_a_trusted_cluster_warns_of_nothing)
{
    const ClusterPluginVm vm = {.name = "db", .trusted_host_flag = true};
    static const ClusterPluginHow hows[] = {CLUSTER_PLUGIN_VM_CREATE,        CLUSTER_PLUGIN_VM_UPDATE,
                                            CLUSTER_PLUGIN_VM_MOVE,          CLUSTER_PLUGIN_VM_IMPORT,
                                            CLUSTER_PLUGIN_VM_FROM_TEMPLATE, CLUSTER_PLUGIN_TEMPLATE_FROM_VM};

    for (size_t i = 0; i < sizeof hows / sizeof *hows; i++) {
        ck_assert_int_eq(checks_vm(&vm, &trusted, &trusted, hows[i], text, sizeof text), CLUSTER_PLUGIN_ALLOW);
        ck_assert_str_eq(text, "");
        ck_assert_int_eq(checks_vm(&vm, NULL, &trusted, hows[i], text, sizeof text), CLUSTER_PLUGIN_ALLOW);
        ck_assert_int_eq(checks_vm(&vm, &open_one, NULL, hows[i], text, sizeof text), CLUSTER_PLUGIN_ALLOW);
    }
}
END_TEST

START_TEST(texts_fit_where_they_are_put)
{
    const ClusterPluginVm vm = {.name = "db"};
    char small[8] = "";

    ck_assert_int_eq(checks_vm(&vm, &trusted, &open_one, CLUSTER_PLUGIN_VM_MOVE, small, sizeof small),
                     CLUSTER_PLUGIN_WARN);
    ck_assert_str_eq(small, "VM \"db\"");
    ck_assert_int_eq(checks_cluster(false, NULL, &trusted, small, sizeof small), CLUSTER_PLUGIN_REFUSE);
    ck_assert_str_eq(small, "Cluster");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("checks");
    TCase *tests = tcase_create("checks");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, a_cluster_cannot_be_made_trusted_without_a_server);
    tcase_add_test(tests, what_does_not_touch_the_flag_is_allowed);
    tcase_add_test(tests, the_flag_cannot_be_changed_while_hosts_are_active);
    tcase_add_test(tests, crossing_is_warned_of_in_both_directions);
    tcase_add_test(tests, an_edit_inside_a_trusted_cluster_warns_of_nothing);
    tcase_add_test(tests, texts_fit_where_they_are_put);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
