/* SPDX-License-Identifier: MIT */

/* Row 25: the token tree, and reasons that go down it. */

#include "fixture.h"

typedef struct {
  jobsrv_token_watch_t watch;
  jobsrv_token_watch_t *victim;
  jobsrv_token_t *drop;
  char *log;
  char mark;
} listener;

static void note(jobsrv_token_watch_t *watch, const jobsrv_reason_t *reason) {
  listener *l = watch->data;
  size_t len = strlen(l->log);

  assert_non_null(reason);
  l->log[len] = l->mark;
  l->log[len + 1] = '\0';
  if (l->victim != NULL)
    jobsrv_token_unwatch(l->victim);
  if (l->drop != NULL)
    jobsrv_token_unref(l->drop);
}

static void attach(jobsrv_token_t *token, listener *l, char *log, char mark) {
  l->watch.data = l;
  l->log = log;
  l->mark = mark;
  assert_ok(jobsrv_token_watch(token, &l->watch, note));
}

static void watches_fire_once_and_in_order(void **state) {
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 }, b = { 0 };
  jobsrv_token_t *token;
  jobsrv_reason_t why = { JOBSRV_REASON_REQUESTED, "enough", "me" };

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  attach(token, &a, log, 'a');
  attach(token, &b, log, 'b');
  assert_null(jobsrv_token_reason(token));
  assert_ok(jobsrv_token_cancel(token, &why));
  assert_err(jobsrv_token_cancel(token, NULL), JOBSRV_ESETTLED);
  assert_string_equal(log, "ab");
  assert_string_equal(jobsrv_token_reason(token)->text, "enough");
  assert_string_equal(jobsrv_token_reason(token)->actor, "me");
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void a_callback_may_unwatch_a_later_watch(void **state) {
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 }, b = { 0 }, c = { 0 };
  jobsrv_token_t *token;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  attach(token, &a, log, 'a');
  attach(token, &b, log, 'b');
  attach(token, &c, log, 'c');
  a.victim = &b.watch;
  assert_ok(jobsrv_token_cancel(token, NULL));
  assert_string_equal(log, "ac");
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void a_callback_may_drop_the_last_reference(void **state) {
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 }, b = { 0 };
  jobsrv_token_t *token;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  attach(token, &a, log, 'a');
  attach(token, &b, log, 'b');
  a.drop = token;
  assert_ok(jobsrv_token_cancel(token, NULL));
  assert_string_equal(log, "ab");
  fixture_close(&f);
}

static void cancelling_goes_down_the_tree_and_never_up(void **state) {
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 };
  jobsrv_token_t *root, *left, *leaf, *right;
  jobsrv_reason_t why = { JOBSRV_REASON_REPLACED, "newer", NULL };

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&root, f.srv, NULL));
  assert_ok(jobsrv_token_new(&left, f.srv, root));
  assert_ok(jobsrv_token_new(&leaf, f.srv, left));
  assert_ok(jobsrv_token_new(&right, f.srv, root));
  attach(leaf, &a, log, 'a');
  assert_ok(jobsrv_token_cancel(left, &why));
  assert_string_equal(log, "a");
  assert_int_equal(jobsrv_token_reason(leaf)->code, JOBSRV_REASON_REPLACED);
  assert_string_equal(jobsrv_token_reason(leaf)->text, "newer");
  assert_null(jobsrv_token_reason(root));
  assert_null(jobsrv_token_reason(right));
  jobsrv_token_unref(root); /* kept alive by its children */
  jobsrv_token_unref(left);
  jobsrv_token_unref(right);
  assert_string_equal(jobsrv_token_reason(leaf)->text, "newer");
  jobsrv_token_unref(leaf);
  fixture_close(&f);
}

static void a_child_of_a_cancelled_token_is_born_cancelled(void **state) {
  fixture f = { 0 };
  listener a = { 0 };
  jobsrv_token_t *root, *child;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&root, f.srv, NULL));
  assert_ok(jobsrv_token_cancel(root, NULL));
  assert_ok(jobsrv_token_new(&child, f.srv, root));
  assert_non_null(jobsrv_token_reason(child));
  assert_err(jobsrv_token_watch(child, &a.watch, note), JOBSRV_ESETTLED);
  jobsrv_token_unref(child);
  jobsrv_token_unref(root);
  fixture_close(&f);
}

