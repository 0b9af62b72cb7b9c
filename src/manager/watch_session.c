#include "manager/watch_private.h"
#include "trust/fault.h"
#include "store/vms.h"

static void on_closed(void *closure, const char *why);
static void on_domain(void *closure, const char *uuid, const char *name, VirtDomainEvent what);
static const VirtCallbacks callbacks = {.closed = on_closed, .domain = on_domain};

Session *
session_new(Watch *watch, const WatchHost *host)
{
    Session *s = g_new0(Session, 1);
    s->refs = 1;
    g_atomic_int_inc(&watch->refs);
    s->watch = watch;
    s->host = g_strdup(host->id);
    s->name = g_strdup(host->name);
    s->address = g_strdup(host->address);
    s->attestation_id = g_strdup(host->attestation_id);
    g_queue_init(&s->events);
    return s;
}

Session *
session_ref(Session *session)
{
    g_atomic_int_inc(&session->refs);
    return session;
}

void
session_event_free(SessionEvent *event)
{
    g_free(event->vm);
    g_free(event);
}

void
session_unref(Session *session)
{
    if (!g_atomic_int_dec_and_test(&session->refs))
        return;
    virt_connection_unref(session->connection);
    g_queue_clear_full(&session->events, (GDestroyNotify)session_event_free);
    g_free(session->host);
    g_free(session->name);
    g_free(session->address);
    g_free(session->attestation_id);
    g_free(session->lost);
    watch_unref(session->watch);
    g_free(session);
}

static void
session_release(void *closure)
{
    session_unref(closure);
}

void
session_lose(Session *session, SessionEnd end, const char *why)
{
    if (session->lost != NULL || session->state == SESSION_ENDED)
        return;
    session->lost = g_strdup(why);
    session->end = end;
    recorder_add(session->watch, session);
}

/* --- from libvirt's loop --- */

static void
on_closed(void *closure, const char *why)
{
    Session *s = closure;
    pthread_mutex_lock(&s->watch->lock);
    session_lose(s, END_DISCONNECTED, why);
    pthread_mutex_unlock(&s->watch->lock);
}

static void
on_domain(void *closure, const char *uuid, const char *name, VirtDomainEvent what)
{
    Session *s = closure;
    (void)name;
    pthread_mutex_lock(&s->watch->lock);
    if (g_queue_get_length(&s->events) >= WATCH_EVENTS_MAX) {
        session_lose(s, END_DISCONNECTED, "it sent more events than could be recorded; it is connected anew");
    } else if (s->lost == NULL) {
        SessionEvent *event = g_new0(SessionEvent, 1);
        event->vm = g_strdup(uuid);
        event->what = what;
        event->came_us = g_get_monotonic_time();
        g_queue_push_tail(&s->events, event);
        recorder_add(s->watch, s);
    }
    pthread_mutex_unlock(&s->watch->lock);
}

/* --- an opener's work --- */

/* Is the opener still the one who works on it? Otherwise the error says so. */
static bool
is_current_locked(Session *s, GError **error)
{
    if (!s->watch->stopping && !s->is_late && s->lost == NULL && s->state == SESSION_OPENING)
        return true;
    g_set_error_literal(error, FAULT, FAULT_UNAVAILABLE, s->lost != NULL ? s->lost : "the watch ends");
    return false;
}

static bool
enter(Session *s, GError **error)
{
    pthread_mutex_lock(&s->watch->lock);
    bool ok = is_current_locked(s, error);
    if (ok)
        s->watch->inside++;
    pthread_mutex_unlock(&s->watch->lock);
    return ok;
}

/* A reference for the opener. The session has its own, which goes with the session's end. */
static VirtConnection *
connection_open(Session *s, SessionEnd *end, GError **error)
{
    const WatchSettings *settings = &s->watch->settings;
    pthread_mutex_lock(&s->watch->lock);
    bool ok = is_current_locked(s, error);
    pthread_mutex_unlock(&s->watch->lock);
    if (!ok)
        return NULL;
    g_autoptr(GError) why = NULL;
    VirtConnection *c = settings->open(&settings->virt, s->address, &callbacks, session_ref(s), session_release, &why);
    if (c == NULL) {
        session_unref(s);
        *end = g_error_matches(why, FAULT, FAULT_DENIED) ? END_IDENTITY : END_DISCONNECTED;
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    pthread_mutex_lock(&s->watch->lock);
    ok = is_current_locked(s, error);
    if (ok)
        s->connection = virt_connection_ref(c);
    pthread_mutex_unlock(&s->watch->lock);
    if (ok)
        return c;
    virt_connection_close(c);
    virt_connection_unref(c);
    return NULL;
}

/* host_connected, and the session gets its generation. Should the opener have become late meanwhile, then nobody else
 * knows of the generation, and it is the opener who records its end. */
static bool
generation_get(Session *s, const VirtHostInfo *info, SessionEnd *end, GError **error)
{
    Watch *watch = s->watch;
    if (!enter(s, error))
        return false;
    g_autoptr(HostConnected) connected =
        watch->functions->connected(watch->store, s->host, info->uuid, info->memory_mib, info->cpus, info->machine,
                                    error);
    bool ok = connected != NULL && !connected->identity_refused;
    if (!ok) {
        *end = END_NOTHING;
        if (connected != NULL)
            g_set_error_literal(error, FAULT, FAULT_DENIED, connected->detail != NULL ? connected->detail : "");
    } else {
        pthread_mutex_lock(&watch->lock);
        bool late = s->is_late;
        if (!late) /* otherwise the recorder is already reading it */
            s->generation = connected->generation;
        pthread_mutex_unlock(&watch->lock);
        if (late) {
            watch->functions->disconnected(watch->store, s->host, connected->generation, "it answered too late", NULL);
            watch_refresh(watch); /* a connection that came up meanwhile may have the lower generation */
        }
    }
    watch_leave(watch);
    return ok;
}

static bool
domains_compare(Session *s, VirtConnection *c, GError **error)
{
    Watch *watch = s->watch;
    g_autoptr(GPtrArray) domains = virt_domains(c, error);
    if (domains == NULL)
        return false;
    /* The store's form of the same; the texts still belong to `domains`. */
    g_autoptr(GPtrArray) listed = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < domains->len; i++) {
        const VirtDomain *domain = g_ptr_array_index(domains, i);
        ListedDomain *copy = g_new0(ListedDomain, 1);
        *copy = (ListedDomain){.uuid = domain->uuid, .name = domain->name, .state = domain->state};
        g_ptr_array_add(listed, copy);
    }
    if (!enter(s, error))
        return false;
    bool ok = watch->functions->listed(watch->store, s->host, s->generation, listed, error);
    watch_leave(watch);
    return ok;
}

