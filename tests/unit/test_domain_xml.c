/* The manager's definition as libvirt's XML: golden files in tests/data/domain, and what is refused. */
#include "trust/fault.h"
#include "virt/domain_xml.h"
#include <check.h>
#include <libxml/parser.h>
#include <libxml/xpath.h>
#include <stdlib.h>
#include <string.h>

static VirtDefinition
minimal(void)
{
    return (VirtDefinition){.uuid = "6ba7b810-9dad-41d1-80b4-00c04fd430c8",
                            .name = "vm1",
                            .type = "kvm",
                            .memory_mib = 1024,
                            .cpus = 2,
                            .display = "none"};
}

/* With UPDATE_GOLDEN in the environment the files are written instead of compared. */
static void
assert_golden(const VirtDefinition *definition, const char *file)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(TEST_DATA_DIR, "domain", file, NULL);
    g_autofree char *xml = virt_domain_xml(definition, &error);
    ck_assert_msg(xml != NULL, "%s", error != NULL ? error->message : "?");
    if (g_getenv("UPDATE_GOLDEN") != NULL)
        ck_assert(g_file_set_contents(path, xml, -1, NULL));
    g_autofree char *golden = NULL;
    ck_assert_msg(g_file_get_contents(path, &golden, NULL, NULL), "cannot read %s", path);
    ck_assert_str_eq(xml, golden);
    g_autofree char *again = virt_domain_xml(definition, NULL);
    ck_assert_str_eq(xml, again);
}

START_TEST(the_machine_and_the_cpu_are_those_that_were_given)
{
    VirtDefinition d = minimal();
    d.machine = "pc-i440fx-7.2";
    d.cpu_model = "SandyBridge";
    g_autofree char *xml = virt_domain_xml(&d, NULL);
    ck_assert_ptr_nonnull(strstr(xml, "machine='pc-i440fx-7.2'"));
    ck_assert_ptr_nonnull(strstr(xml, "<model fallback='forbid'>SandyBridge</model>"));
}
END_TEST

START_TEST(a_minimal_vm_is_written_as_in_the_golden_file)
{
    VirtDefinition d = minimal();
    assert_golden(&d, "minimal.xml");
}
END_TEST

START_TEST(a_full_vm_is_written_as_in_the_golden_file)
{
    const VirtDisk disks[] = {
        {"/var/lib/images/a.qcow2", "qcow2", "virtio", false, true},
        {"nbd://10.0.0.1:10810/vm1-data", "raw", "virtio", false, false},
        {"nbd://[fd00::1]:10811/e%20x", "raw", "scsi", true, false},
        {"nbd://store", "raw", "sata", false, false},
        {"/images/b.raw", "raw", "ide", false, true},
        {"/images/c.raw", "raw", "scsi", false, false},
    };
    const VirtNic nics[] = {{"default", "52:54:00:01:02:03", "virtio"}, {"back", "52:54:00:01:02:04", "e1000"}};
    VirtDefinition d = minimal();
    d.type = "qemu";
    d.emulator = "/usr/bin/qemu-system-x86_64";
    d.display = "vnc";
    d.disks = disks;
    d.n_disks = G_N_ELEMENTS(disks);
    d.nics = nics;
    d.n_nics = G_N_ELEMENTS(nics);
    assert_golden(&d, "full.xml");
}
END_TEST

START_TEST(hostile_text_stays_text)
{
    const char *text = "</name><devices/>\"'&amp;<!-- ]]> \xc3\xa9 %s%n";
    const VirtDisk disk = {"/images/'/><target dev='sda'/>&lt;\".raw", "raw", "virtio", false, false};
    const VirtNic nic = {"a'/><script path='/bin/sh'/>", "52:54:00:01:02:03", "virtio"};
    g_autofree char *name = g_strdelimit(g_strdup(text), "/", '|');
    VirtDefinition d = minimal();
    d.name = name;
    d.disks = &disk;
    d.n_disks = 1;
    d.nics = &nic;
    d.n_nics = 1;
    assert_golden(&d, "hostile.xml");

    g_autofree char *xml = virt_domain_xml(&d, NULL);
    xmlDoc *doc = xmlReadMemory(xml, (int)strlen(xml), NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR);
    ck_assert_ptr_nonnull(doc);
    xmlXPathContext *context = xmlXPathNewContext(doc);
    const char *const paths[] = {"string(/domain/name)", "string(//disk/source/@file)",
                                 "string(//interface/source/@network)"};
    const char *const values[] = {name, disk.source, nic.network};
    for (size_t i = 0; i < 3; i++) {
        xmlXPathObject *object = xmlXPathEvalExpression((const xmlChar *)paths[i], context);
        ck_assert_str_eq((const char *)object->stringval, values[i]);
        xmlXPathFreeObject(object);
    }
    xmlXPathFreeContext(context);
    xmlFreeDoc(doc);
}
END_TEST

static void
assert_refused(const VirtDefinition *definition, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = virt_domain_xml(definition, &error);
    ck_assert_msg(xml == NULL, "taken, but expected a complaint about %s", part);
    ck_assert(g_error_matches(error, FAULT, FAULT_INVALID));
    ck_assert_msg(strstr(error->message, part) != NULL, "'%s' does not name '%s'", error->message, part);
}

