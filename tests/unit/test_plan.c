#include "trust/plan.h"

#include <check.h>
#include <stdlib.h>

static const PlanLimits two = {.per_source = 2, .per_target = 2};

static PlanTarget
target(const char *id, int64_t free_mib)
{
    return (PlanTarget){.id = id, .cluster = "c", .is_trusted = true, .free_mib = free_mib};
}

static PlanVm
vm(const char *id, int64_t memory_mib, int priority)
{
    return (PlanVm){.id = id,
                    .source = "bad",
                    .cluster = "c",
                    .memory_mib = memory_mib,
                    .priority = priority,
                    .requires_trust = true};
}

static const PlanMove *
move_at(GArray *moves, guint i)
{
    ck_assert_uint_lt(i, moves->len);
    return &g_array_index(moves, PlanMove, i);
}

static void
expect_move(GArray *moves, guint i, const char *vm_id, const char *target_id)
{
    ck_assert_str_eq(move_at(moves, i)->vm->id, vm_id);
    ck_assert_ptr_nonnull(move_at(moves, i)->target);
    ck_assert_str_eq(move_at(moves, i)->target->id, target_id);
}

static void
expect_stays(GArray *moves, guint i, const char *vm_id, const char *why)
{
    ck_assert_str_eq(move_at(moves, i)->vm->id, vm_id);
    ck_assert_ptr_null(move_at(moves, i)->target);
    ck_assert_str_eq(move_at(moves, i)->why, why);
}

START_TEST(highest_priority_goes_first_then_the_largest_then_by_id)
{
    PlanVm vms[] = {vm("d", 10, 1), vm("c", 10, 1), vm("b", 20, 1), vm("a", 5, 50)};
    PlanTarget targets[] = {target("t", 1000)};
    g_autoptr(GArray) moves = plan_evacuation(vms, 4, targets, 1, NULL, 0, (PlanLimits){10, 10});

    ck_assert_uint_eq(moves->len, 4);
    expect_move(moves, 0, "a", "t");
    expect_move(moves, 1, "b", "t");
    expect_move(moves, 2, "c", "t");
    expect_move(moves, 3, "d", "t");
}
END_TEST

START_TEST(each_goes_where_most_memory_is_left_by_then)
{
    PlanVm vms[] = {vm("a", 60, 3), vm("b", 10, 2), vm("c", 10, 1)};
    PlanTarget targets[] = {target("t1", 90), target("t2", 100)};
    g_autoptr(GArray) moves = plan_evacuation(vms, 3, targets, 2, NULL, 0, (PlanLimits){10, 10});

    expect_move(moves, 0, "a", "t2");
    expect_move(moves, 1, "b", "t1");
    expect_move(moves, 2, "c", "t1");
    ck_assert_int_eq(targets[1].free_mib, 100);
}
END_TEST

START_TEST(at_most_so_many_leave_a_source_and_the_rest_waits_without_a_word)
{
    PlanVm vms[] = {vm("a", 1, 3), vm("b", 1, 2), vm("c", 1, 1)};
    PlanTarget targets[] = {target("t1", 10), target("t2", 10)};
    PlanSource sources[] = {{.id = "bad", .outgoing = 1}};
    g_autoptr(GArray) moves = plan_evacuation(vms, 3, targets, 2, sources, 1, two);

    ck_assert_uint_eq(moves->len, 1);
    expect_move(moves, 0, "a", "t1");
}
END_TEST

START_TEST(at_most_so_many_arrive_at_a_target)
{
    PlanVm vms[] = {vm("a", 1, 3), vm("b", 1, 2)};
    PlanTarget targets[] = {target("big", 100), target("small", 10)};

    targets[0].incoming = 2;
    targets[1].incoming = 1;
    g_autoptr(GArray) moves = plan_evacuation(vms, 2, targets, 2, NULL, 0, two);

    ck_assert_uint_eq(moves->len, 1);
    expect_move(moves, 0, "a", "small");
}
END_TEST

