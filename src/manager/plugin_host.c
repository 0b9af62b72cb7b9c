#include "manager/plugin_host.h"
#include "manager/crash_point.h"
#include "manager/plugin_loader.h"
#include "store/events.h"
#include "store/verdicts.h"
#include "trust/fault.h"
#include <pthread.h>
#include <string.h>

/* Questions whose time of asking is still needed: a slow poll is still in flight while others begin and end beside it.
 * The oldest is overwritten, and a verdict of a question that is not here is refused. */
#define QUESTIONS_KEPT 4096

typedef struct {
    int64_t question;
    int64_t asked_at_ms;
} Question;

struct PluginHost {
    ClusterPluginManager offer;
    Store *store;
    const ClusterPlugin *plugin; /* NULL: none is configured */
    void *state;
    pthread_mutex_t lock; /* guards `questions`; a leaf */
    Question questions[QUESTIONS_KEPT];
    unsigned next;
};

/* The error's text into the plugin's buffer; takes the error. */
static bool
tell(GError *cause, char *error, size_t error_size)
{
    if (error && error_size)
        g_strlcpy(error, cause->message, error_size);
    g_error_free(cause);
    return false;
}

static bool
begin_poll(void *manager, const char *const hosts[], size_t n, int64_t *question, int64_t *asked_at_ms, char *error,
           size_t error_size)
{
    PluginHost *host = manager;
    GError *cause = NULL;

    if (!verdicts_begin(host->store, hosts, n, question, asked_at_ms, &cause))
        return tell(cause, error, error_size);
    pthread_mutex_lock(&host->lock);
    host->questions[host->next++ % QUESTIONS_KEPT] = (Question){*question, *asked_at_ms};
    pthread_mutex_unlock(&host->lock);
    return true;
}

static bool
asked_at(PluginHost *host, int64_t question, int64_t *asked_at_ms)
{
    bool found = false;

    pthread_mutex_lock(&host->lock);
    for (unsigned i = 0; i < QUESTIONS_KEPT && !found; i++)
        if (host->questions[i].question == question) {
            *asked_at_ms = host->questions[i].asked_at_ms;
            found = true;
        }
    pthread_mutex_unlock(&host->lock);
    return found;
}

static const char *
outcome_word(ClusterPluginOutcome outcome)
{
    switch (outcome) {
    case CLUSTER_PLUGIN_TRUSTED:
        return "trusted";
    case CLUSTER_PLUGIN_UNTRUSTED:
        return "untrusted";
    case CLUSTER_PLUGIN_UNANSWERED:
        return "unanswered";
    case CLUSTER_PLUGIN_SILENT:
        break;
    }
    return "silent";
}

/* What a plugin says goes into the database: UTF-8, and not longer than the contract allows. */
static char *
clean_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

    if (strlen(valid) > CLUSTER_PLUGIN_TEXT_MAX)
        *g_utf8_find_prev_char(valid, valid + CLUSTER_PLUGIN_TEXT_MAX) = '\0';
    return g_steal_pointer(&valid);
}

static bool
record_verdicts(void *manager, int64_t question, const ClusterPluginVerdict verdicts[], size_t n,
                ClusterPluginRecorded recorded[], char *error, size_t error_size)
{
    PluginHost *host = manager;
    g_autofree StoreVerdict *rows = g_new0(StoreVerdict, n);
    g_autofree StoreRecorded *results = g_new0(StoreRecorded, n);
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    GError *cause = NULL;
    int64_t asked_at_ms;

    if (!asked_at(host, question, &asked_at_ms))
        return tell(g_error_new(FAULT, FAULT_INVALID, "question %" G_GINT64_FORMAT " was never begun", question), error,
                    error_size);
    for (size_t i = 0; i < n; i++) {
        char *reason = clean_text(verdicts[i].reason);
        char *detail = clean_text(verdicts[i].detail);
        g_ptr_array_add(texts, reason);
        g_ptr_array_add(texts, detail);
        rows[i] = (StoreVerdict){verdicts[i].host, outcome_word(verdicts[i].outcome), reason, detail,
                                 verdicts[i].valid_until_ms};
    }
    if (!verdicts_record(host->store, question, asked_at_ms, rows, n, results, &cause))
        return tell(cause, error, error_size);
    crash_point("verdict_after_commit");
    for (size_t i = 0; i < n; i++) {
        g_strlcpy(recorded[i].host, verdicts[i].host, sizeof(recorded[i].host));
        recorded[i].accepted = results[i].accepted;
        recorded[i].is_up = results[i].is_up;
    }
    return true;
}

static bool
hosts_due(void *manager, const char *service, int64_t asked_before_ms, size_t max,
          void (*each)(void *closure, const ClusterPluginHost *host), void *closure, char *error, size_t error_size)
{
    PluginHost *host = manager;
    GError *cause = NULL;
    g_autoptr(GPtrArray) due =
        verdicts_due(host->store, asked_before_ms, (unsigned)MIN(max, CLUSTER_PLUGIN_SET_MAX), &cause);

    if (!due)
        return tell(cause, error, error_size);
    for (unsigned i = 0; i < due->len; i++) {
        const HostDue *row = g_ptr_array_index(due, i);
        ClusterPluginHost one = {row->id, row->name, row->attestation_id, service};
        each(closure, &one);
    }
    return true;
}

