/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_CHILD_SAID_H_
#define JOBSRV_NARRATION_CHILD_SAID_H_

/*
 * What a child has said in one whole line, when it is more than plain text:
 * the two forms are told in process.h. No job, no loop.
 *
 * A child names what it does, never what it is: the job, the number, the time,
 * the kinds that are the library's, the correlation and request ids are not
 * taken from it. A span is, inside of the job's own trace. What has no member
 * of an event for it becomes a field.
 */

#include "base/buf.h"
#include "jobsrv/narrate.h"
#include "jobsrv/process.h"

enum {
  JOBSRV__SAID_FIELDS = 64, /* what is beyond goes together into one more */
  JOBSRV__SAID_ROOM = JOBSRV__SAID_FIELDS + 8,
  JOBSRV__SAID_DEPTH = 64
};

/* The field of what cannot be one: too many, or a name that is no key. */
#define JOBSRV__SAID_OTHERS "others"

typedef enum {
  JOBSRV__SAID_PLAIN,
  JOBSRV__SAID_EVENT,   /* narration or data */
  JOBSRV__SAID_PROGRESS
} jobsrv__said_kind_t;

/* All texts are lent by the line and by `room`. */
typedef struct jobsrv__said_s {
  jobsrv_event_t event;
  size_t human_len;
  jobsrv_progress_t progress;
  jobsrv__buf_t *room;
  const char *trace_id; /* the job's; NULL: it shows none */
  size_t nfields;
  jobsrv_field_t fields[JOBSRV__SAID_ROOM];
} jobsrv__said_t;

/*
 * Reads `len` bytes at `text`. `room` is empty and keeps what is made of them.
 * A line that is none of the forms, or that memory lacks for, is plain.
 */
jobsrv__said_kind_t jobsrv__said_read(jobsrv__said_t *said,
                                      jobsrv__buf_t *room,
                                      jobsrv_output_t format,
                                      const char *trace_id,
                                      int stream,
                                      const char *text,
                                      size_t len);

/* ---- child_json.c ---- */

jobsrv__said_kind_t jobsrv__said_json(jobsrv__said_t *said,
                                      const char *text,
                                      size_t len);

/* 1 if the line would have to be an object, were it read as JSON. */
int jobsrv__said_is_object(const char *text, size_t len);

#endif /* JOBSRV_NARRATION_CHILD_SAID_H_ */
