#include "cli/client.h"
#include "trust/fault.h"
#include <curl/curl.h>
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <string.h>

#define ANSWER_MAX (64 << 20)
#define READ_S 120L
#define ACTION_S 3700L /* the server ends an action itself: by activate_timeout, which is at most an hour */

struct Client {
    CURL *curl;
    struct curl_slist *headers;
    char *root;
    char error[CURL_ERROR_SIZE];
};

struct Answer {
    xmlDocPtr document; /* NULL: it had no body */
};

Client *
client_new(const ClientSettings *settings, GError **error)
{
    if (!g_str_has_prefix(settings->url, "https://")) {
        g_set_error(error, FAULT, FAULT_INVALID, "the URL \"%s\" does not begin with https://", settings->url);
        return NULL;
    }
    Client *client = g_new0(Client, 1);
    client->curl = curl_easy_init();
    if (client->curl == NULL)
        g_error("libcurl does not start");
    const char *host = settings->url + strlen("https://");
    const char *path = strchr(host, '/');
    client->root = path == NULL || strcmp(path, "/") == 0
                       ? g_strdup_printf("https://%.*s/api", (int)strcspn(host, "/"), host)
                       : g_strdup(settings->url);
    while (g_str_has_suffix(client->root, "/"))
        client->root[strlen(client->root) - 1] = '\0';
    client->headers = curl_slist_append(client->headers, "Content-Type: application/xml");
    client->headers = curl_slist_append(client->headers, "Accept: application/xml");
    client->headers = curl_slist_append(client->headers, "Expect:");
    curl_easy_setopt(client->curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, client->headers);
    curl_easy_setopt(client->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(client->curl, CURLOPT_USERNAME, settings->user);
    curl_easy_setopt(client->curl, CURLOPT_PASSWORD, settings->password);
    curl_easy_setopt(client->curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(client->curl, CURLOPT_CONNECTTIMEOUT, 20L);
    curl_easy_setopt(client->curl, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(client->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(client->curl, CURLOPT_ERRORBUFFER, client->error);
    if (settings->ca_file != NULL)
        curl_easy_setopt(client->curl, CURLOPT_CAINFO, settings->ca_file);
    return client;
}

void
client_free(Client *client)
{
    if (client == NULL)
        return;
    curl_easy_cleanup(client->curl);
    curl_slist_free_all(client->headers);
    g_free(client->root);
    g_free(client);
}

static size_t
collect(char *bytes, size_t size, size_t n, void *closure)
{
    GString *body = closure;
    if (body->len + size * n > ANSWER_MAX)
        return 0;
    g_string_append_len(body, bytes, (gssize)(size * n));
    return size * n;
}

/* What the server says of a refusal: the <detail> of the <fault>, which may be within an <action>. */
static void
set_refusal(GError **error, long status, const Answer *answer)
{
    const Node *root = answer_root(answer);
    g_autofree char *in_action = node_text(root, "fault/detail");
    g_autofree char *alone = node_text(root, "detail");
    char *detail = in_action[0] != '\0' ? in_action : alone;
    size_t n = strlen(detail);
    if (n > 1 && detail[0] == '[' && detail[n - 1] == ']') {
        detail[n - 1] = '\0';
        detail++;
    }
    if (detail[0] != '\0')
        g_set_error(error, FAULT, FAULT_REFUSED, "%s", detail);
    else if (status == 404)
        g_set_error(error, FAULT, FAULT_NOT_FOUND, "there is no such thing");
    else
        g_set_error(error, FAULT, FAULT_FAILED, "the server answers with status %ld", status);
}

static bool
perform(Client *client, const char *method, const char *url, const char *body, GString *received, GError **error)
{
    CURL *curl = client->curl;
    client->error[0] = '\0';
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, strcmp(method, "GET") == 0 ? READ_S : ACTION_S);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, received);
    if (strcmp(method, "GET") == 0) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, NULL);
    } else {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)(body != NULL ? strlen(body) : 0));
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body != NULL ? body : "");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    }
    CURLcode result = curl_easy_perform(curl);
    if (result != CURLE_OK)
        g_set_error(error, FAULT, FAULT_UNAVAILABLE, "cannot ask %s: %s", client->root,
                    client->error[0] != '\0' ? client->error : curl_easy_strerror(result));
    return result == CURLE_OK;
}

