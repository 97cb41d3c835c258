/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_OUTLET_H_
#define JOBSRV_NARRATION_OUTLET_H_

/*
 * What is at the end of a lane: a file, a socket, a terminal. All its calls are
 * the writer thread's, without the writer's lock, and may block.
 */

#include "jobsrv/alloc.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct jobsrv__outlet_s jobsrv__outlet_t;

enum {
  JOBSRV__NOTICE_MAX = 768,
  JOBSRV__BATCH_MAX = 16 * 1024,
  /* what puts return beside lengths and errors */
  JOBSRV__PUT_LATER = -100001, /* the same again after `retry_ms` */
  JOBSRV__PUT_NEVER = -100002  /* this record cannot be taken; if whole */
};

typedef struct jobsrv__outlet_ops_s {
  /*
   * 1: a put is given one record, and takes all of it or nothing. 0: it is
   * given up to `batch` bytes (at most JOBSRV__BATCH_MAX) of several records,
   * or one longer record, from where the last one stopped.
   */
  int whole;
  size_t batch;
  /*
   * Returns the bytes taken; 0 for not now: `fd` is then polled for room;
   * PUT_LATER, PUT_NEVER, or a negative errno: nothing ever again.
   */
  ssize_t (*put)(jobsrv__outlet_t *outlet, const char *data, size_t len);
  /* A record that `count` were lost, the last at `wall_ns`; its length. */
  size_t (*notice)(const jobsrv__outlet_t *outlet,
                   char to[JOBSRV__NOTICE_MAX],
                   uint64_t count,
                   uint64_t wall_ns);
  /* What was asked for by jobsrv__lane_poke(): 0, or PUT_LATER. May be NULL. */
  int (*poke)(jobsrv__outlet_t *outlet);
  /* The last call. Frees it. */
  void (*close)(jobsrv__outlet_t *outlet);
} jobsrv__outlet_ops_t;

struct jobsrv__outlet_s {
  const jobsrv__outlet_ops_t *ops;
  jobsrv_alloc_t alloc;
  int fd;            /* what to poll; -1: nothing, only to be tried */
  int error;         /* why it cannot do all that it should; 0: it can */
  uint32_t retry_ms;
};

/*
 * Each returns 0, UV_ENOMEM, or what the system said, with `*out` untouched.
 */

/* A duplicate of `fd`. `notice` is a format with one %llu; constant. */
int jobsrv__descriptor_outlet(jobsrv__outlet_t **out,
                              const jobsrv_alloc_t *alloc,
                              int fd,
                              const char *notice);

/* The file at `path`, made with `mode`, moved away past `max_bytes` (0: no). */
int jobsrv__file_outlet(jobsrv__outlet_t **out,
                        const jobsrv_alloc_t *alloc,
                        const char *path,
                        uint32_t mode,
                        uint64_t max_bytes,
                        uint32_t keep);

/*
 * A unix socket at `path`, connected when there is something to send, datagrams
 * or, if `counted`, also a stream of records with their lengths before them.
 * Too large a record goes as a file if `files`, or never. `notice` is given
 * `identity`, of which it has a copy.
 */
typedef struct jobsrv__socket_options_s {
  const char *path;
  int counted;
  int files;
  size_t (*notice)(const void *identity,
                   char to[JOBSRV__NOTICE_MAX],
                   uint64_t count,
                   uint64_t wall_ns);
  const void *identity;
  size_t identity_size;
} jobsrv__socket_options_t;

/* Also UV_ENAMETOOLONG. */
int jobsrv__socket_outlet(jobsrv__outlet_t **out,
                          const jobsrv_alloc_t *alloc,
                          const jobsrv__socket_options_t *options);

/* The same descriptor at 3 or above; closes it, or returns an error. */
int jobsrv__descriptor_above(int fd);

#endif /* JOBSRV_NARRATION_OUTLET_H_ */
