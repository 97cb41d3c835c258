/* SPDX-License-Identifier: MIT */

/*
 * Any event: its JSON is one line without anything risky, and reads back as
 * what went in, repaired where that was no UTF-8 and cut where it was too long.
 */

#include "fuzz.h"

#include "base/json_scan.h"
#include "base/utf8.h"
#include "narration/encode.h"
#include "narration/table.h"

#include <jansson.h>

enum { FIELDS = 6, NO_CUT = 1 << 20 };

static void check_harmless(const char *p, size_t n) {
  uint32_t cp;
  int bad;

  for (size_t at = 0; at < n;) {
    at += jobsrv__utf8_next(p + at, n - at, &cp, &bad);
    fuzz_check(!bad);
    fuzz_check(!jobsrv__text_risky(cp));
  }
}

/* `got` is `text`, repaired; or a start of that, and the mark. */
static void check_text(const json_t *got,
                       const char *text,
                       size_t len,
                       size_t max) {
  char *want = malloc(3 * len + 1);
  size_t want_len, got_len, kept;
  const char *mark = NULL;

  fuzz_check(want != NULL);
  fuzz_check(json_is_string(got));
  want_len = jobsrv__utf8_repair(want, 3 * len, text, len);
  got_len = json_string_length(got);
  if (max == 0 || len <= max) {
    fuzz_check(got_len == want_len);
    fuzz_check(memcmp(json_string_value(got), want, want_len) == 0);
    free(want);
    return;
  }
  for (size_t i = got_len >= 6 ? got_len - 5 : 0; mark == NULL && i-- > 0;)
    if (memcmp(json_string_value(got) + i, " \xe2\x80\xa6(+", 6) == 0)
      mark = json_string_value(got) + i;
  fuzz_check(mark != NULL);
  kept = (size_t) (mark - json_string_value(got));
  fuzz_check(kept <= 3 * max);
  /* a cut may fall into bytes that are no UTF-8, and then make one more bad */
  if (jobsrv__utf8_valid(text, len)) {
    fuzz_check(kept <= max && max - kept < 4);
    fuzz_check(memcmp(json_string_value(got), want, kept) == 0);
  }
  free(want);
}

static int reads(const char *text, size_t len, json_t **out) {
  json_error_t error;

  *out = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
  /* what jansson cannot hold: a NUL in a name, integers from 2^63 on */
  fuzz_check(*out != NULL ||
             json_error_code(&error) == json_error_null_byte_in_key ||
             json_error_code(&error) == json_error_numeric_overflow);
  return *out != NULL;
}

static void check_table(const char *json, size_t len) {
  jobsrv__buf_t buf;

  jobsrv__buf_init(&buf, NULL, 0);
  fuzz_check(jobsrv__table_put(&buf, json, len, "") == 0);
  for (size_t i = 0, from = 0; buf.len > 0 && i <= buf.len; i++)
    if (i == buf.len || buf.data[i] == '\n') {
      check_harmless(buf.data + from, i - from);
      from = i + 1;
    }
  jobsrv__buf_free(&buf);
}

static void check_field(const json_t *event,
                        const jobsrv_field_t *field,
                        size_t max) {
  const json_t *got =
      json_object_get(json_object_get(event, "fields"), field->key);
  json_t *want;

  fuzz_check(got != NULL);
  switch (field->type) {
  case JOBSRV_FIELD_STRING:
    check_text(got, field->as.string,
               field->len != 0 ? field->len : strlen(field->as.string), max);
    break;
  case JOBSRV_FIELD_JSON:
    if (reads(field->as.string, field->len, &want)) {
      fuzz_check(json_equal(want, got));
      json_decref(want);
    }
    check_table(field->as.string, field->len);
    break;
  case JOBSRV_FIELD_I64:
    fuzz_check(json_integer_value(got) == field->as.i64);
    break;
  case JOBSRV_FIELD_DOUBLE:
    fuzz_check(json_is_null(got) || json_number_value(got) == field->as.f64);
    break;
  default:
    fuzz_check(json_is_boolean(got));
    break;
  }
}

