#include "trust/plan.h"

#include <string.h>

/* What this round has given away already: the caller's figures are not changed. */
typedef struct {
    int64_t *free_mib;    /* per target */
    unsigned *incoming;   /* per target */
    GHashTable *outgoing; /* source id -> migrations, under way and planned */
} Round;

static gint
compare_vms(gconstpointer a, gconstpointer b)
{
    const PlanVm *left = *(const PlanVm *const *)a;
    const PlanVm *right = *(const PlanVm *const *)b;

    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    if (left->memory_mib != right->memory_mib)
        return left->memory_mib > right->memory_mib ? -1 : 1;
    return strcmp(left->id, right->id);
}

static bool
is_excluded(const PlanVm *vm, const PlanTarget *target)
{
    return vm->excluded && g_strv_contains(vm->excluded, target->id);
}

/* How far a target got through the conditions, in the order in which they are explained. */
typedef enum { FAR_NOWHERE, FAR_CLUSTER, FAR_TRUSTED, FAR_UNTRIED, FAR_FITS } Far;

static Far
judge_target(const PlanVm *vm, const PlanTarget *target, int64_t free_mib)
{
    if (strcmp(target->cluster, vm->cluster) != 0 || strcmp(target->id, vm->source) == 0)
        return FAR_NOWHERE;
    if (vm->requires_trust && !target->is_trusted)
        return FAR_CLUSTER;
    if (is_excluded(vm, target))
        return FAR_TRUSTED;
    return free_mib >= vm->memory_mib ? FAR_FITS : FAR_UNTRIED;
}

static const char *
explain(Far far)
{
    switch (far) {
    case FAR_NOWHERE:
        return "no other host of its cluster is up";
    case FAR_CLUSTER:
        return "no other host of its cluster that is up is trusted";
    case FAR_TRUSTED:
        return "every host that could take it has been tried in vain";
    case FAR_UNTRIED:
        return "no host that could take it has enough free memory";
    case FAR_FITS:
        break;
    }
    return "";
}

/* True when `a` is the better target: more memory, then fewer arrivals, then by id so that the plan is the same each
 * time. */
static bool
is_better(const Round *round, const PlanTarget targets[], size_t a, size_t b)
{
    if (round->free_mib[a] != round->free_mib[b])
        return round->free_mib[a] > round->free_mib[b];
    if (round->incoming[a] != round->incoming[b])
        return round->incoming[a] < round->incoming[b];
    return strcmp(targets[a].id, targets[b].id) < 0;
}

static void
plan_vm(Round *round, const PlanVm *vm, const PlanTarget targets[], size_t n_targets, PlanLimits limits, GArray *moves)
{
    Far farthest = FAR_NOWHERE;
    size_t best = n_targets;
    unsigned outgoing = GPOINTER_TO_UINT(g_hash_table_lookup(round->outgoing, vm->source));
    PlanMove move = {.vm = vm};

    for (size_t i = 0; i < n_targets; i++) {
        Far far = judge_target(vm, &targets[i], round->free_mib[i]);

        farthest = MAX(farthest, far);
        if (far == FAR_FITS && round->incoming[i] < limits.per_target &&
            (best == n_targets || is_better(round, targets, i, best)))
            best = i;
    }
    if (farthest != FAR_FITS) {
        move.why = explain(farthest);
        g_array_append_val(moves, move);
        return;
    }
    if (best == n_targets || outgoing >= limits.per_source)
        return;
    round->free_mib[best] -= vm->memory_mib;
    round->incoming[best]++;
    g_hash_table_insert(round->outgoing, (gpointer)vm->source, GUINT_TO_POINTER(outgoing + 1));
    move.target = &targets[best];
    move.why = "";
    g_array_append_val(moves, move);
}

GArray *
plan_evacuation(const PlanVm vms[], size_t n_vms, const PlanTarget targets[], size_t n_targets,
                const PlanSource sources[], size_t n_sources, PlanLimits limits)
{
    GArray *moves = g_array_new(FALSE, FALSE, sizeof(PlanMove));
    g_autoptr(GPtrArray) ordered = g_ptr_array_sized_new((guint)n_vms);
    g_autofree int64_t *free_mib = g_new(int64_t, n_targets + 1);
    g_autofree unsigned *incoming = g_new(unsigned, n_targets + 1);
    g_autoptr(GHashTable) outgoing = g_hash_table_new(g_str_hash, g_str_equal);
    Round round = {.free_mib = free_mib, .incoming = incoming, .outgoing = outgoing};

    for (size_t i = 0; i < n_vms; i++)
        g_ptr_array_add(ordered, (gpointer)&vms[i]);
    g_ptr_array_sort(ordered, compare_vms);
    for (size_t i = 0; i < n_targets; i++) {
        free_mib[i] = targets[i].free_mib;
        incoming[i] = targets[i].incoming;
    }
    for (size_t i = 0; i < n_sources; i++)
        g_hash_table_insert(outgoing, (gpointer)sources[i].id, GUINT_TO_POINTER(sources[i].outgoing));
    for (guint i = 0; i < ordered->len; i++)
        plan_vm(&round, g_ptr_array_index(ordered, i), targets, n_targets, limits, moves);
    return moves;
}
