/*
 * fuzz_rest.c: libFuzzer's target for the documents of the REST API: every kind that a request may carry. Beyond not
 * crashing it checks that a refusal says why, in one line of UTF-8, and that a name which was taken can be written out
 * and is read again as the same.
 *
 * make fuzz-rest && ./fuzz_rest -max_total_time=60 CORPUS SRCDIR/tests/fuzz/rest
 */
#include "rest/document.h"
#include "rest/resources.h"
#include "trust/fault.h"

#include <libxml/parser.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_refusal(bool is_read, const GError *error)
{
    if (is_read != (error == NULL))
        abort();
    if (error && (!g_error_matches(error, FAULT, FAULT_INVALID) || !*error->message ||
                  !g_utf8_validate(error->message, -1, NULL)))
        abort();
}

static void
check_name(const char *name)
{
    g_autoptr(XmlWriter) writer = xml_writer_new();
    g_autofree char *bytes = NULL, *again = NULL;
    g_autoptr(Document) document = NULL;
    size_t size;

    if (!name)
        return;
    xml_text(writer, "name", name);
    bytes = xml_writer_finish(writer, &size);
    document = document_parse(bytes, size, "name", NULL);
    if (!document || !element_label(document_root(document), &again, NULL) || strcmp(name, again) != 0)
        abort();
}

static void
read_as(const char *kind, const Element *root, GError **error)
{
    g_autoptr(DataCenter) data_center = g_new0(DataCenter, 1);
    g_autoptr(Cluster) cluster = g_new0(Cluster, 1);
    g_autoptr(Host) host = g_new0(Host, 1);
    g_autoptr(Vm) vm = vm_new();
    g_auto(ClusterInput) cluster_input = {.cluster = cluster};
    g_auto(HostInput) host_input = {.host = host};
    g_auto(VmInput) vm_input = {.vm = vm};
    g_auto(ActionInput) action_input = {0};
    bool is_read = strcmp(kind, "data_center") == 0 ? data_center_from_xml(root, data_center, error)
                   : strcmp(kind, "cluster") == 0   ? cluster_from_xml(root, &cluster_input, error)
                   : strcmp(kind, "host") == 0      ? host_from_xml(root, &host_input, error)
                   : strcmp(kind, "vm") == 0        ? vm_from_xml(root, &vm_input, error)
                                                    : action_from_xml(root, &action_input, error);

    check_refusal(is_read, error ? *error : NULL);
    check_name(data_center->name);
    check_name(cluster->name);
    check_name(host->name);
    check_name(vm->name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const kinds[] = {"data_center", "cluster", "host", "vm", "action"};

    xmlInitParser();
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autoptr(GError) error = NULL, refusal = NULL;
        g_autoptr(Document) document = document_parse((const char *)data, size, kinds[i], &error);
        check_refusal(document != NULL, error);
        if (document)
            read_as(kinds[i], document_root(document), &refusal);
    }
    return 0;
}
