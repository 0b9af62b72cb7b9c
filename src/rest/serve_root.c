#include "rest/resources.h"
#include "rest/routes.h"
#include <string.h>

typedef struct {
    unsigned vms, active_vms, hosts, active_hosts;
} Summary;

static void
write_link(XmlWriter *writer, const char *root, const char *rel, const char *path)
{
    g_autofree char *href = g_strconcat(root, "/", path, NULL);
    xml_open(writer, "link");
    xml_attribute(writer, "href", href);
    xml_attribute(writer, "rel", rel);
    xml_close(writer);
}

static void
write_links(XmlWriter *writer, const char *root)
{
    static const char *const searched[] = {"datacenters", "clusters", "hosts", "vms", NULL};
    static const char *const collections[] = {"datacenters", "clusters",    "hosts", "vms",
                                              "templates",   "evacuations", "events"};
    for (size_t i = 0; i < G_N_ELEMENTS(collections); i++) {
        write_link(writer, root, collections[i], collections[i]);
        if (!g_strv_contains(searched, collections[i]))
            continue;
        g_autofree char *rel = g_strconcat(collections[i], "/search", NULL);
        g_autofree char *path = g_strconcat(collections[i], "?search={query}", NULL);
        write_link(writer, root, rel, path);
    }
}

/* oVirt's clients choose what they may ask for by this version: it is that of the API, not ours. */
static void
write_product_info(XmlWriter *writer)
{
    xml_open(writer, "product_info");
    xml_text(writer, "name", "trustpool");
    xml_text(writer, "vendor", "trustpool");
    xml_open(writer, "version");
    xml_attribute_number(writer, "major", 3);
    xml_attribute_number(writer, "minor", 6);
    xml_attribute_number(writer, "build", 0);
    xml_attribute_number(writer, "revision", 0);
    xml_close(writer);
    xml_text(writer, "full_version", "3.6.0 (trustpool " PACKAGE_VERSION ")");
    xml_close(writer);
}

static void
write_count(XmlWriter *writer, const char *name, unsigned total, unsigned active)
{
    xml_open(writer, name);
    xml_number(writer, "total", total);
    xml_number(writer, "active", active);
    xml_close(writer);
}

static bool
count(Store *store, Summary *summary, GError **error)
{
    g_autoptr(GPtrArray) vms = vms_list(store, error);
    g_autoptr(GPtrArray) hosts = vms != NULL ? hosts_list(store, error) : NULL;
    if (hosts == NULL)
        return false;
    summary->vms = vms->len;
    summary->hosts = hosts->len;
    for (guint i = 0; i < vms->len; i++)
        summary->active_vms += strcmp(((Vm *)g_ptr_array_index(vms, i))->status, "down") != 0;
    for (guint i = 0; i < hosts->len; i++)
        summary->active_hosts += strcmp(((Host *)g_ptr_array_index(hosts, i))->status, "up") == 0;
    return true;
}

static bool
answer_with_schema(RestCall *call, GError **error)
{
    gsize size = 0;
    if (!g_file_get_contents(call->schema_file, &call->text, &size, error))
        return false;
    call->text_size = size;
    return true;
}

bool
serve_root(RestCall *call, GError **error)
{
    Summary summary = {0};
    if (http_request_parameter(call->request, "schema") != NULL && call->schema_file != NULL)
        return answer_with_schema(call, error);
    g_autoptr(Template) blank = template_find(call->store, "Blank", NULL);
    if (!count(call->store, &summary, error))
        return false;
    XmlWriter *writer = rest_call_writer(call);
    xml_open(writer, "api");
    write_links(writer, call->root);
    xml_open(writer, "special_objects");
    if (blank != NULL) {
        g_autofree char *path = g_strconcat("templates/", blank->id, NULL);
        write_link(writer, call->root, "templates/blank", path);
    }
    xml_close(writer);
    write_product_info(writer);
    xml_open(writer, "summary");
    write_count(writer, "vms", summary.vms, summary.active_vms);
    write_count(writer, "hosts", summary.hosts, summary.active_hosts);
    xml_close(writer);
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y-%m-%dT%H:%M:%SZ");
    xml_text(writer, "time", time);
    xml_close(writer);
    return true;
}
