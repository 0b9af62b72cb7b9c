/* plugin_loader.h: opens a plugin and checks that it speaks our contract. */
#ifndef MANAGER_PLUGIN_LOADER_H
#define MANAGER_PLUGIN_LOADER_H

#include "cluster-plugin.h"
#include <glib.h>

/* The plugin's table; it is never unloaded. Errors name the file: missing, no entry, another ABI, too small a table, a
 * callback missing. */
const ClusterPlugin *plugin_load(const char *path, GError **error);

/* The plugin's part of the sample configuration: its options with their help as comments; a comment that says so when
 * it cannot be loaded. g_free. */
char *plugin_sample(const char *path);

#endif
