/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_H
#define JOBSRV_SSE_H

/*
 * The HTTP/1.1 and Server-Sent Events transport: serves a server's jobs and
 * their narration from the same loop. HTTP as RFC 9110 and 9112, event streams
 * as WHATWG HTML 9.2, problems as RFC 9457. All calls belong to the loop
 * thread.
 *
 *   POST   P/jobs               creates a job
 *   GET    P/jobs/{id}          its record
 *   GET    P/jobs/{id}/stream   its narration, live and from the start
 *   GET    P/jobs/{id}/events   the same in pages: after=, limit= (100, at most
 *                               1,000), wait= seconds for the first (60)
 *   GET    P/stream?jobs=a,b,c  many jobs on one stream, in the order in which
 *                               all was told: ids are <boot>-g<N>, `end` says
 *                               whose it is and has no marker behind it
 *   GET    P/events             if turned on: all jobs that the caller may see,
 *                               the same way; those that come join by
 *                               themselves, and it does not end
 *   DELETE P/jobs/{id}          asks it to stop, as POST P/jobs/{id}/cancel
 *   POST   P/jobs/{id}/answer   input for a job that waits for it
 *   POST   P/jobs/{id}/ticket   lets a page's EventSource watch it: a stream
 *                               with ?ticket= needs no token
 *   GET    P/openapi.json       all that is served, the host's routes too, as
 *                               an OpenAPI 3.1 document
 *   GET    /health  /ready      alive; taking work
 *   GET    /metrics             if turned on: what is counted and measured, as
 *                               Prometheus text or OpenMetrics (metrics.h)
 *
 * Streams are text/event-stream or, by Accept, application/x-ndjson, and start
 * behind the cursor in Last-Event-ID or after=. In the query:
 *
 *   level=warn    a floor; opening, gap and end are always sent
 *   format=text   "[actor] action : text" in the place of JSON, for people;
 *                 mode=cute or story picks the voice
 *   lag=break     see jobsrv_sse_lag_t
 *
 * POST P/jobs with one of these types in Accept creates and streams in one.
 *
 * In NDJSON of many jobs what has an id has it as its member `id`, which after=
 * takes. Holes in these numbers mean nothing: they are events of other jobs.
 * What is missing is told by a `gap`: with `job_id`, `missed_from` and
 * `missed_to` for the events of a job that are not retained any more (from 1
 * when they went before the stream was opened: some of them may have been read
 * before); with `reason` "forgotten" alone when jobs are gone whose events were
 * not all read: which, and whether they were to be seen, nobody knows any more,
 * but those that were known not to be are left out; with "restart" when the
 * cursor is of another server object, and all that is retained follows.
 *
 * P/events begins, without a cursor, with the oldest event that is retained,
 * once all jobs were looked at, a few thousand in each turn of the loop; there
 * are no records at its beginning, as P/jobs has them. It watches no job:
 * none starts, goes on or is cancelled for it, and max_streams_per_job does not
 * count it. When the server drains it ends behind the last job's end, with the
 * cursor to come back with: the next server answers that with a gap.
 *
 * If the host turns it on (`gzip`), streams of every kind are compressed for
 * those whose Accept-Encoding asks for it. Each flush can be read at once, and
 * what is sent as it lies in the log is compressed once for all who are sent
 * it. It is off because of what it gives away (BREACH): whoever sees how long
 * a stream's packets are, and can have a text of his own told beside a secret,
 * learns from the lengths whether the one is in the other. Leave it off where
 * jobs tell secrets and texts of strangers alike.
 *
 * P is the prefix. Only operations with `expose` can be created, and jobs with
 * `is_private` cannot be seen.
 */

#include "jobsrv/jobsrv.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_sse_s jobsrv_sse_t;

/* What a watcher is told that is too slow for what its job retains. */
typedef enum {
  JOBSRV_SSE_LAG_GAP,  /* which events it has missed, and on it goes */
  JOBSRV_SSE_LAG_BREAK /* nothing: its stream ends without an `end`, and it
                          learns of the gap when it comes back. Not for jobs
                          that are gone, which may have been none of its */
} jobsrv_sse_lag_t;

/* In which header the proxies in front say whom they speak for. */
typedef enum {
  JOBSRV_SSE_X_FORWARDED_FOR,
  JOBSRV_SSE_FORWARDED /* RFC 7239 */
} jobsrv_sse_proxy_header_t;

