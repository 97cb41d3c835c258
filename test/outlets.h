/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_OUTLETS_H
#define JOBSRV_TEST_OUTLETS_H

/*
 * What a host shares its narration with, outside of its process: the syslog,
 * the journal and a collector of OpenTelemetry, each with all that it was sent.
 */

#include "otlp/collector_process.h"
#include "secrets.h"

#include "jobsrv/otlp.h"
#include "jobsrv/sinks.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { OUTLETS = 3, OUTLET_QUEUE = 64 * 1024 * 1024 };

/* A thread that takes datagrams, as fast as they come. */
typedef struct {
  char path[96];
  int fd;
  int stop;
  pthread_t thread;
  secret_sink_t got;
  char room[300000];
} receiver_t;

typedef struct {
  char folder[64];
  receiver_t syslog;
  receiver_t journal;
  jobsrv_otlp_t *otlp;
  secret_sink_t collected;
} outlets_t;

/* The journal is sent a file where a datagram would be too small. */
static inline void receiver_take_file(receiver_t *r, int fd) {
  char part[4096];
  off_t at = 0;
  ssize_t n;

  while ((n = pread(fd, part, sizeof(part), at)) > 0) {
    secret_sink_add(&r->got, part, (size_t) n);
    at += n;
  }
  close(fd);
}

static inline int receiver_take(receiver_t *r) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = { r->room, sizeof(r->room) };
  struct msghdr message = {
    .msg_iov = &part,
    .msg_iovlen = 1,
    .msg_control = &control,
    .msg_controllen = sizeof(control.room),
  };
  ssize_t n = recvmsg(r->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  int fd;

  if (n < 0)
    return 0;
  secret_sink_add(&r->got, r->room, (size_t) n);
  if (message.msg_controllen > 0) {
    memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
    receiver_take_file(r, fd);
  }
  return 1;
}

static inline void *receiver_run(void *data) {
  receiver_t *r = data;
  struct pollfd ready[2] = { { .fd = r->fd, .events = POLLIN },
                             { .fd = r->stop, .events = POLLIN } };

  while (ready[1].revents == 0) {
    (void) poll(ready, 2, -1);
    while (receiver_take(r))
      ;
  }
  return NULL;
}

static inline void receiver_open(receiver_t *r,
                                 const char *folder,
                                 const char *name) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };

  snprintf(r->path, sizeof(r->path), "%s/%s", folder, name);
  snprintf(address.sun_path, sizeof(address.sun_path), "%s", r->path);
  r->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  assert_true(r->fd >= 0);
  assert_int_equal(bind(r->fd, (struct sockaddr *) &address,
                        sizeof(address)), 0);
  r->stop = eventfd(0, EFD_CLOEXEC);
  assert_true(r->stop >= 0);
  assert_int_equal(pthread_create(&r->thread, NULL, receiver_run, r), 0);
}

/* It has all that was sent before. */
static inline void receiver_close(receiver_t *r) {
  assert_int_equal(eventfd_write(r->stop, 1), 0);
  assert_int_equal(pthread_join(r->thread, NULL), 0);
  close(r->fd);
  close(r->stop);
  assert_int_equal(unlink(r->path), 0);
}

/* ---- all of them ---- */

/* The collector of main() is told to forget what was before. */
static inline void outlets_open(outlets_t *outlets) {
  memset(outlets, 0, sizeof(*outlets));
  snprintf(outlets->folder, sizeof(outlets->folder), "outlets-test.XXXXXX");
  assert_non_null(mkdtemp(outlets->folder));
  receiver_open(&outlets->syslog, outlets->folder, "log");
  receiver_open(&outlets->journal, outlets->folder, "journal");
  collector_tell(&collector, "{'reset': true}");
}

static inline void outlets_add(outlets_t *outlets,
                               jobsrv_t *srv,
                               const jobsrv_sink_options_t *how) {
  jobsrv_syslog_options_t syslog;
  jobsrv_journal_options_t journal;
  jobsrv_otlp_options_t otlp;

  jobsrv_syslog_options_init(&syslog);
  syslog.path = outlets->syslog.path;
  syslog.sink = how;
  syslog.max_message = 65536;
  syslog.max_queue = OUTLET_QUEUE;
  assert_ok(jobsrv_syslog_add(srv, &syslog, NULL));
  jobsrv_journal_options_init(&journal);
  journal.path = outlets->journal.path;
  journal.sink = how;
  journal.max_queue = OUTLET_QUEUE;
  assert_ok(jobsrv_journal_add(srv, &journal, NULL));
  jobsrv_otlp_options_init(&otlp);
  otlp.endpoint = collector.address;
  otlp.level = JOBSRV_TRACE;
  otlp.max_queue_bytes = OUTLET_QUEUE;
  assert_ok(jobsrv_otlp_add(srv, &otlp, &outlets->otlp));
}

/* Once the server has sent it all. */
static inline void outlets_close(outlets_t *outlets) {
  json_t *report = collector_report(&collector);
  char *text = json_dumps(report, 0);

  assert_non_null(text);
  secret_sink_add(&outlets->collected, text, strlen(text));
  free(text);
  json_decref(report);
  receiver_close(&outlets->syslog);
  receiver_close(&outlets->journal);
  assert_int_equal(rmdir(outlets->folder), 0);
}

/* No secret is in there, and yet each job's words are. */
static inline void assert_masked(const char *who,
                                 const secret_sink_t *sink,
                                 const char *mask) {
  char mark[32];

  assert_without(who, sink->text, sink->len, "s3cr3t");
  assert_true(secret_count(sink->text, sink->len, mask) > 0);
  for (int i = 0; i < SECRET_JOBS; i++) {
    secret_mark(mark, i);
    if (secret_count(sink->text, sink->len, mark) <
        SECRET_ROUNDS * SECRET_KINDS * 2)
      fail_msg("%s has too little of job %d", who, i);
  }
}

static inline void assert_outlets_masked(outlets_t *outlets) {
  assert_masked("the syslog", &outlets->syslog.got, "[REDACTED]");
  assert_masked("the journal", &outlets->journal.got, "[REDACTED]");
  assert_masked("the collector", &outlets->collected, "[REDACTED]");
}

static inline void outlets_free(outlets_t *outlets) {
  secret_sink_free(&outlets->syslog.got);
  secret_sink_free(&outlets->journal.got);
  secret_sink_free(&outlets->collected);
}

#endif /* JOBSRV_TEST_OUTLETS_H */
