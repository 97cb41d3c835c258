/* SPDX-License-Identifier: MIT */

/* Row 51: spans: what they tell, how they nest, and how they may end. */

#include "world.h"

#include <pthread.h>

typedef struct {
  world_t w;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
} stage_t;

static void stage_open_at(stage_t *s, int level) {
  world_open(&s->w);
  assert_ok(jobsrv_capture_new(&s->seen, s->w.srv, 0));
  s->job = begin_job(&s->w);
  assert_ok(jobsrv_job_set_level(s->job, level));
}

static void stage_open(stage_t *s) {
  stage_open_at(s, JOBSRV_DEBUG);
}

static void stage_close(stage_t *s) {
  jobsrv_capture_free(s->seen);
  world_close(&s->w);
}

/* The `nth` event of that action; NULL: there is none. */
static const jobsrv_event_t *find(stage_t *s, const char *action, size_t nth) {
  return jobsrv_capture_get(s->seen, &(jobsrv_match_t) { .action = action },
                            nth);
}

static const jobsrv_event_t *get(stage_t *s, const char *action, size_t nth) {
  const jobsrv_event_t *event = find(s, action, nth);

  if (event == NULL)
    fail_msg("there is no %s number %zu", action, nth);
  return event;
}

static const jobsrv_field_t *field(const jobsrv_event_t *event,
                                   const char *key) {
  for (size_t i = 0; i < event->nfields; i++)
    if (strcmp(event->fields[i].key, key) == 0)
      return &event->fields[i];
  fail_msg("there is no field %s", key);
  return NULL;
}

static jobsrv_trace_t trace_of(const jobsrv_job_t *job) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };

  jobsrv_job_trace(job, &trace);
  return trace;
}

static uint32_t open_spans(const jobsrv_job_t *job) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(job, &info);
  return info.open_spans;
}

/* ---- what is told ---- */

static void a_span_is_told_by_two_events(void **state) {
  const jobsrv_event_t *begin, *end;
  jobsrv_trace_t trace;
  jobsrv_span_t span;
  stage_t s;
  json_t *json;

  (void) state;
  stage_open(&s);
  trace = trace_of(s.job);
  assert_ok(jobsrv_span_begin(&span, s.job, "fetch"));
  jobsrv_manual_clock_advance(&s.w.clock, 12345678);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));

  begin = get(&s, "span_begin", 0);
  assert_int_equal(begin->kind, JOBSRV_KIND_NARRATION);
  assert_int_equal(begin->level, JOBSRV_DEBUG);
  assert_string_equal(begin->actor, "work");
  assert_string_equal(begin->target, "fetch");
  assert_string_equal(begin->human, "fetch begins");
  assert_string_equal(field(begin, "span")->as.string, "fetch");
  assert_string_equal(begin->trace_id, trace.trace_id);
  assert_string_equal(begin->parent_span_id, trace.attempt_span_id);
  assert_contains(begin->file, "span-test.c");
  assert_string_equal(begin->function, "a_span_is_told_by_two_events");

  end = get(&s, "span_end", 0);
  assert_int_equal(end->level, JOBSRV_DEBUG);
  assert_string_equal(end->target, "fetch");
  assert_string_equal(end->human, "fetch: ok after 12.345 ms");
  assert_string_equal(field(end, "outcome")->as.string, "ok");
  assert_int_equal(field(end, "duration_ms")->as.u64, 12);
  assert_int_equal(field(end, "duration_ns")->as.u64, 12345678);
  assert_string_equal(end->span_id, begin->span_id);
  assert_string_equal(end->parent_span_id, begin->parent_span_id);
  assert_string_equal(end->trace_id, begin->trace_id);

  json = json_loads(end->json, 0, NULL);
  assert_string_equal(text_of(json, "span"), "fetch");
  assert_string_equal(text_of(json, "outcome"), "ok");
  assert_int_equal(int_of(json, "duration_ms"), 12);
  assert_int_equal(int_of(json_object_get(json, "fields"), "duration_ns"),
                   12345678);
  assert_string_equal(text_of(json, "trace_id"), trace.trace_id);
  assert_string_equal(text_of(json, "span_id"), begin->span_id);
  assert_string_equal(text_of(json, "parent_span_id"), trace.attempt_span_id);
  json_decref(json);
  stage_close(&s);
}

