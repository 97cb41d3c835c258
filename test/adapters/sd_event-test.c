/* SPDX-License-Identifier: MIT */

/* Row 74: a server in systemd's event loop. */

#include "adapters/work.h"

#include "jobsrv/adapters/sd_event.h"

static int on_timeout(sd_event_source *source, uint64_t usec, void *data) {
  (void) source;
  (void) usec;
  work_submit(data);
  return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *data) {
  (void) usec;
  (void) data;
  return sd_event_exit(sd_event_source_get_event(source), 1);
}

static void jobs_run_in_an_event_loop(void **state) {
  jobsrv_sd_event_t adapter = { 0 };
  sd_event *event = NULL;
  work_t work;

  (void) state;
  assert_true(sd_event_new(&event) >= 0);
  work_open(&work);
  assert_true(jobsrv_sd_event_add(&adapter, work.srv, event) >= 0);
  assert_true(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC, 20000,
                                         1000, on_timeout, &work) >= 0);
  assert_true(sd_event_add_time_relative(event, NULL, CLOCK_MONOTONIC,
                                         WORK_LATE_MS * 1000, 1000, on_late,
                                         NULL) >= 0);
  while (!work.closed && sd_event_get_state(event) != SD_EVENT_FINISHED)
    assert_true(sd_event_run(event, UINT64_MAX) >= 0);
  work_check(&work);
  assert_null(adapter.io);
  assert_null(adapter.timer);
  sd_event_unref(event);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(jobs_run_in_an_event_loop),
};

RUN(tests);
