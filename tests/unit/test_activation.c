#include "manager/activation.h"
#include "store_scene.h"
#include "trust/fault.h"
#include <check.h>
#include <pthread.h>
#include <string.h>

/* What an administrator gets for an activation. */
typedef struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    bool is_done;
    GError *error;
    unsigned hurried;
} Outcome;

static Outcome outcome;
static StoreScene *scene;
static PluginHost *plugin;
static Activations *activations;

static void
done(void *closure, const GError *error)
{
    (void)closure;
    pthread_mutex_lock(&outcome.lock);
    ck_assert(!outcome.is_done);
    outcome.is_done = true;
    outcome.error = error ? g_error_copy(error) : NULL;
    pthread_cond_signal(&outcome.ended);
    pthread_mutex_unlock(&outcome.lock);
}

static void
hurry(void *closure, const char *host)
{
    (void)closure;
    ck_assert_str_eq(host, scene->hosts[0]);
    outcome.hurried++;
}

static void
wait_for_outcome(void)
{
    pthread_mutex_lock(&outcome.lock);
    while (!outcome.is_done)
        pthread_cond_wait(&outcome.ended, &outcome.lock);
    pthread_mutex_unlock(&outcome.lock);
}

static void
begin(bool trusted, const char *script, unsigned timeout_s)
{
    g_autoptr(Config) config = config_read(NULL, NULL);
    ClusterPluginSetting setting = {"script", "outcome", script, 1};
    GError *error = NULL;

    outcome = (Outcome){PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, NULL, 0};
    scene = scene_new(trusted);
    g_free(config->plugin);
    config->plugin = g_strdup(script ? SCRIPTED_PLUGIN : "");
    if (script)
        g_array_append_val(config->foreign, setting);
    plugin = plugin_host_new(config, scene->store, &error);
    scene_must(plugin != NULL, error);
    activations = activations_new(scene->store, plugin, timeout_s, &error);
    scene_must(activations != NULL, error);
}

static void
end(void)
{
    plugin_host_free(plugin);
    activations_free(activations);
    g_clear_error(&outcome.error);
    scene_free(scene);
}

static void
activate(void)
{
    activations_add(activations, scene->hosts[0], "admin@internal", hurry, NULL, done, NULL);
}

static void
assert_refused(const char *text)
{
    ck_assert_ptr_nonnull(outcome.error);
    ck_assert(g_error_matches(outcome.error, FAULT, FAULT_REFUSED));
    ck_assert_msg(strstr(outcome.error->message, text) != NULL, "%s", outcome.error->message);
}

START_TEST(a_trusted_host_is_up_when_the_call_returns)
{
    begin(true, "trusted", 60);
    scene_connect(scene, 0);
    activate();
    wait_for_outcome();
    ck_assert_msg(outcome.error == NULL, "%s", outcome.error ? outcome.error->message : "");
    scene_assert_status(scene, 0, "up", "");
    end();
}
END_TEST

START_TEST(an_untrusted_host_is_refused_with_the_reason)
{
    begin(true, "untrusted", 60);
    scene_connect(scene, 0);
    activate();
    wait_for_outcome();
    assert_refused("untrusted");
    scene_assert_status(scene, 0, "non_operational", "untrusted");
    end();
}
END_TEST

START_TEST(without_an_answer_it_is_refused_at_the_timeout_and_stays_initializing)
{
    begin(true, "silent", 1);
    scene_connect(scene, 0);
    activate();
    wait_for_outcome();
    assert_refused("the script says so");
    scene_assert_status(scene, 0, "initializing", "");
    end();
}
END_TEST

START_TEST(without_a_plugin_it_is_refused_at_once)
{
    begin(true, NULL, 3600);
    scene_connect(scene, 0);
    activate();
    wait_for_outcome();
    assert_refused("no plugin");
    end();
}
END_TEST

