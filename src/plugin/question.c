#include "plugin/question.h"

#include <string.h>

#include "plugin/clock.h"
#include "trust/fault.h"

#define NO_SERVICE_TEXT "no attestation server is configured"

Question *
question_new(size_t n)
{
    Question *question = g_new0(Question, 1);

    question->hosts = g_new0(Asked, n);
    question->n = n;
    for (size_t i = 0; i < n; i++)
        question->hosts[i] = (Asked){.outcome = CLUSTER_PLUGIN_SILENT, .reason = ""};
    return question;
}

void
question_free(Question *question)
{
    if (!question)
        return;
    for (size_t i = 0; i < question->n; i++) {
        g_free(question->hosts[i].id);
        g_free(question->hosts[i].name);
        g_free(question->hosts[i].attestation_id);
        g_free(question->hosts[i].service);
        g_free(question->hosts[i].detail);
    }
    g_free(question->hosts);
    g_free(question->error);
    g_free(question);
}

/* Takes `detail`. */
static void
settle_host(Asked *host, ClusterPluginOutcome outcome, const char *reason, char *detail)
{
    g_free(host->detail);
    host->outcome = outcome;
    host->reason = reason;
    host->detail = detail;
    host->valid_until_ms = 0;
}

void
question_settle(Question *question, ClusterPluginOutcome outcome, const char *reason, const char *detail)
{
    for (size_t i = 0; i < question->n; i++)
        settle_host(&question->hosts[i], outcome, reason, g_strdup(detail));
}

static void
set_error(Question *question, char *text)
{
    g_free(question->error);
    question->error = text;
}

bool
question_begin(Question *question, const ClusterPluginManager *manager)
{
    g_autofree const char **ids = g_new(const char *, question->n);
    char error[CLUSTER_PLUGIN_TEXT_MAX + 1] = "";

    for (size_t i = 0; i < question->n; i++)
        ids[i] = question->hosts[i].id;
    question->begun_ms = clock_boot_ms();
    if (!manager->begin_poll(manager->manager, ids, question->n, &question->number, &question->asked_at_ms, error,
                             sizeof error)) {
        set_error(question, g_strdup_printf("The manager cannot begin a question: %s", error));
        return false;
    }
    question->asked_ms = clock_boot_ms();
    return true;
}

int64_t
question_expires_ms(const Question *question, int64_t valid_until_ms)
{
    return question->begun_ms + (valid_until_ms - question->asked_at_ms);
}

/* The time of receiving by the database's clock: its time of asking, and what has passed since by ours. */
static int64_t
received_ms(const Question *question)
{
    return question->asked_at_ms + (clock_boot_ms() - question->asked_ms);
}

static void
judge_trusted(Asked *host, const Question *question, const OatAnswer *answer, int64_t received,
              const Settings *settings)
{
    int64_t valid_until = trust_valid_until(question->asked_at_ms, received, answer->server_ms,
                                            settings->auth_timeout_ms, settings->clock_skew_ms);
    double off = (double)(answer->server_ms - received) / 1000;

    if (valid_until > 0) {
        settle_host(host, CLUSTER_PLUGIN_TRUSTED, "", g_strdup(""));
        host->valid_until_ms = valid_until;
    } else if (off > 0) {
        settle_host(host, CLUSTER_PLUGIN_UNANSWERED, REASON_FUTURE,
                    g_strdup_printf("The attestation server's time is %.3f s ahead; compare the clocks.", off));
    } else {
        settle_host(host, CLUSTER_PLUGIN_UNANSWERED, REASON_STALE,
                    g_strdup_printf("The attestation server's answer is %.3f s old, more than a verdict lives.", -off));
    }
}

static const char *
unknown_text(const char *reason)
{
    if (strcmp(reason, OAT_REASON_MISSING) == 0)
        return "The attestation server's answer does not mention the host.";
    return "The attestation server's answer about the host cannot be used.";
}

