#include "cli/command.h"
#include <stdio.h>

bool
run_stop(Client *client, char **arguments, GError **error)
{
    if (!client_act(client, "vms", arguments[0], "stop", NULL, error))
        return false;
    printf("VM %s is stopped\n", arguments[0]);
    return true;
}
