/* SPDX-License-Identifier: MIT */

/*
 * What context and spans cost: entering and leaving, a span under the level,
 * one that is told, a snapshot, and an event that has a trace beside one that
 * has none. Medians of rounds that take turns, and their spread. Never fails.
 */

#include "jobsrv/jobsrv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

enum { ROUNDS = 15, MANY = 2000000, SOME = 20000, LOG = 256 * 1024 };

typedef struct {
  const char *name;
  double ns[ROUNDS];
} figure_t;

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_job_t *job;    /* INFO and above */
  jobsrv_job_t *traced; /* so, in a trace that was given */
  jobsrv_job_t *told;   /* DEBUG and above */
} bench_t;

/* Of this thread alone, so that other load matters less. */
static double now_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

/* Hides a value from the compiler, which may then assume nothing of it. */
#define OPAQUE(p) __asm__ volatile("" : "+r"(p) : : "memory")

static double empty(bench_t *bench) {
  jobsrv_job_t *job = bench->job;
  double start = now_ns();

  for (int i = 0; i < MANY; i++)
    OPAQUE(job);
  return (now_ns() - start) / MANY;
}

static double enter(bench_t *bench) {
  jobsrv_job_t *job = bench->job;
  jobsrv_context_t context;
  double start = now_ns();

  for (int i = 0; i < MANY; i++) {
    OPAQUE(job);
    jobsrv_context_enter(&context, job);
    jobsrv_context_leave(&context);
  }
  return (now_ns() - start) / MANY;
}

static double under(bench_t *bench) {
  jobsrv_job_t *job = bench->job;
  jobsrv_span_t span;
  double start = now_ns();

  for (int i = 0; i < MANY; i++) {
    OPAQUE(job);
    (void) jobsrv_span_begin(&span, job, "fetch");
    (void) jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL);
  }
  return (now_ns() - start) / MANY;
}

static double block_under(bench_t *bench) {
  jobsrv_job_t *job = bench->job;
  double start = now_ns();

  for (int i = 0; i < MANY; i++) {
    OPAQUE(job);
    JOBSRV_SPAN(scope, job, "fetch")
      OPAQUE(job);
  }
  return (now_ns() - start) / MANY;
}

static double told(bench_t *bench) {
  jobsrv_span_t span;
  double start = now_ns();

  for (int i = 0; i < SOME; i++) {
    (void) jobsrv_span_begin(&span, bench->told, "fetch");
    (void) jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL);
  }
  return (now_ns() - start) / SOME;
}

static double snapshot(bench_t *bench) {
  jobsrv_snapshot_t *kept = NULL;
  jobsrv_context_t context;
  double start;

  jobsrv_context_enter(&context, bench->job);
  start = now_ns();
  for (int i = 0; i < SOME; i++) {
    if (jobsrv_context_capture(&kept) == 0)
      jobsrv_snapshot_unref(kept);
  }
  start = (now_ns() - start) / SOME;
  jobsrv_context_leave(&context);
  return start;
}

static double line(jobsrv_job_t *job) {
  double start = now_ns();

  for (int i = 0; i < SOME; i++)
    (void) jobsrv_info(job, "fetch", "got one of seven layers");
  return (now_ns() - start) / SOME;
}

static double plain(bench_t *bench) {
  return line(bench->job);
}

static double traced(bench_t *bench) {
  return line(bench->traced);
}

static double (*const runs[])(bench_t *) = {
  empty, enter, under, block_under, told, snapshot, plain, traced,
};

static figure_t figures[] = {
  { .name = "an empty loop" },
  { .name = "enter and leave a context" },
  { .name = "begin and end a span under the level" },
  { .name = "a block in one under the level" },
  { .name = "begin and end one that is told" },
  { .name = "capture and let go of a context" },
  { .name = "a line" },
  { .name = "a line in a trace that was given" },
};

enum { N = sizeof(figures) / sizeof(figures[0]) };

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static int begin(bench_t *bench) {
  jobsrv_options_t options;
  jobsrv_spec_t spec;
  int err;

  jobsrv_options_init(&options);
  options.max_bytes_per_job = LOG;
  jobsrv_spec_init(&spec);
  if (uv_loop_init(&bench->loop) != 0 ||
      jobsrv_new(&bench->srv, &bench->loop, &options) != 0)
    return -1;
  err = jobsrv_begin(bench->srv, &spec, &bench->job);
  spec.traceparent =
      "00-0123456789abcdef0011223344556677-00f067aa0ba902b7-01";
  if (err == 0)
    err = jobsrv_begin(bench->srv, &spec, &bench->traced);
  spec.level = JOBSRV_DEBUG;
  spec.traceparent = NULL;
  return err == 0 ? jobsrv_begin(bench->srv, &spec, &bench->told) : err;
}

int main(void) {
  bench_t bench = { 0 };

  if (begin(&bench) != 0)
    return 0;
  for (int r = 0; r < ROUNDS; r++)
    for (int f = 0; f < N; f++) {
      figures[f].ns[r] = runs[f](&bench);
      (void) uv_run(&bench.loop, UV_RUN_NOWAIT);
    }
  for (int f = 0; f < N; f++) {
    qsort(figures[f].ns, ROUNDS, sizeof(double), by_value);
    printf("%-38s %8.2f ns   (%.2f .. %.2f)\n", figures[f].name,
           figures[f].ns[ROUNDS / 2], figures[f].ns[0],
           figures[f].ns[ROUNDS - 1]);
  }
  jobsrv_close(bench.srv, NULL, NULL);
  (void) uv_run(&bench.loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&bench.loop);
  return 0;
}
