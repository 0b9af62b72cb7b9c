/* Connections: addresses, events and closing on libvirt's test driver, certificates against a TLS server made here. */
#include "trust/fault.h"
#include "virt/connection.h"
#include "virt/connection_private.h"
#include "virt/loop.h"
#include <arpa/inet.h>
#include <check.h>
#include <glib/gstdio.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_US (60 * G_USEC_PER_SEC)
#define XML "<domain type='test'><name>vm</name><memory>8192</memory><os><type>hvm</type></os></domain>"

typedef struct {
    pthread_mutex_t lock;
    GString *seen; /* under lock: the events, one word each */
    int released;  /* atomic */
} Log;

static void
on_domain(void *closure, const char *uuid, const char *name, VirtDomainEvent event)
{
    Log *log = closure;
    (void)uuid;
    pthread_mutex_lock(&log->lock);
    g_string_append_printf(log->seen, "%s:%s ", name, virt_domain_event_word(event));
    pthread_mutex_unlock(&log->lock);
}

static void
on_release(void *closure)
{
    g_atomic_int_inc(&((Log *)closure)->released);
}

static bool
saw(Log *log, const char *text)
{
    pthread_mutex_lock(&log->lock);
    bool yes = g_str_equal(log->seen->str, text);
    pthread_mutex_unlock(&log->lock);
    return yes;
}

static Log record;
static const VirtCallbacks callbacks = {.domain = on_domain};
static const VirtSettings test_settings = {.transport = "test", .pki_dir = ""};

static void
setup(void)
{
    pthread_mutex_init(&record.lock, NULL);
    record.seen = g_string_new(NULL);
    record.released = 0;
    ck_assert(virt_loop_start(NULL));
}

static void
teardown(void)
{
    ck_assert(virt_connections_wait(60000));
    virt_loop_stop();
    g_string_free(record.seen, TRUE);
}

static VirtConnection *
open_test(void)
{
    g_autoptr(GError) error = NULL;
    VirtConnection *c = virt_connection_open(&test_settings, "default", &callbacks, &record, on_release, &error);
    ck_assert_msg(c != NULL, "%s", error != NULL ? error->message : "?");
    return c;
}

START_TEST(names_and_addresses_are_valid_and_nothing_else)
{
    const char *const good[] = {"h", "h1.example.com", "10.0.0.1", "fd00::1", "::1", "a_b", "a-b"};
    const char *const bad[] = {"",   " ",          "h h",    "h/x",    "h?command=x", "h:1",  "a..b",
                               "-h", "h-",         "user@h", "[fd::]", "h#x",         "h%00", "h\n",
                               "é",  "fd::1%eth0", ".h",     "h.",     NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++)
        ck_assert_msg(virt_address_is_valid(good[i], NULL), "'%s'", good[i]);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        ck_assert_msg(!virt_address_is_valid(bad[i], &error), "'%s'", bad[i] != NULL ? bad[i] : "NULL");
        ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    }
}
END_TEST

START_TEST(a_hostile_address_opens_nothing)
{
    const char *const transports[] = {"tls", "ssh", "unix", "test"};
    for (size_t i = 0; i < G_N_ELEMENTS(transports); i++) {
        const VirtSettings settings = {.transport = transports[i], .pki_dir = ""};
        g_autoptr(GError) error = NULL;
        ck_assert_ptr_null(
            virt_connection_open(&settings, "h/system?command=/bin/sh", &callbacks, &record, on_release, &error));
        ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    }
    ck_assert_int_eq(record.released, 0);
}
END_TEST

START_TEST(an_unknown_transport_is_refused)
{
    const VirtSettings settings = {.transport = "ext", .pki_dir = ""};
    g_autoptr(GError) error = NULL;
    ck_assert_ptr_null(virt_connection_open(&settings, "h", &callbacks, &record, on_release, &error));
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
}
END_TEST

START_TEST(a_host_says_what_it_has_and_what_it_runs)
{
    g_autoptr(VirtConnection) c = open_test();
    VirtHostInfo info;
    ck_assert(virt_host_info(c, &info, NULL));
    ck_assert_int_gt(info.memory_mib, 0);
    ck_assert_int_gt(info.cpus, 0);
    ck_assert_ptr_null(info.uuid);
    virt_host_info_clear(&info);
    g_autoptr(GPtrArray) domains = virt_domains(c, NULL);
    ck_assert_uint_eq(domains->len, 1);
    const VirtDomain *domain = g_ptr_array_index(domains, 0);
    ck_assert_str_eq(domain->name, "test");
    ck_assert_str_eq(domain->state, "running");
    ck_assert(g_uuid_string_is_valid(domain->uuid));
    ck_assert(virt_connection_is_alive(c));
}
END_TEST

