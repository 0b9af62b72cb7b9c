#include "store_scene.h"

#include "store/data_centers.h"
#include "trust/fault.h"

#include <string.h>

static void
assert_refused(const GError *error, FaultCode code, const char *text)
{
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(error->domain == FAULT && error->code == (gint)code, "code %d: %s", error->code, error->message);
    ck_assert_msg(strstr(error->message, text) != NULL, "%s", error->message);
}

START_TEST(default_data_center_is_found_with_and_without_quotes)
{
    g_autofree char *conninfo = pg_fixture_database();
    g_autoptr(Store) store = pg_fixture_store(conninfo);
    g_autoptr(GError) error = NULL;
    static const char *const names[] = {"Default", "\"Default\""};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(DataCenter) found = data_center_find(store, names[i], &error);
        scene_must(found != NULL, error);
        ck_assert_str_eq(found->name, "Default");
    }
    ck_assert_ptr_null(data_center_find(store, "other", &error));
    assert_refused(error, FAULT_NOT_FOUND, "There is no data center other.");
}
END_TEST

START_TEST(data_center_lives_until_it_is_removed_empty)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    DataCenter data_center = {.name = (char *)"north", .description = (char *)"the north"};
    g_autofree char *id = data_center_add(scene->store, &data_center, &error);
    scene_must(id != NULL, error);
    g_autoptr(DataCenter) got = data_center_get(scene->store, id, &error);
    scene_must(got != NULL, error);
    ck_assert_str_eq(got->description, "the north");
    ck_assert_ptr_null(data_center_add(scene->store, &data_center, &error));
    assert_refused(error, FAULT_REFUSED, "north");
    g_clear_error(&error);
    g_autoptr(GPtrArray) list = data_centers_list(scene->store, &error);
    ck_assert_uint_eq(list->len, 2);
    scene_must(data_center_remove(scene->store, id, &error), error);
    g_autoptr(DataCenter) standard = data_center_find(scene->store, "Default", &error);
    ck_assert(!data_center_remove(scene->store, standard->id, &error));
    assert_refused(error, FAULT_REFUSED, "c1");
    g_clear_error(&error);
    ck_assert_ptr_null(data_center_get(scene->store, "nonsense", &error));
    assert_refused(error, FAULT_NOT_FOUND, "nonsense");
    scene_free(scene);
}
END_TEST

START_TEST(cluster_is_read_as_it_was_written)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    g_autoptr(Cluster) cluster = cluster_get(scene->store, scene->cluster, &error);
    scene_must(cluster != NULL, error);
    ck_assert_str_eq(cluster->name, "c1");
    ck_assert(cluster->trusted_service);
    ck_assert(cluster->version_major == 3 && cluster->version_minor == 6);
    ck_assert_uint_eq(cluster->active_hosts, 0);
    g_free(cluster->cpu_id);
    g_free(cluster->on_error);
    cluster->cpu_id = g_strdup("Intel SandyBridge Family");
    cluster->on_error = g_strdup("do_not_migrate");
    cluster->version_minor = 2;
    scene_must(cluster_update(scene->store, NULL, cluster, &error), error);
    g_autoptr(Cluster) again = cluster_find(scene->store, "c1", &error);
    scene_must(again != NULL, error);
    ck_assert_str_eq(again->cpu_id, "Intel SandyBridge Family");
    ck_assert_str_eq(again->on_error, "do_not_migrate");
    ck_assert_int_eq(again->version_minor, 2);
    g_autoptr(GPtrArray) list = clusters_list(scene->store, &error);
    ck_assert_uint_eq(list->len, 2); /* and Default */
    scene_free(scene);
}
END_TEST

START_TEST(change_keeps_what_somebody_else_has_changed_meanwhile)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    g_autoptr(Cluster) before = cluster_get(scene->store, scene->cluster, &error);
    g_autoptr(Cluster) mine = cluster_get(scene->store, scene->cluster, &error);
    g_autoptr(Cluster) theirs = cluster_get(scene->store, scene->cluster, &error);
    scene_must(before != NULL && mine != NULL && theirs != NULL, error);
    theirs->trusted_service = false;
    g_free(mine->comment);
    mine->comment = g_strdup("mine");
    scene_must(cluster_update(scene->store, before, theirs, &error), error);
    scene_must(cluster_update(scene->store, before, mine, &error), error);
    g_autoptr(Cluster) after = cluster_get(scene->store, scene->cluster, &error);
    scene_must(after != NULL, error);
    ck_assert(!after->trusted_service);
    ck_assert_str_eq(after->comment, "mine");
    scene_free(scene);
}
END_TEST

START_TEST(flag_does_not_change_while_hosts_are_active)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    g_autoptr(Cluster) cluster = cluster_get(scene->store, scene->cluster, &error);
    ck_assert_uint_eq(cluster->active_hosts, 1);
    cluster->trusted_service = false;
    ck_assert(!cluster_update(scene->store, NULL, cluster, &error));
    assert_refused(error, FAULT_REFUSED, "h1");
    g_clear_error(&error);
    ck_assert(!cluster_remove(scene->store, scene->cluster, &error));
    assert_refused(error, FAULT_REFUSED, "h1");
    scene_free(scene);
}
END_TEST

START_TEST(cluster_of_a_data_center_that_is_not_there_is_not_found)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    Cluster cluster = {.data_center_id = (char *)"11111111-1111-1111-1111-111111111111", .name = (char *)"c2"};
    ck_assert_ptr_null(cluster_add(scene->store, &cluster, &error));
    assert_refused(error, FAULT_NOT_FOUND, "11111111");
    g_clear_error(&error);
    cluster.data_center_id = NULL;
    ck_assert_ptr_null(cluster_add(scene->store, &cluster, &error));
    assert_refused(error, FAULT_NOT_FOUND, "data center");
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("store_clusters");
    TCase *tcase = tcase_create("clusters");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, default_data_center_is_found_with_and_without_quotes);
    tcase_add_test(tcase, data_center_lives_until_it_is_removed_empty);
    tcase_add_test(tcase, cluster_is_read_as_it_was_written);
    tcase_add_test(tcase, change_keeps_what_somebody_else_has_changed_meanwhile);
    tcase_add_test(tcase, flag_does_not_change_while_hosts_are_active);
    tcase_add_test(tcase, cluster_of_a_data_center_that_is_not_there_is_not_found);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
