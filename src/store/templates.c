#include "store/templates.h"
#include "trust/fault.h"

void
template_free(Template *template)
{
    if (template == NULL)
        return;
    g_free(template->id);
    g_free(template->cluster_id);
    g_free(template->name);
    g_free(template->description);
    g_free(template);
}

static Template *
read_row(const StoreResult *result, unsigned row)
{
    Template *template = g_new0(Template, 1);
    template->id = g_strdup(store_text(result, row, "id"));
    template->cluster_id = g_strdup(store_text(result, row, "cluster_id"));
    template->name = g_strdup(store_text(result, row, "name"));
    template->description = g_strdup(store_text(result, row, "description"));
    template->trusted_service = store_bool(result, row, "trusted_service");
    return template;
}

GPtrArray *
templates_list(Store *store, GError **error)
{
    g_autoptr(StoreResult) result =
        store_call(store, error,
                   "select id, cluster_id, name, description, trusted_service from vm_templates order by name", 0,
                   NULL);
    if (result == NULL)
        return NULL;
    GPtrArray *templates = g_ptr_array_new_with_free_func((GDestroyNotify)template_free);
    for (unsigned row = 0; row < store_rows(result); row++)
        g_ptr_array_add(templates, read_row(result, row));
    return templates;
}

static Template *
one(StoreResult *result, const char *which, GError **error)
{
    g_autoptr(StoreResult) rows = result;
    if (rows == NULL)
        return NULL;
    if (store_rows(rows) == 1)
        return read_row(rows, 0);
    g_set_error(error, FAULT, FAULT_NOT_FOUND, "there is no template %s", which);
    return NULL;
}

Template *
template_get(Store *store, const char *id, GError **error)
{
    const char *const params[] = {id};
    return one(store_call(store, error,
                          "select id, cluster_id, name, description, trusted_service from vm_templates where id = $1",
                          1, params),
               id, error);
}

Template *
template_find(Store *store, const char *name, GError **error)
{
    const char *const params[] = {name};
    return one(store_call(store, error,
                          "select id, cluster_id, name, description, trusted_service from vm_templates where name = $1",
                          1, params),
               name, error);
}
