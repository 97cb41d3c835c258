/* SPDX-License-Identifier: MIT */

/* Row 21: timers on the wall clock, which may be set, or sleep. */

#include "fixture.h"

#include "core/wall.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>

#define MS UINT64_C(1000000)
#define HOUR (UINT64_C(3600000) * MS)

static char fired[64];

/* The machine's clock is not ours to set: the kernel's word is put into its
 * mouth here instead. */
static int told_of_a_change;
static int refuse_create;
static int set_count;
static int wall_fd = -1; /* the server's other timer is not looked at */

int timerfd_settime(int fd,
                    int flags,
                    const struct itimerspec *value,
                    struct itimerspec *old) {
  int (*real)(int, int, const struct itimerspec *, struct itimerspec *);
  int result;

  *(void **) &real = dlsym(RTLD_NEXT, "timerfd_settime");
  result = real(fd, flags, value, old);
  if (fd != wall_fd)
    return result;
  set_count++;
  if (result == 0 && told_of_a_change) {
    told_of_a_change = 0;
    errno = ECANCELED;
    return -1;
  }
  return result;
}

int timerfd_create(clockid_t clock, int flags) {
  int (*real)(clockid_t, int);

  *(void **) &real = dlsym(RTLD_NEXT, "timerfd_create");
  if (clock != CLOCK_REALTIME)
    return real(clock, flags);
  if (refuse_create) {
    errno = EMFILE;
    return -1;
  }
  wall_fd = real(clock, flags);
  return wall_fd;
}

/* `data` is a string of one letter. */
static void note(jobsrv_timer_t *timer) {
  assert_false(jobsrv__wall_armed(timer));
  strcat(fired, timer->data);
}

static int reset(void **state) {
  (void) state;
  fired[0] = '\0';
  told_of_a_change = 0;
  refuse_create = 0;
  set_count = 0;
  return 0;
}

static void a_timer_fires_when_its_wall_time_comes(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" }, b = { .data = "b" };
  jobsrv__wall_timer_t c = { .data = "c" };
  fixture f = { 0 };
  uint64_t now;

  (void) state;
  fixture_open(&f);
  now = jobsrv_wall_now(f.srv);
  assert_true(jobsrv__wall_next(f.srv) == UINT64_MAX);
  assert_ok(jobsrv__wall_arm(f.srv, &c, now + 30 * MS, note));
  assert_ok(jobsrv__wall_arm(f.srv, &b, now + 20 * MS, note));
  assert_ok(jobsrv__wall_arm(f.srv, &a, now + 20 * MS, note));
  assert_true(jobsrv__wall_armed(&a));
  assert_true(jobsrv__wall_next(f.srv) == jobsrv_now(f.srv) + 20 * MS);
  jobsrv_manual_clock_advance(&f.clock, 20 * MS - 1);
  assert_string_equal(fired, "");
  jobsrv_manual_clock_advance(&f.clock, 1);
  assert_string_equal(fired, "ba");
  jobsrv_manual_clock_advance(&f.clock, HOUR);
  assert_string_equal(fired, "bac");
  fixture_close(&f);
}

static void a_disarmed_timer_stays_quiet(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" }, b = { .data = "b" };
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  jobsrv__wall_disarm(f.srv, &a); /* there is nothing yet */
  assert_ok(
      jobsrv__wall_arm(f.srv, &a, jobsrv_wall_now(f.srv) + 5 * MS, note));
  assert_ok(
      jobsrv__wall_arm(f.srv, &b, jobsrv_wall_now(f.srv) + 5 * MS, note));
  jobsrv__wall_disarm(f.srv, &a);
  jobsrv__wall_disarm(f.srv, &a);
  assert_false(jobsrv__wall_armed(&a));
  jobsrv_manual_clock_advance(&f.clock, HOUR);
  assert_string_equal(fired, "b");
  fixture_close(&f);
}

