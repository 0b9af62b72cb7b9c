#include "pg_fixture.h"

#include "trust/fault.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static Store *
new_store(const char *conninfo, unsigned sessions, unsigned deadline_ms)
{
    g_autoptr(GError) error = NULL;
    StoreSettings settings = {.conninfo = conninfo, .sessions = sessions, .deadline_ms = deadline_ms};
    Store *store = store_new(&settings, &error);
    ck_assert_msg(store != NULL, "%s", error != NULL ? error->message : "");
    return store;
}

static void
must_run(Store *store, const char *sql)
{
    g_autoptr(GError) error = NULL;
    if (!store_run(store, &error, sql, 0, NULL))
        ck_abort_msg("%s: %s", sql, error->message);
}

static void
must_fail(Store *store, const char *sql, FaultCode code, const char *text)
{
    g_autoptr(GError) error = NULL;
    ck_assert(!store_run(store, &error, sql, 0, NULL));
    ck_assert_msg(error->domain == FAULT && error->code == (gint)code, "%s: code %d: %s", sql, error->code,
                  error->message);
    ck_assert_msg(strstr(error->message, text) != NULL, "%s: %s", sql, error->message);
}

START_TEST(fields_are_read_as_text_bool_and_number)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    const char *params[] = {"Zürich", NULL, "9007199254740993"};
    g_autoptr(StoreResult) result =
        store_call(store, &error, "select $1::text as word, $2::text as nothing, $3::bigint as number, true as yes", 3,
                   params);
    ck_assert_ptr_nonnull(result);
    ck_assert_uint_eq(store_rows(result), 1);
    ck_assert_str_eq(store_text(result, 0, "word"), "Zürich");
    ck_assert_ptr_null(store_text(result, 0, "nothing"));
    ck_assert_int_eq(store_int(result, 0, "nothing"), 0);
    ck_assert(!store_bool(result, 0, "nothing"));
    ck_assert(store_int(result, 0, "number") == 9007199254740993);
    ck_assert(store_bool(result, 0, "yes"));
}
END_TEST

START_TEST(array_keeps_every_character)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    const char *const items[] = {"plain", "with \"quotes\"", "back\\slash", "", "a,b{c}", "NULL", NULL};
    g_autofree char *array = store_array(items, G_N_ELEMENTS(items));
    const char *params[] = {array};
    g_autoptr(StoreResult) result =
        store_call(store, &error, "select item from unnest($1::text[]) with ordinality as u(item, n) order by n", 1,
                   params);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(store_rows(result), G_N_ELEMENTS(items));
    for (unsigned i = 0; i < G_N_ELEMENTS(items) - 1; i++)
        ck_assert_str_eq(store_text(result, i, "item"), items[i]);
    ck_assert_ptr_null(store_text(result, G_N_ELEMENTS(items) - 1, "item"));
    g_autofree char *none = store_array(NULL, 0);
    ck_assert_str_eq(none, "{}");
}
END_TEST

START_TEST(sqlstate_becomes_the_fault_that_it_means)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    must_run(store, "create table public.t (id integer primary key, n integer check (n > 0))");
    must_run(store, "insert into public.t values (1, 1)");
    must_run(store, "create function public.refuse(state text) returns void language plpgsql as "
                    "$$ begin raise exception using errcode = state, message = 'host h1 is up: do this'; end $$");
    must_fail(store, "select public.refuse('TP409')", FAULT_REFUSED, "host h1 is up: do this");
    must_fail(store, "select public.refuse('TP404')", FAULT_NOT_FOUND, "host h1");
    must_fail(store, "select public.refuse('TP400')", FAULT_INVALID, "host h1");
    must_fail(store, "insert into public.t values (1, 1)", FAULT_REFUSED, "Key (id)=(1) already exists");
    must_fail(store, "insert into public.t values (2, 0)", FAULT_INVALID, "23514");
    must_fail(store, "select 'x'::uuid", FAULT_INVALID, "22P02");
    must_fail(store, "select nothing", FAULT_FAILED, "42703");
    must_fail(store, "select public.refuse('53100')", FAULT_UNAVAILABLE, "53100");
}
END_TEST

START_TEST(refusal_of_the_schema_is_the_whole_text)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    must_run(store, "create function public.refuse() returns void language plpgsql as "
                    "$$ begin raise exception using errcode = 'TP409', message = 'the host is up'; end $$");
    ck_assert(!store_run(store, &error, "select public.refuse()", 0, NULL));
    ck_assert_str_eq(error->message, "the host is up");
}
END_TEST

