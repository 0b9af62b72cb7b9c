/* table.h: aligned plain tables. */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <glib.h>

typedef struct Table Table;

/* titles end with NULL. */
Table *table_new(const char *const titles[]);
void table_free(Table *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)
/* Takes as many texts as there are titles; each is g_free'd by the table. "" shows as "-". */
void table_add(Table *table, char *first, ...);
/* The titles and the rows, columns as wide as their widest cell. g_free. */
char *table_format(const Table *table);
void table_print(const Table *table);

#endif
