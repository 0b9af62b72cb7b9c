#include "store_scene.h"

#include "store/evacuations.h"
#include "store/events.h"
#include "store/progress.h"
#include "store/users.h"

#include <string.h>

static GPtrArray *
work(StoreScene *scene)
{
    g_autoptr(GError) error = NULL;
    GPtrArray *vms = evacuation_work(scene->store, &error);
    scene_must(vms != NULL, error);
    return vms;
}

static unsigned
count_events(StoreScene *scene, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) events = events_list(scene->store, 0, 1000, true, &error);
    scene_must(events != NULL, error);
    unsigned found = 0;
    for (guint i = 0; i < events->len; i++)
        found += strcmp(((const Event *)g_ptr_array_index(events, i))->name, name) == 0;
    return found;
}

static void
close_done(StoreScene *scene)
{
    g_autoptr(GError) error = NULL;
    int64_t next_ms = 0, now_ms = 0;
    scene_must(evacuation_close(scene->store, &next_ms, &now_ms, &error), error);
    ck_assert_int_gt(now_ms, 0);
}

/* h1 runs two VMs and has turned bad; h2 is up. */
static StoreScene *
make_work(char **first, char **second)
{
    StoreScene *scene = scene_new(true);
    for (size_t i = 0; i < SCENE_HOSTS; i++)
        scene_bring_up(scene, i);
    *first = scene_vm(scene, "v1");
    *second = scene_vm(scene, "v2");
    scene_run_vm(scene, *first, 0);
    scene_run_vm(scene, *second, 0);
    g_autoptr(GPtrArray) none = work(scene);
    ck_assert_uint_eq(none->len, 0);
    ck_assert(scene_answer(scene, 0, "untrusted", "pcr"));
    return scene;
}

START_TEST(untrusted_host_has_work_for_each_vm_and_targets_that_are_up)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;
    StoreScene *scene = make_work(&first, &second);
    g_autoptr(GPtrArray) vms = work(scene);
    ck_assert_uint_eq(vms->len, 2);
    const EvacuationVm *vm = g_ptr_array_index(vms, 0);
    ck_assert_str_eq(vm->host, scene->hosts[0]);
    ck_assert_str_eq(vm->host_name, "h1");
    ck_assert_int_eq(vm->host_generation, scene->generation[0]);
    ck_assert_str_eq(vm->cluster, scene->cluster);
    ck_assert(strcmp(vm->vm, first) == 0 || strcmp(vm->vm, second) == 0);
    ck_assert(g_str_has_prefix(vm->vm_name, "v"));
    ck_assert_int_eq(vm->memory_mib, 1024);
    ck_assert_int_eq(vm->priority, 1);
    ck_assert(vm->requires_trust);
    ck_assert_str_eq(vm->affinity, "migratable");
    ck_assert_uint_eq(g_strv_length(vm->tried), 0);
    g_autoptr(GPtrArray) targets = evacuation_targets(scene->store, &error);
    scene_must(targets != NULL, error);
    ck_assert_uint_eq(targets->len, 2);
    for (guint i = 0; i < targets->len; i++) {
        const EvacuationTarget *target = g_ptr_array_index(targets, i);
        ck_assert_str_ne(target->id, scene->hosts[0]);
        ck_assert_str_eq(target->cluster, scene->cluster);
        ck_assert(target->is_trusted);
        ck_assert_int_eq(target->free_mib, 4096);
        ck_assert_int_gt(target->generation, 0);
    }
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert(host->evacuating && !host->evacuation_held);
    ck_assert_uint_eq(host->vms, 2);
    ck_assert_int_eq(host->used_mib, 2048);
    scene_free(scene);
}
END_TEST

START_TEST(work_is_closed_when_the_last_vm_has_left)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;
    StoreScene *scene = make_work(&first, &second);
    const char *const vms[] = {first, second};
    for (size_t i = 0; i < 2; i++) {
        g_autofree char *operation = g_uuid_string_random();
        g_autofree char *source = NULL;
        scene_must(vm_place(scene->store, operation, PLACE_MIGRATE, vms[i], scene->hosts[1], scene->generation[1], true,
                            &source, &error),
                   error);
        close_done(scene);
        g_autoptr(Host) still = scene_host(scene, 0);
        ck_assert(still->evacuating);
        scene_must(operation_end(scene->store, operation, true, "", &error), error);
    }
    close_done(scene);
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert(!host->evacuating);
    ck_assert_uint_eq(count_events(scene, "EVACUATION_DONE"), 1);
    scene_free(scene);
}
END_TEST

