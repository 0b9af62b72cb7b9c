/* resolve.h: which resource a reference in a document means. By id, by name, or by the name without its quotes. */
#ifndef REST_RESOLVE_H
#define REST_RESOLVE_H

#include "rest/document.h"
#include "store/store.h"

/* The id (g_free). What is not there is FAULT_INVALID, naming element and line. */
char *resolve_data_center(Store *store, const Reference *reference, GError **error);
char *resolve_cluster(Store *store, const Reference *reference, GError **error);
char *resolve_host(Store *store, const Reference *reference, GError **error);
char *resolve_template(Store *store, const Reference *reference, GError **error);

#endif
