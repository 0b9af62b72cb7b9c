#include "plugin/validator-private.h"

#include <stdarg.h>
#include <string.h>

#include "plugin/clock.h"
#include "trust/fault.h"

#define DUE_RETRY_MS 1000 /* when the manager could not say who is due */

void
validator_log(const Validator *validator, ClusterPluginLogLevel level, const char *format, ...)
{
    va_list arguments;
    g_autofree char *text = NULL;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    validator->manager->log(validator->manager->manager, level, text);
}

/* The condition's own clock stands still while the machine sleeps, so the wait may end early: callers look again. */
void
validator_wait(Validator *validator, int64_t until_ms)
{
    int64_t left = until_ms - clock_boot_ms();
    struct timespec end;

    if (until_ms == 0) {
        pthread_cond_wait(&validator->changed, &validator->lock);
        return;
    }
    if (left <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += left / 1000;
    end.tv_nsec += (left % 1000) * 1000000;
    if (end.tv_nsec >= 1000000000) {
        end.tv_sec++;
        end.tv_nsec -= 1000000000;
    }
    pthread_cond_timedwait(&validator->changed, &validator->lock, &end);
}

/* ---- answers that need no question ---- */

static void
delivery_make(Delivery *delivery)
{
    ClusterPluginAnswer answer = {.host = delivery->host,
                                  .outcome = delivery->outcome,
                                  .reason = delivery->reason,
                                  .detail = delivery->detail,
                                  .recorded = delivery->is_recorded};

    delivery->waiter.done(delivery->waiter.closure, &answer);
    g_free(delivery->host);
    g_free(delivery);
}

static void *
delivery_run(void *closure)
{
    Validator *validator = closure;

    pthread_mutex_lock(&validator->lock);
    for (;;) {
        Delivery *delivery = g_queue_pop_head(&validator->deliveries);

        if (delivery) {
            pthread_mutex_unlock(&validator->lock);
            delivery_make(delivery);
            pthread_mutex_lock(&validator->lock);
        } else if (validator->is_stopping) {
            break;
        } else {
            validator_wait(validator, 0);
        }
    }
    pthread_mutex_unlock(&validator->lock);
    return NULL;
}

static Delivery *
delivery_silent(const char *host, const Waiter *waiter, const char *reason, const char *detail)
{
    Delivery *delivery = g_new0(Delivery, 1);

    delivery->waiter = *waiter;
    delivery->host = g_strdup(host);
    delivery->outcome = CLUSTER_PLUGIN_SILENT;
    delivery->reason = reason;
    delivery->detail = detail;
    return delivery;
}

/* Deliveries that this event made, or that are due to it. With the lock held. */
static void
deliver(Validator *validator, GPtrArray *deliveries, Delivery *delivery)
{
    /* Past the bound the caller's own thread delivers, after the lock is released: it is the one that asks too much. */
    if (validator->is_stopping || g_queue_get_length(&validator->deliveries) >= QUEUE_WAITERS_MAX) {
        g_ptr_array_add(deliveries, delivery);
        return;
    }
    g_queue_push_tail(&validator->deliveries, delivery);
}

/* ---- events ---- */

static void
forget(Validator *validator, GPtrArray *deliveries, const ClusterPluginHost *host, const Waiter *waiter)
{
    static const char detail[] = "The host is down.";
    GArray *waiters = queue_forget(&validator->queue, host->id);

    filter_forget(validator->filter, host->id);
    for (guint i = 0; waiters && i < waiters->len; i++)
        deliver(validator, deliveries,
                delivery_silent(host->id, &g_array_index(waiters, Waiter, i), REASON_DISCONNECTED, detail));
    g_clear_pointer(&waiters, g_array_unref);
    if (waiter)
        deliver(validator, deliveries, delivery_silent(host->id, waiter, REASON_DISCONNECTED, detail));
}

static void
ask(Validator *validator, GPtrArray *deliveries, const ClusterPluginHost *host, Lane lane, const Waiter *waiter)
{
    if (validator->is_stopping) {
        if (waiter)
            deliver(validator, deliveries,
                    delivery_silent(host->id, waiter, REASON_STOPPING, "The manager is being stopped."));
    } else if (!queue_add(&validator->queue, host, lane, true, waiter) && waiter) {
        deliver(validator, deliveries,
                delivery_silent(host->id, waiter, REASON_QUEUE_FULL, "Too many questions about hosts are waiting."));
    }
}

static void
take_event(Validator *validator, GPtrArray *deliveries, const ClusterPluginHost *host, ClusterPluginEvent event,
           const Waiter *waiter)
{
    switch (event) {
    case CLUSTER_PLUGIN_DOWN:
        forget(validator, deliveries, host, waiter);
        return;
    case CLUSTER_PLUGIN_UP: /* the lost connection may have been a reboot (rule CLOSED) */
        filter_forget(validator->filter, host->id);
        ask(validator, deliveries, host, LANE_ROUTINE, waiter);
        return;
    case CLUSTER_PLUGIN_PLACE:
        if (filter_is_trusted(validator->filter, host->id, clock_boot_ms())) {
            if (waiter) {
                Delivery *delivery = delivery_silent(host->id, waiter, "", "");

                delivery->outcome = CLUSTER_PLUGIN_TRUSTED;
                delivery->is_recorded = true;
                deliver(validator, deliveries, delivery);
            }
            return;
        }
        break;
    case CLUSTER_PLUGIN_ACTIVATE:
    case CLUSTER_PLUGIN_HINT:
        break;
    }
    ask(validator, deliveries, host, LANE_URGENT, waiter);
}

void
validator_event(Validator *validator, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event,
                ClusterPluginDone done, void *closure)
{
    g_autoptr(GPtrArray) deliveries = g_ptr_array_new();
    Waiter waiter = {.done = done, .closure = closure};

    pthread_mutex_lock(&validator->lock);
    for (size_t i = 0; i < n; i++)
        take_event(validator, deliveries, &hosts[i], event, done ? &waiter : NULL);
    pthread_cond_broadcast(&validator->changed);
    pthread_mutex_unlock(&validator->lock);
    for (guint i = 0; i < deliveries->len; i++)
        delivery_make(g_ptr_array_index(deliveries, i));
}

/* ---- the time ---- */

static void
take_due(void *closure, const ClusterPluginHost *host)
{
    Validator *validator = closure;

    pthread_mutex_lock(&validator->lock);
    if (!validator->is_stopping)
        queue_add(&validator->queue, host, LANE_ROUTINE, false, NULL);
    pthread_mutex_unlock(&validator->lock);
}

/* Asks the manager who is due. Returns how long to wait until the next time. Without the lock.
 * Every third of a life all are asked whose last question is older than a sixth: so each is asked once in each third,
 * together with the others, and a verdict is at most half its life old when the question is asked that renews it. */
static int64_t
ask_due(Validator *validator, int64_t third_ms, bool *was_logged)
{
    const ClusterPluginManager *manager = validator->manager;
    char error[CLUSTER_PLUGIN_TEXT_MAX + 1] = "";
    int64_t now;

    if (manager->now(manager->manager, &now, error, sizeof error) &&
        manager->hosts_due(manager->manager, "", now - third_ms / 2, CLUSTER_PLUGIN_SET_MAX, take_due, validator, error,
                           sizeof error)) {
        *was_logged = false;
        return third_ms;
    }
    if (!*was_logged)
        validator_log(validator, CLUSTER_PLUGIN_LOG_WARNING,
                      "The manager cannot say which hosts are to be asked about again: %s", error);
    *was_logged = true;
    return MIN(DUE_RETRY_MS, third_ms);
}

static void *
watch_run(void *closure)
{
    Validator *validator = closure;
    bool was_logged = false;

    pthread_mutex_lock(&validator->lock);
    while (!validator->is_stopping) {
        int64_t now = clock_boot_ms(), third = MAX(validator->settings->auth_timeout_ms / 3, 1);
        int64_t *retry_at = &validator->state.retry_at_ms;

        if (*retry_at != 0 && now >= *retry_at) {
            *retry_at = 0;
            if (queue_retry(&validator->queue) > 0)
                pthread_cond_broadcast(&validator->changed);
        } else if (now >= validator->due_at_ms) {
            bool has_service = validator->settings->server != NULL;

            validator->due_at_ms = now + third;
            if (!has_service)
                continue;
            pthread_mutex_unlock(&validator->lock);
            third = ask_due(validator, third, &was_logged);
            pthread_mutex_lock(&validator->lock);
            validator->due_at_ms = MIN(validator->due_at_ms, now + third);
            pthread_cond_broadcast(&validator->changed);
        } else {
            validator_wait(validator, *retry_at != 0 ? MIN(*retry_at, validator->due_at_ms) : validator->due_at_ms);
        }
    }
    pthread_mutex_unlock(&validator->lock);
    return NULL;
}

/* ---- life ---- */

/* Can the service be used as configured? */
static bool
check_service(const Settings *settings, GError **error)
{
    ServiceAddress address = settings_address(settings);
    Service *service;

    if (!settings->server)
        return true;
    service = service_new(&address, error);
    if (!service)
        return false;
    service_free(service);
    return true;
}

static void
warn_insecure(const Validator *validator, const Settings *settings)
{
    if (settings->server && settings->insecure_ssl)
        validator_log(validator, CLUSTER_PLUGIN_LOG_WARNING,
                      "attestation_insecure_ssl is on: the certificate of the attestation server %s is not checked, "
                      "anybody on the network can vouch for any host.",
                      settings->server);
}

static void
start_thread(pthread_t *thread, void *(*run)(void *), void *closure)
{
    int code = pthread_create(thread, NULL, run, closure);

    if (code != 0)
        g_error("A thread of the plugin cannot be started: %s", g_strerror(code));
}

static void
init_lock(Validator *validator)
{
    pthread_condattr_t attributes;

    pthread_mutex_init(&validator->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&validator->changed, &attributes);
    pthread_condattr_destroy(&attributes);
}

Validator *
validator_new(const ClusterPluginManager *manager, Filter *filter, Settings *settings, GError **error)
{
    Validator *validator;

    if (!check_service(settings, error))
        return NULL;
    validator = g_new0(Validator, 1);
    validator->manager = manager;
    validator->filter = filter;
    validator->settings = settings_ref(settings);
    init_lock(validator);
    queue_init(&validator->queue);
    g_queue_init(&validator->deliveries);
    validator->due_at_ms = clock_boot_ms() + settings->auth_timeout_ms / 3;
    warn_insecure(validator, settings);
    for (int lane = 0; lane < LANES; lane++) {
        Poller *poller = &validator->pollers[lane];

        *poller = (Poller){.validator = validator, .lane = (Lane)lane, .held = g_ptr_array_new()};
        start_thread(&poller->thread, poller_run, poller);
    }
    start_thread(&validator->watch_thread, watch_run, validator);
    start_thread(&validator->delivery_thread, delivery_run, validator);
    return validator;
}

bool
validator_reload(Validator *validator, Settings *settings, GError **error)
{
    bool is_same;

    if (!check_service(settings, error))
        return false;
    warn_insecure(validator, settings);
    pthread_mutex_lock(&validator->lock);
    is_same = settings_is_same_service(validator->settings, settings);
    settings_unref(validator->settings);
    validator->settings = settings_ref(settings);
    if (!is_same) {
        filter_forget_all(validator->filter);
        validator->state = (ServiceState){0};
        validator->due_at_ms = clock_boot_ms();
        queue_retry(&validator->queue);
    }
    pthread_cond_broadcast(&validator->changed);
    pthread_mutex_unlock(&validator->lock);
    return true;
}

/* Whoever still waits when all threads have ended. */
static void
give_up_waiting(Validator *validator)
{
    g_autoptr(GPtrArray) deliveries = g_ptr_array_new();
    GHashTableIter iter;
    gpointer data;

    g_hash_table_iter_init(&iter, validator->queue.hosts);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        Host *host = data;

        for (guint i = 0; host->waiters && i < host->waiters->len; i++)
            g_ptr_array_add(deliveries, delivery_silent(host->id, &g_array_index(host->waiters, Waiter, i),
                                                        REASON_STOPPING, "The manager is being stopped."));
    }
    for (guint i = 0; i < deliveries->len; i++)
        delivery_make(g_ptr_array_index(deliveries, i));
}

void
validator_free(Validator *validator)
{
    if (!validator)
        return;
    pthread_mutex_lock(&validator->lock);
    validator->is_stopping = true;
    for (int lane = 0; lane < LANES; lane++)
        if (validator->pollers[lane].service)
            service_cancel(validator->pollers[lane].service);
    pthread_cond_broadcast(&validator->changed);
    pthread_mutex_unlock(&validator->lock);
    for (int lane = 0; lane < LANES; lane++) {
        Poller *poller = &validator->pollers[lane];

        pthread_join(poller->thread, NULL);
        service_free(poller->service);
        settings_unref(poller->settings);
        g_ptr_array_unref(poller->held);
    }
    pthread_join(validator->watch_thread, NULL);
    pthread_join(validator->delivery_thread, NULL);
    give_up_waiting(validator);
    queue_clear(&validator->queue);
    settings_unref(validator->settings);
    pthread_cond_destroy(&validator->changed);
    pthread_mutex_destroy(&validator->lock);
    g_free(validator);
}
