/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_FIBER_H
#define JOBSRV_TEST_FIBER_H

/*
 * A test case that moves to a server's thread and back. It has a stack of its
 * own: fiber_enter() starts the server and goes on inside its loop, on its
 * thread; fiber_turn() gives the loop a turn; fiber_leave() lets the loop end,
 * stops the server and goes on where it came from.
 *
 * cmocka cannot jump out of another thread: there a failed assertion prints
 * what it has to say and ends the program.
 */

#include "test.h"

#include "jobsrv/jobsrv.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <ucontext.h>

#include <uv.h>

enum { FIBER_STACK = 4 << 20 };

typedef struct {
  ucontext_t self;
  ucontext_t home;      /* cmocka's stack */
  ucontext_t loop;      /* the server's */
  char *stack;
  jobsrv_t *srv;        /* it is on its thread, or on the way there or back */
  int is_away;
  int is_there;
  int is_done;
  sigset_t signals;
  uv_sem_t parked;
  uv_sem_t left;
  uv_prepare_t prepare; /* here it goes on */
  uv_idle_t idle;       /* so that the loop does not sleep */
  uv_timer_t nap;       /* or not for long */
  const struct CMUnitTest *test;
  void **state;
} fiber_t;

static fiber_t fiber;

static inline void fiber_on_idle(uv_idle_t *idle) {
  (void) idle;
}

static inline void fiber_on_nap(uv_timer_t *nap) {
  (void) nap;
}

static inline void fiber_on_prepare(uv_prepare_t *prepare) {
  (void) prepare;
  if (!fiber.is_there) {
    uv_sem_wait(&fiber.parked);
    fiber.is_there = 1;
  }
  swapcontext(&fiber.loop, &fiber.self);
  if (!fiber.is_away)
    uv_sem_post(&fiber.left);
}

static inline void fiber_enter(jobsrv_t *srv) {
  uv_loop_t *loop = jobsrv_loop(srv);
  sigset_t all;

  assert_false(fiber.is_away); /* one server at a time */
  uv_prepare_init(loop, &fiber.prepare);
  uv_idle_init(loop, &fiber.idle);
  uv_timer_init(loop, &fiber.nap);
  uv_prepare_start(&fiber.prepare, fiber_on_prepare);
  uv_idle_start(&fiber.idle, fiber_on_idle);
  assert_ok(uv_sem_init(&fiber.parked, 0));
  assert_ok(uv_sem_init(&fiber.left, 0));
  setenv("CMOCKA_TEST_ABORT", "1", 1);
  fiber.srv = srv;
  fiber.is_away = 1;
  fiber.is_there = 0;
  assert_ok(jobsrv_start(srv));
  swapcontext(&fiber.self, &fiber.home);
  /* On the server's thread; what came along is cmocka's signal mask. */
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &fiber.signals);
  assert_true(jobsrv_on_loop(srv));
}

/* The next turn of the loop, which may sleep up to `ms` before. */
static inline void fiber_turn(uint64_t ms) {
  if (ms == 0) {
    uv_idle_start(&fiber.idle, fiber_on_idle);
  } else {
    uv_idle_stop(&fiber.idle);
    uv_timer_start(&fiber.nap, fiber_on_nap, ms, 0);
  }
  swapcontext(&fiber.self, &fiber.loop);
}

static inline void fiber_leave(void) {
  uv_close((uv_handle_t *) &fiber.prepare, NULL);
  uv_close((uv_handle_t *) &fiber.idle, NULL);
  uv_close((uv_handle_t *) &fiber.nap, NULL);
  fiber.is_away = 0;
  swapcontext(&fiber.self, &fiber.loop);
  pthread_sigmask(SIG_SETMASK, &fiber.signals, NULL);
  unsetenv("CMOCKA_TEST_ABORT");
}

/* On cmocka's stack: sees to the fiber until it has come to its end. */
static inline void fiber_drive(void) {
  for (;;) {
    swapcontext(&fiber.home, &fiber.self);
    if (fiber.is_done)
      return;
    uv_sem_post(&fiber.parked);
    uv_sem_wait(&fiber.left);
    assert_ok(jobsrv_stop(fiber.srv, 5000));
    uv_sem_destroy(&fiber.parked);
    uv_sem_destroy(&fiber.left);
  }
}

static inline void fiber_main(void) {
  const struct CMUnitTest *test = fiber.test;

  if (test->setup_func != NULL)
    assert_int_equal(test->setup_func(fiber.state), 0);
  test->test_func(fiber.state);
  if (test->teardown_func != NULL)
    assert_int_equal(test->teardown_func(fiber.state), 0);
  assert_false(fiber.is_away); /* else it has left its loop open */
  fiber.is_done = 1;
  swapcontext(&fiber.self, &fiber.home);
}

static inline void fiber_run(void **state) {
  memset(&fiber, 0, sizeof(fiber));
  fiber.test = *state;
  *state = fiber.test->initial_state;
  fiber.state = state;
  fiber.stack = malloc(FIBER_STACK);
  assert_non_null(fiber.stack);
  getcontext(&fiber.self);
  fiber.self.uc_stack.ss_sp = fiber.stack;
  fiber.self.uc_stack.ss_size = FIBER_STACK;
  makecontext(&fiber.self, fiber_main, 0);
  fiber_drive();
  free(fiber.stack);
}

/* Has `test` run as a fiber. */
static inline void fiber_wrap(struct CMUnitTest *to,
                              const struct CMUnitTest *test) {
  to->test_func = fiber_run;
  to->setup_func = NULL;
  to->teardown_func = NULL;
  to->initial_state = (void *) (uintptr_t) test;
}

#endif /* JOBSRV_TEST_FIBER_H */
