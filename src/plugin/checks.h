/* checks.h: may a cluster or a VM be changed like this? Pure functions; the texts are for administrators. */
#ifndef PLUGIN_CHECKS_H
#define PLUGIN_CHECKS_H

#include <stdbool.h>
#include <stddef.h>

#include "cluster-plugin.h"

/* Refuses to make a cluster trusted without an attestation server, and to change the flag while hosts are active. */
ClusterPluginJudgement checks_cluster(bool has_service, const ClusterPluginCluster *before,
                                      const ClusterPluginCluster *after, char *text, size_t text_size);

/* Warns when a VM or template crosses between a trusted and a non-trusted cluster, in either direction (oVirt's events
 * 10001 to 10012). It compares the two clusters, so that an edit inside one warns of nothing. */
ClusterPluginJudgement checks_vm(const ClusterPluginVm *vm, const ClusterPluginCluster *from,
                                 const ClusterPluginCluster *to, ClusterPluginHow how, char *text, size_t text_size);

#endif
