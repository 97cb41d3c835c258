/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "failing.h"

#include "base/alloc.h"
#include "base/ring.h"
#include "jobsrv/error.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <uv.h>

static failing_t memory;
static jobsrv_alloc_t alloc;

static void make(jobsrv__ring_t *ring, size_t limit) {
  alloc = failing_alloc(&memory, -1);
  jobsrv__ring_init(ring, &alloc);
  jobsrv__ring_limit(ring, limit);
}

static void unmake(jobsrv__ring_t *ring) {
  jobsrv__ring_free(ring);
  assert_int_equal(memory.live, 0);
}

/* A parcel of `size` bytes, all of them its number. */
static int put(jobsrv__ring_t *ring, size_t size, int number) {
  void *room = NULL;
  int err = jobsrv__ring_reserve(ring, size, 0, &room);

  if (err != 0)
    return err;
  assert_int_equal((uintptr_t) room % _Alignof(max_align_t), 0);
  memset(room, number, size);
  jobsrv__ring_publish(ring, room);
  return 0;
}

static void assert_next(jobsrv__ring_t *ring, size_t size, int number) {
  const unsigned char *parcel = jobsrv__ring_take(ring);

  assert_non_null(parcel);
  for (size_t i = 0; i < size; i++)
    assert_int_equal(parcel[i], number & 0xff);
}

static void parcels_come_in_order_and_whole(void **state) {
  jobsrv__ring_t ring;

  (void) state;
  make(&ring, 1 << 20);
  for (int i = 0; i < 2000; i++) {
    size_t size = (size_t) (i * 37 % 1500) + 1;

    assert_true(jobsrv__ring_empty(&ring));
    assert_ok(put(&ring, size, i));
    assert_ok(put(&ring, 1501 - size, i + 1));
    assert_false(jobsrv__ring_empty(&ring));
    assert_next(&ring, size, i);
    assert_next(&ring, 1501 - size, i + 1);
    assert_null(jobsrv__ring_take(&ring));
    jobsrv__ring_settle(&ring);
    assert_int_equal(jobsrv__ring_used(&ring), 0);
  }
  unmake(&ring);
}

static void nothing_is_allocated_by_those_who_are_read_in_time(void **state) {
  jobsrv__ring_t ring;
  int calls = 0;

  (void) state;
  make(&ring, 16 << 20);
  for (int i = 0; i < 20000; i++) {
    if (i == 1000)
      calls = memory.calls;
    assert_ok(put(&ring, 700, i));
    assert_next(&ring, 700, i);
    jobsrv__ring_settle(&ring);
  }
  assert_int_equal(memory.calls, calls);
  unmake(&ring);
}

static void a_ring_without_a_limit_takes_nothing(void **state) {
  jobsrv__ring_t ring;

  (void) state;
  alloc = failing_alloc(&memory, -1);
  jobsrv__ring_init(&ring, &alloc);
  assert_int_equal(put(&ring, 8, 1), UV_EAGAIN);
  jobsrv__ring_shut(&ring);
  jobsrv__ring_ready(&ring);
  assert_false(jobsrv__ring_open(&ring));
  assert_int_equal(put(&ring, 8, 1), UV_EAGAIN);
  assert_int_equal(memory.calls, 0);
  unmake(&ring);
}

static void what_is_in_flight_is_bounded(void **state) {
  static const size_t limits[] = { 64, 1000, 4096, 16384, 100000, 1 << 20 };
  jobsrv__ring_t ring;

  (void) state;
  for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
    make(&ring, limits[i]);
    for (int round = 0; round < 20; round++) {
      int taken = 0;
      int err;

      while ((err = put(&ring, 48, taken)) == 0)
        taken++;
      assert_int_equal(err, JOBSRV_EDROPPED);
      assert_int_equal(taken, limits[i] / 64);
      assert_int_equal(jobsrv__ring_used(&ring), (size_t) taken * 64);
      assert_int_equal(put(&ring, 48, 0), JOBSRV_EDROPPED);
      for (int k = 0; k < taken; k++)
        assert_next(&ring, 48, k);
      assert_int_equal(put(&ring, 48, 0), JOBSRV_EDROPPED);
      jobsrv__ring_settle(&ring);
    }
    unmake(&ring);
  }
}

