/* presence.h: is a VM on a host, and does it run there? */
#ifndef VIRT_PRESENCE_H
#define VIRT_PRESENCE_H

/* How a host has a domain. One that arrives by a migration is paused until it runs there and nowhere else. */
typedef enum { VIRT_UNKNOWN, VIRT_ABSENT, VIRT_PAUSED, VIRT_RUNNING } VirtPresence;

/* By libvirt's virDomainState. Only what certainly runs is running: on that word a VM that may be on two hosts is taken
 * to have arrived, and the copy of a broken migration is "shutting down" for a moment before it is gone. */
VirtPresence virt_state_presence(int state);

#endif
