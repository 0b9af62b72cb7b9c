#include "plugin/filter.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define A "11111111-2222-4333-8444-555555555555"
#define B "11111111-2222-4333-8444-555555555556"

static Filter *filter;

static void
set_up(void)
{
    filter = filter_new();
}

static void
tear_down(void)
{
    filter_free(filter);
}

static ClusterPluginCandidate *
mark(const char *id, bool requires_trust, int64_t now_ms)
{
    static ClusterPluginHost host;
    static ClusterPluginCandidate candidate;

    host = (ClusterPluginHost){.id = id, .name = "h", .attestation_id = "h", .service = ""};
    memset(&candidate, 'x', sizeof candidate);
    candidate.host = &host;
    filter_mark(filter, requires_trust, now_ms, &candidate, 1);
    return &candidate;
}

START_TEST(a_host_that_is_not_known_does_not_pass)
{
    ck_assert(!mark(A, true, 0)->passes);
    ck_assert_str_eq(mark(A, true, 0)->why, "Its attestation has not been answered.");
    ck_assert(!filter_is_trusted(filter, A, 0));
}
END_TEST

START_TEST(without_a_requirement_everybody_passes_without_a_question)
{
    ck_assert(mark(A, false, 0)->passes);
    filter_remember_untrusted(filter, A, "It is bad.");
    ck_assert(mark(A, false, 0)->passes);
    ck_assert_str_eq(mark(A, false, 0)->why, "");
}
END_TEST

START_TEST(a_trusted_host_passes_until_its_verdict_expires)
{
    filter_remember_trusted(filter, A, 1000);
    ck_assert(mark(A, true, 999)->passes);
    ck_assert_str_eq(mark(A, true, 999)->why, "");
    ck_assert(!mark(A, true, 1000)->passes);
    ck_assert_str_eq(mark(A, true, 1000)->why, "Its verdict has expired.");
    ck_assert(!mark(B, true, 999)->passes);
}
END_TEST

START_TEST(an_untrusted_host_does_not_pass_and_says_why)
{
    filter_remember_trusted(filter, A, 1000);
    filter_remember_untrusted(filter, A, "The attestation server does not trust \"a\".");
    ck_assert(!mark(A, true, 0)->passes);
    ck_assert_str_eq(mark(A, true, 0)->why, "The attestation server does not trust \"a\".");
    filter_remember_trusted(filter, A, 1000);
    ck_assert(mark(A, true, 0)->passes);
}
END_TEST

START_TEST(what_is_forgotten_is_not_trusted)
{
    filter_remember_trusted(filter, A, 1000);
    filter_remember_trusted(filter, B, 1000);
    filter_forget(filter, A);
    ck_assert(!filter_is_trusted(filter, A, 0));
    ck_assert(filter_is_trusted(filter, B, 0));
    filter_forget_all(filter);
    ck_assert(!filter_is_trusted(filter, B, 0));
}
END_TEST

START_TEST(long_explanations_are_cut_to_whole_characters)
{
    g_autofree char *tail = g_strnfill(2000, 'x');
    g_autofree char *why = NULL;

    why = g_strdup_printf("\xc3\xa4%s", tail);
    filter_remember_untrusted(filter, A, why);
    ck_assert_uint_lt(strlen(mark(A, true, 0)->why), 300);
    ck_assert(g_utf8_validate(mark(A, true, 0)->why, -1, NULL));
}
END_TEST

START_TEST(ids_of_other_managers_work_and_overlong_ones_are_not_trusted)
{
    g_autofree char *overlong = g_strnfill(100, 'a');

    filter_remember_trusted(filter, "7", 1000);
    filter_remember_trusted(filter, overlong, 1000);
    ck_assert(filter_is_trusted(filter, "7", 0));
    ck_assert(!filter_is_trusted(filter, overlong, 0));
    ck_assert(!filter_is_trusted(filter, "8", 0));
    ck_assert(!filter_is_trusted(filter, "", 0));
}
END_TEST

START_TEST(ten_thousand_candidates_are_marked_each_by_its_own_verdict)
{
    enum { N = 10000 };
    ClusterPluginCandidate *candidates = g_new0(ClusterPluginCandidate, N);
    ClusterPluginHost *hosts = g_new0(ClusterPluginHost, N);
    gint64 begun, took;

    for (int i = 0; i < N; i++) {
        hosts[i].id = g_strdup_printf("%08x-1234-4abc-8def-%012x", (unsigned)i * 2654435761u, (unsigned)i);
        candidates[i].host = &hosts[i];
        if (i % 3 == 0)
            filter_remember_trusted(filter, hosts[i].id, 1000);
        else if (i % 3 == 1)
            filter_remember_untrusted(filter, hosts[i].id, "It is bad.");
    }
    begun = g_get_monotonic_time();
    filter_mark(filter, true, 0, candidates, N);
    took = g_get_monotonic_time() - begun;
    for (int i = 0; i < N; i++) {
        ck_assert_int_eq(candidates[i].passes, i % 3 == 0);
        ck_assert_str_eq(candidates[i].why, i % 3 == 0   ? ""
                                            : i % 3 == 1 ? "It is bad."
                                                         : "Its attestation has not been answered.");
        g_free((char *)hosts[i].id);
    }
    g_print("# 10000 candidates in %" G_GINT64_FORMAT " us\n", took);
    g_free(hosts);
    g_free(candidates);
}
END_TEST

static atomic_bool is_over;

static void *
write_all_the_time(void *closure)
{
    (void)closure;
    while (!atomic_load(&is_over)) {
        filter_remember_trusted(filter, A, 1000);
        filter_remember_untrusted(filter, A, "It is bad.");
        filter_forget(filter, A);
    }
    return NULL;
}

START_TEST(readers_and_writers_go_together)
{
    pthread_t writer;

    filter_remember_trusted(filter, B, 1000);
    pthread_create(&writer, NULL, write_all_the_time, NULL);
    for (int i = 0; i < 20000; i++) {
        mark(A, true, 0);
        ck_assert(mark(B, true, 0)->passes);
    }
    atomic_store(&is_over, true);
    pthread_join(writer, NULL);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("filter");
    TCase *tests = tcase_create("filter");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 300);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, a_host_that_is_not_known_does_not_pass);
    tcase_add_test(tests, without_a_requirement_everybody_passes_without_a_question);
    tcase_add_test(tests, a_trusted_host_passes_until_its_verdict_expires);
    tcase_add_test(tests, an_untrusted_host_does_not_pass_and_says_why);
    tcase_add_test(tests, what_is_forgotten_is_not_trusted);
    tcase_add_test(tests, long_explanations_are_cut_to_whole_characters);
    tcase_add_test(tests, ids_of_other_managers_work_and_overlong_ones_are_not_trusted);
    tcase_add_test(tests, ten_thousand_candidates_are_marked_each_by_its_own_verdict);
    tcase_add_test(tests, readers_and_writers_go_together);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
