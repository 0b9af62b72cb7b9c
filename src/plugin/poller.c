/* The thread that asks: takes all that waits in its lane, asks, records, tells, and begins again. */
#include "plugin/validator-private.h"

#include <math.h>
#include <string.h>

#include "plugin/clock.h"
#include "trust/fault.h"

#define SMALL_SET 4         /* a set of so many is split into single hosts at once */
#define VAIN_TIMEOUTS 3.5   /* polls in vain for so many timeouts: then the service is silent, not a host */
#define VAIN_POLLS 40       /* the same for a service that fails fast */
#define RETRY_FIRST_MS 1000 /* how soon after its first silence the service is asked again; doubled each time */
#define PAUSE_FIRST_MS 100  /* between tries to reach the manager's database; doubled up to the next */
#define PAUSE_MAX_MS 2000

/* What is to be done with a question that has been asked. */
typedef enum { DO_CONCLUDE, DO_SPLIT, DO_HOLD } Decision;

/* ---- the manager's database may be away for a while ---- */

typedef bool (*Attempt)(Question *question, const ClusterPluginManager *manager);

/* Tries until it works, the patience ends, or the validator stops. */
static bool
try_patiently(Validator *validator, Question *question, Attempt attempt, int64_t until_ms)
{
    int64_t pause_ms = PAUSE_FIRST_MS;
    bool is_first = true;

    while (!attempt(question, validator->manager)) {
        int64_t now = clock_boot_ms(), wake = MIN(now + pause_ms, until_ms);
        bool is_stopping;

        if (is_first)
            validator_log(validator, CLUSTER_PLUGIN_LOG_WARNING, "%s", question->error);
        is_first = false;
        pthread_mutex_lock(&validator->lock);
        while (!validator->is_stopping && clock_boot_ms() < wake)
            validator_wait(validator, wake);
        is_stopping = validator->is_stopping;
        pthread_mutex_unlock(&validator->lock);
        if (is_stopping || clock_boot_ms() >= until_ms)
            return false;
        pause_ms = MIN(pause_ms * 2, PAUSE_MAX_MS);
    }
    return true;
}

/* A verdict that is no longer valid need not be recorded: retrying ends with the first life that ends. */
static int64_t
recording_deadline(const Question *question)
{
    int64_t until = clock_boot_ms() + PATIENCE_MS;

    for (size_t i = 0; i < question->n; i++)
        if (question->hosts[i].outcome == CLUSTER_PLUGIN_TRUSTED)
            until = MIN(until, question_expires_ms(question, question->hosts[i].valid_until_ms));
    return until;
}

/* ---- the service's state ---- */

static void
note_answer(Validator *validator, bool *is_back)
{
    ServiceState *state = &validator->state;

    *is_back = state->is_reported;
    state->answered = validator->queue.polls;
    state->vain_since_ms = 0;
    state->vain_polls = 0;
    state->silences = 0;
    state->is_reported = false;
    if (state->retry_at_ms != 0) {
        state->retry_at_ms = clock_boot_ms();
        pthread_cond_broadcast(&validator->changed);
    }
}

/* The service was silent: it is asked again after a while, twice as long each time, at most every third of a life. A
 * part is left to chance, so that several managers do not ask in step. */
static void
note_silence(Validator *validator, const Settings *settings)
{
    ServiceState *state = &validator->state;
    int64_t longest = MAX(settings->auth_timeout_ms / 3, 1);
    int64_t delay = MIN((int64_t)RETRY_FIRST_MS << MIN(state->silences, 16), longest);

    state->silences++;
    state->retry_at_ms = clock_boot_ms() + delay - (delay * g_random_int_range(0, 20)) / 100;
    pthread_cond_broadcast(&validator->changed);
}

/* Has the service answered about others since this host first had no usable answer, and not failed since? Then it is
 * the host. */
static bool
is_host_to_blame(const ServiceState *state, const Host *host)
{
    return host->troubled_since != 0 && state->answered >= host->troubled_since && state->answered > state->doubted;
}

static bool
is_service_to_blame(const ServiceState *state, const Settings *settings)
{
    double vain_ms = (double)(clock_boot_ms() - state->vain_since_ms);

    return state->vain_since_ms != 0 &&
           (state->vain_polls >= VAIN_POLLS || vain_ms >= VAIN_TIMEOUTS * (double)settings->poll_timeout_ms);
}

