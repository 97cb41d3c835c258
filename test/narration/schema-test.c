/* SPDX-License-Identifier: MIT */

/*
 * One schema: an event that has every member, every well-known field and extras
 * of every type arrives unchanged, whoever reads it; and what is not narration
 * is the same bytes for all who read JSON.
 */

#include "sse/watcher.h"

#include "schema.h"

#include <fcntl.h>
#include <pthread.h>

static world w;

/* All who read JSON, of one job. */
typedef struct {
  jobsrv_job_t *job;
  char id[JOBSRV_ID_SIZE];
  watcher_t *watcher;
  jobsrv_capture_t *seen;
  int console[2];
  char lines[1 << 16];
  size_t len;
} readers_t;

static readers_t r;

static int setup(void **state) {
  jobsrv_console_options_t console;

  (void) state;
  memset(&w, 0, sizeof(w));
  memset(&r, 0, sizeof(r));
  w.f.options.max_inbox_bytes = 64 * 1024;
  world_open(&w);
  assert_int_equal(pipe2(r.console, O_CLOEXEC), 0);
  jobsrv_console_options_init(&console);
  console.fd = r.console[1];
  console.form = JOBSRV_CONSOLE_JSON;
  console.level = JOBSRV_TRACE;
  assert_ok(jobsrv_console_add(w.f.srv, &console, NULL));
  assert_ok(jobsrv_capture_new(&r.seen, w.f.srv, 0));
  r.job = fixture_begin(&w.f);
  jobsrv_job_id(r.job, r.id);
  r.watcher = watch(&w, r.job, "", "");
  watcher_wait(&w, r.watcher, 3); /* opening, created, running */
  return 0;
}

static int teardown(void **state) {
  (void) state;
  watcher_free(r.watcher);
  jobsrv_capture_free(r.seen);
  world_close(&w);
  close(r.console[0]);
  close(r.console[1]);
  return 0;
}

/* ---- where each reader has it ---- */

static const char *of_log(uint64_t seq, size_t *len) {
  static char json[1 << 14];
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;

  assert_ok(jobsrv_cursor_attach(&cursor, r.job, seq - 1, NULL));
  assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                   JOBSRV_READ_EVENTS);
  assert_int_equal(entry.seq, seq);
  assert_true(entry.json_len < sizeof(json));
  memcpy(json, entry.json, entry.json_len);
  *len = entry.json_len;
  jobsrv_cursor_detach(&cursor);
  return json;
}

static const char *of_stream(uint64_t seq, size_t *len) {
  const char *data;

  for (size_t i = 0;; i++) {
    watcher_wait(&w, r.watcher, i + 1);
    assert_true(i < r.watcher->n);
    if (r.watcher->events[i].seq == seq && !is_opening(&r.watcher->events[i])) {
      data = strstr(r.watcher->events[i].text, "\ndata: ");
      assert_non_null(data);
      *len = strcspn(data + 7, "\n");
      return data + 7;
    }
  }
}

static const char *of_capture(uint64_t seq, size_t *len) {
  char text[32];
  const jobsrv_event_t *event;

  snprintf(text, sizeof(text), "%llu", (unsigned long long) seq);
  event = jobsrv_capture_get(
      r.seen, &(jobsrv_match_t) { .job_id = r.id,
                                  .fields = { JOBSRV_IS("seq", text) } }, 0);
  assert_non_null(event);
  *len = event->json_len;
  return event->json;
}

/* The line of the console that holds `part`. */
static const char *of_console(const char *part, size_t *len) {
  struct pollfd fd = { .fd = r.console[0], .events = POLLIN };
  const char *at;
  const char *line;

  while ((at = strstr(r.lines, part)) == NULL || strchr(at, '\n') == NULL) {
    ssize_t n;

    if (poll(&fd, 1, 5000) != 1)
      fail_msg("%s is not in %s", part, r.lines);
    n = read(fd.fd, r.lines + r.len, sizeof(r.lines) - 1 - r.len);
    assert_true(n > 0);
    r.len += (size_t) n;
  }
  for (line = at; line > r.lines && line[-1] != '\n'; line--)
    ;
  *len = strcspn(line, "\n");
  return line;
}

