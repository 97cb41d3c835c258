/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_MODE_H
#define JOBSRV_TEST_MODE_H

/*
 * The loop of a test, in each of the three ways to attach to one. The same
 * test case runs in all of them; JOBSRV_TEST_MODE says in which:
 *
 *   own      the test has a uv loop and runs it
 *   foreign  the server has its own; the test sleeps in poll() for as long as
 *            it was told after the last jobsrv_dispatch(), and dispatches only
 *            when the descriptor is readable or that time is over, so that a
 *            wake that is not sent is a test that fails
 *   thread   the server has its own and a thread that runs it; the case moves
 *            to that thread (see fiber.h) and is there between its turns
 *
 * One server at a time. A case that cannot do with that is ONE_MODE(case).
 *
 * JOBSRV_TEST_FANOUT=2 has streams sent from two other threads. A case that
 * looks at what has been sent by the end of a turn is ON_LOOP(case).
 */

#include "test.h"

#include "jobsrv/testing.h"

#include <poll.h>
#include <stdlib.h>

#include <uv.h>

#include "fiber.h"

enum { LOOP_OWN, LOOP_FOREIGN, LOOP_THREAD };

enum { LOOP_NAP_MS = 10 }; /* other threads may make `done` true */

typedef struct {
  uv_loop_t uv;   /* the test's own */
  jobsrv_t *srv;  /* foreign and thread: there is one, and it is not gone */
  uint64_t due;   /* foreign: when to dispatch at the latest, in ms */
} loop_t;

static inline int loop_mode(void) {
  const char *name = getenv("JOBSRV_TEST_MODE");

  if (name == NULL || strcmp(name, "own") == 0)
    return LOOP_OWN;
  if (strcmp(name, "foreign") == 0)
    return LOOP_FOREIGN;
  assert_string_equal(name, "thread");
  return LOOP_THREAD;
}

/* ---- foreign ---- */

static inline uint64_t loop_now(void) {
  return uv_hrtime() / 1000000;
}

static inline void loop_ask(loop_t *loop) {
  int ms = jobsrv_timeout_ms(loop->srv);

  loop->due = ms < 0 ? UINT64_MAX : loop_now() + (uint64_t) ms;
}

/* Sleeps up to `ms`, and dispatches if there is a reason to. */
static inline void loop_foreign_turn(loop_t *loop, int ms) {
  struct pollfd fd = { .events = POLLIN };
  uint64_t now = loop_now();

  if (loop->srv == NULL)
    return;
  fd.fd = jobsrv_fd(loop->srv);
  if (loop->due <= now)
    ms = 0;
  else if (loop->due - now < (uint64_t) ms)
    ms = (int) (loop->due - now);
  if (poll(&fd, 1, ms) <= 0 && loop->due > loop_now())
    return;
  if (jobsrv_dispatch(loop->srv) == 0)
    loop->srv = NULL;
  else
    loop_ask(loop);
}

/* ---- all ---- */

static inline void loop_open(loop_t *loop) {
  memset(loop, 0, sizeof(*loop));
  if (loop_mode() == LOOP_OWN)
    assert_ok(uv_loop_init(&loop->uv));
}

/* What to make a server on. */
static inline uv_loop_t *loop_given(loop_t *loop) {
  return loop_mode() == LOOP_OWN ? &loop->uv : NULL;
}

/* The server is made: from here on it is run. */
static inline void loop_take(loop_t *loop, jobsrv_t *srv) {
  if (loop_mode() == LOOP_OWN)
    return;
  loop->srv = srv;
  if (loop_mode() == LOOP_FOREIGN)
    loop_ask(loop);
  else
    fiber_enter(srv);
}

static inline int loop_server(loop_t *loop,
                              jobsrv_t **out,
                              const jobsrv_options_t *options) {
  int err = jobsrv_new(out, loop_given(loop), options);

  if (err == 0)
    loop_take(loop, *out);
  return err;
}

/* Where a case can put handles of its own; then jobsrv_wake(). */
static inline uv_loop_t *loop_uv(loop_t *loop) {
  return loop_mode() == LOOP_OWN ? &loop->uv : jobsrv_loop(loop->srv);
}

