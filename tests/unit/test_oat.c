#include "attest/oat.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "trust/fault.h"

static const char *const nodes[] = {"node1", "node2"};
static OatAnswer answers[2];

static void
parse(const char *reply)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(oat_reply_parse(reply, strlen(reply), nodes, 2, answers, &error), "%s",
                  error ? error->message : "no error");
}

static void
parse_fails(const char *reply)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(!oat_reply_parse(reply, strlen(reply), nodes, 2, answers, &error), "accepted: %s", reply);
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    ck_assert(g_str_has_prefix(error->message, "The attestation server's reply"));
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_eq(answers[i].level, TRUST_UNKNOWN);
}

static void
parse_file(const char *path)
{
    g_autofree char *full = g_build_filename(TEST_DATA_DIR, path, NULL);
    g_autofree char *text = NULL;

    ck_assert(g_file_get_contents(full, &text, NULL, NULL));
    parse(text);
}

static void
expect(size_t i, TrustLevel level, const char *reason)
{
    ck_assert_str_eq(answers[i].reason, reason);
    ck_assert_int_eq(answers[i].level, level);
}

static void
clear_answers(void)
{
    oat_answers_clear(answers, 2);
}

START_TEST(a_request_has_count_and_hosts)
{
    g_autofree char *body = oat_request_format(nodes, 2, NULL);

    ck_assert_str_eq(body, "{\"count\":2,\"hosts\":[\"node1\",\"node2\"]}");
}
END_TEST

START_TEST(a_request_equals_novas)
{
    g_autofree char *path = g_build_filename(TEST_DATA_DIR, "oat/pollhosts-request-nova.json", NULL);
    g_autofree char *body = oat_request_format(nodes, 2, NULL);
    json_t *ours = json_loads(body, 0, NULL), *theirs = json_load_file(path, 0, NULL);

    ck_assert_ptr_nonnull(theirs);
    ck_assert(json_equal(ours, theirs));
    json_decref(ours);
    json_decref(theirs);
}
END_TEST

START_TEST(a_name_that_comes_twice_is_sent_once_and_answered_twice)
{
    const char *const twice[] = {"Node1", "node1"};
    const char *reply = "{\"hosts\":[{\"host_name\":\"NODE1\",\"trust_lvl\":\"timeout\"}]}";
    g_autofree char *body = oat_request_format(twice, 2, NULL);

    ck_assert_str_eq(body, "{\"count\":1,\"hosts\":[\"Node1\"]}");
    ck_assert(oat_reply_parse(reply, strlen(reply), twice, 2, answers, NULL));
    expect(0, TRUST_UNKNOWN, OAT_REASON_TIMEOUT);
    expect(1, TRUST_UNKNOWN, OAT_REASON_TIMEOUT);
}
END_TEST

START_TEST(a_name_that_comes_twice_and_is_missing_is_told_so_twice)
{
    const char *const twice[] = {"Node1", "node1"};
    const char *reply = "{\"hosts\":[\"node1\"]}";

    ck_assert(oat_reply_parse(reply, strlen(reply), twice, 2, answers, NULL));
    for (size_t i = 0; i < 2; i++) {
        expect(i, TRUST_UNKNOWN, OAT_REASON_MISSING);
        ck_assert_ptr_nonnull(strstr(answers[i].detail, "1 of its entries"));
    }
}
END_TEST

START_TEST(names_are_escaped_in_a_request)
{
    const char *const names[] = {"a\"],\"x\":[\"b"};
    g_autofree char *body = oat_request_format(names, 1, NULL);

    ck_assert_str_eq(body, "{\"count\":1,\"hosts\":[\"a\\\"],\\\"x\\\":[\\\"b\"]}");
}
END_TEST

START_TEST(a_request_for_nobody_is_valid_json)
{
    g_autofree char *body = oat_request_format(NULL, 0, NULL);

    ck_assert_str_eq(body, "{\"count\":0,\"hosts\":[]}");
}
END_TEST

