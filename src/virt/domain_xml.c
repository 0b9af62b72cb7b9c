#include "virt/domain_xml.h"
#include "trust/fault.h"
#include "virt/connection.h"
#include <string.h>

#define NAME_MAX_BYTES 255
#define SOURCE_MAX_BYTES 4096
#define MACHINE_MAX_BYTES 64
#define DEVICES_MAX 26         /* disks are named a to z */
#define IDE_MAX 4              /* two channels of two */
#define SCSI_PER_CONTROLLER 15 /* libvirt's wide SCSI: 16 units, the controller is number 7 */
#define NBD_PORT 10809         /* IANA */

static const char *const types[] = {"kvm", "qemu", NULL};
static const char *const formats[] = {"raw", "qcow2", NULL};
static const char *const buses[] = {"virtio", "ide", "scsi", "sata", NULL};
static const char *const models[] = {"virtio", "e1000", "rtl8139", NULL};
static const char *const displays[] = {"vnc", "spice", "none", NULL};

/* Every value passes through here: the format's %s are escaped for text and attributes. */
static void append(GString *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void
append(GString *out, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_markup_vprintf_escaped(format, args);
    va_end(args);
    g_string_append(out, text);
}

/* Text that XML 1.0 can carry unchanged, attributes included: UTF-8 without control characters (a newline in an
 * attribute would become a space) and without the non-characters U+FFFE and U+FFFF. */
static bool
is_plain(const char *text, size_t max)
{
    if (text == NULL || text[0] == '\0' || strlen(text) > max || !g_utf8_validate(text, -1, NULL))
        return false;
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        if (c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || (c & 0xfffe) == 0xfffe)
            return false;
    }
    return true;
}

static bool
is_one_of(const char *word, const char *const words[])
{
    return word != NULL && g_strv_contains(words, word);
}

static bool
nbd_parse(const char *source, char **host, int *port, char **export, GError **error)
{
    g_autoptr(GUri) uri = g_uri_parse(source, G_URI_FLAGS_NONE, NULL);
    const char *path = uri != NULL ? g_uri_get_path(uri) : NULL;
    if (uri == NULL || g_uri_get_host(uri) == NULL || g_uri_get_userinfo(uri) != NULL || g_uri_get_query(uri) != NULL ||
        g_uri_get_fragment(uri) != NULL || (path[0] != '\0' && path[0] != '/') ||
        (strlen(path) > 1 && !is_plain(path, SOURCE_MAX_BYTES)) || g_uri_get_port(uri) == 0 ||
        !virt_address_is_valid(g_uri_get_host(uri), NULL)) {
        g_set_error(error, FAULT, FAULT_INVALID, "'%s' is not of the form nbd://HOST:PORT/EXPORT", source);
        return false;
    }
    *host = g_strdup(g_uri_get_host(uri));
    *port = g_uri_get_port(uri) > 0 ? g_uri_get_port(uri) : NBD_PORT;
    *export = g_strdup(path[0] == '/' ? path + 1 : "");
    return true;
}

bool
virt_disk_source_is_valid(const char *source, GError **error)
{
    if (!is_plain(source, SOURCE_MAX_BYTES)) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "a disk's source must be 1 to %d bytes of UTF-8 without control characters", SOURCE_MAX_BYTES);
        return false;
    }
    if (g_str_has_prefix(source, "nbd://")) {
        g_autofree char *host = NULL, *export = NULL;
        int port;
        return nbd_parse(source, &host, &port, &export, error);
    }
    if (source[0] != '/') {
        g_set_error(error, FAULT, FAULT_INVALID, "'%s' is neither an absolute path nor nbd://HOST:PORT/EXPORT", source);
        return false;
    }
    return true;
}

