/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_STYLE_H
#define JOBSRV_TEST_CORE_STYLE_H

/*
 * A server made of core alone, with an observer that remembers the lines of
 * children, and a clock that may be moved on by hand.
 */

#include "mode.h"
#include "test.h"

#include "base/clock.h"
#include "core/server.h"
#include "jobsrv/process.h"

#include <dirent.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct seen_line_s {
  jobsrv_job_t *job;
  int stream;
  int part;
  char *text;
  size_t len;
} seen_line_t;

typedef struct memory_s {
  atomic_long live;
  atomic_long requests;
  atomic_long fail_at; /* negative: never */
} memory_t;

typedef struct fixture_s {
  loop_t loop;
  jobsrv_t *srv;
  seen_line_t *lines;
  size_t nlines;
  int by_hand;
  int closed;
  uint64_t moved_ns;
  jobsrv_clock_t clock;
  jobsrv_clock_watch_t *watch;
  memory_t memory;
  jobsrv_alloc_t alloc;
  jobsrv_options_t options;
} fixture_t;

/* ---- memory ---- */

static inline int memory_fails(memory_t *memory) {
  long n = atomic_fetch_add(&memory->requests, 1);
  long at = atomic_load(&memory->fail_at);

  return at >= 0 && n == at;
}

static inline void *memory_malloc(void *ctx, size_t size) {
  memory_t *memory = ctx;

  if (memory_fails(memory))
    return NULL;
  atomic_fetch_add(&memory->live, 1);
  return malloc(size);
}

static inline void *memory_realloc(void *ctx, void *ptr, size_t size) {
  memory_t *memory = ctx;

  if (ptr == NULL)
    return memory_malloc(ctx, size);
  return memory_fails(memory) ? NULL : realloc(ptr, size);
}

static inline void memory_free(void *ctx, void *ptr) {
  memory_t *memory = ctx;

  if (ptr != NULL)
    atomic_fetch_sub(&memory->live, 1);
  free(ptr);
}

/* ---- the observer ---- */

static inline void seen_transition(jobsrv_job_t *job,
                                   jobsrv_state_t from,
                                   jobsrv_state_t to) {
  uint64_t server_seq;

  (void) from;
  (void) to;
  (void) jobsrv__job_number(job, &server_seq);
}

static inline void seen_ended(jobsrv_job_t *job, jobsrv_state_t from) {
  (void) from;
  (void) jobsrv__job_number(job, &job->end_server_seq);
}

static inline void seen_gone(jobsrv_job_t *job) {
  (void) job;
}

static _Thread_local jobsrv_job_t *entered;

static inline void seen_enter(jobsrv_context_t *context, jobsrv_job_t *job) {
  context->job = entered;
  entered = job;
}

static inline void seen_leave(jobsrv_context_t *context) {
  entered = context->job;
}

static inline int seen_capture(jobsrv_snapshot_t **out) {
  *out = NULL;
  return 0;
}

static inline void seen_resume(jobsrv_context_t *context,
                               const jobsrv_snapshot_t *snapshot) {
  (void) snapshot;
  seen_enter(context, NULL);
}

static inline void seen_forget(jobsrv_snapshot_t *snapshot) {
  (void) snapshot;
}

static inline uint64_t seen_span(const jobsrv_job_t *job) {
  (void) job;
  return 0;
}

static inline void seen_line(jobsrv_job_t *job,
                             int stream,
                             jobsrv_output_t format,
                             int part,
                             const char *text,
                             size_t len) {
  fixture_t *f = jobsrv_data(job->srv);
  seen_line_t *line;

  (void) format;

  if ((f->nlines & (f->nlines - 1)) == 0) /* 0 and each power of two */
    f->lines = realloc(f->lines, (f->nlines * 2 + 1) * sizeof(*f->lines));
  if (f->lines == NULL)
    abort();
  line = &f->lines[f->nlines++];
  line->job = job;
  line->stream = stream;
  line->part = part;
  line->text = malloc(len + 1);
  line->len = len;
  memcpy(line->text, text, len);
  line->text[len] = '\0';
}

static inline void seen_started(jobsrv_job_t *job,
                                int pid,
                                const char *program) {
  (void) program;
  if (jobsrv_job_pid(job) != 0) /* else it has been reaped by somebody else */
    assert_int_equal(jobsrv_job_pid(job), pid);
}

static inline void seen_exited(jobsrv_job_t *job, uint64_t duration_ns) {
  (void) duration_ns;
  assert_int_equal(jobsrv_job_pid(job), 0);
}

static inline void seen_expired(jobsrv_job_t *job) {
  assert_true(jobsrv__job_ended(job));
}

static inline void seen_nothing(jobsrv_t *srv) {
  (void) srv;
}

