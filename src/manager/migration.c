#include "manager/migration.h"
#include "manager/crash_point.h"
#include "manager/definition.h"
#include "manager/operation.h"
#include "manager/workers.h"
#include "store/evacuations.h"
#include "trust/fault.h"
#include <pthread.h>

/* After a connection has broken, libvirt needs up to a second to remove the half-made copy (measured: libvirt 9.0.0).
 * And the target's word that an aborted attempt's copy stopped must have come before the next attempt is placed, or it
 * would be taken for that one's: libvirt sends it before the call returns, but another thread takes it in. */
#define SETTLE_MS 2000

struct Migrations {
    const Config *config;
    Store *store;
    Watch *watch;
    Workers *workers;
    Moves *moves;
    volatile int paused;  /* atomic: nothing is begun again */
    pthread_mutex_t lock; /* guards `learned`; a leaf */
    GHashTable *learned;  /* VM's id to Converge: those whose migration is to begin again */
    void (*ended)(void *closure);
    void *ended_closure;
};

typedef struct {
    Migrations *migrations;
    Move *move;
    ConvergePolicy policy;
    Converge converge;
    bool again; /* it is to begin again with auto-converge */
} Job;

/* --- convergence --- */

/* What the attempt before this one has learned, which is used up. */
static void
begin_convergence(Job *job)
{
    Migrations *migrations = job->migrations;
    const Config *config = migrations->config;
    const Converge *learned;

    job->policy = (ConvergePolicy){.bandwidth_mib_s = config->migration_bandwidth_mib_s,
                                   .bandwidth_max_mib_s = config->migration_bandwidth_max_mib_s,
                                   .post_copy = config_is_on(config->post_copy),
                                   .deadline_ms = (int64_t)config->evacuation_deadline_s * 1000};
    converge_begin(&job->converge, &job->policy);
    pthread_mutex_lock(&migrations->lock);
    learned = g_hash_table_lookup(migrations->learned, job->move->vm);
    if (learned) {
        job->converge = *learned;
        converge_again(&job->converge);
        g_hash_table_remove(migrations->learned, job->move->vm);
    }
    pthread_mutex_unlock(&migrations->lock);
}

static void
learn(Job *job)
{
    Migrations *migrations = job->migrations;

    pthread_mutex_lock(&migrations->lock);
    g_hash_table_insert(migrations->learned, g_strdup(job->move->vm), g_memdup2(&job->converge, sizeof(Converge)));
    pthread_mutex_unlock(&migrations->lock);
}

/* Once a second, on the thread that watches over the migration. */
static ConvergeStep
look(void *closure, int64_t elapsed_ms, const ConvergeSample *sample, unsigned *bandwidth_mib_s)
{
    Job *job = closure;
    ConvergeStep step = converge_next(&job->converge, &job->policy, elapsed_ms, sample);

    *bandwidth_mib_s = job->converge.bandwidth_mib_s;
    moves_tell(job->migrations->moves, job->move, sample, converge_word(&job->converge));
    if (step == CONVERGE_RAISE)
        g_message("VM %s changes its memory faster than it is sent: its migration gets %u MiB/s", job->move->vm,
                  *bandwidth_mib_s);
    else if (step == CONVERGE_POST_COPY)
        g_message("VM %s is moved by post-copy: if a host or the network fails now, it is lost", job->move->vm);
    job->again = step == CONVERGE_THROTTLE;
    return step;
}

/* --- one attempt --- */

static bool
migrate(Job *job, GError **error)
{
    Migrations *migrations = job->migrations;
    const Move *move = job->move;
    g_autoptr(Vm) vm = vm_get(migrations->store, move->vm, error);
    g_autofree char *xml = vm ? vm_definition_xml(migrations->config, vm, error) : NULL;
    g_autoptr(VirtConnection) target =
        xml ? watch_connection(migrations->watch, move->target, move->target_generation, error) : NULL;
    g_autoptr(VirtConnection) source = target ? watch_connection(migrations->watch, move->source, 0, error) : NULL;
    VirtMigration migration = {.uuid = move->vm,
                               .target_xml = xml,
                               .deadline_s = migrations->config->evacuation_deadline_s,
                               .peer_to_peer = config_is_on(migrations->config->peer_to_peer),
                               .look = look,
                               .closure = job};

    if (!source)
        return false;
    begin_convergence(job);
    migration.bandwidth_mib_s = job->converge.bandwidth_mib_s;
    migration.auto_converge = job->converge.throttles;
    migration.post_copy = job->policy.post_copy;
    crash_point_soon("during_migration", 150);
    return virt_migrate(source, target, &migration, &move->cancel, error);
}

