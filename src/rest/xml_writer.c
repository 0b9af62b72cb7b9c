#include "rest/xml_writer.h"
#include <libxml/xmlwriter.h>
#include <stdio.h>

struct XmlWriter {
    xmlBufferPtr buffer;
    xmlTextWriterPtr text;
};

XmlWriter *
xml_writer_new(void)
{
    XmlWriter *writer = g_new0(XmlWriter, 1);
    writer->buffer = xmlBufferCreate();
    writer->text = xmlNewTextWriterMemory(writer->buffer, 0);
    if (writer->text == NULL)
        g_error("out of memory");
    xmlTextWriterSetIndent(writer->text, 1);
    xmlTextWriterSetIndentString(writer->text, BAD_CAST "    ");
    xmlTextWriterStartDocument(writer->text, "1.0", "UTF-8", "yes");
    return writer;
}

void
xml_writer_free(XmlWriter *writer)
{
    if (writer == NULL)
        return;
    xmlFreeTextWriter(writer->text);
    xmlBufferFree(writer->buffer);
    g_free(writer);
}

/* What XML 1.0 can carry (production 2, Char). */
static bool
is_xml_char(gunichar c)
{
    return c == 0x9 || c == 0xA || c == 0xD || (c >= 0x20 && c <= 0xD7FF) || (c >= 0xE000 && c <= 0xFFFD) ||
           (c >= 0x10000 && c <= 0x10FFFF);
}

static char *
valid_text(const char *text)
{
    g_autofree char *utf8 = g_utf8_make_valid(text, -1);
    GString *valid = g_string_sized_new(strlen(utf8));
    for (const char *p = utf8; *p != '\0'; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);
        g_string_append_unichar(valid, is_xml_char(c) ? c : 0xFFFD);
    }
    return g_string_free(valid, FALSE);
}

void
xml_open(XmlWriter *writer, const char *name)
{
    xmlTextWriterStartElement(writer->text, BAD_CAST name);
}

void
xml_close(XmlWriter *writer)
{
    xmlTextWriterEndElement(writer->text);
}

void
xml_attribute(XmlWriter *writer, const char *name, const char *value)
{
    g_autofree char *valid = valid_text(value);
    xmlTextWriterWriteAttribute(writer->text, BAD_CAST name, BAD_CAST valid);
}

void
xml_attribute_number(XmlWriter *writer, const char *name, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" G_GINT64_FORMAT, value);
    xml_attribute(writer, name, digits);
}

void
xml_text(XmlWriter *writer, const char *name, const char *text)
{
    if (text == NULL)
        return;
    g_autofree char *valid = valid_text(text);
    xmlTextWriterWriteElement(writer->text, BAD_CAST name, BAD_CAST valid);
}

void
xml_text_unless_empty(XmlWriter *writer, const char *name, const char *text)
{
    if (text != NULL && text[0] != '\0')
        xml_text(writer, name, text);
}

void
xml_number(XmlWriter *writer, const char *name, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" G_GINT64_FORMAT, value);
    xml_text(writer, name, digits);
}

void
xml_boolean(XmlWriter *writer, const char *name, bool value)
{
    xml_text(writer, name, value ? "true" : "false");
}

char *
xml_writer_finish(XmlWriter *writer, size_t *size)
{
    xmlTextWriterEndDocument(writer->text);
    xmlTextWriterFlush(writer->text);
    *size = (size_t)xmlBufferLength(writer->buffer);
    return g_strndup((const char *)xmlBufferContent(writer->buffer), *size);
}
