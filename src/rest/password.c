#include "rest/password.h"
#include "trust/fault.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define SALT_SIZE 16
#define HASH_SIZE 32
#define PREFIX "$scrypt$ln=15,r=8,p=1$"
/* 128 * N * r is 32 MiB, and OpenSSL wants a little more than that. */
#define MEMORY_MAX (64 << 20)

static bool
derive(const char *password, const guint8 salt[SALT_SIZE], guint8 hash[HASH_SIZE], GError **error)
{
    if (EVP_PBE_scrypt(password, strlen(password), salt, SALT_SIZE, 1 << 15, 8, 1, MEMORY_MAX, hash, HASH_SIZE) == 1)
        return true;
    g_set_error(error, FAULT, FAULT_FAILED, "cannot hash a password with scrypt");
    return false;
}

char *
password_hash(const char *password, GError **error)
{
    guint8 salt[SALT_SIZE];
    guint8 hash[HASH_SIZE];
    if (RAND_bytes(salt, sizeof salt) != 1) {
        g_set_error(error, FAULT, FAULT_FAILED, "no random bytes");
        return NULL;
    }
    if (!derive(password, salt, hash, error))
        return NULL;
    g_autofree char *salt_text = g_base64_encode(salt, sizeof salt);
    g_autofree char *hash_text = g_base64_encode(hash, sizeof hash);
    return g_strconcat(PREFIX, salt_text, "$", hash_text, NULL);
}

static bool
decode(const char *text, guint8 *bytes, size_t size)
{
    gsize n = 0;
    g_autofree guchar *decoded = g_base64_decode(text, &n);
    if (n != size)
        return false;
    memcpy(bytes, decoded, size);
    return true;
}

bool
password_verify(const char *password, const char *hash, bool *is_right, GError **error)
{
    guint8 salt[SALT_SIZE] = {0};
    guint8 wanted[HASH_SIZE] = {0};
    guint8 got[HASH_SIZE];
    *is_right = false;
    if (hash != NULL) {
        g_auto(GStrv) parts = g_str_has_prefix(hash, PREFIX) ? g_strsplit(hash + strlen(PREFIX), "$", 2) : NULL;
        if (parts == NULL || g_strv_length(parts) != 2 || !decode(parts[0], salt, sizeof salt) ||
            !decode(parts[1], wanted, sizeof wanted)) {
            g_set_error(error, FAULT, FAULT_FAILED, "a stored password is not in the form " PREFIX "SALT$HASH");
            return false;
        }
    }
    if (!derive(password, salt, got, error))
        return false;
    *is_right = CRYPTO_memcmp(got, wanted, sizeof got) == 0 && hash != NULL;
    return true;
}

char *
password_random(GError **error)
{
    static const char letters[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    const size_t n_letters = sizeof letters - 1;
    char password[21] = "";
    for (size_t n = 0; n < sizeof password - 1;) {
        guint8 byte;
        if (RAND_bytes(&byte, 1) != 1) {
            g_set_error(error, FAULT, FAULT_FAILED, "no random bytes");
            return NULL;
        }
        /* Bytes beyond the last whole multiple would favour the first letters. */
        if (byte < 256 / n_letters * n_letters)
            password[n++] = letters[byte % n_letters];
    }
    return g_strdup(password);
}