static void a_time_that_has_passed_fires_later_not_at_once(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" };
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv__wall_arm(f.srv, &a, 1, note));
  assert_string_equal(fired, "");
  jobsrv_manual_clock_advance(&f.clock, 0);
  assert_string_equal(fired, "a");
  fixture_close(&f);
}

static void a_clock_set_forward_fires_what_it_jumped_over(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" }, b = { .data = "b" };
  jobsrv__wall_timer_t c = { .data = "c" };
  fixture f = { 0 };
  uint64_t now;

  (void) state;
  fixture_open(&f);
  now = jobsrv_wall_now(f.srv);
  assert_ok(jobsrv__wall_arm(f.srv, &b, now + 2 * HOUR, note));
  assert_ok(jobsrv__wall_arm(f.srv, &a, now + HOUR, note));
  assert_ok(jobsrv__wall_arm(f.srv, &c, now + 4 * HOUR, note));
  jobsrv_manual_clock_set_wall(&f.clock, now + 3 * HOUR);
  assert_string_equal(fired, "ab");
  assert_true(jobsrv__wall_next(f.srv) <= jobsrv_now(f.srv) + HOUR);
  jobsrv_manual_clock_advance(&f.clock, HOUR - 1);
  assert_string_equal(fired, "ab");
  jobsrv_manual_clock_advance(&f.clock, 1);
  assert_string_equal(fired, "abc");
  fixture_close(&f);
}

static void a_clock_set_back_is_waited_for(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" }, b = { .data = "b" };
  fixture f = { 0 };
  uint64_t now;

  (void) state;
  fixture_open(&f);
  now = jobsrv_wall_now(f.srv);
  assert_ok(jobsrv__wall_arm(f.srv, &a, now + HOUR, note));
  jobsrv_manual_clock_set_wall(&f.clock, now - 24 * HOUR);
  assert_ok(jobsrv__wall_arm(f.srv, &b, now - 23 * HOUR, note));
  jobsrv_manual_clock_advance(&f.clock, HOUR - 1);
  assert_string_equal(fired, "");
  jobsrv_manual_clock_advance(&f.clock, 1);
  assert_string_equal(fired, "b");
  jobsrv_manual_clock_advance(&f.clock, 24 * HOUR - 1);
  assert_string_equal(fired, "b");
  jobsrv_manual_clock_advance(&f.clock, 1);
  assert_string_equal(fired, "ba");
  fixture_close(&f);
}

static void on_fired_close(jobsrv_timer_t *timer) {
  fixture *f = timer->data;

  jobsrv_close(f->srv, fixture_on_closed, f);
}

static void a_callback_may_close_the_server(void **state) {
  jobsrv__wall_timer_t a = { 0 }, b = { .data = "b" };
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  a.data = &f;
  assert_ok(jobsrv__wall_arm(f.srv, &a, 1, on_fired_close));
  assert_ok(jobsrv__wall_arm(f.srv, &b, UINT64_MAX, note));
  jobsrv_manual_clock_set_wall(&f.clock, 5 * MS);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 2000));
  fixture_close(&f);
}

static void servers_of_one_clock_may_close_while_it_is_set(void **state) {
  jobsrv__wall_timer_t a = { 0 };
  jobsrv_t *other;
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  a.data = &f;
  assert_ok(jobsrv_new(&other, &f.loop.uv, &f.options));
  assert_ok(jobsrv__wall_arm(f.srv, &a, 1, on_fired_close));
  jobsrv_manual_clock_set_wall(&f.clock, 5 * MS);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 2000));
  jobsrv_close(other, NULL, NULL);
  run_turns(&f.loop, 3);
  fixture_close(&f);
}

/* ---- on a live loop ---- */

static int has_fired(void *data) {
  return strlen(fired) == *(size_t *) data;
}

static void open_live(fixture *f) {
  loop_open(&f->loop);
  assert_ok(loop_server(&f->loop, &f->srv,
                        f->options.size != 0 ? &f->options : NULL));
}

