/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_LINE_SPLIT_H_
#define JOBSRV_CORE_LINE_SPLIT_H_

/*
 * Cuts a stream of bytes into lines. Whoever reads puts bytes into the room at
 * the end of the buffer; what is complete is handed out from there, uncopied.
 * The bytes are taken as they are: NUL is one like any other. The buffer never
 * grows.
 */

#include "jobsrv/alloc.h"

#include <stddef.h>

enum {
  JOBSRV__LINE_MAX = 64 * 1024,
  JOBSRV__LINE_ROOM = 16 * 1024, /* at least, for one read */
  JOBSRV__LINE_BUFFER = JOBSRV__LINE_MAX + 2 + JOBSRV__LINE_ROOM
};

/* Pieces, as the observer is told of them. */
enum {
  JOBSRV__LINE_WHOLE,
  JOBSRV__LINE_FIRST,
  JOBSRV__LINE_MIDDLE,
  JOBSRV__LINE_LAST
};

/*
 * One line, or a piece of one that has more than JOBSRV__LINE_MAX bytes; `text`
 * has no line end and is lent for the call.
 */
typedef void (*jobsrv__line_cb)(void *arg,
                                int part,
                                const char *text,
                                size_t len);

typedef struct jobsrv__lines_s {
  char *data;      /* JOBSRV__LINE_BUFFER bytes */
  size_t len;      /* of the line that is not complete yet */
  size_t scanned;  /* so much of it holds no LF */
  int continued;   /* a piece of it has been handed out */
  jobsrv__line_cb cb;
  void *arg;
} jobsrv__lines_t;

/* Returns 0 or UV_ENOMEM. */
int jobsrv__lines_init(jobsrv__lines_t *lines,
                       const jobsrv_alloc_t *alloc,
                       jobsrv__line_cb cb,
                       void *arg);

/* Harmless on zeroed and on freed ones. */
void jobsrv__lines_free(jobsrv__lines_t *lines, const jobsrv_alloc_t *alloc);

/* Where to put the next bytes; `*room` is at least JOBSRV__LINE_ROOM. */
char *jobsrv__lines_room(jobsrv__lines_t *lines, size_t *room);

/* `n` bytes have been put there: hands out what has become complete. */
void jobsrv__lines_added(jobsrv__lines_t *lines, size_t n);

/* No more will come: hands out a last line that has no end. */
void jobsrv__lines_end(jobsrv__lines_t *lines);

#endif /* JOBSRV_CORE_LINE_SPLIT_H_ */
