/*
 * oat.h: OpenAttestation's PollHosts, as pure functions on bytes.
 *
 * One parser reads the replies of all three dialects (1.0, 1.5 to 1.7, 2.x); the dialect governs only which names a
 * request can carry. Protocol facts: source of the servers 1.0-rc2, 1.5 to 1.7, 2.0 to 2.3; the time in C's locale is
 * Mt. Wilson's.
 */
#ifndef ATTEST_OAT_H
#define ATTEST_OAT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "trust/verdict.h"

#define OAT_REPLY_MAX (16 * 1024 * 1024) /* bytes */

typedef enum {
    OAT_AUTO, /* zero: to be told from path and port */
    OAT_1_0,  /* before 1.5: /OpenAttestationWebServices/V1.0 */
    OAT_1_5,  /* 1.5 to 1.7: /AttestationService/resources, usually port 8443 */
    OAT_2_0,  /* 2.x: the same path, usually port 8181 */
} OatDialect;

/* "auto", "1.0", "1.5", "2.0"; false for anything else. */
bool oat_dialect_parse(const char *text, OatDialect *dialect);
const char *oat_dialect_format(OatDialect dialect);

/* The dialect that a path and a port speak of. An unknown path gets 1.5, whose names are the most restricted. */
OatDialect oat_dialect_guess(const char *api_url, unsigned port);

/* Why a request of the dialect cannot carry this name (static text), or NULL when it can. Sent all the same, one such
 * name would make a 1.7 server answer 500 for the whole batch. */
const char *oat_name_fault(OatDialect dialect, const char *name);

/*
 * The body of a PollHosts request: {"count":N,"hosts":[...]}. A name that comes twice, compared without case, is sent
 * once. `count` is what a 1.0 server loops over; the others ignore it. Names must have passed oat_name_fault().
 * NULL and FAULT_INVALID when a name is no UTF-8. Free with g_free.
 */
char *oat_request_format(const char *const names[], size_t n, GError **error);

/* What the reply says of one host. */
typedef struct {
    TrustLevel level;   /* TRUST_UNKNOWN unless the answer is usable; freshness is not judged here */
    int64_t server_ms;  /* the server's time of answering, ms since the epoch; 0 when the level is unknown */
    const char *reason; /* static: why the level is unknown (see OAT_REASON_*), "" otherwise */
    char *detail;       /* a sentence about it, or NULL; owned, see oat_answers_clear() */
} OatAnswer;

#define OAT_REASON_MISSING "missing"             /* the answer does not mention the host */
#define OAT_REASON_UNKNOWN "unknown_to_server"   /* the level is `unknown` */
#define OAT_REASON_TIMEOUT "timeout"             /* the level is `timeout`: the host was silent */
#define OAT_REASON_PENDING "pending"             /* the level is `pending` */
#define OAT_REASON_WORD "unknown_word"           /* another level */
#define OAT_REASON_MALFORMED "malformed"         /* the entry lacks something or has it in a form never seen */
#define OAT_REASON_CONTRADICTORY "contradictory" /* two entries that differ, or trusted with an invalid report */

/*
 * Reads a reply: answers[i] is what it says of names[i]. Names are compared without case (they are DNS names). Entries
 * about hosts that were not asked about are ignored. False and FAULT_INVALID when the document as a whole is malformed
 * (no JSON, a repeated member, no object, no `hosts`, too large); answers[] is then cleared.
 */
bool oat_reply_parse(const void *bytes, size_t size, const char *const names[], size_t n, OatAnswer answers[],
                     GError **error);

/* Frees what answers own and sets them to unknown. */
void oat_answers_clear(OatAnswer answers[], size_t n);

/* A time in one of the forms that servers have been seen to send, as ms since the epoch; false for any other.
 * ISO 8601 with seconds and zone (Z, +hh:mm, +hhmm; up to nine decimals), and C's locale `%c` in UTC. */
bool oat_time_parse(const char *text, int64_t *ms);

/* The text of an error body in any of the dialects' forms, cleaned for a log line; NULL when there is none in it.
 * *is_host_unknown: it says that a host is not known. Free with g_free. */
char *oat_error_parse(const void *bytes, size_t size, bool *is_host_unknown);

#endif
