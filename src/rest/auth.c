#include "rest/auth.h"
#include "rest/password.h"
#include "trust/fault.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>

struct Auth {
    AuthLookup lookup;
    void *closure;
    guint8 key[32];
    pthread_mutex_t lock; /* guards `known` */
    GHashTable *known;    /* base64 of the digest -> gint64 *: until when (monotonic, us) */
};

Auth *
auth_new(AuthLookup lookup, void *closure, GError **error)
{
    Auth *auth = g_new0(Auth, 1);
    auth->lookup = lookup;
    auth->closure = closure;
    pthread_mutex_init(&auth->lock, NULL);
    auth->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (RAND_bytes(auth->key, sizeof auth->key) != 1) {
        g_set_error(error, FAULT, FAULT_FAILED, "no random bytes");
        auth_free(auth);
        return NULL;
    }
    return auth;
}

void
auth_free(Auth *auth)
{
    if (auth == NULL)
        return;
    g_hash_table_unref(auth->known);
    pthread_mutex_destroy(&auth->lock);
    OPENSSL_cleanse(auth->key, sizeof auth->key);
    g_free(auth);
}

static void
wipe(char *text)
{
    if (text != NULL)
        OPENSSL_cleanse(text, strlen(text));
    g_free(text);
}

Credentials *
credentials_parse(const char *authorization)
{
    if (authorization == NULL || g_ascii_strncasecmp(authorization, "Basic ", 6) != 0 || strlen(authorization) > 4096)
        return NULL;
    gsize n = 0;
    g_autofree guchar *decoded = g_base64_decode(authorization + 6, &n);
    if (n == 0)
        return NULL;
    char *text = g_strndup((const char *)decoded, n);
    OPENSSL_cleanse(decoded, n);
    char *colon = strlen(text) == n && g_utf8_validate(text, -1, NULL) ? strchr(text, ':') : NULL;
    Credentials *credentials = NULL;
    if (colon != NULL && colon > text && colon - text <= 255) {
        credentials = g_new0(Credentials, 1);
        credentials->user = g_strndup(text, (gsize)(colon - text));
        credentials->password = g_strdup(colon + 1);
    }
    OPENSSL_cleanse(text, n);
    g_free(text);
    return credentials;
}

void
credentials_free(Credentials *credentials)
{
    if (credentials == NULL)
        return;
    g_free(credentials->user);
    wipe(credentials->password);
    g_free(credentials);
}

/* HMAC of user, NUL, password: neither can hold a NUL, so that no two pairs give the same bytes. */
static char *
digest(const Auth *auth, const Credentials *credentials)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_byte_array_append(bytes, (const guint8 *)credentials->user, (guint)strlen(credentials->user) + 1);
    g_byte_array_append(bytes, (const guint8 *)credentials->password, (guint)strlen(credentials->password));
    guint8 code[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(EVP_sha256(), auth->key, sizeof auth->key, bytes->data, bytes->len, code, &size) == NULL)
        g_error("HMAC-SHA256 fails");
    OPENSSL_cleanse(bytes->data, bytes->len);
    return g_base64_encode(code, size);
}

bool
auth_is_known(Auth *auth, const Credentials *credentials)
{
    g_autofree char *code = digest(auth, credentials);
    pthread_mutex_lock(&auth->lock);
    const gint64 *until = g_hash_table_lookup(auth->known, code);
    bool is_known = until != NULL && g_get_monotonic_time() < *until;
    pthread_mutex_unlock(&auth->lock);
    return is_known;
}

static gboolean
has_expired(gpointer code, gpointer until, gpointer now)
{
    (void)code;
    return *(gint64 *)until <= *(gint64 *)now;
}

static gboolean
any_entry(gpointer code, gpointer until, gpointer found)
{
    (void)code;
    (void)until;
    bool is_first = !*(bool *)found;
    *(bool *)found = true;
    return is_first;
}

static void
remember(Auth *auth, const Credentials *credentials)
{
    gint64 now = g_get_monotonic_time();
    gint64 *until = g_new(gint64, 1);
    *until = now + (gint64)AUTH_CACHE_S * G_USEC_PER_SEC;
    pthread_mutex_lock(&auth->lock);
    if (g_hash_table_size(auth->known) >= AUTH_CACHE_MAX)
        g_hash_table_foreach_remove(auth->known, has_expired, &now);
    bool found = false;
    if (g_hash_table_size(auth->known) >= AUTH_CACHE_MAX)
        g_hash_table_foreach_remove(auth->known, any_entry, &found);
    g_hash_table_replace(auth->known, digest(auth, credentials), until);
    pthread_mutex_unlock(&auth->lock);
}

bool
auth_verify(Auth *auth, const Credentials *credentials, bool *is_right, GError **error)
{
    *is_right = false;
    g_autoptr(GError) local = NULL;
    g_autofree char *hash = auth->lookup(auth->closure, credentials->user, &local);
    if (local != NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return false;
    }
    if (!password_verify(credentials->password, hash, is_right, error))
        return false;
    if (*is_right)
        remember(auth, credentials);
    return true;
}
