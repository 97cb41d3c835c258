/* SPDX-License-Identifier: MIT */

#include "testing/capture.h"

#include "base/buf.h"

#include <math.h>
#include <string.h>

/* A value as a pattern sees it: text, and a number where it is one. */
typedef struct {
  const char *text; /* NULL: the event does not have it */
  enum { NO_NUMBER, I64, U64, F64 } type;
  int64_t i64;
  uint64_t u64;
  double f64;
  char digits[JOBSRV__DOUBLE_SIZE + 1];
} value_t;

static void value_text(value_t *value, const char *text) {
  value->text = text;
  value->type = NO_NUMBER;
}

static void value_u64(value_t *value, uint64_t number) {
  char digits[20];
  size_t len = jobsrv__u64_format(digits, number);

  memcpy(value->digits, digits, len);
  value->digits[len] = '\0';
  value->text = value->digits;
  value->type = U64;
  value->u64 = number;
}

static void value_i64(value_t *value, int64_t number) {
  value_u64(value, number < 0 ? 0 - (uint64_t) number : (uint64_t) number);
  if (number < 0) {
    memmove(value->digits + 1, value->digits, strlen(value->digits) + 1);
    value->digits[0] = '-';
  }
  value->type = I64;
  value->i64 = number;
}

static void value_f64(value_t *value, double number) {
  value->type = F64;
  value->f64 = number;
  value->text = "null"; /* as in the JSON */
  if (!isfinite(number))
    return;
  value->digits[jobsrv__double_format(value->digits, number)] = '\0';
  value->text = value->digits;
}

static void value_of_extra(value_t *value, const jobsrv_field_t *field) {
  switch (field->type) {
  case JOBSRV_FIELD_I64:
    value_i64(value, field->as.i64);
    break;
  case JOBSRV_FIELD_U64:
    value_u64(value, field->as.u64);
    break;
  case JOBSRV_FIELD_DOUBLE:
    value_f64(value, field->as.f64);
    break;
  case JOBSRV_FIELD_BOOL:
    value_text(value, field->as.boolean ? "true" : "false");
    break;
  default:
    value_text(value, field->as.string);
    break;
  }
}

