/* SPDX-License-Identifier: MIT */

/* Row 4: the payload's members, and taking it. */

#include "fixture.h"

#include "jobsrv/args.h"

static const char payload[] =
    "{\"path\":\"/tmp/\\u00e9\",\"depth\":3,\"rate\":2.5,\"dry\":true,"
    "\"nul\":\"a\\u0000b\",\"empty\":\"\",\"tags\":[\"one\",\"t\\\"wo\"],"
    "\"deep\":{\"k\\n\":{\"x\":\"y\"}}}";

static jobsrv_job_t *submit(fixture *f, const char *text) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = "op";
  spec.payload = text;
  assert_ok(jobsrv_submit(f->srv, &spec, NULL, &job));
  return job;
}

static jobsrv_job_t *open_with(fixture *f, const char *text) {
  fixture_open(f);
  fixture_add(f, "op", 0);
  return submit(f, text);
}

static void members_are_read_by_name_and_by_pointer(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job = open_with(&f, payload);
  const char *text;
  int64_t depth = 0;
  double rate = 0;
  int dry = 0;
  size_t len;

  (void) state;
  assert_ok(jobsrv_job_arg_string(job, "path", &text, NULL));
  assert_string_equal(text, "/tmp/\xc3\xa9");
  assert_ok(jobsrv_job_arg_string(job, "/tags/1", &text, &len));
  assert_string_equal(text, "t\"wo");
  assert_int_equal(len, 4);
  assert_ok(jobsrv_job_arg_string(job, "/deep/k\n/x", &text, NULL));
  assert_string_equal(text, "y");
  assert_ok(jobsrv_job_arg_string(job, "empty", &text, &len));
  assert_string_equal(text, "");
  assert_int_equal(len, 0);
  assert_ok(jobsrv_job_arg_i64(job, "depth", &depth));
  assert_int_equal(depth, 3);
  assert_ok(jobsrv_job_arg_double(job, "rate", &rate));
  assert_true(rate == 2.5);
  assert_ok(jobsrv_job_arg_bool(job, "dry", &dry));
  assert_int_equal(dry, 1);
  assert_ok(jobsrv_job_arg_json(job, "tags", &text, &len));
  assert_bytes(text, len, "[\"one\",\"t\\\"wo\"]");
  assert_ok(jobsrv_job_arg_json(job, "", &text, &len));
  assert_bytes(text, len, payload);
  fixture_close(&f);
}

static void errors_leave_the_default_alone(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job = open_with(&f, payload);
  const char *text = "default";
  int64_t number = 9;
  double real = 9;
  int flag = 9;
  size_t len = 9;

  (void) state;
  assert_err(jobsrv_job_arg_string(job, "no", &text, &len), JOBSRV_ENOARG);
  assert_err(jobsrv_job_arg_string(job, "depth", &text, &len),
             JOBSRV_EARGTYPE);
  assert_err(jobsrv_job_arg_string(job, "/~", &text, &len), UV_EINVAL);
  assert_err(jobsrv_job_arg_string(job, "nul", &text, NULL), JOBSRV_EARGTYPE);
  assert_err(jobsrv_job_arg_i64(job, "rate", &number), JOBSRV_EARGTYPE);
  assert_err(jobsrv_job_arg_i64(job, "no", &number), JOBSRV_ENOARG);
  assert_err(jobsrv_job_arg_double(job, "path", &real), JOBSRV_EARGTYPE);
  assert_err(jobsrv_job_arg_double(job, "no", &real), JOBSRV_ENOARG);
  assert_err(jobsrv_job_arg_bool(job, "depth", &flag), JOBSRV_EARGTYPE);
  assert_err(jobsrv_job_arg_bool(job, "no", &flag), JOBSRV_ENOARG);
  assert_err(jobsrv_job_arg_json(job, "no", &text, &len), JOBSRV_ENOARG);
  assert_string_equal(text, "default");
  assert_int_equal(number, 9);
  assert_true(real == 9);
  assert_int_equal(flag, 9);
  assert_int_equal(len, 9);
  assert_ok(jobsrv_job_arg_string(job, "nul", &text, &len));
  assert_int_equal(len, 3);
  assert_memory_equal(text, "a\0b", 4);
  fixture_close(&f);
}

static void a_job_without_a_payload_has_no_members(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job = open_with(&f, NULL);
  const char *text;
  char *taken;
  size_t len;

  (void) state;
  assert_err(jobsrv_job_arg_string(job, "path", &text, NULL), JOBSRV_ENOARG);
  assert_err(jobsrv_job_arg_string(job, "", &text, NULL), JOBSRV_EARGTYPE);
  assert_ok(jobsrv_job_arg_json(job, "", &text, &len));
  assert_bytes(text, len, "{}");
  assert_err(jobsrv_job_payload_take(job, &taken, &len), JOBSRV_ENOARG);
  fixture_close(&f);
}

static void a_payload_is_taken_once_and_outlives_the_job(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job = open_with(&f, payload);
  const char *text;
  char *taken = NULL, *again = NULL;
  size_t len = 0;

  (void) state;
  assert_ok(jobsrv_job_arg_string(job, "path", &text, NULL));
  assert_ok(jobsrv_job_payload_take(job, &taken, &len));
  assert_string_equal(taken, payload);
  assert_int_equal(len, sizeof(payload) - 1);
  assert_string_equal(jobsrv_job_payload(job, &len), "{}");
  assert_int_equal(len, 2);
  assert_err(jobsrv_job_arg_string(job, "path", &text, NULL), JOBSRV_ENOARG);
  assert_err(jobsrv_job_payload_take(job, &again, NULL), JOBSRV_ENOARG);
  assert_null(again);
  fixture_ms(&f, 0);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  assert_string_equal(taken, payload);
  jobsrv_payload_free(job, taken);
  jobsrv_payload_free(job, NULL);
  fixture_close(&f);
}

