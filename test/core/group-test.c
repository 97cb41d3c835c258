/* SPDX-License-Identifier: MIT */

/* Row 17: exclusive groups, across operations. */

#include "starts.h"

#include "core/server.h"

static jobsrv_job_t *add(starts *s,
                         const char *name,
                         char letter,
                         const char *group) {
  return starts_job(s, name, letter, 0, 0, group);
}

static void one_of_a_group_runs_at_a_time_whatever_its_operation(
    void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  starts_add(&s, "y", 0);
  add(&s, "x", 'a', "disk");
  add(&s, "y", 'b', "disk");
  add(&s, "x", 'c', "net");
  add(&s, "x", 'd', "disk");
  add(&s, "y", 'e', NULL);
  assert_started(&s, 0, "ace");
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "aceb");
  assert_ok(jobsrv_job_fail(s.job[3], NULL, NULL));
  assert_started(&s, 0, "acebd");
  starts_close(&s);
}

static void it_is_the_specs_else_the_operations_else_none(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { 0 };
  char name[] = "disk";
  jobsrv_job_t *job;

  (void) state;
  starts_open(&s);
  op.group = name;
  starts_add_op(&s, &op, "x");
  starts_add(&s, "y", 0);
  name[0] = '?'; /* it was copied */
  job = add(&s, "x", 'a', NULL);
  assert_string_equal(fixture_info(job).group, "disk");
  assert_string_equal(fixture_info(add(&s, "x", 'b', "net")).group, "net");
  assert_string_equal(fixture_info(add(&s, "y", 'c', "disk")).group, "disk");
  assert_null(fixture_info(add(&s, "y", 'd', NULL)).group);
  assert_started(&s, 0, "abd");
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "abdc");
  assert_string_equal(fixture_info(job).group, "disk");
  starts_complete(&s, s.job[3]);
  assert_string_equal(fixture_info(s.job[3]).group, "disk");
  starts_close(&s);
}

static void what_waits_for_its_group_keeps_its_place(void **state) {
  starts s = { .f.options.max_running = 2 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  starts_add(&s, "y", 0);
  add(&s, "x", 'a', "g");
  add(&s, "y", 'b', NULL);
  assert_started(&s, 0, "ab");
  add(&s, "x", 'c', NULL);
  add(&s, "y", 'd', "g");
  add(&s, "x", 'e', NULL);
  add(&s, "x", 'f', "g");
  starts_job(&s, "x", 'h', JOBSRV_PRIORITY_HIGH, 0, "g");
  starts_complete(&s, s.job[1]);
  assert_string_equal(s.log, "abc");
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "abch"); /* by priority among its own as well */
  starts_complete(&s, s.job[2]);
  assert_string_equal(s.log, "abche");
  starts_complete(&s, s.job[3]);
  assert_string_equal(s.log, "abched");
  starts_complete(&s, s.job[4]);
  assert_string_equal(s.log, "abched");
  starts_complete(&s, s.job[5]);
  assert_string_equal(s.log, "abchedf");
  starts_close(&s);
}

static void many_free_groups_start_in_order_of_time(void **state) {
  starts s = { .f.options.max_running = 1 };
  char group[8], due[301] = "";

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  for (int i = 0; i < 300; i++) {
    snprintf(group, sizeof(group), "%d", i * 7 % 40);
    due[i] = (char) ('a' + i % 26);
    add(&s, "x", due[i], i % 5 == 0 ? NULL : group);
  }
  starts_turn(&s);
  while (s.n < 300)
    starts_complete(&s, s.job[s.n - 1]);
  assert_string_equal(s.log, due);
  starts_close(&s);
}

static void a_group_at_a_cap_does_not_keep_others_of_it(void **state) {
  starts s = { 0 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 1);
  starts_add(&s, "y", 0);
  add(&s, "x", 'a', NULL);
  add(&s, "x", 'b', "g");
  add(&s, "y", 'c', "g");
  assert_started(&s, 0, "ac");
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "ac");
  starts_complete(&s, s.job[1]);
  assert_string_equal(s.log, "acb");
  starts_close(&s);
}

