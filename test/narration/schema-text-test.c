/* SPDX-License-Identifier: MIT */

/*
 * One schema, for those who read lines: the file of JSON lines and the forms of
 * the console. What schema-test shows for readers of JSON holds for these.
 */

#include "world.h"

#include "schema.h"

#include "jobsrv/sinks.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static world_t world;
static jobsrv_job_t *job;
static char id[JOBSRV_ID_SIZE];

static int setup(void **state) {
  (void) state;
  world_open(&world);
  job = begin_job(&world);
  jobsrv_job_id(job, id);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&world);
  return 0;
}

static schema_t s;

static void narrate_all(void) {
  assert_ok(jobsrv_narrate_event(job, schema_event(&s)));
  schema_arrived(&s, id, last_seq(job));
}

/* ---- lines ---- */

/* A console whose other end is read here. */
typedef struct {
  jobsrv_sink_t *sink;
  int fd;
  char text[1 << 16];
} console_t;

static console_t console;

static void console_open(jobsrv_console_form_t form, int fields) {
  jobsrv_console_options_t options;
  int fd[2];

  assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
  jobsrv_console_options_init(&options);
  options.fd = fd[1];
  options.form = form;
  options.fields = fields;
  options.level = JOBSRV_TRACE;
  assert_ok(jobsrv_console_add(world.srv, &options, &console.sink));
  close(fd[1]);
  console.fd = fd[0];
}

/* All that it has written, in lines. */
static char *console_close(void) {
  struct pollfd poller = { .fd = console.fd, .events = POLLIN };
  size_t len = 0;
  ssize_t n;

  jobsrv_sink_remove(console.sink);
  do {
    assert_int_equal(poll(&poller, 1, 5000), 1);
    n = read(console.fd, console.text + len, sizeof(console.text) - 1 - len);
    assert_true(n >= 0);
    len += (size_t) n;
  } while (n > 0);
  close(console.fd);
  console.text[len] = '\0';
  return console.text;
}

/* ---- the file ---- */

typedef struct {
  char path[64];
  char *text;
  jobsrv_sink_t *sink;
} file_t;

static void file_open(file_t *file) {
  jobsrv_sink_options_t sink;
  jobsrv_file_options_t options;
  int fd;

  strcpy(file->path, "schema-text-XXXXXX");
  fd = mkstemp(file->path);
  assert_true(fd >= 0);
  close(fd);
  jobsrv_sink_options_init(&sink);
  sink.progress = 1;
  jobsrv_file_options_init(&options);
  options.path = file->path;
  options.sink = &sink;
  assert_ok(jobsrv_file_add(world.srv, &options, &file->sink));
}

static void set_flag(jobsrv_t *srv, int err, void *flag) {
  (void) srv;
  assert_ok(err);
  *(int *) flag = 1;
}

static int is_set(void *flag) {
  return *(int *) flag;
}

static void file_read(file_t *file) {
  static char text[1 << 16];
  int flushed = 0;
  size_t n;
  FILE *f;

  assert_ok(jobsrv_sinks_flush(world.srv, set_flag, &flushed));
  assert_true(run_until(&world.loop, is_set, &flushed, 5000));
  jobsrv_sink_remove(file->sink);
  f = fopen(file->path, "r");
  assert_non_null(f);
  n = fread(text, 1, sizeof(text) - 1, f);
  text[n] = '\0';
  fclose(f);
  file->text = text;
  assert_int_equal(unlink(file->path), 0);
}

static void a_file_has_all_of_it_in_a_line(void **state) {
  file_t file;

  (void) state;
  file_open(&file);
  narrate_all();
  file_read(&file);
  schema_is("file", &s, file.text, strcspn(file.text, "\n"));
}

/* The same bytes as in the log, and the others beside them. */
static void a_file_has_every_kind_as_it_is_on_the_wire(void **state) {
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  file_t file;
  char *line;

  (void) state;
  file_open(&file);
  assert_ok(jobsrv_cursor_attach(&cursor, job, last_seq(job), NULL));
  narrate_all();
  assert_ok(jobsrv_data_event(job, "rows", "[1, {\"a\":\"\\u2028\"}]", 0));
  assert_ok(jobsrv_job_cancel(job, NULL));
  world_turn(&world);
  file_read(&file);
  line = file.text;
  for (int n = 0; n < 3; n++) {
    assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                     JOBSRV_READ_EVENTS);
    line[strcspn(line, "\n")] = '\0';
    assert_bytes(entry.json, entry.json_len, line);
    line += strlen(line) + 1;
  }
  assert_string_equal(line, "");
  jobsrv_cursor_detach(&cursor);
}

static void a_file_has_progress_and_the_end(void **state) {
  file_t file;
  char *end;

  (void) state;
  file_open(&file);
  assert_ok(jobsrv_progressed(job, 1, 2, .unit = "files"));
  world_turn(&world);
  assert_ok(jobsrv_job_complete(job, "[1]", 0));
  world_turn(&world);
  file_read(&file);
  end = strchr(file.text, '\n');
  assert_non_null(end);
  assert_contains(end, "{\"type\":\"end\",");
  assert_contains(end, "\"result\":[1]");
  *end = '\0';
  assert_contains(file.text, "{\"type\":\"progress\",");
  assert_contains(file.text, "\"unit\":\"files\"");
}

/* ---- logfmt ---- */

