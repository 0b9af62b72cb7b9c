#include "cli/command.h"
#include "cli/table.h"
#include <string.h>

bool
run_clusters(Client *client, char **arguments, GError **error)
{
    static const char *const titles[] = {"NAME", "DATA CENTER", "TRUSTED", "ON ERROR", "CPU", NULL};
    (void)arguments;
    g_autoptr(GHashTable) centers = client_names(client, "datacenters", "data_center", error);
    g_autoptr(Answer) answer = centers != NULL ? client_request(client, "GET", "/clusters", NULL, error) : NULL;
    if (answer == NULL)
        return false;
    g_autoptr(Table) table = table_new(titles);
    for (const Node *n = node_first(answer_root(answer), "cluster"); n != NULL; n = node_next(n, "cluster")) {
        g_autofree char *center = node_text(n, "data_center@id");
        g_autofree char *trusted = node_text(n, "trusted_service");
        const char *center_name = g_hash_table_lookup(centers, center);
        table_add(table, node_text(n, "name"), g_strdup(center_name != NULL ? center_name : center),
                  g_strdup(strcmp(trusted, "true") == 0 ? "yes" : "no"), node_text(n, "error_handling/on_error"),
                  node_text(n, "cpu@id"));
    }
    table_print(table);
    return true;
}
