/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/alloc.h"
#include "jobsrv/testing.h"
#include "sse/job_body.h"
#include "sse/job_options.h"

#include <stdio.h>
#include <stdlib.h>

#include <uv.h>

enum { MAX_TAGS = 16 };

typedef struct {
  jobsrv__job_options_t own;
  jobsrv_spec_t spec;
  jobsrv_mistake_t mistake;
} world;

static int read_options(world *w, const char *text) {
  jobsrv_json_error_t error;

  memset(w, 0, sizeof(*w));
  jobsrv_spec_init(&w->spec);
  assert_ok(jobsrv_json_check(text, strlen(text), 64, &error));
  return jobsrv__job_options_read(&w->own, &w->spec, jobsrv__alloc(NULL), text,
                                  strlen(text), MAX_TAGS, &w->mistake);
}

static void refused(const char *text, const char *pointer) {
  world w;

  assert_err(read_options(&w, text), JOBSRV_EPAYLOAD);
  assert_string_equal(w.mistake.pointer, pointer);
  assert_true(w.mistake.detail[0] != '\0');
  assert_null(w.own.tags);
}

static void every_option_reaches_the_spec(void **state) {
  world w;

  (void) state;
  assert_ok(read_options(&w, " { \"timeout_ms\" : 1500, \"deadline_ms\":1,"
                             "\"retain_ms\":31622400000,"
                             "\"tags\":{\"a.B-9_\":\"x\",\"k\":\"\"} } "));
  assert_int_equal(w.spec.timeout_ms, 1500);
  assert_int_equal(w.spec.deadline_ms, 1);
  assert_int_equal(w.spec.retain_ms, 31622400000);
  assert_int_equal(w.spec.ntags, 2);
  assert_string_equal(w.spec.tags[0].key, "a.B-9_");
  assert_string_equal(w.spec.tags[0].value, "x");
  assert_string_equal(w.spec.tags[1].key, "k");
  assert_string_equal(w.spec.tags[1].value, "");
  jobsrv__job_options_free(&w.own, jobsrv__alloc(NULL));
}

static void when_to_run_reaches_the_spec(void **state) {
  world w;

  (void) state;
  assert_ok(read_options(&w, "{\"delay_ms\":250,\"start\":\"on_stream\","
                             "\"start_within_ms\":7,\"queue_ms\":8,"
                             "\"silence_ms\":9,"
                             "\"on_last_watcher\":\"cancel\","
                             "\"last_watcher_grace_ms\":10}"));
  assert_int_equal(w.spec.delay_ms, 250);
  assert_int_equal(w.spec.start, JOBSRV_START_ON_STREAM);
  assert_int_equal(w.spec.start_within_ms, 7);
  assert_int_equal(w.spec.queue_ms, 8);
  assert_int_equal(w.spec.silence_ms, 9);
  assert_int_equal(w.spec.on_last_watcher, JOBSRV_LAST_WATCHER_CANCEL);
  assert_int_equal(w.spec.last_watcher_grace_ms, 10);
  assert_ok(read_options(&w, "{\"start\":\"now\",\"delay_ms\":0,"
                             "\"on_last_watcher\":\"continue\"}"));
  assert_int_equal(w.spec.start, JOBSRV_START_NOW);
  assert_int_equal(w.spec.on_last_watcher, JOBSRV_LAST_WATCHER_CONTINUE);
  assert_ok(read_options(&w, "{\"run_at\":\"2026-01-01T01:00:00.5+01:00\"}"));
  assert_int_equal(w.spec.run_at_wall_ns, UINT64_C(1767225600500000000));
  assert_ok(read_options(&w, "{\"run_at\":\"1970-01-01T00:00:00Z\"}"));
  assert_int_not_equal(w.spec.run_at_wall_ns, 0); /* a past time: now */
}

