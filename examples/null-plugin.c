/*
 * null-plugin.c: the smallest plugin that keeps the contract of cluster-plugin.h. It lets every change and every
 * candidate pass and records no verdict: with it no host is ever trusted. Start your own plugin from here;
 * docs/plugin.md explains.
 *
 * cc -shared -fPIC -fvisibility=hidden -Wl,-z,nodelete -o null-plugin.so null-plugin.c
 */
#include "cluster-plugin.h"

/* A plugin without a state of its own still has to return something that is not NULL. */
static char nothing;

static void *
null_start(const ClusterPluginManager *manager, const ClusterPluginSetting settings[], size_t n, char *error,
           size_t error_size)
{
    (void)settings;
    (void)n;
    (void)error;
    (void)error_size;
    manager->log(manager->manager, CLUSTER_PLUGIN_LOG_NOTICE, "The null plugin attests nothing.");
    return &nothing;
}

static void
null_stop(void *plugin)
{
    (void)plugin;
}

static bool
null_reload(void *plugin, const ClusterPluginSetting settings[], size_t n, char *error, size_t error_size)
{
    (void)plugin;
    (void)settings;
    (void)n;
    (void)error;
    (void)error_size;
    return true;
}

/* Whoever asks gets an answer, once for each host: that there is none. */
static void
null_hosts_event(void *plugin, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event,
                 ClusterPluginDone done, void *closure)
{
    (void)plugin;
    (void)event;
    for (size_t i = 0; done && i < n; i++) {
        const ClusterPluginAnswer answer = {.host = hosts[i].id,
                                            .outcome = CLUSTER_PLUGIN_SILENT,
                                            .reason = "no_service",
                                            .detail = "the null plugin attests nothing"};

        done(closure, &answer);
    }
}

static void
null_filter_hosts(void *plugin, bool requires_trust, ClusterPluginCandidate candidates[], size_t n)
{
    (void)plugin;
    (void)requires_trust;
    for (size_t i = 0; i < n; i++) {
        candidates[i].passes = true;
        candidates[i].why[0] = '\0';
    }
}

static ClusterPluginJudgement
null_cluster_check(void *plugin, const ClusterPluginCluster *before, const ClusterPluginCluster *after, char *text,
                   size_t text_size)
{
    (void)plugin;
    (void)before;
    (void)after;
    if (text_size > 0)
        text[0] = '\0';
    return CLUSTER_PLUGIN_ALLOW;
}

static ClusterPluginJudgement
null_vm_check(void *plugin, const ClusterPluginVm *vm, const ClusterPluginCluster *from, const ClusterPluginCluster *to,
              ClusterPluginHow how, char *text, size_t text_size)
{
    (void)plugin;
    (void)vm;
    (void)from;
    (void)to;
    (void)how;
    if (text_size > 0)
        text[0] = '\0';
    return CLUSTER_PLUGIN_ALLOW;
}

static int
null_webhook(void *plugin, const char *const headers[], const void *bytes, size_t size)
{
    (void)plugin;
    (void)headers;
    (void)bytes;
    (void)size;
    return 404;
}

static const char *const no_sections[] = {0};

extern const ClusterPlugin cluster_plugin;

__attribute__((visibility("default"))) const ClusterPlugin cluster_plugin = {
    .abi = CLUSTER_PLUGIN_ABI,
    .struct_size = sizeof(ClusterPlugin),
    .name = "null",
    .version = "1",
    .sections = no_sections,
    .start = null_start,
    .stop = null_stop,
    .reload = null_reload,
    .hosts_event = null_hosts_event,
    .filter_hosts = null_filter_hosts,
    .cluster_check = null_cluster_check,
    .vm_check = null_vm_check,
    .webhook = null_webhook,
    .options = NULL,
};
