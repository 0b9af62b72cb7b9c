#include "store_scene.h"

#include "store/events.h"
#include "trust/fault.h"

#include <string.h>

static void
assert_refused(const GError *error, FaultCode code, const char *text)
{
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(error->domain == FAULT && error->code == (gint)code, "code %d: %s", error->code, error->message);
    ck_assert_msg(strstr(error->message, text) != NULL, "%s", error->message);
}

static void
assert_vm(StoreScene *scene, const char *id, const char *status, const char *host)
{
    g_autoptr(Vm) vm = scene_get_vm(scene, id);
    ck_assert_str_eq(vm->status, status);
    ck_assert_msg(g_strcmp0(vm->host_id, host) == 0, "it is on %s", vm->host_id);
}

static void
assert_nic_as_written(const Vm *got)
{
    ck_assert_uint_eq(got->nics->len, 1);
    const VmNic *only = g_ptr_array_index(got->nics, 0);
    ck_assert_str_eq(only->network, "default");
    ck_assert_str_eq(only->mac, "52:54:00:0a:0b:0c");
    ck_assert_str_eq(only->model, "e1000");
}

START_TEST(definition_is_read_as_it_was_written)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    vm->name = g_strdup("vm \"1\" \\ Zürich");
    vm->cluster_id = g_strdup(scene->cluster);
    vm->template_id = g_strdup("00000000-0000-0000-0000-000000000000");
    g_free(vm->description);
    vm->description = g_strdup("first\nsecond");
    vm->memory_mib = 2048;
    vm->cpus = 3;
    vm->priority = 50;
    g_free(vm->affinity);
    vm->affinity = g_strdup("pinned");
    vm->pinned_host_id = g_strdup(scene->hosts[1]);
    vm->trusted_host_flag = true;
    VmDisk *disk = vm_disk_new();
    disk->source = g_strdup("/var/lib/images/a.qcow2");
    disk->format = g_strdup("qcow2");
    disk->bus = g_strdup("sata");
    disk->readonly = true;
    g_ptr_array_add(vm->disks, disk);
    disk = vm_disk_new();
    disk->source = g_strdup("nbd://h:10809/b");
    disk->bootable = true;
    g_ptr_array_add(vm->disks, disk);
    VmNic *nic = vm_nic_new();
    nic->network = g_strdup("default");
    nic->mac = g_strdup("52:54:00:0A:0b:0c");
    nic->model = g_strdup("e1000");
    g_ptr_array_add(vm->nics, nic);
    g_autofree char *id = vm_add(scene->store, vm, &error);
    scene_must(id != NULL, error);

    g_autoptr(Vm) got = scene_get_vm(scene, id);
    ck_assert_str_eq(got->name, vm->name);
    ck_assert_str_eq(got->description, "first\nsecond");
    ck_assert_str_eq(got->template_id, vm->template_id);
    ck_assert(got->memory_mib == 2048 && got->cpus == 3 && got->priority == 50);
    ck_assert_str_eq(got->affinity, "pinned");
    ck_assert_str_eq(got->pinned_host_id, scene->hosts[1]);
    ck_assert(got->trusted_host_flag && got->requires_trust);
    ck_assert_str_eq(got->display, "vnc");
    ck_assert_str_eq(got->origin, "trustpool");
    ck_assert_str_eq(got->status, "down");
    ck_assert(got->host_id == NULL && got->target_host_id == NULL);
    ck_assert_uint_eq(got->disks->len, 2);
    const VmDisk *first = g_ptr_array_index(got->disks, 0);
    ck_assert_str_eq(first->source, "/var/lib/images/a.qcow2");
    ck_assert_str_eq(first->format, "qcow2");
    ck_assert_str_eq(first->bus, "sata");
    ck_assert(first->readonly && !first->bootable);
    const VmDisk *second = g_ptr_array_index(got->disks, 1);
    ck_assert_str_eq(second->format, "raw");
    ck_assert_str_eq(second->bus, "virtio");
    ck_assert(!second->readonly && second->bootable);
    assert_nic_as_written(got);
    scene_free(scene);
}
END_TEST

