#include "store/private_server.h"

#include "store/private_process.h"
#include "store/session.h"
#include "trust/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define POLL_US 10000
#define SOCKET_PATH_MAX 100         /* of sun_path's 108 */
#define LOG_BYTES_MAX (1024 * 1024) /* a longer one is cut at the next start */

struct PrivateServer {
    ProcessUser user;
    char *bindir;
    char *directory; /* a real path, as are the following */
    char *data;
    char *run;
    char *log;
    char *conninfo;
    GStrv options;
    unsigned start_ms;
    int lock; /* of the directory: nobody else starts, adopts or stops the server meanwhile */
    pid_t pid;
};

static bool
fail_path(GError **error, const char *what, const char *path)
{
    g_set_error(error, FAULT, FAULT_FAILED, "cannot %s %s: %s", what, path, g_strerror(errno));
    return false;
}

/* A directory of the database's account. `path` lies in a directory that is ours, so nobody can have put a link there.
 */
static bool
make_own_directory(const PrivateServer *server, const char *path, GError **error)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return fail_path(error, "create", path);
    if (server->user.differs && lchown(path, server->user.uid, server->user.gid) != 0)
        return fail_path(error, "give away", path);
    if (chmod(path, 0700) != 0)
        return fail_path(error, "set the mode of", path);
    return true;
}

static bool
lock_directory(PrivateServer *server, GError **error)
{
    g_autofree char *path = g_build_filename(server->directory, "lock", NULL);
    server->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (server->lock < 0)
        return fail_path(error, "open", path);
    if (flock(server->lock, LOCK_EX | LOCK_NB) == 0)
        return true;
    g_set_error(error, FAULT, FAULT_REFUSED, "another trustpoold uses the private database in %s", server->directory);
    return false;
}

/* The directory stays ours; the database's account may pass through it to its own ones. */
static bool
prepare_directory(PrivateServer *server, const char *directory, GError **error)
{
    if (g_mkdir_with_parents(directory, 0700) != 0)
        return fail_path(error, "create", directory);
    if (chmod(directory, server->user.differs ? 0711 : 0700) != 0)
        return fail_path(error, "set the mode of", directory);
    server->directory = realpath(directory, NULL);
    if (server->directory == NULL)
        return fail_path(error, "find", directory);
    server->data = g_build_filename(server->directory, "data", NULL);
    server->run = g_build_filename(server->directory, "run", NULL);
    server->log = g_build_filename(server->directory, "server.log", NULL);
    g_autofree char *socket = g_build_filename(server->run, ".s.PGSQL.5432", NULL);
    if (strlen(socket) >= SOCKET_PATH_MAX || strpbrk(socket, "\"'\\,\n") != NULL) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "%s: the path of the private database's socket must be shorter than %d characters and hold no "
                    "quote, comma or backslash",
                    socket, SOCKET_PATH_MAX);
        return false;
    }
    server->conninfo = g_strdup_printf("host='%s' port=5432 user=trustpool dbname=trustpool", server->run);
    return lock_directory(server, error) && make_own_directory(server, server->run, error);
}

/* The last line of a log, for a message. */
static char *
last_line(const char *path)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return g_strdup("");
    g_strchomp(text);
    const char *line = strrchr(text, '\n');
    return g_utf8_make_valid(line != NULL ? line + 1 : text, -1);
}

/* Runs a program to its end as the database's account. */
static bool
run_program(PrivateServer *server, const char *const argv[], const char *log, int64_t deadline, GError **error)
{
    pid_t pid = 0;
    if (!process_spawn(argv, log, &server->user, &pid, error))
        return false;
    int status = process_wait_exit(pid, deadline);
    if (status == 0)
        return true;
    g_autofree char *why = last_line(log);
    if (status < 0)
        g_set_error(error, FAULT, FAULT_DEADLINE, "%s did not end in time", argv[0]);
    else
        g_set_error(error, FAULT, FAULT_FAILED, "%s failed (status %d): %s; see %s", argv[0], status, why, log);
    return false;
}

/* Folders of an initdb that did not come to its end. */
static void
remove_leftovers(PrivateServer *server, int64_t deadline)
{
    g_autofree char *log = g_build_filename(server->directory, "initdb.log", NULL);
    g_autoptr(GDir) dir = g_dir_open(server->directory, 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_prefix(name, "data."))
            continue;
        g_autofree char *path = g_build_filename(server->directory, name, NULL);
        /* As its account: what it wrote cannot lead root elsewhere. The empty folder is ours to remove. */
        const char *const argv[] = {"/bin/rm", "-rf", "--", path, NULL};
        run_program(server, argv, log, deadline, NULL);
        rmdir(path);
    }
}

