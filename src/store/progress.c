#include "store/progress.h"

#include "store/rows.h"

#include <string.h>

void
evacuation_move_free(EvacuationMove *move)
{
    if (move == NULL)
        return;
    g_free(move->vm);
    g_free(move->vm_name);
    g_free(move->target);
    g_free(move->target_name);
    g_free(move->step);
    g_free(move);
}

void
evacuation_progress_free(EvacuationProgress *progress)
{
    if (progress == NULL)
        return;
    g_free(progress->host);
    g_free(progress->host_name);
    g_free(progress->why);
    g_free(progress->opened_at);
    g_free(progress->not_before);
    g_ptr_array_unref(progress->moves);
    g_free(progress);
}

static EvacuationMove *
move_read(const StoreResult *result, unsigned row)
{
    EvacuationMove *move = g_new0(EvacuationMove, 1);
    move->vm = row_text(result, row, "vm_id");
    move->vm_name = row_text(result, row, "vm_name");
    move->target = row_text(result, row, "target_id");
    move->target_name = row_text(result, row, "target_name");
    move->data_total = store_int(result, row, "data_total");
    move->data_remaining = store_int(result, row, "data_remaining");
    move->percent = store_int(result, row, "percent");
    move->step = row_text(result, row, "step");
    return move;
}

static EvacuationProgress *
progress_read(const StoreResult *result, unsigned row)
{
    EvacuationProgress *progress = g_new0(EvacuationProgress, 1);
    progress->host = row_text(result, row, "host_id");
    progress->host_name = row_text(result, row, "host_name");
    progress->why = row_text(result, row, "why");
    progress->opened_at = row_text(result, row, "opened_at");
    progress->not_before = row_text(result, row, "not_before");
    progress->held = store_bool(result, row, "held");
    progress->waiting = store_int(result, row, "waiting");
    progress->moving = store_int(result, row, "moving");
    progress->staying = store_int(result, row, "staying");
    progress->moves = g_ptr_array_new_with_free_func((GDestroyNotify)evacuation_move_free);
    return progress;
}

/* One statement, so that the numbers and the moves are of one moment: a row per move, or one for a host without any. */
GPtrArray *
evacuations_list(Store *store, GError **error)
{
    g_autoptr(StoreResult) result =
        store_call_again(store, error,
                         "select * from evacuation_rows left join evacuation_moves using (host_id) "
                         "order by host_name, host_id, vm_name",
                         0, NULL);
    if (result == NULL)
        return NULL;
    GPtrArray *list = g_ptr_array_new_with_free_func((GDestroyNotify)evacuation_progress_free);
    EvacuationProgress *last = NULL;
    for (unsigned row = 0; row < store_rows(result); row++) {
        if (last == NULL || strcmp(last->host, store_text(result, row, "host_id")) != 0)
            g_ptr_array_add(list, last = progress_read(result, row));
        if (store_text(result, row, "vm_id") != NULL)
            g_ptr_array_add(last->moves, move_read(result, row));
    }
    return list;
}

void
migration_refusal_free(MigrationRefusal *refusal)
{
    if (refusal == NULL)
        return;
    g_free(refusal->operation);
    g_free(refusal->why);
    g_free(refusal);
}

static void *
refusal_read(const StoreResult *result, unsigned row)
{
    MigrationRefusal *refusal = g_new0(MigrationRefusal, 1);
    refusal->operation = row_text(result, row, "operation");
    refusal->why = row_text(result, row, "why");
    return refusal;
}

static char *
number_array(const MigrationReport reports[], size_t n, bool total)
{
    GString *text = g_string_new("{");
    for (size_t i = 0; i < n; i++)
        g_string_append_printf(text, "%s%" G_GINT64_FORMAT, i > 0 ? "," : "",
                               total ? reports[i].data_total : reports[i].data_remaining);
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

GPtrArray *
migrations_progress(Store *store, const MigrationReport reports[], size_t n, GError **error)
{
    g_autofree const char **operations = g_new0(const char *, n + 1);
    g_autofree const char **steps = g_new0(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        operations[i] = reports[i].operation;
        steps[i] = reports[i].step;
    }
    g_autofree char *ids = store_array(operations, n);
    g_autofree char *totals = number_array(reports, n, true);
    g_autofree char *remaining = number_array(reports, n, false);
    g_autofree char *words = store_array(steps, n);
    const char *params[] = {ids, totals, remaining, words};
    return rows_list(store, error, refusal_read, (GDestroyNotify)migration_refusal_free,
                     "select * from migrations_progress($1, $2, $3, $4)", 4, params);
}
