#include "rest/resources.h"
#include "rest/routes.h"

bool
serve_templates_list(RestCall *call, GError **error)
{
    g_autoptr(GPtrArray) all = templates_list(call->store, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "templates");
    for (guint i = 0; i < all->len; i++)
        template_to_xml(writer, call->root, g_ptr_array_index(all, i));
    xml_close(writer);
    return true;
}

bool
serve_templates_get(RestCall *call, GError **error)
{
    g_autoptr(Template) template = template_get(call->store, call->id, error);
    if (template == NULL)
        return false;
    template_to_xml(rest_call_writer(call), call->root, template);
    return true;
}
