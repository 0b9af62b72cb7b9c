/*
 * queue.h: which hosts wait to be asked about, and who waits for the answers. Data only: no thread, no clock; the
 * validator holds its lock around every call.
 */
#ifndef PLUGIN_QUEUE_H
#define PLUGIN_QUEUE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster-plugin.h"
#include "plugin/question.h"

#define QUEUE_HOSTS_MAX 20000   /* hosts that wait, are asked about, or are remembered as slow */
#define QUEUE_WAITERS_MAX 40000 /* calls of `done` that are owed */

typedef enum { LANE_URGENT, LANE_ROUTINE, LANES } Lane;

typedef struct {
    ClusterPluginDone done;
    void *closure;
} Waiter;

typedef enum { HOST_IDLE, HOST_WAITING, HOST_POLLED } HostState;

typedef struct {
    char *id;
    char *name;
    char *attestation_id;
    char *service;
    HostState state;
    Lane lane;
    GList link;           /* in the lane's queue while it waits */
    GArray *waiters;      /* Waiter: for the question that it waits for or is in */
    GArray *next_waiters; /* for the question after that: they came when it was on its way */
    bool is_wanted_again; /* an event came while its question was on its way */
    Lane next_lane;
    bool is_forgotten;      /* it went down while its question was on its way: the answer is about an earlier time */
    bool is_to_retry;       /* the service was silent: it is asked again when the service may be back */
    size_t limit;           /* it delayed or spoilt a poll: at most so many hosts in one with it; 0 is any number */
    unsigned failures;      /* polls of its present question that had to be split */
    int64_t since;          /* it waits since then: the number of the first poll that could end after */
    int64_t troubled_since; /* the same of the first question that had no usable answer on its account; 0: none */
} Host;

typedef struct {
    GHashTable *hosts; /* Host, by its id */
    GQueue waiting[LANES];
    size_t n_waiters;
    int64_t polls; /* so many have ended: what orders them, since clocks are too coarse */
} Queue;

void queue_init(Queue *queue);
void queue_clear(Queue *queue); /* no waiter may be left */

/*
 * A host wants to be asked about. `is_event`: something happened, so that a question that is on its way does not count:
 * it was asked before. `waiter` may be NULL. False when the queue is full.
 */
bool queue_add(Queue *queue, const ClusterPluginHost *wanted, Lane lane, bool is_event, const Waiter *waiter);

/* The host is down: no question that waits about it makes sense. Returns those who wait for it (free with
 * g_array_unref), or NULL. */
GArray *queue_forget(Queue *queue, const char *id);

/* Takes the largest set of hosts of the lane that may be asked about together, or NULL when none waits. They are
 * HOST_POLLED until queue_return(). */
Question *queue_take(Queue *queue, Lane lane);

/* Takes those hosts of the lane that wait for another try after a poll was split: the service turned out to be silent.
 */
Question *queue_take_failed(Queue *queue, Lane lane);

/* Its question is over: back to idle, or to waiting when it is wanted again. Returns those who wait for the answer,
 * or NULL; free with g_array_unref. */
GArray *queue_return(Queue *queue, Host *host);

/* Its question was in vain: it waits again, with fewer others in the poll. */
void queue_split(Queue *queue, const Question *question, size_t limit);

Host *queue_find(Queue *queue, const char *id);

/* Forgets an idle host that there is nothing to remember of. */
void queue_tidy(Queue *queue, Host *host);

/* Does any host of the lane wait for another try after a poll was split? */
bool queue_has_failed(const Queue *queue, Lane lane);

/* All hosts that are to be retried wait again. Returns how many. */
size_t queue_retry(Queue *queue);

#endif
