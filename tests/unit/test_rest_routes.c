/* Every route of the API on a database, over HTTPS; what the manager does is played by this file. Every answer is held
 * against the schema. */
#include "https_client.h"
#include "manager/tls_files.h"
#include "pg_fixture.h"
#include "rest/password.h"
#include "rest/routes.h"
#include "rest/service.h"
#include "store/hosts.h"
#include "store/users.h"
#include "trust/fault.h"

#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <string.h>

/* --- the manager --- */

static GString *done_by_manager;
static Store *store;
static bool refuses;

static bool G_GNUC_PRINTF(2, 3) note(GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_append_vprintf(done_by_manager, format, arguments);
    va_end(arguments);
    if (refuses)
        g_set_error(error, FAULT, FAULT_REFUSED, "the manager refuses");
    return !refuses;
}

void
manager_activate(Manager *manager, const char *host, const char *user, ManagerDone done, void *closure)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Host) known = host_get(store, host, &error);
    (void)manager;
    if (known != NULL)
        note(&error, "activate by %s\n", user);
    done(closure, error);
}

bool
manager_deactivate(Manager *manager, const char *host, bool leave_running, const char *user, GError **error)
{
    (void)manager;
    (void)host;
    return note(error, "deactivate %d by %s\n", leave_running, user);
}

bool
manager_fence(Manager *manager, const char *host, const char *user, GError **error)
{
    (void)manager;
    (void)host;
    return note(error, "fence by %s\n", user);
}

void
manager_hosts_changed(Manager *manager)
{
    (void)manager;
    g_string_append(done_by_manager, "hosts changed\n");
}

bool
manager_vm_start(Manager *manager, const char *vm, const char *host, const char *user, GError **error)
{
    (void)manager;
    (void)vm;
    return note(error, "start on %s by %s\n", host != NULL ? "a host" : "any", user);
}

bool
manager_vm_stop(Manager *manager, const char *vm, bool gracefully, const char *user, GError **error)
{
    (void)manager;
    (void)vm;
    return note(error, "stop %d by %s\n", gracefully, user);
}

bool
manager_vm_migrate(Manager *manager, const char *vm, const char *host, const char *user, GError **error)
{
    (void)manager;
    (void)vm;
    return note(error, "migrate to %s by %s\n", host != NULL ? "a host" : "any", user);
}

bool
manager_check_cluster(Manager *manager, const ClusterPluginCluster *before, const ClusterPluginCluster *after,
                      GError **error)
{
    (void)manager;
    return note(error, "check cluster %s -> %s\n", before != NULL ? before->name : "none",
                after != NULL ? after->name : "none");
}

bool
manager_check_vm(Manager *manager, const ClusterPluginVm *vm, const ClusterPluginCluster *from,
                 const ClusterPluginCluster *to, ClusterPluginHow how, GError **error)
{
    (void)manager;
    return note(error, "check vm %s: %s -> %s (%d)\n", vm->name, from != NULL ? from->name : "none", to->name, how);
}

/* --- the scene --- */

static char *folder;
static char *stored_hash;
static char *conninfo;
static Service *service;
static unsigned port;
static xmlSchemaPtr schema;

static char *
look_up(void *closure, const char *user, GError **error)
{
    return user_password(closure, user, error);
}

static void
start(void)
{
    g_autoptr(GError) error = NULL;
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(XSD_FILE);
    schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    ck_assert_ptr_nonnull(schema);
    done_by_manager = g_string_new("");
    folder = pg_fixture_folder();
    conninfo = pg_fixture_database();
    store = pg_fixture_store(conninfo);
    g_autofree char *tls = g_build_filename(folder, "tls", NULL);
    g_autofree char *certificate = g_build_filename(tls, "cert.pem", NULL);
    g_autofree char *key = g_build_filename(tls, "key.pem", NULL);
    ck_assert(tls_files_make(tls, "localhost,127.0.0.1", &error));
    stored_hash = password_hash("secret", &error);
    ck_assert(user_set_password(store, "admin@internal", stored_hash, &error));
    const ServiceSettings settings = {.http = {.address = "127.0.0.1",
                                               .certificate_file = certificate,
                                               .key_file = key,
                                               .body_max = DOCUMENT_MAX,
                                               .arrival_ms = 120000,
                                               .idle_ms = 120000,
                                               .answer_ms = 120000,
                                               .connections = 100},
                                      .routes = rest_routes,
                                      .store = store,
                                      .schema_file = XSD_FILE,
                                      .lookup = look_up,
                                      .lookup_closure = store};
    service = service_new(&settings, &error);
    ck_assert_msg(service != NULL, "%s", error != NULL ? error->message : "");
    port = service_port(service);
}

