/* domain_xml.h: the manager's own definition of a VM as libvirt's XML. Pure. */
#ifndef VIRT_DOMAIN_XML_H
#define VIRT_DOMAIN_XML_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    const char *source; /* absolute path, or nbd://HOST:PORT/EXPORT */
    const char *format; /* raw or qcow2 */
    const char *bus;    /* virtio, ide, scsi or sata */
    bool readonly;
    bool bootable; /* bootable disks are tried in their order; with none marked the firmware decides */
} VirtDisk;

typedef struct {
    const char *network; /* name of a libvirt network on the host */
    const char *mac;
    const char *model; /* virtio, e1000 or rtl8139 */
} VirtNic;

typedef struct {
    const char *uuid;
    const char *name;
    const char *type;      /* kvm or qemu */
    const char *emulator;  /* NULL: libvirt's choice */
    const char *machine;   /* NULL or "": pc */
    const char *cpu_model; /* libvirt's name; NULL: qemu64 */
    int64_t memory_mib;
    int cpus;
    const char *display; /* vnc, spice, none */
    const VirtDisk *disks;
    size_t n_disks;
    const VirtNic *nics;
    size_t n_nics;
} VirtDefinition;

/* The same bytes for the same definition, on start and as the target's XML of a migration: QEMU's ABI follows from them
 * (addresses are left to libvirt, which assigns them in order). g_free. Error FAULT_INVALID names the VM's field, or
 * the disk or NIC, counted from 0. */
char *virt_domain_xml(const VirtDefinition *definition, GError **error);
/* Is this the name of a machine type (or "")? */
bool virt_machine_is_valid(const char *machine);
/* Is this a disk source that virt_domain_xml takes? FAULT_INVALID. */
bool virt_disk_source_is_valid(const char *source, GError **error);

#endif
