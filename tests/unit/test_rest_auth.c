/* Passwords, credentials, their cache; and the pure parts of the server: routes and heads. */
#include "rest/auth.h"
#include "rest/http_head.h"
#include "rest/password.h"
#include "rest/router.h"
#include "trust/fault.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ID "0d4bd2a5-7f4e-4a0b-9b55-0a6b6a1f3c11"

static gint lookups;

static char *
look_up(void *closure, const char *user, GError **error)
{
    lookups++;
    if (strcmp(user, "broken") == 0) {
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "no database");
        return NULL;
    }
    return strcmp(user, "admin@internal") == 0 ? g_strdup(closure) : NULL;
}

static Credentials *
credentials_of(const char *text)
{
    g_autofree char *encoded = g_base64_encode((const guchar *)text, strlen(text));
    g_autofree char *header = g_strconcat("Basic ", encoded, NULL);
    Credentials *credentials = credentials_parse(header);
    ck_assert_ptr_nonnull(credentials);
    return credentials;
}

START_TEST(a_hash_belongs_to_its_password_alone)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *hash = password_hash("secret", &error);
    g_autofree char *again = password_hash("secret", &error);
    bool is_right = false;
    ck_assert(g_str_has_prefix(hash, "$scrypt$ln=15,r=8,p=1$"));
    ck_assert_str_ne(hash, again);
    ck_assert(password_verify("secret", hash, &is_right, &error) && is_right);
    ck_assert(password_verify("secret ", hash, &is_right, &error) && !is_right);
    ck_assert(password_verify("", hash, &is_right, &error) && !is_right);
    ck_assert(password_verify("secret", NULL, &is_right, &error) && !is_right);
    ck_assert(!password_verify("secret", "$scrypt$ln=15,r=8,p=1$AAAA", &is_right, &error) && !is_right);
    ck_assert_ptr_nonnull(error);
}
END_TEST

START_TEST(first_passwords_are_long_and_differ)
{
    g_autofree char *one = password_random(NULL);
    g_autofree char *two = password_random(NULL);
    ck_assert_uint_eq(strlen(one), 20);
    ck_assert_str_ne(one, two);
    ck_assert_uint_eq(strspn(one, "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"), 20);
}
END_TEST

START_TEST(credentials_are_well_formed_basic)
{
    static const char *const bad[] = {NULL,
                                      "",
                                      "Basic",
                                      "Basic ",
                                      "Basic ====",
                                      "Bearer YTpi",
                                      "Basic bm9jb2xvbg==",
                                      "Basic OnB3",
                                      "Basic YQBiOmM=",
                                      "Basic //46Yw=="};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        ck_assert_msg(credentials_parse(bad[i]) == NULL, "taken: %s", bad[i]);
    g_autoptr(Credentials) credentials = credentials_parse("bAsIc YWRtaW5AaW50ZXJuYWw6czpl");
    ck_assert_str_eq(credentials->user, "admin@internal");
    ck_assert_str_eq(credentials->password, "s:e");
}
END_TEST

START_TEST(only_verified_credentials_are_remembered)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *hash = password_hash("secret", &error);
    Auth *auth = auth_new(look_up, hash, &error);
    g_autoptr(Credentials) right = credentials_of("admin@internal:secret");
    g_autoptr(Credentials) wrong = credentials_of("admin@internal:wrong");
    g_autoptr(Credentials) unknown = credentials_of("nobody:secret");
    g_autoptr(Credentials) shifted = credentials_of("admin@internals:ecret");
    g_autoptr(Credentials) broken = credentials_of("broken:secret");
    bool is_right = false;
    ck_assert(!auth_is_known(auth, right));
    ck_assert(auth_verify(auth, wrong, &is_right, &error) && !is_right);
    ck_assert(!auth_is_known(auth, wrong));
    ck_assert(auth_verify(auth, unknown, &is_right, &error) && !is_right);
    ck_assert(!auth_is_known(auth, unknown));
    ck_assert(auth_verify(auth, right, &is_right, &error) && is_right);
    ck_assert(auth_is_known(auth, right));
    ck_assert(!auth_is_known(auth, wrong));
    ck_assert(!auth_is_known(auth, shifted));
    ck_assert(!auth_verify(auth, broken, &is_right, &error) && !is_right);
    ck_assert(g_error_matches(error, FAULT, FAULT_UNAVAILABLE));
    auth_free(auth);
}
END_TEST

static bool
serve(RestCall *call, GError **error)
{
    (void)call;
    (void)error;
    return true;
}

