#include "store/vms.h"

#include "store/rows.h"
#include "store/vm_json.h"

static void
vm_disk_free(void *closure)
{
    VmDisk *disk = closure;
    g_free(disk->source);
    g_free(disk->format);
    g_free(disk->bus);
    g_free(disk);
}

static void
vm_nic_free(void *closure)
{
    VmNic *nic = closure;
    g_free(nic->name);
    g_free(nic->network);
    g_free(nic->mac);
    g_free(nic->model);
    g_free(nic);
}

VmDisk *
vm_disk_new(void)
{
    return g_new0(VmDisk, 1);
}

VmNic *
vm_nic_new(void)
{
    return g_new0(VmNic, 1);
}

static Vm *
vm_empty(void)
{
    Vm *vm = g_new0(Vm, 1);
    vm->disks = g_ptr_array_new_with_free_func(vm_disk_free);
    vm->nics = g_ptr_array_new_with_free_func(vm_nic_free);
    return vm;
}

/* The defaults of the table vms. */
Vm *
vm_new(void)
{
    Vm *vm = vm_empty();
    vm->description = g_strdup("");
    vm->comment = g_strdup("");
    vm->memory_mib = 1024;
    vm->cpus = 1;
    vm->priority = 1;
    vm->display = g_strdup("vnc");
    vm->affinity = g_strdup("migratable");
    vm->origin = g_strdup("trustpool");
    vm->status = g_strdup("down");
    vm->status_detail = g_strdup("");
    return vm;
}

void
vm_free(Vm *vm)
{
    if (vm == NULL)
        return;
    g_free(vm->id);
    g_free(vm->cluster_id);
    g_free(vm->template_id);
    g_free(vm->name);
    g_free(vm->description);
    g_free(vm->comment);
    g_free(vm->display);
    g_free(vm->affinity);
    g_free(vm->pinned_host_id);
    g_free(vm->origin);
    g_free(vm->machine);
    g_free(vm->cpu_id);
    g_free(vm->status);
    g_free(vm->status_detail);
    g_free(vm->host_id);
    g_free(vm->target_host_id);
    g_ptr_array_unref(vm->disks);
    g_ptr_array_unref(vm->nics);
    g_free(vm);
}

static void
vm_read_devices(const StoreResult *result, unsigned row, Vm *vm)
{
    g_autoptr(GError) error = NULL;
    if (!vm_json_parse_disks(store_text(result, row, "disks"), vm->disks, &error) ||
        !vm_json_parse_nics(store_text(result, row, "nics"), vm->nics, &error))
        g_error("%s", error->message); /* the view vm_rows makes arrays */
}

static void *
vm_read(const StoreResult *result, unsigned row)
{
    Vm *vm = vm_empty();
    vm->id = row_text(result, row, "id");
    vm->cluster_id = row_text(result, row, "cluster_id");
    vm->template_id = row_text(result, row, "template_id");
    vm->name = row_text(result, row, "name");
    vm->description = row_text(result, row, "description");
    vm->comment = row_text(result, row, "comment");
    vm->memory_mib = store_int(result, row, "memory_mib");
    vm->cpus = (int)store_int(result, row, "cpus");
    vm->priority = (int)store_int(result, row, "priority");
    vm->display = row_text(result, row, "display");
    vm->affinity = row_text(result, row, "affinity");
    vm->pinned_host_id = row_text(result, row, "pinned_host_id");
    vm->trusted_host_flag = store_bool(result, row, "trusted_host_flag");
    vm->origin = row_text(result, row, "origin");
    vm->machine = row_text(result, row, "machine");
    vm->cpu_id = row_text(result, row, "cpu_id");
    vm->status = row_text(result, row, "status");
    vm->status_detail = row_text(result, row, "status_detail");
    vm->host_id = row_text(result, row, "host_id");
    vm->target_host_id = row_text(result, row, "target_host_id");
    vm->requires_trust = store_bool(result, row, "requires_trust");
    vm_read_devices(result, row, vm);
    return vm;
}

GPtrArray *
vms_list(Store *store, GError **error)
{
    return rows_list(store, error, vm_read, (GDestroyNotify)vm_free, "select * from vm_rows order by name, id", 0,
                     NULL);
}

Vm *
vm_get(Store *store, const char *id, GError **error)
{
    if (!rows_check_id("VM", id, error))
        return NULL;
    return rows_one(store, error, vm_read, "VM", "select * from vm_rows where id = $1", id);
}

Vm *
vm_find(Store *store, const char *name, GError **error)
{
    return rows_one(store, error, vm_read, "VM", "select * from vm_rows where name = $1", name);
}

/* The ids that a definition refers to. */
static bool
check_references(const Vm *vm, GError **error)
{
    return (vm->cluster_id == NULL || rows_check_id("cluster", vm->cluster_id, error)) &&
           (vm->template_id == NULL || rows_check_id("template", vm->template_id, error)) &&
           (vm->pinned_host_id == NULL || rows_check_id("host", vm->pinned_host_id, error));
}

char *
vm_add(Store *store, const Vm *vm, GError **error)
{
    g_autofree char *definition = check_references(vm, error) ? vm_json_format(vm, error) : NULL;
    if (definition == NULL)
        return NULL;
    const char *params[] = {definition};
    return rows_id(store, error, "select vm_add($1) as id", 1, params);
}

bool
vm_update(Store *store, const Vm *before, const Vm *vm, GError **error)
{
    if (!rows_check_id("VM", vm->id, error) || !check_references(vm, error))
        return false;
    g_autofree char *definition = vm_json_format(vm, error);
    if (definition == NULL)
        return false;
    g_autofree char *same = before != NULL ? vm_json_format(before, error) : NULL;
    if (before != NULL && same == NULL)
        return false;
    const char *params[] = {vm->id, definition, same};
    return store_run_again(store, error, "select vm_update($1, $2, $3)", 3, params);
}

bool
vm_remove(Store *store, const char *id, GError **error)
{
    const char *params[] = {id};
    return rows_check_id("VM", id, error) && store_run(store, error, "select vm_remove($1)", 1, params);
}
