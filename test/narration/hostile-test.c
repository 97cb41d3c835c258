/* SPDX-License-Identifier: MIT */

/* Row 54: hostile texts in every place of an event, in every rendering. */

#include "hostile.h"
#include "world.h"

#include "jobsrv/console.h"
#include "jobsrv/sinks.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* One line of JSON: an event with text number `i` wherever one can be. */
static void assert_event(const char *text, size_t len, size_t i) {
  json_t *json = json_loadb(text, len, 0, NULL);
  json_t *fields;

  hostile_harmless(text, len);
  assert_non_null(json);
  hostile_is(json, "actor", i);
  hostile_is(json, "action", i);
  hostile_is(json, "target", i);
  hostile_is(json, "human", i);
  hostile_is(json, "cute", i);
  hostile_is(json, "story", i);
  hostile_is(json, "correlation_id", i);
  hostile_is(json, "device", i);
  fields = json_object_get(json, "fields");
  hostile_is(fields, "text", i);
  hostile_is(json_array_get(json_object_get(fields, "raw"), 0), "k", i);
  json_decref(json);
}

static void assert_data(const char *text, size_t len, size_t i) {
  json_t *json = json_loadb(text, len, 0, NULL);

  hostile_harmless(text, len);
  assert_non_null(json);
  hostile_is(json_object_get(json, "payload"), "k", i);
  json_decref(json);
}

/* Narrates all of them, each as an event and as data. */
static void narrate_all(jobsrv_job_t *job) {
  for (size_t i = 0; i < HOSTILE; i++) {
    const char *text = hostile[i].text;
    char *string = hostile_json(i);
    char raw[1024], data[1024];
    jobsrv_field_t fields[] = {
      { .key = "device", .type = JOBSRV_FIELD_STRING, .as.string = text },
      { .key = "text", .type = JOBSRV_FIELD_STRING, .as.string = text },
      { .key = "raw", .type = JOBSRV_FIELD_JSON, .as.string = raw },
    };
    jobsrv_event_t event = {
      .actor = text, .action = text, .target = text, .human = text,
      .cute = text, .story = text, .correlation_id = text, .fields = fields,
      .nfields = 3,
    };

    snprintf(raw, sizeof(raw), "[{\"k\":%s}]", string);
    snprintf(data, sizeof(data), "{\"k\":%s}", string);
    assert_ok(jobsrv_narrate_event(job, &event));
    assert_ok(jobsrv_data_event(job, "rows", data, 0));
    free(string);
  }
}

/* ---- JSON ---- */

static void a_log_has_them_in_frames_of_one_line(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  bytes_t bytes = { 0 };
  jobsrv_job_t *job;
  size_t at = 0, i = 0;
  world_t world;
  char id[64];

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  narrate_all(job);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  (void) read_events(&cursor, &bytes);
  while (at < bytes.len) {
    json_t *json = next_frame(&bytes, &at, id);
    char *text = json_dumps(json, JSON_COMPACT);

    assert_non_null(text);
    if (strcmp(text_of(json, "type"), "narration") == 0) {
      hostile_is(json, "human", i);
      hostile_is(json, "target", i);
      hostile_is(json_object_get(json, "fields"), "text", i);
    } else if (strcmp(text_of(json, "type"), "data") == 0) {
      hostile_is(json_object_get(json, "payload"), "k", i++);
    }
    free(text);
    json_decref(json);
  }
  assert_int_equal(i, HOSTILE);
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

typedef struct {
  size_t events;
  size_t data;
} seen_t;

static void on_event(void *self, const jobsrv_event_t *event) {
  seen_t *seen = self;

  if (event->kind == JOBSRV_KIND_NARRATION)
    assert_event(event->json, event->json_len, seen->events++);
  else if (event->kind == JOBSRV_KIND_DATA)
    assert_data(event->json, event->json_len, seen->data++);
}

static void sinks_and_captures_have_them(void **state) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                         .event = on_event };
  jobsrv_capture_t *capture;
  seen_t seen = { 0, 0 };
  jobsrv_job_t *job;
  world_t world;
  size_t n = 0;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_sink_add(world.srv, &ops, &seen, NULL, NULL));
  assert_ok(jobsrv_capture_new(&capture, world.srv, 0));
  job = begin_job(&world);
  narrate_all(job);
  assert_int_equal(seen.events, HOSTILE);
  assert_int_equal(seen.data, HOSTILE);
  for (size_t i = 0; i < HOSTILE; i++) {
    const jobsrv_event_t *event;

    do
      event = jobsrv_capture_get(capture, NULL, n++);
    while (event != NULL && event->kind != JOBSRV_KIND_NARRATION);
    assert_non_null(event);
    assert_event(event->json, event->json_len, i);
    assert_string_equal(event->human, hostile[i].text);
  }
  jobsrv_capture_free(capture);
  world_close(&world);
}

