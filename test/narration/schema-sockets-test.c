/* SPDX-License-Identifier: MIT */

/*
 * One schema, for syslog and the journal: what schema-test shows for readers of
 * JSON holds for these, name by name.
 */

#include "daemon.h"

#include "schema.h"

#include "jobsrv/sinks.h"

#include <ctype.h>

static daemon_t d;
static schema_t s;

static int setup(void **state) {
  (void) state;
  daemon_open(&d);
  daemon_start(&d, SOCK_DGRAM);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  daemon_close(&d);
  return 0;
}

/* The event as it was said, and all its names with their values. */
static json_t *narrate_all(void) {
  char id[JOBSRV_ID_SIZE];

  assert_ok(jobsrv_narrate_event(d.job, schema_event(&s)));
  schema_arrived(&s, jobsrv_job_id(d.job, id), last_seq(d.job));
  return schema_flat(schema_json(&s));
}

/* ---- syslog ---- */

static void open_syslog(void) {
  jobsrv_syslog_options_t options;

  jobsrv_syslog_options_init(&options);
  options.path = d.path;
  assert_ok(jobsrv_syslog_add(d.world.srv, &options, &d.sink));
}

/* The structured data of RFC 5424 as an object of texts; each name once. */
static json_t *syslog_params(const char **msg) {
  json_t *all = json_object();
  char *p = strchr(d.data, '[');

  assert_non_null(p);
  for (p = strchr(p, ' '); *p == ' '; p++) {
    char *name = p + 1;
    char *value = strchr(name, '=') + 2;
    char *to = value;

    assert_memory_equal(value - 2, "=\"", 2);
    value[-2] = '\0';
    for (p = value; *p != '"'; p++) {
      p += *p == '\\';
      *to++ = *p;
    }
    *to = '\0';
    assert_null(json_object_get(all, name));
    assert_int_equal(json_object_set_new(all, name, json_string(value)), 0);
  }
  assert_memory_equal(p, "] \xef\xbb\xbf", 5);
  *msg = p + 5;
  return all;
}

static void syslog_has_all_of_it(void **state) {
  json_t *want, *params;
  const char *msg;

  (void) state;
  open_syslog();
  want = narrate_all();
  daemon_receive(&d);
  params = syslog_params(&msg);
  /* what has a place of its own there */
  assert_string_equal(msg, s.event.human);
  json_object_del(want, "human");
  assert_memory_equal(d.data, "<28>1 ", 6); /* daemon, warning */
  assert_memory_equal(d.data + 6, "2026-01-01T00:00:00.000", 23);
  json_object_del(want, "time");
  if (json_object_get(params, "level") == NULL)
    json_object_del(want, "level");
  schema_all_shown("syslog", want, params);
  json_decref(want);
  json_decref(params);
}

/* ---- the journal ---- */

static void open_journal(void) {
  jobsrv_journal_options_t options;

  jobsrv_journal_options_init(&options);
  options.path = d.path;
  options.identifier = "tester";
  assert_ok(jobsrv_journal_add(d.world.srv, &options, &d.sink));
}

/* An entry of the native protocol as an object of texts; each name once. */
static json_t *journal_entry(void) {
  json_t *all = json_object();
  char *p = d.data;

  while (p < d.data + d.len) {
    char *name = p;
    char *value;
    size_t len = 0;

    p += strcspn(p, "=\n");
    if (*p == '=') {
      value = p + 1;
      len = strcspn(value, "\n");
    } else {
      for (int i = 8; i > 0; i--)
        len = len << 8 | (unsigned char) p[i];
      value = p + 9;
    }
    *p = '\0';
    p = value + len;
    assert_int_equal(*p, '\n');
    *p++ = '\0';
    assert_null(json_object_get(all, name));
    assert_int_equal(json_object_set_new(all, name, json_stringn(value, len)),
                     0);
  }
  return all;
}

/* Takes that one out of the entry. */
static void assert_taken(json_t *entry, const char *name, const char *text) {
  const char *value = text_of(entry, name);

  if (value == NULL)
    fail_msg("no %s", name);
  assert_string_equal(value, text);
  json_object_del(entry, name);
}

static void journal_name(char to[80], const char *name) {
  snprintf(to, 80, "JOBSRV_%s", name);
  for (char *p = to; *p != '\0'; p++)
    *p = *p == '.' || *p == '-' ? '_' : (char) toupper(*p);
}

