#include "manager/definition.h"
#include "virt/domain_xml.h"
#include <string.h>

/* oVirt's CPU types (engine-config ServerCPUList, 3.6) and libvirt's models for them. */
static const struct {
    const char *id;
    const char *model;
} cpu_types[] = {
    {"Intel Conroe Family", "Conroe"},
    {"Intel Penryn Family", "Penryn"},
    {"Intel Nehalem Family", "Nehalem"},
    {"Intel Westmere Family", "Westmere"},
    {"Intel SandyBridge Family", "SandyBridge"},
    {"Intel Haswell-noTSX Family", "Haswell-noTSX"},
    {"Intel Haswell Family", "Haswell"},
    {"Intel Broadwell-noTSX Family", "Broadwell-noTSX"},
    {"Intel Broadwell Family", "Broadwell"},
    {"AMD Opteron G1", "Opteron_G1"},
    {"AMD Opteron G2", "Opteron_G2"},
    {"AMD Opteron G3", "Opteron_G3"},
    {"AMD Opteron G4", "Opteron_G4"},
    {"AMD Opteron G5", "Opteron_G5"},
};

/* NULL: no such type; then QEMU's own default is as good as any. */
static const char *
cpu_model(const char *id)
{
    for (size_t i = 0; id && i < G_N_ELEMENTS(cpu_types); i++)
        if (strcmp(cpu_types[i].id, id) == 0)
            return cpu_types[i].model;
    return NULL;
}

char *
vm_definition_xml(const Config *config, const Vm *vm, GError **error)
{
    g_autofree VirtDisk *disks = g_new0(VirtDisk, vm->disks->len);
    g_autofree VirtNic *nics = g_new0(VirtNic, vm->nics->len);
    VirtDefinition definition = {.uuid = vm->id,
                                 .name = vm->name,
                                 .type = config->domain_type,
                                 .machine = vm->machine,
                                 .cpu_model = cpu_model(vm->cpu_id),
                                 .memory_mib = vm->memory_mib,
                                 .cpus = vm->cpus,
                                 .display = vm->display,
                                 .disks = disks,
                                 .n_disks = vm->disks->len,
                                 .nics = nics,
                                 .n_nics = vm->nics->len};

    for (unsigned i = 0; i < vm->disks->len; i++) {
        const VmDisk *disk = g_ptr_array_index(vm->disks, i);
        disks[i] = (VirtDisk){disk->source, disk->format, disk->bus, disk->readonly, disk->bootable};
    }
    for (unsigned i = 0; i < vm->nics->len; i++) {
        const VmNic *nic = g_ptr_array_index(vm->nics, i);
        nics[i] = (VirtNic){nic->network, nic->mac, nic->model};
    }
    return virt_domain_xml(&definition, error);
}
