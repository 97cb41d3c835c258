/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_LOG_H
#define JOBSRV_LOG_H

/*
 * The log of a job and the cursor that reads it: everything a transport needs
 * to serve a job's stream, and nothing that a host could not use as well.
 *
 * A log holds final bytes, each event encoded once, as one chunk of HTTP/1.1's
 * chunked coding (RFC 9112, 7.1) around one event of an event stream (WHATWG
 * HTML, 9.2):
 *
 *   00007c\r\n
 *   id: <boot>-<seq>\n
 *   event: state\n                     not for narration
 *   data: {"type":"state","seq":1,...}\n
 *   \n
 *   \r\n
 *
 * The size line has JOBSRV_CHUNK_HEAD bytes and the end JOBSRV_CHUNK_TAIL, so
 * another framing takes them off by a constant, or asks for the JSON alone.
 *
 * The end of a job is not in its log: it comes from the record, whenever it is
 * asked for.
 *
 * A cursor reads one job; a tail reads all of them, in the order in which all
 * was told.
 */

#include "jobsrv/narrate.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  JOBSRV_CHUNK_HEAD = 8, /* six hexadecimal digits, CR, LF */
  JOBSRV_CHUNK_TAIL = 2  /* CR, LF */
};

typedef struct jobsrv_cursor_s jobsrv_cursor_t;

/*
 * There is something to read. On the loop thread, at the end of a turn, at
 * most once a turn, and not again before the cursor has been read to
 * JOBSRV_READ_NOTHING. May detach this cursor and any other.
 */
typedef void (*jobsrv_cursor_cb)(jobsrv_cursor_t *cursor);

/* Lives in the watcher's own struct; attaching allocates only the log. */
struct jobsrv_cursor_s {
  /* public */
  void *data;
  /* private */
  jobsrv_cursor_cb notify;
  struct jobsrv__log_s *log;
  struct jobsrv__chunk_s *chunk;
  struct jobsrv__progress_frame_s *frame;
  struct jobsrv__loan_s *loan;
  jobsrv_cursor_t *next;
  jobsrv_cursor_t *prev;
  uint64_t after;          /* last seq read whole */
  uint32_t offset;         /* of the first unread byte in `chunk` */
  uint32_t progress_seen;
  uint32_t frame_offset;   /* of the first unsent byte in `frame` */
  uint8_t flags;
};

/*
 * Attaches a cursor to a job of any state; reading starts behind the event
 * numbered `after`, 0 for the first. Holds a reference to the job; what the
 * log retains behind the cursor stays readable even past the job's retention.
 *
 * Returns 0; JOBSRV_EBADCURSOR when `after` is beyond the job's last event;
 * JOBSRV_ECLOSED when the server has gone; UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_cursor_attach(jobsrv_cursor_t *cursor,
                         jobsrv_job_t *job,
                         uint64_t after,
                         jobsrv_cursor_cb notify);

/*
 * The same for who reads several jobs as one: reading starts behind the last of
 * the job's events that is numbered `server_after` or less over all jobs of the
 * server. What has been trimmed and is numbered above it is a GAP from 1: as
 * many are gone as that says, and some of them may have been read before.
 *
 * Returns 0; JOBSRV_EBADCURSOR when `server_after` is beyond the server's last
 * event; JOBSRV_ECLOSED; UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_cursor_attach_behind(jobsrv_cursor_t *cursor,
                                jobsrv_job_t *job,
                                uint64_t server_after,
                                jobsrv_cursor_cb notify);

/*
 * Harmless on a cursor that is detached or zeroed. One that was lent has been
 * given back before, or was never taken.
 */
JOBSRV_EXTERN void jobsrv_cursor_detach(jobsrv_cursor_t *cursor);

typedef enum {
  JOBSRV_READ_NOTHING,  /* all read; `notify` will come */
  JOBSRV_READ_EVENTS,   /* `data`: whole or begun frames of the log */
  JOBSRV_READ_GAP,      /* events `missed_from`..`missed_to` are gone */
  JOBSRV_READ_PROGRESS, /* `data`: one frame of the same form without id */
  JOBSRV_READ_END       /* the job has ended and all else was read */
} jobsrv_read_t;

/* Lent until the next call on the cursor. */
typedef struct jobsrv_view_s {
  const char *data;      /* wire bytes; may begin inside a frame that was
                            advanced into */
  size_t len;
  uint64_t missed_from;
  uint64_t missed_to;
  uint64_t server_seq;   /* of a GAP: what is missing is numbered up to this
                            over all jobs, what follows above it */
} jobsrv_view_t;

/*
 * What comes next, as much of it as lies together. Gives the same again until
 * the cursor is advanced.
 */
JOBSRV_EXTERN jobsrv_read_t jobsrv_cursor_peek(jobsrv_cursor_t *cursor,
                                               jobsrv_view_t *view);

/*
 * Moves on: by `len` bytes of the EVENTS or PROGRESS that was peeked (part of
 * a frame is fine: the rest stays pinned and comes next), or over the GAP
 * (`len` 0).
 */
