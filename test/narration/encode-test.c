/* SPDX-License-Identifier: MIT */

#include "world.h"

#include "narration/encode.h"

#include <locale.h>
#include <math.h>

/* What goes in, and what a JSON parser must read back. */
typedef struct {
  const char *in;
  size_t len;
  const char *out;
  size_t out_len;
} text_t;

#define TEXT(in, out) { in, sizeof(in) - 1, out, sizeof(out) - 1 }
#define SAME(in) TEXT(in, in)
#define BAD "\xef\xbf\xbd"

static const text_t corpus[] = {
  SAME(""),
  SAME("plain"),
  SAME("quote \" slash \\ solidus /"),
  SAME("\x01\x02\x03\x04\x05\x06\x07\b\t\n\v\f\r\x0e\x0f\x10\x1b[31m\x1f"),
  SAME("a\0b\0"),
  SAME("one\r\ntwo\n\nthree\rfour"),
  SAME("\x7f and \xc2\x80\xc2\x85\xc2\x9f"),
  SAME("\xe2\x80\xa8 line, \xe2\x80\xa9 paragraph"),
  SAME("\xe2\x80\xaa\xe2\x80\xab\xe2\x80\xac\xe2\x80\xad\xe2\x80\xae"),
  SAME("\xe2\x81\xa6\xe2\x81\xa7\xe2\x81\xa8\xe2\x81\xa9\xd8\x9c"),
  SAME("\xe2\x80\x8e\xe2\x80\x8f"),
  SAME("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb joined"),
  SAME("\xf4\x8f\xbf\xbf highest \xef\xbf\xbf"),
  SAME("\xd0\xb6\xd0\xb6 eight bytes of plain text and more"),
  SAME("[DONE]"),
  SAME("data: {}\n\ndata: [DONE]\n\n"),
  SAME("id: 7\nevent: end\nretry: 1\n: comment"),
  SAME("\n\n\r\n0\r\n\r\n"),
  TEXT("\xc0\xaf", BAD BAD),
  TEXT("\xe0\x80\xaf", BAD BAD BAD),
  TEXT("\xed\xa0\x80", BAD BAD BAD),
  TEXT("\xed\xa0\xbd\xed\xb8\x80", BAD BAD BAD BAD BAD BAD),
  TEXT("\xf4\x90\x80\x80", BAD BAD BAD BAD),
  TEXT("cut \xe2\x82", "cut " BAD),
  TEXT("cut \xf0\x9f\x92", "cut " BAD),
  TEXT("\x80 alone, \xff never", BAD " alone, " BAD " never"),
  TEXT("aaaaaaa\x80" "bbbbbbbb\xfe" "c", "aaaaaaa" BAD "bbbbbbbb" BAD "c"),
};

enum { CORPUS = sizeof(corpus) / sizeof(corpus[0]) };

static void assert_harmless(const char *p, size_t n) {
  for (size_t i = 0; i < n; i++) {
    assert_true((unsigned char) p[i] >= 0x20 && p[i] != 0x7f);
    if (i + 1 < n && (unsigned char) p[i] == 0xc2)
      assert_true((unsigned char) p[i + 1] >= 0xa0);
    if (i + 2 < n && memcmp(p + i, "\xe2\x80", 2) == 0)
      assert_false((unsigned char) p[i + 2] >= 0xa8 &&
                   (unsigned char) p[i + 2] <= 0xae);
  }
}

