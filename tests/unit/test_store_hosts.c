#include "store_scene.h"

#include "trust/fault.h"

#include <string.h>

static void
assert_refused(const GError *error, FaultCode code, const char *text)
{
    ck_assert_ptr_nonnull(error);
    ck_assert_msg(error->domain == FAULT && error->code == (gint)code, "code %d: %s", error->code, error->message);
    ck_assert_msg(strstr(error->message, text) != NULL, "%s", error->message);
}

START_TEST(added_host_is_read_as_it_was_given)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert_str_eq(host->name, "h1");
    ck_assert_str_eq(host->address, "h1.example");
    ck_assert_str_eq(host->attestation_id, "h1.example");
    ck_assert_str_eq(host->cluster_id, scene->cluster);
    ck_assert_str_eq(host->status, "maintenance");
    ck_assert_str_eq(host->verdict, "unknown");
    ck_assert(host->cluster_trusted && !host->is_trusted && !host->connected);
    ck_assert(host->libvirt_uuid == NULL && host->asked_at == NULL && host->valid_until == NULL);
    g_autoptr(Host) found = host_find(scene->store, "h2", &error);
    scene_must(found != NULL, error);
    ck_assert_str_eq(found->id, scene->hosts[1]);
    g_autoptr(GPtrArray) list = hosts_list(scene->store, &error);
    scene_must(list != NULL, error);
    ck_assert_uint_eq(list->len, SCENE_HOSTS);
    scene_free(scene);
}
END_TEST

START_TEST(hosts_that_are_not_there_are_not_found)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    ck_assert_ptr_null(host_get(scene->store, "nonsense", &error));
    assert_refused(error, FAULT_NOT_FOUND, "There is no host nonsense.");
    g_clear_error(&error);
    ck_assert_ptr_null(host_get(scene->store, "11111111-1111-1111-1111-111111111111", &error));
    assert_refused(error, FAULT_NOT_FOUND, "11111111");
    g_clear_error(&error);
    ck_assert_ptr_null(host_find(scene->store, "h9", &error));
    assert_refused(error, FAULT_NOT_FOUND, "There is no host h9.");
    g_clear_error(&error);
    ck_assert(!host_remove(scene->store, "11111111-1111-1111-1111-111111111111", &error));
    assert_refused(error, FAULT_NOT_FOUND, "11111111");
    g_clear_error(&error);
    Host host = {.cluster_id = (char *)"x", .name = (char *)"h4", .address = (char *)"h4"};
    ck_assert_ptr_null(host_add(scene->store, &host, &error));
    assert_refused(error, FAULT_NOT_FOUND, "There is no cluster x.");
    scene_free(scene);
}
END_TEST

START_TEST(name_and_address_of_a_host_are_unique)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    Host host = {.cluster_id = scene->cluster, .name = (char *)"h1", .address = (char *)"other"};
    ck_assert_ptr_null(host_add(scene->store, &host, &error));
    assert_refused(error, FAULT_REFUSED, "name h1");
    g_clear_error(&error);
    host = (Host){.cluster_id = scene->cluster, .name = (char *)"other", .address = (char *)"H1.Example"};
    ck_assert_ptr_null(host_add(scene->store, &host, &error));
    assert_refused(error, FAULT_REFUSED, "address");
    scene_free(scene);
}
END_TEST

START_TEST(update_writes_name_and_comment_and_refuses_to_move_an_active_host)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    g_autoptr(Host) host = scene_host(scene, 0);
    g_free(host->name);
    g_free(host->comment);
    host->name = g_strdup("renamed");
    host->comment = g_strdup("rack 4");
    scene_must(host_update(scene->store, host, &error), error);
    g_autoptr(Host) again = scene_host(scene, 0);
    ck_assert_str_eq(again->name, "renamed");
    ck_assert_str_eq(again->comment, "rack 4");
    scene_bring_up(scene, 0);
    g_autoptr(Cluster) other = cluster_find(scene->store, "Default", &error);
    g_free(host->cluster_id);
    host->cluster_id = g_strdup(other->id);
    ck_assert(!host_update(scene->store, host, &error));
    assert_refused(error, FAULT_REFUSED, "not in maintenance");
    scene_free(scene);
}
END_TEST

START_TEST(life_of_a_trusted_host)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    g_autoptr(Host) up = scene_host(scene, 0);
    ck_assert(up->is_trusted && up->connected);
    ck_assert_str_eq(up->verdict, "trusted");
    ck_assert_int_eq(up->memory_mib, 4096);
    ck_assert_int_eq(up->cpus, 4);
    ck_assert_int_eq(up->generation, scene->generation[0]);
    ck_assert_str_eq(up->libvirt_uuid, "00000000-0000-0000-0000-000000000001");
    ck_assert_uint_eq(strlen(up->asked_at), strlen("2026-01-31T12:00:00.123Z"));
    ck_assert(strchr(up->valid_until, 'T') != NULL && g_str_has_suffix(up->valid_until, "Z"));
    ck_assert(scene_answer(scene, 0, "untrusted", "pcr"));
    scene_assert_status(scene, 0, "non_operational", "untrusted");
    scene_must(host_disconnected(scene->store, scene->hosts[0], scene->generation[0], "cut", &error), error);
    g_autoptr(Host) lost = scene_host(scene, 0);
    ck_assert_str_eq(lost->status, "non_responsive");
    ck_assert(!lost->connected);
    scene_must(host_fence(scene->store, scene->hosts[0], "admin@internal", &error), error);
    g_autoptr(Host) dead = scene_host(scene, 0);
    ck_assert_str_eq(dead->status, "down");
    scene_free(scene);
}
END_TEST