static void
judge(Asked *host, const Question *question, OatAnswer *answer, int64_t received, const Settings *settings)
{
    switch (answer->level) {
    case TRUST_TRUSTED:
        judge_trusted(host, question, answer, received, settings);
        return;
    case TRUST_UNTRUSTED:
        settle_host(host, CLUSTER_PLUGIN_UNTRUSTED, REASON_UNTRUSTED,
                    g_strdup_printf("The attestation server does not trust \"%s\".", host->attestation_id));
        return;
    case TRUST_UNKNOWN:
        break;
    }
    settle_host(host, CLUSTER_PLUGIN_UNANSWERED, answer->reason,
                answer->detail ? g_steal_pointer(&answer->detail) : g_strdup(unknown_text(answer->reason)));
}

/* Of a set of one, the server has said something about the host when it says that it does not know it. */
static QuestionResult
take_refusal(Question *question, const ServiceReply *reply)
{
    bool is_host_unknown;
    g_autofree char *said = oat_error_parse(reply->body->data, reply->body->len, &is_host_unknown);

    set_error(question, g_strdup_printf("%s%s%s", reply->error, said ? " It says: " : "", said ? said : ""));
    if (is_host_unknown && question->n == 1) {
        question_settle(question, CLUSTER_PLUGIN_UNANSWERED, OAT_REASON_UNKNOWN, question->error);
        return QUESTION_JUDGED;
    }
    question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_HTTP, question->error);
    if (is_host_unknown)
        return QUESTION_INCRIMINATES;
    switch (reply->status) {
    case 401: /* these speak of us or of the service, whomever it was asked about */
    case 403:
    case 404:
    case 405:
    case 407:
    case 429:
    case 503:
        return QUESTION_SILENT;
    default:
        return QUESTION_INCRIMINATES;
    }
}

static QuestionResult
take_failure(Question *question, const ServiceReply *reply)
{
    switch (reply->outcome) {
    case SERVICE_REFUSED:
        return take_refusal(question, reply);
    case SERVICE_LATE:
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_LATE, reply->error);
        break;
    case SERVICE_OVERSIZE:
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_DOCUMENT, reply->error);
        break;
    case SERVICE_BROKEN:
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_UNREACHABLE, reply->error);
        break;
    case SERVICE_CANCELLED:
        set_error(question, g_strdup(reply->error));
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_STOPPING, reply->error);
        return QUESTION_SILENT;
    case SERVICE_ANSWERED:
    case SERVICE_UNREACHABLE:
        set_error(question, g_strdup(reply->error));
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_UNREACHABLE, reply->error);
        return QUESTION_SILENT;
    }
    set_error(question, g_strdup(reply->error));
    return QUESTION_INCRIMINATES;
}

/* The hosts that a request can carry. */
typedef struct {
    const char **names;
    size_t *places; /* in the question */
    size_t n;
} Sendable;

static QuestionResult
take_reply(Question *question, const Sendable *sendable, const ServiceReply *reply, const Settings *settings)
{
    int64_t received = received_ms(question);
    OatAnswer *answers = g_new0(OatAnswer, sendable->n);
    QuestionResult result = QUESTION_JUDGED;
    g_autoptr(GError) error = NULL;

    if (oat_reply_parse(reply->body->data, reply->body->len, sendable->names, sendable->n, answers, &error)) {
        for (size_t i = 0; i < sendable->n; i++)
            judge(&question->hosts[sendable->places[i]], question, &answers[i], received, settings);
    } else {
        set_error(question, g_strdup(error->message));
        for (size_t i = 0; i < sendable->n; i++)
            settle_host(&question->hosts[sendable->places[i]], CLUSTER_PLUGIN_SILENT, REASON_DOCUMENT,
                        g_strdup(error->message));
        result = QUESTION_INCRIMINATES;
    }
    oat_answers_clear(answers, sendable->n);
    g_free(answers);
    return result;
}