static void an_abandoned_job_gives_its_group_up(void **state) {
  starts s = { .f.options.grace_ms = 100 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  add(&s, "x", 'a', "g");
  add(&s, "x", 'b', "g");
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_job_cancel(s.job[0], NULL));
  assert_started(&s, 0, "a");
  fixture_ms(&s.f, 101);
  assert_string_equal(s.log, "ab");
  starts_close(&s);
}

static void one_that_waits_for_its_group_can_be_cancelled(void **state) {
  starts s = { 0 };
  jobsrv_job_t *b;

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  add(&s, "x", 'a', "g");
  b = add(&s, "x", 'b', "g");
  add(&s, "x", 'c', "g");
  assert_started(&s, 0, "a");
  assert_int_equal(fixture_info(b).queue_position, 1);
  assert_ok(jobsrv_job_cancel(b, NULL));
  assert_int_equal(jobsrv_job_state(b), JOBSRV_STATE_CANCELLED);
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "ac");
  starts_close(&s);
}

static void another_priority_moves_it_while_its_group_is_taken(void **state) {
  starts s = { 0 };
  jobsrv_job_t *c;

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  add(&s, "x", 'a', "g");
  add(&s, "x", 'b', "g");
  c = add(&s, "x", 'c', "g");
  assert_started(&s, 0, "a");
  jobsrv__dispatch_reprioritise(c, JOBSRV_PRIORITY_HIGH);
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "ac");
  starts_close(&s);
}

static void groups_exist_only_while_they_are_used(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job;

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  starts_add(&s, "y", 0);
  add(&s, "x", 'a', "one");
  job = add(&s, "y", 'b', "one");
  add(&s, "y", 'c', "two");
  assert_int_equal(jobsrv__map_count(&s.f.srv->groups), 2);
  assert_started(&s, 0, "ac");
  starts_complete(&s, s.job[1]);
  assert_int_equal(jobsrv__map_count(&s.f.srv->groups), 1);
  starts_complete(&s, s.job[0]);
  assert_int_equal(jobsrv__map_count(&s.f.srv->groups), 1);
  starts_complete(&s, job);
  assert_int_equal(jobsrv__map_count(&s.f.srv->groups), 0);
  starts_close(&s);
}

static void without_memory_for_one_there_is_no_job_of_it(void **state) {
  jobsrv_faults_t faults;
  starts s = { 0 };
  jobsrv_spec_t spec = { .group = "g" };
  uint64_t before, after;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  s.f.options.alloc = &faults.alloc;
  starts_open(&s);
  starts_add(&s, "x", 0);
  starts_complete(&s, (add(&s, "x", 'a', NULL), starts_turn(&s), s.job[0]));
  spec.size = sizeof(spec);
  spec.operation = "x";
  spec.data = &s;
  for (uint64_t at = 0; err == UV_ENOMEM; at++) {
    before = jobsrv_faults_live(&faults);
    jobsrv_faults_fail(&faults, at, 1);
    err = jobsrv_submit(s.f.srv, &spec, NULL, NULL);
    jobsrv_faults_fail(&faults, 0, 0);
    after = jobsrv_faults_live(&faults);
    if (err == UV_ENOMEM) {
      assert_true(after <= before + 1); /* the map's, which it keeps */
      assert_int_equal(jobsrv__map_count(&s.f.srv->groups), 0);
      assert_true(at < 100);
    }
  }
  assert_ok(err);
  starts_close(&s);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void without_memory_for_one_there_is_no_operation_of_it(void **state) {
  jobsrv_faults_t faults;
  starts s = { 0 };
  jobsrv_operation_t op;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  s.f.options.alloc = &faults.alloc;
  starts_open(&s);
  jobsrv_operation_init(&op);
  op.name = "x";
  op.start = starts_on_start;
  op.group = "g";
  for (uint64_t at = 0; err == UV_ENOMEM; at++) {
    jobsrv_faults_fail(&faults, at, 1);
    err = jobsrv_operation_add(s.f.srv, &op);
    jobsrv_faults_fail(&faults, 0, 0);
    assert_true(err != UV_ENOMEM || at < 100);
    assert_int_equal(jobsrv__map_count(&s.f.srv->groups), err == 0);
  }
  assert_ok(err);
  starts_close(&s);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  ++*(int *) data;
}

static void a_drain_reaches_those_that_wait_for_a_group(void **state) {
  starts s = { 0 };
  jobsrv_operation_t op = { .on_drain = JOBSRV_DRAIN_FINISH };
  jobsrv_job_t *cancelled, *finishing;
  int drained = 0;

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  starts_add_op(&s, &op, "y");
  add(&s, "y", 'a', "g");
  cancelled = add(&s, "x", 'b', "g");
  finishing = add(&s, "y", 'c', "g");
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_drain(s.f.srv, 1000, on_drained, &drained));
  starts_turn(&s);
  assert_int_equal(jobsrv_job_state(cancelled), JOBSRV_STATE_CANCELLED);
  assert_int_equal(jobsrv_job_state(finishing), JOBSRV_STATE_QUEUED);
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "ac");
  fixture_ms(&s.f, 1001);
  assert_int_equal(jobsrv_job_state(finishing), JOBSRV_STATE_CANCELLED);
  assert_int_equal(drained, 1);
  starts_close(&s);
}

