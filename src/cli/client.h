/* client.h: requests to trustpoold's REST API. Only client.c includes libcurl and libxml2. */
#ifndef CLI_CLIENT_H
#define CLI_CLIENT_H

#include <glib.h>
#include <stdbool.h>

typedef struct Client Client;
typedef struct Answer Answer;
typedef struct _xmlNode Node; /* libxml2's */

typedef struct {
    const char *url; /* https://HOST:PORT, with or without /api */
    const char *user;
    const char *password;
    const char *ca_file; /* NULL: the system's */
} ClientSettings;

Client *client_new(const ClientSettings *settings, GError **error);
void client_free(Client *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Client, client_free)

/* `path` is below the root, "/hosts". body NULL: none. An error is what the server says of its refusal, or what keeps
 * it from being asked. Waits at most 2 minutes for a GET; for an action until the server ends it. */
Answer *client_request(Client *client, const char *method, const char *path, const char *body, GError **error);
void answer_free(Answer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Answer, answer_free)

const Node *answer_root(const Answer *answer);
/* The first child element with this name, and the next sibling with it; NULL: none. */
const Node *node_first(const Node *node, const char *name);
const Node *node_next(const Node *node, const char *name);
/* The text at a path like "status/state", or the attribute at "cluster@id"; "" when it is not there. Control characters
 * are replaced: what a host says must not steer a terminal. g_free. */
char *node_text(const Node *node, const char *path);

/* The id of the host or VM with this name (or this id). collection: "hosts" or "vms". g_free. */
char *client_find(Client *client, const char *collection, const char *name, GError **error);
/* Posts an action to it; body NULL: an empty one. */
bool client_act(Client *client, const char *collection, const char *name, const char *action, const char *body,
                GError **error);
/* id -> name of a whole collection; element is "host" for "hosts". */
GHashTable *client_names(Client *client, const char *collection, const char *element, GError **error);

#endif
