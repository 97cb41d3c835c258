/* SPDX-License-Identifier: MIT */

/*
 * What it costs to read all jobs as one: an event, a turn of the loop and its
 * reading, with nobody who reads, one and ten, as jobs grow in number.
 */

#include "jobsrv/jobsrv.h"

#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

enum { EVENTS = 100000, TAILS = 10 };

static uv_loop_t loop;
static jobsrv_t *srv;
static jobsrv_job_t **jobs;
static jobsrv_tail_t tails[TAILS];

static void check(int err, const char *what) {
  if (err == 0)
    return;
  fprintf(stderr, "%s: %s\n", what, jobsrv_strerror(err));
  exit(1);
}

static unsigned long read_all(jobsrv_tail_t *tail) {
  unsigned long n = 0;
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  jobsrv_job_t *job;

  while (jobsrv_tail_peek(tail, &job, &entry, &gap) != JOBSRV_READ_NOTHING) {
    jobsrv_tail_advance(tail);
    n++;
  }
  return n;
}

static void on_notify(jobsrv_tail_t *tail) {
  (void) read_all(tail);
}

static void open_server(size_t n) {
  jobsrv_options_t options;
  jobsrv_spec_t spec;

  jobsrv_options_init(&options);
  options.max_jobs = (uint32_t) n + 1;
  options.max_bytes_total = UINT64_C(8) << 30;
  check(uv_loop_init(&loop), "loop");
  check(jobsrv_new(&srv, &loop, &options), "server");
  jobs = calloc(n, sizeof(*jobs));
  check(jobs == NULL ? UV_ENOMEM : 0, "jobs");
  jobsrv_spec_init(&spec);
  for (size_t i = 0; i < n; i++)
    check(jobsrv_begin(srv, &spec, &jobs[i]), "job");
}

/* Nanoseconds for one event, each of another job and in a turn of its own. */
static double cost(size_t n) {
  uint64_t start = uv_hrtime();

  for (size_t i = 0; i < EVENTS; i++) {
    check(jobsrv_narrate(jobs[i * 7919 % n], "say", "%zu", i), "narrate");
    uv_run(&loop, UV_RUN_NOWAIT);
  }
  return (double) (uv_hrtime() - start) / EVENTS;
}

static void measure(size_t n) {
  double figures[3];
  uint64_t start;
  uint64_t attached;
  unsigned long old;

  open_server(n);
  start = uv_hrtime();
  check(jobsrv_tail_attach(&tails[0], srv, 0, on_notify), "tail");
  attached = uv_hrtime() - start;
  old = read_all(&tails[0]);
  jobsrv_tail_detach(&tails[0]);
  figures[0] = cost(n);
  for (int i = 0; i < TAILS; i++) {
    check(jobsrv_tail_attach(&tails[i], srv, 2 * n, on_notify), "tail");
    (void) read_all(&tails[i]);
    if (i == 0)
      figures[1] = cost(n);
  }
  figures[2] = cost(n);
  printf("%9zu %10.2f %10lu %8.0f %8.0f %8.0f\n", n, (double) attached / 1e6,
         old, figures[0], figures[1], figures[2]);
  for (int i = 0; i < TAILS; i++)
    jobsrv_tail_detach(&tails[i]);
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop), "close");
  free(jobs);
}

int main(void) {
  printf("%9s %10s %10s %8s %8s %8s\n", "jobs", "attach ms", "events",
         "ns: none", "1 tail", "10 tails");
  for (size_t n = 10; n <= 100000; n *= 10)
    measure(n);
  return 0;
}
