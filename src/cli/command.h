/* command.h: trustpool's commands: one table (main.c), one file per command. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#include "cli/client.h"

typedef struct {
    const char *name;
    const char *arguments; /* for the usage: "VM [HOST]" */
    const char *help;
    guint min_arguments;
    guint max_arguments;
    const GOptionEntry *options; /* NULL: none of its own */
    /* false: refused or failed. Prints what it has to say. */
    bool (*run)(Client *client, char **arguments, GError **error);
} Command;

extern const GOptionEntry deactivate_options[];
extern const GOptionEntry evacuations_options[];
extern const GOptionEntry events_options[];

bool run_activate(Client *client, char **arguments, GError **error);
bool run_clusters(Client *client, char **arguments, GError **error);
bool run_confirm_dead(Client *client, char **arguments, GError **error);
bool run_deactivate(Client *client, char **arguments, GError **error);
bool run_evacuations(Client *client, char **arguments, GError **error);
bool run_events(Client *client, char **arguments, GError **error);
bool run_hosts(Client *client, char **arguments, GError **error);
bool run_migrate(Client *client, char **arguments, GError **error);
bool run_release(Client *client, char **arguments, GError **error);
bool run_start(Client *client, char **arguments, GError **error);
bool run_stop(Client *client, char **arguments, GError **error);
bool run_vms(Client *client, char **arguments, GError **error);

#endif
