#include "rest/call.h"
#include "rest/resources.h"

/* A reference that carries its name, so that a reader needs no second request. */
static void
named_reference(XmlWriter *writer, const char *element, const char *root, const char *collection, const char *id,
                const char *name)
{
    xml_open(writer, element);
    rest_identity(writer, root, collection, id);
    xml_text(writer, "name", name);
    xml_close(writer);
}

static void
move_to_xml(XmlWriter *writer, const char *root, const EvacuationMove *move)
{
    xml_open(writer, "migration");
    named_reference(writer, "vm", root, "vms", move->vm, move->vm_name);
    named_reference(writer, "target_host", root, "hosts", move->target, move->target_name);
    xml_open(writer, "data");
    xml_number(writer, "total", move->data_total);
    xml_number(writer, "remaining", move->data_remaining);
    xml_close(writer);
    xml_number(writer, "percent", move->percent);
    xml_text_unless_empty(writer, "measure", move->step);
    xml_close(writer);
}

void
evacuation_to_xml(XmlWriter *writer, const char *root, const EvacuationProgress *progress)
{
    xml_open(writer, "evacuation");
    named_reference(writer, "host", root, "hosts", progress->host, progress->host_name);
    xml_text(writer, "why", progress->why);
    xml_text(writer, "opened", progress->opened_at);
    xml_text(writer, "not_before", progress->not_before);
    xml_boolean(writer, "held", progress->held);
    xml_open(writer, "vms");
    xml_number(writer, "waiting", progress->waiting);
    xml_number(writer, "moving", progress->moving);
    xml_number(writer, "staying", progress->staying);
    xml_close(writer);
    xml_open(writer, "migrations");
    for (guint i = 0; i < progress->moves->len; i++)
        move_to_xml(writer, root, g_ptr_array_index(progress->moves, i));
    xml_close(writer);
    xml_close(writer);
}
