/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "narration/redact_event.h"

#include "jobsrv/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Arguments of a program in JSON: the one behind an option's name. */

#define R "[REDACTED]"
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static jobsrv_redactor_t *redactor;
static jobsrv__buf_t to;
static jobsrv__buf_t scratch;

static int setup(void **state) {
  (void) state;
  assert_ok(jobsrv_redactor_new(&redactor, NULL, NULL));
  jobsrv__buf_init(&to, NULL, 0);
  jobsrv__buf_init(&scratch, NULL, 0);
  return 0;
}

static int teardown(void **state) {
  (void) state;
  jobsrv_redactor_unref(redactor);
  jobsrv__buf_free(&to);
  jobsrv__buf_free(&scratch);
  return 0;
}

/* What a sink would get, lent until the next call. */
static const char *redacted(const char *json) {
  int changed;

  jobsrv__buf_reset(&to);
  changed = jobsrv__redact_json(redactor, json, strlen(json), &to, &scratch);
  assert_true(changed >= 0);
  if (!changed)
    return json;
  assert_ok(jobsrv__buf_append(&to, "", 1));
  return to.data;
}

static void the_argument_behind_a_secret_option_is_masked(void **state) {
  static const char *const cases[][2] = {
    { "[\"--password\",\"x\"]", "[\"--password\",\"" R "\"]" },
    { "[ \"--password\" , \"x y\\\"z\" ]", "[ \"--password\" , \"" R "\" ]" },
    { "{\"argv\":[\"psql\",\"--password\",\"hunter2\",\"-h\",\"db\"]}",
      "{\"argv\":[\"psql\",\"--password\",\"" R "\",\"-h\",\"db\"]}" },
    { "[\"-password\",\"x\"]", "[\"-password\",\"" R "\"]" },
    { "[\"--db-password\",\"x\",\"--api_key\",\"y\"]",
      "[\"--db-password\",\"" R "\",\"--api_key\",\"" R "\"]" },
    { "[\"--PassWord\",\"x\"]", "[\"--PassWord\",\"" R "\"]" },
    { "[\"--pass\\u0077ord\",\"x\"]", "[\"--pass\\u0077ord\",\"" R "\"]" },
    { "[\"\\u002d-token\",\"x\"]", "[\"\\u002d-token\",\"" R "\"]" },
    { "[\"--token\",12345]", "[\"--token\",\"" R "\"]" },
    { "[\"--token\",-1.5e3,7]", "[\"--token\",\"" R "\",7]" },
    { "[[\"--token\",\"x\"],\"y\"]", "[[\"--token\",\"" R "\"],\"y\"]" },
    { "[\"--token\",\"-x1\"]", "[\"--token\",\"" R "\"]" },
    { "[\"--token\",\"true\"]", "[\"--token\",\"" R "\"]" },
    { "[\"--token\",\"--password\",\"x\"]",
      "[\"--token\",\"--password\",\"" R "\"]" },
    /* the value is not taken for an option in its turn */
    { "[\"--token\",\"-token2\",\"y\"]", "[\"--token\",\"" R "\",\"y\"]" },
  };

  (void) state;
  for (size_t i = 0; i < COUNT(cases); i++) {
    assert_string_equal(redacted(cases[i][0]), cases[i][1]);
    assert_string_equal(redacted(cases[i][1]), cases[i][1]);
  }
}

static void what_is_no_such_argument_stays(void **state) {
  static const char *const cases[] = {
    "[\"--password\"]", "[\"x\",\"--password\"]", "[\"--password\",\"\"]",
    "[\"--password\",\"--verbose\"]", "[\"--password\",\"-v\"]",
    "[\"--password\",\"--\",\"x\"]", "[\"--password\",true,\"x\"]",
    "[\"--password\",null]", "[\"--password\",[\"x\"]]",
    "[\"--password\",{\"a\":\"x\"}]", "[[\"--password\"],\"x\"]",
    "[\"password\",\"x\"]", "[\"the --password\",\"x\"]",
    "[\"--password option\",\"x\"]", "[\"---password\",\"x\"]",
    "[\"--\",\"x\"]", "[\"-\",\"x\"]", "[\"--1password\",\"x\"]",
    "[\"--verbose\",\"x\"]", "[\"--password-file\",\"x\"]",
    "{\"a\":\"--password\",\"b\":\"x\"}",
    "{\"a\":\"--password\" , \"b\" : 1}", "\"--password\"",
    "[{\"a\":\"--password\"},\"x\"]",
  };

  (void) state;
  for (size_t i = 0; i < COUNT(cases); i++)
    assert_string_equal(redacted(cases[i]), cases[i]);
}

