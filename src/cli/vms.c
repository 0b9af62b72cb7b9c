#include "cli/command.h"
#include "cli/table.h"
#include <string.h>

static char *
name_of(GHashTable *names, const Node *node, const char *path)
{
    g_autofree char *id = node_text(node, path);
    const char *name = g_hash_table_lookup(names, id);
    return name != NULL ? g_strdup(name) : g_steal_pointer(&id);
}

static char *
memory_of(const Node *vm)
{
    g_autofree char *bytes = node_text(vm, "memory");
    return g_strdup_printf("%" G_GUINT64_FORMAT " MiB", g_ascii_strtoull(bytes, NULL, 10) >> 20);
}

bool
run_vms(Client *client, char **arguments, GError **error)
{
    static const char *const titles[] = {"NAME",   "CLUSTER",  "STATUS",      "HOST", "TO HOST",
                                         "MEMORY", "PRIORITY", "NEEDS TRUST", NULL};
    (void)arguments;
    g_autoptr(GHashTable) clusters = client_names(client, "clusters", "cluster", error);
    g_autoptr(GHashTable) hosts = clusters != NULL ? client_names(client, "hosts", "host", error) : NULL;
    g_autoptr(Answer) answer = hosts != NULL ? client_request(client, "GET", "/vms", NULL, error) : NULL;
    if (answer == NULL)
        return false;
    g_autoptr(Table) table = table_new(titles);
    for (const Node *n = node_first(answer_root(answer), "vm"); n != NULL; n = node_next(n, "vm")) {
        g_autofree char *trust = node_text(n, "requires_trust");
        table_add(table, node_text(n, "name"), name_of(clusters, n, "cluster@id"), node_text(n, "status/state"),
                  name_of(hosts, n, "host@id"), name_of(hosts, n, "target_host@id"), memory_of(n),
                  node_text(n, "high_availability/priority"), g_strdup(strcmp(trust, "true") == 0 ? "yes" : "no"));
    }
    table_print(table);
    return true;
}
