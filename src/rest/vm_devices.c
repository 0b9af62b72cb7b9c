/* The disks and NICs within a VM's document. */
#include "rest/resources.h"
#include "virt/domain_xml.h"
#include <string.h>

#define DEVICES_MAX 26

/* --- disks --- */

static bool
read_source(const Element *element, void *into, GError **error)
{
    return element_text(element, &((VmDisk *)into)->source, 4096, error);
}

static bool
read_format(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"raw", "qcow2", "cow", NULL};
    VmDisk *disk = into;
    if (!element_word(element, words, &disk->format, error))
        return false;
    if (strcmp(disk->format, "cow") == 0) { /* oVirt's word */
        g_free(disk->format);
        disk->format = g_strdup("qcow2");
    }
    return true;
}

static bool
read_disk_interface(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"virtio", "ide", "scsi", "sata", "virtio_scsi", NULL};
    VmDisk *disk = into;
    if (!element_word(element, words, &disk->bus, error))
        return false;
    if (strcmp(disk->bus, "virtio_scsi") == 0) { /* oVirt's word */
        g_free(disk->bus);
        disk->bus = g_strdup("scsi");
    }
    return true;
}

static bool
read_read_only(const Element *element, void *into, GError **error)
{
    return element_boolean(element, &((VmDisk *)into)->readonly, error);
}

static bool
read_bootable(const Element *element, void *into, GError **error)
{
    return element_boolean(element, &((VmDisk *)into)->bootable, error);
}

static bool
read_disk(const Element *element, void *into, GError **error)
{
    static const Member disk_members[] = {
        RESOURCE_MEMBERS,
        {.name = "source", .read = read_source},
        {.name = "format", .read = read_format},
        {.name = "interface", .read = read_disk_interface},
        {.name = "read_only", .read = read_read_only},
        {.name = "bootable", .read = read_bootable},
        /* oVirt 3.6 */
        {.name = "name"},
        {.name = "description"},
        {.name = "alias"},
        {.name = "active"},
        {.name = "size"},
        {.name = "provisioned_size"},
        {.name = "actual_size"},
        {.name = "shareable"},
        {.name = "sparse"},
        {.name = "wipe_after_delete"},
        {.name = "propagate_errors"},
        {.name = "status"},
        {.name = "storage_domain"},
        {.name = "storage_domains"},
        {.name = "storage_type"},
        {.name = "disk_profile"},
        {.name = "quota"},
        {.name = "type"},
        {.name = NULL},
    };
    GPtrArray *disks = into;
    VmDisk *disk = vm_disk_new();
    g_ptr_array_add(disks, disk);
    if (disks->len > DEVICES_MAX)
        return element_fault(element, error, "a VM may have at most %d disks", DEVICES_MAX);
    if (!element_read(element, disk_members, disk, error))
        return false;
    if (disk->source == NULL || disk->source[0] == '\0')
        return element_fault(element, error,
                             "it needs an element <source>: an absolute path or nbd://HOST:PORT/EXPORT");
    return virt_disk_source_is_valid(disk->source, NULL) ||
           element_fault(element, error, "source \"%s\" is neither an absolute path nor nbd://HOST:PORT/EXPORT",
                         disk->source);
}

bool
vm_read_disks(const Element *element, void *into, GError **error)
{
    static const Member disks_members[] = {RESOURCE_MEMBERS,
                                           {.name = "disk", .read = read_disk, .repeats = true},
                                           {.name = NULL}};
    Vm *vm = ((VmInput *)into)->vm;
    g_ptr_array_set_size(vm->disks, 0);
    return element_read(element, disks_members, vm->disks, error);
}

/* --- NICs --- */

static bool
read_nic_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &((VmNic *)into)->name, error);
}

static bool
read_network(const Element *element, void *into, GError **error)
{
    g_auto(Reference) network = {0};
    VmNic *nic = into;
    if (!element_reference(element, &network, error))
        return false;
    if (network.name == NULL)
        return element_fault(element, error, "it needs an element <name>");
    g_free(nic->network);
    nic->network = g_steal_pointer(&network.name);
    return true;
}

