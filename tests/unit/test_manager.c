/* The manager as a whole, on a database, without a plugin and without a host that can be reached. */
#include "manager/manager.h"
#include "store/listen.h"
#include "store_scene.h"
#include "trust/fault.h"
#include "virt/loop.h"
#include <check.h>
#include <string.h>

static void
hear_nothing(const char *payload, void *closure)
{
    (void)payload;
    (void)closure;
}

static Config *
make_config(void)
{
    g_autoptr(GError) error = NULL;
    Config *config = config_read(NULL, &error);

    ck_assert_msg(config != NULL, "%s", error ? error->message : "");
    g_free(config->plugin);
    config->plugin = g_strdup("");
    g_free(config->transport);
    config->transport = g_strdup("test"); /* libvirt's driver has no such host: no name is looked up */
    return config;
}

START_TEST(a_second_manager_touches_nothing_while_the_first_has_the_lock)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(Config) config = make_config();
    g_autoptr(GError) error = NULL;
    StoreListener *first = store_listener_new(scene->conninfo, hear_nothing, NULL, &error);

    scene_must(first != NULL, error);
    scene_bring_up(scene, 0);
    ck_assert_ptr_null(manager_new(config, scene->store, scene->conninfo, &error));
    ck_assert_msg(g_error_matches(error, FAULT, FAULT_REFUSED), "%s", error->message);
    scene_assert_status(scene, 0, "up", "");
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert(host->connected && host->is_trusted);
    ck_assert_int_eq(host->generation, scene->generation[0]);
    store_listener_free(first);
    scene_free(scene);
}
END_TEST

START_TEST(a_manager_begins_with_no_host_connected_and_ends_with_the_lock_free)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(Config) config = make_config();

    ck_assert(virt_loop_start(NULL));
    scene_bring_up(scene, 0);
    for (unsigned i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        Manager *manager = manager_new(config, scene->store, scene->conninfo, &error);
        scene_must(manager != NULL, error);
        g_autoptr(Host) host = scene_host(scene, 0);
        ck_assert(!host->connected);
        manager_free(manager);
    }
    virt_loop_stop();
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("manager");
    TCase *tests = tcase_create("manager");

    tcase_set_timeout(tests, 180);
    tcase_add_test(tests, a_second_manager_touches_nothing_while_the_first_has_the_lock);
    tcase_add_test(tests, a_manager_begins_with_no_host_connected_and_ends_with_the_lock_free);
    suite_add_tcase(suite, tests);
    return pg_fixture_run(suite);
}
