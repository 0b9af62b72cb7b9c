#include "fake_manager.h"

#include <pthread.h>
#include <string.h>

typedef struct {
    unsigned outcomes[4];
    int64_t valid_until_ms;
    bool is_rejected;
} Fate;

struct FakeManager {
    ClusterPluginManager table;
    pthread_mutex_t lock;
    bool begin_fails, record_fails;
    int64_t last_question, ahead_ms;
    unsigned begun, records, due_calls, violations;
    const ClusterPluginHost *due;
    size_t n_due;
    GHashTable *fates; /* host id -> Fate */
    GPtrArray *events, *logs;
};

static Fate *
find_fate(FakeManager *fake, const char *host)
{
    Fate *fate = g_hash_table_lookup(fake->fates, host);

    if (!fate) {
        fate = g_new0(Fate, 1);
        g_hash_table_insert(fake->fates, g_strdup(host), fate);
    }
    return fate;
}

int64_t
fake_manager_now(FakeManager *fake)
{
    int64_t now;

    pthread_mutex_lock(&fake->lock);
    now = g_get_real_time() / 1000 + fake->ahead_ms;
    pthread_mutex_unlock(&fake->lock);
    return now;
}

static bool
begin_poll(void *manager, const char *const hosts[], size_t n, int64_t *question, int64_t *asked_at_ms, char *error,
           size_t error_size)
{
    FakeManager *fake = manager;
    g_autoptr(GHashTable) unique = g_hash_table_new(g_str_hash, g_str_equal);
    bool fails;

    for (size_t i = 0; i < n; i++)
        g_hash_table_add(unique, (gpointer)hosts[i]);
    *asked_at_ms = fake_manager_now(fake);
    pthread_mutex_lock(&fake->lock);
    fails = fake->begin_fails;
    if (!fails) {
        *question = ++fake->last_question;
        fake->begun++;
    }
    if (n == 0 || g_hash_table_size(unique) != n)
        fake->violations++;
    pthread_mutex_unlock(&fake->lock);
    if (fails)
        g_strlcpy(error, "the database is away", error_size);
    return !fails;
}

static bool
record_verdicts(void *manager, int64_t question, const ClusterPluginVerdict verdicts[], size_t n,
                ClusterPluginRecorded recorded[], char *error, size_t error_size)
{
    FakeManager *fake = manager;
    bool fails;

    pthread_mutex_lock(&fake->lock);
    fails = fake->record_fails;
    if (question <= 0 || question > fake->last_question)
        fake->violations++;
    for (size_t i = 0; i < n && !fails; i++) {
        Fate *fate = find_fate(fake, verdicts[i].host);

        if (!verdicts[i].reason || !verdicts[i].detail ||
            (verdicts[i].outcome == CLUSTER_PLUGIN_TRUSTED) != (verdicts[i].valid_until_ms > 0) ||
            (verdicts[i].outcome == CLUSTER_PLUGIN_TRUSTED) != (*verdicts[i].reason == '\0'))
            fake->violations++;
        g_strlcpy(recorded[i].host, verdicts[i].host, sizeof recorded[i].host);
        recorded[i].accepted = !fate->is_rejected;
        if (recorded[i].accepted) {
            fate->outcomes[verdicts[i].outcome]++;
            fate->valid_until_ms = verdicts[i].valid_until_ms;
        }
    }
    if (!fails)
        fake->records++;
    pthread_mutex_unlock(&fake->lock);
    if (fails)
        g_strlcpy(error, "the database is away", error_size);
    return !fails;
}

static bool
hosts_due(void *manager, const char *service, int64_t asked_before_ms, size_t max,
          void (*each)(void *closure, const ClusterPluginHost *host), void *closure, char *error, size_t error_size)
{
    FakeManager *fake = manager;
    const ClusterPluginHost *due;
    size_t n;

    (void)error;
    (void)error_size;
    pthread_mutex_lock(&fake->lock);
    fake->due_calls++;
    if (*service || asked_before_ms <= 0 || max == 0)
        fake->violations++;
    due = fake->due;
    n = MIN(fake->n_due, max);
    pthread_mutex_unlock(&fake->lock);
    for (size_t i = 0; i < n; i++)
        each(closure, &due[i]);
    return true;
}

static bool
database_now(void *manager, int64_t *now_ms, char *error, size_t error_size)
{
    (void)error;
    (void)error_size;
    *now_ms = fake_manager_now(manager);
    return true;
}

static void
take_log(void *manager, ClusterPluginLogLevel level, const char *text)
{
    FakeManager *fake = manager;

    (void)level;
    pthread_mutex_lock(&fake->lock);
    g_ptr_array_add(fake->logs, g_strdup(text));
    pthread_mutex_unlock(&fake->lock);
}

static void
take_event(void *manager, ClusterPluginLogLevel level, const char *name, const char *text)
{
    FakeManager *fake = manager;

    (void)level;
    pthread_mutex_lock(&fake->lock);
    g_ptr_array_add(fake->events, g_strdup_printf("%s: %s", name, text));
    pthread_mutex_unlock(&fake->lock);
}

FakeManager *
fake_manager_new(void)
{
    FakeManager *fake = g_new0(FakeManager, 1);

    fake->table = (ClusterPluginManager){CLUSTER_PLUGIN_ABI, sizeof fake->table, fake,     begin_poll, record_verdicts,
                                         hosts_due,          database_now,       take_log, take_event};
    pthread_mutex_init(&fake->lock, NULL);
    fake->fates = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    fake->events = g_ptr_array_new_with_free_func(g_free);
    fake->logs = g_ptr_array_new_with_free_func(g_free);
    return fake;
}

