#include "manager/operation.h"
#include "manager/crash_point.h"
#include "trust/fault.h"

#define TRIES 30
#define PAUSE_MS 1000

static bool
is_unknown(const GError *error)
{
    return g_error_matches(error, FAULT, FAULT_UNAVAILABLE) || g_error_matches(error, FAULT, FAULT_DEADLINE);
}

void
operation_finish(Store *store, const char *operation, bool done, const char *detail)
{
    for (unsigned i = 1; i <= TRIES; i++) {
        g_autoptr(GError) error = NULL;
        if (operation_end(store, operation, done, detail, &error) || g_error_matches(error, FAULT, FAULT_NOT_FOUND))
            return; /* not found: it was never begun */
        g_warning("the end of operation %s is not recorded%s: %s", operation, i < TRIES ? " yet" : "", error->message);
        if (!is_unknown(error))
            return;
        if (i < TRIES)
            g_usleep(PAUSE_MS * 1000);
    }
}

bool
operation_place(Store *store, const char *operation, PlaceKind kind, const char *vm, const char *host,
                int64_t generation, bool evacuation, char **source, GError **error)
{
    g_autoptr(GError) cause = NULL;

    crash_point("place_before_commit");
    if (vm_place(store, operation, kind, vm, host, generation, evacuation, source, &cause)) {
        crash_point("place_after_commit");
        return true;
    }
    if (is_unknown(cause))
        operation_finish(store, operation, false, "its placement was not confirmed by the database");
    g_propagate_error(error, g_steal_pointer(&cause));
    return false;
}
