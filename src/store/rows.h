/* rows.h: from the rows of a result to structs. Inside store/ only. */
#ifndef STORE_ROWS_H
#define STORE_ROWS_H

#include "store/store.h"

/* Makes a struct of a row. */
typedef void *(*RowRead)(const StoreResult *result, unsigned row);

/* A copy of a field; NULL for SQL's null. */
char *row_text(const StoreResult *result, unsigned row, const char *column);

/* All rows of a read; elements are freed with the array. */
GPtrArray *rows_list(Store *store, GError **error, RowRead read, GDestroyNotify destroy, const char *sql, unsigned n,
                     const char *const params[]);
/* The first row of a read whose $1 is `key`; FAULT_NOT_FOUND names what there is not: "There is no host KEY." */
void *rows_one(Store *store, GError **error, RowRead read, const char *what, const char *sql, const char *key);
/* Is it a UUID? Otherwise FAULT_NOT_FOUND as above. */
bool rows_check_id(const char *what, const char *id, GError **error);
/* Calls a function whose one row has the column `id`; a copy. Not repeated. */
char *rows_id(Store *store, GError **error, const char *sql, unsigned n, const char *const params[]);

#endif
