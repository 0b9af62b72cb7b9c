/*
 * migration.h: one VM's move, after it has been placed: libvirt, then the record. And the pool that runs them.
 *
 * What became of a move whose connections broke is decided by where libvirt shows the VM, now or when its hosts are
 * back: the operation stays open until one of them says.
 */
#ifndef MANAGER_MIGRATION_H
#define MANAGER_MIGRATION_H

#include "manager/configuration.h"
#include "manager/watch.h"
#include "store/vms.h"
#include "virt/actions.h"

typedef struct Migrations Migrations;

typedef struct {
    char *operation;
    char *vm;
    char *source;
    char *target;
    int64_t target_generation;
    bool evacuation;
} Move;
void move_free(Move *move);

/* What became of a move by how its two hosts have the VM. Pure. */
typedef enum { MOVE_DONE, MOVE_FAILED, MOVE_OPEN } MoveEnd;
MoveEnd move_end(VirtPresence source, VirtPresence target);

Migrations *migrations_new(const Config *config, Store *store, Watch *watch);
/* Tells running migrations to give up at once; they are aborted and recorded. Takes NULL. */
void migrations_free(Migrations *migrations);

/* Takes the move, placed already, and runs it on a worker. When there is no room it is recorded as failed. */
void migrations_push(Migrations *migrations, Move *move);
/* How many are under way from and to this host. Any thread. */
unsigned migrations_from(Migrations *migrations, const char *host);
unsigned migrations_to(Migrations *migrations, const char *host);
/* Called (on a worker) after each move that has ended. */
void migrations_on_end(Migrations *migrations, void (*ended)(void *closure), void *closure);

#endif
