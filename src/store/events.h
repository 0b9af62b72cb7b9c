#ifndef STORE_EVENTS_H
#define STORE_EVENTS_H

#include "store/store.h"

typedef struct {
    int64_t id;
    char *time; /* ISO 8601 UTC */
    char *name;
    char *severity;
    char *description;
    char *cluster_id;
    char *host_id;
    char *vm_id;
    char *user;
} Event;
void event_free(Event *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Event, event_free)

/* Newest first, ids above `after`, at most `max`. With oldest_first for a reader that follows. */
GPtrArray *events_list(Store *store, int64_t after, unsigned max, bool oldest_first, GError **error);
Event *event_get(Store *store, int64_t id, GError **error);
bool event_write(Store *store, const char *name, const char *severity, const char *description, const char *host,
                 const char *vm, const char *user, GError **error);

#endif
