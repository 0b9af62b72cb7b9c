/*
 * evacuation.h: moves VMs off hosts that may not keep them.
 *
 * One thread: closes the work that is done, reads what is open, plans a round (pure), places each move, hands it to the
 * migrations. It wakes when the database says so (the commit is the message), when a migration has ended, and every few
 * seconds.
 */
#ifndef MANAGER_EVACUATION_H
#define MANAGER_EVACUATION_H

#include "manager/configuration.h"
#include "manager/migration.h"

typedef struct Evacuation Evacuation;

Evacuation *evacuation_new(const Config *config, Store *store, Migrations *migrations, GError **error);
/* Plans nothing more; joins the thread. Once, before the migrations are freed; evacuation_free comes after them. */
void evacuation_stop(Evacuation *evacuation);
void evacuation_free(Evacuation *evacuation);
void evacuation_kick(Evacuation *evacuation); /* any thread, does not block */
/* Paused while another manager may hold the lock. */
void evacuation_pause(Evacuation *evacuation, bool paused);

#endif
