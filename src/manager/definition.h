/* definition.h: the manager's own definition of a VM, as libvirt's XML (rule HOSTILE). */
#ifndef MANAGER_DEFINITION_H
#define MANAGER_DEFINITION_H

#include "manager/configuration.h"
#include "store/vms.h"

/* The same for the start and for each migration of one run: machine and CPU type are those that the placement noted.
 * g_free. */
char *vm_definition_xml(const Config *config, const Vm *vm, GError **error);

#endif