static void so_does_a_close(void **state) {
  starts s = { 0 };
  jobsrv_job_t *job[20];
  static const char *const groups[] = { "g", "h", "i", NULL };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  for (int i = 0; i < 20; i++)
    job[i] = jobsrv_job_ref(starts_job(&s, "x", 'a', 1 + i % 3, 0,
                                       groups[i % 4]));
  starts_turn(&s);
  starts_close(&s);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(jobsrv_job_state(job[i]), JOBSRV_STATE_CANCELLED);
    jobsrv_job_unref(job[i]);
  }
}

typedef struct {
  jobsrv_hook_t hook;
  fixture *f;
} closer;

static void on_end_close(jobsrv_hook_t *hook,
                         jobsrv_job_t *job,
                         jobsrv_state_t from,
                         jobsrv_state_t to) {
  closer *c = hook->data;

  (void) job;
  (void) from;
  if (jobsrv_state_terminal(to))
    jobsrv_close(c->f->srv, fixture_on_closed, c->f);
}

static void a_close_inside_a_drain_finds_nothing_gone_under_it(void **state) {
  starts s = { 0 };
  closer c = { .f = &s.f };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  add(&s, "x", 'a', "g");
  assert_started(&s, 0, "a");
  add(&s, "x", 'b', "g");
  add(&s, "x", 'c', "g");
  c.hook.data = &c;
  jobsrv_hook_add(s.f.srv, &c.hook, on_end_close);
  assert_ok(jobsrv_drain(s.f.srv, 1000, NULL, NULL));
  assert_true(run_until(&s.f.loop, fixture_is_closed, &s.f, 5000));
  starts_close(&s);
}

static void a_suspended_job_keeps_its_group(void **state) {
  starts s = { .f.options.max_running = 1 };
  jobsrv_job_t *b;

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  add(&s, "x", 'a', "g");
  b = add(&s, "x", 'b', "g");
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_job_suspend(s.job[0], NULL, 0));
  add(&s, "x", 'c', NULL);
  assert_started(&s, 0, "ac");
  assert_ok(jobsrv_job_answer(s.job[0], NULL, 0));
  starts_turn(&s);
  assert_int_equal(jobsrv_job_state(s.job[0]), JOBSRV_STATE_QUEUED);
  assert_int_equal(fixture_info(s.job[0]).queue_position, 2);
  starts_complete(&s, s.job[1]); /* the one that is older lets it pass */
  assert_int_equal(jobsrv_job_state(s.job[0]), JOBSRV_STATE_RUNNING);
  starts_complete(&s, s.job[0]);
  assert_string_equal(s.log, "acb");
  starts_complete(&s, b);
  starts_close(&s);
}

