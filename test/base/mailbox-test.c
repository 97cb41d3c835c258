/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "failing.h"

#include "base/mailbox.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

typedef struct {
  jobsrv__mail_t mail;
  char mark;
  jobsrv__mailbox_t *mailbox;
  jobsrv__mail_t *other;
} letter_t;

static char ran[64];     /* marks, upper case for the dropped */
static int an_owner;

static int is_readable(jobsrv__mailbox_t *mailbox) {
  struct pollfd fd = { jobsrv__mailbox_fd(mailbox), POLLIN, 0 };

  return poll(&fd, 1, 0) == 1;
}

static void note(jobsrv__mail_t *mail, void *owner) {
  letter_t *letter = (letter_t *) (void *) mail;
  size_t len = strlen(ran);

  assert_true(owner == NULL || owner == &an_owner);
  ran[len] = (char) (owner != NULL ? letter->mark : letter->mark - 'a' + 'A');
  ran[len + 1] = '\0';
}

static jobsrv__mailbox_t *make(void) {
  jobsrv__mailbox_t *mailbox = NULL;

  ran[0] = '\0';
  assert_ok(jobsrv__mailbox_new(&mailbox, NULL));
  return mailbox;
}

static void mails_run_in_order_with_the_owner(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = note, .mark = 'a' };
  letter_t b = { .mail.run = note, .mark = 'b' };

  (void) state;
  assert_true(jobsrv__mailbox_empty(mailbox));
  assert_false(is_readable(mailbox));
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  assert_false(jobsrv__mailbox_empty(mailbox));
  assert_true(is_readable(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 10, NULL), 2);
  assert_string_equal(ran, "ab");
  assert_false(is_readable(mailbox));
  assert_true(jobsrv__mailbox_empty(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 10, NULL), 0);
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "ab");
}

static void the_descriptor_never_blocks_and_is_not_inherited(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  int fd = jobsrv__mailbox_fd(mailbox);

  (void) state;
  assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
  assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
  jobsrv__mailbox_unref(mailbox);
  assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void one_wake_serves_many_posts(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t letters[30];
  size_t i;

  (void) state;
  for (i = 0; i < 30; i++) {
    letters[i] = (letter_t){ .mail.run = note, .mark = 'a' };
    assert_ok(jobsrv__mailbox_post(mailbox, &letters[i].mail));
  }
  assert_int_equal(jobsrv__mailbox_wakes(mailbox), 1);
  assert_int_equal(jobsrv__mailbox_posts(mailbox), 30);
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 30, NULL), 30);
  assert_ok(jobsrv__mailbox_post(mailbox, &letters[0].mail));
  assert_int_equal(jobsrv__mailbox_wakes(mailbox), 2);
  jobsrv__mailbox_unref(mailbox);
}

static void what_is_left_over_wakes_again(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = note, .mark = 'a' };
  letter_t b = { .mail.run = note, .mark = 'b' };
  letter_t c = { .mail.run = note, .mark = 'c' };

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &c.mail));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 2, NULL), 2);
  assert_string_equal(ran, "ab");
  assert_true(is_readable(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 1, NULL), 1);
  assert_false(is_readable(mailbox));
  jobsrv__mailbox_unref(mailbox);
}

static void posts_other(jobsrv__mail_t *mail, void *owner) {
  letter_t *letter = (letter_t *) (void *) mail;

  note(mail, owner);
  assert_ok(jobsrv__mailbox_post(letter->mailbox, letter->other));
}

static void closes(jobsrv__mail_t *mail, void *owner) {
  letter_t *letter = (letter_t *) (void *) mail;

  note(mail, owner);
  jobsrv__mailbox_close(letter->mailbox);
}

static void closes_and_lets_go(jobsrv__mail_t *mail, void *owner) {
  letter_t *letter = (letter_t *) (void *) mail;

  note(mail, owner);
  jobsrv__mailbox_unref(letter->mailbox);
}

static void drains_the_rest(jobsrv__mail_t *mail, void *owner) {
  letter_t *letter = (letter_t *) (void *) mail;

  note(mail, owner);
  jobsrv__mailbox_drain(letter->mailbox, owner, 100, NULL);
}

