/* The manual pages, and the roff that they are made of. */
#include "manual/manual.h"
#include "manager/configuration.h"
#include "manager/manual_pages.h"
#include <check.h>
#include <string.h>

START_TEST(text_is_never_read_as_roff)
{
    g_autoptr(GString) page = g_string_new(NULL);

    manual_text(page, ".so /etc/passwd\n'br\nC:\\n --help");
    ck_assert_str_eq(page->str, ".PP\n\\&.so /etc/passwd\n\\&'br\nC:\\en \\-\\-help\n");
}
END_TEST

START_TEST(options_are_items_and_hidden_ones_are_not_shown)
{
    const GOptionEntry options[] = {
        {"follow", 'f', 0, G_OPTION_ARG_NONE, NULL, "Go on", NULL},
        {"secret", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, NULL, "Not shown", NULL},
        {"url", 0, 0, G_OPTION_ARG_STRING, NULL, "Where", "URL"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GString) page = g_string_new(NULL);

    manual_options(page, options);
    ck_assert_str_eq(page->str, ".TP\n\\fB\\-f, \\-\\-follow\\fR\nGo on\n.TP\n\\fB\\-\\-url\\fR \\fIURL\\fR\nWhere\n");
}
END_TEST

START_TEST(every_option_of_manager_and_plugin_is_in_the_configurations_page)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *page = manual_of_configuration(VALIDATION_PLUGIN, &error);
    ConfigOption option;
    size_t n = 0;

    ck_assert_msg(page != NULL, "%s", error ? error->message : "");
    for (; config_option(n, &option); n++) {
        g_free(option.expected);
        g_autofree char *item = g_strdup_printf(".TP\n\\fB%s\\fR\n", option.name);
        ck_assert_msg(strstr(page, item) != NULL, "%s", option.name);
    }
    ck_assert_uint_gt(n, 20);
    ck_assert(strstr(page, ".SH SECTION [trusted_computing]\n") != NULL);
    ck_assert(strstr(page, "\\fBattestation_server\\fR") != NULL);
    ck_assert(strstr(page, "One of: keep evacuate.") != NULL);
    ck_assert(strstr(page, "A number from 1 to 3600. Default: 30.") != NULL);
}
END_TEST

START_TEST(without_the_plugin_there_is_no_page)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(manual_of_configuration("/nonexistent/plugin.so", &error));
    ck_assert(strstr(error->message, "/nonexistent/plugin.so") != NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("manual");
    TCase *tests = tcase_create("manual");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, text_is_never_read_as_roff);
    tcase_add_test(tests, options_are_items_and_hidden_ones_are_not_shown);
    tcase_add_test(tests, every_option_of_manager_and_plugin_is_in_the_configurations_page);
    tcase_add_test(tests, without_the_plugin_there_is_no_page);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