static void an_outcome_has_a_name_and_a_message(void **state) {
  const jobsrv_event_t *end;
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_ERROR, "disk full"));
  end = get(&s, "span_end", 0);
  assert_int_equal(end->level, JOBSRV_WARN);
  assert_string_equal(field(end, "outcome")->as.string, "error");
  assert_string_equal(end->human, "a: error after 0.000 ms: disk full");
  assert_ok(jobsrv_span_begin(&span, s.job, "b"));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_CANCELLED, ""));
  end = get(&s, "span_end", 1);
  assert_int_equal(end->level, JOBSRV_DEBUG);
  assert_string_equal(field(end, "outcome")->as.string, "cancelled");
  assert_string_equal(end->human, "b: cancelled after 0.000 ms");
  assert_string_equal(jobsrv_outcome_name(JOBSRV_SPAN_CANCELLED), "cancelled");
  assert_string_equal(jobsrv_outcome_name(-1), "unknown");
  assert_string_equal(jobsrv_outcome_name(JOBSRV_OUTCOME_MAX), "unknown");
  stage_close(&s);
}

static void a_long_message_is_cut_between_characters(void **state) {
  char message[1400];
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  for (size_t i = 0; i + 2 < sizeof(message); i += 3)
    memcpy(message + i, "\xe2\x82\xac", 3);
  message[sizeof(message) - 2] = '\0';
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, message));
  assert_int_equal(strlen(get(&s, "span_end", 0)->human),
                   strlen("a: ok after 0.000 ms: ") + 999 +
                       strlen(" \xe2\x80\xa6(+399 bytes)"));
  assert_null(strstr(get(&s, "span_end", 0)->human, "\xef\xbf\xbd"));
  stage_close(&s);
}

static void attributes_are_fields(void **state) {
  const jobsrv_field_t more[] = { jobsrv_field_u64("bytes", 7) };
  const jobsrv_event_t *event;
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin_with(
      &span, s.job,
      &(jobsrv_span_options_t) {
          .name = "fetch", .level = JOBSRV_INFO, .actor = "web",
          .file = "x.c", .line = 5, .function = "f",
          JOBSRV_FIELDS(jobsrv_field_string("url", "/a"),
                        jobsrv_field_bool("cached", 0)) }));
  assert_ok(jobsrv_span_end_with(&span, JOBSRV_SPAN_OK, NULL, more, 1));
  event = get(&s, "span_begin", 0);
  assert_string_equal(field(event, "url")->as.string, "/a");
  assert_false(field(event, "cached")->as.boolean);
  assert_string_equal(event->actor, "web");
  assert_string_equal(event->file, "x.c");
  assert_int_equal(event->line, 5);
  assert_int_equal(event->level, JOBSRV_INFO);
  event = get(&s, "span_end", 0);
  assert_int_equal(field(event, "bytes")->as.u64, 7);
  assert_string_equal(event->actor, "web");
  assert_int_equal(event->level, JOBSRV_INFO);
  stage_close(&s);
}

/* ---- being inside of one another ---- */

