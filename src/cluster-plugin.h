/*
 * cluster-plugin.h: the contract between a cluster manager and its plugins.
 *
 * A plugin decides which hosts may be trusted; the manager keeps the records and moves the VMs. This header
 * is plain C and needs no other library, so that any manager can load any plugin.
 *
 * Loading. The manager calls dlopen() and looks up the one exported symbol, `cluster_plugin` (CLUSTER_PLUGIN_ENTRY),
 * a constant ClusterPlugin. `abi` and `struct_size` come first, whatever else changes: a manager refuses a plugin whose
 * `abi` differs from CLUSTER_PLUGIN_ABI, or whose `struct_size` is smaller than its own. The library is never unloaded.
 *
 * Threads. Each callback says who calls it and whether it may block. A plugin may have threads of its own. Neither side
 * holds a lock of its own while it calls the other.
 *
 * Ownership. Arguments belong to the caller and are valid during the call only; what a callee keeps, it copies. Strings
 * are UTF-8 and end with NUL; NULL means "not given" where a comment allows it.
 *
 * Sets. Calls take sets of hosts: one host is a set of one. A set holds each host at most once.
 *
 * Time. `*_ms` are milliseconds since the epoch, always by the database's clock, unless they are named a length of
 * time.
 */
#ifndef CLUSTER_PLUGIN_H
#define CLUSTER_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CLUSTER_PLUGIN_ABI 1u
#define CLUSTER_PLUGIN_ENTRY "cluster_plugin"

#define CLUSTER_PLUGIN_ID_LEN 36     /* a UUID in its text form, without the NUL */
#define CLUSTER_PLUGIN_TEXT_MAX 1024 /* reasons and details longer than this are cut by the receiver */
#define CLUSTER_PLUGIN_SET_MAX 10000 /* hosts in one call */

/* What the manager says of a host. */
typedef struct {
    const char *id;             /* the manager's id of the host: a UUID */
    const char *name;           /* for messages */
    const char *attestation_id; /* the name by which the attestation server knows it */
    const char *service;        /* section of the attestation service that vouches for it; "" is the default one */
} ClusterPluginHost;

typedef enum {
    CLUSTER_PLUGIN_UP,       /* a connection was made (or made again): routine question, nothing is known of it */
    CLUSTER_PLUGIN_ACTIVATE, /* an administrator waits: urgent */
    CLUSTER_PLUGIN_PLACE,    /* a placement waits: urgent, unless a verdict that is fresh is cached */
    CLUSTER_PLUGIN_DOWN,     /* forget it: whatever was cached is worth nothing */
    CLUSTER_PLUGIN_HINT,     /* somebody says that it changed (webhook): urgent */
} ClusterPluginEvent;

/* The outcome of asking about one host: the rows of the design's table. */
typedef enum {
    CLUSTER_PLUGIN_TRUSTED,
    CLUSTER_PLUGIN_UNTRUSTED,
    CLUSTER_PLUGIN_UNANSWERED, /* the service answered, but not (usably) about this host, or the host was silent */
    CLUSTER_PLUGIN_SILENT,     /* the service did not answer, or its document was malformed: nothing is known */
} ClusterPluginOutcome;

typedef struct {
    const char *host; /* id */
    ClusterPluginOutcome outcome;
    const char *reason;     /* one of the plugin's documented words, "" for trusted */
    const char *detail;     /* a sentence for an administrator, may be "" */
    int64_t valid_until_ms; /* of a trusted verdict; 0 otherwise */
} ClusterPluginVerdict;

/* What a recorded verdict did to its host. */
typedef struct {
    char host[CLUSTER_PLUGIN_ID_LEN + 1];
    bool accepted; /* false: a newer answer, or a newer connection, was already on record; or the host is gone */
    bool is_up;    /* the host's status is `up` now */
} ClusterPluginRecorded;

/* How a question ended, for `done`. */
typedef struct {
    const char *host;
    ClusterPluginOutcome outcome;
    const char *reason;
    const char *detail;
    bool recorded; /* accepted by record_verdicts; false with the reason in `detail` */
} ClusterPluginAnswer;

typedef enum {
    CLUSTER_PLUGIN_LOG_ERROR = 3, /* syslog's numbers */
    CLUSTER_PLUGIN_LOG_WARNING = 4,
    CLUSTER_PLUGIN_LOG_NOTICE = 5,
    CLUSTER_PLUGIN_LOG_INFO = 6,
    CLUSTER_PLUGIN_LOG_DEBUG = 7,
} ClusterPluginLogLevel;

/* One line of the configuration: a section of the manager's file that belongs to the plugin. */
typedef struct {
    const char *section;
    const char *key;
    const char *value;
    unsigned line; /* in the file, for messages; 0 when unknown */
} ClusterPluginSetting;

/* An option that a plugin knows, for the sample configuration and the manual. */
typedef struct {
    const char *section;
    const char *name;
    const char *fallback; /* the default as it would be written, or NULL for none */
    const char *help;     /* one sentence or more */
} ClusterPluginOption;

/* Candidates for a placement: the plugin marks those that may run the VM. */
typedef struct {
    const ClusterPluginHost *host;
    bool passes;                           /* written by the plugin */
    char why[CLUSTER_PLUGIN_TEXT_MAX + 1]; /* written by the plugin where it does not pass */
} ClusterPluginCandidate;

typedef enum { CLUSTER_PLUGIN_ALLOW, CLUSTER_PLUGIN_WARN, CLUSTER_PLUGIN_REFUSE } ClusterPluginJudgement;

