#ifndef STORE_USERS_H
#define STORE_USERS_H

#include "store/store.h"

/* The stored password's hash, in the form $scrypt$ln=15,r=8,p=1$SALT$HASH; NULL without error: no such user. */
char *user_password(Store *store, const char *name, GError **error);
bool user_set_password(Store *store, const char *name, const char *hash, GError **error);
bool users_any(Store *store, bool *any, GError **error);
/* The row of settings that SQL reads: seconds, words, percent. */
typedef struct {
    unsigned host_grace_s;
    const char *expired_hosts;
    unsigned evacuation_max_share;
    unsigned evacuation_tries;
    unsigned auth_timeout_s;
} StoreSqlSettings;
bool store_write_settings(Store *store, const StoreSqlSettings *settings, GError **error);

#endif
