#include "store/users.h"

#include "store/rows.h"

char *
user_password(Store *store, const char *name, GError **error)
{
    const char *params[] = {name};
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select password from users where name = $1", 1, params);
    return result != NULL && store_rows(result) > 0 ? row_text(result, 0, "password") : NULL;
}

bool
user_set_password(Store *store, const char *name, const char *hash, GError **error)
{
    const char *params[] = {name, hash};
    return store_run_again(store, error,
                           "insert into users (name, password) values ($1, $2)"
                           " on conflict (name) do update set password = excluded.password",
                           2, params);
}

bool
users_any(Store *store, bool *any, GError **error)
{
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select exists (select from users) as has_any", 0, NULL);
    if (result == NULL)
        return false;
    *any = store_bool(result, 0, "has_any");
    return true;
}

bool
store_write_settings(Store *store, const StoreSqlSettings *settings, GError **error)
{
    char grace[16], share[16], tries[16], timeout[16];
    g_snprintf(grace, sizeof grace, "%u", settings->host_grace_s);
    g_snprintf(share, sizeof share, "%u", settings->evacuation_max_share);
    g_snprintf(tries, sizeof tries, "%u", settings->evacuation_tries);
    g_snprintf(timeout, sizeof timeout, "%u", settings->auth_timeout_s);
    const char *params[] = {grace, settings->expired_hosts, share, tries, timeout};
    return store_run_again(store, error,
                           "update settings set host_grace = make_interval(secs => $1::integer), expired_hosts = $2,"
                           " evacuation_max_share = $3, evacuation_tries = $4,"
                           " auth_timeout = make_interval(secs => $5::integer)",
                           5, params);
}
