/* SPDX-License-Identifier: MIT */

#include "daemon.h"

#include "narration/show.h"

#include <fcntl.h>

/* ---- a message, as RFC 5424 has it ---- */

enum { MAX_PARAMS = 64 };

typedef struct {
  int pri;
  char time[40], host[256], app[49], pid[129], id[33], sd_id[33];
  struct {
    char name[33];
    char *value;
  } params[MAX_PARAMS];
  size_t n;
  const char *text; /* behind the BOM; ends with the message */
} message_t;

/* 1*max PRINTUSASCII but those in `not`, then `behind`. */
static const char *take_name(const char *p,
                             char *to,
                             size_t max,
                             const char *not,
                             char behind) {
  size_t n = 0;

  for (; p[n] > ' ' && p[n] <= '~' && strchr(not, p[n]) == NULL; n++)
    assert_true(n < max);
  assert_true(n > 0);
  memcpy(to, p, n);
  to[n] = '\0';
  assert_int_equal(p[n], behind);
  return p + n + 1;
}

static const char *take_digits(const char *p, int count, char behind) {
  for (; count > 0; count--, p++)
    assert_in_range(*p, '0', '9');
  assert_int_equal(*p, behind);
  return p + 1;
}

static const char *take_time(const char *p, char to[40]) {
  const char *from = p;

  p = take_digits(p, 4, '-');
  p = take_digits(p, 2, '-');
  p = take_digits(p, 2, 'T');
  p = take_digits(p, 2, ':');
  p = take_digits(p, 2, ':');
  p = take_digits(p, 2, '.');
  p = take_digits(p, 6, 'Z');
  snprintf(to, 40, "%.*s", (int) (p - from), from);
  assert_int_equal(*p, ' ');
  return p + 1;
}

/* Valid UTF-8 without a control, its escapes undone, up to the quote. */
static const char *take_value(const char *p, char **out) {
  char *to = malloc(strlen(p) + 1);
  size_t n = 0;

  assert_non_null(to);
  for (; *p != '"'; p++) {
    assert_true(*p != '\0' && *p != ']');
    assert_true((unsigned char) *p >= ' ' && *p != 0x7f);
    if (*p == '\\') {
      p++;
      assert_non_null(strchr("\"\\]", *p));
    }
    to[n++] = *p;
  }
  to[n] = '\0';
  *out = to;
  return p + 1;
}

static void assert_utf8(const char *text) {
  json_t *json = json_string(text); /* refuses what is none */

  assert_non_null(json);
  json_decref(json);
}

static void parse(message_t *m, const char *p) {
  char *end;

  memset(m, 0, sizeof(*m));
  assert_int_equal(*p, '<');
  assert_in_range(p[1], '1', '9');
  m->pri = (int) strtol(p + 1, &end, 10);
  assert_in_range(m->pri, 0, 191);
  assert_memory_equal(end, ">1 ", 3);
  p = take_time(end + 3, m->time);
  p = take_name(p, m->host, 255, "", ' ');
  p = take_name(p, m->app, 48, "", ' ');
  p = take_name(p, m->pid, 128, "", ' ');
  p = take_name(p, m->id, 32, "", ' ');
  assert_int_equal(*p, '[');
  p = take_name(p + 1, m->sd_id, 32, "=]\"", ' ') - 1;
  while (*p == ' ') {
    assert_true(m->n < MAX_PARAMS);
    p = take_name(p + 1, m->params[m->n].name, 32, "=]\"", '=');
    assert_int_equal(*p, '"');
    p = take_value(p + 1, &m->params[m->n].value);
    assert_utf8(m->params[m->n++].value);
  }
  assert_memory_equal(p, "] \xef\xbb\xbf", 5);
  m->text = p + 5;
  assert_utf8(m->text);
  for (p = m->text; *p != '\0'; p++)
    assert_true((unsigned char) *p >= ' ' && *p != 0x7f);
}

static void message_free(message_t *m) {
  for (size_t i = 0; i < m->n; i++)
    free(m->params[i].value);
  m->n = 0;
}