typedef struct {
  uv_thread_t thread;
  jobsrv_job_t *job;
  const char *text;
  char *taken;
} reader;

static void read_text(void *arg) {
  reader *r = arg;

  assert_ok(jobsrv_job_arg_string(r->job, "/tags/1", &r->text, NULL));
}

static void any_thread_reads_the_same_text(void **state) {
  fixture f = { 0 };
  jobsrv_job_t *job = open_with(&f, payload);
  reader readers[4] = { 0 };

  (void) state;
  for (size_t i = 0; i < 4; i++) {
    readers[i].job = job;
    assert_ok(uv_thread_create(&readers[i].thread, read_text, &readers[i]));
  }
  for (size_t i = 0; i < 4; i++)
    assert_ok(uv_thread_join(&readers[i].thread));
  for (size_t i = 0; i < 4; i++) {
    assert_string_equal(readers[i].text, "t\"wo");
    assert_ptr_equal(readers[i].text, readers[0].text);
  }
  fixture_close(&f);
}

static void take_it(void *arg) {
  reader *r = arg;

  (void) !jobsrv_job_payload_take(r->job, &r->taken, NULL);
}

static void only_one_of_two_threads_takes_it(void **state) {
  fixture f = { 0 };
  reader takers[2] = { 0 };
  jobsrv_job_t *job = open_with(&f, payload);

  (void) state;
  for (int i = 0; i < 50; i++) {
    job = submit(&f, payload);
    for (size_t k = 0; k < 2; k++) {
      takers[k].job = job;
      takers[k].taken = NULL;
      assert_ok(uv_thread_create(&takers[k].thread, take_it, &takers[k]));
    }
    for (size_t k = 0; k < 2; k++)
      assert_ok(uv_thread_join(&takers[k].thread));
    assert_true((takers[0].taken == NULL) != (takers[1].taken == NULL));
    jobsrv_payload_free(job, takers[0].taken);
    jobsrv_payload_free(job, takers[1].taken);
  }
  fixture_close(&f);
}

static void the_first_text_may_fail_for_want_of_memory(void **state) {
  jobsrv_faults_t faults;
  fixture f = { 0 };
  jobsrv_job_t *job;
  const char *text = NULL;
  int64_t depth;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  f.options.alloc = &faults.alloc;
  job = open_with(&f, payload);
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_err(jobsrv_job_arg_string(job, "path", &text, NULL), UV_ENOMEM);
  assert_null(text);
  assert_ok(jobsrv_job_arg_i64(job, "depth", &depth));
  jobsrv_faults_fail(&faults, 0, 0);
  assert_ok(jobsrv_job_arg_string(job, "path", &text, NULL));
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_ok(jobsrv_job_arg_string(job, "/tags/0", &text, NULL));
  assert_string_equal(text, "one");
  jobsrv_faults_fail(&faults, 0, 0);
  fixture_close(&f);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static int check_depth(const char *text,
                       size_t len,
                       jobsrv_mistake_t *mistake,
                       void *data) {
  int64_t depth = 1;

  (void) data;
  if (jobsrv_json_i64(text, len, "depth", &depth) == JOBSRV_EARGTYPE ||
      depth < 1) {
    strcpy(mistake->pointer, "/depth");
    strcpy(mistake->detail, "must be a positive integer");
    return JOBSRV_EPAYLOAD;
  }
  return 0;
}

static void a_check_reads_the_payload_with_the_same_eyes(void **state) {
  fixture f = { 0 };
  jobsrv_operation_t op;
  jobsrv_mistake_t mistake;
  jobsrv_spec_t spec;

  (void) state;
  fixture_open(&f);
  jobsrv_operation_init(&op);
  op.name = "checked";
  op.start = fixture_start;
  op.check = check_depth;
  assert_ok(jobsrv_operation_add(f.srv, &op));
  jobsrv_spec_init(&spec);
  spec.operation = "checked";
  assert_ok(jobsrv_submit(f.srv, &spec, &mistake, NULL));
  spec.payload = "{\"depth\":2e0}";
  assert_ok(jobsrv_submit(f.srv, &spec, &mistake, NULL));
  spec.payload = "{\"depth\":\"2\"}";
  assert_err(jobsrv_submit(f.srv, &spec, &mistake, NULL), JOBSRV_EPAYLOAD);
  assert_string_equal(mistake.pointer, "/depth");
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(members_are_read_by_name_and_by_pointer),
  cmocka_unit_test(errors_leave_the_default_alone),
  cmocka_unit_test(a_job_without_a_payload_has_no_members),
  cmocka_unit_test(a_payload_is_taken_once_and_outlives_the_job),
  cmocka_unit_test(any_thread_reads_the_same_text),
  cmocka_unit_test(only_one_of_two_threads_takes_it),
  cmocka_unit_test(the_first_text_may_fail_for_want_of_memory),
  cmocka_unit_test(a_check_reads_the_payload_with_the_same_eyes),
};

RUN(tests);
