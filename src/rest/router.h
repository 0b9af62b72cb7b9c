/* router.h: which function serves a method and a path. Pure. */
#ifndef REST_ROUTER_H
#define REST_ROUTER_H

#include "rest/call.h"

typedef struct {
    const char *method;
    const char *path; /* below the root: "/hosts/{id}/activate"; {id} is a UUID, {number} decimal digits */
    /* Writes its answer into the call. On an error the call answers with the fault. */
    bool (*serve)(RestCall *call, GError **error);
    /* Instead of serve: answers later with rest_call_finish(), which frees the call. */
    void (*begin)(RestCall *call);
    bool is_action; /* an error is answered as a failed <action> */
    bool blocks;    /* for up to a minute: goes to the pool for such */
} Route;

/* Splits off one of the roots /api, /ovirt-engine/api, /ovirt-engine/api/v3; NULL when it is none. *rest begins with
 * '/' or is "". The result is static. */
const char *router_root(const char *path, const char **rest);

typedef enum { ROUTER_FOUND, ROUTER_NO_PATH, ROUTER_NO_METHOD } RouterAnswer;

/* Finds the route in a table that ends with a NULL method; *id gets what stands at {id} or {number} (g_free), or NULL.
 */
RouterAnswer router_find(const Route routes[], const char *method, const char *path, const Route **route, char **id);

#endif