/* The value of that name, of which there is one; NULL for none. */
static const char *param(const message_t *m, const char *name) {
  const char *value = NULL;

  for (size_t i = 0; i < m->n; i++)
    if (strcmp(m->params[i].name, name) == 0) {
      assert_null(value);
      value = m->params[i].value;
    }
  return value;
}

#define assert_param(m, name, text)                                           \
  do {                                                                        \
    if (param(m, name) == NULL)                                               \
      fail_msg("%s is not there", name);                                      \
    assert_string_equal(param(m, name), text);                                \
  } while (0)

/* ---- the world ---- */

static jobsrv_syslog_options_t options_for(daemon_t *d) {
  jobsrv_syslog_options_t options;

  jobsrv_syslog_options_init(&options);
  options.path = d->path;
  options.on_trouble = daemon_on_trouble;
  options.data = d;
  return options;
}

static void open_syslog(daemon_t *d) {
  jobsrv_syslog_options_t options;

  daemon_open(d);
  daemon_start(d, SOCK_DGRAM);
  options = options_for(d);
  assert_ok(jobsrv_syslog_add(d->world.srv, &options, &d->sink));
}

static void next(daemon_t *d, message_t *m) {
  daemon_receive(d);
  assert_int_equal(strlen(d->data), d->len);
  parse(m, d->data);
}

/* ---- cases ---- */

static void a_message_has_all_its_parts(void **state) {
  static daemon_t d;
  jobsrv_syslog_options_t options;
  char id[JOBSRV_ID_SIZE];
  char pid[16];
  message_t m;

  (void) state;
  daemon_open(&d);
  daemon_start(&d, SOCK_DGRAM);
  options = options_for(&d);
  options.facility = 16;
  options.hostname = "a host";
  options.app_name = "my app";
  options.sd_id = "mine@1";
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
  jobsrv_manual_clock_advance(&d.world.clock, 1002003004);
  assert_ok(jobsrv_warn(d.job, "fetch", "2 of %d", 3));
  next(&d, &m);
  assert_int_equal(m.pri, 16 * 8 + 4);
  assert_string_equal(m.time, "2026-01-01T00:00:01.002003Z");
  assert_string_equal(m.host, "a_host");
  assert_string_equal(m.app, "my_app");
  snprintf(pid, sizeof(pid), "%d", (int) getpid());
  assert_string_equal(m.pid, pid);
  assert_string_equal(m.id, "fetch");
  assert_string_equal(m.sd_id, "mine@1");
  assert_string_equal(m.text, "2 of 3");
  assert_param(&m, "type", "narration");
  assert_param(&m, "seq", "3"); /* created, started */
  assert_param(&m, "job_id", jobsrv_job_id(d.job, id));
  assert_param(&m, "level", "warn");
  assert_param(&m, "actor", "work");
  assert_param(&m, "action", "fetch");
  assert_null(param(&m, "human"));
  assert_null(param(&m, "truncated"));
  message_free(&m);
  daemon_close(&d);
}

static void what_is_not_given_has_a_default(void **state) {
  static daemon_t d;
  char host[256];
  message_t m;

  (void) state;
  open_syslog(&d);
  assert_ok(jobsrv_narrate(d.job, "say", "x"));
  assert_ok(jobsrv_debug(d.job, "say", "unseen"));
  assert_ok(jobsrv_narrate(d.job, "two words \xff", "password=hunter2"));
  next(&d, &m);
  assert_int_equal(m.pri, 3 * 8 + 6);
  assert_int_equal(gethostname(host, sizeof(host)), 0);
  assert_string_equal(m.host, host);
  assert_string_equal(m.app, "syslog-test");
  assert_string_equal(m.sd_id, "jobsrv@32473");
  message_free(&m);
  next(&d, &m);
  assert_string_equal(m.id, "two_words__");
  assert_null(strstr(m.text, "hunter2")); /* shared: without secrets */
  message_free(&m);
  daemon_close(&d);
}