static bool
database_now(void *manager, int64_t *now_ms, char *error, size_t error_size)
{
    PluginHost *host = manager;
    GError *cause = NULL;

    return verdicts_now(host->store, now_ms, &cause) || tell(cause, error, error_size);
}

static void
write_log(void *manager, ClusterPluginLogLevel level, const char *text)
{
    (void)manager;
    switch (level) {
    case CLUSTER_PLUGIN_LOG_ERROR:
        g_critical("%s", text);
        break;
    case CLUSTER_PLUGIN_LOG_WARNING:
        g_warning("%s", text);
        break;
    case CLUSTER_PLUGIN_LOG_NOTICE:
        g_message("%s", text);
        break;
    case CLUSTER_PLUGIN_LOG_INFO:
        g_info("%s", text);
        break;
    case CLUSTER_PLUGIN_LOG_DEBUG:
        g_debug("%s", text);
        break;
    }
}

static void
write_event(void *manager, ClusterPluginLogLevel level, const char *name, const char *text)
{
    PluginHost *host = manager;
    const char *severity = level <= CLUSTER_PLUGIN_LOG_ERROR     ? "alert"
                           : level == CLUSTER_PLUGIN_LOG_WARNING ? "warning"
                                                                 : "normal";
    g_autofree char *clean = clean_text(text);
    g_autoptr(GError) error = NULL;

    if (!event_write(host->store, name, severity, clean, NULL, NULL, NULL, &error))
        g_warning("event %s (%s) is not in the database: %s", name, clean, error->message);
}

static bool
start_plugin(PluginHost *host, const Config *config, GError **error)
{
    char text[CLUSTER_PLUGIN_TEXT_MAX + 1] = "it gives no reason";

    host->state = host->plugin->start(&host->offer, (const ClusterPluginSetting *)(void *)config->foreign->data,
                                      config->foreign->len, text, sizeof(text));
    if (!host->state)
        g_set_error(error, FAULT, FAULT_INVALID, "plugin %s does not start: %s", config->plugin, text);
    return host->state != NULL;
}

PluginHost *
plugin_host_new(const Config *config, Store *store, GError **error)
{
    PluginHost *host = g_new0(PluginHost, 1);
    const char *const *sections = NULL;

    host->offer = (ClusterPluginManager){CLUSTER_PLUGIN_ABI,
                                         sizeof(ClusterPluginManager),
                                         host,
                                         begin_poll,
                                         record_verdicts,
                                         hosts_due,
                                         database_now,
                                         write_log,
                                         write_event};
    host->store = store;
    pthread_mutex_init(&host->lock, NULL);
    if (*config->plugin && !(host->plugin = plugin_load(config->plugin, error)))
        goto fail;
    sections = host->plugin ? host->plugin->sections : NULL;
    if (!config_check_sections(config, sections, error) || (host->plugin && !start_plugin(host, config, error)))
        goto fail;
    return host;
fail:
    host->state = NULL;
    plugin_host_free(host);
    return NULL;
}

bool
plugin_host_reload(PluginHost *host, const Config *config, GError **error)
{
    char text[CLUSTER_PLUGIN_TEXT_MAX + 1] = "it gives no reason";

    if (!host->plugin)
        return config_check_sections(config, NULL, error);
    if (!config_check_sections(config, host->plugin->sections, error))
        return false;
    if (host->plugin->reload(host->state, (const ClusterPluginSetting *)(void *)config->foreign->data,
                             config->foreign->len, text, sizeof(text)))
        return true;
    g_set_error(error, FAULT, FAULT_INVALID, "the plugin keeps its old settings: %s", text);
    return false;
}

void
plugin_host_free(PluginHost *host)
{
    if (!host)
        return;
    if (host->state)
        host->plugin->stop(host->state);
    pthread_mutex_destroy(&host->lock);
    g_free(host);
}

void
plugin_host_event(PluginHost *host, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event,
                  ClusterPluginDone done, void *closure)
{
    if (host->plugin) {
        host->plugin->hosts_event(host->state, hosts, n, event, done, closure);
        return;
    }
    for (size_t i = 0; done && i < n; i++) {
        ClusterPluginAnswer answer = {hosts[i].id, CLUSTER_PLUGIN_SILENT, "no_plugin", "no plugin is configured",
                                      false};
        done(closure, &answer);
    }
}

void
plugin_host_filter(PluginHost *host, bool requires_trust, ClusterPluginCandidate candidates[], size_t n)
{
    if (host->plugin) {
        host->plugin->filter_hosts(host->state, requires_trust, candidates, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        candidates[i].passes = !requires_trust;
        g_strlcpy(candidates[i].why, requires_trust ? "no plugin is configured" : "", sizeof(candidates[i].why));
    }
}

ClusterPluginJudgement
plugin_host_cluster_check(PluginHost *host, const ClusterPluginCluster *before, const ClusterPluginCluster *after,
                          char *text, size_t size)
{
    *text = '\0';
    return host->plugin ? host->plugin->cluster_check(host->state, before, after, text, size) : CLUSTER_PLUGIN_ALLOW;
}

ClusterPluginJudgement
plugin_host_vm_check(PluginHost *host, const ClusterPluginVm *vm, const ClusterPluginCluster *from,
                     const ClusterPluginCluster *to, ClusterPluginHow how, char *text, size_t size)
{
    *text = '\0';
    return host->plugin ? host->plugin->vm_check(host->state, vm, from, to, how, text, size) : CLUSTER_PLUGIN_ALLOW;
}