static void what_is_inside_says_so(void **state) {
  const jobsrv_event_t *event;
  char outer_id[17];
  jobsrv_context_t context, deeper;
  jobsrv_span_t outer, inner;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&outer, s.job, "outer"));
  strcpy(outer_id, get(&s, "span_begin", 0)->span_id);
  jobsrv_span_enter(&context, &outer);
  assert_ok(jobsrv_info(s.job, "one", "in the outer"));
  assert_ok(jobsrv_span_begin(&inner, NULL, "inner"));
  event = get(&s, "span_begin", 1);
  assert_string_equal(event->parent_span_id, outer_id);
  assert_string_not_equal(event->span_id, outer_id);
  jobsrv_span_enter(&deeper, &inner);
  assert_ok(jobsrv_info(NULL, "two", "in the inner"));
  assert_string_equal(get(&s, "two", 0)->span_id,
                      get(&s, "span_begin", 1)->span_id);
  assert_string_equal(get(&s, "two", 0)->parent_span_id, outer_id);
  jobsrv_context_leave(&deeper);
  assert_ok(jobsrv_span_end(&inner, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_info(NULL, "three", "in the outer again"));
  assert_string_equal(get(&s, "three", 0)->span_id, outer_id);
  jobsrv_context_leave(&context);
  assert_ok(jobsrv_info(s.job, "four", "outside"));
  assert_ok(jobsrv_span_end(&outer, JOBSRV_SPAN_OK, NULL));

  event = get(&s, "one", 0);
  assert_string_equal(event->span_id, outer_id);
  assert_string_equal(event->trace_id, trace_of(s.job).trace_id);
  assert_string_equal(event->parent_span_id, trace_of(s.job).attempt_span_id);
  assert_null(get(&s, "four", 0)->span_id);
  stage_close(&s);
}

static void a_parent_can_be_named(void **state) {
  jobsrv_span_t outer, inner;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&outer, s.job, "outer"));
  assert_ok(jobsrv_span_begin_in(&inner, &outer, "inner"));
  assert_string_equal(get(&s, "span_begin", 1)->parent_span_id,
                      get(&s, "span_begin", 0)->span_id);
  /* also when that has ended */
  assert_ok(jobsrv_span_end(&outer, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_end(&inner, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_begin_in(&inner, &outer, "later"));
  assert_string_equal(get(&s, "span_begin", 2)->parent_span_id,
                      get(&s, "span_begin", 0)->span_id);
  assert_ok(jobsrv_span_end(&inner, JOBSRV_SPAN_OK, NULL));
  stage_close(&s);
}

static void two_on_one_loop_do_not_mix(void **state) {
  char id[JOBSRV_ID_SIZE];
  jobsrv_job_t *other;
  jobsrv_context_t context;
  jobsrv_span_t a, b, c;
  stage_t s;

  (void) state;
  stage_open(&s);
  other = begin_job(&s.w);
  assert_ok(jobsrv_job_set_level(other, JOBSRV_DEBUG));
  assert_ok(jobsrv_span_begin(&a, s.job, "a"));
  assert_ok(jobsrv_span_begin(&b, other, "b"));
  for (int i = 0; i < 3; i++) {
    jobsrv_span_enter(&context, &a);
    assert_ok(jobsrv_info(NULL, "of_a", "%d", i));
    jobsrv_context_leave(&context);
    jobsrv_span_enter(&context, &b);
    assert_ok(jobsrv_info(NULL, "of_b", "%d", i));
    /* a span of this thread's, but of another job, is no parent */
    assert_ok(jobsrv_span_begin(&c, s.job, "c"));
    assert_ok(jobsrv_span_end(&c, JOBSRV_SPAN_OK, NULL));
    jobsrv_context_leave(&context);
  }
  assert_ok(jobsrv_span_end(&a, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_end(&b, JOBSRV_SPAN_OK, NULL));
  for (size_t i = 0; i < 3; i++) {
    assert_string_equal(get(&s, "of_a", i)->job_id, jobsrv_job_id(s.job, id));
    assert_string_equal(get(&s, "of_a", i)->span_id,
                        get(&s, "span_begin", 0)->span_id);
    assert_string_equal(get(&s, "of_b", i)->job_id, jobsrv_job_id(other, id));
    assert_string_equal(get(&s, "of_b", i)->span_id,
                        get(&s, "span_begin", 1)->span_id);
    assert_string_equal(get(&s, "span_begin", 2 + i)->parent_span_id,
                        trace_of(s.job).attempt_span_id);
  }
  stage_close(&s);
}

static void a_child_job_is_inside_of_the_span(void **state) {
  jobsrv_context_t context;
  jobsrv_job_t *child;
  jobsrv_spec_t spec;
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "outer"));
  jobsrv_span_enter(&context, &span);
  jobsrv_spec_init(&spec);
  spec.parent_job = s.job;
  assert_ok(jobsrv_begin(s.w.srv, &spec, &child));
  jobsrv_context_leave(&context);
  assert_string_equal(trace_of(child).parent_span_id,
                      get(&s, "span_begin", 0)->span_id);
  assert_string_equal(trace_of(child).trace_id, trace_of(s.job).trace_id);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  stage_close(&s);
}