bool
virt_machine_is_valid(const char *machine)
{
    return strlen(machine) <= MACHINE_MAX_BYTES &&
           machine[strspn(machine, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

static bool
head_append(GString *out, const VirtDefinition *d, GError **error)
{
    const char *wrong = NULL;
    if (!is_plain(d->name, NAME_MAX_BYTES) || strchr(d->name, '/') != NULL)
        wrong = "name (1 to 255 bytes of UTF-8, no slash, no control characters)";
    else if (d->uuid == NULL || !g_uuid_string_is_valid(d->uuid))
        wrong = "uuid";
    else if (!is_one_of(d->type, types))
        wrong = "type (kvm or qemu)";
    else if (d->emulator != NULL && (!is_plain(d->emulator, SOURCE_MAX_BYTES) || d->emulator[0] != '/'))
        wrong = "emulator (an absolute path)";
    else if (d->machine != NULL && !virt_machine_is_valid(d->machine))
        wrong = "machine type (letters, digits, '.', '_' and '-')";
    else if (d->memory_mib < 1 || d->memory_mib > (INT64_C(1) << 24))
        wrong = "memory (1 MiB to 16 TiB)";
    else if (d->cpus < 1 || d->cpus > 512)
        wrong = "number of processors (1 to 512)";
    else if (!is_one_of(d->display, displays))
        wrong = "display (vnc, spice or none)";
    else if (d->n_disks > DEVICES_MAX || d->n_nics > DEVICES_MAX)
        wrong = "number of disks or NICs (at most 26)";
    if (wrong != NULL) {
        g_set_error(error, FAULT, FAULT_INVALID, "the VM's definition has a bad %s", wrong);
        return false;
    }
    append(out, "<domain type='%s'>\n  <name>%s</name>\n  <uuid>%s</uuid>\n", d->type, d->name, d->uuid);
    append(out, "  <memory unit='MiB'>%" G_GINT64_FORMAT "</memory>\n  <vcpu>%d</vcpu>\n", d->memory_mib, d->cpus);
    append(out, "  <os>\n    <type arch='x86_64' machine='%s'>hvm</type>\n  </os>\n",
           d->machine != NULL && *d->machine ? d->machine : "pc");
    /* Named even where it is QEMU's default: after a restart of the source's libvirtd a definition without it is
     * refused (measured: libvirt 9.0.0). */
    append(out, "  <cpu mode='custom' match='exact' check='none'>\n    <model fallback='forbid'>%s</model>\n  </cpu>\n",
           d->cpu_model != NULL ? d->cpu_model : "qemu64");
    append(out, "  <features>\n    <acpi/>\n  </features>\n");
    append(out, "  <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n"
                "  <on_crash>destroy</on_crash>\n  <devices>\n");
    if (d->emulator != NULL)
        append(out, "    <emulator>%s</emulator>\n", d->emulator);
    return true;
}

static bool
disk_source_append(GString *out, const VirtDisk *disk, GError **error)
{
    if (!g_str_has_prefix(disk->source, "nbd://")) {
        append(out, "    <disk type='file' device='disk'>\n      <driver name='qemu' type='%s'/>\n", disk->format);
        append(out, "      <source file='%s'/>\n", disk->source);
        return true;
    }
    g_autofree char *host = NULL, *export = NULL;
    int port;
    if (!nbd_parse(disk->source, &host, &port, &export, error))
        return false;
    append(out, "    <disk type='network' device='disk'>\n      <driver name='qemu' type='%s'/>\n", disk->format);
    append(out, export[0] != '\0' ? "      <source protocol='nbd' name='%s'>\n" : "      <source protocol='nbd'>%s\n",
           export);
    append(out, "        <host name='%s' port='%d'/>\n      </source>\n", host, port);
    return true;
}

/* How many disks have each of the target names' prefixes so far: libvirt derives the place on an IDE, SCSI or SATA bus
 * from the letter, so the letters count per prefix. */
typedef struct {
    unsigned vd, hd, sd, boot;
} DiskCount;

static bool
disk_append(GString *out, const VirtDisk *disk, DiskCount *count, GError **error)
{
    if (!virt_disk_source_is_valid(disk->source, error))
        return false;
    const char *wrong = NULL;
    if (!is_one_of(disk->format, formats))
        wrong = "its format must be raw or qcow2";
    else if (!is_one_of(disk->bus, buses))
        wrong = "its bus must be virtio, ide, scsi or sata";
    else if ((strcmp(disk->bus, "ide") == 0 || strcmp(disk->bus, "sata") == 0) && disk->readonly)
        wrong = "an IDE or SATA disk cannot be read-only: choose virtio or scsi"; /* QEMU has no such device */
    else if (strcmp(disk->bus, "ide") == 0 && count->hd >= IDE_MAX)
        wrong = "there is room for four IDE disks: choose another bus";
    if (wrong != NULL) {
        g_set_error_literal(error, FAULT, FAULT_INVALID, wrong);
        return false;
    }
    if (!disk_source_append(out, disk, error))
        return false;
    const char *prefix = strcmp(disk->bus, "virtio") == 0 ? "vd" : strcmp(disk->bus, "ide") == 0 ? "hd" : "sd";
    unsigned *n = prefix[0] == 'v' ? &count->vd : prefix[0] == 'h' ? &count->hd : &count->sd;
    append(out, "      <target dev='%s%c' bus='%s'/>\n", prefix, (char)('a' + (*n)++), disk->bus);
    if (disk->readonly)
        append(out, "      <readonly/>\n");
    if (disk->bootable)
        append(out, "      <boot order='%u'/>\n", ++count->boot);
    append(out, "    </disk>\n");
    return true;
}

static void
controllers_append(GString *out, const VirtDefinition *d)
{
    unsigned named_sd = 0, highest = 0;
    bool has_scsi = false;
    for (size_t i = 0; i < d->n_disks; i++) {
        if (strcmp(d->disks[i].bus, "scsi") == 0) {
            has_scsi = true;
            highest = named_sd / SCSI_PER_CONTROLLER;
        }
        if (d->disks[i].bus[0] == 's')
            named_sd++;
    }
    append(out, "    <controller type='usb' model='none'/>\n");
    /* Named here, because libvirt's own choice depends on what the host's QEMU offers. */
    for (unsigned i = 0; has_scsi && i <= highest; i++)
        append(out, "    <controller type='scsi' index='%u' model='virtio-scsi'/>\n", i);
}

static bool
nic_append(GString *out, const VirtNic *nic, GError **error)
{
    const char *wrong = NULL;
    if (!is_plain(nic->network, NAME_MAX_BYTES))
        wrong = "its network must be named with 1 to 255 bytes of UTF-8 without control characters";
    else if (nic->mac == NULL ||
             !g_regex_match_simple("^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$", nic->mac, G_REGEX_DOLLAR_ENDONLY, 0))
        wrong = "its MAC address must look like 52:54:00:01:02:03";
    else if (!is_one_of(nic->model, models))
        wrong = "its model must be virtio, e1000 or rtl8139";
    if (wrong != NULL) {
        g_set_error_literal(error, FAULT, FAULT_INVALID, wrong);
        return false;
    }
    append(out, "    <interface type='network'>\n      <mac address='%s'/>\n      <source network='%s'/>\n", nic->mac,
           nic->network);
    append(out, "      <model type='%s'/>\n    </interface>\n", nic->model);
    return true;
}

static bool
devices_append(GString *out, const VirtDefinition *d, GError **error)
{
    DiskCount count = {0};
    for (size_t i = 0; i < d->n_disks; i++) {
        if (!disk_append(out, &d->disks[i], &count, error)) {
            g_prefix_error(error, "disk %zu: ", i);
            return false;
        }
    }
    controllers_append(out, d);
    for (size_t i = 0; i < d->n_nics; i++) {
        if (!nic_append(out, &d->nics[i], error)) {
            g_prefix_error(error, "NIC %zu: ", i);
            return false;
        }
    }
    if (strcmp(d->display, "none") != 0) {
        /* On the host's loopback: a console is reached through the host, never from the network as it is. */
        append(out, "    <graphics type='%s' autoport='yes' listen='127.0.0.1'/>\n", d->display);
        append(out, "    <video>\n      <model type='vga'/>\n    </video>\n");
    }
    append(out, "    <memballoon model='none'/>\n");
    return true;
}

char *
virt_domain_xml(const VirtDefinition *definition, GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    if (!head_append(out, definition, error) || !devices_append(out, definition, error))
        return NULL;
    append(out, "  </devices>\n</domain>\n");
    return g_string_free(g_steal_pointer(&out), FALSE);
}