/* name=value name="value" ... as an object of texts; each name once. */
static json_t *logfmt_read(const char *line) {
  json_t *all = json_object();

  while (*line != '\0' && *line != '\n') {
    size_t name_len = strcspn(line, "= ");
    const char *from = line + name_len + 1;
    size_t len = strcspn(from, " \n");
    char name[80];
    json_t *value;

    assert_int_equal(line[name_len], '=');
    snprintf(name, sizeof(name), "%.*s", (int) name_len, line);
    if (*from == '"') {
      for (len = 1; from[len] != '"'; len++)
        len += from[len] == '\\';
      len++;
      value = json_loadb(from, len, JSON_DECODE_ANY, NULL);
    } else {
      value = json_stringn(from, len);
    }
    if (value == NULL || json_object_get(all, name) != NULL)
      fail_msg("%s twice, or not read: %s", name, line);
    json_object_set_new(all, name, value);
    line = from + len;
    line += *line == ' ';
  }
  return all;
}

static void logfmt_has_all_of_it(void **state) {
  json_t *texts, *want;

  (void) state;
  console_open(JOBSRV_CONSOLE_LOGFMT, 0);
  narrate_all();
  texts = logfmt_read(console_close());
  want = schema_flat(schema_json(&s));
  schema_all_shown("logfmt", want, texts);
  json_decref(texts);
  json_decref(want);
}

static const jobsrv_console_form_t forms[] = {
  JOBSRV_CONSOLE_TEXT, JOBSRV_CONSOLE_BRACKETS, JOBSRV_CONSOLE_BLOCK,
  JOBSRV_CONSOLE_MESSAGE,
};

enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

/* Behind the text, what a person asked for; the table below it. */
static void the_forms_for_people_show_every_field_when_asked(void **state) {
  json_t *texts, *want;

  (void) state;
  for (size_t i = 0; i < FORMS; i++) {
    char *at;

    console_open(forms[i], 1);
    narrate_all();
    at = strstr(console_close(), s.event.human);
    assert_non_null(at);
    at += strlen(s.event.human) + 1;
    assert_contains(at, "\n  name \xe2\x94\x82 n\n");
    at[strcspn(at, "\n")] = '\0';
    if (strstr(at, " (suppressed ") != NULL)
      *strstr(at, " (suppressed ") = '\0';
    texts = logfmt_read(at);
    want = json_object();
    for (size_t k = 0; k < SCHEMA_FIELDS; k++)
      if (strcmp(s.fields[k].key, "table") != 0)
        json_object_set_new(want, s.fields[k].key, schema_value(&s.fields[k]));
    schema_all_shown("text", want, texts);
    json_decref(texts);
    json_decref(want);
  }
}

/* N-10, N-11: the voice that the reader chose, whatever the others chose. */
static void each_console_has_a_voice_of_its_own(void **state) {
  jobsrv_console_options_t options;
  jobsrv_sink_t *sinks[3];
  char text[200];
  int fd[3][2];

  (void) state;
  for (int voice = 0; voice < 3; voice++) {
    assert_int_equal(pipe2(fd[voice], O_CLOEXEC), 0);
    jobsrv_console_options_init(&options);
    options.fd = fd[voice][1];
    options.form = JOBSRV_CONSOLE_MESSAGE;
    options.voice = (jobsrv_voice_t) voice;
    assert_ok(jobsrv_console_add(world.srv, &options, &sinks[voice]));
    close(fd[voice][1]);
  }
  assert_ok(jobsrv_info_voices(job, "say", "plain", "sweet", "long"));
  assert_ok(jobsrv_narrate(job, "say", "alone"));
  for (int voice = 0; voice < 3; voice++) {
    static const char *const want[] = { "plain\nalone\n", "sweet\nalone\n",
                                        "long\nalone\n" };
    size_t len = 0;
    ssize_t n;

    jobsrv_sink_remove(sinks[voice]);
    while ((n = read(fd[voice][0], text + len, sizeof(text) - len)) > 0)
      len += (size_t) n;
    assert_bytes(text, len, want[voice]);
    close(fd[voice][0]);
  }
}

/* An extra that is named as a member is is not taken for it. */
static void a_field_is_not_taken_for_a_member(void **state) {
  json_t *texts;

  (void) state;
  console_open(JOBSRV_CONSOLE_LOGFMT, 0);
  assert_ok(jobsrv_info_with(
      job, (.action = "real",
            JOBSRV_FIELDS(jobsrv_field_string("action", "forged"),
                          jobsrv_field_string("job_id", "job-0"),
                          jobsrv_field_i64("level", 6),
                          jobsrv_field_string("trace_id", "none"),
                          jobsrv_field_string("field_action", "again"),
                          jobsrv_field_bool("duration_ms", 1))), "x"));
  texts = logfmt_read(console_close());
  assert_string_equal(text_of(texts, "action"), "real");
  assert_string_equal(text_of(texts, "job_id"), id);
  assert_string_equal(text_of(texts, "level"), "info");
  assert_null(json_object_get(texts, "trace_id"));
  assert_null(json_object_get(texts, "duration_ms"));
  assert_string_equal(text_of(texts, "field_action"), "forged");
  assert_string_equal(text_of(texts, "field_field_action"), "again");
  assert_string_equal(text_of(texts, "field_duration_ms"), "true");
  json_decref(texts);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
  CASE(a_file_has_all_of_it_in_a_line),
  CASE(a_file_has_every_kind_as_it_is_on_the_wire),
  CASE(a_file_has_progress_and_the_end),
  CASE(logfmt_has_all_of_it),
  CASE(the_forms_for_people_show_every_field_when_asked),
  CASE(each_console_has_a_voice_of_its_own),
  CASE(a_field_is_not_taken_for_a_member),
};

RUN(tests);
