#include "rest/call.h"
#include "rest/resources.h"

static bool
read_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &((DataCenter *)into)->name, error);
}

static bool
read_description(const Element *element, void *into, GError **error)
{
    return element_text(element, &((DataCenter *)into)->description, 4000, error);
}

static const Member members[] = {
    RESOURCE_MEMBERS,
    {.name = "name", .read = read_name},
    {.name = "description", .read = read_description},
    /* oVirt 3.6 */
    {.name = "comment"},
    {.name = "local"},
    {.name = "mac_pool"},
    {.name = "quota_mode"},
    {.name = "status"},
    {.name = "storage_format"},
    {.name = "storage_type"},
    {.name = "supported_versions"},
    {.name = "version"},
    {.name = NULL},
};

bool
data_center_from_xml(const Element *root, DataCenter *data_center, GError **error)
{
    return element_read(root, members, data_center, error);
}

void
data_center_to_xml(XmlWriter *writer, const char *root, const DataCenter *data_center)
{
    xml_open(writer, "data_center");
    rest_identity(writer, root, "datacenters", data_center->id);
    xml_text(writer, "name", data_center->name);
    xml_text_unless_empty(writer, "description", data_center->description);
    xml_boolean(writer, "local", false);
    xml_open(writer, "status");
    xml_text(writer, "state", "up");
    xml_close(writer);
    xml_close(writer);
}
