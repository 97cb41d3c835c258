/* SPDX-License-Identifier: MIT */

#include "parity.h"

static void assert_masked(const jobsrv_redact_options_t *options,
                          const char *text,
                          const char *want) {
  jobsrv_redactor_t *redactor;
  char to[512];
  size_t len;

  assert_ok(jobsrv_redactor_new(&redactor, NULL, options));
  len = jobsrv_redact(redactor, text, strlen(text), to, sizeof(to));
  assert_bytes(to, len, want);
  assert_int_equal(jobsrv_redacts(redactor, text, strlen(text)),
                   strcmp(text, want) != 0);
  jobsrv_redactor_unref(redactor);
}

/*
 * N-50, assertion by assertion. Differs in one thing: a name stays before what
 * is masked, so that one sees what was: `api_key=[REDACTED]`.
 */
static void a_bearer_token_is_masked(void **state) {
  (void) state;
  assert_masked(NULL, "Authorization: Bearer abc123xyz",
                "Authorization: [REDACTED]");
}

static void an_api_key_is_masked(void **state) {
  (void) state;
  assert_masked(NULL, "api_key=secret123", "api_key=[REDACTED]");
}

static void clean_text_is_unchanged(void **state) {
  (void) state;
  assert_masked(NULL, "Accepted request; queued at position 3",
                "Accepted request; queued at position 3");
  assert_masked(NULL, "", "");
}

static void several_secrets_are_all_masked(void **state) {
  (void) state;
  assert_masked(NULL, "Bearer abc123xyz and api_key=secret456, token=t0",
                "Bearer [REDACTED] and api_key=[REDACTED], token=[REDACTED]");
}

static void case_does_not_matter(void **state) {
  (void) state;
  assert_masked(NULL, "BEARER ABC123XYZ", "BEARER [REDACTED]");
  assert_masked(NULL, "bEaReR abc123xyz", "bEaReR [REDACTED]");
  assert_masked(NULL, "API_KEY=secret", "API_KEY=[REDACTED]");
}

static void the_replacement_may_be_another(void **state) {
  jobsrv_redact_options_t options;

  (void) state;
  jobsrv_redact_options_init(&options);
  options.replacement = "***";
  assert_masked(&options, "Authorization: Bearer abc123xyz",
                "Authorization: ***");
}

static void a_uuid_is_masked_on_request_only(void **state) {
  const char *text = "job 550e8400-e29b-41d4-a716-446655440000 runs";
  jobsrv_redact_options_t options;

  (void) state;
  assert_masked(NULL, text, text);
  jobsrv_redact_options_init(&options);
  options.classes = JOBSRV_REDACT_UUID;
  assert_masked(&options, text, "job [REDACTED] runs");
}

/* Its known misses, cured. */
static void what_the_original_misses_is_masked(void **state) {
  static char text[9000];
  jobsrv_redactor_t *redactor;
  char to[100];
  size_t len;

  (void) state;
  assert_masked(NULL, "api-key: secret123", "api-key: [REDACTED]");
  assert_masked(NULL, "key=value in any word, monkey=banana",
                "key=value in any word, monkey=banana");
  assert_masked(NULL, "postgres://user:pass@db.example/x",
                "postgres://[REDACTED]@db.example/x");
  /* a key of plain "PRIVATE KEY" that is larger than 4,096 bytes */
  strcpy(text, "-----BEGIN PRIVATE KEY-----\n");
  memset(text + strlen(text), 'A', 8000);
  strcat(text, "\n-----END PRIVATE KEY-----");
  assert_ok(jobsrv_redactor_new(&redactor, NULL, NULL));
  len = jobsrv_redact(redactor, text, strlen(text), to, sizeof(to));
  assert_bytes(to, len, "[REDACTED]");
  jobsrv_redactor_unref(redactor);
}

static void keep_human(void *self, const jobsrv_event_t *event) {
  snprintf(self, 80, "%s", event->human);
}

/*
 * N-47, N-51. Differs: the original has no policy any more. Here the owner of
 * a job reads what it said, and whoever reads all jobs reads it masked.
 */
static void the_owner_reads_all_and_shared_sinks_do_not(void **state) {
  const jobsrv_sink_ops_t ops = { .size = sizeof(ops), .event = keep_human };
  char human[80] = "";
  jobsrv_sink_t *sink;
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  json_t *json;

  (void) state;
  assert_ok(jobsrv_sink_add(p.world.srv, &ops, human, NULL, &sink));
  assert_ok(jobsrv_cursor_attach(&cursor, p.job, last_seq(p.job), NULL));
  assert_ok(jobsrv_narrate(p.job, "login", "password=%s", "hunter2"));
  assert_int_equal(jobsrv_cursor_next(&cursor, &entry, &gap),
                   JOBSRV_READ_EVENTS);
  json = json_loadb(entry.json, entry.json_len, 0, NULL);
  assert_string_equal(text_of(json, "human"), "password=hunter2");
  json_decref(json);
  jobsrv_cursor_detach(&cursor);
  jobsrv_sink_remove(sink);
  assert_string_equal(human, "password=[REDACTED]");
}

static const struct CMUnitTest tests[] = {
  CASE(a_bearer_token_is_masked),
  CASE(an_api_key_is_masked),
  CASE(clean_text_is_unchanged),
  CASE(several_secrets_are_all_masked),
  CASE(case_does_not_matter),
  CASE(the_replacement_may_be_another),
  CASE(a_uuid_is_masked_on_request_only),
  CASE(what_the_original_misses_is_masked),
  CASE(the_owner_reads_all_and_shared_sinks_do_not),
};

RUN(tests);
