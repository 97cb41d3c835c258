/* SPDX-License-Identifier: MIT */

/* What the headers state of options and defaults: at the bound and past it. */

#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

static world_t world;

static int setup(void **state) {
  (void) state;
  world_open(&world);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&world);
  return 0;
}

/* Another server, with what is then set in its options. */
static void again(void) {
  world_close(&world);
  world_init(&world);
}

static char *letters(size_t n) {
  char *text = malloc(n + 1);

  assert_non_null(text);
  memset(text, 'x', n);
  text[n] = '\0';
  return text;
}

/* The length of the text that a narration of `n` letters becomes, and whether
   there is a mark of the cut. */
static size_t text_arrives(size_t n, int *cut) {
  jobsrv_capture_t *seen;
  char *text = letters(n);
  const char *human;
  json_t *json;
  size_t len;

  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  assert_ok(jobsrv_narrate(begin_job(&world), "long", "%s", text));
  json = json_loads(
      jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "long" }, 0)->json,
      0, NULL);
  human = text_of(json, "human");
  len = strspn(human, "x");
  *cut = human[len] != '\0';
  json_decref(json);
  jobsrv_capture_free(seen);
  free(text);
  return len;
}

static void a_text_is_cut_behind_64_kib(void **state) {
  int cut;

  (void) state;
  assert_int_equal(text_arrives(65536, &cut), 65536);
  assert_false(cut);
  assert_int_equal(text_arrives(65537, &cut), 65536);
  assert_true(cut);
}

static void a_text_is_cut_where_the_host_says(void **state) {
  int cut;

  (void) state;
  again();
  world.options.max_text = 1000;
  world_start(&world);
  assert_int_equal(text_arrives(1000, &cut), 1000);
  assert_false(cut);
  assert_int_equal(text_arrives(1001, &cut), 1000);
  assert_true(cut);
}

static int data_of(size_t n) {
  char *text = letters(n);
  int err;

  text[0] = text[n - 1] = '"';
  err = jobsrv_data_event(begin_job(&world), "rows", text, n);
  free(text);
  return err;
}

static void an_event_is_at_most_256_kib(void **state) {
  (void) state;
  assert_ok(data_of(255 * 1024));
  assert_err(data_of(256 * 1024), JOBSRV_ETOOBIG);
}

static void an_event_is_as_large_as_the_host_says(void **state) {
  (void) state;
  again();
  world.options.max_event_bytes = 8 * 1024 * 1024;
  world_start(&world);
  assert_ok(data_of(8 * 1024 * 1024 - 1024));
  assert_err(data_of(8 * 1024 * 1024), JOBSRV_ETOOBIG);
  again();
  world.options.max_event_bytes = 8 * 1024 * 1024 + 1;
  assert_err(jobsrv_new(&world.srv, NULL, &world.options), UV_EINVAL);
}

/* ---- fields and events ---- */

static int narrate_key(const char *key) {
  jobsrv_field_t field = jobsrv_field_bool(key, 1);

  return jobsrv_narrate_event(
      begin_job(&world), &(jobsrv_event_t) { .fields = &field, .nfields = 1 });
}

static void a_key_has_1_to_64_bytes(void **state) {
  char *key = letters(65);

  (void) state;
  assert_err(narrate_key(key), UV_EINVAL);
  assert_ok(narrate_key(key + 1));
  assert_err(narrate_key(""), UV_EINVAL);
  assert_err(narrate_key(NULL), UV_EINVAL);
  free(key);
}

static void a_host_built_with_another_struct_is_understood(void **state) {
  struct {
    jobsrv_event_t event;
    uint64_t member_of_a_later_day;
  } newer = { .event = { .size = sizeof(newer), .action = "newer" } };
  jobsrv_event_t older = { .size = offsetof(jobsrv_event_t, story),
                           .action = "older", .human = "x" };
  jobsrv_job_t *job = begin_job(&world);
  jobsrv_capture_t *seen;

  (void) state;
  older.story = "not to be read";
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  assert_ok(jobsrv_narrate_event(job, &newer.event));
  newer.member_of_a_later_day = 1;
  assert_err(jobsrv_narrate_event(job, &newer.event), UV_EINVAL);
  older.size = 8;
  assert_err(jobsrv_narrate_event(job, &older), UV_EINVAL);
  assert_int_equal(
      jobsrv_capture_count(seen, &(jobsrv_match_t) { .action = "newer" }), 1);
  jobsrv_capture_free(seen);
}

