/* SPDX-License-Identifier: MIT */

/* Row 31: a bounded end, and a second call that hurries it. */

#include "fixture.h"

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  ++*(int *) data;
}

static int is_set(void *data) {
  return *(int *) data != 0;
}

static void an_empty_server_drains_at_once(void **state) {
  fixture f = { 0 };
  int drained = 0;

  (void) state;
  fixture_open(&f);
  assert_false(jobsrv_draining(f.srv));
  assert_ok(jobsrv_drain(f.srv, 1000, on_drained, &drained));
  assert_true(jobsrv_draining(f.srv));
  assert_true(run_until(&f.loop, is_set, &drained, 2000));
  assert_err(jobsrv_drain(f.srv, 1000, on_drained, &drained), JOBSRV_ESETTLED);
  assert_int_equal(drained, 1);
  fixture_close(&f);
}

static void new_work_is_refused_while_draining(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  assert_err(jobsrv_submit(f.srv, &spec, NULL, NULL), JOBSRV_EDRAINING);
  assert_err(jobsrv_begin(f.srv, &spec, &job), JOBSRV_EDRAINING);
  fixture_close(&f);
}

static void add_policy(fixture *f, const char *name, jobsrv_on_drain_t policy) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = fixture_start;
  op.on_drain = policy;
  op.max_running = 1;
  assert_ok(jobsrv_operation_add(f->srv, &op));
}

static void jobs_end_as_their_operation_says(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *finish[2], *leave[2], *cancel[2];
  int drained = 0;

  (void) state;
  fixture_open(&f);
  add_policy(&f, "finish", JOBSRV_DRAIN_FINISH);
  add_policy(&f, "leave", JOBSRV_DRAIN_LEAVE);
  add_policy(&f, "cancel", JOBSRV_DRAIN_CANCEL);
  for (int i = 0; i < 2; i++) {
    finish[i] = fixture_submit(&f, "finish");
    leave[i] = fixture_submit(&f, "leave");
    cancel[i] = fixture_submit(&f, "cancel");
  }
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_drain(f.srv, 10000, on_drained, &drained));
  assert_false(jobsrv_job_cancelled(finish[0]));
  assert_int_equal(jobsrv_job_state(finish[1]), JOBSRV_STATE_QUEUED);
  assert_false(jobsrv_job_cancelled(leave[0]));
  assert_int_equal(jobsrv_job_state(leave[1]), JOBSRV_STATE_CANCELLED);
  assert_true(jobsrv_job_cancelled(cancel[0]));
  assert_int_equal(jobsrv_job_state(cancel[1]), JOBSRV_STATE_CANCELLED);
  assert_int_equal(fixture_info(cancel[0]).cancel_reason->code,
                   JOBSRV_REASON_SHUTDOWN);

  assert_ok(jobsrv_job_complete(finish[0], NULL, 0));
  assert_ok(jobsrv_job_complete(leave[0], NULL, 0));
  assert_ok(jobsrv_job_fail(cancel[0], NULL, NULL));
  run_turns(&f.loop, 3);
  assert_int_equal(drained, 0);
  assert_int_equal(jobsrv_job_state(finish[1]), JOBSRV_STATE_RUNNING);
  assert_ok(jobsrv_job_complete(finish[1], NULL, 0));
  assert_true(run_until(&f.loop, is_set, &drained, 2000));
  assert_int_equal(fixture_stats(&f).live, 0);
  fixture_close(&f);
}

static void what_is_left_at_the_deadline_ends_cancelled(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  int drained = 0;

  (void) state;
  fixture_open(&f);
  add_policy(&f, "finish", JOBSRV_DRAIN_FINISH);
  job = fixture_submit(&f, "finish");
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_drain(f.srv, 300, on_drained, &drained));
  fixture_ms(&f, 299);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_RUNNING);
  fixture_ms(&f, 2);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  assert_true(fixture_info(job).abandoned);
  assert_true(run_until(&f.loop, is_set, &drained, 2000));
  fixture_close(&f);
}

