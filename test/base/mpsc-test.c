/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/mpsc.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

typedef struct {
  jobsrv__mpsc_node_t node;
  unsigned int producer;
  unsigned int number;
} item_t;

static void nodes_come_out_in_the_order_they_went_in(void **state) {
  jobsrv__mpsc_t queue;
  item_t items[5];
  unsigned int i, n;

  (void) state;
  jobsrv__mpsc_init(&queue);
  assert_true(jobsrv__mpsc_empty(&queue));
  assert_null(jobsrv__mpsc_pop(&queue));
  for (n = 1; n <= 5; n++) {
    for (i = 0; i < n; i++) {
      jobsrv__mpsc_push(&queue, &items[i].node);
      assert_false(jobsrv__mpsc_empty(&queue));
    }
    for (i = 0; i < n; i++) {
      assert_false(jobsrv__mpsc_empty(&queue));
      assert_ptr_equal(jobsrv__mpsc_pop(&queue), &items[i].node);
    }
    assert_true(jobsrv__mpsc_empty(&queue));
    assert_null(jobsrv__mpsc_pop(&queue));
  }
}

static void a_popped_node_may_be_pushed_again(void **state) {
  jobsrv__mpsc_t queue;
  item_t a, b;
  int i;

  (void) state;
  jobsrv__mpsc_init(&queue);
  jobsrv__mpsc_push(&queue, &a.node);
  jobsrv__mpsc_push(&queue, &b.node);
  for (i = 0; i < 100; i++) {
    assert_ptr_equal(jobsrv__mpsc_pop(&queue), i % 2 ? &b.node : &a.node);
    jobsrv__mpsc_push(&queue, i % 2 ? &b.node : &a.node);
  }
  assert_ptr_equal(jobsrv__mpsc_pop(&queue), &a.node);
  assert_ptr_equal(jobsrv__mpsc_pop(&queue), &b.node);
  assert_true(jobsrv__mpsc_empty(&queue));
}

/* The two halves of a push, apart. */
static void a_push_half_done_hides_but_is_not_empty(void **state) {
  jobsrv__mpsc_t queue;
  item_t a, b, c;
  jobsrv__mpsc_node_t *before;

  (void) state;
  jobsrv__mpsc_init(&queue);
  jobsrv__mpsc_push(&queue, &a.node);
  atomic_init(&b.node.next, NULL);
  before = atomic_exchange(&queue.newest, &b.node);
  jobsrv__mpsc_push(&queue, &c.node);

  assert_null(jobsrv__mpsc_pop(&queue));
  assert_false(jobsrv__mpsc_empty(&queue));
  atomic_store(&before->next, &b.node);
  assert_ptr_equal(jobsrv__mpsc_pop(&queue), &a.node);
  assert_ptr_equal(jobsrv__mpsc_pop(&queue), &b.node);
  assert_ptr_equal(jobsrv__mpsc_pop(&queue), &c.node);
  assert_true(jobsrv__mpsc_empty(&queue));

  /* The same on an empty queue. */
  atomic_init(&b.node.next, NULL);
  before = atomic_exchange(&queue.newest, &b.node);
  assert_null(jobsrv__mpsc_pop(&queue));
  assert_false(jobsrv__mpsc_empty(&queue));
  atomic_store(&before->next, &b.node);
  assert_ptr_equal(jobsrv__mpsc_pop(&queue), &b.node);
}

enum { PRODUCERS = 4, EACH = 50000 };

static jobsrv__mpsc_t shared;

static void *produce(void *arg) {
  item_t *items = arg;
  unsigned int i;

  for (i = 0; i < EACH; i++) {
    jobsrv__mpsc_push(&shared, &items[i].node);
    if (i % 1000 == 0)
      sched_yield();
  }
  return NULL;
}

static void each_producers_order_is_kept(void **state) {
  item_t *items = calloc(PRODUCERS * EACH, sizeof(*items));
  unsigned int next[PRODUCERS] = { 0 };
  pthread_t threads[PRODUCERS];
  unsigned int i, got = 0;
  item_t *item;

  (void) state;
  assert_non_null(items);
  jobsrv__mpsc_init(&shared);
  for (i = 0; i < PRODUCERS * EACH; i++) {
    items[i].producer = i / EACH;
    items[i].number = i % EACH;
  }
  for (i = 0; i < PRODUCERS; i++)
    assert_int_equal(
        pthread_create(&threads[i], NULL, produce, &items[i * EACH]), 0);
  while (got < PRODUCERS * EACH) {
    item = (item_t *) (void *) jobsrv__mpsc_pop(&shared);
    if (item == NULL) {
      sched_yield();
      continue;
    }
    assert_int_equal(item->number, next[item->producer]);
    next[item->producer]++;
    got++;
  }
  for (i = 0; i < PRODUCERS; i++)
    pthread_join(threads[i], NULL);
  assert_null(jobsrv__mpsc_pop(&shared));
  assert_true(jobsrv__mpsc_empty(&shared));
  free(items);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(nodes_come_out_in_the_order_they_went_in),
  cmocka_unit_test(a_popped_node_may_be_pushed_again),
  cmocka_unit_test(a_push_half_done_hides_but_is_not_empty),
  cmocka_unit_test(each_producers_order_is_kept),
};

RUN(tests);
