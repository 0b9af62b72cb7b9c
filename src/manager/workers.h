/* workers.h: a bounded pool of threads for straight-line code that blocks. */
#ifndef MANAGER_WORKERS_H
#define MANAGER_WORKERS_H

#include <glib.h>
#include <stdbool.h>

typedef struct Workers Workers;

typedef void (*WorkersJob)(void *closure);

/* At most `threads` threads, started when there is work, and at most `queue` jobs that wait for one. */
Workers *workers_new(const char *name, unsigned threads, unsigned queue);
/* Runs job(closure) on a thread of the pool, in the order of the calls. False, and nothing kept, when the queue is full
 * or the pool stops. Any thread, does not block. */
bool workers_push(Workers *workers, WorkersJob job, void *closure);
/* Takes no more jobs, runs those that wait, joins the threads; workers_push says false from then on, on any thread.
 * Jobs must have deadlines of their own. */
void workers_stop(Workers *workers);
/* Stops and frees. Takes NULL. */
void workers_free(Workers *workers);

#endif
