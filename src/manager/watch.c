#include "manager/watch.h"
#include "manager/monotonic.h"
#include "manager/watch_private.h"
#include "trust/fault.h"

#define LEFT_BEHIND_MS 2000 /* how long the end waits for calls that hang */

static void
watch_host_free(void *opaque)
{
    WatchHost *host = opaque;
    if (host->session != NULL)
        session_unref(host->session);
    g_free(host->id);
    g_free(host->name);
    g_free(host->address);
    g_free(host->attestation_id);
    g_free(host);
}

void
watch_unref(Watch *watch)
{
    if (!g_atomic_int_dec_and_test(&watch->refs))
        return;
    pthread_mutex_destroy(&watch->lock);
    pthread_cond_destroy(&watch->for_scheduler);
    pthread_cond_destroy(&watch->for_recorder);
    pthread_cond_destroy(&watch->outside);
    g_hash_table_destroy(watch->hosts);
    g_free((char *)watch->settings.virt.transport);
    g_free((char *)watch->settings.virt.pki_dir);
    g_free(watch);
}

void
watch_leave(Watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->inside--;
    pthread_cond_broadcast(&watch->outside);
    pthread_mutex_unlock(&watch->lock);
}

unsigned
watch_backoff_ms(unsigned failures, unsigned min_ms, unsigned max_ms, guint32 random)
{
    guint64 pause = (guint64)min_ms << MIN(failures, 31u);
    pause = MIN(pause, (guint64)max_ms);
    return (unsigned)(pause - pause / 4 * (random % 1024) / 1024);
}

/* xorshift32 (Marsaglia, 2003): jitter needs no more. With the lock. */
static guint32
random_next(Watch *watch)
{
    watch->random ^= watch->random << 13;
    watch->random ^= watch->random >> 17;
    watch->random ^= watch->random << 5;
    return watch->random;
}

void
watch_session_ended(Watch *watch, Session *session)
{
    WatchHost *host = g_hash_table_lookup(watch->hosts, session->host);
    if (host == NULL || host->session != session)
        return;
    gint64 now = g_get_monotonic_time(), max_us = (gint64)watch->settings.retry_max_ms * 1000;
    if (session->up_since_us != 0 && now - session->up_since_us >= max_us)
        host->failures = 0; /* it was well; one that flaps is not */
    host->next_try_us = now + (gint64)1000 * watch_backoff_ms(host->failures, watch->settings.retry_min_ms,
                                                              watch->settings.retry_max_ms, random_next(watch));
    host->failures++;
    g_clear_pointer(&host->session, session_unref); /* not the last: the recorder has its own */
    if (!host->is_listed && host->hanging == 0)
        g_hash_table_remove(watch->hosts, session->host);
    pthread_cond_signal(&watch->for_scheduler);
}

/* --- the table of hosts --- */

#define FAILURES_FOR_SLOWEST 31 /* the backoff has doubled as often as it ever does */

/* The database and the connection must tell the same story: a COMMIT whose answer was lost, or somebody else's hand in
 * the database, would part them for ever. What was read is older than what is here if its generation is lower. */
static void
host_reconcile(Watch *watch, WatchHost *host, const Host *row)
{
    Session *s = host->session;
    if (s != NULL && s->state == SESSION_UP &&
        (row->generation > s->generation || (row->generation == s->generation && !row->connected))) {
        session_lose(s, END_DISCONNECTED, "the database has another connection on record");
    } else if (s == NULL && row->connected) {
        host->session = session_new(watch, host);
        host->session->generation = row->generation;
        session_lose(host->session, END_DISCONNECTED, "there is no connection");
    }
}

/* It has become `down`. Should it come back, it must be compared and asked about, or its copies of VMs that run
 * elsewhere by now would go unnoticed; so it is still tried, at the slowest pace. */
static void
host_rest(Watch *watch, WatchHost *host)
{
    host->failures = MAX(host->failures, FAILURES_FOR_SLOWEST);
    host->next_try_us = g_get_monotonic_time() + (gint64)watch->settings.retry_max_ms * 1000;
    if (host->session != NULL)
        session_lose(host->session, END_DISCONNECTED, "the host is down");
}

static void
host_read(Watch *watch, const Host *row)
{
    WatchHost *host = g_hash_table_lookup(watch->hosts, row->id);
    if (host == NULL) {
        host = g_new0(WatchHost, 1);
        host->id = g_strdup(row->id);
        g_hash_table_insert(watch->hosts, host->id, host);
    }
    g_free(host->name);
    g_free(host->address);
    g_free(host->attestation_id);
    host->name = g_strdup(row->name);
    host->address = g_strdup(row->address);
    host->attestation_id = g_strdup(row->attestation_id);
    host->is_listed = true;
    bool was_down = host->is_down;
    host->is_down = g_str_equal(row->status, "down");
    if (host->is_down && !was_down)
        host_rest(watch, host);
    host_reconcile(watch, host, row);
}

