#include "attest/oat.h"

#include <jansson.h>
#include <string.h>

#include "trust/fault.h"

#define NAME_MAX_1_5 50                       /* 1.7 refuses the batch when a name is longer */
#define NAME_MAX_DNS 255                      /* nothing longer can be a name */
#define ERROR_TEXT_MAX 300                    /* bytes of an error body that are worth a log line */
#define EPOCH_MS_MAX INT64_C(253402300799999) /* the end of the year 9999 */

static const char *const dialect_names[] = {
    [OAT_AUTO] = "auto", [OAT_1_0] = "1.0", [OAT_1_5] = "1.5", [OAT_2_0] = "2.0"};

bool
oat_dialect_parse(const char *text, OatDialect *dialect)
{
    for (size_t i = 0; i < G_N_ELEMENTS(dialect_names); i++) {
        if (g_ascii_strcasecmp(text, dialect_names[i]) == 0) {
            *dialect = (OatDialect)i;
            return true;
        }
    }
    return false;
}

const char *
oat_dialect_format(OatDialect dialect)
{
    return dialect_names[dialect];
}

OatDialect
oat_dialect_guess(const char *api_url, unsigned port)
{
    if (g_str_has_prefix(api_url, "/OpenAttestationWebServices"))
        return OAT_1_0;
    return g_str_has_prefix(api_url, "/AttestationService") && port == 8181 ? OAT_2_0 : OAT_1_5;
}

const char *
oat_name_fault(OatDialect dialect, const char *name)
{
    size_t length = strlen(name);

    if (length == 0)
        return "it is empty";
    if (length > NAME_MAX_DNS)
        return "it is longer than 255 bytes";
    if (!g_utf8_validate(name, -1, NULL))
        return "it is no UTF-8";
    for (const char *at = name; *at; at++)
        if (g_ascii_iscntrl(*at))
            return "it has a control character";
    if (dialect != OAT_1_5)
        return NULL;
    if (length > NAME_MAX_1_5)
        return "it is longer than the 50 characters that OpenAttestation 1.5 to 1.7 allows";
    if (strpbrk(name, "#&+:\"'"))
        return "it has one of # & + : \" ', which OpenAttestation 1.5 to 1.7 does not allow";
    return NULL;
}

/* Host names are DNS names: compared without case, and not by the process's locale. */
static guint
name_hash(gconstpointer key)
{
    guint hash = 5381;

    for (const char *at = key; *at; at++)
        hash = hash * 33 + (guchar)g_ascii_tolower(*at);
    return hash;
}

static gboolean
name_equal(gconstpointer a, gconstpointer b)
{
    return g_ascii_strcasecmp(a, b) == 0;
}

char *
oat_request_format(const char *const names[], size_t n, GError **error)
{
    g_autoptr(GHashTable) sent = g_hash_table_new(name_hash, name_equal);
    json_t *hosts = json_array();
    json_t *request = NULL;
    char *dumped = NULL, *text = NULL;

    for (size_t i = 0; i < n; i++) {
        if (g_hash_table_contains(sent, names[i]))
            continue;
        if (json_array_append_new(hosts, json_string(names[i])) != 0) {
            g_set_error(error, FAULT, FAULT_INVALID, "The name of host %zu of the question is no UTF-8.", i + 1);
            goto done;
        }
        g_hash_table_add(sent, (gpointer)names[i]);
    }
    request = json_pack("{s:I,s:O}", "count", (json_int_t)json_array_size(hosts), "hosts", hosts);
    dumped = request ? json_dumps(request, JSON_COMPACT) : NULL;
    text = g_strdup(dumped);
    if (!text)
        g_set_error(error, FAULT, FAULT_FAILED, "There is no memory for a question about %zu hosts.", n);
done:
    free(dumped);
    json_decref(request);
    json_decref(hosts);
    return text;
}

void
oat_answers_clear(OatAnswer answers[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_free(answers[i].detail);
        answers[i] = (OatAnswer){.reason = OAT_REASON_MISSING};
    }
}

