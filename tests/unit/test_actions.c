/* Start and stop on libvirt's test driver. It cannot migrate: that is for the end-to-end tests. */
#include "trust/fault.h"
#include "virt/actions.h"
#include "virt/loop.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

#define UUID "6ba7b810-9dad-41d1-80b4-00c04fd430c8"
#define XML                                                                                                            \
    "<domain type='test'><name>vm</name><uuid>" UUID "</uuid><memory>8192</memory><os><type>hvm</type></os></domain>"

static VirtConnection *connection;

static void
setup(void)
{
    const VirtSettings settings = {.transport = "test", .pki_dir = ""};
    const VirtCallbacks callbacks = {0};
    g_autoptr(GError) error = NULL;
    ck_assert(virt_loop_start(NULL));
    connection = virt_connection_open(&settings, "default", &callbacks, NULL, NULL, &error);
    ck_assert_msg(connection != NULL, "%s", error != NULL ? error->message : "?");
}

static void
teardown(void)
{
    virt_connection_unref(connection);
    ck_assert(virt_connections_wait(60000));
    virt_loop_stop();
}

static bool
runs(const char *uuid)
{
    VirtPresence presence = virt_presence(connection, uuid, NULL);
    ck_assert(presence == VIRT_RUNNING || presence == VIRT_ABSENT);
    return presence == VIRT_RUNNING;
}

START_TEST(a_started_domain_runs_until_it_is_stopped)
{
    ck_assert(!runs(UUID));
    ck_assert(virt_start(connection, XML, NULL));
    ck_assert(runs(UUID));
    ck_assert(virt_stop(connection, UUID, false, NULL));
    ck_assert(!runs(UUID));
}
END_TEST

START_TEST(a_domain_asked_to_shut_down_stops)
{
    ck_assert(virt_start(connection, XML, NULL));
    ck_assert(virt_stop(connection, UUID, true, NULL));
    ck_assert(!runs(UUID));
}
END_TEST

START_TEST(a_start_that_libvirt_refuses_is_refused_with_its_text)
{
    g_autoptr(GError) error = NULL;
    ck_assert(virt_start(connection, XML, NULL));
    ck_assert(!virt_start(connection, XML, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_REFUSED));
    ck_assert_ptr_nonnull(strstr(error->message, "vm"));
    g_clear_error(&error);
    ck_assert(!virt_start(connection, "<domain", &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_REFUSED));
    ck_assert(virt_stop(connection, UUID, false, NULL));
}
END_TEST

START_TEST(a_domain_that_is_not_there_is_not_found)
{
    const VirtMigration migration = {.uuid = UUID, .target_xml = XML, .deadline_s = 60};
    g_autoptr(GError) error = NULL;
    ck_assert(!virt_stop(connection, UUID, false, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_NOT_FOUND));
    g_clear_error(&error);
    ck_assert(!virt_migrate(connection, connection, &migration, NULL, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_NOT_FOUND));
}
END_TEST

START_TEST(a_migration_that_the_driver_cannot_do_fails_and_the_domain_still_runs)
{
    const VirtMigration migration = {.uuid = UUID, .target_xml = XML, .deadline_s = 60, .bandwidth_mib_s = 10};
    volatile int cancel = 0;
    g_autoptr(GError) error = NULL;
    ck_assert(virt_start(connection, XML, NULL));
    ck_assert(!virt_migrate(connection, connection, &migration, &cancel, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_FAILED));
    ck_assert(runs(UUID));
    ck_assert(virt_stop(connection, UUID, false, NULL));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("actions");
    TCase *tcase = tcase_create("actions");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, a_started_domain_runs_until_it_is_stopped);
    tcase_add_test(tcase, a_domain_asked_to_shut_down_stops);
    tcase_add_test(tcase, a_start_that_libvirt_refuses_is_refused_with_its_text);
    tcase_add_test(tcase, a_domain_that_is_not_there_is_not_found);
    tcase_add_test(tcase, a_migration_that_the_driver_cannot_do_fails_and_the_domain_still_runs);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
