#include "rest/resolve.h"
#include "rest/resources.h"
#include "rest/routes.h"
#include "trust/fault.h"
#include <string.h>

bool
serve_vms_list(RestCall *call, GError **error)
{
    g_autofree char *name = NULL;
    if (!rest_call_search(call, &name, error))
        return false;
    g_autoptr(GPtrArray) all = vms_list(call->store, error);
    if (all == NULL)
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "vms");
    for (guint i = 0; i < all->len; i++) {
        const Vm *one = g_ptr_array_index(all, i);
        if (name == NULL || strcmp(name, one->name) == 0)
            vm_to_xml(writer, call->root, one);
    }
    xml_close(writer);
    return true;
}

static bool
answer_with(RestCall *call, const char *id, GError **error)
{
    g_autoptr(Vm) vm = vm_get(call->store, id, error);
    if (vm == NULL)
        return false;
    vm_to_xml(rest_call_writer(call), call->root, vm);
    return true;
}

bool
serve_vms_get(RestCall *call, GError **error)
{
    return answer_with(call, call->id, error);
}

static bool
replace(char **id, char *resolved)
{
    if (resolved == NULL)
        return false;
    g_free(*id);
    *id = resolved;
    return true;
}

/* Reads the request over `vm`. */
static bool
read_request(RestCall *call, Vm *vm, GError **error)
{
    g_autoptr(Document) document = rest_call_document(call, "vm", error);
    g_auto(VmInput) input = {.vm = vm};
    if (document == NULL || !vm_from_xml(document_root(document), &input, error))
        return false;
    return (!reference_is_given(&input.cluster) ||
            replace(&vm->cluster_id, resolve_cluster(call->store, &input.cluster, error))) &&
           (!reference_is_given(&input.template) ||
            replace(&vm->template_id, resolve_template(call->store, &input.template, error))) &&
           (!reference_is_given(&input.pinned_host) ||
            replace(&vm->pinned_host_id, resolve_host(call->store, &input.pinned_host, error)));
}

static ClusterPluginCluster
as_plugin_cluster(const Cluster *cluster)
{
    return (ClusterPluginCluster){.name = cluster->name,
                                  .trusted_service = cluster->trusted_service,
                                  .active_hosts = cluster->active_hosts};
}

static ClusterPluginVm
as_plugin_vm(const Vm *vm)
{
    return (ClusterPluginVm){.name = vm->name, .trusted_host_flag = vm->trusted_host_flag};
}

/* What the plugin says to a VM that is made: from its template, whose cluster's trust it has, or from nothing. */
static bool
check_new(RestCall *call, const Vm *vm, GError **error)
{
    g_autoptr(Cluster) cluster = cluster_get(call->store, vm->cluster_id, error);
    if (cluster == NULL)
        return false;
    g_autoptr(Template) template = NULL;
    if (vm->template_id != NULL && (template = template_get(call->store, vm->template_id, error)) == NULL)
        return false;
    ClusterPluginVm asked = as_plugin_vm(vm);
    ClusterPluginCluster to = as_plugin_cluster(cluster);
    if (template == NULL || template->cluster_id == NULL)
        return manager_check_vm(call->manager, &asked, NULL, &to, CLUSTER_PLUGIN_VM_CREATE, error);
    g_autoptr(Cluster) origin = cluster_get(call->store, template->cluster_id, error);
    if (origin == NULL)
        return false;
    ClusterPluginCluster from = as_plugin_cluster(origin);
    from.trusted_service = template->trusted_service;
    return manager_check_vm(call->manager, &asked, &from, &to, CLUSTER_PLUGIN_VM_FROM_TEMPLATE, error);
}

static bool
check_update(RestCall *call, const Vm *before, const Vm *after, GError **error)
{
    g_autoptr(Cluster) old = cluster_get(call->store, before->cluster_id, error);
    g_autoptr(Cluster) new = old != NULL ? cluster_get(call->store, after->cluster_id, error) : NULL;
    if (new == NULL)
        return false;
    ClusterPluginVm asked = as_plugin_vm(after);
    ClusterPluginCluster from = as_plugin_cluster(old);
    ClusterPluginCluster to = as_plugin_cluster(new);
    return manager_check_vm(call->manager, &asked, &from, &to, CLUSTER_PLUGIN_VM_UPDATE, error);
}

bool
serve_vms_add(RestCall *call, GError **error)
{
    g_autoptr(Vm) vm = vm_new();
    g_clear_pointer(&vm->name, g_free);
    if (!read_request(call, vm, error))
        return false;
    if (vm->name == NULL || vm->cluster_id == NULL) {
        g_set_error(error, FAULT, FAULT_INCOMPLETE, "VM [%s] required for add",
                    vm->name == NULL ? "name" : "cluster.id|name");
        return false;
    }
    if (!check_new(call, vm, error))
        return false;
    g_autofree char *id = vm_add(call->store, vm, error);
    if (id == NULL || !answer_with(call, id, error))
        return false;
    rest_call_created(call, "vms", id);
    return true;
}

bool
serve_vms_update(RestCall *call, GError **error)
{
    g_autoptr(Vm) old = vm_get(call->store, call->id, error);
    g_autoptr(Vm) vm = old != NULL ? vm_get(call->store, call->id, error) : NULL;
    if (vm == NULL || !read_request(call, vm, error))
        return false;
    return check_update(call, old, vm, error) && vm_update(call->store, old, vm, error) &&
           answer_with(call, call->id, error);
}

bool
serve_vms_remove(RestCall *call, GError **error)
{
    return vm_remove(call->store, call->id, error);
}

/* The body of an action, and the host that it names (NULL: none; g_free). */
static bool
read_action(RestCall *call, char **host, GError **error)
{
    *host = NULL;
    g_autoptr(Document) document = rest_call_document(call, "action", error);
    g_auto(ActionInput) input = {0};
    if (document == NULL || !action_from_xml(document_root(document), &input, error))
        return false;
    if (reference_is_given(&input.host))
        *host = resolve_host(call->store, &input.host, error);
    return !reference_is_given(&input.host) || *host != NULL;
}

bool
serve_vms_start(RestCall *call, GError **error)
{
    g_autofree char *host = NULL;
    if (!read_action(call, &host, error) || !manager_vm_start(call->manager, call->id, host, call->user, error))
        return false;
    rest_call_complete(call);
    return true;
}

static bool
stop(RestCall *call, bool gracefully, GError **error)
{
    g_autofree char *host = NULL;
    if (!read_action(call, &host, error) || !manager_vm_stop(call->manager, call->id, gracefully, call->user, error))
        return false;
    rest_call_complete(call);
    return true;
}

bool
serve_vms_stop(RestCall *call, GError **error)
{
    return stop(call, false, error);
}

bool
serve_vms_shutdown(RestCall *call, GError **error)
{
    return stop(call, true, error);
}

bool
serve_vms_migrate(RestCall *call, GError **error)
{
    g_autofree char *host = NULL;
    if (!read_action(call, &host, error) || !manager_vm_migrate(call->manager, call->id, host, call->user, error))
        return false;
    rest_call_complete(call);
    return true;
}
