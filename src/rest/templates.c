#include "rest/call.h"
#include "rest/resources.h"

void
template_to_xml(XmlWriter *writer, const char *root, const Template *template)
{
    xml_open(writer, "template");
    rest_identity(writer, root, "templates", template->id);
    xml_text(writer, "name", template->name);
    xml_text_unless_empty(writer, "description", template->description);
    rest_reference(writer, "cluster", root, "clusters", template->cluster_id);
    xml_boolean(writer, "trusted_service", template->trusted_service);
    xml_close(writer);
}
