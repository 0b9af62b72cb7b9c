#include "plugin/filter.h"

#include <pthread.h>
#include <string.h>

#define ENTRIES_MAX 100000 /* hosts; more are not remembered, and so not trusted from memory */
#define WHY_MAX 200        /* bytes of an explanation that are kept */

typedef struct {
    char id[CLUSTER_PLUGIN_ID_LEN + 1]; /* the key */
    int64_t expires_ms;                 /* of a trusted verdict; 0 for another */
    char *why;                          /* NULL for a trusted one */
} Entry;

struct Filter {
    pthread_rwlock_t lock;
    GHashTable *entries; /* Entry, by its id */
};

/* Ids are UUIDs in text form: 36 bytes, of which most are random. Hashing them as words is several times faster than as
 * a string, and this runs for each candidate of each placement. Shorter ids (another manager's) work too. */
static guint
id_hash(gconstpointer key)
{
    size_t length = strnlen(key, CLUSTER_PLUGIN_ID_LEN);
    guint64 hash = length, word;
    const char *at = key;

    for (; length >= sizeof word; length -= sizeof word, at += sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15);
        hash ^= hash >> 29;
    }
    word = 0;
    memcpy(&word, at, length);
    hash = (hash ^ word) * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15);
    return (guint)(hash >> 32);
}

static void
entry_free(gpointer data)
{
    Entry *entry = data;

    g_free(entry->why);
    g_free(entry);
}

Filter *
filter_new(void)
{
    Filter *filter = g_new0(Filter, 1);

    pthread_rwlock_init(&filter->lock, NULL);
    filter->entries = g_hash_table_new_full(id_hash, g_str_equal, NULL, entry_free);
    return filter;
}

void
filter_free(Filter *filter)
{
    if (!filter)
        return;
    g_hash_table_unref(filter->entries);
    pthread_rwlock_destroy(&filter->lock);
    g_free(filter);
}

static void
remember(Filter *filter, const char *host, int64_t expires_ms, const char *why)
{
    Entry *entry;

    if (strlen(host) > CLUSTER_PLUGIN_ID_LEN)
        return;
    pthread_rwlock_wrlock(&filter->lock);
    entry = g_hash_table_lookup(filter->entries, host);
    if (!entry && g_hash_table_size(filter->entries) < ENTRIES_MAX) {
        entry = g_new0(Entry, 1);
        g_strlcpy(entry->id, host, sizeof entry->id);
        g_hash_table_add(filter->entries, entry);
    }
    if (entry) {
        entry->expires_ms = expires_ms;
        g_free(entry->why);
        entry->why = why ? g_utf8_make_valid(why, (gssize)MIN(strlen(why), WHY_MAX)) : NULL;
    }
    pthread_rwlock_unlock(&filter->lock);
}

void
filter_remember_trusted(Filter *filter, const char *host, int64_t expires_ms)
{
    remember(filter, host, expires_ms, NULL);
}

void
filter_remember_untrusted(Filter *filter, const char *host, const char *why)
{
    remember(filter, host, 0, why);
}

void
filter_forget(Filter *filter, const char *host)
{
    pthread_rwlock_wrlock(&filter->lock);
    g_hash_table_remove(filter->entries, host);
    pthread_rwlock_unlock(&filter->lock);
}

void
filter_forget_all(Filter *filter)
{
    pthread_rwlock_wrlock(&filter->lock);
    g_hash_table_remove_all(filter->entries);
    pthread_rwlock_unlock(&filter->lock);
}

bool
filter_is_trusted(Filter *filter, const char *host, int64_t now_ms)
{
    const Entry *entry;
    bool is_trusted;

    pthread_rwlock_rdlock(&filter->lock);
    entry = g_hash_table_lookup(filter->entries, host);
    is_trusted = entry && now_ms < entry->expires_ms;
    pthread_rwlock_unlock(&filter->lock);
    return is_trusted;
}

static void
mark(Filter *filter, int64_t now_ms, ClusterPluginCandidate *candidate)
{
    const Entry *entry = g_hash_table_lookup(filter->entries, candidate->host->id);

    candidate->passes = entry && now_ms < entry->expires_ms;
    if (candidate->passes)
        candidate->why[0] = '\0';
    else if (!entry)
        g_strlcpy(candidate->why, "Its attestation has not been answered.", sizeof candidate->why);
    else if (entry->why)
        g_strlcpy(candidate->why, entry->why, sizeof candidate->why);
    else
        g_strlcpy(candidate->why, "Its verdict has expired.", sizeof candidate->why);
}

void
filter_mark(Filter *filter, bool requires_trust, int64_t now_ms, ClusterPluginCandidate candidates[], size_t n)
{
    if (!requires_trust) {
        for (size_t i = 0; i < n; i++) {
            candidates[i].passes = true;
            candidates[i].why[0] = '\0';
        }
        return;
    }
    pthread_rwlock_rdlock(&filter->lock);
    for (size_t i = 0; i < n; i++)
        mark(filter, now_ms, &candidates[i]);
    pthread_rwlock_unlock(&filter->lock);
}
