#include "virt/connection.h"
#include "trust/fault.h"
#include "virt/connection_private.h"
#include <errno.h>
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

/* What libvirt's callbacks hold on to. It outlives the connection where libvirt is slow to let go of it. Its lock is
 * held while a callback runs, so that a close can promise that none comes after it; it is the innermost but for those
 * that the callbacks themselves take. */
typedef struct {
    int refs; /* atomic */
    pthread_mutex_t lock;
    VirtCallbacks callbacks;
    void *closure;
    void (*release)(void *closure);
    bool silent; /* under lock: release has been called */
    int dead;    /* atomic: libvirt has said that the connection is closed */
} Hook;

struct VirtConnection {
    int refs; /* atomic */
    virConnectPtr handle;
    Hook *hook;
    bool is_remote;
    bool close_registered;
    int domain_callback; /* -1: none */
    char *peer_uri;      /* NULL: other hosts cannot reach it */
};

/* Threads that end connections, and those who wait for them. */
static pthread_mutex_t closers_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t closers_done = PTHREAD_COND_INITIALIZER;
static unsigned closers;

static void
hook_unref(void *opaque)
{
    Hook *hook = opaque;
    if (!g_atomic_int_dec_and_test(&hook->refs))
        return;
    pthread_mutex_destroy(&hook->lock);
    g_free(hook);
}

static Hook *
hook_new(const VirtCallbacks *callbacks, void *closure, void (*release)(void *closure))
{
    Hook *hook = g_new0(Hook, 1);
    hook->refs = 1;
    pthread_mutex_init(&hook->lock, NULL);
    hook->callbacks = *callbacks;
    hook->closure = closure;
    hook->release = release;
    return hook;
}

static void
hook_silence(Hook *hook)
{
    pthread_mutex_lock(&hook->lock);
    bool first = !hook->silent;
    hook->silent = true;
    pthread_mutex_unlock(&hook->lock);
    if (first && hook->release != NULL)
        hook->release(hook->closure);
}

static void
on_closed(virConnectPtr handle, int reason, void *opaque)
{
    static const char *const reasons[] = {"the host closed the connection or an error broke it",
                                          "the host closed the connection", "the host does not answer",
                                          "the connection was closed here"};
    Hook *hook = opaque;
    (void)handle;
    g_atomic_int_set(&hook->dead, 1);
    pthread_mutex_lock(&hook->lock);
    if (!hook->silent && hook->callbacks.closed != NULL)
        hook->callbacks.closed(hook->closure,
                               reasons[reason >= 0 && reason <= VIR_CONNECT_CLOSE_REASON_CLIENT ? reason : 0]);
    pthread_mutex_unlock(&hook->lock);
}

/* What an event means to the manager; false: nothing. Details: libvirt-domain.h, virDomainEvent*DetailType. During a
 * live migration the target says STARTED (migrated) and RESUMED (migrated), the source SUSPENDED (migrated) and STOPPED
 * (migrated); only when the target resumes does the guest run there. */
static bool
event_from_libvirt(int event, int detail, VirtDomainEvent *out)
{
    switch (event) {
    case VIR_DOMAIN_EVENT_STARTED:
        *out = VIRT_DOMAIN_STARTED;
        return detail != VIR_DOMAIN_EVENT_STARTED_MIGRATED;
    case VIR_DOMAIN_EVENT_RESUMED:
        *out = detail == VIR_DOMAIN_EVENT_RESUMED_MIGRATED ? VIRT_DOMAIN_ARRIVED : VIRT_DOMAIN_RESUMED;
        return true;
    case VIR_DOMAIN_EVENT_SUSPENDED:
        *out = VIRT_DOMAIN_SUSPENDED;
        return detail != VIR_DOMAIN_EVENT_SUSPENDED_MIGRATED;
    case VIR_DOMAIN_EVENT_PMSUSPENDED:
        *out = VIRT_DOMAIN_SUSPENDED;
        return true;
    case VIR_DOMAIN_EVENT_STOPPED:
        *out = detail == VIR_DOMAIN_EVENT_STOPPED_MIGRATED ? VIRT_DOMAIN_MIGRATED_AWAY
               : detail == VIR_DOMAIN_EVENT_STOPPED_CRASHED || detail == VIR_DOMAIN_EVENT_STOPPED_FAILED
                   ? VIRT_DOMAIN_CRASHED
                   : VIRT_DOMAIN_STOPPED;
        return true;
    case VIR_DOMAIN_EVENT_CRASHED:
        *out = VIRT_DOMAIN_CRASHED;
        return true;
    default: /* defined, undefined, shutdown (stopped follows) */
        return false;
    }
}