static void fill_field(fuzz_t *in, jobsrv_field_t *field, char *key, int n) {
  size_t len;
  const char *p;

  snprintf(key, 8, "k%d", n);
  field->key = key;
  switch (fuzz_byte(in) % 5) {
  case 0:
    field->type = JOBSRV_FIELD_STRING;
    p = fuzz_bytes(in, &len);
    field->as.string = len > 0 ? fuzz_copy(p, len) : calloc(1, 1);
    field->len = len;
    break;
  case 1:
    field->type = JOBSRV_FIELD_JSON;
    p = fuzz_bytes(in, &len);
    if (jobsrv_json_check(p, len, JOBSRV__FIELD_DEPTH, NULL) != 0) {
      p = "null";
      len = 4;
    }
    field->as.string = fuzz_copy(p, len);
    field->len = len;
    break;
  case 2:
    field->type = JOBSRV_FIELD_I64;
    p = fuzz_bytes(in, &len);
    memcpy(&field->as.i64, p, len < 8 ? len : 8);
    break;
  case 3:
    field->type = JOBSRV_FIELD_DOUBLE;
    p = fuzz_bytes(in, &len);
    memcpy(&field->as.f64, p, len < 8 ? len : 8);
    break;
  default:
    field->type = JOBSRV_FIELD_BOOL;
    field->as.boolean = (int) fuzz_byte(in);
    break;
  }
}

static void check_event(const char *body,
                        size_t len,
                        const jobsrv_event_t *event,
                        size_t max) {
  char *text = malloc(len + 1);
  json_t *json;

  fuzz_check(text != NULL);
  text[0] = '{';
  memcpy(text + 1, body, len);
  check_harmless(text, len + 1);
  if (reads(text, len + 1, &json)) {
    check_text(json_object_get(json, "actor"), event->actor,
               strlen(event->actor), max);
    check_text(json_object_get(json, "target"), event->target,
               strlen(event->target), max);
    check_text(json_object_get(json, "human"), event->human,
               strlen(event->human), max);
    check_text(json_object_get(json, "story"), event->story,
               strlen(event->story), max);
    for (size_t i = 0; i < event->nfields; i++)
      check_field(json, &event->fields[i], max);
    json_decref(json);
  }
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  jobsrv_field_t fields[FIELDS];
  char keys[FIELDS][8];
  char *texts[4];
  jobsrv_event_t event = { .level = JOBSRV_INFO, .fields = fields };
  unsigned int how = fuzz_byte(&in);
  size_t max = how & 1 ? 1 + (how >> 1) : NO_CUT;
  jobsrv__buf_t buf;

  memset(fields, 0, sizeof(fields));
  for (int i = 0; i < 4; i++)
    texts[i] = fuzz_string(&in);
  event.actor = texts[0];
  event.target = texts[1];
  event.human = texts[2];
  event.story = texts[3];
  event.action = "fuzz";
  for (; event.nfields < FIELDS && in.n > 0; event.nfields++)
    fill_field(&in, &fields[event.nfields], keys[event.nfields],
               (int) event.nfields);

  jobsrv__buf_init(&buf, NULL, 0);
  fuzz_check(jobsrv__encode_event(&buf, NULL, &event, strlen(event.human),
                                  (uint32_t) max, NO_CUT) == 0);
  check_event(buf.data, buf.len, &event, max);

  /* in less room: within it, and JSON all the same, or refused */
  jobsrv__buf_reset(&buf);
  if (jobsrv__encode_event(&buf, NULL, &event, strlen(event.human), NO_CUT,
                           512) == 0) {
    fuzz_check(buf.len <= 512);
    check_harmless(buf.data, buf.len);
  } else {
    fuzz_check(buf.len == 0);
  }
  jobsrv__buf_free(&buf);
  for (int i = 0; i < 4; i++)
    free(texts[i]);
  for (size_t i = 0; i < event.nfields; i++)
    if (fields[i].type == JOBSRV_FIELD_STRING ||
        fields[i].type == JOBSRV_FIELD_JSON)
      free((void *) (uintptr_t) fields[i].as.string);
  return 0;
}
