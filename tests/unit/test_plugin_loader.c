#include "manager/plugin_loader.h"
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Small libraries, made here by the compiler that built this test, stand in for plugins that are not ours. */
static char *directory;

static void
make_directory(void)
{
    directory = g_dir_make_tmp("trustpool-plugin-XXXXXX", NULL);
    ck_assert_ptr_nonnull(directory);
}

static void
remove_directory(void)
{
    g_autofree char *source = g_build_filename(directory, "plugin.c", NULL);
    g_autofree char *library = g_build_filename(directory, "plugin.so", NULL);

    g_unlink(source);
    g_unlink(library);
    g_rmdir(directory);
    g_free(directory);
}

static char *
compile(const char *text)
{
    g_autofree char *source = g_build_filename(directory, "plugin.c", NULL);
    char *library = g_build_filename(directory, "plugin.so", NULL);
    const char *argv[] = {"cc", "-shared", "-fPIC", "-I" SOURCE_DIR, "-o", library, source, NULL};
    int status = -1;
    g_autoptr(GError) error = NULL;

    ck_assert(g_file_set_contents(source, text, -1, NULL));
    ck_assert_msg(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, &error),
                  "%s", error ? error->message : "");
    ck_assert_int_eq(status, 0);
    return library;
}

static void
assert_refused(const char *path, const char *why)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(plugin_load(path, &error));
    ck_assert_msg(strstr(error->message, path) && strstr(error->message, why), "%s", error->message);
}

START_TEST(a_missing_file_is_named)
{
    assert_refused("/nonexistent/host-validation.so", "no such file");
}
END_TEST

START_TEST(a_relative_path_is_refused)
{
    assert_refused("host-validation.so", "absolute");
}
END_TEST

START_TEST(a_file_that_is_no_library_is_refused)
{
    g_autofree char *path = g_build_filename(directory, "plugin.so", NULL);

    ck_assert(g_file_set_contents(path, "text", -1, NULL));
    assert_refused(path, path);
}
END_TEST

START_TEST(a_library_without_the_entry_is_refused)
{
    g_autofree char *path = compile("int something;");

    assert_refused(path, "lacks the symbol cluster_plugin");
}
END_TEST

START_TEST(another_abi_is_refused_with_both_numbers)
{
    g_autofree char *path =
        compile("#include \"cluster-plugin.h\"\n"
                "const ClusterPlugin cluster_plugin = {.abi = 99, .struct_size = sizeof(ClusterPlugin)};");

    assert_refused(path, "version 99");
}
END_TEST

START_TEST(a_table_that_is_too_small_is_refused)
{
    g_autofree char *path =
        compile("#include \"cluster-plugin.h\"\n"
                "const ClusterPlugin cluster_plugin = {.abi = CLUSTER_PLUGIN_ABI, .struct_size = 8};");

    assert_refused(path, "8 bytes");
}
END_TEST

START_TEST(a_table_with_an_empty_entry_is_refused)
{
    g_autofree char *path = compile("#include \"cluster-plugin.h\"\n"
                                    "const ClusterPlugin cluster_plugin = {.abi = CLUSTER_PLUGIN_ABI,\n"
                                    "    .struct_size = sizeof(ClusterPlugin), .name = \"x\", .version = \"1\"};");

    assert_refused(path, "empty entry");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plugin_loader");
    TCase *tests = tcase_create("plugin_loader");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, make_directory, remove_directory);
    tcase_add_test(tests, a_missing_file_is_named);
    tcase_add_test(tests, a_relative_path_is_refused);
    tcase_add_test(tests, a_file_that_is_no_library_is_refused);
    tcase_add_test(tests, a_library_without_the_entry_is_refused);
    tcase_add_test(tests, another_abi_is_refused_with_both_numbers);
    tcase_add_test(tests, a_table_that_is_too_small_is_refused);
    tcase_add_test(tests, a_table_with_an_empty_entry_is_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
