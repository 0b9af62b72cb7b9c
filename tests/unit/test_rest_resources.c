/* Each resource's pair: what is written is the golden file and valid, what is read is what the request says. */
#include "rest/call.h"
#include "rest/fault.h"
#include "rest/resources.h"
#include "trust/fault.h"

#include <check.h>
#include <libxml/parser.h>
#include <libxml/xmlschemas.h>
#include <libxml/xpath.h>
#include <libxml/xpathInternals.h>
#include <stdlib.h>
#include <string.h>

#define ROOT "/ovirt-engine/api"
#define ID_1 "11111111-1111-4111-8111-111111111111"
#define ID_2 "22222222-2222-4222-8222-222222222222"
#define ID_3 "33333333-3333-4333-8333-333333333333"
#define ID_4 "44444444-4444-4444-8444-444444444444"

static xmlSchemaPtr schema;

static void
load_schema(void)
{
    xmlSchemaParserCtxtPtr parser = xmlSchemaNewParserCtxt(XSD_FILE);
    schema = xmlSchemaParse(parser);
    xmlSchemaFreeParserCtxt(parser);
    ck_assert_ptr_nonnull(schema);
}

static void
free_schema(void)
{
    xmlSchemaFree(schema);
}

static void G_GNUC_PRINTF(2, 3) keep_message(void *closure, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_string_append_vprintf(closure, format, arguments);
    va_end(arguments);
}

static void
assert_valid(const char *bytes, size_t size)
{
    g_autoptr(GString) messages = g_string_new("");
    xmlDocPtr document = xmlReadMemory(bytes, (int)size, NULL, NULL, XML_PARSE_NONET);
    ck_assert_ptr_nonnull(document);
    xmlSchemaValidCtxtPtr context = xmlSchemaNewValidCtxt(schema);
    xmlSchemaSetValidErrors(context, keep_message, keep_message, messages);
    int result = xmlSchemaValidateDoc(context, document);
    xmlSchemaFreeValidCtxt(context);
    xmlFreeDoc(document);
    ck_assert_msg(result == 0, "%s in:\n%s", messages->str, bytes);
}

static void
assert_golden(XmlWriter *writer, const char *name)
{
    size_t size = 0;
    g_autofree char *bytes = xml_writer_finish(writer, &size);
    g_autofree char *path = g_strdup_printf(TEST_DATA_DIR "/rest/%s.xml", name);
    g_autofree char *wanted = NULL;
    assert_valid(bytes, size);
    if (g_getenv("UPDATE_GOLDEN") != NULL)
        ck_assert(g_file_set_contents(path, bytes, (gssize)size, NULL));
    ck_assert(g_file_get_contents(path, &wanted, NULL, NULL));
    ck_assert_msg(strcmp(bytes, wanted) == 0, "%s is not:\n%s", path, bytes);
}

/* --- what is written --- */

START_TEST(a_data_center_is_written_as_its_golden_file)
{
    DataCenter data_center = {.id = (char *)ID_1, .name = (char *)"Default", .description = (char *)"The default one"};
    g_autoptr(XmlWriter) writer = xml_writer_new();
    data_center_to_xml(writer, ROOT, &data_center);
    assert_golden(writer, "data_center");
}
END_TEST

START_TEST(a_cluster_is_written_as_its_golden_file)
{
    Cluster cluster = {.id = (char *)ID_1,
                       .data_center_id = (char *)ID_2,
                       .name = (char *)"my_trust_cluster",
                       .description = (char *)"",
                       .comment = (char *)"a & b",
                       .cpu_id = (char *)"Intel SandyBridge Family",
                       .version_major = 3,
                       .version_minor = 2,
                       .trusted_service = true,
                       .on_error = (char *)"migrate"};
    g_autoptr(XmlWriter) writer = xml_writer_new();
    xml_open(writer, "clusters");
    cluster_to_xml(writer, ROOT, &cluster);
    xml_close(writer);
    assert_golden(writer, "clusters");
}
END_TEST

