/* trustpoold.c: the daemon's main. Reads the configuration, starts the parts, waits for signals. */
#include "manager/configuration.h"
#include "manager/manager.h"
#include "manager/manual_pages.h"
#include "manager/plugin_loader.h"
#include "manager/tls_files.h"
#include "rest/server.h"
#include "store/private_server.h"
#include "store/schema.h"
#include "store/store.h"
#include "trust/fault.h"
#include "virt/connection.h"
#include "virt/loop.h"
#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <libxml/parser.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
#define sd_notify(unset, state) ((void)0)
#endif

#define EXIT_USAGE 2
#define DATABASE_START_MS 60000 /* of the private database, initdb and recovery included */
#define CLOSE_MS 3000           /* a connection to a silent host may not hold up the end */

typedef struct {
    char *config_path;
    gboolean migrate;
    gboolean check;
    gboolean sample;
    gboolean version;
    char *manual;
    char *plugin;
} Arguments;

/* What runs; every member may be NULL. */
typedef struct {
    Config *config;
    PrivateServer *server;
    Store *store;
    Manager *manager;
    RestServer *rest;
} Daemon;

static unsigned log_level = 6;

/* GLib's levels as syslog's numbers: error 3, critical 3, warning 4, message 5, info 6, debug 7. */
static GLogWriterOutput
write_log(GLogLevelFlags level, const GLogField *fields, gsize n, gpointer closure)
{
    unsigned number = level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? 3
                      : level & G_LOG_LEVEL_WARNING                      ? 4
                      : level & G_LOG_LEVEL_MESSAGE                      ? 5
                      : level & G_LOG_LEVEL_INFO                         ? 6
                                                                         : 7;

    if (number > __atomic_load_n(&log_level, __ATOMIC_RELAXED))
        return G_LOG_WRITER_HANDLED;
    if (g_log_writer_is_journald(fileno(stderr)) &&
        g_log_writer_journald(level, fields, n, closure) == G_LOG_WRITER_HANDLED)
        return G_LOG_WRITER_HANDLED;
    return g_log_writer_standard_streams(level, fields, n, closure);
}

static bool
fail(GError **error, const char *what)
{
    g_set_error(error, FAULT, FAULT_FAILED, "%s: %s", what, g_strerror(errno));
    return false;
}

/* The whole daemon runs as an unprivileged user, which PostgreSQL insists on, too. The state's folder is made while we
 * may. */
static bool
drop_privileges(const Config *config, GError **error)
{
    struct passwd *account;

    if (geteuid() != 0)
        return g_mkdir_with_parents(config->state_dir, 0700) == 0 || fail(error, config->state_dir);
    account = getpwnam(config->user);
    if (!account || account->pw_uid == 0) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "[manager] user = %s: there is no such account, or it is root; make one: useradd --system %s",
                    config->user, config->user);
        return false;
    }
    if (g_mkdir_with_parents(config->state_dir, 0700) != 0 ||
        chown(config->state_dir, account->pw_uid, account->pw_gid) != 0)
        return fail(error, config->state_dir);
    if (initgroups(account->pw_name, account->pw_gid) != 0 || setgid(account->pw_gid) != 0 ||
        setuid(account->pw_uid) != 0)
        return fail(error, config->user);
    if (access(config->state_dir, W_OK | X_OK) != 0)
        return fail(error, config->state_dir);
    return true;
}

/* The private server, or the external one, at the newest step of the schema. `conninfo` belongs to the daemon. */
static const char *
open_database(Daemon *daemon, GError **error)
{
    const Config *config = daemon->config;
    g_autofree char *directory = g_build_filename(config->state_dir, "postgresql", NULL);
    PrivateServerSettings settings = {.bindir = PG_BINDIR, .directory = directory, .start_ms = DATABASE_START_MS};
    const char *conninfo = config->conninfo;
    StoreSettings store = {NULL, config->sessions, config->deadline_s * 1000};
    unsigned applied = 0;

    if (!*conninfo) {
        if (!(daemon->server = private_server_start(&settings, error)))
            return NULL;
        conninfo = private_server_conninfo(daemon->server);
        if (!schema_migrate(conninfo, SQL_DIR, &applied, error))
            return NULL;
        if (applied)
            g_message("the private database has taken %u steps of the schema", applied);
    } else if (!schema_check(conninfo, SQL_DIR, error))
        return NULL;
    store.conninfo = conninfo;
    daemon->store = store_new(&store, error);
    return daemon->store ? conninfo : NULL;
}

