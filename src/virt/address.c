#include "trust/fault.h"
#include "virt/connection.h"
#include <arpa/inet.h>
#include <string.h>

/* RFC 1123: labels of 1 to 63 letters, digits and inner hyphens, 253 in all. Underscores occur in practice. */
static bool
is_dns_name(const char *name)
{
    size_t label = 0;
    if (strlen(name) > 253)
        return false;
    for (const char *p = name; *p != '\0'; p++) {
        if (*p == '.') {
            if (label == 0 || p[-1] == '-')
                return false;
            label = 0;
        } else if (g_ascii_isalnum(*p) || *p == '_' || (*p == '-' && label > 0)) {
            if (++label > 63)
                return false;
        } else {
            return false;
        }
    }
    return label > 0 && name[strlen(name) - 1] != '-';
}

bool
virt_address_is_valid(const char *address, GError **error)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    if (address != NULL && (inet_pton(AF_INET6, address, bytes) == 1 || is_dns_name(address)))
        return true; /* IPv4 has the form of a DNS name */
    g_set_error(error, FAULT, FAULT_INVALID, "'%s' is no host address: it must be a DNS name or an IP address",
                address != NULL ? address : "");
    return false;
}