static void a_live_loop_fires_in_time(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" }, b = { .data = "b" };
  size_t one = 1, two = 2;
  fixture f = { 0 };
  uint64_t at, late;

  (void) state;
  open_live(&f);
  at = jobsrv_wall_now(f.srv) + 30 * MS;
  assert_ok(jobsrv__wall_arm(f.srv, &b, at + 50 * MS, note));
  assert_ok(jobsrv__wall_arm(f.srv, &a, at, note));
  assert_true(run_until(&f.loop, has_fired, &one, 5000));
  late = jobsrv_wall_now(f.srv) - at;
  assert_true(late < 1000 * MS); /* and not early: it is unsigned */
  assert_true(run_until(&f.loop, has_fired, &two, 5000));
  assert_true(jobsrv_wall_now(f.srv) >= at + 50 * MS);
  assert_string_equal(fired, "ab");
  fixture_close(&f);
}

static void nothing_is_opened_and_nobody_woken_without_a_timer(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" };
  fixture f = { 0 };
  size_t never = 9;

  (void) state;
  refuse_create = 1;
  open_live(&f); /* needs none */
  assert_err(jobsrv__wall_arm(f.srv, &a, 5, note), UV_EMFILE);
  assert_false(jobsrv__wall_armed(&a));
  refuse_create = 0;
  assert_ok(jobsrv__wall_arm(f.srv, &a, UINT64_MAX, note));
  assert_false(run_until(&f.loop, has_fired, &never, 30));
  assert_int_equal(fixture_stats(&f).timer_wakes, 0);
  jobsrv__wall_disarm(f.srv, &a);
  fixture_close(&f);
}

static void a_timer_does_not_keep_the_loop_alive(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" };
  fixture f = { 0 };

  (void) state;
  open_live(&f);
  assert_ok(jobsrv__wall_arm(f.srv, &a, UINT64_MAX, note));
  assert_int_equal(uv_run(&f.loop.uv, UV_RUN_DEFAULT), 0);
  assert_string_equal(fired, "");
  jobsrv__wall_disarm(f.srv, &a);
  fixture_close(&f);
}

/* A live clock whose wall time the test can set. */
static uint64_t ahead_ns;

static uint64_t real_now(clockid_t which) {
  struct timespec ts;

  clock_gettime(which, &ts);
  return (uint64_t) ts.tv_sec * 1000 * MS + (uint64_t) ts.tv_nsec;
}

static uint64_t shifted_monotonic(const jobsrv_clock_t *clock) {
  (void) clock;
  return real_now(CLOCK_MONOTONIC);
}

static uint64_t shifted_wall(const jobsrv_clock_t *clock) {
  (void) clock;
  return real_now(CLOCK_REALTIME) + ahead_ns;
}

/* To a time from which a wheel sees far: what it says of later times is near
   the truth there. */
static uint64_t to_a_round_time(void) {
  uint64_t round = (UINT64_C(1) << 30) * MS; /* five levels of it */

  return round - real_now(CLOCK_REALTIME) % round;
}

/*
 * The change of the clock is told by the arming itself: the descriptor will
 * not say it again.
 */
static void a_change_told_by_the_arming_is_looked_at(void **state) {
  jobsrv_clock_t clock = { shifted_monotonic, shifted_wall, NULL, NULL, NULL };
  jobsrv__wall_timer_t a = { .data = "a" }, b = { .data = "b" };
  fixture f = { .options = { .size = sizeof(f.options), .clock = &clock } };
  size_t two = 2;

  (void) state;
  ahead_ns = to_a_round_time();
  open_live(&f);
  assert_ok(
      jobsrv__wall_arm(f.srv, &a, jobsrv_wall_now(f.srv) + HOUR, note));
  told_of_a_change = 1;
  assert_ok(
      jobsrv__wall_arm(f.srv, &b, jobsrv_wall_now(f.srv) + HOUR / 2, note));
  ahead_ns += 2 * HOUR; /* is only seen by a look */
  assert_false(told_of_a_change);
  assert_true(run_until(&f.loop, has_fired, &two, 5000));
  assert_string_equal(fired, "ba");
  fixture_close(&f);
}

