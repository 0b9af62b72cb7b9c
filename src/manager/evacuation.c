#include "manager/evacuation.h"
#include "manager/monotonic.h"
#include "manager/operation.h"
#include "store/evacuations.h"
#include "trust/fault.h"
#include "trust/plan.h"
#include <string.h>

/* The table is looked at this often even when nobody says anything: notifications are a hint, the table is the truth.
 */
#define LOOK_MS 5000

struct Evacuation {
    const Config *config;
    Store *store;
    Migrations *migrations;
    pthread_t thread;
    pthread_mutex_t lock; /* guards the flags; a leaf */
    pthread_cond_t wake;
    bool kicked;
    bool paused;
    bool stops;
};

/* The work and the targets of one round, in the plan's terms; everything is borrowed from the two lists. Without work
 * there are no targets: a look costs little then, however many hosts there are. */
typedef struct {
    GPtrArray *work;    /* of EvacuationVm */
    GPtrArray *targets; /* of EvacuationTarget */
    GArray *plan_vms;
    GArray *plan_targets;
    GArray *plan_sources;
} Round;

static void
round_clear(Round *round)
{
    g_clear_pointer(&round->work, g_ptr_array_unref);
    g_clear_pointer(&round->targets, g_ptr_array_unref);
    g_clear_pointer(&round->plan_vms, g_array_unref);
    g_clear_pointer(&round->plan_targets, g_array_unref);
    g_clear_pointer(&round->plan_sources, g_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Round, round_clear)

static bool
is_pinned(const EvacuationVm *vm)
{
    return strcmp(vm->affinity, "pinned") == 0;
}

static void
add_source(Evacuation *evacuation, GArray *sources, const char *host)
{
    PlanSource source = {host, 0};

    for (unsigned i = 0; i < sources->len; i++)
        if (strcmp(g_array_index(sources, PlanSource, i).id, host) == 0)
            return;
    source.outgoing = migrations_from(evacuation->migrations, host);
    g_array_append_val(sources, source);
}

static bool
round_read(Evacuation *evacuation, Round *round, GError **error)
{
    round->work = evacuation_work(evacuation->store, error);
    if (!round->work || round->work->len == 0)
        return round->work != NULL;
    round->targets = evacuation_targets(evacuation->store, error);
    if (!round->targets)
        return false;
    round->plan_vms = g_array_new(FALSE, TRUE, sizeof(PlanVm));
    round->plan_targets = g_array_new(FALSE, TRUE, sizeof(PlanTarget));
    round->plan_sources = g_array_new(FALSE, TRUE, sizeof(PlanSource));
    for (unsigned i = 0; i < round->targets->len; i++) {
        const EvacuationTarget *row = g_ptr_array_index(round->targets, i);
        PlanTarget target = {row->id, row->cluster, row->is_trusted, row->free_mib,
                             migrations_to(evacuation->migrations, row->id)};
        g_array_append_val(round->plan_targets, target);
    }
    for (unsigned i = 0; i < round->work->len; i++) {
        const EvacuationVm *row = g_ptr_array_index(round->work, i);
        PlanVm vm = {row->vm,
                     row->host,
                     row->cluster,
                     row->memory_mib,
                     row->priority,
                     row->requires_trust,
                     (const char *const *)row->tried};
        if (is_pinned(row) || !row->host_generation)
            continue;
        g_array_append_val(round->plan_vms, vm);
        add_source(evacuation, round->plan_sources, row->host);
    }
    return true;
}

static bool
report_pinned(Evacuation *evacuation, const Round *round, GError **error)
{
    for (unsigned i = 0; i < round->work->len; i++) {
        const EvacuationVm *row = g_ptr_array_index(round->work, i);
        if (is_pinned(row) && !evacuation_stays(evacuation->store, row->host, row->vm,
                                                "its placement policy pins it to this host", error))
            return false;
    }
    return true;
}

static int64_t
generation_of(const Round *round, const char *target)
{
    for (unsigned i = 0; i < round->targets->len; i++) {
        const EvacuationTarget *row = g_ptr_array_index(round->targets, i);
        if (strcmp(row->id, target) == 0)
            return row->generation;
    }
    return 0;
}

/* Places the move (rule TRUST) and starts it. A refusal is no failure of the VM: the world has changed since the plan,
 * and the next round sees it. */
static void
begin_move(Evacuation *evacuation, const Round *round, const PlanMove *plan)
{
    g_autoptr(GError) error = NULL;
    Move *move = g_new0(Move, 1);

    move->operation = g_uuid_string_random();
    move->vm = g_strdup(plan->vm->id);
    move->target = g_strdup(plan->target->id);
    move->target_generation = generation_of(round, plan->target->id);
    move->evacuation = true;
    if (!operation_place(evacuation->store, move->operation, PLACE_MIGRATE, move->vm, move->target,
                         move->target_generation, true, &move->source, &error)) {
        g_message("VM %s is not moved to host %s: %s", move->vm, move->target, error->message);
        move_free(move);
        return;
    }
    migrations_push(evacuation->migrations, move);
}

/* The lock of the one manager may be lost in mid-round: nothing new is begun then. */
static bool
may_begin(Evacuation *evacuation)
{
    bool may;

    pthread_mutex_lock(&evacuation->lock);
    may = !evacuation->paused && !evacuation->stops;
    pthread_mutex_unlock(&evacuation->lock);
    return may;
}

static bool
run_round(Evacuation *evacuation, GError **error)
{
    g_auto(Round) round = {0};
    PlanLimits limits = {evacuation->config->migrations_per_host, evacuation->config->migrations_per_host};
    g_autoptr(GArray) moves = NULL;

    if (!round_read(evacuation, &round, error))
        return false;
    if (round.work->len == 0)
        return true;
    if (!report_pinned(evacuation, &round, error))
        return false;
    moves = plan_evacuation((const PlanVm *)(void *)round.plan_vms->data, round.plan_vms->len,
                            (const PlanTarget *)(void *)round.plan_targets->data, round.plan_targets->len,
                            (const PlanSource *)(void *)round.plan_sources->data, round.plan_sources->len, limits);
    for (unsigned i = 0; i < moves->len && may_begin(evacuation); i++) {
        const PlanMove *move = &g_array_index(moves, PlanMove, i);
        if (move->target)
            begin_move(evacuation, &round, move);
        else if (!evacuation_waits(evacuation->store, move->vm->source, error))
            return false;
    }
    return true;
}

/* Milliseconds until the next look. */
static int64_t
look(Evacuation *evacuation)
{
    g_autoptr(GError) error = NULL;
    int64_t next_ms = 0, now_ms = 0;

    if (!evacuation_close(evacuation->store, &next_ms, &now_ms, &error) || !run_round(evacuation, &error)) {
        g_warning("evacuation: %s", error->message);
        return 1000;
    }
    return next_ms ? CLAMP(next_ms - now_ms, 10, LOOK_MS) : LOOK_MS;
}

/* Waits for a kick, or `ms`. Returns false at the end. */
static bool
wait_for_kick(Evacuation *evacuation, int64_t ms)
{
    int64_t until_us = g_get_monotonic_time() + ms * 1000;
    bool goes_on;

    pthread_mutex_lock(&evacuation->lock);
    while (!evacuation->stops && (evacuation->paused || !evacuation->kicked)) {
        if (monotonic_cond_wait(&evacuation->wake, &evacuation->lock, until_us))
            continue;
        if (!evacuation->paused)
            break;
        until_us += LOOK_MS * 1000;
    }
    evacuation->kicked = false;
    goes_on = !evacuation->stops;
    pthread_mutex_unlock(&evacuation->lock);
    return goes_on;
}

static void *
run(void *closure)
{
    Evacuation *evacuation = closure;
    int64_t pause_ms = 0;

    while (wait_for_kick(evacuation, pause_ms))
        pause_ms = look(evacuation);
    return NULL;
}

static void
migration_ended(void *closure)
{
    evacuation_kick(closure);
}

Evacuation *
evacuation_new(const Config *config, Store *store, Migrations *migrations, GError **error)
{
    Evacuation *evacuation = g_new0(Evacuation, 1);

    evacuation->config = config;
    evacuation->store = store;
    evacuation->migrations = migrations;
    pthread_mutex_init(&evacuation->lock, NULL);
    monotonic_cond_init(&evacuation->wake);
    migrations_on_end(migrations, migration_ended, evacuation);
    if (pthread_create(&evacuation->thread, NULL, run, evacuation) == 0)
        return evacuation;
    g_set_error(error, FAULT, FAULT_FAILED, "cannot start the thread of evacuation");
    g_free(evacuation);
    return NULL;
}

static void
set_flag(Evacuation *evacuation, bool *flag, bool value)
{
    pthread_mutex_lock(&evacuation->lock);
    *flag = value;
    pthread_cond_signal(&evacuation->wake);
    pthread_mutex_unlock(&evacuation->lock);
}

void
evacuation_stop(Evacuation *evacuation)
{
    set_flag(evacuation, &evacuation->stops, true);
    pthread_join(evacuation->thread, NULL);
}

void
evacuation_free(Evacuation *evacuation)
{
    if (!evacuation)
        return;
    pthread_cond_destroy(&evacuation->wake);
    pthread_mutex_destroy(&evacuation->lock);
    g_free(evacuation);
}

void
evacuation_kick(Evacuation *evacuation)
{
    set_flag(evacuation, &evacuation->kicked, true);
}

void
evacuation_pause(Evacuation *evacuation, bool paused)
{
    set_flag(evacuation, &evacuation->paused, paused);
}
