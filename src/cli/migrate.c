#include "cli/command.h"
#include <stdio.h>

bool
run_migrate(Client *client, char **arguments, GError **error)
{
    g_autofree char *host = NULL;
    g_autofree char *body = NULL;
    if (arguments[1] != NULL) {
        host = client_find(client, "hosts", arguments[1], error);
        if (host == NULL)
            return false;
        body = g_strdup_printf("<action><host id=\"%s\"/></action>", host);
    }
    if (!client_act(client, "vms", arguments[0], "migrate", body, error))
        return false;
    printf("VM %s is on its way\n", arguments[0]);
    return true;
}
