#include "manager/manual_pages.h"
#include "manager/configuration.h"
#include "manager/plugin_loader.h"
#include "manual/manual.h"
#include <string.h>

char *
manual_of_daemon(const GOptionEntry options[])
{
    GString *page = manual_begin("trustpoold", 8, "cluster manager of trusted compute pools");

    manual_heading(page, "SYNOPSIS");
    manual_text(page, "trustpoold [--config FILE]");
    manual_heading(page, "DESCRIPTION");
    manual_text(page, "Runs the VMs of a cluster that is marked trusted only on hosts that a remote attestation server "
                      "vouches for. A host that fails becomes non-operational, and its VMs migrate, live, to trusted "
                      "ones. It serves a REST XML API over HTTPS; trustpool(1) is its command line client.");
    manual_text(page,
                "It stays in the foreground and logs to standard error, or to the journal when systemd started it. "
                "Started as root, it becomes the account that the configuration names. Its state is in PostgreSQL: "
                "a private one that it runs itself, or an external one.");
    manual_heading(page, "OPTIONS");
    manual_options(page, options);
    manual_heading(page, "SIGNALS");
    manual_item(
        page, "SIGHUP", NULL,
        "The plugin's sections of the configuration and log_level are read again. Everything else needs a restart.");
    manual_item(
        page, "SIGTERM, SIGINT", NULL,
        "It ends, and the private PostgreSQL with it. VMs run on. What it was doing is resumed at the next start.");
    manual_heading(page, "FILES");
    manual_item(page, STATE_DIR, NULL, "The folder of the daemon's own, unless state_dir names another. In it:");
    manual_item(page, "admin-password", NULL, "The first password of admin@internal.");
    manual_item(page, "tls/ca.pem", NULL, "The CA that clients need, when the daemon made the certificate itself.");
    manual_item(page, "port", NULL, "The port of the REST API.");
    manual_item(page, "postgresql", NULL, "The private database.");
    manual_heading(page, "EXIT STATUS");
    manual_text(page, "0: done, or ended by a signal. 1: failed. 2: wrong usage.");
    manual_heading(page, "SEE ALSO");
    manual_text(page, "trustpool(1), trustpool.conf(5)");
    return g_string_free(page, FALSE);
}

static void
add_option(GString *page, const char *name, const char *help, const char *expected, const char *fallback)
{
    g_autofree char *standard = fallback && *fallback ? g_strdup_printf(" Default: %s.", fallback) : g_strdup("");
    g_autofree char *text =
        g_strdup_printf("%s%s%s%s", help, expected && *expected ? " " : "", expected ? expected : "", standard);

    manual_item(page, name, NULL, text);
}

static void
add_section(GString *page, const char **last, const char *section)
{
    g_autofree char *heading = g_strdup_printf("SECTION [%s]", section);

    if (strcmp(*last, section) != 0)
        manual_heading(page, heading);
    *last = section;
}

char *
manual_of_configuration(const char *plugin, GError **error)
{
    const ClusterPlugin *loaded = plugin_load(plugin, error);
    const char *section = "";
    ConfigOption option;
    GString *page;

    if (!loaded)
        return NULL;
    page = manual_begin("trustpool.conf", 5, "configuration of trustpoold and of its plugin");
    manual_heading(page, "DESCRIPTION");
    manual_text(page, "Sections in brackets, then lines \"name = value\". A line that begins with # is a comment. An "
                      "option that is not set has its default; one that is not known is an error.");
    manual_text(page, "The file is named by trustpoold --config. A commented sample of everything is printed by:");
    manual_example(page, "trustpoold --sample-config");
    manual_text(page, "To see whether a file is right:");
    manual_example(page, "trustpoold --config FILE --check-config");
    for (size_t i = 0; config_option(i, &option); i++) {
        g_autofree char *expected = option.expected;
        add_section(page, &section, option.section);
        add_option(page, option.name, option.help, expected, option.fallback);
    }
    for (const ClusterPluginOption *its = loaded->options; its && its->name; its++) {
        add_section(page, &section, its->section);
        add_option(page, its->name, its->help, NULL, its->fallback);
    }
    manual_heading(page, "SEE ALSO");
    manual_text(page, "trustpoold(8), trustpool(1)");
    return g_string_free(page, FALSE);
}
