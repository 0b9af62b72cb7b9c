/* operation.h: the begin and the end of an operation, whatever becomes of the database meanwhile. */
#ifndef MANAGER_OPERATION_H
#define MANAGER_OPERATION_H

#include "store/vms.h"

/* operation_end, tried again every second for 30 s while the database cannot be reached. When it still fails, that is
 * logged, and the operation stays open until its hosts list their domains again. Worker threads only. */
void operation_finish(Store *store, const char *operation, bool done, const char *detail);

/* vm_place. When its answer was lost and the operation may have begun, it is ended as failed. */
bool operation_place(Store *store, const char *operation, PlaceKind kind, const char *vm, const char *host,
                     int64_t generation, bool evacuation, char **source, GError **error);

#endif
