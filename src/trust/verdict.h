/* verdict.h: the words for what an attestation server can say of a host, and how long it may be believed.
 * Pure functions: no I/O, no clock, no globals. */
#ifndef TRUST_VERDICT_H
#define TRUST_VERDICT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    TRUST_UNKNOWN, /* zero: what is not set is not trusted (rule CLOSED) */
    TRUST_TRUSTED,
    TRUST_UNTRUSTED,
} TrustLevel;

const char *trust_level_format(TrustLevel level);

/*
 * Until when a `trusted` answer may be believed, in ms since the epoch by the asker's clock, or 0 when it may not be
 * believed at all (rule CLOSED): the server's time is older than `timeout_ms` or more than `skew_ms` ahead of
 * `received_ms`. A time that is less ahead counts as now. The life is counted from the earlier of the question and the
 * server's time: the evidence was gathered after the question, and a server that repeats an old answer gains nothing.
 */
int64_t trust_valid_until(int64_t asked_ms, int64_t received_ms, int64_t server_ms, int64_t timeout_ms,
                          int64_t skew_ms);

/* True while now_ms < valid_until_ms. */
bool trust_is_fresh(int64_t valid_until_ms, int64_t now_ms);

#endif