static const Route routes[] = {
    {"GET", "/", .serve = serve},
    {"GET", "/things", .serve = serve},
    {"POST", "/things", .serve = serve},
    {"GET", "/things/{id}", .serve = serve},
    {"POST", "/things/{id}/act", .serve = serve},
    {"GET", "/events/{number}", .serve = serve},
    {.method = NULL},
};

START_TEST(paths_lead_to_their_routes)
{
    static const struct {
        const char *method, *path;
        int route; /* -1: no path, -2: no method */
        const char *id;
    } cases[] = {
        {"GET", "", 0, NULL},
        {"GET", "/", 0, NULL},
        {"GET", "/things", 1, NULL},
        {"GET", "/things/", 1, NULL},
        {"POST", "/things", 2, NULL},
        {"GET", "/things/" ID, 3, ID},
        {"PUT", "/things", -2, NULL},
        {"POST", "/things/" ID "/act", 4, ID},
        {"GET", "/events/17", 5, "17"},
        {"GET", "/events/-1", -1, NULL},
        {"GET", "/events/99999999999999999999", -1, NULL},
        {"GET", "/things/17", -1, NULL},
        {"GET", "//things", -1, NULL},
        {"GET", "/things/" ID "/act/more", -1, NULL},
        {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r/s", -1, NULL},
        {"GET", "/things/{id}", -1, NULL},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Route *route = NULL;
        g_autofree char *id = NULL;
        RouterAnswer answer = router_find(routes, cases[i].method, cases[i].path, &route, &id);
        int found = answer == ROUTER_FOUND ? (int)(route - routes) : answer == ROUTER_NO_PATH ? -1 : -2;
        ck_assert_msg(found == cases[i].route, "%s %s: %d", cases[i].method, cases[i].path, found);
        ck_assert_pstr_eq(id, cases[i].id);
    }
}
END_TEST

START_TEST(roots_are_taken_off)
{
    const char *rest = NULL;
    ck_assert_str_eq(router_root("/api", &rest), "/api");
    ck_assert_str_eq(rest, "");
    ck_assert_str_eq(router_root("/ovirt-engine/api/hosts", &rest), "/ovirt-engine/api");
    ck_assert_str_eq(rest, "/hosts");
    ck_assert_str_eq(router_root("/ovirt-engine/api/v3/hosts", &rest), "/ovirt-engine/api/v3");
    ck_assert_str_eq(rest, "/hosts");
    ck_assert_ptr_null(router_root("/apis", &rest));
    ck_assert_ptr_null(router_root("/", &rest));
}
END_TEST

static unsigned
judge(bool is_read, const char *const lines[][2])
{
    HttpHead head = {0};
    const char *why = NULL;
    for (; (*lines)[0] != NULL; lines++)
        http_head_add(&head, (*lines)[0], (*lines)[1]);
    return http_head_judge(&head, is_read, 1000, &why);
}

#define JUDGE(is_read, ...) judge(is_read, (const char *const[][2]){__VA_ARGS__, {NULL, NULL}})

START_TEST(heads_that_could_be_read_in_two_ways_are_refused)
{
    ck_assert_uint_eq(JUDGE(true, {"Host", "h"}), 0);
    ck_assert_uint_eq(JUDGE(true, {"Accept", "x"}), 400);
    ck_assert_uint_eq(JUDGE(true, {"Host", "h"}, {"host", "h"}), 400);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Length", "5"}), 0);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Length", "1001"}), 413);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Length", "-5"}), 400);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Length", "5, 5"}), 400);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Length", "5"}, {"CONTENT-LENGTH", "5"}), 400);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"}), 400);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Authorization", "a"}, {"Authorization", "b"}), 400);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Type", "text/plain"}), 415);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Content-Type", " Application/XML ; charset=x"}), 0);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h:1"}, {"Origin", "https://h:1"}), 0);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Origin", "https://evil"}), 403);
    ck_assert_uint_eq(JUDGE(false, {"Host", "h"}, {"Origin", "null"}), 403);
    ck_assert_uint_eq(JUDGE(true, {"Host", "h"}, {"Origin", "https://evil"}), 0);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rest_auth");
    TCase *tests = tcase_create("auth");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_hash_belongs_to_its_password_alone);
    tcase_add_test(tests, first_passwords_are_long_and_differ);
    tcase_add_test(tests, credentials_are_well_formed_basic);
    tcase_add_test(tests, only_verified_credentials_are_remembered);
    tcase_add_test(tests, paths_lead_to_their_routes);
    tcase_add_test(tests, roots_are_taken_off);
    tcase_add_test(tests, heads_that_could_be_read_in_two_ways_are_refused);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
