/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_NARRATION_PARITY_H
#define JOBSRV_TEST_NARRATION_PARITY_H

/*
 * What the original asserts of its narration, case by case: the number in a
 * comment is the assertion's. Where ours differs, the comment says so, and the
 * case shows what ours does instead.
 */

#include "world.h"

typedef struct {
  world_t world;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job; /* runs, numbers 1 and 2 are its states */
  char id[JOBSRV_ID_SIZE];
} parity_t;

static parity_t p;

static inline int parity_setup(void **state) {
  (void) state;
  memset(&p, 0, sizeof(p));
  world_init(&p.world);
  p.world.options.level = JOBSRV_TRACE;
  world_start(&p.world);
  assert_ok(jobsrv_capture_new(&p.seen, p.world.srv, 0));
  p.job = begin_job(&p.world);
  jobsrv_job_id(p.job, p.id);
  return 0;
}

static inline int parity_teardown(void **state) {
  (void) state;
  jobsrv_capture_free(p.seen);
  world_close(&p.world);
  return 0;
}

#define CASE(name)                                                            \
  cmocka_unit_test_setup_teardown(name, parity_setup, parity_teardown)

/* How many events match these initialisers, in any job or in none. */
#define SEEN(...)                                                             \
  jobsrv_capture_count(p.seen, &(jobsrv_match_t) { __VA_ARGS__ })

/* The first event of that action. */
static inline const jobsrv_event_t *said(const char *action) {
  const jobsrv_event_t *event = jobsrv_capture_get(
      p.seen, &(jobsrv_match_t) { .action = action }, 0);

  if (event == NULL)
    fail_msg("nothing of action %s", action);
  return event;
}

static inline json_t *said_json(const char *action) {
  const jobsrv_event_t *event = said(action);
  json_t *json = json_loadb(event->json, event->json_len, 0, NULL);

  assert_non_null(json);
  return json;
}

#endif /* JOBSRV_TEST_NARRATION_PARITY_H */
