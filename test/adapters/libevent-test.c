/* SPDX-License-Identifier: MIT */

/* Row 74: a server in a libevent base. */

#include "adapters/work.h"

#include "jobsrv/adapters/libevent.h"

static void on_timeout(evutil_socket_t fd, short what, void *data) {
  (void) fd;
  (void) what;
  work_submit(data);
}

static void on_late(evutil_socket_t fd, short what, void *data) {
  (void) fd;
  (void) what;
  event_base_loopbreak(data);
}

static void jobs_run_in_a_base(void **state) {
  const struct timeval soon = { 0, 20000 };
  const struct timeval late = { WORK_LATE_MS / 1000, 0 };
  struct event_base *base = event_base_new();
  jobsrv_libevent_t adapter;
  struct event *alarm;
  work_t work;

  (void) state;
  assert_non_null(base);
  work_open(&work);
  assert_int_equal(jobsrv_libevent_add(&adapter, work.srv, base), 0);
  assert_int_equal(event_base_once(base, -1, EV_TIMEOUT, on_timeout, &work,
                                   &soon), 0);
  alarm = event_new(base, -1, 0, on_late, base);
  assert_non_null(alarm);
  assert_int_equal(event_add(alarm, &late), 0);
  while (!work.closed && event_base_loop(base, EVLOOP_ONCE) == 0 &&
         !event_base_got_break(base))
    ;
  work_check(&work);
  assert_null(adapter.event);
  event_free(alarm);
  event_base_free(base);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(jobs_run_in_a_base),
};

RUN(tests);
