/*
 * moves.h: the migrations that are placed and not over yet, and how far they are.
 *
 * One thread tells the database once a second how far all of them are, in one statement, whose answer names those that
 * must not go on because their target has lost its trust: these are cancelled. So no thread that watches over a
 * migration ever waits for the database.
 *
 * Lock: moves->lock guards the list and the figures; a leaf.
 */
#ifndef MANAGER_MOVES_H
#define MANAGER_MOVES_H

#include "store/store.h"
#include "trust/converge.h"

typedef struct {
    char *operation;
    char *vm;
    char *source;
    char *target;
    int64_t target_generation;
    bool evacuation;
    volatile int cancel; /* atomic: not 0: it is to be aborted */
    /* under the lock of the Moves that it is in */
    int64_t data_total;
    int64_t data_remaining;
    const char *step; /* static; NULL: nothing was done */
    char *refusal;    /* why its target may not have it any more; NULL: it may */
} Move;
void move_free(Move *move);

typedef struct Moves Moves;

Moves *moves_new(Store *store, GError **error);
/* Joins the thread. Nothing may be under way. Takes NULL. */
void moves_free(Moves *moves);

/* Takes the move. After moves_stop it is cancelled from the beginning. Any thread. */
void moves_add(Moves *moves, Move *move);
/* Frees it. */
void moves_remove(Moves *moves, Move *move);
/* How many are under way from, or to, this host. Any thread. */
unsigned moves_count(Moves *moves, const char *host, bool outgoing);
/* What libvirt says of it now, and what was done to make it converge (static). Any thread, does not block. */
void moves_tell(Moves *moves, Move *move, const ConvergeSample *sample, const char *step);
/* Why its target may not have it any more; g_free; NULL: it may. */
char *moves_refusal(Moves *moves, const Move *move);
/* Cancels all of them. */
void moves_stop(Moves *moves);

#endif
