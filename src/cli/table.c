#include "cli/table.h"
#include <stdarg.h>
#include <stdio.h>

struct Table {
    guint columns;
    GPtrArray *cells; /* row by row, the titles first */
};

Table *
table_new(const char *const titles[])
{
    Table *table = g_new0(Table, 1);
    table->columns = g_strv_length((char **)titles);
    table->cells = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < table->columns; i++)
        g_ptr_array_add(table->cells, g_strdup(titles[i]));
    return table;
}

void
table_free(Table *table)
{
    if (table == NULL)
        return;
    g_ptr_array_unref(table->cells);
    g_free(table);
}

void
table_add(Table *table, char *first, ...)
{
    va_list cells;
    char *cell = first;
    va_start(cells, first);
    for (guint i = 0; i < table->columns; i++) {
        if (i > 0)
            cell = va_arg(cells, char *);
        if (cell[0] == '\0') {
            g_free(cell);
            cell = g_strdup("-");
        }
        g_ptr_array_add(table->cells, cell);
    }
    va_end(cells);
}

static glong
width_of(const Table *table, guint column)
{
    glong width = 0;
    for (guint i = column; i < table->cells->len; i += table->columns)
        width = MAX(width, g_utf8_strlen(g_ptr_array_index(table->cells, i), -1));
    return width;
}

char *
table_format(const Table *table)
{
    GString *text = g_string_new("");
    g_autofree glong *widths = g_new(glong, table->columns);
    for (guint i = 0; i < table->columns; i++)
        widths[i] = width_of(table, i);
    for (guint i = 0; i < table->cells->len; i++) {
        const char *cell = g_ptr_array_index(table->cells, i);
        guint column = i % table->columns;
        g_string_append(text, cell);
        if (column == table->columns - 1)
            g_string_append_c(text, '\n');
        else
            for (glong n = g_utf8_strlen(cell, -1); n < widths[column] + 2; n++)
                g_string_append_c(text, ' ');
    }
    return g_string_free(text, FALSE);
}

void
table_print(const Table *table)
{
    g_autofree char *text = table_format(table);
    fputs(text, stdout);
}
