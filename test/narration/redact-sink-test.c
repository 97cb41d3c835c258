/* SPDX-License-Identifier: MIT */

/* Row 54: what sinks see of secrets. */

#include "world.h"

#include "jobsrv/span.h"

#include <jansson.h>

#define MASK "[REDACTED]"

/* Keeps the texts of the last narrated event. */
typedef struct {
  char human[256];
  char cute[256];
  char target[256];
  char field[256];
  char key[256];
  char correlation[256];
  char request[256];
  char file[256];
  char function[256];
  char payload[256];
  char json[2048];
  int n;
} spy_t;

static void keep(char to[256], const char *text) {
  (void) snprintf(to, 256, "%s", text != NULL ? text : "(none)");
}

static void on_event(void *self, const jobsrv_event_t *event) {
  spy_t *spy = self;
  json_t *json;

  if (event->kind != JOBSRV_KIND_NARRATION && event->kind != JOBSRV_KIND_DATA)
    return;
  spy->n++;
  keep(spy->human, event->human);
  keep(spy->cute, event->cute);
  keep(spy->target, event->target);
  keep(spy->payload, event->payload);
  keep(spy->key, event->nfields > 0 ? event->fields[0].key : NULL);
  keep(spy->correlation, event->correlation_id);
  keep(spy->request, event->request_id);
  keep(spy->file, event->file);
  keep(spy->function, event->function);
  keep(spy->field, event->nfields > 0 ? event->fields[0].as.string : NULL);
  (void) snprintf(spy->json, sizeof(spy->json), "%.*s",
                  (int) event->json_len,
                  event->json != NULL ? event->json : "(none)");
  if (event->json != NULL) {
    json = json_loadb(event->json, event->json_len, 0, NULL);
    assert_non_null(json);
    json_decref(json);
  }
}

static const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                       .event = on_event };

static void add(world_t *world,
                spy_t *spy,
                jobsrv_redactor_t *redactor,
                int unredacted) {
  jobsrv_sink_options_t options;

  jobsrv_sink_options_init(&options);
  options.redactor = redactor;
  options.unredacted = unredacted;
  assert_ok(jobsrv_sink_add(world->srv, &ops, spy, &options, NULL));
}

static void a_sink_sees_no_secret_unless_it_is_said_that_it_may(void **state) {
  spy_t shared = { 0 }, own = { 0 };
  jobsrv_field_t field = { .key = "note", .type = JOBSRV_FIELD_STRING,
                           .as.string = "api_key=abc" };
  jobsrv_event_t event = { .action = "a",
                           .target = "ftp://me:pw@host/",
                           .human = "login with password=hunter2",
                           .cute = "Bearer abc123xyz came",
                           .fields = &field,
                           .nfields = 1 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &shared, NULL, 0);
  add(&world, &own, NULL, 1);
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_string_equal(shared.human, "login with password=" MASK);
  assert_string_equal(shared.cute, "Bearer " MASK " came");
  assert_string_equal(shared.target, "ftp://" MASK "@host/");
  assert_string_equal(shared.field, "api_key=" MASK);
  assert_null(strstr(shared.json, "hunter2"));
  assert_null(strstr(shared.json, "=abc")); /* ids may hold "abc" */
  assert_null(strstr(shared.json, "123xyz"));
  assert_non_null(strstr(shared.json, "login with password=" MASK));
  assert_string_equal(own.human, event.human);
  assert_non_null(strstr(own.json, "hunter2"));
  assert_string_equal(own.field, "api_key=abc");
  world_close(&world);
}

