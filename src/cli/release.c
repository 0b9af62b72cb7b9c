#include "cli/command.h"
#include <stdio.h>

bool
run_release(Client *client, char **arguments, GError **error)
{
    if (!client_act(client, "hosts", arguments[0], "release_evacuation", NULL, error))
        return false;
    printf("the VMs of host %s may move\n", arguments[0]);
    return true;
}