START_TEST(a_bad_field_is_refused_by_name)
{
    static char long_name[300];
    memset(long_name, 'x', sizeof long_name - 1);
    const char *const names[] = {"", "a/b", "a\nb", "a\x7f", "\xff", "\xef\xbf\xbe", "a\xe2\x80\xa8", long_name, NULL};
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        VirtDefinition d = minimal();
        d.name = names[i];
        assert_refused(&d, "name");
    }
    VirtDefinition d = minimal();
    d.uuid = "not-a-uuid";
    assert_refused(&d, "uuid");
    d = minimal();
    d.type = "xen";
    assert_refused(&d, "type");
    d = minimal();
    d.emulator = "qemu";
    assert_refused(&d, "emulator");
    d = minimal();
    d.machine = "pc'/><x y='";
    assert_refused(&d, "machine");
    d = minimal();
    d.memory_mib = 0;
    assert_refused(&d, "memory");
    d = minimal();
    d.cpus = 0;
    assert_refused(&d, "processors");
    d = minimal();
    d.display = "sdl";
    assert_refused(&d, "display");
    d = minimal();
    d.n_disks = 27;
    assert_refused(&d, "disks");
}
END_TEST

static void
assert_disk_refused(VirtDisk disk, const char *part)
{
    const VirtDisk disks[] = {{"/images/good.raw", "raw", "virtio", false, false}, disk};
    VirtDefinition d = minimal();
    d.disks = disks;
    d.n_disks = 2;
    assert_refused(&d, "disk 1: ");
    assert_refused(&d, part);
}

START_TEST(a_bad_disk_is_refused_by_number)
{
    assert_disk_refused((VirtDisk){"relative.raw", "raw", "virtio", false, false}, "relative.raw");
    assert_disk_refused((VirtDisk){"", "raw", "virtio", false, false}, "source");
    assert_disk_refused((VirtDisk){NULL, "raw", "virtio", false, false}, "source");
    assert_disk_refused((VirtDisk){"/a\nb", "raw", "virtio", false, false}, "control characters");
    assert_disk_refused((VirtDisk){"/a", "vmdk", "virtio", false, false}, "format");
    assert_disk_refused((VirtDisk){"/a", "raw", "usb", false, false}, "bus");
    assert_disk_refused((VirtDisk){"/a", "raw", "ide", true, false}, "read-only");
    assert_disk_refused((VirtDisk){"/a", "raw", "sata", true, false}, "read-only");
    const char *const sources[] = {
        "nbd://",          "nbd:///export",         "nbd://h:0/x",    "nbd://h:99999/x", "nbd://user@h:1/x",
        "nbd://h:1/x?y=z", "nbd://h:1/x#f",         "nbd://h:1/a%0a", "nbd://h:1/%00",   "nbd://h o/x",
        "nbd://-h/x",      "nbd://h;touch%20x:1/x", "nbd:unix:/s",    "https://h/x",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(sources); i++)
        assert_disk_refused((VirtDisk){sources[i], "raw", "virtio", false, false}, sources[i]);
}
END_TEST

START_TEST(a_fifth_ide_disk_is_refused)
{
    VirtDisk disks[5];
    for (size_t i = 0; i < 5; i++)
        disks[i] = (VirtDisk){"/a", "raw", "ide", false, false};
    VirtDefinition d = minimal();
    d.disks = disks;
    d.n_disks = 5;
    assert_refused(&d, "disk 4: ");
    d.n_disks = 4;
    g_autofree char *xml = virt_domain_xml(&d, NULL);
    ck_assert_ptr_nonnull(strstr(xml, "'hdd'"));
}
END_TEST

START_TEST(scsi_disks_get_as_many_controllers_as_they_need)
{
    VirtDisk disks[26];
    for (size_t i = 0; i < 26; i++)
        disks[i] = (VirtDisk){"/a", "raw", "scsi", false, false};
    VirtDefinition d = minimal();
    d.disks = disks;
    d.n_disks = 15;
    g_autofree char *one = virt_domain_xml(&d, NULL);
    ck_assert_ptr_null(strstr(one, "type='scsi' index='1'"));
    d.n_disks = 26;
    g_autofree char *two = virt_domain_xml(&d, NULL);
    ck_assert_ptr_nonnull(strstr(two, "type='scsi' index='1'"));
    ck_assert_ptr_nonnull(strstr(two, "'sdz'"));
}
END_TEST

START_TEST(a_bad_nic_is_refused_by_number)
{
    const VirtNic bad[] = {{"", "52:54:00:01:02:03", "virtio"},
                           {NULL, "52:54:00:01:02:03", "virtio"},
                           {"n", "52:54:00:01:02", "virtio"},
                           {"n", "52:54:00:01:02:03\n", "virtio"},
                           {"n", NULL, "virtio"},
                           {"n", "52:54:00:01:02:03", "ne2k"}};
    const char *const parts[] = {"network", "network", "MAC", "MAC", "MAC", "model"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        VirtDefinition d = minimal();
        d.nics = &bad[i];
        d.n_nics = 1;
        assert_refused(&d, "NIC 0: ");
        assert_refused(&d, parts[i]);
    }
}
END_TEST

int
main(void)
{
    Suite *suite = suite_create("domain_xml");
    TCase *tcase = tcase_create("domain_xml");
    tcase_set_timeout(tcase, 60);
    suite_add_tcase(suite, tcase);
    tcase_add_test(tcase, the_machine_and_the_cpu_are_those_that_were_given);
    tcase_add_test(tcase, a_minimal_vm_is_written_as_in_the_golden_file);
    tcase_add_test(tcase, a_full_vm_is_written_as_in_the_golden_file);
    tcase_add_test(tcase, hostile_text_stays_text);
    tcase_add_test(tcase, a_bad_field_is_refused_by_name);
    tcase_add_test(tcase, a_bad_disk_is_refused_by_number);
    tcase_add_test(tcase, a_fifth_ide_disk_is_refused);
    tcase_add_test(tcase, scsi_disks_get_as_many_controllers_as_they_need);
    tcase_add_test(tcase, a_bad_nic_is_refused_by_number);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
