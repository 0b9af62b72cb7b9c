/* routes.h: what the REST API serves: one table, and the functions in it, a file (serve_*.c) per resource. */
#ifndef REST_ROUTES_H
#define REST_ROUTES_H

#include "rest/router.h"

extern const Route rest_routes[];

bool serve_root(RestCall *call, GError **error);

bool serve_data_centers_list(RestCall *call, GError **error);
bool serve_data_centers_get(RestCall *call, GError **error);
bool serve_data_centers_add(RestCall *call, GError **error);
bool serve_data_centers_remove(RestCall *call, GError **error);

bool serve_clusters_list(RestCall *call, GError **error);
bool serve_clusters_get(RestCall *call, GError **error);
bool serve_clusters_add(RestCall *call, GError **error);
bool serve_clusters_update(RestCall *call, GError **error);
bool serve_clusters_remove(RestCall *call, GError **error);

bool serve_hosts_list(RestCall *call, GError **error);
bool serve_hosts_get(RestCall *call, GError **error);
bool serve_hosts_add(RestCall *call, GError **error);
bool serve_hosts_update(RestCall *call, GError **error);
bool serve_hosts_remove(RestCall *call, GError **error);
void serve_hosts_activate(RestCall *call);
bool serve_hosts_deactivate(RestCall *call, GError **error);
bool serve_hosts_fence(RestCall *call, GError **error);
bool serve_hosts_release_evacuation(RestCall *call, GError **error);

bool serve_vms_list(RestCall *call, GError **error);
bool serve_vms_get(RestCall *call, GError **error);
bool serve_vms_add(RestCall *call, GError **error);
bool serve_vms_update(RestCall *call, GError **error);
bool serve_vms_remove(RestCall *call, GError **error);
bool serve_vms_start(RestCall *call, GError **error);
bool serve_vms_stop(RestCall *call, GError **error);
bool serve_vms_shutdown(RestCall *call, GError **error);
bool serve_vms_migrate(RestCall *call, GError **error);

bool serve_templates_list(RestCall *call, GError **error);
bool serve_templates_get(RestCall *call, GError **error);

bool serve_evacuations_list(RestCall *call, GError **error);

bool serve_events_list(RestCall *call, GError **error);
bool serve_events_get(RestCall *call, GError **error);

#endif
