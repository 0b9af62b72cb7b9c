#include "rest/call.h"
#include "rest/fault.h"
#include "trust/fault.h"
#include <string.h>

RestCall *
rest_call_new(Manager *manager, Store *store, HttpRequest *request, char *user, const char *root, char *id)
{
    RestCall *call = g_new0(RestCall, 1);
    call->manager = manager;
    call->store = store;
    call->request = http_request_ref(request);
    call->user = user;
    call->root = root;
    call->id = id;
    call->status = 200;
    return call;
}

Document *
rest_call_document(const RestCall *call, const char *root, GError **error)
{
    static const char nothing[] = "<action/>";
    size_t size = 0;
    const char *body = http_request_body(call->request, &size);
    if (size == 0 && call->is_action)
        return document_parse(nothing, strlen(nothing), root, error);
    return document_parse(body, size, root, error);
}

XmlWriter *
rest_call_writer(RestCall *call)
{
    if (call->writer == NULL)
        call->writer = xml_writer_new();
    call->has_body = true;
    return call->writer;
}

void
rest_call_created(RestCall *call, const char *collection, const char *id)
{
    call->status = 201;
    g_free(call->location);
    call->location = g_strdup_printf("%s/%s/%s", call->root, collection, id);
}

static void
write_action(XmlWriter *writer, const GError *error)
{
    xml_open(writer, "action");
    xml_open(writer, "status");
    xml_text(writer, "state", error == NULL ? "complete" : "failed");
    xml_close(writer);
    if (error != NULL)
        fault_write(writer, error);
    xml_close(writer);
}

void
rest_call_complete(RestCall *call)
{
    write_action(rest_call_writer(call), NULL);
}

bool
rest_call_search(const RestCall *call, char **name, GError **error)
{
    const char *search = http_request_parameter(call->request, "search");
    *name = NULL;
    if (search == NULL || search[0] == '\0')
        return true;
    g_auto(GStrv) parts = g_strsplit(search, "=", 2);
    bool is_by_name = g_strv_length(parts) == 2 && strcmp(g_strstrip(parts[0]), "name") == 0;
    char *value = is_by_name ? g_strstrip(parts[1]) : NULL;
    if (!is_by_name || strchr(value, '*') != NULL) {
        g_set_error(error, FAULT, FAULT_INVALID, "search \"%s\": only name=X with a whole name is known", search);
        return false;
    }
    size_t n = strlen(value);
    bool is_quoted = n >= 2 && value[0] == '"' && value[n - 1] == '"';
    *name = is_quoted ? g_strndup(value + 1, n - 2) : g_strdup(value);
    return true;
}

bool
rest_call_number(const RestCall *call, const char *name, int64_t min, int64_t max, int64_t *value, GError **error)
{
    const char *text = http_request_parameter(call->request, name);
    gint64 number = 0;
    if (text == NULL)
        return true;
    if (!g_ascii_string_to_signed(text, 10, min, max, &number, NULL)) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "parameter %s: \"%s\" is no number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT, name, text, min,
                    max);
        return false;
    }
    *value = number;
    return true;
}

static void
call_free(RestCall *call)
{
    xml_writer_free(call->writer);
    http_request_unref(call->request);
    g_free(call->user);
    g_free(call->id);
    g_free(call->location);
    g_free(call->text);
    g_free(call);
}

void
rest_call_finish(RestCall *call, const GError *error)
{
    HttpAnswer answer = {.status = call->status};
    if (error != NULL) {
        answer.status = fault_status(error);
        if (call->is_action) {
            g_autoptr(XmlWriter) writer = xml_writer_new();
            write_action(writer, error);
            answer.body = xml_writer_finish(writer, &answer.size);
        } else if (answer.status != 404) { /* oVirt: not found has an empty body */
            answer.body = fault_document(error, &answer.size);
        }
        if (answer.status == 500)
            g_warning("REST: %s %s: %s", http_request_method(call->request), http_request_path(call->request),
                      error->message);
    } else {
        if (call->text != NULL) {
            answer.body = g_steal_pointer(&call->text);
            answer.size = call->text_size;
        } else if (call->has_body)
            answer.body = xml_writer_finish(call->writer, &answer.size);
        answer.location = g_steal_pointer(&call->location);
    }
    http_request_answer(call->request, &answer);
    call_free(call);
}

void
rest_identity(XmlWriter *writer, const char *root, const char *collection, const char *id)
{
    g_autofree char *href = g_strdup_printf("%s/%s/%s", root, collection, id);
    xml_attribute(writer, "href", href);
    xml_attribute(writer, "id", id);
}

void
rest_reference(XmlWriter *writer, const char *element, const char *root, const char *collection, const char *id)
{
    if (id == NULL)
        return;
    xml_open(writer, element);
    rest_identity(writer, root, collection, id);
    xml_close(writer);
}

void
rest_actions(XmlWriter *writer, const char *root, const char *collection, const char *id, const char *const names[])
{
    xml_open(writer, "actions");
    for (const char *const *name = names; *name != NULL; name++) {
        g_autofree char *href = g_strdup_printf("%s/%s/%s/%s", root, collection, id, *name);
        xml_open(writer, "link");
        xml_attribute(writer, "href", href);
        xml_attribute(writer, "rel", *name);
        xml_close(writer);
    }
    xml_close(writer);
}
