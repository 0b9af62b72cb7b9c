#ifndef STORE_EVACUATIONS_H
#define STORE_EVACUATIONS_H

#include "store/store.h"

typedef struct {
    char *host;
    char *host_name;
    int64_t host_generation; /* of the connection; 0 when it is not connected */
    char *cluster;
    char *vm;
    char *vm_name;
    int64_t memory_mib;
    int priority;
    bool requires_trust;
    char *affinity;
    GStrv tried;
} EvacuationVm;
void evacuation_vm_free(EvacuationVm *vm);

typedef struct {
    char *id;
    char *name;
    char *cluster;
    int64_t generation;
    bool is_trusted;
    int64_t free_mib;
} EvacuationTarget;
void evacuation_target_free(EvacuationTarget *target);

GPtrArray *evacuation_work(Store *store, GError **error);    /* of EvacuationVm: what may be moved now */
GPtrArray *evacuation_targets(Store *store, GError **error); /* of EvacuationTarget */
bool evacuation_tried(Store *store, const char *host, const char *vm, const char *target, const char *why,
                      GError **error);
bool evacuation_stays(Store *store, const char *host, const char *vm, const char *why, GError **error);
bool evacuation_waits(Store *store, const char *host, GError **error);
/* Closes what is done; *next_ms: the earliest not_before in the future by the database's clock (0: none), and *now_ms.
 */
bool evacuation_close(Store *store, int64_t *next_ms, int64_t *now_ms, GError **error);

#endif
