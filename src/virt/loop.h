/* loop.h: libvirt's event loop, on a thread of its own. It only turns events into calls of the registered callbacks,
 * which must not block. */
#ifndef VIRT_LOOP_H
#define VIRT_LOOP_H

#include <glib.h>
#include <stdbool.h>

/* Registers libvirt's default implementation, initialises libvirt, silences its logging to stderr (errors are
 * returned), starts the thread. Once, before the first connection, while the process has one thread. */
bool virt_loop_start(GError **error);
void virt_loop_stop(void); /* after the last connection is closed; joins */

#endif
