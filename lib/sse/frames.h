/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_FRAMES_H_
#define JOBSRV_SSE_FRAMES_H_

/*
 * The frames that are a stream's own and not in any log: rendered from the
 * job's record into memory of the caller, so that none of them can fail.
 */

#include "jobsrv/log.h"

enum {
  JOBSRV__MARKER_TEXT = 20 * 1024, /* of an error's message, rendered */
  /* no frame, and not the end's two with the last chunk, is longer */
  JOBSRV__FRAMES_MAX = JOBSRV_RECORD_MAX + JOBSRV__MARKER_TEXT + 2048,
  JOBSRV__PREFIX_MAX = 128,        /* of the routes' path prefix */
  JOBSRV__LINKS_MAX = 3 * (JOBSRV__PREFIX_MAX + JOBSRV_ID_SIZE + 16) + 64,
  JOBSRV__HEARTBEAT_MAX = 256,
  JOBSRV__ID_MEMBER_MAX = 56
};

typedef enum jobsrv__form_e {
  JOBSRV__FORM_EVENTS, /* an event stream whose data is JSON */
  JOBSRV__FORM_TEXT,   /* one whose data is lines for people */
  JOBSRV__FORM_NDJSON  /* one JSON object a line */
} jobsrv__form_t;

/* Whose frames, and in which framing. */
typedef struct jobsrv__frames_s {
  const jobsrv_t *srv;
  const jobsrv_job_t *job;
  const char *prefix; /* of the routes, for links */
  int chunked;        /* 1: each frame is a chunk of HTTP/1.1 */
  jobsrv__form_t form;
  int is_global;      /* 1: ids are numbers over all jobs, in NDJSON a member
                         of what has one, and `job` is NULL where none is
                         meant */
} jobsrv__frames_t;

/*
 * `event: state` with the record as it is now; the stream resumes behind
 * `after`. Each writes up to JOBSRV__FRAMES_MAX bytes, without a NUL, and
 * returns how many.
 */
size_t jobsrv__frame_opening(const jobsrv__frames_t *frames,
                             uint64_t after,
                             unsigned int retry_ms,
                             char *to);

/*
 * `event: gap`: these events are no longer retained. The id is `missed_to`, or
 * of many jobs the one given.
 */
size_t jobsrv__frame_trimmed_at(const jobsrv__frames_t *frames,
                                uint64_t missed_from,
                                uint64_t missed_to,
                                uint64_t id,
                                char *to);
size_t jobsrv__frame_trimmed(const jobsrv__frames_t *frames,
                             uint64_t missed_from,
                             uint64_t missed_to,
                             char *to);

/*
 * `event: gap`: jobs have gone whose events were not all read. Of many jobs;
 * the id is where its reader is.
 */
size_t jobsrv__frame_forgotten(const jobsrv__frames_t *frames,
                               uint64_t id,
                               char *to);

/*
 * What a stream begins with that has no job to begin with: its id and `retry`,
 * in NDJSON a heartbeat. At most JOBSRV__HEARTBEAT_MAX bytes.
 */
size_t jobsrv__frame_begin(const jobsrv__frames_t *frames,
                           uint64_t after,
                           unsigned int retry_ms,
                           char *to);

/* `event: gap`: the cursor was another server object's. */
size_t jobsrv__frame_restart(const jobsrv__frames_t *frames, char *to);

/*
 * The end of a job that has ended: `event: end`, the marker (none in NDJSON),
 * and what closes the body. The same bytes whenever it is asked for.
 */
size_t jobsrv__frames_end(const jobsrv__frames_t *frames, char *to);

/* The end of one job of many: its first frame, with that id. */
size_t jobsrv__frame_end_of(const jobsrv__frames_t *frames,
                            uint64_t id,
                            char *to);

/*
 * A comment, in NDJSON an object. With `after` a reader who is not sent all
 * events is told how far it has come. At most JOBSRV__HEARTBEAT_MAX bytes.
 */
size_t jobsrv__frame_heartbeat(const jobsrv__frames_t *frames,
                               const uint64_t *after,
                               char *to);

/*
 * The body ends, the job does not: whoever comes back after `retry_ms` goes on
 * behind `after`. At most JOBSRV__HEARTBEAT_MAX bytes.
 */
size_t jobsrv__frames_break(const jobsrv__frames_t *frames,
                            uint64_t after,
                            unsigned int retry_ms,
                            char *to);

/* Only what NDJSON's objects and a page's have in common: no framing. */
size_t jobsrv__json_trimmed(const jobsrv__frames_t *frames,
                            uint64_t missed_from,
                            uint64_t missed_to,
                            char *to);
size_t jobsrv__json_restart(const jobsrv__frames_t *frames, char *to);
size_t jobsrv__json_end(const jobsrv__frames_t *frames, char *to);

/*
 * `"id":"<boot>-g<N>",` where NDJSON's objects have it, else nothing. At most
 * JOBSRV__ID_MEMBER_MAX bytes. Returns how many.
 */
size_t jobsrv__json_id(const jobsrv__frames_t *frames, uint64_t id, char *to);

/* Writes the size line of a chunk with `len` bytes, below 16 MiB. */
void jobsrv__chunk_head(char *to, size_t len);

/* And reads one of the log's. */
size_t jobsrv__chunk_len(const char *head);

/*
 * `"links":{"self":..,"stream":..,"cancel":..}`, at most JOBSRV__LINKS_MAX
 * bytes, and a NUL. Returns the length.
 */
size_t jobsrv__links(const char *prefix, const jobsrv_job_t *job, char *to);

#endif /* JOBSRV_SSE_FRAMES_H_ */
