#include "store/hosts.h"

#include "store/rows.h"

static void *
host_read(const StoreResult *result, unsigned row)
{
    Host *host = g_new0(Host, 1);
    host->id = row_text(result, row, "id");
    host->cluster_id = row_text(result, row, "cluster_id");
    host->name = row_text(result, row, "name");
    host->address = row_text(result, row, "address");
    host->attestation_id = row_text(result, row, "attestation_id");
    host->comment = row_text(result, row, "comment");
    host->status = row_text(result, row, "status");
    host->reason = row_text(result, row, "reason");
    host->detail = row_text(result, row, "detail");
    host->libvirt_uuid = row_text(result, row, "libvirt_uuid");
    host->connected = store_bool(result, row, "connected");
    host->generation = store_int(result, row, "generation");
    host->memory_mib = store_int(result, row, "memory_mib");
    host->used_mib = store_int(result, row, "used_mib");
    host->cpus = (int)store_int(result, row, "cpus");
    host->vms = (unsigned)store_int(result, row, "vms");
    host->cluster_trusted = store_bool(result, row, "cluster_trusted");
    host->verdict = row_text(result, row, "verdict");
    host->verdict_reason = row_text(result, row, "verdict_reason");
    host->verdict_detail = row_text(result, row, "verdict_detail");
    host->asked_at = row_text(result, row, "asked_at");
    host->valid_until = row_text(result, row, "valid_until");
    host->is_trusted = store_bool(result, row, "is_trusted");
    host->evacuating = store_bool(result, row, "evacuating");
    host->evacuation_held = store_bool(result, row, "evacuation_held");
    return host;
}

void
host_free(Host *host)
{
    if (host == NULL)
        return;
    g_free(host->id);
    g_free(host->cluster_id);
    g_free(host->name);
    g_free(host->address);
    g_free(host->attestation_id);
    g_free(host->comment);
    g_free(host->status);
    g_free(host->reason);
    g_free(host->detail);
    g_free(host->libvirt_uuid);
    g_free(host->verdict);
    g_free(host->verdict_reason);
    g_free(host->verdict_detail);
    g_free(host->asked_at);
    g_free(host->valid_until);
    g_free(host);
}

GPtrArray *
hosts_list(Store *store, GError **error)
{
    return rows_list(store, error, host_read, (GDestroyNotify)host_free, "select * from host_rows order by name, id", 0,
                     NULL);
}

Host *
host_get(Store *store, const char *id, GError **error)
{
    if (!rows_check_id("host", id, error))
        return NULL;
    return rows_one(store, error, host_read, "host", "select * from host_rows where id = $1", id);
}

Host *
host_find(Store *store, const char *name, GError **error)
{
    return rows_one(store, error, host_read, "host", "select * from host_rows where name = $1", name);
}

char *
host_add(Store *store, const Host *host, GError **error)
{
    const char *params[] = {host->cluster_id, host->name, host->address, host->attestation_id, host->comment};
    if (!rows_check_id("cluster", host->cluster_id != NULL ? host->cluster_id : "", error))
        return NULL;
    return rows_id(store, error, "select host_add($1, $2, $3, $4, $5) as id", 5, params);
}

bool
host_update(Store *store, const Host *host, GError **error)
{
    const char *params[] = {host->id, host->name, host->comment, host->cluster_id};
    return rows_check_id("host", host->id, error) &&
           (host->cluster_id == NULL || rows_check_id("cluster", host->cluster_id, error)) &&
           store_run_again(store, error, "select host_update($1, $2, $3, $4)", 4, params);
}

bool
host_remove(Store *store, const char *id, GError **error)
{
    const char *params[] = {id};
    return rows_check_id("host", id, error) && store_run(store, error, "select host_remove($1)", 1, params);
}

bool
host_disconnected(Store *store, const char *id, int64_t generation, const char *why, GError **error)
{
    char number[32];
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, generation);
    const char *params[] = {id, number, why};
    return store_run_again(store, error, "select host_disconnected($1, $2, $3)", 3, params);
}

bool
host_identity(Store *store, const char *id, const char *detail, GError **error)
{
    const char *params[] = {id, detail};
    return store_run_again(store, error, "select host_identity($1, $2)", 2, params);
}

bool
hosts_all_disconnected(Store *store, GError **error)
{
    return store_run_again(store, error, "select all_disconnected()", 0, NULL);
}

void
host_activated_free(HostActivated *activated)
{
    if (activated == NULL)
        return;
    g_free(activated->id);
    g_free(activated->name);
    g_free(activated->attestation_id);
    g_free(activated->status);
    g_free(activated);
}

HostActivated *
host_activate(Store *store, const char *id, const char *user, GError **error)
{
    const char *params[] = {id, user};
    if (!rows_check_id("host", id, error))
        return NULL;
    g_autoptr(StoreResult) result = store_call(store, error, "select * from activate_host($1, $2)", 2, params);
    if (result == NULL)
        return NULL;
    HostActivated *activated = g_new0(HostActivated, 1);
    activated->id = row_text(result, 0, "id");
    activated->name = row_text(result, 0, "name");
    activated->attestation_id = row_text(result, 0, "attestation_id");
    activated->status = row_text(result, 0, "status");
    activated->connected = store_bool(result, 0, "connected");
    activated->cluster_trusted = store_bool(result, 0, "cluster_trusted");
    return activated;
}

bool
host_deactivate(Store *store, const char *id, bool leave_running, const char *user, GError **error)
{
    const char *params[] = {id, leave_running ? "true" : "false", user};
    return rows_check_id("host", id, error) && store_run(store, error, "select deactivate_host($1, $2, $3)", 3, params);
}

bool
host_fence(Store *store, const char *id, const char *user, GError **error)
{
    const char *params[] = {id, user};
    return rows_check_id("host", id, error) && store_run(store, error, "select fence_host($1, $2)", 2, params);
}

bool
host_release_evacuation(Store *store, const char *id, const char *user, GError **error)
{
    const char *params[] = {id, user};
    return rows_check_id("host", id, error) && store_run(store, error, "select evacuation_release($1, $2)", 2, params);
}
