#include "manager/workers.h"
#include <pthread.h>

typedef struct {
    WorkersJob run;
    void *closure;
} Job;

struct Workers {
    pthread_mutex_t lock; /* guards everything below; a leaf: nothing is called under it */
    pthread_cond_t work;
    GQueue *jobs; /* of Job */
    pthread_t *threads;
    unsigned started;
    unsigned idle;
    unsigned max_threads;
    unsigned max_jobs;
    bool stops;
    char name[16]; /* of a thread, as the kernel keeps it */
};

static void *
work(void *closure)
{
    Workers *workers = closure;

    pthread_mutex_lock(&workers->lock);
    for (;;) {
        Job *job;
        workers->idle++;
        while (g_queue_is_empty(workers->jobs) && !workers->stops)
            pthread_cond_wait(&workers->work, &workers->lock);
        workers->idle--;
        job = g_queue_pop_head(workers->jobs);
        if (!job)
            break;
        pthread_mutex_unlock(&workers->lock);
        job->run(job->closure);
        g_free(job);
        pthread_mutex_lock(&workers->lock);
    }
    pthread_mutex_unlock(&workers->lock);
    return NULL;
}

Workers *
workers_new(const char *name, unsigned threads, unsigned queue)
{
    Workers *workers = g_new0(Workers, 1);

    pthread_mutex_init(&workers->lock, NULL);
    pthread_cond_init(&workers->work, NULL);
    workers->jobs = g_queue_new();
    workers->threads = g_new0(pthread_t, threads);
    workers->max_threads = threads;
    workers->max_jobs = queue;
    g_strlcpy(workers->name, name, sizeof(workers->name));
    return workers;
}

/* Under the lock: one more thread when all are busy. Without a thread at all the job could never run. */
static bool
have_thread(Workers *workers)
{
    pthread_t *thread = &workers->threads[workers->started];

    if (g_queue_get_length(workers->jobs) < workers->idle || workers->started == workers->max_threads)
        return true;
    if (pthread_create(thread, NULL, work, workers) != 0)
        return workers->started > 0;
    pthread_setname_np(*thread, workers->name);
    workers->started++;
    return true;
}

bool
workers_push(Workers *workers, WorkersJob run, void *closure)
{
    bool taken;

    pthread_mutex_lock(&workers->lock);
    taken = !workers->stops && g_queue_get_length(workers->jobs) < workers->max_jobs && have_thread(workers);
    if (taken) {
        Job *job = g_new(Job, 1);
        *job = (Job){run, closure};
        g_queue_push_tail(workers->jobs, job);
        pthread_cond_signal(&workers->work);
    }
    pthread_mutex_unlock(&workers->lock);
    return taken;
}

void
workers_stop(Workers *workers)
{
    pthread_mutex_lock(&workers->lock);
    workers->stops = true;
    pthread_cond_broadcast(&workers->work);
    pthread_mutex_unlock(&workers->lock);
    for (unsigned i = 0; i < workers->started; i++)
        pthread_join(workers->threads[i], NULL);
    workers->started = 0;
}

void
workers_free(Workers *workers)
{
    if (!workers)
        return;
    workers_stop(workers);
    g_queue_free(workers->jobs);
    g_free(workers->threads);
    pthread_cond_destroy(&workers->work);
    pthread_mutex_destroy(&workers->lock);
    g_free(workers);
}
