#include "rest/resolve.h"
#include "rest/resources.h"
#include "rest/routes.h"
#include "trust/fault.h"
#include <string.h>

bool
serve_clusters_list(RestCall *call, GError **error)
{
    g_autofree char *name = NULL;
    if (!rest_call_search(call, &name, error))
        return false;
    g_autoptr(GPtrArray) all = clusters_list(call->store, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "clusters");
    for (guint i = 0; i < all->len; i++) {
        const Cluster *one = g_ptr_array_index(all, i);
        if (name == NULL || strcmp(name, one->name) == 0)
            cluster_to_xml(writer, call->root, one);
    }
    xml_close(writer);
    return true;
}

static bool
answer_with(RestCall *call, const char *id, GError **error)
{
    g_autoptr(Cluster) cluster = cluster_get(call->store, id, error);
    if (cluster == NULL)
        return false;
    cluster_to_xml(rest_call_writer(call), call->root, cluster);
    return true;
}

bool
serve_clusters_get(RestCall *call, GError **error)
{
    return answer_with(call, call->id, error);
}

static Cluster *
cluster_with_defaults(void)
{
    Cluster *cluster = g_new0(Cluster, 1);
    cluster->description = g_strdup("");
    cluster->comment = g_strdup("");
    cluster->cpu_id = g_strdup("");
    cluster->version_major = 3;
    cluster->version_minor = 6;
    cluster->on_error = g_strdup("migrate");
    return cluster;
}

static ClusterPluginCluster
as_plugin_cluster(const Cluster *cluster)
{
    return (ClusterPluginCluster){.name = cluster->name,
                                  .trusted_service = cluster->trusted_service,
                                  .active_hosts = cluster->active_hosts};
}

/* Reads the request over `cluster`. */
static bool
read_request(RestCall *call, Cluster *cluster, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "cluster", error);
    g_auto(ClusterInput) input = {.cluster = cluster};
    if (document == NULL || !cluster_from_xml(document_root(document), &input, error))
        return false;
    if (!reference_is_given(&input.data_center))
        return true;
    g_free(cluster->data_center_id);
    cluster->data_center_id = resolve_data_center(call->store, &input.data_center, error);
    return cluster->data_center_id != NULL;
}

bool
serve_clusters_add(RestCall *call, GError **error)
{
    g_autoptr(Cluster) cluster = cluster_with_defaults();
    if (!read_request(call, cluster, error))
        return false;
    if (cluster->name == NULL || cluster->data_center_id == NULL) {
        g_set_error(error, FAULT, FAULT_INCOMPLETE, "Cluster [%s] required for add",
                    cluster->name == NULL ? "name" : "dataCenter.name|id");
        return false;
    }
    ClusterPluginCluster after = as_plugin_cluster(cluster);
    if (!manager_check_cluster(call->manager, NULL, &after, error))
        return false;
    g_autofree char *id = cluster_add(call->store, cluster, error);
    if (id == NULL || !answer_with(call, id, error))
        return false;
    rest_call_created(call, "clusters", id);
    return true;
}

bool
serve_clusters_update(RestCall *call, GError **error)
{
    g_autoptr(Cluster) old = cluster_get(call->store, call->id, error);
    g_autoptr(Cluster) cluster = old != NULL ? cluster_get(call->store, call->id, error) : NULL;
    if (cluster == NULL || !read_request(call, cluster, error))
        return false;
    ClusterPluginCluster before = as_plugin_cluster(old);
    ClusterPluginCluster after = as_plugin_cluster(cluster);
    return manager_check_cluster(call->manager, &before, &after, error) &&
           cluster_update(call->store, old, cluster, error) && answer_with(call, call->id, error);
}

bool
serve_clusters_remove(RestCall *call, GError **error)
{
    g_autoptr(Cluster) cluster = cluster_get(call->store, call->id, error);
    if (cluster == NULL)
        return false;
    ClusterPluginCluster before = as_plugin_cluster(cluster);
    return manager_check_cluster(call->manager, &before, NULL, error) && cluster_remove(call->store, call->id, error);
}
