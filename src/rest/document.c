#include "rest/document.h"
#include "trust/fault.h"
#include <libxml/parser.h>
#include <libxml/tree.h>
#include <stdarg.h>
#include <string.h>

struct Document {
    xmlDocPtr tree;
};

typedef struct {
    bool has_doctype;
} ParseState;

static void
refuse_doctype(void *context, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
    xmlParserCtxtPtr parser = context;
    (void)name;
    (void)external;
    (void)system;
    ((ParseState *)parser->_private)->has_doctype = true;
    xmlStopParser(parser);
}

static void
set_parse_error(GError **error, xmlParserCtxtPtr parser)
{
    const xmlError *last = xmlCtxtGetLastError(parser);
    const char *message = last != NULL && last->message != NULL ? last->message : "it is not well-formed";
    /* libxml2 quotes names as they came, cut off or not UTF-8 */
    g_autofree char *why = g_utf8_make_valid(message, -1);
    g_strchomp(why);
    g_set_error(error, FAULT, FAULT_INVALID, "line %d: the request is no XML document: %s",
                last != NULL ? last->line : 1, why);
}

Document *
document_parse(const char *bytes, size_t size, const char *root, GError **error)
{
    if (size > DOCUMENT_MAX) {
        g_set_error(error, FAULT, FAULT_INVALID, "the document is larger than %d bytes", DOCUMENT_MAX);
        return NULL;
    }
    if (size == 0) {
        g_set_error(error, FAULT, FAULT_INVALID, "line 1: the request has no document; element <%s> is needed", root);
        return NULL;
    }
    ParseState state = {false};
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    if (parser == NULL)
        g_error("out of memory");
    parser->_private = &state;
    parser->sax->internalSubset = refuse_doctype;
    /* Never NOENT, DTDLOAD or HUGE: without a DOCTYPE there are no entities but XML's own five. */
    xmlDocPtr tree = xmlCtxtReadMemory(parser, bytes, (int)size, NULL, NULL,
                                       XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_NOCDATA);
    /* A parser that was stopped leaves a document that looks well-formed and has no root: test both. */
    xmlNodePtr top = tree != NULL ? xmlDocGetRootElement(tree) : NULL;
    if (state.has_doctype)
        g_set_error(error, FAULT, FAULT_INVALID, "the document has a DOCTYPE; remove it");
    else if (top == NULL || !parser->wellFormed)
        set_parse_error(error, parser);
    else if (top->ns != NULL || strcmp((const char *)top->name, root) != 0)
        g_set_error(error, FAULT, FAULT_INVALID, "element <%s> in line %ld: element <%s> is needed here",
                    (const char *)top->name, xmlGetLineNo(top), root);
    else {
        xmlFreeParserCtxt(parser);
        Document *document = g_new0(Document, 1);
        document->tree = tree;
        return document;
    }
    xmlFreeDoc(tree);
    xmlFreeParserCtxt(parser);
    return NULL;
}

void
document_free(Document *document)
{
    if (document == NULL)
        return;
    xmlFreeDoc(document->tree);
    g_free(document);
}

const Element *
document_root(const Document *document)
{
    return xmlDocGetRootElement(document->tree);
}

const char *
element_name(const Element *element)
{
    return (const char *)element->name;
}

long
element_line(const Element *element)
{
    return xmlGetLineNo(element);
}

char *
element_attribute(const Element *element, const char *name)
{
    xmlChar *value = xmlGetNoNsProp(element, BAD_CAST name);
    char *copy = value != NULL ? g_strstrip(g_strdup((const char *)value)) : NULL;
    xmlFree(value);
    return copy;
}

bool
element_fault(const Element *element, GError **error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, FAULT, FAULT_INVALID, "element <%s> in line %ld: %s", element_name(element),
                element_line(element), text);
    return false;
}

static bool
is_word_of(const char *word, const char *words)
{
    if (words == NULL)
        return false;
    g_auto(GStrv) list = g_strsplit(words, " ", -1);
    return g_strv_contains((const char *const *)list, word);
}

static bool
check_attributes(const Element *element, const char *attributes, GError **error)
{
    for (const xmlAttr *a = element->properties; a != NULL; a = a->next)
        if (a->ns != NULL ||
            !(is_word_of((const char *)a->name, "id href") || is_word_of((const char *)a->name, attributes)))
            return element_fault(element, error, "attribute %s is not known here", (const char *)a->name);
    return true;
}