START_TEST(end_of_an_older_connection_does_not_count)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    int64_t old = scene->generation[0];
    scene_connect(scene, 0);
    ck_assert_int_gt(scene->generation[0], old);
    scene_must(host_disconnected(scene->store, scene->hosts[0], old, "cut", &error), error);
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert(host->connected);
    scene_free(scene);
}
END_TEST

START_TEST(another_uuid_is_refused_and_makes_the_host_non_operational)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    scene_must(host_disconnected(scene->store, scene->hosts[0], scene->generation[0], "cut", &error), error);
    g_autoptr(HostConnected) connected =
        host_connected(scene->store, scene->hosts[0], "00000000-0000-0000-0000-00000000dead", 4096, 4, "pc-i440fx-7.2",
                       &error);
    scene_must(connected != NULL, error);
    ck_assert(connected->identity_refused);
    ck_assert_str_eq(connected->status, "non_operational");
    ck_assert_str_ne(connected->detail, "");
    scene_assert_status(scene, 0, "non_operational", "identity");
    scene_must(host_identity(scene->store, scene->hosts[1], "its certificate is another's", &error), error);
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert(!host->connected);
    scene_free(scene);
}
END_TEST

START_TEST(at_the_start_of_the_manager_nothing_is_connected)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    scene_must(hosts_all_disconnected(scene->store, &error), error);
    g_autoptr(Host) host = scene_host(scene, 0);
    ck_assert(!host->connected && !host->is_trusted);
    ck_assert_str_eq(host->status, "initializing");
    ck_assert_str_eq(host->verdict, "unknown");
    scene_free(scene);
}
END_TEST

START_TEST(activation_and_deactivation_are_refused_where_they_make_no_sense)
{
    StoreScene *scene = scene_new(false);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    ck_assert_ptr_null(host_activate(scene->store, scene->hosts[0], NULL, &error));
    assert_refused(error, FAULT_REFUSED, "h1");
    g_clear_error(&error);
    scene_must(host_deactivate(scene->store, scene->hosts[0], false, NULL, &error), error);
    scene_assert_status(scene, 0, "maintenance", "");
    ck_assert(!host_fence(scene->store, scene->hosts[0], NULL, &error));
    assert_refused(error, FAULT_REFUSED, "is connected");
    g_clear_error(&error);
    ck_assert(!host_release_evacuation(scene->store, scene->hosts[0], NULL, &error));
    assert_refused(error, FAULT_REFUSED, "h1");
    g_clear_error(&error);
    scene_must(host_remove(scene->store, scene->hosts[0], &error), error);
    ck_assert_ptr_null(host_get(scene->store, scene->hosts[0], &error));
    assert_refused(error, FAULT_NOT_FOUND, scene->hosts[0]);
    scene_free(scene);
}
END_TEST

START_TEST(set_of_verdicts_is_recorded_in_the_order_given)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    for (size_t i = 0; i < SCENE_HOSTS; i++) {
        host_activated_free(host_activate(scene->store, scene->hosts[i], NULL, &error));
        if (i != 1)
            scene_connect(scene, i);
    }
    int64_t question = 0, asked_at_ms = 0, now_ms = 0;
    scene_must(verdicts_begin(scene->store, (const char *const *)scene->hosts, SCENE_HOSTS, &question, &asked_at_ms,
                              &error),
               error);
    ck_assert_int_gt(question, 0);
    scene_must(verdicts_now(scene->store, &now_ms, &error), error);
    ck_assert(asked_at_ms <= now_ms && now_ms - asked_at_ms < 600000);
    StoreVerdict verdicts[] = {
        {.host = scene->hosts[2], .outcome = "trusted", .reason = "", .detail = "", .valid_until_ms = now_ms + 600000},
        {.host = scene->hosts[1], .outcome = "trusted", .reason = "", .detail = "", .valid_until_ms = now_ms + 600000},
        {.host = "11111111-1111-1111-1111-111111111111", .outcome = "untrusted", .reason = "", .detail = ""},
        {.host = scene->hosts[0], .outcome = "untrusted", .reason = "pcr", .detail = "PCR 7 \"differs\", {1,2}"},
    };
    StoreRecorded recorded[G_N_ELEMENTS(verdicts)];
    scene_must(verdicts_record(scene->store, question, asked_at_ms, verdicts, G_N_ELEMENTS(verdicts), recorded, &error),
               error);
    ck_assert(recorded[0].accepted && recorded[0].is_up);
    ck_assert(!recorded[1].accepted && !recorded[1].is_up); /* it is not connected */
    ck_assert(!recorded[2].accepted && !recorded[2].is_up);
    ck_assert(recorded[3].accepted && !recorded[3].is_up);
    g_autoptr(Host) bad = scene_host(scene, 0);
    ck_assert_str_eq(bad->verdict_reason, "pcr");
    ck_assert_str_eq(bad->verdict_detail, "PCR 7 \"differs\", {1,2}");
    scene_free(scene);
}
END_TEST

