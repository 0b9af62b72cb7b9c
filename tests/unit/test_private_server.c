#include "pg_fixture.h"

#include "store/private_server.h"
#include "trust/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *base; /* holds the folders of all tests, for those that fail */

static char *
new_folder(void)
{
    char *folder = g_build_filename(base, "XXXXXX", NULL);
    ck_assert_ptr_nonnull(g_mkdtemp(folder));
    ck_assert_int_eq(chmod(folder, 0711), 0);
    return folder;
}

static PrivateServer *
start_in(const char *folder, GError **error)
{
    static const char *const options[] = {"fsync=off", NULL};
    PrivateServerSettings settings = {
        .bindir = PG_BINDIR, .directory = folder, .user = pg_fixture_user(), .start_ms = 120000, .options = options};
    return private_server_start(&settings, error);
}

static PrivateServer *
must_start(const char *folder)
{
    g_autoptr(GError) error = NULL;
    PrivateServer *server = start_in(folder, &error);
    if (server == NULL)
        ck_abort_msg("%s", error->message);
    return server;
}

static pid_t
server_pid(const char *folder)
{
    g_autofree char *path = g_build_filename(folder, "data/postmaster.pid", NULL);
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? (pid_t)strtol(text, NULL, 10) : 0;
}

static char *
ask(PrivateServer *server, const char *sql)
{
    g_autoptr(Store) store = pg_fixture_store(private_server_conninfo(server));
    g_autoptr(GError) error = NULL;
    g_autoptr(StoreResult) result = store_call(store, &error, sql, 0, NULL);
    if (result == NULL)
        ck_abort_msg("%s: %s", sql, error->message);
    return store_rows(result) > 0 ? g_strdup(store_text(result, 0, "answer")) : NULL;
}

static void
wait_gone(pid_t pid)
{
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0) {
        ck_assert_msg(g_get_monotonic_time() < deadline, "process %d does not end", (int)pid);
        g_usleep(10000);
    }
}

