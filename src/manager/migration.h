/*
 * migration.h: one VM's move, after it has been placed: libvirt, then the record. And the pool that runs them.
 *
 * What became of a move whose connections broke is decided by where libvirt shows the VM, now or when its hosts are
 * back: the operation stays open until one of them says.
 *
 * A guest that changes its memory faster than it is sent: trust/converge.h says what is done. Auto-converge needs
 * another attempt, which is another operation: for an evacuation the plan makes it (possibly to another target), and
 * what was learned about the VM is kept here until then; for an administrator's migration it is made here.
 */
#ifndef MANAGER_MIGRATION_H
#define MANAGER_MIGRATION_H

#include "manager/configuration.h"
#include "manager/moves.h"
#include "manager/watch.h"
#include "store/vms.h"
#include "virt/actions.h"

typedef struct Migrations Migrations;

/* What became of a move by how its two hosts have the VM. Pure. */
typedef enum { MOVE_DONE, MOVE_FAILED, MOVE_OPEN } MoveEnd;
MoveEnd move_end(VirtPresence source, VirtPresence target);

Migrations *migrations_new(const Config *config, Store *store, Watch *watch, GError **error);
/* Tells running migrations to give up at once; they are aborted and recorded. Takes NULL. */
void migrations_free(Migrations *migrations);

/* Takes the move, placed already, and runs it on a worker. When there is no room it is recorded as failed. */
void migrations_push(Migrations *migrations, Move *move);
/* How many are under way from and to this host. Any thread. */
unsigned migrations_from(Migrations *migrations, const char *host);
unsigned migrations_to(Migrations *migrations, const char *host);
/* Paused while another manager may hold the lock: what is under way goes on, and nothing is begun again. Any thread. */
void migrations_pause(Migrations *migrations, bool paused);
/* Called (on a worker) after each move that has ended. */
void migrations_on_end(Migrations *migrations, void (*ended)(void *closure), void *closure);

#endif
