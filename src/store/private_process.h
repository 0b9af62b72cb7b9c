/* private_process.h: the processes of the private database: started as another user, looked at through /proc. Inside
 * store/ only. */
#ifndef STORE_PRIVATE_PROCESS_H
#define STORE_PRIVATE_PROCESS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    char *name;
    uid_t uid;
    gid_t gid;
    bool differs; /* from the process's own */
} ProcessUser;

/* `name` NULL: the process's own account; refused for root, which PostgreSQL does not run as. Free with
 * process_user_clear. */
bool process_user_resolve(const char *name, ProcessUser *user, GError **error);
void process_user_clear(ProcessUser *user);

/* Starts argv[0] (an absolute path) in a session of its own, in `/`, with a minimal environment; its output goes to the
 * end of the file `log`. Only async-signal-safe calls between fork and exec: any thread. */
bool process_spawn(const char *const argv[], const char *log, const ProcessUser *user, pid_t *pid, GError **error);

/* A process that has ended but was not waited for is not alive; a child is reaped. */
bool process_is_alive(pid_t pid);
/* Polls until it has ended; false past the deadline (µs of g_get_monotonic_time). */
bool process_wait_end(pid_t pid, int64_t deadline);
/* Waits for a child; its exit status, or -1 past the deadline (it is killed then). */
int process_wait_exit(pid_t pid, int64_t deadline);
/* Is it a living process of this user, with this working directory (a real path)? */
bool process_is_in(pid_t pid, const char *directory, uid_t uid);
/* Any living process with this working directory; 0: none. */
pid_t process_find_in(const char *directory, uid_t uid);

#endif
