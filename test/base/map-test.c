/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "failing.h"

#include "base/map.h"

#include <uv.h>

static uint64_t seed = 88172645463325252u;

static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static jobsrv__id_t key(uint64_t hi, uint64_t lo) {
  return (jobsrv__id_t){ hi, lo };
}

static void what_is_put_is_found(void **state) {
  jobsrv__map_t map;

  (void) state;
  jobsrv__map_init(&map, NULL, 1);
  assert_null(jobsrv__map_get(&map, key(1, 2)));
  assert_int_equal(jobsrv__map_del(&map, key(1, 2)), 0);
  assert_ok(jobsrv__map_put(&map, key(1, 2), 0));
  assert_ok(jobsrv__map_put(&map, key(2, 1), UINT64_MAX));
  assert_true(*jobsrv__map_get(&map, key(1, 2)) == 0);
  assert_true(*jobsrv__map_get(&map, key(2, 1)) == UINT64_MAX);
  assert_null(jobsrv__map_get(&map, key(1, 1)));
  *jobsrv__map_get(&map, key(1, 2)) = 9;
  assert_int_equal(*jobsrv__map_get(&map, key(1, 2)), 9);
  assert_int_equal(jobsrv__map_count(&map), 2);
  assert_int_equal(jobsrv__map_del(&map, key(1, 2)), 1);
  assert_int_equal(jobsrv__map_del(&map, key(1, 2)), 0);
  assert_int_equal(jobsrv__map_count(&map), 1);
  jobsrv__map_free(&map);
  assert_int_equal(jobsrv__map_count(&map), 0);
  assert_null(jobsrv__map_get(&map, key(2, 1)));
  assert_ok(jobsrv__map_put(&map, key(2, 1), 5));
  jobsrv__map_free(&map);
}

static void a_key_that_is_there_is_refused_and_kept(void **state) {
  jobsrv__map_t map;
  uint64_t i;

  (void) state;
  jobsrv__map_init(&map, NULL, 1);
  for (i = 0; i < 100; i++) {
    assert_ok(jobsrv__map_put(&map, key(0, i), i));
    assert_err(jobsrv__map_put(&map, key(0, i), 1000), UV_EEXIST);
    assert_int_equal(*jobsrv__map_get(&map, key(0, i)), i);
    assert_int_equal(jobsrv__map_count(&map), i + 1);
  }
  jobsrv__map_free(&map);
}

static void zero_is_a_key_like_others(void **state) {
  jobsrv__map_t map;

  (void) state;
  jobsrv__map_init(&map, NULL, 1);
  assert_null(jobsrv__map_get(&map, key(0, 0)));
  assert_int_equal(jobsrv__map_del(&map, key(0, 0)), 0);
  assert_ok(jobsrv__map_put(&map, key(0, 0), 3));
  assert_err(jobsrv__map_put(&map, key(0, 0), 4), UV_EEXIST);
  assert_int_equal(*jobsrv__map_get(&map, key(0, 0)), 3);
  assert_ok(jobsrv__map_reserve(&map, 1000));
  assert_int_equal(jobsrv__map_count(&map), 1);
  assert_int_equal(jobsrv__map_del(&map, key(0, 0)), 1);
  assert_int_equal(jobsrv__map_count(&map), 0);
  jobsrv__map_free(&map);
}

/* Few keys over and over, so that runs form, wrap around and come apart. */
static void it_agrees_with_an_array(void **state) {
  enum { KEYS = 3000 };
  static uint64_t model[KEYS]; /* 0: not there */
  jobsrv__map_t map;
  uint64_t *found;
  size_t i, j, at, span, count = 0;

  (void) state;
  memset(model, 0, sizeof(model));
  jobsrv__map_init(&map, NULL, next_random());
  for (i = 0; i < 400000; i++) {
    span = i / 100000 % 2 ? KEYS : 20;
    at = next_random() % span;
    switch (next_random() % 3) {
      case 0:
        assert_int_equal(jobsrv__map_put(&map, key(at / 7, at), i + 1),
                         model[at] ? UV_EEXIST : 0);
        count += model[at] == 0;
        model[at] = model[at] ? model[at] : i + 1;
        break;
      case 1:
        assert_int_equal(jobsrv__map_del(&map, key(at / 7, at)),
                         model[at] != 0);
        count -= model[at] != 0;
        model[at] = 0;
        break;
      default:
        found = jobsrv__map_get(&map, key(at / 7, at));
        assert_int_equal(found != NULL ? *found : 0, model[at]);
    }
    assert_int_equal(jobsrv__map_count(&map), count);
    for (j = 0; i % 10000 == 0 && j < KEYS; j++) {
      found = jobsrv__map_get(&map, key(j / 7, j));
      assert_int_equal(found != NULL ? *found : 0, model[j]);
    }
  }
  jobsrv__map_free(&map);
}

