/* manager.h: what a cluster manager does. REST and the daemon's main call it; it calls the plugin, the watch and the
 * store. */
#ifndef MANAGER_MANAGER_H
#define MANAGER_MANAGER_H

#include "cluster-plugin.h"
#include "manager/configuration.h"
#include "store/store.h"
#include <glib.h>
#include <stdbool.h>

typedef struct Manager Manager;

/* Starts watch, plugin, evacuation and timers. The configuration and the store outlive it. Main thread. */
Manager *manager_new(const Config *config, Store *store, const char *conninfo, GError **error);
/* Waits for running migrations (deadline 10 s: they are compared at the next start), stops the plugin, closes
 * connections. Takes NULL. */
void manager_free(Manager *manager);

Store *manager_store(Manager *manager);
const Config *manager_config(Manager *manager);
/* New settings for the plugin, from the same file. */
bool manager_reload(Manager *manager, const Config *config, GError **error);

/* --- hosts --- */
/* The outcome of an activation: error NULL: the host is up. Called once, on any thread, possibly before
 * manager_activate returns. */
typedef void (*ManagerDone)(void *closure, const GError *error);
/* Does not block for longer than one database call; `done` within activate_timeout. */
void manager_activate(Manager *manager, const char *host, const char *user, ManagerDone done, void *closure);
bool manager_deactivate(Manager *manager, const char *host, bool leave_running, const char *user, GError **error);
bool manager_fence(Manager *manager, const char *host, const char *user, GError **error);
/* Hosts were added, changed or removed. */
void manager_hosts_changed(Manager *manager);

/* --- VMs: these block for up to a minute (call them on a worker) --- */
/* host NULL: the best. FAULT_REFUSED lists each host of the cluster with why not. */
bool manager_vm_start(Manager *manager, const char *vm, const char *host, const char *user, GError **error);
bool manager_vm_stop(Manager *manager, const char *vm, bool gracefully, const char *user, GError **error);
/* Returns when the move has been placed; it goes on by itself. */
bool manager_vm_migrate(Manager *manager, const char *vm, const char *host, const char *user, GError **error);

/* --- the plugin's say (memory only) ---
 * false with FAULT_REFUSED when the plugin refuses; a warning is logged as an event and is no error. */
bool manager_check_cluster(Manager *manager, const ClusterPluginCluster *before, const ClusterPluginCluster *after,
                           GError **error);
bool manager_check_vm(Manager *manager, const ClusterPluginVm *vm, const ClusterPluginCluster *from,
                      const ClusterPluginCluster *to, ClusterPluginHow how, GError **error);

#endif
