/* SPDX-License-Identifier: MIT */

/* What core says of a child's output, without the child. */

#include "world.h"

#include "narration/narration.h"

typedef struct {
  world_t world;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
} child_t;

static void child_open(child_t *child) {
  world_init(&child->world);
  child->world.options.level = JOBSRV_TRACE;
  world_start(&child->world);
  assert_ok(jobsrv_capture_new(&child->seen, child->world.srv, 0));
  child->job = begin_job(&child->world);
  jobsrv_capture_clear(child->seen);
}

static void child_close(child_t *child) {
  jobsrv_capture_free(child->seen);
  world_close(&child->world);
}

static void says_bytes(child_t *child,
                       jobsrv_output_t format,
                       int stream,
                       const char *text,
                       size_t len) {
  char *copy = malloc(len + 1); /* nothing behind it, for who looks there */

  assert_non_null(copy);
  memcpy(copy, text, len);
  jobsrv__narration_observer.line(child->job, stream, format, 0, copy, len);
  free(copy);
}

static void says(child_t *child, const char *text) {
  says_bytes(child, JOBSRV_OUTPUT_AUTO, 1, text, strlen(text));
}

/* The newest event. */
static const jobsrv_event_t *newest(const child_t *child) {
  size_t n = jobsrv_capture_count(child->seen, NULL);

  assert_true(n > 0);
  return jobsrv_capture_get(child->seen, &(jobsrv_match_t) { 0 }, n - 1);
}

static json_t *newest_json(const child_t *child) {
  const jobsrv_event_t *event = newest(child);
  json_t *json = json_loadb(event->json, event->json_len,
                            JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

  assert_non_null(json);
  return json;
}

/* It has come as it is, and from where. */
static void assert_plain(const child_t *child, const char *text, size_t len) {
  json_t *json = newest_json(child);

  assert_string_equal(text_of(json, "type"), "narration");
  assert_string_equal(text_of(json, "action"), "stdout");
  assert_string_equal(text_of(json, "actor"), "work");
  assert_int_equal(json_string_length(json_object_get(json, "human")), len);
  assert_memory_equal(text_of(json, "human"), text, len);
  json_decref(json);
}

/* ---- [actor] action : message ---- */

static const struct {
  const char *line, *actor, *action, *human;
} brackets[] = {
  { "[fetcher] fetch : three files", "fetcher", "fetch", "three files" },
  { "[a] b : c", "a", "b", "c" },
  { "[a]b:c", "a", "b", "c" },
  { "  [a]   b   :   c", "a", "b", "c" },
  { "[a\t] b\t:\tc", "a", "b", "c" },
  { "[queen-rbee     ] start          : up \xf0\x9f\x90\x9d", "queen-rbee",
    "start", "up \xf0\x9f\x90\x9d" },
  { "[A_b-9] X_y-0: message: with [all] : of it ", "A_b-9", "X_y-0",
    "message: with [all] : of it " },
  { "[123456789012345] 123456789012345678901234567890 : m",
    "123456789012345", "123456789012345678901234567890", "m" },
  { "[w] get : https://example.org", "w", "get", "https://example.org" },
};

static void the_bracket_form_has_actor_and_action(void **state) {
  const jobsrv_event_t *event;
  child_t child;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(brackets) / sizeof(brackets[0]); i++) {
    says(&child, brackets[i].line);
    event = newest(&child);
    assert_string_equal(event->actor, brackets[i].actor);
    assert_string_equal(event->action, brackets[i].action);
    assert_string_equal(event->human, brackets[i].human);
    assert_int_equal(event->level, JOBSRV_INFO);
    assert_int_equal(event->nfields, 0);
  }
  says_bytes(&child, JOBSRV_OUTPUT_AUTO, 2, "[a] b : c", 9);
  assert_int_equal(newest(&child)->level, JOBSRV_WARN);
  child_close(&child);
}

