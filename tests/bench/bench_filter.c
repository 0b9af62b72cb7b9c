/* filter-10000: 10,000 candidates against the verdict cache. Half are trusted, a quarter has expired, an eighth is
 * untrusted, an eighth was never answered; they come in another order than they were remembered in. */
#include "bench.h"
#include "plugin/filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOSTS 10000
#define RUNS 201
#define LIMIT_MS 0.5
#define NOW_MS 1000000

typedef struct {
    Filter *filter;
    ClusterPluginHost hosts[HOSTS];
    ClusterPluginCandidate candidates[HOSTS];
} Ranking;

static void
fill(Ranking *ranking)
{
    g_autoptr(GRand) chance = g_rand_new_with_seed(1);

    ranking->filter = filter_new();
    for (unsigned i = 0; i < HOSTS; i++) {
        char *id = g_uuid_string_random();

        ranking->hosts[i] = (ClusterPluginHost){id, id, id, ""};
        if (i % 2 == 0)
            filter_remember_trusted(ranking->filter, id, NOW_MS + 60000);
        else if (i % 4 == 1)
            filter_remember_trusted(ranking->filter, id, NOW_MS - 1);
        else if (i % 8 == 3)
            filter_remember_untrusted(ranking->filter, id, "The attestation server says that it is untrusted.");
    }
    for (unsigned i = 0; i < HOSTS; i++)
        ranking->candidates[i].host = &ranking->hosts[i];
    for (unsigned i = HOSTS - 1; i > 0; i--) {
        unsigned j = (unsigned)g_rand_int_range(chance, 0, (gint32)i + 1);
        const ClusterPluginHost *host = ranking->candidates[i].host;

        ranking->candidates[i].host = ranking->candidates[j].host;
        ranking->candidates[j].host = host;
    }
}

static void
mark(void *closure)
{
    Ranking *ranking = closure;

    filter_mark(ranking->filter, true, NOW_MS, ranking->candidates, HOSTS);
}

int
main(void)
{
    Ranking *ranking = g_new0(Ranking, 1);
    unsigned passing = 0;
    BenchResult result;
    bool ok;

    fill(ranking);
    result = bench_measure(RUNS, NULL, NULL, mark, ranking);
    for (unsigned i = 0; i < HOSTS; i++)
        passing += ranking->candidates[i].passes;
    if (passing != HOSTS / 2) {
        fprintf(stderr, "bench: %u of %u candidates pass, %u should\n", passing, HOSTS, HOSTS / 2);
        return 2;
    }
    ok = bench_row_max("filter-10000", result.ms, "ms", LIMIT_MS, -1);
    filter_free(ranking->filter);
    for (unsigned i = 0; i < HOSTS; i++)
        g_free((gpointer)ranking->hosts[i].id);
    g_free(ranking);
    return ok ? 0 : 1;
}
