#include "cli/command.h"
#include <stdio.h>

bool
run_activate(Client *client, char **arguments, GError **error)
{
    if (!client_act(client, "hosts", arguments[0], "activate", NULL, error))
        return false;
    printf("host %s is up\n", arguments[0]);
    return true;
}
