#include "trust/verdict.h"

#include <check.h>
#include <stdlib.h>

#define ASKED 1000000
#define RECEIVED 1000400
#define TIMEOUT 60000
#define SKEW 5000

static int64_t
valid_until(int64_t server_ms)
{
    return trust_valid_until(ASKED, RECEIVED, server_ms, TIMEOUT, SKEW);
}

START_TEST(levels_are_words)
{
    ck_assert_str_eq(trust_level_format(TRUST_TRUSTED), "trusted");
    ck_assert_str_eq(trust_level_format(TRUST_UNTRUSTED), "untrusted");
    ck_assert_str_eq(trust_level_format(TRUST_UNKNOWN), "unknown");
    ck_assert_int_eq(TRUST_UNKNOWN, 0);
}
END_TEST

START_TEST(life_is_counted_from_the_question)
{
    ck_assert_int_eq(valid_until(ASKED + 100), ASKED + TIMEOUT);
    ck_assert_int_eq(valid_until(RECEIVED), ASKED + TIMEOUT);
}
END_TEST

START_TEST(an_older_server_time_shortens_life)
{
    ck_assert_int_eq(valid_until(ASKED - 20000), ASKED - 20000 + TIMEOUT);
}
END_TEST

START_TEST(a_stale_answer_is_refused)
{
    ck_assert_int_eq(valid_until(RECEIVED - TIMEOUT), 0);
    ck_assert_int_eq(valid_until(RECEIVED - TIMEOUT + 1), RECEIVED + 1);
    ck_assert_int_eq(valid_until(0), 0);
    ck_assert_int_eq(valid_until(INT64_MIN + 1), 0);
}
END_TEST

START_TEST(a_time_slightly_ahead_counts_as_now_and_does_not_lengthen_life)
{
    ck_assert_int_eq(valid_until(RECEIVED + SKEW), ASKED + TIMEOUT);
}
END_TEST

START_TEST(a_time_further_ahead_is_refused)
{
    ck_assert_int_eq(valid_until(RECEIVED + SKEW + 1), 0);
    ck_assert_int_eq(valid_until(INT64_MAX), 0);
}
END_TEST

START_TEST(an_answer_that_took_a_whole_life_is_refused)
{
    ck_assert_int_eq(trust_valid_until(ASKED, ASKED + TIMEOUT, ASKED + TIMEOUT, TIMEOUT, SKEW), 0);
}
END_TEST

START_TEST(senseless_figures_are_refused)
{
    ck_assert_int_eq(trust_valid_until(ASKED, ASKED - 1, ASKED, TIMEOUT, SKEW), 0);
    ck_assert_int_eq(trust_valid_until(ASKED, RECEIVED, RECEIVED, 0, SKEW), 0);
    ck_assert_int_eq(trust_valid_until(ASKED, RECEIVED, RECEIVED, TIMEOUT, -1), 0);
    ck_assert_int_eq(trust_valid_until(ASKED, INT64_MAX, INT64_MAX, TIMEOUT, SKEW), 0);
    ck_assert_int_eq(trust_valid_until(INT64_MAX - 1, INT64_MAX - 1, INT64_MAX - 1, TIMEOUT, 0), 0);
}
END_TEST

START_TEST(fresh_ends_at_the_instant)
{
    ck_assert(trust_is_fresh(1001, 1000));
    ck_assert(!trust_is_fresh(1000, 1000));
    ck_assert(!trust_is_fresh(0, 1000));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("verdict");
    TCase *tests = tcase_create("verdict");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, levels_are_words);
    tcase_add_test(tests, life_is_counted_from_the_question);
    tcase_add_test(tests, an_older_server_time_shortens_life);
    tcase_add_test(tests, a_stale_answer_is_refused);
    tcase_add_test(tests, a_time_slightly_ahead_counts_as_now_and_does_not_lengthen_life);
    tcase_add_test(tests, a_time_further_ahead_is_refused);
    tcase_add_test(tests, an_answer_that_took_a_whole_life_is_refused);
    tcase_add_test(tests, senseless_figures_are_refused);
    tcase_add_test(tests, fresh_ends_at_the_instant);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
