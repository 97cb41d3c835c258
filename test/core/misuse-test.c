/* SPDX-License-Identifier: MIT */

/* What is asked for wrongly, too late, or of another server is refused. */

#include "fixture.h"

#include "jobsrv/emit.h"
#include "jobsrv/jobsrv.h"
#include "jobsrv/log.h"
#include "jobsrv/version.h"

#define MS UINT64_C(1000000)

static int released;

static void release(void *data) {
  (void) data;
  released++;
}

static void the_version_is_that_of_the_header(void **state) {
  char text[40];
  unsigned int hex = jobsrv_version();

  (void) state;
  assert_int_equal(hex, JOBSRV_VERSION_HEX);
  snprintf(text, sizeof(text), "%u.%u.%u", hex >> 16, hex >> 8 & 0xff,
           hex & 0xff);
  assert_string_equal(jobsrv_version_string(), text);
}

static void any_number_has_a_name_as_an_error(void **state) {
  (void) state;
  assert_string_equal(jobsrv_strerror(0), "success");
  assert_string_equal(jobsrv_err_name(0), "OK");
  assert_string_equal(jobsrv_strerror(12345), "unknown error");
  assert_string_equal(jobsrv_err_name(INT32_MIN), "UNKNOWN");
}

static void options_of_another_size_are_refused(void **state) {
  jobsrv_options_t options = { .size = 1 };
  jobsrv_t *srv = NULL;

  (void) state;
  assert_err(jobsrv_new(&srv, NULL, &options), JOBSRV_EOPTIONS);
  assert_null(srv);
}

/* ---- operations ---- */

static int add(fixture *f, const char *name, int style) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = fixture_start;
  op.style = (jobsrv_style_t) style;
  op.release = release;
  return jobsrv_operation_add(f->srv, &op);
}

/* Each time its data is given back. */
static void operations_are_added_once_and_in_time(void **state) {
  struct {
    jobsrv_operation_t op;
    int more;
  } larger;
  fixture f = { 0 };

  (void) state;
  released = 0;
  fixture_open(&f);
  assert_ok(add(&f, "op", JOBSRV_ASYNC));
  assert_err(add(&f, "op", JOBSRV_ASYNC), JOBSRV_EEXISTS);
  assert_int_equal(released, 1);
  assert_err(add(&f, "other", 77), UV_EINVAL);
  assert_err(add(&f, NULL, JOBSRV_ASYNC), UV_EINVAL);
  assert_err(add(&f, "a b", JOBSRV_ASYNC), UV_EINVAL);
  assert_int_equal(released, 4);
  memset(&larger, 0, sizeof(larger));
  jobsrv_operation_init(&larger.op);
  larger.op.size = sizeof(larger);
  larger.op.release = release;
  larger.more = 1; /* of a version that is not this one */
  assert_err(jobsrv_operation_add(f.srv, &larger.op), JOBSRV_EOPTIONS);
  assert_int_equal(released, 5);
  larger.op.size = 8; /* where release would be is not known */
  assert_err(jobsrv_operation_add(f.srv, &larger.op), JOBSRV_EOPTIONS);
  assert_int_equal(released, 5);
  assert_ok(jobsrv_drain(f.srv, 1000, NULL, NULL));
  assert_err(add(&f, "late", JOBSRV_ASYNC), JOBSRV_EDRAINING);
  assert_int_equal(released, 6);
  fixture_close(&f);
  assert_int_equal(released, 7);
}

/* ---- after ---- */

static void jobs_of_another_server_are_none_to_come_after(void **state) {
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  jobsrv_job_t *mine;
  jobsrv_job_t *after[1];
  jobsrv_t *other;
  uv_loop_t loop;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  assert_ok(uv_loop_init(&loop));
  assert_ok(jobsrv_new(&other, &loop, NULL));
  jobsrv_spec_init(&spec);
  spec.operation = "begun";
  assert_ok(jobsrv_begin(other, &spec, &after[0]));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.after = after;
  spec.nafter = 1;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, &job), UV_EINVAL);
  spec.nafter = 0;
  spec.delay_ms = 1000;
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &mine));
  assert_err(jobsrv_job_after(mine, after[0]), UV_EINVAL);
  assert_int_equal(jobsrv_job_state(mine), JOBSRV_STATE_SCHEDULED);
  jobsrv_close(other, NULL, NULL);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&loop));
  fixture_close(&f);
}

/* ---- bounds ---- */

static void tags_have_bounds(void **state) {
  static char key[66];
  static char value[258];
  jobsrv_tag_t tag = { key, value };
  fixture f = { 0 };
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  (void) state;
  fixture_open(&f);
  fixture_add(&f, "op", 0);
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.tags = &tag;
  spec.ntags = 1;
  memset(key, 'k', 64);
  memset(value, 'v', 256);
  assert_ok(jobsrv_submit(f.srv, &spec, NULL, &job));
  key[64] = 'k';
  assert_err(jobsrv_submit(f.srv, &spec, NULL, &job), JOBSRV_ETOOBIG);
  key[64] = '\0';
  value[256] = 'v';
  assert_err(jobsrv_submit(f.srv, &spec, NULL, &job), JOBSRV_ETOOBIG);
  value[256] = '\0';
  tag.value = NULL;
  assert_err(jobsrv_submit(f.srv, &spec, NULL, &job), UV_EINVAL);
  fixture_close(&f);
}