/* ---- under the level ---- */

static void under_the_level_nothing_is_told(void **state) {
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open_at(&s, JOBSRV_INFO);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_int_equal(open_spans(s.job), 0);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_ERROR, "bad"));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  assert_null(find(&s, "span_begin", 0));
  assert_null(find(&s, "span_end", 0));
  assert_ok(jobsrv_span_begin_with(
      &span, s.job,
      &(jobsrv_span_options_t) { .name = "b", .level = JOBSRV_MUTE }));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  assert_null(find(&s, "span_begin", 0));
  stage_close(&s);
}

static void what_is_in_an_untold_span_is_in_what_that_is_in(void **state) {
  const jobsrv_span_options_t told = { .name = "x", .level = JOBSRV_WARN };
  jobsrv_context_t in_outer, in_middle;
  jobsrv_span_t outer, middle, inner, named;
  stage_t s;

  (void) state;
  stage_open_at(&s, JOBSRV_INFO);
  assert_ok(jobsrv_span_begin_with(&outer, s.job, &told));
  jobsrv_span_enter(&in_outer, &outer);
  assert_ok(jobsrv_span_begin(&middle, s.job, "untold"));
  jobsrv_span_enter(&in_middle, &middle);
  assert_ptr_equal(jobsrv_context_job(), s.job);
  assert_ok(jobsrv_info(NULL, "one", "inside"));
  assert_ok(jobsrv_span_begin_with(&inner, NULL, &told));
  jobsrv_context_leave(&in_middle);
  jobsrv_context_leave(&in_outer);
  /* by name, with nothing in force */
  assert_ok(jobsrv_span_begin_with(
      &named, s.job,
      &(jobsrv_span_options_t) { .name = "y", .level = JOBSRV_WARN,
                                 .parent = &middle }));
  for (size_t i = 1; i < 3; i++)
    assert_string_equal(get(&s, "span_begin", i)->parent_span_id,
                        get(&s, "span_begin", 0)->span_id);
  assert_string_equal(get(&s, "one", 0)->span_id,
                      get(&s, "span_begin", 0)->span_id);
  assert_ok(jobsrv_span_end(&named, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_end(&inner, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_end(&middle, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_end(&outer, JOBSRV_SPAN_OK, NULL));
  stage_close(&s);
}

static void an_untold_span_in_nothing_is_in_the_attempt(void **state) {
  jobsrv_context_t context;
  jobsrv_span_t untold, inner;
  stage_t s;

  (void) state;
  stage_open_at(&s, JOBSRV_INFO);
  assert_ok(jobsrv_span_begin(&untold, s.job, "untold"));
  jobsrv_span_enter(&context, &untold);
  assert_ok(jobsrv_info(NULL, "one", "inside"));
  assert_ok(jobsrv_span_begin_with(
      &inner, NULL,
      &(jobsrv_span_options_t) { .name = "x", .level = JOBSRV_INFO }));
  jobsrv_context_leave(&context);
  assert_null(get(&s, "one", 0)->span_id);
  assert_string_equal(get(&s, "span_begin", 0)->parent_span_id,
                      trace_of(s.job).attempt_span_id);
  assert_ok(jobsrv_span_end(&inner, JOBSRV_SPAN_OK, NULL));
  assert_ok(jobsrv_span_end(&untold, JOBSRV_SPAN_OK, NULL));
  stage_close(&s);
}

static void the_beginning_decides_but_mute_is_mute(void **state) {
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open_at(&s, JOBSRV_INFO);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_ok(jobsrv_job_set_level(s.job, JOBSRV_TRACE));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  assert_null(find(&s, "span_end", 0));
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_ok(jobsrv_job_set_level(s.job, JOBSRV_MUTE));
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_ERROR, NULL));
  assert_null(find(&s, "span_end", 0));
  assert_int_equal(open_spans(s.job), 0);
  stage_close(&s);
}

/* ---- ends of all kinds ---- */

static void it_ends_once_and_can_be_begun_again(void **state) {
  char first[17];
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_err(jobsrv_span_end(&span, (jobsrv_outcome_t) JOBSRV_OUTCOME_MAX,
                             NULL),
             UV_EINVAL);
  assert_err(jobsrv_span_end_with(&span, JOBSRV_SPAN_OK, NULL, NULL, 1),
             UV_EINVAL);
  assert_int_equal(open_spans(s.job), 1);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  assert_err(jobsrv_span_end(&span, JOBSRV_SPAN_ERROR, NULL), JOBSRV_ESETTLED);
  assert_null(find(&s, "span_end", 1));
  strcpy(first, get(&s, "span_begin", 0)->span_id);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_string_not_equal(get(&s, "span_begin", 1)->span_id, first);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  stage_close(&s);
}

static void a_job_that_ended_first_is_told_how_many_were_open(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  char record[4096], again[4096];
  jobsrv_span_t a, b, late;
  size_t len;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&a, s.job, "a"));
  assert_ok(jobsrv_span_begin(&b, s.job, "b"));
  assert_int_equal(open_spans(s.job), 2);
  jobsrv_job_ref(s.job);
  assert_ok(jobsrv_job_complete(s.job, NULL, 0));
  world_turn(&s.w);
  len = jobsrv_job_record(s.job, 0, record, sizeof(record));
  assert_true(len < sizeof(record));
  record[len] = '\0';
  assert_contains(record, "\"open_spans\":2");
  assert_err(jobsrv_span_end(&a, JOBSRV_SPAN_OK, NULL), JOBSRV_EENDED);
  assert_err(jobsrv_span_end(&a, JOBSRV_SPAN_OK, NULL), JOBSRV_ESETTLED);
  assert_err(jobsrv_span_begin(&late, s.job, "late"), JOBSRV_EENDED);
  assert_ok(jobsrv_span_end(&late, JOBSRV_SPAN_OK, NULL));
  /* a finished record no longer changes; what the server counts does */
  assert_int_equal(jobsrv_job_record(s.job, 0, again, sizeof(again)), len);
  assert_memory_equal(record, again, len);
  assert_int_equal(open_spans(s.job), 2);
  jobsrv_stats(s.w.srv, &stats);
  assert_int_equal(stats.open_spans, 1);
  assert_err(jobsrv_span_end(&b, JOBSRV_SPAN_OK, NULL), JOBSRV_EENDED);
  jobsrv_stats(s.w.srv, &stats);
  assert_int_equal(stats.open_spans, 0);
  assert_null(find(&s, "span_end", 0));
  jobsrv_job_unref(s.job);
  stage_close(&s);
}