static void a_mail_may_post(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t b = { .mail.run = note, .mark = 'b' };
  letter_t a = { .mail.run = posts_other, .mark = 'a', .mailbox = mailbox,
                 .other = &b.mail };

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  while (is_readable(mailbox))
    jobsrv__mailbox_drain(mailbox, &an_owner, 1, NULL);
  assert_string_equal(ran, "ab");
  jobsrv__mailbox_unref(mailbox);
}

static void a_mail_may_close_the_mailbox(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = closes, .mark = 'a', .mailbox = mailbox };
  letter_t b = { .mail.run = note, .mark = 'b' };
  letter_t c = { .mail.run = note, .mark = 'c' };

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, NULL), 1);
  assert_string_equal(ran, "aB");
  assert_err(jobsrv__mailbox_post(mailbox, &c.mail), JOBSRV_ECLOSED);
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "aB");
}

static void a_mail_may_drop_the_last_reference(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = closes_and_lets_go, .mark = 'a',
                 .mailbox = mailbox };
  letter_t b = { .mail.run = note, .mark = 'b' };

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 1, NULL), 1);
  assert_string_equal(ran, "aB");
}

static void a_mail_may_drain_in_turn(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = drains_the_rest, .mark = 'a',
                 .mailbox = mailbox };
  letter_t b = { .mail.run = note, .mark = 'b' };

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, NULL), 1);
  assert_string_equal(ran, "ab");
  jobsrv__mailbox_unref(mailbox);
}

static void closing_drops_what_is_queued_and_takes_no_more(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = note, .mark = 'a' };
  letter_t b = { .mail.run = note, .mark = 'b' };

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  jobsrv__mailbox_close(mailbox);
  assert_string_equal(ran, "A");
  jobsrv__mailbox_close(mailbox);
  assert_err(jobsrv__mailbox_post(mailbox, &b.mail), JOBSRV_ECLOSED);
  assert_err(jobsrv__mailbox_post(mailbox, &b.mail), JOBSRV_ECLOSED);
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 5, NULL), 0);
  assert_true(jobsrv__mailbox_empty(mailbox));
  assert_int_equal(jobsrv__mailbox_posts(mailbox), 1);
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "A");
}

static void the_last_reference_closes_what_is_open(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = note, .mark = 'a' };

  (void) state;
  assert_ptr_equal(jobsrv__mailbox_ref(mailbox), mailbox);
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "");
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "A");
}

static void finish(void *arg) {
  strcat(ran, arg);
}

static void the_last_hook_runs_once_and_after_the_drop(void **state) {
  jobsrv__mailbox_t *mailbox = make();
  letter_t a = { .mail.run = note, .mark = 'a' };

  (void) state;
  jobsrv__mailbox_finally(mailbox, finish, "!");
  jobsrv__mailbox_ref(mailbox);
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "");
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "A!");
}

static void bytes_in_flight_are_bounded_exactly(void **state) {
  jobsrv__mailbox_t *mailbox = make();

  (void) state;
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, 60, 100), 1);
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, 41, 100), 0);
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, 40, 100), 1);
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, 1, 100), 0);
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, SIZE_MAX, 100), 0);
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, 0, 50), 0);
  assert_int_equal(jobsrv__mailbox_held(mailbox), 100);
  jobsrv__mailbox_release(mailbox, 60);
  assert_int_equal(jobsrv__mailbox_held(mailbox), 40);
  assert_int_equal(jobsrv__mailbox_reserve(mailbox, 60, 100), 1);
  jobsrv__mailbox_unref(mailbox);
}

static void without_memory_or_descriptors_there_is_no_mailbox(void **state) {
  failing_t failing;
  jobsrv_alloc_t alloc = failing_alloc(&failing, 0);
  jobsrv__mailbox_t *mailbox = NULL;
  struct rlimit old, none;
  int err;

  (void) state;
  assert_err(jobsrv__mailbox_new(&mailbox, &alloc), UV_ENOMEM);
  assert_null(mailbox);

  alloc = failing_alloc(&failing, -1);
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
  none = old;
  none.rlim_cur = 0;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
  err = jobsrv__mailbox_new(&mailbox, &alloc);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
  assert_err(err, UV_EMFILE);
  assert_null(mailbox);
  assert_int_equal(failing.live, 0);

  assert_ok(jobsrv__mailbox_new(&mailbox, &alloc));
  jobsrv__mailbox_unref(mailbox);
  assert_int_equal(failing.live, 0);
}

/* ---- from many threads ---- */

enum { PRODUCERS = 4, EACH = 20000 };

