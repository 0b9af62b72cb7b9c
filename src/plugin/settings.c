#include "plugin/settings.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "trust/fault.h"

#define SECONDS_MAX 86400 /* a verdict older than a day is no verdict */

/* Reads `text` into the member at `target`, or says what was expected (static text). */
typedef const char *(*Parser)(const char *text, void *target);

typedef struct {
    const char *name;
    const char *alias; /* the spelling of Nova's oldest documentation, or NULL */
    const char *fallback;
    Parser parse;
    size_t offset;
} Option;

static const char *
parse_text(const char *text, void *target)
{
    for (const char *at = text; *at; at++)
        if (g_ascii_iscntrl(*at))
            return "a text without control characters";
    g_free(*(char **)target);
    *(char **)target = *text ? g_strdup(text) : NULL;
    return NULL;
}

/* A host name, an IPv4 address, or an IPv6 address with or without brackets. */
static const char *
parse_server(const char *text, void *target)
{
    static const char expected[] = "the name or the address of a host, without scheme, port and path";
    g_autofree char *bare = g_strdup(text);
    size_t length = strlen(bare);
    struct in6_addr ignored;

    if (length > 2 && bare[0] == '[' && bare[length - 1] == ']') {
        bare[length - 1] = '\0';
        memmove(bare, bare + 1, length - 1);
    }
    if (inet_pton(AF_INET6, bare, &ignored) != 1 &&
        (length > 255 ||
         strspn(bare, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") != strlen(bare)))
        return expected;
    return parse_text(bare, target);
}

static const char *
parse_port(const char *text, void *target)
{
    guint64 port;

    if (!g_ascii_string_to_unsigned(text, 10, 1, 65535, &port, NULL))
        return "a number from 1 to 65535";
    *(unsigned *)target = (unsigned)port;
    return NULL;
}

static const char *
parse_path(const char *text, void *target)
{
    if (text[0] != '/')
        return "a path that begins with \"/\"";
    for (const char *at = text; *at; at++)
        if (!g_ascii_isgraph(*at) || strchr("?#\\\"<>", *at))
            return "a path without spaces, \"?\" and \"#\"";
    return parse_text(text, target);
}

/* Seconds, with at most three decimals, into milliseconds. */
static const char *
parse_seconds(const char *text, void *target)
{
    static const char expected[] = "a number of seconds from 0 to 86400";
    char *end;
    double seconds;

    if (!g_ascii_isdigit(text[0]) || strspn(text, "0123456789.") != strlen(text))
        return expected;
    seconds = g_ascii_strtod(text, &end);
    if (*end || seconds > SECONDS_MAX)
        return expected;
    *(int64_t *)target = (int64_t)(seconds * 1000 + 0.5);
    return NULL;
}

static const char *
parse_boolean(const char *text, void *target)
{
    static const char *const words[] = {"false", "no", "off", "0", "true", "yes", "on", "1"};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_ascii_strcasecmp(text, words[i]) == 0) {
            *(bool *)target = i >= 4;
            return NULL;
        }
    }
    return "true or false";
}

static const char *
parse_dialect(const char *text, void *target)
{
    return oat_dialect_parse(text, target) ? NULL : "auto, 1.0, 1.5 (for 1.5 to 1.7) or 2.0";
}

/* The one table: name, older spelling, default, parser, member, help. */
/* clang-format off */
#define OPTIONS(X) \
    X("attestation_server", "server", NULL, parse_server, server, \
        "Name or address of the attestation server. Without it no host is ever trusted, and no cluster can be made so.") \
    X("attestation_server_ca_file", "server_ca_file", NULL, parse_text, ca_file, \
        "PEM file with the authority that signed the server's certificate. Without it the system's authorities count.") \
    X("attestation_port", "port", "8443", parse_port, port, \
        "Port of the attestation server. OpenAttestation 2.x usually has 8181.") \
    X("attestation_api_url", "api_url", "/OpenAttestationWebServices/V1.0", parse_path, api_url, \
        "Path of the server's web service. From OpenAttestation 1.5 on it is /AttestationService/resources.") \
    X("attestation_auth_blob", "auth_blob", NULL, parse_text, auth_blob, \
        "A secret that is sent with each question, in the headers Auth_blob and x-auth-blob.") \
    X("attestation_auth_timeout", NULL, "60", parse_seconds, auth_timeout_ms, \
        "Seconds that a verdict stays valid. Hosts are asked about again every third of it.") \
    X("attestation_insecure_ssl", NULL, "false", parse_boolean, insecure_ssl, \
        "True: the server's certificate is not checked, and anybody on the network can vouch for any host.") \
    X("attestation_poll_timeout", NULL, "25", parse_seconds, poll_timeout_ms, \
        "Seconds that the server may take for an answer; at most half of attestation_auth_timeout. Not set, it is 25 or " \
        "that half, whichever is less.") \
    X("attestation_clock_skew", NULL, "5", parse_seconds, clock_skew_ms, \
        "Seconds that the server's clock may be ahead. An answer from further ahead is not believed.") \
    X("attestation_dialect", NULL, "auto", parse_dialect, dialect, \
        "Which names a question may carry: auto (told from path and port), 1.0, 1.5 (for 1.5 to 1.7) or 2.0.") \
    X("attestation_client_cert_file", NULL, NULL, parse_text, client_cert_file, \
        "PEM file with the certificate by which the attestation server knows this manager.") \
    X("attestation_client_key_file", NULL, NULL, parse_text, client_key_file, \
        "PEM file with the key of that certificate.")
/* clang-format on */

#define AS_OPTION(name, alias, fallback, parser, member, help)                                                         \
    {name, alias, fallback, parser, offsetof(Settings, member)},
#define AS_SHOWN(name, alias, fallback, parser, member, help) {SETTINGS_SECTION, name, fallback, help},

static const Option options[] = {OPTIONS(AS_OPTION)};
const ClusterPluginOption settings_options[] = {OPTIONS(AS_SHOWN){0}};

static const Option *
find_option(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        if (strcmp(name, options[i].name) == 0 || g_strcmp0(name, options[i].alias) == 0)
            return &options[i];
    return NULL;
}

static void
set_default(Settings *settings, const Option *option)
{
    if (option->fallback)
        option->parse(option->fallback, (char *)settings + option->offset);
}

static bool
read_line(Settings *settings, const ClusterPluginSetting *line, unsigned seen[], GError **error)
{
    const Option *option = find_option(line->key);
    g_autofree char *value = g_strstrip(g_strdup(line->value));
    const char *expected;

    if (strcmp(line->section, SETTINGS_SECTION) != 0) {
        g_set_error(error, FAULT, FAULT_INVALID, "Line %u: section [%s] is not one of an attestation service.",
                    line->line, line->section);
        return false;
    }
    if (!option) {
        g_set_error(error, FAULT, FAULT_INVALID, "Line %u: [%s] has no option \"%s\"; check its spelling.", line->line,
                    line->section, line->key);
        return false;
    }
    if (seen[option - options]) {
        g_set_error(error, FAULT, FAULT_INVALID, "Line %u: %s is set twice in [%s]; the other line is %u.", line->line,
                    option->name, line->section, seen[option - options]);
        return false;
    }
    seen[option - options] = line->line ? line->line : 1;
    expected = option->parse(value, (char *)settings + option->offset);
    if (!expected)
        return true;
    g_set_error(error, FAULT, FAULT_INVALID, "Line %u: %s in [%s] is \"%s\"; expected is %s.", line->line, line->key,
                line->section, option->parse == parse_text ? "…" : value, expected);
    return false;
}

/* What options mean together. `is_poll_set`: the poll's timeout was written, not defaulted. */
static bool
check_together(Settings *settings, bool is_poll_set, GError **error)
{
    int64_t half = settings->auth_timeout_ms / 2;

    if (!is_poll_set)
        settings->poll_timeout_ms = MIN(settings->poll_timeout_ms, half);
    if (settings->auth_timeout_ms < 2) {
        g_set_error_literal(error, FAULT, FAULT_INVALID,
                            "attestation_auth_timeout in [" SETTINGS_SECTION "] is 0: no verdict would be valid, ever. "
                            "Set it to some seconds (Nova's default is 60).");
        return false;
    }
    if (settings->poll_timeout_ms > half || settings->poll_timeout_ms < 1) {
        g_set_error(error, FAULT, FAULT_INVALID,
                    "attestation_poll_timeout in [" SETTINGS_SECTION
                    "] is %.3g s; it has to be more than 0 and at most "
                    "half of attestation_auth_timeout, that is %.3g s.",
                    (double)settings->poll_timeout_ms / 1000, (double)half / 1000);
        return false;
    }
    if (!settings->client_cert_file != !settings->client_key_file) {
        g_set_error_literal(error, FAULT, FAULT_INVALID,
                            "attestation_client_cert_file and attestation_client_key_file in [" SETTINGS_SECTION
                            "] have to be set together.");
        return false;
    }
    if (settings->dialect == OAT_AUTO)
        settings->dialect = oat_dialect_guess(settings->api_url, settings->port);
    return true;
}

Settings *
settings_parse(const ClusterPluginSetting lines[], size_t n, GError **error)
{
    g_autoptr(Settings) settings = g_new0(Settings, 1);
    unsigned seen[G_N_ELEMENTS(options)] = {0};

    atomic_init(&settings->refs, 1);
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        set_default(settings, &options[i]);
    for (size_t i = 0; i < n; i++)
        if (!read_line(settings, &lines[i], seen, error))
            return NULL;
    if (!check_together(settings, seen[find_option("attestation_poll_timeout") - options] != 0, error))
        return NULL;
    return g_steal_pointer(&settings);
}

Settings *
settings_ref(Settings *settings)
{
    atomic_fetch_add(&settings->refs, 1);
    return settings;
}

void
settings_unref(Settings *settings)
{
    if (!settings || atomic_fetch_sub(&settings->refs, 1) > 1)
        return;
    g_free(settings->server);
    g_free(settings->ca_file);
    g_free(settings->api_url);
    g_free(settings->auth_blob);
    g_free(settings->client_cert_file);
    g_free(settings->client_key_file);
    g_free(settings);
}

ServiceAddress
settings_address(const Settings *settings)
{
    return (ServiceAddress){
        .server = settings->server,
        .port = settings->port,
        .api_url = settings->api_url,
        .ca_file = settings->ca_file,
        .client_cert_file = settings->client_cert_file,
        .client_key_file = settings->client_key_file,
        .auth_blob = settings->auth_blob,
        .insecure_ssl = settings->insecure_ssl,
    };
}

bool
settings_is_same_service(const Settings *a, const Settings *b)
{
    return g_strcmp0(a->server, b->server) == 0 && a->port == b->port && g_strcmp0(a->api_url, b->api_url) == 0 &&
           g_strcmp0(a->ca_file, b->ca_file) == 0 && a->insecure_ssl == b->insecure_ssl;
}
