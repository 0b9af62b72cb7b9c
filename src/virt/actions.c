#include "virt/actions.h"
#include "trust/fault.h"
#include "virt/connection_private.h"
#include "virt/job.h"
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define TICK_MS 250  /* how often a migration looks at its deadline and at `cancel` */
#define LOOK_MS 1000 /* at most so often it asks for the job's statistics */

bool
virt_start(VirtConnection *connection, const char *xml, GError **error)
{
    virDomainPtr domain = virDomainCreateXML(virt_connection_handle(connection), xml, 0);
    if (domain == NULL) {
        virt_fault(connection, FAULT_REFUSED, "the host cannot start it", error);
        return false;
    }
    virDomainFree(domain);
    return true;
}

/* NULL with FAULT_NOT_FOUND when it is not there. */
static virDomainPtr
domain_find(VirtConnection *connection, const char *uuid, GError **error)
{
    virDomainPtr domain = virDomainLookupByUUIDString(virt_connection_handle(connection), uuid);
    if (domain == NULL)
        virt_fault(connection, virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? FAULT_NOT_FOUND : FAULT_FAILED,
                   "cannot find the domain on the host", error);
    return domain;
}

bool
virt_stop(VirtConnection *connection, const char *uuid, bool gracefully, GError **error)
{
    virDomainPtr domain = domain_find(connection, uuid, error);
    if (domain == NULL)
        return false;
    int rc = gracefully ? virDomainShutdown(domain) : virDomainDestroy(domain);
    if (rc < 0) {
        FaultCode code = virGetLastErrorCode() == VIR_ERR_NO_DOMAIN ? FAULT_NOT_FOUND : FAULT_REFUSED;
        virt_fault(connection, code, "the host cannot stop it", error);
    }
    virDomainFree(domain);
    return rc == 0;
}

VirtPresence
virt_presence(VirtConnection *connection, const char *uuid, GError **error)
{
    g_autoptr(GError) why = NULL;
    int state = VIR_DOMAIN_NOSTATE, reason = 0;
    virDomainPtr domain = domain_find(connection, uuid, &why);
    if (domain == NULL) {
        if (g_error_matches(why, FAULT, FAULT_NOT_FOUND))
            return VIRT_ABSENT;
        g_propagate_error(error, g_steal_pointer(&why));
        return VIRT_UNKNOWN;
    }
    int rc = virDomainGetState(domain, &state, &reason, 0);
    bool is_gone = rc < 0 && virGetLastErrorCode() == VIR_ERR_NO_DOMAIN;
    if (rc < 0 && !is_gone)
        virt_fault(connection, FAULT_FAILED, "cannot ask whether the domain runs", error);
    virDomainFree(domain);
    if (rc < 0)
        return is_gone ? VIRT_ABSENT : VIRT_UNKNOWN;
    return virt_state_presence(state);
}

/* Watches one migration from beside it, because the migrating thread is blocked until the end. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool finished; /* under lock */
    /* the monitor's own, until it has ended */
    bool late; /* aborted at the deadline */
    bool cancelled;
    bool again; /* `look` wants it to begin again */
    virDomainPtr domain;
    VirtConnection *target;
    const VirtMigration *migration;
    gint64 begun_us; /* g_get_monotonic_time */
    gint64 deadline_us;
    gint64 looked_us;
    const volatile int *cancel;
} Monitor;

static void
monitor_tick(Monitor *m)
{
    gint64 until_us = g_get_monotonic_time() + TICK_MS * 1000;
    struct timespec until = {.tv_sec = until_us / G_USEC_PER_SEC, .tv_nsec = (until_us % G_USEC_PER_SEC) * 1000};
    pthread_cond_timedwait(&m->changed, &m->lock, &until);
}

/* Without the lock. True: the job is to be aborted. */
static bool
monitor_look(Monitor *m)
{
    const VirtMigration *migration = m->migration;
    ConvergeSample sample;
    unsigned bandwidth = 0;
    gint64 now_us = g_get_monotonic_time();
    if (migration->look == NULL || now_us < m->looked_us + LOOK_MS * 1000)
        return false;
    m->looked_us = now_us;
    if (!virt_job_read(m->domain, &sample))
        return false;
    switch (migration->look(migration->closure, (now_us - m->begun_us) / 1000, &sample, &bandwidth)) {
    case CONVERGE_RAISE:
        if (virDomainMigrateSetMaxSpeed(m->domain, bandwidth, 0) < 0)
            g_message("the bandwidth of a migration is not raised: %s", virGetLastErrorMessage());
        return false;
    case CONVERGE_POST_COPY:
        if (virDomainMigrateStartPostCopy(m->domain, 0) < 0)
            g_message("a migration is not turned into post-copy: %s", virGetLastErrorMessage());
        return false;
    case CONVERGE_THROTTLE:
        m->again = true;
        return true;
    case CONVERGE_GIVE_UP:
        m->late = true;
        return true;
    case CONVERGE_WAIT:
        break;
    }
    return false;
}

static void *
monitor_run(void *opaque)
{
    Monitor *m = opaque;
    pthread_mutex_lock(&m->lock);
    while (!m->finished) {
        monitor_tick(m);
        m->late = m->late || g_get_monotonic_time() >= m->deadline_us;
        m->cancelled = m->cancelled || (m->cancel != NULL && g_atomic_int_get(m->cancel) != 0);
        /* Without the target's libvirtd the guests would go on copying memory, and then nobody could finish it. */
        bool lost = !virt_connection_is_alive(m->target);
        bool aborts = m->late || m->cancelled || m->again || lost;
        if (m->finished)
            break;
        pthread_mutex_unlock(&m->lock);
        /* Fails while the job is not far enough to be aborted, so it is asked for at every tick. */
        if (aborts || monitor_look(m))
            virDomainAbortJob(m->domain);
        pthread_mutex_lock(&m->lock);
    }
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

static bool
monitor_start(Monitor *m, pthread_t *thread, GError **error)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&m->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&m->lock, NULL);
    int rc = pthread_create(thread, NULL, monitor_run, m);
    if (rc == 0)
        return true;
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
    g_set_error(error, FAULT, FAULT_FAILED, "no thread to watch over the migration: %s", g_strerror(rc));
    return false;
}

