/* What became of a move whose connections broke. The migrations themselves are for the end-to-end tests. */
#include "manager/migration.h"
#include <check.h>
#include <stdlib.h>

START_TEST(a_vm_that_runs_at_the_target_has_arrived_whatever_the_source_says)
{
    ck_assert_int_eq(move_end(VIRT_UNKNOWN, VIRT_RUNNING), MOVE_DONE); /* the source died after it had let go */
    ck_assert_int_eq(move_end(VIRT_ABSENT, VIRT_RUNNING), MOVE_DONE);
    ck_assert_int_eq(move_end(VIRT_PAUSED, VIRT_RUNNING), MOVE_DONE);  /* it was never told to remove its copy */
    ck_assert_int_eq(move_end(VIRT_RUNNING, VIRT_RUNNING), MOVE_DONE); /* a source that lies */
}
END_TEST

START_TEST(a_vm_that_is_still_at_its_source_has_not_moved)
{
    ck_assert_int_eq(move_end(VIRT_RUNNING, VIRT_UNKNOWN), MOVE_FAILED);
    ck_assert_int_eq(move_end(VIRT_RUNNING, VIRT_ABSENT), MOVE_FAILED);
    ck_assert_int_eq(move_end(VIRT_RUNNING, VIRT_PAUSED), MOVE_FAILED);
    ck_assert_int_eq(move_end(VIRT_PAUSED, VIRT_PAUSED), MOVE_FAILED);
    ck_assert_int_eq(move_end(VIRT_PAUSED, VIRT_ABSENT), MOVE_FAILED);
}
END_TEST

START_TEST(a_paused_vm_has_arrived_when_its_source_has_it_no_more)
{
    ck_assert_int_eq(move_end(VIRT_ABSENT, VIRT_PAUSED), MOVE_DONE);
}
END_TEST

START_TEST(a_target_without_the_vm_has_not_got_it)
{
    ck_assert_int_eq(move_end(VIRT_UNKNOWN, VIRT_ABSENT), MOVE_FAILED);
    ck_assert_int_eq(move_end(VIRT_ABSENT, VIRT_ABSENT), MOVE_FAILED);
}
END_TEST

START_TEST(nothing_is_decided_while_the_one_who_knows_is_silent)
{
    ck_assert_int_eq(move_end(VIRT_UNKNOWN, VIRT_UNKNOWN), MOVE_OPEN);
    ck_assert_int_eq(move_end(VIRT_UNKNOWN, VIRT_PAUSED), MOVE_OPEN);
    ck_assert_int_eq(move_end(VIRT_ABSENT, VIRT_UNKNOWN), MOVE_OPEN);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("migration");
    TCase *tests = tcase_create("migration");

    tcase_add_test(tests, a_vm_that_runs_at_the_target_has_arrived_whatever_the_source_says);
    tcase_add_test(tests, a_vm_that_is_still_at_its_source_has_not_moved);
    tcase_add_test(tests, a_paused_vm_has_arrived_when_its_source_has_it_no_more);
    tcase_add_test(tests, a_target_without_the_vm_has_not_got_it);
    tcase_add_test(tests, nothing_is_decided_while_the_one_who_knows_is_silent);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
