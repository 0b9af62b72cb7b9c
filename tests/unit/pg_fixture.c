#include "pg_fixture.h"

#include "store/private_server.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *server_conninfo; /* its database `trustpool` has the schema and is copied */

static struct {
    PrivateServer *server;
    char *folder;
    pid_t guard;
    int writer;
} started;

const char *
pg_fixture_user(void)
{
    return geteuid() == 0 ? "postgres" : NULL;
}

char *
pg_fixture_folder(void)
{
    char *folder = g_strdup("/tmp/tpXXXXXX");
    if (g_mkdtemp(folder) == NULL || chmod(folder, 0711) != 0)
        g_error("cannot make a folder below /tmp: %s", g_strerror(errno));
    return folder;
}

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    (void)remove(path);
    return 0;
}

void
pg_fixture_remove(char *folder)
{
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    g_free(folder);
}

/* The guard stops the server when all writers of the pipe are gone: the test program and its children, however they
 * ended. */
static pid_t
start_guard(PrivateServer *server, char *folder, int *writer)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        g_error("pipe: %s", g_strerror(errno));
    pid_t guard = fork();
    if (guard == 0) {
        char byte;
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        setsid();
        for (int fd = 0; fd <= 2; fd++) /* who reads the tests' output waits for its end */
            dup2(nothing, fd);
        close(ends[1]);
        ssize_t n;
        do
            n = read(ends[0], &byte, 1);
        while (n > 0 || (n < 0 && errno == EINTR));
        private_server_stop(server);
        pg_fixture_remove(folder);
        _exit(0);
    }
    close(ends[0]);
    *writer = ends[1];
    return guard;
}

bool
pg_fixture_start(const char *const options[])
{
    char *folder = pg_fixture_folder();
    g_autoptr(GError) error = NULL;
    PrivateServerSettings settings = {
        .bindir = PG_BINDIR, .directory = folder, .user = pg_fixture_user(), .start_ms = 120000, .options = options};
    PrivateServer *server = private_server_start(&settings, &error);
    if (server == NULL || !schema_migrate(private_server_conninfo(server), PG_FIXTURE_SQL, NULL, &error)) {
        fprintf(stderr, "no database for the tests: %s\n", error->message);
        private_server_stop(server);
        pg_fixture_remove(folder);
        return false;
    }
    started.guard = start_guard(server, folder, &started.writer);
    started.server = server;
    started.folder = folder;
    server_conninfo = private_server_conninfo(server);
    return true;
}

void
pg_fixture_stop(void)
{
    close(started.writer);
    waitpid(started.guard, NULL, 0);
    private_server_stop(started.server); /* it is gone: frees */
    g_free(started.folder);
}

int
pg_fixture_run(Suite *suite)
{
    /* Nothing here outlives the machine: no fsync. */
    static const char *const options[] = {"fsync=off", "full_page_writes=off", NULL};
    if (!pg_fixture_start(options))
        return 99; /* automake: a hard error */
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    pg_fixture_stop();
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static char *
create_database(const char *from)
{
    static unsigned count;
    g_autofree char *admin = g_strdup_printf("%s dbname=postgres", server_conninfo);
    g_autofree char *name = g_strdup_printf("t%d_%u", (int)getpid(), ++count);
    g_autofree char *sql = g_strdup_printf("create database %s template %s", name, from);
    g_autoptr(Store) store = pg_fixture_store(admin);
    g_autoptr(GError) error = NULL;
    if (!store_run(store, &error, sql, 0, NULL))
        ck_abort_msg("%s: %s", sql, error->message);
    return g_strdup_printf("%s dbname=%s", server_conninfo, name);
}

char *
pg_fixture_database(void)
{
    return create_database("trustpool");
}

char *
pg_fixture_database_empty(void)
{
    return create_database("template0");
}

Store *
pg_fixture_store(const char *conninfo)
{
    g_autoptr(GError) error = NULL;
    StoreSettings settings = {.conninfo = conninfo, .sessions = 4, .deadline_ms = 60000};
    Store *store = store_new(&settings, &error);
    if (store == NULL)
        ck_abort_msg("%s", error->message);
    return store;
}
