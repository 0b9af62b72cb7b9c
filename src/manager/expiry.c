#include "manager/expiry.h"
#include "manager/monotonic.h"
#include "store/verdicts.h"
#include "trust/fault.h"

/* A verdict that is recorded after this look may end sooner than the next one that was known: so look at least this
 * often. No placement depends on it (its transaction compares the time itself), only how soon a status follows. */
#define LOOK_MS 1000

struct Expiry {
    Store *store;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `stops`; a leaf */
    pthread_cond_t wake;
    bool stops;
};

static int64_t
look(Expiry *expiry)
{
    g_autoptr(GError) error = NULL;
    int64_t next_ms = 0, now_ms = 0;

    if (!verdicts_expire(expiry->store, &next_ms, &now_ms, &error)) {
        g_warning("expiry of verdicts: %s", error->message);
        return LOOK_MS;
    }
    return next_ms ? CLAMP(next_ms - now_ms + 1, 1, LOOK_MS) : LOOK_MS;
}

static void *
run(void *closure)
{
    Expiry *expiry = closure;

    pthread_mutex_lock(&expiry->lock);
    while (!expiry->stops) {
        int64_t until_us;
        pthread_mutex_unlock(&expiry->lock);
        until_us = look(expiry) * 1000 + g_get_monotonic_time();
        pthread_mutex_lock(&expiry->lock);
        if (!expiry->stops)
            monotonic_cond_wait(&expiry->wake, &expiry->lock, until_us);
    }
    pthread_mutex_unlock(&expiry->lock);
    return NULL;
}

Expiry *
expiry_new(Store *store, GError **error)
{
    Expiry *expiry = g_new0(Expiry, 1);

    expiry->store = store;
    pthread_mutex_init(&expiry->lock, NULL);
    monotonic_cond_init(&expiry->wake);
    if (pthread_create(&expiry->thread, NULL, run, expiry) == 0)
        return expiry;
    g_set_error(error, FAULT, FAULT_FAILED, "cannot start the thread of expiry");
    g_free(expiry);
    return NULL;
}

void
expiry_free(Expiry *expiry)
{
    if (!expiry)
        return;
    pthread_mutex_lock(&expiry->lock);
    expiry->stops = true;
    pthread_cond_signal(&expiry->wake);
    pthread_mutex_unlock(&expiry->lock);
    pthread_join(expiry->thread, NULL);
    pthread_cond_destroy(&expiry->wake);
    pthread_mutex_destroy(&expiry->lock);
    g_free(expiry);
}