/* The record is being read, and cannot be for as long as the table is locked, when the answer comes. */
START_TEST(an_answer_that_comes_while_the_record_is_read_is_not_lost)
{
    GError *error = NULL;
    ClusterPluginHost host = {NULL, "h1", "h1", ""};
    Store *other;

    begin(true, NULL, 3600);
    host.id = scene->hosts[0];
    other = store_new(&(StoreSettings){.conninfo = scene->conninfo, .sessions = 1, .deadline_ms = 60000}, &error);
    scene_must(other != NULL, error);
    activate();
    scene_must(store_run(other, &error, "begin", 0, NULL), error);
    scene_must(store_run(other, &error, "lock table trustpool.hosts in access exclusive mode", 0, NULL), error);
    activations_look(activations, host.id);
    for (unsigned waiting = 0; waiting == 0; g_usleep(1000)) {
        g_autoptr(StoreResult) locks =
            store_call(other, &error,
                       "select from pg_locks where not granted and relation = 'trustpool.hosts'::regclass", 0, NULL);
        scene_must(locks != NULL, error);
        waiting = store_rows(locks);
    }
    activations_host_up(activations, &host);
    scene_must(store_run(other, &error, "rollback", 0, NULL), error);
    store_free(other);
    wait_for_outcome();
    assert_refused("no plugin");
    end();
}
END_TEST

START_TEST(a_host_of_a_cluster_that_is_not_trusted_needs_no_answer)
{
    begin(false, "none", 3600);
    scene_connect(scene, 0);
    activate();
    wait_for_outcome();
    ck_assert_ptr_null(outcome.error);
    scene_assert_status(scene, 0, "up", "");
    end();
}
END_TEST

START_TEST(a_host_without_a_connection_is_hurried_and_asked_about_when_it_connects)
{
    ClusterPluginHost host = {NULL, "h1", "h1", ""};

    begin(true, "trusted", 3600);
    activate();
    ck_assert_uint_eq(outcome.hurried, 1);
    ck_assert(!outcome.is_done);
    scene_connect(scene, 0);
    host.id = scene->hosts[0];
    activations_host_up(activations, &host);
    wait_for_outcome();
    ck_assert_ptr_null(outcome.error);
    scene_assert_status(scene, 0, "up", "");
    end();
}
END_TEST

START_TEST(a_host_that_cannot_be_reached_is_refused_without_waiting_for_the_timeout)
{
    GError *error = NULL;

    begin(true, "trusted", 3600);
    activate();
    scene_must(host_disconnected(scene->store, scene->hosts[0], 0, "no route to it", &error), error);
    activations_look(activations, scene->hosts[0]);
    wait_for_outcome();
    assert_refused("no route to it");
    end();
}
END_TEST

START_TEST(who_waits_when_the_manager_stops_is_told)
{
    begin(true, "none", 3600);
    scene_connect(scene, 0);
    activate();
    ck_assert(!outcome.is_done);
    end();
    ck_assert(outcome.is_done);
}
END_TEST

START_TEST(an_unknown_host_is_not_found)
{
    begin(true, "trusted", 3600);
    activations_add(activations, "00000000-0000-4000-8000-000000000000", "admin@internal", hurry, NULL, done, NULL);
    wait_for_outcome();
    ck_assert(g_error_matches(outcome.error, FAULT, FAULT_NOT_FOUND));
    end();
}
END_TEST

START_TEST(a_plugin_that_does_not_start_is_named_with_its_reason)
{
    g_autoptr(Config) config = config_read(NULL, NULL);
    ClusterPluginSetting setting = {"script", "outcome", "fail", 1};
    g_autoptr(GError) error = NULL;

    scene = scene_new(true);
    g_free(config->plugin);
    config->plugin = g_strdup(SCRIPTED_PLUGIN);
    g_array_append_val(config->foreign, setting);
    ck_assert_ptr_null(plugin_host_new(config, scene->store, &error));
    ck_assert_msg(strstr(error->message, "the script says fail") != NULL, "%s", error->message);
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("activation");
    TCase *tests = tcase_create("activation");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, a_trusted_host_is_up_when_the_call_returns);
    tcase_add_test(tests, an_untrusted_host_is_refused_with_the_reason);
    tcase_add_test(tests, without_an_answer_it_is_refused_at_the_timeout_and_stays_initializing);
    tcase_add_test(tests, without_a_plugin_it_is_refused_at_once);
    tcase_add_test(tests, an_answer_that_comes_while_the_record_is_read_is_not_lost);
    tcase_add_test(tests, a_host_of_a_cluster_that_is_not_trusted_needs_no_answer);
    tcase_add_test(tests, a_host_without_a_connection_is_hurried_and_asked_about_when_it_connects);
    tcase_add_test(tests, a_host_that_cannot_be_reached_is_refused_without_waiting_for_the_timeout);
    tcase_add_test(tests, who_waits_when_the_manager_stops_is_told);
    tcase_add_test(tests, an_unknown_host_is_not_found);
    tcase_add_test(tests, a_plugin_that_does_not_start_is_named_with_its_reason);
    suite_add_tcase(suite, tests);
    return pg_fixture_run(suite);
}