static void how_to_run_reaches_the_spec(void **state) {
  static const char *const priorities[] = { "low", "normal", "high",
                                            "critical" };
  static const char *const conflicts[] = { "existing", "reject", "replace" };
  char text[200];
  world w;

  (void) state;
  assert_ok(read_options(&w, "{\"max_attempts\":5,\"backoff_ms\":20}"));
  assert_int_equal(w.spec.retry.max_attempts, 5);
  assert_int_equal(w.spec.retry.backoff_ms, 20);
  assert_int_equal(w.spec.priority, 0);
  for (int i = 0; i < 4; i++) {
    snprintf(text, sizeof(text), "{\"priority\":\"%s\"}", priorities[i]);
    assert_ok(read_options(&w, text));
    assert_int_equal(w.spec.priority, JOBSRV_PRIORITY_LOW + i);
  }
  for (int i = 0; i < 3; i++) {
    snprintf(text, sizeof(text),
             "{\"on_conflict\":\"%s\",\"unique_key\":\"a\\u00e9\"}",
             conflicts[i]);
    assert_ok(read_options(&w, text));
    assert_int_equal(w.spec.on_conflict, JOBSRV_CONFLICT_EXISTING + i);
    assert_string_equal(w.spec.unique_key, "a\xc3\xa9");
  }
  snprintf(text, sizeof(text), "{\"unique_key\":\"%0128d\"}", 0);
  assert_ok(read_options(&w, text));
  assert_int_equal(strlen(w.spec.unique_key), 128);
  jobsrv__job_options_free(&w.own, jobsrv__alloc(NULL));
}

static void a_choice_must_be_one_of_its_words(void **state) {
  static const char *const names[] = { "priority", "on_conflict", "start",
                                       "on_last_watcher" };
  static const char *const wrong[] = { "\"\"", "\"other\"", "\"lo\"",
                                       "\"Now\"", "\"low,normal\"",
                                       "\"continue!\"", "1", "null", "[]" };
  char text[100];
  char pointer[40];

  (void) state;
  for (size_t n = 0; n < 4; n++)
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
      snprintf(text, sizeof(text), "{\"%s\":%s}", names[n], wrong[i]);
      snprintf(pointer, sizeof(pointer), "/options/%s", names[n]);
      refused(text, pointer);
    }
}

static void a_time_and_a_key_must_be_one(void **state) {
  static const char *const wrong[] = { "\"\"", "1767225600", "null",
                                       "\"2026-02-30T00:00:00Z\"",
                                       "\"2026-01-01\"", "\"tomorrow\"" };
  char text[200];

  (void) state;
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    snprintf(text, sizeof(text), "{\"run_at\":%s}", wrong[i]);
    refused(text, "/options/run_at");
  }
  refused("{\"unique_key\":\"\"}", "/options/unique_key");
  refused("{\"unique_key\":7}", "/options/unique_key");
  refused("{\"unique_key\":\"a\\u0000\"}", "/options/unique_key");
  snprintf(text, sizeof(text), "{\"unique_key\":\"%0129d\"}", 0);
  refused(text, "/options/unique_key");
}

static void attempts_are_counted_in_bounds(void **state) {
  world w;

  (void) state;
  assert_ok(read_options(&w, "{\"max_attempts\":10000}"));
  assert_int_equal(w.spec.retry.max_attempts, 10000);
  refused("{\"max_attempts\":0}", "/options/max_attempts");
  refused("{\"max_attempts\":10001}", "/options/max_attempts");
  refused("{\"max_attempts\":4294967297}", "/options/max_attempts");
  refused("{\"max_attempts\":\"2\"}", "/options/max_attempts");
}

static void what_does_not_go_together_is_refused(void **state) {
  (void) state;
  refused("{\"run_at\":\"2026-01-01T00:00:00Z\",\"delay_ms\":1}",
          "/options/run_at");
  refused("{\"on_conflict\":\"reject\"}", "/options/on_conflict");
  refused("{\"start_within_ms\":1}", "/options/start_within_ms");
  refused("{\"start_within_ms\":1,\"start\":\"now\"}",
          "/options/start_within_ms");
  refused("{\"tags\":{\"k\":\"v\"},\"start_within_ms\":1}",
          "/options/start_within_ms");
}

