#include "rest/call.h"
#include "rest/resources.h"

static Cluster *
cluster_of(void *into)
{
    return ((ClusterInput *)into)->cluster;
}

static bool
read_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &cluster_of(into)->name, error);
}

static bool
read_description(const Element *element, void *into, GError **error)
{
    return element_text(element, &cluster_of(into)->description, 4000, error);
}

static bool
read_comment(const Element *element, void *into, GError **error)
{
    return element_text(element, &cluster_of(into)->comment, 4000, error);
}

static bool
read_cpu(const Element *element, void *into, GError **error)
{
    static const Member cpu_members[] = {{.name = "architecture"}, {.name = "level"},    {.name = "mode"},
                                         {.name = "name"},         {.name = "topology"}, {.name = NULL}};
    g_autofree char *id = element_attribute(element, "id");
    if (id != NULL && g_utf8_strlen(id, -1) > 255)
        return element_fault(element, error, "its id has more than 255 characters");
    if (id != NULL) {
        g_free(cluster_of(into)->cpu_id);
        cluster_of(into)->cpu_id = g_steal_pointer(&id);
    }
    return element_read(element, cpu_members, NULL, error);
}

static bool
read_data_center(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((ClusterInput *)into)->data_center, error);
}

static bool
read_version(const Element *element, void *into, GError **error)
{
    static const Member version_members[] = {{.name = NULL}};
    int64_t major = cluster_of(into)->version_major;
    int64_t minor = cluster_of(into)->version_minor;
    if (!element_attribute_number(element, "major", 0, 99, &major, error) ||
        !element_attribute_number(element, "minor", 0, 99, &minor, error) ||
        !element_read(element, version_members, NULL, error))
        return false;
    cluster_of(into)->version_major = (int)major;
    cluster_of(into)->version_minor = (int)minor;
    return true;
}

static bool
read_on_error(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"migrate", "do_not_migrate", "migrate_highly_available", NULL};
    return element_word(element, words, &cluster_of(into)->on_error, error);
}

static bool
read_error_handling(const Element *element, void *into, GError **error)
{
    static const Member error_handling_members[] = {{.name = "on_error", .read = read_on_error}, {.name = NULL}};
    return element_read(element, error_handling_members, into, error);
}

static bool
read_trusted_service(const Element *element, void *into, GError **error)
{
    return element_boolean(element, &cluster_of(into)->trusted_service, error);
}

static const Member members[] = {
    RESOURCE_MEMBERS,
    {.name = "name", .read = read_name},
    {.name = "description", .read = read_description},
    {.name = "comment", .read = read_comment},
    {.name = "cpu", .read = read_cpu},
    {.name = "data_center", .read = read_data_center},
    {.name = "version", .read = read_version, .attributes = "major minor full_version build revision"},
    {.name = "error_handling", .read = read_error_handling},
    {.name = "trusted_service", .read = read_trusted_service},
    /* oVirt 3.6 */
    {.name = "memory_policy"},
    {.name = "scheduling_policy"},
    {.name = "supported_versions"},
    {.name = "virt_service"},
    {.name = "gluster_service"},
    {.name = "threads_as_cores"},
    {.name = "tunnel_migration"},
    {.name = "ha_reservation"},
    {.name = "optional_reason"},
    {.name = "maintenance_reason_required"},
    {.name = "ballooning_enabled"},
    {.name = "display"},
    {.name = "ksm"},
    {.name = "serial_number"},
    {.name = "required_rng_sources"},
    {.name = "fencing_policy"},
    {.name = "migration"},
    {.name = "management_network"},
    {.name = NULL},
};

void
cluster_input_clear(ClusterInput *input)
{
    reference_clear(&input->data_center);
}

bool
cluster_from_xml(const Element *root, ClusterInput *input, GError **error)
{
    return element_read(root, members, input, error);
}

/* The order is that of oVirt 3.6's schema. */
void
cluster_to_xml(XmlWriter *writer, const char *root, const Cluster *cluster)
{
    xml_open(writer, "cluster");
    rest_identity(writer, root, "clusters", cluster->id);
    xml_text(writer, "name", cluster->name);
    xml_text_unless_empty(writer, "description", cluster->description);
    xml_text_unless_empty(writer, "comment", cluster->comment);
    xml_open(writer, "cpu");
    xml_attribute(writer, "id", cluster->cpu_id != NULL ? cluster->cpu_id : "");
    xml_close(writer);
    rest_reference(writer, "data_center", root, "datacenters", cluster->data_center_id);
    xml_open(writer, "version");
    xml_attribute_number(writer, "major", cluster->version_major);
    xml_attribute_number(writer, "minor", cluster->version_minor);
    xml_close(writer);
    xml_open(writer, "error_handling");
    xml_text(writer, "on_error", cluster->on_error);
    xml_close(writer);
    xml_boolean(writer, "virt_service", true);
    xml_boolean(writer, "gluster_service", false);
    xml_boolean(writer, "trusted_service", cluster->trusted_service);
    xml_close(writer);
}