START_TEST(a_name_that_is_no_utf8_is_refused)
{
    const char *const names[] = {"a\xff"};
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(oat_request_format(names, 1, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    ck_assert_ptr_nonnull(oat_name_fault(OAT_2_0, names[0]));
}
END_TEST

START_TEST(dialects_have_names_and_are_told_from_path_and_port)
{
    OatDialect dialect;

    ck_assert(oat_dialect_parse("AUTO", &dialect) && dialect == OAT_AUTO);
    ck_assert(oat_dialect_parse("1.0", &dialect) && dialect == OAT_1_0);
    ck_assert(oat_dialect_parse("1.5", &dialect) && dialect == OAT_1_5);
    ck_assert(oat_dialect_parse("2.0", &dialect) && dialect == OAT_2_0);
    ck_assert(!oat_dialect_parse("3", &dialect));
    ck_assert_str_eq(oat_dialect_format(OAT_1_5), "1.5");
    ck_assert_int_eq(oat_dialect_guess("/OpenAttestationWebServices/V1.0", 8443), OAT_1_0);
    ck_assert_int_eq(oat_dialect_guess("/AttestationService/resources", 8443), OAT_1_5);
    ck_assert_int_eq(oat_dialect_guess("/AttestationService/resources", 8181), OAT_2_0);
    ck_assert_int_eq(oat_dialect_guess("/elsewhere", 8181), OAT_1_5);
}
END_TEST

START_TEST(names_that_would_spoil_a_batch_are_known_by_dialect)
{
    static const char *const spoiling[] = {"a#b", "a&b", "a+b", "fe80::1", "a\"b", "a'b"};
    g_autofree char *fifty = g_strnfill(50, 'a'), *longer = g_strnfill(51, 'a'), *longest = g_strnfill(256, 'a');

    for (size_t i = 0; i < G_N_ELEMENTS(spoiling); i++) {
        ck_assert_ptr_nonnull(oat_name_fault(OAT_1_5, spoiling[i]));
        ck_assert_ptr_null(oat_name_fault(OAT_1_0, spoiling[i]));
        ck_assert_ptr_null(oat_name_fault(OAT_2_0, spoiling[i]));
    }
    ck_assert_ptr_null(oat_name_fault(OAT_1_5, fifty));
    ck_assert_ptr_nonnull(oat_name_fault(OAT_1_5, longer));
    ck_assert_ptr_null(oat_name_fault(OAT_1_0, longer));
    ck_assert_ptr_nonnull(oat_name_fault(OAT_1_0, longest));
    ck_assert_ptr_nonnull(oat_name_fault(OAT_2_0, ""));
    ck_assert_ptr_nonnull(oat_name_fault(OAT_1_0, "a\nb"));
    ck_assert_ptr_null(oat_name_fault(OAT_1_5, "192.0.2.7"));
}
END_TEST

START_TEST(a_reply_of_1_x_is_read)
{
    parse_file("oat/RECONSTRUCTED-pollhosts-response-1.x.json");
    expect(0, TRUST_TRUSTED, "");
    ck_assert_int_eq(answers[0].server_ms, INT64_C(1347181840123));
    expect(1, TRUST_UNKNOWN, OAT_REASON_TIMEOUT);
    ck_assert_int_eq(answers[1].server_ms, 0);
}
END_TEST

START_TEST(a_reply_of_2_x_is_read)
{
    parse_file("oat/RECONSTRUCTED-pollhosts-response-2.x.json");
    expect(0, TRUST_UNTRUSTED, "");
    ck_assert_int_eq(answers[0].server_ms, INT64_C(1420017040123));
    expect(1, TRUST_UNKNOWN, OAT_REASON_UNKNOWN);
}
END_TEST

START_TEST(a_reply_with_epoch_milliseconds_is_read)
{
    parse_file("oat/RECONSTRUCTED-pollhosts-response-2.x-epochms.json");
    expect(0, TRUST_UNTRUSTED, "");
    ck_assert_int_eq(answers[0].server_ms, INT64_C(1420017040123));
    expect(1, TRUST_UNKNOWN, OAT_REASON_MISSING);
}
END_TEST

START_TEST(a_reply_of_mt_wilson_is_read)
{
    parse_file("oat/RECONSTRUCTED-pollhosts-response-mtwilson.json");
    expect(0, TRUST_TRUSTED, "");
    ck_assert_int_eq(answers[0].server_ms, INT64_C(1329210168000));
}
END_TEST

START_TEST(nova_timezone_equals_utc)
{
    int64_t utc;

    parse_file("nova/test_timezone.json");
    expect(0, TRUST_UNTRUSTED, "");
    ck_assert(oat_time_parse("2012-09-09T09:10:40Z", &utc));
    ck_assert_int_eq(answers[0].server_ms, utc);
}
END_TEST

START_TEST(members_and_levels_are_compared_as_the_servers_mean_them)
{
    parse("{\"extra\":1,\"hosts\":[{\"vtime\":1,\"trust_lvl\":\"TrUsTeD\",\"host_name\":\"NODE2\",\"url\":\"x\","
          "\"analysis_details\":[{}],\"report_is_valid\":true},"
          "{\"host_name\":\"Node1\",\"trust_lvl\":\"UNTRUSTED\",\"vtime\":2}]}");
    expect(0, TRUST_UNTRUSTED, "");
    ck_assert_int_eq(answers[0].server_ms, 2);
    expect(1, TRUST_TRUSTED, "");
    ck_assert_int_eq(answers[1].server_ms, 1);
}
END_TEST

START_TEST(every_word_but_the_two_is_unknown)
{
    static const struct {
        const char *word, *reason;
    } words[] = {{"unknown", OAT_REASON_UNKNOWN}, {"Timeout", OAT_REASON_TIMEOUT}, {"PENDING", OAT_REASON_PENDING},
                 {"trusted ", OAT_REASON_WORD},   {"", OAT_REASON_WORD},           {"true", OAT_REASON_WORD}};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_autofree char *reply =
            g_strdup_printf("{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"%s\",\"vtime\":1}]}", words[i].word);

        parse(reply);
        expect(0, TRUST_UNKNOWN, words[i].reason);
        clear_answers();
    }
}
END_TEST

START_TEST(malformed_entries_are_unknown_and_spoil_no_other)
{
    static const char *const entries[] = {
        "{\"host_name\":\"node1\",\"vtime\":1}",
        "{\"host_name\":\"node1\",\"trust_lvl\":true,\"vtime\":1}",
        "{\"host_name\":\"node1\",\"trust_lvl\":null,\"vtime\":1}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\"}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":null}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":-1}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1.5}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":253402300800000}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":[1]}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":\"02/14/12\"}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":\"\"}",
        "{\"host_name\":\"node1\",\"trust_lvl\":\"untrusted\",\"vtime\":\"yesterday\"}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(entries); i++) {
        g_autofree char *reply =
            g_strdup_printf("{\"hosts\":[%s,{\"host_name\":\"node2\",\"trust_lvl\":\"trusted\",\"vtime\":7}]}",
                            entries[i]);

        parse(reply);
        expect(0, TRUST_UNKNOWN, OAT_REASON_MALFORMED);
        ck_assert_ptr_nonnull(answers[0].detail);
        expect(1, TRUST_TRUSTED, "");
        clear_answers();
    }
}
END_TEST