START_TEST(targets_that_failed_are_remembered_until_the_vm_stays)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;
    StoreScene *scene = make_work(&first, &second);
    for (int i = 0; i < 2; i++) /* repeated: the same */
        scene_must(evacuation_tried(scene->store, scene->hosts[0], first, scene->hosts[1], "no route", &error), error);
    g_autoptr(GPtrArray) vms = work(scene);
    ck_assert_uint_eq(vms->len, 2);
    for (guint i = 0; i < vms->len; i++) {
        const EvacuationVm *vm = g_ptr_array_index(vms, i);
        ck_assert_uint_eq(g_strv_length(vm->tried), strcmp(vm->vm, first) == 0 ? 1 : 0);
        if (strcmp(vm->vm, first) == 0)
            ck_assert_str_eq(vm->tried[0], scene->hosts[1]);
    }
    scene_must(evacuation_tried(scene->store, scene->hosts[0], first, scene->hosts[2], "no route", &error), error);
    scene_must(evacuation_tried(scene->store, scene->hosts[0], first, scene->hosts[0], "no route", &error), error);
    g_autoptr(GPtrArray) left = work(scene);
    ck_assert_uint_eq(left->len, 1);
    ck_assert_str_eq(((const EvacuationVm *)g_ptr_array_index(left, 0))->vm, second);
    ck_assert_uint_eq(count_events(scene, "VM_MIGRATION_FAILED"), 1);
    scene_free(scene);
}
END_TEST

START_TEST(vm_that_stays_and_work_that_waits_are_reported_once)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;
    StoreScene *scene = make_work(&first, &second);
    for (int i = 0; i < 2; i++) {
        scene_must(evacuation_stays(scene->store, scene->hosts[0], first, "it has a local disk", &error), error);
        scene_must(evacuation_waits(scene->store, scene->hosts[0], &error), error);
    }
    ck_assert_uint_eq(count_events(scene, "VM_CANNOT_MIGRATE"), 1);
    ck_assert_uint_eq(count_events(scene, "EVACUATION_NO_TARGET"), 1);
    g_autoptr(GPtrArray) left = work(scene);
    ck_assert_uint_eq(left->len, 1);
    scene_free(scene);
}
END_TEST

START_TEST(progress_is_shown_by_host_and_a_target_that_lost_its_trust_is_named)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autofree char *operation = g_uuid_string_random();
    g_autoptr(GError) error = NULL;
    StoreScene *scene = make_work(&first, &second);
    scene_must(vm_place(scene->store, operation, PLACE_MIGRATE, first, scene->hosts[1], scene->generation[1], true,
                        NULL, &error),
               error);
    const MigrationReport report = {operation, 4000, 1000, "auto_converge"};
    g_autoptr(GPtrArray) none = migrations_progress(scene->store, &report, 1, &error);
    scene_must(none != NULL, error);
    ck_assert_uint_eq(none->len, 0);
    g_autoptr(GPtrArray) list = evacuations_list(scene->store, &error);
    scene_must(list != NULL, error);
    ck_assert_uint_eq(list->len, 1);
    const EvacuationProgress *progress = g_ptr_array_index(list, 0);
    ck_assert_str_eq(progress->host, scene->hosts[0]);
    ck_assert_str_eq(progress->host_name, "h1");
    ck_assert_str_eq(progress->why, "untrusted");
    ck_assert(!progress->held);
    ck_assert_int_eq(progress->waiting, 1);
    ck_assert_int_eq(progress->moving, 1);
    ck_assert_int_eq(progress->staying, 0);
    ck_assert_uint_eq(progress->moves->len, 1);
    const EvacuationMove *move = g_ptr_array_index(progress->moves, 0);
    ck_assert_str_eq(move->vm, first);
    ck_assert_str_eq(move->vm_name, "v1");
    ck_assert_str_eq(move->target, scene->hosts[1]);
    ck_assert_str_eq(move->target_name, "h2");
    ck_assert_int_eq(move->data_total, 4000);
    ck_assert_int_eq(move->data_remaining, 1000);
    ck_assert_int_eq(move->percent, 75);
    ck_assert_str_eq(move->step, "auto_converge");
    ck_assert(scene_answer(scene, 1, "untrusted", "pcr"));
    g_autoptr(GPtrArray) refused = migrations_progress(scene->store, &report, 1, &error);
    scene_must(refused != NULL, error);
    ck_assert_uint_eq(refused->len, 1);
    const MigrationRefusal *refusal = g_ptr_array_index(refused, 0);
    ck_assert_str_eq(refusal->operation, operation);
    ck_assert_ptr_nonnull(strstr(refusal->why, "h2"));
    g_autoptr(GPtrArray) both = evacuations_list(scene->store, &error);
    scene_must(both != NULL, error);
    ck_assert_uint_eq(both->len, 2);
    ck_assert_uint_eq(((const EvacuationProgress *)g_ptr_array_index(both, 1))->moves->len, 0);
    g_autoptr(GPtrArray) idle = migrations_progress(scene->store, NULL, 0, &error);
    scene_must(idle != NULL, error);
    scene_free(scene);
}
END_TEST