/* A poll brought no usable answer. */
static void
note_vain(ServiceState *state, const Question *question)
{
    if (state->vain_since_ms == 0)
        state->vain_since_ms = question->asked_ms;
    state->vain_polls++;
}

static size_t
smaller_limit(size_t n)
{
    return n <= SMALL_SET ? 1 : (size_t)ceil(sqrt((double)n));
}

/* ---- what became of a question ---- */

/* A host of it about which the service was silent, or NULL. */
static const Asked *
find_silent(const Question *question)
{
    for (size_t i = 0; i < question->n; i++)
        if (question->hosts[i].outcome == CLUSTER_PLUGIN_SILENT)
            return &question->hosts[i];
    return NULL;
}

static void
settle_as_unanswered(Question *question)
{
    static const struct {
        const char *of_service, *of_host;
    } reasons[] = {
        {REASON_LATE, OAT_REASON_TIMEOUT},
        {REASON_DOCUMENT, OAT_REASON_MALFORMED},
        {REASON_HTTP, REASON_REJECTED},
        {REASON_UNREACHABLE, REASON_REJECTED},
    };
    const char *reason = question->hosts[0].reason;
    g_autofree char *detail = g_strdup_printf("Asked about this host alone, it fails: %s", question->error);

    for (size_t i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if (strcmp(reason, reasons[i].of_service) == 0) {
            question_settle(question, CLUSTER_PLUGIN_UNANSWERED, reasons[i].of_host, detail);
            return;
        }
    }
}

/* No usable answer, and perhaps on account of one of the hosts. */
static Decision
decide_incriminated(Poller *poller, Question *question)
{
    Validator *validator = poller->validator;
    ServiceState *state = &validator->state;
    Host *first = queue_find(&validator->queue, question->hosts[0].id);
    bool is_lone_suspect = question->n == 1 && first->limit == 1;
    bool is_silent;

    if (!is_lone_suspect)
        state->doubted = validator->queue.polls;
    note_vain(state, question);
    is_silent = is_service_to_blame(state, poller->settings);
    if (question->n > 1) {
        if (!is_silent)
            return DO_SPLIT;
        for (size_t i = 0; i < question->n; i++)
            queue_find(&validator->queue, question->hosts[i].id)->limit = smaller_limit(question->n);
        return DO_CONCLUDE;
    }
    first->limit = 1;
    if (first->troubled_since == 0)
        first->troubled_since = first->since;
    if (is_host_to_blame(state, first)) {
        settle_as_unanswered(question);
        return DO_CONCLUDE;
    }
    return !is_silent && queue_has_failed(&validator->queue, poller->lane) ? DO_HOLD : DO_CONCLUDE;
}

/* Reports to the manager that the service went silent, or came back, once each. */
static void
report(Validator *validator, const char *name, ClusterPluginLogLevel level, const char *text)
{
    validator->manager->event(validator->manager->manager, level, name, text);
}

static Decision
decide(Poller *poller, Question *question, QuestionResult result)
{
    Validator *validator = poller->validator;
    Decision decision = DO_CONCLUDE;
    bool is_back = false, is_news = false;

    pthread_mutex_lock(&validator->lock);
    validator->queue.polls++;
    switch (result) {
    case QUESTION_JUDGED:
        note_answer(validator, &is_back);
        break;
    case QUESTION_NOT_SENT:
        break;
    case QUESTION_SILENT:
        validator->state.doubted = validator->queue.polls;
        note_vain(&validator->state, question);
        break;
    case QUESTION_INCRIMINATES:
        decision = decide_incriminated(poller, question);
        break;
    }
    if (decision == DO_CONCLUDE && (result == QUESTION_SILENT || result == QUESTION_INCRIMINATES) &&
        find_silent(question) && !validator->is_stopping) {
        note_silence(validator, poller->settings);
        is_news = !validator->state.is_reported;
        validator->state.is_reported = true;
    }
    pthread_mutex_unlock(&validator->lock);
    if (is_back)
        report(validator, "ATTESTATION_SERVICE_ANSWERS", CLUSTER_PLUGIN_LOG_NOTICE,
               "The attestation service answers again.");
    if (is_news)
        report(validator, "ATTESTATION_SERVICE_SILENT", CLUSTER_PLUGIN_LOG_WARNING, question->error);
    return decision;
}

/* ---- the end of a question ---- */

/* What the cache learns: what is on record, and the bad news also when they could not be recorded. With the lock held.
 */
