/* monotonic.h: condition variables that wait by the clock of g_get_monotonic_time(), which no administrator can set. */
#ifndef MANAGER_MONOTONIC_H
#define MANAGER_MONOTONIC_H

#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

static inline void
monotonic_cond_init(pthread_cond_t *cond)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attributes);
    pthread_condattr_destroy(&attributes);
}

/* Waits once, until `until_us` at the latest. False when that has passed. */
static inline bool
monotonic_cond_wait(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t until_us)
{
    struct timespec until = {until_us / G_USEC_PER_SEC, until_us % G_USEC_PER_SEC * 1000};

    return pthread_cond_timedwait(cond, lock, &until) != ETIMEDOUT;
}

#endif