/* Fails with the SQLSTATE until the sequence has reached `times`. Sequences do not roll back. */
static void
make_collisions(Store *store)
{
    must_run(store, "create sequence public.attempts");
    must_run(store, "create function public.collide(state text, times integer) returns bigint language plpgsql as "
                    "$$ declare n bigint := nextval('public.attempts'); begin "
                    "if n <= times then raise exception using errcode = state, message = 'collision'; end if; "
                    "return n; end $$");
}

START_TEST(collisions_are_sent_again)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    make_collisions(store);
    g_autoptr(StoreResult) result = store_call(store, &error, "select public.collide('40001', 5) as n", 0, NULL);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(store_int(result, 0, "n"), 6);
    must_run(store, "alter sequence public.attempts restart");
    must_run(store, "select public.collide('40P01', 3)");
    must_run(store, "alter sequence public.attempts restart");
    must_fail(store, "select public.collide('40001', 100)", FAULT_UNAVAILABLE, "collision");
    g_autoptr(StoreResult) last = store_call(store, &error, "select last_value as n from public.attempts", 0, NULL);
    ck_assert_int_eq(store_int(last, 0, "n"), 6);
}
END_TEST

START_TEST(search_path_finds_the_schema_first)
{
    g_autofree char *plain = pg_fixture_database();
    g_autofree char *conninfo = g_strconcat(plain, " options='-c work_mem=5MB -c search_path=public'", NULL);
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreResult) result =
        store_call(store, &error,
                   "select current_setting('search_path') as path, current_setting('work_mem') as memory,"
                   " current_setting('application_name') as name, (select count(*) from settings) as n",
                   0, NULL);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(store_text(result, 0, "path"), "trustpool,public");
    ck_assert_str_eq(store_text(result, 0, "memory"), "5MB");
    ck_assert_str_eq(store_text(result, 0, "name"), "trustpoold");
    ck_assert_int_eq(store_int(result, 0, "n"), 1);
}
END_TEST

START_TEST(call_past_its_deadline_fails_and_the_store_goes_on)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = new_store(conninfo, 1, 3000);
    int64_t begun = g_get_monotonic_time();
    must_fail(store, "select pg_sleep(600)", FAULT_DEADLINE, "");
    ck_assert(g_get_monotonic_time() - begun < 100 * G_USEC_PER_SEC);
    g_autoptr(Store) patient = pg_fixture_store(conninfo);
    must_run(patient, "select 1");
    g_autoptr(GError) error = NULL;
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (!store_run(store, &error, "select 1", 0, NULL)) {
        ck_assert(g_get_monotonic_time() < deadline);
        g_clear_error(&error);
    }
}
END_TEST

START_TEST(server_that_does_not_answer_is_given_up)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = new_store(conninfo, 1, 2000);
    /* Without the server's own limit the client's counts. */
    must_run(store, "set statement_timeout = 0");
    must_fail(store, "select pg_sleep(600)", FAULT_DEADLINE, "did not answer in time");
}
END_TEST

typedef struct {
    Store *store;
    atomic_uint done;
} Crowd;

static void *
crowd_member(void *closure)
{
    Crowd *crowd = closure;
    for (int i = 0; i < 20; i++) {
        g_autoptr(GError) error = NULL;
        if (store_run(crowd->store, &error, "select pg_sleep(0.001)", 0, NULL))
            atomic_fetch_add(&crowd->done, 1);
    }
    return NULL;
}

START_TEST(many_threads_share_few_sessions)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = new_store(conninfo, 2, 60000);
    Crowd crowd = {.store = store};
    pthread_t threads[16];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, crowd_member, &crowd), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        pthread_join(threads[i], NULL);
    ck_assert_uint_eq(atomic_load(&crowd.done), 320);
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreResult) sessions =
        store_call(store, &error, "select count(*) as n from pg_stat_activity where datname = current_database()", 0,
                   NULL);
    ck_assert_int_le(store_int(sessions, 0, "n"), 2);
}
END_TEST