START_TEST(a_trusted_host_with_an_invalid_report_is_a_contradiction)
{
    parse("{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1,\"report_is_valid\":false}]}");
    expect(0, TRUST_UNKNOWN, OAT_REASON_CONTRADICTORY);
}
END_TEST

START_TEST(duplicates_that_differ_are_unknown_in_either_order)
{
    static const char *const others[] = {"\"untrusted\",\"vtime\":1", "\"unknown\",\"vtime\":1", "\"trusted\""};

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *after =
            g_strdup_printf("{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1},"
                            "{\"host_name\":\"NODE1\",\"trust_lvl\":%s}]}",
                            others[i]);
        g_autofree char *before = g_strdup_printf("{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":%s},"
                                                  "{\"host_name\":\"NODE1\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}",
                                                  others[i]);

        parse(after);
        expect(0, TRUST_UNKNOWN, OAT_REASON_CONTRADICTORY);
        clear_answers();
        parse(before);
        expect(0, TRUST_UNKNOWN, OAT_REASON_CONTRADICTORY);
        clear_answers();
    }
}
END_TEST

START_TEST(a_third_entry_does_not_mend_a_contradiction)
{
    parse("{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1},"
          "{\"host_name\":\"node1\",\"trust_lvl\":\"untrusted\",\"vtime\":1},"
          "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}");
    expect(0, TRUST_UNKNOWN, OAT_REASON_CONTRADICTORY);
}
END_TEST

START_TEST(duplicates_that_agree_count_with_the_older_time)
{
    parse("{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":9},"
          "{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":5}]}");
    expect(0, TRUST_TRUSTED, "");
    ck_assert_int_eq(answers[0].server_ms, 5);
}
END_TEST

