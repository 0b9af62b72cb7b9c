/* vm_json.h: the definition of a VM between its struct and the jsonb that the schema's functions take. Pure functions.
 * Inside store/ only. */
#ifndef STORE_VM_JSON_H
#define STORE_VM_JSON_H

#include "store/vms.h"

/* The definition as text; g_free it. FAULT_INVALID when a text is not UTF-8. */
char *vm_json_format(const Vm *vm, GError **error);
/* The devices of a row: arrays of objects, NULL: none. FAULT_FAILED when they are not what the view makes. */
bool vm_json_parse_disks(const char *text, GPtrArray *disks, GError **error);
bool vm_json_parse_nics(const char *text, GPtrArray *nics, GError **error);
/* [{uuid, name, state}] of ListedDomain elements; g_free it. */
char *vm_json_format_domains(const GPtrArray *domains, GError **error);

#endif
