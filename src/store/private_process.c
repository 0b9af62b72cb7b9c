#include "store/private_process.h"

#include "trust/fault.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_US 5000

bool
process_user_resolve(const char *name, ProcessUser *user, GError **error)
{
    const struct passwd *entry = name != NULL ? getpwnam(name) : getpwuid(geteuid());
    if (entry == NULL) {
        g_set_error(error, FAULT, FAULT_INVALID, "the private database's account %s does not exist",
                    name != NULL ? name : "(the one that this process runs as)");
        return false;
    }
    if (entry->pw_uid == 0) {
        g_set_error_literal(error, FAULT, FAULT_INVALID,
                            "the private database cannot run as root: name another account for it");
        return false;
    }
    if (entry->pw_uid != geteuid() && geteuid() != 0) {
        g_set_error(error, FAULT, FAULT_INVALID, "only root can run the private database as another account (%s)",
                    entry->pw_name);
        return false;
    }
    *user = (ProcessUser){.name = g_strdup(entry->pw_name),
                          .uid = entry->pw_uid,
                          .gid = entry->pw_gid,
                          .differs = entry->pw_uid != geteuid()};
    return true;
}

void
process_user_clear(ProcessUser *user)
{
    g_clear_pointer(&user->name, g_free);
}

/* In the child: no allocation, no lock. Returns only on error, with errno. */
static void
become(const char *const argv[], int log, int nothing, const ProcessUser *user)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "LC_ALL=C.UTF-8", "TZ=UTC", NULL};
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    umask(077);
    if (dup2(nothing, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || chdir("/") != 0)
        return;
    /* Sockets of libraries without FD_CLOEXEC would live as long as the database. */
    if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) != 0)
        return;
    if (user->differs && (setgroups(0, NULL) != 0 || setresgid(user->gid, user->gid, user->gid) != 0 ||
                          setresuid(user->uid, user->uid, user->uid) != 0))
        return;
    execve(argv[0], (char *const *)argv, (char *const *)environment);
}

/* Forks; what failed before exec comes back through a pipe, which exec closes. */
static int
fork_and_exec(const char *const argv[], int log, int nothing, const ProcessUser *user, pid_t *pid)
{
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0)
        return errno;
    *pid = fork();
    if (*pid == 0) {
        become(argv, log, nothing, user);
        int why = errno;
        ssize_t written = write(report[1], &why, sizeof why);
        _exit(written == sizeof why ? 126 : 127);
    }
    int why = *pid < 0 ? errno : 0;
    close(report[1]);
    if (*pid > 0) {
        int child = 0;
        ssize_t n;
        do
            n = read(report[0], &child, sizeof child);
        while (n < 0 && errno == EINTR);
        if (n == sizeof child) {
            why = child;
            waitpid(*pid, NULL, 0);
        }
    }
    close(report[0]);
    return why;
}

bool
process_spawn(const char *const argv[], const char *log, const ProcessUser *user, pid_t *pid, GError **error)
{
    int output = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (output < 0) {
        g_set_error(error, FAULT, FAULT_FAILED, "cannot open %s: %s", log, g_strerror(errno));
        return false;
    }
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    int why = nothing < 0 ? errno : fork_and_exec(argv, output, nothing, user, pid);
    close(output);
    if (nothing >= 0)
        close(nothing);
    if (why != 0)
        g_set_error(error, FAULT, FAULT_FAILED, "cannot run %s as %s: %s", argv[0], user->name, g_strerror(why));
    return why == 0;
}

/* The letter of /proc/PID/stat behind the name (which may hold anything, brackets too); 0: there is no such process. */
static char
process_state(pid_t pid)
{
    char path[64];
    g_autofree char *text = NULL;
    g_snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *end = strrchr(text, ')');
    return end != NULL && end[1] == ' ' ? end[2] : 0;
}

bool
process_is_alive(pid_t pid)
{
    if (pid <= 0 || waitpid(pid, NULL, WNOHANG) == pid)
        return false;
    char state = process_state(pid);
    return state != 0 && state != 'Z' && state != 'X';
}

bool
process_wait_end(pid_t pid, int64_t deadline)
{
    while (process_is_alive(pid)) {
        if (g_get_monotonic_time() >= deadline)
            return false;
        g_usleep(POLL_US);
    }
    return true;
}

int
process_wait_exit(pid_t pid, int64_t deadline)
{
    int status = 0;
    pid_t ended;
    while ((ended = waitpid(pid, &status, WNOHANG)) == 0 || (ended < 0 && errno == EINTR)) {
        if (g_get_monotonic_time() >= deadline) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
            return -1;
        }
        g_usleep(POLL_US);
    }
    if (ended != pid)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool
process_is_in(pid_t pid, const char *directory, uid_t uid)
{
    char path[64];
    char cwd[PATH_MAX];
    struct stat status;
    if (pid <= 0)
        return false;
    g_snprintf(path, sizeof path, "/proc/%d", (int)pid);
    if (stat(path, &status) != 0 || status.st_uid != uid)
        return false;
    g_snprintf(path, sizeof path, "/proc/%d/cwd", (int)pid);
    ssize_t n = readlink(path, cwd, sizeof cwd - 1);
    if (n < 0) /* a process that has ended has none */
        return false;
    cwd[n] = '\0';
    return strcmp(cwd, directory) == 0 && process_is_alive(pid);
}

pid_t
process_find_in(const char *directory, uid_t uid)
{
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    const char *name;
    while (processes != NULL && (name = g_dir_read_name(processes)) != NULL) {
        pid_t pid = (pid_t)strtol(name, NULL, 10);
        if (process_is_in(pid, directory, uid))
            return pid;
    }
    return 0;
}