START_TEST(two_sources_have_their_own_limits)
{
    PlanVm vms[] = {vm("a", 1, 3), vm("b", 1, 2), vm("c", 1, 1)};
    PlanTarget targets[] = {target("t1", 10), target("t2", 10)};

    vms[2].source = "worse";
    g_autoptr(GArray) moves = plan_evacuation(vms, 3, targets, 2, NULL, 0, (PlanLimits){1, 2});

    ck_assert_uint_eq(moves->len, 2);
    expect_move(moves, 0, "a", "t1");
    expect_move(moves, 1, "c", "t2");
}
END_TEST

START_TEST(a_vm_that_requires_trust_goes_to_a_trusted_host_only)
{
    PlanVm vms[] = {vm("a", 1, 2), vm("free", 1, 1)};
    PlanTarget targets[] = {target("t", 10)};

    targets[0].is_trusted = false;
    vms[1].requires_trust = false;
    g_autoptr(GArray) moves = plan_evacuation(vms, 2, targets, 1, NULL, 0, two);

    expect_stays(moves, 0, "a", "no other host of its cluster that is up is trusted");
    expect_move(moves, 1, "free", "t");
}
END_TEST

START_TEST(neither_the_source_nor_another_cluster_is_a_target)
{
    PlanVm vms[] = {vm("a", 1, 1)};
    PlanTarget targets[] = {target("bad", 100), target("t", 100)};

    targets[1].cluster = "other";
    g_autoptr(GArray) moves = plan_evacuation(vms, 1, targets, 2, NULL, 0, two);

    expect_stays(moves, 0, "a", "no other host of its cluster is up");
}
END_TEST

START_TEST(a_target_that_was_tried_is_not_tried_again)
{
    const char *const tried[] = {"t1", NULL};
    PlanVm vms[] = {vm("a", 1, 1)};
    PlanTarget targets[] = {target("t1", 100), target("t2", 10)};

    vms[0].excluded = tried;
    g_autoptr(GArray) moves = plan_evacuation(vms, 1, targets, 2, NULL, 0, two);
    g_autoptr(GArray) without = plan_evacuation(vms, 1, targets, 1, NULL, 0, two);

    expect_move(moves, 0, "a", "t2");
    expect_stays(without, 0, "a", "every host that could take it has been tried in vain");
}
END_TEST

START_TEST(memory_that_is_given_away_is_gone)
{
    PlanVm vms[] = {vm("a", 60, 2), vm("b", 60, 1)};
    PlanTarget targets[] = {target("t", 100)};
    g_autoptr(GArray) moves = plan_evacuation(vms, 2, targets, 1, NULL, 0, two);

    expect_move(moves, 0, "a", "t");
    expect_stays(moves, 1, "b", "no host that could take it has enough free memory");
}
END_TEST

START_TEST(nothing_to_do_is_an_empty_plan)
{
    g_autoptr(GArray) moves = plan_evacuation(NULL, 0, NULL, 0, NULL, 0, two);

    ck_assert_uint_eq(moves->len, 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tests = tcase_create("plan");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_test(tests, highest_priority_goes_first_then_the_largest_then_by_id);
    tcase_add_test(tests, each_goes_where_most_memory_is_left_by_then);
    tcase_add_test(tests, at_most_so_many_leave_a_source_and_the_rest_waits_without_a_word);
    tcase_add_test(tests, at_most_so_many_arrive_at_a_target);
    tcase_add_test(tests, two_sources_have_their_own_limits);
    tcase_add_test(tests, a_vm_that_requires_trust_goes_to_a_trusted_host_only);
    tcase_add_test(tests, neither_the_source_nor_another_cluster_is_a_target);
    tcase_add_test(tests, a_target_that_was_tried_is_not_tried_again);
    tcase_add_test(tests, memory_that_is_given_away_is_gone);
    tcase_add_test(tests, nothing_to_do_is_an_empty_plan);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