typedef struct {
  jobsrv__mail_t mail;
  unsigned int producer;
  unsigned int number;
} parcel_t;

static jobsrv__mailbox_t *shared;
static unsigned int next_number[PRODUCERS];
static unsigned int delivered;
static atomic_uint dropped;
static atomic_uint refused;
static atomic_int go;

static void deliver(jobsrv__mail_t *mail, void *owner) {
  parcel_t *parcel = (parcel_t *) (void *) mail;

  if (owner == NULL) {
    atomic_fetch_add(&dropped, 1);
  } else {
    assert_int_equal(parcel->number, next_number[parcel->producer]);
    next_number[parcel->producer]++;
    delivered++;
  }
  jobsrv__mailbox_release(shared, 10);
  free(parcel);
}

/* Each has a reference of its own and gives it back. */
static void *produce(void *arg) {
  unsigned int producer = (unsigned int) (uintptr_t) arg / EACH;
  unsigned int each = (unsigned int) (uintptr_t) arg % EACH;
  unsigned int i;
  parcel_t *parcel;

  while (!atomic_load(&go))
    sched_yield();
  for (i = 0; i < each; i++) {
    while (!jobsrv__mailbox_reserve(shared, 10, 5000))
      sched_yield();
    parcel = malloc(sizeof(*parcel));
    parcel->mail.run = deliver;
    parcel->producer = producer;
    parcel->number = i;
    if (jobsrv__mailbox_post(shared, &parcel->mail)) {
      atomic_fetch_add(&refused, 1);
      jobsrv__mailbox_release(shared, 10);
      free(parcel);
    }
  }
  jobsrv__mailbox_unref(shared);
  return NULL;
}

static void start(pthread_t threads[PRODUCERS], unsigned int each) {
  uintptr_t i;

  memset(next_number, 0, sizeof(next_number));
  delivered = 0;
  atomic_store(&dropped, 0);
  atomic_store(&refused, 0);
  atomic_store(&go, 0);
  assert_ok(jobsrv__mailbox_new(&shared, NULL));
  for (i = 0; i < PRODUCERS; i++) {
    jobsrv__mailbox_ref(shared);
    assert_int_equal(pthread_create(&threads[i], NULL, produce,
                                    (void *) (i * EACH + each)), 0);
  }
}

static void join(pthread_t threads[PRODUCERS]) {
  int i;

  for (i = 0; i < PRODUCERS; i++)
    pthread_join(threads[i], NULL);
}

/* The owner sleeps in poll between drains: a wake that got lost would leave
 * it there, and the test fails by the deadline of the poll. */
static void no_wake_is_ever_lost(void **state) {
  const unsigned int each = EACH - 1;
  pthread_t threads[PRODUCERS];
  struct pollfd fd = { .events = POLLIN };

  (void) state;
  start(threads, each);
  fd.fd = jobsrv__mailbox_fd(shared);
  atomic_store(&go, 1);
  while (delivered < PRODUCERS * each) {
    assert_int_equal(poll(&fd, 1, 20000), 1);
    jobsrv__mailbox_drain(shared, &an_owner, 64, NULL);
  }
  join(threads);
  assert_int_equal(jobsrv__mailbox_posts(shared), PRODUCERS * each);
  assert_true(jobsrv__mailbox_wakes(shared) <= PRODUCERS * each);
  assert_int_equal(jobsrv__mailbox_held(shared), 0);
  assert_int_equal(atomic_load(&dropped) + atomic_load(&refused), 0);
  jobsrv__mailbox_unref(shared);
}

static void a_close_in_the_middle_loses_no_mail(void **state) {
  pthread_t threads[PRODUCERS];
  unsigned int each = 50;
  int round, i;

  (void) state;
  for (round = 0; round < 400; round++) {
    start(threads, each);
    atomic_store(&go, 1);
    for (i = 0; i < round % 40; i++)
      jobsrv__mailbox_drain(shared, &an_owner, 3, NULL);
    jobsrv__mailbox_ref(shared);
    jobsrv__mailbox_close(shared);
    jobsrv__mailbox_unref(shared);
    join(threads);
    assert_int_equal(delivered + atomic_load(&dropped) + atomic_load(&refused),
                     PRODUCERS * each);
    assert_int_equal(jobsrv__mailbox_held(shared), 0);
    jobsrv__mailbox_unref(shared);
  }
}

