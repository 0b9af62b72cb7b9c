/*
 * question.h: one question to the attestation service, about a set of hosts: its number, the poll, and what follows
 * from the reply for each host. It belongs to one thread.
 */
#ifndef PLUGIN_QUESTION_H
#define PLUGIN_QUESTION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "attest/service.h"
#include "cluster-plugin.h"
#include "plugin/settings.h"

/*
 * Reasons of answers that are not trusted. Those of UNANSWERED are oat.h's and these:
 */
#define REASON_STALE "stale_answer"         /* trusted, but the server's time is older than a verdict lives */
#define REASON_FUTURE "future_answer"       /* trusted, but the server's time is too far ahead */
#define REASON_UNSENDABLE "unsendable_name" /* the server's dialect cannot carry the name */
#define REASON_REJECTED "rejected"          /* the server refuses a question about this host alone */
/* of UNTRUSTED: */
#define REASON_UNTRUSTED "untrusted"
/* of SILENT: */
#define REASON_NO_SERVICE "no_service"         /* no attestation server is configured */
#define REASON_UNREACHABLE "unreachable"       /* no connection, or no trust in it */
#define REASON_LATE "service_timeout"          /* no reply in time */
#define REASON_HTTP "http_error"               /* an HTTP status that is no success */
#define REASON_DOCUMENT "malformed_document"   /* the reply as a whole cannot be read */
#define REASON_STOPPING "stopping"             /* the manager is being stopped */
#define REASON_QUEUE_FULL "queue_full"         /* too many questions wait */
#define REASON_DISCONNECTED "disconnected"     /* the host went down meanwhile */
#define REASON_DATABASE "database_unavailable" /* the question could not be begun */

/* One host of a question. Strings are owned. */
typedef struct {
    char *id;
    char *name;
    char *attestation_id;
    char *service;
    ClusterPluginOutcome outcome;
    const char *reason; /* static */
    char *detail;
    int64_t valid_until_ms; /* by the database's clock, of a trusted verdict */
    bool is_recorded;
} Asked;

typedef struct {
    Asked *hosts;
    size_t n;
    int64_t number;      /* of the question */
    int64_t asked_at_ms; /* by the database's clock */
    int64_t begun_ms;    /* by clock_boot_ms(), before the question was begun */
    int64_t asked_ms;    /* the same, after */
    char *error;         /* what went wrong last, a sentence; or NULL */
} Question;

typedef enum {
    QUESTION_JUDGED,       /* every host has its outcome, and the service answered */
    QUESTION_NOT_SENT,     /* every host has its outcome; there was nothing to send or nobody to send it to */
    QUESTION_SILENT,       /* the service is silent, and it has nothing to do with the hosts: all are SILENT */
    QUESTION_INCRIMINATES, /* no usable answer, and one of the hosts may be why: all are SILENT, unless it is split */
} QuestionResult;

/* Frees the hosts too. NULL is allowed. */
void question_free(Question *question);

/* Room for n hosts, which the caller fills. */
Question *question_new(size_t n);

/* Draws the number. False with question->error when the manager cannot. */
bool question_begin(Question *question, const ClusterPluginManager *manager);

/* Asks, and gives each host its outcome. `service` is NULL when no server is configured, or it cannot be used. */
QuestionResult question_ask(Question *question, Service *service, const Settings *settings);

/* Gives all hosts one outcome. */
void question_settle(Question *question, ClusterPluginOutcome outcome, const char *reason, const char *detail);

/* Hands the outcomes to the manager. False with question->error when it cannot record them now. */
bool question_record(Question *question, const ClusterPluginManager *manager);

/* When, by clock_boot_ms(), a verdict ends that is valid until then by the database's clock; rather early than late. */
int64_t question_expires_ms(const Question *question, int64_t valid_until_ms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Question, question_free)

#endif
