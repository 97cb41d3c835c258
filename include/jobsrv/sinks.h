/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SINKS_H
#define JOBSRV_SINKS_H

/*
 * Sinks that keep what jobs say: a file of JSON lines, syslog, the journal.
 * They are written by the server's writer thread, so that no disk and no daemon
 * holds up a job or the loop. Each has a queue of its own with a bound: what
 * does not fit is dropped, counted (jobsrv_sink_dropped()), and told in the
 * place where it is missing. Drain and close wait for what is queued, as long
 * as it is taken.
 */

#include "jobsrv/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * `err` is not 0: the sink cannot write, or not all that it should, since the
 * file, the socket or the daemon behind it says so. It is told once, and goes
 * on trying by itself. `err` is 0: it can again, and `lost` events were lost in
 * between. On the loop thread; not after the sink's removal.
 */
typedef void (*jobsrv_sink_trouble_cb)(jobsrv_sink_t *sink,
                                       int err,
                                       uint64_t lost,
                                       void *data);

/* ---- files ---- */

typedef struct jobsrv_file_options_s {
  size_t size;      /* set by jobsrv_file_options_init() */
  const char *path;
  const jobsrv_sink_options_t *sink; /* NULL: all defaults */
  uint32_t mode;    /* of a file that is made, under the umask; 0: 0640 */
  uint64_t max_bytes; /* past it the file is moved to `path`.1, that to
                         `path`.2 and so on; 0: never */
  uint32_t keep;    /* how many of those there are at most; 0: 5 */
  jobsrv_overflow_t overflow;
  uint32_t max_queue; /* bytes waiting; 0: 4 MiB */
  jobsrv_sink_trouble_cb on_trouble; /* NULL: nobody is told */
  void *data;
} jobsrv_file_options_t;

static inline void jobsrv_file_options_init(jobsrv_file_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds a file that gets the JSON object of each event, one a line, and nothing
 * else: `{"type":"dropped","time":..,"count":N}` stands where N are missing.
 * There is never a part of a line: what a full disk took of one is taken back.
 * A last line that a crash has left unfinished is finished, if it is whole
 * JSON, or else removed, when the file is opened. No line is larger than
 * `max_bytes` allows the file to be, unless it is alone in it.
 *
 * The path is opened here, links followed, so that mistakes are told here. When
 * the file is removed, or its descriptor closed by somebody else, it is made
 * anew, and that told; when it is moved, it is still written, until
 * jobsrv_file_reopen(). Processes may share a file whose `max_bytes` is 0: each
 * line is one write at its end; only when the disk is full may a part of one
 * remain.
 *
 * Returns as jobsrv_sink_add(); UV_EMFILE when the server has 16 sinks that
 * block; what opening the file returned; UV_ESPIPE for a pipe.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_file_add(jobsrv_t *srv,
                    const jobsrv_file_options_t *options,
                    jobsrv_sink_t **out);

/*
 * Opens the path again, in the writer thread: for who has moved the file. When
 * that fails, the one that is open is still written, and it is told and tried
 * again. Returns 0, or UV_EINVAL for a sink that is no file.
 */
JOBSRV_EXTERN int jobsrv_file_reopen(jobsrv_sink_t *sink);

/*
 * ---- daemons ----
 *
 * Both find the priority by the level: 2 (critical) for fatal, 3 error, 4 warn,
 * 6 info, 7 for debug and trace. Both name what is in the JSON of an event:
 * each member and each extra field by its name, of `error`, `progress` and
 * `tags` each part as "error_code" and the like, anything else that is not a
 * text or a number as JSON. A field whose name is that of a member of ours is
 * "field_NAME". The daemon need not be there: what cannot be delivered waits,
 * and is tried again after 50 ms, later after up to 5 s.
 */

typedef struct jobsrv_syslog_options_s {
  size_t size;          /* set by jobsrv_syslog_options_init() */
  const char *path;     /* of its socket; NULL: /dev/log */
  const jobsrv_sink_options_t *sink; /* NULL: all defaults */
  int facility;         /* 1..23; 0: 3, daemon */
  const char *app_name; /* NULL: the name of the program */
  const char *hostname; /* NULL: the host's */
  const char *sd_id;    /* NULL: "jobsrv@32473", a number kept for examples;
                           who has one of their own says so */
  uint32_t max_message; /* bytes, 480..65536; 0: 8 KiB */
  jobsrv_overflow_t overflow;
  uint32_t max_queue;   /* bytes waiting; 0: 4 MiB */
  jobsrv_sink_trouble_cb on_trouble; /* NULL: nobody is told */
  void *data;
} jobsrv_syslog_options_t;

static inline void
jobsrv_syslog_options_init(jobsrv_syslog_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds a sink that sends each event as one message of RFC 5424: the action as
 * MSGID, what it says for people as MSG, all the rest as structured data.
 * Controls and what could hide are shown as \x1b or \u202e. What is longer than
 * `max_message` is cut at characters, values before MSG, with the parameter
 * truncated="1". A datagram each, or, if the socket is a stream, with octet
 * counting.
 *
 * Returns as jobsrv_sink_add(); UV_EMFILE when the server has 16 sinks that
 * block; UV_ENAMETOOLONG for a path that no socket has.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_syslog_add(jobsrv_t *srv,
                      const jobsrv_syslog_options_t *options,
                      jobsrv_sink_t **out);

/* [any] The number of "daemon", "local0", ...; UV_EINVAL for others. */
JOBSRV_EXTERN int jobsrv_syslog_facility(const char *name);

typedef struct jobsrv_journal_options_s {
  size_t size;            /* set by jobsrv_journal_options_init() */
  const char *path;       /* NULL: /run/systemd/journal/socket */
  const jobsrv_sink_options_t *sink; /* NULL: all defaults */
  const char *identifier; /* NULL: the name of the program */
  jobsrv_overflow_t overflow;
  uint32_t max_queue;     /* bytes waiting; 0: 4 MiB */
  jobsrv_sink_trouble_cb on_trouble; /* NULL: nobody is told */
  void *data;
} jobsrv_journal_options_t;

static inline void
jobsrv_journal_options_init(jobsrv_journal_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds a sink that sends each event to the journal by its own protocol:
 * MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, CODE_FILE, CODE_LINE, CODE_FUNC, and
 * JOBSRV_NAME for everything else, in capitals, with _ for what may not be in
 * such a name. MESSAGE is what the event says for people, with controls but
 * tabs and line ends shown escaped; where that changes it, JOBSRV_HUMAN is the
 * text itself. What is too large for a datagram goes as a sealed file.
 *
 * Returns as jobsrv_syslog_add().
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_journal_add(jobsrv_t *srv,
                       const jobsrv_journal_options_t *options,
                       jobsrv_sink_t **out);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SINKS_H */