static void
stop(void)
{
    service_free(service);
    store_free(store);
    xmlSchemaFree(schema);
    pg_fixture_remove(folder);
    g_string_free(done_by_manager, TRUE);
    g_free(conninfo);
    g_free(stored_hash);
}

static void G_GNUC_PRINTF(2, 3) keep_message(void *closure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_append_vprintf(closure, format, arguments);
    va_end(arguments);
}

static void
assert_valid(const char *response)
{
    const char *body = strstr(response, "\r\n\r\n") + 4;
    g_autoptr(GString) messages = g_string_new("");
    if (body[0] == '\0')
        return;
    xmlDocPtr document = xmlReadMemory(body, (int)strlen(body), NULL, NULL, XML_PARSE_NONET);
    xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidErrors(context, keep_message, keep_message, messages);
    int result = xmlSchemaValidateDoc(context, document);
    xmlSchemaFreeValidCtxt(context);
    xmlFreeDoc(document);
    ck_assert_msg(result == 0, "%s in %s", messages->str, body);
}

/* Sends it, and looks at the answer: its status and a text in it (NULL: none). g_free. */
static char *
ask(const char *method, const char *path, const char *body, int status, const char *text)
{
    g_autofree char *length = body != NULL ? g_strdup_printf("Content-Length: %zu\r\n", strlen(body)) : g_strdup("");
    g_autofree char *request = g_strdup_printf("%s /api%s HTTP/1.1\r\nHost: localhost\r\n"
                                               "Authorization: Basic YWRtaW5AaW50ZXJuYWw6c2VjcmV0\r\n%s\r\n%s",
                                               method, path, length, body != NULL ? body : "");
    char *response = https_exchange(port, request);
    ck_assert_msg(https_status(response) == status, "%s %s: %d wanted: %s", method, path, status, response);
    ck_assert_msg(text == NULL || strstr(response, text) != NULL, "\"%s\" wanted: %s", text, response);
    assert_valid(response);
    return response;
}

static void
expect(const char *method, const char *path, const char *body, int status, const char *text)
{
    g_free(ask(method, path, body, status, text));
}

/* Adds it; returns its path, like /clusters/ID; g_free. */
static char *
add(const char *collection, const char *body)
{
    g_autofree char *path = g_strconcat("/", collection, NULL);
    g_autofree char *response = ask("POST", path, body, 201, "Location: /api/");
    const char *location = strstr(response, "Location: /api/") + strlen("Location: /api");
    return g_strndup(location, strcspn(location, "\r"));
}

static void
act(const char *path, const char *action, const char *body, int status, const char *text)
{
    g_autofree char *whole = g_strdup_printf("%s/%s", path, action);
    expect("POST", whole, body, status, text);
}

START_TEST(the_root_shows_what_is_there)
{
    expect("GET", "", NULL, 200, "rel=\"clusters/search\"");
    expect("GET", "/", NULL, 200, "/api/templates/00000000-0000-0000-0000-000000000000");
    expect("GET", "/templates", NULL, 200, "<name>Blank</name>");
    expect("GET", "/templates/00000000-0000-0000-0000-000000000000", NULL, 200, "<name>Blank</name>");
    expect("GET", "/datacenters", NULL, 200, "<name>Default</name>");
    expect("GET", "/clusters?search=name%3DDefault", NULL, 200, "<name>Default</name>");
    expect("GET", "/clusters?search=name%3D%22Default%22", NULL, 200, "<name>Default</name>");
    expect("GET", "/clusters?search=name%3DDef*", NULL, 400, "only name=X");
    expect("GET", "/clusters?search=cpus%3D3", NULL, 400, "only name=X");
    expect("GET", "/hosts", NULL, 200, "<hosts/>");
    expect("GET", "/vms", NULL, 200, "<vms/>");
}
END_TEST

START_TEST(data_centers_come_and_go)
{
    g_autofree char *path = add("datacenters", "<data_center><name>north</name><local>false</local></data_center>");
    expect("GET", path, NULL, 200, "<name>north</name>");
    expect("POST", "/datacenters", "<data_center><name>north</name></data_center>", 409, "north");
    expect("POST", "/datacenters", "<data_center/>", 400, "Incomplete parameters");
    expect("DELETE", path, NULL, 200, NULL);
    expect("GET", path, NULL, 404, "Content-Length: 0");
    expect("DELETE", path, NULL, 404, NULL);
}
END_TEST