/* Each line that has a narration or data, in their order. */
static void assert_json_lines(char *text) {
  size_t events = 0, data = 0;
  char *line, *rest = text;

  while ((line = strsep(&rest, "\n")) != NULL) {
    if (strstr(line, "\"type\":\"narration\"") == line + 1)
      assert_event(line, strlen(line), events++);
    else if (strstr(line, "\"type\":\"data\"") == line + 1)
      assert_data(line, strlen(line), data++);
    else
      hostile_harmless(line, strlen(line));
  }
  assert_int_equal(events, HOSTILE);
  assert_int_equal(data, HOSTILE);
}

static char *read_all(int fd) {
  enum { MOST = 1 << 20 };
  char *text = malloc(MOST);
  size_t len = 0;
  ssize_t n;

  assert_non_null(text);
  while ((n = read(fd, text + len, MOST - 1 - len)) > 0)
    len += (size_t) n;
  assert_int_equal(n, 0);
  text[len] = '\0';
  close(fd);
  return text;
}

/* A file without a name that a console writes to. */
static int unnamed_file(void) {
  int fd = memfd_create("console", MFD_CLOEXEC);

  assert_true(fd >= 0);
  return fd;
}

static char *console_of(jobsrv_console_form_t form) {
  jobsrv_console_options_t options;
  int fd = unnamed_file();
  jobsrv_job_t *job;
  world_t world;

  world_open(&world);
  jobsrv_console_options_init(&options);
  options.fd = fd;
  options.form = form;
  options.max_bytes = 1 << 24;
  assert_ok(jobsrv_console_add(world.srv, &options, NULL));
  job = begin_job(&world);
  narrate_all(job);
  world_close(&world);
  assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
  return read_all(fd);
}

static void a_console_of_json_has_one_line_for_each(void **state) {
  char *text = console_of(JOBSRV_CONSOLE_JSON);

  (void) state;
  assert_json_lines(text);
  free(text);
}

static void a_file_has_one_line_for_each(void **state) {
  char folder[] = "hostile-test.XXXXXX";
  jobsrv_file_options_t options;
  char path[64], *text;
  world_t world;

  (void) state;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/log", folder);
  world_open(&world);
  jobsrv_file_options_init(&options);
  options.path = path;
  assert_ok(jobsrv_file_add(world.srv, &options, NULL));
  narrate_all(begin_job(&world));
  world_close(&world);
  text = read_all(open(path, O_RDONLY | O_CLOEXEC));
  assert_json_lines(text);
  free(text);
  unlink(path);
  rmdir(folder);
}

/* ---- text ---- */

/* Each is shown, in its order, on a line without what data says. */
static size_t assert_text_lines(char *text) {
  size_t shown = 0, lines = 0;
  char *line, *rest = text;

  while ((line = strsep(&rest, "\n")) != NULL && rest != NULL) {
    hostile_harmless(line, strlen(line));
    lines++;
    if (shown < HOSTILE && strstr(line, hostile_shown(shown)) != NULL &&
        strstr(line, "{\"k\":") == NULL)
      shown++;
  }
  assert_int_equal(shown, HOSTILE);
  return lines;
}

static void a_console_shows_them_escaped_on_one_line(void **state) {
  static const jobsrv_console_form_t forms[] = {
    JOBSRV_CONSOLE_TEXT, JOBSRV_CONSOLE_BRACKETS, JOBSRV_CONSOLE_MESSAGE,
    JOBSRV_CONSOLE_BLOCK,
  };
  enum { EVENTS = 2 * HOSTILE + 4 }; /* and what became of the job */

  (void) state;
  for (size_t i = 0; i < 4; i++) {
    char *text = console_of(forms[i]);

    assert_int_equal(assert_text_lines(text),
                     forms[i] == JOBSRV_CONSOLE_BLOCK ? 2 * EVENTS : EVENTS);
    free(text);
  }
}

/* The value behind `name`=, which is a JSON string or has nothing to quote. */
static void assert_logfmt(const char *line, const char *name, size_t i) {
  const char *at = strstr(line, name);
  json_t *value, *object = json_object();
  size_t n;

  assert_non_null(at);
  at += strlen(name);
  n = strcspn(at, " ");
  if (*at == '"')
    value = json_loads(at, JSON_DECODE_ANY | JSON_DISABLE_EOF_CHECK, NULL);
  else
    value = json_stringn(at, n);
  json_object_set_new(object, name, value);
  hostile_is(object, name, i);
  json_decref(object);
}