static void an_unknown_reason_is_refused(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;
  jobsrv_reason_t why = { JOBSRV_REASON_MAX, NULL, NULL };

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  assert_err(jobsrv_token_cancel(token, &why), UV_EINVAL);
  assert_null(jobsrv_token_reason(token));
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void closing_the_server_cancels_every_token(void **state) {
  fixture f = { 0 };
  jobsrv_token_t *token;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&token, f.srv, NULL));
  fixture_close(&f);
  assert_int_equal(jobsrv_token_reason(token)->code, JOBSRV_REASON_SHUTDOWN);
  jobsrv_token_unref(token);
}

static void cancel_from_a_thread(void *arg) {
  assert_ok(jobsrv_token_cancel(arg, NULL));
}

static int has_fired(void *data) {
  return ((char *) data)[0] != '\0';
}

static void another_thread_sees_it_at_once_and_the_loop_soon(void **state) {
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 };
  jobsrv_token_t *root, *child;
  uv_thread_t thread;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&root, f.srv, NULL));
  assert_ok(jobsrv_token_new(&child, f.srv, root));
  attach(child, &a, log, 'a');
  assert_ok(uv_thread_create(&thread, cancel_from_a_thread, root));
  assert_ok(uv_thread_join(&thread));
  assert_non_null(jobsrv_token_reason(child));
  assert_string_equal(log, "");
  assert_true(run_until(&f.loop, has_fired, log, 2000));
  jobsrv_token_unref(child);
  jobsrv_token_unref(root);
  fixture_close(&f);
}

static void cancel_quietly(void *data) {
  assert_ok(jobsrv_token_cancel(data, NULL));
}

/* The loop has not heard of the parent's reason yet. */
static void a_reason_from_above_cannot_be_replaced_below(void **state) {
  fixture f = { 0 };
  jobsrv_reason_t other = { JOBSRV_REASON_REPLACED, "too late", NULL };
  jobsrv_token_t *parent, *child;
  uv_thread_t thread;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&parent, f.srv, NULL));
  assert_ok(jobsrv_token_new(&child, f.srv, parent));
  assert_ok(uv_thread_create(&thread, cancel_quietly, parent));
  assert_ok(uv_thread_join(&thread));
  assert_int_equal(jobsrv_token_reason(child)->code, JOBSRV_REASON_REQUESTED);
  assert_err(jobsrv_token_cancel(child, &other), JOBSRV_ESETTLED);
  assert_int_equal(jobsrv_token_reason(child)->code, JOBSRV_REASON_REQUESTED);
  jobsrv_token_unref(child);
  jobsrv_token_unref(parent);
  fixture_close(&f);
}

enum { MANY = 100000 };

/* Neither recursion nor a look at all that is above each of them. */
static void a_chain_of_a_hundred_thousand_is_cancelled_and_freed(void **state) {
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 };
  jobsrv_token_t *top, *token = NULL, *child;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&top, f.srv, NULL));
  token = jobsrv_token_ref(top);
  for (int i = 0; i < MANY; i++) {
    assert_ok(jobsrv_token_new(&child, f.srv, token));
    jobsrv_token_unref(token);
    token = child;
  }
  attach(token, &a, log, 'a');
  assert_null(jobsrv_token_reason(token));
  assert_ok(jobsrv_token_cancel(top, NULL));
  assert_string_equal(log, "a");
  assert_non_null(jobsrv_token_reason(token));
  jobsrv_token_unref(top);
  jobsrv_token_unref(token);
  fixture_close(&f);
}