static void levels_become_severities(void **state) {
  static const int severities[] = { 0, 7, 7, 6, 4, 3, 2 };
  jobsrv_sink_options_t how;
  jobsrv_syslog_options_t options;
  static daemon_t d;
  message_t m;

  (void) state;
  daemon_open(&d);
  daemon_start(&d, SOCK_DGRAM);
  options = options_for(&d);
  jobsrv_sink_options_init(&how);
  how.level = JOBSRV_TRACE;
  options.sink = &how;
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_job_set_level(d.job, JOBSRV_TRACE));
  for (int level = JOBSRV_TRACE; level <= JOBSRV_FATAL; level++) {
    jobsrv_event_t event = { .size = sizeof(event), .level = level };

    assert_ok(jobsrv_narrate_event(d.job, &event));
    next(&d, &m);
    assert_int_equal(m.pri, 3 * 8 + severities[level]);
    message_free(&m);
  }
  daemon_close(&d);
}

static void every_member_and_field_arrives(void **state) {
  jobsrv_field_t fields[64];
  jobsrv_event_t event = full_event("text");
  static daemon_t d;
  size_t n = 0;
  message_t m;

  (void) state;
#define STRING(key) fields[n++] = jobsrv_field_string(key, "is " key)
#define U64(key) fields[n++] = jobsrv_field_u64(key, sizeof(key))
#define JSON(key) fields[n++] = jobsrv_field_json(key, "[{\"a\": \"]\"}]")
#define XX(name, type) type(#name);
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  fields[n++] = jobsrv_field_i64("i", -5);
  fields[n++] = jobsrv_field_f64("f", 0.5);
  fields[n++] = jobsrv_field_bool("b", 1);
  fields[n++] = jobsrv_field_string("none", NULL);
  fields[n++] = jobsrv_field_string("with.dots-and", "x");
  event.fields = fields;
  event.nfields = n;
  open_syslog(&d);
  assert_ok(jobsrv_narrate_event(d.job, &event));
  next(&d, &m);
  assert_param(&m, "actor", "text");
  assert_param(&m, "target", "text");
  assert_param(&m, "cute", "text");
  assert_param(&m, "story", "text");
  assert_param(&m, "correlation_id", "text");
  assert_param(&m, "request_id", "text");
  assert_param(&m, "fn_name", "text");
  assert_param(&m, "source", "text:7");
  assert_param(&m, "i", "-5");
  assert_param(&m, "f", "0.5");
  assert_param(&m, "b", "true");
  assert_param(&m, "none", "null");
  assert_param(&m, "with.dots-and", "x");
#undef STRING
#undef U64
#undef JSON
#define STRING(key) assert_param(&m, key, "is " key)
#define U64(key)                                                              \
  assert_int_equal(strtoul(param(&m, key), NULL, 10), sizeof(key))
#define JSON(key) assert_param(&m, key, "[{\"a\":\"]\"}]")
#define XX(name, type) type(#name);
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  assert_string_equal(m.text, "text");
  message_free(&m);
  daemon_close(&d);
}

static void a_field_cannot_pass_for_a_member(void **state) {
  static daemon_t d;
  char id[JOBSRV_ID_SIZE];
  message_t m;

  (void) state;
  open_syslog(&d);
  assert_ok(jobsrv_info_with(
      d.job, (.action = "a",
              JOBSRV_FIELDS(jobsrv_field_string("job_id", "another's"),
                            jobsrv_field_string("Job-Id", "his"),
                            jobsrv_field_u64("session_id", 1))), "x"));
  next(&d, &m);
  assert_param(&m, "job_id", jobsrv_job_id(d.job, id));
  assert_param(&m, "field_job_id", "another's");
  assert_param(&m, "field_Job-Id", "his");
  assert_param(&m, "field_session_id", "1");
  message_free(&m);
  daemon_close(&d);
}

static void changes_data_and_ends_are_messages_too(void **state) {
  static daemon_t d;
  message_t m;

  (void) state;
  open_syslog(&d);
  assert_ok(jobsrv_data_event(d.job, "sum", "{\"a\": [1, 2]}", 0));
  assert_ok(jobsrv_job_cancel(d.job, NULL));
  world_turn(&d.world);
  assert_ok(jobsrv_job_fail(d.job, "broken", "it \"broke\"]"));
  world_turn(&d.world);
  next(&d, &m);
  assert_param(&m, "type", "data");
  assert_string_equal(m.id, "sum");
  assert_contains(m.text, "[1");
  message_free(&m);
  next(&d, &m);
  assert_param(&m, "type", "state");
  assert_param(&m, "state", "running");
  assert_string_equal(m.id, "state");
  message_free(&m);
  do {
    message_free(&m);
    next(&d, &m);
  } while (strcmp(m.id, "end") != 0);
  assert_non_null(param(&m, "state"));
  message_free(&m);
  daemon_close(&d);
}

