/*
 * private_server.h: the PostgreSQL that the daemon runs for itself when no database is configured.
 *
 * initdb on the first start (into a folder with another name, renamed when it is whole), a unix socket in a 0700
 * directory, peer authentication, no TCP; stopped with the daemon (SIGINT: fast), adopted again after a crash of the
 * daemon. It refuses to run as root, so `user` (NULL: the process's own) names the account that it runs as when the
 * daemon is root. Root and that account may log in.
 *
 * In the directory: data/, run/ (the socket), pg_hba.conf and pg_ident.conf (written at each start), server.log, and
 * lock, which is held while the server belongs to a daemon. The account must be able to reach the directory.
 */
#ifndef STORE_PRIVATE_SERVER_H
#define STORE_PRIVATE_SERVER_H

#include <glib.h>
#include <stdbool.h>

typedef struct PrivateServer PrivateServer;

typedef struct {
    const char *bindir;    /* of initdb and postgres */
    const char *directory; /* the daemon's own: holds data/ and run/ (the socket); the socket's path must stay below 100
                              characters */
    const char *user;
    unsigned start_ms; /* deadline for it to be ready; 60000 is right: a loaded machine is slow */
    const char *const
        *options; /* further settings of the server, "name=value", for tests; ends with NULL; may be NULL */
} PrivateServerSettings;

/* Starts it, or adopts the one that runs. Single-threaded start of the process only. */
PrivateServer *private_server_start(const PrivateServerSettings *settings, GError **error);
/* libpq's connection string to it (role trustpool, database trustpool). Belongs to the server. */
const char *private_server_conninfo(const PrivateServer *server);
/* Does it run? When not, starts it again. Any one thread at a time. */
bool private_server_ensure(PrivateServer *server, GError **error);
/* Stops it and waits (deadline 10 s, then SIGQUIT). Takes NULL. */
void private_server_stop(PrivateServer *server);

#endif
