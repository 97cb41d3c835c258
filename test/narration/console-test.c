/* SPDX-License-Identifier: MIT */

#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
  world_t world;
  int fd[2];
  jobsrv_sink_t *sink;
  jobsrv_job_t *job;
  char text[400000];
  size_t len;
} console_t;

static void open_console(console_t *c, jobsrv_console_options_t *options) {
  memset(c, 0, sizeof(*c));
  world_open(&c->world);
  assert_int_equal(pipe2(c->fd, O_CLOEXEC), 0);
  options->fd = c->fd[1];
  c->job = begin_job(&c->world);
  assert_ok(jobsrv_console_add(c->world.srv, options, &c->sink));
}

/* Reads until `part` has come, or for five seconds. */
static void read_until(console_t *c, const char *part) {
  struct pollfd fd = { .fd = c->fd[0], .events = POLLIN };
  ssize_t n;

  while (strstr(c->text, part) == NULL) {
    if (poll(&fd, 1, 5000) != 1)
      fail_msg("\"%s\" is not in \"%s\"", part, c->text);
    n = read(c->fd[0], c->text + c->len, sizeof(c->text) - 1 - c->len);
    assert_true(n > 0);
    c->len += (size_t) n;
  }
}

static void read_to_end(console_t *c) {
  ssize_t n;

  close(c->fd[1]);
  while ((n = read(c->fd[0], c->text + c->len,
                   sizeof(c->text) - 1 - c->len)) > 0)
    c->len += (size_t) n;
  assert_int_equal(n, 0);
  close(c->fd[0]);
}

static void an_event_is_one_line_of_text(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  char id[JOBSRV_ID_SIZE];
  char want[256];

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  assert_ok(jobsrv_narrate(c.job, "fetch", "2 of 3"));
  assert_ok(jobsrv_warn(c.job, "look", "out"));
  read_until(&c, "out\n");
  jobsrv_job_id(c.job, id);
  snprintf(want, sizeof(want),
           "2026-01-01T00:00:00.000Z info  ...%s work fetch: 2 of 3\n"
           "2026-01-01T00:00:00.000Z warn  ...%s work look: out\n",
           id + 34, id + 34);
  assert_string_equal(c.text, want);
  world_close(&c.world);
  read_to_end(&c);
}

static void a_table_and_a_count_are_shown_to_people(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  char id[JOBSRV_ID_SIZE];
  char want[512];

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  assert_ok(jobsrv_table(c.job, "models", "[{\"name\": \"\\n\", \"n\": 1}]",
                         "%d is", 1));
  assert_ok(jobsrv_info_with(
      c.job, (.action = "slow",
              JOBSRV_FIELDS(jobsrv_field_u64("suppressed", 7))), "again"));
  read_until(&c, "7)\n");
  jobsrv_job_id(c.job, id);
  snprintf(want, sizeof(want),
           "2026-01-01T00:00:00.000Z info  ...%s work models: 1 is\n"
           "  name \xe2\x94\x82 n\n"
           "  \xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80\xe2\x94\x80"
           "\xe2\x94\xbc\xe2\x94\x80\xe2\x94\x80\n"
           "  \\x0a \xe2\x94\x82 1\n"
           "2026-01-01T00:00:00.000Z info  ...%s work slow: again"
           " (suppressed 7)\n",
           id + 34, id + 34);
  assert_string_equal(c.text, want);
  world_close(&c.world);
  read_to_end(&c);
}

static void of_data_the_payload_is_shown_and_nothing_behind_it(void **state) {
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  options.form = JOBSRV_CONSOLE_MESSAGE;
  open_console(&c, &options);
  assert_ok(jobsrv_data_event(c.job, "found", "{\"n\":1},\"secret\"", 7));
  assert_ok(jobsrv_narrate(c.job, "a", "the last"));
  read_until(&c, "the last\n");
  assert_contains(c.text, "{\"n\":1}\nthe last\n");
  world_close(&c.world);
  read_to_end(&c);
}

