/* expiry.h: ends the life of verdicts, when the database's clock says so. */
#ifndef MANAGER_EXPIRY_H
#define MANAGER_EXPIRY_H

#include "store/store.h"

typedef struct Expiry Expiry;

Expiry *expiry_new(Store *store, GError **error);
void expiry_free(Expiry *expiry); /* joins the thread; takes NULL */

#endif
