/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_STREAM_H_
#define JOBSRV_SSE_STREAM_H_

/*
 * One watcher of one job: a cursor on its log and a connection. It sends what
 * the log holds, as it lies there or rendered, and between that, never inside
 * a frame of it, its own frames: opening, gap, heartbeat, end.
 *
 * It reads until there is nothing left (then the cursor tells it), until the
 * socket is full (then the connection does), or until it has had its share of
 * the turn (then it asks for another).
 */

#include "jobsrv/console.h"
#include "sse/access.h"
#include "sse/api.h"
#include "sse/frames.h"
#include "sse/gzip.h"

typedef struct jobsrv__stream_s jobsrv__stream_t;
typedef struct jobsrv__many_s jobsrv__many_t;
typedef struct jobsrv__lent_s jobsrv__lent_t;

typedef enum jobsrv__coding_e {
  JOBSRV__CODING_NONE,     /* there is no other */
  JOBSRV__CODING_IDENTITY, /* as who asks wants it */
  JOBSRV__CODING_GZIP
} jobsrv__coding_t;

/* What a watcher wants to see, and how. */
typedef struct jobsrv__view_s {
  uint8_t form;  /* jobsrv__form_t */
  uint8_t voice; /* jobsrv_voice_t, of text */
  uint8_t level; /* what is below it is left out */
  uint8_t lag;   /* jobsrv_sse_lag_t */
  uint8_t coding; /* jobsrv__coding_t */
} jobsrv__view_t;

/* What the socket did not take of bytes that cannot be had again. */
typedef struct jobsrv__rest_s {
  uint32_t len;
  uint32_t sent;
  char bytes[];
} jobsrv__rest_t;

struct jobsrv__stream_s {
  jobsrv_cursor_t cursor; /* its `data` is the job; of many jobs: unused */
  jobsrv__many_t *many;   /* NULL: it is one job's */
  jobsrv_sse_t *sse;
  jobsrv__conn_t *conn;
  jobsrv__queue_t link;   /* in sse->streams */
  jobsrv_turn_t turn;
  jobsrv__rest_t *rest;   /* NULL: none */
  jobsrv__gzip_t *gzip;   /* behind this in one block; NULL: sent as it is */
  jobsrv__lent_t *lent;   /* NULL: it is sent from here; see fanout.h */
  uint64_t opened_ns;
  uint64_t bytes;         /* sent, HTTP's head left out */
  uint32_t left;          /* HTTP/1.0: of the begun frame's content */
  uint32_t end_sent;      /* of the end's bytes, which can be had again */
  jobsrv__view_t view;
  uint8_t chunked;
  uint8_t watches;        /* the job knows of it, and is referenced */
  uint8_t has_read;       /* of the log: a gap from now on is lag */
  uint8_t is_over;        /* all but the rest is sent, for the reason `why` */
  uint8_t why;            /* jobsrv__stream_end_t */
  uint8_t is_gone;        /* and its memory goes at the end of the turn */
  uint8_t may_go;         /* to a fan-out loop; only once */
};

/* ---- stream.c: its life ---- */

/* How many streams watch a job. */
uint64_t jobsrv__stream_watchers(const jobsrv_sse_t *sse,
                                 const jobsrv_job_t *job);

/*
 * Makes one that begins behind `after`. Returns 0, UV_ENOMEM or
 * JOBSRV_EBADCURSOR.
 */
int jobsrv__stream_new(jobsrv__stream_t **out,
                       jobsrv__request_t *request,
                       jobsrv_job_t *job,
                       const jobsrv__view_t *view,
                       uint64_t after);

/*
 * Sends the head and what lies in the transport's scratch buffer, `len` bytes.
 * Returns 1; 0 when it could not: the stream is gone, the request answered.
 */
int jobsrv__stream_begin(jobsrv__stream_t *stream,
                         jobsrv__request_t *request,
                         const jobsrv__header_t *headers,
                         size_t n,
                         size_t len);

/* The connection does not know it any more. */
void jobsrv__stream_free(jobsrv__stream_t *stream, jobsrv__stream_end_t why);

/* A stream of many jobs, which it takes over. Returns 0 or UV_ENOMEM. */
int jobsrv__stream_new_of_many(jobsrv__stream_t **out,
                               jobsrv__request_t *request,
                               jobsrv__many_t *many,
                               const jobsrv__view_t *view);

/* Goes on with the stream in this turn, at its end. */
void jobsrv__stream_ask(jobsrv__stream_t *stream);

/* A fan-out loop has given it back; what it knows of it has been taken over. */
void jobsrv__stream_returned(jobsrv__stream_t *stream,
                             uint64_t last_write_ns,
                             uint64_t stalls_ns);

/* Sends what there is, unless the socket is full. */
void jobsrv__stream_go_on(jobsrv__stream_t *stream);

/* [any] What each of so many streams of one loop may send in a turn. */
size_t jobsrv__stream_share(size_t streams);

/* There is something for it. */
void jobsrv__stream_told(jobsrv__stream_t *stream);

/* The number that it has come to. */
uint64_t jobsrv__stream_after(const jobsrv__stream_t *stream);

/* How many streams watch a job is counted. Returns 0 or UV_ENOMEM. */
int jobsrv__watchers_add(jobsrv_sse_t *sse, const jobsrv_job_t *job);
void jobsrv__watchers_remove(jobsrv_sse_t *sse, const jobsrv_job_t *job);