Answer *
client_request(Client *client, const char *method, const char *path, const char *body, GError **error)
{
    g_autofree char *url = g_strconcat(client->root, path, NULL);
    g_autoptr(GString) received = g_string_new("");
    if (!perform(client, method, url, body, received, error))
        return NULL;
    long status = 0;
    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    g_autoptr(Answer) answer = g_new0(Answer, 1);
    if (received->len > 0)
        answer->document =
            xmlReadMemory(received->str, (int)received->len, NULL, NULL,
                          XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOBLANKS);
    if (status < 200 || status > 299) {
        set_refusal(error, status, answer);
        return NULL;
    }
    if (received->len > 0 && answer_root(answer) == NULL) {
        g_set_error(error, FAULT, FAULT_FAILED, "%s does not answer with XML: is it trustpoold?", url);
        return NULL;
    }
    return g_steal_pointer(&answer);
}

void
answer_free(Answer *answer)
{
    if (answer == NULL)
        return;
    xmlFreeDoc(answer->document);
    g_free(answer);
}

const Node *
answer_root(const Answer *answer)
{
    return answer->document != NULL ? xmlDocGetRootElement(answer->document) : NULL;
}

static const Node *
from(const Node *node, const char *name)
{
    while (node != NULL && (node->type != XML_ELEMENT_NODE || strcmp((const char *)node->name, name) != 0))
        node = node->next;
    return node;
}

const Node *
node_first(const Node *node, const char *name)
{
    return node != NULL ? from(node->children, name) : NULL;
}

const Node *
node_next(const Node *node, const char *name)
{
    return from(node->next, name);
}

static char *
printable(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    GString *shown = g_string_new("");
    for (const char *p = valid; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        g_string_append_unichar(shown, g_unichar_isprint(c) ? c : ' ');
    }
    return g_string_free(shown, FALSE);
}

char *
node_text(const Node *node, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "@", 2);
    g_auto(GStrv) names = g_strsplit(parts[0], "/", -1); /* none for "" */
    for (char **name = names; node != NULL && *name != NULL; name++)
        node = node_first(node, *name);
    if (node == NULL)
        return g_strdup("");
    xmlChar *content = parts[1] != NULL ? xmlGetNoNsProp(node, BAD_CAST parts[1]) : xmlNodeGetContent(node);
    char *text = printable(content != NULL ? (const char *)content : "");
    xmlFree(content);
    return text;
}

char *
client_find(Client *client, const char *collection, const char *name, GError **error)
{
    g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
    g_autofree char *path = g_strdup_printf("/%s?search=name%%3D%s", collection, escaped);
    g_autofree char *element = g_strndup(collection, strlen(collection) - 1);
    g_autoptr(Answer) answer = client_request(client, "GET", path, NULL, error);
    if (answer == NULL)
        return NULL;
    const Node *found = node_first(answer_root(answer), element);
    if (found != NULL)
        return node_text(found, "@id");
    if (g_uuid_string_is_valid(name))
        return g_strdup(name);
    g_set_error(error, FAULT, FAULT_NOT_FOUND, "there is no %s %s", strcmp(element, "vm") == 0 ? "VM" : element, name);
    return NULL;
}

bool
client_act(Client *client, const char *collection, const char *name, const char *action, const char *body,
           GError **error)
{
    g_autofree char *id = client_find(client, collection, name, error);
    if (id == NULL)
        return false;
    g_autofree char *path = g_strdup_printf("/%s/%s/%s", collection, id, action);
    g_autoptr(Answer) answer = client_request(client, "POST", path, body != NULL ? body : "<action/>", error);
    return answer != NULL;
}

GHashTable *
client_names(Client *client, const char *collection, const char *element, GError **error)
{
    g_autofree char *path = g_strconcat("/", collection, NULL);
    g_autoptr(Answer) answer = client_request(client, "GET", path, NULL, error);
    if (answer == NULL)
        return NULL;
    GHashTable *names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (const Node *n = node_first(answer_root(answer), element); n != NULL; n = node_next(n, element))
        g_hash_table_replace(names, node_text(n, "@id"), node_text(n, "name"));
    return names;
}
