#include "rest/call.h"
#include "rest/resources.h"

#define MIB ((int64_t)1 << 20)

static Vm *
vm_of(void *into)
{
    return ((VmInput *)into)->vm;
}

static bool
read_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &vm_of(into)->name, error);
}

static bool
read_description(const Element *element, void *into, GError **error)
{
    return element_text(element, &vm_of(into)->description, 4000, error);
}

static bool
read_comment(const Element *element, void *into, GError **error)
{
    return element_text(element, &vm_of(into)->comment, 4000, error);
}

static bool
read_cluster(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((VmInput *)into)->cluster, error);
}

static bool
read_template(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((VmInput *)into)->template, error);
}

static bool
read_memory(const Element *element, void *into, GError **error)
{
    int64_t bytes = 0;
    if (!element_number(element, 4 * MIB, 16777216 * MIB, &bytes, error))
        return false;
    if (bytes % MIB != 0)
        return element_fault(element, error, "%" G_GINT64_FORMAT " bytes are no whole number of MiB", bytes);
    vm_of(into)->memory_mib = bytes / MIB;
    return true;
}

static bool
read_topology(const Element *element, void *into, GError **error)
{
    static const Member none[] = {{.name = NULL}};
    int64_t sockets = 1;
    int64_t cores = 1;
    int64_t threads = 1;
    if (!element_attribute_number(element, "sockets", 1, 512, &sockets, error) ||
        !element_attribute_number(element, "cores", 1, 512, &cores, error) ||
        !element_attribute_number(element, "threads", 1, 512, &threads, error) ||
        !element_read(element, none, NULL, error))
        return false;
    if (sockets * cores * threads > 512)
        return element_fault(element, error, "a VM may have at most 512 CPUs");
    vm_of(into)->cpus = (int)(sockets * cores * threads);
    return true;
}

static bool
read_cpu(const Element *element, void *into, GError **error)
{
    static const Member cpu_members[] = {{.name = "topology",
                                          .read = read_topology,
                                          .attributes = "sockets cores threads"},
                                         {.name = "architecture"},
                                         {.name = "cpu_tune"},
                                         {.name = "mode"},
                                         {.name = "level"},
                                         {.name = NULL}};
    return element_read(element, cpu_members, into, error);
}

static bool
read_display_type(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"vnc", "spice", "none", NULL};
    return element_word(element, words, &vm_of(into)->display, error);
}

static bool
read_display(const Element *element, void *into, GError **error)
{
    static const Member display_members[] = {{.name = "type", .read = read_display_type},
                                             {.name = "address"},
                                             {.name = "allow_override"},
                                             {.name = "certificate"},
                                             {.name = "copy_paste_enabled"},
                                             {.name = "disconnect_action"},
                                             {.name = "file_transfer_enabled"},
                                             {.name = "keyboard_layout"},
                                             {.name = "monitors"},
                                             {.name = "port"},
                                             {.name = "proxy"},
                                             {.name = "secure_port"},
                                             {.name = "single_qxl_pci"},
                                             {.name = "smartcard_enabled"},
                                             {.name = NULL}};
    return element_read(element, display_members, into, error);
}

static bool
read_affinity(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"migratable", "user_migratable", "pinned", NULL};
    return element_word(element, words, &vm_of(into)->affinity, error);
}

static bool
read_pinned_host(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((VmInput *)into)->pinned_host, error);
}

static bool
read_placement_policy(const Element *element, void *into, GError **error)
{
    static const Member policy_members[] = {{.name = "affinity", .read = read_affinity},
                                            {.name = "host", .read = read_pinned_host},
                                            {.name = NULL}};
    return element_read(element, policy_members, into, error);
}

static bool
read_priority(const Element *element, void *into, GError **error)
{
    int64_t priority = 0;
    if (!element_number(element, 0, 100, &priority, error))
        return false;
    vm_of(into)->priority = (int)priority;
    return true;
}

static bool
read_high_availability(const Element *element, void *into, GError **error)
{
    static const Member availability_members[] = {{.name = "priority", .read = read_priority},
                                                  {.name = "enabled"},
                                                  {.name = NULL}};
    return element_read(element, availability_members, into, error);
}

static bool
read_trusted_host_flag(const Element *element, void *into, GError **error)
{
    return element_boolean(element, &vm_of(into)->trusted_host_flag, error);
}

static bool
read_origin(const Element *element, void *into, GError **error)
{
    return element_label(element, &vm_of(into)->origin, error);
}

