/* inventory.c: what a host is and what runs on it. */
#include "trust/fault.h"
#include "virt/connection.h"
#include "virt/connection_private.h"
#include "virt/domain_xml.h"
#include "virt/presence.h"
#include <libvirt/libvirt.h>
#include <libvirt/virterror.h>
#include <libxml/parser.h>
#include <string.h>

#define CAPABILITIES_MAX (8 * 1024 * 1024) /* bytes; a real host's are 30 KiB */

void
virt_host_info_clear(VirtHostInfo *info)
{
    g_clear_pointer(&info->uuid, g_free);
    g_clear_pointer(&info->machine, g_free);
}

void
virt_domain_free(VirtDomain *domain)
{
    if (domain == NULL)
        return;
    g_free(domain->uuid);
    g_free(domain->name);
    g_free(domain);
}

static xmlNode *
child_named(xmlNode *parent, const char *name)
{
    for (xmlNode *n = parent != NULL ? parent->children : NULL; n != NULL; n = n->next) {
        if (n->type == XML_ELEMENT_NODE && strcmp((const char *)n->name, name) == 0)
            return n;
    }
    return NULL;
}

/* capabilities/host/uuid, in lower case; NULL: there is none. */
static char *
host_uuid(xmlNode *capabilities)
{
    xmlNode *node = child_named(child_named(capabilities, "host"), "uuid");
    xmlChar *text = node != NULL ? xmlNodeGetContent(node) : NULL;
    char *uuid =
        text != NULL && g_uuid_string_is_valid((const char *)text) ? g_ascii_strdown((const char *)text, -1) : NULL;
    xmlFree(text);
    return uuid;
}

/* The @canonical of the machine with this alias; NULL: it has none that may stand in a definition. */
static char *
canonical_machine(xmlNode *arch, const char *alias)
{
    char *found = NULL;
    for (xmlNode *n = arch->children; n != NULL && found == NULL; n = n->next) {
        xmlChar *text = strcmp((const char *)n->name, "machine") == 0 ? xmlNodeGetContent(n) : NULL;
        xmlChar *canonical =
            text != NULL && strcmp((const char *)text, alias) == 0 ? xmlGetProp(n, BAD_CAST "canonical") : NULL;
        if (canonical != NULL && virt_machine_is_valid((const char *)canonical))
            found = g_strdup((const char *)canonical);
        xmlFree(canonical);
        xmlFree(text);
    }
    return found;
}

/* capabilities/guest/arch[@name='x86_64']/machine[.='pc']/@canonical. A definition must name this, not the alias: once
 * the source's libvirtd has been restarted it compares the running machine's canonical name with whatever the target's
 * definition says (measured: libvirt 9.0.0). */
static char *
machine_type(xmlNode *capabilities)
{
    char *found = NULL;
    for (xmlNode *guest = capabilities->children; guest != NULL && found == NULL; guest = guest->next) {
        xmlNode *arch = strcmp((const char *)guest->name, "guest") == 0 ? child_named(guest, "arch") : NULL;
        xmlChar *name = arch != NULL ? xmlGetProp(arch, BAD_CAST "name") : NULL;
        if (name != NULL && strcmp((const char *)name, "x86_64") == 0)
            found = canonical_machine(arch, "pc");
        xmlFree(name);
    }
    return found != NULL ? found : g_strdup("");
}

/* libvirt's documentation, "Driver capabilities XML". What cannot be read is as if it were not there. */
static void
capabilities_read(const char *capabilities, VirtHostInfo *info)
{
    size_t length = strlen(capabilities);
    xmlDoc *doc = length > CAPABILITIES_MAX ? NULL
                                            : xmlReadMemory(capabilities, (int)length, NULL, NULL,
                                                            XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
    xmlNode *root = doc != NULL ? xmlDocGetRootElement(doc) : NULL;
    info->uuid = root != NULL ? host_uuid(root) : NULL;
    info->machine = root != NULL ? machine_type(root) : g_strdup("");
    xmlFreeDoc(doc);
}

bool
virt_host_info(VirtConnection *connection, VirtHostInfo *info, GError **error)
{
    virConnectPtr handle = virt_connection_handle(connection);
    virNodeInfo node;
    *info = (VirtHostInfo){0};
    char *capabilities = virConnectGetCapabilities(handle);
    if (capabilities == NULL) {
        virt_fault(connection, FAULT_FAILED, "cannot read the host's capabilities", error);
        return false;
    }
    capabilities_read(capabilities, info);
    free(capabilities);
    if (virNodeGetInfo(handle, &node) < 0) {
        virt_fault(connection, FAULT_FAILED, "cannot read the host's memory and processors", error);
        virt_host_info_clear(info);
        return false;
    }
    info->memory_mib = (int64_t)(node.memory / 1024); /* libvirt says KiB */
    info->cpus = (int)node.cpus;
    return true;
}

static const char *
state_word(int state)
{
    static const char *const words[] = {
        [VIRT_UNKNOWN] = "paused", [VIRT_ABSENT] = "shutoff", [VIRT_PAUSED] = "paused", [VIRT_RUNNING] = "running"};
    return words[virt_state_presence(state)];
}

GPtrArray *
virt_domains(VirtConnection *connection, GError **error)
{
    virDomainPtr *domains = NULL;
    int n = virConnectListAllDomains(virt_connection_handle(connection), &domains, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0) {
        virt_fault(connection, FAULT_FAILED, "cannot list the host's domains", error);
        return NULL;
    }
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)virt_domain_free);
    bool ok = true;
    for (int i = 0; i < n; i++) {
        int state, reason;
        char uuid[VIR_UUID_STRING_BUFLEN];
        if (ok && virDomainGetState(domains[i], &state, &reason, 0) == 0 &&
            virDomainGetUUIDString(domains[i], uuid) == 0) {
            VirtDomain *domain = g_new0(VirtDomain, 1);
            domain->uuid = g_strdup(uuid);
            domain->name = g_strdup(virDomainGetName(domains[i]));
            domain->state = state_word(state);
            g_ptr_array_add(list, domain);
        } else if (ok && virGetLastErrorCode() != VIR_ERR_NO_DOMAIN) { /* gone meanwhile: its event is on the way */
            virt_fault(connection, FAULT_FAILED, "cannot read a domain's state", error);
            ok = false;
        }
        virDomainFree(domains[i]);
    }
    free(domains);
    return ok ? g_steal_pointer(&list) : NULL;
}
