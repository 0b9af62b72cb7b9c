#include "rest/resolve.h"
#include "rest/resources.h"
#include "rest/routes.h"
#include "trust/fault.h"
#include <string.h>

bool
serve_hosts_list(RestCall *call, GError **error)
{
    g_autofree char *name = NULL;
    if (!rest_call_search(call, &name, error))
        return false;
    g_autoptr(GPtrArray) all = hosts_list(call->store, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "hosts");
    for (guint i = 0; i < all->len; i++) {
        const Host *one = g_ptr_array_index(all, i);
        if (name == NULL || strcmp(name, one->name) == 0)
            host_to_xml(writer, call->root, one);
    }
    xml_close(writer);
    return true;
}

static bool
answer_with(RestCall *call, const char *id, GError **error)
{
    g_autoptr(Host) host = host_get(call->store, id, error);
    if (host == NULL)
        return false;
    host_to_xml(rest_call_writer(call), call->root, host);
    return true;
}

bool
serve_hosts_get(RestCall *call, GError **error)
{
    return answer_with(call, call->id, error);
}

/* Reads the request over `host`. */
static bool
read_request(RestCall *call, Host *host, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "host", error);
    g_auto(HostInput) input = {.host = host};
    if (document == NULL || !host_from_xml(document_root(document), &input, error))
        return false;
    if (!reference_is_given(&input.cluster))
        return true;
    g_free(host->cluster_id);
    host->cluster_id = resolve_cluster(call->store, &input.cluster, error);
    return host->cluster_id != NULL;
}

/* oVirt: a host that names no cluster goes into Default. */
static bool
choose_cluster(RestCall *call, Host *host, GError **error)
{
    if (host->cluster_id != NULL)
        return true;
    g_autoptr(Cluster) cluster = cluster_find(call->store, "Default", NULL);
    if (cluster == NULL) {
        g_set_error(error, FAULT, FAULT_INCOMPLETE, "Host [cluster.id|name] required for add");
        return false;
    }
    host->cluster_id = g_strdup(cluster->id);
    return true;
}

bool
serve_hosts_add(RestCall *call, GError **error)
{
    g_autoptr(Host) host = g_new0(Host, 1);
    host->comment = g_strdup("");
    if (!read_request(call, host, error))
        return false;
    if (host->name == NULL || host->address == NULL) {
        g_set_error(error, FAULT, FAULT_INCOMPLETE, "Host [%s] required for add",
                    host->name == NULL ? "name" : "address");
        return false;
    }
    if (!choose_cluster(call, host, error))
        return false;
    g_autofree char *id = host_add(call->store, host, error);
    if (id == NULL)
        return false;
    manager_hosts_changed(call->manager);
    if (!answer_with(call, id, error))
        return false;
    rest_call_created(call, "hosts", id);
    return true;
}

static bool
check_fixed(const char *what, const char *before, const char *after, GError **error)
{
    if (g_ascii_strcasecmp(before, after) == 0)
        return true;
    g_set_error(error, FAULT, FAULT_REFUSED,
                "the %s of a host is fixed when it is added (it is %s); remove the host and add it again", what,
                before);
    return false;
}

bool
serve_hosts_update(RestCall *call, GError **error)
{
    g_autoptr(Host) old = host_get(call->store, call->id, error);
    g_autoptr(Host) host = old != NULL ? host_get(call->store, call->id, error) : NULL;
    if (host == NULL || !read_request(call, host, error) ||
        !check_fixed("address", old->address, host->address, error) ||
        !check_fixed("attestation_id", old->attestation_id, host->attestation_id, error) ||
        !host_update(call->store, host, error))
        return false;
    manager_hosts_changed(call->manager);
    return answer_with(call, call->id, error);
}

bool
serve_hosts_remove(RestCall *call, GError **error)
{
    if (!host_remove(call->store, call->id, error))
        return false;
    manager_hosts_changed(call->manager);
    return true;
}

static bool
read_action(RestCall *call, ActionInput *input, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "action", error);
    return document != NULL && action_from_xml(document_root(document), input, error);
}

static void
activated(void *closure, const GError *error)
{
    RestCall *call = closure;
    if (error == NULL)
        rest_call_complete(call);
    rest_call_finish(call, error);
}

void
serve_hosts_activate(RestCall *call)
{
    g_autoptr(GError) error = NULL;
    g_auto(ActionInput) input = {0};
    if (!read_action(call, &input, &error))
        rest_call_finish(call, error);
    else /* the call belongs to `activated` from here on: it may be gone before this returns */
        manager_activate(call->manager, call->id, call->user, activated, call);
}

bool
serve_hosts_deactivate(RestCall *call, GError **error)
{
    g_auto(ActionInput) input = {0};
    if (!read_action(call, &input, error) ||
        !manager_deactivate(call->manager, call->id, input.leave_running, call->user, error))
        return false;
    rest_call_complete(call);
    return true;
}

bool
serve_hosts_fence(RestCall *call, GError **error)
{
    g_auto(ActionInput) input = {0};
    if (!read_action(call, &input, error))
        return false;
    if (input.fence_type == NULL) {
        g_set_error(error, FAULT, FAULT_INCOMPLETE,
                    "Action [fence_type] required for fence: manual, when you know that the host is dead");
        return false;
    }
    if (!manager_fence(call->manager, call->id, call->user, error))
        return false;
    rest_call_complete(call);
    return true;
}

bool
serve_hosts_release_evacuation(RestCall *call, GError **error)
{
    g_auto(ActionInput) input = {0};
    if (!read_action(call, &input, error) || !host_release_evacuation(call->store, call->id, call->user, error))
        return false;
    rest_call_complete(call);
    return true;
}
