/* Where VMs run: the placement transaction, operations, and what libvirt says. The definitions are in vms.c. */
#include "store/vms.h"

#include "store/hosts.h"
#include "store/rows.h"
#include "store/vm_json.h"

bool
vm_place(Store *store, const char *operation, PlaceKind kind, const char *vm, const char *host, int64_t generation,
         bool evacuation, char **source, GError **error)
{
    char number[32];
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, generation);
    const char *params[] = {operation, kind == PLACE_START ? "start" : "migrate",
                            vm,        host,
                            number,    evacuation ? "true" : "false"};
    if (!rows_check_id("VM", vm, error) || !rows_check_id("host", host, error))
        return false;
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select source from place_vm($1, $2, $3, $4, $5, $6)", 6, params);
    if (result == NULL)
        return false;
    if (source != NULL)
        *source = row_text(result, 0, "source");
    return true;
}

static void *
vm_candidate_read(const StoreResult *result, unsigned row)
{
    VmCandidate *candidate = g_new0(VmCandidate, 1);
    candidate->id = row_text(result, row, "id");
    candidate->name = row_text(result, row, "name");
    candidate->attestation_id = row_text(result, row, "attestation_id");
    candidate->generation = store_int(result, row, "generation");
    candidate->free_mib = store_int(result, row, "free_mib");
    candidate->passes = store_bool(result, row, "passes");
    candidate->why = row_text(result, row, "why");
    return candidate;
}

void
vm_candidate_free(VmCandidate *candidate)
{
    if (candidate == NULL)
        return;
    g_free(candidate->id);
    g_free(candidate->name);
    g_free(candidate->attestation_id);
    g_free(candidate->why);
    g_free(candidate);
}

GPtrArray *
vm_candidates(Store *store, const char *vm, GError **error)
{
    const char *params[] = {vm};
    if (!rows_check_id("VM", vm, error))
        return NULL;
    return rows_list(store, error, vm_candidate_read, (GDestroyNotify)vm_candidate_free,
                     "select * from candidate_hosts($1)", 1, params);
}

bool
vm_stop_begin(Store *store, const char *operation, const char *vm, char **host, int64_t *generation, GError **error)
{
    const char *params[] = {operation, vm};
    if (!rows_check_id("VM", vm, error))
        return false;
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select host, generation from stop_vm($1, $2)", 2, params);
    if (result == NULL)
        return false;
    *host = row_text(result, 0, "host");
    *generation = store_int(result, 0, "generation");
    return true;
}

bool
operation_end(Store *store, const char *operation, bool done, const char *detail, GError **error)
{
    const char *params[] = {operation, done ? "done" : "failed", detail != NULL ? detail : ""};
    return store_run_again(store, error, "select operation_end($1, $2, $3)", 3, params);
}

static void *
operation_read(const StoreResult *result, unsigned row)
{
    Operation *operation = g_new0(Operation, 1);
    operation->id = row_text(result, row, "id");
    operation->kind = row_text(result, row, "kind");
    operation->vm_id = row_text(result, row, "vm_id");
    operation->host_id = row_text(result, row, "host_id");
    operation->source_id = row_text(result, row, "source_id");
    return operation;
}

void
operation_free(Operation *operation)
{
    if (operation == NULL)
        return;
    g_free(operation->id);
    g_free(operation->kind);
    g_free(operation->vm_id);
    g_free(operation->host_id);
    g_free(operation->source_id);
    g_free(operation);
}

GPtrArray *
operations_open(Store *store, GError **error)
{
    return rows_list(store, error, operation_read, (GDestroyNotify)operation_free,
                     "select * from operations_orphaned()", 0, NULL);
}

bool
vm_domain_event(Store *store, const char *host, int64_t generation, const char *vm, const char *what, int64_t age_us,
                GError **error)
{
    char number[32], age[64];
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, generation);
    g_snprintf(age, sizeof age, "%" G_GINT64_FORMAT " microseconds", MAX(age_us, 0));
    const char *params[] = {host, number, vm, what, age};
    return store_run_again(store, error, "select domain_event($1, $2, $3, $4, $5)", 5, params);
}

void
listed_domain_free(ListedDomain *domain)
{
    if (domain == NULL)
        return;
    g_free(domain->uuid);
    g_free(domain->name);
    g_free(domain);
}

bool
vm_domains_listed(Store *store, const char *host, int64_t generation, GPtrArray *domains, GError **error)
{
    char number[32];
    bool is_listed = false;
    if (domains->len == 0 && !host_listed_empty(store, host, generation, &is_listed, error))
        return false;
    if (is_listed)
        return true;
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, generation);
    g_autofree char *listed = vm_json_format_domains(domains, error);
    if (listed == NULL)
        return false;
    const char *params[] = {host, number, listed};
    return store_run_again(store, error, "select domains_listed($1, $2, $3)", 3, params);
}
