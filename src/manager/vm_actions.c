/* vm_actions.c: start, stop and migrate, each through the placement transaction (rule TRUST). Implements part of
 * manager.h. */
#include "manager/definition.h"
#include "manager/manager.h"
#include "manager/monotonic.h"
#include "manager/operation.h"
#include "manager/parts.h"
#include "store/clusters.h"
#include "store/vms.h"
#include "trust/fault.h"
#include "virt/actions.h"
#include <string.h>

/* The reasons for all hosts of a cluster are listed in a refusal; a long list is cut here. */
#define REASONS_MAX 50

/* --- asking about hosts before a placement --- */

typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned waiting;    /* hosts without an answer */
    unsigned references; /* the asker's, and one for each answer to come */
} Asking;

static void
asking_unref(Asking *asking)
{
    bool last;

    pthread_mutex_lock(&asking->lock);
    last = --asking->references == 0;
    pthread_mutex_unlock(&asking->lock);
    if (!last)
        return;
    pthread_cond_destroy(&asking->ended);
    pthread_mutex_destroy(&asking->lock);
    g_free(asking);
}

static void
asked(void *closure, const ClusterPluginAnswer *answer)
{
    Asking *asking = closure;

    (void)answer;
    pthread_mutex_lock(&asking->lock);
    asking->waiting--;
    pthread_cond_signal(&asking->ended);
    pthread_mutex_unlock(&asking->lock);
    asking_unref(asking);
}

/* Hosts of a cluster that is not trusted are asked only when a VM that requires trust is to be placed on them. */
static void
ask(Manager *manager, const ClusterPluginHost hosts[], unsigned n)
{
    Asking *asking = g_new0(Asking, 1);
    int64_t until_us = g_get_monotonic_time() + (int64_t)manager->config->activate_timeout_s * G_USEC_PER_SEC;

    pthread_mutex_init(&asking->lock, NULL);
    monotonic_cond_init(&asking->ended);
    asking->waiting = n;
    asking->references = n + 1;
    plugin_host_event(manager->plugin, hosts, n, CLUSTER_PLUGIN_PLACE, asked, asking);
    pthread_mutex_lock(&asking->lock);
    while (asking->waiting && monotonic_cond_wait(&asking->ended, &asking->lock, until_us))
        ;
    pthread_mutex_unlock(&asking->lock);
    asking_unref(asking);
}

/* --- candidates --- */

static bool
is_wanted(const VmCandidate *candidate, const char *host)
{
    return !host || strcmp(candidate->id, host) == 0 || strcmp(candidate->name, host) == 0;
}

static bool
ask_candidates(Manager *manager, const GPtrArray *candidates, const char *host)
{
    g_autofree ClusterPluginHost *hosts = g_new0(ClusterPluginHost, candidates->len);
    unsigned n = 0;

    for (unsigned i = 0; i < candidates->len; i++) {
        const VmCandidate *candidate = g_ptr_array_index(candidates, i);
        if (!candidate->passes && candidate->generation && is_wanted(candidate, host))
            hosts[n++] = (ClusterPluginHost){candidate->id, candidate->name, candidate->attestation_id, ""};
    }
    if (n)
        ask(manager, hosts, n);
    return n > 0;
}

/* All hosts of the VM's cluster, with what speaks against each. */
static GPtrArray *
read_candidates(Manager *manager, const Vm *vm, const char *host, GError **error)
{
    g_autoptr(GPtrArray) candidates = vm_candidates(manager->store, vm->id, error);
    g_autoptr(Cluster) cluster =
        candidates && vm->requires_trust ? cluster_get(manager->store, vm->cluster_id, error) : NULL;

    if (!candidates || (vm->requires_trust && !cluster))
        return NULL;
    if (cluster && !cluster->trusted_service && ask_candidates(manager, candidates, host))
        return vm_candidates(manager->store, vm->id, error);
    return g_steal_pointer(&candidates);
}

static int
by_free_memory(gconstpointer a, gconstpointer b)
{
    const VmCandidate *const *one = a, *const *two = b;

    return ((*one)->free_mib < (*two)->free_mib) - ((*one)->free_mib > (*two)->free_mib);
}

static void
add_reason(GString *reasons, unsigned *n, const char *host, const char *why)
{
    if ((*n)++ < REASONS_MAX)
        g_string_append_printf(reasons, "%s%s: %s", *n > 1 ? "; " : "", host, why);
}

/*
 * Places the VM on the wanted host, or on the best: the placement's transaction decides for each candidate, most free
 * memory first. The candidate belongs to `candidates`.
 */
static const VmCandidate *
place(Manager *manager, const Vm *vm, GPtrArray *candidates, const char *host, PlaceKind kind, const char *operation,
      char **source, GError **error)
{
    g_autoptr(GString) reasons = g_string_new(NULL);
    unsigned n = 0;

    g_ptr_array_sort(candidates, by_free_memory);
    for (unsigned i = 0; i < candidates->len; i++) {
        const VmCandidate *candidate = g_ptr_array_index(candidates, i);
        g_autoptr(GError) cause = NULL;
        if (!is_wanted(candidate, host))
            continue;
        if (!candidate->passes) {
            add_reason(reasons, &n, candidate->name, candidate->why);
            continue;
        }
        if (operation_place(manager->store, operation, kind, vm->id, candidate->id, candidate->generation, false,
                            source, &cause))
            return candidate;
        if (!g_error_matches(cause, FAULT, FAULT_REFUSED)) {
            g_propagate_error(error, g_steal_pointer(&cause));
            return NULL;
        }
        add_reason(reasons, &n, candidate->name, cause->message);
    }
    if (n == 0)
        g_set_error(error, FAULT, FAULT_REFUSED, "VM %s cannot run: its cluster has no %s %s", vm->name,
                    host ? "host" : "hosts", host ? host : "");
    else
        g_set_error(error, FAULT, FAULT_REFUSED, "VM %s cannot run on any host: %s%s", vm->name, reasons->str,
                    n > REASONS_MAX ? " …" : "");
    return NULL;
}