START_TEST(a_host_is_written_as_its_golden_file)
{
    Host bad = {.id = (char *)ID_1,
                .cluster_id = (char *)ID_2,
                .name = (char *)"h1",
                .address = (char *)"h1.example.org",
                .attestation_id = (char *)"h1.example.org",
                .comment = (char *)"",
                .status = (char *)"non_operational",
                .reason = (char *)"untrusted",
                .detail = (char *)"The attestation service does not trust it: PCR 10 differs",
                .connected = true,
                .memory_mib = 64000,
                .used_mib = 4096,
                .cpus = 16,
                .vms = 2,
                .verdict = (char *)"untrusted",
                .verdict_reason = (char *)"untrusted",
                .verdict_detail = (char *)"trust_lvl untrusted",
                .asked_at = (char *)"2026-01-31T12:00:00.123Z",
                .evacuating = true,
                .evacuation_held = true};
    Host new = {.id = (char *)ID_3,
                .cluster_id = (char *)ID_2,
                .name = (char *)"h2",
                .address = (char *)"192.0.2.2",
                .attestation_id = (char *)"h2",
                .comment = (char *)"rack 7",
                .status = (char *)"up",
                .reason = (char *)"",
                .detail = (char *)"",
                .verdict = (char *)"trusted",
                .verdict_reason = (char *)"",
                .verdict_detail = (char *)"",
                .asked_at = (char *)"2026-01-31T12:00:00.123Z",
                .valid_until = (char *)"2026-01-31T12:01:00.123Z",
                .is_trusted = true};
    g_autoptr(XmlWriter) writer = xml_writer_new();
    xml_open(writer, "hosts");
    host_to_xml(writer, ROOT, &bad);
    host_to_xml(writer, ROOT, &new);
    xml_close(writer);
    assert_golden(writer, "hosts");
}
END_TEST

static Vm *
make_vm(void)
{
    Vm *vm = vm_new();
    VmDisk *disk = vm_disk_new();
    VmNic *nic = vm_nic_new();
    g_free(vm->name);
    vm->id = g_strdup(ID_1);
    vm->cluster_id = g_strdup(ID_2);
    vm->template_id = g_strdup("00000000-0000-0000-0000-000000000000");
    vm->name = g_strdup("web");
    vm->memory_mib = 2048;
    vm->cpus = 2;
    vm->priority = 50;
    vm->trusted_host_flag = true;
    vm->requires_trust = true;
    g_free(vm->status);
    vm->status = g_strdup("migrating");
    vm->host_id = g_strdup(ID_3);
    vm->target_host_id = g_strdup(ID_4);
    g_free(disk->source);
    disk->source = g_strdup("nbd://192.0.2.9:10809/web");
    disk->bootable = true;
    g_ptr_array_add(vm->disks, disk);
    g_free(nic->network);
    g_free(nic->mac);
    g_free(nic->name);
    nic->name = g_strdup("nic1");
    nic->network = g_strdup("default");
    nic->mac = g_strdup("52:54:00:12:34:56");
    g_ptr_array_add(vm->nics, nic);
    return vm;
}

START_TEST(a_vm_is_written_as_its_golden_file)
{
    g_autoptr(Vm) vm = make_vm();
    g_autoptr(XmlWriter) writer = xml_writer_new();
    xml_open(writer, "vms");
    vm_to_xml(writer, ROOT, vm);
    xml_close(writer);
    assert_golden(writer, "vms");
}
END_TEST

START_TEST(a_template_is_written_as_its_golden_file)
{
    Template template = {.id = (char *)"00000000-0000-0000-0000-000000000000",
                         .name = (char *)"Blank",
                         .description = (char *)"A template with nothing in it"};
    g_autoptr(XmlWriter) writer = xml_writer_new();
    xml_open(writer, "templates");
    template_to_xml(writer, ROOT, &template);
    xml_close(writer);
    assert_golden(writer, "templates");
}
END_TEST

START_TEST(an_event_is_written_as_its_golden_file)
{
    Event event = {.id = 17,
                   .time = (char *)"2026-01-31T12:00:00.123Z",
                   .name = (char *)"HOST_UNTRUSTED",
                   .severity = (char *)"error",
                   .description = (char *)"Host h1 was set to non-operational <it> & \x02",
                   .host_id = (char *)ID_1,
                   .user = (char *)"admin@internal"};
    g_autoptr(XmlWriter) writer = xml_writer_new();
    xml_open(writer, "events");
    event_to_xml(writer, ROOT, &event);
    xml_close(writer);
    assert_golden(writer, "events");
}
END_TEST