JOBSRV_EXTERN void jobsrv_cursor_advance(jobsrv_cursor_t *cursor, size_t len);

/* One event of a log, for readers with another framing. */
typedef struct jobsrv_entry_s {
  jobsrv_kind_t kind;
  int level;
  uint64_t seq;
  uint64_t server_seq;
  const char *json;
  size_t json_len;
} jobsrv_entry_t;

/*
 * As peek and advance in one, event by event: EVENTS fills `*entry`, lent until
 * the next call on this cursor, PROGRESS fills its `json` alone, END its `seq`
 * and `server_seq`, GAP fills `*gap` and moves over it. Not to be mixed with
 * advancing into a frame.
 */
JOBSRV_EXTERN jobsrv_read_t jobsrv_cursor_next(jobsrv_cursor_t *cursor,
                                               jobsrv_entry_t *entry,
                                               jobsrv_view_t *gap);

/* The last seq that was read whole. */
JOBSRV_EXTERN uint64_t jobsrv_cursor_seq(const jobsrv_cursor_t *cursor);

/*
 * How many events of the job it has not read whole: those that are gone count,
 * and so does the end. 0 for a cursor that is detached.
 */
JOBSRV_EXTERN uint64_t jobsrv_cursor_lag(const jobsrv_cursor_t *cursor);

/* 1 while the cursor stands inside a frame. */
JOBSRV_EXTERN int jobsrv_cursor_inside(const jobsrv_cursor_t *cursor);

/*
 * ---- reading on another thread ----
 *
 * A cursor is read on the loop thread, or lent to a reader: one other thread,
 * usually with a loop of its own. Both call in this order, and pass the cursor
 * on to each other by means of their own:
 *
 *   loop thread   jobsrv_cursor_lend()
 *   reader's      jobsrv_cursor_take(); now peek, advance, next, seq, inside
 *   reader's      jobsrv_cursor_give()
 *   loop thread   jobsrv_cursor_return(), or jobsrv_cursor_detach()
 *
 * However many cursors a reader has on however many jobs, their news costs the
 * loop thread one step for each job and one wake a turn. The record is the loop
 * thread's: who reads JOBSRV_READ_END elsewhere gives the cursor back for it,
 * or sends what it knows.
 */
typedef struct jobsrv_reader_s jobsrv_reader_t;

/*
 * There is something for jobsrv_reader_run(). On the loop thread, at the end of
 * a turn, at most once a turn. Has the reader's thread run it, and calls
 * nothing of the server.
 */
typedef void (*jobsrv_reader_cb)(jobsrv_reader_t *reader, void *data);

/* Returns 0, UV_ENOMEM, or JOBSRV_ECLOSED when the server has gone. */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_reader_new(jobsrv_reader_t **out,
                      jobsrv_t *srv,
                      jobsrv_reader_cb wake,
                      void *data);

/*
 * Nothing is lent to it any more, and its thread does not call. Before the
 * server has gone: in a part's `closing` at the latest.
 */
JOBSRV_EXTERN void jobsrv_reader_free(jobsrv_reader_t *reader);

/*
 * From now on the attached cursor is the reader's, and its `notify` is not
 * called any more. Returns 0, or UV_ENOMEM: it is read here as before.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_cursor_lend(jobsrv_cursor_t *cursor, jobsrv_reader_t *reader);

/*
 * [thread of the reader] Takes a lent cursor: read it now, for what was there
 * before is not told. `notify` comes from jobsrv_reader_run(): there may be
 * something to read. It comes not again before the cursor has been read to
 * JOBSRV_READ_NOTHING, and may give back this cursor and any other.
 */
JOBSRV_EXTERN void jobsrv_cursor_take(jobsrv_cursor_t *cursor,
                                      jobsrv_cursor_cb notify);

/* [thread of the reader] The last call on a taken cursor there. */
JOBSRV_EXTERN void jobsrv_cursor_give(jobsrv_cursor_t *cursor);

/*
 * A cursor that was given back, or never taken, is read here again, where it
 * stands; if there is something it is told at the end of the turn.
 */
JOBSRV_EXTERN void jobsrv_cursor_return(jobsrv_cursor_t *cursor,
                                        jobsrv_cursor_cb notify);

/*
 * [thread of the reader] Tells the cursors that it has of the jobs with news.
 * Nothing to do is no mistake.
 */
JOBSRV_EXTERN void jobsrv_reader_run(jobsrv_reader_t *reader);

/* ---- all jobs ---- */

typedef struct jobsrv_tail_s jobsrv_tail_t;

/* As jobsrv_cursor_cb. May detach this tail and any other. */
typedef void (*jobsrv_tail_cb)(jobsrv_tail_t *tail);

/*
 * 1 when the events of a job are not for who reads, who is then not told either
 * that some of them have gone with it. Called from wherever a job goes; it may
 * look at the job, and calls nothing that changes anything.
 */