static void what_is_used_elsewhere_counts(void **state) {
  jobsrv__ring_t ring;
  void *room;

  (void) state;
  make(&ring, 1024);
  assert_int_equal(jobsrv__ring_reserve(&ring, 48, 961, &room),
                   JOBSRV_EDROPPED);
  assert_int_equal(jobsrv__ring_reserve(&ring, 48, 960, &room), 0);
  jobsrv__ring_publish(&ring, room);
  assert_int_equal(jobsrv__ring_reserve(&ring, 48, 960, &room),
                   JOBSRV_EDROPPED);
  unmake(&ring);
}

static void the_longest_parcel_fills_a_segment(void **state) {
  jobsrv__ring_t ring;
  size_t most;

  (void) state;
  make(&ring, 1 << 20);
  most = ((size_t) 1 << ring.shift) * JOBSRV__RING_UNIT - JOBSRV__RING_HEAD;
  for (int i = 0; i < 5; i++) {
    assert_int_equal(put(&ring, most + 1, 1), JOBSRV_ETOOBIG);
    assert_ok(put(&ring, most, i));
    assert_ok(put(&ring, 1, i));
    assert_next(&ring, most, i);
    assert_next(&ring, 1, i);
    jobsrv__ring_settle(&ring);
  }
  unmake(&ring);
}

static void memory_returns_to_its_bound_after_a_burst(void **state) {
  jobsrv__ring_t ring;
  size_t segment, most;

  (void) state;
  make(&ring, 16 << 20);
  assert_int_equal(jobsrv__ring_memory(&ring), 0);
  assert_ok(put(&ring, 1000, 0));
  segment = jobsrv__ring_memory(&ring);
  for (int i = 1; i < 10000; i++)
    assert_ok(put(&ring, 1000, i));
  most = jobsrv__ring_memory(&ring);
  assert_true(most > 200 * segment);
  for (int i = 0; i < 10000; i++) {
    assert_next(&ring, 1000, i);
    jobsrv__ring_settle(&ring);
  }
  assert_true(jobsrv__ring_memory(&ring) <=
              (JOBSRV__RING_AHEAD + 1) * segment);
  jobsrv__ring_trim(&ring);
  assert_int_equal(jobsrv__ring_memory(&ring), 0);
  assert_ok(put(&ring, 1000, 7));
  jobsrv__ring_trim(&ring); /* is not empty */
  assert_next(&ring, 1000, 7);
  jobsrv__ring_settle(&ring);
  unmake(&ring);
}

static void one_that_was_shut_opens_only_for_who_saw_it_empty(void **state) {
  jobsrv__ring_t ring;

  (void) state;
  make(&ring, 1 << 20);
  assert_ok(put(&ring, 10, 1));
  assert_false(jobsrv__ring_over(&ring));
  jobsrv__ring_shut(&ring);
  assert_int_equal(put(&ring, 10, 2), UV_EAGAIN);
  assert_false(jobsrv__ring_over(&ring));
  assert_next(&ring, 10, 1);
  assert_true(jobsrv__ring_over(&ring));
  jobsrv__ring_ready(&ring);
  jobsrv__ring_shut(&ring); /* once more in between */
  assert_false(jobsrv__ring_open(&ring));
  assert_int_equal(put(&ring, 10, 2), UV_EAGAIN);
  jobsrv__ring_trim(&ring);
  assert_int_equal(put(&ring, 10, 2), UV_EAGAIN);
  jobsrv__ring_ready(&ring);
  assert_true(jobsrv__ring_open(&ring));
  assert_ok(put(&ring, 10, 2));
  assert_next(&ring, 10, 2);
  unmake(&ring);
}

static void what_is_not_sent_yet_holds_up_what_is_behind(void **state) {
  jobsrv__ring_t ring;
  void *room;

  (void) state;
  make(&ring, 1 << 20);
  assert_ok(jobsrv__ring_reserve(&ring, 10, 0, &room));
  assert_ok(put(&ring, 10, 2));
  assert_null(jobsrv__ring_take(&ring));
  assert_false(jobsrv__ring_empty(&ring));
  memset(room, 1, 10);
  jobsrv__ring_publish(&ring, room);
  assert_next(&ring, 10, 1);
  assert_next(&ring, 10, 2);
  unmake(&ring);
}

