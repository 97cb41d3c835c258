/* SPDX-License-Identifier: MIT */

#include "base/json_scan.h"
#include "base/utf8.h"
#include "narration/encode.h"

#include <math.h>
#include <string.h>

#include <uv.h>

enum { NOT_KNOWN = -1, FEW = 32 };

/* The type of a well-known key. The compiler makes words of the names. */
static int known_type(const char *key, size_t len) {
#define XX(name, type)                                                        \
  if (len == sizeof(#name) - 1 && memcmp(key, #name, sizeof(#name) - 1) == 0) \
    return JOBSRV_FIELD_##type;
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  return NOT_KNOWN;
}

static int stands_above(const jobsrv_field_t *field, size_t key_len) {
  return known_type(field->key, key_len) == (int) field->type;
}

/* The same letters, as one who writes capitals without . and - would see. */
static int begins_alike(const char *name, const char *key) {
  for (; *name != '\0'; name++, key++) {
    char c = *key >= 'A' && *key <= 'Z' ? (char) (*key + 32) : *key;

    if (*name != (c == '.' || c == '-' ? '_' : c))
      return 0;
  }
  return 1;
}

static int is_alike(const char *name, const char *key) {
  return begins_alike(name, key) && key[strlen(name)] == '\0';
}

int jobsrv__field_name_taken(const char *key) {
  static const char members[][17] = {
    "type",      "seq",      "time",           "job_id",     "level",
    "actor",     "action",   "target",         "human",      "cute",
    "story",     "source",   "correlation_id", "request_id", "trace_id",
    "span_id",   "fn_name",  "parent_span_id", "payload",    "fields",
    "state",     "previous", "attempt",        "count",      "result",
    "principal", "truncated",
  };

  for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
    if (is_alike(members[i], key))
      return 1;
#define XX(name, type)                                                        \
  if (is_alike(#name, key))                                                   \
    return 1;
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  return begins_alike("field_", key);
}

const char *jobsrv__field_flat_name(const jobsrv_field_t *field,
                                    char to[JOBSRV__FLAT_NAME]) {
  size_t len = strlen(field->key);

  if (stands_above(field, len) || !jobsrv__field_name_taken(field->key))
    return field->key;
  memcpy(to, "field_", 6);
  memcpy(to + 6, field->key, len + 1);
  return to;
}

/* A bit for each character that a key may have, below 64 and from there. */
static const uint64_t key_low = UINT64_C(0x03ff600000000000);
static const uint64_t key_high = UINT64_C(0x07fffffe87fffffe);

static int key_check(const char *key) {
  size_t n;

  if (key == NULL)
    return UV_EINVAL;
  for (n = 0; key[n] != '\0'; n++) {
    unsigned char c = (unsigned char) key[n];

    if (n == JOBSRV__KEY_MAX || c >= 128 ||
        !((c < 64 ? key_low : key_high) >> (c & 63) & 1))
      return UV_EINVAL;
  }
  return n > 0 ? 0 : UV_EINVAL;
}

int jobsrv__fields_check(const jobsrv_field_t *fields, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const jobsrv_field_t *field = &fields[i];

    if (key_check(field->key) != 0 ||
        (unsigned int) field->type > JOBSRV_FIELD_JSON)
      return UV_EINVAL;
    for (size_t k = 0; k < i; k++)
      if (fields[k].key[0] == field->key[0] &&
          strcmp(fields[k].key, field->key) == 0)
        return UV_EINVAL;
  }
  return 0;
}

static void put_double(jobsrv__buf_t *buf, double value) {
  char text[JOBSRV__DOUBLE_SIZE];

  if (isfinite(value))
    (void) jobsrv__buf_append(buf, text, jobsrv__double_format(text, value));
  else
    (void) jobsrv__buf_puts(buf, "null");
}

/*
 * Escapes what is risky in checked JSON, which can only be inside its strings,
 * in place: the text moves right by what it will grow, then comes back.
 */
static void tame(jobsrv__buf_t *buf, size_t from) {
  static const char hex[] = "0123456789abcdef";
  char *p = buf->data + from;
  char *end = buf->data + buf->len;
  size_t grown = 0;
  size_t step;
  uint32_t cp;
  char *to;

  for (; p < end; p += step) {
    step = jobsrv__utf8_next(p, (size_t) (end - p), &cp, NULL);
    if (jobsrv__text_risky(cp))
      grown += 6 - step;
  }
  if (grown == 0 || jobsrv__buf_reserve(buf, grown) == NULL)
    return;
  to = buf->data + from;
  p = to + grown;
  memmove(p, to, buf->len - from);
  buf->len += grown;
  end = buf->data + buf->len;
  while (p < end) {
    step = jobsrv__utf8_next(p, (size_t) (end - p), &cp, NULL);
    if (!jobsrv__text_risky(cp)) {
      memmove(to, p, step);
      to += step;
    } else {
      *to++ = '\\';
      *to++ = 'u';
      for (int shift = 12; shift >= 0; shift -= 4)
        *to++ = hex[(cp >> shift) & 15];
    }
    p += step;
  }
}

int jobsrv__raw_put(jobsrv__buf_t *buf, const char *text, size_t len) {
  char *to = jobsrv__buf_reserve(buf, len);
  size_t from = buf->len;
  size_t used;
  int err;

  if (to == NULL)
    return buf->failed;
  err = jobsrv__json_minify(to, &used, text, len, JOBSRV__FIELD_DEPTH, NULL);
  if (err != 0)
    return err;
  buf->len += used;
  tame(buf, from);
  return buf->failed;
}

static int value_put(jobsrv__buf_t *buf,
                     const jobsrv_field_t *field,
                     size_t max_text) {
  const char *text = field->as.string;

  switch (field->type) {
  case JOBSRV_FIELD_STRING:
    if (text == NULL)
      return jobsrv__buf_puts(buf, "null");
    jobsrv__json_member(buf, "", 0, text,
                        field->len ? field->len : strlen(text), max_text);
    return buf->failed;
  case JOBSRV_FIELD_I64:
    return jobsrv__buf_puti64(buf, field->as.i64);
  case JOBSRV_FIELD_U64:
    return jobsrv__buf_putu64(buf, field->as.u64);
  case JOBSRV_FIELD_DOUBLE:
    put_double(buf, field->as.f64);
    return buf->failed;
  case JOBSRV_FIELD_BOOL:
    return jobsrv__buf_puts(buf, field->as.boolean ? "true" : "false");
  case JOBSRV_FIELD_JSON:
    break;
  }
  if (text == NULL)
    return JOBSRV_EJSON;
  return jobsrv__raw_put(buf, text, field->len ? field->len : strlen(text));
}

static int pair_put(jobsrv__buf_t *buf,
                    const jobsrv_field_t *field,
                    size_t len,
                    size_t max_text) {
  char *to = jobsrv__buf_reserve(buf, len + 3);

  if (to == NULL)
    return buf->failed;
  *to = '"';
  memcpy(to + 1, field->key, len);
  memcpy(to + 1 + len, "\":", 2);
  buf->len += len + 3;
  return value_put(buf, field, max_text);
}

int jobsrv__fields_put(jobsrv__buf_t *buf,
                       const jobsrv_field_t *fields,
                       size_t n,
                       size_t max_text) {
  uint32_t below = 0; /* a bit for each of the first few; the others are asked
                         again */
  size_t others = 0;
  size_t len;
  int err;

  for (size_t i = 0; i < n; i++) {
    len = strlen(fields[i].key);
    if (!stands_above(&fields[i], len)) {
      others++;
      below |= i < FEW ? (uint32_t) 1 << i : 0;
      continue;
    }
    (void) jobsrv__buf_putc(buf, ',');
    err = pair_put(buf, &fields[i], len, max_text);
    if (err != 0)
      return err;
  }
  if (others == 0)
    return buf->failed;

  (void) jobsrv__buf_append(buf, ",\"fields\":{", 11);
  for (size_t i = 0; others > 0; i++) {
    if (i < FEW && !(below >> i & 1))
      continue;
    len = strlen(fields[i].key);
    if (i >= FEW && stands_above(&fields[i], len))
      continue;
    err = pair_put(buf, &fields[i], len, max_text);
    if (err != 0)
      return err;
    if (--others > 0)
      (void) jobsrv__buf_putc(buf, ',');
  }
  return jobsrv__buf_putc(buf, '}');
}

int jobsrv__fields_object(jobsrv__buf_t *buf,
                          const jobsrv_field_t *fields,
                          size_t n) {
  int err = jobsrv__buf_putc(buf, '{');

  for (size_t i = 0; err == 0 && i < n; i++) {
    if (i > 0)
      (void) jobsrv__buf_putc(buf, ',');
    err = pair_put(buf, &fields[i], strlen(fields[i].key), 0);
  }
  return err != 0 ? err : jobsrv__buf_putc(buf, '}');
}
