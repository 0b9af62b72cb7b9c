/*
 * bench.h: what the benchmarks share: a clock, medians, and rows in the form of bench.json.
 *
 * A program prints one JSON object per line on stdout: a row {"name","value","unit","limit","want","ok","floor"}, or a
 * note {"note": text}. Failures of the measuring itself go to stderr and end the program with status 2.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define BENCH_RUNS_MAX 1001

double bench_ms(void); /* a clock that only goes forward, ms */
/* Sorts them. */
double bench_median(double values[], size_t n);
/* CPU of this thread's process, ms: user and system. */
double bench_cpu_ms(void);

typedef void (*BenchAction)(void *closure);

typedef struct {
    double ms;       /* median of `subject` */
    double floor_ms; /* median of `floor`; 0 without one */
    double ratio;    /* median of the quotients of neighbouring runs */
} BenchResult;

/* Runs `floor` (may be NULL) and `subject` in turn, so that what else the machine does meets both; `prepare` (may be
 * NULL) comes before each subject and is not measured. One round more goes before and is not counted. */
BenchResult bench_measure(unsigned runs, BenchAction floor, BenchAction prepare, BenchAction subject, void *closure);

/* A row for "at most `limit`"; floor < 0: none. Returns whether it is held. */
bool bench_row_max(const char *name, double value, const char *unit, double limit, double floor);
/* "at least" */
bool bench_row_min(const char *name, double value, const char *unit, double limit, double floor);
void bench_note(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Ends the program when error is set. */
void bench_check(const GError *error, const char *what);

#endif