START_TEST(nic_without_an_address_gets_one)
{
    StoreScene *scene = scene_new(false);
    g_autofree char *id = scene_vm(scene, "v1");
    g_autoptr(Vm) vm = scene_get_vm(scene, id);
    const VmNic *nic = g_ptr_array_index(vm->nics, 0);
    ck_assert_msg(g_str_has_prefix(nic->mac, "52:54:00:") && strlen(nic->mac) == 17, "%s", nic->mac);
    scene_free(scene);
}
END_TEST

START_TEST(update_writes_what_was_read_and_changed)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    g_autofree char *id = scene_vm(scene, "v1");
    g_autoptr(Vm) vm = scene_get_vm(scene, id);
    vm->memory_mib = 512;
    g_free(vm->name);
    vm->name = g_strdup("v2");
    vm->pinned_host_id = g_strdup(scene->hosts[0]);
    g_ptr_array_set_size(vm->disks, 0);
    scene_must(vm_update(scene->store, NULL, vm, &error), error);
    g_autoptr(Vm) got = vm_find(scene->store, "v2", &error);
    scene_must(got != NULL, error);
    ck_assert_str_eq(got->id, id);
    ck_assert_int_eq(got->memory_mib, 512);
    ck_assert_uint_eq(got->disks->len, 0);
    ck_assert_uint_eq(got->nics->len, 1);
    ck_assert_str_eq(got->pinned_host_id, scene->hosts[0]);
    g_clear_pointer(&got->pinned_host_id, g_free);
    scene_must(vm_update(scene->store, NULL, got, &error), error);
    g_autoptr(Vm) unpinned = scene_get_vm(scene, id);
    ck_assert_ptr_null(unpinned->pinned_host_id);
    scene_must(vm_remove(scene->store, id, &error), error);
    ck_assert_ptr_null(vm_get(scene->store, id, &error));
    assert_refused(error, FAULT_NOT_FOUND, id);
    scene_free(scene);
}
END_TEST

START_TEST(definition_of_a_running_vm_may_change_only_in_name_and_policy)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    g_autofree char *id = scene_vm(scene, "v1");
    scene_run_vm(scene, id, 0);
    g_autoptr(Vm) vm = scene_get_vm(scene, id);
    g_free(vm->comment);
    vm->comment = g_strdup("new");
    scene_must(vm_update(scene->store, NULL, vm, &error), error);
    vm->memory_mib = 64;
    ck_assert(!vm_update(scene->store, NULL, vm, &error));
    assert_refused(error, FAULT_REFUSED, "v1");
    g_clear_error(&error);
    ck_assert(!vm_remove(scene->store, id, &error));
    assert_refused(error, FAULT_REFUSED, "v1");
    scene_free(scene);
}
END_TEST

START_TEST(bad_definition_is_refused_with_what_is_wrong)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    g_autoptr(Vm) vm = vm_new();
    vm->name = g_strdup("v1");
    vm->cluster_id = g_strdup(scene->cluster);
    vm->memory_mib = 1;
    ck_assert_ptr_null(vm_add(scene->store, vm, &error));
    assert_refused(error, FAULT_INVALID, "memory");
    g_clear_error(&error);
    vm->memory_mib = 64;
    vm->template_id = g_strdup("x");
    ck_assert_ptr_null(vm_add(scene->store, vm, &error));
    assert_refused(error, FAULT_NOT_FOUND, "There is no template x.");
    g_clear_error(&error);
    g_clear_pointer(&vm->template_id, g_free);
    g_free(vm->name);
    vm->name = g_strdup("\xff");
    ck_assert_ptr_null(vm_add(scene->store, vm, &error));
    assert_refused(error, FAULT_INVALID, "UTF-8");
    scene_free(scene);
}
END_TEST