/* What is put in comes out as it is shown to people, whatever it is. */
static void hostile_text_stays_inside_its_quotes(void **state) {
  static const char text[] =
      "\"] x=\"y\\\\\" ]<13>1 \n<0>1 - - - - - -\r\n\t\x1b[2J\x7f \xc2\x9b "
      "\xe2\x80\xae \xe2\x80\xa8 \xff\xfe \xf0\x9f\x91\xa9 \\\" end";
  jobsrv_event_t event = full_event(text);
  jobsrv_field_t field = jobsrv_field_string("task_id", text);
  static daemon_t d;
  jobsrv__buf_t shown;
  message_t m;

  (void) state;
  jobsrv__buf_init(&shown, NULL, 0);
  jobsrv__show(&shown, text, strlen(text));
  event.fields = &field;
  event.nfields = 1;
  open_syslog(&d);
  assert_ok(jobsrv_narrate_event(d.job, &event));
  next(&d, &m);
  assert_string_equal(m.text, jobsrv__buf_str(&shown));
  assert_param(&m, "actor", shown.data);
  assert_param(&m, "action", shown.data);
  assert_param(&m, "target", shown.data);
  assert_param(&m, "cute", shown.data);
  assert_param(&m, "story", shown.data);
  assert_param(&m, "request_id", shown.data);
  assert_param(&m, "correlation_id", shown.data);
  assert_param(&m, "fn_name", shown.data);
  assert_param(&m, "task_id", shown.data);
  message_free(&m);
  jobsrv__buf_free(&shown);
  daemon_close(&d);
}

static void long_messages_are_cut_and_stay_whole(void **state) {
  static char text[20000];
  jobsrv_event_t event = full_event(text);
  jobsrv_syslog_options_t options;
  static daemon_t d;
  message_t m;

  (void) state;
  for (size_t i = 0; i + 8 < sizeof(text); i += 8)
    memcpy(text + i, "\"\xc3\xa9\x1b\xf0\x9f\x91\xa9", 8);
  for (uint32_t max = 480; max <= 9000; max += max < 1000 ? 7 : 531) {
    daemon_open(&d);
    daemon_start(&d, SOCK_DGRAM);
    options = options_for(&d);
    options.max_message = max > 8500 ? 0 : max;
    assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
    assert_ok(jobsrv_narrate_event(d.job, &event));
    next(&d, &m);
    assert_in_range(d.len, max > 8500 ? 7500 : max * 3 / 5,
                    max > 8500 ? 8192 : max);
    assert_param(&m, "truncated", "1");
    assert_param(&m, "type", "narration");
    assert_true(strlen(m.text) >= 20);
    assert_string_equal(m.text + strlen(m.text) - 3, "\xe2\x80\xa6");
    message_free(&m);
    daemon_close(&d);
  }
}

static void a_message_that_fits_is_not_cut(void **state) {
  static char text[8000];
  static daemon_t d;
  message_t m;

  (void) state;
  memset(text, 'x', sizeof(text) - 1);
  open_syslog(&d);
  for (size_t len = 7000; len < sizeof(text); len += 9) {
    assert_ok(jobsrv_narrate(d.job, "say", "%.*s", (int) len, text));
    next(&d, &m);
    assert_true(d.len <= 8192);
    assert_int_equal(strlen(m.text) == len, param(&m, "truncated") == NULL);
    message_free(&m);
  }
  daemon_close(&d);
}