static void no_options_change_nothing(void **state) {
  world w;

  (void) state;
  assert_ok(read_options(&w, "{}"));
  assert_int_equal(w.spec.timeout_ms, 0);
  assert_ok(read_options(&w, "{\"tags\":{}}"));
  assert_int_equal(w.spec.ntags, 0);
  assert_null(w.own.tags);
}

static void escapes_are_undone(void **state) {
  world w;

  (void) state;
  assert_ok(read_options(
      &w, "{\"\\u0074ags\":{\"\\u006b\":\"\\u00e9\\ud83d\\ude00\\n\\\"\"}}"));
  assert_string_equal(w.spec.tags[0].key, "k");
  assert_string_equal(w.spec.tags[0].value, "\xc3\xa9\xf0\x9f\x98\x80\n\"");
  jobsrv__job_options_free(&w.own, jobsrv__alloc(NULL));
}

static void what_is_no_object_is_refused(void **state) {
  (void) state;
  refused("[]", "/options");
  refused("null", "/options");
  refused("\"x\"", "/options");
  refused("7", "/options");
}

static void an_unknown_option_is_named(void **state) {
  (void) state;
  refused("{\"timeout\":1}", "/options/timeout");
  refused("{\"weight\":2}", "/options/weight");
  refused("{\"a/b~c\":1}", "/options/a~1b~0c");
  refused("{\"\":1}", "/options/");
  refused("{\"\\u0000\":1}", "/options/\xef\xbf\xbd");
}

static void a_name_too_long_to_point_at_is_left_out(void **state) {
  char text[400];

  (void) state;
  snprintf(text, sizeof(text), "{\"%0300d\":1}", 0);
  refused(text, "/options");
}

static void a_time_must_be_a_whole_number_in_range(void **state) {
  static const char *const names[] = {
    "timeout_ms", "deadline_ms", "retain_ms", "queue_ms", "silence_ms",
    "backoff_ms", "last_watcher_grace_ms", "start_within_ms", "delay_ms",
  };
  static const char *const wrong[] = {
    "-1", "-0", "31622400001", "18446744073709551615", "1.0", "1e3",
    "\"1\"", "null", "true", "[1]", "{}",
  };

  (void) state;
  for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
    if (strcmp(names[n], "delay_ms") != 0) {
      char text[100];
      char pointer[40];

      snprintf(text, sizeof(text), "{\"%s\":0}", names[n]);
      snprintf(pointer, sizeof(pointer), "/options/%s", names[n]);
      refused(text, pointer);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
      char text[100];
      char pointer[40];

      snprintf(text, sizeof(text), "{\"%s\":%s}", names[n], wrong[i]);
      snprintf(pointer, sizeof(pointer), "/options/%s", names[n]);
      refused(text, pointer);
    }
  }
}

static void write_tags(char *to, size_t cap, int n) {
  size_t len = (size_t) snprintf(to, cap, "{\"tags\":{");

  for (int i = 0; i < n; i++)
    len += (size_t) snprintf(to + len, cap - len, "%s\"k%d\":\"v%d\"",
                             i == 0 ? "" : ",", i, i);
  snprintf(to + len, cap - len, "}}");
}

static void there_may_be_so_many_tags(void **state) {
  char text[1000];
  world w;

  (void) state;
  write_tags(text, sizeof(text), MAX_TAGS);
  assert_ok(read_options(&w, text));
  assert_int_equal(w.spec.ntags, MAX_TAGS);
  assert_string_equal(w.spec.tags[15].value, "v15");
  jobsrv__job_options_free(&w.own, jobsrv__alloc(NULL));
  write_tags(text, sizeof(text), MAX_TAGS + 1);
  refused(text, "/options/tags");
}