START_TEST(an_answer_about_others_is_no_answer)
{
    parse("{\"hosts\":[{\"host_name\":\"node3\",\"trust_lvl\":\"trusted\",\"vtime\":1},"
          "{\"host_name\":\"node\",\"trust_lvl\":\"trusted\",\"vtime\":1},"
          "{\"host_name\":\"node1.example\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}");
    expect(0, TRUST_UNKNOWN, OAT_REASON_MISSING);
    expect(1, TRUST_UNKNOWN, OAT_REASON_MISSING);
}
END_TEST

START_TEST(entries_that_name_nobody_are_told_to_those_who_are_missing)
{
    parse("{\"hosts\":[7,null,{\"trust_lvl\":\"trusted\",\"vtime\":1},{\"host_name\":5},"
          "{\"host_name\":\"node2\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}");
    expect(0, TRUST_UNKNOWN, OAT_REASON_MISSING);
    ck_assert_ptr_nonnull(strstr(answers[0].detail, "4 of its entries"));
    expect(1, TRUST_TRUSTED, "");
}
END_TEST

START_TEST(maps_are_read_like_lists)
{
    parse("{\"hosts\":{\"Node1\":{\"trust_lvl\":\"trusted\",\"vtime\":1},"
          "\"node2\":{\"host_name\":\"node2\",\"trust_lvl\":\"untrusted\",\"vtime\":1}}}");
    expect(0, TRUST_TRUSTED, "");
    expect(1, TRUST_UNTRUSTED, "");
    parse("{\"hosts\":{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1}}");
    expect(0, TRUST_TRUSTED, "");
    expect(1, TRUST_UNKNOWN, OAT_REASON_MISSING);
    parse("{\"hosts\":{\"node1\":{\"host_name\":\"node2\",\"trust_lvl\":\"trusted\",\"vtime\":1}}}");
    expect(0, TRUST_UNKNOWN, OAT_REASON_MALFORMED);
    expect(1, TRUST_UNKNOWN, OAT_REASON_MISSING);
    clear_answers();
    parse("{\"hosts\":{\"node1\":\"trusted\"}}");
    expect(0, TRUST_UNKNOWN, OAT_REASON_MALFORMED);
}
END_TEST

START_TEST(documents_that_are_no_answer_are_refused)
{
    static const char *const documents[] = {
        "",
        " ",
        "null",
        "[]",
        "\"hosts\"",
        "{}",
        "{\"hosts\":null}",
        "{\"hosts\":\"trusted\"}",
        "{\"Hosts\":[]}",
        "{\"hosts\":[]",
        "{\"hosts\":[]}x",
        "{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"untrusted\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}",
        "{\"hosts\":[],\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}",
        "{\"hosts\":[{\"host_name\":\"node1\\u0000\",\"trust_lvl\":\"trusted\",\"vtime\":1}]}",
        "{\"hosts\":[{\"host_name\":\"node1\",\"trust_lvl\":\"trusted\",\"vtime\":99999999999999999999}]}",
        "{'hosts':[]}",
        "<hosts/>",
        "{\"hosts\":[\"\xff\"]}",
        "{\"code\":500,\"name\":\"AttestationServersFault\",\"message\":\"poll hosts failed.\"}",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(documents); i++)
        parse_fails(documents[i]);
}
END_TEST

START_TEST(a_reply_above_the_limit_is_refused)
{
    g_autofree char *reply = g_malloc(OAT_REPLY_MAX + 1);
    g_autoptr(GError) error = NULL;

    memset(reply, ' ', OAT_REPLY_MAX + 1);
    memcpy(reply, "{\"hosts\":[]}", 12);
    ck_assert(!oat_reply_parse(reply, OAT_REPLY_MAX + 1, nodes, 2, answers, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "larger than"));
    ck_assert(oat_reply_parse(reply, OAT_REPLY_MAX, nodes, 2, answers, NULL));
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
    g_autofree char *deep = g_strnfill(1000000, '[');

    parse_fails(deep);
}
END_TEST

