#include "rest/routes.h"

#define ACTION .is_action = true
#define BLOCKS .blocks = true

const Route rest_routes[] = {
    {"GET", "/", .serve = serve_root},

    {"GET", "/datacenters", .serve = serve_data_centers_list},
    {"POST", "/datacenters", .serve = serve_data_centers_add},
    {"GET", "/datacenters/{id}", .serve = serve_data_centers_get},
    {"DELETE", "/datacenters/{id}", .serve = serve_data_centers_remove},

    {"GET", "/clusters", .serve = serve_clusters_list},
    {"POST", "/clusters", .serve = serve_clusters_add},
    {"GET", "/clusters/{id}", .serve = serve_clusters_get},
    {"PUT", "/clusters/{id}", .serve = serve_clusters_update},
    {"DELETE", "/clusters/{id}", .serve = serve_clusters_remove},

    {"GET", "/hosts", .serve = serve_hosts_list},
    {"POST", "/hosts", .serve = serve_hosts_add},
    {"GET", "/hosts/{id}", .serve = serve_hosts_get},
    {"PUT", "/hosts/{id}", .serve = serve_hosts_update},
    {"DELETE", "/hosts/{id}", .serve = serve_hosts_remove},
    {"POST", "/hosts/{id}/activate", .begin = serve_hosts_activate, ACTION},
    {"POST", "/hosts/{id}/deactivate", .serve = serve_hosts_deactivate, ACTION},
    {"POST", "/hosts/{id}/fence", .serve = serve_hosts_fence, ACTION},
    {"POST", "/hosts/{id}/release_evacuation", .serve = serve_hosts_release_evacuation, ACTION},

    {"GET", "/vms", .serve = serve_vms_list},
    {"POST", "/vms", .serve = serve_vms_add},
    {"GET", "/vms/{id}", .serve = serve_vms_get},
    {"PUT", "/vms/{id}", .serve = serve_vms_update},
    {"DELETE", "/vms/{id}", .serve = serve_vms_remove},
    {"POST", "/vms/{id}/start", .serve = serve_vms_start, ACTION, BLOCKS},
    {"POST", "/vms/{id}/stop", .serve = serve_vms_stop, ACTION, BLOCKS},
    {"POST", "/vms/{id}/shutdown", .serve = serve_vms_shutdown, ACTION, BLOCKS},
    {"POST", "/vms/{id}/migrate", .serve = serve_vms_migrate, ACTION, BLOCKS},

    {"GET", "/templates", .serve = serve_templates_list},
    {"GET", "/templates/{id}", .serve = serve_templates_get},

    {"GET", "/evacuations", .serve = serve_evacuations_list},

    {"GET", "/events", .serve = serve_events_list},
    {"GET", "/events/{number}", .serve = serve_events_get},

    {.method = NULL},
};
