/* actions.h: start, stop and migrate a domain. Every call blocks: worker threads only. */
#ifndef VIRT_ACTIONS_H
#define VIRT_ACTIONS_H

#include "trust/converge.h"
#include "virt/connection.h"
#include "virt/presence.h"

/* A transient domain (hosts keep no definition). FAULT_REFUSED with libvirt's text when the host cannot;
 * FAULT_UNAVAILABLE when the connection broke (what became of it is not known). */
bool virt_start(VirtConnection *connection, const char *xml, GError **error);
/* Destroys, or asks the guest to shut down. A domain that is not there is FAULT_NOT_FOUND. */
bool virt_stop(VirtConnection *connection, const char *uuid, bool gracefully, GError **error);

/* VIRT_UNKNOWN with an error when the host cannot say. */
VirtPresence virt_presence(VirtConnection *connection, const char *uuid, GError **error);

typedef struct {
    const char *uuid;
    const char *target_xml;   /* the manager's definition (rule HOSTILE) */
    unsigned deadline_s;      /* then the job is aborted; the VM stays where it is */
    unsigned bandwidth_mib_s; /* 0: libvirt's default */
    bool auto_converge;       /* QEMU slows the guest's processors down while it changes too much memory */
    bool post_copy;           /* it may be turned into post-copy later */
    bool peer_to_peer; /* the source's libvirtd drives it, with its own credentials for the target's (rule HOSTILE) */
    /* What libvirt says of the job, about once a second, `elapsed_ms` after the call began; NULL: nobody asks. What it
     * returns is done: the bandwidth (MiB/s) set, post-copy begun, the job aborted. On a thread of virt_migrate's,
     * which meanwhile watches over nothing else: it must not block. */
    ConvergeStep (*look)(void *closure, int64_t elapsed_ms, const ConvergeSample *sample, unsigned *bandwidth_mib_s);
    void *closure;
} VirtMigration;

/* Direct (unless peer_to_peer), live, encrypted (VIR_MIGRATE_LIVE | VIR_MIGRATE_TLS), by the manager as the client of
 * both. `look` can abort it (CONVERGE_THROTTLE with FAULT_FAILED, CONVERGE_GIVE_UP as at the deadline), though not
 * after post-copy has begun. FAULT_REFUSED: this VM cannot migrate at all (no target will do; libvirt codes 55, 81 …);
 * FAULT_DEADLINE: aborted at the deadline; FAULT_UNAVAILABLE: a connection broke; FAULT_FAILED: this target or attempt
 * failed. In all of these the VM runs at the source as far as libvirt knows; after FAULT_UNAVAILABLE the caller must
 * look. FAULT_NOT_FOUND: the domain is not at the source. `*cancel` set to true by another thread (g_atomic_int_set)
 * aborts with FAULT_FAILED (looked at every 250 ms); may be NULL. A source or target that falls silent ends the call by
 * its keepalive. */
bool virt_migrate(VirtConnection *source, VirtConnection *target, const VirtMigration *migration,
                  const volatile int *cancel, GError **error);

#endif
