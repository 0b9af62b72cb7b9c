#include "pg_fixture.h"

#include "store/listen.h"
#include "store/session.h"
#include "trust/fault.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

/* What the listener has told, as one text: "evacuation;lost;back;". */
typedef struct {
    pthread_mutex_t lock;
    GString *heard;
} Ear;

static void
notified(const char *payload, void *closure)
{
    Ear *ear = closure;
    pthread_mutex_lock(&ear->lock);
    g_string_append_printf(ear->heard, "%s;", payload != NULL ? payload : "back");
    pthread_mutex_unlock(&ear->lock);
}

static Ear *
ear_new(void)
{
    Ear *ear = g_new0(Ear, 1);
    pthread_mutex_init(&ear->lock, NULL);
    ear->heard = g_string_new(NULL);
    return ear;
}

static void
ear_free(Ear *ear)
{
    g_string_free(ear->heard, TRUE);
    pthread_mutex_destroy(&ear->lock);
    g_free(ear);
}

static bool
has_heard(Ear *ear, const char *text)
{
    pthread_mutex_lock(&ear->lock);
    bool found = strstr(ear->heard->str, text) != NULL;
    pthread_mutex_unlock(&ear->lock);
    return found;
}

static void
wait_heard(Ear *ear, const char *text)
{
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (!has_heard(ear, text)) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "never heard %s but %s", text, ear->heard->str);
        g_usleep(10000);
    }
}

static StoreListener *
must_listen(const char *conninfo, Ear *ear)
{
    g_autoptr(GError) error = NULL;
    StoreListener *listener = store_listener_new(conninfo, notified, ear, &error);
    if (listener == NULL)
        ck_abort_msg("%s", error->message);
    return listener;
}

static void
must_run(Store *store, const char *sql)
{
    g_autoptr(GError) error = NULL;
    if (!store_run(store, &error, sql, 0, NULL))
        ck_abort_msg("%s: %s", sql, error->message);
}

static const char *const cut_listener = "select pg_terminate_backend(pid) from pg_stat_activity"
                                        " where datname = current_database() and application_name like 'trustpoold %'";

static void
wait_for_row(Store *store, const char *sql)
{
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    for (;;) {
        g_autoptr(GError) error = NULL;
        g_autoptr(StoreResult) result = store_call(store, &error, sql, 0, NULL);
        ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
        if (store_rows(result) > 0)
            return;
        ck_assert_msg(g_get_monotonic_time() < deadline, "never a row: %s", sql);
        g_usleep(10000);
    }
}

static void *
take_lock_thread(void *closure)
{
    must_run(closure, "select pg_advisory_lock(" SESSION_LOCK_MANAGER ")");
    return NULL;
}

START_TEST(notifications_arrive_in_order)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    Ear *ear = ear_new();
    StoreListener *listener = must_listen(conninfo, ear);
    ck_assert(store_listener_has_lock(listener));
    must_run(store, "notify trustpool, 'hosts'");
    must_run(store, "notify other, 'no'");
    must_run(store, "notify trustpool, 'evacuation'");
    wait_heard(ear, "evacuation;");
    ck_assert_str_eq(ear->heard->str, "hosts;evacuation;");
    store_listener_free(listener);
    ear_free(ear);
}
END_TEST

START_TEST(lost_session_is_told_and_comes_back_with_the_lock)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    Ear *ear = ear_new();
    StoreListener *listener = must_listen(conninfo, ear);
    must_run(store, cut_listener);
    wait_heard(ear, "lost;back;");
    ck_assert(store_listener_has_lock(listener));
    must_run(store, "notify trustpool, 'events'");
    wait_heard(ear, "lost;back;events;");
    store_listener_free(listener);
    ear_free(ear);
}
END_TEST

START_TEST(second_manager_is_refused_and_told_who_is_first)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(GError) error = NULL;
    Ear *ear = ear_new();
    StoreListener *listener = must_listen(conninfo, ear);
    ck_assert_ptr_null(store_listener_new(conninfo, notified, ear, &error));
    ck_assert_int_eq(error->code, FAULT_REFUSED);
    g_autofree char *first = g_strdup_printf("trustpoold %d on ", (int)getpid());
    ck_assert_msg(strstr(error->message, first) != NULL, "%s", error->message);
    store_listener_free(listener);
    listener = must_listen(conninfo, ear); /* the lock is free again */
    store_listener_free(listener);
    ear_free(ear);
}
END_TEST

START_TEST(lock_taken_meanwhile_keeps_the_first_manager_out)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    Ear *ear = ear_new();
    StoreListener *listener = must_listen(conninfo, ear);
    /* Somebody else waits for the lock: he gets it in the moment when the first one's session ends. */
    StoreSettings settings = {.conninfo = conninfo, .sessions = 1, .deadline_ms = 60000};
    Store *other = store_new(&settings, &error);
    ck_assert_ptr_nonnull(other);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, take_lock_thread, other), 0);
    wait_for_row(store, "select from pg_locks where locktype = 'advisory' and not granted");
    must_run(store, cut_listener);
    pthread_join(thread, NULL);
    wait_heard(ear, "lost;");
    ck_assert(!store_listener_has_lock(listener));
    ck_assert(!has_heard(ear, "back;"));
    store_free(other); /* and the lock with its session */
    wait_heard(ear, "back;");
    ck_assert(store_listener_has_lock(listener));
    store_listener_free(listener);
    ear_free(ear);
}
END_TEST

START_TEST(listener_ends_while_the_server_is_away)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autofree char *elsewhere = g_strconcat(conninfo, " dbname=postgres", NULL);
    g_autoptr(Store) store = pg_fixture_store(elsewhere);
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreResult) name = NULL;
    Ear *ear = ear_new();
    StoreListener *listener = must_listen(conninfo, ear);
    /* The database goes: with it everything that could be come back to. */
    name = store_call(store, &error,
                      "select format('drop database %I with (force)', datname) as sql from pg_stat_activity"
                      " where application_name like 'trustpoold %' and datname <> 'postgres'",
                      0, NULL);
    ck_assert_msg(name != NULL && store_rows(name) == 1, "%s", error != NULL ? error->message : "no listener");
    must_run(store, store_text(name, 0, "sql"));
    wait_heard(ear, "lost;");
    ck_assert(!store_listener_has_lock(listener));
    store_listener_free(listener);
    ck_assert(!has_heard(ear, "back;"));
    ear_free(ear);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("listen");
    TCase *tcase = tcase_create("listen");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, notifications_arrive_in_order);
    tcase_add_test(tcase, lost_session_is_told_and_comes_back_with_the_lock);
    tcase_add_test(tcase, second_manager_is_refused_and_told_who_is_first);
    tcase_add_test(tcase, lock_taken_meanwhile_keeps_the_first_manager_out);
    tcase_add_test(tcase, listener_ends_while_the_server_is_away);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