/* ---- filters ---- */

typedef struct {
  int jobs, none;
} count_t;

static void count(const jobsrv_event_t *event, void *data) {
  count_t *counts = data;

  if (event->kind != JOBSRV_KIND_NARRATION)
    return;
  counts->jobs += event->job_id != NULL;
  counts->none += event->job_id == NULL;
}

static count_t passed(const jobsrv_sink_filter_t *filter) {
  jobsrv_sink_options_t options;
  jobsrv_context_t context, none;
  count_t counts = { 0 };
  jobsrv_sink_t *sink;
  jobsrv_job_t *job = begin_job(&world);

  jobsrv_sink_options_init(&options);
  options.filter = *filter;
  assert_ok(jobsrv_callback_add(world.srv, count, &counts, &options, &sink));
  assert_ok(jobsrv_narrate(job, "say", "x"));
  jobsrv_context_enter(&context, job);
  jobsrv_context_enter(&none, NULL);
  assert_ok(jobsrv_info_with(NULL, (.action = "say", .actor = "work"), "x"));
  jobsrv_context_leave(&none);
  jobsrv_context_leave(&context);
  jobsrv_sink_remove(sink);
  return counts;
}

#define PASSED(jobs_, none_, ...)                                             \
  do {                                                                        \
    count_t got = passed(&(jobsrv_sink_filter_t) { __VA_ARGS__ });            \
    assert_int_equal(got.jobs, jobs_);                                        \
    assert_int_equal(got.none, none_);                                        \
  } while (0)

static void a_filter_names_each_thing_and_its_beginning(void **state) {
  (void) state;
  PASSED(1, 1, .action = NULL);
  PASSED(1, 1, .action = "say");
  PASSED(1, 1, .action = "s*");
  PASSED(1, 1, .action = "*");
  PASSED(0, 0, .action = "sa");
  PASSED(0, 0, .action = "say*y");
  PASSED(1, 1, .actor = "work");
  PASSED(1, 1, .actor = "wor*");
  PASSED(0, 0, .actor = "worker*");
  PASSED(1, 0, .operation = "work");
  PASSED(1, 0, .operation = "w*");
  PASSED(0, 0, .operation = "play");
  PASSED(1, 0, .job_id = "job-*");
  PASSED(0, 0, .job_id = "job-");
  PASSED(1, 0, .job_id = "job-*", .operation = "work", .actor = "work",
         .action = "say");
  PASSED(0, 0, .job_id = "job-*", .operation = "work", .actor = "work",
         .action = "do");
}

/* ---- the console ---- */

/* Takes over a descriptor of the process while `add` is made. */
static jobsrv_sink_t *console_on_2(int to,
                                   const jobsrv_console_options_t *options) {
  jobsrv_sink_t *sink;
  int kept = fcntl(2, F_DUPFD_CLOEXEC, 10);
  int err;

  assert_true(kept > 0);
  assert_int_equal(dup2(to, 2), 2);
  err = jobsrv_console_add(world.srv, options, &sink);
  assert_int_equal(dup2(kept, 2), 2);
  close(kept);
  assert_ok(err);
  return sink;
}

static void a_console_is_standard_error_at_info_in_plain_text(void **state) {
  jobsrv_job_t *job;
  char text[1000];
  size_t len = 0;
  int fd[2];
  jobsrv_sink_t *sink;

  (void) state;
  again();
  world.options.level = JOBSRV_TRACE;
  world_start(&world);
  assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
  sink = console_on_2(fd[1], NULL);
  close(fd[1]);
  job = begin_job(&world);
  assert_ok(jobsrv_debug(job, "finer", "x"));
  assert_ok(jobsrv_narrate(job, "said", "to you"));
  jobsrv_sink_remove(sink); /* writes what waits, then closes */
  for (;;) {
    struct pollfd poller = { .fd = fd[0], .events = POLLIN };
    ssize_t n;

    assert_int_equal(poll(&poller, 1, 5000), 1);
    n = read(fd[0], text + len, sizeof(text) - 1 - len);
    if (n == 0)
      break;
    assert_true(n > 0);
    len += (size_t) n;
  }
  text[len] = '\0';
  close(fd[0]);
  assert_contains(text, " info  ...");
  assert_contains(text, " work said: to you\n");
  assert_null(strstr(text, "finer"));
  assert_null(strchr(text, '\x1b'));
}

