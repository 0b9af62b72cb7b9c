#include "virt/presence.h"
#include <libvirt/libvirt.h>

VirtPresence
virt_state_presence(int state)
{
    switch (state) {
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
        return VIRT_RUNNING;
    case VIR_DOMAIN_SHUTOFF:
    case VIR_DOMAIN_CRASHED:
        return VIRT_ABSENT;
    default: /* paused; or no state yet; or shutting down, as the half-made copy of a broken migration is */
        return VIRT_PAUSED;
    }
}
