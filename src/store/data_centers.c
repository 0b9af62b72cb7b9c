#include "store/data_centers.h"

#include "store/rows.h"

static void *
data_center_read(const StoreResult *result, unsigned row)
{
    DataCenter *data_center = g_new0(DataCenter, 1);
    data_center->id = row_text(result, row, "id");
    data_center->name = row_text(result, row, "name");
    data_center->description = row_text(result, row, "description");
    return data_center;
}

void
data_center_free(DataCenter *data_center)
{
    if (data_center == NULL)
        return;
    g_free(data_center->id);
    g_free(data_center->name);
    g_free(data_center->description);
    g_free(data_center);
}

GPtrArray *
data_centers_list(Store *store, GError **error)
{
    return rows_list(store, error, data_center_read, (GDestroyNotify)data_center_free,
                     "select id, name, description from data_centers order by name, id", 0, NULL);
}

DataCenter *
data_center_get(Store *store, const char *id, GError **error)
{
    if (!rows_check_id("data center", id, error))
        return NULL;
    return rows_one(store, error, data_center_read, "data center",
                    "select id, name, description from data_centers where id = $1", id);
}

DataCenter *
data_center_find(Store *store, const char *name, GError **error)
{
    return rows_one(store, error, data_center_read, "data center",
                    "select id, name, description from data_centers where name in ($1, btrim($1, '\"'))"
                    " order by (name = $1) desc limit 1",
                    name);
}

char *
data_center_add(Store *store, const DataCenter *data_center, GError **error)
{
    const char *params[] = {data_center->name, data_center->description};
    return rows_id(store, error, "select data_center_add($1, $2) as id", 2, params);
}

bool
data_center_remove(Store *store, const char *id, GError **error)
{
    const char *params[] = {id};
    return rows_check_id("data center", id, error) &&
           store_run(store, error, "select data_center_remove($1)", 1, params);
}
