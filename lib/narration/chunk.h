/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_CHUNK_H_
#define JOBSRV_NARRATION_CHUNK_H_

/*
 * What a log is made of. One thread writes; any number read.
 *
 * A chunk holds frames one behind the other from its start, and one slot for
 * each growing from its end. `written` publishes both at once: it is stored
 * with release after the bytes and the slot, and loaded with acquire before
 * them, so inside a chunk nobody waits for anybody. The log's mutex is taken
 * for whatever follows `next` or `head`: attaching, stepping to the next chunk,
 * trimming. A reader references only the chunk it stands in.
 *
 * `logs`, `job`, `alloc` and `id` do not change while a cursor is lent, and
 * `last` and `trimmed_server_seq` do not once there is no chunk, which is
 * looked at under the mutex. The rest is the loop thread's.
 */

#include "base/mpsc.h"
#include "narration/log.h"
#include "narration/pace.h"
#include "narration/pem.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
  JOBSRV__CHUNK_MIN = 1024,     /* sizes of the whole allocation */
  JOBSRV__CHUNK_MAX = 64 * 1024,
  JOBSRV__FRAME_MAX = 0xffffff  /* six digits of size line */
};

/* How a chunk stands to those behind it. Only goes up. */
enum {
  JOBSRV__CHUNK_OPEN,    /* is being written */
  JOBSRV__CHUNK_SEALED,  /* full: there is a next one */
  JOBSRV__CHUNK_SEVERED  /* trimmed: the way on is through the log's head */
};

/* One event. `json` is the object's place behind the frame's `offset`. */
typedef struct jobsrv__slot_s {
  uint64_t server_seq;
  uint32_t offset;
  uint32_t json_len;
  uint16_t json;
  uint8_t level;
  uint8_t kind;
} jobsrv__slot_t;

struct jobsrv__chunk_s {
  atomic_uint refs;
  atomic_uint state;
  _Atomic uint64_t written; /* events << 32 | bytes */
  uint64_t first_seq;
  uint64_t before;          /* the server_seq of the event before that */
  jobsrv__chunk_t *next;    /* under the log's mutex */
  uint32_t capacity;        /* of bytes[], slots included */
  _Alignas(8) char bytes[];
};

typedef struct jobsrv__progress_frame_s jobsrv__progress_frame_t;
typedef struct jobsrv__loan_s jobsrv__loan_t;

/* A rendered value; written again only while nobody stands inside it. */
struct jobsrv__progress_frame_s {
  atomic_uint refs;
  uint32_t version;
  uint32_t len;
  uint32_t json;     /* offset */
  uint32_t json_len;
  char bytes[];
};

enum {
  JOBSRV__PROGRESS_TEXT = 64,
  JOBSRV__PROGRESS_WHOLE = 1000000, /* millionths of what is done */
  JOBSRV__PROGRESS_EVERY_NS = 100 * 1000 * 1000
};

enum { JOBSRV__PROGRESS_NO_PERCENT = UINT16_MAX };

typedef struct jobsrv__progress_value_s {
  double done;
  double total;
  double rate;       /* in a second; 0: unknown */
  uint64_t eta_ms;   /* UINT64_MAX: unknown */
  uint64_t wall_ns;
  uint32_t millionths; /* of the whole, never less than before */
  uint16_t tenths;   /* of a percent, likewise; or NO_PERCENT */
  uint8_t unit_len;  /* 0: absent */
  uint8_t phase_len;
  char unit[JOBSRV__PROGRESS_TEXT];
  char phase[JOBSRV__PROGRESS_TEXT];
} jobsrv__progress_value_t;

typedef struct jobsrv__progress_state_s {
  jobsrv__log_t *log;
  jobsrv_timer_t timer;
  jobsrv__queue_t news;       /* for sinks */
  jobsrv__queue_t in_tails;   /* once it was published */
  uint64_t tick;              /* of that, over all jobs */
  uint64_t published_ns;      /* monotonic */
  int is_own;                 /* the job has reported, not its children */
  uint32_t attempt;           /* which has reported last */
  uint16_t floor_tenths;      /* what it has been shown */
  uint32_t floor_millionths;
  double from;                /* the part of the whole that its phase is */
  double to;
  jobsrv__pace_t pace;
  uint32_t version;           /* of `value`, from 1 */
  _Atomic uint32_t published; /* of `shown`; 0: none */
  jobsrv__progress_frame_t *frame; /* under the log's mutex, as `shown` */
  jobsrv__progress_value_t value;  /* the newest */
  jobsrv__progress_value_t shown;  /* what watchers are to see */
} jobsrv__progress_state_t;

