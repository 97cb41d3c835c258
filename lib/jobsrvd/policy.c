/* SPDX-License-Identifier: MIT */

#include "policy.h"

#include <string.h>

enum { MAX_GROUP = 64, MAX_ATTEMPTS = 10000, MAX_FACTOR = 100 };

static const uint64_t LONGEST_MS = 1000ull * 86400 * 366 * 10;

/* A number of the operation, by its name there. */
typedef struct number_s {
  const char *name;
  size_t offset;
  size_t width;
  uint64_t max;
} number_t;

#define NUMBER(type, name, max)                                               \
  { #name, offsetof(type, name), sizeof(((type *) 0)->name), max }
#define TIME(type, name) NUMBER(type, name, LONGEST_MS)

static int read_numbers(const number_t *numbers,
                        size_t n,
                        void *to,
                        json_t *spec,
                        jobsrvd_place_t *place) {
  for (size_t i = 0; i < n; i++) {
    char *field = (char *) to + numbers[i].offset;
    uint64_t value = 0;
    uint32_t narrow;

    if (jobsrvd_place_u64(place, spec, numbers[i].name, 1, numbers[i].max,
                          &value) != 0)
      return -1;
    if (value == 0) /* it is not there */
      continue;
    narrow = (uint32_t) value;
    if (numbers[i].width == sizeof(narrow))
      memcpy(field, &narrow, sizeof(narrow));
    else
      memcpy(field, &value, sizeof(value));
  }
  return 0;
}

#define READ_NUMBERS(numbers, to, spec, place)                                \
  read_numbers(numbers, sizeof(numbers) / sizeof((numbers)[0]), to, spec, place)

/* Words that stand for numbers from `first` on; `words` ends with a NULL. */
static int read_word(const char *const *words,
                     int first,
                     const char *name,
                     const char *expected,
                     int *to,
                     json_t *spec,
                     jobsrvd_place_t *place) {
  const char *text = NULL;

  if (jobsrvd_place_text(place, spec, name, &text) != 0)
    return -1;
  if (text == NULL)
    return 0;
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp(words[i], text) == 0) {
      *to = first + i;
      return 0;
    }
  return jobsrvd_place_error_in(place, name, "expected %s", expected);
}

static int read_words(jobsrv_operation_t *operation,
                      json_t *spec,
                      jobsrvd_place_t *place) {
  static const char *const priorities[] = { "low", "normal", "high",
                                            "critical", NULL };
  static const char *const drains[] = { "cancel", "finish", "leave", NULL };
  static const char *const watchers[] = { "continue", "cancel", NULL };
  int drain = JOBSRV_DRAIN_CANCEL;

  if (read_word(priorities, JOBSRV_PRIORITY_LOW, "priority",
                "\"low\", \"normal\", \"high\" or \"critical\"",
                &operation->priority, spec, place) != 0 ||
      read_word(drains, JOBSRV_DRAIN_CANCEL, "on_drain",
                "\"cancel\", \"finish\" or \"leave\"", &drain, spec,
                place) != 0 ||
      read_word(watchers, JOBSRV_LAST_WATCHER_CONTINUE, "on_last_watcher",
                "\"continue\" or \"cancel\"", &operation->on_last_watcher,
                spec, place) != 0)
    return -1;
  operation->on_drain = (jobsrv_on_drain_t) drain;
  return 0;
}

/* An object inside the operation; `*inner` stays NULL without it. */
static int enter(const char *name,
                 const char *const *names,
                 json_t *spec,
                 jobsrvd_place_t *place,
                 json_t **inner,
                 size_t *mark) {
  json_t *object = json_object_get(spec, name);
  int err;

  *inner = NULL;
  if (object == NULL)
    return 0;
  *mark = jobsrvd_place_enter(place, name);
  err = jobsrvd_place_only(place, object, names);
  if (err == 0)
    *inner = object;
  else
    jobsrvd_place_leave(place, *mark);
  return err;
}

/* The rest says nothing without this member. */
static int need(const char *name,
                const json_t *spec,
                const jobsrvd_place_t *place) {
  return json_object_get(spec, name) != NULL
             ? 0
             : jobsrvd_place_error(place, "expected a member \"%s\"", name);
}

static int read_rate(jobsrv_rate_t *rate,
                     json_t *spec,
                     jobsrvd_place_t *place) {
  static const char *const names[] = { "count", "per_ms", NULL };
  static const number_t numbers[] = {
    NUMBER(jobsrv_rate_t, count, UINT32_MAX),
    TIME(jobsrv_rate_t, per_ms),
  };
  json_t *inner;
  size_t mark = 0;
  int err = enter("rate", names, spec, place, &inner, &mark);

  if (inner == NULL)
    return err;
  err = need("count", inner, place);
  if (err == 0)
    err = READ_NUMBERS(numbers, rate, inner, place);
  jobsrvd_place_leave(place, mark);
  return err;
}

