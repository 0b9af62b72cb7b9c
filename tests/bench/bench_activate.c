/*
 * activate-one: a host is activated through REST, held against what cannot be left out: one poll of the attestation
 * server and two commits (the activation, the verdict). All connections are kept alive.
 *
 *     bench_activate API CA PASSWORD HOST NAME ATTESTATION_PORT ATTESTATION_CA CONNINFO
 *
 * API: https://…/api; HOST: its id; NAME: what the attestation server calls it. CONNINFO leads to the daemon's own
 * PostgreSQL, with a table `bench (n integer)` of one row.
 */
#include "attest/service.h"
#include "bench.h"
#include "store/store.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

#define RUNS 101
#define LIMIT 1.5
#define POLL_MS 10000

typedef struct {
    CURL *curl;
    char *activate;
    char *deactivate;
    Service *service;
    char *question;
    Store *store;
} Activation;

static size_t
ignore(char *data, size_t size, size_t n, void *closure)
{
    (void)data;
    (void)closure;
    return size * n;
}

static void
post(Activation *activation, const char *url)
{
    long status = 0;
    CURLcode rc;

    curl_easy_setopt(activation->curl, CURLOPT_URL, url);
    rc = curl_easy_perform(activation->curl);
    curl_easy_getinfo(activation->curl, CURLINFO_RESPONSE_CODE, &status);
    if (rc == CURLE_OK && status == 200)
        return;
    fprintf(stderr, "bench: %s: %s, HTTP %ld\n", url, curl_easy_strerror(rc), status);
    exit(2);
}

static void
deactivate(void *closure)
{
    Activation *activation = closure;

    post(activation, activation->deactivate);
    g_usleep(50000); /* what it set off (a look of the evacuation) is no part of the activation */
}

static void
activate(void *closure)
{
    Activation *activation = closure;

    post(activation, activation->activate);
}

static void
commit(Activation *activation)
{
    GError *error = NULL;

    store_run(activation->store, &error, "update bench set n = n + 1", 0, NULL);
    bench_check(error, "a commit");
}

static void
poll_and_commit_twice(void *closure)
{
    Activation *activation = closure;
    ServiceReply reply = {0};

    commit(activation);
    service_post(activation->service, "PollHosts", activation->question, POLL_MS, 65536, &reply);
    if (reply.outcome != SERVICE_ANSWERED) {
        fprintf(stderr, "bench: %s\n", reply.error);
        exit(2);
    }
    service_reply_clear(&reply);
    commit(activation);
}

static void
prepare_client(Activation *activation, char *argv[], struct curl_slist **headers)
{
    g_autofree char *user = g_strdup_printf("admin@internal:%s", argv[3]);

    activation->activate = g_strdup_printf("%s/hosts/%s/activate", argv[1], argv[4]);
    activation->deactivate = g_strdup_printf("%s/hosts/%s/deactivate", argv[1], argv[4]);
    *headers = curl_slist_append(NULL, "Content-Type: application/xml");
    activation->curl = curl_easy_init();
    curl_easy_setopt(activation->curl, CURLOPT_CAINFO, argv[2]);
    curl_easy_setopt(activation->curl, CURLOPT_USERPWD, user);
    curl_easy_setopt(activation->curl, CURLOPT_HTTPHEADER, *headers);
    curl_easy_setopt(activation->curl, CURLOPT_POSTFIELDS, "<action/>");
    curl_easy_setopt(activation->curl, CURLOPT_WRITEFUNCTION, ignore);
    curl_easy_setopt(activation->curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(activation->curl, CURLOPT_TIMEOUT, 120L);
}

static void
prepare_floor(Activation *activation, char *argv[])
{
    ServiceAddress address = {.server = "127.0.0.1",
                              .port = (unsigned)strtoul(argv[6], NULL, 10),
                              .api_url = "/AttestationService/resources",
                              .ca_file = argv[7]};
    StoreSettings settings = {.conninfo = argv[8], .sessions = 1, .deadline_ms = 60000};
    GError *error = NULL;

    activation->question = g_strdup_printf("{\"count\":1,\"hosts\":[\"%s\"]}", argv[5]);
    service_global_init(&error);
    bench_check(error, "HTTPS");
    activation->service = service_new(&address, &error);
    bench_check(error, "the attestation server");
    activation->store = store_new(&settings, &error);
    bench_check(error, "the database");
}

int
main(int argc, char *argv[])
{
    Activation activation = {0};
    struct curl_slist *headers;
    BenchResult result;
    bool ok;

    if (argc != 9) {
        fputs("usage: bench_activate API CA PASSWORD HOST NAME ATTESTATION_PORT ATTESTATION_CA CONNINFO\n", stderr);
        return 2;
    }
    curl_global_init(CURL_GLOBAL_DEFAULT);
    prepare_client(&activation, argv, &headers);
    prepare_floor(&activation, argv);
    result = bench_measure(RUNS, poll_and_commit_twice, deactivate, activate, &activation);
    ok = bench_row_max("activate-one", result.ratio, "times one poll and two commits", LIMIT, result.floor_ms);
    bench_note("activate-one: floor in ms");
    store_free(activation.store);
    service_free(activation.service);
    curl_easy_cleanup(activation.curl);
    curl_slist_free_all(headers);
    g_free(activation.activate);
    g_free(activation.deactivate);
    g_free(activation.question);
    return ok ? 0 : 1;
}
