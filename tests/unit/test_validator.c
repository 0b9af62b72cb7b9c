#include "plugin/validator.h"

#include <check.h>
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "attest/service.h"
#include "fake_attestation.h"
#include "fake_manager.h"
#include "plugin/clock.h"

static FakeManager *manager;
static FakeAttestation *attestation;
static Answers *answers;
static Filter *filter;
static Validator *validator;
static GPtrArray *texts; /* of hosts */

static void
set_up(void)
{
    ck_assert(service_global_init(NULL));
    manager = fake_manager_new();
    attestation = fake_attestation_start();
    answers = answers_new();
    filter = filter_new();
    texts = g_ptr_array_new_with_free_func(g_free);
}

static void
stop_validator(void)
{
    validator_free(validator);
    validator = NULL;
}

static void
tear_down(void)
{
    fake_attestation_release(attestation);
    stop_validator();
    ck_assert_uint_eq(fake_manager_violations(manager), 0);
    fake_attestation_stop(attestation);
    filter_free(filter);
    answers_free(answers);
    fake_manager_free(manager);
    g_ptr_array_unref(texts);
}

static Settings *
parse_settings(const ClusterPluginSetting *lines, size_t n)
{
    g_autoptr(GError) error = NULL;
    Settings *settings = settings_parse(lines, n, &error);

    ck_assert_msg(settings != NULL, "%s", error ? error->message : "");
    return settings;
}

static void
start_with(Settings *settings)
{
    g_autoptr(GError) error = NULL;

    validator = validator_new(fake_manager_table(manager), filter, settings, &error);
    ck_assert_msg(validator != NULL, "%s", error ? error->message : "");
    settings_unref(settings);
}

/* With more settings, up to two. */
static void
start(const char *one, const char *two)
{
    const char *more[] = {one, two, NULL};
    size_t n;
    const ClusterPluginSetting *lines = fake_attestation_settings(attestation, more, &n);

    start_with(parse_settings(lines, n));
}

static ClusterPluginHost
host(const char *name)
{
    char *id = g_strdup(name);

    g_ptr_array_add(texts, id);
    return (ClusterPluginHost){.id = id, .name = id, .attestation_id = id, .service = ""};
}

static ClusterPluginHost
numbered(const char *prefix, unsigned number)
{
    g_autofree char *name = g_strdup_printf("%s%u", prefix, number);

    return host(name);
}

static void
send(const char *name, ClusterPluginEvent event)
{
    ClusterPluginHost one = host(name);

    validator_event(validator, &one, 1, event, answers_done, answers);
}

static void
send_set(const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event)
{
    validator_event(validator, hosts, n, event, answers_done, answers);
}

static const Answer *
wait_for(const char *name, unsigned n)
{
    UNTIL(answers_find(answers, name, n));
    return answers_find(answers, name, n);
}

static void
expect_nth(const char *name, unsigned n, ClusterPluginOutcome outcome, const char *reason, bool recorded)
{
    const Answer *answer = wait_for(name, n);

    ck_assert_msg(answer->outcome == outcome && strcmp(answer->reason, reason) == 0 && answer->recorded == recorded,
                  "%s: outcome %d, reason \"%s\", detail \"%s\", recorded %d", name, answer->outcome, answer->reason,
                  answer->detail, answer->recorded);
}

static void
expect(const char *name, ClusterPluginOutcome outcome, const char *reason)
{
    expect_nth(name, 0, outcome, reason, true);
}

static bool
is_cached(const char *name)
{
    return filter_is_trusted(filter, name, clock_boot_ms());
}

/* ---- one host ---- */

START_TEST(a_host_that_comes_up_is_asked_about_and_its_verdict_recorded)
{
    int64_t before = fake_manager_now(manager);

    start(NULL, NULL);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    ck_assert_str_eq(wait_for("node1", 0)->detail, "");
    ck_assert_uint_eq(fake_manager_count(manager, "node1", CLUSTER_PLUGIN_TRUSTED), 1);
    ck_assert_int_ge(fake_manager_valid_until(manager, "node1"), before + 60000 - 1000);
    ck_assert_int_le(fake_manager_valid_until(manager, "node1"), fake_manager_now(manager) + 60000);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
    ck_assert(is_cached("node1"));
}
END_TEST