static void a_second_call_escalates(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;
  int drained = 0;

  (void) state;
  fixture_open(&f);
  add_policy(&f, "finish", JOBSRV_DRAIN_FINISH);
  job = fixture_submit(&f, "finish");
  run_turns(&f.loop, 1);
  assert_ok(jobsrv_drain(f.srv, 60000, on_drained, &drained));
  assert_false(jobsrv_job_cancelled(job));
  assert_ok(jobsrv_drain(f.srv, 100, NULL, NULL));
  assert_true(jobsrv_job_cancelled(job));
  fixture_ms(&f, 101);
  assert_true(run_until(&f.loop, is_set, &drained, 2000));
  assert_int_equal(drained, 1);
  fixture_close(&f);
}

typedef struct {
  jobsrv_part_t part;
  char log[8];
  int answers;
} transport;

static void add_mark(jobsrv_part_t *part, char mark) {
  transport *t = part->data;

  t->log[strlen(t->log)] = mark;
}

static void on_draining(jobsrv_part_t *part) {
  add_mark(part, 'd');
}

static void on_finishing(jobsrv_part_t *part) {
  transport *t = part->data;

  add_mark(part, 'f');
  if (t->answers)
    jobsrv_part_done(part);
}

static void on_closing(jobsrv_part_t *part) {
  add_mark(part, 'c');
}

static void attach(fixture *f, transport *t, int answers) {
  memset(t, 0, sizeof(*t));
  t->answers = answers;
  t->part.data = t;
  t->part.draining = on_draining;
  t->part.finishing = on_finishing;
  t->part.closing = on_closing;
  jobsrv_part_attach(f->srv, &t->part);
}

static void parts_finish_after_the_last_job(void **state) {
  fixture f = { 0 };
  transport t;
  jobsrv_job_t *job;
  int drained = 0;

  (void) state;
  fixture_open(&f);
  attach(&f, &t, 1);
  job = fixture_begin(&f);
  assert_ok(jobsrv_drain(f.srv, 1000, on_drained, &drained));
  assert_string_equal(t.log, "d");
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  assert_true(run_until(&f.loop, is_set, &drained, 2000));
  assert_string_equal(t.log, "df");
  fixture_close(&f);
  assert_string_equal(t.log, "dfc");
}

static void a_part_that_never_answers_holds_it_up_for_half_a_second(
    void **state) {
  fixture f = { 0 };
  transport t;
  int drained = 0;

  (void) state;
  fixture_open(&f);
  attach(&f, &t, 0);
  assert_ok(jobsrv_drain(f.srv, 100, on_drained, &drained));
  run_turns(&f.loop, 3);
  assert_string_equal(t.log, "df");
  fixture_ms(&f, 599);
  assert_int_equal(drained, 0);
  fixture_ms(&f, 2);
  assert_int_equal(drained, 1);
  fixture_close(&f);
}

static void close_ends_everything_that_lives(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *queued, *running, *begun;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 1);
  running = jobsrv_job_ref(fixture_submit(&f, "op"));
  queued = jobsrv_job_ref(fixture_submit(&f, "op"));
  begun = jobsrv_job_ref(fixture_begin(&f));
  run_turns(&f.loop, 1);
  fixture_close(&f);
  assert_int_equal(jobsrv_job_state(running), JOBSRV_STATE_CANCELLED);
  assert_int_equal(jobsrv_job_state(queued), JOBSRV_STATE_CANCELLED);
  assert_int_equal(jobsrv_job_state(begun), JOBSRV_STATE_CANCELLED);
  jobsrv_job_unref(running);
  jobsrv_job_unref(queued);
  jobsrv_job_unref(begun);
}

static void close_it(jobsrv_hook_t *hook,
                     jobsrv_job_t *job,
                     jobsrv_state_t from,
                     jobsrv_state_t to) {
  fixture *f = hook->data;

  (void) job;
  if (from != to)
    jobsrv_close(f->srv, fixture_on_closed, f);
}

