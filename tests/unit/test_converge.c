#include "trust/converge.h"

#include <check.h>
#include <stdlib.h>

#define MIB (1024 * 1024)

static const ConvergePolicy limited = {.bandwidth_mib_s = 1, .bandwidth_max_mib_s = 10, .deadline_ms = 300000};
static const ConvergePolicy unlimited = {.deadline_ms = 300000};

/* A guest that changes as much as is sent. */
static ConvergeSample
stalling(int64_t passes)
{
    return (ConvergeSample){
        .data_total = 32 * MIB, .data_remaining = 16 * MIB, .passes = passes, .dirtied_s = MIB, .sent_s = MIB};
}

static ConvergeStep
next(Converge *converge, const ConvergePolicy *policy, int64_t elapsed_ms, int64_t passes)
{
    ConvergeSample sample = stalling(passes);
    return converge_next(converge, policy, elapsed_ms, &sample);
}

START_TEST(a_migration_that_converges_is_left_alone)
{
    Converge converge;
    ConvergeSample sample = {.passes = 9, .dirtied_s = MIB / 2, .sent_s = MIB};

    converge_begin(&converge, &limited);
    for (int64_t ms = 1000; ms < 300000; ms += 1000)
        ck_assert_int_eq(converge_next(&converge, &limited, ms, &sample), CONVERGE_WAIT);
    ck_assert(!converge.stalls);
    ck_assert_str_eq(converge_word(&converge), "");
}
END_TEST

START_TEST(the_first_pass_says_nothing)
{
    Converge converge;

    converge_begin(&converge, &limited);
    for (int64_t passes = 0; passes < 2; passes++)
        ck_assert_int_eq(next(&converge, &limited, 100000, passes), CONVERGE_WAIT);
    ck_assert_int_eq(converge_next(&converge, &limited, 100000, NULL), CONVERGE_WAIT);
    ck_assert(!converge.stalls);
}
END_TEST

START_TEST(a_guest_of_which_nothing_is_sent_and_that_changes_nothing_waits)
{
    Converge converge;
    const ConvergeSample sample = {.passes = 5};

    converge_begin(&converge, &unlimited);
    ck_assert_int_eq(converge_next(&converge, &unlimited, 100000, &sample), CONVERGE_WAIT);
}
END_TEST

START_TEST(bandwidth_is_raised_first_and_up_to_the_maximum)
{
    Converge converge;

    converge_begin(&converge, &limited);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 1);
    ck_assert_int_eq(next(&converge, &limited, 5000, 2), CONVERGE_RAISE);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 4);
    ck_assert_str_eq(converge_word(&converge), "bandwidth");
    ck_assert_int_eq(next(&converge, &limited, 50000, 4), CONVERGE_RAISE);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 10);
    ck_assert_int_eq(next(&converge, &limited, 100000, 6), CONVERGE_THROTTLE);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 10);
}
END_TEST

START_TEST(a_measure_has_two_passes_and_some_seconds_to_show)
{
    Converge converge;

    converge_begin(&converge, &limited);
    ck_assert_int_eq(next(&converge, &limited, 5000, 2), CONVERGE_RAISE);
    ck_assert_int_eq(next(&converge, &limited, 90000, 3), CONVERGE_WAIT);
    ck_assert_int_eq(next(&converge, &limited, 7000, 30), CONVERGE_WAIT);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 4);
    ck_assert(converge.stalls);
    ck_assert_int_eq(next(&converge, &limited, 90000, 4), CONVERGE_RAISE);
}
END_TEST

START_TEST(without_a_limit_auto_converge_is_the_first_measure)
{
    Converge converge;

    converge_begin(&converge, &unlimited);
    ck_assert_int_eq(next(&converge, &unlimited, 5000, 3), CONVERGE_THROTTLE);
    ck_assert(converge.throttles);
    ck_assert_str_eq(converge_word(&converge), "auto_converge");
}
END_TEST

START_TEST(without_a_maximum_the_bandwidth_is_raised_to_an_end)
{
    const ConvergePolicy policy = {.bandwidth_mib_s = 1000, .deadline_ms = INT64_MAX};
    Converge converge;
    int64_t n = 0;

    converge_begin(&converge, &policy);
    while (next(&converge, &policy, 10000 * (n + 1), 2 * n + 2) == CONVERGE_RAISE)
        n++;
    ck_assert_int_eq(n, 6);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 1024 * 1024);
    ck_assert(converge.throttles);
}
END_TEST

START_TEST(the_attempt_with_auto_converge_keeps_the_bandwidth_and_has_time_to_slow_the_guest_down)
{
    Converge converge;

    converge_begin(&converge, &limited);
    converge.bandwidth_mib_s = 10;
    ck_assert_int_eq(next(&converge, &limited, 5000, 2), CONVERGE_THROTTLE);
    converge_again(&converge);
    ck_assert_uint_eq(converge.bandwidth_mib_s, 10);
    ck_assert(!converge.stalls);
    for (int64_t passes = 0; passes < 1000; passes++)
        ck_assert_int_eq(next(&converge, &limited, 5000 + passes, passes), CONVERGE_WAIT);
    ck_assert(converge.stalls);
}
END_TEST

START_TEST(post_copy_comes_last_and_only_where_it_is_allowed)
{
    ConvergePolicy policy = unlimited;
    Converge converge;

    policy.post_copy = true;
    converge_begin(&converge, &policy);
    ck_assert_int_eq(next(&converge, &policy, 5000, 2), CONVERGE_THROTTLE);
    converge_again(&converge);
    ck_assert_int_eq(next(&converge, &policy, 60000, 19), CONVERGE_WAIT);
    ck_assert_int_eq(next(&converge, &policy, 60000, 20), CONVERGE_POST_COPY);
    ck_assert_str_eq(converge_word(&converge), "post_copy");
    ck_assert_int_eq(next(&converge, &policy, 90000, 80), CONVERGE_WAIT);
}
END_TEST

START_TEST(at_the_deadline_it_is_given_up_whatever_is_known)
{
    Converge converge;

    converge_begin(&converge, &limited);
    ck_assert_int_eq(next(&converge, &limited, 299999, 1), CONVERGE_WAIT);
    ck_assert_int_eq(next(&converge, &limited, 300000, 1), CONVERGE_GIVE_UP);
    ck_assert_int_eq(converge_next(&converge, &limited, 300000, NULL), CONVERGE_GIVE_UP);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("converge");
    TCase *tcase = tcase_create("converge");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tcase, a_migration_that_converges_is_left_alone);
    tcase_add_test(tcase, the_first_pass_says_nothing);
    tcase_add_test(tcase, a_guest_of_which_nothing_is_sent_and_that_changes_nothing_waits);
    tcase_add_test(tcase, bandwidth_is_raised_first_and_up_to_the_maximum);
    tcase_add_test(tcase, a_measure_has_two_passes_and_some_seconds_to_show);
    tcase_add_test(tcase, without_a_limit_auto_converge_is_the_first_measure);
    tcase_add_test(tcase, without_a_maximum_the_bandwidth_is_raised_to_an_end);
    tcase_add_test(tcase, the_attempt_with_auto_converge_keeps_the_bandwidth_and_has_time_to_slow_the_guest_down);
    tcase_add_test(tcase, post_copy_comes_last_and_only_where_it_is_allowed);
    tcase_add_test(tcase, at_the_deadline_it_is_given_up_whatever_is_known);
    suite_add_tcase(suite, tcase);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
