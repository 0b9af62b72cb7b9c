/*
 * auth.h: who is asking? HTTP Basic authentication (RFC 7617), realm RESTAPI.
 *
 * Verifying a password takes 80 ms of scrypt, so that verified credentials are remembered for a minute, as an
 * HMAC-SHA256 with a key that only this process knows: memory holds no password, and a wrong one cannot be found by
 * timing. A changed password takes effect within that minute.
 */
#ifndef REST_AUTH_H
#define REST_AUTH_H

#include <glib.h>
#include <stdbool.h>

#define AUTH_CACHE_S 60
#define AUTH_CACHE_MAX 1000
#define AUTH_FAILURE_MS 1000 /* how much later a client hears that its password is wrong */

typedef struct Auth Auth;

/* The stored hash of a user's password (g_free'd by the caller), NULL without error: no such user. Any thread. */
typedef char *(*AuthLookup)(void *closure, const char *user, GError **error);

Auth *auth_new(AuthLookup lookup, void *closure, GError **error);
void auth_free(Auth *auth); /* takes NULL */

typedef struct {
    char *user;
    char *password;
} Credentials;
/* From the header's value; NULL when it is not well-formed Basic. */
Credentials *credentials_parse(const char *authorization);
void credentials_free(Credentials *credentials); /* wipes the password; takes NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Credentials, credentials_free)

/* Were these verified within the last minute? Memory only. Any thread. */
bool auth_is_known(Auth *auth, const Credentials *credentials);
/* Blocks for the hashing and the lookup. Any thread. */
bool auth_verify(Auth *auth, const Credentials *credentials, bool *is_right, GError **error);

#endif