typedef struct {
    const char *name;
    bool trusted_service;
    size_t active_hosts; /* hosts that are not in maintenance */
} ClusterPluginCluster;

typedef struct {
    const char *name;
    bool trusted_host_flag;
    bool is_template;
} ClusterPluginVm;

typedef enum {
    CLUSTER_PLUGIN_VM_CREATE,
    CLUSTER_PLUGIN_VM_UPDATE,
    CLUSTER_PLUGIN_VM_MOVE,
    CLUSTER_PLUGIN_VM_IMPORT,
    CLUSTER_PLUGIN_VM_FROM_TEMPLATE,
    CLUSTER_PLUGIN_TEMPLATE_FROM_VM,
} ClusterPluginHow;

/*
 * What the manager offers. Every function may be called from any thread of the plugin, and may block up to its deadline
 * of 30 s. `manager` is passed back as it came with start(). Errors: false (or 0), with a text in `error`, which holds
 * `error_size` bytes.
 */
typedef struct {
    uint32_t abi;
    uint32_t struct_size;
    void *manager;

    /* A question about these hosts begins: its number (from the database's sequence, so that numbers order answers) and
     * the database's time, read after the number was drawn. */
    bool (*begin_poll)(void *manager, const char *const hosts[], size_t n, int64_t *question, int64_t *asked_at_ms,
                       char *error, size_t error_size);

    /* Commits the verdicts of one question, atomically with what they do to their hosts. recorded[n] is written in
     * the order of verdicts[n]. */
    bool (*record_verdicts)(void *manager, int64_t question, const ClusterPluginVerdict verdicts[], size_t n,
                            ClusterPluginRecorded recorded[], char *error, size_t error_size);

    /* Hosts of `service` that want to be asked again because their last question is older than `asked_before_ms`.
     * Calls `each` for at most `max` of them, oldest question first. Returns false on error. */
    bool (*hosts_due)(void *manager, const char *service, int64_t asked_before_ms, size_t max,
                      void (*each)(void *closure, const ClusterPluginHost *host), void *closure, char *error,
                      size_t error_size);

    /* The database's time now. */
    bool (*now)(void *manager, int64_t *now_ms, char *error, size_t error_size);

    void (*log)(void *manager, ClusterPluginLogLevel level, const char *text);

    /* An audit event that is about no single host (a service went silent, came back). At most one line of text. */
    void (*event)(void *manager, ClusterPluginLogLevel level, const char *name, const char *text);
} ClusterPluginManager;

/* Called once per host of a hosts_event(), from any thread of the plugin; must return soon and not call the plugin. */
typedef void (*ClusterPluginDone)(void *closure, const ClusterPluginAnswer *answer);

/*
 * What the plugin offers.
 */
typedef struct {
    uint32_t abi;         /* CLUSTER_PLUGIN_ABI */
    uint32_t struct_size; /* sizeof(ClusterPlugin) */
    const char *name;
    const char *version;
    const char *const *sections; /* names of the configuration's sections that are the plugin's; ends with NULL */

    /* Once, from the main thread, before any other call. The table at `manager` lives as long as the process.
     * Returns the plugin's state, or NULL with a text that names the setting at fault. May block a few seconds. */
    void *(*start)(const ClusterPluginManager *manager, const ClusterPluginSetting settings[], size_t n, char *error,
                   size_t error_size);

    /* Once, at the end: returns after every `done` has been called; questions under way are given up. */
    void (*stop)(void *plugin);

    /* New settings, all of them. On error the old ones stay. Main thread. */
    bool (*reload)(void *plugin, const ClusterPluginSetting settings[], size_t n, char *error, size_t error_size);

    /* Something happened to these hosts. Returns at once, from any thread; `done`, when not NULL, is called exactly
     * once for each host, also when the queue is full (as SILENT) and for DOWN. */
    void (*hosts_event)(void *plugin, const ClusterPluginHost hosts[], size_t n, ClusterPluginEvent event,
                        ClusterPluginDone done, void *closure);

    /* Marks the candidates that may run a VM which does (or does not) require trust, by the cached verdicts: memory
     * only, never blocks. It ranks and explains; the placement's transaction decides. Any thread. */
    void (*filter_hosts)(void *plugin, bool requires_trust, ClusterPluginCandidate candidates[], size_t n);

    /* May the cluster be changed like this? before == NULL: created; after == NULL: removed. Memory only. Any thread.
     */
    ClusterPluginJudgement (*cluster_check)(void *plugin, const ClusterPluginCluster *before,
                                            const ClusterPluginCluster *after, char *text, size_t text_size);

    /* May the VM (or template) go like this? from == NULL where there is no source. Memory only. Any thread. */
    ClusterPluginJudgement (*vm_check)(void *plugin, const ClusterPluginVm *vm, const ClusterPluginCluster *from,
                                       const ClusterPluginCluster *to, ClusterPluginHow how, char *text,
                                       size_t text_size);

    /* A message of an attestation service to the manager's address for them. headers: "Name: value", ends with NULL.
     * Returns the HTTP status to answer with. Any thread; may block 1 s. */
    int (*webhook)(void *plugin, const char *const headers[], const void *bytes, size_t size);

    /* What can be set in its sections; ends with a NULL name. NULL: nothing. */
    const ClusterPluginOption *options;
} ClusterPlugin;

#ifdef __cplusplus
}
#endif

#endif