typedef int (*jobsrv_tail_hides_cb)(const jobsrv_tail_t *tail,
                                    const jobsrv_job_t *job);

/*
 * Where somebody is in what all jobs of a server tell. It keeps no place in
 * any of them: what it costs to go on is as the jobs that have told something
 * since, however many there are. While there is a tail every job that tells
 * something has a log.
 */
struct jobsrv_tail_s {
  /* public: set, or zeroed, before it is attached */
  void *data;
  jobsrv_tail_hides_cb hides; /* NULL: none */
  /* private */
  jobsrv_tail_cb notify;
  struct jobsrv__logs_s *logs;
  struct jobsrv__map_s *missed; /* from where, of jobs that were trimmed */
  jobsrv_tail_t *next;
  jobsrv_tail_t *prev;
  uint64_t after;
  uint64_t progress_after;
  struct jobsrv__ahead_s *ahead;
  uint64_t gone;                /* with their jobs, some up to here */
  uint64_t forgotten;           /* told to be gone, up to here */
  uint64_t ending;              /* whose last progress was given */
  uint64_t number;              /* of what was peeked */
  uint8_t what;
  uint8_t flags;
};

/*
 * Attaches a tail: all jobs that are live or retained, and all that come, are
 * read, events as they are numbered over all jobs, from behind `server_after`;
 * 0 begins with the oldest that is retained. Jobs are neither watched nor, past
 * their retention, kept by it.
 *
 * What is there already is looked for by looking at all jobs, a few thousand in
 * each turn of the loop; until all were looked at there is nothing to read.
 *
 * Returns 0; JOBSRV_EBADCURSOR when `server_after` is beyond the server's last
 * event; JOBSRV_ECLOSED; UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_tail_attach(jobsrv_tail_t *tail,
                       jobsrv_t *srv,
                       uint64_t server_after,
                       jobsrv_tail_cb notify);

/* Harmless on a tail that is detached or zeroed. */
JOBSRV_EXTERN void jobsrv_tail_detach(jobsrv_tail_t *tail);

/*
 * What comes next; the same again until the tail is advanced, unless the job
 * has gone meanwhile or what comes next is trimmed. All that is given is lent
 * until the next call on any tail or job.
 *
 *   EVENTS    one event of `*job`, `*entry`
 *   PROGRESS  of `*job`; only `entry->json` is there
 *   END       of `*job`; only `entry->seq` and `entry->server_seq` are there
 *   GAP       `*gap` of `*job` is gone. From 1 when it went before the tail was
 *             attached: as jobsrv_cursor_attach_behind(). `*job` NULL: events
 *             up to `gap->server_seq` are gone together with their jobs, and
 *             nobody knows how many
 *   NOTHING   all read, or enough was looked at for this turn; `notify` will
 *             come
 */
JOBSRV_EXTERN jobsrv_read_t jobsrv_tail_peek(jobsrv_tail_t *tail,
                                             jobsrv_job_t **job,
                                             jobsrv_entry_t *entry,
                                             jobsrv_view_t *gap);

/* Moves on over what was peeked. */
JOBSRV_EXTERN void jobsrv_tail_advance(jobsrv_tail_t *tail);

/* All up to this number was read. */
JOBSRV_EXTERN uint64_t jobsrv_tail_after(const jobsrv_tail_t *tail);

enum {
  JOBSRV_RECORD_BRIEF = 1 /* leave out a result or prompt over 16 KiB, and say
                             so */
};

/*
 * Writes the job's record as one JSON object, without `links`, in the manner
 * of snprintf: returns the length it has, and writes a part of it, without a
 * NUL, when `cap` is less. A brief record never has more than
 * JOBSRV_RECORD_MAX bytes. A record does not change after the job's end:
 * its events.first_seq is then what was retained at the end.
 */
JOBSRV_EXTERN size_t jobsrv_job_record(const jobsrv_job_t *job,
                                       int flags,
                                       char *to,
                                       size_t cap);

enum { JOBSRV_RECORD_MAX = 128 * 1024 - 1024 };

/*
 * Parses an event id or a bare number: `<boot>-<seq>` or `<seq>`.
 * Returns 0 with `*seq`; 1 when the boot is another one's, with its `*seq`;
 * JOBSRV_EBADCURSOR when it is malformed or a server-wide one (`<boot>-g<N>`).
 */
JOBSRV_EXTERN int jobsrv_event_id_parse(const jobsrv_t *srv,
                                        const char *text,
                                        size_t len,
                                        uint64_t *seq);

/*
 * The same for a number over all jobs: `<boot>-g<N>`, `g<N>` or `<N>`.
 * Returns 0; 1 when the boot is another one's; JOBSRV_EBADCURSOR when it is
 * malformed or one job's (`<boot>-<seq>`).
 */
JOBSRV_EXTERN int jobsrv_server_id_parse(const jobsrv_t *srv,
                                         const char *text,
                                         size_t len,
                                         uint64_t *server_seq);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_LOG_H */
