#include "store/events.h"

#include "store/rows.h"

static void *
event_read(const StoreResult *result, unsigned row)
{
    Event *event = g_new0(Event, 1);
    event->id = store_int(result, row, "id");
    event->time = row_text(result, row, "time");
    event->name = row_text(result, row, "name");
    event->severity = row_text(result, row, "severity");
    event->description = row_text(result, row, "description");
    event->cluster_id = row_text(result, row, "cluster_id");
    event->host_id = row_text(result, row, "host_id");
    event->vm_id = row_text(result, row, "vm_id");
    event->user = row_text(result, row, "user_name");
    return event;
}

void
event_free(Event *event)
{
    if (event == NULL)
        return;
    g_free(event->time);
    g_free(event->name);
    g_free(event->severity);
    g_free(event->description);
    g_free(event->cluster_id);
    g_free(event->host_id);
    g_free(event->vm_id);
    g_free(event->user);
    g_free(event);
}

GPtrArray *
events_list(Store *store, int64_t after, unsigned max, bool oldest_first, GError **error)
{
    char id[32], limit[16];
    g_snprintf(id, sizeof id, "%" G_GINT64_FORMAT, after);
    g_snprintf(limit, sizeof limit, "%u", MIN(max, G_MAXINT));
    const char *params[] = {id, limit};
    return rows_list(store, error, event_read, (GDestroyNotify)event_free,
                     oldest_first ? "select * from events_after($1, $2)"
                                  : "select * from event_rows where id > $1 order by id desc limit $2",
                     2, params);
}

Event *
event_get(Store *store, int64_t id, GError **error)
{
    char number[32];
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, id);
    return rows_one(store, error, event_read, "event", "select * from event_rows where id = $1", number);
}

bool
event_write(Store *store, const char *name, const char *severity, const char *description, const char *host,
            const char *vm, const char *user, GError **error)
{
    const char *params[] = {name, severity, description, host, vm, user};
    return store_run(store, error, "select log_event($1, $2, $3, null, $4, $5, $6)", 6, params);
}