static void
remember(Validator *validator, const Question *question, const Asked *asked, const Host *host, bool was_handed_over)
{
    Filter *filter = validator->filter;

    if (host->is_forgotten)
        return;
    if (asked->outcome == CLUSTER_PLUGIN_TRUSTED && asked->is_recorded)
        filter_remember_trusted(filter, asked->id, question_expires_ms(question, asked->valid_until_ms));
    else if (asked->outcome == CLUSTER_PLUGIN_UNTRUSTED && (asked->is_recorded || !was_handed_over))
        filter_remember_untrusted(filter, asked->id, asked->detail);
    else if (asked->is_recorded && !filter_is_trusted(filter, asked->id, clock_boot_ms()))
        filter_remember_untrusted(filter, asked->id, asked->detail);
}

/* `waiters` of one host, to be told. */
static void
tell(const Asked *asked, const char *why_not_recorded, GArray *waiters)
{
    ClusterPluginAnswer answer = {.host = asked->id,
                                  .outcome = asked->outcome,
                                  .reason = asked->reason,
                                  .detail = asked->detail ? asked->detail : "",
                                  .recorded = asked->is_recorded};

    if (!asked->is_recorded)
        answer.detail = why_not_recorded;
    for (guint i = 0; waiters && i < waiters->len; i++) {
        const Waiter *waiter = &g_array_index(waiters, Waiter, i);

        waiter->done(waiter->closure, &answer);
    }
    g_clear_pointer(&waiters, g_array_unref);
}

/* Gives the hosts back to the queue, teaches the cache, tells those who wait. `was_handed_over`: the manager has taken
 * the verdicts, whether or not it accepted each. */
static void
finish(Poller *poller, const Question *question, bool was_usable, bool was_handed_over)
{
    Validator *validator = poller->validator;
    g_autofree GArray **waiters = g_new0(GArray *, question->n);
    bool has_service = poller->settings && poller->settings->server;

    pthread_mutex_lock(&validator->lock);
    for (size_t i = 0; i < question->n; i++) {
        const Asked *asked = &question->hosts[i];
        Host *host = queue_find(&validator->queue, asked->id);

        remember(validator, question, asked, host, was_handed_over);
        if (was_usable) {
            host->limit = 0;
            host->troubled_since = 0;
        }
        host->is_to_retry = !host->is_forgotten && (was_handed_over ? asked->is_recorded : true) && has_service &&
                            (asked->outcome == CLUSTER_PLUGIN_SILENT || !was_handed_over);
        waiters[i] = queue_return(&validator->queue, host);
        if (host->is_to_retry && validator->state.retry_at_ms == 0)
            validator->state.retry_at_ms = clock_boot_ms() + RETRY_FIRST_MS;
        queue_tidy(&validator->queue, host);
    }
    pthread_cond_broadcast(&validator->changed);
    pthread_mutex_unlock(&validator->lock);
    for (size_t i = 0; i < question->n; i++)
        tell(&question->hosts[i],
             was_handed_over   ? "A newer answer or a newer connection of the host is already on record."
             : question->error ? question->error
                               : "The manager is being stopped.",
             waiters[i]);
}

static bool
is_stopping(Validator *validator)
{
    bool is_stopping_now;

    pthread_mutex_lock(&validator->lock);
    is_stopping_now = validator->is_stopping;
    pthread_mutex_unlock(&validator->lock);
    return is_stopping_now;
}

/* Records and tells. What was cut short by stopping says nothing about a host and is not recorded. */
static void
conclude(Poller *poller, Question *question, bool was_usable)
{
    bool is_cut_short = is_stopping(poller->validator) && find_silent(question);
    bool was_handed_over =
        !is_cut_short && try_patiently(poller->validator, question, question_record, recording_deadline(question));

    finish(poller, question, was_usable, was_handed_over);
    question_free(question);
}

/* Those of earlier splits that were held back: now it is known who is to blame. */
static void
conclude_held(Poller *poller)
{
    Validator *validator = poller->validator;

    while (poller->held->len > 0) {
        Question *question = g_ptr_array_steal_index(poller->held, 0);
        const Host *host;

        pthread_mutex_lock(&validator->lock);
        host = queue_find(&validator->queue, question->hosts[0].id);
        if (is_host_to_blame(&validator->state, host))
            settle_as_unanswered(question);
        else
            note_silence(validator, poller->settings);
        pthread_mutex_unlock(&validator->lock);
        conclude(poller, question, false);
    }
}