static void seen_range(const jobsrv_job_t *job,
                       uint64_t *first,
                       uint64_t *last) {
  *first = 1;
  *last = job->seq;
}

static const jobsrv__observer_t seen = {
  .transition = seen_transition,
  .ended = seen_ended,
  .expired = seen_expired,
  .gone = seen_gone,
  .enter = seen_enter,
  .leave = seen_leave,
  .capture = seen_capture,
  .resume = seen_resume,
  .forget = seen_forget,
  .span = seen_span,
  .line = seen_line,
  .started = seen_started,
  .exited = seen_exited,
  .turn = seen_nothing,
  .finish = jobsrv__observer_done,
  .range = seen_range,
  .close = seen_nothing,
};

/* ---- time ---- */

static inline uint64_t clock_monotonic(const jobsrv_clock_t *clock) {
  const fixture_t *f = clock->data;
  uint64_t now = f->by_hand ? 1000000000 : uv_hrtime();

  return now + f->moved_ns;
}

static inline uint64_t clock_wall(const jobsrv_clock_t *clock) {
  return clock_monotonic(clock);
}

static inline void clock_attach(jobsrv_clock_t *clock,
                                jobsrv_clock_watch_t *watch) {
  ((fixture_t *) clock->data)->watch = watch;
}

static inline void clock_detach(jobsrv_clock_t *clock,
                                jobsrv_clock_watch_t *watch) {
  (void) watch;
  ((fixture_t *) clock->data)->watch = NULL;
}

static inline void advance(fixture_t *f, uint64_t ms) {
  f->moved_ns += ms * 1000000;
  f->watch->tick(f->watch);
}

/* ---- the server ---- */

static inline void fixture_prepare(fixture_t *f) {
  memset(f, 0, sizeof(*f));
  atomic_init(&f->memory.fail_at, -1);
  f->alloc = (jobsrv_alloc_t) { memory_malloc, memory_realloc, memory_free,
                                &f->memory };
  f->clock.monotonic_ns = clock_monotonic;
  f->clock.wall_ns = clock_wall;
  f->clock.data = f;
  jobsrv_options_init(&f->options);
  f->options.alloc = &f->alloc;
  f->options.data = f;
  f->options.grace_ms = 50;
}

static inline void fixture_open(fixture_t *f) {
  if (f->by_hand) {
    f->clock.attach = clock_attach;
    f->clock.detach = clock_detach;
  }
  f->options.clock = &f->clock;
  loop_open(&f->loop);
  assert_ok(jobsrv__server_new(&f->srv, loop_given(&f->loop), &f->options));
  f->srv->observer = &seen;
  loop_take(&f->loop, f->srv);
}

static inline void lines_forget(fixture_t *f) {
  for (size_t i = 0; i < f->nlines; i++)
    free(f->lines[i].text);
  free(f->lines);
  f->lines = NULL;
  f->nlines = 0;
}

static inline void on_server_closed(jobsrv_t *srv, void *data) {
  (void) srv;
  ((fixture_t *) data)->closed = 1;
}

static inline void server_close(fixture_t *f) {
  jobsrv_close(f->srv, on_server_closed, f);
  loop_close(&f->loop);
  assert_int_equal(f->closed, 1);
}

/* Everything is given back, by a thread that was left behind a little later. */
static inline void fixture_close(fixture_t *f) {
  server_close(f);
  lines_forget(f);
  for (int i = 0; i < 20000 && atomic_load(&f->memory.live) != 0; i++)
    usleep(1000);
  assert_int_equal(atomic_load(&f->memory.live), 0);
}

static inline int has_ended(void *job) {
  return job != NULL && jobsrv__job_ended(job);
}

/* Runs the loop until the job has ended, or `ms` of real time. */
static inline int runs_to_end(fixture_t *f, jobsrv_job_t *job, uint64_t ms) {
  return run_until(&f->loop, has_ended, job, ms);
}

static inline void pause_loop(fixture_t *f, uint64_t ms) {
  (void) runs_to_end(f, NULL, ms);
}

static inline jobsrv_job_t *submit(fixture_t *f, const char *name, void *data) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job = NULL;

  jobsrv_spec_init(&spec);
  spec.operation = name;
  spec.data = data;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  return job;
}

static inline jobsrv_job_info_t info_of(const jobsrv_job_t *job) {
  jobsrv_job_info_t info;

  info.size = sizeof(info);
  jobsrv_job_info(job, &info);
  return info;
}

#define assert_state(job, name)                                               \
  assert_string_equal(jobsrv_state_name(jobsrv_job_state(job)), (name))

/* How many descriptors this process has open. */
static inline int descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  int n = 0;

  assert_non_null(dir);
  while (readdir(dir) != NULL)
    n++;
  closedir(dir);
  return n;
}

#endif /* JOBSRV_TEST_CORE_STYLE_H */