/* As jobsrv_run_turns(). */
static inline void run_turns(loop_t *loop, unsigned int turns) {
  if (loop_mode() == LOOP_OWN) {
    jobsrv_run_turns(&loop->uv, turns);
    return;
  }
  while (turns-- > 0) {
    if (loop_mode() == LOOP_FOREIGN)
      loop_foreign_turn(loop, 0);
    else if (loop->srv != NULL)
      fiber_turn(0);
  }
}

enum { LOOP_HANG_MS = 30000 };

/* As jobsrv_run_until(). Seconds are there to end a hang, and a machine that is
   busy with something else is not one: of them there are always enough. */
static inline int run_until(loop_t *loop,
                            jobsrv_until_cb done,
                            void *data,
                            uint64_t real_ms) {
  uint64_t start = loop_now();

  if (real_ms >= 1000 && real_ms < LOOP_HANG_MS)
    real_ms = LOOP_HANG_MS;
  if (loop_mode() == LOOP_OWN)
    return jobsrv_run_until(&loop->uv, done, data, real_ms);
  if (done(data))
    return 1;
  do {
    if (loop_now() - start >= real_ms)
      return 0;
    if (loop_mode() == LOOP_FOREIGN)
      loop_foreign_turn(loop, LOOP_NAP_MS);
    else if (loop->srv != NULL)
      fiber_turn(LOOP_NAP_MS);
  } while (!done(data));
  run_turns(loop, 1);
  return done(data) == 1;
}

static inline int loop_is_gone(void *data) {
  return ((loop_t *) data)->srv == NULL;
}

/* The server, if there is one, is being closed: until it is gone. */
static inline void loop_end(loop_t *loop) {
  switch (loop_mode()) {
  case LOOP_OWN:
    assert_int_equal(uv_run(&loop->uv, UV_RUN_DEFAULT), 0);
    break;
  case LOOP_FOREIGN:
    assert_true(run_until(loop, loop_is_gone, loop, 5000));
    break;
  default:
    if (loop->srv != NULL)
      fiber_leave();
    loop->srv = NULL;
    break;
  }
}

static inline void loop_close(loop_t *loop) {
  loop_end(loop);
  if (loop_mode() == LOOP_OWN)
    assert_ok(uv_loop_close(&loop->uv));
}

/* ---- main() ---- */

#define ONE_MODE(test) ONE_MODE_SETUP(test, NULL)
#define ONE_MODE_SETUP(test, setup)                                           \
  { #test, test, setup, NULL, (void *) (uintptr_t) &loop_one_mode }

#define ON_LOOP(test, setup, teardown)                                        \
  { #test, test, setup, teardown, (void *) (uintptr_t) &loop_only }

static const char loop_one_mode;
static const char loop_only;

static inline int loop_run_tests(const char *name,
                                 const struct CMUnitTest *tests,
                                 size_t n) {
  struct CMUnitTest *chosen = calloc(n, sizeof(*chosen));
  size_t k = 0;
  int failed;

  assert_non_null(chosen);
  for (size_t i = 0; i < n; i++) {
    int is_one = tests[i].initial_state == &loop_one_mode;

    if (is_one && loop_mode() != LOOP_OWN)
      continue;
    if (tests[i].initial_state == &loop_only) {
      if (getenv("JOBSRV_TEST_FANOUT") != NULL)
        continue;
      is_one = loop_mode() != LOOP_THREAD;
    }
    chosen[k] = tests[i];
    if (is_one)
      chosen[k].initial_state = NULL;
    else if (loop_mode() == LOOP_THREAD)
      fiber_wrap(&chosen[k], &tests[i]);
    k++;
  }
  failed = _cmocka_run_group_tests(name, chosen, k, NULL, NULL);
  free(chosen);
  return failed;
}

#undef RUN_GROUP
#define RUN_GROUP(tests)                                                      \
  loop_run_tests(#tests, tests, sizeof(tests) / sizeof((tests)[0]))

#endif /* JOBSRV_TEST_MODE_H */
