/* configuration.h: trustpool.conf. One table gives name, type, default, limits and help of every option; help texts and
 * the sample file come from it. */
#ifndef MANAGER_CONFIGURATION_H
#define MANAGER_CONFIGURATION_H

#include "cluster-plugin.h"
#include <glib.h>
#include <stdbool.h>

typedef struct {
    /* [manager] */
    char *state_dir;
    char *user; /* account of the daemon when it is started as root */
    char *listen_address;
    unsigned listen_port;
    char *tls_cert_file; /* "": the daemon makes a CA and a certificate in state_dir/tls */
    char *tls_key_file;
    char *tls_names; /* DNS names and IPs of the certificate that it makes, by commas */
    char *plugin;    /* path; "" none */
    unsigned log_level;
    unsigned activate_timeout_s;
    unsigned host_grace_s;
    char *expired_hosts;
    unsigned evacuation_max_share;
    unsigned evacuation_tries;
    unsigned evacuation_deadline_s;
    unsigned migrations_per_host;
    unsigned migration_workers;
    unsigned migration_bandwidth_mib_s;     /* 0: not limited */
    unsigned migration_bandwidth_max_mib_s; /* 0: not limited */
    char *post_copy;                        /* on or off */
    char *peer_to_peer;                     /* on or off */
    char *domain_type;                      /* kvm or qemu */
    /* [database] */
    char *conninfo; /* "": a private server */
    unsigned sessions;
    unsigned deadline_s;
    /* [libvirt] */
    char *transport;
    char *pki_dir;
    unsigned keepalive_interval_s;
    unsigned keepalive_count;
    unsigned openers;
    unsigned open_deadline_s;
    unsigned retry_min_ms;
    unsigned retry_max_ms;
    /* everything else: sections that may be the plugin's */
    GArray *foreign; /* of ClusterPluginSetting; strings belong to the Config */
    GStrv foreign_strings;
} Config;

/* Reads and checks. Errors name file, line and option. `path` NULL: defaults only. */
Config *config_read(const char *path, GError **error);
void config_free(Config *config);
/* The help of an option of the manager's own; static. */
const char *config_help(const char *section, const char *name);
/* Of an option that is on or off. */
bool config_is_on(const char *value);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Config, config_free)
/* Sections that neither the manager nor `plugin_sections` (NULL-terminated) know are an error that names the line. */
bool config_check_sections(const Config *config, const char *const plugin_sections[], GError **error);
/* The sample configuration file, every option with its help as a comment. g_free. */
char *config_sample(void);

/* An option as the manual shows it. Static texts, but `expected`: g_free. */
typedef struct {
    const char *section;
    const char *name;
    const char *fallback;
    const char *help;
    char *expected; /* "a number from 1 to 9", "one of a, b"; "" for a text */
} ConfigOption;
/* The option at `i`, in the order of the sample; false behind the last one. */
bool config_option(size_t i, ConfigOption *option);

#endif
