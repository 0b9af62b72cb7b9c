/*
 * settings.h: section [trusted_computing] of the configuration, as one table. Names and defaults are those of Nova's
 * TrustedFilter, so that an existing section can be pasted; the spellings of its oldest documentation are aliases.
 */
#ifndef PLUGIN_SETTINGS_H
#define PLUGIN_SETTINGS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "attest/oat.h"
#include "attest/service.h"
#include "cluster-plugin.h"

#define SETTINGS_SECTION "trusted_computing"

/* Shared and unchanging once parsed: counted, see settings_ref(). Strings are NULL where nothing was set. */
typedef struct {
    char *server; /* NULL: there is no attestation service, and no host is ever trusted */
    char *ca_file;
    unsigned port;
    char *api_url;
    char *auth_blob;
    int64_t auth_timeout_ms; /* how long a verdict stays valid */
    int64_t poll_timeout_ms; /* how long a poll may take; at most half of that */
    int64_t clock_skew_ms;
    bool insecure_ssl;
    OatDialect dialect; /* never OAT_AUTO */
    char *client_cert_file;
    char *client_key_file;
    _Atomic unsigned refs;
} Settings;

/* The options, as the manual and the sample file show them; ends with a NULL name. */
extern const ClusterPluginOption settings_options[];

/*
 * Reads the section's lines. FAULT_INVALID names the option and its line. Free with settings_unref.
 */
Settings *settings_parse(const ClusterPluginSetting lines[], size_t n, GError **error);

Settings *settings_ref(Settings *settings);
void settings_unref(Settings *settings);

/* Where the service is; borrows from the settings. Only when there is a server. */
ServiceAddress settings_address(const Settings *settings);

/* Is it the same server, asked in the same way? */
bool settings_is_same_service(const Settings *a, const Settings *b);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Settings, settings_unref)

#endif
