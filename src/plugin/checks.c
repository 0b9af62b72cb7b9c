#include "plugin/checks.h"

#include <glib.h>

static ClusterPluginJudgement
allow(char *text, size_t text_size)
{
    if (text_size > 0)
        text[0] = '\0';
    return CLUSTER_PLUGIN_ALLOW;
}

ClusterPluginJudgement
checks_cluster(bool has_service, const ClusterPluginCluster *before, const ClusterPluginCluster *after, char *text,
               size_t text_size)
{
    bool was_trusted = before && before->trusted_service;
    size_t active_hosts;

    if (!after || after->trusted_service == was_trusted)
        return allow(text, text_size);
    if (after->trusted_service && !has_service) {
        g_snprintf(text, text_size,
                   "Cluster \"%s\" cannot be made trusted: no attestation server is configured. Set attestation_server "
                   "in section [trusted_computing] of the configuration first.",
                   after->name);
        return CLUSTER_PLUGIN_REFUSE;
    }
    active_hosts = MAX(before ? before->active_hosts : 0, after->active_hosts);
    if (active_hosts == 0)
        return allow(text, text_size);
    g_snprintf(text, text_size,
               "Cluster \"%s\" cannot be made %s while it has hosts that are not in maintenance (%zu now). Deactivate "
               "them first.",
               after->name, after->trusted_service ? "trusted" : "non-trusted", active_hosts);
    return CLUSTER_PLUGIN_REFUSE;
}

static const char *
trust_word(const ClusterPluginCluster *cluster)
{
    return cluster->trusted_service ? "trusted" : "non-trusted";
}

static void
warn(const ClusterPluginVm *vm, const ClusterPluginCluster *from, const ClusterPluginCluster *to, ClusterPluginHow how,
     char *text, size_t text_size)
{
    const char *kind = vm->is_template ? "Template" : "VM";

    switch (how) {
    case CLUSTER_PLUGIN_VM_IMPORT:
        g_snprintf(text, text_size,
                   "%s \"%s\" was created in the %s cluster \"%s\" and imported into the %s one \"%s\".", kind,
                   vm->name, trust_word(from), from->name, trust_word(to), to->name);
        return;
    case CLUSTER_PLUGIN_VM_FROM_TEMPLATE:
        g_snprintf(
            text, text_size,
            "%s \"%s\" was created in the %s cluster \"%s\" from a template that was created in the %s one \"%s\".",
            kind, vm->name, trust_word(to), to->name, trust_word(from), from->name);
        return;
    case CLUSTER_PLUGIN_TEMPLATE_FROM_VM:
        g_snprintf(text, text_size,
                   "The %s template \"%s\" in the cluster \"%s\" was created from a VM of the %s cluster \"%s\".",
                   trust_word(to), vm->name, to->name, trust_word(from), from->name);
        return;
    case CLUSTER_PLUGIN_VM_CREATE:
    case CLUSTER_PLUGIN_VM_UPDATE:
    case CLUSTER_PLUGIN_VM_MOVE:
        break;
    }
    g_snprintf(text, text_size, "%s \"%s\" was updated from the %s cluster \"%s\" to the %s one \"%s\".", kind,
               vm->name, trust_word(from), from->name, trust_word(to), to->name);
}

ClusterPluginJudgement
checks_vm(const ClusterPluginVm *vm, const ClusterPluginCluster *from, const ClusterPluginCluster *to,
          ClusterPluginHow how, char *text, size_t text_size)
{
    if (!from || !to || from->trusted_service == to->trusted_service)
        return allow(text, text_size);
    warn(vm, from, to, how, text, text_size);
    return CLUSTER_PLUGIN_WARN;
}
