/* SPDX-License-Identifier: MIT */

/* Row 76: ids that can be foretold. */

#include "fixture.h"

#include "core/server.h"

enum { IDS = 600 }; /* more than one page of random bytes holds */

typedef struct {
  char boot[32];
  char ids[IDS][JOBSRV_ID_SIZE];
  uint64_t bits;
} made_t;

/* What a server makes when it is called in this order. */
static void make(made_t *made, int is_seeded, uint64_t seed) {
  jobsrv_seeded_random_t random;
  fixture f = { .closed = 0 };

  jobsrv_options_init(&f.options);
  if (is_seeded)
    jobsrv_seeded_random_init(&random, seed, &f.options);
  fixture_open(&f);
  snprintf(made->boot, sizeof(made->boot), "%s", jobsrv_boot(f.srv));
  for (int i = 0; i < IDS; i++)
    jobsrv_job_id(fixture_begin(&f), made->ids[i]);
  made->bits = jobsrv__random_u64(f.srv);
  fixture_close(&f);
}

static void two_servers_with_the_same_seed_make_the_same_ids(void **state) {
  static made_t a, b;

  (void) state;
  make(&a, 1, 42);
  make(&b, 1, 42);
  assert_memory_equal(&a, &b, sizeof(a));
}

static void another_seed_makes_other_ids(void **state) {
  static made_t a, b;

  (void) state;
  make(&a, 1, 42);
  make(&b, 1, 43);
  assert_string_not_equal(a.boot, b.boot);
  for (int i = 0; i < IDS; i++)
    assert_string_not_equal(a.ids[i], b.ids[i]);
  assert_true(a.bits != b.bits);
}

static void without_a_seed_no_two_servers_make_the_same(void **state) {
  static made_t a, b;

  (void) state;
  make(&a, 0, 0);
  make(&b, 0, 0);
  assert_string_not_equal(a.boot, b.boot);
  for (int i = 0; i < IDS; i++)
    assert_string_not_equal(a.ids[i], b.ids[i]);
  assert_true(a.bits != b.bits);
}

static void one_server_makes_no_id_twice(void **state) {
  static made_t made;

  (void) state;
  make(&made, 1, 7);
  for (int i = 0; i < IDS; i++)
    for (int j = 0; j < i; j++)
      assert_string_not_equal(made.ids[i], made.ids[j]);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(two_servers_with_the_same_seed_make_the_same_ids),
  cmocka_unit_test(another_seed_makes_other_ids),
  cmocka_unit_test(without_a_seed_no_two_servers_make_the_same),
  cmocka_unit_test(one_server_makes_no_id_twice),
};

RUN(tests);
