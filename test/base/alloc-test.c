/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "failing.h"

#include "base/alloc.h"
#include "base/options.h"

static void null_means_the_c_library(void **state) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  char *p;

  (void) state;
  p = jobsrv__malloc(alloc, 10);
  assert_non_null(p);
  p = jobsrv__realloc(alloc, p, 4096);
  assert_non_null(p);
  p[4095] = 1;
  jobsrv__free(alloc, p);
  jobsrv__free(alloc, NULL);
}

static void the_users_allocator_is_the_one_that_is_used(void **state) {
  failing_t failing;
  jobsrv_alloc_t user = failing_alloc(&failing, -1);
  const jobsrv_alloc_t *alloc = jobsrv__alloc(&user);
  char *p;

  (void) state;
  assert_ptr_equal(alloc, &user);
  p = jobsrv__malloc(alloc, 1);
  p = jobsrv__realloc(alloc, p, 2);
  assert_int_equal(failing.calls, 2);
  assert_int_equal(failing.live, 1);
  jobsrv__free(alloc, p);
  assert_int_equal(failing.live, 0);
}

static void zalloc_gives_zeros(void **state) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  unsigned char *p;
  int i;

  (void) state;
  p = jobsrv__malloc(alloc, 300);
  memset(p, 0xff, 300);
  jobsrv__free(alloc, p);
  p = jobsrv__zalloc(alloc, 300);
  for (i = 0; i < 300; i++)
    assert_int_equal(p[i], 0);
  jobsrv__free(alloc, p);
}

static void *none_for_zero(void *ctx, size_t size) {
  (void) ctx;
  return size > 0 ? malloc(size) : NULL;
}

static void a_size_of_zero_is_not_out_of_memory(void **state) {
  failing_t failing;
  jobsrv_alloc_t user = failing_alloc(&failing, -1);
  void *p;

  (void) state;
  user.malloc = none_for_zero;
  p = jobsrv__malloc(&user, 0);
  assert_non_null(p);
  p = jobsrv__realloc(&user, p, 0);
  assert_non_null(p);
  free(p);
}

static void copies_of_strings_end_with_a_nul(void **state) {
  const jobsrv_alloc_t *alloc = jobsrv__alloc(NULL);
  char *p;

  (void) state;
  p = jobsrv__strndup(alloc, "ab\0cd", 5);
  assert_memory_equal(p, "ab\0cd", 6);
  jobsrv__free(alloc, p);
  p = jobsrv__strndup(alloc, NULL, 0);
  assert_string_equal(p, "");
  jobsrv__free(alloc, p);
  p = jobsrv__strdup(alloc, "hello");
  assert_string_equal(p, "hello");
  jobsrv__free(alloc, p);
  assert_null(jobsrv__strdup(alloc, NULL));
  assert_null(jobsrv__strndup(alloc, "x", SIZE_MAX));
}

static void every_helper_passes_a_failure_on(void **state) {
  failing_t failing;
  jobsrv_alloc_t user = failing_alloc(&failing, 0);
  char keep;

  (void) state;
  assert_null(jobsrv__malloc(&user, 1));
  failing.calls = 0;
  assert_null(jobsrv__zalloc(&user, 1));
  failing.calls = 0;
  assert_null(jobsrv__realloc(&user, &keep, 1));
  failing.calls = 0;
  assert_null(jobsrv__strndup(&user, "x", 1));
  failing.calls = 0;
  assert_null(jobsrv__strdup(&user, "x"));
  assert_int_equal(failing.live, 0);
}

/* One struct as an old, the present and a newer host know it. */
typedef struct {
  size_t size;
  int a;
} v1_t;

typedef struct {
  size_t size;
  int a;
  int b;
  void *c;
} v2_t;

typedef struct {
  size_t size;
  int a;
  int b;
  void *c;
  uint64_t d;
} v3_t;

static void an_old_hosts_missing_options_are_zero(void **state) {
  v1_t from = { sizeof(from), 7 };
  v2_t to;

  (void) state;
  memset(&to, 0xaa, sizeof(to));
  assert_ok(jobsrv__options_read(&to, sizeof(to), sizeof(v1_t), &from));
  assert_int_equal(to.a, 7);
  assert_null(to.c);
  assert_int_equal(to.size, sizeof(v1_t));
}

static void a_newer_host_may_leave_what_we_do_not_know_at_zero(void **state) {
  v3_t from = { sizeof(from), 1, 2, &from, 0 };
  v2_t to;

  (void) state;
  assert_ok(jobsrv__options_read(&to, sizeof(to), sizeof(v1_t), &from));
  assert_int_equal(to.b, 2);
  assert_ptr_equal(to.c, &from);
}

static void a_setting_we_do_not_know_is_refused(void **state) {
  v3_t from = { sizeof(from), 1, 2, NULL, UINT64_C(1) << 63 };
  v2_t to, before;

  (void) state;
  memset(&to, 0x55, sizeof(to));
  before = to;
  assert_err(jobsrv__options_read(&to, sizeof(to), sizeof(v1_t), &from),
             JOBSRV_EOPTIONS);
  assert_memory_equal(&to, &before, sizeof(to));
}

static void an_options_struct_without_its_init_is_refused(void **state) {
  v2_t from = { 0, 1, 2, NULL };
  v2_t to;

  (void) state;
  assert_err(jobsrv__options_read(&to, sizeof(to), sizeof(v1_t), &from),
             JOBSRV_EOPTIONS);
  from.size = sizeof(v1_t) - 1;
  assert_err(jobsrv__options_read(&to, sizeof(to), sizeof(v1_t), &from),
             JOBSRV_EOPTIONS);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(null_means_the_c_library),
  cmocka_unit_test(the_users_allocator_is_the_one_that_is_used),
  cmocka_unit_test(zalloc_gives_zeros),
  cmocka_unit_test(a_size_of_zero_is_not_out_of_memory),
  cmocka_unit_test(copies_of_strings_end_with_a_nul),
  cmocka_unit_test(every_helper_passes_a_failure_on),
  cmocka_unit_test(an_old_hosts_missing_options_are_zero),
  cmocka_unit_test(a_newer_host_may_leave_what_we_do_not_know_at_zero),
  cmocka_unit_test(a_setting_we_do_not_know_is_refused),
  cmocka_unit_test(an_options_struct_without_its_init_is_refused),
};

RUN(tests);