static void a_daemon_that_comes_late_gets_what_waited(void **state) {
  static daemon_t d;
  jobsrv_syslog_options_t options;
  message_t m;

  (void) state;
  daemon_open(&d);
  options = options_for(&d);
  options.max_queue = 4096;
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_narrate(d.job, "say", "first"));
  assert_true(run_until(&d.world.loop, daemon_has_trouble, &d, 5000));
  assert_int_equal(d.err, UV_ENOENT);
  for (int i = 0; i < 100; i++)
    assert_ok(jobsrv_narrate(d.job, "say", "%d", i));
  assert_true(jobsrv_sink_dropped(d.sink) > 0);
  daemon_start(&d, SOCK_DGRAM);
  next(&d, &m);
  assert_string_equal(m.text, "first");
  message_free(&m);
  assert_true(run_until(&d.world.loop, daemon_is_well, &d, 5000));
  assert_int_equal(d.err, 0);
  assert_int_equal(d.lost, jobsrv_sink_dropped(d.sink));
  do {
    message_free(&m);
    next(&d, &m);
  } while (strcmp(m.id, "dropped") != 0);
  assert_int_equal(strtoul(param(&m, "count"), NULL, 10), d.lost);
  assert_int_equal(m.pri, 3 * 8 + 4);
  assert_contains(m.text, " events were dropped");
  assert_string_equal(m.time, "2026-01-01T00:00:00.000000Z");
  message_free(&m);
  assert_int_equal(d.troubles, 2);
  daemon_close(&d);
}

static void a_restarted_daemon_is_found_again(void **state) {
  static daemon_t d;
  message_t m;

  (void) state;
  open_syslog(&d);
  for (int i = 0; i < 3; i++) {
    assert_ok(jobsrv_narrate(d.job, "say", "%d", i));
    next(&d, &m);
    assert_int_equal(atoi(m.text), i);
    message_free(&m);
    daemon_stop(&d);
    daemon_start(&d, SOCK_DGRAM);
  }
  assert_int_equal(d.troubles, 0); /* it was never missed */

  daemon_stop(&d);
  assert_ok(jobsrv_narrate(d.job, "say", "last"));
  assert_true(run_until(&d.world.loop, daemon_has_trouble, &d, 5000));
  daemon_start(&d, SOCK_DGRAM);
  next(&d, &m);
  assert_string_equal(m.text, "last");
  message_free(&m);
  assert_true(run_until(&d.world.loop, daemon_is_well, &d, 5000));
  daemon_close(&d);
}

/* The reader stops: nobody waits, and what goes is told where it is missing. */
static void each_policy_drops_what_it_says(void **state) {
  static daemon_t d;

  (void) state;
  for (int policy = JOBSRV_OVERFLOW_DROP_NEWEST;
       policy <= JOBSRV_OVERFLOW_DROP_OLDEST; policy++) {
    jobsrv_syslog_options_t options;
    uint64_t start = uv_hrtime();
    int dropped = 0, last = -1, seen = 0, place = -1;
    message_t m;

    daemon_open(&d);
    daemon_start(&d, SOCK_DGRAM);
    options = options_for(&d);
    options.max_queue = 16 * 1024;
    options.overflow = (jobsrv_overflow_t) policy;
    assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
    for (int i = 0; i < 5000; i++)
      assert_ok(jobsrv_narrate(d.job, "n", "%d", i));
    assert_true(uv_hrtime() - start < 20000000000ull);
    assert_true(jobsrv_sink_dropped(d.sink) > 0);
    while (seen + dropped < 5000) {
      next(&d, &m);
      if (strcmp(m.id, "dropped") == 0) {
        dropped += atoi(param(&m, "count"));
        place = last;
      } else {
        assert_true(atoi(m.text) > last);
        last = atoi(m.text);
        seen++;
      }
      message_free(&m);
    }
    assert_int_equal(jobsrv_sink_dropped(d.sink), dropped);
    if (policy == JOBSRV_OVERFLOW_DROP_OLDEST)
      assert_int_equal(last, 4999);
    else
      assert_true(place >= 0);
    daemon_close(&d);
  }
}