/* Records the events that came meanwhile; with none left the session is up. */
static bool
events_drain(Session *s, GError **error)
{
    Watch *watch = s->watch;
    for (;;) {
        pthread_mutex_lock(&watch->lock);
        bool ok = is_current_locked(s, error);
        SessionEvent *event = ok ? g_queue_pop_head(&s->events) : NULL;
        if (ok && event == NULL) {
            s->state = SESSION_UP;
            s->up_since_us = g_get_monotonic_time();
            s->is_announced = true;
            watch->inside++; /* for `up` */
        } else if (ok) {
            watch->inside++;
        }
        pthread_mutex_unlock(&watch->lock);
        if (!ok || event == NULL)
            return ok;
        g_autoptr(GError) why = NULL;
        const char *what = virt_domain_event_word(event->what);
        ok = watch->functions->event(watch->store, s->host, s->generation, event->vm, what,
                                     g_get_monotonic_time() - event->came_us, &why);
        watch_leave(watch);
        session_event_free(event);
        if (!ok && watch_is_worth_a_retry(why)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return false;
        }
    }
}

static bool
session_open(Session *s, SessionEnd *end, GError **error)
{
    Watch *watch = s->watch;
    g_autoptr(VirtConnection) c = connection_open(s, end, error);
    if (c == NULL)
        return false;
    VirtHostInfo info;
    if (!virt_host_info(c, &info, error))
        return false;
    bool ok = info.uuid != NULL || g_str_equal(watch->settings.virt.transport, "test");
    if (!ok)
        g_set_error_literal(error, FAULT, FAULT_FAILED, "its libvirt has no UUID: set host_uuid in libvirtd.conf");
    ok = ok && virt_watch_domains(c, error) && generation_get(s, &info, end, error);
    virt_host_info_clear(&info);
    if (!ok || !domains_compare(s, c, error) || !events_drain(s, error))
        return false;
    watch->listener.up(watch->closure, s->host, s->name, s->attestation_id);
    watch_leave(watch);
    return true;
}

void
session_run(void *watch, void *session)
{
    Watch *w = watch;
    Session *s = session;
    SessionEnd end = END_DISCONNECTED;
    g_autoptr(GError) error = NULL;
    if (session_open(s, &end, &error))
        return;
    pthread_mutex_lock(&w->lock);
    session_lose(s, end, error->message);
    pthread_mutex_unlock(&w->lock);
}

void
session_late(void *watch, void *session)
{
    Watch *w = watch;
    Session *s = session;
    g_autofree char *why = g_strdup_printf("it did not answer within %g s", w->settings.open_deadline_ms / 1000.0);
    pthread_mutex_lock(&w->lock);
    if (s->state == SESSION_OPENING) {
        WatchHost *host = g_hash_table_lookup(w->hosts, s->host);
        s->is_late = true;
        if (host != NULL)
            host->hanging++;
        session_lose(s, END_DISCONNECTED, why);
        recorder_add(w, s); /* it may have been lost before, and waits for the opener */
    }
    pthread_mutex_unlock(&w->lock);
}

void
session_done(void *watch, void *session)
{
    Watch *w = watch;
    Session *s = session;
    pthread_mutex_lock(&w->lock);
    WatchHost *host = g_hash_table_lookup(w->hosts, s->host);
    s->is_worked_on = false;
    if (s->is_late && host != NULL && host->hanging > 0) {
        host->hanging--;
        pthread_cond_signal(&w->for_scheduler);
    }
    if (s->lost != NULL || !g_queue_is_empty(&s->events))
        recorder_add(w, s);
    pthread_mutex_unlock(&w->lock);
    session_unref(s);
}
