#include "store/clusters.h"

#include "store/rows.h"

static void *
cluster_read(const StoreResult *result, unsigned row)
{
    Cluster *cluster = g_new0(Cluster, 1);
    cluster->id = row_text(result, row, "id");
    cluster->data_center_id = row_text(result, row, "data_center_id");
    cluster->name = row_text(result, row, "name");
    cluster->description = row_text(result, row, "description");
    cluster->comment = row_text(result, row, "comment");
    cluster->cpu_id = row_text(result, row, "cpu_id");
    cluster->version_major = (int)store_int(result, row, "version_major");
    cluster->version_minor = (int)store_int(result, row, "version_minor");
    cluster->trusted_service = store_bool(result, row, "trusted_service");
    cluster->on_error = row_text(result, row, "on_error");
    cluster->active_hosts = (unsigned)store_int(result, row, "active_hosts");
    return cluster;
}

void
cluster_free(Cluster *cluster)
{
    if (cluster == NULL)
        return;
    g_free(cluster->id);
    g_free(cluster->data_center_id);
    g_free(cluster->name);
    g_free(cluster->description);
    g_free(cluster->comment);
    g_free(cluster->cpu_id);
    g_free(cluster->on_error);
    g_free(cluster);
}

GPtrArray *
clusters_list(Store *store, GError **error)
{
    return rows_list(store, error, cluster_read, (GDestroyNotify)cluster_free,
                     "select * from cluster_rows order by name, id", 0, NULL);
}

Cluster *
cluster_get(Store *store, const char *id, GError **error)
{
    if (!rows_check_id("cluster", id, error))
        return NULL;
    return rows_one(store, error, cluster_read, "cluster", "select * from cluster_rows where id = $1", id);
}

Cluster *
cluster_find(Store *store, const char *name, GError **error)
{
    return rows_one(store, error, cluster_read, "cluster", "select * from cluster_rows where name = $1", name);
}

char *
cluster_add(Store *store, const Cluster *cluster, GError **error)
{
    char major[16], minor[16];
    g_snprintf(major, sizeof major, "%d", cluster->version_major);
    g_snprintf(minor, sizeof minor, "%d", cluster->version_minor);
    const char *params[] = {cluster->data_center_id,
                            cluster->name,
                            cluster->description,
                            cluster->comment,
                            cluster->cpu_id,
                            major,
                            minor,
                            cluster->trusted_service ? "true" : "false",
                            cluster->on_error};
    if (!rows_check_id("data center", cluster->data_center_id != NULL ? cluster->data_center_id : "", error))
        return NULL;
    return rows_id(store, error, "select cluster_add($1, $2, $3, $4, $5, $6, $7, $8, $9) as id", 9, params);
}

/* NULL, which leaves it as it is, where the caller has not changed it. */
static const char *
changed(const char *before, const char *after)
{
    return g_strcmp0(before, after) == 0 ? NULL : after;
}

bool
cluster_update(Store *store, const Cluster *before, const Cluster *cluster, GError **error)
{
    static const Cluster nothing = {.version_major = -1, .version_minor = -1};
    const Cluster *old = before != NULL ? before : &nothing;
    bool is_trust_same = before != NULL && before->trusted_service == cluster->trusted_service;
    char major[16], minor[16];
    g_snprintf(major, sizeof major, "%d", cluster->version_major);
    g_snprintf(minor, sizeof minor, "%d", cluster->version_minor);
    const char *params[] = {cluster->id,
                            changed(old->name, cluster->name),
                            changed(old->description, cluster->description),
                            changed(old->comment, cluster->comment),
                            changed(old->cpu_id, cluster->cpu_id),
                            old->version_major == cluster->version_major ? NULL : major,
                            old->version_minor == cluster->version_minor ? NULL : minor,
                            is_trust_same              ? NULL
                            : cluster->trusted_service ? "true"
                                                       : "false",
                            changed(old->on_error, cluster->on_error)};
    return rows_check_id("cluster", cluster->id, error) &&
           store_run_again(store, error, "select cluster_update($1, $2, $3, $4, $5, $6, $7, $8, $9)", 9, params);
}

bool
cluster_remove(Store *store, const char *id, GError **error)
{
    const char *params[] = {id};
    return rows_check_id("cluster", id, error) && store_run(store, error, "select cluster_remove($1)", 1, params);
}
