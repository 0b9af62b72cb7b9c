/* password.h: passwords, hashed with scrypt (RFC 7914: N=2^15, r=8, p=1; about 80 ms), and the random first one. */
#ifndef REST_PASSWORD_H
#define REST_PASSWORD_H

#include <glib.h>
#include <stdbool.h>

/* $scrypt$ln=15,r=8,p=1$SALT$HASH (base64); g_free. Blocks for the hashing. */
char *password_hash(const char *password, GError **error);
/* Does `password` belong to `hash`? hash NULL (no such user): takes as long, and says no. Errors: a malformed hash. */
bool password_verify(const char *password, const char *hash, bool *is_right, GError **error);
/* 20 characters of letters and digits that are hard to confuse: 115 bits. g_free. */
char *password_random(GError **error);

#endif