static void a_hook_may_close_the_server_it_is_called_by(void **state) {
  fixture f = { 0 };
  jobsrv_hook_t hook = { .data = &f };

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  jobsrv_hook_add(f.srv, &hook, close_it);
  fixture_submit(&f, "op");
  fixture_submit(&f, "op");
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 2000));
  fixture_close(&f);
}

static void close_at_creation(jobsrv_hook_t *hook,
                              jobsrv_job_t *job,
                              jobsrv_state_t from,
                              jobsrv_state_t to) {
  fixture *f = hook->data;

  (void) job;
  (void) from;
  (void) to;
  jobsrv_close(f->srv, fixture_on_closed, f);
}

static void a_job_whose_creation_closed_the_server_is_not_lent(void **state) {
  fixture f = { 0 };
  jobsrv_hook_t hook = { .data = &f };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  jobsrv_hook_add(f.srv, &hook, close_at_creation);
  jobsrv_spec_init(&spec);
  assert_ok(jobsrv_begin(f.srv, &spec, &job));
  assert_null(job);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 2000));
  fixture_close(&f);
}

static void an_idle_server_does_not_keep_the_loop_alive(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  assert_int_equal(uv_run(&f.loop.uv, UV_RUN_NOWAIT), 0);
  job = fixture_begin(&f);
  assert_int_not_equal(uv_run(&f.loop.uv, UV_RUN_NOWAIT), 0);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  run_turns(&f.loop, 3);
  assert_int_equal(uv_run(&f.loop.uv, UV_RUN_NOWAIT), 0);
  fixture_close(&f);
}

static void a_drain_without_a_deadline_waits_for_its_parts(void **state) {
  fixture f = { 0 };
  transport t;
  int drained = 0;

  (void) state;
  fixture_open(&f);
  attach(&f, &t, 0);
  assert_ok(jobsrv_drain(f.srv, UINT64_MAX, on_drained, &drained));
  fixture_ms(&f, 60000);
  assert_string_equal(t.log, "df");
  assert_int_equal(drained, 0);
  jobsrv_part_done(&t.part);
  run_turns(&f.loop, 2);
  assert_int_equal(drained, 1);
  fixture_close(&f);
}

static void a_second_call_hastens_parts_too(void **state) {
  fixture f = { 0 };
  transport t;
  int drained = 0;

  (void) state;
  fixture_open(&f);
  attach(&f, &t, 0);
  assert_ok(jobsrv_drain(f.srv, 3600000, on_drained, &drained));
  run_turns(&f.loop, 3);
  assert_string_equal(t.log, "df");
  assert_ok(jobsrv_drain(f.srv, 100, NULL, NULL));
  fixture_ms(&f, 599);
  assert_int_equal(drained, 0);
  fixture_ms(&f, 2);
  assert_int_equal(drained, 1);
  fixture_close(&f);
}

static void close_when_asked_or_ended(jobsrv_hook_t *hook,
                                      jobsrv_job_t *job,
                                      jobsrv_state_t from,
                                      jobsrv_state_t to) {
  fixture *f = hook->data;

  (void) job;
  if ((from == to && from == JOBSRV_STATE_RUNNING) ||
      jobsrv_state_terminal(to))
    jobsrv_close(f->srv, fixture_on_closed, f);
}

/* Opens with counted memory and three jobs that run and two that wait. */
static void open_busy(fixture *f, jobsrv_faults_t *faults) {
  assert_ok(jobsrv_faults_init(faults));
  f->options.alloc = &faults->alloc;
  fixture_open(f);
  fixture_add(f, "op", 3);
  fixture_add(f, "other", 3);
  for (int i = 0; i < 5; i++)
    fixture_submit(f, "op");
  run_turns(&f->loop, 1);
}

static void close_busy(fixture *f, jobsrv_faults_t *faults) {
  assert_true(run_until(&f->loop, fixture_is_closed, f, 2000));
  fixture_close(f);
  assert_int_equal(jobsrv_faults_live(faults), 0);
  jobsrv_faults_free(faults);
}

