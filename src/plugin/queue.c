#include "plugin/queue.h"

#include <string.h>

static void
host_free(gpointer data)
{
    Host *host = data;

    g_free(host->id);
    g_free(host->name);
    g_free(host->attestation_id);
    g_free(host->service);
    g_clear_pointer(&host->waiters, g_array_unref);
    g_clear_pointer(&host->next_waiters, g_array_unref);
    g_free(host);
}

void
queue_init(Queue *queue)
{
    queue->hosts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, host_free);
    for (int lane = 0; lane < LANES; lane++)
        g_queue_init(&queue->waiting[lane]);
    queue->n_waiters = 0;
    queue->polls = 0;
}

void
queue_clear(Queue *queue)
{
    g_hash_table_unref(queue->hosts); /* frees the links too: they are part of the hosts */
}

Host *
queue_find(Queue *queue, const char *id)
{
    return g_hash_table_lookup(queue->hosts, id);
}

static void
replace_text(char **text, const char *with)
{
    if (g_strcmp0(*text, with) == 0)
        return;
    g_free(*text);
    *text = g_strdup(with);
}

static Host *
find_or_add(Queue *queue, const ClusterPluginHost *wanted)
{
    Host *host = queue_find(queue, wanted->id);

    if (!host) {
        if (g_hash_table_size(queue->hosts) >= QUEUE_HOSTS_MAX)
            return NULL;
        host = g_new0(Host, 1);
        host->id = g_strdup(wanted->id);
        host->link.data = host;
        g_hash_table_insert(queue->hosts, host->id, host);
    }
    replace_text(&host->name, wanted->name ? wanted->name : wanted->id);
    replace_text(&host->attestation_id, wanted->attestation_id ? wanted->attestation_id : "");
    replace_text(&host->service, wanted->service ? wanted->service : "");
    return host;
}

static void
wait_in(Queue *queue, Host *host, Lane lane)
{
    host->state = HOST_WAITING;
    host->lane = lane;
    host->since = queue->polls + 1;
    host->failures = 0;
    host->is_to_retry = false;
    g_queue_push_tail_link(&queue->waiting[lane], &host->link);
}

static void
add_waiter(Queue *queue, GArray **waiters, const Waiter *waiter)
{
    if (!waiter)
        return;
    if (!*waiters)
        *waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
    g_array_append_val(*waiters, *waiter);
    queue->n_waiters++;
}

bool
queue_add(Queue *queue, const ClusterPluginHost *wanted, Lane lane, bool is_event, const Waiter *waiter)
{
    Host *host;

    if (waiter && queue->n_waiters >= QUEUE_WAITERS_MAX)
        return false;
    host = find_or_add(queue, wanted);
    if (!host)
        return false;
    switch (host->state) {
    case HOST_IDLE:
        wait_in(queue, host, lane);
        add_waiter(queue, &host->waiters, waiter);
        break;
    case HOST_WAITING:
        if (lane < host->lane) {
            g_queue_unlink(&queue->waiting[host->lane], &host->link);
            host->lane = lane;
            g_queue_push_tail_link(&queue->waiting[lane], &host->link);
        }
        add_waiter(queue, &host->waiters, waiter);
        break;
    case HOST_POLLED:
        if (!is_event)
            break;
        host->next_lane = host->is_wanted_again ? MIN(host->next_lane, lane) : lane;
        host->is_wanted_again = true;
        add_waiter(queue, &host->next_waiters, waiter);
        break;
    }
    return true;
}

static GArray *
steal_waiters(Queue *queue, GArray **waiters)
{
    GArray *stolen = g_steal_pointer(waiters);

    if (stolen)
        queue->n_waiters -= stolen->len;
    return stolen;
}

void
queue_tidy(Queue *queue, Host *host)
{
    if (host->state == HOST_IDLE && host->limit == 0 && !host->is_to_retry)
        g_hash_table_remove(queue->hosts, host->id);
}

GArray *
queue_forget(Queue *queue, const char *id)
{
    Host *host = queue_find(queue, id);
    GArray *waiters = NULL;

    if (!host)
        return NULL;
    host->is_to_retry = false;
    host->limit = 0;
    host->troubled_since = 0;
    switch (host->state) {
    case HOST_IDLE:
        break;
    case HOST_WAITING:
        g_queue_unlink(&queue->waiting[host->lane], &host->link);
        host->state = HOST_IDLE;
        waiters = steal_waiters(queue, &host->waiters);
        break;
    case HOST_POLLED: /* those in `waiters` get the answer that is on its way */
        host->is_forgotten = true;
        host->is_wanted_again = false;
        waiters = steal_waiters(queue, &host->next_waiters);
        break;
    }
    queue_tidy(queue, host);
    return waiters;
}

