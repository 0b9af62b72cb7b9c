/* tls_files.h: the certificate that the daemon makes for its REST API when none is configured. */
#ifndef MANAGER_TLS_FILES_H
#define MANAGER_TLS_FILES_H

#include <glib.h>
#include <stdbool.h>

/*
 * In `directory` (made, 0700): ca.pem, for clients, and cert.pem with key.pem (0600), for `names` (DNS names and IPs,
 * by commas). What is there is kept unless it is for other names or ends within 30 days; the CA's key is not kept, so a
 * new certificate means a new CA.
 */
bool tls_files_make(const char *directory, const char *names, GError **error);

#endif
