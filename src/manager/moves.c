#include "manager/moves.h"
#include "manager/monotonic.h"
#include "store/progress.h"
#include "trust/fault.h"
#include <string.h>

#define TELL_MS 1000

struct Moves {
    Store *store;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all that follows; a leaf */
    pthread_cond_t wake;
    GPtrArray *running; /* of Move, owned */
    bool stops;         /* what is under way is cancelled */
    bool ends;          /* the thread */
};

void
move_free(Move *move)
{
    if (!move)
        return;
    g_free(move->operation);
    g_free(move->vm);
    g_free(move->source);
    g_free(move->target);
    g_free(move->refusal);
    g_free(move);
}

/* --- telling the database --- */

/* With the lock. A copy, because moves end while it is being told. */
static GArray *
take_reports(Moves *moves)
{
    GArray *reports = g_array_new(FALSE, TRUE, sizeof(MigrationReport));

    for (unsigned i = 0; i < moves->running->len; i++) {
        const Move *move = g_ptr_array_index(moves->running, i);
        MigrationReport report = {g_strdup(move->operation), move->data_total, move->data_remaining,
                                  move->step ? move->step : ""};
        g_array_append_val(reports, report);
    }
    return reports;
}

static void
free_reports(GArray *reports)
{
    for (unsigned i = 0; i < reports->len; i++)
        g_free((char *)g_array_index(reports, MigrationReport, i).operation);
    g_array_free(reports, TRUE);
}

/* With the lock. */
static void
refuse(Moves *moves, const MigrationRefusal *refusal)
{
    for (unsigned i = 0; i < moves->running->len; i++) {
        Move *move = g_ptr_array_index(moves->running, i);
        if (strcmp(move->operation, refusal->operation) != 0 || move->refusal)
            continue;
        g_message("the migration of VM %s to host %s is aborted: %s", move->vm, move->target, refusal->why);
        move->refusal = g_strdup(refusal->why);
        g_atomic_int_set(&move->cancel, 1);
    }
}

/* Without the lock. */
static void
tell(Moves *moves, bool *failed)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) refusals = NULL;
    GArray *reports;

    pthread_mutex_lock(&moves->lock);
    reports = take_reports(moves);
    pthread_mutex_unlock(&moves->lock);
    refusals = migrations_progress(moves->store, (const MigrationReport *)(void *)reports->data, reports->len, &error);
    free_reports(reports);
    if (!refusals) {
        if (!*failed)
            g_warning("how far the migrations are is not in the database: %s", error->message);
        *failed = true;
        return;
    }
    *failed = false;
    pthread_mutex_lock(&moves->lock);
    for (unsigned i = 0; i < refusals->len; i++)
        refuse(moves, g_ptr_array_index(refusals, i));
    pthread_mutex_unlock(&moves->lock);
}

/* With the lock. Waits until something is under way, and then until it is time to tell. */
static void
wait_for_time(Moves *moves)
{
    int64_t until_us;

    while (!moves->ends && moves->running->len == 0)
        pthread_cond_wait(&moves->wake, &moves->lock);
    until_us = g_get_monotonic_time() + TELL_MS * 1000;
    while (!moves->ends && monotonic_cond_wait(&moves->wake, &moves->lock, until_us))
        ;
}

static void *
run(void *closure)
{
    Moves *moves = closure;
    bool failed = false;

    pthread_mutex_lock(&moves->lock);
    while (!moves->ends) {
        wait_for_time(moves);
        if (moves->ends || moves->running->len == 0)
            continue;
        pthread_mutex_unlock(&moves->lock);
        tell(moves, &failed);
        pthread_mutex_lock(&moves->lock);
    }
    pthread_mutex_unlock(&moves->lock);
    return NULL;
}

/* --- the list --- */

static void
clear(Moves *moves)
{
    g_ptr_array_unref(moves->running);
    pthread_cond_destroy(&moves->wake);
    pthread_mutex_destroy(&moves->lock);
    g_free(moves);
}

Moves *
moves_new(Store *store, GError **error)
{
    Moves *moves = g_new0(Moves, 1);

    moves->store = store;
    moves->running = g_ptr_array_new_with_free_func((GDestroyNotify)move_free);
    pthread_mutex_init(&moves->lock, NULL);
    monotonic_cond_init(&moves->wake);
    if (pthread_create(&moves->thread, NULL, run, moves) == 0)
        return moves;
    g_set_error(error, FAULT, FAULT_FAILED, "cannot start the thread that tells how far migrations are");
    clear(moves);
    return NULL;
}

void
moves_free(Moves *moves)
{
    if (!moves)
        return;
    pthread_mutex_lock(&moves->lock);
    moves->ends = true;
    pthread_cond_signal(&moves->wake);
    pthread_mutex_unlock(&moves->lock);
    pthread_join(moves->thread, NULL);
    clear(moves);
}

void
moves_add(Moves *moves, Move *move)
{
    pthread_mutex_lock(&moves->lock);
    if (moves->stops)
        g_atomic_int_set(&move->cancel, 1);
    g_ptr_array_add(moves->running, move);
    pthread_cond_signal(&moves->wake);
    pthread_mutex_unlock(&moves->lock);
}

void
moves_remove(Moves *moves, Move *move)
{
    pthread_mutex_lock(&moves->lock);
    g_ptr_array_remove_fast(moves->running, move);
    pthread_mutex_unlock(&moves->lock);
}

unsigned
moves_count(Moves *moves, const char *host, bool outgoing)
{
    unsigned n = 0;

    pthread_mutex_lock(&moves->lock);
    for (unsigned i = 0; i < moves->running->len; i++) {
        const Move *move = g_ptr_array_index(moves->running, i);
        n += strcmp(outgoing ? move->source : move->target, host) == 0;
    }
    pthread_mutex_unlock(&moves->lock);
    return n;
}

void
moves_tell(Moves *moves, Move *move, const ConvergeSample *sample, const char *step)
{
    pthread_mutex_lock(&moves->lock);
    move->data_total = sample->data_total;
    move->data_remaining = sample->data_remaining;
    move->step = step;
    pthread_mutex_unlock(&moves->lock);
}

char *
moves_refusal(Moves *moves, const Move *move)
{
    char *refusal;

    pthread_mutex_lock(&moves->lock);
    refusal = g_strdup(move->refusal);
    pthread_mutex_unlock(&moves->lock);
    return refusal;
}

void
moves_stop(Moves *moves)
{
    pthread_mutex_lock(&moves->lock);
    moves->stops = true;
    for (unsigned i = 0; i < moves->running->len; i++)
        g_atomic_int_set(&((Move *)g_ptr_array_index(moves->running, i))->cancel, 1);
    pthread_mutex_unlock(&moves->lock);
}