static void a_hook_may_close_the_server_while_it_cancels_many(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  jobsrv_hook_t hook = { .data = &f };

  (void) state;
  open_busy(&f, &faults);
  jobsrv_hook_add(f.srv, &hook, close_when_asked_or_ended);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  close_busy(&f, &faults);
}

static void a_hook_may_close_the_server_at_the_end_of_a_job(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  jobsrv_hook_t hook = { .data = &f };
  jobsrv_job_t *job;

  (void) state;
  open_busy(&f, &faults);
  job = fixture_begin(&f);
  jobsrv_hook_add(f.srv, &hook, close_when_asked_or_ended);
  assert_ok(jobsrv_job_complete(job, "{}", 0));
  close_busy(&f, &faults);
}

static void drain_again(jobsrv_hook_t *hook,
                        jobsrv_job_t *job,
                        jobsrv_state_t from,
                        jobsrv_state_t to) {
  fixture *f = hook->data;

  (void) job;
  (void) from;
  if (jobsrv_state_terminal(to))
    assert_ok(jobsrv_drain(f->srv, 60000, NULL, NULL));
}

static void a_hook_may_drain_again_at_every_end(void **state) {
  fixture f = { 0 };
  jobsrv_faults_t faults;
  jobsrv_hook_t hook = { .data = &f };

  (void) state;
  open_busy(&f, &faults);
  jobsrv_hook_add(f.srv, &hook, drain_again);
  assert_ok(jobsrv_drain(f.srv, 100, fixture_on_closed, &f));
  fixture_ms(&f, 101);
  assert_true(run_until(&f.loop, fixture_is_closed, &f, 2000));
  f.closed = 0;
  assert_int_equal(fixture_stats(&f).live, 0);
  jobsrv_hook_remove(&hook);
  jobsrv_close(f.srv, fixture_on_closed, &f);
  close_busy(&f, &faults);
}

static void on_turn(jobsrv_turn_t *turn) {
  (void) turn;
}

static void hooks_and_turns_may_be_taken_back_after_the_close(void **state) {
  fixture f = { 0 };
  jobsrv_hook_t hook = { .data = &f };
  jobsrv_turn_t turn = { .data = &f };

  (void) state;
  fixture_open(&f);
  jobsrv_hook_add(f.srv, &hook, close_it);
  jobsrv_turn_ask(f.srv, &turn, on_turn);
  fixture_close(&f);
  jobsrv_hook_remove(&hook);
  jobsrv_turn_cancel(&turn);
  assert_null(hook.next);
  assert_null(turn.next);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_empty_server_drains_at_once),
  cmocka_unit_test(new_work_is_refused_while_draining),
  cmocka_unit_test(jobs_end_as_their_operation_says),
  cmocka_unit_test(what_is_left_at_the_deadline_ends_cancelled),
  cmocka_unit_test(a_second_call_escalates),
  cmocka_unit_test(parts_finish_after_the_last_job),
  cmocka_unit_test(a_part_that_never_answers_holds_it_up_for_half_a_second),
  cmocka_unit_test(close_ends_everything_that_lives),
  cmocka_unit_test(a_hook_may_close_the_server_it_is_called_by),
  cmocka_unit_test(a_job_whose_creation_closed_the_server_is_not_lent),
  ONE_MODE(an_idle_server_does_not_keep_the_loop_alive),
  cmocka_unit_test(a_drain_without_a_deadline_waits_for_its_parts),
  cmocka_unit_test(a_second_call_hastens_parts_too),
  cmocka_unit_test(a_hook_may_close_the_server_while_it_cancels_many),
  cmocka_unit_test(a_hook_may_close_the_server_at_the_end_of_a_job),
  cmocka_unit_test(a_hook_may_drain_again_at_every_end),
  cmocka_unit_test(hooks_and_turns_may_be_taken_back_after_the_close),
};

RUN(tests);
