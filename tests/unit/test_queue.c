#include "plugin/queue.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static Queue queue;

static void
set_up(void)
{
    queue_init(&queue);
}

static void
tear_down(void)
{
    queue_clear(&queue);
}

static void
nobody(void *closure, const ClusterPluginAnswer *answer)
{
    (void)closure;
    (void)answer;
}

static bool
add(const char *id, Lane lane, bool is_event)
{
    ClusterPluginHost host = {id, id, id, ""};
    Waiter waiter = {.done = nobody};

    return queue_add(&queue, &host, lane, is_event, is_event ? &waiter : NULL);
}

static void
add_many(const char *prefix, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("%s%u", prefix, i);

        ck_assert(add(id, LANE_ROUTINE, true));
    }
}

static unsigned
count_waiters(GArray *waiters)
{
    unsigned n = waiters ? waiters->len : 0;

    g_clear_pointer(&waiters, g_array_unref);
    return n;
}

/* All of its hosts are answered. */
static void
give_back(Question *question)
{
    for (size_t i = 0; i < question->n; i++) {
        Host *host = queue_find(&queue, question->hosts[i].id);

        count_waiters(queue_return(&queue, host));
        host->limit = 0;
        queue_tidy(&queue, host);
    }
    question_free(question);
}

START_TEST(all_that_wait_are_taken_together_in_their_order)
{
    Question *question;

    ck_assert_ptr_null(queue_take(&queue, LANE_ROUTINE));
    add_many("h", 3);
    ck_assert_ptr_null(queue_take(&queue, LANE_URGENT));
    question = queue_take(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(question->n, 3);
    ck_assert_str_eq(question->hosts[0].id, "h0");
    ck_assert_str_eq(question->hosts[2].attestation_id, "h2");
    ck_assert_ptr_null(queue_take(&queue, LANE_ROUTINE));
    give_back(question);
    ck_assert_uint_eq(g_hash_table_size(queue.hosts), 0);
    ck_assert_uint_eq(queue.n_waiters, 0);
}
END_TEST

START_TEST(a_host_waits_once_in_the_more_urgent_lane)
{
    Question *question;

    add("h", LANE_ROUTINE, true);
    add("h", LANE_URGENT, true);
    add("h", LANE_ROUTINE, true);
    ck_assert_ptr_null(queue_take(&queue, LANE_ROUTINE));
    question = queue_take(&queue, LANE_URGENT);
    ck_assert_uint_eq(question->n, 1);
    ck_assert_uint_eq(queue.n_waiters, 3);
    ck_assert_uint_eq(count_waiters(queue_return(&queue, queue_find(&queue, "h"))), 3);
    question_free(question);
}
END_TEST

START_TEST(an_event_during_the_question_makes_another_and_the_timer_does_not)
{
    Question *question, *another;

    add("h", LANE_ROUTINE, true);
    question = queue_take(&queue, LANE_ROUTINE);
    add("h", LANE_ROUTINE, false);
    ck_assert(!queue_find(&queue, "h")->is_wanted_again);
    add("h", LANE_URGENT, true);
    add("h", LANE_ROUTINE, true);
    ck_assert_ptr_null(queue_take(&queue, LANE_URGENT));
    ck_assert_uint_eq(count_waiters(queue_return(&queue, queue_find(&queue, "h"))), 1);
    another = queue_take(&queue, LANE_URGENT);
    ck_assert_ptr_nonnull(another);
    ck_assert_uint_eq(count_waiters(queue_return(&queue, queue_find(&queue, "h"))), 2);
    question_free(question);
    question_free(another);
}
END_TEST

START_TEST(a_split_set_comes_in_pieces_after_the_healthy)
{
    Question *question, *piece;

    add_many("h", 5);
    question = queue_take(&queue, LANE_ROUTINE);
    queue_split(&queue, question, 3);
    ck_assert(queue_has_failed(&queue, LANE_ROUTINE));
    add("healthy", LANE_ROUTINE, true);
    piece = queue_take(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(piece->n, 1);
    ck_assert_str_eq(piece->hosts[0].id, "healthy");
    give_back(piece);
    piece = queue_take(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(piece->n, 3);
    queue_split(&queue, piece, 1);
    question_free(piece);
    piece = queue_take(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(piece->n, 2);
    give_back(piece);
    for (int i = 0; i < 3; i++) {
        piece = queue_take(&queue, LANE_ROUTINE);
        ck_assert_uint_eq(piece->n, 1);
        give_back(piece);
    }
    ck_assert(!queue_has_failed(&queue, LANE_ROUTINE));
    ck_assert_uint_eq(queue.n_waiters, 0);
    question_free(question);
}
END_TEST

START_TEST(who_came_during_a_question_that_is_split_waits_with_the_others)
{
    Question *question, *again;

    add("a", LANE_ROUTINE, true);
    add("b", LANE_ROUTINE, false);
    question = queue_take(&queue, LANE_ROUTINE);
    add("a", LANE_URGENT, true);
    add("b", LANE_ROUTINE, true);
    queue_split(&queue, question, 1);
    again = queue_take(&queue, LANE_URGENT);
    ck_assert_str_eq(again->hosts[0].id, "a");
    ck_assert_uint_eq(count_waiters(queue_return(&queue, queue_find(&queue, "a"))), 2);
    question_free(again);
    again = queue_take(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(count_waiters(queue_return(&queue, queue_find(&queue, "b"))), 1);
    question_free(again);
    question_free(question);
}
END_TEST

START_TEST(only_the_failed_are_taken_when_the_service_is_silent)
{
    Question *question, *failed;

    add_many("h", 4);
    question = queue_take(&queue, LANE_ROUTINE);
    queue_split(&queue, question, 1);
    add("new", LANE_ROUTINE, true);
    ck_assert_ptr_null(queue_take_failed(&queue, LANE_URGENT));
    failed = queue_take_failed(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(failed->n, 4);
    give_back(failed);
    failed = queue_take(&queue, LANE_ROUTINE);
    ck_assert_str_eq(failed->hosts[0].id, "new");
    give_back(failed);
    question_free(question);
}
END_TEST

START_TEST(a_host_that_is_down_is_forgotten_with_all_that_was_remembered)
{
    Question *question;

    ck_assert_ptr_null(queue_forget(&queue, "never seen"));
    add("waiting", LANE_ROUTINE, true);
    ck_assert_uint_eq(count_waiters(queue_forget(&queue, "waiting")), 1);
    ck_assert_ptr_null(queue_find(&queue, "waiting"));

    add("asked", LANE_ROUTINE, true);
    question = queue_take(&queue, LANE_ROUTINE);
    add("asked", LANE_ROUTINE, true);
    ck_assert_uint_eq(count_waiters(queue_forget(&queue, "asked")), 1);
    ck_assert(queue_find(&queue, "asked")->is_forgotten);
    ck_assert_uint_eq(count_waiters(queue_return(&queue, queue_find(&queue, "asked"))), 1);
    queue_tidy(&queue, queue_find(&queue, "asked"));
    ck_assert_uint_eq(g_hash_table_size(queue.hosts), 0);
    question_free(question);
}
END_TEST

START_TEST(the_retried_wait_again_and_slow_ones_are_remembered)
{
    Question *question;
    Host *host;

    add("h", LANE_URGENT, true);
    question = queue_take(&queue, LANE_URGENT);
    host = queue_find(&queue, "h");
    host->limit = 1;
    host->is_to_retry = true;
    count_waiters(queue_return(&queue, host));
    queue_tidy(&queue, host);
    question_free(question);
    ck_assert_uint_eq(queue_retry(&queue), 1);
    ck_assert_uint_eq(queue_retry(&queue), 0);
    question = queue_take(&queue, LANE_ROUTINE);
    ck_assert_uint_eq(question->n, 1);
    host = queue_find(&queue, "h");
    count_waiters(queue_return(&queue, host));
    queue_tidy(&queue, host);
    ck_assert_ptr_nonnull(queue_find(&queue, "h"));
    ck_assert_uint_eq(queue_find(&queue, "h")->limit, 1);
    question_free(question);
}
END_TEST

START_TEST(a_full_queue_refuses)
{
    add_many("h", QUEUE_HOSTS_MAX);
    ck_assert(!add("more", LANE_URGENT, true));
    for (size_t i = queue.n_waiters; i < QUEUE_WAITERS_MAX; i++)
        ck_assert(add("h0", LANE_ROUTINE, true));
    ck_assert(!add("h0", LANE_ROUTINE, true));
    ck_assert(add("h0", LANE_ROUTINE, false));
    for (Question *question; (question = queue_take(&queue, LANE_ROUTINE));) {
        ck_assert_uint_le(question->n, CLUSTER_PLUGIN_SET_MAX);
        give_back(question);
    }
    ck_assert_uint_eq(queue.n_waiters, 0);
}
END_TEST

START_TEST(a_new_attestation_id_is_asked_about_next)
{
    ClusterPluginHost host = {"h", "h", "old.example", ""};
    Question *question;

    queue_add(&queue, &host, LANE_ROUTINE, true, NULL);
    host.attestation_id = "new.example";
    queue_add(&queue, &host, LANE_ROUTINE, true, NULL);
    question = queue_take(&queue, LANE_ROUTINE);
    ck_assert_str_eq(question->hosts[0].attestation_id, "new.example");
    give_back(question);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("queue");
    TCase *tests = tcase_create("queue");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 120);
    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, all_that_wait_are_taken_together_in_their_order);
    tcase_add_test(tests, a_host_waits_once_in_the_more_urgent_lane);
    tcase_add_test(tests, an_event_during_the_question_makes_another_and_the_timer_does_not);
    tcase_add_test(tests, a_split_set_comes_in_pieces_after_the_healthy);
    tcase_add_test(tests, who_came_during_a_question_that_is_split_waits_with_the_others);
    tcase_add_test(tests, only_the_failed_are_taken_when_the_service_is_silent);
    tcase_add_test(tests, a_host_that_is_down_is_forgotten_with_all_that_was_remembered);
    tcase_add_test(tests, the_retried_wait_again_and_slow_ones_are_remembered);
    tcase_add_test(tests, a_full_queue_refuses);
    tcase_add_test(tests, a_new_attestation_id_is_asked_about_next);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
