/* parse-10000: a PollHosts reply of 10,000 hosts and 1 MB, held against jansson's bare parse of the same bytes. Both
 * include giving the document back. */
#include "attest/oat.h"
#include "bench.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define HOSTS 10000
#define RUNS 41
#define LIMIT 1.5

typedef struct {
    GString *reply;
    const char *names[HOSTS];
    OatAnswer answers[HOSTS];
} Parse;

static void
make_reply(Parse *parse)
{
    parse->reply = g_string_new("{\"hosts\":[");
    for (unsigned i = 0; i < HOSTS; i++) {
        char *name = g_strdup_printf("host-%05u.rack-%03u.example.org", i, i / 40);

        g_string_append_printf(
            parse->reply,
            "%s{\"host_name\":\"%s\",\"trust_lvl\":\"trusted\",\"vtime\":\"2026-01-31T05:10:40.%03u-04:00\"}",
            i ? "," : "", name, i % 1000);
        parse->names[i] = name;
    }
    g_string_append(parse->reply, "]}");
}

static void
parse_bare(void *closure)
{
    Parse *parse = closure;
    json_t *document = json_loadb(parse->reply->str, parse->reply->len, 0, NULL);

    if (json_array_size(json_object_get(document, "hosts")) != HOSTS)
        exit(2);
    json_decref(document);
}

static void
parse_whole(void *closure)
{
    Parse *parse = closure;
    GError *error = NULL;

    oat_reply_parse(parse->reply->str, parse->reply->len, parse->names, HOSTS, parse->answers, &error);
    bench_check(error, "the reply");
}

int
main(void)
{
    Parse *parse = g_new0(Parse, 1);
    BenchResult result;
    bool ok;

    make_reply(parse);
    result = bench_measure(RUNS, parse_bare, NULL, parse_whole, parse);
    for (unsigned i = 0; i < HOSTS; i++)
        if (parse->answers[i].level != TRUST_TRUSTED) {
            fprintf(stderr, "bench: the answer about %s was not read\n", parse->names[i]);
            return 2;
        }
    ok = bench_row_max("parse-10000", result.ratio, "times jansson's bare parse", LIMIT, result.floor_ms);
    bench_note("parse-10000: %zu bytes; floor in ms", parse->reply->len);
    for (unsigned i = 0; i < HOSTS; i++)
        g_free((gpointer)parse->names[i]);
    g_string_free(parse->reply, TRUE);
    g_free(parse);
    return ok ? 0 : 1;
}