START_TEST(clusters_come_change_and_go)
{
    g_autofree char *path =
        add("clusters", "<cluster><name>my_trust_cluster</name><data_center><name>\"Default\"</name></data_center> "
                        "<version minor=\"2\" major=\"3\"/> <cpu id=\"Intel SandyBridge Family\"/>"
                        "<trusted_service>true</trusted_service></cluster>");
    expect("GET", path, NULL, 200, "<trusted_service>true</trusted_service>");
    expect("PUT", path, "<cluster><comment>new</comment></cluster>", 200, "<trusted_service>true</trusted_service>");
    expect("PUT", path, "<cluster><trusted_service>false</trusted_service></cluster>", 200,
           "<trusted_service>false</trusted_service>");
    expect("PUT", path, "<cluster>\n<trusted_service>maybe</trusted_service></cluster>", 400,
           "element &lt;trusted_service&gt; in line 2");
    expect("POST", "/clusters", "<cluster><data_center><name>Default</name></data_center></cluster>", 400,
           "Cluster [name] required for add");
    expect("POST", "/clusters", "<cluster><name>x</name></cluster>", 400, "Incomplete parameters");
    expect("POST", "/clusters", "<cluster><name>x</name><data_center><name>No</name></data_center></cluster>", 400,
           "element &lt;data_center&gt; in line 1");
    ck_assert_ptr_nonnull(strstr(done_by_manager->str, "check cluster none -> my_trust_cluster\n"));
    ck_assert_ptr_nonnull(strstr(done_by_manager->str, "check cluster my_trust_cluster -> my_trust_cluster\n"));
    refuses = true;
    expect("PUT", path, "<cluster><comment>refused</comment></cluster>", 409, "the manager refuses");
    refuses = false;
    g_free(ask("GET", path, NULL, 200, "<comment>new</comment>"));
    expect("DELETE", path, NULL, 200, NULL);
    expect("PUT", path, "<cluster/>", 404, "Content-Length: 0");
}
END_TEST

START_TEST(hosts_come_act_and_go)
{
    g_autofree char *path = add("hosts", "<host><name>h1</name><address>192.0.2.1</address><root_password>x"
                                         "</root_password><cluster><name>Default</name></cluster></host>");
    expect("GET", path, NULL, 200, "<attestation_id>192.0.2.1</attestation_id>");
    expect("GET", "/hosts?search=name%3Dh1", NULL, 200, "<state>maintenance</state>");
    expect("PUT", path, "<host><name>h1a</name><address>192.0.2.1</address></host>", 200, "<name>h1a</name>");
    expect("PUT", path, "<host><address>192.0.2.2</address></host>", 409, "fixed when it is added");
    expect("POST", "/hosts", "<host><name>h2</name><address>192.0.2.1</address></host>", 409, NULL);
    expect("POST", "/hosts", "<host><name>h2</name><address>qemu+ssh://x</address></host>", 400, "&lt;address&gt;");
    expect("POST", "/hosts", "<host><name>h2</name></host>", 400, "Host [address] required for add");
    act(path, "activate", "<action/>", 200, "<state>complete</state>");
    act(path, "deactivate", "<action><leave_running>true</leave_running></action>", 200, "<state>complete</state>");
    act(path, "deactivate", NULL, 200, "<state>complete</state>");
    act(path, "fence", "<action/>", 400, "fence_type");
    act(path, "fence", "<action><fence_type>manual</fence_type></action>", 200, "<state>complete</state>");
    act(path, "release_evacuation", "<action/>", 409, "<state>failed</state>");
    act("/hosts/0d4bd2a5-7f4e-4a0b-9b55-0a6b6a1f3c11", "activate", "<action/>", 404, "<state>failed</state>");
    refuses = true;
    act(path, "activate", "<action/>", 409, "the manager refuses");
    refuses = false;
    ck_assert_ptr_nonnull(strstr(done_by_manager->str, "hosts changed\nhosts changed\nactivate by admin@internal\n"
                                                       "deactivate 1 by admin@internal\n"
                                                       "deactivate 0 by admin@internal\nfence by admin@internal\n"));
    expect("DELETE", path, NULL, 200, NULL);
    expect("GET", path, NULL, 404, NULL);
}
END_TEST