static void assert_reads_back(const char *json, size_t n, const text_t *text) {
  json_t *value =
      json_loadb(json, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

  assert_non_null(value);
  assert_harmless(json, n);
  assert_int_equal(json_string_length(value), text->out_len);
  assert_memory_equal(json_string_value(value), text->out, text->out_len);
  json_decref(value);
}

static void any_text_reads_back_as_it_was_or_repaired(void **state) {
  jobsrv__buf_t buf;
  char room[1024];
  size_t n;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  for (size_t i = 0; i < CORPUS; i++) {
    jobsrv__buf_reset(&buf);
    jobsrv__json_string(&buf, corpus[i].in, corpus[i].len, 0);
    assert_int_equal(buf.failed, 0);
    assert_reads_back(buf.data, buf.len, &corpus[i]);
    n = jobsrv__json_string_to(room, sizeof(room), corpus[i].in,
                               corpus[i].len, 0);
    assert_int_equal(n, buf.len);
    assert_memory_equal(room, buf.data, n);
  }
  jobsrv__buf_free(&buf);
}

static void every_byte_is_found_at_every_place_of_a_word(void **state) {
  jobsrv__buf_t buf;
  char in[24];

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  for (unsigned int byte = 0; byte < 128; byte++)
    for (size_t at = 0; at < sizeof(in); at++) {
      text_t text = { in, sizeof(in), in, sizeof(in) };

      memset(in, 'x', sizeof(in));
      in[at] = (char) byte;
      jobsrv__buf_reset(&buf);
      jobsrv__json_string(&buf, in, sizeof(in), 0);
      assert_reads_back(buf.data, buf.len, &text);
    }
  jobsrv__buf_free(&buf);
}

static void a_long_text_is_cut_between_characters_with_a_mark(void **state) {
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  jobsrv__json_string(&buf, "abcd", 4, 4);
  assert_bytes(buf.data, buf.len, "\"abcd\"");
  jobsrv__buf_reset(&buf);
  jobsrv__json_string(&buf, "abcde", 5, 4);
  assert_bytes(buf.data, buf.len, "\"abcd \xe2\x80\xa6(+1 bytes)\"");
  jobsrv__buf_reset(&buf);
  jobsrv__json_string(&buf, "abc\xe2\x82\xac", 6, 5);
  assert_bytes(buf.data, buf.len, "\"abc \xe2\x80\xa6(+3 bytes)\"");
  jobsrv__buf_free(&buf);
}

static void in_fixed_memory_a_string_is_always_closed(void **state) {
  char room[40];
  size_t n;

  (void) state;
  for (size_t cap = 2; cap < sizeof(room); cap++)
    for (size_t i = 0; i < CORPUS; i++) {
      json_t *value;

      memset(room, '#', sizeof(room));
      n = jobsrv__json_string_to(room, cap, corpus[i].in, corpus[i].len, 0);
      assert_in_range(n, 2, cap);
      assert_int_equal(room[cap], '#');
      value = json_loadb(room, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
      assert_non_null(value);
      json_decref(value);
    }
  assert_int_equal(jobsrv__json_string_to(room, 1, "a", 1, 0), 0);
}

/* ---- events ---- */

static json_t *encode(const jobsrv_job_t *job, const jobsrv_event_t *event) {
  jobsrv__buf_t buf;
  json_t *json;

  jobsrv__buf_init(&buf, NULL, 0);
  (void) jobsrv__buf_putc(&buf, '{');
  assert_ok(jobsrv__encode_event(&buf, job, event, strlen(event->human),
                                 65536, 262144));
  json = json_loadb(buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(json);
  assert_harmless(buf.data, buf.len);
  jobsrv__buf_free(&buf);
  return json;
}

#define F(k, t, member, v)                                                    \
  { .key = k, .type = JOBSRV_FIELD_##t, .as.member = v }

static void numbers_keep_their_value(void **state) {
  static const double doubles[] = { 0, -0.0, 0.1, 1.0 / 3, 1e300, 5e-324,
                                    -2.5, 123456789012345680.0, 3.0 };
  jobsrv_field_t fields[] = {
    F("i", I64, i64, INT64_MIN),
    F("u", U64, u64, INT64_MAX),
    F("yes", BOOL, boolean, 1),
    F("no", BOOL, boolean, 0),
    F("nan", DOUBLE, f64, NAN),
    F("inf", DOUBLE, f64, INFINITY),
    F("d", DOUBLE, f64, 0),
  };
  jobsrv_event_t event = { .kind = JOBSRV_KIND_NARRATION,
                           .level = JOBSRV_INFO,
                           .human = "",
                           .fields = fields,
                           .nfields = 7 };

  (void) state;
  for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
    json_t *json, *in;

    fields[6].as.f64 = doubles[i];
    json = encode(NULL, &event);
    in = json_object_get(json, "fields");
    assert_true(json_integer_value(json_object_get(in, "i")) == INT64_MIN);
    assert_true(json_integer_value(json_object_get(in, "u")) == INT64_MAX);
    assert_true(json_is_true(json_object_get(in, "yes")));
    assert_true(json_is_false(json_object_get(in, "no")));
    assert_true(json_is_null(json_object_get(in, "nan")));
    assert_true(json_is_null(json_object_get(in, "inf")));
    assert_true(json_number_value(json_object_get(in, "d")) == doubles[i]);
    json_decref(json);
  }
}

static void a_comma_locale_does_not_reach_the_wire(void **state) {
  jobsrv_field_t field = F("d", DOUBLE, f64, 2.5);
  jobsrv_event_t event = { .level = JOBSRV_INFO, .human = "",
                           .fields = &field, .nfields = 1 };
  json_t *json;

  (void) state;
  assert_non_null(setlocale(LC_NUMERIC, "de_DE.UTF-8"));
  assert_string_equal(localeconv()->decimal_point, ",");
  json = encode(NULL, &event);
  (void) setlocale(LC_NUMERIC, "C");
  assert_true(json_number_value(json_object_get(json_object_get(
                  json, "fields"), "d")) == 2.5);
  json_decref(json);
}

/* Where each stands does not depend on how many are before it. */
static void many_fields_stand_where_they_belong(void **state) {
#define XX(name, kind) { .key = #name, .type = JOBSRV_FIELD_##kind },
  static const jobsrv_field_t known[] = { JOBSRV_WELL_KNOWN_MAP(XX) };
#undef XX
  enum { KNOWN = sizeof(known) / sizeof(known[0]), OTHERS = 40 };
  static char keys[OTHERS][16];
  jobsrv_field_t fields[OTHERS + KNOWN];
  jobsrv__buf_t buf;
  json_t *json, *below;
  size_t n = 0;

  (void) state;
  for (size_t i = 0; i < OTHERS; i++) {
    snprintf(keys[i], sizeof(keys[i]), "other_%zu", i);
    fields[n++] = jobsrv_field_u64(keys[i], i);
    if (i < KNOWN) { /* one of them of another type than it is known for */
      fields[n] = known[i];
      if (fields[n].type == JOBSRV_FIELD_JSON)
        fields[n].as.string = "[]";
      if (i == 3)
        fields[n] = jobsrv_field_bool(known[i].key, 1);
      n++;
    }
  }
  jobsrv__buf_init(&buf, NULL, 0);
  assert_ok(jobsrv__buf_puts(&buf, "{\"first\":1"));
  assert_ok(jobsrv__fields_put(&buf, fields, n, 0));
  assert_ok(jobsrv__buf_putc(&buf, '}'));
  json = json_loadb(buf.data, buf.len, JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(json);
  below = json_object_get(json, "fields");
  assert_int_equal(json_object_size(json), KNOWN - 1 + 2);
  assert_int_equal(json_object_size(below), OTHERS + 1);
  for (size_t i = 0; i < OTHERS; i++)
    assert_int_equal(int_of(below, keys[i]), i);
  assert_true(json_is_true(json_object_get(below, known[3].key)));
  json_decref(json);
  jobsrv__buf_free(&buf);
}

static void raw_json_is_minified_and_made_harmless(void **state) {
  jobsrv_field_t field = F("raw", JSON, string,
                           " { \"a\" : [ 1 , 2.50 ] ,\n \"t\" :"
                           " \"\xe2\x80\xa8x\x7f\xc2\x85y\xe2\x80\xae\" } ");
  jobsrv_event_t event = { .level = JOBSRV_INFO, .human = "",
                           .fields = &field, .nfields = 1 };
  jobsrv__buf_t buf;
  json_t *json;

  (void) state;
  json = encode(NULL, &event);
  assert_string_equal(
      json_string_value(json_object_get(json_object_get(json_object_get(
          json, "fields"), "raw"), "t")),
      "\xe2\x80\xa8x\x7f\xc2\x85y\xe2\x80\xae");
  json_decref(json);

  jobsrv__buf_init(&buf, NULL, 0);
  assert_ok(jobsrv__raw_put(&buf, field.as.string, strlen(field.as.string)));
  assert_bytes(buf.data, buf.len,
               "{\"a\":[1,2.50],\"t\":\"\\u2028x\\u007f\\u0085y\\u202e\"}");
  jobsrv__buf_free(&buf);
}

static void what_is_no_json_is_refused_and_leaves_no_trace(void **state) {
  static const char *const bad[] = {
    "", "{", "{\"a\":1,\"a\":2}", "nul", "[1,]", "\"\n\"", "\"\x80\"", "1 2",
    "\"\\ud800\"",
  };
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  (void) jobsrv__buf_puts(&buf, "before");
  for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
    jobsrv_field_t field = F("raw", JSON, string, bad[i]);
    jobsrv_event_t event = { .level = JOBSRV_INFO, .human = "",
                             .fields = &field, .nfields = 1 };

    assert_err(jobsrv__encode_event(&buf, NULL, &event, 0, 65536, 262144),
               JOBSRV_EJSON);
    assert_bytes(buf.data, buf.len, "before");
  }
  jobsrv__buf_free(&buf);
}

static void a_bad_key_is_refused(void **state) {
  static const char *const keys[] = { "", "a b", "a\"", "\xc3\xa4", "a\n",
                                      ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa") };
  jobsrv_field_t fields[] = { F("same", I64, i64, 1), F("same", I64, i64, 2) };

  (void) state;
  assert_int_equal(strlen(keys[5]), 65);
  for (size_t i = 0; i < 6; i++) {
    jobsrv_field_t field = F(keys[i], I64, i64, 1);

    assert_err(jobsrv__fields_check(&field, 1), UV_EINVAL);
  }
  fields[1].key = keys[5] + 1;
  assert_ok(jobsrv__fields_check(fields, 2));
  fields[1].key = "same";
  assert_err(jobsrv__fields_check(fields, 2), UV_EINVAL);
  fields[1].key = "other";
  fields[1].type = (jobsrv_field_type_t) 99;
  assert_err(jobsrv__fields_check(fields, 2), UV_EINVAL);
}

static void texts_shrink_until_the_event_fits(void **state) {
  static char human[60001], story[60001];
  jobsrv_event_t event = { .level = JOBSRV_INFO,
                           .human = human,
                           .story = story };
  jobsrv__buf_t buf;
  json_t *json;

  (void) state;
  memset(human, 1, 60000); /* six bytes each */
  memset(story, 's', 60000);
  jobsrv__buf_init(&buf, NULL, 0);
  (void) jobsrv__buf_putc(&buf, '{');
  assert_ok(jobsrv__encode_event(&buf, NULL, &event, 60000, 65536, 4096));
  assert_in_range(buf.len, 512, 4096);
  json = json_loadb(buf.data, buf.len, 0, NULL);
  assert_non_null(json);
  assert_contains(text_of(json, "human"), " bytes)");
  assert_contains(text_of(json, "story"), " bytes)");
  json_decref(json);
  jobsrv__buf_free(&buf);
}

static void json_that_does_not_fit_is_too_big(void **state) {
  static char payload[5000];
  jobsrv_event_t event = { .kind = JOBSRV_KIND_DATA,
                           .level = JOBSRV_INFO,
                           .human = "",
                           .action = "rows",
                           .payload = payload };
  jobsrv__buf_t buf;

  (void) state;
  jobsrv__buf_init(&buf, NULL, 0);
  memset(payload, '1', sizeof(payload));
  payload[0] = '"';
  payload[1023] = '"';
  event.payload_len = 1024;
  assert_err(jobsrv__encode_event(&buf, NULL, &event, 0, 65536, 1024),
             JOBSRV_ETOOBIG);
  assert_ok(jobsrv__encode_event(&buf, NULL, &event, 0, 65536, 2048));
  jobsrv__buf_free(&buf);
}

static void every_allocation_may_fail(void **state) {
  jobsrv_field_t field = F("raw", JSON, string, "{\"a\":[1,2,3]}");
  jobsrv_event_t event = { .level = JOBSRV_INFO,
                           .actor = "a",
                           .action = "b",
                           .human = "some words that take a little room",
                           .file = "f.c",
                           .line = 12,
                           .fields = &field,
                           .nfields = 1 };
  jobsrv_faults_t faults;
  jobsrv__buf_t buf;
  int err = UV_ENOMEM;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_faults_fail(&faults, n, 1);
    jobsrv__buf_init(&buf, &faults.alloc, 0);
    err = jobsrv__encode_event(&buf, NULL, &event, strlen(event.human), 65536,
                               262144);
    assert_int_equal(err, jobsrv_faults_hit(&faults) ? UV_ENOMEM : 0);
    jobsrv__buf_free(&buf);
    assert_int_equal(jobsrv_faults_live(&faults), 0);
  }
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(any_text_reads_back_as_it_was_or_repaired),
  cmocka_unit_test(every_byte_is_found_at_every_place_of_a_word),
  cmocka_unit_test(a_long_text_is_cut_between_characters_with_a_mark),
  cmocka_unit_test(in_fixed_memory_a_string_is_always_closed),
  cmocka_unit_test(numbers_keep_their_value),
  cmocka_unit_test(a_comma_locale_does_not_reach_the_wire),
  cmocka_unit_test(many_fields_stand_where_they_belong),
  cmocka_unit_test(raw_json_is_minified_and_made_harmless),
  cmocka_unit_test(what_is_no_json_is_refused_and_leaves_no_trace),
  cmocka_unit_test(a_bad_key_is_refused),
  cmocka_unit_test(texts_shrink_until_the_event_fits),
  cmocka_unit_test(json_that_does_not_fit_is_too_big),
  cmocka_unit_test(every_allocation_may_fail),
};

RUN(tests);
