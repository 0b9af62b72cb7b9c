#include "pg_fixture.h"

#include "store/schema.h"
#include "trust/fault.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    char *conninfo;
    char *folder;
} Scene;

static void
scene_make(Scene *scene)
{
    scene->conninfo = pg_fixture_database_empty();
    scene->folder = pg_fixture_folder();
}

static void
scene_clear(Scene *scene)
{
    pg_fixture_remove(scene->folder);
    g_free(scene->conninfo);
}

static void
write_step(const Scene *scene, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(scene->folder, name, NULL);
    g_autoptr(GError) error = NULL;
    if (!g_file_set_contents(path, text, -1, &error))
        ck_abort_msg("%s", error->message);
}

static unsigned
must_migrate(const Scene *scene)
{
    g_autoptr(GError) error = NULL;
    unsigned applied = 0;
    if (!schema_migrate(scene->conninfo, scene->folder, &applied, &error))
        ck_abort_msg("%s", error->message);
    return applied;
}

static void
must_refuse(const Scene *scene, const char *text)
{
    g_autoptr(GError) error = NULL;
    ck_assert(!schema_migrate(scene->conninfo, scene->folder, NULL, &error));
    ck_assert_msg(strstr(error->message, text) != NULL, "%s", error->message);
}

static bool
has_table(const Scene *scene, const char *name)
{
    g_autoptr(Store) store = pg_fixture_store(scene->conninfo);
    g_autoptr(GError) error = NULL;
    const char *params[] = {name};
    g_autoptr(StoreResult) result = store_call(store, &error, "select to_regclass($1) is not null as yes", 1, params);
    ck_assert_msg(result != NULL, "%s", error != NULL ? error->message : "");
    return store_bool(result, 0, "yes");
}

START_TEST(each_step_is_applied_once_in_order)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "002-b.sql", "create table b (like a); create table c (like a);");
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    write_step(&scene, "notes.txt", "not a step");
    ck_assert_uint_eq(must_migrate(&scene), 2);
    ck_assert_uint_eq(must_migrate(&scene), 0);
    write_step(&scene, "010-d.sql", "alter table a add m text;");
    ck_assert_uint_eq(must_migrate(&scene), 1);
    ck_assert(has_table(&scene, "trustpool.a"));
    ck_assert(has_table(&scene, "trustpool.c"));
    scene_clear(&scene);
}
END_TEST

START_TEST(failing_step_leaves_nothing_and_names_itself_and_the_line)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    write_step(&scene, "002-bad.sql", "create table b (n integer);\n-- Zürich\ninsert into nowhere values (1);\n");
    must_refuse(&scene, "schema step 002-bad.sql: line 3: relation \"nowhere\" does not exist");
    ck_assert(has_table(&scene, "trustpool.a"));
    ck_assert(!has_table(&scene, "trustpool.b"));
    write_step(&scene, "002-bad.sql", "create table b (n integer);");
    ck_assert_uint_eq(must_migrate(&scene), 1);
    scene_clear(&scene);
}
END_TEST

START_TEST(step_that_ends_its_transaction_is_refused)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer); commit;");
    must_refuse(&scene, "001-a.sql: it ends its transaction itself");
    scene_clear(&scene);
}
END_TEST

START_TEST(changed_step_is_an_error_that_names_it)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    must_migrate(&scene);
    write_step(&scene, "001-a.sql", "create table a (n bigint);");
    must_refuse(&scene, "schema step 001-a.sql has changed");
    scene_clear(&scene);
}
END_TEST

START_TEST(newer_database_is_an_error_that_names_the_step)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    write_step(&scene, "002-b.sql", "create table b (n integer);");
    must_migrate(&scene);
    g_autofree char *path = g_build_filename(scene.folder, "002-b.sql", NULL);
    ck_assert_int_eq(unlink(path), 0);
    must_refuse(&scene, "newer than this program: it has schema step 002-b.sql");
    scene_clear(&scene);
}
END_TEST

START_TEST(step_with_an_old_number_is_not_overlooked)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    write_step(&scene, "003-c.sql", "create table c (n integer);");
    must_migrate(&scene);
    write_step(&scene, "002-b.sql", "create table b (n integer);");
    must_refuse(&scene, "give it a number above 3");
    scene_clear(&scene);
}
END_TEST

START_TEST(two_steps_with_one_number_are_refused)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    write_step(&scene, "001-b.sql", "create table b (n integer);");
    must_refuse(&scene, "have the same number");
    scene_clear(&scene);
}
END_TEST

START_TEST(check_tells_what_is_missing_and_how_to_add_it)
{
    Scene scene;
    g_autoptr(GError) error = NULL;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer);");
    ck_assert(!schema_check(scene.conninfo, scene.folder, &error));
    ck_assert_msg(strstr(error->message, "001-a.sql: run `trustpoold --migrate`") != NULL, "%s", error->message);
    g_clear_error(&error);
    must_migrate(&scene);
    ck_assert(schema_check(scene.conninfo, scene.folder, &error));
    write_step(&scene, "002-b.sql", "create table b (n integer);");
    ck_assert(!schema_check(scene.conninfo, scene.folder, &error));
    ck_assert_msg(strstr(error->message, "002-b.sql") != NULL, "%s", error->message);
    scene_clear(&scene);
}
END_TEST

static void *
migrate_thread(void *closure)
{
    return GUINT_TO_POINTER(must_migrate(closure) + 1);
}

START_TEST(two_that_migrate_at_once_apply_each_step_once)
{
    Scene scene;
    scene_make(&scene);
    write_step(&scene, "001-a.sql", "create table a (n integer); select pg_sleep(0.1);");
    write_step(&scene, "002-b.sql", "create table b (n integer);");
    pthread_t threads[3];
    guint sum = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, migrate_thread, &scene), 0);
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        void *applied = NULL;
        pthread_join(threads[i], &applied);
        sum += GPOINTER_TO_UINT(applied) - 1;
    }
    ck_assert_uint_eq(sum, 2);
    scene_clear(&scene);
}
END_TEST

START_TEST(steps_of_the_project_apply_to_an_empty_database)
{
    g_autofree char *conninfo = pg_fixture_database_empty();
    g_autoptr(GError) error = NULL;
    unsigned applied = 0;
    if (!schema_migrate(conninfo, PG_FIXTURE_SQL, &applied, &error))
        ck_abort_msg("%s", error->message);
    ck_assert_uint_gt(applied, 0);
    ck_assert(schema_check(conninfo, PG_FIXTURE_SQL, &error));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("schema");
    TCase *tcase = tcase_create("schema");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, each_step_is_applied_once_in_order);
    tcase_add_test(tcase, failing_step_leaves_nothing_and_names_itself_and_the_line);
    tcase_add_test(tcase, step_that_ends_its_transaction_is_refused);
    tcase_add_test(tcase, changed_step_is_an_error_that_names_it);
    tcase_add_test(tcase, newer_database_is_an_error_that_names_the_step);
    tcase_add_test(tcase, step_with_an_old_number_is_not_overlooked);
    tcase_add_test(tcase, two_steps_with_one_number_are_refused);
    tcase_add_test(tcase, check_tells_what_is_missing_and_how_to_add_it);
    tcase_add_test(tcase, two_that_migrate_at_once_apply_each_step_once);
    tcase_add_test(tcase, steps_of_the_project_apply_to_an_empty_database);
    suite_add_tcase(suite, tcase);
    return pg_fixture_run(suite);
}
