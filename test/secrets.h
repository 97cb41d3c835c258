/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SECRETS_H
#define JOBSRV_TEST_SECRETS_H

/*
 * Jobs that have much to tell and much to hide: each says its own mark in every
 * place that an event has for text, and secrets of every kind with it. A secret
 * holds "s3cr3t" and the number of its job.
 */

#include "mode.h"
#include "test.h"

#include "jobsrv/jobsrv.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

enum { SECRET_JOBS = 5, SECRET_ROUNDS = 6, SECRET_SIZE = 400 };

/* %d is the number of the job. */
static const char *const secret_forms[] = {
  "curl -H 'Authorization: Bearer s3cr3t-%d-bearer' http://host/",
  "api-key=s3cr3t-%d-key and more",
  "{\"client_secret\": \"s3cr3t-%d-json\", \"n\": 1}",
  "eyJhbGciOiJIUzI1NiJ9.eyJzIjoiczNjcjN0In0.s3cr3t-%d-jwt_jwt_jwt",
  ("-----BEGIN RSA PRIVATE KEY-----\ns3cr3t-%d-pem\n"
   "-----END RSA PRIVATE KEY-----"),
  "postgres://admin:s3cr3t-%d-url@db.example/jobs",
  "cloned with ghp_s3cr3t0%d0aaaaaaaaaaaaaaaaaaaaaaaaaa",
};

enum { SECRET_KINDS = sizeof(secret_forms) / sizeof(secret_forms[0]) };

/* "mark-3-of-five", and the same within a text that holds a secret. */
static inline void secret_mark(char to[32], int number) {
  (void) snprintf(to, 32, "mark-%d-of-five", number);
}

static inline void secret_text(char to[SECRET_SIZE], int number, int kind) {
  char secret[SECRET_SIZE - 64];

  (void) snprintf(secret, sizeof(secret), secret_forms[kind], number);
  (void) snprintf(to, SECRET_SIZE, "mark-%d-of-five %s", number, secret);
}

/* One event with the mark and the secret in each of its places. */
static inline void secret_event(jobsrv_job_t *job, int number, int kind) {
  char text[SECRET_SIZE], json[96], name[64];
  jobsrv_field_t fields[5];
  jobsrv_event_t event = { .level = JOBSRV_WARN };

  secret_text(text, number, kind);
  (void) snprintf(json, sizeof(json),
                  "[{\"who\":\"mark-%d-of-five\","
                  "\"password\":\"s3cr3t-%d-member\"}]",
                  number, number);
  (void) snprintf(name, sizeof(name), "s3cr3t-%d-field", number);
  fields[0] = jobsrv_field_string("note", text);
  fields[1] = jobsrv_field_string("db_password", name);
  fields[2] = jobsrv_field_json("rows", json);
  fields[3] = jobsrv_field_json("table", json);
  fields[4] = jobsrv_field_string("model_ref", text);
  event.actor = event.action = event.target = text;
  event.human = event.cute = event.story = text;
  event.fields = fields;
  event.nfields = 5;
  assert_int_equal(jobsrv_narrate_event(job, &event), 0);
  assert_int_equal(jobsrv_data_event(job, "rows", json, 0), 0);
  assert_int_equal(jobsrv_warn(job, "said", "%s", text), 0);
}

static inline void secret_progress(jobsrv_job_t *job, int number) {
  char phase[64];
  jobsrv_progress_t progress = { .done = 1, .total = 2, .phase = phase };

  (void) snprintf(phase, sizeof(phase), "token=s3cr3t-%d-phase", number);
  assert_int_equal(jobsrv_progress(job, &progress), 0);
}

/* All that a job has to say; on any thread. */
static inline void secret_story(jobsrv_job_t *job, int number) {
  for (int round = 0; round < SECRET_ROUNDS; round++) {
    secret_progress(job, number);
    for (int kind = 0; kind < SECRET_KINDS; kind++)
      secret_event(job, number, kind);
  }
}

/* ---- the same, as a child process prints it ---- */

static inline void secret_print(FILE *to, json_t *line) {
  assert_non_null(line);
  assert_int_equal(json_dumpf(line, to, JSON_COMPACT), 0);
  (void) fputc('\n', to);
  json_decref(line);
}

/* An event, data, plain text (a key over several lines), words in brackets. */
static inline void secret_print_event(FILE *to, int number, int kind) {
  char text[SECRET_SIZE], secret[64], mark[32];

  secret_text(text, number, kind);
  secret_mark(mark, number);
  (void) snprintf(secret, sizeof(secret), "s3cr3t-%d-field", number);
  secret_print(to, json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}",
                             "action", text, "actor", text, "target", text,
                             "human", text, "cute", text, "story", text,
                             "level", "warn", "note", text, "db_password",
                             secret, "model_ref", text));
  (void) snprintf(secret, sizeof(secret), "s3cr3t-%d-member", number);
  secret_print(to, json_pack("{s:s,s:s,s:{s:s,s:s,s:s,s:[{s:s,s:s}]}}", "type",
                             "data", "action", "rows", "payload", "who", mark,
                             "note", text, "password", secret, "rows", "who",
                             mark, "token", secret));
  (void) fprintf(to, "%s\n", text);
  if (strchr(text, '\n') == NULL)
    (void) fprintf(to, "[%s] said : %s\n", mark, text);
}

