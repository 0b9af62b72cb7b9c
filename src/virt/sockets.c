/* sockets.c: the kernel's keepalive for libvirt's own sockets. */
#include "virt/connection.h"
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>

#define TLS_PORT 16514 /* IANA: libvirt's TLS */
/* A dead peer is noticed after IDLE + COUNT * INTERVAL = 30 s. */
#define IDLE_S 15
#define INTERVAL_S 5
#define COUNT 3

static int
peer_port(int fd)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    if (getpeername(fd, (struct sockaddr *)&address, &length) != 0)
        return -1;
    if (address.ss_family == AF_INET)
        return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6)
        return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return -1;
}

void
virt_sockets_keepalive(unsigned port)
{
    const int on = 1, idle = IDLE_S, interval = INTERVAL_S, count = COUNT;
    g_autoptr(GDir) dir = g_dir_open("/proc/self/fd", 0, NULL);
    const char *name;
    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        int fd = atoi(name);
        if (peer_port(fd) != (int)(port != 0 ? port : TLS_PORT))
            continue;
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
        setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
}