static bool
init_data(PrivateServer *server, int64_t deadline, GError **error)
{
    if (g_file_test(server->data, G_FILE_TEST_IS_DIR))
        return true;
    remove_leftovers(server, deadline);
    g_autofree char *program = g_build_filename(server->bindir, "initdb", NULL);
    g_autofree char *log = g_build_filename(server->directory, "initdb.log", NULL);
    g_autofree char *fresh = g_build_filename(server->directory, "data.XXXXXX", NULL);
    if (g_mkdtemp(fresh) == NULL)
        return fail_path(error, "create", fresh);
    if (!make_own_directory(server, fresh, error))
        return false;
    unlink(log);
    const char *const argv[] = {program,
                                "-D",
                                fresh,
                                "-U",
                                "trustpool",
                                "-A",
                                "peer",
                                "--auth-host=reject",
                                "-E",
                                "UTF8",
                                "--locale=C.UTF-8",
                                "-k",
                                "--wal-segsize=1",
                                "--no-instructions",
                                NULL};
    if (!run_program(server, argv, log, deadline, error))
        return false;
    if (rename(fresh, server->data) != 0)
        return fail_path(error, "rename", fresh);
    return true;
}

static bool
write_file(const char *path, const char *text, GError **error)
{
    if (!g_file_set_contents(path, text, -1, error))
        return false;
    return chmod(path, 0644) == 0 ? true : fail_path(error, "set the mode of", path);
}

/* Who may log in: root and the database's account, both as role trustpool, on the unix socket alone. */
static bool
write_access_files(const PrivateServer *server, GError **error)
{
    g_autofree char *hba = g_build_filename(server->directory, "pg_hba.conf", NULL);
    g_autofree char *ident = g_build_filename(server->directory, "pg_ident.conf", NULL);
    g_autofree char *names =
        g_strdup_printf("trustpool \"root\" trustpool\ntrustpool \"%s\" trustpool\n", server->user.name);
    return write_file(hba, "local all all peer map=trustpool\n", error) && write_file(ident, names, error);
}

/* What postmaster.pid says: line 1 the pid, 8 the status (PostgreSQL 10 and later, miscadmin.h LOCK_FILE_LINE_*). 0:
 * there is no postmaster of this data directory. */
static pid_t
running_postmaster(const PrivateServer *server, bool *is_ready)
{
    g_autofree char *path = g_build_filename(server->data, "postmaster.pid", NULL);
    g_autofree char *text = NULL;
    *is_ready = false;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    g_auto(GStrv) lines = g_strsplit(text, "\n", 9);
    if (g_strv_length(lines) < 2)
        return 0;
    pid_t pid = (pid_t)strtol(lines[0], NULL, 10);
    /* A number of an earlier boot may be anybody's now: the postmaster and its children work in the data directory. */
    if (!process_is_in(pid, server->data, server->user.uid))
        return 0;
    *is_ready = g_strv_length(lines) >= 8 && g_str_has_prefix(lines[7], "ready");
    return pid;
}

/* Waits until the data directory has a server that is ready (*pid) or no process at all (0). A server that is starting
 * or stopping, or children of one that was killed, are given the time. */
static bool
settle(PrivateServer *server, int64_t deadline, pid_t *pid, GError **error)
{
    for (;;) {
        bool is_ready = false;
        pid_t other = running_postmaster(server, &is_ready);
        if (other == 0)
            other = process_find_in(server->data, server->user.uid);
        if (other == 0 || is_ready) {
            *pid = other;
            return true;
        }
        if (g_get_monotonic_time() >= deadline) {
            g_set_error(error, FAULT, FAULT_DEADLINE,
                        "process %d still works in %s and is no server that is ready: end it and start again",
                        (int)other, server->data);
            return false;
        }
        g_usleep(POLL_US);
    }
}

/* Lock files of a server that is gone: when their number is another process's now, PostgreSQL would not start. */
static void
remove_stale_locks(const PrivateServer *server)
{
    g_autofree char *pid_file = g_build_filename(server->data, "postmaster.pid", NULL);
    g_autofree char *socket_lock = g_build_filename(server->run, ".s.PGSQL.5432.lock", NULL);
    unlink(pid_file);
    unlink(socket_lock);
}

static void
cut_log(const PrivateServer *server)
{
    struct stat status;
    if (lstat(server->log, &status) == 0 && status.st_size > LOG_BYTES_MAX)
        unlink(server->log);
}

/* postgres's command line; free with g_ptr_array_unref. */
static GPtrArray *
server_command(const PrivateServer *server)
{
    static const char *const fixed[] = {
        "listen_addresses=", "port=5432", "unix_socket_permissions=0700", "max_connections=64", "shared_buffers=16MB",
        "jit=off", "huge_pages=off", "max_wal_size=128MB", "random_page_cost=1.1", /* it is in memory */
        /* Errors go to who caused them; the log is for the server's own life, so that it stays short. */
        "log_min_messages=log", "log_checkpoints=off", "logging_collector=off", "log_destination=stderr"};
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(argv, g_build_filename(server->bindir, "postgres", NULL));
    g_ptr_array_add(argv, g_strdup("-D"));
    g_ptr_array_add(argv, g_strdup(server->data));
    g_ptr_array_add(argv, g_strdup_printf("--unix_socket_directories=\"%s\"", server->run));
    g_ptr_array_add(argv, g_strdup_printf("--hba_file=%s/pg_hba.conf", server->directory));
    g_ptr_array_add(argv, g_strdup_printf("--ident_file=%s/pg_ident.conf", server->directory));
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, g_strdup_printf("--%s", fixed[i]));
    for (size_t i = 0; server->options != NULL && server->options[i] != NULL; i++)
        g_ptr_array_add(argv, g_strdup_printf("--%s", server->options[i]));
    g_ptr_array_add(argv, NULL);
    return argv;
}

