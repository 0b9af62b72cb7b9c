/* listen.h: one session that waits for the database's notifications, and holds the advisory lock of the one manager. */
#ifndef STORE_LISTEN_H
#define STORE_LISTEN_H

#include <glib.h>
#include <stdbool.h>

typedef struct StoreListener StoreListener;

/* Called on the listener's thread. payload: "evacuation", "hosts", "verdict", "events"; or NULL when the session was
 * lost and has come back (anything may have been missed), or "lost" when it was lost: the lock is gone, begin nothing
 * new until NULL comes. Must not block for long. */
typedef void (*StoreNotified)(const char *payload, void *closure);

/* Connects, takes the lock (an error names the other manager when it is held), listens on channel `trustpool`, starts
 * the thread. */
StoreListener *store_listener_new(const char *conninfo, StoreNotified notified, void *closure, GError **error);
bool store_listener_has_lock(StoreListener *listener); /* any thread */
void store_listener_free(StoreListener *listener);     /* joins the thread; takes NULL */

#endif
