/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_HOSTILE_H
#define JOBSRV_TEST_HOSTILE_H

/*
 * Texts that have broken readers of logs and streams, without NUL. A decoded
 * event must have each as it is, or repaired where it is not UTF-8; `shown` is
 * what a rendering for people must have. NULL: the text itself.
 */

#include "base/utf8.h"
#include "test.h"

#include <stdlib.h>

#include <jansson.h>

typedef struct {
  const char *text;
  const char *repaired;
  const char *shown;
} hostile_t;

#define BAD "\xef\xbf\xbd"
#define WOMAN "\xf0\x9f\x91\xa9"
#define ZWJ "\xe2\x80\x8d"
#define LAPTOP "\xf0\x9f\x92\xbb"
#define ENGLAND                                                               \
  "\xf0\x9f\x8f\xb4\xf3\xa0\x81\xa7\xf3\xa0\x81\xa2\xf3\xa0\x81\xa5\xf3\xa0"  \
  "\x81\xae\xf3\xa0\x81\xa7\xf3\xa0\x81\xbf"

static const hostile_t hostile[] = {
  { "plain", NULL, NULL },
  { "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0b\x0c\x0e\x0f", NULL,
    "\\x01\\x02\\x03\\x04\\x05\\x06\\x07\\x08\\x09\\x0b\\x0c\\x0e\\x0f" },
  { "\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b[31m\x1c\x1d\x1e\x1f\x7f",
    NULL,
    "\\x10\\x11\\x12\\x13\\x14\\x15\\x16\\x17\\x18\\x19\\x1a\\x1b[31m"
    "\\x1c\\x1d\\x1e\\x1f\\x7f" },
  { "\xc2\x80\xc2\x84\xc2\x85\xc2\x8d\xc2\x90\xc2\x9b" "2J\xc2\x9d\xc2\x9f",
    NULL, "\\x80\\x84\\x85\\x8d\\x90\\x9b2J\\x9d\\x9f" },
  { "cr\rlf\ncrlf\r\nlfcr\n\r", NULL,
    "cr\\x0dlf\\x0acrlf\\x0d\\x0alfcr\\x0a\\x0d" },
  { "\xe2\x80\xa8\xe2\x80\xa9", NULL, "\\u2028\\u2029" },
  { "\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae", NULL,
    "\\u202a\\u202b\\u202c\\u202d\\u202e" },
  { "\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9\xd8\x9c\xe2\x80\x8e",
    NULL, "\\u2066\\u2067\\u2068\\u2069\\u061c\\u200e" },
  { "a\xe2\x80\x8b" "b" ZWJ "c\xef\xbb\xbf", NULL, "a\\u200bb\\u200dc\\ufeff" },
  { "\xc0\xaf \xe0\x80\xaf \xf0\x80\x80\xaf", BAD BAD " " BAD BAD BAD " "
    BAD BAD BAD BAD, BAD BAD " " BAD BAD BAD " " BAD BAD BAD BAD },
  { "\xe2\x82 \xf0\x9f\x92 \xc3", BAD " " BAD " " BAD, BAD " " BAD " " BAD },
  { "\xed\xa0\xbd\xed\xb8\x80", BAD BAD BAD BAD BAD BAD,
    BAD BAD BAD BAD BAD BAD },
  { "\xf4\x90\x80\x80 \xff\xfe\x80", BAD BAD BAD BAD " " BAD BAD BAD,
    BAD BAD BAD BAD " " BAD BAD BAD },
  { "[DONE]", NULL, NULL },
  { "data: [DONE]\n\n", NULL, "data: [DONE]\\x0a\\x0a" },
  { "\n\nid: 7\nevent: end\ndata: {}\n\n", NULL,
    "\\x0a\\x0aid: 7\\x0aevent: end\\x0adata: {}\\x0a\\x0a" },
  { "\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", NULL,
    "\\x0d\\x0a0\\x0d\\x0a\\x0d\\x0aHTTP/1.1 200 OK\\x0d\\x0a\\x0d\\x0a" },
  { ": comment\nretry: 1\n", NULL, ": comment\\x0aretry: 1\\x0a" },
  { "\"}\n{\"type\":\"end\"}", NULL, "\"}\\x0a{\"type\":\"end\"}" },
  { "\\ \\n \\u0000 \\x1b \" ' / </script> &amp; %s %n", NULL, NULL },
  { "[CANCELLED] [ERROR] x", NULL, NULL },
  /* what must come through whole */
  { WOMAN ZWJ LAPTOP " " WOMAN "\xf0\x9f\x8f\xbd" ZWJ LAPTOP, NULL, NULL },
  { WOMAN ZWJ "\xe2\x9d\xa4\xef\xb8\x8f" ZWJ WOMAN " \xe2\x9d\xa4\xef\xb8\x8e",
    NULL, NULL },
  { "1\xef\xb8\x8f\xe2\x83\xa3 \xf0\x9f\x87\xa9\xf0\x9f\x87\xaa " ENGLAND, NULL,
    NULL },
};

enum { HOSTILE = sizeof(hostile) / sizeof(hostile[0]) };

static inline const char *hostile_repaired(size_t i) {
  return hostile[i].repaired != NULL ? hostile[i].repaired : hostile[i].text;
}

static inline const char *hostile_shown(size_t i) {
  return hostile[i].shown != NULL ? hostile[i].shown : hostile[i].text;
}

/* A JSON string of what is repaired already, made by another's code. */
static inline char *hostile_json(size_t i) {
  json_t *string = json_string(hostile_repaired(i));
  char *text = json_dumps(string, JSON_ENCODE_ANY);

  assert_non_null(text);
  json_decref(string);
  return text;
}

/* One line that no reader of lines or terminal takes for more. */
static inline void hostile_harmless(const char *p, size_t n) {
  uint32_t cp;
  int bad;

  for (size_t at = 0; at < n;) {
    at += jobsrv__utf8_next(p + at, n - at, &cp, &bad);
    assert_false(bad);
    assert_false(cp < 0x20 || (cp >= 0x7f && cp <= 0x9f));
    assert_false(cp >= 0x2028 && cp <= 0x202e);
    assert_false(cp >= 0x2066 && cp <= 0x2069);
  }
}

/* The member is text number `i`. */
static inline void hostile_is(const json_t *json, const char *name, size_t i) {
  const json_t *got = json_object_get(json, name);
  const char *want = hostile_repaired(i);

  if (!json_is_string(got) || json_string_length(got) != strlen(want) ||
      memcmp(json_string_value(got), want, strlen(want)) != 0)
    fail_msg("text %zu, \"%s\": %s", i, name,
             json_dumps(got, JSON_ENCODE_ANY | JSON_ENSURE_ASCII));
}

#endif /* JOBSRV_TEST_HOSTILE_H */