/* The table and then each segment fail in turn: nothing is lost but that. */
static void without_memory_a_parcel_has_no_place(void **state) {
  jobsrv__ring_t ring;

  (void) state;
  for (int fail_at = 0; fail_at < 6; fail_at++) {
    int failed = 0, next = 0;

    make(&ring, 1 << 20);
    memory.fail_at = fail_at;
    for (int i = 0; i < 300; i++) {
      int err = put(&ring, 700, i - failed);

      assert_true(err == 0 || err == UV_ENOMEM);
      failed += err != 0;
    }
    assert_int_equal(failed, 1);
    for (; next < 300 - failed; next++)
      assert_next(&ring, 700, next);
    assert_null(jobsrv__ring_take(&ring));
    unmake(&ring);
  }
}

/* ---- threads ---- */

enum { PRODUCERS = 4, EACH = 20000 };

typedef struct {
  uint32_t who;
  uint32_t number;
  uint32_t len;
  unsigned char bytes[];
} numbered_t;

static jobsrv__ring_t shared;
static atomic_uint left;

static void *produce(void *arg) {
  uint32_t who = (uint32_t) (uintptr_t) arg;

  for (uint32_t i = 0; i < EACH; i++) {
    uint32_t len = (i * 31 + who * 7) % 600;
    void *room;
    numbered_t *parcel;

    while (jobsrv__ring_reserve(&shared, sizeof(*parcel) + len, 0, &room) != 0)
      sched_yield();
    parcel = room;
    parcel->who = who;
    parcel->number = i;
    parcel->len = len;
    memset(parcel->bytes, (int) (who + i), len);
    jobsrv__ring_publish(&shared, parcel);
  }
  atomic_fetch_sub(&left, 1);
  return NULL;
}

static void consume(uint32_t next[PRODUCERS], unsigned int *round) {
  numbered_t *parcel;

  while ((parcel = jobsrv__ring_take(&shared)) != NULL) {
    assert_int_equal(parcel->number, next[parcel->who]);
    for (uint32_t i = 0; i < parcel->len; i++)
      if (parcel->bytes[i] != (unsigned char) (parcel->who + parcel->number))
        fail();
    next[parcel->who]++;
    if (++*round % 16 == 0)
      jobsrv__ring_settle(&shared);
    if (*round % 5 == 0)
      jobsrv__ring_shut(&shared);
  }
  jobsrv__ring_settle(&shared);
  jobsrv__ring_trim(&shared);
  if (!jobsrv__ring_over(&shared))
    return;
  jobsrv__ring_ready(&shared);
  (void) jobsrv__ring_open(&shared);
}

/* Small, so that it goes round often; shut, opened and trimmed as it does. */
static void each_producers_order_is_kept(void **state) {
  uint32_t next[PRODUCERS] = { 0 };
  pthread_t threads[PRODUCERS];
  unsigned int round = 0;

  (void) state;
  alloc = (jobsrv_alloc_t) { 0 };
  jobsrv__ring_init(&shared, jobsrv__alloc(NULL));
  jobsrv__ring_limit(&shared, 40000);
  atomic_store(&left, PRODUCERS);
  for (uintptr_t i = 0; i < PRODUCERS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, produce, (void *) i),
                     0);
  while (atomic_load(&left) > 0) {
    consume(next, &round);
    sched_yield();
  }
  consume(next, &round);
  for (int i = 0; i < PRODUCERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(next[i], EACH);
  }
  jobsrv__ring_free(&shared);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(parcels_come_in_order_and_whole),
  cmocka_unit_test(nothing_is_allocated_by_those_who_are_read_in_time),
  cmocka_unit_test(a_ring_without_a_limit_takes_nothing),
  cmocka_unit_test(what_is_in_flight_is_bounded),
  cmocka_unit_test(what_is_used_elsewhere_counts),
  cmocka_unit_test(the_longest_parcel_fills_a_segment),
  cmocka_unit_test(memory_returns_to_its_bound_after_a_burst),
  cmocka_unit_test(one_that_was_shut_opens_only_for_who_saw_it_empty),
  cmocka_unit_test(what_is_not_sent_yet_holds_up_what_is_behind),
  cmocka_unit_test(without_memory_a_parcel_has_no_place),
  cmocka_unit_test(each_producers_order_is_kept),
};

RUN(tests);