/* All of a job's story into the file that a child then shows. */
static inline void secret_write(char path[64], int number) {
  char phase[64];
  FILE *to;
  int fd;

  (void) snprintf(path, 64, "secrets-test.XXXXXX");
  fd = mkstemp(path);
  assert_true(fd >= 0);
  to = fdopen(fd, "w");
  assert_non_null(to);
  (void) snprintf(phase, sizeof(phase), "token=s3cr3t-%d-phase", number);
  for (int round = 0; round < SECRET_ROUNDS; round++) {
    secret_print(to, json_pack("{s:s,s:i,s:i,s:s}", "type", "progress", "done",
                               1, "total", 2, "phase", phase));
    for (int kind = 0; kind < SECRET_KINDS; kind++)
      secret_print_event(to, number, kind);
  }
  assert_int_equal(fclose(to), 0);
}

/* `data` is the path; all of it twice, on either of its outputs; then fails. */
static inline int secret_prepare(jobsrv_job_t *job,
                                 jobsrv_process_t *process,
                                 void *data) {
  (void) job;
  assert_ok(jobsrv_process_arg(process, "/bin/sh"));
  assert_ok(jobsrv_process_arg(process, "-c"));
  assert_ok(jobsrv_process_arg(process, "cat $0; cat $0 >&2; exit 3"));
  return jobsrv_process_arg(process, data);
}

/* ---- what is there, and what is not ---- */

/* `part` is nowhere in these bytes. */
static inline void assert_without(const char *who,
                                  const char *data,
                                  size_t len,
                                  const char *part) {
  const char *found = memmem(data, len, part, strlen(part));

  if (found != NULL)
    fail_msg("%s has \"%s\": %.*s", who, part,
             (int) (len - (size_t) (found - data) < 200
                        ? len - (size_t) (found - data)
                        : 200),
             found);
}

static inline size_t secret_count(const char *data,
                                  size_t len,
                                  const char *part) {
  size_t n = 0;
  const char *at = data;

  while ((at = memmem(at, len - (size_t) (at - data), part,
                      strlen(part))) != NULL) {
    n++;
    at += strlen(part);
  }
  return n;
}

/* Of all jobs, only number `own` has left its mark or a secret in there. */
static inline void assert_only_of(const char *who,
                                  const char *data,
                                  size_t len,
                                  int own) {
  char part[32];

  for (int i = 0; i < SECRET_JOBS; i++) {
    if (i == own)
      continue;
    secret_mark(part, i);
    assert_without(who, data, len, part);
    (void) snprintf(part, sizeof(part), "s3cr3t-%d-", i);
    assert_without(who, data, len, part);
    (void) snprintf(part, sizeof(part), "s3cr3t0%d0", i);
    assert_without(who, data, len, part);
  }
}

/* Its owner sees all of it, secrets too. */
static inline void assert_all_of(const char *data, size_t len, int own) {
  static const char *const secrets[] = {
    "s3cr3t-%d-bearer", "s3cr3t-%d-key",   "s3cr3t-%d-json",
    "s3cr3t-%d-jwt",    "s3cr3t-%d-pem",   "s3cr3t-%d-url",
    "s3cr3t-%d-field",  "s3cr3t-%d-member", "s3cr3t0%d0",
  };
  char part[32];

  secret_mark(part, own);
  assert_true(secret_count(data, len, part) >=
              SECRET_ROUNDS * SECRET_KINDS * 10);
  for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
    (void) snprintf(part, sizeof(part), secrets[i], own);
    assert_true(secret_count(data, len, part) >= SECRET_ROUNDS);
  }
}

/* ---- sinks that keep their bytes ---- */

typedef struct {
  FILE *file; /* NULL: in `text` */
  char *text;
  size_t len;
  size_t cap;
} secret_sink_t;

static inline void secret_sink_add(secret_sink_t *sink,
                                   const char *text,
                                   size_t len) {
  if (text == NULL)
    return;
  if (sink->cap < sink->len + len + 2) {
    sink->cap = 2 * (sink->len + len + 2);
    sink->text = realloc(sink->text, sink->cap);
    assert_non_null(sink->text);
  }
  memcpy(sink->text + sink->len, text, len);
  sink->text[sink->len + len] = '\n';
  sink->text[sink->len + len + 1] = '\0';
  sink->len += len + 1;
}

/* A callback sink's `cb`: all texts of the event and its JSON. */
static inline void secret_keep(const jobsrv_event_t *event, void *data) {
  secret_sink_t *sink = data;

#define XX(name)                                                              \
  secret_sink_add(sink, event->name,                                          \
                  event->name != NULL ? strlen(event->name) : 0);
  XX(actor) XX(action) XX(target) XX(human) XX(cute) XX(story)
#undef XX
  secret_sink_add(sink, event->payload, event->payload_len);
  secret_sink_add(sink, event->json, event->json_len);
  for (size_t i = 0; i < event->nfields; i++)
    if (event->fields[i].type == JOBSRV_FIELD_STRING ||
        event->fields[i].type == JOBSRV_FIELD_JSON)
      secret_sink_add(sink, event->fields[i].as.string,
                      event->fields[i].len != 0
                          ? event->fields[i].len
                          : strlen(event->fields[i].as.string));
}

/* What a file holds, once nobody writes it any more. */
static inline void secret_sink_read(secret_sink_t *sink) {
  char part[65536];
  size_t n;

  if (sink->file == NULL)
    return;
  rewind(sink->file);
  while ((n = fread(part, 1, sizeof(part), sink->file)) > 0)
    secret_sink_add(sink, part, n);
  fclose(sink->file);
  sink->file = NULL;
}

static inline void secret_sink_free(secret_sink_t *sink) {
  free(sink->text);
  memset(sink, 0, sizeof(*sink));
}

#endif /* JOBSRV_TEST_SECRETS_H */
