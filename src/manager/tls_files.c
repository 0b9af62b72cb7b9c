#include "manager/tls_files.h"
#include "trust/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAYS 825 /* the longest that clients still accept for a server's certificate */
#define RENEW_DAYS 30

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

static bool
fail(GError **error, const char *what)
{
    char text[256] = "";

    ERR_error_string_n(ERR_get_error(), text, sizeof(text));
    g_set_error(error, FAULT, FAULT_FAILED, "cannot make the certificate of the REST API: %s: %s", what, text);
    return false;
}

static bool
add_extension(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    int ok;

    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return ok;
}

/* X.509 wants DNS: or IP: before each name. */
static char *
alternative_names(const char *names)
{
    g_auto(GStrv) parts = g_strsplit(names, ",", -1);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; parts[i]; i++) {
        const char *name = g_strstrip(parts[i]);
        if (*name)
            g_string_append_printf(text, "%s%s:%s", text->len ? "," : "", g_hostname_is_ip_address(name) ? "IP" : "DNS",
                                   name);
    }
    return g_string_free(text, FALSE);
}

static X509 *
new_certificate(const char *common_name, EVP_PKEY *key, X509_NAME *issuer)
{
    g_autoptr(X509) certificate = X509_new();
    X509_NAME *subject = X509_get_subject_name(certificate);
    uint64_t serial = 0;

    if (!X509_set_version(certificate, X509_VERSION_3) || RAND_bytes((unsigned char *)&serial, sizeof(serial)) != 1 ||
        !ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial >> 1 | 1) ||
        !X509_gmtime_adj(X509_getm_notBefore(certificate), -86400) ||
        !X509_gmtime_adj(X509_getm_notAfter(certificate), (long)DAYS * 86400) || !X509_set_pubkey(certificate, key) ||
        !X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) ||
        !X509_set_issuer_name(certificate, issuer ? issuer : subject))
        return NULL;
    return g_steal_pointer(&certificate);
}

static bool
write_file(const char *directory, const char *name, X509 *certificate, EVP_PKEY *key, GError **error)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_autofree char *fresh = g_strconcat(path, ".new", NULL);
    int descriptor = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, key ? 0600 : 0644);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    bool ok;

    if (!file) {
        g_set_error(error, FAULT, FAULT_FAILED, "%s: %s", fresh, g_strerror(errno));
        return false;
    }
    ok = key ? PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) : PEM_write_X509(file, certificate);
    ok = fclose(file) == 0 && ok && rename(fresh, path) == 0;
    return ok || fail(error, path);
}

static bool
is_good(const char *directory, const char *names)
{
    g_autofree char *path = g_build_filename(directory, "cert.pem", NULL);
    g_autofree char *key = g_build_filename(directory, "key.pem", NULL);
    g_autofree char *ca = g_build_filename(directory, "ca.pem", NULL);
    g_auto(GStrv) parts = g_strsplit(names, ",", -1);
    g_autoptr(BIO) file = BIO_new_file(path, "r");
    g_autoptr(X509) certificate = file ? PEM_read_bio_X509(file, NULL, NULL, NULL) : NULL;
    time_t soon = time(NULL) + RENEW_DAYS * 86400;

    if (!certificate || access(key, R_OK) != 0 || access(ca, R_OK) != 0 ||
        X509_cmp_time(X509_get0_notAfter(certificate), &soon) <= 0)
        return false;
    for (unsigned i = 0; parts[i]; i++) {
        const char *name = g_strstrip(parts[i]);
        if (*name && (g_hostname_is_ip_address(name) ? X509_check_ip_asc(certificate, name, 0)
                                                     : X509_check_host(certificate, name, 0, 0, NULL)) != 1)
            return false;
    }
    return true;
}

bool
tls_files_make(const char *directory, const char *names, GError **error)
{
    g_autofree char *alternatives = alternative_names(names);
    g_autoptr(EVP_PKEY) ca_key = NULL;
    g_autoptr(EVP_PKEY) key = NULL;
    g_autoptr(X509) ca = NULL;
    g_autoptr(X509) certificate = NULL;

    if (g_mkdir_with_parents(directory, 0700) != 0) {
        g_set_error(error, FAULT, FAULT_FAILED, "%s: %s", directory, g_strerror(errno));
        return false;
    }
    if (is_good(directory, names))
        return true;
    ca_key = EVP_EC_gen("P-256");
    key = EVP_EC_gen("P-256");
    if (!ca_key || !key)
        return fail(error, "keys");
    ca = new_certificate("trustpool's own CA", ca_key, NULL);
    if (!ca || !add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
        !add_extension(ca, ca, NID_key_usage, "critical,keyCertSign") ||
        !add_extension(ca, ca, NID_subject_key_identifier, "hash") || !X509_sign(ca, ca_key, EVP_sha256()))
        return fail(error, "CA");
    certificate = new_certificate("trustpoold", key, X509_get_subject_name(ca));
    if (!certificate || !add_extension(certificate, ca, NID_basic_constraints, "critical,CA:FALSE") ||
        !add_extension(certificate, ca, NID_key_usage, "critical,digitalSignature") ||
        !add_extension(certificate, ca, NID_ext_key_usage, "serverAuth") ||
        !add_extension(certificate, ca, NID_authority_key_identifier, "keyid") ||
        !add_extension(certificate, ca, NID_subject_alt_name, alternatives) ||
        !X509_sign(certificate, ca_key, EVP_sha256()))
        return fail(error, alternatives);
    return write_file(directory, "key.pem", NULL, key, error) && write_file(directory, "ca.pem", ca, NULL, error) &&
           write_file(directory, "cert.pem", certificate, NULL, error);
}
