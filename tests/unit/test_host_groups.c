#include "store_scene.h"

#include "store/group.h"
#include "trust/fault.h"

#include <pthread.h>
#include <stdatomic.h>

#define MISSING "11111111-1111-1111-1111-111111111111"
#define CALLERS 8
#define CALLS 200

/* --- groups --- */

typedef struct {
    StoreGroup *group;
    atomic_int sending;
    atomic_int overlaps;
} Counting;

static void
count_items(void *closure, void *const items[], size_t n)
{
    Counting *counting = closure;
    if (atomic_fetch_add(&counting->sending, 1) != 0)
        atomic_fetch_add(&counting->overlaps, 1);
    for (size_t i = 0; i < n; i++)
        (*(int *)items[i])++;
    atomic_fetch_sub(&counting->sending, 1);
}

static void *
call_often(void *closure)
{
    Counting *counting = closure;
    intptr_t wrong = 0;
    for (int i = 0; i < CALLS; i++) {
        int sent = 0;
        store_group_call(counting->group, &sent);
        wrong += sent != 1;
    }
    return (void *)wrong;
}

START_TEST(every_item_is_sent_once_and_no_two_sendings_overlap)
{
    Counting counting = {0};
    pthread_t threads[CALLERS];
    counting.group = store_group_new(count_items, &counting);
    for (size_t i = 0; i < CALLERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, call_often, &counting), 0);
    for (size_t i = 0; i < CALLERS; i++) {
        void *wrong;
        ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
        ck_assert_ptr_null(wrong);
    }
    ck_assert_int_eq(counting.overlaps, 0);
    store_group_free(counting.group);
}
END_TEST

/* --- hosts that connect together --- */

typedef struct {
    Store *store;
    const char *host;
    int64_t generation;
    GError *error;
    pthread_t thread;
} Connecting;

/* Holds up the first sending, so that the others gather. */
static void *
hold_row(void *closure)
{
    Connecting *row = closure;
    const char *params[] = {row->host};
    store_run(row->store, &row->error,
              "with held as materialized (select id from hosts where id = $1 for no key update) select pg_sleep(0.3) "
              "from held",
              1, params);
    return NULL;
}

static void *
connect_host(void *closure)
{
    Connecting *one = closure;
    g_autoptr(HostConnected) connected = host_connected(one->store, one->host, NULL, 4096, 4, "", &one->error);
    one->generation = connected != NULL ? connected->generation : 0;
    return NULL;
}

START_TEST(host_that_is_refused_or_there_twice_does_not_harm_the_others)
{
    StoreScene *scene = scene_new(false);
    const char *const hosts[] = {scene->hosts[0], scene->hosts[1], MISSING, scene->hosts[2], scene->hosts[1]};
    Connecting held = {.store = scene->store, .host = scene->hosts[0]}, all[G_N_ELEMENTS(hosts)] = {0};
    ck_assert_int_eq(pthread_create(&held.thread, NULL, hold_row, &held), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
        all[i].store = scene->store;
        all[i].host = hosts[i];
        ck_assert_int_eq(pthread_create(&all[i].thread, NULL, connect_host, &all[i]), 0);
    }
    pthread_join(held.thread, NULL);
    scene_must(held.error == NULL, held.error);
    for (size_t i = 0; i < G_N_ELEMENTS(hosts); i++) {
        pthread_join(all[i].thread, NULL);
        if (i != 2)
            scene_must(all[i].error == NULL && all[i].generation > 0, all[i].error);
    }
    ck_assert(g_error_matches(all[2].error, FAULT, FAULT_NOT_FOUND));
    g_clear_error(&all[2].error);
    ck_assert_int_ne(all[1].generation, all[4].generation);
    g_autoptr(Host) twice = scene_host(scene, 1);
    ck_assert(twice->connected);
    ck_assert_int_eq(twice->generation, MAX(all[1].generation, all[4].generation));
    scene_free(scene);
}
END_TEST

START_TEST(host_without_domains_is_listed_unless_it_should_have_some)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    bool is_listed = false;
    scene_bring_up(scene, 0);
    g_autofree char *vm = scene_vm(scene, "v1");
    scene_run_vm(scene, vm, 0);
    for (size_t i = 0; i < 2; i++) {
        const char *uuid = i == 0 ? "00000000-0000-0000-0000-000000000001" : NULL; /* the scene has pinned one */
        g_autoptr(HostConnected) connected = host_connected(scene->store, scene->hosts[i], uuid, 4096, 4, "", &error);
        scene_must(connected != NULL, error);
        scene_must(host_listed_empty(scene->store, scene->hosts[i], connected->generation, &is_listed, &error), error);
        ck_assert(is_listed == (i == 1));
        scene_must(host_listed_empty(scene->store, scene->hosts[i], connected->generation - 1, &is_listed, &error),
                   error);
        ck_assert(!is_listed);
    }
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("host_groups");
    TCase *tcase = tcase_create("groups");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, every_item_is_sent_once_and_no_two_sendings_overlap);
    tcase_add_test(tcase, host_that_is_refused_or_there_twice_does_not_harm_the_others);
    tcase_add_test(tcase, host_without_domains_is_listed_unless_it_should_have_some);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
