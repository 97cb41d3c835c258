/* SPDX-License-Identifier: MIT */

/* Row 13: what a schedule is made of, and what is refused. */

#include "scene.h"

#include "core/schedule.h"

static void everything_in_the_spec_is_copied(void **state) {
  char operation[] = "op", payload[] = "{\"n\":1}??", key[] = "key";
  char value[] = "value", principal[] = "who", correlation[] = "corr";
  char parent[] = "00-0123456789abcdef0011223344556677-00f067aa0ba902b7-01";
  char trace_state[] = "a=1";
  char request[] = "req", name[] = "nightly", cron[] = "@daily";
  char zone[] = "Europe/Berlin";
  jobsrv_tag_t tags[] = { { key, value } };
  jobsrv_job_info_t job;
  jobsrv_schedule_info_t info;
  scene s = { 0 };
  size_t len;

  (void) state;
  scene_open(&s);
  s.spec.operation = operation;
  s.spec.payload = payload;
  s.spec.payload_len = 7;
  s.spec.tags = tags;
  s.spec.ntags = 1;
  s.spec.principal = principal;
  s.spec.correlation_id = correlation;
  s.spec.request_id = request;
  s.spec.traceparent = parent;
  s.spec.tracestate = trace_state;
  s.spec.is_private = 1;
  s.options.name = name;
  s.options.cron = cron;
  s.options.zone = zone;
  scene_add(&s);
  memset(operation, 'x', 2);
  memset(payload, 'x', 9);
  key[0] = value[0] = principal[0] = correlation[0] = request[0] = 'x';
  name[0] = cron[1] = zone[0] = parent[5] = trace_state[0] = 'x';
  memset(tags, 0, sizeof(tags));
  memset(&s.spec, 0, sizeof(s.spec));
  memset(&s.options, 0, sizeof(s.options));

  scene_pass(&s, DAY);
  info = scene_info(&s);
  assert_string_equal(info.name, "nightly");
  assert_string_equal(info.cron, "@daily");
  assert_string_equal(info.zone, "Europe/Berlin");
  assert_string_equal(info.operation, "op");
  job = fixture_info(scene_job(&s));
  assert_string_equal(jobsrv_job_operation(scene_job(&s)), "op");
  assert_string_equal(jobsrv_job_payload(scene_job(&s), &len), "{\"n\":1}");
  assert_int_equal(len, 7);
  assert_string_equal(job.principal, "who");
  assert_string_equal(job.correlation_id, "corr");
  assert_string_equal(job.request_id, "req");
  assert_string_equal(job.trace_id, "0123456789abcdef0011223344556677");
  assert_string_equal(job.parent_span_id, "00f067aa0ba902b7");
  assert_string_equal(job.tracestate, "a=1");
  assert_int_equal(job.ntags, 1);
  assert_string_equal(job.tags[0].key, "key");
  assert_string_equal(job.tags[0].value, "value");
  assert_true(job.is_private);
  scene_close(&s);
}

/* What a job does not show: as it was told, in memory of its own. */
static void nothing_in_the_spec_is_left_behind(void **state) {
  char group[] = "g", key[] = "k";
  const jobsrv_spec_t *spec;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.spec.group = group;
  s.spec.unique_key = key;
  s.spec.on_conflict = JOBSRV_CONFLICT_REPLACE;
  s.spec.start = JOBSRV_START_ON_STREAM;
  s.spec.priority = JOBSRV_PRIORITY_HIGH;
  s.spec.weight = 3;
  s.spec.timeout_ms = 4;
  s.spec.retry.max_attempts = 5;
  s.spec.last_watcher_grace_ms = 6;
  scene_every(&s, 5000);
  spec = &s.schedule->table->spec;
  assert_ptr_not_equal(spec->group, group);
  assert_string_equal(spec->group, "g");
  assert_ptr_not_equal(spec->unique_key, key);
  assert_string_equal(spec->unique_key, "k");
  assert_null(spec->payload);
  assert_null(spec->tags);
  s.spec.operation = spec->operation;
  s.spec.group = spec->group;
  s.spec.unique_key = spec->unique_key;
  assert_memory_equal(&s.spec, spec, sizeof(*spec));
  scene_close(&s);
}