START_TEST(placement_repeated_with_its_operation_is_one_placement)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    scene_bring_up(scene, 1);
    g_autofree char *id = scene_vm(scene, "v1");
    g_autofree char *start = g_uuid_string_random();
    for (int i = 0; i < 2; i++) {
        g_autofree char *source = NULL;
        scene_must(vm_place(scene->store, start, PLACE_START, id, scene->hosts[0], scene->generation[0], false, &source,
                            &error),
                   error);
        ck_assert_ptr_null(source);
        assert_vm(scene, id, "wait_for_launch", scene->hosts[0]);
    }
    g_autoptr(GPtrArray) open = operations_open(scene->store, &error);
    scene_must(open != NULL, error);
    ck_assert_uint_eq(open->len, 1);
    const Operation *operation = g_ptr_array_index(open, 0);
    ck_assert_str_eq(operation->id, start);
    ck_assert_str_eq(operation->kind, "start");
    ck_assert_str_eq(operation->vm_id, id);
    ck_assert_str_eq(operation->host_id, scene->hosts[0]);
    ck_assert_ptr_null(operation->source_id);
    for (int i = 0; i < 2; i++)
        scene_must(operation_end(scene->store, start, true, NULL, &error), error);
    assert_vm(scene, id, "up", scene->hosts[0]);

    g_autofree char *migrate = g_uuid_string_random();
    g_autofree char *source = NULL;
    scene_must(vm_place(scene->store, migrate, PLACE_MIGRATE, id, scene->hosts[1], scene->generation[1], true, &source,
                        &error),
               error);
    ck_assert_str_eq(source, scene->hosts[0]);
    g_autoptr(Vm) moving = scene_get_vm(scene, id);
    ck_assert_str_eq(moving->status, "migrating");
    ck_assert_str_eq(moving->target_host_id, scene->hosts[1]);
    scene_must(operation_end(scene->store, migrate, true, "", &error), error);
    assert_vm(scene, id, "up", scene->hosts[1]);
    scene_free(scene);
}
END_TEST

START_TEST(placement_on_a_host_that_is_not_trusted_is_refused)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    g_autofree char *id = scene_vm(scene, "v1");
    ck_assert(scene_answer(scene, 0, "untrusted", "pcr"));
    g_autofree char *operation = g_uuid_string_random();
    ck_assert(!vm_place(scene->store, operation, PLACE_START, id, scene->hosts[0], scene->generation[0], false, NULL,
                        &error));
    assert_refused(error, FAULT_REFUSED, "h1");
    assert_vm(scene, id, "down", NULL);
    scene_free(scene);
}
END_TEST

START_TEST(placement_on_an_older_connection_is_refused)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    int64_t old = scene->generation[0];
    scene_connect(scene, 0);
    ck_assert(scene_answer(scene, 0, "trusted", ""));
    g_autofree char *id = scene_vm(scene, "v1");
    g_autofree char *operation = g_uuid_string_random();
    ck_assert(!vm_place(scene->store, operation, PLACE_START, id, scene->hosts[0], old, false, NULL, &error));
    assert_refused(error, FAULT_REFUSED, "h1");
    scene_free(scene);
}
END_TEST

START_TEST(candidates_say_for_each_host_why_not)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 2);
    g_autofree char *id = scene_vm(scene, "v1");
    g_autoptr(GPtrArray) candidates = vm_candidates(scene->store, id, &error);
    scene_must(candidates != NULL, error);
    ck_assert_uint_eq(candidates->len, SCENE_HOSTS);
    const VmCandidate *best = g_ptr_array_index(candidates, 0);
    ck_assert_str_eq(best->id, scene->hosts[2]);
    ck_assert_str_eq(best->name, "h3");
    ck_assert_str_eq(best->attestation_id, "h3.example");
    ck_assert_int_eq(best->generation, scene->generation[2]);
    ck_assert_int_eq(best->free_mib, 4096);
    ck_assert(best->passes);
    ck_assert_str_eq(best->why, "");
    for (guint i = 1; i < candidates->len; i++) {
        const VmCandidate *other = g_ptr_array_index(candidates, i);
        ck_assert(!other->passes);
        ck_assert_str_ne(other->why, "");
    }
    scene_free(scene);
}
END_TEST

START_TEST(stop_tells_where_to_ask_and_ends_down)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    g_autofree char *id = scene_vm(scene, "v1");
    scene_run_vm(scene, id, 0);
    g_autofree char *operation = g_uuid_string_random();
    g_autofree char *host = NULL;
    int64_t generation = 0;
    scene_must(vm_stop_begin(scene->store, operation, id, &host, &generation, &error), error);
    ck_assert_str_eq(host, scene->hosts[0]);
    ck_assert_int_eq(generation, scene->generation[0]);
    assert_vm(scene, id, "powering_down", scene->hosts[0]);
    scene_must(operation_end(scene->store, operation, true, "", &error), error);
    assert_vm(scene, id, "down", NULL);
    scene_free(scene);
}
END_TEST

