#include "trust/verdict.h"

const char *
trust_level_format(TrustLevel level)
{
    switch (level) {
    case TRUST_TRUSTED:
        return "trusted";
    case TRUST_UNTRUSTED:
        return "untrusted";
    case TRUST_UNKNOWN:
        break;
    }
    return "unknown";
}

/*
 *   server's time, at worst      asked       received
 *   |---------------------------|-----------|------------ skew ----|
 *   received - timeout                       a server's time after this counts as now, beyond the skew it is refused
 *
 * The life ends `timeout` after the earlier of question and server's time. Sums that do not fit are refused: times like
 * that come from nobody honest.
 */
int64_t
trust_valid_until(int64_t asked_ms, int64_t received_ms, int64_t server_ms, int64_t timeout_ms, int64_t skew_ms)
{
    int64_t latest, valid_until;

    if (timeout_ms <= 0 || skew_ms < 0 || received_ms < asked_ms)
        return 0;
    if (__builtin_add_overflow(received_ms, skew_ms, &latest) || server_ms > latest)
        return 0;
    if (server_ms > received_ms)
        server_ms = received_ms;
    if (__builtin_add_overflow(MIN(asked_ms, server_ms), timeout_ms, &valid_until))
        return 0;
    return trust_is_fresh(valid_until, received_ms) ? valid_until : 0;
}

bool
trust_is_fresh(int64_t valid_until_ms, int64_t now_ms)
{
    return now_ms < valid_until_ms;
}