static bool
write_port(const Config *config, unsigned port, GError **error)
{
    g_autofree char *path = g_build_filename(config->state_dir, "port", NULL);
    g_autofree char *text = g_strdup_printf("%u\n", port);

    return g_file_set_contents(path, text, -1, error);
}

static bool
start_rest(Daemon *daemon, GError **error)
{
    const Config *config = daemon->config;
    g_autofree char *directory = g_build_filename(config->state_dir, "tls", NULL);
    g_autofree char *own_certificate = g_build_filename(directory, "cert.pem", NULL);
    g_autofree char *own_key = g_build_filename(directory, "key.pem", NULL);
    g_autofree char *password = g_build_filename(config->state_dir, "admin-password", NULL);
    bool own = *config->tls_cert_file == '\0';
    RestSettings settings = {config->listen_address, config->listen_port, own ? own_certificate : config->tls_cert_file,
                             own ? own_key : config->tls_key_file, XSD_DIR "/api.xsd"};

    if ((own && !tls_files_make(directory, config->tls_names, error)) ||
        !rest_first_user(daemon->store, password, error) ||
        !(daemon->rest = rest_server_new(&settings, daemon->manager, error)))
        return false;
    return write_port(config, rest_server_port(daemon->rest), error);
}

static bool
start(Daemon *daemon, GError **error)
{
    const char *conninfo;

    if (!virt_loop_start(error) || !(conninfo = open_database(daemon, error)) ||
        !(daemon->manager = manager_new(daemon->config, daemon->store, conninfo, error)) || !start_rest(daemon, error))
        return false;
    sd_notify(0, "READY=1");
    g_message("trustpoold %s serves https://%s:%u/api", PACKAGE_VERSION, daemon->config->listen_address,
              rest_server_port(daemon->rest));
    return true;
}

static void
stop(Daemon *daemon)
{
    sd_notify(0, "STOPPING=1");
    rest_server_free(daemon->rest);
    manager_free(daemon->manager);
    store_free(daemon->store);
    private_server_stop(daemon->server);
    virt_connections_wait(CLOSE_MS);
    virt_loop_stop();
    config_free(daemon->config);
}

/* SIGHUP: the plugin's sections and the log level are read again; the rest needs a restart. */
static void
reload(Daemon *daemon, const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = config_read(path, &error);

    if (config && manager_reload(daemon->manager, config, &error)) {
        __atomic_store_n(&log_level, config->log_level, __ATOMIC_RELAXED);
        g_message("the configuration has been read again");
    } else
        g_warning("the old configuration stays: %s", error->message);
}

/* Until SIGTERM or SIGINT. Once a second the private database is looked after. */
static void
wait_for_signals(Daemon *daemon, const sigset_t *signals, const char *path)
{
    struct timespec second = {1, 0};

    for (;;) {
        g_autoptr(GError) error = NULL;
        int number = sigtimedwait(signals, NULL, &second);
        if (number == SIGTERM || number == SIGINT)
            return;
        if (number == SIGHUP)
            reload(daemon, path);
        if (daemon->server && !private_server_ensure(daemon->server, &error))
            g_warning("%s", error->message);
        sd_notify(0, "WATCHDOG=1");
    }
}

