#include "manager/configuration.h"
#include "trust/fault.h"
#include <errno.h>
#include <stddef.h>
#include <string.h>

typedef enum { OPTION_TEXT, OPTION_NUMBER, OPTION_WORD } OptionType;

typedef struct {
    const char *section;
    const char *name;
    OptionType type;
    size_t offset;
    const char *fallback;
    unsigned minimum;
    unsigned maximum;
    const char *words; /* OPTION_WORD: the allowed ones, between bars */
    const char *help;
} Option;

#define TEXT(section, name, field, fallback, help)                                                                     \
    {                                                                                                                  \
        section, name, OPTION_TEXT, offsetof(Config, field), fallback, 0, 0, NULL, help                                \
    }
#define NUMBER(section, name, field, fallback, minimum, maximum, help)                                                 \
    {                                                                                                                  \
        section, name, OPTION_NUMBER, offsetof(Config, field), fallback, minimum, maximum, NULL, help                  \
    }
#define WORD(section, name, field, fallback, words, help)                                                              \
    {                                                                                                                  \
        section, name, OPTION_WORD, offsetof(Config, field), fallback, 0, 0, words, help                               \
    }

static const Option options[] = {
    TEXT("manager", "state_dir", state_dir, STATE_DIR,
         "Folder of the daemon's own: the private database, its certificates, the first password."),
    TEXT("manager", "user", user, "trustpool",
         "Account that the daemon becomes when it is started as root. PostgreSQL refuses to run as root."),
    TEXT("manager", "listen_address", listen_address, "127.0.0.1", "IP address of the REST API."),
    NUMBER("manager", "listen_port", listen_port, "8440", 0, 65535,
           "Port of the REST API (HTTPS); 0: any free one, written to state_dir/port."),
    TEXT("manager", "tls_cert_file", tls_cert_file, "",
         "PEM certificate of the REST API. Empty: the daemon makes a CA and a certificate in state_dir/tls."),
    TEXT("manager", "tls_key_file", tls_key_file, "", "PEM key of the REST API's certificate."),
    TEXT("manager", "tls_names", tls_names, "localhost,127.0.0.1",
         "DNS names and IP addresses, by commas, that the certificate which the daemon makes is for."),
    TEXT("manager", "plugin", plugin, PLUGIN_DIR "/host-validation.so",
         "The plugin that decides which hosts are trusted. Empty: none; a trusted cluster then accepts no host."),
    NUMBER("manager", "log_level", log_level, "6", 3, 7,
           "3 errors, 4 warnings, 5 notices, 6 information, 7 debugging."),
    NUMBER("manager", "activate_timeout", activate_timeout_s, "30", 1, 3600,
           "Seconds that an activation waits for an answer about its host."),
    NUMBER(
        "manager", "host_grace", host_grace_s, "60", 0, 86400,
        "Seconds after the first unanswered question until a host that the attestation server does not know, or that "
        "does not answer it, is emptied."),
    WORD("manager", "expired_hosts", expired_hosts, "keep", "|keep|evacuate|",
         "What happens to the VMs of a host whose verdict has expired because the attestation service is silent: keep "
         "(they run on) or evacuate."),
    NUMBER(
        "manager", "evacuation_max_share", evacuation_max_share, "50", 1, 100,
        "Percent of a cluster's hosts that may turn bad at once and be emptied; when more do, evacuation waits for an "
        "administrator (trustpool release HOST)."),
    NUMBER("manager", "evacuation_tries", evacuation_tries, "3", 1, 100,
           "Targets that are tried for a VM before it stays where it is and is reported."),
    NUMBER("manager", "evacuation_deadline", evacuation_deadline_s, "300", 1, 86400,
           "Seconds that one live migration may take; then it is aborted and the VM runs on at its source."),
    NUMBER("manager", "migrations_per_host", migrations_per_host, "2", 1, 100,
           "Migrations at a time from one host, and towards one host."),
    NUMBER("manager", "migration_workers", migration_workers, "16", 1, 256, "Migrations at a time in all."),
    NUMBER("manager", "migration_bandwidth", migration_bandwidth_mib_s, "0", 0, 1048576,
           "MiB per second that one migration begins with; 0: as much as there is."),
    NUMBER("manager", "migration_bandwidth_max", migration_bandwidth_max_mib_s, "0", 0, 1048576,
           "MiB per second that the migration of a guest may get that changes its memory faster than it is sent; 0: as "
           "much as there is. When that is not enough, its processors are slowed down (auto-converge)."),
    WORD("manager", "post_copy", post_copy, "off", "|off|on|",
         "on: a guest that changes its memory too fast even when it is slowed down goes on at the target while its "
         "memory is still fetched from the source. It can lose the VM: when either host or the network between them "
         "fails meanwhile, the VM is gone; and it trusts a failed host for that long. off: it stays, and is reported."),
    WORD(
        "manager", "peer_to_peer", peer_to_peer, "off", "|off|on|",
        "on: the source's libvirtd drives a migration instead of the manager, so each host needs credentials for every "
        "other one's libvirtd, which is root there: a host that has failed attestation is then root on all of them. "
        "And each migration holds a worker of the source's libvirtd: with as many at a time as libvirtd has "
        "workers (max_workers), two hosts that are emptied onto each other wait for each other for ever. off: the "
        "hosts need nothing of each other."),
    WORD("manager", "domain_type", domain_type, "kvm", "|kvm|qemu|", "kvm, or qemu for hosts without /dev/kvm."),
    TEXT(
        "database", "conninfo", conninfo, "",
        "libpq connection string of an external PostgreSQL, prepared by trustpoold --migrate. Empty: the daemon runs a "
        "private PostgreSQL in state_dir."),
    NUMBER("database", "sessions", sessions, "8", 2, 100, "Sessions at a time."),
    NUMBER("database", "deadline", deadline_s, "15", 1, 300, "Seconds that one statement may take."),
    WORD("libvirt", "transport", transport, "tls", "|tls|ssh|unix|test|",
         "How hosts are reached: tls (qemu+tls://ADDRESS/system). It never comes from a request."),
    TEXT("libvirt", "pki_dir", pki_dir, "",
         "Folder of cacert.pem, clientcert.pem and clientkey.pem. Empty: libvirt's own place."),
    NUMBER("libvirt", "keepalive_interval", keepalive_interval_s, "5", 1, 600, "Seconds between keepalive messages."),
    NUMBER("libvirt", "keepalive_count", keepalive_count, "5", 1, 100, "Unanswered ones until a connection is lost."),
    NUMBER("libvirt", "openers", openers, "32", 1, 256,
           "Threads that open connections. Hosts that they bring at the same time are recorded together."),
    NUMBER("libvirt", "open_deadline", open_deadline_s, "15", 1, 600,
           "Seconds until a host that does not finish opening its connection is non-responsive."),
    NUMBER("libvirt", "retry_min_ms", retry_min_ms, "1000", 10, 600000,
           "Milliseconds until a lost connection is tried again; doubles at each failure."),
    NUMBER("libvirt", "retry_max_ms", retry_max_ms, "30000", 10, 3600000, "The longest such pause."),
};

