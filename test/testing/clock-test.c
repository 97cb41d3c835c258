/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "jobsrv/testing.h"

#include <uv.h>

/* A stand-in for a server: wants to be ticked at the times of a list. */
typedef struct {
  jobsrv_clock_watch_t watch;
  jobsrv_manual_clock_t *clock;
  uint64_t want[8];
  uint64_t seen[2048];
  int at;
  int n;
  int stuck;
  int leaves;
} subject_t;

static uint64_t next(jobsrv_clock_watch_t *watch) {
  subject_t *subject = (subject_t *) (void *) watch;

  return subject->want[subject->at] != 0 ? subject->want[subject->at]
                                         : UINT64_MAX;
}

static void tick(jobsrv_clock_watch_t *watch) {
  subject_t *subject = (subject_t *) (void *) watch;
  const jobsrv_clock_t *clock = &subject->clock->clock;

  if (subject->n < 2048)
    subject->seen[subject->n++] = clock->monotonic_ns(clock);
  if (!subject->stuck)
    subject->at++;
  if (subject->leaves)
    subject->clock->clock.detach(&subject->clock->clock, watch);
}

static void attach(jobsrv_manual_clock_t *clock, subject_t *subject) {
  memset(subject, 0, sizeof(*subject));
  subject->clock = clock;
  subject->watch.next = next;
  subject->watch.tick = tick;
  clock->clock.attach(&clock->clock, &subject->watch);
}

static void it_starts_at_a_known_time_and_stands_still(void **state) {
  jobsrv_manual_clock_t clock;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000000);
  assert_int_equal(clock.clock.wall_ns(&clock.clock),
                   1767225600000000000ull);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000000);
  jobsrv_manual_clock_advance(&clock, 5);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000005);
  assert_int_equal(clock.clock.wall_ns(&clock.clock),
                   1767225600000000005ull);
}

static void it_stops_at_every_deadline_on_the_way(void **state) {
  static const uint64_t wants[] = { 1000000010, 1000000020, 1000000030,
                                    1000000100 };
  jobsrv_manual_clock_t clock;
  subject_t a, b;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  attach(&clock, &a);
  attach(&clock, &b);
  memcpy(a.want, wants, sizeof(wants));
  b.want[0] = 1000000015;
  b.want[1] = 1000000020;
  jobsrv_manual_clock_advance(&clock, 50);
  assert_int_equal(a.n, 3);
  assert_memory_equal(a.seen, wants, 3 * sizeof(wants[0]));
  assert_int_equal(b.n, 2);
  assert_memory_equal(b.seen, b.want, 2 * sizeof(wants[0]));
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000050);
  jobsrv_manual_clock_advance(&clock, 50);
  assert_int_equal(a.n, 4);
}

static void what_is_overdue_is_ticked_without_going_back(void **state) {
  jobsrv_manual_clock_t clock;
  subject_t a;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  attach(&clock, &a);
  a.want[0] = 5;
  jobsrv_manual_clock_advance(&clock, 0);
  assert_int_equal(a.n, 1);
  assert_int_equal(a.seen[0], 1000000000);
}

static void who_is_never_content_does_not_stop_time(void **state) {
  jobsrv_manual_clock_t clock;
  subject_t a;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  attach(&clock, &a);
  a.stuck = 1;
  a.want[0] = 1000000001;
  jobsrv_manual_clock_advance(&clock, 2000000);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1002000000);
  assert_true(a.n > 1000);
}

static void a_watch_may_leave_in_its_tick_and_twice(void **state) {
  jobsrv_manual_clock_t clock;
  subject_t a, b;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  attach(&clock, &a);
  attach(&clock, &b);
  a.leaves = 1;
  a.want[0] = a.want[1] = b.want[0] = 1000000001;
  jobsrv_manual_clock_advance(&clock, 10);
  assert_int_equal(a.n, 1);
  assert_int_equal(b.n, 1);
  clock.clock.detach(&clock.clock, &a.watch);
}

static void the_wall_moves_alone(void **state) {
  jobsrv_manual_clock_t clock;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  jobsrv_manual_clock_set_wall(&clock, 7);
  assert_int_equal(clock.clock.wall_ns(&clock.clock), 7);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000000);
  jobsrv_manual_clock_advance(&clock, 3);
  assert_int_equal(clock.clock.wall_ns(&clock.clock), 10);
}

