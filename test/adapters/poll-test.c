/* SPDX-License-Identifier: MIT */

/* Row 74: a server in a loop around poll(2). */

#include "adapters/work.h"

#include "jobsrv/adapters/poll.h"

#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

static void jobs_run_in_a_loop_of_poll(void **state) {
  struct pollfd fds[2] = { { 0 }, { .events = POLLIN } };
  int rounds = 0;
  int pair[2];
  work_t work;
  int got;

  (void) state;
  assert_int_equal(pipe(pair), 0);
  work_open(&work);
  fds[1].fd = pair[0];
  do {
    got = jobsrv_poll(work.srv, fds, 2, 20);
    assert_true(++rounds < WORK_LATE_MS / 20);
    if (rounds == 3) /* it slept through the second */
      assert_int_equal(write(pair[1], "x", 1), 1);
    if (got == 1 && fds[1].revents & POLLIN) {
      char byte;

      assert_int_equal(read(pair[0], &byte, 1), 1);
      work_submit(&work);
    }
  } while (got == 1);
  assert_int_equal(got, 0);
  work_check(&work);
  close(pair[0]);
  close(pair[1]);
}

static void on_signal(int number) {
  (void) number;
}

static void a_signal_ends_the_wait(void **state) {
  const struct sigaction action = { .sa_handler = on_signal };
  const struct itimerval soon = { .it_value = { 0, 30000 } };
  struct pollfd fds[2] = { { 0 }, { .fd = -1, .revents = POLLIN } };
  jobsrv_t *srv;
  int i;

  (void) state;
  assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  for (i = 0; i < 3; i++) /* until there is nothing left to do */
    assert_int_equal(jobsrv_poll(srv, fds, 1, 0), 1);
  fds[1].revents = POLLIN;
  assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
  assert_int_equal(jobsrv_poll(srv, fds, 2, -1), 1);
  assert_int_equal(fds[0].revents, 0);
  assert_int_equal(fds[1].revents, 0);
  jobsrv_close(srv, NULL, NULL);
  for (i = 0; jobsrv_poll(srv, fds, 2, 1000) == 1; i++)
    assert_true(i < 10);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(jobs_run_in_a_loop_of_poll),
  cmocka_unit_test(a_signal_ends_the_wait),
};

RUN(tests);
