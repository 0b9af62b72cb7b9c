#include "cli/command.h"
#include "cli/table.h"
#include <string.h>

/* A trusted verdict that has expired is worth nothing. */
static char *
verdict_of(const Node *host)
{
    g_autofree char *level = node_text(host, "verdict/level");
    g_autofree char *fresh = node_text(host, "verdict/fresh");
    if (strcmp(level, "trusted") == 0 && strcmp(fresh, "true") != 0)
        return g_strdup("trusted (expired)");
    return g_steal_pointer(&level);
}

bool
run_hosts(Client *client, char **arguments, GError **error)
{
    static const char *const titles[] = {"NAME",    "ADDRESS",     "CLUSTER", "STATUS", "REASON",
                                         "VERDICT", "VALID UNTIL", "VMS",     NULL};
    (void)arguments;
    g_autoptr(GHashTable) clusters = client_names(client, "clusters", "cluster", error);
    g_autoptr(Answer) answer = clusters != NULL ? client_request(client, "GET", "/hosts", NULL, error) : NULL;
    if (answer == NULL)
        return false;
    g_autoptr(Table) table = table_new(titles);
    for (const Node *n = node_first(answer_root(answer), "host"); n != NULL; n = node_next(n, "host")) {
        g_autofree char *cluster = node_text(n, "cluster@id");
        const char *cluster_name = g_hash_table_lookup(clusters, cluster);
        table_add(table, node_text(n, "name"), node_text(n, "address"),
                  g_strdup(cluster_name != NULL ? cluster_name : cluster), node_text(n, "status/state"),
                  node_text(n, "status/detail"), verdict_of(n), node_text(n, "verdict/valid_until"),
                  node_text(n, "summary/active"));
    }
    table_print(table);
    return true;
}
