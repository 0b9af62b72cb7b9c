/* https_client.h: sends bytes as they are over TLS, for requests that no library would send. */
#ifndef TESTS_HTTPS_CLIENT_H
#define TESTS_HTTPS_CLIENT_H

#include <stdbool.h>

typedef struct HttpsClient HttpsClient;

/* To 127.0.0.1. Fails the test when it cannot connect within 60 s. */
HttpsClient *https_client_new(unsigned port);
void https_client_send(HttpsClient *client, const char *bytes);
/* Reads one response with its body (by Content-Length), or up to the end of the connection. "" at the end. g_free. */
char *https_client_receive(HttpsClient *client);
/* Did the server close the connection? Waits up to 60 s for it. */
bool https_client_is_closed(HttpsClient *client);
void https_client_free(HttpsClient *client);

/* One request on a connection of its own; g_free. */
char *https_exchange(unsigned port, const char *bytes);
/* The status of a response; 0: there was none. */
int https_status(const char *response);

#endif
