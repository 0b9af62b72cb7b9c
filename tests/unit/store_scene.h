/* store_scene.h: a database with a cluster and hosts, for the tests of store/. Whatever fails fails the test. */
#ifndef TESTS_UNIT_STORE_SCENE_H
#define TESTS_UNIT_STORE_SCENE_H

#include "pg_fixture.h"

#include "store/clusters.h"
#include "store/hosts.h"
#include "store/verdicts.h"
#include "store/vms.h"

#define SCENE_HOSTS 3

typedef struct {
    char *conninfo;
    Store *store;
    char *cluster;                   /* id of cluster c1 */
    char *hosts[SCENE_HOSTS];        /* ids of h1, h2, h3; of 4096 MiB and 4 CPUs */
    int64_t generation[SCENE_HOSTS]; /* of their connections */
} StoreScene;

/* Hosts are in maintenance. */
StoreScene *scene_new(bool is_trusted);
void scene_free(StoreScene *scene);

/* Asserts that the call that set `error` succeeded. */
void scene_must(bool done, const GError *error);
/* Connects a host and lists that it has no domains. */
void scene_connect(StoreScene *scene, size_t host);
/* The same, but it runs this VM. */
void scene_connect_running(StoreScene *scene, size_t host, const char *vm);
/* Asks about one host and records the answer; returns whether it was accepted. */
bool scene_answer(StoreScene *scene, size_t host, const char *outcome, const char *reason);
/* Activates, connects, and, in a trusted cluster, answers `trusted`. */
void scene_bring_up(StoreScene *scene, size_t host);
Host *scene_host(StoreScene *scene, size_t host);
void scene_assert_status(StoreScene *scene, size_t host, const char *status, const char *reason);

/* Adds a VM of 1024 MiB with one disk and one NIC; its id. */
char *scene_vm(StoreScene *scene, const char *name);
/* Starts it on a host: placed, and ended as done. */
void scene_run_vm(StoreScene *scene, const char *vm, size_t host);
Vm *scene_get_vm(StoreScene *scene, const char *vm);

#endif
