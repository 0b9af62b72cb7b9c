#ifndef STORE_DATA_CENTERS_H
#define STORE_DATA_CENTERS_H

#include "store/store.h"

typedef struct {
    char *id;
    char *name;
    char *description;
} DataCenter;

void data_center_free(DataCenter *data_center);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DataCenter, data_center_free)

/* All by name; elements DataCenter, freed with the array. */
GPtrArray *data_centers_list(Store *store, GError **error);
DataCenter *data_center_get(Store *store, const char *id, GError **error); /* FAULT_NOT_FOUND */
/* By name; NULL with FAULT_NOT_FOUND. A name in double quotes is also looked up without them (oVirt's usual example has
 * them). */
DataCenter *data_center_find(Store *store, const char *name, GError **error);
char *data_center_add(Store *store, const DataCenter *data_center, GError **error); /* the new id */
bool data_center_remove(Store *store, const char *id, GError **error);

#endif
