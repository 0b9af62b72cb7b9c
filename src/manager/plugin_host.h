/* plugin_host.h: what the manager offers to its plugin, and the calls to it. Without a plugin every question is
 * answered "silent". */
#ifndef MANAGER_PLUGIN_HOST_H
#define MANAGER_PLUGIN_HOST_H

#include "cluster-plugin.h"
#include "manager/configuration.h"
#include "store/store.h"

typedef struct PluginHost PluginHost;

/* Loads config->plugin ("" none), checks that all sections of the configuration have an owner, starts it. Main thread.
 */
PluginHost *plugin_host_new(const Config *config, Store *store, GError **error);
bool plugin_host_reload(PluginHost *host, const Config *config, GError **error);
/* Returns after every `done` has been called. Takes NULL. */
void plugin_host_free(PluginHost *host);

/* As in the contract. */
void plugin_host_event(PluginHost *host, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event,
                       ClusterPluginDone done, void *closure);
void plugin_host_filter(PluginHost *host, bool requires_trust, ClusterPluginCandidate candidates[], size_t n);
ClusterPluginJudgement plugin_host_cluster_check(PluginHost *host, const ClusterPluginCluster *before,
                                                 const ClusterPluginCluster *after, char *text, size_t size);
ClusterPluginJudgement plugin_host_vm_check(PluginHost *host, const ClusterPluginVm *vm,
                                            const ClusterPluginCluster *from, const ClusterPluginCluster *to,
                                            ClusterPluginHow how, char *text, size_t size);

#endif
