#ifndef STORE_CLUSTERS_H
#define STORE_CLUSTERS_H

#include "store/store.h"

typedef struct {
    char *id;
    char *data_center_id;
    char *name;
    char *description;
    char *comment;
    char *cpu_id;
    int version_major;
    int version_minor;
    bool trusted_service;
    char *on_error;        /* migrate, do_not_migrate, migrate_highly_available */
    unsigned active_hosts; /* not in maintenance; read only */
} Cluster;

void cluster_free(Cluster *cluster);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Cluster, cluster_free)

GPtrArray *clusters_list(Store *store, GError **error);
Cluster *cluster_get(Store *store, const char *id, GError **error);
Cluster *cluster_find(Store *store, const char *name, GError **error);
char *cluster_add(Store *store, const Cluster *cluster, GError **error);
/* Refused as the schema says (the flag while hosts are active). `before`: what the caller had read; what is the same in
 * both stays as it is now. NULL: everything is written. */
bool cluster_update(Store *store, const Cluster *before, const Cluster *cluster, GError **error);
bool cluster_remove(Store *store, const char *id, GError **error);

#endif
