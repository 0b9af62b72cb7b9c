#ifndef STORE_HOSTS_H
#define STORE_HOSTS_H

#include "store/store.h"

typedef struct {
    char *id;
    char *cluster_id;
    char *name;
    char *address;
    char *attestation_id;
    char *comment;
    char *status; /* oVirt's words */
    char *reason;
    char *detail;
    char *libvirt_uuid; /* NULL: never connected */
    bool connected;
    int64_t generation;
    int64_t memory_mib;
    int64_t used_mib; /* VMs there and on their way there */
    int cpus;
    unsigned vms; /* placed there */
    bool cluster_trusted;
    char *verdict; /* unknown, trusted, untrusted */
    char *verdict_reason;
    char *verdict_detail;
    char *asked_at;       /* ISO 8601 UTC (2026-01-31T12:00:00.123Z) or NULL */
    char *valid_until;    /* the same */
    bool is_trusted;      /* trusted, and fresh by the database's clock when it was read */
    bool evacuating;      /* work is open */
    bool evacuation_held; /* and waits for an administrator */
} Host;

void host_free(Host *host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Host, host_free)

GPtrArray *hosts_list(Store *store, GError **error);
Host *host_get(Store *store, const char *id, GError **error);
Host *host_find(Store *store, const char *name, GError **error);
/* name, address, cluster_id, comment; attestation_id NULL: the address. */
char *host_add(Store *store, const Host *host, GError **error);
/* Writes name, comment, cluster_id (refused unless in maintenance). Address and attestation id are fixed when the host
 * is added (rule IDENTITY). */
bool host_update(Store *store, const Host *host, GError **error);
bool host_remove(Store *store, const char *id, GError **error);

/* --- life of the connection (rules IDENTITY and NEWEST) --- */
typedef struct {
    int64_t generation;
    bool identity_refused; /* the host is non_operational (identity) now; close the connection */
    char *status;
    char *detail;
} HostConnected;
void host_connected_free(HostConnected *connected);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostConnected, host_connected_free)

HostConnected *host_connected(Store *store, const char *id, const char *libvirt_uuid, int64_t memory_mib, int cpus,
                              const char *machine, GError **error);
/* It has no domains: is it listed now? When not, something is known of it, and vm_domains_listed compares (and calls
 * this itself). */
bool host_listed_empty(Store *store, const char *id, int64_t generation, bool *is_listed, GError **error);
/* Only if `generation` is still the host's. generation 0: never connected in this life of the daemon. */
bool host_disconnected(Store *store, const char *id, int64_t generation, const char *why, GError **error);
bool host_identity(Store *store, const char *id, const char *detail, GError **error);
bool hosts_all_disconnected(Store *store, GError **error);

/* --- what an administrator does --- */
typedef struct {
    char *id;
    char *name;
    char *attestation_id;
    char *status;
    bool connected;
    bool cluster_trusted;
} HostActivated;
void host_activated_free(HostActivated *activated);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostActivated, host_activated_free)
HostActivated *host_activate(Store *store, const char *id, const char *user, GError **error);
bool host_deactivate(Store *store, const char *id, bool leave_running, const char *user, GError **error);
bool host_fence(Store *store, const char *id, const char *user, GError **error);
bool host_release_evacuation(Store *store, const char *id, const char *user, GError **error);

#endif