START_TEST(events_of_domains_are_believed_of_the_host_where_they_were_placed)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    scene_bring_up(scene, 1);
    g_autofree char *id = scene_vm(scene, "v1");
    scene_run_vm(scene, id, 0);
    scene_must(vm_domain_event(scene->store, scene->hosts[1], scene->generation[1], id, "stopped", 0, &error), error);
    assert_vm(scene, id, "up", scene->hosts[0]);
    scene_must(vm_domain_event(scene->store, scene->hosts[0], scene->generation[0], id, "suspended", 0, &error), error);
    assert_vm(scene, id, "paused", scene->hosts[0]);
    scene_must(vm_domain_event(scene->store, scene->hosts[0], scene->generation[0] - 1, id, "stopped", 0, &error),
               error);
    assert_vm(scene, id, "paused", scene->hosts[0]);
    scene_must(vm_domain_event(scene->store, scene->hosts[0], scene->generation[0], id, "stopped", 0, &error), error);
    assert_vm(scene, id, "down", NULL);
    scene_free(scene);
}
END_TEST

static ListedDomain *
listed(const char *uuid, const char *name, const char *state)
{
    ListedDomain *domain = g_new0(ListedDomain, 1);
    domain->uuid = g_strdup(uuid);
    domain->name = g_strdup(name);
    domain->state = state;
    return domain;
}

START_TEST(listed_domains_say_where_vms_are_and_foreign_ones_are_reported)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    g_autofree char *kept = scene_vm(scene, "kept");
    g_autofree char *lost = scene_vm(scene, "lost");
    scene_run_vm(scene, kept, 0);
    scene_run_vm(scene, lost, 0);
    g_autoptr(GPtrArray) domains = g_ptr_array_new_with_free_func((GDestroyNotify)listed_domain_free);
    g_ptr_array_add(domains, listed(kept, "kept", "running"));
    /* a name that is no UTF-8 and full of what JSON and SQL quote */
    g_ptr_array_add(domains, listed("22222222-2222-2222-2222-222222222222", "str\"an\\ge\xff', {}", "running"));
    scene_must(vm_domains_listed(scene->store, scene->hosts[0], scene->generation[0], domains, &error), error);
    assert_vm(scene, kept, "up", scene->hosts[0]);
    assert_vm(scene, lost, "down", NULL);
    g_autoptr(GPtrArray) events = events_list(scene->store, 0, 100, false, &error);
    scene_must(events != NULL, error);
    unsigned foreign = 0;
    for (guint i = 0; i < events->len; i++) {
        const Event *event = g_ptr_array_index(events, i);
        if (strcmp(event->name, "FOREIGN_DOMAIN") == 0) {
            foreign++;
            ck_assert_msg(strstr(event->description, "str\"an\\ge") != NULL, "%s", event->description);
        }
    }
    ck_assert_uint_eq(foreign, 1);
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("store_vms");
    TCase *tcase = tcase_create("vms");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, definition_is_read_as_it_was_written);
    tcase_add_test(tcase, nic_without_an_address_gets_one);
    tcase_add_test(tcase, update_writes_what_was_read_and_changed);
    tcase_add_test(tcase, definition_of_a_running_vm_may_change_only_in_name_and_policy);
    tcase_add_test(tcase, bad_definition_is_refused_with_what_is_wrong);
    tcase_add_test(tcase, placement_repeated_with_its_operation_is_one_placement);
    tcase_add_test(tcase, placement_on_a_host_that_is_not_trusted_is_refused);
    tcase_add_test(tcase, placement_on_an_older_connection_is_refused);
    tcase_add_test(tcase, candidates_say_for_each_host_why_not);
    tcase_add_test(tcase, stop_tells_where_to_ask_and_ends_down);
    tcase_add_test(tcase, events_of_domains_are_believed_of_the_host_where_they_were_placed);
    tcase_add_test(tcase, listed_domains_say_where_vms_are_and_foreign_ones_are_reported);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