static void nothing_reaches_the_terminal_as_a_control(void **state) {
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  assert_ok(jobsrv_narrate(c.job, "a\nb",
                           "\x1b[2J one\r\ntwo\t\x7f \xc2\x9b"
                           "1m \xe2\x80\xae rtl \xe2\x80\xa8 \xff bad "
                           "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb end"));
  read_until(&c, "end\n");
  assert_contains(c.text,
                  "a\\x0ab: \\x1b[2J one\\x0d\\x0atwo\\x09\\x7f \\x9b"
                  "1m \\u202e rtl \\u2028 \xef\xbf\xbd bad "
                  "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb end\n");
  assert_ptr_equal(strchr(c.text, '\n'), c.text + c.len - 1);
  world_close(&c.world);
  read_to_end(&c);
}

static void colour_only_when_asked(void **state) {
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  options.colour = 1;
  open_console(&c, &options);
  assert_ok(jobsrv_error(c.job, "a", "b"));
  read_until(&c, "b\n");
  assert_contains(c.text, " \x1b[31merror\x1b[0m ...");
  world_close(&c.world);
  read_to_end(&c);
}

static void the_json_form_is_the_event_s_own(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  json_t *json;

  (void) state;
  jobsrv_console_options_init(&options);
  options.form = JOBSRV_CONSOLE_JSON;
  open_console(&c, &options);
  assert_ok(jobsrv_narrate(c.job, "a", "two\nlines"));
  assert_ok(jobsrv_job_complete(c.job, "[1]", 0));
  world_turn(&c.world);
  read_until(&c, "\"type\":\"end\"");
  world_close(&c.world);
  read_to_end(&c);
  json = json_loads(c.text, JSON_DISABLE_EOF_CHECK, NULL);
  assert_string_equal(text_of(json, "human"), "two\nlines");
  json_decref(json);
  json = json_loads(strchr(c.text, '\n') + 1, 0, NULL);
  assert_string_equal(text_of(json, "state"), "completed");
  json_decref(json);
}

static void every_option_reaches_the_line(void **state) {
  jobsrv_sink_options_t how;
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  jobsrv_sink_options_init(&how);
  options.form = JOBSRV_CONSOLE_BRACKETS;
  options.voice = JOBSRV_VOICE_CUTE;
  options.fields = 1;
  options.colour = 1;
  options.sink = &how;
  how.filter.action = "fe*";
  how.level = JOBSRV_WARN;
  open_console(&c, &options);
  assert_ok(jobsrv_narrate(c.job, "fetch", "under the level"));
  assert_ok(jobsrv_warn(c.job, "other", "not in the filter"));
  assert_ok(jobsrv_warn_cute(c.job, "fetch", "password=%s", "key %s", "x"));
  assert_ok(jobsrv_warn_with(
      c.job, (.action = "fed", JOBSRV_FIELDS(jobsrv_field_u64("n", 2))),
      "token=%s", "secret"));
  read_until(&c, "n=2\n");
  assert_string_equal(c.text,
                      "\x1b[33m[work      ]\x1b[0m fetch          : key x\n"
                      "\x1b[33m[work      ]\x1b[0m fed            : "
                      "token=[REDACTED] n=2\n");
  world_close(&c.world);
  read_to_end(&c);
}

static void its_own_level_counts_before_the_sink_s(void **state) {
  jobsrv_sink_options_t how;
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  jobsrv_sink_options_init(&how);
  options.form = JOBSRV_CONSOLE_MESSAGE;
  options.level = JOBSRV_ERROR;
  options.sink = &how;
  how.level = JOBSRV_INFO;
  how.unredacted = 1;
  open_console(&c, &options);
  assert_ok(jobsrv_warn(c.job, "a", "warned"));
  assert_ok(jobsrv_error(c.job, "a", "token=seen"));
  read_until(&c, "seen\n");
  assert_string_equal(c.text, "token=seen\n");
  world_close(&c.world);
  read_to_end(&c);
}

