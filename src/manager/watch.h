/*
 * watch.h: the connections to all hosts, kept open, and what they say.
 *
 * For each host in the database (but those `down`) one connection is opened, kept alive, and opened again when it is
 * lost, with backoff and jitter. Opening happens on openers: a pool of threads, at most one per host; an opener past
 * its deadline is written off and replaced (at most 256 such, then an alarm), and the host's status follows from the
 * deadline (host_disconnected), not from the thread. On a new connection, in this order: events are registered;
 * host_connected() pins or compares the UUID (rule IDENTITY) and gives the generation; the domains are listed and
 * compared (vm_domains_listed); `up` is called. Lock: watch->lock guards the table of hosts; no call to libvirt or the
 * database is made under it.
 */
#ifndef MANAGER_WATCH_H
#define MANAGER_WATCH_H

#include "store/store.h"
#include "virt/connection.h"

typedef struct Watch Watch;

typedef struct {
    VirtSettings virt;
    unsigned openers;         /* threads */
    unsigned open_deadline_s; /* of one opening, everything up to `up` included */
    unsigned retry_min_ms;    /* backoff after a failure: doubles up to retry_max_ms, with jitter of a quarter */
    unsigned retry_max_ms;
} WatchSettings;

typedef struct {
    /* The host has a new connection, and has been compared. Opener's thread; must not block for long. */
    void (*up)(void *closure, const char *host, const char *name, const char *attestation_id);
    /* Its connection is lost and recorded so. Any thread of the watch. */
    void (*down)(void *closure, const char *host, const char *name, const char *attestation_id);
} WatchListener;

Watch *watch_new(const WatchSettings *settings, Store *store, const WatchListener *listener, void *closure,
                 GError **error);
/* Closes everything; threads that hang in libvirt are left behind. Takes NULL. */
void watch_free(Watch *watch);

/* The table of hosts has changed (added, removed, fenced): read it again soon. Any thread, does not block. */
void watch_refresh(Watch *watch);
/* An administrator waits for this host: open now, whatever the backoff. Any thread, does not block. */
void watch_hurry(Watch *watch, const char *host);
/* The host's connection if it is the one with this generation (0: any); a reference, or NULL with FAULT_UNAVAILABLE.
 * Any thread. */
VirtConnection *watch_connection(Watch *watch, const char *host, int64_t generation, GError **error);

#endif
