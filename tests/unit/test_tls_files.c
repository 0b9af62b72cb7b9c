#include "manager/tls_files.h"
#include <check.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char *directory;

static void
make_directory(void)
{
    directory = g_dir_make_tmp("trustpool-tls-XXXXXX", NULL);
    ck_assert_ptr_nonnull(directory);
}

static void
remove_directory(void)
{
    static const char *const names[] = {"ca.pem", "cert.pem", "key.pem"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);
        g_unlink(path);
    }
    g_rmdir(directory);
    g_free(directory);
}

static char *
read_file(const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    char *text = NULL;

    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    return text;
}

static X509 *
read_certificate(const char *name)
{
    g_autofree char *text = read_file(name);
    BIO *memory = BIO_new_mem_buf(text, -1);
    X509 *certificate = PEM_read_bio_X509(memory, NULL, NULL, NULL);

    BIO_free(memory);
    ck_assert_ptr_nonnull(certificate);
    return certificate;
}

static void
make(const char *names)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(tls_files_make(directory, names, &error), "%s", error ? error->message : "");
}

START_TEST(the_certificate_is_of_its_ca_and_for_its_names)
{
    X509 *ca, *certificate;
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    make("localhost, 127.0.0.1,::1");
    ca = read_certificate("ca.pem");
    certificate = read_certificate("cert.pem");
    X509_STORE_add_cert(store, ca);
    X509_STORE_CTX_init(context, store, certificate, NULL);
    X509_STORE_CTX_set_purpose(context, X509_PURPOSE_SSL_SERVER);
    ck_assert_int_eq(X509_verify_cert(context), 1);
    ck_assert_int_eq(X509_check_host(certificate, "localhost", 0, 0, NULL), 1);
    ck_assert_int_eq(X509_check_ip_asc(certificate, "127.0.0.1", 0), 1);
    ck_assert_int_eq(X509_check_ip_asc(certificate, "::1", 0), 1);
    ck_assert_int_ne(X509_check_host(certificate, "elsewhere", 0, 0, NULL), 1);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(ca);
    X509_free(certificate);
}
END_TEST

START_TEST(nobody_else_may_read_the_key)
{
    g_autofree char *path = g_build_filename(directory, "key.pem", NULL);
    struct stat status;

    make("localhost");
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_good_certificate_is_kept)
{
    g_autofree char *first = NULL, *second = NULL;

    make("localhost,127.0.0.1");
    first = read_file("cert.pem");
    make("127.0.0.1");
    second = read_file("cert.pem");
    ck_assert_str_eq(first, second);
}
END_TEST

START_TEST(other_names_get_another_certificate)
{
    g_autofree char *first = NULL, *second = NULL;

    make("localhost");
    first = read_file("cert.pem");
    make("localhost,10.0.0.1");
    second = read_file("cert.pem");
    ck_assert_str_ne(first, second);
}
END_TEST

START_TEST(a_folder_that_cannot_be_made_is_named)
{
    g_autoptr(GError) error = NULL;

    ck_assert(!tls_files_make("/proc/nowhere/tls", "localhost", &error));
    ck_assert_msg(strstr(error->message, "/proc/nowhere/tls") != NULL, "%s", error->message);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("tls_files");
    TCase *tests = tcase_create("tls_files");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_checked_fixture(tests, make_directory, remove_directory);
    tcase_add_test(tests, the_certificate_is_of_its_ca_and_for_its_names);
    tcase_add_test(tests, nobody_else_may_read_the_key);
    tcase_add_test(tests, a_good_certificate_is_kept);
    tcase_add_test(tests, other_names_get_another_certificate);
    tcase_add_test(tests, a_folder_that_cannot_be_made_is_named);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
