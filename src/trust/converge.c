#include "trust/converge.h"
#include <stddef.h>

/* A measure needs two whole passes to show in the statistics: the one under way when it was taken is of both kinds. */
#define PASSES_TO_SHOW 2
/* Short passes are noise: the rates are of the last pass alone. */
#define PATIENCE_MS 3000
/* QEMU slows the processors down by 20 percent, then by 10 more after every second bad pass, up to 99 (its
 * migration documentation: cpu-throttle-initial, cpu-throttle-increment): 18 passes to the full effect. */
#define PASSES_TO_THROTTLE 20
#define RAISE_FACTOR 4
/* Where no maximum is set. 1 TiB/s. */
#define BANDWIDTH_LIMIT (1024u * 1024u)

void
converge_begin(Converge *converge, const ConvergePolicy *policy)
{
    *converge = (Converge){.bandwidth_mib_s = policy->bandwidth_mib_s};
}

void
converge_again(Converge *converge)
{
    converge->stalls = false;
    converge->acted_ms = 0;
    converge->acted_passes = 0;
}

/* QEMU's own criterion (throttle-trigger-threshold): more than half of what is sent must be sent again. The first pass
 * sends everything and says nothing about it. */
static bool
is_stalling(const ConvergeSample *sample)
{
    return sample->passes >= 2 && sample->dirtied_s > 0 && sample->dirtied_s * 2 > sample->sent_s;
}

static unsigned
bandwidth_limit(const ConvergePolicy *policy)
{
    return policy->bandwidth_max_mib_s ? policy->bandwidth_max_mib_s : BANDWIDTH_LIMIT;
}

static ConvergeStep
act(Converge *converge, const ConvergePolicy *policy)
{
    unsigned limit = bandwidth_limit(policy);

    if (converge->bandwidth_mib_s && converge->bandwidth_mib_s < limit) {
        converge->bandwidth_mib_s =
            converge->bandwidth_mib_s > limit / RAISE_FACTOR ? limit : converge->bandwidth_mib_s * RAISE_FACTOR;
        converge->raised = true;
        return CONVERGE_RAISE;
    }
    if (!converge->throttles) {
        converge->throttles = true;
        return CONVERGE_THROTTLE;
    }
    if (policy->post_copy && !converge->post_copies) {
        converge->post_copies = true;
        return CONVERGE_POST_COPY;
    }
    return CONVERGE_WAIT;
}

ConvergeStep
converge_next(Converge *converge, const ConvergePolicy *policy, int64_t elapsed_ms, const ConvergeSample *sample)
{
    /* the first measure of an attempt needs no pass to show */
    int64_t wanted = converge->throttles ? PASSES_TO_THROTTLE : converge->acted_ms ? PASSES_TO_SHOW : 0;
    ConvergeStep step;

    if (elapsed_ms >= policy->deadline_ms)
        return CONVERGE_GIVE_UP;
    if (sample == NULL)
        return CONVERGE_WAIT;
    converge->stalls = is_stalling(sample);
    if (!converge->stalls || elapsed_ms < converge->acted_ms + PATIENCE_MS ||
        sample->passes < converge->acted_passes + wanted)
        return CONVERGE_WAIT;
    step = act(converge, policy);
    if (step != CONVERGE_WAIT) {
        converge->acted_ms = elapsed_ms;
        converge->acted_passes = sample->passes;
    }
    return step;
}

const char *
converge_word(const Converge *converge)
{
    if (converge->post_copies)
        return "post_copy";
    if (converge->throttles)
        return "auto_converge";
    return converge->raised ? "bandwidth" : "";
}