static gboolean
host_is_gone(void *id, void *opaque, void *watch)
{
    WatchHost *host = opaque;
    (void)id;
    (void)watch;
    if (host->is_listed)
        return FALSE;
    if (host->session != NULL)
        session_lose(host->session, END_DISCONNECTED, "the host has been removed");
    return host->session == NULL && host->hanging == 0;
}

/* Called and left with the lock. False: the database did not answer. */
static bool
hosts_read(Watch *watch)
{
    g_autoptr(GError) error = NULL;
    pthread_mutex_unlock(&watch->lock);
    g_autoptr(GPtrArray) rows = watch->functions->hosts(watch->store, &error);
    if (rows == NULL)
        g_warning("the hosts cannot be read from the database: %s", error->message);
    pthread_mutex_lock(&watch->lock);
    if (rows == NULL)
        return false;
    GHashTableIter iter;
    void *host;
    g_hash_table_iter_init(&iter, watch->hosts);
    while (g_hash_table_iter_next(&iter, NULL, &host))
        ((WatchHost *)host)->is_listed = false;
    for (guint i = 0; i < rows->len; i++)
        host_read(watch, g_ptr_array_index(rows, i));
    g_hash_table_foreach_remove(watch->hosts, host_is_gone, watch);
    return true;
}

/* --- the scheduler --- */

/* With the lock: sessions for the hosts whose time has come (for the openers, whose lock comes before ours); *next_us
 * is lowered to when the next one's does. */
static GPtrArray *
sessions_begin(Watch *watch, gint64 *next_us)
{
    GPtrArray *begun = g_ptr_array_new();
    gint64 now = g_get_monotonic_time();
    GHashTableIter iter;
    void *opaque;
    g_hash_table_iter_init(&iter, watch->hosts);
    while (g_hash_table_iter_next(&iter, NULL, &opaque)) {
        WatchHost *host = opaque;
        if (!host->is_listed || host->session != NULL || host->hanging >= WATCH_HANGING_PER_HOST)
            continue;
        if (host->next_try_us > now) {
            *next_us = MIN(*next_us, host->next_try_us);
            continue;
        }
        host->session = session_new(watch, host);
        host->session->is_worked_on = true;
        g_ptr_array_add(begun, session_ref(host->session));
    }
    return begun;
}

static void *
scheduler_run(void *opaque)
{
    Watch *watch = opaque;
    gint64 next_read = 0;
    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping) {
        if (watch->must_read || g_get_monotonic_time() >= next_read) {
            watch->must_read = false;
            bool ok = hosts_read(watch);
            next_read = g_get_monotonic_time() + (ok ? WATCH_READ_US : WATCH_STORE_RETRY_US);
            continue;
        }
        gint64 next = next_read;
        g_autoptr(GPtrArray) begun = sessions_begin(watch, &next);
        if (begun->len == 0) {
            monotonic_cond_wait(&watch->for_scheduler, &watch->lock, next);
            continue;
        }
        pthread_mutex_unlock(&watch->lock);
        for (guint i = 0; i < begun->len; i++)
            openers_add(watch->openers, g_ptr_array_index(begun, i));
        pthread_mutex_lock(&watch->lock);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}

/* --- what others call --- */

static void
openers_full(void *opaque)
{
    Watch *watch = opaque;
    pthread_mutex_lock(&watch->lock);
    watch->must_alarm = true;
    pthread_cond_signal(&watch->for_recorder);
    pthread_mutex_unlock(&watch->lock);
}

static Watch *
watch_make(const WatchSettings *settings, const WatchStore *functions, Store *store, const WatchListener *listener,
           void *closure)
{
    Watch *watch = g_new0(Watch, 1);
    watch->refs = 1;
    watch->settings = *settings;
    watch->settings.virt.transport = g_strdup(settings->virt.transport);
    watch->settings.virt.pki_dir = g_strdup(settings->virt.pki_dir);
    if (settings->open_deadline_ms == 0)
        watch->settings.open_deadline_ms = settings->open_deadline_s * 1000;
    if (settings->open == NULL)
        watch->settings.open = virt_connection_open;
    watch->functions = functions;
    watch->store = store;
    watch->listener = *listener;
    watch->closure = closure;
    pthread_mutex_init(&watch->lock, NULL);
    monotonic_cond_init(&watch->for_scheduler);
    monotonic_cond_init(&watch->for_recorder);
    monotonic_cond_init(&watch->outside);
    watch->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, watch_host_free);
    g_queue_init(&watch->records);
    watch->random = g_random_int() | 1;
    return watch;
}

