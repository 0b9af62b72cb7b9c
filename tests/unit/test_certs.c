#include "test_certs.h"

#include <glib.h>
#include <glib/gstdio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

typedef struct {
    EVP_PKEY *key;
    X509 *certificate;
} Identity;

static const char *const names[] = {"ca", "server", "other", "client", "stranger"};

static void
add_extension(X509 *certificate, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;

    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    if (!extension)
        g_error("no extension %s", value);
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

static void
write_files(const char *directory, const char *name, const Identity *identity)
{
    g_autofree char *certificate_path = g_strdup_printf("%s/%s-cert.pem", directory, name);
    g_autofree char *key_path = g_strdup_printf("%s/%s-key.pem", directory, name);
    BIO *certificate = BIO_new_file(certificate_path, "w"), *key = BIO_new_file(key_path, "w");

    if (!certificate || !key || !PEM_write_bio_X509(certificate, identity->certificate) ||
        !PEM_write_bio_PrivateKey(key, identity->key, NULL, NULL, 0, NULL, NULL))
        g_error("%s cannot be written", certificate_path);
    BIO_free(certificate);
    BIO_free(key);
}

/* `authority` NULL: signed by itself, an authority. */
static Identity
make(const char *directory, const char *name, const char *common_name, const char *alternatives,
     const Identity *authority)
{
    Identity made = {.key = EVP_EC_gen("P-256"), .certificate = X509_new()};
    X509_NAME *subject = X509_get_subject_name(made.certificate);
    const Identity *signer = authority ? authority : &made;
    static long serial = 1;

    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), -86400);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), 86400);
    X509_set_pubkey(made.certificate, made.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(signer->certificate));
    add_extension(made.certificate, NID_basic_constraints, authority ? "critical,CA:FALSE" : "critical,CA:TRUE");
    add_extension(made.certificate, NID_key_usage, authority ? "critical,digitalSignature" : "critical,keyCertSign");
    if (authority)
        add_extension(made.certificate, NID_ext_key_usage, "serverAuth,clientAuth");
    if (alternatives)
        add_extension(made.certificate, NID_subject_alt_name, alternatives);
    if (!X509_sign(made.certificate, signer->key, EVP_sha256()))
        g_error("%s cannot be signed", name);
    write_files(directory, name, &made);
    return made;
}

char *
test_certs_new(void)
{
    char *directory = g_strdup("/tmp/tpcertsXXXXXX");
    Identity identities[G_N_ELEMENTS(names)];

    if (!g_mkdtemp(directory))
        g_error("no directory for certificates");
    identities[0] = make(directory, "ca", "test authority", NULL, NULL);
    identities[1] = make(directory, "server", "server", "IP:127.0.0.1,DNS:localhost", &identities[0]);
    identities[2] = make(directory, "other", "other.example", "DNS:other.example", &identities[0]);
    identities[3] = make(directory, "client", "manager", NULL, &identities[0]);
    identities[4] = make(directory, "stranger", "another authority", NULL, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(identities); i++) {
        EVP_PKEY_free(identities[i].key);
        X509_free(identities[i].certificate);
    }
    return directory;
}

void
test_certs_free(char *directory)
{
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *certificate = g_strdup_printf("%s/%s-cert.pem", directory, names[i]);
        g_autofree char *key = g_strdup_printf("%s/%s-key.pem", directory, names[i]);

        g_unlink(certificate);
        g_unlink(key);
    }
    g_rmdir(directory);
    g_free(directory);
}