/* All fields are copied. Zero is always the default named beside it. */
typedef struct jobsrv_sse_options_s {
  size_t size;                  /* set by jobsrv_sse_options_init() */
  const char *prefix;           /* NULL: "/v1" */
  const char *const *allow_hosts;    /* NULL-ended; besides localhost and IP
                                        literals */
  const char *const *allow_origins;  /* NULL-ended; besides the Host itself:
                                        origins as browsers write them, "null",
                                        or "*" for all */
  int cors_credentials;         /* 1: pages of those may send cookies; not
                                   together with "*" */
  uint32_t ticket_ttl_ms;       /* 0: 60,000; a ticket that has not been used by
                                   then is worth nothing */
  uint32_t cors_max_age_s;      /* 0: 600; how long a preflight holds */
  const char *bearer_token;     /* NULL: none is asked for */

  uint32_t max_request_line;    /* 0: 8 KiB; past it 414 */
  uint32_t max_header_bytes;    /* 0: 32 KiB; past it 431 */
  uint32_t max_header_fields;   /* 0: 100; past it 431 */
  uint32_t max_body;            /* 0: 1 MiB; past it 413 */
  uint32_t max_chunk_extension; /* 0: 16 KiB in one body; past it 413 */
  uint32_t max_trailer_bytes;   /* 0: 8 KiB; past it 431 */
  uint32_t max_json_depth;      /* 0: 64; past it 400 */
  uint32_t max_connections;     /* 0: 1,024, and never above the descriptor
                                   limit less 64; past it 503 */
  uint32_t max_streams;         /* 0: 3/4 of max_connections; past it 503 */
  uint32_t max_streams_per_job; /* 0: 256; past it 429 */
  uint32_t max_jobs_per_stream; /* 0: 64; past it 400 */
  uint32_t max_pipelined;       /* 0: 100 requests waiting; then reads stop */

  uint32_t head_timeout_ms;     /* 0: 10,000 from its first byte; past it 408 */
  uint32_t body_timeout_ms;     /* 0: 30,000; past it 408 */
  uint32_t silent_timeout_ms;   /* 0: 10,000 from accept to the first byte */
  uint32_t keepalive_idle_ms;   /* 0: 60,000 between requests */
  uint32_t answer_timeout_ms;   /* 0: 120,000 for an answer of the host's that
                                   comes later; past it 503 */
  uint32_t write_stall_ms;      /* 0: 20,000 without progress of a write */
  uint32_t heartbeat_ms;        /* 0: 15,000 without a write on a stream */
  uint32_t retry_ms;            /* 0: 2,000; 1,000..60,000 */
  uint32_t max_stream_ms;       /* 0: none; a stream breaks off, to be resumed,
                                   with what it sends next after this time */
  int lag;                      /* jobsrv_sse_lag_t, for who does not ask by
                                   lag= */
  uint32_t send_buffer;         /* 0: the kernel's; SO_SNDBUF of connections */
  int all_events;               /* 1: GET P/events is there, for those who may:
                                   it shows what all may see of all jobs */
  int metrics;                  /* 1: GET /metrics is there, for those who
                                   may: it tells what the server does */
  const char *metrics_token;    /* NULL: none; a bearer token for GET /metrics
                                   and nothing else, besides bearer_token */
  int gzip;                     /* 1: streams are compressed for those who ask
                                   for it; see above what that gives away */
  const char *const *trust_proxies;  /* NULL-ended, NULL: none. Who is believed
                                   when it says for whom it speaks: "10.0.0.1",
                                   "10.0.0.0/8", "2001:db8::/32" or "unix";
                                   see jobsrv_sse_client() */
  int proxy_header;             /* jobsrv_sse_proxy_header_t that those write.
                                   The other one is the client's making, which
                                   they pass on as it is */
  uint32_t fanout_loops;        /* 0: none; at most 64 threads that send what
                                   streams have to send, see below */
} jobsrv_sse_options_t;

