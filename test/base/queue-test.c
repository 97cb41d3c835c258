/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/queue.h"

typedef struct {
  int before;
  jobsrv__queue_t link;
  char mark;
} item_t;

static item_t items[4];

static int reset(void **state) {
  (void) state;
  memset(items, 0, sizeof(items));
  items[0].mark = 'a';
  items[1].mark = 'b';
  items[2].mark = 'c';
  items[3].mark = 'd';
  return 0;
}

static void check(const jobsrv__queue_t *head, const char *want) {
  jobsrv__queue_t *link;
  char forth[8] = "";
  size_t n = 0;

  for (link = jobsrv__queue_front(head); link != NULL;
       link = jobsrv__queue_next(head, link))
    forth[n++] = JOBSRV__CONTAINER(link, item_t, link)->mark;
  assert_string_equal(forth, want);

  for (link = jobsrv__queue_back(head); link != NULL;
       link = link->prev != head ? link->prev : NULL)
    assert_int_equal(JOBSRV__CONTAINER(link, item_t, link)->mark, want[--n]);
  assert_int_equal(n, 0);
  assert_int_equal(jobsrv__queue_empty(head), want[0] == '\0');
}

static void members_stay_in_the_order_they_came(void **state) {
  jobsrv__queue_t head;

  (void) state;
  jobsrv__queue_init(&head);
  check(&head, "");
  jobsrv__queue_push_back(&head, &items[0].link);
  jobsrv__queue_push_back(&head, &items[1].link);
  jobsrv__queue_push_front(&head, &items[2].link);
  check(&head, "cab");
}

static void a_member_knows_whether_it_is_in_a_queue(void **state) {
  jobsrv__queue_t head;

  (void) state;
  jobsrv__queue_init(&head);
  assert_false(jobsrv__queue_linked(&items[0].link));
  jobsrv__queue_remove(&items[0].link);
  jobsrv__queue_push_back(&head, &items[0].link);
  assert_true(jobsrv__queue_linked(&items[0].link));
  jobsrv__queue_remove(&items[0].link);
  assert_false(jobsrv__queue_linked(&items[0].link));
  jobsrv__queue_remove(&items[0].link);
  check(&head, "");
}

static void any_member_may_leave(void **state) {
  jobsrv__queue_t head;
  int i;

  (void) state;
  jobsrv__queue_init(&head);
  for (i = 0; i < 4; i++)
    jobsrv__queue_push_back(&head, &items[i].link);
  jobsrv__queue_remove(&items[1].link);
  check(&head, "acd");
  jobsrv__queue_remove(&items[3].link);
  check(&head, "ac");
  assert_ptr_equal(jobsrv__queue_pop(&head), &items[0].link);
  assert_false(jobsrv__queue_linked(&items[0].link));
  assert_ptr_equal(jobsrv__queue_pop(&head), &items[2].link);
  assert_null(jobsrv__queue_pop(&head));
}

static void moving_takes_all_and_leaves_an_empty_head(void **state) {
  jobsrv__queue_t from, to;
  int i;

  (void) state;
  jobsrv__queue_init(&from);
  for (i = 0; i < 3; i++)
    jobsrv__queue_push_back(&from, &items[i].link);
  jobsrv__queue_move(&to, &from);
  check(&to, "abc");
  check(&from, "");
  jobsrv__queue_push_back(&from, &items[3].link);
  check(&from, "d");
  check(&to, "abc");
  jobsrv__queue_pop(&from);
  jobsrv__queue_move(&to, &from);
  check(&to, "");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test_setup(members_stay_in_the_order_they_came, reset),
  cmocka_unit_test_setup(a_member_knows_whether_it_is_in_a_queue, reset),
  cmocka_unit_test_setup(any_member_may_leave, reset),
  cmocka_unit_test_setup(moving_takes_all_and_leaves_an_empty_head, reset),
};

RUN(tests);
