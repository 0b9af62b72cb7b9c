#include "manager/manager.h"
#include "manager/parts.h"
#include "store/events.h"
#include "store/hosts.h"
#include "store/users.h"
#include "trust/fault.h"
#include <string.h>

static void
host_is_up(void *closure, const char *host, const char *name, const char *attestation_id)
{
    Manager *manager = closure;
    ClusterPluginHost one = {host, name, attestation_id, ""};

    activations_host_up(manager->activations, &one);
}

static void
host_is_down(void *closure, const char *host, const char *name, const char *attestation_id)
{
    Manager *manager = closure;
    ClusterPluginHost one = {host, name, attestation_id, ""};

    plugin_host_event(manager->plugin, &one, 1, CLUSTER_PLUGIN_DOWN, NULL, NULL);
    activations_look(manager->activations, host);
}

/* With the lock. */
static void
pass_on(Manager *manager, const char *payload)
{
    if (!payload || strcmp(payload, "hosts") == 0)
        watch_refresh(manager->watch);
    if (!payload || strcmp(payload, "evacuation") == 0)
        evacuation_kick(manager->evacuation);
    if (!payload || strcmp(payload, "lost") == 0) {
        migrations_pause(manager->migrations, payload != NULL);
        evacuation_pause(manager->evacuation, payload != NULL);
    }
}

static void
set_flag(Manager *manager, bool *flag)
{
    pthread_mutex_lock(&manager->lock);
    *flag = true;
    pthread_cond_broadcast(&manager->changed);
    pthread_mutex_unlock(&manager->lock);
}

/* The listener is there before the others are, and after them: its thread waits for them, and then passes on to nobody.
 */
static void
notified(const char *payload, void *closure)
{
    Manager *manager = closure;

    pthread_mutex_lock(&manager->lock);
    while (!manager->is_whole && !manager->is_ending)
        pthread_cond_wait(&manager->changed, &manager->lock);
    if (!manager->is_ending)
        pass_on(manager, payload);
    pthread_mutex_unlock(&manager->lock);
}

/* The seconds that a verdict lives are the plugin's option; SQL needs none of it but for its own defaults. */
static bool
write_settings(Manager *manager, GError **error)
{
    const Config *config = manager->config;
    StoreSqlSettings settings = {config->host_grace_s, config->expired_hosts, config->evacuation_max_share,
                                 config->evacuation_tries, 60};

    return store_write_settings(manager->store, &settings, error);
}

static bool
start_parts(Manager *manager, const char *conninfo, GError **error)
{
    const Config *config = manager->config;
    static const WatchListener listener = {host_is_up, host_is_down};
    WatchSettings watch = {
        .virt = {.transport = config->transport,
                 .pki_dir = config->pki_dir,
                 .keepalive_interval = config->keepalive_interval_s,
                 .keepalive_count = config->keepalive_count},
        .openers = config->openers,
        .open_deadline_s = config->open_deadline_s,
        .retry_min_ms = config->retry_min_ms,
        .retry_max_ms = config->retry_max_ms,
    };

    if (!(manager->listener = store_listener_new(conninfo, notified, manager, error)) ||
        !write_settings(manager, error) || !hosts_all_disconnected(manager->store, error) ||
        !(manager->plugin = plugin_host_new(config, manager->store, error)) ||
        !(manager->activations = activations_new(manager->store, manager->plugin, config->activate_timeout_s, error)) ||
        !(manager->watch = watch_new(&watch, manager->store, &listener, manager, error)))
        return false;
    return (manager->migrations = migrations_new(config, manager->store, manager->watch, error)) &&
           (manager->evacuation = evacuation_new(config, manager->store, manager->migrations, error)) &&
           (manager->expiry = expiry_new(manager->store, error));
}