static void a_field_with_a_secret_name_is_masked_whole(void **state) {
  jobsrv_field_t fields[] = {
    { .key = "db-password", .type = JOBSRV_FIELD_I64, .as.i64 = 1234 },
    { .key = "tokens_in", .type = JOBSRV_FIELD_U64, .as.u64 = 7 },
    { .key = "more", .type = JOBSRV_FIELD_JSON,
      .as.string = "{\"secret\":[1,2],\"a\":\"x\\nBearer abc123xyz\"}" },
  };
  jobsrv_event_t event = { .human = "x", .fields = fields, .nfields = 3 };
  spy_t spy = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  add(&world, &spy, NULL, 0);
  assert_ok(jobsrv_narrate_event(begin_job(&world), &event));
  assert_string_equal(spy.field, MASK);
  assert_non_null(strstr(spy.json, "\"db-password\":\"" MASK "\""));
  assert_non_null(strstr(spy.json, "\"tokens_in\":7"));
  assert_non_null(strstr(spy.json, "{\"secret\":\"" MASK
                                   "\",\"a\":\"x\\nBearer " MASK "\"}"));
  assert_null(strstr(spy.json, "1234"));
  world_close(&world);
}

static void data_for_programs_is_masked_and_stays_json(void **state) {
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy, NULL, 0);
  assert_ok(jobsrv_data_event(
      job, "a", "{\"pass\\u0077ord\":{\"x\":1},\"b\":null,\"token\":null}", 0));
  assert_string_equal(spy.payload, "{\"pass\\u0077ord\":\"" MASK
                                   "\",\"b\":null,\"token\":null}");
  assert_non_null(strstr(spy.json, spy.payload));
  assert_ok(jobsrv_data_event(job, "a", "[\"token=\\\"x\\\" y\"]", 0));
  assert_string_equal(spy.payload, "[\"token=\\\"" MASK "\\\" y\"]");
  world_close(&world);
}

static void a_secret_in_the_name_of_a_member_is_masked(void **state) {
  jobsrv_field_t field = { .key = "ghp_0123456789abcdefghij0123456789abcdef",
                           .type = JOBSRV_FIELD_STRING,
                           .as.string = "kept" };
  jobsrv_event_t event = { .human = "x", .fields = &field, .nfields = 1 };
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy, NULL, 0);
  assert_ok(jobsrv_data_event(
      job, "a", "{\"Bearer abc123xyz\":1,\"b\":{\"tok\\u0065n=x y\":[]}}", 0));
  assert_string_equal(spy.payload, "{\"Bearer " MASK "\":1,\"b\":{\"token="
                                   MASK " y\":[]}}");
  assert_non_null(strstr(spy.json, spy.payload));
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_string_equal(spy.key, MASK);
  assert_string_equal(spy.field, "kept");
  assert_non_null(strstr(spy.json, "\"" MASK "\":\"kept\""));
  world_close(&world);
}

static void ids_from_outside_are_texts_and_the_job_s_own_stays(void **state) {
  jobsrv_event_t event = { .human = "123e4567-e89b-42d3-a456-426614174000",
                           .correlation_id = "token=abc",
                           .request_id = "Bearer abc123xyz" };
  jobsrv_redact_options_t options;
  jobsrv_redactor_t *redactor;
  char id[JOBSRV_ID_SIZE];
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.classes = JOBSRV_REDACT_UUID | JOBSRV_REDACT_BEARER |
                    JOBSRV_REDACT_NAMED;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy, redactor, 0);
  jobsrv_redactor_unref(redactor);
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_string_equal(spy.human, MASK);
  assert_string_equal(spy.correlation, "token=" MASK);
  assert_string_equal(spy.request, "Bearer " MASK);
  assert_non_null(strstr(spy.json, jobsrv_job_id(job, id)));
  assert_null(strstr(spy.json, "=abc"));
  assert_null(strstr(spy.json, "123xyz"));
  world_close(&world);
}

static void where_an_event_comes_from_is_a_text_of_others_too(void **state) {
  jobsrv_event_t event = { .human = "a",
                           .file = "token=hunter2",
                           .line = 3,
                           .function = "Bearer abc123xyz" };
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy, NULL, 0);
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_string_equal(spy.file, "token=" MASK);
  assert_string_equal(spy.function, "Bearer " MASK);
  assert_null(strstr(spy.json, "hunter2"));
  assert_null(strstr(spy.json, "123xyz"));
  world_close(&world);
}

