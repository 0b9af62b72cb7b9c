/* A pool of threads whose calls may hang: deadlines, replacement, ends. Nothing here waits for a time to pass without a
 * condition, but for the deadlines of the pool itself. */
#include "manager/openers.h"
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#define PATIENCE_US (60 * G_USEC_PER_SEC)

/* What happened; jobs are pointers into `jobs`. A job hangs until its gate opens. */
typedef struct {
    bool hangs;
    bool is_open;
    unsigned runs, lates, dones;
} Job;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate = PTHREAD_COND_INITIALIZER;
static Job jobs[64];
static unsigned fulls;

static void
run(void *closure, void *opaque)
{
    Job *job = opaque;
    (void)closure;
    pthread_mutex_lock(&lock);
    job->runs++;
    while (job->hangs && !job->is_open)
        pthread_cond_wait(&gate, &lock);
    pthread_mutex_unlock(&lock);
}

static void
late(void *closure, void *opaque)
{
    (void)closure;
    pthread_mutex_lock(&lock);
    ck_assert_uint_eq(((Job *)opaque)->dones, 0);
    ((Job *)opaque)->lates++;
    pthread_mutex_unlock(&lock);
}

static void
done(void *closure, void *opaque)
{
    (void)closure;
    pthread_mutex_lock(&lock);
    ((Job *)opaque)->dones++;
    pthread_mutex_unlock(&lock);
}

static void
full(void *closure)
{
    (void)closure;
    pthread_mutex_lock(&lock);
    fulls++;
    pthread_mutex_unlock(&lock);
}

static Openers *
pool(unsigned threads, unsigned max_hanging, unsigned deadline_ms)
{
    const OpenersSettings settings = {.threads = threads,
                                      .max_hanging = max_hanging,
                                      .deadline_ms = deadline_ms,
                                      .run = run,
                                      .late = late,
                                      .done = done,
                                      .full = full};
    Openers *openers = openers_new(&settings, NULL, NULL);
    ck_assert_ptr_nonnull(openers);
    return openers;
}

static unsigned
fulls_told(void)
{
    pthread_mutex_lock(&lock);
    unsigned n = fulls;
    pthread_mutex_unlock(&lock);
    return n;
}

static void
open_gates(unsigned from, unsigned to)
{
    pthread_mutex_lock(&lock);
    for (unsigned i = from; i < to; i++)
        jobs[i].is_open = true;
    pthread_cond_broadcast(&gate);
    pthread_mutex_unlock(&lock);
}

static unsigned
sum(size_t offset, unsigned from, unsigned to)
{
    unsigned n = 0;
    pthread_mutex_lock(&lock);
    for (unsigned i = from; i < to; i++)
        n += *(unsigned *)((char *)&jobs[i] + offset);
    pthread_mutex_unlock(&lock);
    return n;
}