START_TEST(ten_thousand_hosts_are_read)
{
    enum { N = 10000 };
    g_autoptr(GString) reply = g_string_new("{\"hosts\":[");
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    OatAnswer *many = g_new0(OatAnswer, N);

    for (int i = 0; i < N; i++) {
        g_ptr_array_add(names, g_strdup_printf("host-%d.example.org", i));
        g_string_append_printf(reply,
                               "%s{\"host_name\":\"HOST-%d.example.org\",\"trust_lvl\":\"%s\",\"vtime\":\"2012-09-"
                               "09T05:10:40.123-04:00\"}",
                               i ? "," : "", N - 1 - i, i % 2 ? "trusted" : "untrusted");
    }
    g_string_append(reply, "]}");
    ck_assert(oat_reply_parse(reply->str, reply->len, (const char *const *)names->pdata, N, many, NULL));
    for (int i = 0; i < N; i++)
        ck_assert_int_eq(many[i].level, (N - 1 - i) % 2 ? TRUST_TRUSTED : TRUST_UNTRUSTED);
    oat_answers_clear(many, N);
    g_free(many);
}
END_TEST

START_TEST(all_time_formats_are_understood)
{
    static const struct {
        const char *text;
        int64_t ms;
    } times[] = {
        {"2012-09-09T05:10:40.123-04:00", INT64_C(1347181840123)},
        {"2012-09-09T05:10:40-04:00", INT64_C(1347181840000)},
        {"2014-12-31T09:10:40.123+0000", INT64_C(1420017040123)},
        {"2014-12-31T09:10:40.1Z", INT64_C(1420017040100)},
        {"2014-12-31T09:10:40.123999999Z", INT64_C(1420017040123)},
        {"2014-12-31T14:40:40+05:30", INT64_C(1420017040000)},
        {"Tue Feb 14 09:02:48 2012", INT64_C(1329210168000)},
        {"Sat Feb  4 09:02:48 2012", INT64_C(1328346168000)},
        {"Wed Feb 29 00:00:00 2012", INT64_C(1330473600000)},
        {"1970-01-01T00:00:00Z", 0},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        int64_t ms = -1;

        ck_assert_msg(oat_time_parse(times[i].text, &ms), "%s", times[i].text);
        ck_assert_int_eq(ms, times[i].ms);
    }
}
END_TEST

START_TEST(other_times_are_not_understood)
{
    static const char *const times[] = {
        "",
        "now",
        "1420017040123",
        "02/14/12",
        "2012-09-09",
        "2012-09-09T05:10:40",
        "2012-09-09 05:10:40Z",
        "2012-09-09T05:10Z",
        "2012-09-09T05:10:40,1Z",
        "2012-09-09T05:10:40.Z",
        "2012-09-09T05:10:40.1234567890Z",
        "2012-09-31T05:10:40Z",
        "2012-02-30T05:10:40Z",
        "2013-02-29T05:10:40Z",
        "2012-13-01T05:10:40Z",
        "2012-00-01T05:10:40Z",
        "2012-09-09T24:10:40Z",
        "2012-09-09T05:60:40Z",
        "2012-09-09T05:10:60Z",
        "2012-09-09T05:10:40Z ",
        " 2012-09-09T05:10:40Z",
        "2012-09-09T05:10:40+4",
        "2012-09-09T05:10:40+24:00",
        "2012-09-09T05:10:40+04:60",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+01:00",
        "12-09-09T05:10:40Z",
        "Wed Feb 14 09:02:48 2012",
        "Tue Feb 14 09:02:48 2012 UTC",
        "Tue Feb 4 09:02:48 2012",
        "tue feb 14 09:02:48 2012",
        "Tue Foo 14 09:02:48 2012",
        "Tue Feb 30 09:02:48 2012",
        "Di 14 Feb 2012 09:02:48",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(times); i++) {
        int64_t ms;

        ck_assert_msg(!oat_time_parse(times[i], &ms), "understood: %s", times[i]);
    }
}
END_TEST

START_TEST(error_bodies_of_each_version_are_shown)
{
    static const struct {
        const char *file, *text;
        bool is_host_unknown;
    } bodies[] = {
        {"oat/RECONSTRUCTED-fault-1.x.json",
         "AttestationServersFault: poll hosts failed.: Exception:java.lang.NullPointerException", false},
        {"oat/RECONSTRUCTED-fault-401-1.0.json",
         "Unauthorized: Authentication failed.: your authentication information is wrong", false},
        {"oat/RECONSTRUCTED-fault-1.7-badhost.json",
         "Poll Hosts failed, please make sure the host information is correct", false},
        {"oat/RECONSTRUCTED-error-2.x.json", "AS_HOST_NOT_FOUND: Host 'node9' not found.", true},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autofree char *path = g_build_filename(TEST_DATA_DIR, bodies[i].file, NULL);
        g_autofree char *body = NULL, *text = NULL;
        bool is_host_unknown;
        gsize size;

        ck_assert(g_file_get_contents(path, &body, &size, NULL));
        text = oat_error_parse(body, size, &is_host_unknown);
        ck_assert_str_eq(text, bodies[i].text);
        ck_assert_int_eq(is_host_unknown, bodies[i].is_host_unknown);
        parse_fails(body);
    }
}
END_TEST

