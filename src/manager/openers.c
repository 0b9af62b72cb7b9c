#include "manager/openers.h"
#include "manager/monotonic.h"
#include "trust/fault.h"
#include <pthread.h>

#define SPAWN_RETRY_US G_USEC_PER_SEC

/* One job under way; lives on its thread's stack. */
typedef struct Running {
    void *job;
    gint64 deadline_us;
    bool is_late;
} Running;

struct Openers {
    OpenersSettings settings;
    void *closure;
    pthread_mutex_t lock;
    pthread_cond_t work;    /* a job has been added, or stop */
    pthread_cond_t changed; /* for the overseer and for openers_free */
    /* all under lock */
    unsigned refs; /* the owner, the overseer, each thread */
    unsigned live; /* threads that are not written off */
    unsigned hanging;
    bool is_full; /* and `full` has been told */
    bool stopping;
    GQueue waiting; /* of jobs */
    GPtrArray *running;
};

/* Called with the lock, gives it up. */
static void
openers_unref_locked(Openers *o)
{
    bool last = --o->refs == 0;
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    if (!last)
        return;
    g_ptr_array_free(o->running, TRUE);
    pthread_cond_destroy(&o->work);
    pthread_cond_destroy(&o->changed);
    pthread_mutex_destroy(&o->lock);
    g_free(o);
}

/* One job, called and left with the lock. False: this thread was written off and is not needed any more. */
static bool
job_run(Openers *o)
{
    Running running = {.job = g_queue_pop_head(&o->waiting),
                       .deadline_us = g_get_monotonic_time() + (gint64)o->settings.deadline_ms * 1000};
    g_ptr_array_add(o->running, &running);
    pthread_cond_broadcast(&o->changed);
    pthread_mutex_unlock(&o->lock);
    o->settings.run(o->closure, running.job);
    pthread_mutex_lock(&o->lock);
    g_ptr_array_remove_fast(o->running, &running);
    bool needed = true;
    if (running.is_late) {
        o->hanging--;
        o->is_full = o->hanging >= o->settings.max_hanging && o->is_full;
        needed = o->live < o->settings.threads; /* it has not been replaced */
        if (needed)
            o->live++;
    }
    pthread_mutex_unlock(&o->lock);
    o->settings.done(o->closure, running.job);
    pthread_mutex_lock(&o->lock);
    return needed;
}

static void *
opener(void *opaque)
{
    Openers *o = opaque;
    bool needed = true;
    pthread_mutex_lock(&o->lock);
    while (needed && !o->stopping) {
        if (g_queue_is_empty(&o->waiting))
            pthread_cond_wait(&o->work, &o->lock);
        else
            needed = job_run(o);
    }
    if (needed)
        o->live--;
    openers_unref_locked(o);
    return NULL;
}

/* With the lock. */
static bool
spawn(Openers *o, void *(*function)(void *))
{
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    o->refs++;
    bool ok = pthread_create(&thread, &attr, function, o) == 0;
    if (!ok)
        o->refs--;
    pthread_attr_destroy(&attr);
    return ok;
}

/* With the lock: writes off what is late; returns when to look again. */
static gint64
write_off(Openers *o)
{
    gint64 now = g_get_monotonic_time(), next = INT64_MAX;
    for (guint i = 0; i < o->running->len; i++) {
        Running *running = g_ptr_array_index(o->running, i);
        if (running->is_late)
            continue;
        if (running->deadline_us > now) {
            next = MIN(next, running->deadline_us);
            continue;
        }
        running->is_late = true;
        o->hanging++;
        o->live--;
        o->settings.late(o->closure, running->job);
    }
    while (o->live < o->settings.threads && o->hanging < o->settings.max_hanging) {
        if (!spawn(o, opener))
            return MIN(next, now + SPAWN_RETRY_US);
        o->live++;
    }
    return next;
}

/* Looks after the deadlines. */
static void *
overseer(void *opaque)
{
    Openers *o = opaque;
    pthread_mutex_lock(&o->lock);
    while (!o->stopping) {
        gint64 next = write_off(o);
        if (o->hanging >= o->settings.max_hanging && !o->is_full) {
            o->is_full = true;
            if (o->settings.full != NULL) {
                pthread_mutex_unlock(&o->lock);
                o->settings.full(o->closure);
                pthread_mutex_lock(&o->lock);
                continue;
            }
        }
        if (next == INT64_MAX)
            pthread_cond_wait(&o->changed, &o->lock);
        else
            monotonic_cond_wait(&o->changed, &o->lock, next);
    }
    openers_unref_locked(o);
    return NULL;
}

Openers *
openers_new(const OpenersSettings *settings, void *closure, GError **error)
{
    Openers *o = g_new0(Openers, 1);
    o->settings = *settings;
    o->closure = closure;
    o->refs = 1;
    o->running = g_ptr_array_new();
    g_queue_init(&o->waiting);
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->work, NULL);
    monotonic_cond_init(&o->changed);
    pthread_mutex_lock(&o->lock);
    bool ok = spawn(o, overseer);
    while (ok && o->live < settings->threads) {
        ok = spawn(o, opener);
        o->live += ok;
    }
    pthread_mutex_unlock(&o->lock);
    if (ok)
        return o;
    openers_free(o, 1000);
    g_set_error(error, FAULT, FAULT_FAILED, "no threads to open connections with: %u were wanted", settings->threads);
    return NULL;
}

void
openers_add(Openers *openers, void *job)
{
    pthread_mutex_lock(&openers->lock);
    bool stopping = openers->stopping;
    if (!stopping)
        g_queue_push_tail(&openers->waiting, job);
    pthread_cond_signal(&openers->work);
    pthread_mutex_unlock(&openers->lock);
    if (stopping)
        openers->settings.done(openers->closure, job);
}

unsigned
openers_hanging(Openers *openers)
{
    pthread_mutex_lock(&openers->lock);
    unsigned n = openers->hanging;
    pthread_mutex_unlock(&openers->lock);
    return n;
}

void
openers_stop(Openers *openers)
{
    GQueue dropped = G_QUEUE_INIT;
    pthread_mutex_lock(&openers->lock);
    openers->stopping = true;
    dropped = openers->waiting;
    g_queue_init(&openers->waiting);
    pthread_cond_broadcast(&openers->work);
    pthread_cond_broadcast(&openers->changed);
    pthread_mutex_unlock(&openers->lock);
    for (void *job; (job = g_queue_pop_head(&dropped)) != NULL;)
        openers->settings.done(openers->closure, job);
}

bool
openers_free(Openers *openers, unsigned wait_ms)
{
    if (openers == NULL)
        return true;
    openers_stop(openers);
    gint64 until = g_get_monotonic_time() + (gint64)wait_ms * 1000;
    pthread_mutex_lock(&openers->lock);
    while (openers->refs > 1 && monotonic_cond_wait(&openers->changed, &openers->lock, until))
        ;
    bool all = openers->refs == 1;
    openers_unref_locked(openers);
    return all;
}
