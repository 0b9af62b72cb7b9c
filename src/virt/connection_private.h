/* connection_private.h: what actions.c may know of a connection. */
#ifndef VIRT_CONNECTION_PRIVATE_H
#define VIRT_CONNECTION_PRIVATE_H

#include "trust/fault.h"
#include "virt/connection.h"
#include <libvirt/libvirt.h>

/* libvirt's handle; it lives as long as the caller's reference to the connection. */
virConnectPtr virt_connection_handle(VirtConnection *connection);
/* How another host reaches this one; belongs to the connection; NULL: it cannot, by this transport. */
const char *virt_connection_peer_uri(const VirtConnection *connection);
/* libvirt's last error on this thread as "WHAT: TEXT"; FAULT_UNAVAILABLE when the connection is broken, else `code`. */
void virt_fault(VirtConnection *connection, FaultCode code, const char *what, GError **error);

#endif
