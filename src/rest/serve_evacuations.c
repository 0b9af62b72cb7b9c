#include "rest/resources.h"
#include "rest/routes.h"

bool
serve_evacuations_list(RestCall *call, GError **error)
{
    g_autoptr(GPtrArray) all = evacuations_list(call->store, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "evacuations");
    for (guint i = 0; i < all->len; i++)
        evacuation_to_xml(writer, call->root, g_ptr_array_index(all, i));
    xml_close(writer);
    return true;
}
