/* SPDX-License-Identifier: MIT */

#include "core/cron.h"

#include "base/civil.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

typedef struct field_s {
  const char *name;
  uint32_t min, max;
  const char *names; /* three letters each, from `first` on */
  uint32_t first;
} field;

enum { SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };

/* 7 is Sunday's other name, and taken care of by itself. */
static const field fields[FIELDS] = {
  { "second", 0, 59, "", 0 },
  { "minute", 0, 59, "", 0 },
  { "hour", 0, 23, "", 0 },
  { "day", 1, 31, "", 0 },
  { "month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec", 1 },
  { "weekday", 0, 6, "sunmontuewedthufrisat", 0 },
};

static const struct {
  const char *name, *text;
} forms[] = {
  { "@yearly", "0 0 1 1 *" },  { "@annually", "0 0 1 1 *" },
  { "@monthly", "0 0 1 * *" }, { "@weekly", "0 0 * * 0" },
  { "@daily", "0 0 * * *" },   { "@midnight", "0 0 * * *" },
  { "@hourly", "0 * * * *" },
};

typedef struct reader_s {
  const char *text;
  const char *at;
  const char *end;
  const field *field;
  jobsrv_cron_error_t *mistake;
} reader;

JOBSRV_PRINTF(3, 4)
static int wrong(reader *in, const char *at, const char *format, ...) {
  va_list args;

  if (in->mistake == NULL)
    return JOBSRV_ECRON;
  in->mistake->offset = (size_t) (at - in->text);
  va_start(args, format);
  vsnprintf(in->mistake->message, sizeof(in->mistake->message), format, args);
  va_end(args);
  return JOBSRV_ECRON;
}

static int is_blank(char c) {
  return c == ' ' || c == '\t';
}

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

static char lower(char c) {
  return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static int is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}

/* What stands where something else should. */
static int unexpected(reader *in) {
  unsigned char c;

  if (in->at == in->end)
    return wrong(in, in->at, "a %s is missing", in->field->name);
  c = (unsigned char) *in->at;
  if (c == ',')
    return wrong(in, in->at, "a %s is missing", in->field->name);
  if (c > ' ' && c < 0x7f)
    return wrong(in, in->at, "unexpected '%c' in the %s", c, in->field->name);
  return wrong(in, in->at, "unexpected byte 0x%02x in the %s", c,
               in->field->name);
}

static size_t span(const reader *in, int (*is)(char c)) {
  size_t len = 0;

  while (in->at + len < in->end && is(in->at[len]))
    len++;
  return len;
}

/* So much of a word is repeated in a message. */
static int shown(size_t len) {
  return len < 40 ? (int) len : 40;
}

static int read_number(reader *in,
                       const char *what,
                       uint32_t min,
                       uint32_t max,
                       uint32_t *value) {
  size_t len = span(in, is_digit);
  uint32_t sum = 0;

  for (size_t i = 0; i < len && sum < 10000; i++)
    sum = sum * 10 + (uint32_t) (in->at[i] - '0');
  if (sum < min || sum > max)
    return wrong(in, in->at, "%s %.*s is not in %u..%u", what, shown(len),
                 in->at, min, max);
  in->at += len;
  *value = sum;
  return 0;
}

static int read_name(reader *in, uint32_t *value) {
  size_t len = span(in, is_letter);
  const char *name = in->field->names;

  for (uint32_t i = in->field->first; len == 3 && *name != '\0'; i++, name += 3)
    if (lower(in->at[0]) == name[0] && lower(in->at[1]) == name[1] &&
        lower(in->at[2]) == name[2]) {
      in->at += len;
      *value = i;
      return 0;
    }
  return wrong(in, in->at, "%.*s is not a %s", shown(len), in->at,
               in->field->name);
}

static int read_value(reader *in, uint32_t *value) {
  uint32_t max = in->field->max + (in->field == &fields[WEEKDAY]);

  if (in->at < in->end && is_digit(*in->at))
    return read_number(in, in->field->name, in->field->min, max, value);
  if (in->at < in->end && is_letter(*in->at) && in->field->names[0] != '\0')
    return read_name(in, value);
  return unexpected(in);
}

static int read_range_end(reader *in, uint32_t low, uint32_t *high) {
  const char *at = in->at;
  int err = read_value(in, high);

  if (err != 0)
    return err;
  /* "fri-sun": the week that it ends has begun with Monday */
  if (*high == 0 && low > 0 && is_letter(*at))
    *high = 7;
  if (*high < low)
    return wrong(in, at, "the range ends before it begins, %u before %u",
                 *high, low);
  return 0;
}

static int read_step(reader *in, uint32_t *step) {
  if (in->at == in->end || !is_digit(*in->at))
    return in->at == in->end || *in->at == ','
               ? wrong(in, in->at, "a step is missing")
               : unexpected(in);
  return read_number(in, "step", 1, in->field->max - in->field->min + 1, step);
}

