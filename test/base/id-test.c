/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/id.h"

#include <stdlib.h>
#include <uv.h>

static void counting(void *ctx, void *buf, size_t len) {
  unsigned char *next = ctx;
  unsigned char *to = buf;

  while (len-- > 0)
    *to++ = (*next)++;
}

static void a_source_makes_ids_repeatable(void **state) {
  unsigned char at = 0;
  jobsrv__id_pool_t pool;
  jobsrv__id_t a, b;

  (void) state;
  jobsrv__id_pool_init(&pool, counting, &at);
  assert_ok(jobsrv__id_make(&pool, &a));
  at = 0;
  jobsrv__id_pool_wipe(&pool);
  assert_ok(jobsrv__id_make(&pool, &b));
  assert_true(jobsrv__id_equal(a, b));
}

static int compare(const void *a, const void *b) {
  return memcmp(a, b, sizeof(jobsrv__id_t));
}

static void ids_are_version_4_and_differ(void **state) {
  enum { N = 100000 };
  jobsrv__id_t *ids = malloc(N * sizeof(*ids));
  jobsrv__id_pool_t pool;
  uint64_t set_hi = 0, set_lo = 0;
  size_t i;

  (void) state;
  assert_non_null(ids);
  jobsrv__id_pool_init(&pool, NULL, NULL);
  for (i = 0; i < N; i++) {
    assert_ok(jobsrv__id_make(&pool, &ids[i]));
    assert_int_equal(ids[i].hi >> 12 & 15, 4);
    assert_int_equal(ids[i].lo >> 62, 2);
    set_hi |= ids[i].hi;
    set_lo |= ids[i].lo;
  }
  assert_true(set_hi == (~UINT64_C(0) & ~UINT64_C(0xb000)));
  assert_true(set_lo == (~UINT64_C(0) & ~(UINT64_C(1) << 62)));
  qsort(ids, N, sizeof(*ids), compare);
  for (i = 1; i < N; i++)
    assert_true(compare(&ids[i - 1], &ids[i]) != 0);
  free(ids);
}

static void two_pools_do_not_share(void **state) {
  jobsrv__id_pool_t a, b;
  jobsrv__id_t x, y;

  (void) state;
  jobsrv__id_pool_init(&a, NULL, NULL);
  jobsrv__id_pool_init(&b, NULL, NULL);
  assert_ok(jobsrv__id_make(&a, &x));
  assert_ok(jobsrv__id_make(&b, &y));
  assert_false(jobsrv__id_equal(x, y));
}

static void what_was_handed_out_is_wiped(void **state) {
  static const unsigned char zeros[64];
  unsigned char at = 1;
  unsigned char bytes[64];
  jobsrv__id_pool_t pool;
  size_t i, wiped = 0;

  (void) state;
  jobsrv__id_pool_init(&pool, counting, &at);
  assert_ok(jobsrv__id_random(&pool, bytes, sizeof(bytes)));
  for (i = 0; i < sizeof(pool.bytes) - 63; i++)
    wiped += memcmp(pool.bytes + i, zeros, 64) == 0;
  assert_int_equal(wiped, 1);
}

static void random_bytes_of_any_number_are_served(void **state) {
  unsigned char bytes[9000];
  jobsrv__id_pool_t pool;
  size_t len, i, zeros;

  (void) state;
  jobsrv__id_pool_init(&pool, NULL, NULL);
  for (len = 0; len <= sizeof(bytes); len += len < 64 ? 1 : 499) {
    memset(bytes, 0, sizeof(bytes));
    assert_ok(jobsrv__id_random(&pool, bytes, len));
    for (i = zeros = 0; i < len; i++)
      zeros += bytes[i] == 0;
    assert_true(zeros <= len / 20 + 4);
    for (; i < sizeof(bytes); i++)
      assert_int_equal(bytes[i], 0);
  }
}

static void text_and_id_are_the_same_thing(void **state) {
  jobsrv__id_t id = { UINT64_C(0x0123456789ab4def),
                      UINT64_C(0xb123456789abcdef) };
  jobsrv__id_t back = { 0, 0 };
  jobsrv__id_pool_t pool;
  char text[JOBSRV__ID_SIZE];
  int i;

  (void) state;
  jobsrv__id_format(&id, text);
  assert_string_equal(text, "job-01234567-89ab-4def-b123-456789abcdef");
  assert_int_equal(strlen(text), JOBSRV__ID_LEN);

  jobsrv__id_pool_init(&pool, NULL, NULL);
  for (i = 0; i < 20000; i++) {
    assert_ok(jobsrv__id_make(&pool, &id));
    jobsrv__id_format(&id, text);
    assert_ok(jobsrv__id_parse(text, JOBSRV__ID_LEN, &back));
    assert_true(jobsrv__id_equal(id, back));
  }
}

static void every_single_byte_is_checked(void **state) {
  static const char good[] = "job-01234567-89ab-4def-b123-456789abcdef";
  char text[JOBSRV__ID_SIZE];
  jobsrv__id_t id = { 1, 2 };
  int at, c, want;

  (void) state;
  for (at = 0; at < JOBSRV__ID_LEN; at++)
    for (c = 0; c < 256; c++) {
      memcpy(text, good, sizeof(good));
      text[at] = (char) c;
      if (at < 4 || at == 12 || at == 17 || at == 18 || at == 22 || at == 27)
        want = c == good[at];
      else if (at == 23)
        want = c == '8' || c == '9' || c == 'a' || c == 'b';
      else
        want = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
      id.hi = 1;
      assert_int_equal(jobsrv__id_parse(text, JOBSRV__ID_LEN, &id),
                       want ? 0 : UV_EINVAL);
      assert_int_equal(id.hi == 1, !want);
    }
}

static void only_the_exact_length_is_an_id(void **state) {
  static const char text[] = "job-01234567-89ab-4def-b123-456789abcdef0";
  jobsrv__id_t id;
  size_t len;

  (void) state;
  for (len = 0; len < sizeof(text); len++)
    assert_int_equal(jobsrv__id_parse(text, len, &id),
                     len == JOBSRV__ID_LEN ? 0 : UV_EINVAL);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_source_makes_ids_repeatable),
  cmocka_unit_test(ids_are_version_4_and_differ),
  cmocka_unit_test(two_pools_do_not_share),
  cmocka_unit_test(what_was_handed_out_is_wiped),
  cmocka_unit_test(random_bytes_of_any_number_are_served),
  cmocka_unit_test(text_and_id_are_the_same_thing),
  cmocka_unit_test(every_single_byte_is_checked),
  cmocka_unit_test(only_the_exact_length_is_an_id),
};

RUN(tests);
