/* SPDX-License-Identifier: MIT */

/* A host whose every thread has much memory of its own, out of its stack. */

#include "world.h"

#include "jobsrv/sinks.h"

#include <unistd.h>

static _Thread_local char large[1024 * 1024];

static void the_writer_thread_starts_whatever_the_host_s_threads_need(
    void **state) {
  char path[] = "thread-local-test.XXXXXX";
  jobsrv_file_options_t options;
  world_t world;
  int fd = mkstemp(path);

  (void) state;
  assert_true(fd >= 0);
  close(fd);
  *(volatile char *) &large[sizeof(large) - 1] = 1; /* it is linked */
  world_open(&world);
  jobsrv_file_options_init(&options);
  options.path = path;
  assert_ok(jobsrv_file_add(world.srv, &options, NULL));
  world_close(&world);
  unlink(path);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_writer_thread_starts_whatever_the_host_s_threads_need),
};

RUN(tests);
