#include "cli/command.h"
#include "trust/fault.h"
#include <stdio.h>

#define FOLLOW_US G_USEC_PER_SEC

static gboolean follow;

const GOptionEntry events_options[] = {
    {"follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "Go on with what happens, until interrupted", NULL},
    G_OPTION_ENTRY_NULL,
};

static gint64
show(const Node *event)
{
    g_autofree char *id = node_text(event, "@id");
    g_autofree char *time = node_text(event, "time");
    g_autofree char *severity = node_text(event, "severity");
    g_autofree char *name = node_text(event, "name");
    g_autofree char *description = node_text(event, "description");
    printf("%s  %-7s  %s  %s\n", time, severity, name, description);
    return g_ascii_strtoll(id, NULL, 10);
}

/* The newest 100: they come newest first, and are shown oldest first. */
static bool
show_newest(Client *client, gint64 *last, GError **error)
{
    g_autoptr(Answer) answer = client_request(client, "GET", "/events;max=100", NULL, error);
    if (answer == NULL)
        return false;
    g_autoptr(GPtrArray) events = g_ptr_array_new();
    for (const Node *n = node_first(answer_root(answer), "event"); n != NULL; n = node_next(n, "event"))
        g_ptr_array_add(events, (gpointer)n);
    for (guint i = events->len; i > 0; i--)
        *last = show(g_ptr_array_index(events, i - 1));
    return true;
}

static bool
show_more(Client *client, gint64 *last, GError **error)
{
    g_autofree char *path = g_strdup_printf("/events;from=%" G_GINT64_FORMAT, *last);
    g_autoptr(Answer) answer = client_request(client, "GET", path, NULL, error);
    if (answer == NULL)
        return false;
    for (const Node *n = node_first(answer_root(answer), "event"); n != NULL; n = node_next(n, "event"))
        *last = show(n);
    return true;
}

bool
run_events(Client *client, char **arguments, GError **error)
{
    gint64 last = 0;
    bool is_reported = false;
    (void)arguments;
    if (!show_newest(client, &last, error))
        return false;
    while (follow) {
        g_autoptr(GError) failure = NULL;
        fflush(stdout);
        g_usleep(FOLLOW_US);
        if (show_more(client, &last, &failure)) {
            is_reported = false;
        } else if (g_error_matches(failure, FAULT, FAULT_UNAVAILABLE)) {
            /* A manager that starts again comes back; nothing is lost meanwhile. */
            if (!is_reported)
                g_printerr("trustpool: %s; still trying\n", failure->message);
            is_reported = true;
        } else {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
    }
    return true;
}