static bool
wait_ready(PrivateServer *server, int64_t deadline, GError **error)
{
    for (;;) {
        bool is_ready = false;
        if (running_postmaster(server, &is_ready) == server->pid && is_ready)
            return true;
        if (!process_is_alive(server->pid)) {
            g_autofree char *why = last_line(server->log);
            g_set_error(error, FAULT, FAULT_FAILED, "the private database ended at its start: %s; see %s", why,
                        server->log);
            server->pid = 0;
            return false;
        }
        if (g_get_monotonic_time() >= deadline) {
            g_set_error(error, FAULT, FAULT_DEADLINE, "the private database was not ready within %u ms; see %s",
                        server->start_ms, server->log);
            return false;
        }
        g_usleep(POLL_US);
    }
}

static bool
launch(PrivateServer *server, int64_t deadline, GError **error)
{
    remove_stale_locks(server);
    cut_log(server);
    if (!write_access_files(server, error))
        return false;
    g_autoptr(GPtrArray) argv = server_command(server);
    return process_spawn((const char *const *)argv->pdata, server->log, &server->user, &server->pid, error) &&
           wait_ready(server, deadline, error);
}

/* Is it ours, and has it our database? An initdb that was killed before the database was made ends here too. */
static bool
check_database(PrivateServer *server, int64_t deadline, GError **error)
{
    g_autofree char *conninfo = g_strdup_printf("%s dbname=postgres", server->conninfo);
    SessionSettings settings = {.conninfo = conninfo, .application = "trustpoold"};
    g_autoptr(StoreSession) session = session_open(&settings, deadline, error);
    g_autoptr(PGresult) row = NULL;
    if (session == NULL || session_call(session,
                                        "select current_setting('data_directory') as data,"
                                        " exists (select from pg_database where datname = 'trustpool') as has",
                                        0, NULL, deadline, &row, error) != SESSION_DONE)
        return false;
    if (strcmp(PQgetvalue(row, 0, 0), server->data) != 0) {
        g_set_error(error, FAULT, FAULT_FAILED, "the server at %s belongs to another data directory: %s", server->run,
                    PQgetvalue(row, 0, 0));
        return false;
    }
    return PQgetvalue(row, 0, 1)[0] == 't' ||
           session_script(session, "create database trustpool", deadline, error) == SESSION_DONE;
}

static bool
run_server(PrivateServer *server, GError **error)
{
    int64_t deadline = g_get_monotonic_time() + (int64_t)server->start_ms * 1000;
    server->pid = 0;
    return init_data(server, deadline, error) && settle(server, deadline, &server->pid, error) &&
           (server->pid != 0 || launch(server, deadline, error)) && check_database(server, deadline, error);
}

PrivateServer *
private_server_start(const PrivateServerSettings *settings, GError **error)
{
    PrivateServer *server = g_new0(PrivateServer, 1);
    server->lock = -1;
    server->start_ms = settings->start_ms;
    server->bindir = g_canonicalize_filename(settings->bindir, NULL);
    server->options = g_strdupv((char **)settings->options);
    if (process_user_resolve(settings->user, &server->user, error) &&
        prepare_directory(server, settings->directory, error) && run_server(server, error))
        return server;
    private_server_stop(server);
    return NULL;
}

const char *
private_server_conninfo(const PrivateServer *server)
{
    return server->conninfo;
}

bool
private_server_ensure(PrivateServer *server, GError **error)
{
    bool is_ready = false;
    if (server->pid != 0 && running_postmaster(server, &is_ready) == server->pid && is_ready)
        return true;
    if (server->pid != 0)
        process_is_alive(server->pid); /* reaps it */
    return run_server(server, error);
}

static void
end_server(PrivateServer *server)
{
    static const struct {
        int number;
        int wait_s;
    } steps[] = {{SIGINT, 10}, {SIGQUIT, 5}, {SIGKILL, 5}};
    for (size_t i = 0; i < G_N_ELEMENTS(steps) && process_is_alive(server->pid); i++) {
        kill(server->pid, steps[i].number);
        if (process_wait_end(server->pid, g_get_monotonic_time() + steps[i].wait_s * G_USEC_PER_SEC))
            break;
    }
    server->pid = 0;
}

void
private_server_stop(PrivateServer *server)
{
    if (server == NULL)
        return;
    if (server->pid != 0)
        end_server(server);
    if (server->lock >= 0)
        close(server->lock);
    process_user_clear(&server->user);
    g_free(server->bindir);
    free(server->directory);
    g_free(server->data);
    g_free(server->run);
    g_free(server->log);
    g_free(server->conninfo);
    g_strfreev(server->options);
    g_free(server);
}