static void progress_is_the_newest_alone(void **state) {
  static daemon_t d;
  jobsrv_sink_options_t how;
  jobsrv_syslog_options_t options;
  int flushed = 0;
  message_t m;

  (void) state;
  daemon_open(&d);
  options = options_for(&d);
  jobsrv_sink_options_init(&how);
  how.progress = 1;
  options.sink = &how;
  options.overflow = JOBSRV_OVERFLOW_COALESCE_PROGRESS;
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_narrate(d.job, "say", "first"));
  assert_true(run_until(&d.world.loop, daemon_has_trouble, &d, 5000));
  for (int i = 1; i <= 50; i++) {
    jobsrv_progress_t progress = { .done = i, .total = 100 };

    assert_ok(jobsrv_progress(d.job, &progress));
    world_pass(&d.world, 200);
  }
  daemon_start(&d, SOCK_DGRAM);
  assert_ok(jobsrv_sinks_flush(d.world.srv, daemon_on_flushed, &flushed));
  next(&d, &m);
  assert_string_equal(m.text, "first");
  message_free(&m);
  next(&d, &m);
  assert_param(&m, "type", "progress");
  assert_param(&m, "done", "50");
  message_free(&m);
  assert_true(run_until(&d.world.loop, daemon_is_set, &flushed, 5000));
  assert_int_equal(recv(d.fd, d.data, 1, MSG_DONTWAIT), -1);
  daemon_close(&d);
}

/* ---- streams ---- */

/* One message behind its length. */
static void next_counted(daemon_t *d, int fd, message_t *m) {
  char count[16] = "";
  size_t want;

  for (size_t i = 0; i < sizeof(count) - 1; i++) {
    daemon_await(fd);
    assert_int_equal(read(fd, &count[i], 1), 1);
    if (count[i] == ' ')
      break;
    assert_in_range(count[i], i == 0 ? '1' : '0', '9');
  }
  want = strtoul(count, NULL, 10);
  assert_in_range(want, 1, sizeof(d->data) - 1);
  for (d->len = 0; d->len < want;) {
    ssize_t n;

    daemon_await(fd);
    n = read(fd, d->data + d->len, want - d->len);
    assert_true(n > 0);
    d->len += (size_t) n;
  }
  d->data[want] = '\0';
  assert_int_equal(strlen(d->data), want);
  parse(m, d->data);
}

static int daemon_accept(daemon_t *d) {
  int fd;

  daemon_await(d->fd);
  fd = accept4(d->fd, NULL, NULL, SOCK_CLOEXEC);
  assert_true(fd >= 0);
  return fd;
}

static void a_stream_has_lengths_and_is_connected_again(void **state) {
  static char large[7000];
  static daemon_t d;
  jobsrv_syslog_options_t options;
  message_t m;
  int fd;

  (void) state;
  memset(large, 'x', sizeof(large) - 1);
  daemon_open(&d);
  daemon_start(&d, SOCK_STREAM);
  options = options_for(&d);
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_narrate(d.job, "n", "0"));
  fd = daemon_accept(&d);
  for (int i = 1; i < 200; i++) /* more than it takes at once */
    assert_ok(jobsrv_narrate(d.job, "n", "%d %s", i, large));
  for (int i = 0; i < 200; i++) {
    next_counted(&d, fd, &m);
    assert_int_equal(atoi(m.text), i);
    message_free(&m);
  }
  for (int i = 200; i < 300; i++)
    assert_ok(jobsrv_narrate(d.job, "n", "%d %s", i, large));
  (void) poll(NULL, 0, 20); /* into the middle of one */
  close(fd);
  fd = daemon_accept(&d);
  next_counted(&d, fd, &m); /* whole ones again */
  assert_in_range(atoi(m.text), 201, 299);
  message_free(&m);
  close(fd);
  daemon_close(&d);
}

/* ---- the rest ---- */

static void the_socket_is_not_one_that_programs_print_to(void **state) {
  jobsrv_syslog_options_t options;
  static daemon_t d;
  int kept = fcntl(0, F_DUPFD_CLOEXEC, 3);
  message_t m;

  (void) state;
  assert_true(kept >= 0);
  daemon_open(&d);
  daemon_start(&d, SOCK_DGRAM);
  options = options_for(&d);
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
  close(0);
  assert_ok(jobsrv_narrate(d.job, "say", "x"));
  next(&d, &m);
  message_free(&m);
  assert_int_equal(fcntl(0, F_GETFD), -1);
  assert_int_equal(dup2(kept, 0), 0);
  close(kept);
  daemon_close(&d);
}

