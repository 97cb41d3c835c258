/* SPDX-License-Identifier: MIT */

#include "core/limits.h"

#include <uv.h>

static const char *const priorities[JOBSRV_PRIORITY_MAX] = {
#define XX(name, number, text) [number] = text,
  JOBSRV_PRIORITY_MAP(XX)
#undef XX
};

const char *jobsrv_priority_name(int priority) {
  return priority > 0 && priority < JOBSRV_PRIORITY_MAX ? priorities[priority]
                                                        : "unknown";
}

static uint64_t first_set(uint64_t a, uint64_t b, uint64_t c) {
  return a != 0 ? a : b != 0 ? b : c;
}

int jobsrv__priority_check(int priority) {
  return priority >= 0 && priority < JOBSRV_PRIORITY_MAX ? 0 : UV_EINVAL;
}

int jobsrv__retry_check(const jobsrv_retry_t *retry) {
  return retry->factor <= 100 && retry->jitter >= 0 &&
                 retry->jitter <= JOBSRV_JITTER_NONE
             ? 0
             : UV_EINVAL;
}

int jobsrv__last_watcher_check(int policy) {
  return policy >= 0 && policy <= JOBSRV_LAST_WATCHER_CANCEL ? 0 : UV_EINVAL;
}

/* Each field that says something. */
static void retry_apply(jobsrv_retry_t *to, const jobsrv_retry_t *from) {
  if (from->max_attempts != 0)
    to->max_attempts = from->max_attempts;
  if (from->factor != 0)
    to->factor = from->factor;
  if (from->backoff_ms != 0)
    to->backoff_ms = from->backoff_ms;
  if (from->max_backoff_ms != 0)
    to->max_backoff_ms = from->max_backoff_ms;
  if (from->jitter != 0)
    to->jitter = from->jitter;
}

static int retry_is_zero(const jobsrv_retry_t *retry) {
  return retry->max_attempts == 0 && retry->factor == 0 &&
         retry->backoff_ms == 0 && retry->max_backoff_ms == 0 &&
         retry->jitter == 0;
}

void jobsrv__limits_of(jobsrv__limits_t *limits,
                       const jobsrv_operation_t *def,
                       const jobsrv_options_t *options) {
  uint64_t retain = first_set(def->retain_ms, 0, options->retain_ms);

  *limits = (jobsrv__limits_t) {
    .queue_ns =
        jobsrv__ns_of(first_set(def->queue_ms, options->queue_ms, 0)),
    .timeout_ns =
        jobsrv__ns_of(first_set(def->timeout_ms, options->timeout_ms, 0)),
    .deadline_ns =
        jobsrv__ns_of(first_set(def->deadline_ms, options->deadline_ms, 0)),
    .silence_ns =
        jobsrv__ns_of(first_set(def->silence_ms, options->silence_ms, 0)),
    .grace_ns = jobsrv__ns_of(first_set(def->grace_ms, options->grace_ms, 0)),
    .last_watcher_grace_ns = jobsrv__ns_of(def->last_watcher_grace_ms),
    .retry = { 1, 2, 1000, 3600000, JOBSRV_JITTER_EQUAL },
    .weight = def->weight != 0 ? def->weight : 1,
    .priority = (uint8_t) (def->priority != 0 ? def->priority
                                              : JOBSRV_PRIORITY_NORMAL),
    .on_last_watcher =
        (uint8_t) (def->on_last_watcher != 0 ? def->on_last_watcher
                                             : JOBSRV_LAST_WATCHER_CONTINUE),
  };
  limits->retain_ns[0] = jobsrv__ns_of(retain);
  limits->retain_ns[1] = jobsrv__ns_of(first_set(
      def->retain_failed_ms, def->retain_ms,
      first_set(options->retain_failed_ms, options->retain_ms, 0)));
  limits->retain_ns[2] = jobsrv__ns_of(first_set(
      def->retain_cancelled_ms, def->retain_ms,
      first_set(options->retain_cancelled_ms, options->retain_ms, 0)));
  retry_apply(&limits->retry, &def->retry);
}

int jobsrv__limits_differ(const jobsrv_spec_t *spec) {
  return spec->queue_ms != 0 || spec->timeout_ms != 0 ||
         spec->deadline_ms != 0 || spec->silence_ms != 0 ||
         spec->retain_ms != 0 || spec->last_watcher_grace_ms != 0 ||
         spec->weight != 0 || spec->priority != 0 ||
         spec->on_last_watcher != 0 || !retry_is_zero(&spec->retry);
}

static void set_ns(uint64_t *ns, uint64_t ms) {
  if (ms != 0)
    *ns = jobsrv__ns_of(ms);
}

void jobsrv__limits_apply(jobsrv__limits_t *limits, const jobsrv_spec_t *spec) {
  set_ns(&limits->queue_ns, spec->queue_ms);
  set_ns(&limits->timeout_ns, spec->timeout_ms);
  set_ns(&limits->deadline_ns, spec->deadline_ms);
  set_ns(&limits->silence_ns, spec->silence_ms);
  set_ns(&limits->last_watcher_grace_ns, spec->last_watcher_grace_ms);
  for (int i = 0; i < 3; i++)
    set_ns(&limits->retain_ns[i], spec->retain_ms);
  if (spec->weight != 0)
    limits->weight = spec->weight;
  if (spec->priority != 0)
    limits->priority = (uint8_t) spec->priority;
  if (spec->on_last_watcher != 0)
    limits->on_last_watcher = (uint8_t) spec->on_last_watcher;
  retry_apply(&limits->retry, &spec->retry);
}