static void progress_has_lines_too(void **state) {
  jobsrv_sink_options_t how;
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  jobsrv_sink_options_init(&how);
  options.form = JOBSRV_CONSOLE_BRACKETS;
  options.sink = &how;
  how.progress = 1;
  open_console(&c, &options);
  assert_ok(jobsrv_progress(c.job, &(jobsrv_progress_t) { .done = 1,
                                                          .total = 4 }));
  world_turn(&c.world);
  read_until(&c, "%)\n");
  assert_string_equal(c.text,
                      "[work      ] progress       : 1 of 4 (25%)\n");
  world_close(&c.world);
  read_to_end(&c);
}

static void fill(int fd) {
  int flags = fcntl(fd, F_GETFL);
  char filler[4096];

  memset(filler, 'F', sizeof(filler));
  assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
  while (write(fd, filler, sizeof(filler)) > 0)
    ;
  assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

/* Nobody reads: the queue fills behind the pipe, then events are dropped. */
static void a_full_pipe_drops_counts_and_announces(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  char want[64];
  uint64_t start, dropped;
  int lines = 0;

  (void) state;
  jobsrv_console_options_init(&options);
  options.max_bytes = 16 * 1024;
  open_console(&c, &options);
  fill(c.fd[1]);
  start = uv_hrtime();
  for (int i = 0; i < 3000; i++)
    assert_ok(jobsrv_narrate(c.job, "flood", "%060d", i));
  assert_true(uv_hrtime() - start < 20000000000ull);
  dropped = jobsrv_sink_dropped(c.sink);
  assert_in_range(dropped, 1, 3000);

  snprintf(want, sizeof(want), "... dropped %llu events\n",
           (unsigned long long) dropped);
  read_until(&c, want);
  assert_ok(jobsrv_narrate(c.job, "after", "the flood"));
  read_until(&c, "after: the flood\n");
  for (const char *p = c.text; (p = strchr(p, '\n')) != NULL; p++)
    lines++;
  assert_int_equal(lines, 3000 - (int) dropped + 2);
  assert_int_equal(jobsrv_sink_dropped(c.sink), dropped);
  world_close(&c.world);
  read_to_end(&c);
}

/* Of what waits behind a full pipe, the newest progress of each job alone. */
static void waiting_progress_gives_way_to_newer(void **state) {
  jobsrv_sink_options_t how;
  jobsrv_console_options_t options;
  jobsrv_job_t *other;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  jobsrv_sink_options_init(&how);
  options.form = JOBSRV_CONSOLE_MESSAGE;
  options.overflow = JOBSRV_OVERFLOW_COALESCE_PROGRESS;
  options.sink = &how;
  how.progress = 1;
  how.filter.action = "p*";
  open_console(&c, &options);
  other = begin_job(&c.world);
  fill(c.fd[1]);
  for (int i = 1; i <= 20; i++) {
    assert_ok(jobsrv_progress(c.job, &(jobsrv_progress_t) { .done = i }));
    assert_ok(jobsrv_progress(other, &(jobsrv_progress_t) { .done = i,
                                                            .unit = "MB" }));
    world_pass(&c.world, 100);
  }
  assert_ok(jobsrv_narrate(c.job, "pulled", "the last"));
  read_until(&c, "the last\n");
  assert_contains(c.text, "20\n20 MB\nthe last\n");
  assert_null(strstr(c.text, "15"));
  assert_int_equal(jobsrv_sink_dropped(c.sink), 0);
  world_close(&c.world);
  read_to_end(&c);
}

/* Each form tells what is missing in its own way. */
static void what_was_dropped_is_told_in_the_form(void **state) {
  static const struct {
    jobsrv_console_form_t form;
    const char *want;
  } cases[] = {
    { JOBSRV_CONSOLE_JSON, "{\"type\":\"dropped\",\"count\":" },
    { JOBSRV_CONSOLE_LOGFMT, "type=dropped count=" },
    { JOBSRV_CONSOLE_BRACKETS, "... dropped " },
  };
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    jobsrv_console_options_init(&options);
    options.form = cases[i].form;
    options.max_bytes = 16 * 1024;
    options.overflow = JOBSRV_OVERFLOW_DROP_OLDEST;
    open_console(&c, &options);
    fill(c.fd[1]);
    for (int n = 0; n < 3000; n++)
      assert_ok(jobsrv_narrate(c.job, "flood", "%060d", n));
    read_until(&c, "2999"); /* the newest is there */
    assert_contains(c.text, cases[i].want);
    assert_true(jobsrv_sink_dropped(c.sink) > 0);
    world_close(&c.world);
    read_to_end(&c);
  }
}