static const char *const plain_lines[] = {
  /* no brackets, or something else about them */
  "", " ", "[", "[a", "[a]", "[a] b", "[a] b c", "[a] : c", "[] b : c",
  "[ ] b : c", "a] b : c", "a b : c", "[a] b :", "[a] b :  ", "[a b] c : d",
  "[1234567890123456] b : c", "[a] 1234567890123456789012345678901 : c",
  "[a] b.c : d", "[\xc3\xa4] b : c", "x [a] b : c", "[[a]] b : c",
  /* a colon that belongs to something */
  "[w] https://example.org", "[w] 12:30", "[w] std::vector",
  "[w] C:\\folder",
  /* JSON that says nothing of ours, or is none */
  "{", "{}", "[]", "[1,2]", "5", "null", "\"action\"", "{\"a\":1}",
  "{\"action\":5}", "{\"human\":null}", "{\"msg\":[\"x\"]}",
  "{\"action\":\"\"}", "{\"type\":\"narration\"}", "{\"human\":\"x\"",
  "{\"human\":\"x\"}}", "{'human':'x'}",
  "{\"human\":\"x\",}", "{\"human\":\"x\",\"human\":\"y\"}",
  "{\"human\":\"\xff\"}", "{\"human\":\"\\ud800\"}", "{\"human\":\"a\tb\"}",
  "{\"human\":\"x\",\"n\":18446744073709551616}",
  "{\"human\":\"x\",\"n\":-9223372036854775809}",
  "{\"human\":\"x\",\"n\":1e999}", "{\"human\":\"x\",\"n\":NaN}",
  "{\"human\":\"x\",\"n\":01}",
  "{\"human\":\"x\",\"n\":1,\"fields\":{\"n\":2}}",
  "{\"human\":\"x\",\"others\":1,\"a b\":2}",
  /* kinds that are not whole */
  "{\"type\":\"progress\"}", "{\"type\":\"progress\",\"done\":\"1\"}",
  "{\"type\":\"progress\",\"done\":-1}",
  "{\"type\":\"progress\",\"done\":1,\"total\":null}",
  "{\"type\":\"progress\",\"done\":1,\"from\":5,\"to\":4}",
  "{\"type\":\"progress\",\"done\":1,\"to\":101}",
  "{\"type\":\"data\",\"action\":\"x\",\"human\":\"y\"}",
  "{\"type\":\"data\"}", "{\"type\":\"end\"}", "{\"type\":\"state\"}",
};

static void what_is_not_quite_a_form_is_plain_text(void **state) {
  child_t child;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(plain_lines) / sizeof(plain_lines[0]); i++) {
    const char *line = plain_lines[i];
    size_t len = strlen(line);

    says(&child, line);
    if (memchr(line, '\xff', len) == NULL)
      assert_plain(&child, line, len);
    else
      assert_string_equal(newest(&child)->action, "stdout");
  }
  assert_int_equal(jobsrv_capture_count(child.seen, NULL),
                   sizeof(plain_lines) / sizeof(plain_lines[0]));
  child_close(&child);
}

/* ---- JSON: narration ---- */

#define HEAD "{\"type\":\"narration\",\"seq\":"