static int read_breaker(jobsrv_breaker_t *breaker,
                        json_t *spec,
                        jobsrvd_place_t *place) {
  static const char *const names[] = { "failures", "trials", "open_ms", NULL };
  static const number_t numbers[] = {
    NUMBER(jobsrv_breaker_t, failures, UINT32_MAX),
    NUMBER(jobsrv_breaker_t, trials, UINT32_MAX),
    TIME(jobsrv_breaker_t, open_ms),
  };
  json_t *inner;
  size_t mark = 0;
  int err = enter("breaker", names, spec, place, &inner, &mark);

  if (inner == NULL)
    return err;
  err = need("failures", inner, place);
  if (err == 0)
    err = READ_NUMBERS(numbers, breaker, inner, place);
  jobsrvd_place_leave(place, mark);
  return err;
}

static int read_retry(jobsrv_retry_t *retry,
                      json_t *spec,
                      jobsrvd_place_t *place) {
  static const char *const names[] = { "max_attempts", "factor", "backoff_ms",
                                       "max_backoff_ms", "jitter", NULL };
  static const char *const jitters[] = { "equal", "full", "none", NULL };
  static const number_t numbers[] = {
    NUMBER(jobsrv_retry_t, max_attempts, MAX_ATTEMPTS),
    NUMBER(jobsrv_retry_t, factor, MAX_FACTOR),
    TIME(jobsrv_retry_t, backoff_ms),
    TIME(jobsrv_retry_t, max_backoff_ms),
  };
  json_t *inner;
  size_t mark = 0;
  int err = enter("retry", names, spec, place, &inner, &mark);

  if (inner == NULL)
    return err;
  err = READ_NUMBERS(numbers, retry, inner, place);
  if (err == 0)
    err = read_word(jitters, JOBSRV_JITTER_EQUAL, "jitter",
                    "\"equal\", \"full\" or \"none\"", &retry->jitter, inner,
                    place);
  jobsrvd_place_leave(place, mark);
  return err;
}

static int read_group(jobsrv_operation_t *operation,
                      json_t *spec,
                      jobsrvd_place_t *place) {
  const char *group = NULL;

  if (jobsrvd_place_text(place, spec, "group", &group) != 0)
    return -1;
  if (group != NULL && (group[0] == '\0' || strlen(group) > MAX_GROUP))
    return jobsrvd_place_error_in(place, "group",
                                  "expected a name of 1 to %d bytes",
                                  (int) MAX_GROUP);
  operation->group = group;
  return 0;
}

int jobsrvd_policy_parse(jobsrv_operation_t *operation,
                         json_t *spec,
                         jobsrvd_place_t *place) {
  static const number_t numbers[] = {
    TIME(jobsrv_operation_t, timeout_ms),
    TIME(jobsrv_operation_t, deadline_ms),
    TIME(jobsrv_operation_t, queue_ms),
    TIME(jobsrv_operation_t, silence_ms),
    TIME(jobsrv_operation_t, grace_ms),
    TIME(jobsrv_operation_t, retain_ms),
    TIME(jobsrv_operation_t, retain_failed_ms),
    TIME(jobsrv_operation_t, retain_cancelled_ms),
    TIME(jobsrv_operation_t, last_watcher_grace_ms),
    NUMBER(jobsrv_operation_t, max_running, UINT32_MAX),
    NUMBER(jobsrv_operation_t, weight, UINT32_MAX),
  };
  uint64_t concurrency = 0;
  int cancellable = 1;

  if (READ_NUMBERS(numbers, operation, spec, place) != 0 ||
      jobsrvd_place_u64(place, spec, "concurrency", 1, UINT32_MAX,
                        &concurrency) != 0)
    return -1;
  if (concurrency != 0 && operation->max_running != 0)
    return jobsrvd_place_error_in(place, "concurrency",
                                  "\"max_running\" says so already");
  if (concurrency != 0)
    operation->max_running = (uint32_t) concurrency;
  if (read_words(operation, spec, place) != 0 ||
      read_group(operation, spec, place) != 0 ||
      read_rate(&operation->rate, spec, place) != 0 ||
      read_breaker(&operation->breaker, spec, place) != 0 ||
      read_retry(&operation->retry, spec, place) != 0 ||
      jobsrvd_place_flag(place, spec, "cancellable", &cancellable) != 0)
    return -1;
  operation->not_cancellable = !cancellable;
  return 0;
}