static void see_no_half(const jobsrv_event_t *event, void *data) {
  ++*(int *) data;
  assert_null(strstr(event->human, "ghp_"));
  assert_null(memmem(event->json, event->json_len, "ghp_", 4));
}

/* An end, and the end of a span, tell only so much of a longer text. */
static void half_a_secret_where_a_text_is_cut_is_masked(void **state) {
  static const char token[] = "ghp_ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 more";
  jobsrv_sink_options_t options;
  char text[1200];
  jobsrv_job_t *job;
  jobsrv_span_t span;
  world_t world;
  int n = 0;

  (void) state;
  world_open(&world);
  jobsrv_sink_options_init(&options);
  options.level = JOBSRV_DEBUG;
  assert_ok(jobsrv_callback_add(world.srv, see_no_half, &n, &options, NULL));
  for (size_t at = 430; at < 1010; at += at == 520 ? 420 : 1) {
    memset(text, 'x', at);
    text[at - 1] = ' ';
    memcpy(text + at, token, sizeof(token));
    job = begin_job(&world);
    assert_ok(jobsrv_job_set_level(job, JOBSRV_DEBUG));
    assert_ok(jobsrv_span_begin(&span, job, "part"));
    assert_ok(jobsrv_span_end(&span, JOBSRV_SPAN_ERROR, text));
    assert_ok(jobsrv_job_fail(job, "bad", text));
    world_turn(&world);
  }
  assert_true(n > 600);
  world_close(&world);
}

/* One line, as the sink sees it. */
static const char *line(spy_t *spy, jobsrv_job_t *job, const char *action,
                        const char *text) {
  assert_ok(jobsrv_narrate(job, action, "%s", text));
  assert_non_null(spy->json);
  if (strcmp(spy->human, text) != 0)
    assert_null(strstr(spy->json, text));
  return spy->human;
}

#define B64 "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"

static void a_key_that_is_told_line_by_line_is_masked_to_its_end(void **state) {
  spy_t spy = { 0 };
  jobsrv_job_t *job, *other;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  other = begin_job(&world);
  add(&world, &spy, NULL, 0);
  assert_string_equal(line(&spy, job, "stdout", "cat key"), "cat key");
  assert_string_equal(line(&spy, job, "stdout",
                           "x -----BEGIN RSA PRIVATE KEY-----"),
                      "x " MASK);
  assert_string_equal(line(&spy, job, "stdout", "Proc-Type: 4,ENCRYPTED"),
                      MASK);
  assert_string_equal(line(&spy, job, "stdout", "DEK-Info: AES-128-CBC,F0"),
                      MASK);
  assert_string_equal(line(&spy, job, "stderr", B64), B64);
  assert_string_equal(line(&spy, other, "stdout", B64), B64);
  for (int i = 0; i < 2000; i++)
    assert_string_equal(line(&spy, job, "stdout", B64 "\r"), MASK);
  assert_string_equal(line(&spy, job, "stderr", "hello"), "hello");
  assert_string_equal(line(&spy, job, "stdout", "[12:00:01] " B64), MASK);
  assert_string_equal(line(&spy, job, "stdout", "aGVsbG8="), MASK);
  assert_string_equal(line(&spy, job, "stdout",
                           "-----END RSA PRIVATE KEY-----"),
                      MASK);
  assert_string_equal(line(&spy, job, "stdout", "done"), "done");
  assert_string_equal(line(&spy, job, "stdout", B64), B64);
  world_close(&world);
}

