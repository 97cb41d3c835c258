/* SPDX-License-Identifier: MIT */

/*
 * Where syslog and the journal are looked for when the host does not say. This
 * program's connect() tells, so that nothing is sent to this machine's own.
 */

#include "world.h"

#include "jobsrv/sinks.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

static char path[sizeof(((struct sockaddr_un *) NULL)->sun_path)];
static atomic_int asked;

int connect(int fd, const struct sockaddr *address, socklen_t len) {
  struct sockaddr_un to = { .sun_family = AF_UNSPEC };

  (void) fd;
  memcpy(&to, address, len < sizeof(to) ? len : sizeof(to));
  if (to.sun_family == AF_UNIX && atomic_load(&asked) == 0) {
    memcpy(path, to.sun_path, sizeof(path));
    atomic_store(&asked, 1);
  }
  errno = ENOENT;
  return -1;
}

static int is_asked(void *data) {
  (void) data;
  return atomic_load(&asked);
}

static void assert_asked(world_t *world, const char *want) {
  assert_ok(jobsrv_narrate(begin_job(world), "say", "x"));
  assert_true(run_until(&world->loop, is_asked, NULL, 5000));
  assert_string_equal(path, want);
  atomic_store(&asked, 0);
}

static void syslog_is_at_dev_log(void **state) {
  world_t world;
  jobsrv_sink_t *sink;

  (void) state;
  atomic_store(&asked, 0);
  world_open(&world);
  assert_ok(jobsrv_syslog_add(world.srv, NULL, &sink));
  assert_asked(&world, "/dev/log");
  world_close(&world);
}

static void the_journal_is_where_systemd_has_it(void **state) {
  world_t world;
  jobsrv_sink_t *sink;

  (void) state;
  atomic_store(&asked, 0);
  world_open(&world);
  assert_ok(jobsrv_journal_add(world.srv, NULL, &sink));
  assert_asked(&world, "/run/systemd/journal/socket");
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(syslog_is_at_dev_log),
  cmocka_unit_test(the_journal_is_where_systemd_has_it),
};

RUN(tests);
