#include "store/verdicts.h"

#include "store/rows.h"

void
host_due_free(HostDue *due)
{
    if (due == NULL)
        return;
    g_free(due->id);
    g_free(due->name);
    g_free(due->attestation_id);
    g_free(due);
}

static void *
host_due_read(const StoreResult *result, unsigned row)
{
    HostDue *due = g_new0(HostDue, 1);
    due->id = row_text(result, row, "id");
    due->name = row_text(result, row, "name");
    due->attestation_id = row_text(result, row, "attestation_id");
    return due;
}

/* A question that was drawn and lost harms nothing: it may be drawn again. */
bool
verdicts_begin(Store *store, const char *const hosts[], size_t n, int64_t *question, int64_t *asked_at_ms,
               GError **error)
{
    g_autofree char *set = store_array(hosts, n);
    const char *params[] = {set};
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select question, ms_down(asked_at) as asked_at_ms from begin_poll($1)", 1,
                         params);
    if (result == NULL)
        return false;
    *question = store_int(result, 0, "question");
    *asked_at_ms = store_int(result, 0, "asked_at_ms");
    return true;
}

/* One member of all verdicts, as an array of SQL. */
static char *
member_array(const StoreVerdict verdicts[], size_t n, const char *(*member)(const StoreVerdict *verdict))
{
    g_autoptr(GPtrArray) items = g_ptr_array_new();
    for (size_t i = 0; i < n; i++)
        g_ptr_array_add(items, (gpointer)member(&verdicts[i]));
    return store_array((const char *const *)items->pdata, n);
}

static const char *
verdict_host(const StoreVerdict *verdict)
{
    return verdict->host;
}

static const char *
verdict_outcome(const StoreVerdict *verdict)
{
    return verdict->outcome;
}

static const char *
verdict_reason(const StoreVerdict *verdict)
{
    return verdict->reason;
}

static const char *
verdict_detail(const StoreVerdict *verdict)
{
    return verdict->detail;
}

static char *
valid_until_array(const StoreVerdict verdicts[], size_t n)
{
    GString *array = g_string_new("{");
    for (size_t i = 0; i < n; i++) {
        g_string_append(array, i > 0 ? "," : "");
        if (verdicts[i].valid_until_ms > 0)
            g_string_append_printf(array, "%" G_GINT64_FORMAT, verdicts[i].valid_until_ms);
        else
            g_string_append(array, "NULL");
    }
    g_string_append_c(array, '}');
    return g_string_free(array, FALSE);
}

static void
read_recorded(const StoreResult *result, StoreRecorded recorded[], size_t n)
{
    for (unsigned i = 0; i < store_rows(result); i++) {
        int64_t ord = store_int(result, i, "ord");
        if (ord < 1 || (size_t)ord > n)
            continue;
        recorded[ord - 1].accepted = store_bool(result, i, "accepted");
        recorded[ord - 1].is_up = store_bool(result, i, "is_up");
    }
}

bool
verdicts_record(Store *store, int64_t question, int64_t asked_at_ms, const StoreVerdict verdicts[], size_t n,
                StoreRecorded recorded[], GError **error)
{
    char number[32], asked[32];
    g_snprintf(number, sizeof number, "%" G_GINT64_FORMAT, question);
    g_snprintf(asked, sizeof asked, "%" G_GINT64_FORMAT, asked_at_ms);
    g_autofree char *hosts = member_array(verdicts, n, verdict_host);
    g_autofree char *outcomes = member_array(verdicts, n, verdict_outcome);
    g_autofree char *reasons = member_array(verdicts, n, verdict_reason);
    g_autofree char *details = member_array(verdicts, n, verdict_detail);
    g_autofree char *valid_until = valid_until_array(verdicts, n);
    const char *params[] = {number, asked, hosts, outcomes, reasons, details, valid_until};
    for (size_t i = 0; i < n; i++)
        recorded[i] = (StoreRecorded){0};
    g_autoptr(StoreResult) result =
        store_call_again(store, error,
                         "select ord, accepted, coalesce(status = 'up', false) as is_up"
                         " from record_verdicts($1, from_ms($2::bigint), $3, $4, $5, $6, from_ms($7::bigint[]))",
                         7, params);
    if (result == NULL)
        return false;
    read_recorded(result, recorded, n);
    return true;
}

bool
verdicts_expire(Store *store, int64_t *next_ms, int64_t *now_ms, GError **error)
{
    if (!store_run_again(store, error, "select from expire_verdicts()", 0, NULL))
        return false;
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select ms_up(next_expiry()) as next_ms, ms_down(clock_timestamp()) as now_ms",
                         0, NULL);
    if (result == NULL)
        return false;
    *next_ms = store_int(result, 0, "next_ms");
    *now_ms = store_int(result, 0, "now_ms");
    return true;
}

GPtrArray *
verdicts_due(Store *store, int64_t asked_before_ms, unsigned max, GError **error)
{
    char before[32], limit[16];
    g_snprintf(before, sizeof before, "%" G_GINT64_FORMAT, asked_before_ms);
    g_snprintf(limit, sizeof limit, "%u", max);
    const char *params[] = {before, limit};
    return rows_list(store, error, host_due_read, (GDestroyNotify)host_due_free,
                     "select id, name, attestation_id from hosts_due(from_ms($1::bigint), $2)", 2, params);
}

bool
verdicts_now(Store *store, int64_t *now_ms, GError **error)
{
    g_autoptr(StoreResult) result =
        store_call_again(store, error, "select ms_down(clock_timestamp()) as now_ms", 0, NULL);
    if (result == NULL)
        return false;
    *now_ms = store_int(result, 0, "now_ms");
    return true;
}
