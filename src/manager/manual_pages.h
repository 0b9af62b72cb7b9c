/* manual_pages.h: the manual pages of the daemon and of its configuration file, from the tables of options. */
#ifndef MANAGER_MANUAL_PAGES_H
#define MANAGER_MANUAL_PAGES_H

#include <glib.h>

/* trustpoold(8), from the options that --help shows. g_free. */
char *manual_of_daemon(const GOptionEntry options[]);
/* trustpool.conf(5), from the manager's options and those of the plugin at the absolute path `plugin`. g_free; NULL
 * with an error when the plugin cannot be loaded. Main thread. */
char *manual_of_configuration(const char *plugin, GError **error);

#endif
