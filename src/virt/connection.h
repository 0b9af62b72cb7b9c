/*
 * connection.h: one connection to a host's libvirtd.
 *
 * The address is a DNS name or an IP; the URI is made here from the configured transport, never taken from a request: a
 * URI can run commands. Opening blocks without a timeout (a frozen libvirtd accepts and stays silent), so it is called
 * on opener threads only.
 */
#ifndef VIRT_CONNECTION_H
#define VIRT_CONNECTION_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct VirtConnection VirtConnection;

typedef struct {
    const char *transport;       /* tls (default), ssh, unix, or test (tests only: test:///ADDRESS) */
    const char *pki_dir;         /* cacert.pem, clientcert.pem, clientkey.pem; "" is libvirt's default place */
    unsigned keepalive_interval; /* s */
    unsigned keepalive_count;
} VirtSettings;

typedef enum {
    VIRT_DOMAIN_STARTED,
    VIRT_DOMAIN_RESUMED,
    VIRT_DOMAIN_SUSPENDED,
    VIRT_DOMAIN_STOPPED,
    VIRT_DOMAIN_CRASHED,
    VIRT_DOMAIN_MIGRATED_AWAY,
    VIRT_DOMAIN_ARRIVED
} VirtDomainEvent;

/* Both are called on the event loop's thread and must not block, nor call libvirt. `closed` at most once; not after
 * virt_connection_close. */
typedef struct {
    void (*closed)(void *closure, const char *why);
    void (*domain)(void *closure, const char *uuid, const char *name, VirtDomainEvent event);
} VirtCallbacks;

typedef struct {
    char *uuid; /* of the host, from its capabilities; NULL: it has none (test driver) */
    int64_t memory_mib;
    int cpus;
} VirtHostInfo;
void virt_host_info_clear(VirtHostInfo *info);

typedef struct {
    char *uuid;
    char *name;
    const char *state; /* running, paused, shutoff: static */
} VirtDomain;
void virt_domain_free(VirtDomain *domain);

/* Is this an address that may stand in a URI: a DNS name, IPv4, or IPv6 literal? */
bool virt_address_is_valid(const char *address, GError **error);

/* Blocks. Errors: FAULT_UNAVAILABLE; FAULT_DENIED when the host's certificate does not match its address or is not of
 * the configured CA (rule IDENTITY). `closure` must live until `release` is called with it, once, after which no
 * callback comes any more. Returns one reference. */
VirtConnection *virt_connection_open(const VirtSettings *settings, const char *address, const VirtCallbacks *callbacks,
                                     void *closure, void (*release)(void *closure), GError **error);
VirtConnection *virt_connection_ref(VirtConnection *connection);
void virt_connection_unref(VirtConnection *connection); /* takes NULL; closes with the last one */
/* Deregisters the callbacks and gives up the connection; calls under way on other threads fail or finish. Any thread
 * but the loop's. May block. */
void virt_connection_close(VirtConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VirtConnection, virt_connection_unref)

bool virt_host_info(VirtConnection *connection, VirtHostInfo *info, GError **error);
/* Registers for lifecycle events; must be called before virt_domains, so that nothing falls between the two. */
bool virt_watch_domains(VirtConnection *connection, GError **error);
GPtrArray *virt_domains(VirtConnection *connection, GError **error); /* active ones; of VirtDomain */

#endif
