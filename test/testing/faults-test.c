/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "jobsrv/testing.h"

#include <pthread.h>

static void it_counts_what_lives(void **state) {
  jobsrv_faults_t faults;
  char *a, *b;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  a = faults.alloc.malloc(faults.alloc.ctx, 10);
  b = faults.alloc.realloc(faults.alloc.ctx, NULL, 20);
  assert_non_null(a);
  assert_non_null(b);
  assert_int_equal((uintptr_t) a % _Alignof(max_align_t), 0);
  memset(a, 'a', 10);
  assert_int_equal(jobsrv_faults_live(&faults), 2);
  assert_int_equal(jobsrv_faults_bytes(&faults), 30);
  a = faults.alloc.realloc(faults.alloc.ctx, a, 100);
  assert_memory_equal(a, "aaaaaaaaaa", 10);
  assert_int_equal(jobsrv_faults_live(&faults), 2);
  assert_int_equal(jobsrv_faults_bytes(&faults), 120);
  assert_int_equal(jobsrv_faults_requests(&faults), 3);
  faults.alloc.free(faults.alloc.ctx, a);
  faults.alloc.free(faults.alloc.ctx, b);
  faults.alloc.free(faults.alloc.ctx, NULL);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  assert_int_equal(jobsrv_faults_bytes(&faults), 0);
  jobsrv_faults_free(&faults);
}

static int works(jobsrv_faults_t *faults) {
  void *p = faults->alloc.malloc(faults->alloc.ctx, 1);

  faults->alloc.free(faults->alloc.ctx, p);
  return p != NULL;
}

static void exactly_the_requests_asked_for_fail(void **state) {
  jobsrv_faults_t faults;
  char *p;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  assert_true(works(&faults));
  jobsrv_faults_fail(&faults, 2, 2);
  assert_true(works(&faults));
  assert_true(works(&faults));
  assert_false(jobsrv_faults_hit(&faults));
  assert_false(works(&faults));
  assert_true(jobsrv_faults_hit(&faults));
  assert_false(works(&faults));
  assert_true(works(&faults));
  assert_int_equal(jobsrv_faults_requests(&faults), 5);

  p = faults.alloc.malloc(faults.alloc.ctx, 3);
  memcpy(p, "ab", 3);
  jobsrv_faults_fail(&faults, 0, UINT64_MAX);
  assert_int_equal(jobsrv_faults_requests(&faults), 0);
  assert_false(jobsrv_faults_hit(&faults));
  assert_null(faults.alloc.realloc(faults.alloc.ctx, p, 100));
  assert_string_equal(p, "ab");
  for (int i = 0; i < 10; i++)
    assert_false(works(&faults));
  jobsrv_faults_fail(&faults, 0, 0);
  assert_true(works(&faults));
  faults.alloc.free(faults.alloc.ctx, p);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void *churn(void *arg) {
  for (int i = 0; i < 10000; i++)
    (void) works(arg);
  return NULL;
}

static void threads_may_share_it(void **state) {
  jobsrv_faults_t faults;
  pthread_t threads[3];

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  for (int i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, churn, &faults), 0);
  for (int i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(jobsrv_faults_requests(&faults), 30000);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void every_nth_request_fails(void **state) {
  jobsrv_faults_t faults;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  assert_true(works(&faults));
  jobsrv_faults_every(&faults, 3);
  for (int i = 1; i <= 12; i++) {
    assert_int_equal(works(&faults), i % 3 != 0);
    assert_int_equal(jobsrv_faults_hit(&faults), i >= 3);
  }
  assert_int_equal(jobsrv_faults_requests(&faults), 12);
  jobsrv_faults_every(&faults, 0);
  assert_int_equal(jobsrv_faults_requests(&faults), 0);
  for (int i = 0; i < 5; i++)
    assert_true(works(&faults));

  jobsrv_faults_every(&faults, 1);
  assert_false(works(&faults));
  jobsrv_faults_fail(&faults, 0, 0); /* ends this as well */
  assert_true(works(&faults));
  assert_false(jobsrv_faults_hit(&faults));
  jobsrv_faults_free(&faults);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_nth_request_fails),
  cmocka_unit_test(it_counts_what_lives),
  cmocka_unit_test(exactly_the_requests_asked_for_fail),
  cmocka_unit_test(threads_may_share_it),
};

RUN(tests);