/* Whole characters are kept, wherever the cut would fall. */
static void a_long_message_is_cut_between_characters(void **state) {
  fixture f = { 0 };

  (void) state;
  fixture_open(&f);
  for (size_t shift = 0; shift < 4; shift++) {
    static char text[6000];
    jobsrv_job_t *job = fixture_begin(&f);
    jobsrv_job_info_t info;
    size_t len;

    memset(text, 'x', shift);
    for (size_t i = shift; i + 4 < sizeof(text); i += 4)
      memcpy(text + i, "\xf0\x9f\x98\x80", 5);
    assert_ok(jobsrv_job_fail(job, "code", text));
    info = fixture_info(job);
    len = strlen(info.error_message);
    assert_in_range(len, 4000, 4096);
    len = (size_t) (strstr(info.error_message, " ...(+") - info.error_message);
    assert_int_equal((len - shift) % 4, 0);
  }
  fixture_close(&f);
}

/* ---- times ---- */

static void note(jobsrv_timer_t *timer) {
  ++*(int *) timer->data;
}

/* Beyond what the kernel's timers are asked for at once. */
static void a_century_is_waited_for_in_parts(void **state) {
  jobsrv_options_t options;
  jobsrv_timer_t timer = { 0 };
  jobsrv_t *srv;
  uv_loop_t loop;
  int fired = 0;

  (void) state;
  assert_ok(uv_loop_init(&loop));
  jobsrv_options_init(&options);
  assert_ok(jobsrv_new(&srv, &loop, &options)); /* on the real clock */
  timer.data = &fired;
  jobsrv_timer_arm(srv, &timer,
                   jobsrv_now(srv) + UINT64_C(36525) * 86400 * 1000 * MS, note);
  jobsrv_run_turns(&loop, 5);
  assert_int_equal(fired, 0);
  jobsrv_timer_disarm(srv, &timer);
  jobsrv_close(srv, NULL, NULL);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&loop));
}

/* ---- too late ---- */

typedef struct {
  fixture f;
  jobsrv_job_t *job;
  jobsrv_tail_t tail;
  int looked;
} late_t;

static void on_tail(jobsrv_tail_t *tail) {
  (void) tail;
}

static const jobsrv_sink_ops_t no_sink = { .size = sizeof(no_sink) };

/* While the server closes, each of these is told so. */
static void on_job_closing(jobsrv_token_watch_t *watch,
                           const jobsrv_reason_t *reason) {
  late_t *late = watch->data;
  jobsrv_t *srv = late->f.srv;
  jobsrv_operation_t op;

  (void) reason;
  late->looked = 1;
  assert_err(jobsrv_drain(srv, 1000, NULL, NULL), JOBSRV_ECLOSED);
  assert_err(jobsrv_tail_attach(&late->tail, srv, 0, on_tail), JOBSRV_ECLOSED);
  assert_err(jobsrv_sink_add(srv, &no_sink, NULL, NULL, NULL), JOBSRV_ECLOSED);
  jobsrv_operation_init(&op);
  op.name = "late";
  op.start = fixture_start;
  assert_err(jobsrv_operation_add(srv, &op), JOBSRV_EDRAINING);
}

static void a_closing_server_takes_nothing_on(void **state) {
  static late_t late;
  jobsrv_token_watch_t watch = { .data = &late };

  (void) state;
  memset(&late, 0, sizeof(late));
  fixture_open(&late.f);
  late.job = fixture_begin(&late.f);
  assert_ok(jobsrv_token_watch(jobsrv_job_token(late.job), &watch,
                               on_job_closing));
  fixture_close(&late.f);
  assert_true(late.looked);
}

/* ---- the last of its memory ---- */

static void tokens_and_reasons_may_find_no_memory(void **state) {
  static const jobsrv_reason_t why = { .code = JOBSRV_REASON_REQUESTED,
                                       .text = "why" };
  jobsrv_faults_t faults;
  fixture f = { 0 };
  jobsrv_token_t *token;
  jobsrv_job_t *job;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  fixture_open(&f);
  job = fixture_begin(&f);
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_err(jobsrv_token_new(&token, f.srv, NULL), UV_ENOMEM);
  assert_err(jobsrv_job_cancel(job, &why), UV_ENOMEM);
  jobsrv_faults_fail(&faults, 0, 0);
  assert_null(jobsrv_token_reason(jobsrv_job_token(job)));
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_err(jobsrv_token_cancel(token, &why), UV_ENOMEM);
  assert_ok(jobsrv_token_cancel(token, NULL)); /* that needs none */
  jobsrv_faults_fail(&faults, 0, 0);
  jobsrv_token_unref(token);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_version_is_that_of_the_header),
  cmocka_unit_test(any_number_has_a_name_as_an_error),
  cmocka_unit_test(options_of_another_size_are_refused),
  cmocka_unit_test(operations_are_added_once_and_in_time),
  ONE_MODE(jobs_of_another_server_are_none_to_come_after),
  cmocka_unit_test(tags_have_bounds),
  cmocka_unit_test(a_long_message_is_cut_between_characters),
  ONE_MODE(a_century_is_waited_for_in_parts),
  cmocka_unit_test(a_closing_server_takes_nothing_on),
  cmocka_unit_test(tokens_and_reasons_may_find_no_memory),
};

RUN(tests);
