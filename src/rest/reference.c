#include "rest/document.h"
#include <string.h>

static bool
read_name(const Element *element, void *into, GError **error)
{
    return element_label(element, &((Reference *)into)->name, error);
}

/* A client may send back the whole of what it was given; what matters is which one it names. */
static const Member reference_members[] = {
    {.name = "name", .read = read_name}, {.name = "actions"}, {.name = "description"}, {.name = "comment"},
    {.name = "creation_status"},         {.name = "link"},    {.name = NULL},
};

bool
element_reference(const Element *element, Reference *reference, GError **error)
{
    reference_clear(reference);
    reference->line = element_line(element);
    reference->id = element_attribute(element, "id");
    if (!element_read(element, reference_members, reference, error))
        return false;
    if (reference->id != NULL && !g_uuid_string_is_valid(reference->id))
        return element_fault(element, error, "its id \"%s\" is no UUID", reference->id);
    if (reference->id == NULL && reference->name == NULL)
        return element_fault(element, error, "it needs an attribute id or an element <name>");
    return true;
}

void
reference_clear(Reference *reference)
{
    g_clear_pointer(&reference->id, g_free);
    g_clear_pointer(&reference->name, g_free);
    reference->line = 0;
}

bool
reference_is_given(const Reference *reference)
{
    return reference->id != NULL || reference->name != NULL;
}

char *
reference_unquoted(const Reference *reference)
{
    size_t n = reference->name != NULL ? strlen(reference->name) : 0;
    if (n < 3 || reference->name[0] != '"' || reference->name[n - 1] != '"')
        return NULL;
    return g_strndup(reference->name + 1, n - 2);
}
