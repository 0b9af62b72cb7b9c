/* fake_attestation.h: an attestation server for tests, on canned_server: it speaks PollHosts and does to each host what
 * it is told. */
#ifndef TESTS_FAKE_ATTESTATION_H
#define TESTS_FAKE_ATTESTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster-plugin.h"

typedef struct FakeAttestation FakeAttestation;

FakeAttestation *fake_attestation_start(void);
void fake_attestation_stop(FakeAttestation *server); /* lets every blocked request go first */

/*
 * What it does about a name: a level word is answered; "absent": left out; "other": answered about another name;
 * "twice": trusted and untrusted; "stale", "future": trusted with such a time; "spoil": the request fails with 500;
 * "strange": with AS_HOST_NOT_FOUND; "slow": the request blocks until fake_attestation_release(). Default is trusted.
 */
void fake_attestation_set(FakeAttestation *server, const char *name, const char *behaviour);

/* What it does about every request: 0 as above; another HTTP status; or garbage with 200. */
void fake_attestation_fail(FakeAttestation *server, unsigned status, const char *garbage);

/* Requests block until released, from now on or no longer. */
void fake_attestation_hold(FakeAttestation *server);
void fake_attestation_release(FakeAttestation *server);

unsigned fake_attestation_requests(FakeAttestation *server);
unsigned fake_attestation_blocked(FakeAttestation *server); /* requests that are blocked now */
unsigned fake_attestation_most_together(FakeAttestation *server);

/* Requests that named it; that named it alone; and the most names in any request. */
unsigned fake_attestation_asked(FakeAttestation *server, const char *name);
unsigned fake_attestation_asked_alone(FakeAttestation *server, const char *name);
unsigned fake_attestation_largest(FakeAttestation *server);

/* Settings that lead to it, and more of the caller's: "name=value", ends with NULL. The result holds *n lines and is
 * valid until the server is stopped. */
const ClusterPluginSetting *fake_attestation_settings(FakeAttestation *server, const char *const more[], size_t *n);

#endif
