/* xml_writer.h: writes a response document. Pure; grows as needed (what it writes is bounded by what the store
 * returns). */
#ifndef REST_XML_WRITER_H
#define REST_XML_WRITER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct XmlWriter XmlWriter;

XmlWriter *xml_writer_new(void);
void xml_writer_free(XmlWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(XmlWriter, xml_writer_free)

void xml_open(XmlWriter *writer, const char *name);
void xml_close(XmlWriter *writer);
/* Values are made valid for XML 1.0: bytes that are not UTF-8 and characters that XML cannot carry are replaced. */
void xml_attribute(XmlWriter *writer, const char *name, const char *value);
void xml_attribute_number(XmlWriter *writer, const char *name, int64_t value);
/* An element with text; nothing at all when `text` is NULL. */
void xml_text(XmlWriter *writer, const char *name, const char *text);
/* The same, but nothing for "" too. */
void xml_text_unless_empty(XmlWriter *writer, const char *name, const char *text);
void xml_number(XmlWriter *writer, const char *name, int64_t value);
void xml_boolean(XmlWriter *writer, const char *name, bool value);

/* Ends the document; g_free it. The writer is of no more use but for xml_writer_free. */
char *xml_writer_finish(XmlWriter *writer, size_t *size);

#endif