/* A guest runs at the target only after it has stopped at the source for good (libvirt's phases: perform, then finish);
 * so there the target's word counts, and a source that is not trusted is not asked. */
MoveEnd
move_end(VirtPresence source, VirtPresence target)
{
    if (target == VIRT_RUNNING)
        return MOVE_DONE;
    if (source == VIRT_PAUSED || source == VIRT_RUNNING)
        return MOVE_FAILED;
    if (source == VIRT_ABSENT && target == VIRT_PAUSED)
        return MOVE_DONE;
    return target == VIRT_ABSENT ? MOVE_FAILED : MOVE_OPEN;
}

static VirtPresence
presence_on(Migrations *migrations, const char *host, const char *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VirtConnection) connection = watch_connection(migrations->watch, host, 0, &error);

    return connection ? virt_presence(connection, vm, &error) : VIRT_UNKNOWN;
}

/* A connection broke under the migration: libvirt is the truth about where the VM is. */
static MoveEnd
look_for_vm(Migrations *migrations, const Move *move)
{
    VirtPresence source, target;

    g_usleep(SETTLE_MS * 1000);
    source = presence_on(migrations, move->source, move->vm);
    target = presence_on(migrations, move->target, move->vm);
    return move_end(source, target);
}

/* --- the record --- */

/* Why it failed, in words for the administrator; takes and gives an error. */
static GError *
explain(Job *job, GError *cause)
{
    g_autofree char *refusal = moves_refusal(job->migrations->moves, job->move);
    g_autoptr(GError) old = cause;

    if (refusal)
        return g_error_new(FAULT, FAULT_FAILED, "it was aborted, because its target may not have it any more: %s",
                           refusal);
    if (job->again)
        return g_error_new(FAULT, FAULT_FAILED,
                           "it changes its memory faster than that is sent, and is tried again "
                           "with its processors slowed down (auto-converge)");
    if (job->converge.stalls && g_error_matches(cause, FAULT, FAULT_DEADLINE))
        return g_error_new(FAULT, FAULT_REFUSED,
                           "it changes its memory faster than that is sent, after all that may "
                           "be done about it: %s",
                           cause->message);
    return g_steal_pointer(&old);
}

/* What the administrator must know of a VM that was not moved. That the manager stops, that the target lost its trust,
 * or that another attempt follows is no failure of the VM's. */
static bool
record_failure(Job *job, const GError *cause, GError **error)
{
    Store *store = job->migrations->store;
    const Move *move = job->move;

    if (!move->evacuation || g_atomic_int_get(&move->cancel) || job->again)
        return true;
    if (g_error_matches(cause, FAULT, FAULT_REFUSED))
        return evacuation_stays(store, move->source, move->vm, cause->message, error);
    return evacuation_tried(store, move->source, move->vm, move->target, cause->message, error);
}

static void
record(Job *job, MoveEnd end, const GError *cause)
{
    Store *store = job->migrations->store;
    const Move *move = job->move;
    g_autoptr(GError) error = NULL;

    if (end == MOVE_FAILED && !record_failure(job, cause, &error))
        g_warning("that VM %s was not moved is not recorded, and is tried again: %s", move->vm, error->message);
    operation_finish(store, move->operation, end == MOVE_DONE, cause ? cause->message : "");
}

