#include "rest/resolve.h"
#include "store/clusters.h"
#include "store/data_centers.h"
#include "store/hosts.h"
#include "store/templates.h"
#include "trust/fault.h"

typedef char *(*Lookup)(Store *store, const char *what, bool is_id, GError **error);

static char *
look_up_data_center(Store *store, const char *what, bool is_id, GError **error)
{
    g_autoptr(DataCenter) found = is_id ? data_center_get(store, what, error) : data_center_find(store, what, error);
    return found != NULL ? g_strdup(found->id) : NULL;
}

static char *
look_up_cluster(Store *store, const char *what, bool is_id, GError **error)
{
    g_autoptr(Cluster) found = is_id ? cluster_get(store, what, error) : cluster_find(store, what, error);
    return found != NULL ? g_strdup(found->id) : NULL;
}

static char *
look_up_host(Store *store, const char *what, bool is_id, GError **error)
{
    g_autoptr(Host) found = is_id ? host_get(store, what, error) : host_find(store, what, error);
    return found != NULL ? g_strdup(found->id) : NULL;
}

static char *
look_up_template(Store *store, const char *what, bool is_id, GError **error)
{
    g_autoptr(Template) found = is_id ? template_get(store, what, error) : template_find(store, what, error);
    return found != NULL ? g_strdup(found->id) : NULL;
}

/* NULL without an error: there is none. */
static char *
try(Store *store, Lookup look_up, const char *what, bool is_id, GError **error)
{
    g_autoptr(GError) local = NULL;
    char *id = look_up(store, what, is_id, &local);
    if (id == NULL && !g_error_matches(local, FAULT, FAULT_NOT_FOUND))
        g_propagate_error(error, g_steal_pointer(&local));
    return id;
}

static char *
resolve(Store *store, Lookup look_up, const Reference *reference, const char *element, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autofree char *unquoted = reference_unquoted(reference);
    char *id = reference->id != NULL ? try(store, look_up, reference->id, true, &local)
                                     : try(store, look_up, reference->name, false, &local);
    if (id == NULL && local == NULL && reference->id == NULL && unquoted != NULL)
        id = try(store, look_up, unquoted, false, &local);
    if (local != NULL)
        g_propagate_error(error, g_steal_pointer(&local));
    else if (id == NULL)
        g_set_error(error, FAULT, FAULT_INVALID, "element <%s> in line %ld: there is no such one as %s", element,
                    reference->line, reference->id != NULL ? reference->id : reference->name);
    return id;
}

char *
resolve_data_center(Store *store, const Reference *reference, GError **error)
{
    return resolve(store, look_up_data_center, reference, "data_center", error);
}

char *
resolve_cluster(Store *store, const Reference *reference, GError **error)
{
    return resolve(store, look_up_cluster, reference, "cluster", error);
}

char *
resolve_host(Store *store, const Reference *reference, GError **error)
{
    return resolve(store, look_up_host, reference, "host", error);
}

char *
resolve_template(Store *store, const Reference *reference, GError **error)
{
    return resolve(store, look_up_template, reference, "template", error);
}