/* ---- parcels ---- */

static void note_parcel(void *owner, void *parcel) {
  size_t len = strlen(ran);

  assert_ptr_equal(owner, &an_owner);
  ran[len] = *(const char *) parcel;
  ran[len + 1] = '\0';
}

static jobsrv__mailbox_t *make_carrier(size_t max) {
  jobsrv__mailbox_t *mailbox = make();

  jobsrv__mailbox_carry(mailbox, max, note_parcel);
  return mailbox;
}

static int send_mark(jobsrv__mailbox_t *mailbox, char mark) {
  void *room = NULL;
  int err = jobsrv__mailbox_room(mailbox, 1, &room);

  if (err != 0)
    return err;
  *(char *) room = mark;
  jobsrv__mailbox_send(mailbox, room);
  return 0;
}

static void parcels_and_mails_keep_their_order(void **state) {
  jobsrv__mailbox_t *mailbox = make_carrier(1 << 20);
  letter_t c = { .mail.run = note, .mark = 'c' };
  letter_t d = { .mail.run = note, .mark = 'd' };

  (void) state;
  assert_ok(send_mark(mailbox, 'a'));
  assert_ok(send_mark(mailbox, 'b'));
  assert_true(is_readable(mailbox));
  assert_ok(jobsrv__mailbox_post(mailbox, &c.mail));
  assert_int_equal(send_mark(mailbox, 'x'), UV_EAGAIN);
  assert_ok(jobsrv__mailbox_post(mailbox, &d.mail));
  assert_false(jobsrv__mailbox_empty(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 3, NULL), 3);
  assert_string_equal(ran, "abc");
  assert_int_equal(send_mark(mailbox, 'x'), UV_EAGAIN);
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 3, NULL), 1);
  assert_true(jobsrv__mailbox_empty(mailbox));
  assert_ok(send_mark(mailbox, 'e'));
  assert_false(jobsrv__mailbox_empty(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 3, NULL), 1);
  assert_string_equal(ran, "abcde");
  jobsrv__mailbox_unref(mailbox);
}

static void nobody_wakes_an_owner_that_comes_by_itself(void **state) {
  jobsrv__mailbox_t *mailbox = make_carrier(1 << 20);
  letter_t c = { .mail.run = note, .mark = 'c' };
  int lingers = 0;

  (void) state;
  assert_ok(send_mark(mailbox, 'a'));
  assert_true(is_readable(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 1);
  assert_true(lingers > 0);
  assert_ok(send_mark(mailbox, 'b'));
  assert_ok(jobsrv__mailbox_post(mailbox, &c.mail));
  assert_false(is_readable(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 2);
  assert_true(lingers > 0);
  while (lingers > 0)
    assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 0);
  assert_int_equal(jobsrv__mailbox_wakes(mailbox), 1);
  assert_ok(send_mark(mailbox, 'd'));
  assert_true(is_readable(mailbox));
  assert_int_equal(jobsrv__mailbox_wakes(mailbox), 2);
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 1);
  assert_string_equal(ran, "abcd");
  jobsrv__mailbox_unref(mailbox);
}

/* How often it comes in vain before it asks to be woken. */
static int times_in_vain(jobsrv__mailbox_t *mailbox, int lingers) {
  int times = 0;

  for (; lingers; times++)
    assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 0);
  assert_false(is_readable(mailbox));
  assert_ok(send_mark(mailbox, 'z'));
  assert_true(is_readable(mailbox));
  return times;
}

/* Longer when there was much the last time, but never for long. */
static void an_owner_does_not_linger_for_long(void **state) {
  jobsrv__mailbox_t *mailbox = make_carrier(1 << 20);
  int lingers = 0;

  (void) state;
  assert_ok(send_mark(mailbox, 'a'));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 1);
  assert_int_equal(times_in_vain(mailbox, lingers), 4);
  lingers = 0;
  for (int i = 0; i < 7; i++)
    assert_ok(send_mark(mailbox, 'b'));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 99, &lingers), 8);
  assert_int_equal(times_in_vain(mailbox, lingers), 4);
  lingers = 0;
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 1);
  assert_int_equal(times_in_vain(mailbox, lingers), 64);
  lingers = 0;
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 1);
  assert_int_equal(times_in_vain(mailbox, lingers), 4);
  jobsrv__mailbox_unref(mailbox);
}