START_TEST(events_come_in_their_order_until_the_connection_is_closed)
{
    g_autoptr(VirtConnection) c = open_test();
    ck_assert(virt_watch_domains(c, NULL));
    virDomainPtr domain = virDomainCreateXML(virt_connection_handle(c), XML, 0);
    ck_assert_ptr_nonnull(domain);
    ck_assert_int_eq(virDomainSuspend(domain), 0);
    ck_assert_int_eq(virDomainResume(domain), 0);
    ck_assert_int_eq(virDomainDestroy(domain), 0);
    virDomainFree(domain);
    const char *expected = "vm:started vm:suspended vm:resumed vm:stopped ";
    for (gint64 end = g_get_monotonic_time() + DEADLINE_US; !saw(&record, expected) && g_get_monotonic_time() < end;)
        g_usleep(1000);
    ck_assert_str_eq(record.seen->str, expected);

    virt_connection_close(c);
    ck_assert_int_eq(g_atomic_int_get(&record.released), 1);
    domain = virDomainCreateXML(virt_connection_handle(c), XML, 0);
    ck_assert_int_eq(virDomainDestroy(domain), 0);
    virDomainFree(domain);
    virt_connection_close(c);
    virt_connection_unref(g_steal_pointer(&c));
    ck_assert(virt_connections_wait(60000));
    ck_assert_str_eq(record.seen->str, expected);
    ck_assert_int_eq(g_atomic_int_get(&record.released), 1);
}
END_TEST

START_TEST(the_last_reference_closes_and_releases)
{
    VirtConnection *c = open_test();
    VirtConnection *second = virt_connection_ref(c);
    virt_connection_unref(c);
    ck_assert_int_eq(g_atomic_int_get(&record.released), 0);
    virt_connection_unref(second);
    ck_assert_int_eq(g_atomic_int_get(&record.released), 1);
    virt_connection_unref(NULL);
}
END_TEST

/* --- a TLS server whose certificate may be wrong --- */

typedef struct {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
} Pair;

static Pair
pair_new(const char *name, const char *ip, const Pair *ca)
{
    static unsigned char serial = 1;
    Pair p;
    ck_assert_int_eq(gnutls_x509_privkey_init(&p.key), 0);
    ck_assert_int_eq(gnutls_x509_privkey_generate(p.key, GNUTLS_PK_ECDSA,
                                                  GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
                     0);
    ck_assert_int_eq(gnutls_x509_crt_init(&p.crt), 0);
    gnutls_x509_crt_set_version(p.crt, 3);
    gnutls_x509_crt_set_serial(p.crt, &serial, 1);
    serial++;
    gnutls_x509_crt_set_activation_time(p.crt, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(p.crt, time(NULL) + 86400);
    gnutls_x509_crt_set_dn_by_oid(p.crt, GNUTLS_OID_X520_COMMON_NAME, 0, name, (unsigned)strlen(name));
    gnutls_x509_crt_set_key(p.crt, p.key);
    if (ip != NULL) {
        struct in_addr bytes;
        ck_assert_int_eq(inet_pton(AF_INET, ip, &bytes), 1);
        gnutls_x509_crt_set_subject_alt_name(p.crt, GNUTLS_SAN_IPADDRESS, &bytes, sizeof bytes, GNUTLS_FSAN_SET);
    }
    gnutls_x509_crt_set_basic_constraints(p.crt, ca == NULL, -1);
    gnutls_x509_crt_set_key_usage(p.crt, ca == NULL ? GNUTLS_KEY_KEY_CERT_SIGN
                                                    : GNUTLS_KEY_DIGITAL_SIGNATURE | GNUTLS_KEY_KEY_ENCIPHERMENT);
    const Pair *issuer = ca != NULL ? ca : &p;
    ck_assert_int_eq(gnutls_x509_crt_sign2(p.crt, issuer->crt, issuer->key, GNUTLS_DIG_SHA256, 0), 0);
    return p;
}

static void
pair_free(Pair *p)
{
    gnutls_x509_crt_deinit(p->crt);
    gnutls_x509_privkey_deinit(p->key);
}

static void
file_write(const char *dir, const char *name, gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    gnutls_datum_t pem = {0};
    if (crt != NULL)
        ck_assert_int_eq(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    else
        ck_assert_int_eq(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
    ck_assert(g_file_set_contents(path, (const char *)pem.data, (gssize)pem.size, NULL));
    gnutls_free(pem.data);
}

typedef struct {
    int listener;
    gnutls_certificate_credentials_t credentials;
} Server;

/* Shakes hands with one client and leaves. */
static void *
server_run(void *opaque)
{
    Server *server = opaque;
    gnutls_session_t session;
    int fd = accept(server->listener, NULL, NULL);
    gnutls_init(&session, GNUTLS_SERVER);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server->credentials);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, 60000);
    while (gnutls_handshake(session) == GNUTLS_E_AGAIN)
        ;
    gnutls_deinit(session);
    shutdown(fd, SHUT_RDWR);
    close(fd);
    return NULL;
}

/* Opens a connection to 127.0.0.1, where `host` is the certificate of the server, and the client trusts `ca`. */
static void
open_tls(const Pair *ca, const Pair *host, GError **error)
{
    g_autofree char *dir = g_dir_make_tmp("virt-XXXXXX", NULL);
    Pair client = pair_new("manager", NULL, ca);
    file_write(dir, "cacert.pem", ca->crt, NULL);
    file_write(dir, "clientcert.pem", client.crt, NULL);
    file_write(dir, "clientkey.pem", NULL, client.key);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    Server server = {.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    ck_assert_int_eq(bind(server.listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(server.listener, 1), 0);
    ck_assert_int_eq(getsockname(server.listener, (struct sockaddr *)&address, &length), 0);
    gnutls_certificate_allocate_credentials(&server.credentials);
    gnutls_x509_crt_t chain[] = {host->crt};
    gnutls_certificate_set_x509_key(server.credentials, chain, 1, host->key);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, server_run, &server), 0);

    const VirtSettings settings = {.transport = "tls", .pki_dir = dir, .port = ntohs(address.sin_port)};
    ck_assert_ptr_null(virt_connection_open(&settings, "127.0.0.1", &callbacks, &record, on_release, error));

    shutdown(server.listener, SHUT_RDWR); /* if nobody came */
    pthread_join(thread, NULL);
    close(server.listener);
    gnutls_certificate_free_credentials(server.credentials);
    pair_free(&client);
    const char *const names[] = {"cacert.pem", "clientcert.pem", "clientkey.pem"};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(dir, names[i], NULL);
        g_unlink(path);
    }
    g_rmdir(dir);
}

START_TEST(a_certificate_of_another_name_or_another_ca_is_denied)
{
    Pair ca = pair_new("ca", NULL, NULL), other_ca = pair_new("ca", NULL, NULL);
    Pair other_name = pair_new("h2", "10.0.0.2", &ca), other_issuer = pair_new("h1", "127.0.0.1", &other_ca);
    g_autoptr(GError) error = NULL;
    open_tls(&ca, &other_name, &error);
    ck_assert_msg(g_error_matches(error, FAULT, FAULT_DENIED), "%s", error->message);
    g_clear_error(&error);
    open_tls(&ca, &other_issuer, &error);
    ck_assert_msg(g_error_matches(error, FAULT, FAULT_DENIED), "%s", error->message);
    ck_assert_ptr_nonnull(strstr(error->message, "127.0.0.1"));
    Pair *const pairs[] = {&ca, &other_ca, &other_name, &other_issuer};
    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++)
        pair_free(pairs[i]);
}
END_TEST

