#include "manager/configuration.h"
#include "trust/fault.h"
#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static char *
file_with(const char *text)
{
    char *path = NULL;
    int descriptor = g_file_open_tmp("trustpool-conf-XXXXXX", &path, NULL);

    ck_assert_int_ge(descriptor, 0);
    close(descriptor);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static Config *
read_text(const char *text, GError **error)
{
    g_autofree char *path = file_with(text);
    Config *config = config_read(path, error);

    g_unlink(path);
    return config;
}

static void
assert_refused(const char *text, const char *first, const char *second)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = read_text(text, &error);

    ck_assert_ptr_null(config);
    ck_assert_msg(strstr(error->message, first) && strstr(error->message, second), "%s", error->message);
}

START_TEST(without_a_file_everything_has_its_default)
{
    g_autoptr(Config) config = config_read(NULL, NULL);

    ck_assert_uint_eq(config->listen_port, 8440);
    ck_assert_uint_eq(config->activate_timeout_s, 30);
    ck_assert_uint_eq(config->host_grace_s, 60);
    ck_assert_str_eq(config->transport, "tls");
    ck_assert_str_eq(config->expired_hosts, "keep");
    ck_assert_uint_eq(config->foreign->len, 0);
}
END_TEST

START_TEST(bandwidth_is_raised_only_from_a_limit_and_not_below_it)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config =
        read_text("[manager]\nmigration_bandwidth = 10\nmigration_bandwidth_max = 100\npost_copy = on\n", &error);
    g_autoptr(Config) defaults = config_read(NULL, NULL);

    ck_assert_msg(config != NULL, "%s", error ? error->message : "");
    ck_assert_uint_eq(config->migration_bandwidth_max_mib_s, 100);
    ck_assert(config_is_on(config->post_copy));
    ck_assert(!config_is_on(defaults->post_copy));
    assert_refused("[manager]\nmigration_bandwidth_max = 100\n", "migration_bandwidth_max = 100", "must be set");
    assert_refused("[manager]\nmigration_bandwidth_max = 9\nmigration_bandwidth = 10\n", "migration_bandwidth_max = 9",
                   "(10)");
    assert_refused("[manager]\npost_copy = yes\n", "post_copy = yes", "on");
}
END_TEST

START_TEST(what_peer_to_peer_and_post_copy_cost_is_in_their_help)
{
    g_autoptr(Config) config = config_read(NULL, NULL);
    g_autofree char *sample = config_sample();

    ck_assert(!config_is_on(config->peer_to_peer));
    ck_assert_ptr_nonnull(strstr(config_help("manager", "peer_to_peer"), "root on all of them"));
    ck_assert_ptr_nonnull(strstr(config_help("manager", "post_copy"), "lose the VM"));
    ck_assert_ptr_nonnull(strstr(sample, "root on all of them"));
    ck_assert_str_eq(config_help("manager", "nothing"), "");
}
END_TEST

START_TEST(options_are_read)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config =
        read_text("[manager]\nlisten_port = 9000\nexpired_hosts=evacuate\n[libvirt]\nopeners=3\n", &error);

    ck_assert_msg(config != NULL, "%s", error ? error->message : "");
    ck_assert_uint_eq(config->listen_port, 9000);
    ck_assert_str_eq(config->expired_hosts, "evacuate");
    ck_assert_uint_eq(config->openers, 3);
}
END_TEST

START_TEST(an_unknown_option_is_refused_with_its_line)
{
    assert_refused("# a comment\n[manager]\nlisten_prot = 9000\n", "line 3", "listen_prot");
}
END_TEST

START_TEST(a_number_out_of_its_limits_is_refused_with_them)
{
    assert_refused("[manager]\nlisten_port = 65536\n", "line 2", "from 0 to 65535");
    assert_refused("[manager]\nlisten_port = -1\n", "line 2", "from 0 to 65535");
    assert_refused("[manager]\nlisten_port = 12x\n", "line 2", "12x");
}
END_TEST

START_TEST(an_unknown_word_is_refused_with_the_known_ones)
{
    assert_refused("[libvirt]\ntransport = tcp\n", "line 2", "|tls|");
    assert_refused("[libvirt]\ntransport = tls|ssh\n", "line 2", "tls|ssh");
}
END_TEST

START_TEST(a_certificate_without_its_key_is_refused)
{
    assert_refused("[manager]\ntls_cert_file = /a.pem\n", "tls_cert_file", "tls_key_file");
}
END_TEST

START_TEST(sections_of_the_plugin_are_kept_with_their_lines)
{
    static const char *const sections[] = {"trusted_computing", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config =
        read_text("[trusted_computing]\nattestation_server = att.example\nattestation_port=8181\n", &error);
    const ClusterPluginSetting *second = &g_array_index(config->foreign, ClusterPluginSetting, 1);

    ck_assert_uint_eq(config->foreign->len, 2);
    ck_assert_str_eq(second->key, "attestation_port");
    ck_assert_str_eq(second->value, "8181");
    ck_assert_uint_eq(second->line, 3);
    ck_assert(config_check_sections(config, sections, &error));
    ck_assert(!config_check_sections(config, NULL, &error));
    ck_assert_msg(strstr(error->message, "[trusted_computing]") != NULL, "%s", error->message);
}
END_TEST

START_TEST(the_sample_is_a_configuration_and_changes_nothing)
{
    g_autofree char *sample = config_sample();
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = read_text(sample, &error);

    ck_assert_msg(config != NULL, "%s", error ? error->message : "");
    ck_assert_uint_eq(config->listen_port, 8440);
    ck_assert(strstr(sample, "evacuation_max_share") != NULL);
}
END_TEST

START_TEST(every_option_of_the_sample_can_be_set_to_its_default)
{
    g_autofree char *sample = config_sample();
    g_autoptr(GRegex) comment = g_regex_new("^#([a-z_]+ = )", G_REGEX_MULTILINE, 0, NULL);
    g_autofree char *text = g_regex_replace(comment, sample, -1, 0, "\\1", 0, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = read_text(text, &error);

    ck_assert_msg(config != NULL, "%s", error ? error->message : "");
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("configuration");
    TCase *tests = tcase_create("configuration");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, without_a_file_everything_has_its_default);
    tcase_add_test(tests, bandwidth_is_raised_only_from_a_limit_and_not_below_it);
    tcase_add_test(tests, what_peer_to_peer_and_post_copy_cost_is_in_their_help);
    tcase_add_test(tests, options_are_read);
    tcase_add_test(tests, an_unknown_option_is_refused_with_its_line);
    tcase_add_test(tests, a_number_out_of_its_limits_is_refused_with_them);
    tcase_add_test(tests, an_unknown_word_is_refused_with_the_known_ones);
    tcase_add_test(tests, a_certificate_without_its_key_is_refused);
    tcase_add_test(tests, sections_of_the_plugin_are_kept_with_their_lines);
    tcase_add_test(tests, the_sample_is_a_configuration_and_changes_nothing);
    tcase_add_test(tests, every_option_of_the_sample_can_be_set_to_its_default);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