/* A star, a value or a range, with a step or without. */
static int read_item(reader *in, uint64_t *bits) {
  uint32_t low = in->field->min, high = in->field->max, step = 1;
  int is_value = 0, err = 0;

  if (in->at < in->end && *in->at == '*') {
    in->at++;
  } else {
    err = read_value(in, &low);
    if (err == 0 && in->at < in->end && *in->at == '-') {
      in->at++;
      err = read_range_end(in, low, &high);
    } else {
      is_value = 1;
    }
  }
  if (err == 0 && in->at < in->end && *in->at == '/') {
    in->at++;
    err = read_step(in, &step);
    is_value = 0;
  }
  if (err != 0)
    return err;
  if (is_value || high < low)
    high = low;
  for (; low <= high; low += step)
    *bits |= UINT64_C(1) << low;
  return 0;
}

/* From `in->at` to `in->end`. */
static int read_field(reader *in, uint64_t *bits) {
  int err;

  *bits = 0;
  for (;;) {
    err = read_item(in, bits);
    if (err != 0)
      return err;
    if (in->at == in->end)
      break;
    if (*in->at != ',')
      return unexpected(in);
    in->at++;
  }
  if (in->field == &fields[WEEKDAY] && (*bits >> 7 & 1) != 0)
    *bits = (*bits & 0x7f) | 1;
  return 0;
}

/* A day that no month has is a mistake; 29 February is not. */
static int check_day(reader *in, const jobsrv__cron_t *cron, const char *at) {
  uint32_t day = (uint32_t) __builtin_ctz(cron->days);

  if (cron->either_day)
    return 0;
  for (uint32_t month = 1; month <= 12; month++)
    if ((cron->months >> month & 1) != 0 &&
        day <= jobsrv__civil_month_days(2000, month))
      return 0;
  return wrong(in, at, "day %u does not come in any month given", day);
}

/* Where the fields are; how many, at most one more than there may be. */
static size_t split(const char *text, const char *begin[], const char *end[]) {
  const char *at = text;
  size_t n = 0;

  while (n <= FIELDS) {
    while (is_blank(*at))
      at++;
    begin[n] = at;
    if (*at == '\0')
      break;
    while (*at != '\0' && !is_blank(*at))
      at++;
    end[n++] = at;
  }
  return n;
}

static const char *form_of(const char *begin, const char *end) {
  size_t len = (size_t) (end - begin), i;

  for (size_t n = 0; n < sizeof(forms) / sizeof(forms[0]); n++) {
    for (i = 0; i < len && lower(begin[i]) == forms[n].name[i]; i++)
      ;
    if (i == len && forms[n].name[i] == '\0')
      return forms[n].text;
  }
  return NULL;
}

static void fill(jobsrv__cron_t *cron,
                 const uint64_t bits[FIELDS],
                 const char *const begin[FIELDS]) {
  cron->seconds = bits[SECOND];
  cron->minutes = bits[MINUTE];
  cron->hours = (uint32_t) bits[HOUR];
  cron->days = (uint32_t) bits[DAY];
  cron->months = (uint32_t) bits[MONTH];
  cron->weekdays = (uint32_t) bits[WEEKDAY];
  cron->either_day = *begin[DAY] != '*' && *begin[WEEKDAY] != '*';
  cron->elapsed = *begin[HOUR] == '*';
}

int jobsrv__cron_read(jobsrv__cron_t *cron,
                      const char *text,
                      jobsrv_cron_error_t *mistake) {
  reader in = { .text = text, .mistake = mistake };
  const char *begin[FIELDS + 2], *end[FIELDS + 2];
  uint64_t bits[FIELDS] = { 0 };
  jobsrv__cron_t read;
  size_t n = split(text, begin, end);
  size_t first;
  int err;

  if (n == 1 && *begin[0] == '@') {
    text = form_of(begin[0], end[0]);
    in.at = begin[0] + 1;
    in.end = end[0];
    if (text == NULL)
      return wrong(&in, begin[0], "@%.*s is not known",
                   shown(span(&in, is_letter)), in.at);
    n = split(text, begin, end);
  }
  if (n < FIELDS - 1)
    return wrong(&in, begin[n], "5 or 6 fields are needed, not %zu", n);
  if (n > FIELDS)
    return wrong(&in, begin[FIELDS], "there are more than 6 fields");

  first = FIELDS - n;
  bits[SECOND] = 1;
  memmove(begin + first, begin, n * sizeof(begin[0]));
  memmove(end + first, end, n * sizeof(end[0]));
  for (size_t i = first; i < FIELDS; i++) {
    in.field = &fields[i];
    in.at = begin[i];
    in.end = end[i];
    err = read_field(&in, &bits[i]);
    if (err != 0)
      return err;
  }
  fill(&read, bits, begin);
  err = check_day(&in, &read, begin[DAY]);
  if (err == 0)
    *cron = read;
  return err;
}