/* What libvirt was asked and did not answer (the connection broke, the deadline passed) is not known: the operation
 * stays open until the host's domains are listed again. */
static void
end_operation(Manager *manager, const char *operation, bool asked, const GError *cause)
{
    bool unknown = g_error_matches(cause, FAULT, FAULT_UNAVAILABLE) || g_error_matches(cause, FAULT, FAULT_DEADLINE);

    if (!asked || !unknown)
        operation_finish(manager->store, operation, cause == NULL, cause ? cause->message : "");
}

/* On the host where it has been placed. */
static bool
launch(Manager *manager, const char *id, const VmCandidate *candidate, bool *asked, GError **error)
{
    g_autoptr(Vm) vm = vm_get(manager->store, id, error); /* read again: the placement has chosen the machine type */
    g_autofree char *xml = vm ? vm_definition_xml(manager->config, vm, error) : NULL;
    g_autoptr(VirtConnection) connection =
        xml ? watch_connection(manager->watch, candidate->id, candidate->generation, error) : NULL;

    *asked = connection != NULL;
    return connection && virt_start(connection, xml, error);
}

bool
manager_vm_start(Manager *manager, const char *id, const char *host, const char *user, GError **error)
{
    g_autoptr(Vm) vm = manager_may_begin(manager, error) ? vm_get(manager->store, id, error) : NULL;
    g_autoptr(GPtrArray) candidates = vm ? read_candidates(manager, vm, host, error) : NULL;
    g_autofree char *operation = g_uuid_string_random();
    const VmCandidate *candidate =
        candidates ? place(manager, vm, candidates, host, PLACE_START, operation, NULL, error) : NULL;
    g_autoptr(GError) cause = NULL;
    bool asked = false;

    if (!candidate)
        return false;
    g_info("%s starts VM %s on host %s", user, vm->name, candidate->name);
    launch(manager, id, candidate, &asked, &cause);
    end_operation(manager, operation, asked, cause);
    if (!cause)
        return true;
    g_propagate_prefixed_error(error, g_steal_pointer(&cause), "VM %s does not start on host %s: ", vm->name,
                               candidate->name);
    return false;
}

bool
manager_vm_migrate(Manager *manager, const char *id, const char *host, const char *user, GError **error)
{
    g_autoptr(Vm) vm = manager_may_begin(manager, error) ? vm_get(manager->store, id, error) : NULL;
    g_autoptr(GPtrArray) candidates = vm ? read_candidates(manager, vm, host, error) : NULL;
    g_autofree char *operation = g_uuid_string_random();
    g_autofree char *source = NULL;
    const VmCandidate *candidate =
        candidates ? place(manager, vm, candidates, host, PLACE_MIGRATE, operation, &source, error) : NULL;
    Move *move;

    if (!candidate)
        return false;
    g_info("%s migrates VM %s to host %s", user, vm->name, candidate->name);
    move = g_new0(Move, 1);
    *move = (Move){.operation = g_steal_pointer(&operation),
                   .vm = g_strdup(vm->id),
                   .source = g_steal_pointer(&source),
                   .target = g_strdup(candidate->id),
                   .target_generation = candidate->generation};
    migrations_push(manager->migrations, move);
    return true;
}

/* Asks the guest to shut down; its end arrives as an event. */
static bool
shut_down(Manager *manager, const Vm *vm, GError **error)
{
    g_autoptr(VirtConnection) connection = NULL;

    if (!vm->host_id || strcmp(vm->status, "up") != 0) {
        g_set_error(error, FAULT, FAULT_REFUSED, "VM %s is %s: only one that is up can shut down", vm->name,
                    vm->status);
        return false;
    }
    connection = watch_connection(manager->watch, vm->host_id, 0, error);
    return connection && virt_stop(connection, vm->id, true, error);
}

bool
manager_vm_stop(Manager *manager, const char *id, bool gracefully, const char *user, GError **error)
{
    g_autoptr(Vm) vm = manager_may_begin(manager, error) ? vm_get(manager->store, id, error) : NULL;
    g_autofree char *operation = g_uuid_string_random();
    g_autofree char *host = NULL;
    g_autoptr(VirtConnection) connection = NULL;
    g_autoptr(GError) cause = NULL;
    int64_t generation = 0;

    if (!vm)
        return false;
    g_info("%s stops VM %s", user, vm->name);
    if (gracefully)
        return shut_down(manager, vm, error);
    if (!vm_stop_begin(manager->store, operation, id, &host, &generation, error))
        return false;
    connection = watch_connection(manager->watch, host, generation, &cause);
    if (connection)
        virt_stop(connection, id, false, &cause);
    if (g_error_matches(cause, FAULT, FAULT_NOT_FOUND))
        g_clear_error(&cause); /* it is gone already */
    end_operation(manager, operation, connection != NULL, cause);
    if (!cause)
        return true;
    g_propagate_prefixed_error(error, g_steal_pointer(&cause), "VM %s does not stop: ", vm->name);
    return false;
}
