/*
 * openers.h: threads for calls that may hang for ever, each with a deadline.
 *
 * libvirt cannot be told to stop opening a connection: a frozen host holds the thread for as long as it is frozen. So
 * one past its deadline is written off, and another thread takes its place. When the hung call comes back after all,
 * its thread notices that it is one too many, and ends. Threads that never come back are left behind at the end of the
 * process; there are at most max_hanging of them, and then the pool shrinks instead of growing.
 *
 * Lock: the pool's own. `late` is called under it: it may take other locks, but not call the pool; nobody calls the
 * pool with a lock held that `late` takes.
 */
#ifndef MANAGER_OPENERS_H
#define MANAGER_OPENERS_H

#include <glib.h>
#include <stdbool.h>

typedef struct Openers Openers;

typedef struct {
    unsigned threads;
    unsigned max_hanging;
    unsigned deadline_ms; /* from the start of `run` */
    /* Does the job; on a thread of the pool. */
    void (*run)(void *closure, void *job);
    /* The job's deadline has passed; `run` is still under way, and may be for ever. Thread of the pool. */
    void (*late)(void *closure, void *job);
    /* The pool will not touch the job again: after `run`, or for a job that was never run because the pool ended. */
    void (*done)(void *closure, void *job);
    /* max_hanging has been reached. Without the lock; again only after it had fallen below. May be NULL. */
    void (*full)(void *closure);
} OpenersSettings;

Openers *openers_new(const OpenersSettings *settings, void *closure, GError **error);
/* Jobs run in the order in which they were added. Any thread; does not block. */
void openers_add(Openers *openers, void *job);
/* How many threads are past their deadline now. */
unsigned openers_hanging(Openers *openers);
/* Begins no job any more; those that wait are `done`. Does not block. */
void openers_stop(Openers *openers);
/* Stops, waits up to `wait_ms` for jobs under way, and leaves the rest behind: true when there was none. `closure` and
 * the jobs of those must stay valid until they are done. Takes NULL. */
bool openers_free(Openers *openers, unsigned wait_ms);

#endif