static const Member *
find_member(const Member members[], const Element *element)
{
    if (element->ns != NULL)
        return NULL;
    for (const Member *m = members; m->name != NULL; m++)
        if (strcmp(m->name, element_name(element)) == 0)
            return m;
    return NULL;
}

static bool
is_first_of_its_name(const Element *element)
{
    for (const xmlNode *n = element->prev; n != NULL; n = n->prev)
        if (n->type == XML_ELEMENT_NODE && xmlStrEqual(n->name, element->name))
            return false;
    return true;
}

bool
element_read(const Element *element, const Member members[], void *into, GError **error)
{
    for (const xmlNode *n = element->children; n != NULL; n = n->next) {
        if (n->type == XML_COMMENT_NODE || xmlIsBlankNode(n))
            continue;
        if (n->type != XML_ELEMENT_NODE)
            return element_fault(element, error, "only elements may stand in it, and here is text");
        const Member *member = find_member(members, n);
        if (member == NULL)
            return element_fault(n, error, "it is not known in <%s>", element_name(element));
        if (member->read == NULL)
            continue;
        if (!member->repeats && !is_first_of_its_name(n))
            return element_fault(n, error, "it is given twice in <%s>", element_name(element));
        if (!check_attributes(n, member->attributes, error) || !member->read(n, into, error))
            return false;
    }
    return true;
}

bool
element_text(const Element *element, char **value, size_t max, GError **error)
{
    for (const xmlNode *n = element->children; n != NULL; n = n->next)
        if (n->type != XML_TEXT_NODE && n->type != XML_COMMENT_NODE)
            return element_fault(element, error, "only text may stand in it");
    xmlChar *content = xmlNodeGetContent(element);
    g_autofree char *text = g_strstrip(g_strdup(content != NULL ? (const char *)content : ""));
    xmlFree(content);
    if ((size_t)g_utf8_strlen(text, -1) > max)
        return element_fault(element, error, "it has more than %zu characters", max);
    g_free(*value);
    *value = g_steal_pointer(&text);
    return true;
}

bool
element_label(const Element *element, char **value, GError **error)
{
    g_autofree char *text = NULL;
    if (!element_text(element, &text, 255, error))
        return false;
    if (text[0] == '\0')
        return element_fault(element, error, "it is empty");
    for (const char *p = text; *p != '\0'; p = g_utf8_next_char(p))
        if (g_unichar_iscntrl(g_utf8_get_char(p)))
            return element_fault(element, error, "it has a control character");
    g_free(*value);
    *value = g_steal_pointer(&text);
    return true;
}

bool
element_boolean(const Element *element, bool *value, GError **error)
{
    g_autofree char *text = NULL;
    if (!element_text(element, &text, 64, error))
        return false;
    if (strcmp(text, "true") == 0 || strcmp(text, "1") == 0)
        *value = true;
    else if (strcmp(text, "false") == 0 || strcmp(text, "0") == 0)
        *value = false;
    else
        return element_fault(element, error, "\"%s\" is neither true nor false", text);
    return true;
}

static bool
parse_number(const Element *element, const char *what, const char *text, int64_t min, int64_t max, int64_t *value,
             GError **error)
{
    g_autoptr(GError) ignored = NULL;
    gint64 number = 0;
    if (!g_ascii_string_to_signed(text, 10, min, max, &number, &ignored))
        return element_fault(element, error, "%s\"%s\" is no number from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
                             what, text, min, max);
    *value = number;
    return true;
}

bool
element_number(const Element *element, int64_t min, int64_t max, int64_t *value, GError **error)
{
    g_autofree char *text = NULL;
    return element_text(element, &text, 64, error) && parse_number(element, "", text, min, max, value, error);
}

bool
element_attribute_number(const Element *element, const char *name, int64_t min, int64_t max, int64_t *value,
                         GError **error)
{
    g_autofree char *text = element_attribute(element, name);
    g_autofree char *what = g_strdup_printf("attribute %s: ", name);
    return text == NULL || parse_number(element, what, text, min, max, value, error);
}

bool
element_word(const Element *element, const char *const words[], char **value, GError **error)
{
    g_autofree char *text = NULL;
    if (!element_text(element, &text, 64, error))
        return false;
    if (!g_strv_contains(words, text)) {
        g_autofree char *known = g_strjoinv(", ", (char **)words);
        return element_fault(element, error, "\"%s\" is none of: %s", text, known);
    }
    g_free(*value);
    *value = g_steal_pointer(&text);
    return true;
}
