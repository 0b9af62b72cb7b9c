/*
 * filter.h: the verdict cache. It ranks and explains from memory and never decides: the placement's transaction does.
 * What is not in it is not trusted (rule CLOSED). Every function may be called from any thread and never blocks for
 * long.
 */
#ifndef PLUGIN_FILTER_H
#define PLUGIN_FILTER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster-plugin.h"

typedef struct Filter Filter;

Filter *filter_new(void);
void filter_free(Filter *filter);

/* A verdict that is on record: trusted until expires_ms by clock_boot_ms(). Forgotten when the cache is full. */
void filter_remember_trusted(Filter *filter, const char *host, int64_t expires_ms);

/* A verdict that is not trusted; `why` is a sentence for an administrator, cut when it is long. */
void filter_remember_untrusted(Filter *filter, const char *host, const char *why);

/* Whatever is known of the host is worth nothing any more. */
void filter_forget(Filter *filter, const char *host);
void filter_forget_all(Filter *filter);

bool filter_is_trusted(Filter *filter, const char *host, int64_t now_ms);

/* ClusterPlugin.filter_hosts; now_ms by clock_boot_ms(). */
void filter_mark(Filter *filter, bool requires_trust, int64_t now_ms, ClusterPluginCandidate candidates[], size_t n);

#endif
