#include "cli/command.h"
#include <stdio.h>

static gboolean leave_running;

const GOptionEntry deactivate_options[] = {
    {"leave-running", 0, 0, G_OPTION_ARG_NONE, &leave_running, "VMs that cannot migrate stay, and run on", NULL},
    G_OPTION_ENTRY_NULL,
};

bool
run_deactivate(Client *client, char **arguments, GError **error)
{
    const char *body = leave_running ? "<action><leave_running>true</leave_running></action>" : NULL;
    if (!client_act(client, "hosts", arguments[0], "deactivate", body, error))
        return false;
    printf("host %s goes into maintenance\n", arguments[0]);
    return true;
}
