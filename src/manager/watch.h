/*
 * watch.h: the connections to all hosts, kept open, and what they say.
 *
 * For each host in the database (those `down` included, in case they come back) one connection is opened, kept alive,
 * and opened again when it is lost, with backoff and jitter. Opening happens on openers (openers.h), at most one per
 * host that is not past its deadline; the host's status follows from the deadline (host_disconnected), not from the
 * thread. On a new connection, in this order: events are registered; host_connected() pins or compares the UUID (rule
 * IDENTITY) and gives the generation; the domains are listed and compared (vm_domains_listed); events that came
 * meanwhile are recorded; the connection can be had by watch_connection, and `up` is called.
 *
 * Threads: one scheduler (reads the hosts every 30 s and on watch_refresh, begins openings), the openers, one recorder
 * (events and lost connections go to the database in the order in which they came, host by host in turn, so that one
 * host's flood does not hold up the others). What the database cannot take now is kept and tried again. A host that has
 * more than 1024 events waiting is connected anew, which lists it anew.
 *
 * Lock: watch->lock guards everything; no call to libvirt, the database or the listener is made under it. Order: the
 * openers' lock, or a connection's callback lock, before watch->lock.
 */
#ifndef MANAGER_WATCH_H
#define MANAGER_WATCH_H

#include "store/hosts.h"
#include "store/store.h"
#include "virt/connection.h"

typedef struct Watch Watch;

typedef struct {
    VirtSettings virt;
    unsigned openers;         /* threads */
    unsigned open_deadline_s; /* of one opening, everything up to `up` included */
    unsigned retry_min_ms;    /* backoff after a failure: doubles up to retry_max_ms, less up to a quarter of jitter */
    unsigned retry_max_ms;
    unsigned open_deadline_ms; /* if not 0, instead of open_deadline_s (tests) */
    /* NULL: virt_connection_open (tests put a slow or frozen one here) */
    VirtConnection *(*open)(const VirtSettings *settings, const char *address, const VirtCallbacks *callbacks,
                            void *closure, void (*release)(void *closure), GError **error);
} WatchSettings;

typedef struct {
    /* The host has a new connection, and has been compared. Opener's thread; must not block for long. */
    void (*up)(void *closure, const char *host, const char *name, const char *attestation_id);
    /* Its connection is lost, and recorded so; after its `up`. Any thread of the watch. */
    void (*down)(void *closure, const char *host, const char *name, const char *attestation_id);
} WatchListener;

/* What the watch asks of the database; watch_new's are those of store/, of the same names. */
typedef struct {
    GPtrArray *(*hosts)(Store *store, GError **error); /* of Host */
    HostConnected *(*connected)(Store *store, const char *id, const char *libvirt_uuid, int64_t memory_mib, int cpus,
                                const char *machine, GError **error);
    bool (*disconnected)(Store *store, const char *id, int64_t generation, const char *why, GError **error);
    bool (*identity)(Store *store, const char *id, const char *detail, GError **error);
    bool (*listed)(Store *store, const char *host, int64_t generation, GPtrArray *domains, GError **error);
    bool (*event)(Store *store, const char *host, int64_t generation, const char *vm, const char *what, int64_t age_us,
                  GError **error);
    bool (*alarm)(Store *store, const char *text, GError **error);
} WatchStore;

Watch *watch_new(const WatchSettings *settings, Store *store, const WatchListener *listener, void *closure,
                 GError **error);
/* The same with other functions in the database's place. `functions` must outlive the watch. */
Watch *watch_new_with(const WatchSettings *settings, const WatchStore *functions, Store *store,
                      const WatchListener *listener, void *closure, GError **error);
/* Closes everything; threads that hang in libvirt are left behind after 2 s, and touch neither store nor listener any
 * more. Nothing is recorded: the next start finds out anew. Takes NULL. */
void watch_free(Watch *watch);

/* The table of hosts has changed (added, removed, fenced): read it again soon. Any thread, does not block. */
void watch_refresh(Watch *watch);
/* An administrator waits for this host: open now, whatever the backoff. Any thread, does not block. */
void watch_hurry(Watch *watch, const char *host);
/* The host's connection if it is the one with this generation (0: any); a reference, or NULL with FAULT_UNAVAILABLE.
 * Any thread, does not block. */
VirtConnection *watch_connection(Watch *watch, const char *host, int64_t generation, GError **error);

/* The pause before the next try: `failures` so far in a row, `random` any number. Pure. */
unsigned watch_backoff_ms(unsigned failures, unsigned min_ms, unsigned max_ms, guint32 random);

#endif
