/* SPDX-License-Identifier: MIT */

/* Row 21: what wakes the loop for its timers. */

#include "test.h"

#include "jobsrv/testing.h"

#include <dlfcn.h>
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>

#include <uv.h>

static int refuse_create;

int timerfd_create(clockid_t clock, int flags) {
  int (*real)(clockid_t, int);

  *(void **) &real = dlsym(RTLD_NEXT, "timerfd_create");
  if (refuse_create) {
    errno = EMFILE;
    return -1;
  }
  return real(clock, flags);
}

typedef struct {
  jobsrv_t *srv;
  uint64_t deadline_ns;
  int64_t late_ns;
  int fired;
} shot;

static void on_shot(jobsrv_timer_t *timer) {
  shot *s = timer->data;

  s->late_ns = (int64_t) (jobsrv_now(s->srv) - s->deadline_ns);
  s->fired++;
}

static int has_fired(void *data) {
  return ((shot *) data)->fired > 0;
}

static void fires(int without_descriptor) {
  jobsrv_timer_t timer = { 0 };
  shot s = { 0 };
  uv_loop_t loop;

  refuse_create = without_descriptor;
  assert_ok(uv_loop_init(&loop));
  assert_ok(jobsrv_new(&s.srv, &loop, NULL));
  refuse_create = 0;
  timer.data = &s;
  s.deadline_ns = jobsrv_now(s.srv) + 60000000;
  jobsrv_timer_arm(s.srv, &timer, s.deadline_ns + 3600000000000, on_shot);
  jobsrv_timer_arm(s.srv, &timer, s.deadline_ns, on_shot); /* moved nearer */
  assert_true(jobsrv_run_until(&loop, has_fired, &s, 20000));
  assert_int_equal(s.fired, 1);
  assert_true(s.late_ns >= 0);
  jobsrv_close(s.srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_ok(uv_loop_close(&loop));
}

static void a_timer_fires_at_its_time_and_not_before(void **state) {
  (void) state;
  fires(0);
}

static void without_a_descriptor_the_loop_s_own_timers_do(void **state) {
  (void) state;
  fires(1);
}

static void the_largest_deadline_wakes_nobody(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_timer_t timer = { 0 };
  jobsrv_t *srv;
  uv_loop_t loop;
  shot s = { 0 };

  (void) state;
  assert_ok(uv_loop_init(&loop));
  assert_ok(jobsrv_new(&srv, &loop, NULL));
  jobsrv_timer_arm(srv, &timer, UINT64_MAX, on_shot);
  assert_false(jobsrv_run_until(&loop, has_fired, &s, 50));
  jobsrv_stats(srv, &stats);
  assert_int_equal(stats.timer_wakes, 0);
  jobsrv_close(srv, NULL, NULL);
  uv_run(&loop, UV_RUN_DEFAULT);
  assert_ok(uv_loop_close(&loop));
}

int main(void) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_timer_fires_at_its_time_and_not_before),
    cmocka_unit_test(without_a_descriptor_the_loop_s_own_timers_do),
    cmocka_unit_test(the_largest_deadline_wakes_nobody),
  };

  return RUN_GROUP(tests);
}