/* Nothing new begins; the threads of our own end, and no opener is in the store or the listener any more. */
static void
threads_stop(Watch *watch, unsigned started)
{
    pthread_mutex_lock(&watch->lock);
    watch->stopping = true;
    pthread_cond_broadcast(&watch->for_scheduler);
    pthread_cond_broadcast(&watch->for_recorder);
    pthread_mutex_unlock(&watch->lock);
    if (started > 0)
        pthread_join(watch->scheduler, NULL);
    if (started > 1)
        pthread_join(watch->recorder, NULL);
    if (watch->openers != NULL)
        openers_stop(watch->openers);
    pthread_mutex_lock(&watch->lock);
    while (watch->inside > 0) /* the store's calls have deadlines */
        pthread_cond_wait(&watch->outside, &watch->lock);
    pthread_mutex_unlock(&watch->lock);
}

static void
connections_close(Watch *watch)
{
    g_autoptr(GPtrArray) open = g_ptr_array_new_with_free_func((GDestroyNotify)virt_connection_unref);
    GHashTableIter iter;
    void *host;
    pthread_mutex_lock(&watch->lock);
    g_hash_table_iter_init(&iter, watch->hosts);
    while (g_hash_table_iter_next(&iter, NULL, &host)) {
        Session *s = ((WatchHost *)host)->session;
        if (s != NULL && s->connection != NULL)
            g_ptr_array_add(open, g_steal_pointer(&s->connection));
    }
    pthread_mutex_unlock(&watch->lock);
    for (guint i = 0; i < open->len; i++)
        virt_connection_close(g_ptr_array_index(open, i));
}

static void
watch_end(Watch *watch, unsigned started)
{
    threads_stop(watch, started);
    connections_close(watch);
    openers_free(watch->openers, LEFT_BEHIND_MS);
    pthread_mutex_lock(&watch->lock);
    GHashTable *hosts = watch->hosts;
    GQueue records = watch->records;
    watch->hosts = g_hash_table_new(g_str_hash, g_str_equal); /* for openers that come back */
    g_queue_init(&watch->records);
    pthread_mutex_unlock(&watch->lock);
    g_hash_table_destroy(hosts);
    g_queue_clear_full(&records, (GDestroyNotify)session_unref);
    virt_connections_wait(LEFT_BEHIND_MS);
    watch_unref(watch);
}

Watch *
watch_new_with(const WatchSettings *settings, const WatchStore *functions, Store *store, const WatchListener *listener,
               void *closure, GError **error)
{
    Watch *watch = watch_make(settings, functions, store, listener, closure);
    const OpenersSettings openers = {.threads = settings->openers,
                                     .max_hanging = WATCH_HANGING_MAX,
                                     .deadline_ms = watch->settings.open_deadline_ms,
                                     .run = session_run,
                                     .late = session_late,
                                     .done = session_done,
                                     .full = openers_full};
    unsigned started = 0;
    int rc = 0;
    watch->openers = openers_new(&openers, watch, error);
    if (watch->openers == NULL) {
        watch_end(watch, 0);
        return NULL;
    }
    if ((rc = pthread_create(&watch->scheduler, NULL, scheduler_run, watch)) == 0)
        started = 1;
    if (rc == 0 && (rc = pthread_create(&watch->recorder, NULL, recorder_run, watch)) == 0)
        return watch;
    g_set_error(error, FAULT, FAULT_FAILED, "no thread to watch the hosts: %s", g_strerror(rc));
    watch_end(watch, started);
    return NULL;
}

void
watch_free(Watch *watch)
{
    if (watch != NULL)
        watch_end(watch, 2);
}

void
watch_refresh(Watch *watch)
{
    pthread_mutex_lock(&watch->lock);
    watch->must_read = true;
    pthread_cond_signal(&watch->for_scheduler);
    pthread_mutex_unlock(&watch->lock);
}

void
watch_hurry(Watch *watch, const char *host)
{
    pthread_mutex_lock(&watch->lock);
    WatchHost *known = g_hash_table_lookup(watch->hosts, host);
    if (known != NULL) {
        known->next_try_us = 0;
        known->failures = 0;
    }
    watch->must_read = true; /* it may have been `down` */
    pthread_cond_signal(&watch->for_scheduler);
    pthread_mutex_unlock(&watch->lock);
}

VirtConnection *
watch_connection(Watch *watch, const char *host, int64_t generation, GError **error)
{
    VirtConnection *connection = NULL;
    pthread_mutex_lock(&watch->lock);
    WatchHost *known = g_hash_table_lookup(watch->hosts, host);
    Session *s = known != NULL ? known->session : NULL;
    if (s != NULL && s->state == SESSION_UP && s->lost == NULL && (generation == 0 || s->generation == generation))
        connection = virt_connection_ref(s->connection);
    else
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "host %s is not connected%s", known != NULL ? known->name : host,
                    s != NULL && s->state == SESSION_UP && s->lost == NULL ? " any more as it was: try again" : "");
    pthread_mutex_unlock(&watch->lock);
    return connection;
}