/* Text of the server's, safe to show: short, one line, UTF-8. */
static char *
clean_text(const char *text, gsize size)
{
    g_autofree char *valid = g_utf8_make_valid(text, (gssize)MIN(size, ERROR_TEXT_MAX));

    for (char *at = valid; *at; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    return g_steal_pointer(&valid);
}

static void
answer_refuse(OatAnswer *answer, const char *reason, char *detail)
{
    g_free(answer->detail);
    *answer = (OatAnswer){.level = TRUST_UNKNOWN, .reason = reason, .detail = detail};
}

static bool
read_vtime(const json_t *vtime, int64_t *ms)
{
    if (json_is_string(vtime))
        return oat_time_parse(json_string_value(vtime), ms);
    if (!json_is_integer(vtime))
        return false;
    *ms = json_integer_value(vtime);
    return *ms >= 0 && *ms <= EPOCH_MS_MAX;
}

static const char *
word_reason(const char *word)
{
    if (g_ascii_strcasecmp(word, "unknown") == 0)
        return OAT_REASON_UNKNOWN;
    if (g_ascii_strcasecmp(word, "timeout") == 0)
        return OAT_REASON_TIMEOUT;
    if (g_ascii_strcasecmp(word, "pending") == 0)
        return OAT_REASON_PENDING;
    return OAT_REASON_WORD;
}

/* What one entry says, not yet compared with others about the same host. */
static void
read_entry(const json_t *entry, OatAnswer *answer)
{
    const char *word = json_string_value(json_object_get(entry, "trust_lvl"));
    const json_t *vtime = json_object_get(entry, "vtime");
    TrustLevel level;
    int64_t ms;

    if (!word) {
        answer_refuse(answer, OAT_REASON_MALFORMED, g_strdup("The server's answer has no trust_lvl for the host."));
        return;
    }
    if (g_ascii_strcasecmp(word, "trusted") == 0) {
        level = TRUST_TRUSTED;
    } else if (g_ascii_strcasecmp(word, "untrusted") == 0) {
        level = TRUST_UNTRUSTED;
    } else {
        g_autofree char *shown = clean_text(word, strlen(word));

        answer_refuse(answer, word_reason(word), g_strdup_printf("The server's trust_lvl is \"%s\".", shown));
        return;
    }
    if (!read_vtime(vtime, &ms)) {
        g_autofree char *shown =
            json_is_string(vtime) ? clean_text(json_string_value(vtime), json_string_length(vtime)) : NULL;

        answer_refuse(answer, OAT_REASON_MALFORMED,
                      shown ? g_strdup_printf("The server's vtime \"%s\" is in no known form.", shown)
                            : g_strdup("The server's answer has no vtime, or one that is no time."));
        return;
    }
    if (level == TRUST_TRUSTED && json_is_false(json_object_get(entry, "report_is_valid"))) {
        answer_refuse(answer, OAT_REASON_CONTRADICTORY,
                      g_strdup("The server says that the host is trusted and that its report is not valid."));
        return;
    }
    *answer = (OatAnswer){.level = level, .server_ms = ms, .reason = ""};
}

/* What is being read, and for whom. */
typedef struct {
    GHashTable *places; /* name -> its place in answers[], plus 1 */
    OatAnswer *answers;
    bool *is_answered;
    size_t strays; /* entries that name nobody */
} Reading;

static void
take_entry(Reading *reading, const char *name, const json_t *entry)
{
    size_t place = GPOINTER_TO_SIZE(g_hash_table_lookup(reading->places, name));
    OatAnswer fresh = {.level = TRUST_UNKNOWN}, *known;

    if (place == 0)
        return;
    place--;
    known = &reading->answers[place];
    read_entry(entry, &fresh);
    if (!reading->is_answered[place]) {
        reading->is_answered[place] = true;
        g_free(known->detail);
        *known = fresh;
        return;
    }
    if (known->level == fresh.level && g_strcmp0(known->reason, fresh.reason) == 0)
        known->server_ms = MIN(known->server_ms, fresh.server_ms);
    else
        answer_refuse(known, OAT_REASON_CONTRADICTORY, g_strdup("The server's answer says two things about the host."));
    g_free(fresh.detail);
}

/* An entry of a list: {"host_name":..,"trust_lvl":..,"vtime":..}. One that names nobody helps nobody. */
static void
take_listed(Reading *reading, const json_t *entry)
{
    const char *name = json_string_value(json_object_get(entry, "host_name"));

    if (name)
        take_entry(reading, name, entry);
    else
        reading->strays++;
}

/* Old documentation has a map from names to entries. An entry there may repeat the name; another name contradicts. */
static void
take_mapped(Reading *reading, json_t *map)
{
    const char *name;
    json_t *entry;

    json_object_foreach(map, name, entry)
    {
        const json_t *repeated = json_object_get(entry, "host_name");

        if (repeated && (!json_is_string(repeated) || !name_equal(json_string_value(repeated), name)))
            take_entry(reading, name, NULL);
        else
            take_entry(reading, name, entry);
    }
}

static bool
take_hosts(Reading *reading, json_t *hosts, GError **error)
{
    json_t *entry;
    size_t i;

    if (json_is_array(hosts)) {
        json_array_foreach(hosts, i, entry) take_listed(reading, entry);
        return true;
    }
    if (json_is_object(hosts)) {
        /* A list of one that a serializer made into the one. */
        if (json_is_string(json_object_get(hosts, "host_name")) && json_is_string(json_object_get(hosts, "trust_lvl")))
            take_listed(reading, hosts);
        else
            take_mapped(reading, hosts);
        return true;
    }
    g_set_error_literal(error, FAULT, FAULT_INVALID,
                        "The attestation server's reply is malformed: it has no member \"hosts\" that is a list.");
    return false;
}

static json_t *
load_document(const void *bytes, size_t size, GError **error)
{
    json_error_t where;
    json_t *document;

    if (size > OAT_REPLY_MAX) {
        g_set_error(error, FAULT, FAULT_INVALID, "The attestation server's reply of %zu bytes is larger than %d bytes.",
                    size, OAT_REPLY_MAX);
        return NULL;
    }
    document = json_loadb(size ? bytes : "", size, JSON_REJECT_DUPLICATES, &where);
    if (!document) {
        g_autofree char *shown = clean_text(where.text, strlen(where.text));

        g_set_error(error, FAULT, FAULT_INVALID, "The attestation server's reply is malformed: line %d: %s", where.line,
                    shown);
        return NULL;
    }
    if (!json_is_object(document)) {
        g_set_error_literal(error, FAULT, FAULT_INVALID,
                            "The attestation server's reply is malformed: it is not an object.");
        json_decref(document);
        return NULL;
    }
    return document;
}

/* A name that was asked about twice has its answer in its last place only. */
static void
copy_repeated(Reading *reading, const char *const names[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t place = GPOINTER_TO_SIZE(g_hash_table_lookup(reading->places, names[i])) - 1;

        if (place != i) {
            g_free(reading->answers[i].detail);
            reading->answers[i] = reading->answers[place];
            reading->answers[i].detail = g_strdup(reading->answers[place].detail);
        }
    }
}

bool
oat_reply_parse(const void *bytes, size_t size, const char *const names[], size_t n, OatAnswer answers[],
                GError **error)
{
    json_t *document;
    bool is_well_formed;

    for (size_t i = 0; i < n; i++)
        answers[i] = (OatAnswer){.reason = OAT_REASON_MISSING};
    document = load_document(bytes, size, error);
    if (!document)
        return false;

    g_autoptr(GHashTable) places = g_hash_table_new(name_hash, name_equal);
    g_autofree bool *is_answered = g_new0(bool, n + 1);
    Reading reading = {.places = places, .answers = answers, .is_answered = is_answered};

    for (size_t i = 0; i < n; i++)
        g_hash_table_insert(places, (gpointer)names[i], GSIZE_TO_POINTER(i + 1));
    is_well_formed = take_hosts(&reading, json_object_get(document, "hosts"), error);
    for (size_t i = 0; is_well_formed && reading.strays > 0 && i < n; i++)
        if (!is_answered[i])
            answers[i].detail =
                g_strdup_printf("The server's answer does not name the host; %zu of its entries name nobody.",
                                reading.strays);
    if (is_well_formed)
        copy_repeated(&reading, names, n);
    json_decref(document);
    return is_well_formed;
}

char *
oat_error_parse(const void *bytes, size_t size, bool *is_host_unknown)
{
    json_t *document = load_document(bytes, size, NULL);
    g_autoptr(GString) text = g_string_new(NULL);
    static const char *const members[] = {"name", "error_code", "message", "error_message", "detail"};

    *is_host_unknown = false;
    for (size_t i = 0; document && i < G_N_ELEMENTS(members); i++) {
        const char *value = json_string_value(json_object_get(document, members[i]));

        if (value)
            g_string_append_printf(text, "%s%s", text->len ? ": " : "", value);
    }
    if (document)
        *is_host_unknown =
            g_strcmp0(json_string_value(json_object_get(document, "error_code")), "AS_HOST_NOT_FOUND") == 0 ||
            g_strcmp0(json_string_value(json_object_get(document, "name")), "ItemNotFound") == 0;
    json_decref(document);
    return text->len ? clean_text(text->str, text->len) : NULL;
}