START_TEST(a_right_certificate_and_then_silence_is_unavailable)
{
    Pair ca = pair_new("ca", NULL, NULL), host = pair_new("h1", "127.0.0.1", &ca);
    g_autoptr(GError) error = NULL;
    open_tls(&ca, &host, &error);
    ck_assert_msg(g_error_matches(error, FAULT, FAULT_UNAVAILABLE), "%s", error->message);
    pair_free(&ca);
    pair_free(&host);
}
END_TEST

START_TEST(sockets_to_a_port_get_the_kernels_keepalive_and_others_do_not)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), on = -1;
    ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(listener, 1), 0);
    ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    int server = accept(listener, NULL, NULL);
    virt_sockets_keepalive(ntohs(address.sin_port));
    length = sizeof on;
    ck_assert_int_eq(getsockopt(client, SOL_SOCKET, SO_KEEPALIVE, &on, &length), 0);
    ck_assert_int_eq(on, 1);
    ck_assert_int_eq(getsockopt(server, SOL_SOCKET, SO_KEEPALIVE, &on, &length), 0);
    ck_assert_int_eq(on, 0);
    close(server);
    close(client);
    close(listener);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("connection");
    TCase *tcase = tcase_create("connection");
    tcase_set_timeout(tcase, 120);
    tcase_add_checked_fixture(tcase, setup, teardown);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, names_and_addresses_are_valid_and_nothing_else);
    tcase_add_test(tcase, a_hostile_address_opens_nothing);
    tcase_add_test(tcase, an_unknown_transport_is_refused);
    tcase_add_test(tcase, a_host_says_what_it_has_and_what_it_runs);
    tcase_add_test(tcase, events_come_in_their_order_until_the_connection_is_closed);
    tcase_add_test(tcase, the_last_reference_closes_and_releases);
    tcase_add_test(tcase, a_certificate_of_another_name_or_another_ca_is_denied);
    tcase_add_test(tcase, a_right_certificate_and_then_silence_is_unavailable);
    tcase_add_test(tcase, sockets_to_a_port_get_the_kernels_keepalive_and_others_do_not);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