static void reserved_room_cannot_run_out(void **state) {
  failing_t failing;
  jobsrv_alloc_t alloc = failing_alloc(&failing, -1);
  jobsrv__map_t map;
  uint64_t i;

  (void) state;
  jobsrv__map_init(&map, &alloc, 5);
  assert_ok(jobsrv__map_reserve(&map, 5000));
  assert_int_equal(failing.calls, 1);
  failing.fail_at = 1;
  for (i = 1; i <= 5000; i++)
    assert_ok(jobsrv__map_put(&map, key(i, i), i));
  assert_ok(jobsrv__map_reserve(&map, 17));
  assert_int_equal(failing.calls, 1);
  assert_err(jobsrv__map_reserve(&map, SIZE_MAX), UV_ENOMEM);
  assert_err(jobsrv__map_reserve(&map, SIZE_MAX / 32), UV_ENOMEM);
  jobsrv__map_free(&map);
  assert_int_equal(failing.live, 0);
}

static void running_out_of_memory_changes_nothing(void **state) {
  failing_t failing;
  jobsrv_alloc_t alloc;
  jobsrv__map_t map;
  uint64_t i, j;
  int fail_at;

  (void) state;
  for (fail_at = 0; fail_at < 5; fail_at++) {
    alloc = failing_alloc(&failing, fail_at);
    jobsrv__map_init(&map, &alloc, 5);
    for (i = 1; jobsrv__map_put(&map, key(i, 1), i) == 0; i++)
      assert_true(i < 10000);
    assert_int_equal(jobsrv__map_count(&map), i - 1);
    for (j = 1; j < i; j++)
      assert_int_equal(*jobsrv__map_get(&map, key(j, 1)), j);
    assert_null(jobsrv__map_get(&map, key(i, 1)));
    if (i > 1)
      assert_err(jobsrv__map_put(&map, key(1, 1), 0), UV_EEXIST);
    assert_ok(jobsrv__map_put(&map, key(i, 1), i));
    jobsrv__map_free(&map);
    assert_int_equal(failing.live, 0);
  }
}

/* Keys that raw bits would put into one place: the cost must not explode. The
 * count of steps cannot be seen from outside, so this is a matter of seconds
 * against hours. */
static void keys_that_look_alike_are_spread(void **state) {
  jobsrv__map_t map;
  uint64_t i;

  (void) state;
  jobsrv__map_init(&map, NULL, 99);
  for (i = 1; i <= 150000; i++) {
    assert_ok(jobsrv__map_put(&map, key(i << 40, 0), i));
    assert_ok(jobsrv__map_put(&map, key(0, i << 40), i));
    assert_ok(jobsrv__map_put(&map, key(i << 20, i << 20), i));
  }
  for (i = 1; i <= 150000; i++)
    assert_int_equal(jobsrv__map_del(&map, key(0, i << 40)), 1);
  assert_int_equal(jobsrv__map_count(&map), 300000);
  jobsrv__map_free(&map);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(what_is_put_is_found),
  cmocka_unit_test(a_key_that_is_there_is_refused_and_kept),
  cmocka_unit_test(zero_is_a_key_like_others),
  cmocka_unit_test(it_agrees_with_an_array),
  cmocka_unit_test(reserved_room_cannot_run_out),
  cmocka_unit_test(running_out_of_memory_changes_nothing),
  cmocka_unit_test(keys_that_look_alike_are_spread),
};

RUN(tests);