jobsrv__frames_t jobsrv__stream_frames(const jobsrv__stream_t *stream);

/*
 * ---- stream_send.c ----
 *
 * Each returns 1 to go on; 0 to wait for the socket, or when the stream is
 * gone.
 */

/* There is no memory to go on with. */
void jobsrv__stream_cut(jobsrv__stream_t *stream);

/* Returns as jobsrv__conn_send(); after a negative code the stream is gone. */
int64_t jobsrv__stream_put(jobsrv__stream_t *stream,
                           const void *data,
                           size_t len);

/* All of what cannot be had again. */
int jobsrv__stream_send_own(jobsrv__stream_t *stream,
                            const char *data,
                            size_t len);
int jobsrv__stream_send_rest(jobsrv__stream_t *stream);

/* What comes next in the log; `*share` is what may still be sent. */
int jobsrv__stream_send_next(jobsrv__stream_t *stream, size_t *share);

/* Ends the body, not the job: who was watching comes back by cursor. */
int jobsrv__stream_break(jobsrv__stream_t *stream, jobsrv__stream_end_t why);

/* Ends the body, behind which nothing is due. */
int jobsrv__stream_close(jobsrv__stream_t *stream, jobsrv__stream_end_t why);

/* ---- stream_gzip.c ---- */

/* What the body of the answer is to be; makes the packer if it has to. */
jobsrv__coding_t jobsrv__coding_of(const jobsrv__request_t *request);

/*
 * Puts what is the stream's own, in its framing, into the place of what is
 * plain, if it is compressed at all. Returns 0 or UV_ENOMEM.
 */
int jobsrv__stream_pack(jobsrv__stream_t *stream,
                        int is_last,
                        jobsrv__span_t *data);

/* 1 when it may; 0 when enough was compressed in this turn: it is its turn in
   the next. */
int jobsrv__stream_may_pack(jobsrv__stream_t *stream);

/* As jobsrv__stream_send_next(), for what was peeked of the log. */
int jobsrv__stream_send_packed(jobsrv__stream_t *stream,
                               const jobsrv_view_t *view,
                               int is_progress,
                               size_t *share);

/* What is left of the piece that was begun; like the rest. */
int jobsrv__stream_send_piece(jobsrv__stream_t *stream);

/* ---- stream_many.c ---- */

/* What comes next of many jobs; as jobsrv__stream_send_next(). */
int jobsrv__many_send(jobsrv__stream_t *stream, size_t *share);

/* 1 when it is on all jobs there are. */
int jobsrv__many_is_all(const jobsrv__many_t *many);

uint64_t jobsrv__many_after(const jobsrv__many_t *many);

/* The stream is over: no cursor is held any more. */
void jobsrv__many_detach(jobsrv_sse_t *sse, jobsrv__many_t *many);

/* And its jobs are let go of; `watches`: they know of it. */
void jobsrv__many_free(const jobsrv_alloc_t *alloc,
                       jobsrv__many_t *many,
                       int watches);

/* ---- stream_view.c ---- */

/*
 * Reads Accept, Accept-Encoding, format, mode, level and lag. Returns 1, or 0
 * when it has answered.
 */
int jobsrv__view_read(jobsrv__request_t *request, jobsrv__view_t *view);

/* Reads level alone; the same. */
int jobsrv__view_read_level(jobsrv__request_t *request, uint8_t *level);

/* 1 when all of the log is sent as it lies there. */
int jobsrv__view_is_raw(const jobsrv__view_t *view);

/* 1 when an event is to be shown. */
int jobsrv__view_passes(const jobsrv__view_t *view,
                        const jobsrv_entry_t *entry);

/* Appends the frame of an event. */
void jobsrv__view_put(const jobsrv__view_t *view,
                      const jobsrv__frames_t *frames,
                      const jobsrv_entry_t *entry,
                      jobsrv__buf_t *buf);

/* ---- stream_open.c ---- */

enum { JOBSRV__STREAM_HEADERS = 6, JOBSRV__CURSOR_SIZE = 129 };

/* The head of a stream. Returns how many; `location` may be NULL. */
size_t jobsrv__stream_headers(const jobsrv__view_t *view,
                              const char *location,
                              jobsrv__header_t to[JOBSRV__STREAM_HEADERS]);

/*
 * The cursor's text, data NULL without one. Returns 0, or JOBSRV_EBADCURSOR.
 */
int jobsrv__cursor_text(jobsrv__request_t *request,
                        char after[JOBSRV__CURSOR_SIZE],
                        jobsrv__span_t *text);

/* Returns 1, or 0 when it has answered that there are too many streams. */
int jobsrv__stream_has_room(jobsrv__request_t *request);

/* Where a request wants to resume. */
typedef struct jobsrv__resume_s {
  uint64_t after;
  int is_restart; /* the cursor is of another server object */
} jobsrv__resume_t;

/*
 * Last-Event-ID, or after=. Returns 1, or 0 when it has answered that this is
 * no cursor of the job.
 */
int jobsrv__resume_read(jobsrv__request_t *request,
                        const jobsrv_job_t *job,
                        jobsrv__resume_t *resume);

#endif /* JOBSRV_SSE_STREAM_H_ */