static void facilities_have_names(void **state) {
  (void) state;
  assert_int_equal(jobsrv_syslog_facility("user"), 1);
  assert_int_equal(jobsrv_syslog_facility("daemon"), 3);
  assert_int_equal(jobsrv_syslog_facility("authpriv"), 10);
  assert_int_equal(jobsrv_syslog_facility("local0"), 16);
  assert_int_equal(jobsrv_syslog_facility("local7"), 23);
  assert_int_equal(jobsrv_syslog_facility("kern"), UV_EINVAL);
  assert_int_equal(jobsrv_syslog_facility(""), UV_EINVAL);
}

static void options_are_checked(void **state) {
  static char path[200];
  jobsrv_syslog_options_t options;
  static daemon_t d;

  (void) state;
  memset(path, 'x', sizeof(path) - 1);
  daemon_open(&d);
#define BAD(member, value, code)                                              \
  options = options_for(&d);                                                  \
  options.member = value;                                                     \
  assert_err(jobsrv_syslog_add(d.world.srv, &options, NULL), code)
  BAD(size, 8, UV_EINVAL);
  BAD(path, path, UV_ENAMETOOLONG);
  BAD(facility, 24, UV_EINVAL);
  BAD(facility, -1, UV_EINVAL);
  BAD(sd_id, "", UV_EINVAL);
  BAD(sd_id, "a b", UV_EINVAL);
  BAD(sd_id, "a]b", UV_EINVAL);
  BAD(sd_id, "123456789012345678901234567890123", UV_EINVAL);
  BAD(max_message, 479, UV_EINVAL);
  BAD(max_message, 65537, UV_EINVAL);
  BAD(overflow, (jobsrv_overflow_t) 3, UV_EINVAL);
  daemon_close(&d);
}

static void every_allocation_may_fail(void **state) {
  int err = UV_ENOMEM;
  static daemon_t d;

  (void) state;
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_syslog_options_t options;

    daemon_open(&d);
    options = options_for(&d);
    jobsrv_faults_fail(&d.world.faults, n, 1);
    err = jobsrv_syslog_add(d.world.srv, &options, &d.sink);
    assert_int_equal(err, jobsrv_faults_hit(&d.world.faults) ? UV_ENOMEM : 0);
    jobsrv_faults_fail(&d.world.faults, 0, 0);
    daemon_close(&d);
  }
  for (uint64_t n = 0; n < 12; n++) {
    open_syslog(&d);
    jobsrv_faults_fail(&d.world.faults, n, 3);
    (void) jobsrv_narrate(d.job, "a", "one");
    (void) jobsrv_narrate(d.job, "a", "two");
    jobsrv_faults_fail(&d.world.faults, 0, 0);
    daemon_close(&d);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_message_has_all_its_parts),
  cmocka_unit_test(what_is_not_given_has_a_default),
  cmocka_unit_test(levels_become_severities),
  cmocka_unit_test(every_member_and_field_arrives),
  cmocka_unit_test(a_field_cannot_pass_for_a_member),
  cmocka_unit_test(changes_data_and_ends_are_messages_too),
  cmocka_unit_test(hostile_text_stays_inside_its_quotes),
  ONE_MODE(long_messages_are_cut_and_stay_whole),
  ONE_MODE(a_message_that_fits_is_not_cut),
  cmocka_unit_test(a_daemon_that_comes_late_gets_what_waited),
  cmocka_unit_test(a_restarted_daemon_is_found_again),
  cmocka_unit_test(each_policy_drops_what_it_says),
  cmocka_unit_test(progress_is_the_newest_alone),
  cmocka_unit_test(a_stream_has_lengths_and_is_connected_again),
  ONE_MODE(the_socket_is_not_one_that_programs_print_to),
  cmocka_unit_test(facilities_have_names),
  cmocka_unit_test(options_are_checked),
  cmocka_unit_test(every_allocation_may_fail),
};

RUN(tests);
