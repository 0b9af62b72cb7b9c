/* manual.h: manual pages in the language of man(7), from the tables that the help texts come from. Pure functions on
 * strings; any thread. No dates: the same source makes the same pages. */
#ifndef MANUAL_MANUAL_H
#define MANUAL_MANUAL_H

#include <glib.h>

/* A page `name`(`section`) with its NAME paragraph. Free with g_string_free. */
GString *manual_begin(const char *name, unsigned section, const char *summary);
void manual_heading(GString *page, const char *heading);
/* A paragraph. Whatever stands in `text` is shown as it is, never read as roff. */
void manual_text(GString *page, const char *text);
/* A line that is kept as it is, indented: a command, or a line of a file. */
void manual_example(GString *page, const char *line);
/* An entry of a list: the tag in bold, its parameters (NULL: none) in italics, and what it means. */
void manual_item(GString *page, const char *tag, const char *parameters, const char *text);
/* An item for each option that --help shows. */
void manual_options(GString *page, const GOptionEntry options[]);
/* The same, as a list within the last item. */
void manual_inner_options(GString *page, const GOptionEntry options[]);

#endif
