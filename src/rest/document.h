/*
 * document.h: a request's XML document, which is hostile until shown otherwise.
 *
 * No DOCTYPE, no entities, no network; at most DOCUMENT_MAX bytes (rule BOUNDED). Members may stand in any order, each
 * once. A resource says with a table of Members which elements it takes; every other element is refused with its name
 * and line.
 */
#ifndef REST_DOCUMENT_H
#define REST_DOCUMENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Bytes. Attributes of one tag cost libxml2 quadratic time: 72 ms at this size, seconds above. */
#define DOCUMENT_MAX 65536

typedef struct Document Document;
typedef struct _xmlNode Element; /* libxml2's; only document.c looks inside */

/* Parses `size` bytes, whose root element must be `root`. FAULT_INVALID names the line. xmlInitParser must have been
 * called by the program. Any thread. */
Document *document_parse(const char *bytes, size_t size, const char *root, GError **error);
void document_free(Document *document);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Document, document_free)
const Element *document_root(const Document *document);

typedef struct {
    const char *name;
    /* NULL: taken and ignored, whatever is in it (a member of oVirt 3.6's schema that this project lacks, or one that
     * only answers carry). */
    bool (*read)(const Element *element, void *into, GError **error);
    const char *attributes; /* by spaces; id and href are always taken */
    bool repeats;
} Member;

/* Reads the children of `element` by a table that ends with a NULL name. */
bool element_read(const Element *element, const Member members[], void *into, GError **error);

const char *element_name(const Element *element);
long element_line(const Element *element);
/* g_free; NULL when it has no such attribute. */
char *element_attribute(const Element *element, const char *name);
/* An error FAULT_INVALID that begins with the element's name and line; returns false. */
bool element_fault(const Element *element, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Typed values; *value is replaced (strings: the old one is freed). Surrounding white space is dropped. */
bool element_text(const Element *element, char **value, size_t max, GError **error);
/* At most 255 characters, at least one, no control characters. */
bool element_label(const Element *element, char **value, GError **error);
bool element_boolean(const Element *element, bool *value, GError **error);
bool element_number(const Element *element, int64_t min, int64_t max, int64_t *value, GError **error);
bool element_attribute_number(const Element *element, const char *name, int64_t min, int64_t max, int64_t *value,
                              GError **error); /* absent: leaves *value */
/* One of the words (NULL-terminated); the error lists them. */
bool element_word(const Element *element, const char *const words[], char **value, GError **error);

/* A reference to another resource: by attribute id or by <name>. Zero it first; reference_clear() it at the end. */
typedef struct {
    char *id;
    char *name;
    long line; /* 0: not given */
} Reference;
void reference_clear(Reference *reference);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Reference, reference_clear)
bool element_reference(const Element *element, Reference *reference, GError **error);
bool reference_is_given(const Reference *reference);
/* The name without the double quotes that oVirt's usual example puts around it, or NULL when it has none. g_free. */
char *reference_unquoted(const Reference *reference);

#endif
