/* SPDX-License-Identifier: MIT */

/*
 * What a sink costs an event: one that its level, a name or a job's id keeps
 * away, one that takes it with and without redaction. Each beside the same
 * events with no sink, in rounds that take turns; medians of the differences,
 * and their spread. Never fails.
 */

#include "jobsrv/jobsrv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <uv.h>

enum { ROUNDS = 41, EVENTS = 20000, LOG = 256 * 1024 };

typedef struct {
  const char *name;
  int level;
  int takes;
  int unredacted;
  jobsrv_sink_filter_t filter;
  double ns[ROUNDS];
} figure_t;

static figure_t figures[] = {
  { .name = "kept away by its level", .level = JOBSRV_WARN },
  { .name = "kept away by an actor", .filter.actor = "uploader" },
  { .name = "kept away by an action", .filter.action = "store*" },
  { .name = "kept away by an operation", .filter.operation = "upload" },
  { .name = "kept away by a job",
    .filter.job_id = "job-00000000-0000-4000-8000-000000000000" },
  { .name = "taken, unredacted", .takes = 1, .unredacted = 1 },
  { .name = "taken, redacted", .takes = 1 },
};

enum { N = sizeof(figures) / sizeof(figures[0]) };

/* Of this thread alone, so that other load matters less. */
static double now_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static void take(const jobsrv_event_t *event, void *data) {
  *(uint64_t *) data += event->seq;
}

static double narrate(jobsrv_job_t *job) {
  const jobsrv_event_t event = {
    .level = JOBSRV_INFO, .actor = "downloader", .action = "fetch",
    .target = "layer-17", .human = "got one of seven layers of the image",
    .correlation_id = "corr-6f1a2b3c4d5e", .request_id = "req-0042",
    JOBSRV_FIELDS(jobsrv_field_string("worker_id", "worker-3"),
                  jobsrv_field_u64("duration_ms", 42)),
  };
  double start = now_ns();

  for (int i = 0; i < EVENTS; i++)
    (void) jobsrv_narrate_event(job, &event);
  return (now_ns() - start) / EVENTS;
}

/* With the sink less without it. */
static double run(jobsrv_t *srv, jobsrv_job_t *job, const figure_t *figure) {
  jobsrv_sink_options_t options;
  jobsrv_sink_t *sink;
  uint64_t sum = 0;
  double without, with;

  jobsrv_sink_options_init(&options);
  options.level = figure->level;
  options.filter = figure->filter;
  options.unredacted = figure->unredacted;
  without = narrate(job);
  if (jobsrv_callback_add(srv, take, &sum, &options, &sink) != 0)
    return 0;
  with = narrate(job);
  jobsrv_sink_remove(sink);
  if ((sum != 0) != figure->takes)
    printf("%s: it has%s been taken\n", figure->name, sum != 0 ? "" : " not");
  return with - without;
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

int main(void) {
  jobsrv_options_t options;
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  jobsrv_t *srv;
  uv_loop_t loop;

  jobsrv_options_init(&options);
  options.max_bytes_per_job = LOG;
  jobsrv_spec_init(&spec);
  spec.operation = "download";
  if (uv_loop_init(&loop) != 0 || jobsrv_new(&srv, &loop, &options) != 0 ||
      jobsrv_begin(srv, &spec, &job) != 0)
    return 0;
  for (int r = 0; r < ROUNDS; r++)
    for (int f = 0; f < N; f++) {
      figures[f].ns[r] = run(srv, job, &figures[f]);
      (void) uv_run(&loop, UV_RUN_NOWAIT);
    }
  for (int f = 0; f < N; f++) {
    qsort(figures[f].ns, ROUNDS, sizeof(double), by_value);
    printf("%-28s %8.2f ns   (%.2f .. %.2f)\n", figures[f].name,
           figures[f].ns[ROUNDS / 2], figures[f].ns[ROUNDS / 4],
           figures[f].ns[ROUNDS - 1 - ROUNDS / 4]);
  }
  jobsrv_close(srv, NULL, NULL);
  (void) uv_run(&loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&loop);
  return 0;
}
