#include "cli/command.h"
#include <stdio.h>

bool
run_confirm_dead(Client *client, char **arguments, GError **error)
{
    if (!client_act(client, "hosts", arguments[0], "fence", "<action><fence_type>manual</fence_type></action>", error))
        return false;
    printf("host %s is down, and so are its VMs\n", arguments[0]);
    return true;
}
