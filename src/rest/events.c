#include "rest/call.h"
#include "rest/resources.h"

void
event_to_xml(XmlWriter *writer, const char *root, const Event *event)
{
    g_autofree char *id = g_strdup_printf("%" G_GINT64_FORMAT, event->id);
    xml_open(writer, "event");
    rest_identity(writer, root, "events", id);
    xml_text(writer, "name", event->name);
    xml_text(writer, "description", event->description);
    xml_text(writer, "severity", event->severity);
    xml_text(writer, "time", event->time);
    if (event->user != NULL) {
        xml_open(writer, "user");
        xml_text(writer, "user_name", event->user);
        xml_close(writer);
    }
    rest_reference(writer, "vm", root, "vms", event->vm_id);
    rest_reference(writer, "host", root, "hosts", event->host_id);
    rest_reference(writer, "cluster", root, "clusters", event->cluster_id);
    xml_close(writer);
}
