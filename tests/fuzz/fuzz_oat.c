/*
 * fuzz_oat.c: libFuzzer's target for the parsers of what an attestation server sends. Beyond not crashing it checks
 * rule CLOSED: nobody is trusted without a time, and a refused document trusts nobody.
 *
 * make fuzz && ./fuzz_oat -max_total_time=60 CORPUS SRCDIR/tests/data/oat
 */
#include "attest/oat.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"node1", "NODE2", "node1"};
    OatAnswer answers[G_N_ELEMENTS(names)];
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strndup((const char *)data, size);
    bool is_host_unknown, is_read;
    int64_t ms;

    is_read = oat_reply_parse(data, size, names, G_N_ELEMENTS(names), answers, &error);
    if (is_read == (error != NULL))
        abort();
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!is_read && answers[i].level != TRUST_UNKNOWN)
            abort();
        if ((answers[i].level == TRUST_UNKNOWN) == (answers[i].reason[0] == '\0') || answers[i].server_ms < 0)
            abort();
        if (answers[i].detail && !g_utf8_validate(answers[i].detail, -1, NULL))
            abort();
    }
    if (answers[0].level != answers[2].level)
        abort();
    oat_answers_clear(answers, G_N_ELEMENTS(names));
    if (oat_time_parse(text, &ms) && (ms < 0 || ms > INT64_C(253402387199999)))
        abort();
    g_free(oat_error_parse(data, size, &is_host_unknown));
    return 0;
}