static void the_journal_has_all_of_it(void **state) {
  json_t *want, *names, *entry, *value;
  const char *name;
  char there[80];

  (void) state;
  open_journal();
  want = narrate_all();
  daemon_receive(&d);
  entry = journal_entry();
  assert_taken(entry, "MESSAGE", s.event.human);
  assert_taken(entry, "PRIORITY", "4");
  assert_taken(entry, "SYSLOG_IDENTIFIER", "tester");
  assert_taken(entry, "CODE_FILE", "some file.c");
  assert_taken(entry, "CODE_LINE", "42");
  assert_taken(entry, "CODE_FUNC", "func");
  names = json_object();
  json_object_foreach(want, name, value) {
    journal_name(there, name);
    json_object_set(names, there, value);
  }
  /* what has a place of its own there, if it is not said again */
  if (json_object_get(entry, "JOBSRV_HUMAN") == NULL)
    json_object_del(names, "JOBSRV_HUMAN");
  if (json_object_get(entry, "JOBSRV_SOURCE") == NULL)
    json_object_del(names, "JOBSRV_SOURCE");
  if (json_object_get(entry, "JOBSRV_FN_NAME") == NULL)
    json_object_del(names, "JOBSRV_FN_NAME");
  schema_all_shown("journal", names, entry);
  json_decref(want);
  json_decref(names);
  json_decref(entry);
}

/* ---- the other kinds ---- */

static void narrate_kinds(void) {
  assert_ok(jobsrv_data_event(d.job, "rows", "{\"a\": [1, \"]\"]}", 0));
  assert_ok(jobsrv_job_cancel(d.job, NULL));
  assert_ok(jobsrv_job_fail(d.job, NULL, NULL));
  world_turn(&d.world);
}

static void assert_kinds(json_t *(*next)(void), const char *prefix) {
  char id[JOBSRV_ID_SIZE], name[80];
  json_t *got, *payload;

#define IS(what, text)                                                        \
  snprintf(name, sizeof(name), "%s%s", prefix, what);                         \
  if (prefix[0] != '\0')                                                      \
    journal_name(name, what);                                                 \
  if (text_of(got, name) == NULL)                                             \
    fail_msg("no %s in %s", name, json_dumps(got, 0));                        \
  assert_string_equal(text_of(got, name), text)
  got = next();
  IS("type", "data");
  IS("action", "rows");
  payload = json_loads("{\"a\":[1,\"]\"]}", 0, NULL);
  journal_name(name, "payload");
  schema_shown("data", "payload", payload,
               text_of(got, prefix[0] != '\0' ? name : "payload"));
  json_decref(payload);
  IS("job_id", jobsrv_job_id(d.job, id));
  json_decref(got);
  got = next();
  IS("type", "state");
  IS("state", "running");
  IS("cancel_requested", "true");
  json_decref(got);
  got = next();
  IS("type", "end");
  IS("state", "cancelled");
  IS("operation", "work");
  IS("job_id", jobsrv_job_id(d.job, id));
  json_decref(got);
#undef IS
}

/* With what has a place of its own: the action, and the text. */
static json_t *next_params(void) {
  char id[64];
  json_t *params;
  const char *msg;

  daemon_receive(&d);
  assert_int_equal(sscanf(d.data, "%*s %*s %*s %*s %*s %63s", id), 1);
  params = syslog_params(&msg);
  if (json_object_get(params, "action") == NULL)
    json_object_set_new(params, "action", json_string(id));
  if (json_object_get(params, "payload") == NULL)
    json_object_set_new(params, "payload", json_string(msg));
  return params;
}

static json_t *next_entry(void) {
  json_t *entry;

  daemon_receive(&d);
  entry = journal_entry();
  if (json_object_get(entry, "JOBSRV_PAYLOAD") == NULL)
    json_object_set(entry, "JOBSRV_PAYLOAD", json_object_get(entry, "MESSAGE"));
  return entry;
}

static void syslog_has_every_kind(void **state) {
  (void) state;
  open_syslog();
  narrate_kinds();
  assert_kinds(next_params, "");
}

static void the_journal_has_every_kind(void **state) {
  (void) state;
  open_journal();
  narrate_kinds();
  assert_kinds(next_entry, "JOBSRV_");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
  CASE(syslog_has_all_of_it),
  CASE(the_journal_has_all_of_it),
  CASE(syslog_has_every_kind),
  CASE(the_journal_has_every_kind),
};

RUN(tests);
