/* fault.h: errors as a client sees them: an HTTP status and a <fault> document (oVirt 3.x). */
#ifndef REST_FAULT_H
#define REST_FAULT_H

#include "rest/xml_writer.h"

/* The HTTP status for an error; those outside the domain FAULT are 500. */
unsigned fault_status(const GError *error);
/* <fault><reason/><detail/></fault>, its reason as oVirt words it: "Operation Failed", "Incomplete parameters",
 * "Invalid value". */
void fault_write(XmlWriter *writer, const GError *error);
/* The same as a whole document; g_free it. */
char *fault_document(const GError *error, size_t *size);
/* A document for a refusal that has no error: `detail` as it is. */
char *fault_document_for(const char *detail, size_t *size);

#endif