static void a_clock_of_the_host_counts_not_the_machines(void **state) {
  jobsrv_clock_t clock = { shifted_monotonic, shifted_wall, NULL, NULL, NULL };
  jobsrv__wall_timer_t a = { .data = "a" };
  fixture f = { .options = { .size = sizeof(f.options), .clock = &clock } };
  size_t one = 1;
  uint64_t at;

  (void) state;
  ahead_ns = 1000 * HOUR;
  open_live(&f);
  at = jobsrv_wall_now(f.srv) + 20 * MS;
  assert_ok(jobsrv__wall_arm(f.srv, &a, at, note));
  assert_true(run_until(&f.loop, has_fired, &one, 5000));
  assert_true(jobsrv_wall_now(f.srv) >= at);
  fixture_close(&f);
}

static void many_timers_set_the_descriptor_seldom(void **state) {
  enum { N = 10000 };
  static jobsrv__wall_timer_t timers[N];
  static char nothing[] = "";
  fixture f = { 0 };
  uint64_t at;

  (void) state;
  memset(timers, 0, sizeof(timers));
  open_live(&f);
  at = jobsrv_wall_now(f.srv) + HOUR;
  for (uint64_t i = 0; i < N; i++) {
    timers[i].data = nothing;
    assert_ok(jobsrv__wall_arm(f.srv, &timers[i], at + i * MS, note));
  }
  assert_true(set_count >= 1 && set_count < 10);
  for (uint64_t i = 0; i < N; i++)
    jobsrv__wall_disarm(f.srv, &timers[i]);
  fixture_close(&f);
}

static void memory_that_runs_out_is_told_and_nothing_else(void **state) {
  jobsrv__wall_timer_t a = { .data = "a" };
  jobsrv_faults_t faults;
  fixture f = { 0 };

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_err(jobsrv__wall_arm(f.srv, &a, 1, note), UV_ENOMEM);
  assert_true(jobsrv_faults_hit(&faults));
  assert_false(jobsrv__wall_armed(&a));
  jobsrv_faults_fail(&faults, 0, 0);
  assert_ok(jobsrv__wall_arm(f.srv, &a, 1, note));
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_ok(jobsrv__wall_arm(f.srv, &a, 2, note)); /* needs none any more */
  jobsrv_faults_fail(&faults, 0, 0);
  jobsrv__wall_disarm(f.srv, &a);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup(a_timer_fires_when_its_wall_time_comes, reset),
  cmocka_unit_test_setup(a_disarmed_timer_stays_quiet, reset),
  cmocka_unit_test_setup(a_time_that_has_passed_fires_later_not_at_once,
                         reset),
  cmocka_unit_test_setup(a_clock_set_forward_fires_what_it_jumped_over, reset),
  cmocka_unit_test_setup(a_clock_set_back_is_waited_for, reset),
  cmocka_unit_test_setup(a_callback_may_close_the_server, reset),
  ONE_MODE_SETUP(servers_of_one_clock_may_close_while_it_is_set, reset),
  cmocka_unit_test_setup(a_live_loop_fires_in_time, reset),
  cmocka_unit_test_setup(nothing_is_opened_and_nobody_woken_without_a_timer,
                         reset),
  ONE_MODE_SETUP(a_timer_does_not_keep_the_loop_alive, reset),
  cmocka_unit_test_setup(a_change_told_by_the_arming_is_looked_at, reset),
  cmocka_unit_test_setup(a_clock_of_the_host_counts_not_the_machines, reset),
  cmocka_unit_test_setup(many_timers_set_the_descriptor_seldom, reset),
  cmocka_unit_test_setup(memory_that_runs_out_is_told_and_nothing_else, reset),
};

RUN(tests);
