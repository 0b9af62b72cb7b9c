/*
 * validator.h: asks the attestation service about all hosts that wait, as a set, records what it says and begins again.
 *
 * Three threads: one polls for urgent questions, one for routine ones (so at most two polls are in flight, and a host
 * is in at most one), and one watches the time: it asks the manager every third of auth_timeout who is due, and asks
 * again after the service was silent. A fourth delivers answers that need no question.
 */
#ifndef PLUGIN_VALIDATOR_H
#define PLUGIN_VALIDATOR_H

#include <glib.h>
#include <stdbool.h>

#include "cluster-plugin.h"
#include "plugin/filter.h"
#include "plugin/settings.h"

typedef struct Validator Validator;

/* Starts the threads. Keeps a reference to the settings; borrows manager and filter, which have to outlive it.
 * FAULT_INVALID when the service cannot be used as configured. */
Validator *validator_new(const ClusterPluginManager *manager, Filter *filter, Settings *settings, GError **error);

/* Gives up the questions under way, ends the threads, calls every `done` that is left, and frees. */
void validator_free(Validator *validator);

/* From the next poll on these settings hold; who waits goes on waiting. On error the old ones stay. */
bool validator_reload(Validator *validator, Settings *settings, GError **error);

/* ClusterPlugin.hosts_event. */
void validator_event(Validator *validator, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event,
                     ClusterPluginDone done, void *closure);

#endif