START_TEST(silent_host_is_emptied_after_the_grace_and_the_time_is_told)
{
    g_autoptr(GError) error = NULL;
    StoreScene *scene = scene_new(true);
    StoreSqlSettings settings = {.host_grace_s = 3600,
                                 .expired_hosts = "keep",
                                 .evacuation_max_share = 50,
                                 .evacuation_tries = 3,
                                 .auth_timeout_s = 60};
    scene_must(store_write_settings(scene->store, &settings, &error), error);
    for (size_t i = 0; i < SCENE_HOSTS; i++)
        scene_bring_up(scene, i);
    g_autofree char *vm = scene_vm(scene, "v1");
    scene_run_vm(scene, vm, 0);
    scene_connect_running(scene, 0, vm);
    ck_assert(scene_answer(scene, 0, "unanswered", "unknown"));
    scene_assert_status(scene, 0, "non_operational", "not_attested");
    int64_t next_ms = 0, now_ms = 0;
    scene_must(evacuation_close(scene->store, &next_ms, &now_ms, &error), error);
    ck_assert(next_ms > now_ms && next_ms <= now_ms + 3600 * 1000);
    g_autoptr(GPtrArray) none = work(scene);
    ck_assert_uint_eq(none->len, 0);
    scene_free(scene);
}
END_TEST

START_TEST(evacuation_that_is_held_goes_on_when_it_is_released)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;
    StoreScene *scene = make_work(&first, &second);
    g_autofree char *third = scene_vm(scene, "v3");
    scene_run_vm(scene, third, 1);
    ck_assert(scene_answer(scene, 1, "untrusted", "pcr"));
    g_autoptr(Host) held = scene_host(scene, 1);
    ck_assert(held->evacuating && held->evacuation_held);
    scene_must(host_release_evacuation(scene->store, scene->hosts[1], "admin@internal", &error), error);
    g_autoptr(Host) released = scene_host(scene, 1);
    ck_assert(released->evacuating && !released->evacuation_held);
    scene_free(scene);
}
END_TEST

START_TEST(host_with_vms_is_in_maintenance_when_they_have_left)
{
    g_autoptr(GError) error = NULL;
    StoreScene *scene = scene_new(false);
    scene_bring_up(scene, 0);
    scene_bring_up(scene, 1);
    g_autofree char *vm = scene_vm(scene, "v1");
    scene_run_vm(scene, vm, 0);
    scene_must(host_deactivate(scene->store, scene->hosts[0], false, NULL, &error), error);
    scene_assert_status(scene, 0, "preparing_for_maintenance", "");
    g_autofree char *operation = g_uuid_string_random();
    scene_must(vm_place(scene->store, operation, PLACE_MIGRATE, vm, scene->hosts[1], scene->generation[1], true, NULL,
                        &error),
               error);
    scene_must(operation_end(scene->store, operation, true, "", &error), error);
    close_done(scene);
    scene_assert_status(scene, 0, "maintenance", "");
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("store_evacuations");
    TCase *tcase = tcase_create("evacuations");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, untrusted_host_has_work_for_each_vm_and_targets_that_are_up);
    tcase_add_test(tcase, work_is_closed_when_the_last_vm_has_left);
    tcase_add_test(tcase, targets_that_failed_are_remembered_until_the_vm_stays);
    tcase_add_test(tcase, vm_that_stays_and_work_that_waits_are_reported_once);
    tcase_add_test(tcase, progress_is_shown_by_host_and_a_target_that_lost_its_trust_is_named);
    tcase_add_test(tcase, silent_host_is_emptied_after_the_grace_and_the_time_is_told);
    tcase_add_test(tcase, evacuation_that_is_held_goes_on_when_it_is_released);
    tcase_add_test(tcase, host_with_vms_is_in_maintenance_when_they_have_left);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
