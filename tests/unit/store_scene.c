#include "store_scene.h"

#include <string.h>

void
scene_must(bool done, const GError *error)
{
    if (!done)
        ck_abort_msg("%s", error != NULL ? error->message : "no error is set");
}

StoreScene *
scene_new(bool is_trusted)
{
    g_autoptr(GError) error = NULL;
    StoreScene *scene = g_new0(StoreScene, 1);
    scene->conninfo = pg_fixture_database();
    scene->store = pg_fixture_store(scene->conninfo);
    g_autoptr(Cluster) standard = cluster_find(scene->store, "Default", &error);
    scene_must(standard != NULL, error);
    Cluster cluster = {.data_center_id = standard->data_center_id,
                       .name = (char *)"c1",
                       .version_major = 3,
                       .version_minor = 6,
                       .trusted_service = is_trusted,
                       .on_error = (char *)"migrate"};
    scene->cluster = cluster_add(scene->store, &cluster, &error);
    scene_must(scene->cluster != NULL, error);
    for (size_t i = 0; i < SCENE_HOSTS; i++) {
        g_autofree char *name = g_strdup_printf("h%zu", i + 1);
        g_autofree char *address = g_strdup_printf("h%zu.example", i + 1);
        Host host = {.cluster_id = scene->cluster, .name = name, .address = address, .comment = (char *)""};
        scene->hosts[i] = host_add(scene->store, &host, &error);
        scene_must(scene->hosts[i] != NULL, error);
    }
    return scene;
}

void
scene_free(StoreScene *scene)
{
    for (size_t i = 0; i < SCENE_HOSTS; i++)
        g_free(scene->hosts[i]);
    g_free(scene->cluster);
    store_free(scene->store);
    g_free(scene->conninfo);
    g_free(scene);
}

static void
connect_and_list(StoreScene *scene, size_t host, const char *vm)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *uuid = g_strdup_printf("00000000-0000-0000-0000-%012zu", host + 1);
    g_autoptr(HostConnected) connected =
        host_connected(scene->store, scene->hosts[host], uuid, 4096, 4, "pc-i440fx-7.2", &error);
    scene_must(connected != NULL, error);
    ck_assert(!connected->identity_refused);
    scene->generation[host] = connected->generation;
    g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify)listed_domain_free);
    if (vm != NULL) {
        ListedDomain *domain = g_new0(ListedDomain, 1);
        domain->uuid = g_strdup(vm);
        domain->name = g_strdup("vm");
        domain->state = "running";
        g_ptr_array_add(domains, domain);
    }
    scene_must(vm_domains_listed(scene->store, scene->hosts[host], connected->generation, domains, &error), error);
}

void
scene_connect(StoreScene *scene, size_t host)
{
    connect_and_list(scene, host, NULL);
}

void
scene_connect_running(StoreScene *scene, size_t host, const char *vm)
{
    connect_and_list(scene, host, vm);
}

bool
scene_answer(StoreScene *scene, size_t host, const char *outcome, const char *reason)
{
    g_autoptr(GError) error = NULL;
    const char *const hosts[] = {scene->hosts[host]};
    int64_t question = 0, asked_at_ms = 0;
    scene_must(verdicts_begin(scene->store, hosts, 1, &question, &asked_at_ms, &error), error);
    StoreVerdict verdict = {.host = scene->hosts[host],
                            .outcome = outcome,
                            .reason = reason,
                            .detail = "",
                            .valid_until_ms = strcmp(outcome, "trusted") == 0 ? asked_at_ms + 3600000 : 0};
    StoreRecorded recorded;
    scene_must(verdicts_record(scene->store, question, asked_at_ms, &verdict, 1, &recorded, &error), error);
    return recorded.accepted;
}

void
scene_bring_up(StoreScene *scene, size_t host)
{
    g_autoptr(GError) error = NULL;
    HostActivated *activated = host_activate(scene->store, scene->hosts[host], "admin@internal", &error);
    scene_must(activated != NULL, error);
    bool is_trusted = activated->cluster_trusted;
    host_activated_free(activated);
    scene_connect(scene, host);
    if (is_trusted)
        ck_assert(scene_answer(scene, host, "trusted", ""));
    scene_assert_status(scene, host, "up", "");
}

Host *
scene_host(StoreScene *scene, size_t host)
{
    g_autoptr(GError) error = NULL;
    Host *found = host_get(scene->store, scene->hosts[host], &error);
    scene_must(found != NULL, error);
    return found;
}

void
scene_assert_status(StoreScene *scene, size_t host, const char *status, const char *reason)
{
    g_autoptr(Host) found = scene_host(scene, host);
    ck_assert_str_eq(found->status, status);
    ck_assert_str_eq(found->reason, reason);
}

char *
scene_vm(StoreScene *scene, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    vm->name = g_strdup(name);
    vm->cluster_id = g_strdup(scene->cluster);
    VmDisk *disk = vm_disk_new();
    disk->source = g_strdup("nbd://127.0.0.1:10809/disk");
    disk->bootable = true;
    g_ptr_array_add(vm->disks, disk);
    VmNic *nic = vm_nic_new();
    nic->network = g_strdup("default");
    g_ptr_array_add(vm->nics, nic);
    char *id = vm_add(scene->store, vm, &error);
    scene_must(id != NULL, error);
    return id;
}

void
scene_run_vm(StoreScene *scene, const char *vm, size_t host)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *operation = g_uuid_string_random();
    scene_must(vm_place(scene->store, operation, PLACE_START, vm, scene->hosts[host], scene->generation[host], false,
                        NULL, &error),
               error);
    scene_must(operation_end(scene->store, operation, true, "", &error), error);
}

Vm *
scene_get_vm(StoreScene *scene, const char *vm)
{
    g_autoptr(GError) error = NULL;
    Vm *found = vm_get(scene->store, vm, &error);
    scene_must(found != NULL, error);
    return found;
}
