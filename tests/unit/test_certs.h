/* test_certs.h: an authority and certificates, made anew for a test. */
#ifndef TESTS_TEST_CERTS_H
#define TESTS_TEST_CERTS_H

/*
 * Makes a fresh directory under /tmp with PEM files NAME-cert.pem and NAME-key.pem: `ca`; `server`, for 127.0.0.1 and
 * localhost; `other`, for other.example; `client`, named "manager"; and `stranger`, another authority. Returns its
 * path; free with test_certs_free.
 */
char *test_certs_new(void);
void test_certs_free(char *directory);

#endif
