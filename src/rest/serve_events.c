#include "rest/resources.h"
#include "rest/routes.h"

#define EVENTS_MAX 1000

/* ;from=N: those after N, oldest first, so that a reader can follow without a gap. Without it the newest, newest first.
 */
bool
serve_events_list(RestCall *call, GError **error)
{
    int64_t from = -1;
    int64_t max = EVENTS_MAX;
    if (!rest_call_number(call, "from", 0, G_MAXINT64, &from, error) ||
        !rest_call_number(call, "max", 1, EVENTS_MAX, &max, error))
        return false;
    g_autoptr(GPtrArray) all = events_list(call->store, MAX(from, 0), (unsigned)max, from >= 0, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "events");
    for (guint i = 0; i < all->len; i++)
        event_to_xml(writer, call->root, g_ptr_array_index(all, i));
    xml_close(writer);
    return true;
}

bool
serve_events_get(RestCall *call, GError **error)
{
    Event *event = event_get(call->store, g_ascii_strtoll(call->id, NULL, 10), error);
    if (event == NULL)
        return false;
    event_to_xml(rest_call_writer(call), call->root, event);
    event_free(event);
    return true;
}
