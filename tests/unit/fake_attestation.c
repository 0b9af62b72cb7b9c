#include "fake_attestation.h"

#include <glib.h>
#include <jansson.h>
#include <pthread.h>
#include <string.h>

#include "canned_server.h"
#include "test_certs.h"

struct FakeAttestation {
    CannedServer *server;
    char *directory;
    pthread_mutex_t lock;
    pthread_cond_t released;
    bool is_held, is_stopping;
    unsigned generation; /* of releases */
    unsigned blocked, status, largest;
    char *garbage;
    GHashTable *behaviours, *asked, *asked_alone;
    GArray *settings;
    GPtrArray *texts; /* of the settings */
};

static void
count(GHashTable *counters, const char *name)
{
    g_hash_table_insert(counters, g_strdup(name),
                        GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(counters, name)) + 1));
}

static void
add_entry(json_t *hosts, const char *name, const char *level, int64_t vtime)
{
    json_array_append_new(hosts, json_pack("{s:s,s:s,s:I}", "host_name", name, "trust_lvl", level, "vtime",
                                           (json_int_t)vtime));
}

static void
answer_about(json_t *hosts, const char *name, const char *behaviour)
{
    int64_t now = g_get_real_time() / 1000;

    if (strcmp(behaviour, "absent") == 0)
        return;
    if (strcmp(behaviour, "other") == 0) {
        add_entry(hosts, "somebody-else", "trusted", now);
    } else if (strcmp(behaviour, "twice") == 0) {
        add_entry(hosts, name, "trusted", now);
        add_entry(hosts, name, "untrusted", now);
    } else if (strcmp(behaviour, "stale") == 0) {
        add_entry(hosts, name, "trusted", now - 86400000);
    } else if (strcmp(behaviour, "future") == 0) {
        add_entry(hosts, name, "trusted", now + 86400000);
    } else {
        add_entry(hosts, name, strcmp(behaviour, "slow") == 0 ? "trusted" : behaviour, now);
    }
}

/* Blocks until released. With the lock held. */
static void
block(FakeAttestation *fake)
{
    unsigned generation = fake->generation;

    fake->blocked++;
    while (!fake->is_stopping && generation == fake->generation)
        pthread_cond_wait(&fake->released, &fake->lock);
    fake->blocked--;
}

static char *
handle(void *closure, const CannedRequest *request, unsigned *status)
{
    FakeAttestation *fake = closure;
    json_t *asked = json_loads(request->body, 0, NULL), *names = json_object_get(asked, "hosts"), *value;
    json_t *reply, *hosts = json_array();
    const char *fatal = NULL;
    bool is_slow;
    char *text;
    size_t i;

    if (!names || json_integer_value(json_object_get(asked, "count")) != (json_int_t)json_array_size(names))
        g_error("not a PollHosts request: %s", request->body);
    pthread_mutex_lock(&fake->lock);
    is_slow = fake->is_held;
    fake->largest = MAX(fake->largest, (unsigned)json_array_size(names));
    json_array_foreach(names, i, value)
    {
        const char *name = json_string_value(value), *behaviour = g_hash_table_lookup(fake->behaviours, name);

        count(fake->asked, name);
        if (json_array_size(names) == 1)
            count(fake->asked_alone, name);
        behaviour = behaviour ? behaviour : "trusted";
        is_slow |= strcmp(behaviour, "slow") == 0;
        if (strcmp(behaviour, "spoil") == 0 || strcmp(behaviour, "strange") == 0)
            fatal = behaviour;
        answer_about(hosts, name, behaviour);
    }
    if (is_slow)
        block(fake);
    reply = json_pack("{s:O}", "hosts", hosts);
    if (fatal && strcmp(fatal, "spoil") == 0) {
        *status = 500;
        text = g_strdup("{\"error_code\":500,\"error_message\":\"Poll Hosts failed\"}");
    } else if (fatal) {
        *status = 400;
        text = g_strdup("{\"error_code\":\"AS_HOST_NOT_FOUND\",\"error_message\":\"Host not found.\"}");
    } else if (fake->garbage) {
        text = g_strdup(fake->garbage);
    } else {
        char *dumped = json_dumps(reply, 0);

        *status = fake->status ? fake->status : 200;
        text = g_strdup(dumped);
        free(dumped);
    }
    pthread_mutex_unlock(&fake->lock);
    json_decref(reply);
    json_decref(hosts);
    json_decref(asked);
    return text;
}