/* 1 when `name` is a member of the event itself. */
static int value_of_member(value_t *value,
                           const jobsrv_event_t *event,
                           const char *name) {
#define TEXT(member)                                                          \
  if (strcmp(name, #member) == 0) {                                           \
    value_text(value, event->member);                                         \
    return 1;                                                                 \
  }
  TEXT(actor) TEXT(action) TEXT(target) TEXT(human) TEXT(cute) TEXT(story)
  TEXT(correlation_id) TEXT(request_id) TEXT(trace_id) TEXT(span_id)
  TEXT(parent_span_id) TEXT(file) TEXT(function) TEXT(payload) TEXT(job_id)
  TEXT(json)
#undef TEXT
#define NUMBER(member)                                                        \
  if (strcmp(name, #member) == 0) {                                           \
    value_u64(value, event->member);                                          \
    return 1;                                                                 \
  }
  NUMBER(seq) NUMBER(server_seq) NUMBER(wall_ns)
#undef NUMBER
  if (strcmp(name, "line") == 0)
    value_i64(value, event->line);
  else if (strcmp(name, "level") == 0)
    value_text(value, jobsrv_level_name(event->level));
  else if (strcmp(name, "kind") == 0)
    value_text(value, jobsrv_kind_name(event->kind));
  else
    return 0;
  return 1;
}

#define TWO_TO_64 18446744073709551616.0

/* Below 0, 0 or above it, as `a` is to `b`, without rounding either. */
static int compare_u64(uint64_t a, double b) {
  if (b < 0)
    return 1;
  if (b >= TWO_TO_64)
    return -1;
  if (a != (uint64_t) b)
    return a < (uint64_t) b ? -1 : 1;
  return b > (double) (uint64_t) b ? -1 : 0;
}

static int compare_i64(int64_t a, double b) {
  if (a >= 0)
    return compare_u64((uint64_t) a, b);
  return -compare_u64(0 - (uint64_t) a, -b);
}

static int compare(const value_t *value, double bound) {
  if (value->type == U64)
    return compare_u64(value->u64, bound);
  if (value->type == I64)
    return compare_i64(value->i64, bound);
  return (value->f64 > bound) - (value->f64 < bound);
}

static int is_within(const value_t *value, double least, double most) {
  if (value->text == NULL || value->type == NO_NUMBER)
    return 0;
  if ((value->type == F64 && isnan(value->f64)) || isnan(least) || isnan(most))
    return 0;
  return compare(value, least) >= 0 && compare(value, most) <= 0;
}

static int value_meets(const jobsrv_match_field_t *want,
                       const value_t *value) {
  switch (want->how) {
  case JOBSRV_MATCH_HOW_HAS:
    return value->text != NULL;
  case JOBSRV_MATCH_HOW_LACKS:
    return value->text == NULL;
  case JOBSRV_MATCH_HOW_IS:
    return value->text != NULL && strcmp(value->text, want->text) == 0;
  case JOBSRV_MATCH_HOW_HOLDS:
    return value->text != NULL && strstr(value->text, want->text) != NULL;
  case JOBSRV_MATCH_HOW_WITHIN:
    return is_within(value, want->least, want->most);
  default:
    return 1;
  }
}

static int field_meets(const jobsrv_match_field_t *want,
                       const jobsrv_event_t *event) {
  value_t value;

  if (value_of_member(&value, event, want->name))
    return value_meets(want, &value);
  value_text(&value, NULL);
  for (size_t i = 0; i < event->nfields; i++)
    if (strcmp(event->fields[i].key, want->name) == 0)
      value_of_extra(&value, &event->fields[i]);
  return value_meets(want, &value);
}

static int same(const char *want, const char *is) {
  return want == NULL || (is != NULL && strcmp(want, is) == 0);
}

static int holds(const char *part, const char *text) {
  return part == NULL || (text != NULL && strstr(text, part) != NULL);
}

const char *jobsrv__match_fails(const jobsrv_match_t *match,
                                const jobsrv_event_t *event) {
  if (match == NULL)
    return NULL;
#define FAIL_UNLESS(condition, name)                                          \
  if (!(condition))                                                           \
    return name
  FAIL_UNLESS(same(match->job_id, event->job_id), "job_id");
  FAIL_UNLESS(same(match->actor, event->actor), "actor");
  FAIL_UNLESS(same(match->action, event->action), "action");
  FAIL_UNLESS(same(match->target, event->target), "target");
  FAIL_UNLESS(holds(match->includes, event->human), "human");
  FAIL_UNLESS(holds(match->json, event->json), "json");
  FAIL_UNLESS(match->level == 0 || match->level == event->level, "level");
  FAIL_UNLESS(match->min_level == 0 || event->level >= match->min_level,
              "level");
  FAIL_UNLESS(match->max_level == 0 || event->level <= match->max_level,
              "level");
  FAIL_UNLESS(!match->has_kind || match->kind == event->kind, "kind");
  FAIL_UNLESS(match->after_server_seq == 0 ||
              event->server_seq > match->after_server_seq, "server_seq");
  for (size_t i = 0; i < JOBSRV_MATCH_FIELDS; i++)
    FAIL_UNLESS(match->fields[i].name == NULL ||
                field_meets(&match->fields[i], event),
                match->fields[i].name);
  FAIL_UNLESS(match->where == NULL || match->where(event, match->data) == 1,
              "where");
#undef FAIL_UNLESS
  return NULL;
}

static int matches(const jobsrv_match_t *match,
                   const jobsrv_capture_t *capture,
                   size_t i) {
  return jobsrv__match_fails(match, *jobsrv__capture_slot(capture, i)) == NULL;
}

size_t jobsrv_capture_count(const jobsrv_capture_t *capture,
                            const jobsrv_match_t *match) {
  size_t n = 0;

  for (size_t i = 0; i < capture->count; i++)
    n += (size_t) matches(match, capture, i);
  return n;
}

const jobsrv_event_t *jobsrv_capture_get(const jobsrv_capture_t *capture,
                                         const jobsrv_match_t *match,
                                         size_t index) {
  for (size_t i = 0; i < capture->count; i++)
    if (matches(match, capture, i) && index-- == 0)
      return *jobsrv__capture_slot(capture, i);
  return NULL;
}

int jobsrv_capture_sequence(const jobsrv_capture_t *capture,
                            const jobsrv_match_t *patterns,
                            size_t n) {
  size_t met = 0;

  for (size_t i = 0; i < capture->count && met < n; i++)
    met += (size_t) matches(&patterns[met], capture, i);
  return met == n;
}

int jobsrv_capture_absent(const jobsrv_capture_t *capture,
                          const jobsrv_match_t *match,
                          const jobsrv_match_t *from,
                          const jobsrv_match_t *to) {
  size_t i = 0;

  if (from != NULL) {
    while (i < capture->count && !matches(from, capture, i))
      i++;
    if (i++ == capture->count)
      return 0;
  }
  for (; i < capture->count; i++) {
    if (to != NULL && matches(to, capture, i))
      return 1;
    if (matches(match, capture, i))
      return 0;
  }
  return to == NULL;
}

int jobsrv_until_captured(void *data) {
  const jobsrv_captured_t *captured = data;
  size_t count = captured->count != 0 ? captured->count : 1;

  return jobsrv_capture_count(captured->capture, &captured->match) >= count;
}
