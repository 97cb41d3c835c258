/* SPDX-License-Identifier: MIT */

/*
 * What it costs to read all jobs as one, as they grow in number: the longest
 * turn of the loop until the first event is there to be read, and how many such
 * turns there are; then an event, a turn and its reading, with nobody who
 * reads, one and ten.
 */

#include "jobsrv/jobsrv.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static int is_reading;

static void on_notify(jobsrv_tail_t *tail) {
  if (is_reading)
    (void) read_all(tail);
}

static void turn(void) {
  uv_run(&loop, UV_RUN_NOWAIT);
}

static int has_more(jobsrv_tail_t *tail) {
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  jobsrv_job_t *job;

  return jobsrv_tail_peek(tail, &job, &entry, &gap) != JOBSRV_READ_NOTHING;
}

/* Its own time, whoever else has the machine. */
static uint64_t cpu_ns(void) {
  struct timespec now;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (uint64_t) now.tv_sec * 1000000000 + (uint64_t) now.tv_nsec;
}

/* The longest turn, in milliseconds. */
static double attach(jobsrv_tail_t *tail, uint64_t after, int *turns) {
  uint64_t most = 0;
  uint64_t start = cpu_ns();
  uint64_t took;
  int more;

  check(jobsrv_tail_attach(tail, srv, after, on_notify), "tail");
  more = has_more(tail);
  for (*turns = 1; !more; (*turns)++) {
    took = cpu_ns() - start;
    most = took > most ? took : most;
    start = cpu_ns();
    turn();
    more = has_more(tail);
  }
  took = cpu_ns() - start;
  return (double) (took > most ? took : most) / 1e6;
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
    turn();
  }
  return (double) (uv_hrtime() - start) / EVENTS;
}

static void measure(size_t n) {
  double figures[3];
  unsigned long old;
  double longest;
  int turns;

  open_server(n);
  is_reading = 0;
  longest = attach(&tails[0], 0, &turns);
  old = read_all(&tails[0]);
  jobsrv_tail_detach(&tails[0]);
  is_reading = 1;
  figures[0] = cost(n);
  for (int i = 0; i < TAILS; i++) {
    check(jobsrv_tail_attach(&tails[i], srv, 2 * n + EVENTS, on_notify),
          "tail");
    if (i == 0)
      figures[1] = cost(n);
    else
      (void) read_all(&tails[i]);
  }
  for (size_t i = 0; i < 10 * n / 4096 + 10; i++)
    turn(); /* until the others have looked at what there was */
  figures[2] = cost(n);
  printf("%9zu %10.2f %6d %8lu %8.0f %8.0f %8.0f\n", n, longest, turns, old,
         figures[0], figures[1], figures[2]);
  for (int i = 0; i < TAILS; i++)
    jobsrv_tail_detach(&tails[i]);
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  check(uv_loop_close(&loop), "close");
  free(jobs);
}

int main(void) {
  printf("%9s %10s %6s %8s %8s %8s %8s\n", "jobs", "longest ms", "turns",
         "events", "ns: none", "1 tail", "10 tails");
  for (size_t n = 10; n <= 100000; n *= 10)
    measure(n);
  return 0;
}
