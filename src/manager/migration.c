#include "manager/migration.h"
#include "manager/crash_point.h"
#include "manager/definition.h"
#include "manager/operation.h"
#include "manager/workers.h"
#include "store/evacuations.h"
#include "trust/fault.h"
#include <pthread.h>
#include <string.h>

/* After a connection has broken, libvirt needs up to a second to remove the half-made copy (measured: libvirt 9.0.0).
 */
#define SETTLE_MS 2000

struct Migrations {
    const Config *config;
    Store *store;
    Watch *watch;
    Workers *workers;
    volatile int cancel;
    pthread_mutex_t lock; /* guards `running`; a leaf */
    GPtrArray *running;   /* of Move, borrowed */
    void (*ended)(void *closure);
    void *ended_closure;
};

typedef struct {
    Migrations *migrations;
    Move *move;
} Job;

void
move_free(Move *move)
{
    if (!move)
        return;
    g_free(move->operation);
    g_free(move->vm);
    g_free(move->source);
    g_free(move->target);
    g_free(move);
}

static bool
migrate(Migrations *migrations, const Move *move, GError **error)
{
    g_autoptr(Vm) vm = vm_get(migrations->store, move->vm, error);
    g_autofree char *xml = vm ? vm_definition_xml(migrations->config, vm, error) : NULL;
    g_autoptr(VirtConnection) target =
        xml ? watch_connection(migrations->watch, move->target, move->target_generation, error) : NULL;
    g_autoptr(VirtConnection) source = target ? watch_connection(migrations->watch, move->source, 0, error) : NULL;
    VirtMigration migration = {move->vm, xml, migrations->config->evacuation_deadline_s, 0};

    if (!source)
        return false;
    crash_point_soon("during_migration", 150);
    return virt_migrate(source, target, &migration, &migrations->cancel, error);
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

/* What the administrator must know of a VM that was not moved. That the manager stops is no fault of the target's. */
static bool
record_failure(Migrations *migrations, const Move *move, const GError *cause, GError **error)
{
    if (!move->evacuation || g_atomic_int_get(&migrations->cancel))
        return true;
    if (g_error_matches(cause, FAULT, FAULT_REFUSED))
        return evacuation_stays(migrations->store, move->source, move->vm, cause->message, error);
    return evacuation_tried(migrations->store, move->source, move->vm, move->target, cause->message, error);
}

static void
record(Migrations *migrations, const Move *move, MoveEnd end, const GError *cause)
{
    g_autoptr(GError) error = NULL;

    if (end == MOVE_FAILED && !record_failure(migrations, move, cause, &error))
        g_warning("that VM %s was not moved is not recorded, and is tried again: %s", move->vm, error->message);
    operation_finish(migrations->store, move->operation, end == MOVE_DONE, cause ? cause->message : "");
}

static void
forget(Migrations *migrations, Move *move)
{
    pthread_mutex_lock(&migrations->lock);
    g_ptr_array_remove_fast(migrations->running, move);
    pthread_mutex_unlock(&migrations->lock);
    move_free(move);
}

static void
run(void *closure)
{
    g_autofree Job *job = closure;
    Migrations *migrations = job->migrations;
    Move *move = job->move;
    g_autoptr(GError) error = NULL;
    MoveEnd end = migrate(migrations, move, &error) ? MOVE_DONE : MOVE_FAILED;

    if (end == MOVE_FAILED) {
        g_message("migration of VM %s from host %s to host %s: %s", move->vm, move->source, move->target,
                  error->message);
        if (g_error_matches(error, FAULT, FAULT_UNAVAILABLE))
            end = look_for_vm(migrations, move);
    }
    crash_point("migrated_before_record");
    if (end != MOVE_OPEN)
        record(migrations, move, end, error);
    forget(migrations, move);
    if (migrations->ended)
        migrations->ended(migrations->ended_closure);
}

Migrations *
migrations_new(const Config *config, Store *store, Watch *watch)
{
    Migrations *migrations = g_new0(Migrations, 1);

    migrations->config = config;
    migrations->store = store;
    migrations->watch = watch;
    migrations->workers = workers_new("migration", config->migration_workers, 1000);
    migrations->running = g_ptr_array_new();
    pthread_mutex_init(&migrations->lock, NULL);
    return migrations;
}

void
migrations_free(Migrations *migrations)
{
    if (!migrations)
        return;
    g_atomic_int_set(&migrations->cancel, 1);
    workers_free(migrations->workers);
    g_ptr_array_free(migrations->running, TRUE);
    pthread_mutex_destroy(&migrations->lock);
    g_free(migrations);
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
    Job *job = g_new(Job, 1);

    *job = (Job){migrations, move};
    pthread_mutex_lock(&migrations->lock);
    g_ptr_array_add(migrations->running, move);
    pthread_mutex_unlock(&migrations->lock);
    if (!workers_push(migrations->workers, run, job)) {
        g_autoptr(GError) error = g_error_new(FAULT, FAULT_UNAVAILABLE, "too many migrations wait for a worker");
        record(migrations, move, MOVE_FAILED, error);
        forget(migrations, move);
        g_free(job);
    }
}

static unsigned
count(Migrations *migrations, const char *host, bool outgoing)
{
    unsigned n = 0;

    pthread_mutex_lock(&migrations->lock);
    for (unsigned i = 0; i < migrations->running->len; i++) {
        const Move *move = g_ptr_array_index(migrations->running, i);
        n += strcmp(outgoing ? move->source : move->target, host) == 0;
    }
    pthread_mutex_unlock(&migrations->lock);
    return n;
}

unsigned
migrations_from(Migrations *migrations, const char *host)
{
    return count(migrations, host, true);
}

unsigned
migrations_to(Migrations *migrations, const char *host)
{
    return count(migrations, host, false);
}