/* A line, and what its event says from the level on. */
static const struct {
  const char *line, *json;
} events[] = {
  { "{\"human\":\"x\"}",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"say\","
    "\"human\":\"x\"}" },
  { " { \"human\" : \"x\" } ",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"say\","
    "\"human\":\"x\"}" },
  { "{\"action\":\"go\"}",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"go\","
    "\"human\":\"\"}" },
  { "{\"message\":\"m\",\"msg\":\"n\"}",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"say\",\"human\":\"m\","
    "\"fields\":{\"msg\":\"n\"}}" },
  { "{\"msg\":\"n\",\"level\":\"WARNING\"}",
    "\"level\":\"warn\",\"actor\":\"work\",\"action\":\"say\","
    "\"human\":\"n\"}" },
  { "{\"msg\":\"n\",\"human\":\"h\"}",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"say\",\"human\":\"h\","
    "\"fields\":{\"msg\":\"n\"}}" },
  { "{\"actor\":\"a\",\"action\":\"b\",\"target\":\"c\",\"human\":\"d\","
    "\"cute\":\"e\",\"story\":\"f\",\"source\":\"g.py:7\",\"fn_name\":\"h\","
    "\"level\":\"trace\",\"type\":\"narration\"}",
    "\"level\":\"trace\",\"actor\":\"a\",\"action\":\"b\",\"target\":\"c\","
    "\"human\":\"d\",\"cute\":\"e\",\"story\":\"f\",\"fn_name\":\"h\","
    "\"source\":\"g.py:7\"}" },
  { "{\"\\u0061ction\":\"\\u0062\\n\",\"human\":\"\\ud83d\\ude00\"}",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"b\\n\","
    "\"human\":\"\xf0\x9f\x98\x80\"}" },
  /* types */
  { "{\"human\":\"\",\"s\":\"t\",\"e\":\"\",\"i\":-5,\"z\":-0,"
    "\"u\":18446744073709551615,\"m\":-9223372036854775808,\"d\":0.5,"
    "\"x\":1e2,\"t\":true,\"f\":false,\"n\":null,\"o\":{\"a\" : [1]},"
    "\"l\":[ ]}",
    "\"human\":\"\",\"fields\":{\"s\":\"t\",\"e\":\"\",\"i\":-5,\"z\":0,"
    "\"u\":18446744073709551615,\"m\":-9223372036854775808,\"d\":0.5,"
    "\"x\":100,\"t\":true,\"f\":false,\"n\":null,\"o\":{\"a\":[1]},"
    "\"l\":[]}}" },
  { "{\"human\":\"\",\"engine\":\"e\",\"tokens_in\":5,\"table\":[{\"a\":1}]}",
    "\"human\":\"\",\"engine\":\"e\",\"tokens_in\":5,"
    "\"table\":[{\"a\":1}]}" },
  { "{\"human\":\"\",\"engine\":5,\"tokens_in\":\"5\"}",
    "\"human\":\"\",\"fields\":{\"engine\":5,\"tokens_in\":\"5\"}}" },
  { "{\"human\":\"\",\"fields\":{\"a\":1,\"engine\":\"e\"},\"b\":2}",
    "\"human\":\"\",\"engine\":\"e\",\"fields\":{\"b\":2,\"a\":1}}" },
  { "{\"human\":\"\",\"fields\":5}",
    "\"human\":\"\",\"fields\":{\"fields\":5}}" },
  { "{\"human\":\"\",\"action\":7,\"level\":30}",
    "\"action\":\"say\",\"human\":\"\",\"fields\":{\"action\":7,"
    "\"level\":30}}" },
  { "{\"human\":\"\",\"level\":\"mute\"}",
    "\"level\":\"info\",\"actor\":\"work\",\"action\":\"say\",\"human\":\"\","
    "\"fields\":{\"level\":\"mute\"}}" },
  /* names that are no keys */
  { "{\"human\":\"\",\"a b\":1,\"\":{\"c\":2},\"@t\":\"\\u00e4\"}",
    "\"human\":\"\",\"fields\":{\"others\":{\"a b\":1,\"\":{\"c\":2},"
    "\"@t\":\"\\u00e4\"}}}" },
};

static void an_object_is_an_event_with_all_it_says(void **state) {
  child_t child;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
    const jobsrv_event_t *event;

    says(&child, events[i].line);
    event = newest(&child);
    assert_int_equal(strncmp(event->json, HEAD, strlen(HEAD)), 0);
    assert_contains(event->json, events[i].json);
  }
  child_close(&child);
}

static const struct {
  const char *word;
  int level;
} levels[] = {
  { "trace", JOBSRV_TRACE },   { "debug", JOBSRV_DEBUG },
  { "info", JOBSRV_INFO },     { "notice", JOBSRV_INFO },
  { "warn", JOBSRV_WARN },     { "Warning", JOBSRV_WARN },
  { "ERROR", JOBSRV_ERROR },   { "fatal", JOBSRV_FATAL },
  { "CRITICAL", JOBSRV_FATAL }, { "none of them", JOBSRV_WARN },
};

static void levels_are_kept_and_else_by_the_stream(void **state) {
  char line[100];
  child_t child;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
    snprintf(line, sizeof(line), "{\"msg\":\"x\",\"level\":\"%s\"}",
             levels[i].word);
    says_bytes(&child, JOBSRV_OUTPUT_AUTO, 2, line, strlen(line));
    assert_int_equal(newest(&child)->level, levels[i].level);
  }
  assert_ok(jobsrv_job_set_level(child.job, JOBSRV_WARN));
  jobsrv_capture_clear(child.seen);
  says(&child, "{\"msg\":\"x\",\"level\":\"info\"}");
  says(&child, "[a] b : c");
  assert_int_equal(jobsrv_capture_count(child.seen, NULL), 0);
  says(&child, "{\"msg\":\"x\",\"level\":\"error\"}");
  assert_int_equal(jobsrv_capture_count(child.seen, NULL), 1);
  child_close(&child);
}

