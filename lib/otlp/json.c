/* SPDX-License-Identifier: MIT */

#include "otlp/json.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

#define PUT(buf, text) ((void) jobsrv__buf_append(buf, text, sizeof(text) - 1))

/* ---- strings ---- */

/* Goes into a JSON string as it is. */
static int is_plain(unsigned char c) {
  return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void put_escape(jobsrv__buf_t *buf, unsigned int c) {
  static const char hex[] = "0123456789abcdef";
  char text[6] = { '\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15] };

  if (c == '"' || c == '\\') {
    text[1] = (char) c;
    (void) jobsrv__buf_append(buf, text, 2);
  } else if (c == '\n') {
    PUT(buf, "\\n");
  } else {
    (void) jobsrv__buf_append(buf, text, 6);
  }
}

static void put_content(jobsrv__buf_t *buf, const char *text, size_t len) {
  const char *end = text + len;
  const char *run = text;
  uint32_t cp;
  size_t step;
  int bad;

  while (text < end) {
    if (is_plain((unsigned char) *text)) {
      text++;
      continue;
    }
    step = jobsrv__utf8_next(text, (size_t) (end - text), &cp, &bad);
    if (cp >= 0xa0 && !bad) {
      text += step;
      continue;
    }
    (void) jobsrv__buf_append(buf, run, (size_t) (text - run));
    if (bad)
      PUT(buf, "\xef\xbf\xbd");
    else
      put_escape(buf, cp);
    text += step;
    run = text;
  }
  (void) jobsrv__buf_append(buf, run, (size_t) (text - run));
}

void jobsrv__otlp_string(jobsrv__buf_t *buf, const char *text, size_t len) {
  (void) jobsrv__buf_reserve(buf, len + 2);
  (void) jobsrv__buf_putc(buf, '"');
  put_content(buf, text, len);
  (void) jobsrv__buf_putc(buf, '"');
}

void jobsrv__otlp_text(jobsrv__buf_t *buf,
                       const char *text,
                       size_t len,
                       size_t max) {
  size_t kept = len > max ? jobsrv__utf8_cut(text, len, max) : len;

  (void) jobsrv__buf_putc(buf, '"');
  put_content(buf, text, kept);
  if (kept < len) {
    PUT(buf, " \xe2\x80\xa6(+");
    (void) jobsrv__buf_putu64(buf, len - kept);
    PUT(buf, " bytes)");
  }
  (void) jobsrv__buf_putc(buf, '"');
}

void jobsrv__otlp_u64(jobsrv__buf_t *buf, uint64_t value) {
  (void) jobsrv__buf_putc(buf, '"');
  (void) jobsrv__buf_putu64(buf, value);
  (void) jobsrv__buf_putc(buf, '"');
}

void jobsrv__otlp_i64(jobsrv__buf_t *buf, int64_t value) {
  (void) jobsrv__buf_putc(buf, '"');
  (void) jobsrv__buf_puti64(buf, value);
  (void) jobsrv__buf_putc(buf, '"');
}

void jobsrv__otlp_any_text(jobsrv__buf_t *buf,
                           const char *text,
                           size_t len,
                           size_t max) {
  PUT(buf, "{\"stringValue\":");
  jobsrv__otlp_text(buf, text, len, max);
  (void) jobsrv__buf_putc(buf, '}');
}

/* ---- attributes ---- */

void jobsrv__otlp_attrs_begin(jobsrv__otlp_attrs_t *attrs,
                              jobsrv__buf_t *buf,
                              size_t max_text) {
  *attrs = (jobsrv__otlp_attrs_t) { .buf = buf, .max_text = max_text };
  PUT(buf, "\"attributes\":[");
}

void jobsrv__otlp_attrs_end(jobsrv__otlp_attrs_t *attrs) {
  (void) jobsrv__buf_putc(attrs->buf, ']');
  if (attrs->dropped == 0)
    return;
  PUT(attrs->buf, ",\"droppedAttributesCount\":");
  (void) jobsrv__buf_putu64(attrs->buf, attrs->dropped);
}

/* 0 when there is no room for one more. */
static int attr_begin(jobsrv__otlp_attrs_t *attrs,
                      const char *prefix,
                      const char *key) {
  if (attrs->n == JOBSRV__OTLP_ATTRIBUTES) {
    attrs->dropped++;
    return 0;
  }
  if (attrs->n++ > 0)
    (void) jobsrv__buf_putc(attrs->buf, ',');
  PUT(attrs->buf, "{\"key\":\"");
  (void) jobsrv__buf_puts(attrs->buf, prefix);
  put_content(attrs->buf, key, strlen(key));
  PUT(attrs->buf, "\",\"value\":");
  return 1;
}

static void attr_end(jobsrv__otlp_attrs_t *attrs) {
  (void) jobsrv__buf_putc(attrs->buf, '}');
}

static void any_i64(jobsrv__buf_t *buf, int64_t value) {
  PUT(buf, "{\"intValue\":");
  jobsrv__otlp_i64(buf, value);
  (void) jobsrv__buf_putc(buf, '}');
}

/* The type for it ends at 2^63 - 1; no digit is lost in a text. */
static void any_u64(jobsrv__buf_t *buf, uint64_t value) {
  if (value <= INT64_MAX) {
    any_i64(buf, (int64_t) value);
    return;
  }
  PUT(buf, "{\"stringValue\":");
  jobsrv__otlp_u64(buf, value);
  (void) jobsrv__buf_putc(buf, '}');
}

static void any_bool(jobsrv__buf_t *buf, int value) {
  if (value)
    PUT(buf, "{\"boolValue\":true}");
  else
    PUT(buf, "{\"boolValue\":false}");
}

static void any_double(jobsrv__buf_t *buf, double value) {
  char text[JOBSRV__DOUBLE_SIZE];

  PUT(buf, "{\"doubleValue\":");
  if (isnan(value))
    PUT(buf, "\"NaN\"");
  else if (isinf(value))
    (void) jobsrv__buf_puts(buf, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  else
    (void) jobsrv__buf_append(buf, text, jobsrv__double_format(text, value));
  (void) jobsrv__buf_putc(buf, '}');
}

void jobsrv__otlp_attr_text(jobsrv__otlp_attrs_t *attrs,
                            const char *key,
                            const char *text) {
  if (text == NULL || !attr_begin(attrs, "", key))
    return;
  jobsrv__otlp_any_text(attrs->buf, text, strlen(text), attrs->max_text);
  attr_end(attrs);
}

void jobsrv__otlp_attr_i64(jobsrv__otlp_attrs_t *attrs,
                           const char *key,
                           int64_t value) {
  if (!attr_begin(attrs, "", key))
    return;
  any_i64(attrs->buf, value);
  attr_end(attrs);
}

void jobsrv__otlp_attr_u64(jobsrv__otlp_attrs_t *attrs,
                           const char *key,
                           uint64_t value) {
  if (!attr_begin(attrs, "", key))
    return;
  any_u64(attrs->buf, value);
  attr_end(attrs);
}

void jobsrv__otlp_attr_bool(jobsrv__otlp_attrs_t *attrs,
                            const char *key,
                            int value) {
  if (!attr_begin(attrs, "", key))
    return;
  any_bool(attrs->buf, value);
  attr_end(attrs);
}

static int is_well_known(const jobsrv_field_t *field) {
  static const struct {
    const char *key;
    jobsrv_field_type_t type;
  } known[] = {
#define XX(name, type) { #name, JOBSRV_FIELD_##type },
    JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  };

  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (known[i].key[0] == field->key[0] &&
        strcmp(known[i].key, field->key) == 0)
      return known[i].type == field->type;
  return 0;
}

static void any_field(jobsrv__otlp_attrs_t *attrs,
                      const jobsrv_field_t *field) {
  const char *text = field->as.string;

  switch (field->type) {
  case JOBSRV_FIELD_I64:
    any_i64(attrs->buf, field->as.i64);
    return;
  case JOBSRV_FIELD_U64:
    any_u64(attrs->buf, field->as.u64);
    return;
  case JOBSRV_FIELD_DOUBLE:
    any_double(attrs->buf, field->as.f64);
    return;
  case JOBSRV_FIELD_BOOL:
    any_bool(attrs->buf, field->as.boolean);
    return;
  case JOBSRV_FIELD_STRING:
  case JOBSRV_FIELD_JSON:
    break;
  }
  if (text == NULL)
    PUT(attrs->buf, "{}");
  else if (field->type == JOBSRV_FIELD_JSON)
    jobsrv__otlp_any(attrs->buf, text, field->len ? field->len : strlen(text));
  else
    jobsrv__otlp_any_text(attrs->buf, text,
                          field->len ? field->len : strlen(text),
                          attrs->max_text);
}

/* No key may come twice, so what is ours is not left to be taken. */
static const char *prefix_of(const jobsrv_field_t *field) {
  if (is_well_known(field))
    return "jobsrv.";
  return strncmp(field->key, "jobsrv.", 7) == 0 ||
                 strncmp(field->key, "code.", 5) == 0
             ? "field." : "";
}

void jobsrv__otlp_attr_field(jobsrv__otlp_attrs_t *attrs,
                             const jobsrv_field_t *field) {
  if (!attr_begin(attrs, prefix_of(field), field->key))
    return;
  any_field(attrs, field);
  attr_end(attrs);
}
