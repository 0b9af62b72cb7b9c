/* plan.h: who goes where. The evacuation plan and the ranking of hosts for one VM, as pure functions. */
#ifndef TRUST_PLAN_H
#define TRUST_PLAN_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A host that may receive VMs: already filtered by the caller for cluster, status `up` and connection. */
typedef struct {
    const char *id;      /* the caller's */
    const char *cluster; /* id */
    bool is_trusted;     /* verdict trusted and fresh */
    int64_t free_mib;    /* memory, less VMs that run there and that are on their way there */
    unsigned incoming;   /* migrations towards it that are under way */
} PlanTarget;

typedef struct {
    const char *id;
    const char *source; /* host id */
    const char *cluster;
    int64_t memory_mib;
    int priority; /* higher goes first */
    bool requires_trust;
    const char *const *excluded; /* hosts that were tried in vain; NULL-terminated, may be NULL */
} PlanVm;

typedef struct {
    const PlanVm *vm;
    const PlanTarget *target; /* NULL: there is none now; `why` says so */
    const char *why;          /* static text */
} PlanMove;

/* Limits of concurrency (DESIGN.md: at most 2 at a time per source and per target). */
typedef struct {
    unsigned per_source;
    unsigned per_target;
} PlanLimits;

/* A source's migrations under way. */
typedef struct {
    const char *id;
    unsigned outgoing;
} PlanSource;

/*
 * Plans one round: VMs in order of priority (highest first, then by memory, largest first, then by id), each to the
 * target with most free memory that fits, in its own cluster, trusted where the VM requires it, neither its source nor
 * excluded, and within the limits. VMs whose source or all fitting targets are at the limit are left out of the round
 * (they come later); VMs for which no target could ever fit now are returned with target NULL and the reason. Returns
 * PlanMove elements; free with g_array_unref. Borrows everything.
 */
GArray *plan_evacuation(const PlanVm vms[], size_t n_vms, const PlanTarget targets[], size_t n_targets,
                        const PlanSource sources[], size_t n_sources, PlanLimits limits);

#endif