/* The service turned out to be silent: those who wait for another try need not be polled for that. */
static void
conclude_failed(Poller *poller, const Question *like)
{
    Validator *validator = poller->validator;
    const Asked *silent = find_silent(like);
    g_autofree char *detail = g_strdup(like->error);
    Question *question;

    if (!silent)
        return;

    pthread_mutex_lock(&validator->lock);
    question = queue_take_failed(&validator->queue, poller->lane);
    pthread_mutex_unlock(&validator->lock);
    if (!question)
        return;
    question_settle(question, CLUSTER_PLUGIN_SILENT, silent->reason, detail);
    if (try_patiently(validator, question, question_begin, clock_boot_ms() + PATIENCE_MS)) {
        conclude(poller, question, false);
        return;
    }
    finish(poller, question, false, false);
    question_free(question);
}

/* ---- one round ---- */

static void
split(Poller *poller, Question *question)
{
    Validator *validator = poller->validator;
    size_t limit = smaller_limit(question->n);

    validator_log(validator, CLUSTER_PLUGIN_LOG_WARNING, "%s Asking about %zu hosts in smaller sets of %zu.",
                  question->error, question->n, limit);
    pthread_mutex_lock(&validator->lock);
    queue_split(&validator->queue, question, limit);
    pthread_cond_broadcast(&validator->changed);
    pthread_mutex_unlock(&validator->lock);
    question_free(question);
}

/* Takes the question. */
static void
run_question(Poller *poller, Question *question)
{
    Validator *validator = poller->validator;
    QuestionResult result;

    if (!try_patiently(validator, question, question_begin, clock_boot_ms() + PATIENCE_MS)) {
        question_settle(question, CLUSTER_PLUGIN_SILENT, is_stopping(validator) ? REASON_STOPPING : REASON_DATABASE,
                        question->error);
        finish(poller, question, false, false);
        question_free(question);
        return;
    }
    result = question_ask(question, poller->service, poller->settings);
    switch (decide(poller, question, result)) {
    case DO_SPLIT:
        split(poller, question);
        break;
    case DO_HOLD:
        g_ptr_array_add(poller->held, question);
        break;
    case DO_CONCLUDE:
        if (result == QUESTION_SILENT || result == QUESTION_INCRIMINATES)
            conclude_failed(poller, question);
        conclude(poller, question, result == QUESTION_JUDGED || result == QUESTION_NOT_SENT);
        break;
    }
}

/* The settings may have been changed: the next poll goes by the new ones. A service that could not be made (a file was
 * being replaced) is tried again each time. With the lock held, but while it logs. */
static void
take_settings(Poller *poller)
{
    Validator *validator = poller->validator;
    g_autoptr(GError) error = NULL;
    ServiceAddress address;

    if (poller->settings != validator->settings) {
        settings_unref(poller->settings);
        poller->settings = settings_ref(validator->settings);
        service_free(poller->service);
        poller->service = NULL;
    }
    if (!poller->settings->server || poller->service)
        return;
    address = settings_address(poller->settings);
    poller->service = service_new(&address, &error);
    if (poller->service)
        return;
    pthread_mutex_unlock(&validator->lock);
    validator_log(validator, CLUSTER_PLUGIN_LOG_ERROR, "%s", error->message);
    pthread_mutex_lock(&validator->lock);
}

static bool
is_time_for_held(Poller *poller)
{
    const ServiceState *state = &poller->validator->state;

    return poller->held->len > 0 &&
           (state->vain_since_ms == 0 || !queue_has_failed(&poller->validator->queue, poller->lane));
}

void *
poller_run(void *closure)
{
    Poller *poller = closure;
    Validator *validator = poller->validator;

    pthread_mutex_lock(&validator->lock);
    while (!validator->is_stopping) {
        Question *question;

        if (is_time_for_held(poller)) {
            pthread_mutex_unlock(&validator->lock);
            conclude_held(poller);
            pthread_mutex_lock(&validator->lock);
            continue;
        }
        question = queue_take(&validator->queue, poller->lane);
        if (!question) {
            validator_wait(validator, 0);
            continue;
        }
        take_settings(poller);
        pthread_mutex_unlock(&validator->lock);
        run_question(poller, question);
        pthread_mutex_lock(&validator->lock);
    }
    pthread_mutex_unlock(&validator->lock);
    conclude_held(poller);
    return NULL;
}