static const Option *
option_find(const char *section, const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        if (strcmp(options[i].section, section) == 0 && strcmp(options[i].name, name) == 0)
            return &options[i];
    return NULL;
}

static bool
section_is_ours(const char *section)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        if (strcmp(options[i].section, section) == 0)
            return true;
    return false;
}

static bool
option_set(Config *config, const Option *option, const char *value, GError **error)
{
    char *field = (char *)config + option->offset;
    guint64 number;
    g_autoptr(GError) cause = NULL;
    g_autofree char *barred = NULL;

    switch (option->type) {
    case OPTION_NUMBER:
        if (!g_ascii_string_to_unsigned(value, 10, option->minimum, option->maximum, &number, &cause)) {
            g_set_error(error, FAULT, FAULT_INVALID, "%s = %s: must be a whole number from %u to %u", option->name,
                        value, option->minimum, option->maximum);
            return false;
        }
        *(unsigned *)(void *)field = (unsigned)number;
        return true;
    case OPTION_WORD:
        barred = g_strdup_printf("|%s|", value);
        if (strchr(value, '|') || !strstr(option->words, barred)) {
            g_set_error(error, FAULT, FAULT_INVALID, "%s = %s: must be one of %s", option->name, value, option->words);
            return false;
        }
        break;
    case OPTION_TEXT:
        break;
    }
    g_free(*(char **)(void *)field);
    *(char **)(void *)field = g_strdup(value);
    return true;
}

