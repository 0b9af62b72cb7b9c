#include "manager/activation.h"
#include "manager/monotonic.h"
#include "store/hosts.h"
#include "trust/fault.h"
#include <string.h>

/* Looked at this often even when nobody says anything: a host that could not be reached says nothing. */
#define LOOK_MS 1000

typedef struct {
    char *host;
    int64_t deadline_us; /* g_get_monotonic_time */
    int64_t next_look_us;
    bool look;
    char *last_words; /* of the latest answer that ended nothing; NULL: none came */
    bool hopeless;    /* nobody will ever answer: there is no plugin, or no attestation service */
    ManagerDone done;
    void *closure;
} Waiter;

struct Activations {
    Store *store;
    PluginHost *plugin;
    unsigned timeout_s;
    pthread_t thread;
    pthread_mutex_t lock; /* guards `waiters` and `stops`; a leaf */
    pthread_cond_t wake;
    GPtrArray *waiters; /* of Waiter */
    bool stops;
};

static void
waiter_free(Waiter *waiter)
{
    g_free(waiter->host);
    g_free(waiter->last_words);
    g_free(waiter);
}

static void
waiter_end(Waiter *waiter, const GError *error)
{
    waiter->done(waiter->closure, error);
    waiter_free(waiter);
}

/* The plugin has an answer: it is recorded, so look at the record. */
static void
answered(void *closure, const ClusterPluginAnswer *answer)
{
    Activations *activations = closure;

    pthread_mutex_lock(&activations->lock);
    for (unsigned i = 0; i < activations->waiters->len; i++) {
        Waiter *waiter = g_ptr_array_index(activations->waiters, i);
        if (strcmp(waiter->host, answer->host) != 0)
            continue;
        g_free(waiter->last_words);
        waiter->last_words = g_strdup(answer->detail && *answer->detail ? answer->detail : answer->reason);
        waiter->hopeless = strcmp(answer->reason, "no_plugin") == 0 || strcmp(answer->reason, "no_service") == 0;
        waiter->look = true;
    }
    pthread_cond_signal(&activations->wake);
    pthread_mutex_unlock(&activations->lock);
}

/* The verdict on a wait, by the record: true when it is over. */
static bool
is_over(const Host *host, const char *last_words, bool hopeless, bool timed_out, unsigned timeout_s, GError **error)
{
    if (strcmp(host->status, "up") == 0)
        return true;
    if (strcmp(host->status, "non_operational") == 0)
        g_set_error(error, FAULT, FAULT_REFUSED, "Host %s is non-operational (%s)%s%s", host->name, host->reason,
                    *host->detail ? ": " : "", host->detail);
    else if (strcmp(host->status, "non_responsive") == 0)
        g_set_error(error, FAULT, FAULT_REFUSED, "Host %s cannot be reached%s%s", host->name, *host->detail ? ": " : "",
                    host->detail);
    else if (strcmp(host->status, "initializing") != 0)
        g_set_error(error, FAULT, FAULT_REFUSED, "Host %s was put into %s meanwhile", host->name, host->status);
    else if (hopeless)
        g_set_error(error, FAULT, FAULT_REFUSED, "Host %s cannot be attested: %s", host->name, last_words);
    else if (timed_out)
        g_set_error(error, FAULT, FAULT_REFUSED,
                    "There is no answer about host %s within %u s (%s); it stays initializing and is asked about again",
                    host->name, timeout_s, last_words ? last_words : "the attestation server is silent");
    else
        return false;
    return true;
}

/* The record, without the lock; true when the wait is over. */
static bool
look_at(Activations *activations, const Waiter *waiter, const char *last_words, bool hopeless, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(Host) host = host_get(activations->store, waiter->host, &cause);
    bool timed_out = g_get_monotonic_time() >= waiter->deadline_us;

    if (host)
        return is_over(host, last_words, hopeless, timed_out, activations->timeout_s, error);
    if (!timed_out && (cause->code == FAULT_UNAVAILABLE || cause->code == FAULT_DEADLINE)) {
        g_debug("activation of %s: %s", waiter->host, cause->message); /* looked at again with the next answer */
        return false;
    }
    g_propagate_error(error, g_steal_pointer(&cause));
    return true;
}

/* Called and left with the lock. The waiter stays in the list meanwhile, so that an answer that comes now finds it. */
static void
look(Activations *activations, Waiter *waiter)
{
    g_autofree char *last_words = g_strdup(waiter->last_words);
    bool hopeless = waiter->hopeless;
    g_autoptr(GError) error = NULL;

    pthread_mutex_unlock(&activations->lock);
    bool over = look_at(activations, waiter, last_words, hopeless, &error);
    pthread_mutex_lock(&activations->lock);
    if (!over)
        return;
    g_ptr_array_remove(activations->waiters, waiter);
    pthread_mutex_unlock(&activations->lock);
    waiter_end(waiter, error);
    pthread_mutex_lock(&activations->lock);
}

