/*
 * server.h: the REST XML API over HTTPS (libmicrohttpd), shaped as oVirt 3.x clients expect it.
 *
 * A pool of 2 threads serves requests; what may take over 10 ms (actions, password hashing) suspends its connection and
 * is finished by a worker. Everything that arrives is bounded: 64 KiB a request, a deadline per request, a limit of
 * connections.
 */
#ifndef REST_SERVER_H
#define REST_SERVER_H

#include "manager/manager.h"

typedef struct RestServer RestServer;

typedef struct {
    const char *address;          /* IP */
    unsigned port;                /* 0: any */
    const char *certificate_file; /* PEM */
    const char *key_file;
    const char *schema_file; /* api.xsd, for ?schema; */
} RestSettings;

RestServer *rest_server_new(const RestSettings *settings, Manager *manager, GError **error);
unsigned rest_server_port(const RestServer *server);
void rest_server_free(RestServer *server); /* answers what waits with 503; takes NULL */

/* The first user: admin@internal with a random password, written to `path` (0600) when the database has no user. */
bool rest_first_user(Store *store, const char *path, GError **error);

#endif