START_TEST(vms_come_act_and_go)
{
    g_free(add("hosts", "<host><name>h1</name><address>192.0.2.1</address></host>"));
    g_autofree char *path =
        add("vms", "<vm><name>web</name><cluster><name>Default</name></cluster><template><name>Blank</name></template>"
                   "<memory>33554432</memory><cpu><topology sockets=\"1\" cores=\"2\"/></cpu>"
                   "<disks><disk><source>nbd://192.0.2.9:10809/web</source><format>raw</format></disk></disks>"
                   "<nics><nic><network><name>default</name></network></nic></nics></vm>");
    expect("GET", path, NULL, 200, "<source>nbd://192.0.2.9:10809/web</source>");
    expect("GET", path, NULL, 200, "<mac address=\"52:54:00:");
    expect("GET", "/vms?search=name%3Dweb", NULL, 200, "<memory>33554432</memory>");
    expect("PUT", path, "<vm><memory>67108864</memory><trusted_host_flag>true</trusted_host_flag></vm>", 200,
           "<requires_trust>true</requires_trust>");
    expect("PUT", path, "<vm><disks/></vm>", 200, "<disks/>");
    expect("POST", "/vms", "<vm><name>web2</name></vm>", 400, "VM [cluster.id|name] required for add");
    expect("POST", "/vms", "<vm><name>web</name><cluster><name>Default</name></cluster></vm>", 409, "web");
    act(path, "start", "<action><vm><placement_policy><host><name>h1</name></host></placement_policy></vm></action>",
        200, "<state>complete</state>");
    act(path, "start", NULL, 200, NULL);
    act(path, "start", "<action><host><name>h9</name></host></action>", 400, "&lt;host&gt;");
    act(path, "migrate", "<action><host><name>h1</name></host></action>", 200, NULL);
    act(path, "shutdown", "<action/>", 200, NULL);
    act(path, "stop", "<action/>", 200, NULL);
    refuses = true;
    act(path, "start", "<action/>", 409, "<state>failed</state>");
    refuses = false;
    ck_assert_ptr_nonnull(strstr(done_by_manager->str, "check vm web: none -> Default (0)\n"));
    ck_assert_ptr_nonnull(strstr(done_by_manager->str,
                                 "start on a host by admin@internal\nstart on any by admin@internal\n"
                                 "migrate to a host by admin@internal\nstop 1 by admin@internal\n"
                                 "stop 0 by admin@internal\n"));
    expect("DELETE", path, NULL, 200, NULL);
    expect("GET", path, NULL, 404, NULL);
}
END_TEST

START_TEST(events_can_be_followed)
{
    g_free(add("datacenters", "<data_center><name>one</name></data_center>"));
    g_free(add("clusters", "<cluster><name>c1</name><data_center><name>one</name></data_center></cluster>"));
    g_free(add("hosts", "<host><name>h1</name><address>192.0.2.1</address></host>"));
    g_autofree char *all = ask("GET", "/events;max=1", NULL, 200, "<name>HOST_ADDED</name>");
    ck_assert_ptr_null(strstr(all, "CLUSTER_ADDED"));
    g_autofree char *oldest = ask("GET", "/events;from=0;max=1", NULL, 200, "id=\"");
    ck_assert_ptr_null(strstr(oldest, "HOST_ADDED"));
    const char *id = strstr(oldest, "id=\"") + 4;
    g_autofree char *path = g_strdup_printf("/events/%.*s", (int)strcspn(id, "\""), id);
    expect("GET", path, NULL, 200, "<event ");
    expect("GET", "/evacuations", NULL, 200, "<evacuations/>");
    expect("GET", "/events/999999", NULL, 404, NULL);
    expect("GET", "/events;from=999999", NULL, 200, "<events/>");
    expect("GET", "/events;max=0", NULL, 400, "max");
    expect("GET", "/events?from=x", NULL, 400, "from");
}
END_TEST

START_TEST(the_schema_is_given_away)
{
    g_autofree char *response = https_exchange(port, "GET /api?schema HTTP/1.1\r\nHost: localhost\r\n"
                                                     "Authorization: Basic YWRtaW5AaW50ZXJuYWw6c2VjcmV0\r\n\r\n");
    ck_assert_int_eq(https_status(response), 200);
    ck_assert_ptr_nonnull(strstr(response, "<xs:schema "));
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rest_routes");
    TCase *tests = tcase_create("routes");

    xmlInitParser();
    tcase_add_checked_fixture(tests, start, stop);
    tcase_set_timeout(tests, 300);
    tcase_add_test(tests, the_root_shows_what_is_there);
    tcase_add_test(tests, data_centers_come_and_go);
    tcase_add_test(tests, clusters_come_change_and_go);
    tcase_add_test(tests, hosts_come_act_and_go);
    tcase_add_test(tests, vms_come_act_and_go);
    tcase_add_test(tests, events_can_be_followed);
    tcase_add_test(tests, the_schema_is_given_away);
    suite_add_tcase(suite, tests);
    return pg_fixture_run(suite);
}