Manager *
manager_new(const Config *config, Store *store, const char *conninfo, GError **error)
{
    Manager *manager = g_new0(Manager, 1);

    manager->config = config;
    manager->store = store;
    pthread_mutex_init(&manager->lock, NULL);
    pthread_cond_init(&manager->changed, NULL);
    if (start_parts(manager, conninfo, error)) {
        set_flag(manager, &manager->is_whole);
        return manager;
    }
    manager_free(manager);
    return NULL;
}

void
manager_free(Manager *manager)
{
    if (!manager)
        return;
    set_flag(manager, &manager->is_ending);
    expiry_free(manager->expiry);
    if (manager->evacuation)
        evacuation_stop(manager->evacuation);
    migrations_free(manager->migrations);
    evacuation_free(manager->evacuation);
    watch_free(manager->watch);
    plugin_host_free(manager->plugin); /* its last answers still go to the activations */
    activations_free(manager->activations);
    store_listener_free(manager->listener); /* the last: then another manager may begin */
    pthread_cond_destroy(&manager->changed);
    pthread_mutex_destroy(&manager->lock);
    g_free(manager);
}

bool
manager_may_begin(Manager *manager, GError **error)
{
    if (store_listener_has_lock(manager->listener))
        return true;
    g_set_error(error, FAULT, FAULT_UNAVAILABLE,
                "the manager has lost its lock in the database, and begins nothing until it has it again: try again");
    return false;
}

Store *
manager_store(Manager *manager)
{
    return manager->store;
}

const Config *
manager_config(Manager *manager)
{
    return manager->config;
}

bool
manager_reload(Manager *manager, const Config *config, GError **error)
{
    return plugin_host_reload(manager->plugin, config, error);
}

void
manager_activate(Manager *manager, const char *host, const char *user, ManagerDone done, void *closure)
{
    activations_add(manager->activations, host, user, (ActivationHurry)watch_hurry, manager->watch, done, closure);
}

bool
manager_deactivate(Manager *manager, const char *host, bool leave_running, const char *user, GError **error)
{
    bool ok = host_deactivate(manager->store, host, leave_running, user, error);

    if (ok) {
        activations_look(manager->activations, host);
        evacuation_kick(manager->evacuation);
    }
    return ok;
}

bool
manager_fence(Manager *manager, const char *host, const char *user, GError **error)
{
    bool ok = host_fence(manager->store, host, user, error);

    if (ok)
        watch_refresh(manager->watch);
    return ok;
}

void
manager_hosts_changed(Manager *manager)
{
    watch_refresh(manager->watch);
}

/* A warning is written down and stops nobody. */
static bool
judge(Manager *manager, ClusterPluginJudgement judgement, const char *name, const char *text, GError **error)
{
    g_autoptr(GError) cause = NULL;

    if (judgement == CLUSTER_PLUGIN_REFUSE) {
        g_set_error_literal(error, FAULT, FAULT_REFUSED, text);
        return false;
    }
    if (judgement == CLUSTER_PLUGIN_WARN &&
        !event_write(manager->store, name, "warning", text, NULL, NULL, NULL, &cause))
        g_warning("event %s (%s) is not in the database: %s", name, text, cause->message);
    return true;
}

bool
manager_check_cluster(Manager *manager, const ClusterPluginCluster *before, const ClusterPluginCluster *after,
                      GError **error)
{
    char text[CLUSTER_PLUGIN_TEXT_MAX + 1];
    ClusterPluginJudgement judgement = plugin_host_cluster_check(manager->plugin, before, after, text, sizeof(text));

    return judge(manager, judgement, "CLUSTER_TRUST_WARNING", text, error);
}

bool
manager_check_vm(Manager *manager, const ClusterPluginVm *vm, const ClusterPluginCluster *from,
                 const ClusterPluginCluster *to, ClusterPluginHow how, GError **error)
{
    char text[CLUSTER_PLUGIN_TEXT_MAX + 1];
    ClusterPluginJudgement judgement = plugin_host_vm_check(manager->plugin, vm, from, to, how, text, sizeof(text));

    return judge(manager, judgement, "VM_TRUST_WARNING", text, error);
}