void
fake_manager_free(FakeManager *fake)
{
    g_hash_table_unref(fake->fates);
    g_ptr_array_unref(fake->events);
    g_ptr_array_unref(fake->logs);
    pthread_mutex_destroy(&fake->lock);
    g_free(fake);
}

const ClusterPluginManager *
fake_manager_table(FakeManager *fake)
{
    return &fake->table;
}

void
fake_manager_break(FakeManager *fake, bool begin_fails, bool record_fails)
{
    pthread_mutex_lock(&fake->lock);
    fake->begin_fails = begin_fails;
    fake->record_fails = record_fails;
    pthread_mutex_unlock(&fake->lock);
}

void
fake_manager_reject(FakeManager *fake, const char *host)
{
    pthread_mutex_lock(&fake->lock);
    find_fate(fake, host)->is_rejected = true;
    pthread_mutex_unlock(&fake->lock);
}

void
fake_manager_set_due(FakeManager *fake, const ClusterPluginHost *hosts, size_t n)
{
    pthread_mutex_lock(&fake->lock);
    fake->due = hosts;
    fake->n_due = n;
    pthread_mutex_unlock(&fake->lock);
}

void
fake_manager_set_clock(FakeManager *fake, int64_t ahead_ms)
{
    pthread_mutex_lock(&fake->lock);
    fake->ahead_ms = ahead_ms;
    pthread_mutex_unlock(&fake->lock);
}

static unsigned
read_counter(FakeManager *fake, const unsigned *counter)
{
    unsigned value;

    pthread_mutex_lock(&fake->lock);
    value = *counter;
    pthread_mutex_unlock(&fake->lock);
    return value;
}

unsigned
fake_manager_begun(FakeManager *fake)
{
    return read_counter(fake, &fake->begun);
}

unsigned
fake_manager_records(FakeManager *fake)
{
    return read_counter(fake, &fake->records);
}

unsigned
fake_manager_due_calls(FakeManager *fake)
{
    return read_counter(fake, &fake->due_calls);
}

unsigned
fake_manager_violations(FakeManager *fake)
{
    return read_counter(fake, &fake->violations);
}

unsigned
fake_manager_count(FakeManager *fake, const char *host, ClusterPluginOutcome outcome)
{
    unsigned count;

    pthread_mutex_lock(&fake->lock);
    count = find_fate(fake, host)->outcomes[outcome];
    pthread_mutex_unlock(&fake->lock);
    return count;
}

int64_t
fake_manager_valid_until(FakeManager *fake, const char *host)
{
    int64_t valid_until;

    pthread_mutex_lock(&fake->lock);
    valid_until = find_fate(fake, host)->valid_until_ms;
    pthread_mutex_unlock(&fake->lock);
    return valid_until;
}

static bool
has_text(FakeManager *fake, const GPtrArray *texts, const char *text)
{
    bool found = false;

    pthread_mutex_lock(&fake->lock);
    for (guint i = 0; i < texts->len && !found; i++)
        found = strstr(g_ptr_array_index(texts, i), text) != NULL;
    pthread_mutex_unlock(&fake->lock);
    return found;
}

bool
fake_manager_has_event(FakeManager *fake, const char *text)
{
    return has_text(fake, fake->events, text);
}

bool
fake_manager_has_log(FakeManager *fake, const char *text)
{
    return has_text(fake, fake->logs, text);
}

struct Answers {
    pthread_mutex_t lock;
    GPtrArray *all; /* Answer */
};

static void
answer_free(gpointer data)
{
    Answer *answer = data;

    g_free(answer->host);
    g_free(answer->reason);
    g_free(answer->detail);
    g_free(answer);
}

Answers *
answers_new(void)
{
    Answers *answers = g_new0(Answers, 1);

    pthread_mutex_init(&answers->lock, NULL);
    answers->all = g_ptr_array_new_with_free_func(answer_free);
    return answers;
}

void
answers_free(Answers *answers)
{
    g_ptr_array_unref(answers->all);
    pthread_mutex_destroy(&answers->lock);
    g_free(answers);
}

void
answers_done(void *closure, const ClusterPluginAnswer *answer)
{
    Answers *answers = closure;
    Answer *copy = g_new0(Answer, 1);

    *copy = (Answer){.host = g_strdup(answer->host),
                     .outcome = answer->outcome,
                     .reason = g_strdup(answer->reason),
                     .detail = g_strdup(answer->detail),
                     .recorded = answer->recorded};
    pthread_mutex_lock(&answers->lock);
    g_ptr_array_add(answers->all, copy);
    pthread_mutex_unlock(&answers->lock);
}

unsigned
answers_count(Answers *answers)
{
    unsigned count;

    pthread_mutex_lock(&answers->lock);
    count = answers->all->len;
    pthread_mutex_unlock(&answers->lock);
    return count;
}

const Answer *
answers_find(Answers *answers, const char *host, unsigned n)
{
    const Answer *found = NULL;

    pthread_mutex_lock(&answers->lock);
    for (guint i = 0; i < answers->all->len && !found; i++) {
        const Answer *answer = g_ptr_array_index(answers->all, i);

        if (strcmp(answer->host, host) == 0 && n-- == 0)
            found = answer;
    }
    pthread_mutex_unlock(&answers->lock);
    return found;
}