static void a_record_without_open_spans_does_not_speak_of_them(void **state) {
  char record[4096] = "";
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_true(jobsrv_job_record(s.job, 0, record, sizeof(record) - 1) > 0);
  assert_contains(record, "\"open_spans\":1");
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  memset(record, 0, sizeof(record));
  assert_true(jobsrv_job_record(s.job, 0, record, sizeof(record) - 1) > 0);
  assert_null(strstr(record, "open_spans"));
  stage_close(&s);
}

static void it_may_outlive_its_server(void **state) {
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  jobsrv_capture_free(s.seen);
  jobsrv_close(s.w.srv, NULL, NULL);
  loop_end(&s.w.loop);
  s.w.srv = NULL;
  assert_err(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL), JOBSRV_EENDED);
  world_close(&s.w); /* nothing is left allocated */
}

static void *end_there(void *span) {
  assert_ok(jobsrv_span_end(span, JOBSRV_SPAN_OK, "there"));
  return NULL;
}

static void it_may_end_on_another_thread(void **state) {
  pthread_t thread;
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_int_equal(pthread_create(&thread, NULL, end_there, &span), 0);
  pthread_join(thread, NULL);
  assert_int_equal(open_spans(s.job), 0);
  world_turn(&s.w);
  assert_contains(get(&s, "span_end", 0)->human, "there");
  assert_string_equal(get(&s, "span_end", 0)->span_id,
                      get(&s, "span_begin", 0)->span_id);
  stage_close(&s);
}