START_TEST(an_untrusted_host_is_untrusted)
{
    start(NULL, NULL);
    fake_attestation_set(attestation, "node1", "UNTRUSTED");
    send("node1", CLUSTER_PLUGIN_ACTIVATE);
    expect("node1", CLUSTER_PLUGIN_UNTRUSTED, "untrusted");
    ck_assert_uint_eq(fake_manager_count(manager, "node1", CLUSTER_PLUGIN_UNTRUSTED), 1);
    ck_assert_int_eq(fake_manager_valid_until(manager, "node1"), 0);
    ck_assert(!is_cached("node1"));
}
END_TEST

START_TEST(answers_that_are_not_usable_leave_the_host_unanswered)
{
    static const struct {
        const char *behaviour, *reason;
    } cases[] = {{"unknown", "unknown_to_server"}, {"timeout", "timeout"},    {"pending", "pending"},
                 {"splendid", "unknown_word"},     {"absent", "missing"},     {"other", "missing"},
                 {"twice", "contradictory"},       {"stale", "stale_answer"}, {"future", "future_answer"}};
    ClusterPluginHost hosts[G_N_ELEMENTS(cases) + 1];

    start(NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        hosts[i] = host(cases[i].behaviour);
        fake_attestation_set(attestation, cases[i].behaviour, cases[i].behaviour);
    }
    hosts[G_N_ELEMENTS(cases)] = host("good");
    send_set(hosts, G_N_ELEMENTS(hosts), CLUSTER_PLUGIN_UP);
    expect("good", CLUSTER_PLUGIN_TRUSTED, "");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        expect(cases[i].behaviour, CLUSTER_PLUGIN_UNANSWERED, cases[i].reason);
        ck_assert_str_ne(wait_for(cases[i].behaviour, 0)->detail, "");
        ck_assert(!is_cached(cases[i].behaviour));
    }
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
}
END_TEST

START_TEST(a_verdict_that_is_not_accepted_is_told_and_not_cached)
{
    start(NULL, NULL);
    fake_manager_reject(manager, "node1");
    send("node1", CLUSTER_PLUGIN_UP);
    expect_nth("node1", 0, CLUSTER_PLUGIN_TRUSTED, "", false);
    ck_assert_str_ne(wait_for("node1", 0)->detail, "");
    ck_assert(!is_cached("node1"));
}
END_TEST

START_TEST(two_hosts_with_one_name_both_get_the_answer)
{
    ClusterPluginHost hosts[] = {host("a"), host("b")};

    start(NULL, NULL);
    hosts[0].attestation_id = "same.example";
    hosts[1].attestation_id = "SAME.example";
    fake_attestation_set(attestation, "same.example", "untrusted");
    send_set(hosts, 2, CLUSTER_PLUGIN_UP);
    expect("a", CLUSTER_PLUGIN_UNTRUSTED, "untrusted");
    expect("b", CLUSTER_PLUGIN_UNTRUSTED, "untrusted");
}
END_TEST

START_TEST(a_placement_is_answered_from_a_fresh_verdict_and_else_asked)
{
    start(NULL, NULL);
    send("node1", CLUSTER_PLUGIN_PLACE);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    send("node1", CLUSTER_PLUGIN_PLACE);
    expect_nth("node1", 1, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
    send("node1", CLUSTER_PLUGIN_HINT);
    expect_nth("node1", 2, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 2);
}
END_TEST

/* ---- sets ---- */

START_TEST(hosts_that_gather_during_a_poll_are_asked_about_together)
{
    start(NULL, NULL);
    fake_attestation_hold(attestation);
    send("first", CLUSTER_PLUGIN_UP);
    UNTIL(fake_attestation_blocked(attestation) == 1);
    for (unsigned i = 0; i < 9; i++) {
        ClusterPluginHost one = numbered("node", i);

        send_set(&one, 1, CLUSTER_PLUGIN_UP);
    }
    fake_attestation_release(attestation);
    UNTIL(answers_count(answers) == 10);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 2);
    ck_assert_uint_eq(fake_attestation_largest(attestation), 9);
    ck_assert_uint_eq(fake_manager_records(manager), 2);
}
END_TEST

