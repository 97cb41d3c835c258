/* SPDX-License-Identifier: MIT */

/*
 * The JSON check against jansson: what passes is JSON, and means the same
 * without its white space; what it refuses, it says where.
 */

#include "fuzz.h"

#include "base/json_scan.h"
#include "jobsrv/error.h"

#include <jansson.h>

enum { DEPTH = 32 };

/* A NUL in a name, or an integer from 2^63 on. */
static int is_beyond_jansson(const json_error_t *error) {
  return json_error_code(error) == json_error_null_byte_in_key ||
         json_error_code(error) == json_error_numeric_overflow;
}

/* Of what passed: every member is found, and is what jansson read. */
static void check_members(const char *text, size_t len, const json_t *json) {
  const char *name;
  json_t *value;

  if (!json_is_object(json))
    return;
  json_object_foreach((json_t *) (uintptr_t) json, name, value) {
    const char *at = jobsrv__json_find_member(text, len, name);
    json_t *found;

    fuzz_check(at != NULL);
    found = json_loadb(
        at, (size_t) (jobsrv__json_skip_value(at, text + len) - at),
        JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    fuzz_check(found != NULL && json_equal(found, value));
    json_decref(found);
  }
}

static void check_passed(const char *text, size_t len) {
  char *small = malloc(len + 1);
  json_t *a, *b;
  json_error_t error;
  size_t small_len;
  size_t again_len;
  char *again = malloc(len + 1);

  fuzz_check(small != NULL && again != NULL);
  fuzz_check(jobsrv__json_minify(small, &small_len, text, len, DEPTH, NULL) ==
             0);
  fuzz_check(small_len <= len);
  for (size_t i = 0; i < small_len; i++)
    fuzz_check((unsigned char) small[i] >= 0x20);
  fuzz_check(jobsrv__json_minify(again, &again_len, small, small_len, DEPTH,
                                 NULL) == 0);
  fuzz_check(again_len == small_len && memcmp(again, small, again_len) == 0);
  a = json_loadb(text, len,
                 JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES,
                 &error);
  fuzz_check(a != NULL || is_beyond_jansson(&error));
  if (a != NULL) {
    b = json_loadb(small, small_len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    fuzz_check(b != NULL && json_equal(a, b));
    check_members(small, small_len, a);
    json_decref(b);
  }
  json_decref(a);
  free(small);
  free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_copy((const char *) data, size);
  jobsrv_json_error_t error = { .offset = SIZE_MAX };
  jobsrv_json_error_t where;
  int err = jobsrv_json_check(text, size, DEPTH, &error);

  if (err == 0) {
    check_passed(text, size);
  } else {
    fuzz_check(err == JOBSRV_EJSON);
    fuzz_check(error.offset <= size && error.line >= 1 && error.column >= 1);
    fuzz_check(memchr(error.message, '\0', sizeof(error.message)) != NULL);
    fuzz_check(memchr(error.pointer, '\0', sizeof(error.pointer)) != NULL);
    where.offset = error.offset;
    jobsrv__json_place(text, size, &where);
    fuzz_check(where.line == error.line && where.column == error.column);
  }
  free(text);
  return 0;
}