static void a_tag_has_bounds(void **state) {
  char pointer[100];
  char text[700];
  char name[65];
  world w;

  (void) state;
  memset(name, 'k', 64);
  name[64] = '\0';
  snprintf(text, sizeof(text), "{\"tags\":{\"%s\":\"%0256d\"}}", name, 0);
  assert_ok(read_options(&w, text));
  assert_int_equal(strlen(w.spec.tags[0].value), 256);
  jobsrv__job_options_free(&w.own, jobsrv__alloc(NULL));

  snprintf(text, sizeof(text), "{\"tags\":{\"k\":\"%0257d\"}}", 0);
  refused(text, "/options/tags/k");
  snprintf(text, sizeof(text), "{\"tags\":{\"%sx\":\"\"}}", name);
  snprintf(pointer, sizeof(pointer), "/options/tags/%sx", name);
  refused(text, pointer);
  refused("{\"tags\":{\"\":\"\"}}", "/options/tags/");
  refused("{\"tags\":{\"a b\":\"\"}}", "/options/tags/a b");
  refused("{\"tags\":{\"ok\":\"\",\"k\":1}}", "/options/tags/k");
  refused("{\"tags\":{\"k\":\"a\\u0000b\"}}", "/options/tags/k");
  refused("{\"tags\":[\"k\"]}", "/options/tags");
}

