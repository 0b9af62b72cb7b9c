#include "cli/command.h"
#include "cli/table.h"
#include "trust/fault.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FOLLOW_US G_USEC_PER_SEC
#define BAR_WIDTH 20

static gboolean follow;

const GOptionEntry evacuations_options[] = {
    {"follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "Go on until no host is being emptied any more", NULL},
    G_OPTION_ENTRY_NULL,
};

/* [##########..........]  50%; nothing before libvirt has said how much there is. */
static char *
bar(const Node *migration)
{
    g_autofree char *total = node_text(migration, "data/total");
    g_autofree char *text = node_text(migration, "percent");
    guint64 percent = MIN(g_ascii_strtoull(text, NULL, 10), 100);
    char done[BAR_WIDTH + 1], left[BAR_WIDTH + 1];
    guint64 n = percent * BAR_WIDTH / 100;
    if (g_ascii_strtoull(total, NULL, 10) == 0)
        return g_strdup("begins");
    memset(done, '#', BAR_WIDTH);
    memset(left, '.', BAR_WIDTH);
    done[n] = '\0';
    left[BAR_WIDTH - n] = '\0';
    return g_strdup_printf("[%s%s] %3u%%", done, left, (unsigned)percent);
}

static char *
mebibytes(const Node *migration, const char *path)
{
    g_autofree char *bytes = node_text(migration, path);
    return g_strdup_printf("%" G_GUINT64_FORMAT " MiB", (g_ascii_strtoull(bytes, NULL, 10) + (1 << 20) - 1) >> 20);
}

static void
print_migrations(GString *out, const Node *evacuation)
{
    static const char *const titles[] = {"VM", "TO", "PROGRESS", "TOTAL", "REMAINING", "MEASURE", NULL};
    const Node *migrations = node_first(evacuation, "migrations");
    const Node *first = migrations != NULL ? node_first(migrations, "migration") : NULL;
    if (first == NULL)
        return;
    g_autoptr(Table) table = table_new(titles);
    for (const Node *n = first; n != NULL; n = node_next(n, "migration"))
        table_add(table, node_text(n, "vm/name"), node_text(n, "target_host/name"), bar(n), mebibytes(n, "data/total"),
                  mebibytes(n, "data/remaining"), node_text(n, "measure"));
    g_autofree char *text = table_format(table);
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++)
        g_string_append_printf(out, "  %s\n", lines[i]);
}

static void
print_evacuation(GString *out, const Node *evacuation)
{
    g_autofree char *host = node_text(evacuation, "host/name");
    g_autofree char *why = node_text(evacuation, "why");
    g_autofree char *opened = node_text(evacuation, "opened");
    g_autofree char *held = node_text(evacuation, "held");
    g_autofree char *waiting = node_text(evacuation, "vms/waiting");
    g_autofree char *moving = node_text(evacuation, "vms/moving");
    g_autofree char *staying = node_text(evacuation, "vms/staying");
    g_string_append_printf(out, "%s (%s) since %s: %s waiting, %s moving, %s staying%s\n", host, why, opened, waiting,
                           moving, staying,
                           strcmp(held, "true") == 0 ? "; held: it waits for `trustpool release`" : "");
    print_migrations(out, evacuation);
}

/* What there is now, as text, g_free; *hosts: how many are being emptied. */
static char *
look(Client *client, guint *hosts, GError **error)
{
    g_autoptr(Answer) answer = client_request(client, "GET", "/evacuations", NULL, error);
    if (answer == NULL)
        return NULL;
    GString *out = g_string_new("");
    *hosts = 0;
    for (const Node *n = node_first(answer_root(answer), "evacuation"); n != NULL; n = node_next(n, "evacuation")) {
        print_evacuation(out, n);
        ++*hosts;
    }
    if (*hosts == 0)
        g_string_append(out, "no host is being emptied\n");
    return g_string_free(out, FALSE);
}

/* On a terminal the new picture takes the old one's place: up by its lines (ECMA-48 CPL), then erase to the end (ED).
 */
static void
show(const char *text, guint *lines)
{
    if (*lines > 0 && isatty(STDOUT_FILENO))
        printf("\033[%uF\033[J", *lines);
    fputs(text, stdout);
    fflush(stdout);
    *lines = 0;
    for (const char *p = text; (p = strchr(p, '\n')) != NULL; p++)
        ++*lines;
}

bool
run_evacuations(Client *client, char **arguments, GError **error)
{
    guint lines = 0, hosts = 0;
    bool is_reported = false;
    (void)arguments;
    g_autofree char *text = look(client, &hosts, error);
    if (text == NULL)
        return false;
    show(text, &lines);
    while (follow && hosts > 0) {
        g_autoptr(GError) failure = NULL;
        g_usleep(FOLLOW_US);
        g_autofree char *next = look(client, &hosts, &failure);
        if (next != NULL) {
            if (isatty(STDOUT_FILENO) || strcmp(next, text) != 0)
                show(next, &lines);
            g_free(text);
            text = g_steal_pointer(&next);
            is_reported = false;
        } else if (g_error_matches(failure, FAULT, FAULT_UNAVAILABLE)) {
            /* A manager that starts again goes on with what was open. */
            if (!is_reported)
                g_printerr("trustpool: %s; still trying\n", failure->message);
            is_reported = true;
            lines = 0;
        } else {
            g_propagate_error(error, g_steal_pointer(&failure));
            return false;
        }
    }
    return true;
}
