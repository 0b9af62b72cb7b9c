#include "store_scene.h"

#include "manager/moves.h"
#include "store/progress.h"

#include <string.h>

#define DEADLINE_US (60 * G_USEC_PER_SEC)
#define PAUSE_US 20000

static Move *
make_move(StoreScene *scene, const char *vm, size_t target)
{
    g_autoptr(GError) error = NULL;
    Move *move = g_new0(Move, 1);

    move->operation = g_uuid_string_random();
    move->vm = g_strdup(vm);
    move->target = g_strdup(scene->hosts[target]);
    scene_must(vm_place(scene->store, move->operation, PLACE_MIGRATE, vm, move->target, scene->generation[target], true,
                        &move->source, &error),
               error);
    return move;
}

/* The percentage that is shown of the only migration; -1: none is shown. */
static int64_t
percent(StoreScene *scene)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) list = evacuations_list(scene->store, &error);
    const EvacuationProgress *progress;

    scene_must(list != NULL, error);
    if (list->len == 0)
        return -1;
    progress = g_ptr_array_index(list, 0);
    return progress->moves->len ? ((const EvacuationMove *)g_ptr_array_index(progress->moves, 0))->percent : -1;
}

/* h1 has turned bad and runs a VM, which is on its way to h2. */
static StoreScene *
make_scene(Moves **moves, Move **move)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *vm = NULL;
    StoreScene *scene = scene_new(true);

    for (size_t i = 0; i < SCENE_HOSTS; i++)
        scene_bring_up(scene, i);
    vm = scene_vm(scene, "v1");
    scene_run_vm(scene, vm, 0);
    ck_assert(scene_answer(scene, 0, "untrusted", "pcr"));
    *moves = moves_new(scene->store, &error);
    scene_must(*moves != NULL, error);
    *move = make_move(scene, vm, 1);
    moves_add(*moves, *move);
    return scene;
}

START_TEST(what_is_told_of_a_move_comes_into_the_database)
{
    const ConvergeSample half = {.data_total = 1000, .data_remaining = 500};
    const ConvergeSample most = {.data_total = 1000, .data_remaining = 100};
    int64_t until_us = g_get_monotonic_time() + DEADLINE_US;
    Moves *moves;
    Move *move;
    StoreScene *scene = make_scene(&moves, &move);

    ck_assert_uint_eq(moves_count(moves, scene->hosts[0], true), 1);
    ck_assert_uint_eq(moves_count(moves, scene->hosts[1], false), 1);
    ck_assert_uint_eq(moves_count(moves, scene->hosts[1], true), 0);
    moves_tell(moves, move, &half, "");
    while (percent(scene) != 50 && g_get_monotonic_time() < until_us)
        g_usleep(PAUSE_US);
    ck_assert_int_eq(percent(scene), 50);
    moves_tell(moves, move, &most, "bandwidth");
    while (percent(scene) != 90 && g_get_monotonic_time() < until_us)
        g_usleep(PAUSE_US);
    ck_assert_int_eq(percent(scene), 90);
    ck_assert_int_eq(g_atomic_int_get(&move->cancel), 0);
    ck_assert_ptr_null(moves_refusal(moves, move));
    moves_remove(moves, move);
    ck_assert_uint_eq(moves_count(moves, scene->hosts[0], true), 0);
    moves_free(moves);
    scene_free(scene);
}
END_TEST

START_TEST(a_move_whose_target_loses_its_trust_is_cancelled_and_says_why)
{
    int64_t until_us = g_get_monotonic_time() + DEADLINE_US;
    g_autofree char *why = NULL;
    Moves *moves;
    Move *move;
    StoreScene *scene = make_scene(&moves, &move);

    ck_assert(scene_answer(scene, 1, "untrusted", "pcr"));
    while (!g_atomic_int_get(&move->cancel) && g_get_monotonic_time() < until_us)
        g_usleep(PAUSE_US);
    ck_assert_int_ne(g_atomic_int_get(&move->cancel), 0);
    why = moves_refusal(moves, move);
    ck_assert_ptr_nonnull(strstr(why, "h2 is not trusted any more"));
    moves_remove(moves, move);
    moves_free(moves);
    scene_free(scene);
}
END_TEST

START_TEST(whatever_is_under_way_or_comes_later_is_cancelled_when_they_are_stopped)
{
    Move *late = g_new0(Move, 1);
    Moves *moves;
    Move *move;
    StoreScene *scene = make_scene(&moves, &move);

    moves_stop(moves);
    ck_assert_int_ne(g_atomic_int_get(&move->cancel), 0);
    late->operation = g_uuid_string_random();
    late->source = g_strdup(scene->hosts[0]);
    late->target = g_strdup(scene->hosts[2]);
    moves_add(moves, late);
    ck_assert_int_ne(g_atomic_int_get(&late->cancel), 0);
    ck_assert_ptr_null(moves_refusal(moves, late));
    moves_remove(moves, move);
    moves_remove(moves, late);
    moves_free(moves);
    scene_free(scene);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("moves");
    TCase *tcase = tcase_create("moves");

    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, what_is_told_of_a_move_comes_into_the_database);
    tcase_add_test(tcase, a_move_whose_target_loses_its_trust_is_cancelled_and_says_why);
    tcase_add_test(tcase, whatever_is_under_way_or_comes_later_is_cancelled_when_they_are_stopped);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
