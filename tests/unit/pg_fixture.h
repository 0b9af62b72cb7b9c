/*
 * pg_fixture.h: a PostgreSQL of the test program's own, with the schema of sql/.
 *
 * The server runs as the database's account when the tests run as root, in a fresh folder below /tmp, on a unix socket
 * alone. It ends with the test program, however that ends.
 */
#ifndef TESTS_UNIT_PG_FIXTURE_H
#define TESTS_UNIT_PG_FIXTURE_H

#include <check.h>
#include <glib.h>

#include "store/store.h"

/* For main(): starts the server, runs the suite, ends the server and removes its folder; returns the exit status. */
int pg_fixture_run(Suite *suite);

/* For programs that are no suite: starts the server with these further settings ("name=value", ends with NULL; NULL:
 * none), and ends it. False when it cannot; why is on stderr. Before other threads start. */
bool pg_fixture_start(const char *const options[]);
void pg_fixture_stop(void);

/* In a test: a database of its own, with the schema; its libpq connection string, g_free it. */
char *pg_fixture_database(void);
/* The same without the schema. */
char *pg_fixture_database_empty(void);
/* A pool of 4 sessions on it, with a deadline of 60 s: fails the test when it cannot connect. */
Store *pg_fixture_store(const char *conninfo);

/* The folder with the numbered schema steps. */
#define PG_FIXTURE_SQL TOP_SRCDIR "/sql"
/* The account that PostgreSQL runs as: NULL unless root. */
const char *pg_fixture_user(void);
/* A fresh folder below /tmp that the account can reach; free it with pg_fixture_remove. */
char *pg_fixture_folder(void);
void pg_fixture_remove(char *folder);

#endif