static void one_that_is_cancelled_on_its_way_back_gives_it_up(void **state) {
  starts s = { .f.options.max_running = 1 };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  add(&s, "x", 'a', "g");
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_job_suspend(s.job[0], NULL, 0));
  add(&s, "x", 'c', NULL);
  starts_turn(&s);
  add(&s, "x", 'b', "g");
  assert_ok(jobsrv_job_answer(s.job[0], NULL, 0));
  starts_turn(&s);
  assert_ok(jobsrv_job_cancel(s.job[0], NULL));
  starts_complete(&s, s.job[1]);
  assert_string_equal(s.log, "acb");
  starts_close(&s);
}

static void a_retrying_job_does_not_keep_its_group(void **state) {
  starts s = { 0 };
  jobsrv_spec_t spec = { .group = "g", .retry.max_attempts = 2,
                         .retry.jitter = JOBSRV_JITTER_NONE };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  starts_submit(&s, &spec, "x", 'a');
  add(&s, "x", 'b', "g");
  assert_started(&s, 0, "a");
  assert_ok(jobsrv_job_fail(s.job[0], NULL, NULL));
  assert_started(&s, 0, "ab");
  fixture_ms(&s.f, 1000);
  assert_string_equal(s.log, "ab");
  assert_int_equal(jobsrv_job_state(s.job[0]), JOBSRV_STATE_QUEUED);
  starts_complete(&s, s.job[1]);
  assert_string_equal(s.log, "aba");
  starts_close(&s);
}

static void names_have_a_bound_and_begun_jobs_no_group(void **state) {
  starts s = { 0 };
  char name[66] = "";
  jobsrv_spec_t spec = { .operation = "x", .group = name };
  jobsrv_operation_t op = { .name = "y", .start = starts_on_start,
                            .group = name };

  (void) state;
  starts_open(&s);
  starts_add(&s, "x", 0);
  spec.size = sizeof(spec);
  op.size = sizeof(op);
  memset(name, 'g', 65);
  assert_err(jobsrv_submit(s.f.srv, &spec, NULL, NULL), JOBSRV_ETOOBIG);
  assert_err(jobsrv_operation_add(s.f.srv, &op), JOBSRV_ETOOBIG);
  name[64] = '\0';
  spec.data = (void *) (uintptr_t) 'a';
  assert_ok(jobsrv_submit(s.f.srv, &spec, NULL, NULL));
  op.data = &s;
  assert_ok(jobsrv_operation_add(s.f.srv, &op));
  assert_err(jobsrv_begin(s.f.srv, &spec, &(jobsrv_job_t *) { NULL }),
             UV_EINVAL);
  starts_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(one_of_a_group_runs_at_a_time_whatever_its_operation),
  cmocka_unit_test(it_is_the_specs_else_the_operations_else_none),
  cmocka_unit_test(what_waits_for_its_group_keeps_its_place),
  cmocka_unit_test(many_free_groups_start_in_order_of_time),
  cmocka_unit_test(a_group_at_a_cap_does_not_keep_others_of_it),
  cmocka_unit_test(a_suspended_job_keeps_its_group),
  cmocka_unit_test(one_that_is_cancelled_on_its_way_back_gives_it_up),
  cmocka_unit_test(a_retrying_job_does_not_keep_its_group),
  cmocka_unit_test(names_have_a_bound_and_begun_jobs_no_group),
  cmocka_unit_test(an_abandoned_job_gives_its_group_up),
  cmocka_unit_test(one_that_waits_for_its_group_can_be_cancelled),
  cmocka_unit_test(another_priority_moves_it_while_its_group_is_taken),
  cmocka_unit_test(groups_exist_only_while_they_are_used),
  cmocka_unit_test(without_memory_for_one_there_is_no_job_of_it),
  cmocka_unit_test(without_memory_for_one_there_is_no_operation_of_it),
  cmocka_unit_test(a_drain_reaches_those_that_wait_for_a_group),
  cmocka_unit_test(so_does_a_close),
  cmocka_unit_test(a_close_inside_a_drain_finds_nothing_gone_under_it),
};

RUN(tests);
