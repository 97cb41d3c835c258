/* SPDX-License-Identifier: MIT */

/*
 * What a scrape costs: all of the server's metrics as text, with 0 to 10,000
 * jobs of 1 to 200 operations. Prints microseconds a scrape, the median of
 * several rounds, with the spread between the best and the worst, bytes, and
 * nanoseconds a line. Also what counting a duration costs. Never fails.
 *
 *   metrics [ROUNDS]
 */

#include "jobsrv/jobsrv.h"
#include "jobsrv/metrics.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <uv.h>

enum { MAX_ROUNDS = 31, SCRAPES = 200, TIMES = 10000000 };

typedef struct {
  size_t bytes;
  size_t lines;
} read_t;

static uint64_t now_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return (uint64_t) t.tv_sec * 1000000000u + (uint64_t) t.tv_nsec;
}

static int take(const char *text, size_t len, void *data) {
  read_t *read = data;
  const char *end = text + len;

  read->bytes += len;
  while ((text = memchr(text, '\n', (size_t) (end - text))) != NULL) {
    read->lines++;
    if (++text == end)
      break;
  }
  return 0;
}

static int never_start(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void must(int err) {
  if (err == 0)
    return;
  fprintf(stderr, "%s\n", jobsrv_strerror(err));
  exit(1);
}

static void fill(jobsrv_t *srv, unsigned int operations, unsigned int jobs) {
  jobsrv_operation_t op;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  char name[32];

  for (unsigned int i = 0; i < operations; i++) {
    snprintf(name, sizeof(name), "operation-%u", i);
    jobsrv_operation_init(&op);
    op.name = name;
    op.start = never_start;
    must(jobsrv_operation_add(srv, &op));
  }
  for (unsigned int i = 0; i < jobs; i++) {
    snprintf(name, sizeof(name), "operation-%u", i % operations);
    jobsrv_spec_init(&spec);
    spec.operation = name;
    must(jobsrv_submit(srv, &spec, NULL, &job));
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a;
  double y = *(const double *) b;

  return (x > y) - (x < y);
}

static void scrape(unsigned int operations, unsigned int jobs, int rounds) {
  double us[MAX_ROUNDS];
  jobsrv_options_t options;
  uv_loop_t loop;
  jobsrv_t *srv;
  read_t read;

  must(uv_loop_init(&loop));
  jobsrv_options_init(&options);
  options.max_jobs = options.max_queued = 1000000;
  must(jobsrv_new(&srv, &loop, &options));
  fill(srv, operations, jobs);
  uv_run(&loop, UV_RUN_NOWAIT);
  for (int i = 0; i < rounds; i++) {
    uint64_t begun = now_ns();

    for (int n = 0; n < SCRAPES; n++) {
      memset(&read, 0, sizeof(read));
      must(jobsrv_metrics_write(srv, JOBSRV_METRICS_TEXT, take, &read));
    }
    us[i] = (double) (now_ns() - begun) / SCRAPES / 1e3;
  }
  qsort(us, (size_t) rounds, sizeof(us[0]), by_value);
  printf("%10u %8u %10.1f %10.1f %8zu %9.0f\n", operations, jobs,
         us[rounds / 2], us[rounds - 1] - us[0], read.bytes,
         us[rounds / 2] * 1e3 / (double) read.lines);
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&loop);
}

static void observe(void) {
  jobsrv_histogram_t histogram = { 0 };
  uint64_t seed = 20261123;
  uint64_t begun = now_ns();

  for (int i = 0; i < TIMES; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    jobsrv_histogram_observe(&histogram, seed >> 32);
  }
  printf("\ncounting a time of 0 to 4 s: %.1f ns\n",
         (double) (now_ns() - begun) / TIMES);
}

int main(int argc, char **argv) {
  int rounds = argc > 1 ? atoi(argv[1]) : 5;

  if (rounds < 1 || rounds > MAX_ROUNDS)
    rounds = 5;
  printf("%10s %8s %10s %10s %8s %9s\n", "operations", "jobs", "us/scrape",
         "spread", "bytes", "ns/line");
  scrape(1, 0, rounds);
  scrape(1, 10000, rounds);
  scrape(20, 10000, rounds);
  scrape(200, 10000, rounds);
  observe();
  return 0;
}
