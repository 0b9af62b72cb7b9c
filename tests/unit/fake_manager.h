/* fake_manager.h: a manager in memory, which offers what cluster-plugin.h asks for. It counts and remembers what a
 * plugin does, and checks the contract: no host twice in a set, and in at most one question at a time. */
#ifndef TESTS_FAKE_MANAGER_H
#define TESTS_FAKE_MANAGER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster-plugin.h"

/* Waits until the condition is true, at most 60 s: then the test fails. */
#define UNTIL(condition)                                                                                               \
    do {                                                                                                               \
        gint64 until_end_ = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;                                              \
        while (!(condition)) {                                                                                         \
            ck_assert_msg(g_get_monotonic_time() < until_end_, "waited in vain for: %s", #condition);                  \
            g_usleep(5000);                                                                                            \
        }                                                                                                              \
    } while (0)

typedef struct FakeManager FakeManager;

FakeManager *fake_manager_new(void);
void fake_manager_free(FakeManager *manager);
const ClusterPluginManager *fake_manager_table(FakeManager *manager);

/* The database goes away, and comes back. */
void fake_manager_break(FakeManager *manager, bool begin_fails, bool record_fails);

/* The host's verdicts are not accepted from now on. */
void fake_manager_reject(FakeManager *manager, const char *host);

/* hosts_due() names these; borrowed. */
void fake_manager_set_due(FakeManager *manager, const ClusterPluginHost *hosts, size_t n);

/* The database's clock stands this far from the real one. */
void fake_manager_set_clock(FakeManager *manager, int64_t ahead_ms);
int64_t fake_manager_now(FakeManager *manager);

unsigned fake_manager_begun(FakeManager *manager);
unsigned fake_manager_records(FakeManager *manager); /* calls of record_verdicts that worked */
unsigned fake_manager_due_calls(FakeManager *manager);
unsigned fake_manager_violations(FakeManager *manager); /* of the contract, by the plugin */

/* How often the host's verdict was this, and accepted. */
unsigned fake_manager_count(FakeManager *manager, const char *host, ClusterPluginOutcome outcome);
int64_t fake_manager_valid_until(FakeManager *manager, const char *host); /* of its last verdict */

/* Is there an event, or a line of the log, that has this in it? */
bool fake_manager_has_event(FakeManager *manager, const char *text);
bool fake_manager_has_log(FakeManager *manager, const char *text);

/* Collects what `done` is called with. */
typedef struct Answers Answers;

typedef struct {
    char *host;
    ClusterPluginOutcome outcome;
    char *reason;
    char *detail;
    bool recorded;
} Answer;

Answers *answers_new(void);
void answers_free(Answers *answers);
void answers_done(void *answers, const ClusterPluginAnswer *answer); /* a ClusterPluginDone */
unsigned answers_count(Answers *answers);

/* The n-th answer about the host, from 0, or NULL; borrowed, and valid until answers_free(). */
const Answer *answers_find(Answers *answers, const char *host, unsigned n);

#endif
