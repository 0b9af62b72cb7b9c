#include "bench.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double
clock_ms(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

double
bench_ms(void)
{
    return clock_ms(CLOCK_MONOTONIC);
}

double
bench_cpu_ms(void)
{
    return clock_ms(CLOCK_PROCESS_CPUTIME_ID);
}

static int
compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double
bench_median(double values[], size_t n)
{
    qsort(values, n, sizeof values[0], compare);
    return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static double
time_of(BenchAction action, void *closure)
{
    double begun = bench_ms();

    action(closure);
    return bench_ms() - begun;
}

BenchResult
bench_measure(unsigned runs, BenchAction floor, BenchAction prepare, BenchAction subject, void *closure)
{
    g_autofree double *floors = g_new0(double, runs), *subjects = g_new0(double, runs), *ratios = g_new0(double, runs);
    BenchResult result = {0};

    for (unsigned round = 0; round <= runs; round++) {
        unsigned i = round ? round - 1 : 0; /* the first is overwritten: caches and prepared statements were cold */

        floors[i] = floor ? time_of(floor, closure) : 0;
        if (prepare)
            prepare(closure);
        subjects[i] = time_of(subject, closure);
        ratios[i] = floor ? subjects[i] / floors[i] : 0;
    }
    result.ms = bench_median(subjects, runs);
    result.floor_ms = bench_median(floors, runs);
    result.ratio = bench_median(ratios, runs);
    return result;
}

static bool
row(const char *name, double value, const char *unit, double limit, const char *want, bool ok, double floor)
{
    json_t *held = floor < 0 ? json_null() : json_real(floor);
    json_t *object = json_pack("{s:s,s:f,s:s,s:f,s:s,s:b,s:o}", "name", name, "value", value, "unit", unit, "limit",
                               limit, "want", want, "ok", (int)ok, "floor", held);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(6));

    puts(text);
    fflush(stdout);
    free(text);
    json_decref(object);
    return ok;
}

bool
bench_row_max(const char *name, double value, const char *unit, double limit, double floor)
{
    return row(name, value, unit, limit, "max", value <= limit, floor);
}

bool
bench_row_min(const char *name, double value, const char *unit, double limit, double floor)
{
    return row(name, value, unit, limit, "min", value >= limit, floor);
}

void
bench_note(const char *format, ...)
{
    va_list arguments;
    char *text, *dumped;
    json_t *object;

    va_start(arguments, format);
    text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    object = json_pack("{s:s}", "note", text);
    dumped = json_dumps(object, JSON_COMPACT);
    puts(dumped);
    fflush(stdout);
    free(dumped);
    json_decref(object);
    g_free(text);
}

void
bench_check(const GError *error, const char *what)
{
    if (!error)
        return;
    fprintf(stderr, "bench: %s: %s\n", what, error->message);
    exit(2);
}