START_TEST(error_bodies_that_say_nothing_are_no_text)
{
    static const char *const bodies[] = {"", "<html>", "[]", "{}", "{\"message\":5}"};
    bool is_host_unknown;

    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++)
        ck_assert_ptr_null(oat_error_parse(bodies[i], strlen(bodies[i]), &is_host_unknown));
}
END_TEST

START_TEST(an_error_text_is_one_short_line)
{
    g_autofree char *filler = g_strnfill(1000, 'x');
    g_autofree char *body = g_strdup_printf("{\"message\":\"a\\nb\\u001b%s\"}", filler);
    bool is_host_unknown;
    g_autofree char *text = oat_error_parse(body, strlen(body), &is_host_unknown);

    ck_assert(g_str_has_prefix(text, "a b x"));
    ck_assert_uint_eq(strlen(text), 300);
}
END_TEST

static TCase *
requests(void)
{
    TCase *tests = tcase_create("requests");

    tcase_add_checked_fixture(tests, NULL, clear_answers);
    tcase_add_test(tests, a_request_has_count_and_hosts);
    tcase_add_test(tests, a_request_equals_novas);
    tcase_add_test(tests, a_name_that_comes_twice_is_sent_once_and_answered_twice);
    tcase_add_test(tests, a_name_that_comes_twice_and_is_missing_is_told_so_twice);
    tcase_add_test(tests, names_are_escaped_in_a_request);
    tcase_add_test(tests, a_request_for_nobody_is_valid_json);
    tcase_add_test(tests, a_name_that_is_no_utf8_is_refused);
    tcase_add_test(tests, dialects_have_names_and_are_told_from_path_and_port);
    tcase_add_test(tests, names_that_would_spoil_a_batch_are_known_by_dialect);
    return tests;
}

static TCase *
replies(void)
{
    TCase *tests = tcase_create("replies");

    tcase_set_timeout(tests, 60);
    tcase_add_checked_fixture(tests, NULL, clear_answers);
    tcase_add_test(tests, a_reply_of_1_x_is_read);
    tcase_add_test(tests, a_reply_of_2_x_is_read);
    tcase_add_test(tests, a_reply_with_epoch_milliseconds_is_read);
    tcase_add_test(tests, a_reply_of_mt_wilson_is_read);
    tcase_add_test(tests, nova_timezone_equals_utc);
    tcase_add_test(tests, members_and_levels_are_compared_as_the_servers_mean_them);
    tcase_add_test(tests, every_word_but_the_two_is_unknown);
    tcase_add_test(tests, malformed_entries_are_unknown_and_spoil_no_other);
    tcase_add_test(tests, a_trusted_host_with_an_invalid_report_is_a_contradiction);
    tcase_add_test(tests, duplicates_that_differ_are_unknown_in_either_order);
    tcase_add_test(tests, a_third_entry_does_not_mend_a_contradiction);
    tcase_add_test(tests, duplicates_that_agree_count_with_the_older_time);
    tcase_add_test(tests, an_answer_about_others_is_no_answer);
    tcase_add_test(tests, entries_that_name_nobody_are_told_to_those_who_are_missing);
    tcase_add_test(tests, maps_are_read_like_lists);
    tcase_add_test(tests, documents_that_are_no_answer_are_refused);
    tcase_add_test(tests, a_reply_above_the_limit_is_refused);
    tcase_add_test(tests, deep_nesting_is_refused);
    tcase_add_test(tests, ten_thousand_hosts_are_read);
    tcase_add_test(tests, all_time_formats_are_understood);
    tcase_add_test(tests, other_times_are_not_understood);
    tcase_add_test(tests, error_bodies_of_each_version_are_shown);
    tcase_add_test(tests, error_bodies_that_say_nothing_are_no_text);
    tcase_add_test(tests, an_error_text_is_one_short_line);
    return tests;
}

int
main(void)
{
    Suite *suite = suite_create("oat");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, requests());
    suite_add_tcase(suite, replies());
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
