/* trustpool: the command line client. Exit codes: 0 done, 1 refused or failed, 2 usage. */
#include "cli/command.h"
#include "manual/manual.h"
#include "trust/fault.h"
#include <curl/curl.h>
#include <libxml/parser.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_USAGE = 2 };

static const Command commands[] = {
    {"clusters", "", "List the clusters", 0, 0, NULL, run_clusters},
    {"hosts", "", "List the hosts, their status and verdict", 0, 0, NULL, run_hosts},
    {"vms", "", "List the VMs and where they run", 0, 0, NULL, run_vms},
    {"evacuations", "", "Show hosts that are being emptied, and how far that is", 0, 0, evacuations_options,
     run_evacuations},
    {"events", "", "Show what happened", 0, 0, events_options, run_events},
    {"activate", "HOST", "Bring a host up; waits for the attestation's outcome", 1, 1, NULL, run_activate},
    {"deactivate", "HOST", "Empty a host and put it into maintenance", 1, 1, deactivate_options, run_deactivate},
    {"confirm-dead", "HOST", "Say that a host that does not answer is dead", 1, 1, NULL, run_confirm_dead},
    {"release", "HOST", "Let an evacuation that was held begin", 1, 1, NULL, run_release},
    {"start", "VM [HOST]", "Start a VM, on the best host or a given one", 1, 2, NULL, run_start},
    {"stop", "VM", "Stop a VM at once", 1, 1, NULL, run_stop},
    {"migrate", "VM [HOST]", "Move a running VM", 1, 2, NULL, run_migrate},
};

static char *url;
static char *user;
static char *password_file;
static char *ca_file;
static gboolean manual;

static const GOptionEntry common_options[] = {
    {"url", 0, 0, G_OPTION_ARG_STRING, &url, "The manager, like https://manager:8443 (TRUSTPOOL_URL)", "URL"},
    {"user", 0, 0, G_OPTION_ARG_STRING, &user, "Default: admin@internal (TRUSTPOOL_USER)", "USER"},
    {"password-file", 0, 0, G_OPTION_ARG_FILENAME, &password_file, "Holds the password (TRUSTPOOL_PASSWORD is it)",
     "FILE"},
    {"ca", 0, 0, G_OPTION_ARG_FILENAME, &ca_file, "The CA of the manager's certificate (TRUSTPOOL_CA)", "FILE"},
    {"manual", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &manual, "Print the manual page", NULL},
    G_OPTION_ENTRY_NULL,
};

static char *
command_list(void)
{
    GString *text = g_string_new("Commands:\n");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *call = g_strdup_printf("%s %s", commands[i].name, commands[i].arguments);
        g_string_append_printf(text, "  %-20s %s\n", call, commands[i].help);
    }
    return g_string_free(text, FALSE);
}

static void
print_manual(void)
{
    g_autoptr(GString) page = manual_begin("trustpool", 1, "command line client of trustpoold");

    manual_heading(page, "SYNOPSIS");
    manual_text(page, "trustpool [OPTION...] COMMAND [ARGUMENT...]");
    manual_heading(page, "DESCRIPTION");
    manual_text(page,
                "Shows and changes what the cluster manager trustpoold(8) manages, through its REST API. Hosts and "
                "VMs are given by name or by id.");
    manual_heading(page, "COMMANDS");
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++) {
        manual_item(page, commands[i].name, commands[i].arguments, commands[i].help);
        if (commands[i].options != NULL)
            manual_inner_options(page, commands[i].options);
    }
    manual_heading(page, "OPTIONS");
    manual_text(page,
                "They stand before the command or behind it. In brackets is the environment variable that says the "
                "same.");
    manual_options(page, common_options);
    manual_heading(page, "EXIT STATUS");
    manual_text(page, "0: done. 1: refused or failed; the reason is on standard error. 2: wrong usage.");
    manual_heading(page, "SEE ALSO");
    manual_text(page, "trustpoold(8), trustpool.conf(5)");
    printf("%s", page->str);
}

static int
usage(const char *text)
{
    g_printerr("trustpool: %s\nTry: trustpool --help\n", text);
    return EXIT_USAGE;
}

/* What stands before the command; the rest is left in argv. */
static bool
parse_common(int *argc, char ***argv, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new("COMMAND");
    g_autofree char *list = command_list();
    g_option_context_set_description(context, list);
    g_option_context_add_main_entries(context, common_options, NULL);
    g_option_context_set_strict_posix(context, TRUE);
    return g_option_context_parse(context, argc, argv, error);
}

static bool
parse_command(const Command *command, int *argc, char ***argv, GError **error)
{
    g_autofree char *parameters = g_strdup_printf("%s %s", command->name, command->arguments);
    g_autoptr(GOptionContext) context = g_option_context_new(parameters);
    g_option_context_set_summary(context, command->help);
    g_option_context_add_main_entries(context, common_options, NULL);
    if (command->options != NULL)
        g_option_context_add_main_entries(context, command->options, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return false;
    guint given = (guint)*argc - 1;
    if (given < command->min_arguments || given > command->max_arguments) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "usage: trustpool %s", parameters);
        return false;
    }
    return true;
}

static const char *
option_or_environment(const char *option, const char *name, const char *otherwise)
{
    const char *value = option != NULL ? option : g_getenv(name);
    return value != NULL && value[0] != '\0' ? value : otherwise;
}

/* g_free; NULL with an error when there is none. */
static char *
read_password(GError **error)
{
    char *password = NULL;
    if (password_file != NULL) {
        if (g_file_get_contents(password_file, &password, NULL, error))
            g_strchomp(password);
        return password;
    }
    password = g_strdup(g_getenv("TRUSTPOOL_PASSWORD"));
    if (password == NULL)
        g_set_error(error, FAULT, FAULT_INCOMPLETE, "no password: give --password-file or set TRUSTPOOL_PASSWORD");
    return password;
}

static int
run(const Command *command, char **arguments)
{
    g_autoptr(GError) error = NULL;
    ClientSettings settings = {
        .url = option_or_environment(url, "TRUSTPOOL_URL", NULL),
        .user = option_or_environment(user, "TRUSTPOOL_USER", "admin@internal"),
        .ca_file = option_or_environment(ca_file, "TRUSTPOOL_CA", NULL),
    };
    if (settings.url == NULL)
        return usage("no manager: give --url or set TRUSTPOOL_URL");
    g_autofree char *password = read_password(&error);
    if (password == NULL)
        return usage(error->message);
    settings.password = password;
    g_autoptr(Client) client = client_new(&settings, &error);
    if (client == NULL)
        return usage(error->message);
    if (command->run(client, arguments, &error))
        return EXIT_DONE;
    g_printerr("trustpool: %s\n", error->message);
    return EXIT_REFUSED;
}

static const Command *
find_command(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    setlocale(LC_ALL, "");
    g_set_prgname("trustpool");
    if (!parse_common(&argc, &argv, &error))
        return usage(error->message);
    if (manual) {
        print_manual();
        return EXIT_DONE;
    }
    if (argc < 2) {
        g_autofree char *list = command_list();
        g_printerr("trustpool: no command\n%s", list);
        return EXIT_USAGE;
    }
    const Command *command = find_command(argv[1]);
    if (command == NULL) {
        g_autofree char *text = g_strdup_printf("there is no command %s", argv[1]);
        return usage(text);
    }
    argc--;
    argv++;
    if (!parse_command(command, &argc, &argv, &error))
        return usage(error->message);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    xmlInitParser();
    int code = run(command, argv + 1);
    curl_global_cleanup();
    xmlCleanupParser();
    return code;
}
