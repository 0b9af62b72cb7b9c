/* The plugin's one exported symbol: the table of cluster-plugin.h. */
#include "cluster-plugin.h"

#include <glib.h>
#include <pthread.h>
#include <string.h>

#include "attest/service.h"
#include "plugin/checks.h"
#include "plugin/clock.h"
#include "plugin/filter.h"
#include "plugin/settings.h"
#include "plugin/validator.h"

typedef struct {
    Filter *filter;
    Validator *validator;
    _Atomic bool has_service; /* an attestation server is configured */
} Plugin;

static bool
fail(GError *error, char *text, size_t text_size)
{
    g_strlcpy(text, error->message, text_size);
    g_error_free(error);
    return false;
}

static void *
start(const ClusterPluginManager *manager, const ClusterPluginSetting lines[], size_t n, char *error, size_t error_size)
{
    g_autoptr(Settings) settings = NULL;
    GError *local = NULL;
    Plugin *plugin;

    if (manager->abi != CLUSTER_PLUGIN_ABI || manager->struct_size < sizeof *manager) {
        g_snprintf(error, error_size, "host-validation was built for version %u of the contract, the manager has %u.",
                   CLUSTER_PLUGIN_ABI, manager->abi);
        return NULL;
    }
    if (!service_global_init(&local) || !(settings = settings_parse(lines, n, &local))) {
        fail(local, error, error_size);
        return NULL;
    }
    plugin = g_new0(Plugin, 1);
    plugin->filter = filter_new();
    plugin->has_service = settings->server != NULL;
    plugin->validator = validator_new(manager, plugin->filter, settings, &local);
    if (!plugin->validator) {
        fail(local, error, error_size);
        filter_free(plugin->filter);
        g_free(plugin);
        return NULL;
    }
    return plugin;
}

static void
stop(void *state)
{
    Plugin *plugin = state;

    validator_free(plugin->validator);
    filter_free(plugin->filter);
    g_free(plugin);
}

static bool
reload(void *state, const ClusterPluginSetting lines[], size_t n, char *error, size_t error_size)
{
    Plugin *plugin = state;
    GError *local = NULL;
    g_autoptr(Settings) settings = settings_parse(lines, n, &local);

    if (!settings || !validator_reload(plugin->validator, settings, &local))
        return fail(local, error, error_size);
    plugin->has_service = settings->server != NULL;
    return true;
}

static void
hosts_event(void *state, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event, ClusterPluginDone done,
            void *closure)
{
    validator_event(((Plugin *)state)->validator, hosts, n, event, done, closure);
}

static void
filter_hosts(void *state, bool requires_trust, ClusterPluginCandidate candidates[], size_t n)
{
    filter_mark(((Plugin *)state)->filter, requires_trust, clock_boot_ms(), candidates, n);
}

static ClusterPluginJudgement
cluster_check(void *state, const ClusterPluginCluster *before, const ClusterPluginCluster *after, char *text,
              size_t text_size)
{
    return checks_cluster(((Plugin *)state)->has_service, before, after, text, text_size);
}

static ClusterPluginJudgement
vm_check(void *state, const ClusterPluginVm *vm, const ClusterPluginCluster *from, const ClusterPluginCluster *to,
         ClusterPluginHow how, char *text, size_t text_size)
{
    (void)state;
    return checks_vm(vm, from, to, how, text, text_size);
}

/* OpenAttestation sends no messages of its own. */
static int
webhook(void *state, const char *const headers[], const void *bytes, size_t size)
{
    (void)state;
    (void)headers;
    (void)bytes;
    (void)size;
    return 404;
}

static const char *const sections[] = {SETTINGS_SECTION, NULL};

extern const ClusterPlugin cluster_plugin;

__attribute__((visibility("default"))) const ClusterPlugin cluster_plugin = {
    .abi = CLUSTER_PLUGIN_ABI,
    .struct_size = sizeof(ClusterPlugin),
    .name = "host-validation",
    .version = PACKAGE_VERSION,
    .sections = sections,
    .start = start,
    .stop = stop,
    .reload = reload,
    .hosts_event = hosts_event,
    .filter_hosts = filter_hosts,
    .cluster_check = cluster_check,
    .vm_check = vm_check,
    .webhook = webhook,
    .options = settings_options,
};