static double ms_of(const char *json) {
  struct timespec a, b;

  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a);
  (void) redacted(json);
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &b);
  return (double) (b.tv_sec - a.tv_sec) * 1e3 +
         (double) (b.tv_nsec - a.tv_nsec) / 1e6;
}

/* What is quadratic takes seconds for these, what is linear milliseconds. */
static void hostile_arrays_cost_what_their_length_costs(void **state) {
  static const char *const units[] = {
    "\"--token\",", "\"--token\",\"x\",", "\"--token\", [", "[\"--token\",[",
    "\"--token\",\"--token ", "\"\\u002d-token\",", "\"--token\",1,",
    "\"--token\" , \"--\" , ", "\"-\",", "\"--a\",\"-b\",",
  };
  enum { SIZE = 400000 };
  char *json = malloc(SIZE + 64);

  (void) state;
  assert_non_null(json);
  for (size_t i = 0; i < COUNT(units); i++) {
    size_t unit = strlen(units[i]);
    size_t at = 0;

    for (; at + unit < SIZE; at += unit)
      memcpy(json + at, units[i], unit);
    json[at] = '\0';
    assert_true(ms_of(json) < 400);
  }
  free(json);
}

/* Appends a random value of strings that are options, values, or neither. */
static size_t put_value(char *json, unsigned int *seed, int depth) {
  static const char *const strings[] = {
    "\"--password\"", "\"-token\"", "\"--x\"", "\"hunter2\"", "\"\"", "17",
    "\"a \\\"b\"", "null", "\"-1\"", "\"" R "\"", "\"--secret=1\"",
  };
  unsigned int pick = (*seed = *seed * 1103515245u + 12345u) >> 16;
  int is_object = pick % 7 == 1;
  size_t len = 0;

  if (depth == 0 || pick % 7 > 2) {
    strcpy(json, strings[pick / 7 % COUNT(strings)]);
    return strlen(json);
  }
  json[len++] = is_object ? '{' : '[';
  for (unsigned int i = 0; i < 4; i++) {
    if (i > 0)
      json[len++] = ',';
    if (is_object)
      len += (size_t) sprintf(json + len, "\"n%u\":", i);
    len += put_value(json + len, seed, depth - 1);
  }
  json[len++] = is_object ? '}' : ']';
  json[len] = '\0';
  return len;
}

static void it_stays_json_and_masked_once_is_masked(void **state) {
  static char json[1 << 16];
  static char once[1 << 16];
  jobsrv_json_error_t error;
  unsigned int seed = 20261123;

  (void) state;
  for (int round = 0; round < 5000; round++) {
    (void) put_value(json, &seed, 4);
    snprintf(once, sizeof(once), "%s", redacted(json));
    assert_ok(jobsrv_json_check(once, strlen(once), 32, &error));
    assert_string_equal(redacted(once), once);
    assert_null(strstr(once, "\"--password\",\"hunter2\""));
    assert_null(strstr(once, "\"-token\",17"));
  }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

static const struct CMUnitTest tests[] = {
  CASE(the_argument_behind_a_secret_option_is_masked),
  CASE(what_is_no_such_argument_stays),
  CASE(hostile_arrays_cost_what_their_length_costs),
  CASE(it_stays_json_and_masked_once_is_masked),
};

int main(void) {
  return cmocka_run_group_tests(tests, NULL, NULL);
}