static void a_hundred_thousand_children_are_called_in_order(void **state) {
  static jobsrv_token_t *children[MANY];
  fixture f = { 0 };
  char log[8] = "";
  listener a = { 0 }, b = { 0 }, c = { 0 };
  jobsrv_token_t *top;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&top, f.srv, NULL));
  attach(top, &b, log, 'b');
  for (int i = 0; i < MANY; i++)
    assert_ok(jobsrv_token_new(&children[i], f.srv, top));
  attach(top, &c, log, 'c');
  attach(children[MANY / 2], &a, log, 'a');
  assert_ok(jobsrv_token_cancel(top, NULL));
  assert_string_equal(log, "bac");
  for (int i = 0; i < MANY; i++) {
    assert_non_null(jobsrv_token_reason(children[i]));
    jobsrv_token_unref(children[i]);
  }
  jobsrv_token_unref(top);
  fixture_close(&f);
}

static void cancel_more(jobsrv_token_watch_t *watch,
                        const jobsrv_reason_t *reason) {
  listener *l = watch->data;

  assert_ok(jobsrv_token_cancel(l->drop, NULL));
  note(watch, reason);
  l->log[strlen(l->log)] = '.';
}

/* The one that is cancelled from inside is through before the call returns. */
static void a_callback_may_cancel_another_tree(void **state) {
  fixture f = { 0 };
  char log[16] = "";
  listener a = { 0 }, b = { 0 }, c = { 0 };
  jobsrv_token_t *one, *below, *other, *other_below;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&one, f.srv, NULL));
  assert_ok(jobsrv_token_new(&below, f.srv, one));
  assert_ok(jobsrv_token_new(&other, f.srv, NULL));
  assert_ok(jobsrv_token_new(&other_below, f.srv, other));
  a.watch.data = &a;
  a.log = log;
  a.mark = 'a';
  assert_ok(jobsrv_token_watch(below, &a.watch, cancel_more));
  attach(other_below, &b, log, 'b');
  attach(one, &c, log, 'c');
  a.drop = other;
  jobsrv_token_ref(other); /* note() drops one */
  assert_ok(jobsrv_token_cancel(one, NULL));
  assert_string_equal(log, "ba.c");
  jobsrv_token_unref(one);
  jobsrv_token_unref(below);
  jobsrv_token_unref(other);
  jobsrv_token_unref(other_below);
  fixture_close(&f);
}

static void cancel_upward(jobsrv_token_watch_t *watch,
                          const jobsrv_reason_t *reason) {
  listener *l = watch->data;

  (void) reason;
  strcat(l->log, "u");
  assert_ok(jobsrv_token_cancel(l->drop, NULL));
}

static void a_callback_may_cancel_what_is_above(void **state) {
  fixture f = { 0 };
  char log[16] = "";
  listener a = { 0 }, b = { 0 }, c = { 0 };
  jobsrv_token_t *top, *child;

  (void) state;
  fixture_open(&f);
  assert_ok(jobsrv_token_new(&top, f.srv, NULL));
  assert_ok(jobsrv_token_new(&child, f.srv, top));
  a.watch.data = &a;
  a.log = log;
  a.drop = top;
  assert_ok(jobsrv_token_watch(child, &a.watch, cancel_upward));
  attach(child, &b, log, 'b');
  attach(top, &c, log, 'c');
  assert_ok(jobsrv_token_cancel(child, NULL));
  assert_string_equal(log, "ucb");
  jobsrv_token_unref(child);
  jobsrv_token_unref(top);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(watches_fire_once_and_in_order),
  cmocka_unit_test(a_callback_may_unwatch_a_later_watch),
  cmocka_unit_test(a_callback_may_drop_the_last_reference),
  cmocka_unit_test(cancelling_goes_down_the_tree_and_never_up),
  cmocka_unit_test(a_child_of_a_cancelled_token_is_born_cancelled),
  cmocka_unit_test(an_unknown_reason_is_refused),
  cmocka_unit_test(closing_the_server_cancels_every_token),
  cmocka_unit_test(another_thread_sees_it_at_once_and_the_loop_soon),
  cmocka_unit_test(a_reason_from_above_cannot_be_replaced_below),
  cmocka_unit_test(a_chain_of_a_hundred_thousand_is_cancelled_and_freed),
  cmocka_unit_test(a_hundred_thousand_children_are_called_in_order),
  cmocka_unit_test(a_callback_may_cancel_another_tree),
  cmocka_unit_test(a_callback_may_cancel_what_is_above),
};

RUN(tests);