static void a_key_without_an_end_hides_one_more_line(void **state) {
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy, NULL, 0);
  assert_string_equal(line(&spy, job, "a", "-----BEGIN PRIVATE KEY-----"),
                      MASK);
  assert_string_equal(line(&spy, job, "a", B64), MASK);
  assert_string_equal(line(&spy, job, "a", "killed by a signal"), MASK);
  assert_string_equal(line(&spy, job, "a", "next step"), "next step");
  /* a checksum of OpenPGP belongs to the key, and two sources may tell one */
  assert_string_equal(line(&spy, job, "a",
                           "-----BEGIN PGP PRIVATE KEY BLOCK-----"), MASK);
  assert_string_equal(line(&spy, job, "b",
                           "-----BEGIN PGP PRIVATE KEY BLOCK-----"), MASK);
  assert_string_equal(line(&spy, job, "a", "Version: 1"), MASK);
  assert_string_equal(line(&spy, job, "a", " "), MASK);
  assert_string_equal(line(&spy, job, "b", B64), MASK);
  assert_string_equal(line(&spy, job, "a", B64), MASK);
  assert_string_equal(line(&spy, job, "a", "short"), MASK);
  assert_string_equal(line(&spy, job, "a", "=aB3d"), MASK);
  assert_string_equal(line(&spy, job, "b", B64), MASK);
  assert_string_equal(line(&spy, job, "a", "x"), "x");
  assert_string_equal(line(&spy, job, "b",
                           "-----END PGP PRIVATE KEY BLOCK-----"), MASK);
  assert_string_equal(line(&spy, job, "b", B64), B64);
  world_close(&world);
}

static void
all_voices_of_such_a_line_are_masked_for_those_who_ask(void **state) {
  jobsrv_event_t event = { .human = "-----BEGIN PRIVATE KEY-----" };
  jobsrv_redact_options_t options;
  jobsrv_redactor_t *redactor;
  spy_t masked = { 0 }, not_asked = { 0 }, open = { 0 }, last = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.classes = JOBSRV_REDACT_NAMED;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
  world_open(&world);
  job = begin_job(&world);
  add(&world, &not_asked, redactor, 0);
  add(&world, &masked, NULL, 0);
  add(&world, &open, NULL, 1);
  add(&world, &not_asked, redactor, 0);
  add(&world, &last, NULL, 0);
  jobsrv_redactor_unref(redactor);
  assert_ok(jobsrv_narrate_event(job, &event));
  event.human = "one line that is not full";
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_string_equal(masked.human, MASK);
  assert_string_equal(last.human, MASK);
  event.human = "-----BEGIN PRIVATE KEY-----";
  assert_ok(jobsrv_narrate_event(job, &event));
  event.human = B64;
  event.cute = "cute " B64;
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_string_equal(masked.human, MASK);
  assert_string_equal(masked.cute, MASK);
  assert_null(strstr(masked.json, "MIIE"));
  assert_string_equal(not_asked.human, B64);
  assert_string_equal(open.cute, event.cute);
  world_close(&world);
}

static void each_sink_may_have_a_redactor_of_its_own(void **state) {
  static const char *const names[] = { "seat" };
  jobsrv_redact_options_t options;
  jobsrv_redactor_t *redactor;
  spy_t first = { 0 }, second = { 0 }, third = { 0 };
  world_t world;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.classes = JOBSRV_REDACT_NOTHING;
  options.names = names;
  options.nnames = 1;
  options.replacement = "\"?\"";
  assert_ok(jobsrv_redactor_new(&redactor, NULL, &options));
  world_open(&world);
  add(&world, &first, redactor, 0);
  add(&world, &second, NULL, 0);
  add(&world, &third, redactor, 0);
  jobsrv_redactor_unref(redactor); /* the sinks have theirs */
  assert_ok(jobsrv_narrate(begin_job(&world), "a", "seat=3 token=4"));
  assert_string_equal(first.human, "seat=\"?\" token=4");
  assert_string_equal(second.human, "seat=3 token=" MASK);
  assert_string_equal(third.human, first.human);
  world_close(&world);
}

