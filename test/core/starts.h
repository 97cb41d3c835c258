/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_STARTS_H
#define JOBSRV_TEST_CORE_STARTS_H

/*
 * A server whose operations note what they start: each job has a letter, the
 * starts in their order make a text. What is started is left to the test.
 */

#include "fixture.h"

typedef struct {
  fixture f;
  char log[8192];
  jobsrv_job_t *job[8192];
  size_t n;
} starts;

static inline int starts_on_start(jobsrv_job_t *job, void *data) {
  starts *s = data;

  assert_true(s->n + 1 < sizeof(s->log));
  s->job[s->n] = job;
  s->log[s->n++] = (char) (uintptr_t) jobsrv_job_data(job);
  s->log[s->n] = '\0';
  return 0;
}

static inline void starts_open(starts *s) {
  if (s->f.options.max_queued == 0)
    s->f.options.max_queued = 100000;
  s->f.options.max_jobs = s->f.options.max_retained = 100000;
  fixture_open(&s->f);
}

static inline void starts_close(starts *s) {
  fixture_close(&s->f);
}

/* With whatever else is set in `op`. */
static inline void starts_add_op(starts *s,
                                 jobsrv_operation_t *op,
                                 const char *name) {
  op->size = sizeof(*op);
  op->name = name;
  op->start = starts_on_start;
  op->data = s;
  assert_ok(jobsrv_operation_add(s->f.srv, op));
}

static inline void starts_add(starts *s, const char *name, uint32_t cap) {
  jobsrv_operation_t op = { .max_running = cap };

  starts_add_op(s, &op, name);
}

/* What is submitted, or added, with a setting out of bounds. */
static inline void starts_refuse(starts *s,
                                 const char *name,
                                 int priority,
                                 uint32_t weight) {
  jobsrv_spec_t spec = { .operation = name,
                         .priority = priority,
                         .weight = weight };
  jobsrv_operation_t op = { .name = "refused",
                            .start = starts_on_start,
                            .priority = priority,
                            .weight = weight };

  spec.size = sizeof(spec);
  op.size = sizeof(op);
  assert_err(jobsrv_submit(s->f.srv, &spec, NULL, NULL), UV_EINVAL);
  assert_err(jobsrv_operation_add(s->f.srv, &op), UV_EINVAL);
}

/* With whatever else is set in `spec`. */
static inline jobsrv_job_t *starts_submit(starts *s,
                                          jobsrv_spec_t *spec,
                                          const char *name,
                                          char letter) {
  jobsrv_job_t *job = NULL;

  spec->size = sizeof(*spec);
  spec->operation = name;
  spec->data = (void *) (uintptr_t) letter;
  assert_ok(jobsrv_submit(s->f.srv, spec, NULL, &job));
  return job;
}

/* A job with a priority, a weight and a group; 0 and NULL: not said. */
static inline jobsrv_job_t *starts_job(starts *s,
                                       const char *name,
                                       char letter,
                                       int priority,
                                       uint32_t weight,
                                       const char *group) {
  jobsrv_spec_t spec = { .priority = priority,
                         .weight = weight,
                         .group = group };

  return starts_submit(s, &spec, name, letter);
}

static inline void starts_turn(starts *s) {
  run_turns(&s->f.loop, 2);
}

static inline void starts_complete(starts *s, jobsrv_job_t *job) {
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  starts_turn(s);
}

/* What has been started since `from` is exactly this. */
#define assert_started(s, from, text)                                         \
  do {                                                                        \
    starts_turn(s);                                                           \
    assert_string_equal((s)->log + (from), (text));                           \
  } while (0)

#endif /* JOBSRV_TEST_CORE_STARTS_H */