static const Member members[] = {
    RESOURCE_MEMBERS,
    {.name = "name", .read = read_name},
    {.name = "description", .read = read_description},
    {.name = "comment", .read = read_comment},
    {.name = "cluster", .read = read_cluster},
    {.name = "template", .read = read_template},
    {.name = "memory", .read = read_memory},
    {.name = "cpu", .read = read_cpu},
    {.name = "display", .read = read_display},
    {.name = "placement_policy", .read = read_placement_policy},
    {.name = "high_availability", .read = read_high_availability},
    {.name = "trusted_host_flag", .read = read_trusted_host_flag},
    {.name = "origin", .read = read_origin},
    {.name = "disks", .read = vm_read_disks},
    {.name = "nics", .read = vm_read_nics},
    /* Only in answers */
    {.name = "requires_trust"},
    {.name = "status"},
    {.name = "host"},
    {.name = "target_host"},
    /* oVirt 3.6 */
    {.name = "type"},
    {.name = "cpu_shares"},
    {.name = "cpu_profile"},
    {.name = "bios"},
    {.name = "os"},
    {.name = "domain"},
    {.name = "start_time"},
    {.name = "stop_time"},
    {.name = "stop_reason"},
    {.name = "creation_time"},
    {.name = "stateless"},
    {.name = "delete_protected"},
    {.name = "sso"},
    {.name = "console"},
    {.name = "timezone"},
    {.name = "time_zone"},
    {.name = "custom_properties"},
    {.name = "custom_cpu_model"},
    {.name = "custom_emulated_machine"},
    {.name = "payloads"},
    {.name = "memory_policy"},
    {.name = "usb"},
    {.name = "tunnel_migration"},
    {.name = "migration"},
    {.name = "migration_downtime"},
    {.name = "virtio_scsi"},
    {.name = "permissions"},
    {.name = "serial_number"},
    {.name = "soundcard_enabled"},
    {.name = "io"},
    {.name = "use_latest_template_version"},
    {.name = "start_paused"},
    {.name = "initialization"},
    {.name = "run_once"},
    {.name = "guest_info"},
    {.name = "vmpool"},
    {.name = "external_host_provider"},
    {.name = "next_run_configuration_exists"},
    {.name = "numa_tune_mode"},
    {.name = "quota"},
    {.name = "storage_domain"},
    {.name = "snapshots"},
    {.name = "statistics"},
    {.name = "watchdogs"},
    {.name = "instance_type"},
    {.name = "rng_device"},
    {.name = "large_icon"},
    {.name = "small_icon"},
    {.name = NULL},
};

void
vm_input_clear(VmInput *input)
{
    reference_clear(&input->cluster);
    reference_clear(&input->template);
    reference_clear(&input->pinned_host);
}

bool
vm_from_xml(const Element *root, VmInput *input, GError **error)
{
    return element_read(root, members, input, error);
}

static void
write_definition(XmlWriter *writer, const char *root, const Vm *vm)
{
    xml_number(writer, "memory", vm->memory_mib * MIB);
    xml_open(writer, "cpu");
    xml_open(writer, "topology");
    xml_attribute_number(writer, "sockets", vm->cpus);
    xml_attribute_number(writer, "cores", 1);
    xml_attribute_number(writer, "threads", 1);
    xml_close(writer);
    xml_close(writer);
    xml_open(writer, "high_availability");
    xml_boolean(writer, "enabled", false);
    xml_number(writer, "priority", vm->priority);
    xml_close(writer);
    xml_open(writer, "display");
    xml_text(writer, "type", vm->display);
    xml_close(writer);
    rest_reference(writer, "host", root, "hosts", vm->host_id);
    rest_reference(writer, "target_host", root, "hosts", vm->target_host_id);
    rest_reference(writer, "cluster", root, "clusters", vm->cluster_id);
    rest_reference(writer, "template", root, "templates", vm->template_id);
    xml_text_unless_empty(writer, "origin", vm->origin);
    xml_open(writer, "placement_policy");
    xml_text(writer, "affinity", vm->affinity);
    rest_reference(writer, "host", root, "hosts", vm->pinned_host_id);
    xml_close(writer);
}

void
vm_to_xml(XmlWriter *writer, const char *root, const Vm *vm)
{
    static const char *const actions[] = {"start", "stop", "shutdown", "migrate", NULL};
    xml_open(writer, "vm");
    rest_identity(writer, root, "vms", vm->id);
    rest_actions(writer, root, "vms", vm->id, actions);
    xml_text(writer, "name", vm->name);
    xml_text_unless_empty(writer, "description", vm->description);
    xml_text_unless_empty(writer, "comment", vm->comment);
    xml_open(writer, "status");
    xml_text(writer, "state", vm->status);
    xml_text_unless_empty(writer, "detail", vm->status_detail);
    xml_close(writer);
    write_definition(writer, root, vm);
    xml_boolean(writer, "trusted_host_flag", vm->trusted_host_flag);
    xml_boolean(writer, "requires_trust", vm->requires_trust);
    vm_write_devices(writer, vm);
    xml_close(writer);
}
