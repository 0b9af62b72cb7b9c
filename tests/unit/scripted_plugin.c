/*
 * scripted_plugin.c: a plugin whose answers a test writes down: section [script], key `outcome` (trusted, untrusted,
 * unanswered, silent; none: the question stays without an answer). It records them as a real plugin does, on the
 * caller's thread.
 */
#include "cluster-plugin.h"
#include <stdlib.h>
#include <string.h>

typedef struct {
    const ClusterPluginManager *manager;
    char outcome[32];
} Script;

static Script script;

static bool
read_settings(const ClusterPluginSetting settings[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(settings[i].key, "outcome") == 0)
            strncpy(script.outcome, settings[i].value, sizeof(script.outcome) - 1);
    return true;
}

static void *
start(const ClusterPluginManager *manager, const ClusterPluginSetting settings[], size_t n, char *error,
      size_t error_size)
{
    script.manager = manager;
    read_settings(settings, n);
    if (strcmp(script.outcome, "fail") != 0)
        return &script;
    strncpy(error, "the script says fail", error_size - 1);
    error[error_size - 1] = '\0';
    return NULL;
}

static void
stop(void *plugin)
{
    (void)plugin;
}

static bool
reload(void *plugin, const ClusterPluginSetting settings[], size_t n, char *error, size_t error_size)
{
    (void)plugin, (void)error, (void)error_size;
    return read_settings(settings, n);
}

static ClusterPluginOutcome
outcome(void)
{
    return strcmp(script.outcome, "trusted") == 0      ? CLUSTER_PLUGIN_TRUSTED
           : strcmp(script.outcome, "untrusted") == 0  ? CLUSTER_PLUGIN_UNTRUSTED
           : strcmp(script.outcome, "unanswered") == 0 ? CLUSTER_PLUGIN_UNANSWERED
                                                       : CLUSTER_PLUGIN_SILENT;
}

static void
answer(const ClusterPluginHost *host, ClusterPluginDone done, void *closure)
{
    const ClusterPluginManager *m = script.manager;
    ClusterPluginVerdict verdict = {host->id, outcome(), "scripted", "the script says so", 0};
    ClusterPluginRecorded recorded;
    ClusterPluginAnswer said = {host->id, verdict.outcome, verdict.reason, verdict.detail, true};
    int64_t question, asked_at;
    char error[256];

    if (!m->begin_poll(m->manager, &host->id, 1, &question, &asked_at, error, sizeof(error)))
        abort();
    verdict.valid_until_ms = asked_at + 60000;
    if (!m->record_verdicts(m->manager, question, &verdict, 1, &recorded, error, sizeof(error)))
        abort();
    if (done)
        done(closure, &said);
}

static void
hosts_event(void *plugin, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event, ClusterPluginDone done,
            void *closure)
{
    (void)plugin;
    if (event == CLUSTER_PLUGIN_DOWN || strcmp(script.outcome, "none") == 0)
        return;
    for (size_t i = 0; i < n; i++)
        answer(&hosts[i], done, closure);
}

static void
filter_hosts(void *plugin, bool requires_trust, ClusterPluginCandidate candidates[], size_t n)
{
    (void)plugin;
    for (size_t i = 0; i < n; i++)
        candidates[i].passes = !requires_trust;
}

static ClusterPluginJudgement
cluster_check(void *plugin, const ClusterPluginCluster *before, const ClusterPluginCluster *after, char *text,
              size_t size)
{
    (void)plugin, (void)before, (void)after, (void)text, (void)size;
    return CLUSTER_PLUGIN_ALLOW;
}

static ClusterPluginJudgement
vm_check(void *plugin, const ClusterPluginVm *vm, const ClusterPluginCluster *from, const ClusterPluginCluster *to,
         ClusterPluginHow how, char *text, size_t size)
{
    (void)plugin, (void)vm, (void)from, (void)to, (void)how, (void)text, (void)size;
    return CLUSTER_PLUGIN_ALLOW;
}

static int
webhook(void *plugin, const char *const headers[], const void *bytes, size_t size)
{
    (void)plugin, (void)headers, (void)bytes, (void)size;
    return 404;
}

static const char *const sections[] = {"script", NULL};

extern const ClusterPlugin cluster_plugin;
const ClusterPlugin cluster_plugin = {
    .abi = CLUSTER_PLUGIN_ABI,
    .struct_size = sizeof(ClusterPlugin),
    .name = "script",
    .version = "1",
    .sections = sections,
    .start = start,
    .stop = stop,
    .reload = reload,
    .hosts_event = hosts_event,
    .filter_hosts = filter_hosts,
    .cluster_check = cluster_check,
    .vm_check = vm_check,
    .webhook = webhook,
};
