/* validator-private.h: what validator.c and poller.c share. */
#ifndef PLUGIN_VALIDATOR_PRIVATE_H
#define PLUGIN_VALIDATOR_PRIVATE_H

#include <pthread.h>

#include "plugin/queue.h"
#include "plugin/validator.h"

#define PATIENCE_MS 30000 /* how long the manager's database may be away before a question or a verdict is given up */

/* One lane's polls. `service` and `settings` change only on the lane's own thread, and under the lock. */
typedef struct {
    Validator *validator;
    Lane lane;
    pthread_t thread;
    Settings *settings;
    Service *service; /* NULL: no server is configured, or it cannot be used */
    GPtrArray *held;  /* Question: lone suspects in vain, until it is known whether the service answers about others */
} Poller;

/* What is known of the service, by what became of polls. Polls by number, times by clock_boot_ms(); 0 is
 * never. */
typedef struct {
    int64_t answered;      /* the last poll that it answered usably */
    int64_t doubted;       /* the last poll that failed otherwise than about a lone suspect */
    int64_t vain_since_ms; /* the first poll in vain since it answered was begun then */
    unsigned vain_polls;   /* so many since then */
    unsigned silences;     /* questions that ended SILENT since then */
    int64_t retry_at_ms;   /* those are asked again then */
    bool is_reported;      /* that it is silent */
} ServiceState;

/* An answer that needs no question, on its way. */
typedef struct {
    Waiter waiter;
    char *host;
    ClusterPluginOutcome outcome;
    const char *reason; /* static */
    const char *detail; /* static */
    bool is_recorded;
} Delivery;

struct Validator {
    const ClusterPluginManager *manager;
    Filter *filter;
    pthread_mutex_t lock; /* of everything below; never held while the manager is called */
    pthread_cond_t changed;
    Settings *settings;
    Queue queue;
    ServiceState state;
    GQueue deliveries;
    int64_t due_at_ms;
    bool is_stopping;
    Poller pollers[LANES];
    pthread_t watch_thread;
    pthread_t delivery_thread;
};

/* The thread of a poller. */
void *poller_run(void *poller);

/* Waits for `changed` until then by clock_boot_ms() (0: without end). With the lock held. */
void validator_wait(Validator *validator, int64_t until_ms);

/* A line for the manager's log. Without the lock. */
void validator_log(const Validator *validator, ClusterPluginLogLevel level, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

#endif