/* Of the limits of those that wait, the most generous: healthy hosts go before those that are suspected. */
static size_t
widest_limit(const GQueue *waiting)
{
    size_t widest = 1;

    for (const GList *at = waiting->head; at; at = at->next) {
        const Host *host = at->data;

        if (host->limit == 0)
            return 0;
        widest = MAX(widest, host->limit);
    }
    return widest;
}

static Question *
make_question(Queue *queue, GPtrArray *taken)
{
    Question *question = question_new(taken->len);

    for (guint i = 0; i < taken->len; i++) {
        Host *host = g_ptr_array_index(taken, i);
        Asked *asked = &question->hosts[i];

        g_queue_unlink(&queue->waiting[host->lane], &host->link);
        host->state = HOST_POLLED;
        host->is_forgotten = false;
        asked->id = g_strdup(host->id);
        asked->name = g_strdup(host->name);
        asked->attestation_id = g_strdup(host->attestation_id);
        asked->service = g_strdup(host->service);
    }
    return question;
}

Question *
queue_take(Queue *queue, Lane lane)
{
    g_autoptr(GPtrArray) taken = g_ptr_array_new();
    size_t limit = widest_limit(&queue->waiting[lane]);
    size_t max = limit == 0 ? CLUSTER_PLUGIN_SET_MAX : limit;

    for (GList *at = queue->waiting[lane].head; at && taken->len < max; at = at->next)
        if (((Host *)at->data)->limit == limit)
            g_ptr_array_add(taken, at->data);
    return taken->len > 0 ? make_question(queue, taken) : NULL;
}

Question *
queue_take_failed(Queue *queue, Lane lane)
{
    g_autoptr(GPtrArray) taken = g_ptr_array_new();

    for (GList *at = queue->waiting[lane].head; at && taken->len < CLUSTER_PLUGIN_SET_MAX; at = at->next)
        if (((Host *)at->data)->failures > 0)
            g_ptr_array_add(taken, at->data);
    return taken->len > 0 ? make_question(queue, taken) : NULL;
}

bool
queue_has_failed(const Queue *queue, Lane lane)
{
    for (const GList *at = queue->waiting[lane].head; at; at = at->next)
        if (((const Host *)at->data)->failures > 0)
            return true;
    return false;
}

GArray *
queue_return(Queue *queue, Host *host)
{
    GArray *waiters = steal_waiters(queue, &host->waiters);

    host->state = HOST_IDLE;
    host->is_forgotten = false;
    if (host->is_wanted_again) {
        host->is_wanted_again = false;
        host->waiters = g_steal_pointer(&host->next_waiters);
        wait_in(queue, host, host->next_lane);
    }
    return waiters;
}

void
queue_split(Queue *queue, const Question *question, size_t limit)
{
    for (size_t i = 0; i < question->n; i++) {
        Host *host = queue_find(queue, question->hosts[i].id);

        host->limit = limit;
        host->failures++;
        host->state = HOST_WAITING;
        if (host->is_wanted_again) { /* the next question is this one then */
            host->is_wanted_again = false;
            host->lane = MIN(host->lane, host->next_lane);
            if (host->waiters && host->next_waiters) {
                g_array_append_vals(host->waiters, host->next_waiters->data, host->next_waiters->len);
                g_clear_pointer(&host->next_waiters, g_array_unref);
            } else if (host->next_waiters) {
                host->waiters = g_steal_pointer(&host->next_waiters);
            }
        }
        g_queue_push_tail_link(&queue->waiting[host->lane], &host->link);
    }
}

size_t
queue_retry(Queue *queue)
{
    GHashTableIter iter;
    gpointer data;
    size_t n = 0;

    g_hash_table_iter_init(&iter, queue->hosts);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        Host *host = data;

        if (!host->is_to_retry)
            continue;
        host->is_to_retry = false;
        if (host->state == HOST_IDLE) {
            wait_in(queue, host, LANE_ROUTINE);
            n++;
        }
    }
    return n;
}