static const char *of_console_seq(uint64_t seq, size_t *len) {
  char part[40];

  snprintf(part, sizeof(part), "\"seq\":%llu,", (unsigned long long) seq);
  return of_console(part, len);
}

static const struct {
  const char *name;
  const char *(*get)(uint64_t seq, size_t *len);
} readers[] = {
  { "log", of_log },
  { "stream", of_stream },
  { "capture", of_capture },
  { "console", of_console_seq },
};

enum { READERS = sizeof(readers) / sizeof(readers[0]) };

/* All have the same bytes of it; returns them. */
static const char *assert_same_everywhere(uint64_t seq, size_t *len) {
  const char *first = readers[0].get(seq, len);

  for (size_t i = 1; i < READERS; i++) {
    size_t other_len;
    const char *other = readers[i].get(seq, &other_len);

    if (other_len != *len || memcmp(first, other, *len) != 0)
      fail_msg("%s: %.*s\n%s: %.*s", readers[0].name, (int) *len, first,
               readers[i].name, (int) other_len, other);
  }
  return first;
}

/* ---- narration ---- */

static void the_list_is_all_of_the_original_s(void **state) {
  const char *name = NULL;
  json_t *json;
  schema_t s;
  size_t n = 0;

  (void) state;
  (void) schema_event(&s);
  schema_arrived(&s, r.id, 3);
  json = schema_json(&s);
#define XX(field, as)                                                         \
  name = as;                                                                  \
  n++;                                                                        \
  if (json_object_get(json, name) == NULL)                                    \
    fail_msg("%s has no place", #field);
  SCHEMA_TAXONOMY(XX)
#undef XX
  assert_int_equal(n, 36);
  json_decref(json);
}

static void an_event_with_everything_arrives_everywhere(void **state) {
  schema_t s;

  (void) state;
  assert_ok(jobsrv_narrate_event(r.job, schema_event(&s)));
  run_turns(&w.f.loop, 2);
  schema_arrived(&s, r.id, 3);
  for (size_t i = 0; i < READERS; i++) {
    size_t len;
    const char *json = readers[i].get(3, &len);

    schema_is(readers[i].name, &s, json, len);
  }
}

static void *narrate_there(void *event) {
  return jobsrv_narrate_event(r.job, event) == 0 ? event : NULL;
}

static void it_does_so_from_another_thread(void **state) {
  pthread_t thread;
  void *done;
  schema_t s;
  size_t len;

  (void) state;
  (void) schema_event(&s);
  assert_int_equal(pthread_create(&thread, NULL, narrate_there, &s.event), 0);
  assert_int_equal(pthread_join(thread, &done), 0);
  assert_ptr_equal(done, &s.event);
  run_turns(&w.f.loop, 2);
  schema_arrived(&s, r.id, 3);
  for (size_t i = 0; i < READERS; i++) {
    const char *json = readers[i].get(3, &len);

    schema_is(readers[i].name, &s, json, len);
  }
}

static void it_does_so_without_a_job_for_whom_that_is_meant(void **state) {
  jobsrv_context_t context, none;
  schema_t s;
  size_t len;
  const char *line;
  char text[1 << 14];

  (void) state;
  jobsrv_context_enter(&context, r.job);
  jobsrv_context_enter(&none, NULL);
  assert_ok(jobsrv_narrate_event(NULL, schema_event(&s)));
  jobsrv_context_leave(&none);
  jobsrv_context_leave(&context);
  run_turns(&w.f.loop, 2);
  schema_arrived(&s, r.id, 0);
  line = of_console("an action", &len);
  /* of which only these two are missing, and put in to compare */
  snprintf(text, sizeof(text), "{\"seq\":0,\"job_id\":\"%s\",%.*s", r.id,
           (int) len - 1, line + 1);
  schema_is("console", &s, text, strlen(text));
}

static void the_capture_has_every_member_itself(void **state) {
  const jobsrv_event_t *got;
  schema_t s;

  (void) state;
  assert_ok(jobsrv_narrate_event(r.job, schema_event(&s)));
  schema_arrived(&s, r.id, 3);
  got = jobsrv_capture_get(r.seen,
                           &(jobsrv_match_t) { .action = "an action" }, 0);
  assert_non_null(got);
#define HIDDEN(name)
#define FIELDS(name)
#define TEXT(name) assert_string_equal(got->name, s.event.name);
#define SOURCE(name) TEXT(name)
#define LEVEL(name) assert_int_equal(got->name, s.event.name);
#define KIND(name) LEVEL(name)
#define NUMBER(name) LEVEL(name)
#define TIME(name) LEVEL(name)
#define XX(type, name, how, as) how(name)
  SCHEMA_MEMBERS(XX)
#undef XX
#undef HIDDEN
#undef FIELDS
#undef TEXT
#undef SOURCE
#undef LEVEL
#undef KIND
#undef NUMBER
#undef TIME
  assert_int_equal(got->line, 42);
  assert_int_equal(got->size, sizeof(*got));
  assert_int_equal(got->nfields, SCHEMA_FIELDS);
  for (size_t i = 0; i < SCHEMA_FIELDS; i++) {
    json_t *a = schema_value(&got->fields[i]);
    json_t *b = schema_value(&s.fields[i]);

    assert_string_equal(got->fields[i].key, s.fields[i].key);
    assert_int_equal(got->fields[i].type, s.fields[i].type);
    if (!json_equal(a, b))
      fail_msg("%s", s.fields[i].key);
    json_decref(a);
    json_decref(b);
  }
}

/* Beyond what most parsers of JSON can hold, the digits are still all there. */
static void numbers_at_their_bounds_keep_every_digit(void **state) {
  size_t len;
  const char *json;
  char text[1 << 14];

  (void) state;
  assert_ok(jobsrv_info_with(
      r.job,
      (.action = "bounds",
       JOBSRV_FIELDS(jobsrv_field_u64("tokens_in", UINT64_MAX),
                     jobsrv_field_u64("most", UINT64_MAX),
                     jobsrv_field_i64("least", INT64_MIN))), "x"));
  run_turns(&w.f.loop, 2);
  json = assert_same_everywhere(3, &len);
  snprintf(text, sizeof(text), "%.*s", (int) len, json);
  assert_contains(text, "\"tokens_in\":18446744073709551615,");
  assert_contains(text, "\"fields\":{\"most\":18446744073709551615,"
                        "\"least\":-9223372036854775808}");
}

/* A well-known name with a value of another type is the host's own. */
static void a_well_known_name_of_another_type_is_an_extra(void **state) {
  size_t len;
  const char *json;
  json_t *event;

  (void) state;
#define XX(name, type)                                                        \
  jobsrv_field_bool(#name, 1),
  assert_ok(jobsrv_info_with(
      r.job, (.action = "types", JOBSRV_FIELDS(JOBSRV_WELL_KNOWN_MAP(XX)
                                               jobsrv_field_bool("z", 0))),
      "x"));
#undef XX
  run_turns(&w.f.loop, 2);
  json = assert_same_everywhere(3, &len);
  event = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
#define XX(name, type)                                                        \
  assert_null(json_object_get(event, #name));                                 \
  assert_true(json_is_true(json_object_get(json_object_get(event, "fields"),  \
                                           #name)));
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  json_decref(event);
}

/* ---- the other kinds ---- */

static json_t *members_of(const char *json, size_t len, const char *names) {
  json_t *event = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
  char given[400] = "";
  const char *name;
  json_t *value;

  assert_non_null(event);
  json_object_foreach(event, name, value) {
    strcat(given, name);
    strcat(given, " ");
    (void) value;
  }
  assert_string_equal(given, names);
  return event;
}

static void data_is_the_same_for_all(void **state) {
  size_t len;
  const char *json;
  json_t *event;

  (void) state;
  assert_ok(jobsrv_data_event(r.job, "rows", "{\"a\": [1, null, \"x\\ny\"]}",
                              0));
  run_turns(&w.f.loop, 2);
  json = assert_same_everywhere(3, &len);
  event = json_loadb(json, len, JSON_REJECT_DUPLICATES, NULL);
  assert_string_equal(json_string_value(json_object_get(event, "type")),
                      "data");
  assert_string_equal(json_string_value(json_object_get(event, "action")),
                      "rows");
  assert_string_equal(json_string_value(json_object_get(event, "job_id")),
                      r.id);
  assert_int_equal(json_integer_value(json_object_get(event, "seq")), 3);
  assert_non_null(json_object_get(event, "time"));
  json_decref(event);
  assert_non_null(memmem(json, len,
                         "\"payload\":{\"a\":[1,null,\"x\\ny\"]}", 31));
}

static void a_state_is_the_same_for_all(void **state) {
  size_t len;
  const char *json;
  json_t *event;

  (void) state;
  json = assert_same_everywhere(1, &len);
  event = members_of(json, len, "type seq time job_id state attempt "
                                "cancel_requested ");
  json_decref(event);
  json = assert_same_everywhere(2, &len);
  event = members_of(json, len, "type seq time job_id state previous attempt "
                                "cancel_requested ");
  assert_string_equal(json_string_value(json_object_get(event, "state")),
                      "running");
  assert_string_equal(json_string_value(json_object_get(event, "type")),
                      "state");
  json_decref(event);
}

static void *flood(void *count) {
  for (int i = 0; i < 2000; i++)
    if (jobsrv_narrate(r.job, "flood", "%0100d", i) == JOBSRV_EDROPPED)
      ++*(int *) count;
  return NULL;
}

static void what_was_dropped_is_the_same_for_all(void **state) {
  const jobsrv_event_t *lost;
  pthread_t thread;
  int count = 0;
  size_t len;
  const char *json;
  json_t *event;

  (void) state;
  assert_int_equal(pthread_create(&thread, NULL, flood, &count), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(count > 0);
  run_turns(&w.f.loop, 3);
  assert_ok(jobsrv_narrate(r.job, "after", "it"));
  run_turns(&w.f.loop, 3);
  lost = jobsrv_capture_get(
      r.seen, &(jobsrv_match_t) { .has_kind = 1, .kind = JOBSRV_KIND_DROPPED },
      0);
  assert_non_null(lost);
  json = assert_same_everywhere(lost->seq, &len);
  event = members_of(json, len, "type seq time job_id count ");
  assert_int_equal(json_integer_value(json_object_get(event, "count")), count);
  json_decref(event);
}

typedef struct {
  char json[1000];
  size_t n;
} kept_t;

static void keep_progress(const jobsrv_event_t *event, void *data) {
  kept_t *kept = data;

  if (event->kind != JOBSRV_KIND_PROGRESS)
    return;
  snprintf(kept->json, sizeof(kept->json), "%.*s", (int) event->json_len,
           event->json);
  kept->n++;
}

static const sse_event_t *last_progress(void) {
  const sse_event_t *last = NULL;

  for (size_t i = 0; i < r.watcher->n; i++)
    if (is_progress(&r.watcher->events[i]))
      last = &r.watcher->events[i];
  return last;
}

/* Progress has no number; the record says the same of it. */
static void progress_is_the_same_for_all(void **state) {
  jobsrv_sink_options_t options;
  kept_t kept = { .n = 0 };
  jobsrv_sink_t *sink;
  char record[4096];
  size_t len;
  json_t *seen, *streamed, *of_record;

  (void) state;
  jobsrv_sink_options_init(&options);
  options.progress = 1;
  assert_ok(jobsrv_callback_add(w.f.srv, keep_progress, &kept, &options,
                                &sink));
  assert_ok(jobsrv_progress(r.job, &(jobsrv_progress_t) {
                                     .done = 2.5, .total = 8, .unit = "f\"s",
                                     .phase = "copy \xc3\xa9", .from = 50,
                                     .to = 75 }));
  watcher_wait(&w, r.watcher, 4);
  jobsrv_sink_remove(sink);
  assert_int_equal(kept.n, 1);
  assert_non_null(last_progress());
  streamed = json_loads(strstr(last_progress()->text, "data: ") + 6,
                        JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
  seen = json_loads(kept.json, JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(streamed);
  assert_non_null(seen);
  schema_within("sink", streamed, seen, "was due");
  schema_within("sink", seen, streamed, "was not due");
  len = jobsrv_job_record(r.job, 0, record, sizeof(record));
  of_record = json_loadb(record, len, JSON_REJECT_DUPLICATES, NULL);
  schema_within("stream", json_object_get(of_record, "progress"), streamed,
                "was due");
  assert_string_equal(json_string_value(json_object_get(seen, "phase")),
                      "copy \xc3\xa9");
  assert_string_equal(json_string_value(json_object_get(seen, "unit")),
                      "f\"s");
  assert_float_equal(json_number_value(json_object_get(seen, "done")), 2.5, 0);
  assert_float_equal(json_number_value(json_object_get(seen, "percent")), 57.8,
                     1e-9);
  assert_string_equal(json_string_value(json_object_get(seen, "type")),
                      "progress");
  assert_string_equal(json_string_value(json_object_get(seen, "job_id")), r.id);
  assert_null(json_object_get(seen, "seq"));
  json_decref(seen);
  json_decref(streamed);
  json_decref(of_record);
}

/* The end is the record, with the number and time of the event before it. */
static void an_end_is_the_same_record_for_all(void **state) {
  static const char *const names[] = {
    "type", "seq", "time", "job_id", "operation", "state", "result",
    "created_at", "finished_at", "duration_ms", "attempt", "events",
  };
  const jobsrv_event_t *end;
  const sse_event_t *frame;
  json_t *seen, *streamed, *shown;
  const char *line;
  size_t len;

  (void) state;
  assert_ok(jobsrv_job_complete(r.job, "{\"n\":[1]}", 0));
  watcher_wait(&w, r.watcher, 0);
  end = jobsrv_capture_get(
      r.seen, &(jobsrv_match_t) { .has_kind = 1, .kind = JOBSRV_KIND_END }, 0);
  assert_non_null(end);
  seen = json_loadb(end->json, end->json_len, JSON_REJECT_DUPLICATES, NULL);
  line = of_console("\"type\":\"end\"", &len);
  shown = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
  frame = &r.watcher->events[r.watcher->n - 2];
  assert_true(is_end(frame));
  streamed = json_loads(strstr(frame->text, "data: ") + 6,
                        JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, NULL);
  assert_non_null(seen);
  assert_non_null(shown);
  assert_non_null(streamed);
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (json_object_get(streamed, names[i]) == NULL)
      fail_msg("the end has no %s: %s", names[i], frame->text);
  json_object_del(streamed, "links"); /* where HTTP has it */
  schema_within("capture", streamed, seen, "was due");
  schema_within("capture", seen, streamed, "was not due");
  schema_within("console", shown, seen, "was not due");
  schema_within("console", seen, shown, "was due");
  json_decref(seen);
  json_decref(shown);
  json_decref(streamed);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
  CASE(the_list_is_all_of_the_original_s),
  CASE(an_event_with_everything_arrives_everywhere),
  CASE(it_does_so_from_another_thread),
  CASE(it_does_so_without_a_job_for_whom_that_is_meant),
  CASE(the_capture_has_every_member_itself),
  CASE(numbers_at_their_bounds_keep_every_digit),
  CASE(a_well_known_name_of_another_type_is_an_extra),
  CASE(data_is_the_same_for_all),
  CASE(a_state_is_the_same_for_all),
  CASE(what_was_dropped_is_the_same_for_all),
  CASE(progress_is_the_same_for_all),
  CASE(an_end_is_the_same_record_for_all),
};

RUN(tests);