static void what_submit_refuses_is_counted_and_kept(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.spec.payload = "[]";
  scene_every(&s, 1000);
  assert_int_equal(scene_info(&s).last_error, 0);
  scene_pass(&s, 3 * SECOND);
  assert_counts(&s, 0, 0, 0, 3);
  assert_int_equal(scene_info(&s).last_error, JOBSRV_EPAYLOAD);
  s.spec.payload = NULL;
  assert_ok(jobsrv_schedule_update(s.schedule, &s.options, NULL));
  scene_pass(&s, SECOND);
  assert_counts(&s, 1, 0, 0, 3);
  assert_int_equal(scene_info(&s).last_error, JOBSRV_EPAYLOAD);
  scene_close(&s);
}

static void an_interval_has_no_cron_in_its_info(void **state) {
  jobsrv_schedule_info_t info;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 5000);
  info = scene_info(&s);
  assert_null(info.cron);
  assert_null(info.zone);
  assert_int_equal(info.every_ms, 5000);
  assert_int_equal(info.paused, 0);
  assert_int_equal(info.last_job.generation, 0);
  scene_close(&s);
}

static void info_fills_as_much_as_is_asked_for(void **state) {
  jobsrv_schedule_info_t info;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 5000);
  memset(&info, 7, sizeof(info));
  info.size = offsetof(jobsrv_schedule_info_t, next_wall_ns);
  jobsrv_schedule_info(s.schedule, &info);
  assert_int_equal(info.size, offsetof(jobsrv_schedule_info_t, next_wall_ns));
  assert_int_equal(info.every_ms, 5000);
  assert_true(info.next_wall_ns == UINT64_C(0x0707070707070707));
  scene_close(&s);
}

/* ---- what is refused ---- */

static void refuse(scene *s, int err) {
  jobsrv_schedule_t *out = (jobsrv_schedule_t *) s;

  assert_err(jobsrv_schedule_add(s->f.srv, &s->options, NULL, &out), err);
  assert_ptr_equal(out, s);
  assert_null(jobsrv_schedule_next(s->f.srv, NULL));
}

static void wrong_options_are_refused(void **state) {
  char name[80];
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  refuse(&s, UV_EINVAL); /* neither cron nor every_ms */
  s.options.cron = "@daily";
  s.options.every_ms = 5;
  refuse(&s, UV_EINVAL);
  s.options.cron = NULL;
  s.options.zone = "UTC";
  refuse(&s, UV_EINVAL); /* a zone is for cron */
  s.options.zone = NULL;
  s.options.name = NULL;
  refuse(&s, UV_EINVAL);
  s.options.name = "";
  refuse(&s, UV_EINVAL);
  s.options.name = "a b";
  refuse(&s, UV_EINVAL);
  memset(name, 'x', 65);
  name[65] = '\0';
  s.options.name = name;
  refuse(&s, UV_EINVAL);
  s.options.name = "s";
  s.options.misfire = 3;
  refuse(&s, UV_EINVAL);
  s.options.misfire = -1;
  refuse(&s, UV_EINVAL);
  s.options.misfire = 0;
  s.options.overlap = 4;
  refuse(&s, UV_EINVAL);
  s.options.overlap = -1;
  refuse(&s, UV_EINVAL);
  s.options.overlap = 0;
  s.options.max_catch_up = 10001;
  refuse(&s, UV_EINVAL);
  s.options.max_catch_up = 10000;
  s.options.spec = NULL;
  refuse(&s, UV_EINVAL);
  s.options.spec = &s.spec;
  s.options.size--;
  refuse(&s, JOBSRV_EOPTIONS);
  s.options.size++;
  s.spec.size--;
  refuse(&s, JOBSRV_EOPTIONS);
  s.spec.size++;
  s.spec.operation = NULL;
  refuse(&s, JOBSRV_ENOOPERATION);
  s.spec.operation = "other";
  refuse(&s, JOBSRV_ENOOPERATION);
  s.spec.operation = "op";
  name[64] = '\0';
  s.options.name = name;
  scene_add(&s);
  scene_close(&s);
}

static void on_release(void *data) {
  ++*(int *) data;
}