static int is_set(void *data) {
  return *(int *) data;
}

static void on_done(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static void a_drain_waits_for_what_is_queued(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  int done = 0;

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  for (int i = 0; i < 2000; i++)
    assert_ok(jobsrv_narrate(c.job, "line", "%060d", i));
  assert_ok(jobsrv_job_complete(c.job, NULL, 0));
  assert_ok(jobsrv_drain(c.world.srv, 5000, on_done, &done));
  assert_false(run_until(&c.world.loop, is_set, &done, 50));
  read_until(&c, "end: completed\n");
  assert_true(run_until(&c.world.loop, is_set, &done, 5000));
  world_close(&c.world);
  read_to_end(&c);
}

static void a_drain_without_a_reader_ends_at_its_deadline(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  int done = 0;

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  for (int i = 0; i < 2000; i++)
    assert_ok(jobsrv_narrate(c.job, "line", "%060d", i));
  assert_ok(jobsrv_job_complete(c.job, NULL, 0));
  assert_ok(jobsrv_drain(c.world.srv, 1000, on_done, &done));
  world_turn(&c.world);
  assert_int_equal(done, 0);
  world_pass(&c.world, 1600);
  assert_int_equal(done, 1);
  world_close(&c.world);
  read_to_end(&c);
}

static void a_close_writes_what_is_taken_and_never_hangs(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  uint64_t start;

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  for (int i = 0; i < 100; i++)
    assert_ok(jobsrv_narrate(c.job, "line", "%03d", i));
  world_close(&c.world);
  read_to_end(&c);
  assert_contains(c.text, "line: 099\n");
  assert_contains(c.text, "end: cancelled");

  memset(&c, 0, sizeof(c));
  open_console(&c, &options);
  for (int i = 0; i < 3000; i++)
    assert_ok(jobsrv_narrate(c.job, "line", "%060d", i));
  start = uv_hrtime();
  world_close(&c.world); /* nobody reads */
  assert_true(uv_hrtime() - start < 20000000000ull);
  read_to_end(&c);
}

static void a_reader_that_goes_stops_nobody(void **state) {
  jobsrv_console_options_t options;
  static console_t c;

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  close(c.fd[0]);
  for (int i = 0; i < 1000 && jobsrv_sink_dropped(c.sink) == 0; i++) {
    assert_ok(jobsrv_narrate(c.job, "line", "%d", i));
    (void) poll(NULL, 0, 1);
  }
  assert_true(jobsrv_sink_dropped(c.sink) > 0);
  world_close(&c.world);
  close(c.fd[1]);
}

static void its_descriptor_is_the_host_s_to_close(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  jobsrv_sink_t *second;

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  close(c.fd[1]);
  c.fd[1] = -1;
  assert_ok(jobsrv_narrate(c.job, "a", "still there"));
  read_until(&c, "still there\n");
  assert_ok(jobsrv_narrate(c.job, "a", "last"));
  jobsrv_sink_remove(c.sink);
  assert_ok(jobsrv_narrate(c.job, "a", "unseen"));
  read_until(&c, "last\n");
  options.fd = 1000000;
  assert_err(jobsrv_console_add(c.world.srv, &options, &second), UV_EBADF);
  world_close(&c.world);
  read_to_end(&c);
  assert_null(strstr(c.text, "unseen"));
}

static void two_consoles_do_not_wait_for_each_other(void **state) {
  jobsrv_console_options_t options;
  static console_t c;
  int stuck[2];

  (void) state;
  jobsrv_console_options_init(&options);
  open_console(&c, &options);
  assert_int_equal(pipe2(stuck, O_CLOEXEC), 0);
  options.fd = stuck[1];
  options.level = JOBSRV_WARN;
  assert_ok(jobsrv_console_add(c.world.srv, &options, NULL));
  for (int i = 0; i < 3000; i++)
    assert_ok(jobsrv_warn(c.job, "line", "%040d", i));
  read_until(&c, "2999\n");
  close(stuck[0]);
  close(stuck[1]);
  world_close(&c.world);
  read_to_end(&c);
}

static void options_are_checked(void **state) {
  jobsrv_console_options_t options;
  jobsrv_sink_options_t how = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_console_options_init(&options);
  options.fd = -1;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  jobsrv_console_options_init(&options);
  options.level = 8;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  options.level = -1;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  jobsrv_console_options_init(&options);
  options.form = JOBSRV_CONSOLE_MESSAGE + 1;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  jobsrv_console_options_init(&options);
  options.voice = JOBSRV_VOICE_STORY + 1;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  jobsrv_console_options_init(&options);
  options.overflow = JOBSRV_OVERFLOW_COALESCE_PROGRESS + 1;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  jobsrv_console_options_init(&options);
  options.sink = &how; /* whose size was never set */
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  jobsrv_console_options_init(&options);
  options.size = 1;
  assert_err(jobsrv_console_add(world.srv, &options, NULL), UV_EINVAL);
  world_close(&world);
}

static void every_allocation_may_fail(void **state) {
  jobsrv_console_options_t options;
  jobsrv_sink_t *sink;
  int err = UV_ENOMEM;
  int fd[2];

  (void) state;
  assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
  jobsrv_console_options_init(&options);
  options.fd = fd[1];
  for (uint64_t n = 0; err != 0; n++) {
    world_t world;

    world_open(&world);
    jobsrv_faults_fail(&world.faults, n, 1);
    err = jobsrv_console_add(world.srv, &options, &sink);
    assert_int_equal(err, jobsrv_faults_hit(&world.faults) ? UV_ENOMEM : 0);
    world_close(&world);
  }
  for (uint64_t n = 0; n < 12; n++) {
    world_t world;
    jobsrv_job_t *job;

    world_open(&world);
    job = begin_job(&world);
    assert_ok(jobsrv_console_add(world.srv, &options, &sink));
    jobsrv_faults_fail(&world.faults, n, 3);
    (void) jobsrv_narrate(job, "a", "one");
    (void) jobsrv_narrate(job, "a", "two");
    jobsrv_faults_fail(&world.faults, 0, 0);
    assert_ok(jobsrv_narrate(job, "a", "three"));
    world_close(&world);
  }
  close(fd[0]);
  close(fd[1]);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_event_is_one_line_of_text),
  cmocka_unit_test(a_table_and_a_count_are_shown_to_people),
    cmocka_unit_test(of_data_the_payload_is_shown_and_nothing_behind_it),
  cmocka_unit_test(nothing_reaches_the_terminal_as_a_control),
  cmocka_unit_test(colour_only_when_asked),
  cmocka_unit_test(the_json_form_is_the_event_s_own),
  cmocka_unit_test(every_option_reaches_the_line),
  cmocka_unit_test(its_own_level_counts_before_the_sink_s),
  cmocka_unit_test(progress_has_lines_too),
  cmocka_unit_test(waiting_progress_gives_way_to_newer),
  cmocka_unit_test(what_was_dropped_is_told_in_the_form),
  cmocka_unit_test(a_full_pipe_drops_counts_and_announces),
  cmocka_unit_test(a_drain_waits_for_what_is_queued),
  cmocka_unit_test(a_drain_without_a_reader_ends_at_its_deadline),
  cmocka_unit_test(a_close_writes_what_is_taken_and_never_hangs),
  cmocka_unit_test(a_reader_that_goes_stops_nobody),
  cmocka_unit_test(its_descriptor_is_the_host_s_to_close),
  cmocka_unit_test(two_consoles_do_not_wait_for_each_other),
  cmocka_unit_test(options_are_checked),
  cmocka_unit_test(every_allocation_may_fail),
};

RUN(tests);