static int
run(const Arguments *arguments, GError **error)
{
    Daemon daemon = {0};
    sigset_t signals;
    bool ok;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    daemon.config = config_read(arguments->config_path, error);
    if (!daemon.config || !drop_privileges(daemon.config, error)) {
        config_free(daemon.config);
        return EXIT_FAILURE;
    }
    log_level = daemon.config->log_level;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    xmlInitParser();
    ok = start(&daemon, error);
    if (ok)
        wait_for_signals(&daemon, &signals, arguments->config_path);
    stop(&daemon);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
migrate(const Arguments *arguments, GError **error)
{
    g_autoptr(Config) config = config_read(arguments->config_path, error);
    unsigned applied = 0;

    if (!config)
        return EXIT_FAILURE;
    if (!*config->conninfo) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "[database] conninfo is empty: the daemon migrates its private database itself");
        return EXIT_FAILURE;
    }
    if (!schema_migrate(config->conninfo, SQL_DIR, &applied, error))
        return EXIT_FAILURE;
    printf("%u steps applied\n", applied);
    return EXIT_SUCCESS;
}

static int
print(char *text)
{
    if (!text)
        return EXIT_FAILURE;
    printf("%s", text);
    g_free(text);
    return EXIT_SUCCESS;
}

static int
print_manual(const Arguments *arguments, const GOptionEntry options[], const char *plugin, GError **error)
{
    if (strcmp(arguments->manual, "trustpoold") == 0)
        return print(manual_of_daemon(options));
    if (strcmp(arguments->manual, "trustpool.conf") == 0)
        return print(manual_of_configuration(plugin, error));
    g_set_error(error, FAULT, FAULT_INVALID, "there are the manual pages trustpoold and trustpool.conf, not %s",
                arguments->manual);
    return EXIT_FAILURE;
}

static int
act(const Arguments *arguments, const GOptionEntry options[], GError **error)
{
    const char *plugin = arguments->plugin ? arguments->plugin : PLUGIN_DIR "/host-validation.so";

    if (arguments->version) {
        printf("trustpoold %s\n", PACKAGE_VERSION);
        return EXIT_SUCCESS;
    }
    if (arguments->manual)
        return print_manual(arguments, options, plugin, error);
    if (arguments->sample) {
        print(config_sample());
        return print(plugin_sample(plugin));
    }
    if (arguments->check) {
        g_autoptr(Config) config = config_read(arguments->config_path, error);
        return config ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    return arguments->migrate ? migrate(arguments, error) : run(arguments, error);
}

int
main(int argc, char *argv[])
{
    Arguments arguments = {0};
    GOptionEntry entries[] = {
        {"config", 'c', 0, G_OPTION_ARG_FILENAME, &arguments.config_path, "The configuration file", "FILE"},
        {"migrate", 0, 0, G_OPTION_ARG_NONE, &arguments.migrate,
         "Bring an external database to the newest schema, and end", NULL},
        {"check-config", 0, 0, G_OPTION_ARG_NONE, &arguments.check, "Read the configuration, and end", NULL},
        {"sample-config", 0, 0, G_OPTION_ARG_NONE, &arguments.sample,
         "Print a configuration with all options and their help", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &arguments.version, "Print the version", NULL},
        /* for the makefile, which makes the manual pages and the sample before anything is installed */
        {"manual", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &arguments.manual, "Print a manual page", "PAGE"},
        {"plugin", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &arguments.plugin, "Whose options they show",
         "FILE"},
        G_OPTION_ENTRY_NULL,
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- cluster manager of trusted compute pools");
    g_autoptr(GError) error = NULL;
    g_autofree char *config_path = NULL, *manual = NULL, *plugin = NULL;
    int status;

    g_log_set_writer_func(write_log, NULL, NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
        fprintf(stderr, "trustpoold: %s (--help tells the options)\n", error ? error->message : "too many arguments");
        return EXIT_USAGE;
    }
    config_path = arguments.config_path;
    manual = arguments.manual;
    plugin = arguments.plugin;
    status = act(&arguments, entries, &error);
    if (error)
        fprintf(stderr, "trustpoold: %s\n", error->message);
    return status;
}
