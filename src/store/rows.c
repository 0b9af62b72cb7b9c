#include "store/rows.h"

#include "trust/fault.h"

char *
row_text(const StoreResult *result, unsigned row, const char *column)
{
    return g_strdup(store_text(result, row, column));
}

GPtrArray *
rows_list(Store *store, GError **error, RowRead read, GDestroyNotify destroy, const char *sql, unsigned n,
          const char *const params[])
{
    g_autoptr(StoreResult) result = store_call_again(store, error, sql, n, params);
    if (result == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new_full(store_rows(result), destroy);
    for (unsigned i = 0; i < store_rows(result); i++)
        g_ptr_array_add(list, read(result, i));
    return list;
}

void *
rows_one(Store *store, GError **error, RowRead read, const char *what, const char *sql, const char *key)
{
    const char *params[] = {key};
    g_autoptr(StoreResult) result = store_call_again(store, error, sql, 1, params);
    if (result == NULL)
        return NULL;
    if (store_rows(result) > 0)
        return read(result, 0);
    g_set_error(error, FAULT, FAULT_NOT_FOUND, "There is no %s %s.", what, key);
    return NULL;
}

bool
rows_check_id(const char *what, const char *id, GError **error)
{
    if (g_uuid_string_is_valid(id))
        return true;
    g_set_error(error, FAULT, FAULT_NOT_FOUND, "There is no %s %s.", what, id);
    return false;
}

char *
rows_id(Store *store, GError **error, const char *sql, unsigned n, const char *const params[])
{
    g_autoptr(StoreResult) result = store_call(store, error, sql, n, params);
    return result != NULL ? row_text(result, 0, "id") : NULL;
}