START_TEST(an_evacuation_is_written_as_its_golden_file)
{
    EvacuationMove slow = {.vm = (char *)ID_3,
                           .vm_name = (char *)"web",
                           .target = (char *)ID_2,
                           .target_name = (char *)"h2",
                           .data_total = 1082654720,
                           .data_remaining = 270663680,
                           .percent = 75,
                           .step = (char *)"bandwidth"};
    EvacuationMove begun = {.vm = (char *)ID_4,
                            .vm_name = (char *)"db",
                            .target = (char *)ID_2,
                            .target_name = (char *)"h2",
                            .step = (char *)""};
    EvacuationProgress progress = {.host = (char *)ID_1,
                                   .host_name = (char *)"h1",
                                   .why = (char *)"untrusted",
                                   .opened_at = (char *)"2026-01-31T12:00:00.123Z",
                                   .not_before = (char *)"2026-01-31T12:01:00.123Z",
                                   .held = true,
                                   .waiting = 3,
                                   .moving = 2,
                                   .staying = 1};
    g_autoptr(XmlWriter) writer = xml_writer_new();
    g_autoptr(GPtrArray) moves = g_ptr_array_new();
    progress.moves = moves;
    xml_open(writer, "evacuations");
    evacuation_to_xml(writer, ROOT, &progress);
    g_ptr_array_add(moves, &slow);
    g_ptr_array_add(moves, &begun);
    evacuation_to_xml(writer, ROOT, &progress);
    xml_close(writer);
    assert_golden(writer, "evacuations");
}
END_TEST