static void an_owner_does_not_linger_for_mails(void **state) {
  jobsrv__mailbox_t *mailbox = make_carrier(1 << 20);
  letter_t a = { .mail.run = note, .mark = 'a' };
  letter_t b = { .mail.run = note, .mark = 'b' };
  int lingers = 0;

  (void) state;
  assert_ok(jobsrv__mailbox_post(mailbox, &a.mail));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 1, &lingers), 1);
  assert_int_equal(lingers, 0);
  assert_true(is_readable(mailbox));
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 1);
  assert_int_equal(lingers, 0);
  assert_false(is_readable(mailbox));
  jobsrv__mailbox_unref(mailbox);
}

static void parcels_count_with_what_is_in_flight(void **state) {
  jobsrv__mailbox_t *mailbox = make_carrier(1024);

  (void) state;
  assert_ok(send_mark(mailbox, 'a'));
  assert_int_equal(jobsrv__mailbox_held(mailbox), 64);
  assert_false(jobsrv__mailbox_reserve(mailbox, 961, 1024));
  assert_true(jobsrv__mailbox_reserve(mailbox, 960, 1024));
  assert_int_equal(send_mark(mailbox, 'b'), JOBSRV_EDROPPED);
  jobsrv__mailbox_release(mailbox, 960);
  assert_ok(send_mark(mailbox, 'b'));
  assert_true(jobsrv__mailbox_memory(mailbox) > 0);
  jobsrv__mailbox_trim(mailbox);
  assert_int_equal(jobsrv__mailbox_held(mailbox), 128);
  jobsrv__mailbox_drain(mailbox, &an_owner, 9, NULL);
  assert_int_equal(jobsrv__mailbox_held(mailbox), 0);
  jobsrv__mailbox_trim(mailbox);
  assert_int_equal(jobsrv__mailbox_memory(mailbox), 0);
  assert_string_equal(ran, "ab");
  jobsrv__mailbox_unref(mailbox);
}

static void parcels_left_at_close_are_told_to_nobody(void **state) {
  jobsrv__mailbox_t *mailbox = make_carrier(1 << 20);
  letter_t b = { .mail.run = note, .mark = 'b' };
  int lingers = 1;

  (void) state;
  assert_ok(send_mark(mailbox, 'a'));
  assert_ok(jobsrv__mailbox_post(mailbox, &b.mail));
  jobsrv__mailbox_close(mailbox);
  assert_string_equal(ran, "B");
  assert_int_equal(send_mark(mailbox, 'c'), UV_EAGAIN);
  assert_int_equal(jobsrv__mailbox_drain(mailbox, &an_owner, 9, &lingers), 0);
  assert_int_equal(lingers, 0);
  assert_int_equal(send_mark(mailbox, 'c'), UV_EAGAIN);
  jobsrv__mailbox_unref(mailbox);
  assert_string_equal(ran, "B");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(mails_run_in_order_with_the_owner),
  cmocka_unit_test(the_descriptor_never_blocks_and_is_not_inherited),
  cmocka_unit_test(one_wake_serves_many_posts),
  cmocka_unit_test(what_is_left_over_wakes_again),
  cmocka_unit_test(a_mail_may_post),
  cmocka_unit_test(a_mail_may_close_the_mailbox),
  cmocka_unit_test(a_mail_may_drop_the_last_reference),
  cmocka_unit_test(a_mail_may_drain_in_turn),
  cmocka_unit_test(closing_drops_what_is_queued_and_takes_no_more),
  cmocka_unit_test(the_last_reference_closes_what_is_open),
  cmocka_unit_test(the_last_hook_runs_once_and_after_the_drop),
  cmocka_unit_test(bytes_in_flight_are_bounded_exactly),
  cmocka_unit_test(without_memory_or_descriptors_there_is_no_mailbox),
  cmocka_unit_test(no_wake_is_ever_lost),
  cmocka_unit_test(a_close_in_the_middle_loses_no_mail),
  cmocka_unit_test(parcels_and_mails_keep_their_order),
  cmocka_unit_test(nobody_wakes_an_owner_that_comes_by_itself),
  cmocka_unit_test(an_owner_does_not_linger_for_long),
  cmocka_unit_test(an_owner_does_not_linger_for_mails),
  cmocka_unit_test(parcels_count_with_what_is_in_flight),
  cmocka_unit_test(parcels_left_at_close_are_told_to_nobody),
};

RUN(tests);
