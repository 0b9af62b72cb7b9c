#include "store/evacuations.h"

#include "store/rows.h"

void
evacuation_vm_free(EvacuationVm *vm)
{
    if (vm == NULL)
        return;
    g_free(vm->host);
    g_free(vm->host_name);
    g_free(vm->cluster);
    g_free(vm->vm);
    g_free(vm->vm_name);
    g_free(vm->affinity);
    g_strfreev(vm->tried);
    g_free(vm);
}

static void *
evacuation_vm_read(const StoreResult *result, unsigned row)
{
    EvacuationVm *vm = g_new0(EvacuationVm, 1);
    vm->host = row_text(result, row, "host");
    vm->host_name = row_text(result, row, "host_name");
    vm->host_generation = store_int(result, row, "host_generation");
    vm->cluster = row_text(result, row, "cluster");
    vm->vm = row_text(result, row, "vm");
    vm->vm_name = row_text(result, row, "vm_name");
    vm->memory_mib = store_int(result, row, "memory_mib");
    vm->priority = (int)store_int(result, row, "priority");
    vm->requires_trust = store_bool(result, row, "requires_trust");
    vm->affinity = row_text(result, row, "affinity");
    vm->tried = g_strsplit(store_text(result, row, "tried_ids"), ",", -1);
    return vm;
}

void
evacuation_target_free(EvacuationTarget *target)
{
    if (target == NULL)
        return;
    g_free(target->id);
    g_free(target->name);
    g_free(target->cluster);
    g_free(target);
}

static void *
evacuation_target_read(const StoreResult *result, unsigned row)
{
    EvacuationTarget *target = g_new0(EvacuationTarget, 1);
    target->id = row_text(result, row, "id");
    target->name = row_text(result, row, "name");
    target->cluster = row_text(result, row, "cluster");
    target->generation = store_int(result, row, "generation");
    target->is_trusted = store_bool(result, row, "trusted_fresh");
    target->free_mib = store_int(result, row, "free_mib");
    return target;
}

GPtrArray *
evacuation_work(Store *store, GError **error)
{
    return rows_list(store, error, evacuation_vm_read, (GDestroyNotify)evacuation_vm_free,
                     "select *, array_to_string(tried, ',') as tried_ids from evacuation_work()", 0, NULL);
}

GPtrArray *
evacuation_targets(Store *store, GError **error)
{
    return rows_list(store, error, evacuation_target_read, (GDestroyNotify)evacuation_target_free,
                     "select * from evacuation_targets()", 0, NULL);
}

bool
evacuation_tried(Store *store, const char *host, const char *vm, const char *target, const char *why, GError **error)
{
    const char *params[] = {host, vm, target, why};
    return store_run_again(store, error, "select evacuation_tried($1, $2, $3, $4)", 4, params);
}

bool
evacuation_stays(Store *store, const char *host, const char *vm, const char *why, GError **error)
{
    const char *params[] = {host, vm, why};
    return store_run_again(store, error, "select evacuation_stays($1, $2, $3)", 3, params);
}

bool
evacuation_waits(Store *store, const char *host, GError **error)
{
    const char *params[] = {host};
    return store_run_again(store, error, "select evacuation_waits($1)", 1, params);
}

bool
evacuation_close(Store *store, int64_t *next_ms, int64_t *now_ms, GError **error)
{
    if (!store_run_again(store, error, "select evacuation_close()", 0, NULL))
        return false;
    g_autoptr(StoreResult) result =
        store_call_again(store, error,
                         "select ms_up(next_evacuation()) as next_ms, ms_down(clock_timestamp()) as now_ms", 0, NULL);
    if (result == NULL)
        return false;
    *next_ms = store_int(result, 0, "next_ms");
    *now_ms = store_int(result, 0, "now_ms");
    return true;
}
