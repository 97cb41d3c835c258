/* SPDX-License-Identifier: MIT */

#include "core/spec_check.h"

#include "core/labels.h"

#include <stdio.h>
#include <string.h>

enum {
  MAX_DEPTH = 64,
  MAX_NAME = 128,
  MAX_GROUP = 64,
  MAX_KEY = 128,
  MAX_AFTER = 64,
  MAX_WEIGHT = 65535 /* all that could run at once can still be summed */
};

static int too_long(const char *text, size_t max) {
  return text != NULL && strnlen(text, max + 1) > max;
}

static int says_retry(const jobsrv_retry_t *retry) {
  return retry->max_attempts != 0 || retry->factor != 0 ||
         retry->backoff_ms != 0 || retry->max_backoff_ms != 0 ||
         retry->jitter != 0;
}

/* What says when, in what order or how often to run. */
static int says_order(const jobsrv_spec_t *spec) {
  return spec->delay_ms != 0 || spec->run_at_wall_ns != 0 ||
         spec->start != 0 || spec->start_within_ms != 0 ||
         spec->nafter != 0 || spec->after_any_end != 0 ||
         spec->priority != 0 || spec->weight != 0 || spec->group != NULL ||
         spec->unique_key != NULL || spec->on_conflict != 0 ||
         spec->queue_ms != 0 || says_retry(&spec->retry);
}

/* Numbers that stand for one of a few things. */
static int choices_check(const jobsrv_spec_t *spec) {
  if (jobsrv__priority_check(spec->priority) != 0 ||
      jobsrv__last_watcher_check(spec->on_last_watcher) != 0 ||
      jobsrv__retry_check(&spec->retry) != 0 || spec->start < 0 ||
      spec->start > JOBSRV_START_ON_STREAM || spec->on_conflict < 0 ||
      spec->on_conflict > JOBSRV_CONFLICT_REPLACE ||
      spec->weight > MAX_WEIGHT)
    return UV_EINVAL;
  return 0;
}

/* 0: another's. */
static int level_ok(int level) {
  return level >= 0 && level <= JOBSRV_MUTE;
}

int jobsrv__spec_check(const jobsrv_t *srv,
                       const jobsrv_spec_t *spec,
                       int begun) {
  int err = choices_check(spec);

  if (err != 0)
    return err;
  if (!level_ok(spec->level) ||
      (spec->delay_ms != 0 && spec->run_at_wall_ns != 0) ||
      (spec->parent != NULL && spec->parent_job != NULL) ||
      (begun && says_order(spec)))
    return UV_EINVAL;
  if (spec->nafter > MAX_AFTER || too_long(spec->group, MAX_GROUP) ||
      too_long(spec->unique_key, MAX_KEY) ||
      (begun && too_long(spec->operation, MAX_NAME)))
    return JOBSRV_ETOOBIG;
  return jobsrv__labels_check(srv, spec);
}

/* A payload is a JSON object. */
static int object_check(const char *text,
                        size_t len,
                        struct jobsrv_mistake_s *mistake) {
  jobsrv_json_error_t error;
  size_t at = 0;
  int err = jobsrv_json_check(text, len, MAX_DEPTH, &error);

  if (err == JOBSRV_EJSON) {
    snprintf(mistake->pointer, sizeof(mistake->pointer), "%s", error.pointer);
    snprintf(mistake->detail, sizeof(mistake->detail),
             "line %u, column %u: %s", error.line, error.column,
             error.message);
    return JOBSRV_EPAYLOAD;
  }
  if (err != 0)
    return err;
  while (at < len && text[at] != '{' && strchr(" \t\r\n", text[at]) != NULL)
    at++;
  if (at < len && text[at] == '{')
    return 0;
  snprintf(mistake->detail, sizeof(mistake->detail),
           "the payload must be an object");
  return JOBSRV_EPAYLOAD;
}

int jobsrv__payload_check(const jobsrv_t *srv,
                          const jobsrv_operation_t *def,
                          const char *text,
                          size_t len,
                          struct jobsrv_mistake_s *mistake) {
  jobsrv_mistake_t ignored;
  int err = 0;

  if (mistake == NULL)
    mistake = &ignored;
  memset(mistake, 0, sizeof(*mistake));
  if (text != NULL && len > srv->options.max_payload)
    return JOBSRV_ETOOBIG;
  if (text != NULL)
    err = object_check(text, len, mistake);
  if (err != 0 || def == NULL || def->check == NULL)
    return err;
  return def->check(text != NULL ? text : "{}", text != NULL ? len : 2,
                    mistake, def->data);
}

/* ---- operations ---- */

static int name_ok(const char *name) {
  size_t len = name != NULL ? strlen(name) : 0;

  return len >= 1 && len <= 64 &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._-") == len;
}

static int callbacks_ok(const jobsrv_operation_t *def) {
  switch (def->style) {
    case JOBSRV_ASYNC: return def->start != NULL;
    case JOBSRV_THREAD: return def->run != NULL;
    case JOBSRV_PROCESS: return def->prepare != NULL;
    default: return 0;
  }
}

int jobsrv__operation_check(const jobsrv_operation_t *def) {
  if (!name_ok(def->name) || !callbacks_ok(def) ||
      jobsrv__priority_check(def->priority) != 0 ||
      jobsrv__last_watcher_check(def->on_last_watcher) != 0 ||
      jobsrv__retry_check(&def->retry) != 0 || def->weight > MAX_WEIGHT ||
      !level_ok(def->level) ||
      (unsigned int) def->on_drain > JOBSRV_DRAIN_LEAVE)
    return UV_EINVAL;
  return too_long(def->group, MAX_GROUP) ? JOBSRV_ETOOBIG : 0;
}