static void a_nul_in_json_arrives(void **state) {
  child_t child;
  json_t *json;

  (void) state;
  child_open(&child);
  says(&child, "{\"human\":\"a\\u0000b\",\"target\":\"c\\u0000\\u0000d\","
               "\"s\":\"e\\u0000f\"}");
  assert_string_equal(newest(&child)->human, "a\xef\xbf\xbd" "b");
  assert_string_equal(newest(&child)->target,
                      "c\xef\xbf\xbd\xef\xbf\xbd" "d");
  json = newest_json(&child);
  assert_int_equal(json_string_length(json_object_get(json, "human")), 3);
  assert_memory_equal(text_of(json, "human"), "a\0b", 3);
  json_decref(json);
  assert_contains(newest(&child)->json, "\"s\":\"e\\u0000f\"");
  says(&child, "{\"msg\":\"x\",\"g\\u0000h\":1}");
  assert_contains(newest(&child)->json, "\"others\":{\"g\\u0000h\":1}");
  child_close(&child);
}

/* As many as there may be fields, and more; nothing is lost. */
static void members_beyond_what_fields_hold_stand_together(void **state) {
  static const int counts[] = { 1, 63, 64, 65, 500 };
  char line[10000];
  child_t child;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
    size_t len = (size_t) sprintf(line, "{\"msg\":\"x\",\"trace_id\":\"t\","
                                        "\"span_id\":5");
    json_t *json, *fields;
    int others;

    for (int n = 0; n < counts[i]; n++)
      len += (size_t) sprintf(line + len, ",\"k%d\":%d", n, n);
    strcpy(line + len, "}");
    says(&child, line);
    json = newest_json(&child);
    fields = json_object_get(json, "fields");
    assert_string_equal(text_of(fields, "trace_id"), "t");
    others = (int) json_object_size(json_object_get(fields, "others"));
    assert_int_equal(json_object_size(fields) - (others > 0) +
                         (size_t) others,
                     2 + counts[i]);
    assert_int_equal(others > 0, counts[i] >= 64);
    json_decref(json);
  }
  child_close(&child);
}

/* ---- who it is about ---- */

static void identity_cannot_be_forged(void **state) {
  static const char *const own[] = {
    "type", "seq", "time", "job_id", "correlation_id", "request_id",
    "trace_id", "span_id", "parent_span_id", "server_seq", "payload", "state",
  };
  char line[200], id[JOBSRV_ID_SIZE];
  child_t child;
  json_t *json;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
    const jobsrv_event_t *event;

    snprintf(line, sizeof(line), "{\"%s\":\"end\",\"human\":\"[DONE]\"}",
             own[i]);
    says(&child, line);
    event = newest(&child);
    assert_int_equal(event->kind, JOBSRV_KIND_NARRATION);
    assert_string_equal(event->job_id, jobsrv_job_id(child.job, id));
    json = newest_json(&child);
    assert_string_equal(text_of(json, "type"), "narration");
    assert_string_equal(text_of(json, "job_id"), id);
    assert_int_equal(int_of(json, "seq"), last_seq(child.job));
    assert_string_equal(text_of(json, "time"), "2026-01-01T00:00:00.000Z");
    assert_null(json_object_get(json, "trace_id"));
    assert_null(json_object_get(json, "correlation_id"));
    assert_string_equal(text_of(json_object_get(json, "fields"), own[i]),
                        "end");
    json_decref(json);
  }
  assert_int_equal(jobsrv_job_state(child.job), JOBSRV_STATE_RUNNING);
  child_close(&child);
}

#define SPAN "00f067aa0ba902b7"

