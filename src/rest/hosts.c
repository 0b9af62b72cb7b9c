#include "rest/call.h"
#include "rest/resources.h"
#include <string.h>

static Host *
host_of(void *into)
{
    return ((HostInput *)into)->host;
}

static bool
read_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &host_of(into)->name, error);
}

static bool
read_comment(const Element *element, void *into, GError **error)
{
    return element_text(element, &host_of(into)->comment, 4000, error);
}

/* RFC 1123: letters, digits and hyphens between dots. */
static bool
is_dns_name(const char *text)
{
    g_auto(GStrv) labels = g_strsplit(text, ".", -1);
    for (char **label = labels; *label != NULL; label++) {
        size_t n = strlen(*label);
        bool is_last_dot = n == 0 && label[1] == NULL && label != labels;
        if (is_last_dot)
            continue;
        if (n == 0 || n > 63 || (*label)[0] == '-' || (*label)[n - 1] == '-' ||
            strspn(*label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != n)
            return false;
    }
    return true;
}

/* A DNS name or an IP, never a URI: that could name a transport that runs commands. */
static bool
read_address(const Element *element, void *into, GError **error)
{
    if (!element_label(element, &host_of(into)->address, error))
        return false;
    const char *address = host_of(into)->address;
    /* A scope (fe80::1%eth0) would be part of libvirt's URI. */
    bool is_ip = g_hostname_is_ip_address(address) && strchr(address, '%') == NULL;
    if (!is_ip && !is_dns_name(address))
        return element_fault(element, error, "\"%s\" is neither a DNS name nor an IP address", address);
    return true;
}

static bool
read_attestation_id(const Element *element, void *into, GError **error)
{
    return element_label(element, &host_of(into)->attestation_id, error);
}

static bool
read_cluster(const Element *element, void *into, GError **error)
{
    return element_reference(element, &((HostInput *)into)->cluster, error);
}

static const Member members[] = {
    RESOURCE_MEMBERS,
    {.name = "name", .read = read_name},
    {.name = "comment", .read = read_comment},
    {.name = "address", .read = read_address},
    {.name = "attestation_id", .read = read_attestation_id},
    {.name = "cluster", .read = read_cluster},
    /* Only in answers */
    {.name = "status_message"},
    {.name = "verdict"},
    {.name = "evacuation"},
    {.name = "connected"},
    /* oVirt 3.6 */
    {.name = "description"},
    {.name = "status"},
    {.name = "external_status"},
    {.name = "certificate"},
    {.name = "port"},
    {.name = "type"},
    {.name = "storage_manager"},
    {.name = "spm"},
    {.name = "version"},
    {.name = "hardware_information"},
    {.name = "power_management"},
    {.name = "network_operation_in_progress"},
    {.name = "ksm"},
    {.name = "transparent_hugepages"},
    {.name = "iscsi"},
    {.name = "root_password"},
    {.name = "ssh"},
    {.name = "statistics"},
    {.name = "hooks"},
    {.name = "summary"},
    {.name = "override_iptables"},
    {.name = "protocol"},
    {.name = "reboot_after_installation"},
    {.name = "os"},
    {.name = "hosted_engine"},
    {.name = "kdump_status"},
    {.name = "selinux"},
    {.name = "cpu"},
    {.name = "memory"},
    {.name = "max_scheduling_memory"},
    {.name = "libvirt_version"},
    {.name = "live_snapshot_support"},
    {.name = "auto_numa_status"},
    {.name = "numa_supported"},
    {.name = "display"},
    {.name = "device_passthrough"},
    {.name = "external_host_provider"},
    {.name = NULL},
};

void
host_input_clear(HostInput *input)
{
    reference_clear(&input->cluster);
}

bool
host_from_xml(const Element *root, HostInput *input, GError **error)
{
    return element_read(root, members, input, error);
}

static void
write_verdict(XmlWriter *writer, const Host *host)
{
    xml_open(writer, "verdict");
    xml_text(writer, "level", host->verdict);
    xml_boolean(writer, "fresh", host->is_trusted);
    xml_text_unless_empty(writer, "reason", host->verdict_reason);
    xml_text_unless_empty(writer, "detail", host->verdict_detail);
    xml_text(writer, "asked_at", host->asked_at);
    xml_text(writer, "valid_until", host->valid_until);
    xml_close(writer);
}

static void
write_capacity(XmlWriter *writer, const Host *host)
{
    xml_open(writer, "summary");
    xml_number(writer, "active", host->vms);
    xml_close(writer);
    if (host->cpus > 0) {
        xml_open(writer, "cpu");
        xml_open(writer, "topology");
        xml_attribute_number(writer, "sockets", 1);
        xml_attribute_number(writer, "cores", host->cpus);
        xml_attribute_number(writer, "threads", 1);
        xml_close(writer);
        xml_close(writer);
    }
    if (host->memory_mib > 0) {
        xml_number(writer, "memory", host->memory_mib << 20);
        xml_number(writer, "max_scheduling_memory", MAX(host->memory_mib - host->used_mib, 0) << 20);
    }
}

void
host_to_xml(XmlWriter *writer, const char *root, const Host *host)
{
    static const char *const actions[] = {"activate", "deactivate", "fence", "release_evacuation", NULL};
    xml_open(writer, "host");
    rest_identity(writer, root, "hosts", host->id);
    rest_actions(writer, root, "hosts", host->id, actions);
    xml_text(writer, "name", host->name);
    xml_text_unless_empty(writer, "comment", host->comment);
    xml_text(writer, "address", host->address);
    xml_text(writer, "attestation_id", host->attestation_id);
    xml_open(writer, "status");
    xml_text(writer, "state", host->status);
    xml_text_unless_empty(writer, "detail", host->reason);
    xml_close(writer);
    xml_text_unless_empty(writer, "status_message", host->detail);
    xml_boolean(writer, "connected", host->connected);
    rest_reference(writer, "cluster", root, "clusters", host->cluster_id);
    write_verdict(writer, host);
    if (host->evacuating) {
        xml_open(writer, "evacuation");
        xml_boolean(writer, "held", host->evacuation_held);
        xml_close(writer);
    }
    write_capacity(writer, host);
    xml_close(writer);
}
