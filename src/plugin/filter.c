#include "plugin/filter.h"

#include <pthread.h>
#include <string.h>

#define ENTRIES_MAX 100000 /* hosts; more are not remembered, and so not trusted from memory */
#define AHEAD 8            /* candidates from fetching one to looking at it */
#define WHY_MAX 200        /* bytes of an explanation that are kept */

/* An id, filled up with zeros. Longer ones are cut, but to more than an id may have: they are equal to none. */
typedef struct {
    guint64 words[5];
} Key;
G_STATIC_ASSERT(sizeof(Key) > CLUSTER_PLUGIN_ID_LEN);
G_STATIC_ASSERT(3 * WHY_MAX < CLUSTER_PLUGIN_TEXT_MAX); /* an invalid byte becomes three */

typedef struct {
    Key key;            /* first: an entry is its own key */
    int64_t expires_ms; /* of a trusted verdict; 0 for another */
    char *why;          /* NULL for a trusted one */
    size_t why_size;    /* with the NUL */
} Entry;

struct Filter {
    pthread_rwlock_t lock;
    GHashTable *entries; /* Entry, by its key */
};

/* Looking up runs for each candidate of each placement: a key is compared and hashed as words, each multiplied by an
 * odd number of its own so that the processor does them side by side. */
static Key
key_of(const char *id)
{
    Key key = {0};
    size_t length = strnlen(id, sizeof key);

    if (length == CLUSTER_PLUGIN_ID_LEN)
        memcpy(&key, id, CLUSTER_PLUGIN_ID_LEN); /* a known length is quicker */
    else
        memcpy(&key, id, length);
    return key;
}

static guint
key_hash(gconstpointer data)
{
    const guint64 *word = ((const Key *)data)->words;
    guint64 hash = word[0] * G_GUINT64_CONSTANT(0x9E3779B97F4A7C15) + word[1] * G_GUINT64_CONSTANT(0xC2B2AE3D27D4EB4F) +
                   word[2] * G_GUINT64_CONSTANT(0x165667B19E3779F9) + word[3] * G_GUINT64_CONSTANT(0xD6E8FEB86659FD93) +
                   word[4] * G_GUINT64_CONSTANT(0xFF51AFD7ED558CCD);

    return (guint)((hash ^ hash >> 29) >> 16);
}

static gboolean
key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Key)) == 0;
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
    filter->entries = g_hash_table_new_full(key_hash, key_equal, NULL, entry_free);
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
    Key key = key_of(host);
    Entry *entry;

    if (strlen(host) > CLUSTER_PLUGIN_ID_LEN)
        return;
    pthread_rwlock_wrlock(&filter->lock);
    entry = g_hash_table_lookup(filter->entries, &key);
    if (!entry && g_hash_table_size(filter->entries) < ENTRIES_MAX) {
        entry = g_new0(Entry, 1);
        entry->key = key;
        g_hash_table_add(filter->entries, entry);
    }
    if (entry) {
        entry->expires_ms = expires_ms;
        g_free(entry->why);
        entry->why = why ? g_utf8_make_valid(why, (gssize)MIN(strlen(why), WHY_MAX)) : NULL;
        entry->why_size = entry->why ? strlen(entry->why) + 1 : 0;
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
    Key key = key_of(host);

    pthread_rwlock_wrlock(&filter->lock);
    g_hash_table_remove(filter->entries, &key);
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
    Key key = key_of(host);
    const Entry *entry;
    bool is_trusted;

    pthread_rwlock_rdlock(&filter->lock);
    entry = g_hash_table_lookup(filter->entries, &key);
    is_trusted = entry && now_ms < entry->expires_ms;
    pthread_rwlock_unlock(&filter->lock);
    return is_trusted;
}

static void
mark(Filter *filter, int64_t now_ms, ClusterPluginCandidate *candidate)
{
    static const char unanswered[] = "Its attestation has not been answered.", expired[] = "Its verdict has expired.";
    Key key = key_of(candidate->host->id);
    const Entry *entry = g_hash_table_lookup(filter->entries, &key);

    candidate->passes = entry && now_ms < entry->expires_ms;
    if (candidate->passes)
        candidate->why[0] = '\0';
    else if (!entry)
        memcpy(candidate->why, unanswered, sizeof unanswered);
    else if (entry->why)
        memcpy(candidate->why, entry->why, entry->why_size);
    else
        memcpy(candidate->why, expired, sizeof expired);
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
    for (size_t i = 0; i < n; i++) {
        /* candidates are a kilobyte each: the processor does not foresee them by itself */
        if (i + 2 * AHEAD < n)
            __builtin_prefetch(&candidates[i + 2 * AHEAD], 1);
        if (i + AHEAD < n)
            __builtin_prefetch(candidates[i + AHEAD].host->id);
        mark(filter, now_ms, &candidates[i]);
    }
    pthread_rwlock_unlock(&filter->lock);
}