static void setting_the_wall_has_everybody_look(void **state) {
  jobsrv_manual_clock_t clock;
  subject_t a, b, c;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  attach(&clock, &a);
  attach(&clock, &b);
  attach(&clock, &c);
  b.leaves = 1;
  jobsrv_manual_clock_set_wall(&clock, 7);
  assert_int_equal(a.n, 1);
  assert_int_equal(b.n, 1);
  assert_int_equal(c.n, 1);
  jobsrv_manual_clock_set_wall(&clock, 6); /* back as well */
  assert_int_equal(a.n, 2);
  assert_int_equal(b.n, 1);
  assert_int_equal(c.n, 2);
  jobsrv_manual_clock_advance(&clock, 1);
  assert_int_equal(a.n, 2);
}

static void time_does_not_run_over(void **state) {
  jobsrv_manual_clock_t clock;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  jobsrv_manual_clock_advance(&clock, UINT64_MAX);
  assert_true(clock.clock.monotonic_ns(&clock.clock) == UINT64_MAX - 1);
}

static void a_step_stops_at_the_next_deadline(void **state) {
  static const uint64_t wants[] = { 1000000010, 1000000020 };
  jobsrv_manual_clock_t clock;
  subject_t a, b;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  assert_int_equal(jobsrv_manual_clock_step(&clock), 0);
  attach(&clock, &a);
  attach(&clock, &b);
  assert_int_equal(jobsrv_manual_clock_step(&clock), 0);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000000);

  memcpy(a.want, wants, sizeof(wants));
  b.want[0] = wants[1]; /* two at one time are one step */
  assert_int_equal(jobsrv_manual_clock_step(&clock), 1);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), wants[0]);
  assert_int_equal(a.n, 1);
  assert_int_equal(b.n, 0);
  assert_int_equal(jobsrv_manual_clock_step(&clock), 1);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), wants[1]);
  assert_int_equal(clock.clock.wall_ns(&clock.clock),
                   1767225600000000020ull);
  assert_int_equal(a.n, 2);
  assert_int_equal(b.n, 1);
  assert_int_equal(jobsrv_manual_clock_step(&clock), 0);
}

static void a_step_ends_with_a_timer_that_is_always_due(void **state) {
  jobsrv_manual_clock_t clock;
  subject_t a;

  (void) state;
  jobsrv_manual_clock_init(&clock);
  attach(&clock, &a);
  a.want[0] = 1000000005;
  a.stuck = 1;
  assert_int_equal(jobsrv_manual_clock_step(&clock), 1);
  assert_int_equal(clock.clock.monotonic_ns(&clock.clock), 1000000005);
  assert_true(a.n > 0 && a.n <= 1000);
}

static void note_step(jobsrv_timer_t *timer) {
  ++*(int *) timer->data;
}

/* The wheel looks early at what is far; a step does not show that. */
static void steps_of_a_server_go_from_timer_to_timer(void **state) {
  static const uint64_t delays[] = { 1, 63, 64, 5000, 262144, 86400000 };
  jobsrv_timer_t timers[6] = { { .data = NULL } };
  jobsrv_manual_clock_t clock;
  jobsrv_options_t options;
  uv_loop_t loop;
  jobsrv_t *srv;
  int fired = 0;

  (void) state;
  assert_ok(uv_loop_init(&loop));
  jobsrv_manual_clock_init(&clock);
  jobsrv_options_init(&options);
  options.clock = &clock.clock;
  assert_ok(jobsrv_new(&srv, &loop, &options));
  for (int i = 0; i < 6; i++) {
    timers[i].data = &fired;
    jobsrv_timer_arm(srv, &timers[i], 1000000000 + delays[i] * 1000000,
                     note_step);
  }
  for (int i = 0; i < 6; i++) {
    assert_int_equal(jobsrv_manual_clock_step(&clock), 1);
    assert_int_equal(fired, i + 1);
    assert_int_equal(jobsrv_now(srv), 1000000000 + delays[i] * 1000000);
  }
  assert_int_equal(jobsrv_manual_clock_step(&clock), 0);
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_ok(uv_loop_close(&loop));
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_step_stops_at_the_next_deadline),
  cmocka_unit_test(a_step_ends_with_a_timer_that_is_always_due),
  cmocka_unit_test(steps_of_a_server_go_from_timer_to_timer),
  cmocka_unit_test(it_starts_at_a_known_time_and_stands_still),
  cmocka_unit_test(it_stops_at_every_deadline_on_the_way),
  cmocka_unit_test(what_is_overdue_is_ticked_without_going_back),
  cmocka_unit_test(who_is_never_content_does_not_stop_time),
  cmocka_unit_test(a_watch_may_leave_in_its_tick_and_twice),
  cmocka_unit_test(the_wall_moves_alone),
  cmocka_unit_test(setting_the_wall_has_everybody_look),
  cmocka_unit_test(time_does_not_run_over),
};

RUN(tests);