/* Gives those that cannot be sent their outcome, and lists the others. */
static void
sort_out(Question *question, const Settings *settings, Sendable *sendable)
{
    for (size_t i = 0; i < question->n; i++) {
        Asked *host = &question->hosts[i];
        const char *fault = oat_name_fault(settings->dialect, host->attestation_id);

        if (*host->service && strcmp(host->service, SETTINGS_SECTION) != 0) {
            settle_host(host, CLUSTER_PLUGIN_SILENT, REASON_NO_SERVICE,
                        g_strdup_printf("%s in section [%s]", NO_SERVICE_TEXT, host->service));
        } else if (fault) {
            settle_host(host, CLUSTER_PLUGIN_UNANSWERED, REASON_UNSENDABLE,
                        g_strdup_printf("The attestation server cannot be asked about \"%s\": %s. Add the host with "
                                        "another attestation_id.",
                                        host->attestation_id, fault));
        } else {
            sendable->names[sendable->n] = host->attestation_id;
            sendable->places[sendable->n++] = i;
        }
    }
}

/* What take_failure() said of all is not true of those that were not sent. */
static QuestionResult
post(Question *question, const Sendable *sendable, const char *body, Service *service, const Settings *settings)
{
    ServiceReply reply;
    QuestionResult result;

    service_post(service, "PollHosts", body, settings->poll_timeout_ms, OAT_REPLY_MAX, &reply);
    if (reply.outcome == SERVICE_ANSWERED)
        result = take_reply(question, sendable, &reply, settings);
    else
        result = take_failure(question, &reply);
    service_reply_clear(&reply);
    return result;
}

QuestionResult
question_ask(Question *question, Service *service, const Settings *settings)
{
    g_autofree const char **names = g_new(const char *, question->n);
    g_autofree size_t *places = g_new(size_t, question->n);
    Sendable sendable = {.names = names, .places = places};
    g_autofree char *body = NULL;
    QuestionResult result;
    g_autoptr(GError) error = NULL;

    g_clear_pointer(&question->error, g_free);
    if (!service && settings->server) {
        set_error(question, g_strdup("The attestation server cannot be used as it is configured; the log says why."));
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_UNREACHABLE, question->error);
        return QUESTION_SILENT;
    }
    if (!service) {
        question_settle(question, CLUSTER_PLUGIN_SILENT, REASON_NO_SERVICE, NO_SERVICE_TEXT);
        return QUESTION_NOT_SENT;
    }
    sort_out(question, settings, &sendable);
    if (sendable.n == 0)
        return QUESTION_NOT_SENT;
    body = oat_request_format(names, sendable.n, &error);
    if (!body) {
        question_settle(question, CLUSTER_PLUGIN_UNANSWERED, REASON_UNSENDABLE, error->message);
        return QUESTION_NOT_SENT;
    }
    result = post(question, &sendable, body, service, settings);
    if (result != QUESTION_JUDGED && sendable.n < question->n)
        sort_out(question, settings, &(Sendable){.names = names, .places = places});
    return result;
}

bool
question_record(Question *question, const ClusterPluginManager *manager)
{
    g_autofree ClusterPluginVerdict *verdicts = g_new0(ClusterPluginVerdict, question->n);
    g_autofree ClusterPluginRecorded *recorded = g_new0(ClusterPluginRecorded, question->n);
    char error[CLUSTER_PLUGIN_TEXT_MAX + 1] = "";

    for (size_t i = 0; i < question->n; i++) {
        const Asked *host = &question->hosts[i];

        verdicts[i] = (ClusterPluginVerdict){.host = host->id,
                                             .outcome = host->outcome,
                                             .reason = host->reason,
                                             .detail = host->detail ? host->detail : "",
                                             .valid_until_ms = host->valid_until_ms};
    }
    if (!manager->record_verdicts(manager->manager, question->number, verdicts, question->n, recorded, error,
                                  sizeof error)) {
        set_error(question, g_strdup_printf("The manager cannot record verdicts: %s", error));
        return false;
    }
    for (size_t i = 0; i < question->n; i++)
        question->hosts[i].is_recorded = recorded[i].accepted;
    return true;
}