static void a_spec_with_what_happens_once_is_refused(void **state) {
  jobsrv_job_t *job, *jobs[1];
  scene s = { 0 };
  int released = 0;

  (void) state;
  scene_open(&s);
  jobs[0] = job = fixture_submit(&s.f, "op");
  s.options.every_ms = 5;
  s.spec.data = &released;
  refuse(&s, UV_EINVAL);
  s.spec.release = on_release;
  refuse(&s, UV_EINVAL);
  s.spec.data = NULL;
  refuse(&s, UV_EINVAL);
  assert_int_equal(released, 0);
  s.spec.release = NULL;
  s.spec.parent = jobsrv_job_token(job);
  refuse(&s, UV_EINVAL);
  s.spec.parent = NULL;
  s.spec.parent_job = job;
  refuse(&s, UV_EINVAL);
  s.spec.parent_job = NULL;
  s.spec.after = jobs;
  s.spec.nafter = 1;
  refuse(&s, UV_EINVAL);
  s.spec.after = NULL;
  s.spec.nafter = 0;
  s.spec.delay_ms = 1;
  refuse(&s, UV_EINVAL);
  s.spec.delay_ms = 0;
  s.spec.run_at_wall_ns = 1;
  refuse(&s, UV_EINVAL);
  s.spec.run_at_wall_ns = 0;
  scene_add(&s);
  scene_close(&s);
}

static void a_wrong_expression_or_zone_is_told(void **state) {
  jobsrv_cron_error_t mistake = { 0 };
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.cron = "* 24 * * *";
  assert_err(jobsrv_schedule_add(s.f.srv, &s.options, &mistake, NULL),
             JOBSRV_ECRON);
  assert_int_equal(mistake.offset, 2);
  assert_string_equal(mistake.message, "hour 24 is not in 0..23");
  s.options.cron = "* 23 * * *";
  s.options.zone = "Europe/Nowhere";
  refuse(&s, JOBSRV_EZONE);
  s.options.zone = "../zoneinfo/UTC";
  refuse(&s, JOBSRV_EZONE);
  scene_close(&s);
}

static void a_name_is_its_own(void **state) {
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  scene_every(&s, 5);
  assert_err(jobsrv_schedule_add(s.f.srv, &s.options, NULL, NULL),
             JOBSRV_EEXISTS);
  jobsrv_schedule_remove(s.schedule);
  scene_add(&s);
  s.options.name = "t";
  assert_err(jobsrv_schedule_update(s.schedule, &s.options, NULL), UV_EINVAL);
  assert_string_equal(scene_info(&s).name, "s");
  scene_close(&s);
}

static void they_are_found_and_listed_in_order(void **state) {
  static const char *const names[] = { "b", "a", "c" };
  jobsrv_schedule_t *schedules[3], *at = NULL;
  scene s = { 0 };

  (void) state;
  scene_open(&s);
  s.options.every_ms = 5;
  assert_null(jobsrv_schedule_next(s.f.srv, NULL));
  for (int i = 0; i < 3; i++) {
    s.options.name = names[i];
    assert_ok(
        jobsrv_schedule_add(s.f.srv, &s.options, NULL, &schedules[i]));
  }
  for (int i = 0; i < 3; i++) {
    at = jobsrv_schedule_next(s.f.srv, at);
    assert_ptr_equal(at, schedules[i]);
    assert_ptr_equal(jobsrv_schedule_find(s.f.srv, names[i]), at);
  }
  assert_null(jobsrv_schedule_next(s.f.srv, at));
  jobsrv_schedule_remove(schedules[1]);
  assert_null(jobsrv_schedule_find(s.f.srv, "a"));
  assert_ptr_equal(jobsrv_schedule_next(s.f.srv, schedules[0]), schedules[2]);
  scene_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(everything_in_the_spec_is_copied),
  cmocka_unit_test(nothing_in_the_spec_is_left_behind),
  cmocka_unit_test(what_submit_refuses_is_counted_and_kept),
  cmocka_unit_test(an_interval_has_no_cron_in_its_info),
  cmocka_unit_test(info_fills_as_much_as_is_asked_for),
  cmocka_unit_test(wrong_options_are_refused),
  cmocka_unit_test(a_spec_with_what_happens_once_is_refused),
  cmocka_unit_test(a_wrong_expression_or_zone_is_told),
  cmocka_unit_test(a_name_is_its_own),
  cmocka_unit_test(they_are_found_and_listed_in_order),
};

RUN(tests);
