#include "plugin/settings.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "trust/fault.h"

#define MAX_LINES 8

static ClusterPluginSetting lines[MAX_LINES];
static size_t n_lines;

static void
add(const char *key, const char *value)
{
    ck_assert_uint_lt(n_lines, MAX_LINES);
    lines[n_lines] = (ClusterPluginSetting){"trusted_computing", key, value, 10 + (unsigned)n_lines};
    n_lines++;
}

static Settings *
parse(void)
{
    g_autoptr(GError) error = NULL;
    Settings *settings = settings_parse(lines, n_lines, &error);

    ck_assert_msg(settings != NULL, "%s", error ? error->message : "");
    n_lines = 0;
    return settings;
}

/* It is refused, and the message has each of the texts in it. */
static void
expect_refused(const char *one, const char *two)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(settings_parse(lines, n_lines, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    ck_assert_msg(strstr(error->message, one) && strstr(error->message, two), "%s", error->message);
    n_lines = 0;
}

START_TEST(defaults_are_novas)
{
    g_autoptr(Settings) settings = parse();

    ck_assert_ptr_null(settings->server);
    ck_assert_ptr_null(settings->ca_file);
    ck_assert_uint_eq(settings->port, 8443);
    ck_assert_str_eq(settings->api_url, "/OpenAttestationWebServices/V1.0");
    ck_assert_ptr_null(settings->auth_blob);
    ck_assert_int_eq(settings->auth_timeout_ms, 60000);
    ck_assert(!settings->insecure_ssl);
    ck_assert_int_eq(settings->poll_timeout_ms, 25000);
    ck_assert_int_eq(settings->clock_skew_ms, 5000);
    ck_assert_int_eq(settings->dialect, OAT_1_0);
    ck_assert_ptr_null(settings->client_cert_file);
    ck_assert_ptr_null(settings->client_key_file);
}
END_TEST

START_TEST(a_section_of_nova_can_be_pasted)
{
    add("attestation_server", "10.1.71.206");
    add("attestation_server_ca_file", "/etc/nova/ssl.10.1.71.206.crt");
    add("attestation_port", "8181");
    add("attestation_api_url", "/AttestationService/resources");
    add("attestation_auth_blob", "i-am-openstack");
    add("attestation_auth_timeout", "120");
    add("attestation_insecure_ssl", "False");
    g_autoptr(Settings) settings = parse();

    ck_assert_str_eq(settings->server, "10.1.71.206");
    ck_assert_str_eq(settings->ca_file, "/etc/nova/ssl.10.1.71.206.crt");
    ck_assert_uint_eq(settings->port, 8181);
    ck_assert_str_eq(settings->api_url, "/AttestationService/resources");
    ck_assert_str_eq(settings->auth_blob, "i-am-openstack");
    ck_assert_int_eq(settings->auth_timeout_ms, 120000);
    ck_assert(!settings->insecure_ssl);
    ck_assert_int_eq(settings->dialect, OAT_2_0);
}
END_TEST

START_TEST(the_oldest_spellings_are_aliases)
{
    add("server", "attestation.example.org");
    add("port", "8443");
    add("server_ca_file", "/etc/ca.pem");
    add("api_url", "/AttestationService/resources");
    add("auth_blob", "secret");
    g_autoptr(Settings) settings = parse();

    ck_assert_str_eq(settings->server, "attestation.example.org");
    ck_assert_str_eq(settings->ca_file, "/etc/ca.pem");
    ck_assert_str_eq(settings->auth_blob, "secret");
    ck_assert_int_eq(settings->dialect, OAT_1_5);
}
END_TEST

START_TEST(our_own_options_are_read)
{
    add("attestation_poll_timeout", "2.5");
    add("attestation_clock_skew", "0");
    add("attestation_dialect", "2.0");
    add("attestation_client_cert_file", "/etc/client.pem");
    add("attestation_client_key_file", " /etc/client.key ");
    add("attestation_insecure_ssl", "TRUE");
    g_autoptr(Settings) settings = parse();

    ck_assert_int_eq(settings->poll_timeout_ms, 2500);
    ck_assert_int_eq(settings->clock_skew_ms, 0);
    ck_assert_int_eq(settings->dialect, OAT_2_0);
    ck_assert_str_eq(settings->client_cert_file, "/etc/client.pem");
    ck_assert_str_eq(settings->client_key_file, "/etc/client.key");
    ck_assert(settings->insecure_ssl);
}
END_TEST

START_TEST(unknown_and_repeated_options_are_refused_with_their_line)
{
    add("attestation_server", "a");
    add("attestation_sever_ca_file", "b");
    expect_refused("Line 11", "attestation_sever_ca_file");
    add("attestation_server", "a");
    add("server", "b");
    expect_refused("Line 11", "attestation_server is set twice");
    add("attestation_port", "1");
    lines[0].section = "elsewhere";
    expect_refused("Line 10", "[elsewhere]");
}
END_TEST

START_TEST(bad_values_are_refused_with_what_is_expected)
{
    static const struct {
        const char *key, *value, *expected;
    } bad[] = {
        {"attestation_port", "0", "1 to 65535"},
        {"attestation_port", "65536", "1 to 65535"},
        {"attestation_port", "84 43", "1 to 65535"},
        {"attestation_port", "", "1 to 65535"},
        {"attestation_server", "https://example.org", "without scheme"},
        {"attestation_server", "example.org:8443", "without scheme"},
        {"attestation_server", "a b", "without scheme"},
        {"attestation_server", "user@example.org", "without scheme"},
        {"attestation_api_url", "AttestationService", "begins with"},
        {"attestation_api_url", "/a?b", "without spaces"},
        {"attestation_api_url", "/a b", "without spaces"},
        {"attestation_auth_timeout", "-1", "seconds"},
        {"attestation_auth_timeout", "1e3", "seconds"},
        {"attestation_auth_timeout", "60s", "seconds"},
        {"attestation_auth_timeout", "86401", "seconds"},
        {"attestation_auth_timeout", "1.2.3", "seconds"},
        {"attestation_insecure_ssl", "maybe", "true or false"},
        {"attestation_dialect", "1.6", "auto, 1.0, 1.5"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        add(bad[i].key, bad[i].value);
        expect_refused(bad[i].key, bad[i].expected);
    }
}
END_TEST

START_TEST(a_secret_is_not_shown_and_cannot_smuggle_headers)
{
    g_autoptr(GError) error = NULL;

    add("attestation_auth_blob", "se\r\ncret");
    ck_assert_ptr_null(settings_parse(lines, n_lines, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "attestation_auth_blob"));
    ck_assert_ptr_null(strstr(error->message, "cret"));
}
END_TEST

START_TEST(a_poll_may_take_half_of_a_life_and_no_more)
{
    add("attestation_auth_timeout", "50");
    add("attestation_poll_timeout", "25");
    settings_unref(parse());
    add("attestation_auth_timeout", "49");
    add("attestation_poll_timeout", "25");
    expect_refused("attestation_poll_timeout", "24.5");
    add("attestation_poll_timeout", "30.001");
    expect_refused("attestation_poll_timeout", "at most half");
    add("attestation_poll_timeout", "0");
    expect_refused("attestation_poll_timeout", "more than 0");
    add("attestation_auth_timeout", "0");
    expect_refused("attestation_auth_timeout", "no verdict would be valid");
}
END_TEST

START_TEST(a_short_life_alone_shortens_the_poll)
{
    add("attestation_auth_timeout", "30");
    g_autoptr(Settings) settings = parse();

    ck_assert_int_eq(settings->poll_timeout_ms, 15000);
}
END_TEST

START_TEST(a_client_certificate_needs_its_key)
{
    add("attestation_client_cert_file", "/etc/client.pem");
    expect_refused("attestation_client_key_file", "together");
    add("attestation_client_key_file", "/etc/client.key");
    expect_refused("attestation_client_cert_file", "together");
}
END_TEST

START_TEST(addresses_of_all_kinds_are_servers)
{
    static const struct {
        const char *value, *server;
    } servers[] = {{"192.0.2.1", "192.0.2.1"},
                   {"2001:db8::1", "2001:db8::1"},
                   {"[2001:db8::1]", "2001:db8::1"},
                   {"oat-1.example_lab.org", "oat-1.example_lab.org"}};

    for (size_t i = 0; i < G_N_ELEMENTS(servers); i++) {
        Settings *settings;

        add("attestation_server", servers[i].value);
        settings = parse();
        ck_assert_str_eq(settings->server, servers[i].server);
        ck_assert_str_eq(settings_address(settings).server, servers[i].server);
        settings_unref(settings);
    }
    add("attestation_server", "");
    g_autoptr(Settings) none = parse();
    ck_assert_ptr_null(none->server);
}
END_TEST

START_TEST(every_option_has_a_name_and_a_help_text_and_parses_its_default)
{
    size_t n = 0;

    for (const ClusterPluginOption *option = settings_options; option->name; option++, n++) {
        ck_assert_str_eq(option->section, "trusted_computing");
        ck_assert(g_str_has_prefix(option->name, "attestation_"));
        ck_assert(g_str_has_suffix(option->help, "."));
        if (option->fallback) {
            add(option->name, option->fallback);
            settings_unref(parse());
        }
    }
    ck_assert_uint_eq(n, 12);
}
END_TEST

START_TEST(another_server_is_another_service)
{
    add("attestation_server", "a");
    g_autoptr(Settings) a = parse();
    add("attestation_server", "b");
    g_autoptr(Settings) b = parse();
    add("attestation_server", "a");
    add("attestation_auth_timeout", "90");
    g_autoptr(Settings) later = parse();

    ck_assert(!settings_is_same_service(a, b));
    ck_assert(settings_is_same_service(a, later));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("settings");
    TCase *tests = tcase_create("settings");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, defaults_are_novas);
    tcase_add_test(tests, a_section_of_nova_can_be_pasted);
    tcase_add_test(tests, the_oldest_spellings_are_aliases);
    tcase_add_test(tests, our_own_options_are_read);
    tcase_add_test(tests, unknown_and_repeated_options_are_refused_with_their_line);
    tcase_add_test(tests, bad_values_are_refused_with_what_is_expected);
    tcase_add_test(tests, a_secret_is_not_shown_and_cannot_smuggle_headers);
    tcase_add_test(tests, a_poll_may_take_half_of_a_life_and_no_more);
    tcase_add_test(tests, a_short_life_alone_shortens_the_poll);
    tcase_add_test(tests, a_client_certificate_needs_its_key);
    tcase_add_test(tests, addresses_of_all_kinds_are_servers);
    tcase_add_test(tests, every_option_has_a_name_and_a_help_text_and_parses_its_default);
    tcase_add_test(tests, another_server_is_another_service);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
