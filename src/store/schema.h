/* schema.h: the numbered steps in sql/, applied in order, each once, each in one transaction. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <glib.h>
#include <stdbool.h>

/* Applies the steps of `directory` that the database lacks (under an advisory lock). An applied step whose bytes have
 * changed, or a database that is newer than the directory, is an error that names the step. `applied` (may be NULL)
 * gets their number. */
bool schema_migrate(const char *conninfo, const char *directory, unsigned *applied, GError **error);
/* Is the database at the newest step of `directory`? For an external database the error says: run trustpoold --migrate.
 */
bool schema_check(const char *conninfo, const char *directory, GError **error);

#endif