/* An administrator's migration is placed again (rule TRUST); the plan does that for an evacuation. */
static void
repeat(Migrations *migrations, const Move *old)
{
    g_autoptr(GError) error = NULL;
    Move *move = g_new0(Move, 1);

    *move = (Move){.operation = g_uuid_string_random(),
                   .vm = g_strdup(old->vm),
                   .target = g_strdup(old->target),
                   .target_generation = old->target_generation};
    if (operation_place(migrations->store, move->operation, PLACE_MIGRATE, move->vm, move->target,
                        move->target_generation, false, &move->source, &error)) {
        migrations_push(migrations, move);
        return;
    }
    g_message("VM %s is not moved to host %s: %s", move->vm, move->target, error->message);
    move_free(move);
}

static MoveEnd
attempt(Job *job, GError **error)
{
    const Move *move = job->move;
    MoveEnd end = migrate(job, error) ? MOVE_DONE : MOVE_FAILED;

    if (end == MOVE_DONE)
        return end;
    bool is_broken = g_error_matches(*error, FAULT, FAULT_UNAVAILABLE); /* whatever explains it */
    job->again = job->again && g_error_matches(*error, FAULT, FAULT_FAILED) && !g_atomic_int_get(&move->cancel);
    if (job->again)
        g_usleep(SETTLE_MS * 1000);
    *error = explain(job, *error);
    g_message("migration of VM %s from host %s to host %s: %s", move->vm, move->source, move->target,
              (*error)->message);
    return is_broken ? look_for_vm(job->migrations, move) : end;
}

static void
run(void *closure)
{
    g_autofree Job *job = closure;
    Migrations *migrations = job->migrations;
    g_autoptr(GError) error = NULL;
    MoveEnd end = attempt(job, &error);

    crash_point("migrated_before_record");
    if (end == MOVE_FAILED && job->again)
        learn(job);
    if (end != MOVE_OPEN)
        record(job, end, error);
    if (end == MOVE_FAILED && job->again && !job->move->evacuation && !g_atomic_int_get(&migrations->paused))
        repeat(migrations, job->move);
    moves_remove(migrations->moves, job->move);
    if (migrations->ended)
        migrations->ended(migrations->ended_closure);
}

/* --- the pool --- */

Migrations *
migrations_new(const Config *config, Store *store, Watch *watch, GError **error)
{
    Moves *moves = moves_new(store, error);
    Migrations *migrations;

    if (!moves)
        return NULL;
    if (config_is_on(config->peer_to_peer))
        g_warning("peer_to_peer is on: %s", config_help("manager", "peer_to_peer"));
    migrations = g_new0(Migrations, 1);
    migrations->config = config;
    migrations->store = store;
    migrations->watch = watch;
    migrations->moves = moves;
    migrations->workers = workers_new("migration", config->migration_workers, 1000);
    migrations->learned = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    pthread_mutex_init(&migrations->lock, NULL);
    return migrations;
}

void
migrations_free(Migrations *migrations)
{
    if (!migrations)
        return;
    moves_stop(migrations->moves);
    workers_free(migrations->workers);
    moves_free(migrations->moves);
    g_hash_table_unref(migrations->learned);
    pthread_mutex_destroy(&migrations->lock);
    g_free(migrations);
}

void
migrations_pause(Migrations *migrations, bool paused)
{
    g_atomic_int_set(&migrations->paused, paused);
}

void
migrations_on_end(Migrations *migrations, void (*ended)(void *closure), void *closure)
{
    migrations->ended = ended;
    migrations->ended_closure = closure;
}

void
migrations_push(Migrations *migrations, Move *move)
{
    Job *job = g_new0(Job, 1);

    job->migrations = migrations;
    job->move = move;
    moves_add(migrations->moves, move);
    if (!workers_push(migrations->workers, run, job)) {
        g_autoptr(GError) error = g_error_new(FAULT, FAULT_UNAVAILABLE, "too many migrations wait for a worker");
        record(job, MOVE_FAILED, error);
        moves_remove(migrations->moves, move);
        g_free(job);
    }
}

unsigned
migrations_from(Migrations *migrations, const char *host)
{
    return moves_count(migrations->moves, host, true);
}

unsigned
migrations_to(Migrations *migrations, const char *host)
{
    return moves_count(migrations->moves, host, false);
}
