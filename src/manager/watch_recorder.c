#include "manager/monotonic.h"
#include "manager/watch_private.h"
#include "trust/fault.h"

void
recorder_add(Watch *watch, Session *session)
{
    bool is_the_openers = session->is_worked_on && !session->is_late;
    if (session->is_queued || session->state == SESSION_ENDED || is_the_openers || watch->stopping)
        return;
    session->is_queued = true;
    g_queue_push_tail(&watch->records, session_ref(session));
    pthread_cond_signal(&watch->for_recorder);
}

/* The database is away: the session waits a little. */
static void
postpone(Session *s)
{
    pthread_mutex_lock(&s->watch->lock);
    s->not_before_us = g_get_monotonic_time() + WATCH_STORE_RETRY_US;
    recorder_add(s->watch, s);
    pthread_mutex_unlock(&s->watch->lock);
}

bool
watch_is_worth_a_retry(const GError *error)
{
    return g_error_matches(error, FAULT, FAULT_UNAVAILABLE) || g_error_matches(error, FAULT, FAULT_DEADLINE);
}

/* True: go on. False: later. */
static bool
event_record(Session *s, SessionEvent *event)
{
    Watch *watch = s->watch;
    g_autoptr(GError) error = NULL;
    const char *what = virt_domain_event_word(event->what);
    gint64 age_us = g_get_monotonic_time() - event->came_us;
    if (watch->functions->event(watch->store, s->host, s->generation, event->vm, what, age_us, &error) ||
        !watch_is_worth_a_retry(error)) {
        if (error != NULL)
            g_warning("host %s: event %s of VM %s was not recorded: %s", s->name, what, event->vm, error->message);
        session_event_free(event);
        return true;
    }
    pthread_mutex_lock(&watch->lock);
    g_queue_push_head(&s->events, event);
    pthread_mutex_unlock(&watch->lock);
    return false;
}

/* Some of a session's events, in their order. True: go on. */
static bool
events_record(Session *s)
{
    for (unsigned i = 0; i < WATCH_EVENTS_PER_TURN; i++) {
        pthread_mutex_lock(&s->watch->lock);
        SessionEvent *event = s->state == SESSION_UP && !s->watch->stopping ? g_queue_pop_head(&s->events) : NULL;
        pthread_mutex_unlock(&s->watch->lock);
        if (event == NULL)
            return true;
        if (!event_record(s, event))
            return false;
    }
    return true;
}

/* Its end into the database. True: done. The fields read here do not change once it is lost. */
static bool
end_record(Session *s)
{
    Watch *watch = s->watch;
    g_autoptr(GError) error = NULL;
    bool ok = true;
    if (s->end == END_IDENTITY)
        ok = watch->functions->identity(watch->store, s->host, s->lost, &error);
    else if (s->end == END_DISCONNECTED)
        ok = watch->functions->disconnected(watch->store, s->host, s->generation, s->lost, &error);
    if (ok)
        return true;
    if (watch_is_worth_a_retry(error))
        return false;
    if (!g_error_matches(error, FAULT, FAULT_NOT_FOUND)) /* it has been removed */
        g_warning("host %s: the end of its connection was not recorded: %s", s->name, error->message);
    return true;
}

static void
session_finish(Session *s)
{
    Watch *watch = s->watch;
    if (!end_record(s)) {
        postpone(s);
        return;
    }
    /* Before the next session can begin, so that `up` and `down` alternate. */
    if (s->is_announced)
        watch->listener.down(watch->closure, s->host, s->name, s->attestation_id);
    pthread_mutex_lock(&watch->lock);
    VirtConnection *connection = g_steal_pointer(&s->connection);
    bool late = s->is_late;
    s->state = SESSION_ENDED;
    watch_session_ended(watch, s);
    pthread_mutex_unlock(&watch->lock);
    if (connection != NULL) {
        virt_connection_close(connection);
        virt_connection_unref(connection);
    }
    if (late)
        virt_sockets_keepalive(watch->settings.virt.port);
}

static void
session_record(Session *s)
{
    if (!events_record(s)) {
        postpone(s);
        return;
    }
    pthread_mutex_lock(&s->watch->lock);
    bool more = s->state == SESSION_UP && !g_queue_is_empty(&s->events);
    bool finish = !more && s->lost != NULL && s->state != SESSION_ENDED;
    if (more)
        recorder_add(s->watch, s);
    pthread_mutex_unlock(&s->watch->lock);
    if (finish)
        session_finish(s);
}

/* With the lock: the first session that is ready, which leaves the queue; or NULL, and when one will be. */
static Session *
next_ready(Watch *watch, gint64 *when_us)
{
    gint64 now = g_get_monotonic_time();
    *when_us = INT64_MAX;
    for (GList *l = watch->records.head; l != NULL; l = l->next) {
        Session *s = l->data;
        if (s->not_before_us <= now) {
            g_queue_delete_link(&watch->records, l);
            s->is_queued = false;
            return s;
        }
        *when_us = MIN(*when_us, s->not_before_us);
    }
    return NULL;
}

static void
alarm_record(Watch *watch)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text =
        g_strdup_printf("%u connections hang while they are opened: hosts that are frozen hold them. "
                        "No more threads are spent on them, and hosts may be connected late.",
                        openers_hanging(watch->openers));
    if (!watch->functions->alarm(watch->store, text, &error))
        g_warning("%s (%s)", text, error->message);
}

void *
recorder_run(void *opaque)
{
    Watch *watch = opaque;
    pthread_mutex_lock(&watch->lock);
    while (!watch->stopping) {
        gint64 when;
        Session *s = next_ready(watch, &when);
        bool alarm = watch->must_alarm;
        watch->must_alarm = false;
        if (s == NULL && !alarm && when == INT64_MAX) {
            pthread_cond_wait(&watch->for_recorder, &watch->lock);
            continue;
        }
        if (s == NULL && !alarm) {
            monotonic_cond_wait(&watch->for_recorder, &watch->lock, when);
            continue;
        }
        pthread_mutex_unlock(&watch->lock);
        if (alarm)
            alarm_record(watch);
        if (s != NULL) {
            session_record(s);
            session_unref(s);
        }
        pthread_mutex_lock(&watch->lock);
    }
    pthread_mutex_unlock(&watch->lock);
    return NULL;
}