static void a_redactor_for_a_sink_that_has_none_is_refused(void **state) {
  jobsrv_sink_options_t options;
  jobsrv_redactor_t *redactor;
  world_t world;
  spy_t spy;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_redactor_new(&redactor, NULL, NULL));
  jobsrv_sink_options_init(&options);
  options.redactor = redactor;
  options.unredacted = 1;
  assert_err(jobsrv_sink_add(world.srv, &ops, &spy, &options, NULL), UV_EINVAL);
  jobsrv_redactor_unref(redactor);
  world_close(&world);
}

static void without_memory_no_text_passes(void **state) {
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;
  int withheld = 0;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy, NULL, 0);
  assert_ok(jobsrv_narrate(job, "a", "warm"));
  for (uint64_t after = 0; after < 12; after++) {
    jobsrv_faults_fail(&world.faults, after, UINT64_MAX);
    spy.n = 0;
    (void) jobsrv_narrate(job, "a", "token=%0*d", 200 << after, 7);
    jobsrv_faults_fail(&world.faults, 0, 0);
    if (spy.n == 1) {
      assert_null(strstr(spy.human, "00000"));
      assert_null(strstr(spy.json, "00000"));
      withheld += strcmp(spy.human, MASK) == 0;
    }
  }
  assert_true(withheld > 0);
  world_close(&world);
}

/* ---- one that goes ---- */

typedef struct {
  jobsrv_sink_t *sink;
  char field[64];
} leaver_t;

static void leave(void *self, const jobsrv_event_t *event) {
  leaver_t *leaver = self;

  if (event->nfields == 0)
    return;
  jobsrv_sink_remove(leaver->sink);
  (void) snprintf(leaver->field, sizeof(leaver->field), "%s",
                  event->fields[0].as.string);
}

static const jobsrv_sink_ops_t leaving = { .size = sizeof(leaving),
                                           .event = leave };

/* The event, mask and all, is lent until its call ends. */
static void what_a_removed_sink_was_shown_stays_for_its_call(void **state) {
  jobsrv_field_t field = { .key = "password", .type = JOBSRV_FIELD_I64 };
  jobsrv_event_t event = { .human = "x", .fields = &field, .nfields = 1 };
  jobsrv_redact_options_t how;
  jobsrv_sink_options_t options;
  leaver_t leaver = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_redact_options_init(&how);
  how.replacement = "(its own mask)";
  jobsrv_sink_options_init(&options);
  assert_ok(jobsrv_redactor_new(&options.redactor, &world.faults.alloc, &how));
  assert_ok(jobsrv_sink_add(world.srv, &leaving, &leaver, &options,
                            &leaver.sink));
  jobsrv_redactor_unref(options.redactor);
  assert_ok(jobsrv_narrate_event(begin_job(&world), &event));
  assert_string_equal(leaver.field, "(its own mask)");
  world_close(&world);
}

int main(void) {
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(a_sink_sees_no_secret_unless_it_is_said_that_it_may),
    cmocka_unit_test(a_field_with_a_secret_name_is_masked_whole),
    cmocka_unit_test(data_for_programs_is_masked_and_stays_json),
    cmocka_unit_test(a_secret_in_the_name_of_a_member_is_masked),
    cmocka_unit_test(ids_from_outside_are_texts_and_the_job_s_own_stays),
    cmocka_unit_test(where_an_event_comes_from_is_a_text_of_others_too),
    cmocka_unit_test(a_key_that_is_told_line_by_line_is_masked_to_its_end),
    cmocka_unit_test(a_key_without_an_end_hides_one_more_line),
    cmocka_unit_test(all_voices_of_such_a_line_are_masked_for_those_who_ask),
    cmocka_unit_test(half_a_secret_where_a_text_is_cut_is_masked),
    cmocka_unit_test(each_sink_may_have_a_redactor_of_its_own),
    cmocka_unit_test(a_redactor_for_a_sink_that_has_none_is_refused),
    cmocka_unit_test(without_memory_no_text_passes),
    cmocka_unit_test(what_a_removed_sink_was_shown_stays_for_its_call),
  };

  return RUN_GROUP(tests);
}