FakeAttestation *
fake_attestation_start(void)
{
    FakeAttestation *fake = g_new0(FakeAttestation, 1);

    fake->directory = test_certs_new();
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->released, NULL);
    fake->behaviours = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    fake->asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fake->asked_alone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    fake->settings = g_array_new(FALSE, TRUE, sizeof(ClusterPluginSetting));
    fake->texts = g_ptr_array_new_with_free_func(g_free);
    fake->server = canned_server_start(&(CannedOptions){.directory = fake->directory}, handle, fake);
    return fake;
}

void
fake_attestation_stop(FakeAttestation *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_stopping = true;
    pthread_cond_broadcast(&fake->released);
    pthread_mutex_unlock(&fake->lock);
    canned_server_stop(fake->server);
    test_certs_free(fake->directory);
    g_hash_table_unref(fake->behaviours);
    g_hash_table_unref(fake->asked);
    g_hash_table_unref(fake->asked_alone);
    g_array_unref(fake->settings);
    g_ptr_array_unref(fake->texts);
    g_free(fake->garbage);
    pthread_cond_destroy(&fake->released);
    pthread_mutex_destroy(&fake->lock);
    g_free(fake);
}

void
fake_attestation_set(FakeAttestation *fake, const char *name, const char *behaviour)
{
    pthread_mutex_lock(&fake->lock);
    g_hash_table_insert(fake->behaviours, g_strdup(name), g_strdup(behaviour));
    pthread_mutex_unlock(&fake->lock);
}

void
fake_attestation_fail(FakeAttestation *fake, unsigned status, const char *garbage)
{
    pthread_mutex_lock(&fake->lock);
    fake->status = status;
    g_free(fake->garbage);
    fake->garbage = g_strdup(garbage);
    pthread_mutex_unlock(&fake->lock);
}

void
fake_attestation_hold(FakeAttestation *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_held = true;
    pthread_mutex_unlock(&fake->lock);
}

void
fake_attestation_release(FakeAttestation *fake)
{
    pthread_mutex_lock(&fake->lock);
    fake->is_held = false;
    fake->generation++;
    pthread_cond_broadcast(&fake->released);
    pthread_mutex_unlock(&fake->lock);
}

unsigned
fake_attestation_requests(FakeAttestation *fake)
{
    return canned_server_requests(fake->server);
}

unsigned
fake_attestation_most_together(FakeAttestation *fake)
{
    return canned_server_most_together(fake->server);
}

unsigned
fake_attestation_blocked(FakeAttestation *fake)
{
    unsigned blocked;

    pthread_mutex_lock(&fake->lock);
    blocked = fake->blocked;
    pthread_mutex_unlock(&fake->lock);
    return blocked;
}

static unsigned
read_count(FakeAttestation *fake, GHashTable *counters, const char *name)
{
    unsigned value;

    pthread_mutex_lock(&fake->lock);
    value = GPOINTER_TO_UINT(g_hash_table_lookup(counters, name));
    pthread_mutex_unlock(&fake->lock);
    return value;
}

unsigned
fake_attestation_asked(FakeAttestation *fake, const char *name)
{
    return read_count(fake, fake->asked, name);
}

unsigned
fake_attestation_asked_alone(FakeAttestation *fake, const char *name)
{
    return read_count(fake, fake->asked_alone, name);
}

unsigned
fake_attestation_largest(FakeAttestation *fake)
{
    unsigned largest;

    pthread_mutex_lock(&fake->lock);
    largest = fake->largest;
    pthread_mutex_unlock(&fake->lock);
    return largest;
}

/* Takes `value`. */
static void
add_setting(FakeAttestation *fake, const char *key, char *value)
{
    ClusterPluginSetting setting = {.section = "trusted_computing", .key = key, .value = value};

    setting.line = fake->settings->len + 1;
    g_ptr_array_add(fake->texts, value);
    g_array_append_val(fake->settings, setting);
}

const ClusterPluginSetting *
fake_attestation_settings(FakeAttestation *fake, const char *const more[], size_t *n)
{
    g_array_set_size(fake->settings, 0);
    add_setting(fake, "attestation_server", g_strdup("127.0.0.1"));
    add_setting(fake, "attestation_port", g_strdup_printf("%u", canned_server_port(fake->server)));
    add_setting(fake, "attestation_server_ca_file", g_build_filename(fake->directory, "ca-cert.pem", NULL));
    for (size_t i = 0; more && more[i]; i++) {
        const char *equals = strchr(more[i], '=');
        char *key = g_strndup(more[i], (gsize)(equals - more[i]));

        g_ptr_array_add(fake->texts, key);
        add_setting(fake, key, g_strdup(equals + 1));
    }
    *n = fake->settings->len;
    return (const ClusterPluginSetting *)(void *)fake->settings->data;
}
