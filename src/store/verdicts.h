/* verdicts.h: questions, answers and what they do (rules ATOMIC and NEWEST). Sets of hosts throughout. */
#ifndef STORE_VERDICTS_H
#define STORE_VERDICTS_H

#include "store/store.h"

typedef struct {
    const char *host;
    const char *outcome; /* trusted, untrusted, unanswered, silent */
    const char *reason;
    const char *detail;
    int64_t valid_until_ms; /* trusted only */
} StoreVerdict;

typedef struct {
    bool accepted;
    bool is_up;
} StoreRecorded;

typedef struct {
    char *id;
    char *name;
    char *attestation_id;
} HostDue;
void host_due_free(HostDue *due);

bool verdicts_begin(Store *store, const char *const hosts[], size_t n, int64_t *question, int64_t *asked_at_ms,
                    GError **error);
/* recorded[n] in the order of verdicts[n]. The asked_at of the question is remembered by the caller. */
bool verdicts_record(Store *store, int64_t question, int64_t asked_at_ms, const StoreVerdict verdicts[], size_t n,
                     StoreRecorded recorded[], GError **error);
/* Ends the life of what has expired; *next_ms: when the next one does, by the database's clock, and *now_ms; 0 when
 * there is none. */
bool verdicts_expire(Store *store, int64_t *next_ms, int64_t *now_ms, GError **error);
GPtrArray *verdicts_due(Store *store, int64_t asked_before_ms, unsigned max, GError **error); /* of HostDue */
bool verdicts_now(Store *store, int64_t *now_ms, GError **error);

#endif
