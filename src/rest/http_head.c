#include "rest/http_head.h"
#include <glib.h>
#include <string.h>

void
http_head_add(HttpHead *head, const char *name, const char *value)
{
    if (value == NULL)
        value = "";
    if (g_ascii_strcasecmp(name, "Host") == 0) {
        head->hosts++;
        head->host = value;
    } else if (g_ascii_strcasecmp(name, "Content-Length") == 0) {
        head->lengths++;
        head->length = value;
    } else if (g_ascii_strcasecmp(name, "Transfer-Encoding") == 0) {
        head->encodings++;
    } else if (g_ascii_strcasecmp(name, "Authorization") == 0) {
        head->authorizations++;
        head->authorization = value;
    } else if (g_ascii_strcasecmp(name, "Content-Type") == 0) {
        head->types++;
        head->type = value;
    } else if (g_ascii_strcasecmp(name, "Origin") == 0) {
        head->origin = value;
    }
}

static bool
is_xml_type(const char *type)
{
    g_autofree char *bare = g_strndup(type, strcspn(type, ";"));
    g_strstrip(bare);
    return g_ascii_strcasecmp(bare, "application/xml") == 0 || g_ascii_strcasecmp(bare, "text/xml") == 0;
}

/* Does a browser say that a page of another site sends this? It would add the user's remembered password. */
static bool
is_from_another_site(const HttpHead *head)
{
    if (head->origin == NULL)
        return false;
    const char *host = strstr(head->origin, "://");
    return host == NULL || g_ascii_strcasecmp(host + 3, head->host) != 0;
}

static const char *
ambiguity(const HttpHead *head)
{
    guint64 length = 0;
    if (head->hosts != 1)
        return "[the request needs one header Host]";
    if (head->lengths > 1 || head->encodings > 1 || (head->lengths > 0 && head->encodings > 0))
        return "[the request says in more than one way how long it is]";
    if (head->authorizations > 1 || head->types > 1)
        return "[the request has a header twice]";
    if (head->lengths == 1 && !g_ascii_string_to_unsigned(head->length, 10, 0, G_MAXUINT64, &length, NULL))
        return "[Content-Length is no number]";
    return NULL;
}

bool
http_head_has_body(const HttpHead *head)
{
    return head->encodings > 0 || (head->lengths > 0 && strcmp(head->length, "0") != 0);
}

unsigned
http_head_judge(const HttpHead *head, bool is_read, unsigned body_max, const char **why)
{
    *why = ambiguity(head);
    if (*why != NULL)
        return 400;
    guint64 length = 0;
    if (head->lengths == 1)
        g_ascii_string_to_unsigned(head->length, 10, 0, G_MAXUINT64, &length, NULL);
    if (length > body_max) {
        *why = "[the request's body is too large]";
        return 413;
    }
    if (!is_read && is_from_another_site(head)) {
        *why = "[a page of another site may not change anything here]";
        return 403;
    }
    if (!is_read && head->type != NULL && !is_xml_type(head->type)) {
        *why = "[the request's Content-Type must be application/xml]";
        return 415;
    }
    return 0;
}
