/* progress.h: how far evacuations and migrations are. */
#ifndef STORE_PROGRESS_H
#define STORE_PROGRESS_H

#include "store/store.h"

/* A VM on its way off a host. */
typedef struct {
    char *vm;
    char *vm_name;
    char *target;
    char *target_name;
    int64_t data_total;     /* bytes; 0: libvirt has not said anything yet */
    int64_t data_remaining; /* bytes */
    int64_t percent;        /* 0 to 99 */
    char *step;             /* what was done to make it converge: "", bandwidth, auto_converge, post_copy */
} EvacuationMove;
void evacuation_move_free(EvacuationMove *move);

/* One host's open work. */
typedef struct {
    char *host;
    char *host_name;
    char *why;
    char *opened_at;  /* ISO 8601 UTC */
    char *not_before; /* nothing is moved earlier */
    bool held;        /* waits for an administrator */
    int64_t waiting;
    int64_t moving;
    int64_t staying;
    GPtrArray *moves; /* of EvacuationMove */
} EvacuationProgress;
void evacuation_progress_free(EvacuationProgress *progress);

/* Of EvacuationProgress, by the hosts' names. */
GPtrArray *evacuations_list(Store *store, GError **error);

/* What is known of one migration that is under way. */
typedef struct {
    const char *operation;
    int64_t data_total;
    int64_t data_remaining;
    const char *step;
} MigrationReport;

/* One that must not go on. */
typedef struct {
    char *operation;
    char *why;
} MigrationRefusal;
void migration_refusal_free(MigrationRefusal *refusal);

/* Writes all of them down, and gives back those whose target may not have them any more: of MigrationRefusal. */
GPtrArray *migrations_progress(Store *store, const MigrationReport reports[], size_t n, GError **error);

#endif