/* ---- refusals ---- */

static int begin_with(jobsrv_span_t *span,
                      jobsrv_job_t *job,
                      jobsrv_span_options_t options) {
  return jobsrv_span_begin_with(span, job, &options);
}

static void what_cannot_begin_is_harmless(void **state) {
  const jobsrv_field_t twice[] = { jobsrv_field_u64("a", 1),
                                   jobsrv_field_u64("a", 2) };
  const jobsrv_field_t own[] = { jobsrv_field_u64("span", 1) };
  jobsrv_field_t many[29];
  jobsrv_context_t context;
  char keys[29][8];
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  for (size_t i = 0; i < 29; i++) {
    snprintf(keys[i], sizeof(keys[i]), "k%zu", i);
    many[i] = jobsrv_field_u64(keys[i], i);
  }
  assert_err(jobsrv_span_begin(&span, NULL, "a"), JOBSRV_ENOCONTEXT);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
#define O(...) (jobsrv_span_options_t) { __VA_ARGS__ }
  assert_err(begin_with(&span, s.job, O(.level = JOBSRV_INFO)), UV_EINVAL);
  assert_err(begin_with(&span, s.job, O(.name = "a", .level = 8)), UV_EINVAL);
  assert_err(begin_with(&span, s.job, O(.name = "a", .level = -1)), UV_EINVAL);
  assert_err(begin_with(&span, s.job, O(.name = "a", .size = 8)), UV_EINVAL);
  assert_err(begin_with(&span, s.job, O(.name = "a", .nfields = 1)), UV_EINVAL);
  assert_err(begin_with(&span, s.job,
                        O(.name = "a", .fields = twice, .nfields = 2)),
             UV_EINVAL);
  assert_err(begin_with(&span, s.job,
                        O(.name = "a", .fields = own, .nfields = 1)),
             UV_EINVAL);
  assert_err(begin_with(&span, s.job,
                        O(.name = "a", .fields = many, .nfields = 29)),
             JOBSRV_ETOOBIG);
  assert_int_equal(open_spans(s.job), 0);
  jobsrv_span_enter(&context, &span);
  jobsrv_context_leave(&context);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  assert_null(find(&s, "span_begin", 0));
  assert_ok(begin_with(&span, s.job,
                       O(.name = "a", .fields = many, .nfields = 28)));
  assert_err(jobsrv_span_end_with(&span, JOBSRV_SPAN_OK, NULL, many, 29),
             JOBSRV_ETOOBIG);
  assert_ok(jobsrv_span_end_with(&span, JOBSRV_SPAN_OK, NULL, many, 28));
#undef O
  stage_close(&s);
}

static void a_span_whose_event_was_lost_goes_on(void **state) {
  jobsrv_span_t span;
  stage_t s;

  (void) state;
  stage_open(&s);
  say(s.job, 1, 3);
  jobsrv_faults_fail(&s.w.faults, 0, UINT64_MAX);
  for (int i = 0; i < 200; i++) /* until what is there is full */
    (void) jobsrv_info(s.job, "fill", "%01000d", i);
  assert_ok(jobsrv_span_begin(&span, s.job, "a"));
  assert_int_equal(open_spans(s.job), 1);
  jobsrv_faults_fail(&s.w.faults, 0, 0);
  assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_OK, NULL));
  assert_int_equal(open_spans(s.job), 0);
  stage_close(&s);
}