/* Under the lock: the next one to look at; NULL with the time until which nothing is to be done. */
static Waiter *
next_waiter(Activations *activations, int64_t *until_us)
{
    int64_t now_us = g_get_monotonic_time();

    *until_us = now_us + LOOK_MS * 1000;
    for (unsigned i = 0; i < activations->waiters->len; i++) {
        Waiter *waiter = g_ptr_array_index(activations->waiters, i);
        if (waiter->look || waiter->next_look_us <= now_us || waiter->deadline_us <= now_us) {
            waiter->look = false;
            waiter->next_look_us = now_us + LOOK_MS * 1000;
            return waiter;
        }
        *until_us = MIN(*until_us, MIN(waiter->deadline_us, waiter->next_look_us));
    }
    return NULL;
}

static void *
run(void *closure)
{
    Activations *activations = closure;

    pthread_mutex_lock(&activations->lock);
    while (!activations->stops) {
        int64_t until_us;
        Waiter *waiter = next_waiter(activations, &until_us);
        if (waiter)
            look(activations, waiter);
        else
            monotonic_cond_wait(&activations->wake, &activations->lock, until_us);
    }
    pthread_mutex_unlock(&activations->lock);
    return NULL;
}

Activations *
activations_new(Store *store, PluginHost *plugin, unsigned timeout_s, GError **error)
{
    Activations *activations = g_new0(Activations, 1);

    activations->store = store;
    activations->plugin = plugin;
    activations->timeout_s = timeout_s;
    activations->waiters = g_ptr_array_new();
    pthread_mutex_init(&activations->lock, NULL);
    monotonic_cond_init(&activations->wake);
    if (pthread_create(&activations->thread, NULL, run, activations) == 0)
        return activations;
    g_set_error(error, FAULT, FAULT_FAILED, "cannot start the thread of activations");
    g_ptr_array_free(activations->waiters, TRUE);
    g_free(activations);
    return NULL;
}

void
activations_free(Activations *activations)
{
    if (!activations)
        return;
    pthread_mutex_lock(&activations->lock);
    activations->stops = true;
    pthread_cond_signal(&activations->wake);
    pthread_mutex_unlock(&activations->lock);
    pthread_join(activations->thread, NULL);
    for (unsigned i = 0; i < activations->waiters->len; i++) {
        g_autoptr(GError) error = g_error_new(FAULT, FAULT_UNAVAILABLE, "the manager stops");
        waiter_end(g_ptr_array_index(activations->waiters, i), error);
    }
    g_ptr_array_free(activations->waiters, TRUE);
    pthread_cond_destroy(&activations->wake);
    pthread_mutex_destroy(&activations->lock);
    g_free(activations);
}

void
activations_add(Activations *activations, const char *host, const char *user, ActivationHurry hurry,
                void *hurry_closure, ManagerDone done, void *closure)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(HostActivated) activated = host_activate(activations->store, host, user, &error);
    Waiter *waiter;

    if (!activated || strcmp(activated->status, "up") == 0) {
        done(closure, error);
        return;
    }
    waiter = g_new0(Waiter, 1);
    waiter->host = g_strdup(activated->id);
    waiter->deadline_us = g_get_monotonic_time() + (int64_t)activations->timeout_s * G_USEC_PER_SEC;
    waiter->next_look_us = g_get_monotonic_time() + LOOK_MS * 1000;
    waiter->done = done;
    waiter->closure = closure;
    pthread_mutex_lock(&activations->lock);
    g_ptr_array_add(activations->waiters, waiter);
    pthread_cond_signal(&activations->wake);
    pthread_mutex_unlock(&activations->lock);
    if (activated->connected) {
        ClusterPluginHost one = {activated->id, activated->name, activated->attestation_id, ""};
        plugin_host_event(activations->plugin, &one, 1, CLUSTER_PLUGIN_ACTIVATE, answered, activations);
    } else
        hurry(hurry_closure, activated->id);
}

static bool
is_waited_for(Activations *activations, const char *host)
{
    bool found = false;

    pthread_mutex_lock(&activations->lock);
    for (unsigned i = 0; i < activations->waiters->len && !found; i++)
        found = strcmp(((Waiter *)g_ptr_array_index(activations->waiters, i))->host, host) == 0;
    pthread_mutex_unlock(&activations->lock);
    return found;
}

void
activations_host_up(Activations *activations, const ClusterPluginHost *host)
{
    bool urgent = is_waited_for(activations, host->id);

    plugin_host_event(activations->plugin, host, 1, urgent ? CLUSTER_PLUGIN_ACTIVATE : CLUSTER_PLUGIN_UP, answered,
                      activations);
    if (urgent)
        activations_look(activations, host->id); /* a host of a cluster that is not trusted is up already */
}

void
activations_look(Activations *activations, const char *host)
{
    pthread_mutex_lock(&activations->lock);
    for (unsigned i = 0; i < activations->waiters->len; i++) {
        Waiter *waiter = g_ptr_array_index(activations->waiters, i);
        waiter->look |= strcmp(waiter->host, host) == 0;
    }
    pthread_cond_signal(&activations->wake);
    pthread_mutex_unlock(&activations->lock);
}
