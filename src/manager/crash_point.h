/*
 * crash_point.h: places where a test can kill the daemon (built with --enable-crash-points only).
 *
 * TRUSTPOOL_CRASH_AT=NAME in the environment makes the process that reaches NAME send itself SIGKILL: no handler runs,
 * no buffer is written, as in a real crash.
 */
#ifndef MANAGER_CRASH_POINT_H
#define MANAGER_CRASH_POINT_H

#ifdef CRASH_POINTS
void crash_point(const char *name);
/* The same, by another thread, after `ms`: for a point within a call that blocks. */
void crash_point_soon(const char *name, unsigned ms);
#else
#define crash_point(name) ((void)0)
#define crash_point_soon(name, ms) ((void)0)
#endif

#endif
