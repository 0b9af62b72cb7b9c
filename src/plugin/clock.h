/* clock.h: the clock of lives and deadlines. It counts while the machine sleeps, and nobody can set it. */
#ifndef PLUGIN_CLOCK_H
#define PLUGIN_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since the machine was started. Any thread. */
static inline int64_t
clock_boot_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

#endif