START_TEST(urgent_questions_pass_routine_ones_and_two_polls_are_the_most)
{
    start(NULL, NULL);
    fake_attestation_hold(attestation);
    send("routine1", CLUSTER_PLUGIN_UP);
    UNTIL(fake_attestation_blocked(attestation) == 1);
    send("routine2", CLUSTER_PLUGIN_UP);
    send("urgent1", CLUSTER_PLUGIN_ACTIVATE);
    UNTIL(fake_attestation_blocked(attestation) == 2);
    send("urgent2", CLUSTER_PLUGIN_ACTIVATE);
    send("urgent3", CLUSTER_PLUGIN_HINT);
    send("routine2", CLUSTER_PLUGIN_ACTIVATE); /* it waits: now it is urgent, and asked about once for both */
    fake_attestation_release(attestation);
    UNTIL(answers_count(answers) == 6);
    ck_assert_uint_eq(fake_attestation_most_together(attestation), 2);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 3);
    ck_assert_uint_eq(fake_attestation_largest(attestation), 3);
}
END_TEST

START_TEST(what_happens_during_a_poll_is_asked_about_after_it)
{
    start(NULL, NULL);
    fake_attestation_hold(attestation);
    send("node1", CLUSTER_PLUGIN_UP);
    UNTIL(fake_attestation_blocked(attestation) == 1);
    send("node1", CLUSTER_PLUGIN_ACTIVATE);
    validator_event(validator, &(ClusterPluginHost){"node1", "node1", "node1", ""}, 1, CLUSTER_PLUGIN_UP, NULL, NULL);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
    fake_attestation_release(attestation);
    expect_nth("node1", 1, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert_uint_eq(fake_attestation_asked(attestation, "node1"), 2);
    ck_assert_uint_eq(fake_attestation_most_together(attestation), 1);
}
END_TEST

START_TEST(names_that_cannot_be_sent_spoil_nothing)
{
    ClusterPluginHost hosts[] = {host("good"), host("fe80::1")};

    start("attestation_dialect=1.5", NULL);
    send_set(hosts, 2, CLUSTER_PLUGIN_ACTIVATE);
    expect("good", CLUSTER_PLUGIN_TRUSTED, "");
    expect("fe80::1", CLUSTER_PLUGIN_UNANSWERED, "unsendable_name");
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
    send("fe80::1", CLUSTER_PLUGIN_ACTIVATE);
    expect_nth("fe80::1", 1, CLUSTER_PLUGIN_UNANSWERED, "unsendable_name", true);
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
}
END_TEST

/* `n` hosts, the one at `bad` behaves badly; each other one has to be trusted. */
static void
run_with_one_bad(ClusterPluginHost hosts[], unsigned n, unsigned bad, const char *behaviour, const char *reason)
{
    for (unsigned i = 0; i < n; i++)
        hosts[i] = numbered("node", i);
    fake_attestation_set(attestation, hosts[bad].id, behaviour);
    send_set(hosts, n, CLUSTER_PLUGIN_UP);
    for (unsigned i = 0; i < n; i++)
        if (i != bad)
            expect(hosts[i].id, CLUSTER_PLUGIN_TRUSTED, "");
    expect(hosts[bad].id, CLUSTER_PLUGIN_UNANSWERED, reason);
}

START_TEST(a_host_that_spoils_a_batch_blinds_no_other)
{
    ClusterPluginHost hosts[50];

    start(NULL, NULL);
    run_with_one_bad(hosts, 50, 17, "spoil", "rejected");
    ck_assert_ptr_nonnull(strstr(wait_for("node17", 0)->detail, "Poll Hosts failed"));
}
END_TEST

START_TEST(a_host_that_spoils_a_small_batch_blinds_no_other_even_if_it_comes_first)
{
    ClusterPluginHost hosts[2];

    start(NULL, NULL);
    run_with_one_bad(hosts, 2, 0, "spoil", "rejected");
}
END_TEST

START_TEST(a_host_that_the_server_does_not_know_blinds_no_other)
{
    ClusterPluginHost hosts[10];

    start(NULL, NULL);
    run_with_one_bad(hosts, 10, 9, "strange", "unknown_to_server");
    send("node9", CLUSTER_PLUGIN_ACTIVATE);
    expect_nth("node9", 1, CLUSTER_PLUGIN_UNANSWERED, "unknown_to_server", true);
}
END_TEST

START_TEST(a_host_that_delays_a_batch_is_asked_alone_until_it_answers_in_time)
{
    ClusterPluginHost hosts[10];
    unsigned alone, requests;

    start("attestation_poll_timeout=3", NULL);
    run_with_one_bad(hosts, 10, 4, "slow", "timeout");
    alone = fake_attestation_asked_alone(attestation, "node4");
    requests = fake_attestation_requests(attestation);
    ck_assert_uint_ge(alone, 1);

    send_set(hosts, 10, CLUSTER_PLUGIN_UP);
    for (unsigned i = 0; i < 10; i++)
        wait_for(hosts[i].id, 1);
    ck_assert_uint_eq(fake_attestation_asked_alone(attestation, "node4"), alone + 1);
    ck_assert_uint_eq(fake_attestation_requests(attestation), requests + 2);
    expect_nth("node4", 1, CLUSTER_PLUGIN_UNANSWERED, "timeout", true);

    fake_attestation_set(attestation, "node4", "trusted");
    send_set(hosts, 10, CLUSTER_PLUGIN_UP);
    expect_nth("node4", 2, CLUSTER_PLUGIN_TRUSTED, "", true);
    for (unsigned i = 0; i < 10; i++)
        wait_for(hosts[i].id, 2);
    ck_assert_uint_eq(fake_attestation_requests(attestation), requests + 4);

    send_set(hosts, 10, CLUSTER_PLUGIN_UP);
    for (unsigned i = 0; i < 10; i++)
        expect_nth(hosts[i].id, 3, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert_uint_eq(fake_attestation_requests(attestation), requests + 5);
}
END_TEST

/* ---- a service that is silent ---- */

START_TEST(a_silent_service_is_silent_about_all_and_asked_again)
{
    ClusterPluginHost hosts[] = {host("a"), host("b"), host("c")};

    start(NULL, NULL);
    fake_attestation_fail(attestation, 503, NULL);
    send_set(hosts, 3, CLUSTER_PLUGIN_ACTIVATE);
    for (size_t i = 0; i < 3; i++) {
        expect(hosts[i].id, CLUSTER_PLUGIN_SILENT, "http_error");
        ck_assert_ptr_nonnull(strstr(wait_for(hosts[i].id, 0)->detail, "503"));
    }
    UNTIL(fake_manager_has_event(manager, "ATTESTATION_SERVICE_SILENT"));
    ck_assert(!fake_manager_has_event(manager, "ATTESTATION_SERVICE_ANSWERS"));
    fake_attestation_fail(attestation, 0, NULL);
    for (size_t i = 0; i < 3; i++)
        UNTIL(fake_manager_count(manager, hosts[i].id, CLUSTER_PLUGIN_TRUSTED) == 1);
    UNTIL(fake_manager_has_event(manager, "ATTESTATION_SERVICE_ANSWERS"));
    for (size_t i = 0; i < 3; i++)
        ck_assert_uint_eq(fake_manager_count(manager, hosts[i].id, CLUSTER_PLUGIN_UNANSWERED), 0);
}
END_TEST

START_TEST(a_service_that_fails_about_everybody_incriminates_nobody)
{
    static const struct {
        unsigned status;
        const char *garbage, *reason;
    } failures[] = {{500, NULL, "http_error"},
                    {404, NULL, "http_error"},
                    {0, "<html>", "malformed_document"},
                    {0, "[]", "malformed_document"}};

    start(NULL, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(failures); i++) {
        ClusterPluginHost hosts[10];

        fake_attestation_fail(attestation, failures[i].status, failures[i].garbage);
        for (unsigned j = 0; j < 10; j++)
            hosts[j] = numbered("node", 10 * i + j);
        send_set(hosts, 10, CLUSTER_PLUGIN_UP);
        for (unsigned j = 0; j < 10; j++) {
            expect(hosts[j].id, CLUSTER_PLUGIN_SILENT, failures[i].reason);
            ck_assert_uint_eq(fake_manager_count(manager, hosts[j].id, CLUSTER_PLUGIN_UNANSWERED), 0);
        }
    }
}
END_TEST

START_TEST(a_service_that_fails_about_very_many_is_not_asked_about_each)
{
    enum { N = 5000 };
    ClusterPluginHost *hosts = g_new(ClusterPluginHost, N);

    start(NULL, NULL);
    fake_attestation_fail(attestation, 500, NULL);
    for (unsigned i = 0; i < N; i++)
        hosts[i] = numbered("node", i);
    send_set(hosts, N, CLUSTER_PLUGIN_ACTIVATE);
    UNTIL(answers_count(answers) == N);
    for (unsigned i = 0; i < N; i += 100)
        expect(hosts[i].id, CLUSTER_PLUGIN_SILENT, "http_error");
    ck_assert_uint_le(fake_attestation_requests(attestation), 80);
    fake_attestation_fail(attestation, 0, NULL);
    for (unsigned i = 0; i < N; i++)
        UNTIL(fake_manager_count(manager, hosts[i].id, CLUSTER_PLUGIN_TRUSTED) >= 1);
    g_free(hosts);
}
END_TEST

START_TEST(a_silent_service_is_asked_less_and_less_often)
{
    gint64 begun = g_get_monotonic_time();

    start(NULL, NULL);
    fake_attestation_fail(attestation, 503, NULL);
    send("node1", CLUSTER_PLUGIN_UP);
    UNTIL(fake_attestation_requests(attestation) >= 4);
    /* After 1, 2 and 4 s, less a fifth that is left to chance. */
    ck_assert_int_ge(g_get_monotonic_time() - begun, 5500000);
}
END_TEST

START_TEST(a_poll_in_vain_wipes_no_good_verdict)
{
    start(NULL, NULL);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    fake_attestation_fail(attestation, 503, NULL);
    send("node1", CLUSTER_PLUGIN_HINT);
    expect_nth("node1", 1, CLUSTER_PLUGIN_SILENT, "http_error", true);
    ck_assert(is_cached("node1"));
    fake_attestation_fail(attestation, 0, NULL);
    fake_attestation_set(attestation, "node1", "timeout");
    send("node1", CLUSTER_PLUGIN_HINT);
    expect_nth("node1", 2, CLUSTER_PLUGIN_UNANSWERED, "timeout", true);
    ck_assert(is_cached("node1"));
}
END_TEST

START_TEST(a_host_that_is_never_mentioned_makes_no_question_about_others)
{
    start(NULL, NULL);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    fake_attestation_set(attestation, "ghost", "absent");
    for (unsigned i = 0; i < 3; i++) {
        send("ghost", CLUSTER_PLUGIN_PLACE);
        expect_nth("ghost", i, CLUSTER_PLUGIN_UNANSWERED, "missing", true);
    }
    ck_assert_uint_eq(fake_attestation_asked_alone(attestation, "ghost"), 3);
    ck_assert_uint_eq(fake_attestation_asked(attestation, "node1"), 1);
}
END_TEST

START_TEST(a_service_that_cannot_be_reached_is_silent)
{
    static const ClusterPluginSetting lines[] = {{"trusted_computing", "attestation_server", "127.0.0.1", 1},
                                                 {"trusted_computing", "attestation_port", "1", 2}};

    start_with(parse_settings(lines, 2));
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_SILENT, "unreachable");
}
END_TEST

START_TEST(without_a_server_every_question_ends_silent)
{
    start_with(parse_settings(NULL, 0));
    send("node1", CLUSTER_PLUGIN_ACTIVATE);
    expect("node1", CLUSTER_PLUGIN_SILENT, "no_service");
    ck_assert_str_eq(wait_for("node1", 0)->detail, "no attestation server is configured");
}
END_TEST

START_TEST(a_host_of_a_service_that_is_not_configured_is_silent)
{
    ClusterPluginHost hosts[] = {host("a"), host("b")};

    start(NULL, NULL);
    hosts[1].service = "keylime";
    send_set(hosts, 2, CLUSTER_PLUGIN_UP);
    expect("a", CLUSTER_PLUGIN_TRUSTED, "");
    expect("b", CLUSTER_PLUGIN_SILENT, "no_service");
}
END_TEST

/* ---- the manager's database ---- */

START_TEST(a_question_waits_for_the_database)
{
    start(NULL, NULL);
    fake_manager_break(manager, true, false);
    send("node1", CLUSTER_PLUGIN_UP);
    UNTIL(fake_manager_has_log(manager, "cannot begin a question: the database is away"));
    ck_assert_uint_eq(fake_attestation_requests(attestation), 0);
    fake_manager_break(manager, false, false);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
}
END_TEST

START_TEST(a_verdict_waits_for_the_database)
{
    start(NULL, NULL);
    fake_manager_break(manager, false, true);
    send("node1", CLUSTER_PLUGIN_UP);
    UNTIL(fake_manager_has_log(manager, "cannot record verdicts: the database is away"));
    ck_assert_uint_eq(answers_count(answers), 0);
    ck_assert(!is_cached("node1"));
    fake_manager_break(manager, false, false);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    ck_assert_uint_eq(fake_attestation_requests(attestation), 1);
}
END_TEST

START_TEST(a_verdict_that_outlives_its_life_is_not_recorded_and_asked_for_again)
{
    start("attestation_auth_timeout=6", "attestation_poll_timeout=3");
    fake_manager_break(manager, false, true);
    send("node1", CLUSTER_PLUGIN_UP);
    expect_nth("node1", 0, CLUSTER_PLUGIN_TRUSTED, "", false);
    ck_assert_ptr_nonnull(strstr(wait_for("node1", 0)->detail, "the database is away"));
    ck_assert(!is_cached("node1"));
    fake_manager_break(manager, false, false);
    UNTIL(fake_manager_count(manager, "node1", CLUSTER_PLUGIN_TRUSTED) > 0);
}
END_TEST

/* ---- time ---- */

START_TEST(hosts_that_are_due_are_asked_about_again)
{
    ClusterPluginHost due[] = {host("node1"), host("node2")};

    fake_manager_set_due(manager, due, 2);
    start("attestation_auth_timeout=6", "attestation_poll_timeout=3");
    UNTIL(fake_manager_count(manager, "node1", CLUSTER_PLUGIN_TRUSTED) >= 2);
    fake_attestation_set(attestation, "node1", "untrusted");
    UNTIL(fake_manager_count(manager, "node1", CLUSTER_PLUGIN_UNTRUSTED) >= 1);
    UNTIL(!is_cached("node1"));
    UNTIL(is_cached("node2"));
    fake_manager_set_due(manager, NULL, 0);
}
END_TEST

START_TEST(the_database_clock_counts_and_not_this_machines)
{
    start(NULL, NULL);
    fake_manager_set_clock(manager, -86400000);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_UNANSWERED, "future_answer");
    fake_manager_set_clock(manager, 86400000);
    send("node1", CLUSTER_PLUGIN_UP);
    expect_nth("node1", 1, CLUSTER_PLUGIN_UNANSWERED, "stale_answer", true);
    fake_manager_set_clock(manager, -2000); /* within the skew: counts as now, and lives no longer */
    send("node1", CLUSTER_PLUGIN_UP);
    expect_nth("node1", 2, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert_int_le(fake_manager_valid_until(manager, "node1"), fake_manager_now(manager) + 60000);
}
END_TEST

/* ---- going down, stopping, reloading ---- */

START_TEST(a_host_that_goes_down_is_forgotten)
{
    start(NULL, NULL);
    send("cached", CLUSTER_PLUGIN_UP);
    expect("cached", CLUSTER_PLUGIN_TRUSTED, "");
    ck_assert(is_cached("cached"));
    send("cached", CLUSTER_PLUGIN_DOWN);
    ck_assert(!is_cached("cached"));
    expect_nth("cached", 1, CLUSTER_PLUGIN_SILENT, "disconnected", false);

    fake_attestation_hold(attestation);
    send("asked", CLUSTER_PLUGIN_UP);
    UNTIL(fake_attestation_blocked(attestation) == 1);
    send("waiting", CLUSTER_PLUGIN_UP);
    send("waiting", CLUSTER_PLUGIN_DOWN);
    expect_nth("waiting", 1, CLUSTER_PLUGIN_SILENT, "disconnected", false);
    expect_nth("waiting", 0, CLUSTER_PLUGIN_SILENT, "disconnected", false);
    send("asked", CLUSTER_PLUGIN_DOWN);
    expect_nth("asked", 0, CLUSTER_PLUGIN_SILENT, "disconnected", false);
    fake_attestation_release(attestation);
    expect_nth("asked", 1, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert(!is_cached("asked"));
    ck_assert_uint_eq(fake_attestation_asked(attestation, "waiting"), 0);
}
END_TEST

START_TEST(coming_up_again_makes_the_cached_verdict_worthless)
{
    start(NULL, NULL);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    fake_attestation_hold(attestation);
    send("node1", CLUSTER_PLUGIN_UP);
    ck_assert(!is_cached("node1"));
    fake_attestation_release(attestation);
    wait_for("node1", 1);
}
END_TEST

START_TEST(stopping_gives_up_and_answers_everybody_once)
{
    start(NULL, NULL);
    fake_attestation_hold(attestation);
    send("routine", CLUSTER_PLUGIN_UP);
    send("urgent", CLUSTER_PLUGIN_ACTIVATE);
    UNTIL(fake_attestation_blocked(attestation) == 2);
    send("waiting", CLUSTER_PLUGIN_UP);
    send("routine", CLUSTER_PLUGIN_UP);
    stop_validator();
    ck_assert_uint_eq(answers_count(answers), 4);
    expect_nth("routine", 0, CLUSTER_PLUGIN_SILENT, "stopping", false);
    expect_nth("routine", 1, CLUSTER_PLUGIN_SILENT, "stopping", false);
    expect_nth("urgent", 0, CLUSTER_PLUGIN_SILENT, "stopping", false);
    expect_nth("waiting", 0, CLUSTER_PLUGIN_SILENT, "stopping", false);
    ck_assert_uint_eq(fake_manager_records(manager), 0);
}
END_TEST

START_TEST(stopping_does_not_wait_for_the_database)
{
    start(NULL, NULL);
    fake_manager_break(manager, true, true);
    send("node1", CLUSTER_PLUGIN_UP);
    UNTIL(fake_manager_has_log(manager, "cannot begin"));
    stop_validator();
    expect_nth("node1", 0, CLUSTER_PLUGIN_SILENT, "stopping", false);
}
END_TEST

START_TEST(a_full_queue_is_told_and_everybody_answered_once)
{
    enum { N = 10000, SETS = 3 };
    ClusterPluginHost *hosts = g_new(ClusterPluginHost, N);

    start(NULL, NULL);
    fake_attestation_hold(attestation);
    for (unsigned set = 0; set < SETS; set++) {
        for (unsigned i = 0; i < N; i++)
            hosts[i] = numbered("node", set * N + i);
        send_set(hosts, N, CLUSTER_PLUGIN_UP);
    }
    expect_nth(hosts[N - 1].id, 0, CLUSTER_PLUGIN_SILENT, "queue_full", false);
    stop_validator();
    ck_assert_uint_eq(answers_count(answers), SETS * N);
    g_free(hosts);
}
END_TEST

START_TEST(new_settings_hold_from_the_next_poll_on)
{
    static const ClusterPluginSetting broken[] = {{"trusted_computing", "attestation_server", "127.0.0.1", 1},
                                                  {"trusted_computing", "attestation_server_ca_file", "/nonexistent",
                                                   2}};
    g_autoptr(Settings) none = parse_settings(NULL, 0), bad = parse_settings(broken, 2);
    g_autoptr(GError) error = NULL;

    start(NULL, NULL);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_TRUSTED, "");
    ck_assert(!validator_reload(validator, bad, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "attestation_server_ca_file"));
    send("node1", CLUSTER_PLUGIN_UP);
    expect_nth("node1", 1, CLUSTER_PLUGIN_TRUSTED, "", true);
    ck_assert(validator_reload(validator, none, NULL));
    ck_assert(!is_cached("node1"));
    send("node1", CLUSTER_PLUGIN_UP);
    expect_nth("node1", 2, CLUSTER_PLUGIN_SILENT, "no_service", true);
}
END_TEST

START_TEST(an_authority_file_that_vanishes_is_silence_until_it_is_back)
{
    g_autofree char *directory = g_strdup("/tmp/tpcaXXXXXX"), *copy = NULL, *text = NULL;
    const ClusterPluginSetting *lines;
    Settings *settings;
    size_t n;

    lines = fake_attestation_settings(attestation, NULL, &n);
    ck_assert(g_file_get_contents(lines[2].value, &text, NULL, NULL));
    ck_assert_ptr_nonnull(g_mkdtemp(directory));
    copy = g_build_filename(directory, "ca.pem", NULL);
    ck_assert(g_file_set_contents(copy, text, -1, NULL));
    settings = parse_settings(lines, n);
    g_free(settings->ca_file);
    settings->ca_file = g_strdup(copy);
    start_with(settings);
    ck_assert_int_eq(g_unlink(copy), 0);
    send("node1", CLUSTER_PLUGIN_UP);
    expect("node1", CLUSTER_PLUGIN_SILENT, "unreachable");
    ck_assert(g_file_set_contents(copy, text, -1, NULL));
    UNTIL(fake_manager_count(manager, "node1", CLUSTER_PLUGIN_TRUSTED) == 1);
    stop_validator();
    g_unlink(copy);
    g_rmdir(directory);
}
END_TEST

START_TEST(insecure_ssl_is_warned_about_at_the_start)
{
    start("attestation_insecure_ssl=true", NULL);
    ck_assert(fake_manager_has_log(manager, "attestation_insecure_ssl is on"));
}
END_TEST

static void
add_tests(TCase *tests)
{
    tcase_add_test(tests, a_host_that_comes_up_is_asked_about_and_its_verdict_recorded);
    tcase_add_test(tests, an_untrusted_host_is_untrusted);
    tcase_add_test(tests, answers_that_are_not_usable_leave_the_host_unanswered);
    tcase_add_test(tests, a_verdict_that_is_not_accepted_is_told_and_not_cached);
    tcase_add_test(tests, two_hosts_with_one_name_both_get_the_answer);
    tcase_add_test(tests, a_placement_is_answered_from_a_fresh_verdict_and_else_asked);
    tcase_add_test(tests, hosts_that_gather_during_a_poll_are_asked_about_together);
    tcase_add_test(tests, urgent_questions_pass_routine_ones_and_two_polls_are_the_most);
    tcase_add_test(tests, what_happens_during_a_poll_is_asked_about_after_it);
    tcase_add_test(tests, names_that_cannot_be_sent_spoil_nothing);
    tcase_add_test(tests, a_host_that_spoils_a_batch_blinds_no_other);
    tcase_add_test(tests, a_host_that_spoils_a_small_batch_blinds_no_other_even_if_it_comes_first);
    tcase_add_test(tests, a_host_that_the_server_does_not_know_blinds_no_other);
    tcase_add_test(tests, a_host_that_delays_a_batch_is_asked_alone_until_it_answers_in_time);
    tcase_add_test(tests, a_silent_service_is_silent_about_all_and_asked_again);
    tcase_add_test(tests, a_service_that_fails_about_everybody_incriminates_nobody);
    tcase_add_test(tests, a_service_that_fails_about_very_many_is_not_asked_about_each);
    tcase_add_test(tests, a_silent_service_is_asked_less_and_less_often);
    tcase_add_test(tests, a_poll_in_vain_wipes_no_good_verdict);
    tcase_add_test(tests, a_host_that_is_never_mentioned_makes_no_question_about_others);
    tcase_add_test(tests, a_service_that_cannot_be_reached_is_silent);
    tcase_add_test(tests, without_a_server_every_question_ends_silent);
    tcase_add_test(tests, a_host_of_a_service_that_is_not_configured_is_silent);
    tcase_add_test(tests, a_question_waits_for_the_database);
    tcase_add_test(tests, a_verdict_waits_for_the_database);
    tcase_add_test(tests, a_verdict_that_outlives_its_life_is_not_recorded_and_asked_for_again);
    tcase_add_test(tests, hosts_that_are_due_are_asked_about_again);
    tcase_add_test(tests, the_database_clock_counts_and_not_this_machines);
    tcase_add_test(tests, a_host_that_goes_down_is_forgotten);
    tcase_add_test(tests, coming_up_again_makes_the_cached_verdict_worthless);
    tcase_add_test(tests, stopping_gives_up_and_answers_everybody_once);
    tcase_add_test(tests, stopping_does_not_wait_for_the_database);
    tcase_add_test(tests, a_full_queue_is_told_and_everybody_answered_once);
    tcase_add_test(tests, new_settings_hold_from_the_next_poll_on);
    tcase_add_test(tests, an_authority_file_that_vanishes_is_silence_until_it_is_back);
    tcase_add_test(tests, insecure_ssl_is_warned_about_at_the_start);
}

int
main(void)
{
    Suite *suite = suite_create("validator");
    TCase *tests = tcase_create("validator");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    add_tests(tests);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
