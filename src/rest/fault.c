#include "rest/fault.h"
#include "trust/fault.h"

/* oVirt 3.x: a message of the engine stands in brackets, after the reason "Operation Failed". */
static const struct {
    unsigned status;
    const char *reason;
    bool in_brackets;
} faults[] = {
    [FAULT_INVALID] = {400, "Invalid value", false},     [FAULT_INCOMPLETE] = {400, "Incomplete parameters", false},
    [FAULT_NOT_FOUND] = {404, "Operation Failed", true}, [FAULT_REFUSED] = {409, "Operation Failed", true},
    [FAULT_DENIED] = {403, "Operation Failed", true},    [FAULT_UNAVAILABLE] = {503, "Operation Failed", true},
    [FAULT_DEADLINE] = {503, "Operation Failed", true},  [FAULT_FAILED] = {500, "Operation Failed", true},
};

static size_t
row_of(const GError *error)
{
    bool is_ours = error->domain == FAULT && error->code >= 0 && (size_t)error->code < G_N_ELEMENTS(faults);
    return is_ours ? (size_t)error->code : FAULT_FAILED;
}

unsigned
fault_status(const GError *error)
{
    return faults[row_of(error)].status;
}

static void
write_fault(XmlWriter *writer, const char *reason, const char *detail)
{
    xml_open(writer, "fault");
    xml_text(writer, "reason", reason);
    xml_text(writer, "detail", detail);
    xml_close(writer);
}

void
fault_write(XmlWriter *writer, const GError *error)
{
    size_t row = row_of(error);
    g_autofree char *detail = g_strdup_printf(faults[row].in_brackets ? "[%s]" : "%s", error->message);
    write_fault(writer, faults[row].reason, detail);
}

char *
fault_document(const GError *error, size_t *size)
{
    g_autoptr(XmlWriter) writer = xml_writer_new();
    fault_write(writer, error);
    return xml_writer_finish(writer, size);
}

char *
fault_document_for(const char *detail, size_t *size)
{
    g_autoptr(XmlWriter) writer = xml_writer_new();
    write_fault(writer, "Operation Failed", detail);
    return xml_writer_finish(writer, size);
}