static void
monitor_stop(Monitor *m, pthread_t thread)
{
    pthread_mutex_lock(&m->lock);
    m->finished = true;
    pthread_cond_signal(&m->changed);
    pthread_mutex_unlock(&m->lock);
    pthread_join(thread, NULL);
    pthread_cond_destroy(&m->changed);
    pthread_mutex_destroy(&m->lock);
}

/* Would every target end the same way? Measured with libvirt 9.0.0: 81 is a disk that is not shared; 55 with this text
 * a device or feature that QEMU does not migrate. 55 alone also says that the domain stopped, or that its disk had an
 * I/O error, which may pass. */
static bool
is_refusal(int code, const char *text)
{
    if (code == VIR_ERR_MIGRATE_UNSAFE)
        return true;
    return code == VIR_ERR_OPERATION_INVALID && strstr(text, "I/O error") == NULL &&
           (strstr(text, "cannot migrate") != NULL || strstr(text, "igration is disabled") != NULL);
}

static void
migration_fault(VirtConnection *source, VirtConnection *target, const Monitor *m, const VirtMigration *migration,
                GError **error)
{
    int code = virGetLastErrorCode();
    g_autofree char *text = g_strdup(virGetLastErrorMessage());
    if (!virt_connection_is_alive(source))
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "the connection to the source broke: %s", text);
    else if (!virt_connection_is_alive(target))
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "the connection to the target broke: %s", text);
    else if (m->again)
        g_set_error(error, FAULT, FAULT_FAILED, "the migration does not converge: %s", text);
    else if (m->cancelled)
        g_set_error(error, FAULT, FAULT_FAILED, "the migration was cancelled: %s", text);
    else if (m->late)
        g_set_error(error, FAULT, FAULT_DEADLINE, "not done after %u s: %s", migration->deadline_s, text);
    else if (is_refusal(code, text))
        g_set_error(error, FAULT, FAULT_REFUSED, "it cannot migrate: %s", text);
    else
        g_set_error(error, FAULT, FAULT_FAILED, "the migration failed: %s", text);
}

/* Through the source's libvirtd, which opens the target's. */
static bool
migrate_to_peer(virDomainPtr domain, VirtConnection *target, virTypedParameterPtr params, int n, unsigned flags)
{
    return virDomainMigrateToURI3(domain, virt_connection_peer_uri(target), params, (unsigned)n,
                                  flags | VIR_MIGRATE_PEER2PEER) == 0;
}

static bool
migrate_directly(virDomainPtr domain, VirtConnection *target, virTypedParameterPtr params, int n, unsigned flags)
{
    virDomainPtr moved = virDomainMigrate3(domain, virt_connection_handle(target), params, (unsigned)n, flags);
    if (moved == NULL)
        return false;
    virDomainFree(moved);
    return true;
}

static bool
migrate_blocking(virDomainPtr domain, VirtConnection *target, const VirtMigration *migration)
{
    virTypedParameterPtr params = NULL;
    int n = 0, max = 0;
    bool moved = false;
    unsigned flags = VIR_MIGRATE_LIVE | VIR_MIGRATE_TLS | (migration->auto_converge ? VIR_MIGRATE_AUTO_CONVERGE : 0) |
                     (migration->post_copy ? VIR_MIGRATE_POSTCOPY : 0);
    if (virTypedParamsAddString(&params, &n, &max, VIR_MIGRATE_PARAM_DEST_XML, migration->target_xml) == 0 &&
        (migration->bandwidth_mib_s == 0 ||
         virTypedParamsAddULLong(&params, &n, &max, VIR_MIGRATE_PARAM_BANDWIDTH, migration->bandwidth_mib_s) == 0))
        moved = migration->peer_to_peer ? migrate_to_peer(domain, target, params, n, flags)
                                        : migrate_directly(domain, target, params, n, flags);
    virTypedParamsFree(params, n);
    return moved;
}

bool
virt_migrate(VirtConnection *source, VirtConnection *target, const VirtMigration *migration, const volatile int *cancel,
             GError **error)
{
    if (migration->peer_to_peer && virt_connection_peer_uri(target) == NULL) {
        g_set_error(error, FAULT, FAULT_FAILED,
                    "a peer-to-peer migration needs the transport tls or ssh between the hosts");
        return false;
    }
    virDomainPtr domain = domain_find(source, migration->uuid, error);
    if (domain == NULL)
        return false;
    pthread_t thread;
    gint64 now_us = g_get_monotonic_time();
    Monitor monitor = {.domain = domain,
                       .target = target,
                       .migration = migration,
                       .begun_us = now_us,
                       .deadline_us = now_us + (gint64)migration->deadline_s * G_USEC_PER_SEC,
                       .cancel = cancel};
    if (!monitor_start(&monitor, &thread, error)) {
        virDomainFree(domain);
        return false;
    }
    bool moved = migrate_blocking(domain, target, migration);
    monitor_stop(&monitor, thread); /* libvirt's last error is this thread's own and survives */
    if (!moved)
        migration_fault(source, target, &monitor, migration, error);
    virDomainFree(domain);
    return moved;
}
