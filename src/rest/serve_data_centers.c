#include "rest/resources.h"
#include "rest/routes.h"
#include "trust/fault.h"
#include <string.h>

bool
serve_data_centers_list(RestCall *call, GError **error)
{
    g_autofree char *name = NULL;
    if (!rest_call_search(call, &name, error))
        return false;
    g_autoptr(GPtrArray) all = data_centers_list(call->store, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "data_centers");
    for (guint i = 0; i < all->len; i++) {
        const DataCenter *one = g_ptr_array_index(all, i);
        if (name == NULL || strcmp(name, one->name) == 0)
            data_center_to_xml(writer, call->root, one);
    }
    xml_close(writer);
    return true;
}

static bool
answer_with(RestCall *call, const char *id, GError **error)
{
    g_autoptr(DataCenter) data_center = data_center_get(call->store, id, error);
    if (data_center == NULL)
        return false;
    data_center_to_xml(rest_call_writer(call), call->root, data_center);
    return true;
}

bool
serve_data_centers_get(RestCall *call, GError **error)
{
    return answer_with(call, call->id, error);
}

bool
serve_data_centers_add(RestCall *call, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "data_center", error);
    if (document == NULL)
        return false;
    g_autoptr(DataCenter) data_center = g_new0(DataCenter, 1);
    data_center->description = g_strdup("");
    if (!data_center_from_xml(document_root(document), data_center, error))
        return false;
    if (data_center->name == NULL) {
        g_set_error(error, FAULT, FAULT_INCOMPLETE, "DataCenter [name] required for add");
        return false;
    }
    g_autofree char *id = data_center_add(call->store, data_center, error);
    if (id == NULL || !answer_with(call, id, error))
        return false;
    rest_call_created(call, "datacenters", id);
    return true;
}

bool
serve_data_centers_remove(RestCall *call, GError **error)
{
    return data_center_remove(call->store, call->id, error);
}
