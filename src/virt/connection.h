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
    unsigned keepalive_interval; /* s; 0: no keepalive */
    unsigned keepalive_count;
    unsigned port; /* 0: the transport's own (16514 for tls, 22 for ssh) */
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
/* The database's word for it: started … arrived. Static. */
const char *virt_domain_event_word(VirtDomainEvent event);

/* Both are called on the event loop's thread (a test connection's domain events too) and must not block, nor call
 * libvirt or virt_connection_close. `closed` at most once. None is called after virt_connection_close returned. */
typedef struct {
    void (*closed)(void *closure, const char *why);
    void (*domain)(void *closure, const char *uuid, const char *name, VirtDomainEvent event);
} VirtCallbacks;

typedef struct {
    char *uuid; /* of the host, from its capabilities; NULL: it has none (test driver) */
    int64_t memory_mib;
    int cpus;
    char *machine; /* what the machine type `pc` stands for there, such as pc-i440fx-7.2; "": not told */
} VirtHostInfo;
void virt_host_info_clear(VirtHostInfo *info);

typedef struct {
    char *uuid;
    char *name;
    const char *state; /* running, paused, shutoff: static */
} VirtDomain;
void virt_domain_free(VirtDomain *domain);

/* Is this an address that may stand in a URI: a DNS name, IPv4, or IPv6 literal? FAULT_INVALID. */
bool virt_address_is_valid(const char *address, GError **error);

/* Blocks. Errors: FAULT_UNAVAILABLE; FAULT_DENIED when the host's certificate does not match its address or is not of
 * the configured CA (rule IDENTITY); FAULT_INVALID for the address or the transport. `closure` must live until
 * `release` is called with it, once, after which no callback comes any more: by virt_connection_close, or by the last
 * unref. When opening fails `release` is not called. Returns one reference. */
VirtConnection *virt_connection_open(const VirtSettings *settings, const char *address, const VirtCallbacks *callbacks,
                                     void *closure, void (*release)(void *closure), GError **error);
VirtConnection *virt_connection_ref(VirtConnection *connection);
/* Takes NULL; with the last reference the connection ends, on a thread of its own: libvirt's closing waits for an
 * answer, which a silent peer gives only by its keepalive running out. Does not block. Any thread. */
void virt_connection_unref(VirtConnection *connection);
/* No callback comes after this, and `release` has been called. The caller keeps its reference; calls under way on other
 * threads finish or fail, and the connection ends when they have given up theirs. Does not block, but for a callback
 * under way. Any thread but the loop's; again is harmless. */
void virt_connection_close(VirtConnection *connection);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VirtConnection, virt_connection_unref)
/* Waits until all connections that were given up have ended; false when some had not within `ms` (they are left
 * behind). Before virt_loop_stop. */
bool virt_connections_wait(unsigned ms);

/* Turns on the kernel's keepalive on this process's connections to `port` (0: libvirt's TLS port). libvirt has none
 * while it opens, so an opening whose host lost power would hang for ever; with it, it ends 30 s later. A host that is
 * frozen but has a living kernel still holds its opening. */
void virt_sockets_keepalive(unsigned port);

/* false: it is known to be broken. A silent peer is noticed by keepalive only. Does not block. */
bool virt_connection_is_alive(VirtConnection *connection);

/* The following block. FAULT_UNAVAILABLE when the connection broke, else FAULT_FAILED. */
bool virt_host_info(VirtConnection *connection, VirtHostInfo *info, GError **error);
/* Registers for lifecycle events; must be called before virt_domains, so that nothing falls between the two. */
bool virt_watch_domains(VirtConnection *connection, GError **error);
GPtrArray *virt_domains(VirtConnection *connection, GError **error); /* active ones; of VirtDomain */

#endif