/* The line of `key` in `section` (key NULL: of the section's header), for messages; 0 when it is not found. */
static unsigned
line_of(const char *text, const char *section, const char *key)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *header = g_strdup_printf("[%s]", section);
    bool inside = false;
    size_t length = key ? strlen(key) : 0;

    for (unsigned i = 0; lines[i]; i++) {
        char *line = g_strstrip(lines[i]);
        if (*line == '[') {
            inside = strcmp(line, header) == 0;
            if (inside && !key)
                return i + 1;
        } else if (inside && key && strncmp(line, key, length) == 0 && strchr(" \t=", line[length]) && line[length])
            return i + 1;
    }
    return 0;
}

typedef struct {
    Config *config;
    const char *path;
    const char *text;
    GKeyFile *file;
    GPtrArray *strings;
} Reader;

static const char *
keep(Reader *reader, char *string)
{
    g_ptr_array_add(reader->strings, string);
    return string;
}

static bool
read_key(Reader *reader, const char *section, const char *key, GError **error)
{
    g_autofree char *value = g_key_file_get_string(reader->file, section, key, error);
    unsigned line = line_of(reader->text, section, key);
    const Option *option;

    if (!value) {
        g_prefix_error(error, "%s, line %u: [%s] %s: ", reader->path, line, section, key);
        return false;
    }
    g_strstrip(value);
    if (!section_is_ours(section)) {
        ClusterPluginSetting setting = {keep(reader, g_strdup(section)), keep(reader, g_strdup(key)),
                                        keep(reader, g_strdup(value)), line};
        g_array_append_val(reader->config->foreign, setting);
        return true;
    }
    option = option_find(section, key);
    if (!option) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "%s, line %u: [%s] has no option \"%s\"; trustpoold --sample-config shows all options",
                    reader->path, line, section, key);
        return false;
    }
    if (!option_set(reader->config, option, value, error)) {
        g_prefix_error(error, "%s, line %u: [%s] ", reader->path, line, section);
        return false;
    }
    return true;
}

static bool
read_sections(Reader *reader, GError **error)
{
    g_auto(GStrv) sections = g_key_file_get_groups(reader->file, NULL);

    for (unsigned i = 0; sections[i]; i++) {
        g_auto(GStrv) keys = g_key_file_get_keys(reader->file, sections[i], NULL, error);
        if (!keys)
            return false;
        for (unsigned j = 0; keys[j]; j++)
            if (!read_key(reader, sections[i], keys[j], error))
                return false;
    }
    return true;
}

static bool
check_whole(const Config *config, const char *path, GError **error)
{
    if ((*config->tls_cert_file == '\0') != (*config->tls_key_file == '\0')) {
        g_set_error(error, FAULT, FAULT_INVALID, "%s: [manager] tls_cert_file and tls_key_file go together", path);
        return false;
    }
    if (config->migration_bandwidth_max_mib_s &&
        (config->migration_bandwidth_max_mib_s < config->migration_bandwidth_mib_s ||
         !config->migration_bandwidth_mib_s)) {
        g_set_error(
            error, FAULT, FAULT_INVALID,
            "%s: [manager] migration_bandwidth_max = %u: it is what migration_bandwidth (%u) may be raised to, so "
            "that must be set, and not more",
            path, config->migration_bandwidth_max_mib_s, config->migration_bandwidth_mib_s);
        return false;
    }
    if (config->retry_max_ms < config->retry_min_ms) {
        g_set_error(error, FAULT, FAULT_INVALID, "%s: [libvirt] retry_max_ms is less than retry_min_ms", path);
        return false;
    }
    return true;
}