static void a_console_of_logfmt_quotes_them(void **state) {
  char *text = console_of(JOBSRV_CONSOLE_LOGFMT);
  char *line, *rest = text;
  size_t i = 0;

  (void) state;
  while ((line = strsep(&rest, "\n")) != NULL) {
    hostile_harmless(line, strlen(line));
    if (strstr(line, " type=narration ") == NULL)
      continue;
    assert_logfmt(line, " actor=", i);
    assert_logfmt(line, " human=", i);
    assert_logfmt(line, " device=", i);
    i++;
  }
  assert_int_equal(i, HOSTILE);
  free(text);
}

/* ---- bytes that no C string has, and very many ---- */

static const jobsrv_event_t *newest(const jobsrv_capture_t *capture) {
  return jobsrv_capture_get(capture, NULL,
                            jobsrv_capture_count(capture, NULL) - 1);
}

static void a_nul_is_a_character_like_any_other(void **state) {
  static const char text[] = "a\0b\0";
  jobsrv_field_t field = { .key = "text", .type = JOBSRV_FIELD_STRING,
                           .as.string = text, .len = sizeof(text) - 1 };
  jobsrv_event_t event = { .fields = &field, .nfields = 1 };
  jobsrv_capture_t *capture;
  const jobsrv_event_t *got;
  world_t world;
  json_t *json, *value;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&capture, world.srv, 0));
  assert_ok(jobsrv_narrate_event(begin_job(&world), &event));
  got = newest(capture);
  assert_non_null(got);
  assert_null(memchr(got->json, '\0', got->json_len));
  json = json_loadb(got->json, got->json_len, JSON_ALLOW_NUL, NULL);
  value = json_object_get(json_object_get(json, "fields"), "text");
  assert_int_equal(json_string_length(value), sizeof(text) - 1);
  assert_memory_equal(json_string_value(value), text, sizeof(text) - 1);
  json_decref(json);
  jobsrv_capture_free(capture);
  world_close(&world);
}

/* Of whatever is most of it: the kept start is as it was, the rest is told. */
static void a_line_of_a_mebibyte_is_cut_and_says_so(void **state) {
  static const char *const units[] = { "x", "\xe2\x82\xac", "\x1b", "\xff",
                                       "data: x\n\n", WOMAN ZWJ };
  enum { SIZE = 1 << 20, MAX = 64 * 1024 };
  char *text = malloc(SIZE + 16);
  jobsrv_capture_t *capture;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  assert_non_null(text);
  world_open(&world);
  assert_ok(jobsrv_capture_new(&capture, world.srv, 0));
  job = begin_job(&world);
  for (size_t u = 0; u < sizeof(units) / sizeof(units[0]); u++) {
    size_t unit = strlen(units[u]);
    jobsrv_event_t event = { .human = text };
    const jobsrv_event_t *got;
    size_t at, kept;
    const char *human;
    json_t *json;

    for (at = 0; at < SIZE; at += unit)
      memcpy(text + at, units[u], unit + 1);
    assert_ok(jobsrv_narrate_event(job, &event));
    got = newest(capture);
    assert_true(got->json_len <= 256 * 1024);
    hostile_harmless(got->json, got->json_len);
    json = json_loadb(got->json, got->json_len, 0, NULL);
    human = text_of(json, "human");
    assert_non_null(human);
    assert_true(strlen(human) > 1000);
    at = strlen(human);
    assert_string_equal(human + at - 7, " bytes)");
    kept = (size_t) (strstr(human, " \xe2\x80\xa6(+") - human);
    if (units[u][0] != '\xff')
      assert_memory_equal(human, text, kept);
    else
      for (size_t i = 0; i < kept; i += 3)
        assert_memory_equal(human + i, BAD, 3);
    json_decref(json);
  }
  jobsrv_capture_free(capture);
  world_close(&world);
  free(text);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_log_has_them_in_frames_of_one_line),
  cmocka_unit_test(sinks_and_captures_have_them),
  cmocka_unit_test(a_console_of_json_has_one_line_for_each),
  cmocka_unit_test(a_file_has_one_line_for_each),
  cmocka_unit_test(a_console_shows_them_escaped_on_one_line),
  cmocka_unit_test(a_console_of_logfmt_quotes_them),
  cmocka_unit_test(a_nul_is_a_character_like_any_other),
  cmocka_unit_test(a_line_of_a_mebibyte_is_cut_and_says_so),
};

RUN(tests);