/* Six pairs of hexadecimal digits; QEMU takes no multicast address. */
static bool
is_mac(const char *text)
{
    if (strlen(text) != 17)
        return false;
    for (size_t i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
            return false;
    return (g_ascii_xdigit_value(text[1]) & 1) == 0;
}

static bool
read_mac(const Element *element, void *into, GError **error)
{
    static const Member none[] = {{.name = NULL}};
    VmNic *nic = into;
    g_autofree char *address = element_attribute(element, "address");
    if (!element_read(element, none, NULL, error))
        return false;
    if (address == NULL || !is_mac(address))
        return element_fault(element, error, "attribute address must be a unicast MAC like 52:54:00:12:34:56");
    g_free(nic->mac);
    nic->mac = g_ascii_strdown(address, -1);
    return true;
}

static bool
read_nic_interface(const Element *element, void *into, GError **error)
{
    static const char *const words[] = {"virtio", "e1000", "rtl8139", NULL};
    return element_word(element, words, &((VmNic *)into)->model, error);
}

static bool
read_nic(const Element *element, void *into, GError **error)
{
    static const Member nic_members[] = {
        RESOURCE_MEMBERS,
        {.name = "name", .read = read_nic_name},
        {.name = "network", .read = read_network},
        {.name = "mac", .read = read_mac, .attributes = "address"},
        {.name = "interface", .read = read_nic_interface},
        /* oVirt 3.6 */
        {.name = "description"},
        {.name = "boot_protocol"},
        {.name = "linked"},
        {.name = "on_boot"},
        {.name = "plugged"},
        {.name = "active"},
        {.name = "port_mirroring"},
        {.name = "reported_devices"},
        {.name = "statistics"},
        {.name = "vnic_profile"},
        {.name = NULL},
    };
    GPtrArray *nics = into;
    VmNic *nic = vm_nic_new();
    g_ptr_array_add(nics, nic);
    if (nics->len > DEVICES_MAX)
        return element_fault(element, error, "a VM may have at most %d NICs", DEVICES_MAX);
    if (!element_read(element, nic_members, nic, error))
        return false;
    if (nic->network == NULL)
        return element_fault(element, error, "it needs an element <network>");
    return true;
}

bool
vm_read_nics(const Element *element, void *into, GError **error)
{
    static const Member nics_members[] = {RESOURCE_MEMBERS,
                                          {.name = "nic", .read = read_nic, .repeats = true},
                                          {.name = NULL}};
    Vm *vm = ((VmInput *)into)->vm;
    g_ptr_array_set_size(vm->nics, 0);
    return element_read(element, nics_members, vm->nics, error);
}

/* --- both --- */

static void
write_disk(XmlWriter *writer, const VmDisk *disk)
{
    xml_open(writer, "disk");
    xml_text(writer, "source", disk->source);
    xml_text(writer, "interface", disk->bus);
    xml_text(writer, "format", disk->format);
    xml_boolean(writer, "bootable", disk->bootable);
    xml_boolean(writer, "read_only", disk->readonly);
    xml_close(writer);
}

static void
write_nic(XmlWriter *writer, const VmNic *nic)
{
    xml_open(writer, "nic");
    xml_text_unless_empty(writer, "name", nic->name);
    xml_text(writer, "interface", nic->model);
    xml_open(writer, "network");
    xml_text(writer, "name", nic->network);
    xml_close(writer);
    if (nic->mac != NULL) {
        xml_open(writer, "mac");
        xml_attribute(writer, "address", nic->mac);
        xml_close(writer);
    }
    xml_close(writer);
}

void
vm_write_devices(XmlWriter *writer, const Vm *vm)
{
    xml_open(writer, "disks");
    for (guint i = 0; i < vm->disks->len; i++)
        write_disk(writer, g_ptr_array_index(vm->disks, i));
    xml_close(writer);
    xml_open(writer, "nics");
    for (guint i = 0; i < vm->nics->len; i++)
        write_nic(writer, g_ptr_array_index(vm->nics, i));
    xml_close(writer);
}
