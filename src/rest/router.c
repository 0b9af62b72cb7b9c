#include "rest/router.h"
#include <string.h>

const char *
router_root(const char *path, const char **rest)
{
    /* The longer ones first: they begin with the shorter ones. */
    static const char *const roots[] = {"/ovirt-engine/api/v3", "/ovirt-engine/api", "/api"};
    for (size_t i = 0; i < G_N_ELEMENTS(roots); i++) {
        size_t n = strlen(roots[i]);
        if (strncmp(path, roots[i], n) == 0 && (path[n] == '/' || path[n] == '\0')) {
            *rest = path + n;
            return roots[i];
        }
    }
    return NULL;
}

static bool
is_number(const char *text)
{
    size_t n = strspn(text, "0123456789");
    return n > 0 && n <= 18 && text[n] == '\0';
}

/* Both without empty segments. */
static bool
segments_match(char *const *pattern, char *const *path, const char **id)
{
    *id = NULL;
    for (; *pattern != NULL && *path != NULL; pattern++, path++) {
        bool is_uuid = strcmp(*pattern, "{id}") == 0;
        bool is_variable = is_uuid || strcmp(*pattern, "{number}") == 0;
        if (is_variable ? !(is_uuid ? g_uuid_string_is_valid(*path) : is_number(*path)) : strcmp(*pattern, *path) != 0)
            return false;
        if (is_variable)
            *id = *path;
    }
    return *pattern == NULL && *path == NULL;
}

/* A slash at the end means nothing. */
static GStrv
split(const char *path)
{
    g_autofree char *bare = g_strdup(path[0] == '/' ? path + 1 : path);
    size_t n = strlen(bare);
    if (n > 0 && bare[n - 1] == '/')
        bare[n - 1] = '\0';
    return bare[0] == '\0' ? g_new0(char *, 1) : g_strsplit(bare, "/", 16);
}

RouterAnswer
router_find(const Route routes[], const char *method, const char *path, const Route **route, char **id)
{
    RouterAnswer answer = ROUTER_NO_PATH;
    g_auto(GStrv) segments = split(path);
    for (const Route *r = routes; r->method != NULL; r++) {
        g_auto(GStrv) pattern = split(r->path);
        const char *found = NULL;
        if (!segments_match(pattern, segments, &found))
            continue;
        answer = ROUTER_NO_METHOD;
        if (strcmp(r->method, method) != 0)
            continue;
        *route = r;
        *id = g_strdup(found);
        return ROUTER_FOUND;
    }
    return answer;
}