/* Ends every other session of the database. */
static void
cut_sessions(Store *administrator)
{
    g_autoptr(GError) error = NULL;
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    for (;;) {
        g_autoptr(StoreResult) left = store_call(administrator, &error,
                                                 "select pg_terminate_backend(pid) as cut from pg_stat_activity"
                                                 " where datname = current_database() and pid <> pg_backend_pid()",
                                                 0, NULL);
        ck_assert_msg(left != NULL, "%s", error != NULL ? error->message : "");
        if (store_rows(left) == 0)
            return;
        ck_assert(g_get_monotonic_time() < deadline);
        g_usleep(10000);
    }
}

START_TEST(sessions_cut_while_idle_are_replaced_unnoticed)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) administrator = new_store(conninfo, 1, 60000);
    g_autoptr(Store) store = new_store(conninfo, 1, 60000);
    for (int i = 0; i < 20; i++) {
        must_run(store, "select 1");
        cut_sessions(administrator);
    }
    must_run(store, "select 1");
}
END_TEST

/* Writes a row, commits nothing: the session ends itself the first time. */
static void
make_cut(Store *store)
{
    must_run(store, "create sequence public.attempts");
    must_run(store, "create function public.cut() returns bigint language plpgsql as "
                    "$$ declare n bigint := nextval('public.attempts'); begin "
                    "if n = 1 then perform pg_terminate_backend(pg_backend_pid()); perform pg_sleep(600); end if; "
                    "return n; end $$");
}

START_TEST(statement_of_unknown_outcome_is_not_repeated)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    make_cut(store);
    must_fail(store, "select public.cut()", FAULT_UNAVAILABLE, "lost");
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreResult) last = store_call(store, &error, "select last_value as n from public.attempts", 0, NULL);
    ck_assert_int_eq(store_int(last, 0, "n"), 1);
}
END_TEST

START_TEST(statement_that_may_come_twice_is_repeated_once)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    make_cut(store);
    g_autoptr(StoreResult) result = store_call_again(store, &error, "select public.cut() as n", 0, NULL);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(store_int(result, 0, "n"), 2);
}
END_TEST

START_TEST(changed_result_type_does_not_break_prepared_statements)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = new_store(conninfo, 1, 60000);
    g_autoptr(Store) other = new_store(conninfo, 1, 60000);
    must_run(other, "create table public.t as select 1 as a");
    must_run(store, "select * from public.t");
    must_run(other, "alter table public.t add b text");
    must_run(store, "select * from public.t");
}
END_TEST

START_TEST(parameters_of_a_megabyte_pass)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    g_autofree char *large = g_strnfill(4 * 1024 * 1024, 'x');
    const char *params[] = {large};
    g_autoptr(StoreResult) result = store_call(store, &error, "select length($1::text) as n", 1, params);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(store_int(result, 0, "n"), 4 * 1024 * 1024);
}
END_TEST

START_TEST(server_that_is_not_there_is_unavailable)
{
    g_autoptr(GError) error = NULL;
    StoreSettings settings = {.conninfo = "host=/nonexistent dbname=x", .sessions = 1, .deadline_ms = 60000};
    ck_assert_ptr_null(store_new(&settings, &error));
    ck_assert_int_eq(error->code, FAULT_UNAVAILABLE);
    g_clear_error(&error);
    settings.conninfo = "no such keyword";
    ck_assert_ptr_null(store_new(&settings, &error));
    ck_assert_int_eq(error->code, FAULT_INVALID);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("store");
    TCase *tcase = tcase_create("store");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, fields_are_read_as_text_bool_and_number);
    tcase_add_test(tcase, array_keeps_every_character);
    tcase_add_test(tcase, sqlstate_becomes_the_fault_that_it_means);
    tcase_add_test(tcase, refusal_of_the_schema_is_the_whole_text);
    tcase_add_test(tcase, collisions_are_sent_again);
    tcase_add_test(tcase, search_path_finds_the_schema_first);
    tcase_add_test(tcase, call_past_its_deadline_fails_and_the_store_goes_on);
    tcase_add_test(tcase, server_that_does_not_answer_is_given_up);
    tcase_add_test(tcase, many_threads_share_few_sessions);
    tcase_add_test(tcase, sessions_cut_while_idle_are_replaced_unnoticed);
    tcase_add_test(tcase, statement_of_unknown_outcome_is_not_repeated);
    tcase_add_test(tcase, statement_that_may_come_twice_is_repeated_once);
    tcase_add_test(tcase, changed_result_type_does_not_break_prepared_statements);
    tcase_add_test(tcase, parameters_of_a_megabyte_pass);
    tcase_add_test(tcase, server_that_is_not_there_is_unavailable);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