static Config *
config_new(void)
{
    Config *config = g_new0(Config, 1);

    config->foreign = g_array_new(FALSE, TRUE, sizeof(ClusterPluginSetting));
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        g_autoptr(GError) error = NULL;
        if (!option_set(config, &options[i], options[i].fallback, &error))
            g_error("default of %s: %s", options[i].name, error->message);
    }
    return config;
}

Config *
config_read(const char *path, GError **error)
{
    g_autoptr(Config) config = config_new();
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GPtrArray) strings = g_ptr_array_new();
    g_autofree char *text = NULL;
    Reader reader = {config, path, NULL, file, strings};
    bool ok;

    if (!path)
        return g_steal_pointer(&config);
    if (!g_file_get_contents(path, &text, NULL, error))
        return NULL;
    if (!g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, error)) {
        g_prefix_error(error, "%s: ", path);
        return NULL;
    }
    reader.text = text;
    ok = read_sections(&reader, error) && check_whole(config, path, error);
    g_ptr_array_add(strings, NULL);
    config->foreign_strings = (GStrv)g_ptr_array_steal(strings, NULL);
    return ok ? g_steal_pointer(&config) : NULL;
}

void
config_free(Config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        if (options[i].type != OPTION_NUMBER)
            g_free(*(char **)(void *)((char *)config + options[i].offset));
    g_array_free(config->foreign, TRUE);
    g_strfreev(config->foreign_strings);
    g_free(config);
}

const char *
config_help(const char *section, const char *name)
{
    const Option *option = option_find(section, name);

    return option ? option->help : "";
}

bool
config_is_on(const char *value)
{
    return strcmp(value, "on") == 0;
}

bool
config_check_sections(const Config *config, const char *const plugin_sections[], GError **error)
{
    for (unsigned i = 0; i < config->foreign->len; i++) {
        const ClusterPluginSetting *setting = &g_array_index(config->foreign, ClusterPluginSetting, i);
        if (plugin_sections && g_strv_contains(plugin_sections, setting->section))
            continue;
        g_set_error(error, FAULT, FAULT_INVALID, "line %u: nobody knows the section [%s]", setting->line,
                    setting->section);
        return false;
    }
    return true;
}

char *
config_sample(void)
{
    GString *text = g_string_new("# trustpool.conf: what stands here after \"#\" is the default.\n");
    const char *section = "";

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (strcmp(section, options[i].section) != 0)
            g_string_append_printf(text, "\n[%s]\n", section = options[i].section);
        g_string_append_printf(text, "# %s\n#%s = %s\n", options[i].help, options[i].name, options[i].fallback);
    }
    return g_string_free(text, FALSE);
}

bool
config_option(size_t i, ConfigOption *option)
{
    const Option *row = i < G_N_ELEMENTS(options) ? &options[i] : NULL;
    g_autofree char *words = NULL;

    if (!row)
        return false;
    *option = (ConfigOption){row->section, row->name, row->fallback, row->help, NULL};
    switch (row->type) {
    case OPTION_NUMBER:
        option->expected = g_strdup_printf("A number from %u to %u.", row->minimum, row->maximum);
        break;
    case OPTION_WORD:
        words = g_strndup(row->words + 1, strlen(row->words) - 2);
        option->expected = g_strdup_printf("One of: %s.", g_strdelimit(words, "|", ' '));
        break;
    case OPTION_TEXT:
        option->expected = g_strdup("");
        break;
    }
    return true;
}