START_TEST(answer_to_an_older_question_is_dropped)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    scene_bring_up(scene, 0);
    const char *const hosts[] = {scene->hosts[0]};
    int64_t question = 0, asked_at_ms = 0;
    scene_must(verdicts_begin(scene->store, hosts, 1, &question, &asked_at_ms, &error), error);
    ck_assert(scene_answer(scene, 0, "untrusted", "pcr"));
    StoreVerdict late = {.host = scene->hosts[0], .outcome = "trusted", .valid_until_ms = asked_at_ms + 600000};
    StoreRecorded recorded;
    scene_must(verdicts_record(scene->store, question, asked_at_ms, &late, 1, &recorded, &error), error);
    ck_assert(!recorded.accepted);
    scene_assert_status(scene, 0, "non_operational", "untrusted");
    scene_free(scene);
}
END_TEST

START_TEST(verdict_ends_at_its_time)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    int64_t next_ms = 0, now_ms = 0;
    scene_bring_up(scene, 0);
    scene_must(verdicts_expire(scene->store, &next_ms, &now_ms, &error), error);
    ck_assert(next_ms > now_ms && next_ms <= now_ms + 3600000);
    scene_assert_status(scene, 0, "up", "");
    const char *const hosts[] = {scene->hosts[0]};
    int64_t question = 0, asked_at_ms = 0;
    scene_must(verdicts_begin(scene->store, hosts, 1, &question, &asked_at_ms, &error), error);
    StoreVerdict brief = {.host = scene->hosts[0], .outcome = "trusted", .valid_until_ms = asked_at_ms + 1};
    StoreRecorded recorded;
    scene_must(verdicts_record(scene->store, question, asked_at_ms, &brief, 1, &recorded, &error), error);
    ck_assert(recorded.accepted);
    int64_t deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    for (;;) {
        scene_must(verdicts_expire(scene->store, &next_ms, &now_ms, &error), error);
        if (next_ms == 0)
            break;
        ck_assert(g_get_monotonic_time() < deadline);
        g_usleep(10000);
    }
    scene_assert_status(scene, 0, "non_operational", "expired");
    scene_free(scene);
}
END_TEST

START_TEST(hosts_are_due_oldest_question_first)
{
    StoreScene *scene = scene_new(true);
    g_autoptr(GError) error = NULL;
    int64_t now_ms = 0;
    for (size_t i = SCENE_HOSTS; i-- > 0;)
        scene_bring_up(scene, i);
    scene_must(verdicts_now(scene->store, &now_ms, &error), error);
    g_autoptr(GPtrArray) all = verdicts_due(scene->store, now_ms + 3600000, 10, &error);
    scene_must(all != NULL, error);
    ck_assert_uint_eq(all->len, SCENE_HOSTS);
    for (size_t i = 0; i < SCENE_HOSTS; i++)
        ck_assert_str_eq(((const HostDue *)g_ptr_array_index(all, i))->id, scene->hosts[SCENE_HOSTS - 1 - i]);
    const HostDue *first = g_ptr_array_index(all, 0);
    ck_assert_str_eq(first->name, "h3");
    ck_assert_str_eq(first->attestation_id, "h3.example");
    g_autoptr(GPtrArray) two = verdicts_due(scene->store, now_ms + 3600000, 2, &error);
    ck_assert_uint_eq(two->len, 2);
    g_autoptr(GPtrArray) none = verdicts_due(scene->store, now_ms - 3600000, 10, &error);
    ck_assert_uint_eq(none->len, 0);
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("store_hosts");
    TCase *tcase = tcase_create("hosts");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, added_host_is_read_as_it_was_given);
    tcase_add_test(tcase, hosts_that_are_not_there_are_not_found);
    tcase_add_test(tcase, name_and_address_of_a_host_are_unique);
    tcase_add_test(tcase, update_writes_name_and_comment_and_refuses_to_move_an_active_host);
    tcase_add_test(tcase, life_of_a_trusted_host);
    tcase_add_test(tcase, end_of_an_older_connection_does_not_count);
    tcase_add_test(tcase, another_uuid_is_refused_and_makes_the_host_non_operational);
    tcase_add_test(tcase, at_the_start_of_the_manager_nothing_is_connected);
    tcase_add_test(tcase, activation_and_deactivation_are_refused_where_they_make_no_sense);
    tcase_add_test(tcase, set_of_verdicts_is_recorded_in_the_order_given);
    tcase_add_test(tcase, answer_to_an_older_question_is_dropped);
    tcase_add_test(tcase, verdict_ends_at_its_time);
    tcase_add_test(tcase, hosts_are_due_oldest_question_first);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
