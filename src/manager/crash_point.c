#include "manager/crash_point.h"

#ifdef CRASH_POINTS
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

static bool
is_wanted(const char *name)
{
    return g_strcmp0(g_getenv("TRUSTPOOL_CRASH_AT"), name) == 0;
}

void
crash_point(const char *name)
{
    if (!is_wanted(name))
        return;
    fprintf(stderr, "crash point %s\n", name);
    kill(getpid(), SIGKILL);
    pause();
}

static void *
die_later(void *closure)
{
    g_usleep((uintptr_t)closure * 1000);
    kill(getpid(), SIGKILL);
    return NULL;
}

void
crash_point_soon(const char *name, unsigned ms)
{
    pthread_t thread;

    if (!is_wanted(name))
        return;
    fprintf(stderr, "crash point %s in %u ms\n", name, ms);
    if (pthread_create(&thread, NULL, die_later, (void *)(uintptr_t)ms) == 0)
        pthread_detach(thread);
}
#else
/* ISO C wants a declaration in every file. */
typedef int CrashPointNone;
#endif
