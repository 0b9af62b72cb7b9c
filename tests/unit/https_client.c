#include "https_client.h"

#include <arpa/inet.h>
#include <check.h>
#include <glib.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

struct HttpsClient {
    int fd;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
};

HttpsClient *
https_client_new(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval patience = {60, 0};
    HttpsClient *client = g_new0(HttpsClient, 1);
    int result;

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(client->fd, 0);
    setsockopt(client->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    ck_assert_int_eq(connect(client->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(gnutls_certificate_allocate_credentials(&client->credentials), 0);
    ck_assert_int_eq(gnutls_init(&client->session, GNUTLS_CLIENT | GNUTLS_NO_SIGNAL), 0);
    gnutls_set_default_priority(client->session);
    gnutls_credentials_set(client->session, GNUTLS_CRD_CERTIFICATE, client->credentials);
    gnutls_transport_set_int(client->session, client->fd);
    gnutls_handshake_set_timeout(client->session, 60000);
    do
        result = gnutls_handshake(client->session);
    while (result < 0 && gnutls_error_is_fatal(result) == 0);
    ck_assert_msg(result == 0, "TLS: %s", gnutls_strerror(result));
    return client;
}

void
https_client_send(HttpsClient *client, const char *bytes)
{
    size_t n = strlen(bytes);
    while (n > 0) {
        ssize_t sent = gnutls_record_send(client->session, bytes, n);
        if (sent == GNUTLS_E_INTERRUPTED)
            continue;
        if (sent <= 0)
            return; /* the server has closed: its answer may still be there */
        bytes += sent;
        n -= (size_t)sent;
    }
}

static ssize_t
receive(HttpsClient *client, char *bytes, size_t size)
{
    ssize_t n;
    do
        n = gnutls_record_recv(client->session, bytes, size);
    while (n == GNUTLS_E_INTERRUPTED || (n < 0 && n != GNUTLS_E_AGAIN && gnutls_error_is_fatal((int)n) == 0));
    return n;
}

static bool
is_whole(const GString *response)
{
    const char *end = strstr(response->str, "\r\n\r\n");
    const char *length = strcasestr(response->str, "\r\nContent-Length:");
    if (end == NULL || length == NULL || length > end)
        return false;
    return response->len >= (size_t)(end + 4 - response->str) + strtoul(length + 17, NULL, 10);
}

char *
https_client_receive(HttpsClient *client)
{
    GString *response = g_string_new("");
    char bytes[4096];
    while (!is_whole(response)) {
        ssize_t n = receive(client, bytes, sizeof(bytes));
        ck_assert_msg(n != GNUTLS_E_AGAIN, "no answer within 60 s");
        if (n <= 0)
            break;
        g_string_append_len(response, bytes, n);
    }
    return g_string_free(response, FALSE);
}

bool
https_client_is_closed(HttpsClient *client)
{
    char byte;
    ssize_t n = receive(client, &byte, 1);
    return n <= 0 && n != GNUTLS_E_AGAIN;
}

void
https_client_free(HttpsClient *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    close(client->fd);
    g_free(client);
}

char *
https_exchange(unsigned port, const char *bytes)
{
    HttpsClient *client = https_client_new(port);
    https_client_send(client, bytes);
    char *response = https_client_receive(client);
    https_client_free(client);
    return response;
}

int
https_status(const char *response)
{
    return g_str_has_prefix(response, "HTTP/1.1 ") ? atoi(response + 9) : 0;
}