static void a_failed_allocation_leaves_nothing(void **state) {
  static const char text[] = "{\"tags\":{\"k\":\"v\"}}";
  jobsrv_faults_t faults;
  world w;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  jobsrv_faults_fail(&faults, 0, 1);
  memset(&w, 0, sizeof(w));
  assert_err(jobsrv__job_options_read(&w.own, &w.spec, &faults.alloc, text,
                                      strlen(text), MAX_TAGS, &w.mistake),
             UV_ENOMEM);
  assert_null(w.own.tags);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

/* ---- the body around the options ---- */

static int read_body(jobsrv__job_body_t *body,
                     jobsrv__buf_t *payload,
                     const char *text,
                     jobsrv_mistake_t *mistake) {
  jobsrv_json_error_t error;

  assert_ok(jobsrv_json_check(text, strlen(text), 64, &error));
  jobsrv__buf_init(payload, NULL, 0);
  return jobsrv__job_body_read(body, payload, text, strlen(text), mistake);
}

static void the_payload_is(const char *text, const char *payload) {
  jobsrv_mistake_t mistake;
  jobsrv__job_body_t body;
  jobsrv__buf_t buf;

  assert_ok(read_body(&body, &buf, text, &mistake));
  assert_string_equal(body.operation, "op");
  assert_bytes(buf.data, buf.len, payload);
  jobsrv__buf_free(&buf);
}

static void the_payload_is_spelled_as_it_came(void **state) {
  (void) state;
  the_payload_is("{\"operation\":\"op\"}", "{}");
  the_payload_is("{\"a\":1,\"operation\":\"op\",\"b\":2}", "{\"a\":1,\"b\":2}");
  the_payload_is("\n{ \"b\" : 1.50e+3 ,\n\"operation\":\"op\" , \"a\" : "
                 "18446744073709551615, \"options\" : { } } ",
                 "{\"b\" : 1.50e+3,\"a\" : 18446744073709551615}");
  the_payload_is("{\"operation\":\"op\",\"x\":{\"operation\":[\"}\",{}],"
                 "\"options\":\"\\\"]\"},\"y\":[[],\"{\"]}",
                 "{\"x\":{\"operation\":[\"}\",{}],"
                 "\"options\":\"\\\"]\"},\"y\":[[],\"{\"]}");
  the_payload_is("{\"\\u006fperation\":\"o\\u0070\",\"t\":true,\"n\":null}",
                 "{\"t\":true,\"n\":null}");
}

static void the_options_are_lent(void **state) {
  jobsrv_mistake_t mistake;
  jobsrv__job_body_t body;
  jobsrv__buf_t buf;

  (void) state;
  assert_ok(read_body(&body, &buf,
                      "{\"options\": {\"a\":[1]} ,\"operation\":\"op\"}",
                      &mistake));
  assert_bytes(body.options, body.options_len, "{\"a\":[1]}");
  jobsrv__buf_free(&buf);
}

static void body_refused(const char *text, int code, const char *pointer) {
  jobsrv_mistake_t mistake = { .pointer = "untouched" };
  jobsrv__job_body_t body;
  jobsrv__buf_t buf;

  assert_err(read_body(&body, &buf, text, &mistake), code);
  if (pointer != NULL)
    assert_string_equal(mistake.pointer, pointer);
  jobsrv__buf_free(&buf);
}

static void a_body_needs_an_operation(void **state) {
  char text[100];

  (void) state;
  body_refused("[]", JOBSRV_EPAYLOAD, "");
  body_refused("\"op\"", JOBSRV_EPAYLOAD, "");
  body_refused("{}", JOBSRV_EPAYLOAD, "");
  body_refused("{\"a\":{\"operation\":\"op\"}}", JOBSRV_EPAYLOAD, "");
  body_refused("{\"operation\":1}", JOBSRV_EPAYLOAD, "/operation");
  body_refused("{\"operation\":null}", JOBSRV_EPAYLOAD, "/operation");
  body_refused("{\"operation\":\"\"}", JOBSRV_ENOOPERATION, NULL);
  body_refused("{\"operation\":\"a\\u0000b\"}", JOBSRV_ENOOPERATION, NULL);
  snprintf(text, sizeof(text), "{\"operation\":\"%065d\"}", 0);
  body_refused(text, JOBSRV_ENOOPERATION, NULL);
}

static void the_reason_to_cancel_is_read(void **state) {
  char reason[JOBSRV__REASON_SIZE];
  char text[1100];
  jobsrv_mistake_t mistake;

  (void) state;
  assert_ok(jobsrv__cancel_body_read(reason, "{}", 2, &mistake));
  assert_string_equal(reason, "");
  snprintf(text, sizeof(text), "{\"reason\":\"%01024d\"}", 7);
  assert_ok(jobsrv__cancel_body_read(reason, text, strlen(text), &mistake));
  assert_int_equal(strlen(reason), 1024);
  snprintf(text, sizeof(text), "{\"reason\":\"%01025d\"}", 7);
  assert_err(jobsrv__cancel_body_read(reason, text, strlen(text), &mistake),
             JOBSRV_EPAYLOAD);
  assert_string_equal(mistake.pointer, "/reason");
  assert_err(jobsrv__cancel_body_read(reason, "{\"why\":1}", 9, &mistake),
             JOBSRV_EPAYLOAD);
  assert_string_equal(mistake.pointer, "/why");
  assert_err(jobsrv__cancel_body_read(reason, "[]", 2, &mistake),
             JOBSRV_EPAYLOAD);
  assert_string_equal(mistake.pointer, "");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_option_reaches_the_spec),
  cmocka_unit_test(when_to_run_reaches_the_spec),
  cmocka_unit_test(how_to_run_reaches_the_spec),
  cmocka_unit_test(a_choice_must_be_one_of_its_words),
  cmocka_unit_test(a_time_and_a_key_must_be_one),
  cmocka_unit_test(attempts_are_counted_in_bounds),
  cmocka_unit_test(what_does_not_go_together_is_refused),
  cmocka_unit_test(no_options_change_nothing),
  cmocka_unit_test(escapes_are_undone),
  cmocka_unit_test(what_is_no_object_is_refused),
  cmocka_unit_test(an_unknown_option_is_named),
  cmocka_unit_test(a_name_too_long_to_point_at_is_left_out),
  cmocka_unit_test(a_time_must_be_a_whole_number_in_range),
  cmocka_unit_test(there_may_be_so_many_tags),
  cmocka_unit_test(a_tag_has_bounds),
  cmocka_unit_test(a_failed_allocation_leaves_nothing),
  cmocka_unit_test(the_payload_is_spelled_as_it_came),
  cmocka_unit_test(the_options_are_lent),
  cmocka_unit_test(a_body_needs_an_operation),
  cmocka_unit_test(the_reason_to_cancel_is_read),
};

RUN(tests);