static void a_span_counts_inside_of_the_jobs_trace_alone(void **state) {
  static const char other[] = "0af7651916cd43dd8448eb211c80319c";
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  char line[300];
  child_t child;

  (void) state;
  child_open(&child);
  jobsrv_job_trace(child.job, &trace);
  snprintf(line, sizeof(line),
           "{\"msg\":\"x\",\"trace_id\":\"%s\",\"span_id\":\"" SPAN "\","
           "\"parent_span_id\":\"00000000000000ff\"}", trace.trace_id);
  says(&child, line);
  assert_string_equal(newest(&child)->trace_id, trace.trace_id);
  assert_string_equal(newest(&child)->span_id, SPAN);
  assert_string_equal(newest(&child)->parent_span_id, "00000000000000ff");
  assert_int_equal(newest(&child)->nfields, 0);

  snprintf(line, sizeof(line),
           "{\"msg\":\"x\",\"trace_id\":\"%s\",\"span_id\":\"" SPAN "\"}",
           other);
  says(&child, line);
  assert_null(newest(&child)->span_id);
  assert_contains(newest(&child)->json, "\"fields\":{\"trace_id\":\"0af765");
  snprintf(line, sizeof(line),
           "{\"msg\":\"x\",\"trace_id\":\"%s\",\"span_id\":"
           "\"0000000000000000\"}", trace.trace_id);
  says(&child, line);
  assert_null(newest(&child)->span_id);
  snprintf(line, sizeof(line),
           "{\"msg\":\"x\",\"trace_id\":\"%s\",\"span_id\":\"" SPAN "\","
           "\"parent_span_id\":\"none\"}", trace.trace_id);
  says(&child, line);
  assert_string_equal(newest(&child)->span_id, SPAN);
  assert_null(newest(&child)->parent_span_id);
  assert_contains(newest(&child)->json,
                  "\"fields\":{\"parent_span_id\":\"none\"}");
  says(&child, "{\"msg\":\"x\",\"span_id\":\"" SPAN "\"}");
  assert_null(newest(&child)->span_id);
  assert_contains(newest(&child)->json, "\"fields\":{\"span_id\":\"" SPAN);
  child_close(&child);
}

/* ---- JSON: the other kinds ---- */

static void data_is_an_event_for_programs(void **state) {
  child_t child;

  (void) state;
  child_open(&child);
  says(&child, "{\"type\":\"data\",\"action\":\"found\",\"payload\":"
               "{ \"path\" : \"a\" } }");
  assert_int_equal(newest(&child)->kind, JOBSRV_KIND_DATA);
  assert_contains(newest(&child)->json,
                  "\"action\":\"found\",\"payload\":{\"path\":\"a\"}}");
  says(&child, "{\"payload\":null,\"type\":\"data\"}");
  assert_contains(newest(&child)->json,
                  "\"action\":\"data\",\"payload\":null}");
  child_close(&child);
}

static void progress_is_progress(void **state) {
  char record[2048];
  child_t child;
  size_t len;

  (void) state;
  child_open(&child);
  says(&child, "{\"type\":\"progress\",\"done\":1.5,\"total\":3,\"unit\":"
               "\"files\",\"phase\":\"co\\u0070y\",\"from\":50,\"to\":60,"
               "\"human\":\"half\"}");
  len = jobsrv_job_record(child.job, 0, record, sizeof(record) - 1);
  record[len] = '\0';
  assert_contains(record, "\"progress\":{\"done\":1.5,\"total\":3,"
                          "\"unit\":\"files\",\"phase\":\"copy\","
                          "\"percent\":55}");
  child_close(&child);
}

/* ---- how much of it is read ---- */

static void a_host_may_choose_the_form(void **state) {
  static const char json[] = "{\"human\":\"x\",\"action\":\"go\"}";
  static const char bracket[] = "[a] go : x";
  static const struct {
    jobsrv_output_t format;
    int json, bracket;
  } forms[] = {
    { JOBSRV_OUTPUT_AUTO, 1, 1 }, { JOBSRV_OUTPUT_PLAIN, 0, 0 },
    { JOBSRV_OUTPUT_JSON, 1, 0 }, { JOBSRV_OUTPUT_BRACKET, 0, 1 },
  };
  child_t child;

  (void) state;
  child_open(&child);
  for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
    says_bytes(&child, forms[i].format, 1, json, sizeof(json) - 1);
    assert_string_equal(newest(&child)->action,
                        forms[i].json ? "go" : "stdout");
    says_bytes(&child, forms[i].format, 1, bracket, sizeof(bracket) - 1);
    assert_string_equal(newest(&child)->action,
                        forms[i].bracket ? "go" : "stdout");
  }
  child_close(&child);
}