static inline void jobsrv_sse_options_init(jobsrv_sse_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Many watchers can take more than one core has. With `fanout_loops` a stream,
 * once it is open, goes to one of that many threads of the transport's own,
 * which block all signals: it sends there, with the heartbeats between. All the
 * rest stays the loop's: accepting, reading, authorising, routes, hooks, limits
 * and counts, and the end of a stream. This is for streams of one job as
 * HTTP/1.1 sends them unless it is asked for more: those of many jobs, of
 * another form or `level`, compressed, in HTTP/1.0, and connections that are
 * no sockets stay on the loop, as does a stream whose client has sent more
 * behind its request. An allocator or clock of the host's is called from those
 * threads.
 *
 * One is of use when more than one core is to be had. Each takes a thread, five
 * descriptors and some 8 KiB, and a stream that is there about 350 bytes.
 */

/*
 * Makes a transport for `srv`, attached to it as a part: it takes part in
 * drain and close. `options` may be NULL.
 *
 * Returns 0; UV_ENOMEM; JOBSRV_EOPTIONS, also for `gzip` of a library that was
 * built without zlib; UV_EINVAL for a limit out of range, a
 * token that is not visible ASCII, an origin that is none, "*" together with
 * cors_credentials, a proxy that is none, or a prefix that is not "/" and
 * segments of what a URI's path may hold unescaped, at most 128 bytes, without
 * a final "/"; for `fanout_loops` also what making a loop, descriptor or thread
 * returned (UV_EMFILE, UV_EAGAIN, ...).
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_new(jobsrv_sse_t **out,
                   jobsrv_t *srv,
                   const jobsrv_sse_options_t *options);

/*
 * Listens: "127.0.0.1:7070", "[::1]:7070" (port 0 picks one), "unix:PATH"
 * (mode 0600; a socket file nobody listens on is replaced, and it is removed
 * at close) or "fd:N", a stream socket that listens already, as a service
 * manager passes it: it becomes the transport's, no file of it is removed, and
 * it is set to be non-blocking and not inherited. May be called several times.
 *
 * Returns 0, UV_EINVAL for an address of another form, or a descriptor that
 * does not listen, UV_ENOTSOCK, UV_EBADF, UV_EAFNOSUPPORT, UV_ENAMETOOLONG,
 * UV_ENOMEM, JOBSRV_EDRAINING, or what socket, bind or listen returned
 * (UV_EADDRINUSE, UV_EACCES, ...). A descriptor is the host's unless it is 0.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_listen(jobsrv_sse_t *sse, const char *address);

/* All fields are copied. Zero is always the default named beside it. */
typedef struct jobsrv_sse_listen_options_s {
  size_t size;         /* set by jobsrv_sse_listen_options_init() */
  const char *address; /* as above */
  uint32_t mode;       /* 0: 0600; of a socket file, at most 0777: who may
                          connect needs write permission */
  int set_owner;       /* 1: the file is given to these two; (uint32_t) -1
                          leaves the one or the other */
  uint32_t uid;
  uint32_t gid;
} jobsrv_sse_listen_options_t;

static inline void
jobsrv_sse_listen_options_init(jobsrv_sse_listen_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * The same with options. The file has its mode and its owner before anybody can
 * connect.
 *
 * Returns as above; UV_EINVAL also for a mode or an owner of what is no socket
 * file; JOBSRV_EOPTIONS; what chown or chmod returned (UV_EPERM, ...).
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_listen_with(jobsrv_sse_t *sse,
                           const jobsrv_sse_listen_options_t *options);

/*
 * Takes on a connection that the host has accepted, with the `len` bytes that
 * it has read of it already, which are copied: as if it had been accepted here.
 * It counts, has all limits and deadlines, and past max_connections it is told
 * 503. `fd` is a connected stream socket, of the internet or of unix, and the
 * transport's from then on. Nothing is answered from within.
 *
 * Returns 0; else `fd` is still the host's: UV_ENOMEM; UV_EINVAL for a socket
 * that listens or is none of streams; UV_ENOTSOCK, UV_EBADF, UV_EAFNOSUPPORT;
 * UV_ENOTCONN; JOBSRV_EDRAINING when listeners are closed; UV_EMFILE when there
 * are too many to tell even that; what the loop returned.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_adopt(jobsrv_sse_t *sse,
                     int fd,
                     const void *bytes,
                     size_t len);

/*
 * Writes where listener `index` (from 0, in order of listening) can be
 * reached: "http://127.0.0.1:7070", "unix:PATH", or "unix:@NAME" for an
 * abstract one that was passed in.
 * Returns 0, UV_ENOENT when there is none, UV_ENOBUFS when `cap` is too small.
 */
JOBSRV_EXTERN int jobsrv_sse_address(const jobsrv_sse_t *sse,
                                     size_t index,
                                     char *to,
                                     size_t cap);

/* The port of listener `index`, 0 when it has none. */
JOBSRV_EXTERN int jobsrv_sse_port(const jobsrv_sse_t *sse, size_t index);

/* The server it was made for. */
JOBSRV_EXTERN jobsrv_t *jobsrv_sse_server(const jobsrv_sse_t *sse);

/* ---- problems ---- */

/*
 * Every problem that this transport answers with: its status, its `code`, and
 * when. Both stay what they are; a host may answer with others (sse_route.h).
 * Those of 429 and 503 have Retry-After. One that is about a job which the
 * caller may know of has its job_id.
 */
#define JOBSRV_SSE_PROBLEM_MAP(XX)                                            \
  XX(400, bad_request, "no proper HTTP, header, or query")                    \
  XX(400, bad_json, "the body is not JSON, too deep, or has a key twice")     \
  XX(400, bad_cursor, "malformed, of another kind, or beyond the last event") \
  XX(401, unauthorized, "without credentials, or with wrong ones")            \
  XX(403, forbidden, "not for this caller, or not from this origin")          \
  XX(404, not_found, "there is no such path")                                 \
  XX(404, unknown_job, "no such job, or none that may be read")               \
  XX(405, method_not_allowed, "see Allow")                                    \
  XX(406, not_acceptable, "Accept has none of what there is")                 \
  XX(408, timeout, "the request was not complete in time")                    \
  XX(409, not_cancellable, "the operation does not allow it")                 \
  XX(409, conflict, "unique_key is taken, or the job is in another state")    \
  XX(410, expired, "the job's retention has ended")                           \
  XX(411, length_required, "a job to be made of no body")                     \
  XX(413, content_too_large, "a body or payload past its limit")              \
  XX(414, uri_too_long, "a request line past its limit")                      \
  XX(415, unsupported_media_type, "the body is not application/json")         \
  XX(417, expectation_failed, "an Expect that is not 100-continue")           \
  XX(421, misdirected, "a Host that is not served here")                      \
  XX(422, unknown_operation, "there is none, or it is not exposed")           \
  XX(422, invalid_options, "see pointer")                                     \
  XX(422, invalid_payload, "see pointer")                                     \
  XX(422, idempotency_mismatch, "the key came with another body before")      \
  XX(429, queue_full, "max_queued")                                           \
  XX(429, too_many_watchers, "max_streams_per_job")                           \
  XX(429, rate_limited, "by middleware of the host's")                        \
  XX(431, header_too_large, "header or trailer fields past their limits")     \
  XX(500, internal, "a handler has not answered, or worse")                   \
  XX(501, not_implemented, "a transfer coding that is not chunked")          \
  XX(503, too_many_jobs, "max_jobs")                                          \
  XX(503, too_many_streams, "max_streams")                                    \
  XX(503, too_many_connections, "max_connections")                            \
  XX(503, draining, "the server takes no new work")                           \
  XX(503, lost_threads, "more than max_lost_threads; of /ready only")         \
  XX(503, no_memory, "for this, at this moment")                              \
  XX(503, timeout, "an answer of the host's did not come in time")            \
  XX(505, version_not_supported, "neither HTTP/1.1 nor HTTP/1.0")

/* ---- connections that are no sockets ---- */

enum {
  JOBSRV_SSE_READABLE = 1,   /* there are bytes, or their end */
  JOBSRV_SSE_WRITABLE = 2,   /* there is room */
  JOBSRV_SSE_DISCONNECT = 4  /* the client has ended, bytes unread or not */
};

/*
 * What carries a connection's bytes in a socket's place: TLS in the host, a
 * tunnel, a test (jobsrv/testing_sse.h). `self` is the host's. None may block,
 * and none but `close` may call anything of the transport or the server.
 */
typedef struct jobsrv_sse_io_s {
  size_t size; /* sizeof(jobsrv_sse_io_t) */
  /* Gives at most `cap` bytes and returns how many; 0 when there are none now;
     UV_EOF behind the client's last; another negative code when it is lost. */
  int64_t (*read)(void *self, void *to, size_t cap);
  /* Takes at most `len` bytes and returns how many; 0 when there is no room
     now; a negative code when it is lost. */
  int64_t (*write)(void *self, const void *data, size_t len);
  /* From now on jobsrv_sse_conn_ready() is to be called, from the loop, for as
     long as one of these holds; 0: not at all. What is not named is not wanted
     though it may hold. */
  void (*want)(void *self, int events);
  /* No more will be written; reading goes on. */
  void (*shut)(void *self);
  /* The last call: the connection is gone. With `is_reset` the client was cut,
     and what is still on its way to it may be dropped. */
  void (*close)(void *self, int is_reset);
  /* May be NULL. Names the client, for people: writes text and a NUL. */
  void (*peer)(void *self, char *to, size_t cap);
} jobsrv_sse_io_t;

typedef struct jobsrv_sse_conn_s jobsrv_sse_conn_t;

/*
 * Takes on a connection as if it had been accepted: it counts, has all limits
 * and deadlines, and past max_connections it is told 503. `io` is copied. It is
 * called from within, `close` only if this returns 0.
 *
 * Returns 0; UV_ENOMEM; JOBSRV_EDRAINING when listeners are closed; UV_EMFILE
 * when there are too many to tell even that.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_sse_conn_new(jobsrv_sse_conn_t **out,
                        jobsrv_sse_t *sse,
                        const jobsrv_sse_io_t *io,
                        void *self);

/*
 * Says which of the wanted events hold; reads, writes and answers from within.
 * Not from inside a callback of `io`, and not after `close`, which may come
 * from within.
 */
JOBSRV_EXTERN void jobsrv_sse_conn_ready(jobsrv_sse_conn_t *conn, int events);

/* The client is lost: closes from within. Not from inside `io` either. */
JOBSRV_EXTERN void jobsrv_sse_conn_cut(jobsrv_sse_conn_t *conn);

typedef void (*jobsrv_sse_close_cb)(jobsrv_sse_t *sse, void *data);

/*
 * Closes listeners and connections at once; `cb`, which may be NULL, is called
 * when the last handle is closed, and `sse` is gone after it. A second call is
 * ignored. jobsrv_close() does the same to the transports of its server.
 */
JOBSRV_EXTERN void jobsrv_sse_close(jobsrv_sse_t *sse,
                                    jobsrv_sse_close_cb cb,
                                    void *data);

typedef struct jobsrv_sse_stats_s {
  size_t size;               /* set by the caller to sizeof *stats */
  uint64_t accepted;         /* connections */
  uint64_t refused;          /* of them, over max_connections */
  uint64_t requests;
  uint64_t problems;         /* answers of 400 and above */
  uint64_t streams_opened;
  uint64_t bytes_sent;
  uint64_t stalled;          /* connections cut by write_stall_ms */
  uint64_t accept_pauses;    /* for want of descriptors */
  uint32_t connections;
  uint32_t streams;
} jobsrv_sse_stats_t;

/* Fills as much of `stats` as its size says. */
JOBSRV_EXTERN void jobsrv_sse_stats(const jobsrv_sse_t *sse,
                                    jobsrv_sse_stats_t *stats);

/*
 * What GET /metrics answers with: what jobsrv_metrics_write() does, and what
 * this transport counts and measures. A series for each route, the host's own
 * among them, whatever the number of paths.
 *
 *   jobsrv_http_requests_total{method,route,code}  code: "2xx", ...
 *   jobsrv_http_request_duration_seconds{method,route}
 *   jobsrv_http_connections              jobsrv_http_sent_bytes_total
 *   jobsrv_http_connections_accepted_total
 *   jobsrv_http_connections_refused_total
 *   jobsrv_http_connections_limit        jobsrv_http_accept_pauses_total
 *   jobsrv_http_connections_stalled_total
 *   jobsrv_watchers                      jobsrv_watchers_limit
 *   jobsrv_watcher_lag_events            what the slowest has not had yet
 *   jobsrv_watchers_behind{events}       by that many or more: "1", "10", ...
 *   jobsrv_streams_opened_total          jobsrv_stream_ends_total{reason}
 *   jobsrv_stream_bytes_total
 *
 * and, where streams may be compressed, how many pieces were, or were sent once
 * more; and what they were before and are after it.
 *
 *   jobsrv_stream_gzip_pieces_total{how}      how: "made", "shared"
 *   jobsrv_stream_gzip_plain_bytes_total
 *   jobsrv_stream_gzip_packed_bytes_total
 */
JOBSRV_EXTERN int jobsrv_sse_metrics_write(jobsrv_sse_t *sse,
                                           jobsrv_metrics_format_t format,
                                           jobsrv_metrics_cb cb,
                                           void *data);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_SSE_H */