const char *
virt_domain_event_word(VirtDomainEvent event)
{
    static const char *const words[] = {"started", "resumed",       "suspended", "stopped",
                                        "crashed", "migrated_away", "arrived"};
    return words[event];
}

static int
on_domain(virConnectPtr handle, virDomainPtr domain, int event, int detail, void *opaque)
{
    Hook *hook = opaque;
    char uuid[VIR_UUID_STRING_BUFLEN];
    VirtDomainEvent what;
    (void)handle;
    if (!event_from_libvirt(event, detail, &what) || virDomainGetUUIDString(domain, uuid) < 0)
        return 0;
    pthread_mutex_lock(&hook->lock);
    if (!hook->silent && hook->callbacks.domain != NULL)
        hook->callbacks.domain(hook->closure, uuid, virDomainGetName(domain), what);
    pthread_mutex_unlock(&hook->lock);
    return 0;
}

static char *
uri_make(const VirtSettings *settings, const char *address, GError **error)
{
    const char *transport = settings->transport;
    if (g_str_equal(transport, "test")) {
        if (address[strspn(address, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")] == '\0')
            return g_strdup_printf("test:///%s", address);
        g_set_error(error, FAULT, FAULT_INVALID, "'%s' is no address for the test driver", address);
        return NULL;
    }
    if (!virt_address_is_valid(address, error))
        return NULL;
    if (g_str_equal(transport, "unix"))
        return g_strdup("qemu:///system");
    bool is_tls = g_str_equal(transport, "tls");
    if (!is_tls && !g_str_equal(transport, "ssh")) {
        g_set_error(error, FAULT, FAULT_INVALID, "libvirt transport '%s' is unknown: use tls, ssh or unix", transport);
        return NULL;
    }
    g_autoptr(GString) uri = g_string_new(is_tls ? "qemu+tls://" : "qemu+ssh://");
    g_string_append_printf(uri, strchr(address, ':') != NULL ? "[%s]" : "%s", address);
    if (settings->port != 0)
        g_string_append_printf(uri, ":%u", settings->port);
    g_string_append(uri, is_tls ? "/system" : "/system?no_tty=1"); /* nobody is there to type a password */
    if (is_tls && settings->pki_dir != NULL && settings->pki_dir[0] != '\0') {
        g_autofree char *dir = g_uri_escape_string(settings->pki_dir, "/", FALSE);
        g_string_append_printf(uri, "?pkipath=%s", dir);
    }
    return g_string_free(g_steal_pointer(&uri), FALSE);
}

/* The same for another host, which has no use for the manager's certificates; NULL: none can reach it like that. */
static char *
peer_uri_make(const VirtSettings *settings, const char *uri)
{
    if (g_str_equal(settings->transport, "tls"))
        return g_strndup(uri, strcspn(uri, "?"));
    return g_str_equal(settings->transport, "ssh") ? g_strdup(uri) : NULL;
}

const char *
virt_connection_peer_uri(const VirtConnection *connection)
{
    return connection->peer_uri;
}

static void
open_fault(const char *address, GError **error)
{
    virErrorPtr last = virGetLastError();
    const char *text = last != NULL && last->message != NULL ? last->message : "no reason given";
    /* libvirt 9.0.0, virnettlscontext.c: a host certificate that is not of the CA, has expired, or has another name
     * ends in "Failed to verify peer's certificate"; SASL's refusals have the same code. */
    bool is_identity = last != NULL && last->code == VIR_ERR_AUTH_FAILED && strstr(text, "certificate") != NULL;
    if (is_identity)
        g_set_error(error, FAULT, FAULT_DENIED,
                    "the certificate of %s is not one of the configured CA for this address (%s)", address, text);
    else
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "cannot connect to %s: %s", address, text);
}

static bool
callbacks_register(VirtConnection *c, const VirtSettings *settings, const char *address, GError **error)
{
    if (!c->is_remote)
        return true; /* the test driver lives in this process: nothing can break */
    g_atomic_int_inc(&c->hook->refs);
    if (virConnectRegisterCloseCallback(c->handle, on_closed, c->hook, hook_unref) < 0) {
        g_atomic_int_add(&c->hook->refs, -1); /* not the last: the connection has its own */
        open_fault(address, error);
        return false;
    }
    c->close_registered = true;
    if (settings->keepalive_interval == 0 || g_str_equal(settings->transport, "unix"))
        return true;
    if (virConnectSetKeepAlive(c->handle, (int)settings->keepalive_interval, settings->keepalive_count) != 0) {
        open_fault(address, error); /* 1: the host does not support it, and would never be missed */
        return false;
    }
    return true;
}

VirtConnection *
virt_connection_open(const VirtSettings *settings, const char *address, const VirtCallbacks *callbacks, void *closure,
                     void (*release)(void *closure), GError **error)
{
    g_autofree char *uri = uri_make(settings, address, error);
    if (uri == NULL)
        return NULL;
    virConnectPtr handle = virConnectOpen(uri);
    if (handle == NULL) {
        open_fault(address, error);
        return NULL;
    }
    VirtConnection *c = g_new0(VirtConnection, 1);
    c->refs = 1;
    c->handle = handle;
    c->hook = hook_new(callbacks, closure, release);
    c->is_remote = !g_str_equal(settings->transport, "test");
    c->peer_uri = peer_uri_make(settings, uri);
    c->domain_callback = -1;
    if (!callbacks_register(c, settings, address, error)) {
        c->hook->release = NULL; /* a failed opening leaves the closure with the caller */
        virt_connection_unref(c);
        return NULL;
    }
    return c;
}

VirtConnection *
virt_connection_ref(VirtConnection *connection)
{
    g_atomic_int_inc(&connection->refs);
    return connection;
}

void
virt_connection_close(VirtConnection *connection)
{
    hook_silence(connection->hook);
}

/* Ends the connection. Closing is a remote call, and with libvirt 9.0.0 one that waits for a silent peer while the
 * loop's keepalive timer gives the peer up is a race. So first any call, which comes back only when the peer has just
 * answered or is known to be dead; then no keepalive any more; then the closing. */
static void
handle_end(VirtConnection *c)
{
    unsigned long version;
    if (c->is_remote && virConnectIsAlive(c->handle) == 1 && virConnectGetLibVersion(c->handle, &version) == 0)
        virConnectSetKeepAlive(c->handle, 0, 0);
    if (c->domain_callback >= 0)
        virConnectDomainEventDeregisterAny(c->handle, c->domain_callback);
    if (c->close_registered && !g_atomic_int_get(&c->hook->dead)) /* once called it is deregistered */
        virConnectUnregisterCloseCallback(c->handle, on_closed);
    virConnectClose(c->handle);
    hook_unref(c->hook);
    g_free(c->peer_uri);
    g_free(c);
}

static void *
closer(void *connection)
{
    handle_end(connection);
    pthread_mutex_lock(&closers_lock);
    closers--;
    pthread_cond_broadcast(&closers_done);
    pthread_mutex_unlock(&closers_lock);
    return NULL;
}

void
virt_connection_unref(VirtConnection *connection)
{
    if (connection == NULL || !g_atomic_int_dec_and_test(&connection->refs))
        return;
    hook_silence(connection->hook);
    pthread_t thread;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_mutex_lock(&closers_lock);
    closers++;
    pthread_mutex_unlock(&closers_lock);
    if (pthread_create(&thread, &attr, closer, connection) != 0)
        closer(connection); /* out of threads: rather late than never */
    pthread_attr_destroy(&attr);
}

bool
virt_connections_wait(unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until); /* the static condition's clock */
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int rc = 0;
    pthread_mutex_lock(&closers_lock);
    while (closers > 0 && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&closers_done, &closers_lock, &until);
    bool all = closers == 0;
    pthread_mutex_unlock(&closers_lock);
    return all;
}

bool
virt_connection_is_alive(VirtConnection *connection)
{
    return !g_atomic_int_get(&connection->hook->dead) && virConnectIsAlive(connection->handle) != 0;
}

virConnectPtr
virt_connection_handle(VirtConnection *connection)
{
    return connection->handle;
}

void
virt_fault(VirtConnection *connection, FaultCode code, const char *what, GError **error)
{
    /* Copied first: asking whether it is alive resets libvirt's last error. */
    g_autofree char *text = g_strdup(virGetLastErrorMessage());
    if (!virt_connection_is_alive(connection))
        code = FAULT_UNAVAILABLE;
    g_set_error(error, FAULT, (gint)code, "%s: %s", what, text);
}

bool
virt_watch_domains(VirtConnection *connection, GError **error)
{
    g_atomic_int_inc(&connection->hook->refs);
    connection->domain_callback =
        virConnectDomainEventRegisterAny(connection->handle, NULL, VIR_DOMAIN_EVENT_ID_LIFECYCLE,
                                         VIR_DOMAIN_EVENT_CALLBACK(on_domain), connection->hook, hook_unref);
    if (connection->domain_callback >= 0)
        return true;
    g_atomic_int_add(&connection->hook->refs, -1);
    virt_fault(connection, FAULT_FAILED, "cannot register for the host's events", error);
    return false;
}