/*
 * The cursors of one log that are lent to one reader. Counted: one for being
 * the log's, which ends with its last cursor, one while it is in the reader's
 * queue.
 */
struct jobsrv__loan_s {
  jobsrv__mpsc_node_t node;  /* in reader->told */
  atomic_uint refs;
  atomic_uint is_told;       /* it is in there */
  jobsrv_reader_t *reader;
  jobsrv__loan_t *next;      /* of the log */
  uint32_t cursors;          /* given back or not */
  /* the reader's own */
  jobsrv__loan_t *due;
  jobsrv_cursor_t *first;
  jobsrv_cursor_t *newest;
  jobsrv_cursor_t *walk;     /* the next to be told */
};

struct jobsrv_reader_s {
  jobsrv__mpsc_t told;       /* loans with news */
  jobsrv__queue_t link;      /* in logs->readers */
  jobsrv_t *srv;
  jobsrv_alloc_t alloc;
  jobsrv_reader_cb wake;
  void *data;
  uint8_t is_due;            /* to be woken in this turn */
};

struct jobsrv__log_s {
  jobsrv__logs_t *logs;       /* NULL once the server has closed */
  jobsrv_job_t *job;
  jobsrv_alloc_t alloc;       /* a copy: logs may outlive the server */
  pthread_mutex_t lock;
  jobsrv__chunk_t *head;      /* NULL: nothing is retained */
  jobsrv__chunk_t *tail;
  uint64_t last;              /* seq of the last event in the log */
  char next[20];              /* the seq of the next one, in decimal */
  uint32_t next_len;
  uint64_t bytes;             /* of the chunks from head to tail */
  uint64_t events;
  uint64_t first_at_end;      /* first retained when the job ended */
  uint64_t trimmed_server_seq; /* of the last event that was trimmed */
  uint32_t next_size;         /* of the next chunk */
  atomic_uchar ended;         /* nothing will be appended any more */
  uint8_t news;               /* told to nobody yet */
  uint8_t walking;            /* cursors are being told */
  uint8_t log_class;
  _Atomic(jobsrv__progress_state_t *) progress; /* NULL until the first */
  jobsrv__loan_t *loans;
  jobsrv_cursor_t *first;     /* not lent ones, oldest first */
  jobsrv_cursor_t *newest;
  jobsrv_cursor_t *fresh;     /* from here on not yet looked at */
  jobsrv_cursor_t *walk;      /* the next to be told */
  jobsrv__queue_t in_dirty;
  jobsrv__queue_t in_all;
  jobsrv__queue_t in_class;   /* of live ones, or among the ended */
  jobsrv__queue_t in_tails;   /* while there are some, see tail.c */
  char id[JOBSRV__ID_SIZE];
  jobsrv__pem_t pem;          /* private keys that are being told */
};

static inline uint32_t jobsrv__written_bytes(uint64_t written) {
  return (uint32_t) written;
}

static inline uint32_t jobsrv__written_events(uint64_t written) {
  return (uint32_t) (written >> 32);
}

/* The slot of the chunk's event `i`, from 0. */
static inline jobsrv__slot_t *jobsrv__chunk_slot(jobsrv__chunk_t *chunk,
                                                 uint32_t i) {
  return (jobsrv__slot_t *) (void *) (chunk->bytes + chunk->capacity) - 1 - i;
}

static inline uint64_t jobsrv__chunk_load(const jobsrv__chunk_t *chunk) {
  return atomic_load_explicit(&chunk->written, memory_order_acquire);
}

/* How many bytes the chunk takes of memory. */
static inline uint64_t jobsrv__chunk_size(const jobsrv__chunk_t *chunk) {
  return sizeof(*chunk) + chunk->capacity;
}

/*
 * The largest ordinary chunk and the most events in one: an eighth of what a
 * log may hold, so that dropping one does not drop much more than it must.
 */
uint32_t jobsrv__chunk_max(const jobsrv_t *srv);
uint32_t jobsrv__chunk_max_events(const jobsrv_t *srv);

