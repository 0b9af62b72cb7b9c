/*
 * activation.h: administrators who wait for the outcome of an activation.
 *
 * The waiting is ended by the host's record in the database, never by an answer seen in passing: an answer, a lost
 * connection or a new one only say that it is time to look. One thread looks, and ends those whose deadline has passed.
 */
#ifndef MANAGER_ACTIVATION_H
#define MANAGER_ACTIVATION_H

#include "manager/manager.h"
#include "manager/plugin_host.h"

typedef struct Activations Activations;

Activations *activations_new(Store *store, PluginHost *plugin, unsigned timeout_s, GError **error);
/* Ends every wait with FAULT_UNAVAILABLE, joins the thread. Takes NULL. */
void activations_free(Activations *activations);

/* `hurry` is called when the host is not connected. */
typedef void (*ActivationHurry)(void *closure, const char *host);
void activations_add(Activations *activations, const char *host, const char *user, ActivationHurry hurry,
                     void *hurry_closure, ManagerDone done, void *closure);

/* The host has a connection: asks about it, urgently when somebody waits. Any thread. */
void activations_host_up(Activations *activations, const ClusterPluginHost *host);
/* Something about the host was recorded: look. Any thread. */
void activations_look(Activations *activations, const char *host);

#endif