/* ---- the block ---- */

static int parse(stage_t *s, int how) {
  for (int i = 0; i < 2; i++) {
    JOBSRV_SPAN(scope, s->job, "parse") {
      (void) jobsrv_info(NULL, "inside", "%d", how);
      if (how == 1) {
        scope.outcome = JOBSRV_SPAN_ERROR;
        scope.message = "no";
        return -1;
      }
      if (how == 2)
        break;
      if (how == 3)
        continue;
      if (how == 4)
        goto out;
    }
    (void) jobsrv_info(s->job, "behind", "%d", how);
  }
out:
  return 0;
}

static void a_block_ends_however_it_is_left(void **state) {
  stage_t s;

  (void) state;
  stage_open(&s);
  for (int how = 0; how < 5; how++) {
    size_t rounds = how == 1 || how == 4 ? 1 : 2;

    jobsrv_capture_clear(s.seen);
    assert_int_equal(parse(&s, how), how == 1 ? -1 : 0);
    assert_null(jobsrv_context_current());
    for (size_t i = 0; i < rounds; i++) {
      assert_string_equal(get(&s, "span_begin", i)->span_id,
                          get(&s, "span_end", i)->span_id);
      assert_string_equal(get(&s, "inside", i)->span_id,
                          get(&s, "span_end", i)->span_id);
    }
    assert_null(find(&s, "span_begin", rounds));
    assert_null(find(&s, "span_end", rounds));
    assert_string_equal(field(get(&s, "span_end", 0), "outcome")->as.string,
                        how == 1 ? "error" : "ok");
    if (how != 1 && how != 4)
      assert_null(get(&s, "behind", 1)->span_id);
  }
  assert_int_equal(open_spans(s.job), 0);
  stage_close(&s);
}

static void a_block_may_end_it_before(void **state) {
  stage_t s;

  (void) state;
  stage_open(&s);
  JOBSRV_SPAN(scope, s.job, "a") {
    JOBSRV_SPAN(inner, NULL, "b")
      assert_ok(jobsrv_span_end(&inner.span, JOBSRV_SPAN_CANCELLED, "early"));
  }
  assert_contains(get(&s, "span_end", 0)->human, "b: cancelled");
  assert_contains(get(&s, "span_end", 1)->human, "a: ok");
  assert_null(find(&s, "span_end", 2));
  assert_string_equal(get(&s, "span_begin", 1)->parent_span_id,
                      get(&s, "span_begin", 0)->span_id);
  stage_close(&s);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_span_is_told_by_two_events),
  cmocka_unit_test(an_outcome_has_a_name_and_a_message),
  cmocka_unit_test(a_long_message_is_cut_between_characters),
  cmocka_unit_test(attributes_are_fields),
  cmocka_unit_test(what_is_inside_says_so),
  cmocka_unit_test(a_parent_can_be_named),
  cmocka_unit_test(two_on_one_loop_do_not_mix),
  cmocka_unit_test(a_child_job_is_inside_of_the_span),
  cmocka_unit_test(under_the_level_nothing_is_told),
  cmocka_unit_test(what_is_in_an_untold_span_is_in_what_that_is_in),
  cmocka_unit_test(an_untold_span_in_nothing_is_in_the_attempt),
  cmocka_unit_test(the_beginning_decides_but_mute_is_mute),
  cmocka_unit_test(it_ends_once_and_can_be_begun_again),
  cmocka_unit_test(a_job_that_ended_first_is_told_how_many_were_open),
  cmocka_unit_test(a_record_without_open_spans_does_not_speak_of_them),
  cmocka_unit_test(it_may_outlive_its_server),
  cmocka_unit_test(it_may_end_on_another_thread),
  cmocka_unit_test(what_cannot_begin_is_harmless),
  cmocka_unit_test(a_span_whose_event_was_lost_goes_on),
  cmocka_unit_test(a_block_ends_however_it_is_left),
  cmocka_unit_test(a_block_may_end_it_before),
};

RUN(tests);
