#include "store/vm_json.h"

#include "trust/fault.h"

#include <jansson.h>
#include <stdlib.h>

static json_t *
disks_pack(const GPtrArray *disks)
{
    json_t *array = json_array();
    for (guint i = 0; i < disks->len; i++) {
        const VmDisk *disk = g_ptr_array_index(disks, i);
        json_t *object = json_pack("{s:s?, s:s?, s:s?, s:b, s:b}", "source", disk->source, "format", disk->format,
                                   "bus", disk->bus, "readonly", (int)disk->readonly, "bootable", (int)disk->bootable);
        if (json_array_append_new(array, object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

static json_t *
nics_pack(const GPtrArray *nics)
{
    json_t *array = json_array();
    for (guint i = 0; i < nics->len; i++) {
        const VmNic *nic = g_ptr_array_index(nics, i);
        json_t *object = json_pack("{s:s?, s:s?, s:s?, s:s?}", "name", nic->name, "network", nic->network, "mac",
                                   nic->mac, "model", nic->model);
        if (json_array_append_new(array, object) != 0) {
            json_decref(array);
            return NULL;
        }
    }
    return array;
}

/* Takes `json`; NULL is what jansson answers to a text that is not UTF-8. */
static char *
dump(json_t *json, GError **error)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    if (text == NULL) {
        g_set_error_literal(error, FAULT, FAULT_INVALID, "a text of the definition is not UTF-8");
        return NULL;
    }
    char *copy = g_strdup(text);
    free(text);
    return copy;
}

char *
vm_json_format(const Vm *vm, GError **error)
{
    json_t *object =
        json_pack("{s:s?, s:s?, s:s?, s:s?, s:s?, s:I, s:i, s:i, s:s?, s:s?, s:s?, s:b, s:s?, s:o, s:o}", "cluster_id",
                  vm->cluster_id, "template_id", vm->template_id, "name", vm->name, "description", vm->description,
                  "comment", vm->comment, "memory_mib", (json_int_t)vm->memory_mib, "cpus", vm->cpus, "priority",
                  vm->priority, "display", vm->display, "affinity", vm->affinity, "pinned_host_id", vm->pinned_host_id,
                  "trusted_host_flag", (int)vm->trusted_host_flag, "origin", vm->origin, "disks", disks_pack(vm->disks),
                  "nics", nics_pack(vm->nics));
    return dump(object, error);
}

static char *
member(const json_t *object, const char *key)
{
    return g_strdup(json_string_value(json_object_get(object, key)));
}

static json_t *
load_array(const char *text, GError **error)
{
    json_error_t why;
    json_t *array = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (json_is_array(array))
        return array;
    json_decref(array);
    g_set_error(error, FAULT, FAULT_FAILED, "the database's devices of a VM are no array: %s", why.text);
    return NULL;
}

bool
vm_json_parse_disks(const char *text, GPtrArray *disks, GError **error)
{
    if (text == NULL)
        return true;
    json_t *array = load_array(text, error);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *object = json_array_get(array, i);
        VmDisk *disk = vm_disk_new();
        disk->source = member(object, "source");
        disk->format = member(object, "format");
        disk->bus = member(object, "bus");
        disk->readonly = json_is_true(json_object_get(object, "readonly"));
        disk->bootable = json_is_true(json_object_get(object, "bootable"));
        g_ptr_array_add(disks, disk);
    }
    bool parsed = array != NULL;
    json_decref(array);
    return parsed;
}

bool
vm_json_parse_nics(const char *text, GPtrArray *nics, GError **error)
{
    if (text == NULL)
        return true;
    json_t *array = load_array(text, error);
    for (size_t i = 0; i < json_array_size(array); i++) {
        const json_t *object = json_array_get(array, i);
        VmNic *nic = vm_nic_new();
        nic->name = member(object, "name");
        nic->network = member(object, "network");
        nic->mac = member(object, "mac");
        nic->model = member(object, "model");
        g_ptr_array_add(nics, nic);
    }
    bool parsed = array != NULL;
    json_decref(array);
    return parsed;
}

char *
vm_json_format_domains(const GPtrArray *domains, GError **error)
{
    json_t *array = json_array();
    for (guint i = 0; i < domains->len; i++) {
        const ListedDomain *domain = g_ptr_array_index(domains, i);
        /* a hostile host may name its domains as it likes */
        g_autofree char *name = g_utf8_make_valid(domain->name != NULL ? domain->name : "", -1);
        json_array_append_new(array,
                              json_pack("{s:s, s:s, s:s}", "uuid", domain->uuid, "name", name, "state", domain->state));
    }
    return dump(array, error);
}
