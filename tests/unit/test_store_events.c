#include "store_scene.h"

#include "store/events.h"
#include "store/users.h"
#include "trust/fault.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

START_TEST(events_are_listed_newest_first_or_followed_oldest_first)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) before = events_list(scene->store, 0, 1, false, &error);
    scene_must(before != NULL, error);
    int64_t last = ((const Event *)g_ptr_array_index(before, 0))->id;
    for (int i = 0; i < 3; i++) {
        g_autofree char *text = g_strdup_printf("number %d", i);
        scene_must(event_write(scene->store, "TEST", "warning", text, scene->hosts[0], NULL, "admin@internal", &error),
                   error);
    }
    g_autoptr(GPtrArray) newest = events_list(scene->store, last, 2, false, &error);
    scene_must(newest != NULL, error);
    ck_assert_uint_eq(newest->len, 2);
    ck_assert_str_eq(((const Event *)g_ptr_array_index(newest, 0))->description, "number 2");
    g_autoptr(GPtrArray) followed = events_list(scene->store, last, 2, true, &error);
    scene_must(followed != NULL, error);
    ck_assert_uint_eq(followed->len, 2);
    const Event *first = g_ptr_array_index(followed, 0);
    ck_assert_str_eq(first->description, "number 0");
    ck_assert_str_eq(first->name, "TEST");
    ck_assert_str_eq(first->severity, "warning");
    ck_assert_str_eq(first->host_id, scene->hosts[0]);
    ck_assert_str_eq(first->cluster_id, scene->cluster);
    ck_assert_str_eq(first->user, "admin@internal");
    ck_assert_ptr_null(first->vm_id);
    ck_assert_msg(strlen(first->time) == 24 && g_str_has_suffix(first->time, "Z"), "%s", first->time);
    g_autoptr(Event) got = event_get(scene->store, first->id, &error);
    scene_must(got != NULL, error);
    ck_assert_str_eq(got->description, "number 0");
    ck_assert_ptr_null(event_get(scene->store, 999999999, &error));
    ck_assert_int_eq(error->code, FAULT_NOT_FOUND);
    scene_free(scene);
}
END_TEST

typedef struct {
    Store *store;
    atomic_bool done;
} Writer;

/* Draws numbers early and commits late. */
static void *
write_slowly(void *closure)
{
    Writer *writer = closure;
    for (int i = 0; i < 30; i++) {
        g_autoptr(GError) error = NULL;
        const char *params[] = {i % 2 == 0 ? "0.02" : "0"};
        scene_must(store_run(writer->store, &error,
                             "select pg_sleep($1::float8) from (select log_event('SLOW', 'normal', 'slow') offset 0) e"
                             " where e.log_event > 0",
                             1, params),
                   error);
    }
    atomic_store(&writer->done, true);
    return NULL;
}

START_TEST(follower_misses_no_event_that_is_committed_late)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    Writer writers[3];
    pthread_t threads[G_N_ELEMENTS(writers)];
    for (size_t i = 0; i < G_N_ELEMENTS(writers); i++) {
        writers[i].store = store;
        atomic_init(&writers[i].done, false);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_slowly, &writers[i]), 0);
    }
    int64_t last = 0;
    unsigned seen = 0;
    for (bool all_done = false, is_last = false; !is_last;) {
        is_last = all_done; /* once more when nobody writes any longer */
        all_done = true;
        for (size_t i = 0; i < G_N_ELEMENTS(writers); i++)
            all_done = all_done && atomic_load(&writers[i].done);
        g_autoptr(GPtrArray) events = events_list(store, last, 1000, true, &error);
        scene_must(events != NULL, error);
        for (guint i = 0; i < events->len; i++) {
            const Event *event = g_ptr_array_index(events, i);
            seen += strcmp(event->name, "SLOW") == 0;
            last = event->id;
        }
    }
    for (size_t i = 0; i < G_N_ELEMENTS(writers); i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(seen, 30 * G_N_ELEMENTS(writers));
}
END_TEST

START_TEST(password_is_kept_and_replaced)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    bool any = true;
    scene_must(users_any(store, &any, &error), error);
    ck_assert(!any);
    ck_assert_ptr_null(user_password(store, "admin@internal", &error));
    ck_assert_ptr_null(error);
    scene_must(user_set_password(store, "admin@internal", "$scrypt$one", &error), error);
    scene_must(user_set_password(store, "admin@internal", "$scrypt$two", &error), error);
    g_autofree char *hash = user_password(store, "admin@internal", &error);
    ck_assert_str_eq(hash, "$scrypt$two");
    scene_must(users_any(store, &any, &error), error);
    ck_assert(any);
}
END_TEST

START_TEST(settings_that_sql_reads_are_written)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    StoreSqlSettings settings = {.host_grace_s = 5,
                                 .expired_hosts = "evacuate",
                                 .evacuation_max_share = 75,
                                 .evacuation_tries = 2,
                                 .auth_timeout_s = 90};
    scene_must(store_write_settings(store, &settings, &error), error);
    g_autoptr(StoreResult) row =
        store_call(store, &error,
                   "select host_grace = '5 s' and expired_hosts = 'evacuate' and evacuation_max_share = 75"
                   " and evacuation_tries = 2 and auth_timeout = '90 s' as same from settings",
                   0, NULL);
    scene_must(row != NULL, error);
    ck_assert(store_bool(row, 0, "same"));
    settings.evacuation_max_share = 101;
    ck_assert(!store_write_settings(store, &settings, &error));
    ck_assert_int_eq(error->code, FAULT_INVALID);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("store_events");
    TCase *tcase = tcase_create("events");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, events_are_listed_newest_first_or_followed_oldest_first);
    tcase_add_test(tcase, follower_misses_no_event_that_is_committed_late);
    tcase_add_test(tcase, password_is_kept_and_replaced);
    tcase_add_test(tcase, settings_that_sql_reads_are_written);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
