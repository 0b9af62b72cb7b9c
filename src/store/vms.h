#ifndef STORE_VMS_H
#define STORE_VMS_H

#include "store/store.h"

typedef struct {
    char *source; /* an absolute path or nbd://HOST:PORT/EXPORT */
    char *format;
    char *bus;
    bool readonly;
    bool bootable;
} VmDisk;

typedef struct {
    char *name;
    char *network;
    char *mac;
    char *model;
} VmNic;

typedef struct {
    char *id;
    char *cluster_id;
    char *template_id; /* NULL: none */
    char *name;
    char *description;
    char *comment;
    int64_t memory_mib;
    int cpus;
    int priority;
    char *display;        /* vnc, spice, none */
    char *affinity;       /* migratable, user_migratable, pinned */
    char *pinned_host_id; /* NULL: none */
    bool trusted_host_flag;
    char *origin;
    char *machine; /* QEMU's machine type that it was started with; "": none yet */
    char *cpu_id;  /* oVirt's name of the CPU type that it was started with (Intel SandyBridge Family) */
    char *status;
    char *status_detail;
    char *host_id;        /* NULL: none */
    char *target_host_id; /* NULL: none */
    bool requires_trust;
    GPtrArray *disks; /* of VmDisk */
    GPtrArray *nics;  /* of VmNic */
} Vm;

Vm *vm_new(void); /* empty, with empty arrays and the schema's defaults */
void vm_free(Vm *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Vm, vm_free)
VmDisk *vm_disk_new(void);
VmNic *vm_nic_new(void);

GPtrArray *vms_list(Store *store, GError **error);
Vm *vm_get(Store *store, const char *id, GError **error);
Vm *vm_find(Store *store, const char *name, GError **error);
char *vm_add(Store *store, const Vm *vm, GError **error);
/* The definition of a VM that is down; name, comment, priority, affinity of any. `before`: what the caller had read;
 * what is the same in both stays as it is now. NULL: everything is written. */
bool vm_update(Store *store, const Vm *before, const Vm *vm, GError **error);
bool vm_remove(Store *store, const char *id, GError **error);

/* --- placement (rule TRUST) --- */
typedef enum { PLACE_START, PLACE_MIGRATE } PlaceKind;

/* The placement transaction: after it has committed, and only then, libvirt may be called, on the connection with
 * `generation`. `operation` is a UUID made by the caller. FAULT_REFUSED with the reason for this host. source (MIGRATE)
 * gets the present host's id; g_free. */
bool vm_place(Store *store, const char *operation, PlaceKind kind, const char *vm, const char *host, int64_t generation,
              bool evacuation, char **source, GError **error);

typedef struct {
    char *id;
    char *name;
    char *attestation_id;
    int64_t generation;
    int64_t free_mib;
    bool passes;
    char *why; /* where it does not pass */
} VmCandidate;
void vm_candidate_free(VmCandidate *candidate);
GPtrArray *vm_candidates(Store *store, const char *vm, GError **error); /* all hosts of its cluster */

bool vm_stop_begin(Store *store, const char *operation, const char *vm, char **host, int64_t *generation,
                   GError **error);
bool operation_end(Store *store, const char *operation, bool done, const char *detail, GError **error);

typedef struct {
    char *id;
    char *kind; /* start, migrate, stop */
    char *vm_id;
    char *host_id;
    char *source_id; /* NULL */
} Operation;
void operation_free(Operation *operation);
GPtrArray *operations_open(Store *store, GError **error);

/* --- what libvirt says --- */
/* age_us: how long ago it said so (by g_get_monotonic_time). */
bool vm_domain_event(Store *store, const char *host, int64_t generation, const char *vm, const char *what,
                     int64_t age_us, GError **error);

typedef struct {
    char *uuid;
    char *name;
    const char *state; /* running, paused, shutoff */
} ListedDomain;
void listed_domain_free(ListedDomain *domain);
bool vm_domains_listed(Store *store, const char *host, int64_t generation, GPtrArray *domains, GError **error);

#endif
