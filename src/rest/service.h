/*
 * service.h: a table of routes served over HTTPS, with authentication and workers. It knows no resource: tests give it
 * routes of their own.
 *
 * A request goes: arrival (http.c) -> known credentials? else the password pool (scrypt) -> its route's pool -> answer.
 * Each pool has a bounded queue; when it is full the client gets 503 at once. Threads: `password` 2, so that a flood of
 * wrong passwords cannot take both the machine and the others' turn; `requests` 4; `actions` 8, for what blocks up to a
 * minute.
 */
#ifndef REST_SERVICE_H
#define REST_SERVICE_H

#include "rest/auth.h"
#include "rest/http.h"
#include "rest/router.h"

typedef struct Service Service;

typedef struct {
    HttpSettings http;
    const Route *routes;
    Manager *manager; /* given to the calls; may be NULL, as may store */
    Store *store;
    const char *schema_file; /* NULL: none */
    AuthLookup lookup;
    void *lookup_closure;
} ServiceSettings;

/* Strings are borrowed for the time of the call, but for schema_file, which is copied. */
Service *service_new(const ServiceSettings *settings, GError **error);
unsigned service_port(const Service *service);
/* What runs is waited for, what waits is answered with 503. Takes NULL. */
void service_free(Service *service);

#endif