/* Lines of about a thousand bytes that a console which nobody reads keeps. */
static uint64_t kept_of(const jobsrv_console_options_t *given, int lines) {
  jobsrv_console_options_t options = *given;
  jobsrv_job_t *job = begin_job(&world);
  uint64_t dropped;
  jobsrv_sink_t *sink;
  int fd[2];
  char filler[4096] = { 0 };

  assert_int_equal(pipe2(fd, O_CLOEXEC | O_NONBLOCK), 0);
  while (write(fd[1], filler, sizeof(filler)) > 0)
    ;
  options.fd = fd[1];
  assert_ok(jobsrv_console_add(world.srv, &options, &sink));
  for (int i = 0; i < lines; i++)
    assert_ok(jobsrv_narrate(job, "line", "%0930d", i));
  while (last_seq(job) < (uint64_t) lines + 2) /* in the order of the inbox */
    world_turn(&world);
  dropped = jobsrv_sink_dropped(sink);
  close(fd[0]); /* the end of it: nothing is waited for */
  jobsrv_sink_remove(sink);
  close(fd[1]);
  return (uint64_t) lines - dropped;
}

static void a_console_keeps_a_mebibyte_or_what_it_is_given(void **state) {
  jobsrv_console_options_t options;

  (void) state;
  jobsrv_console_options_init(&options);
  assert_in_range(kept_of(&options, 3000), 950, 1150);
  options.max_bytes = 100 * 1024;
  assert_in_range(kept_of(&options, 3000), 85, 125);
}

/* ---- redaction ---- */

static int redactor_of(const jobsrv_redact_options_t *options) {
  jobsrv_redactor_t *redactor;
  int err = jobsrv_redactor_new(&redactor, NULL, options);

  if (err == 0)
    jobsrv_redactor_unref(redactor);
  return err;
}

static void a_redactor_has_its_bounds(void **state) {
  const char *names[65];
  jobsrv_redact_pattern_t patterns[33];
  jobsrv_redact_options_t options;
  char *text = letters(65);

  (void) state;
  jobsrv_redact_options_init(&options);
  options.replacement = text + 1;
  assert_ok(redactor_of(&options));
  options.replacement = text;
  assert_err(redactor_of(&options), UV_EINVAL);

  jobsrv_redact_options_init(&options);
  options.names = names;
  for (int i = 0; i < 65; i++)
    names[i] = "pin";
  options.nnames = 64;
  assert_ok(redactor_of(&options));
  options.nnames = 65;
  assert_err(redactor_of(&options), UV_EINVAL);

  jobsrv_redact_options_init(&options);
  options.patterns = patterns;
  for (int i = 0; i < 33; i++)
    patterns[i] = (jobsrv_redact_pattern_t) { .prefix = text + 33 };
  options.npatterns = 32;
  assert_ok(redactor_of(&options));
  options.npatterns = 33;
  assert_err(redactor_of(&options), UV_EINVAL);
  options.npatterns = 1;
  patterns[0].prefix = text + 32;
  assert_err(redactor_of(&options), UV_EINVAL);
  free(text);
}

static void a_pattern_counts_where_a_word_begins(void **state) {
  jobsrv_redact_pattern_t pattern = { "acme_", "0123456789", 3 };
  jobsrv_redact_options_t options;
  jobsrv_redactor_t *redactor;
  char to[80];
  size_t len;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.patterns = &pattern;
  options.npatterns = 1;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
#define REDACTED(text, want)                                                  \
  len = jobsrv_redact(redactor, text, strlen(text), to, sizeof(to));          \
  assert_bytes(to, len, want)
  REDACTED("an acme_123, (acme_4567)", "an [REDACTED], ([REDACTED])");
  REDACTED("no xacme_123 nor acme_12 here", "no xacme_123 nor acme_12 here");
#undef REDACTED
  jobsrv_redactor_unref(redactor);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
  CASE(a_text_is_cut_behind_64_kib),
  CASE(a_text_is_cut_where_the_host_says),
  CASE(an_event_is_at_most_256_kib),
  CASE(an_event_is_as_large_as_the_host_says),
  CASE(a_key_has_1_to_64_bytes),
  CASE(a_host_built_with_another_struct_is_understood),
  CASE(a_filter_names_each_thing_and_its_beginning),
  CASE(a_console_is_standard_error_at_info_in_plain_text),
  CASE(a_console_keeps_a_mebibyte_or_what_it_is_given),
  CASE(a_redactor_has_its_bounds),
  CASE(a_pattern_counts_where_a_word_begins),
};

RUN(tests);
