/* watch_store.c: the database behind the watch. */
#include "manager/watch.h"
#include "store/events.h"
#include "store/vms.h"

static bool
alarm_write(Store *store, const char *text, GError **error)
{
    return event_write(store, "OPENERS_HANG", "alert", text, NULL, NULL, NULL, error);
}

static const WatchStore database = {
    .hosts = hosts_list,
    .connected = host_connected,
    .disconnected = host_disconnected,
    .identity = host_identity,
    .listed = vm_domains_listed,
    .event = vm_domain_event,
    .alarm = alarm_write,
};

Watch *
watch_new(const WatchSettings *settings, Store *store, const WatchListener *listener, void *closure, GError **error)
{
    return watch_new_with(settings, &database, store, listener, closure, error);
}