static void a_piece_of_a_line_is_plain_and_json_says_why(void **state) {
  child_t child;

  (void) state;
  child_open(&child);
  jobsrv__narration_observer.line(child.job, 1, JOBSRV_OUTPUT_AUTO, 1,
                                  "{\"human\":\"x\"}", 13);
  assert_string_equal(newest(&child)->action, "stdout");
  assert_contains(newest(&child)->json,
                  "\"fields\":{\"continues\":true,"
                  "\"note\":\"too long to be read as JSON\"}");
  jobsrv__narration_observer.line(child.job, 1, JOBSRV_OUTPUT_AUTO, 3,
                                  "{\"human\":\"x\"}", 13);
  assert_contains(newest(&child)->json, "\"fields\":{\"continues\":false}}");
  jobsrv__narration_observer.line(child.job, 1, JOBSRV_OUTPUT_PLAIN, 1,
                                  "{\"human\":\"x\"}", 13);
  assert_contains(newest(&child)->json, "\"fields\":{\"continues\":true}}");
  child_close(&child);
}

static void deep_json_is_plain(void **state) {
  char line[2100];
  child_t child;

  (void) state;
  child_open(&child);
  for (int depth = 63; depth <= 1000; depth = depth < 64 ? 64 : 1000) {
    size_t len = (size_t) sprintf(line, "{\"msg\":\"x\",\"a\":");

    memset(line + len, '[', (size_t) depth);
    memset(line + len + depth, ']', (size_t) depth);
    strcpy(line + len + 2 * (size_t) depth, "}");
    says(&child, line);
    assert_string_equal(newest(&child)->action,
                        depth < 64 ? "say" : "stdout");
    if (depth == 1000)
      break;
  }
  child_close(&child);
}

static void a_line_of_64_kib_is_read_whole(void **state) {
  size_t size = 64 * 1024;
  char *line = malloc(size);
  child_t child;

  (void) state;
  assert_non_null(line);
  child_open(&child);
  memset(line, 'x', size);
  memcpy(line, "{\"human\":\"", 10);
  memcpy(line + size - 2, "\"}", 2);
  says_bytes(&child, JOBSRV_OUTPUT_AUTO, 1, line, size);
  assert_string_equal(newest(&child)->action, "say");
  assert_int_equal(strlen(newest(&child)->human), size - 12);
  free(line);
  child_close(&child);
}

static void without_memory_a_line_is_lost_and_counted(void **state) {
  int lost = 0;

  (void) state;
  for (uint64_t n = 0; n < 20; n++) {
    child_t child;
    size_t before;

    child_open(&child);
    before = (size_t) last_seq(child.job);
    jobsrv_faults_fail(&child.world.faults, n, UINT64_MAX);
    says(&child, "{\"human\":\"x\",\"a b\":1,\"fields\":{\"c\":[2]}}");
    jobsrv_faults_fail(&child.world.faults, 0, 0);
    lost += last_seq(child.job) == before;
    says(&child, "{\"human\":\"y\"}");
    assert_string_equal(newest(&child)->human, "y");
    child_close(&child);
  }
  assert_true(lost > 0 && lost < 20);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_bracket_form_has_actor_and_action),
  cmocka_unit_test(what_is_not_quite_a_form_is_plain_text),
  cmocka_unit_test(an_object_is_an_event_with_all_it_says),
  cmocka_unit_test(levels_are_kept_and_else_by_the_stream),
  cmocka_unit_test(a_nul_in_json_arrives),
  cmocka_unit_test(members_beyond_what_fields_hold_stand_together),
  cmocka_unit_test(identity_cannot_be_forged),
  cmocka_unit_test(a_span_counts_inside_of_the_jobs_trace_alone),
  cmocka_unit_test(data_is_an_event_for_programs),
  cmocka_unit_test(progress_is_progress),
  cmocka_unit_test(a_host_may_choose_the_form),
  cmocka_unit_test(a_piece_of_a_line_is_plain_and_json_says_why),
  cmocka_unit_test(deep_json_is_plain),
  cmocka_unit_test(a_line_of_64_kib_is_read_whole),
  cmocka_unit_test(without_memory_a_line_is_lost_and_counted),
};

RUN(tests);