/* A chunk of `size` bytes in all, a multiple of 8; one reference, or NULL. */
jobsrv__chunk_t *jobsrv__chunk_new(jobsrv__log_t *log,
                                   size_t size,
                                   uint64_t first_seq);

/* [any with a reference to it, or under the log's mutex] */
void jobsrv__chunk_ref(jobsrv__chunk_t *chunk);
void jobsrv__chunk_unref(jobsrv__log_t *log, jobsrv__chunk_t *chunk);

/* Fills `entry` with the chunk's event `i`. */
void jobsrv__chunk_entry(jobsrv__chunk_t *chunk,
                         uint32_t i,
                         jobsrv_entry_t *entry);

/* The first seq that is retained; one more than `last` when none is. */
static inline uint64_t jobsrv__log_first(const jobsrv__log_t *log) {
  return log->head != NULL ? log->head->first_seq : log->last + 1;
}

/* The number, over all jobs, of the newest event that is or was in the log. */
static inline uint64_t jobsrv__log_newest_number(const jobsrv__log_t *log) {
  jobsrv__chunk_t *tail = log->tail;

  if (tail == NULL)
    return log->trimmed_server_seq;
  return jobsrv__chunk_slot(
             tail, jobsrv__written_events(jobsrv__chunk_load(tail)) - 1)
      ->server_seq;
}

/* A log has something new for its cursors. */
void jobsrv__log_dirty(jobsrv__log_t *log, int news);

/* Frees the memory of a log that nothing refers to. */
void jobsrv__log_destroy(jobsrv__log_t *log);

/* ---- trim.c ---- */

/* Puts a live log where its bytes belong; after they have changed. */
void jobsrv__log_classify(jobsrv__log_t *log);

/* The log has grown: keeps it and all of them within their bounds. */
void jobsrv__log_trim(jobsrv__log_t *log);

/* Drops the whole chunks of a log that has ended. */
void jobsrv__log_drop(jobsrv__log_t *log);

/* ---- progress.c ---- */

/* Lets watchers see the present value, if they do not yet. */
void jobsrv__progress_publish(jobsrv__progress_state_t *progress);

/* The published frame, referenced; NULL when there is no memory for it. */
jobsrv__progress_frame_t *jobsrv__progress_frame(jobsrv__log_t *log);
void jobsrv__progress_unref(jobsrv__log_t *log,
                            jobsrv__progress_frame_t *frame);

/* The version that watchers are to have seen; 0: none. */
static inline uint32_t jobsrv__progress_version(const jobsrv__log_t *log) {
  const jobsrv__progress_state_t *progress =
      atomic_load_explicit(&log->progress, memory_order_acquire);

  return progress == NULL ? 0
                          : atomic_load_explicit(&progress->published,
                                                 memory_order_acquire);
}

/* Ends the timer and gives the memory back. */
void jobsrv__progress_stop(jobsrv__log_t *log);
void jobsrv__progress_free(jobsrv__log_t *log);

/* ---- cursor.c ---- */

enum { /* of a cursor's flags; the others are its own */
  JOBSRV__CURSOR_TOLD = 1 << 0, /* and has not read to the end since */
  JOBSRV__CURSOR_BORN = 1 << 3  /* linked while cursors were being told */
};

/* The last of the chunk's events that is numbered `n` or less; else before. */
uint64_t jobsrv__chunk_seq_at(jobsrv__chunk_t *chunk, uint64_t n);

/* Tells the cursors that have something to read, each once. */
void jobsrv__cursors_tell(jobsrv__log_t *log);

/* Among those that are told here, or not any more. */
void jobsrv__cursor_link(jobsrv__log_t *log, jobsrv_cursor_t *cursor);
void jobsrv__cursor_unlink(jobsrv__log_t *log, jobsrv_cursor_t *cursor);

/* ---- reader.c ---- */

/* A log has news for its lent cursors; readers are woken behind all of it. */
void jobsrv__loans_tell(jobsrv__log_t *log);
void jobsrv__readers_wake(jobsrv__logs_t *logs);

/* A lent cursor has been given back, and is detached or linked here next. */
void jobsrv__loan_end(jobsrv_cursor_t *cursor);

#endif /* JOBSRV_NARRATION_CHUNK_H_ */