#define WAIT_FOR(condition)                                                                                            \
    do {                                                                                                               \
        gint64 end_ = g_get_monotonic_time() + PATIENCE_US;                                                            \
        while (!(condition) && g_get_monotonic_time() < end_)                                                          \
            g_usleep(1000);                                                                                            \
        ck_assert_msg(condition, "never: %s", #condition);                                                             \
    } while (0)
#define RUNS(from, to) sum(offsetof(Job, runs), from, to)
#define LATES(from, to) sum(offsetof(Job, lates), from, to)
#define DONES(from, to) sum(offsetof(Job, dones), from, to)

START_TEST(every_job_is_run_once_and_done_once)
{
    Openers *openers = pool(4, 8, 600000);
    for (unsigned i = 0; i < 64; i++)
        openers_add(openers, &jobs[i]);
    WAIT_FOR(DONES(0, 64) == 64);
    ck_assert_uint_eq(RUNS(0, 64), 64);
    ck_assert_uint_eq(LATES(0, 64), 0);
    ck_assert(openers_free(openers, 60000));
}
END_TEST

START_TEST(jobs_that_hang_do_not_keep_others_waiting)
{
    Openers *openers = pool(2, 32, 50);
    for (unsigned i = 0; i < 20; i++) {
        jobs[i].hangs = true;
        openers_add(openers, &jobs[i]);
    }
    for (unsigned i = 20; i < 40; i++)
        openers_add(openers, &jobs[i]);
    WAIT_FOR(DONES(20, 40) == 20);
    ck_assert_uint_eq(DONES(0, 20), 0);
    WAIT_FOR(LATES(0, 20) == 20 && openers_hanging(openers) == 20); /* the last one need not have been late before */
    open_gates(0, 20);
    WAIT_FOR(DONES(0, 20) == 20);
    WAIT_FOR(openers_hanging(openers) == 0);
    ck_assert_uint_eq(RUNS(0, 40), 40);
    ck_assert(openers_free(openers, 60000));
}
END_TEST

START_TEST(with_too_many_hanging_no_more_threads_are_spent_and_it_is_told_once)
{
    Openers *openers = pool(2, 4, 50);
    for (unsigned i = 0; i < 20; i++) {
        jobs[i].hangs = true;
        openers_add(openers, &jobs[i]);
    }
    WAIT_FOR(fulls_told() == 1 && openers_hanging(openers) >= 4);
    ck_assert_uint_le(RUNS(0, 20), 5); /* the last two threads may hang side by side */
    ck_assert_uint_le(openers_hanging(openers), 5);
    open_gates(0, 20); /* they come back, and the pool with them */
    WAIT_FOR(DONES(0, 20) == 20);
    WAIT_FOR(openers_hanging(openers) == 0);
    openers_add(openers, &jobs[20]);
    WAIT_FOR(DONES(20, 21) == 1);
    ck_assert(openers_free(openers, 60000));
}
END_TEST

START_TEST(a_late_job_that_returns_was_run_once_and_is_done_after_late)
{
    Openers *openers = pool(1, 4, 50);
    jobs[0].hangs = true;
    openers_add(openers, &jobs[0]);
    WAIT_FOR(LATES(0, 1) == 1);
    ck_assert_uint_eq(DONES(0, 1), 0);
    open_gates(0, 1);
    WAIT_FOR(DONES(0, 1) == 1);
    ck_assert_uint_eq(LATES(0, 1), 1);
    ck_assert(openers_free(openers, 60000));
}
END_TEST

START_TEST(what_waits_at_the_end_is_done_without_a_run)
{
    Openers *openers = pool(1, 4, 600000);
    jobs[0].hangs = true;
    openers_add(openers, &jobs[0]);
    WAIT_FOR(RUNS(0, 1) == 1);
    for (unsigned i = 1; i < 10; i++)
        openers_add(openers, &jobs[i]);
    openers_stop(openers);
    ck_assert_uint_eq(DONES(1, 10), 9);
    ck_assert_uint_eq(RUNS(1, 10), 0);
    openers_add(openers, &jobs[10]);
    ck_assert_uint_eq(DONES(10, 11), 1);
    open_gates(0, 1);
    ck_assert(openers_free(openers, 60000));
    ck_assert_uint_eq(DONES(0, 1), 1);
}
END_TEST

START_TEST(a_job_that_hangs_at_the_end_is_left_behind)
{
    Openers *openers = pool(1, 4, 600000);
    jobs[0].hangs = true;
    openers_add(openers, &jobs[0]);
    WAIT_FOR(RUNS(0, 1) == 1);
    ck_assert(!openers_free(openers, 10));
    open_gates(0, 1);
    WAIT_FOR(DONES(0, 1) == 1);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("openers");
    TCase *tcase = tcase_create("openers");
    tcase_set_timeout(tcase, 120);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, every_job_is_run_once_and_done_once);
    tcase_add_test(tcase, jobs_that_hang_do_not_keep_others_waiting);
    tcase_add_test(tcase, with_too_many_hanging_no_more_threads_are_spent_and_it_is_told_once);
    tcase_add_test(tcase, a_late_job_that_returns_was_run_once_and_is_done_after_late);
    tcase_add_test(tcase, what_waits_at_the_end_is_done_without_a_run);
    tcase_add_test(tcase, a_job_that_hangs_at_the_end_is_left_behind);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
