#include "rest/server.h"
#include "rest/auth.h"
#include "rest/fault.h"
#include "rest/password.h"
#include "rest/routes.h"
#include "rest/service.h"
#include "store/users.h"
#include "trust/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

struct RestServer {
    Service *service;
};

static char *
look_up_user(void *closure, const char *user, GError **error)
{
    return user_password(closure, user, error);
}

RestServer *
rest_server_new(const RestSettings *settings, Manager *manager, GError **error)
{
    /* Above the minute of a VM's start, its wait for a worker included, and above any activation. */
    const unsigned answer_s = MAX(180, manager_config(manager)->activate_timeout_s + 60);
    const ServiceSettings service = {
        .http = {.address = settings->address,
                 .port = settings->port,
                 .certificate_file = settings->certificate_file,
                 .key_file = settings->key_file,
                 .body_max = DOCUMENT_MAX,
                 .arrival_ms = 15000,
                 .idle_ms = 60000,
                 .answer_ms = answer_s * 1000,
                 .connections = 500}, /* far above the callers that wait; leaves room for the daemon's other files */
        .routes = rest_routes,
        .manager = manager,
        .store = manager_store(manager),
        .schema_file = settings->schema_file,
        .lookup = look_up_user,
        .lookup_closure = manager_store(manager),
    };
    Service *started = service_new(&service, error);
    if (started == NULL)
        return NULL;
    RestServer *server = g_new0(RestServer, 1);
    server->service = started;
    return server;
}

unsigned
rest_server_port(const RestServer *server)
{
    return service_port(server->service);
}

void
rest_server_free(RestServer *server)
{
    if (server == NULL)
        return;
    service_free(server->service);
    g_free(server);
}

/* The file is there, whole and readable by its owner alone, before the user is: a crash between the two is repaired by
 * the next start, which writes both again. */
static bool
write_secret(const char *path, const char *secret, GError **error)
{
    g_autofree char *temporary = g_strconcat(path, ".new", NULL);
    g_autofree char *line = g_strconcat(secret, "\n", NULL);
    g_unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool is_written = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line) && fsync(fd) == 0;
    int failed = errno;
    if (fd >= 0)
        close(fd);
    if (is_written && g_rename(temporary, path) != 0) {
        is_written = false;
        failed = errno;
    }
    if (!is_written)
        g_set_error(error, FAULT, FAULT_FAILED, "cannot write the first password to %s: %s", path, g_strerror(failed));
    return is_written;
}

bool
rest_first_user(Store *store, const char *path, GError **error)
{
    bool any = false;
    if (!users_any(store, &any, error))
        return false;
    if (any)
        return true;
    g_autofree char *password = password_random(error);
    g_autofree char *hash = password != NULL ? password_hash(password, error) : NULL;
    return hash != NULL && write_secret(path, password, error) &&
           user_set_password(store, "admin@internal", hash, error);
}