START_TEST(every_error_is_a_valid_fault_with_its_status)
{
    static const struct {
        FaultCode code;
        unsigned status;
        const char *reason;
    } faults[] = {
        {FAULT_INVALID, 400, "Invalid value"},      {FAULT_INCOMPLETE, 400, "Incomplete parameters"},
        {FAULT_NOT_FOUND, 404, "Operation Failed"}, {FAULT_REFUSED, 409, "Operation Failed"},
        {FAULT_DENIED, 403, "Operation Failed"},    {FAULT_UNAVAILABLE, 503, "Operation Failed"},
        {FAULT_DEADLINE, 503, "Operation Failed"},  {FAULT_FAILED, 500, "Operation Failed"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        size_t size = 0;
        g_autoptr(GError) error = g_error_new(FAULT, (int)faults[i].code, "so <it> is");
        g_autofree char *bytes = fault_document(error, &size);
        g_autofree char *reason = g_strdup_printf("<reason>%s</reason>", faults[i].reason);
        ck_assert_uint_eq(fault_status(error), faults[i].status);
        ck_assert_ptr_nonnull(strstr(bytes, reason));
        ck_assert_ptr_nonnull(strstr(bytes, "so &lt;it&gt; is"));
        assert_valid(bytes, size);
    }
    g_autoptr(GError) foreign = g_error_new(G_FILE_ERROR, G_FILE_ERROR_NOENT, "no file");
    ck_assert_uint_eq(fault_status(foreign), 500);
}
END_TEST

/* --- what is read --- */

static Document *
parse(const char *bytes, const char *root)
{
    g_autoptr(GError) error = NULL;
    Document *document = document_parse(bytes, strlen(bytes), root, &error);
    ck_assert_msg(document != NULL, "%s", error != NULL ? error->message : "");
    return document;
}

static bool
read_as(const char *kind, const char *bytes, GError **error)
{
    g_autoptr(Document) document = parse(bytes, kind);
    const Element *root = document_root(document);
    if (strcmp(kind, "data_center") == 0) {
        g_autoptr(DataCenter) data_center = g_new0(DataCenter, 1);
        return data_center_from_xml(root, data_center, error);
    }
    if (strcmp(kind, "cluster") == 0) {
        g_autoptr(Cluster) cluster = g_new0(Cluster, 1);
        g_auto(ClusterInput) input = {.cluster = cluster};
        return cluster_from_xml(root, &input, error);
    }
    if (strcmp(kind, "host") == 0) {
        g_autoptr(Host) host = g_new0(Host, 1);
        g_auto(HostInput) input = {.host = host};
        return host_from_xml(root, &input, error);
    }
    if (strcmp(kind, "vm") == 0) {
        g_autoptr(Vm) vm = vm_new();
        g_auto(VmInput) input = {.vm = vm};
        return vm_from_xml(root, &input, error);
    }
    g_auto(ActionInput) input = {0};
    return action_from_xml(root, &input, error);
}

static void
assert_accepted(const char *kind, const char *bytes)
{
    g_autoptr(GError) error = NULL;
    ck_assert_msg(read_as(kind, bytes, &error), "%s in:\n%s", error != NULL ? error->message : "", bytes);
    assert_valid(bytes, strlen(bytes));
}

static void
assert_refused(const char *kind, const char *bytes, const char *text)
{
    g_autoptr(GError) error = NULL;
    ck_assert_msg(!read_as(kind, bytes, &error), "accepted: %s", bytes);
    ck_assert_msg(strstr(error->message, text) != NULL, "\"%s\" wanted: %s", text, error->message);
    ck_assert_ptr_nonnull(strstr(error->message, " in line "));
}

START_TEST(the_cluster_of_the_design_pages_is_read)
{
    const char *bytes = "<cluster><name>my_trust_cluster</name><data_center><name>\"Default\"</name></data_center> "
                        "<version minor=\"2\" major=\"3\"/> <cpu id=\"Intel SandyBridge Family\"/>"
                        "<trusted_service>true</trusted_service></cluster>";
    g_autoptr(Cluster) cluster = g_new0(Cluster, 1);
    g_auto(ClusterInput) input = {.cluster = cluster};
    g_autoptr(Document) document = parse(bytes, "cluster");
    g_autoptr(GError) error = NULL;
    ck_assert(cluster_from_xml(document_root(document), &input, &error));
    ck_assert_str_eq(cluster->name, "my_trust_cluster");
    ck_assert_str_eq(cluster->cpu_id, "Intel SandyBridge Family");
    ck_assert_int_eq(cluster->version_major, 3);
    ck_assert_int_eq(cluster->version_minor, 2);
    ck_assert(cluster->trusted_service);
    ck_assert_str_eq(input.data_center.name, "\"Default\"");
    assert_valid(bytes, strlen(bytes));
}
END_TEST

START_TEST(what_a_request_does_not_give_keeps_its_value)
{
    g_autoptr(Cluster) cluster = g_new0(Cluster, 1);
    cluster->name = g_strdup("a");
    cluster->trusted_service = true;
    cluster->version_minor = 6;
    g_auto(ClusterInput) input = {.cluster = cluster};
    g_autoptr(Document) document = parse("<cluster><comment>new</comment></cluster>", "cluster");
    ck_assert(cluster_from_xml(document_root(document), &input, NULL));
    ck_assert_str_eq(cluster->name, "a");
    ck_assert_str_eq(cluster->comment, "new");
    ck_assert(cluster->trusted_service);
    ck_assert_int_eq(cluster->version_minor, 6);
    ck_assert(!reference_is_given(&input.data_center));
}
END_TEST

START_TEST(a_vm_is_read_with_its_devices)
{
    const char *bytes = "<vm><name>web</name><cluster><name>c</name></cluster><template><name>Blank</name></template>"
                        "<memory>2147483648</memory><cpu><topology sockets=\"2\" "
                        "cores=\"3\"/></cpu><display><type>none</type></display>"
                        "<placement_policy><affinity>pinned</affinity><host id=\"" ID_3 "\"/></placement_policy>"
                        "<high_availability><enabled>true</enabled><priority>7</priority></high_availability>"
                        "<trusted_host_flag>true</trusted_host_flag>"
                        "<disks><disk><source>/srv/a.img</source><format>cow</format><interface>virtio_scsi</interface>"
                        "<read_only>true</read_only><size>5</size></disk>"
                        "<disk><source>nbd://192.0.2.9:10809/b</source></disk></disks>"
                        "<nics><nic><name>n</name><network><name>default</name></network>"
                        "<mac address=\"52:54:00:AB:CD:EF\"/><interface>e1000</interface></nic></nics></vm>";
    g_autoptr(Vm) vm = vm_new();
    g_auto(VmInput) input = {.vm = vm};
    g_autoptr(Document) document = parse(bytes, "vm");
    g_autoptr(GError) error = NULL;
    ck_assert_msg(vm_from_xml(document_root(document), &input, &error), "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(vm->memory_mib, 2048);
    ck_assert_int_eq(vm->cpus, 6);
    ck_assert_int_eq(vm->priority, 7);
    ck_assert_str_eq(vm->display, "none");
    ck_assert_str_eq(vm->affinity, "pinned");
    ck_assert_str_eq(input.pinned_host.id, ID_3);
    ck_assert(vm->trusted_host_flag);
    ck_assert_uint_eq(vm->disks->len, 2);
    const VmDisk *disk = g_ptr_array_index(vm->disks, 0);
    ck_assert_str_eq(disk->source, "/srv/a.img");
    ck_assert_str_eq(disk->format, "qcow2");
    ck_assert_str_eq(disk->bus, "scsi");
    ck_assert(disk->readonly);
    const VmNic *nic = g_ptr_array_index(vm->nics, 0);
    ck_assert_str_eq(nic->mac, "52:54:00:ab:cd:ef");
    ck_assert_str_eq(nic->model, "e1000");
    assert_valid(bytes, strlen(bytes));
}
END_TEST

START_TEST(what_was_written_can_be_sent_back)
{
    static const struct {
        const char *file;
        const char *kind;
    } written[] = {{"clusters", "cluster"}, {"hosts", "host"}, {"vms", "vm"}, {"data_center", "data_center"}};
    for (size_t i = 0; i < G_N_ELEMENTS(written); i++) {
        g_autofree char *path = g_strdup_printf(TEST_DATA_DIR "/rest/%s.xml", written[i].file);
        g_autofree char *bytes = NULL;
        ck_assert(g_file_get_contents(path, &bytes, NULL, NULL));
        g_autofree char *begin_tag = g_strdup_printf("<%s ", written[i].kind);
        g_autofree char *end_tag = g_strdup_printf("</%s>", written[i].kind);
        char *begin = strstr(bytes, begin_tag);
        char *end = strstr(begin, end_tag);
        g_autofree char *one = g_strndup(begin, (gsize)(end - begin) + strlen(end_tag));
        assert_accepted(written[i].kind, one);
    }
}
END_TEST

START_TEST(actions_are_read)
{
    g_auto(ActionInput) input = {0};
    g_autoptr(Document) document =
        parse("<action><async>false</async><vm><placement_policy><host><name>h2</name></host></placement_policy></vm>"
              "<leave_running>true</leave_running><fence_type>manual</fence_type></action>",
              "action");
    ck_assert(action_from_xml(document_root(document), &input, NULL));
    ck_assert_str_eq(input.host.name, "h2");
    ck_assert_str_eq(input.fence_type, "manual");
    ck_assert(input.leave_running);
    assert_accepted("action", "<action/>");
    assert_accepted("action", "<action><host id=\"" ID_1 "\"/></action>");
}
END_TEST

START_TEST(bad_values_are_refused_with_element_and_line)
{
    assert_refused("cluster", "<cluster>\n<trusted>true</trusted></cluster>", "element <trusted> in line 2");
    assert_refused("cluster", "<cluster><trusted_service/></cluster>", "element <trusted_service>");
    assert_refused("cluster", "<cluster><version major=\"x\"/></cluster>", "attribute major");
    assert_refused("cluster", "<cluster><error_handling><on_error>explode</on_error></error_handling></cluster>",
                   "none of: migrate, do_not_migrate");
    assert_refused("cluster", "<cluster><data_center/></cluster>", "element <data_center>");
    assert_refused("host", "<host><address>qemu+ext:///system?command=/bin/sh</address></host>", "neither a DNS name");
    assert_refused("host", "<host><address>h1/system?x=y</address></host>", "neither a DNS name");
    assert_refused("host", "<host><address>root@h1</address></host>", "neither a DNS name");
    assert_refused("host", "<host><address>h1:16514</address></host>", "neither a DNS name");
    assert_refused("host", "<host><address>fe80::1%eth0</address></host>", "neither a DNS name");
    assert_refused("host", "<host><address>-h1</address></host>", "neither a DNS name");
    assert_refused("host", "<host><address>h1..org</address></host>", "neither a DNS name");
    assert_refused("vm", "<vm><memory>1000</memory></vm>", "is no number from");
    assert_refused("vm", "<vm><memory>5000000</memory></vm>", "whole number of MiB");
    assert_refused("vm", "<vm><cpu><topology sockets=\"100\" cores=\"100\"/></cpu></vm>", "at most 512");
    assert_refused("vm", "<vm><disks><disk><source>relative.img</source></disk></disks></vm>", "element <disk>");
    assert_refused("vm", "<vm><disks><disk/></disks></vm>", "needs an element <source>");
    assert_refused("vm", "<vm><disks><disc/></disks></vm>", "element <disc>");
    assert_refused("vm", "<vm><nics><nic><name>n</name></nic></nics></vm>", "needs an element <network>");
    assert_refused(
        "vm", "<vm><nics><nic><network><name>d</name></network><mac address=\"01:00:00:00:00:00\"/></nic></nics></vm>",
        "unicast MAC");
    assert_refused("vm", "<vm><placement_policy><affinity>none</affinity></placement_policy></vm>",
                   "none of: migratable");
    assert_refused("action", "<action><fence_type>start</fence_type></action>", "none of: manual");
}
END_TEST

START_TEST(addresses_are_dns_names_or_ips)
{
    assert_accepted("host", "<host><address>h1.example.org</address></host>");
    assert_accepted("host", "<host><address>H-1</address></host>");
    assert_accepted("host", "<host><address>192.0.2.1</address></host>");
    assert_accepted("host", "<host><address>2001:db8::1</address></host>");
}
END_TEST

/* Members of oVirt 3.6 that are missing here: whatever the schema calls ignored is ignored, whatever is in it. */
START_TEST(what_the_schema_ignores_is_ignored)
{
    static const char *const types[][2] = {
        {"DataCenter", "data_center"}, {"Cluster", "cluster"}, {"Host", "host"}, {"Vm", "vm"}, {"Action", "action"}};
    xmlDocPtr document = xmlReadFile(XSD_FILE, NULL, XML_PARSE_NONET);
    xmlXPathContextPtr context = xmlXPathNewContext(document);
    xmlXPathRegisterNs(context, BAD_CAST "xs", BAD_CAST "http://www.w3.org/2001/XMLSchema");
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autofree char *path =
            g_strdup_printf("//xs:complexType[@name='%s']//xs:element[@type='Ignored']/@name", types[i][0]);
        xmlXPathObjectPtr found = xmlXPathEvalExpression(BAD_CAST path, context);
        ck_assert_int_gt(xmlXPathNodeSetGetLength(found->nodesetval), 3);
        for (int n = 0; n < found->nodesetval->nodeNr; n++) {
            xmlChar *name = xmlNodeGetContent(found->nodesetval->nodeTab[n]);
            g_autofree char *bytes = g_strdup_printf("<%s><%s x=\"y\"><z>1</z>text</%s><%s/></%s>", types[i][1], name,
                                                     name, name, types[i][1]);
            assert_accepted(types[i][1], bytes);
            xmlFree(name);
        }
        xmlXPathFreeObject(found);
    }
    xmlXPathFreeContext(context);
    xmlFreeDoc(document);
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("rest_resources");
    TCase *tests = tcase_create("resources");
    SRunner *runner = srunner_create(suite);
    int failed;

    xmlInitParser();
    tcase_add_checked_fixture(tests, load_schema, free_schema);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, a_data_center_is_written_as_its_golden_file);
    tcase_add_test(tests, a_cluster_is_written_as_its_golden_file);
    tcase_add_test(tests, a_host_is_written_as_its_golden_file);
    tcase_add_test(tests, a_vm_is_written_as_its_golden_file);
    tcase_add_test(tests, a_template_is_written_as_its_golden_file);
    tcase_add_test(tests, an_event_is_written_as_its_golden_file);
    tcase_add_test(tests, an_evacuation_is_written_as_its_golden_file);
    tcase_add_test(tests, every_error_is_a_valid_fault_with_its_status);
    tcase_add_test(tests, the_cluster_of_the_design_pages_is_read);
    tcase_add_test(tests, what_a_request_does_not_give_keeps_its_value);
    tcase_add_test(tests, a_vm_is_read_with_its_devices);
    tcase_add_test(tests, what_was_written_can_be_sent_back);
    tcase_add_test(tests, actions_are_read);
    tcase_add_test(tests, bad_values_are_refused_with_element_and_line);
    tcase_add_test(tests, addresses_are_dns_names_or_ips);
    tcase_add_test(tests, what_the_schema_ignores_is_ignored);
    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
