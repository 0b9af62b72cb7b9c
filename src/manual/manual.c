#include "manual/manual.h"
#include <stdbool.h>

/* A backslash begins roff's escapes, a point or an apostrophe at the start of a line its requests; a bare "-" is shown
 * as a hyphen, which cannot be pasted into a shell (groff_man_style(7)). */
static void
add_text(GString *page, const char *text)
{
    bool begins_line = page->len == 0 || page->str[page->len - 1] == '\n';

    for (; *text; text++) {
        if (begins_line && (*text == '.' || *text == '\''))
            g_string_append(page, "\\&");
        if (*text == '\\')
            g_string_append(page, "\\e");
        else if (*text == '-')
            g_string_append(page, "\\-");
        else
            g_string_append_c(page, *text);
        begins_line = *text == '\n';
    }
}

GString *
manual_begin(const char *name, unsigned section, const char *summary)
{
    g_autofree char *title = g_ascii_strup(name, -1);
    GString *page = g_string_new(".\\\" Made from the program's own tables; do not edit.\n");

    g_string_append_printf(page, ".TH %s %u \"\" \"trustpool " PACKAGE_VERSION "\"\n.SH NAME\n", title, section);
    add_text(page, name);
    g_string_append(page, " \\- ");
    add_text(page, summary);
    g_string_append_c(page, '\n');
    return page;
}

void
manual_heading(GString *page, const char *heading)
{
    g_string_append_printf(page, ".SH %s\n", heading);
}

void
manual_text(GString *page, const char *text)
{
    g_string_append(page, ".PP\n");
    add_text(page, text);
    g_string_append_c(page, '\n');
}

void
manual_example(GString *page, const char *line)
{
    g_string_append(page, ".PP\n.RS 4\n.nf\n");
    add_text(page, line);
    g_string_append(page, "\n.fi\n.RE\n");
}

void
manual_item(GString *page, const char *tag, const char *parameters, const char *text)
{
    g_string_append(page, ".TP\n\\fB");
    add_text(page, tag);
    g_string_append(page, "\\fR");
    if (parameters && *parameters) {
        g_string_append(page, " \\fI");
        add_text(page, parameters);
        g_string_append(page, "\\fR");
    }
    g_string_append_c(page, '\n');
    add_text(page, text);
    g_string_append_c(page, '\n');
}

void
manual_options(GString *page, const GOptionEntry options[])
{
    for (; options->long_name; options++) {
        g_autofree char *tag = options->short_name
                                   ? g_strdup_printf("-%c, --%s", options->short_name, options->long_name)
                                   : g_strdup_printf("--%s", options->long_name);
        if (!(options->flags & G_OPTION_FLAG_HIDDEN))
            manual_item(page, tag, options->arg_description, options->description);
    }
}

void
manual_inner_options(GString *page, const GOptionEntry options[])
{
    g_string_append(page, ".RS\n");
    manual_options(page, options);
    g_string_append(page, ".RE\n");
}