START_TEST(first_start_makes_a_database_that_later_starts_keep)
{
    char *folder = new_folder();
    PrivateServer *server = must_start(folder);
    pid_t pid = server_pid(folder);
    ck_assert_int_gt(pid, 0);
    g_free(ask(server, "create table public.kept as select 'kept' as answer"));
    private_server_stop(server);
    ck_assert_int_eq(server_pid(folder), 0);
    server = must_start(folder);
    g_autofree char *kept = ask(server, "select answer from public.kept");
    ck_assert_str_eq(kept, "kept");
    g_autofree char *listens = ask(server, "select current_setting('listen_addresses') as answer");
    ck_assert_str_eq(listens, "");
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(socket_and_data_are_closed_to_others)
{
    char *folder = new_folder();
    PrivateServer *server = must_start(folder);
    static const char *const names[] = {"run", "data"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        struct stat status;
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        ck_assert_int_eq(stat(path, &status), 0);
        ck_assert_int_eq(status.st_mode & 0777, 0700);
        if (geteuid() == 0)
            ck_assert_int_ne(status.st_uid, 0);
    }
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

/* Starts the server in a process that is then killed; returns the server's pid. */
static pid_t
start_and_die(const char *folder)
{
    pid_t daemon = fork();
    if (daemon == 0) {
        must_start(folder);
        kill(getpid(), SIGKILL);
    }
    waitpid(daemon, NULL, 0);
    pid_t pid = server_pid(folder);
    ck_assert_int_gt(pid, 0);
    return pid;
}

START_TEST(server_of_a_killed_daemon_is_adopted)
{
    char *folder = new_folder();
    pid_t pid = start_and_die(folder);
    PrivateServer *server = must_start(folder);
    ck_assert_int_eq(server_pid(folder), pid);
    g_autofree char *one = ask(server, "select 1 as answer");
    ck_assert_str_eq(one, "1");
    private_server_stop(server);
    ck_assert_int_eq(server_pid(folder), 0);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(server_that_died_is_started_again)
{
    char *folder = new_folder();
    g_autoptr(GError) error = NULL;
    PrivateServer *server = must_start(folder);
    ck_assert(private_server_ensure(server, &error));
    pid_t pid = server_pid(folder);
    g_free(ask(server, "create table public.kept as select 'kept' as answer"));
    kill(pid, SIGKILL);
    wait_gone(pid);
    if (!private_server_ensure(server, &error))
        ck_abort_msg("%s", error->message);
    ck_assert_int_ne(server_pid(folder), pid);
    g_autofree char *kept = ask(server, "select answer from public.kept");
    ck_assert_str_eq(kept, "kept");
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(adopted_server_that_died_is_started_again)
{
    char *folder = new_folder();
    g_autoptr(GError) error = NULL;
    pid_t pid = start_and_die(folder);
    PrivateServer *server = must_start(folder);
    kill(pid, SIGKILL);
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    while (server_pid(folder) == pid) { /* the kill may take a moment to be seen */
        if (!private_server_ensure(server, &error))
            ck_abort_msg("%s", error->message);
        ck_assert(g_get_monotonic_time() < deadline);
    }
    g_autofree char *one = ask(server, "select 1 as answer");
    ck_assert_str_eq(one, "1");
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

static void *
ask_twice(void *closure)
{
    g_autoptr(GError) error = NULL;
    /* Long on the server that is there at first, short on the one that comes after it. */
    g_autoptr(StoreResult) result =
        store_call_again(closure, &error,
                         "select 'second' as answer, pg_sleep(case when exists (select from public.first"
                         " where started = pg_postmaster_start_time()) then 600 else 0 end)",
                         0, NULL);
    return result != NULL ? g_strdup(store_text(result, 0, "answer")) : g_strdup(error->message);
}

START_TEST(statement_that_may_come_twice_outlives_the_server)
{
    char *folder = new_folder();
    g_autoptr(GError) error = NULL;
    PrivateServer *server = must_start(folder);
    g_free(ask(server, "create table public.first as select pg_postmaster_start_time() as started, '' as answer"));
    Store *store = pg_fixture_store(private_server_conninfo(server));
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, ask_twice, store), 0);
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    for (bool sleeps = false; !sleeps;) {
        g_autofree char *answer = ask(server, "select wait_event as answer from pg_stat_activity"
                                              " where wait_event = 'PgSleep'");
        sleeps = answer != NULL;
        ck_assert(g_get_monotonic_time() < deadline);
    }
    pid_t pid = server_pid(folder);
    kill(pid, SIGKILL);
    wait_gone(pid);
    if (!private_server_ensure(server, &error))
        ck_abort_msg("%s", error->message);
    void *answer = NULL;
    pthread_join(thread, &answer);
    ck_assert_str_eq(answer, "second");
    g_free(answer);
    store_free(store);
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(lock_file_that_names_another_process_does_not_stop_the_start)
{
    char *folder = new_folder();
    PrivateServer *server = must_start(folder);
    g_autofree char *path = g_build_filename(folder, "data/postmaster.pid", NULL);
    g_autofree char *text = NULL;
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    private_server_stop(server);
    /* As after a crash of the whole machine, when the number has become another's. */
    g_autofree char *stale = g_strdup_printf("%d%s", (int)getpid(), strchr(text, '\n'));
    ck_assert(g_file_set_contents(path, stale, -1, NULL));
    server = must_start(folder);
    ck_assert_int_ne(server_pid(folder), getpid());
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(killed_initdb_is_forgotten)
{
    char *folder = new_folder();
    g_autofree char *half = g_build_filename(folder, "data.half01", NULL);
    g_autofree char *file = g_build_filename(half, "PG_VERSION", NULL);
    ck_assert_int_eq(g_mkdir_with_parents(half, 0777), 0);
    ck_assert_int_eq(chmod(half, 0777), 0);
    ck_assert(g_file_set_contents(file, "15\n", -1, NULL));
    PrivateServer *server = must_start(folder);
    ck_assert(!g_file_test(half, G_FILE_TEST_EXISTS));
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(second_daemon_in_the_same_folder_is_refused_and_harms_nothing)
{
    char *folder = new_folder();
    g_autoptr(GError) error = NULL;
    PrivateServer *server = must_start(folder);
    ck_assert_ptr_null(start_in(folder, &error));
    ck_assert_int_eq(error->code, FAULT_REFUSED);
    ck_assert_msg(strstr(error->message, folder) != NULL, "%s", error->message);
    g_autofree char *one = ask(server, "select 1 as answer");
    ck_assert_str_eq(one, "1");
    private_server_stop(server);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(stop_ends_sessions_that_are_open)
{
    char *folder = new_folder();
    PrivateServer *server = must_start(folder);
    pid_t pid = server_pid(folder);
    g_autoptr(Store) store = pg_fixture_store(private_server_conninfo(server));
    private_server_stop(server);
    ck_assert_int_eq(kill(pid, 0), -1);
    g_autoptr(GError) error = NULL;
    ck_assert(!store_run_again(store, &error, "select 1", 0, NULL));
    ck_assert_int_eq(error->code, FAULT_UNAVAILABLE);
    pg_fixture_remove(folder);
}
END_TEST

START_TEST(settings_that_cannot_work_are_told)
{
    char *folder = new_folder();
    g_autofree char *deep = g_strdup_printf("%s/%0100d", folder, 0);
    g_autoptr(GError) error = NULL;
    ck_assert_ptr_null(start_in(deep, &error));
    ck_assert_msg(strstr(error->message, "shorter than 100 characters") != NULL, "%s", error->message);
    g_clear_error(&error);
    PrivateServerSettings settings = {.bindir = "/nonexistent/bin",
                                      .directory = folder,
                                      .user = pg_fixture_user(),
                                      .start_ms = 120000};
    ck_assert_ptr_null(private_server_start(&settings, &error));
    ck_assert_msg(strstr(error->message, "cannot run /nonexistent/bin/initdb") != NULL, "%s", error->message);
    g_clear_error(&error);
    settings.user = "nosuchaccount";
    ck_assert_ptr_null(private_server_start(&settings, &error));
    ck_assert_msg(strstr(error->message, "account nosuchaccount does not exist") != NULL, "%s", error->message);
    g_clear_error(&error);
    settings.user = "root";
    ck_assert_ptr_null(private_server_start(&settings, &error));
    ck_assert_msg(strstr(error->message, "cannot run as root") != NULL, "%s", error->message);
    pg_fixture_remove(folder);
}
END_TEST

/* Ends the servers that tests which failed left behind. */
static void
sweep(void)
{
    g_autoptr(GDir) dir = g_dir_open(base, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *folder = g_build_filename(base, name, NULL);
        PrivateServer *server = server_pid(folder) > 0 ? start_in(folder, NULL) : NULL;
        private_server_stop(server);
    }
}

int
main(void)
{
    char *folders = pg_fixture_folder();
    base = folders;
    Suite *suite = suite_create("private_server");
    TCase *tcase = tcase_create("private_server");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, first_start_makes_a_database_that_later_starts_keep);
    tcase_add_test(tcase, socket_and_data_are_closed_to_others);
    tcase_add_test(tcase, server_of_a_killed_daemon_is_adopted);
    tcase_add_test(tcase, server_that_died_is_started_again);
    tcase_add_test(tcase, adopted_server_that_died_is_started_again);
    tcase_add_test(tcase, statement_that_may_come_twice_outlives_the_server);
    tcase_add_test(tcase, lock_file_that_names_another_process_does_not_stop_the_start);
    tcase_add_test(tcase, killed_initdb_is_forgotten);
    tcase_add_test(tcase, second_daemon_in_the_same_folder_is_refused_and_harms_nothing);
    tcase_add_test(tcase, stop_ends_sessions_that_are_open);
    tcase_add_test(tcase, settings_that_cannot_work_are_told);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    sweep();
    pg_fixture_remove(folders);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
