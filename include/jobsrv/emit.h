/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_EMIT_H
#define JOBSRV_EMIT_H

/*
 * Narration in one line, beyond the plain text of narrate.h: typed fields,
 * other voices, tables, data, progress.
 *
 * Every call here is [any], and returns as jobsrv_narrate_event(). The macros
 * are for C, the calls behind them for everyone. They evaluate `job` twice and
 * the rest once, or, under the level, not at all.
 */

#include "jobsrv/narrate.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- typed fields ---- */

/* A field of each type. Texts are lent until it has been narrated. */
static inline jobsrv_field_t jobsrv_field_string(const char *key,
                                                 const char *value) {
  jobsrv_field_t field;

  memset(&field, 0, sizeof(field));
  field.key = key;
  field.type = JOBSRV_FIELD_STRING;
  field.as.string = value; /* NULL: null */
  return field;
}

/* Of `len` bytes; there may be none. */
static inline jobsrv_field_t jobsrv_field_text(const char *key,
                                               const char *value,
                                               size_t len) {
  jobsrv_field_t field = jobsrv_field_string(key, len > 0 ? value : "");

  field.len = len;
  return field;
}

static inline jobsrv_field_t jobsrv_field_i64(const char *key, int64_t value) {
  jobsrv_field_t field = jobsrv_field_string(key, NULL);

  field.type = JOBSRV_FIELD_I64;
  field.as.i64 = value;
  return field;
}

static inline jobsrv_field_t jobsrv_field_u64(const char *key,
                                              uint64_t value) {
  jobsrv_field_t field = jobsrv_field_string(key, NULL);

  field.type = JOBSRV_FIELD_U64;
  field.as.u64 = value;
  return field;
}

static inline jobsrv_field_t jobsrv_field_f64(const char *key, double value) {
  jobsrv_field_t field = jobsrv_field_string(key, NULL);

  field.type = JOBSRV_FIELD_DOUBLE;
  field.as.f64 = value;
  return field;
}

static inline jobsrv_field_t jobsrv_field_bool(const char *key, int value) {
  jobsrv_field_t field = jobsrv_field_string(key, NULL);

  field.type = JOBSRV_FIELD_BOOL;
  field.as.boolean = value;
  return field;
}

/* JSON text, of any value. */
static inline jobsrv_field_t jobsrv_field_json(const char *key,
                                               const char *json) {
  jobsrv_field_t field = jobsrv_field_string(key, json);

  field.type = JOBSRV_FIELD_JSON;
  return field;
}

/* Two of an event's initialisers: its fields, one or more of the above. */
#define JOBSRV_FIELDS(...)                                                    \
  .fields = (const jobsrv_field_t[]) { __VA_ARGS__ },                         \
  .nfields = sizeof((const jobsrv_field_t[]) { __VA_ARGS__ }) /               \
             sizeof(jobsrv_field_t)

/* ---- the calls ---- */

/*
 * As jobsrv_narrate_event(), with voices that are made here, in place of the
 * event's own. Each is written from the same arguments, so it uses all of them,
 * in their order. The event's `size` may be 0.
 */
JOBSRV_EXTERN JOBSRV_PRINTF(3, 4)
int jobsrv_narrate_with(jobsrv_job_t *job,
                        const jobsrv_event_t *event,
                        const char *human,
                        ...);
JOBSRV_EXTERN JOBSRV_PRINTF(3, 5) JOBSRV_PRINTF(4, 5)
int jobsrv_narrate_cute(jobsrv_job_t *job,
                        const jobsrv_event_t *event,
                        const char *human,
                        const char *cute,
                        ...);
JOBSRV_EXTERN JOBSRV_PRINTF(3, 5) JOBSRV_PRINTF(4, 5)
int jobsrv_narrate_story(jobsrv_job_t *job,
                         const jobsrv_event_t *event,
                         const char *human,
                         const char *story,
                         ...);
JOBSRV_EXTERN JOBSRV_PRINTF(3, 6) JOBSRV_PRINTF(4, 6) JOBSRV_PRINTF(5, 6)
int jobsrv_narrate_voices(jobsrv_job_t *job,
                          const jobsrv_event_t *event,
                          const char *human,
                          const char *cute,
                          const char *story,
                          ...);

/*
 * How often one place in the code may narrate: `count` events at once, and so
 * many in any `per_ms`, evenly after that; of any jobs, on any threads. What is
 * over it is not written, and counted; the next event that passes has the
 * count in the well-known field "suppressed", and texts for people show it.
 */
typedef struct jobsrv_site_s {
  uint32_t count;  /* 0: 1 */
  uint32_t per_ms; /* 0: 1,000 */
  /* private */
  uint64_t next_ns;
  uint64_t suppressed;
} jobsrv_site_t;

#define JOBSRV_SITE(count, per_ms) { (count), (per_ms), 0, 0 }

/*
 * As jobsrv_narrate_with(), if `site`, which any threads may share, has room
 * for it by the clock of the job's server; else 0. An event that is refused
 * behind that has used its room.
 */
JOBSRV_EXTERN JOBSRV_PRINTF(4, 5)
int jobsrv_narrate_limited(jobsrv_job_t *job,
                           jobsrv_site_t *site,
                           const jobsrv_event_t *event,
                           const char *human,
                           ...);

/*
 * As jobsrv_data_event(), its payload an object of the fields, whose texts are
 * not cut. Two of one key are UV_EINVAL.
 */
JOBSRV_EXTERN int jobsrv_data_fields(jobsrv_job_t *job,
                                     const char *action,
                                     const jobsrv_field_t *fields,
                                     size_t nfields);

/* ---- one line ---- */

#define JOBSRV_OPEN_(...) __VA_ARGS__

#define JOBSRV_EVENT_(lv, ...)                                                \
  (&(const jobsrv_event_t) { .level = (lv), .file = __FILE__,                 \
                             .line = __LINE__, .function = __func__,          \
                             __VA_ARGS__ })

#define JOBSRV_EMIT_(job, lv, call)                                           \
  ((lv) >= JOBSRV_LEVEL_FLOOR && jobsrv_narrates_((job), (lv))                \
       ? (call)                                                               \
       : jobsrv_unsaid_())

#define JOBSRV_WITH_(job, lv, what, ...)                                      \
  JOBSRV_EMIT_(job, lv,                                                       \
               jobsrv_narrate_with((job),                                     \
                                   JOBSRV_EVENT_(lv, JOBSRV_OPEN_ what),      \
                                   __VA_ARGS__))
#define JOBSRV_CUTE_(job, lv, act, ...)                                       \
  JOBSRV_EMIT_(job, lv,                                                       \
               jobsrv_narrate_cute((job), JOBSRV_EVENT_(lv, .action = (act)), \
                                   __VA_ARGS__))
#define JOBSRV_STORY_(job, lv, act, ...)                                      \
  JOBSRV_EMIT_(job, lv,                                                       \
               jobsrv_narrate_story((job),                                    \
                                    JOBSRV_EVENT_(lv, .action = (act)),       \
                                    __VA_ARGS__))
#define JOBSRV_VOICES_(job, lv, act, ...)                                     \
  JOBSRV_EMIT_(job, lv,                                                       \
               jobsrv_narrate_voices((job),                                   \
                                     JOBSRV_EVENT_(lv, .action = (act)),      \
                                     __VA_ARGS__))

/*
 * With anything an event may have, as initialisers in parentheses:
 *
 *   jobsrv_info_with(job, (.action = "fetch", .target = url,
 *                          JOBSRV_FIELDS(jobsrv_field_u64("bytes", size),
 *                                        jobsrv_field_bool("cached", hit))),
 *                    "got %zu of %zu", done, total);
 */
#define jobsrv_trace_with(job, what, ...)                                     \
  JOBSRV_WITH_(job, JOBSRV_TRACE, what, __VA_ARGS__)
#define jobsrv_debug_with(job, what, ...)                                     \
  JOBSRV_WITH_(job, JOBSRV_DEBUG, what, __VA_ARGS__)
#define jobsrv_info_with(job, what, ...)                                      \
  JOBSRV_WITH_(job, JOBSRV_INFO, what, __VA_ARGS__)
#define jobsrv_warn_with(job, what, ...)                                      \
  JOBSRV_WITH_(job, JOBSRV_WARN, what, __VA_ARGS__)
#define jobsrv_error_with(job, what, ...)                                     \
  JOBSRV_WITH_(job, JOBSRV_ERROR, what, __VA_ARGS__)
#define jobsrv_fatal_with(job, what, ...)                                     \
  JOBSRV_WITH_(job, JOBSRV_FATAL, what, __VA_ARGS__)

/*
 * With a second voice, or with all three: human first, then cute, then story,
 * then what goes into each of them.
 *
 *   jobsrv_info_cute(job, "fetch", "got %d files", "%d treats in the bag", n);
 */
#define jobsrv_trace_cute(job, action, ...)                                   \
  JOBSRV_CUTE_(job, JOBSRV_TRACE, action, __VA_ARGS__)
#define jobsrv_debug_cute(job, action, ...)                                   \
  JOBSRV_CUTE_(job, JOBSRV_DEBUG, action, __VA_ARGS__)
#define jobsrv_info_cute(job, action, ...)                                    \
  JOBSRV_CUTE_(job, JOBSRV_INFO, action, __VA_ARGS__)
#define jobsrv_warn_cute(job, action, ...)                                    \
  JOBSRV_CUTE_(job, JOBSRV_WARN, action, __VA_ARGS__)
#define jobsrv_error_cute(job, action, ...)                                   \
  JOBSRV_CUTE_(job, JOBSRV_ERROR, action, __VA_ARGS__)
#define jobsrv_fatal_cute(job, action, ...)                                   \
  JOBSRV_CUTE_(job, JOBSRV_FATAL, action, __VA_ARGS__)

#define jobsrv_trace_story(job, action, ...)                                  \
  JOBSRV_STORY_(job, JOBSRV_TRACE, action, __VA_ARGS__)
#define jobsrv_debug_story(job, action, ...)                                  \
  JOBSRV_STORY_(job, JOBSRV_DEBUG, action, __VA_ARGS__)
#define jobsrv_info_story(job, action, ...)                                   \
  JOBSRV_STORY_(job, JOBSRV_INFO, action, __VA_ARGS__)
#define jobsrv_warn_story(job, action, ...)                                   \
  JOBSRV_STORY_(job, JOBSRV_WARN, action, __VA_ARGS__)
#define jobsrv_error_story(job, action, ...)                                  \
  JOBSRV_STORY_(job, JOBSRV_ERROR, action, __VA_ARGS__)
#define jobsrv_fatal_story(job, action, ...)                                  \
  JOBSRV_STORY_(job, JOBSRV_FATAL, action, __VA_ARGS__)

#define jobsrv_trace_voices(job, action, ...)                                 \
  JOBSRV_VOICES_(job, JOBSRV_TRACE, action, __VA_ARGS__)
#define jobsrv_debug_voices(job, action, ...)                                 \
  JOBSRV_VOICES_(job, JOBSRV_DEBUG, action, __VA_ARGS__)
#define jobsrv_info_voices(job, action, ...)                                  \
  JOBSRV_VOICES_(job, JOBSRV_INFO, action, __VA_ARGS__)
#define jobsrv_warn_voices(job, action, ...)                                  \
  JOBSRV_VOICES_(job, JOBSRV_WARN, action, __VA_ARGS__)
#define jobsrv_error_voices(job, action, ...)                                 \
  JOBSRV_VOICES_(job, JOBSRV_ERROR, action, __VA_ARGS__)
#define jobsrv_fatal_voices(job, action, ...)                                 \
  JOBSRV_VOICES_(job, JOBSRV_FATAL, action, __VA_ARGS__)

/*
 * So often at most, from this line: as many as 5 at once, 5 in any second.
 *
 *   jobsrv_warn_limited(job, (5, 1000), "retry", "%s is slow", host);
 *
 * A site for several lines is passed to jobsrv_narrate_limited().
 */
#define JOBSRV_LIMITED_(job, lv, site, act, ...)                              \
  __extension__({                                                             \
    static jobsrv_site_t jobsrv_site_ = JOBSRV_SITE site;                     \
    JOBSRV_EMIT_(job, lv,                                                     \
                 jobsrv_narrate_limited((job), &jobsrv_site_,                 \
                                        JOBSRV_EVENT_(lv, .action = (act)),   \
                                        __VA_ARGS__));                        \
  })

#define jobsrv_trace_limited(job, site, action, ...)                          \
  JOBSRV_LIMITED_(job, JOBSRV_TRACE, site, action, __VA_ARGS__)
#define jobsrv_debug_limited(job, site, action, ...)                          \
  JOBSRV_LIMITED_(job, JOBSRV_DEBUG, site, action, __VA_ARGS__)
#define jobsrv_info_limited(job, site, action, ...)                           \
  JOBSRV_LIMITED_(job, JOBSRV_INFO, site, action, __VA_ARGS__)
#define jobsrv_warn_limited(job, site, action, ...)                           \
  JOBSRV_LIMITED_(job, JOBSRV_WARN, site, action, __VA_ARGS__)
#define jobsrv_error_limited(job, site, action, ...)                          \
  JOBSRV_LIMITED_(job, JOBSRV_ERROR, site, action, __VA_ARGS__)
#define jobsrv_fatal_limited(job, site, action, ...)                          \
  JOBSRV_LIMITED_(job, JOBSRV_FATAL, site, action, __VA_ARGS__)

/*
 * With a table, JSON text: an array of objects, one a row, or an object. It
 * arrives as it is in the well-known field "table".
 *
 *   jobsrv_table(job, "models", json, "%zu models are loaded", n);
 */
#define jobsrv_table(job, act, json, ...)                                     \
  JOBSRV_WITH_(job, JOBSRV_INFO,                                              \
               (.action = (act),                                              \
                JOBSRV_FIELDS(jobsrv_field_json("table", (json)))),           \
               __VA_ARGS__)

/*
 * An event of kind data, its payload an object of typed fields:
 *
 *   jobsrv_tell(job, "loaded", jobsrv_field_string("model", name),
 *               jobsrv_field_u64("bytes", size));
 */
#define jobsrv_tell(job, action, ...)                                         \
  JOBSRV_EMIT_(job, JOBSRV_INFO,                                              \
               jobsrv_data_fields((job), (action),                            \
                                  (const jobsrv_field_t[]) { __VA_ARGS__ },   \
                                  sizeof((const jobsrv_field_t[]) {           \
                                      __VA_ARGS__ }) /                        \
                                      sizeof(jobsrv_field_t)))

/*
 * Progress in one line: the first two members of jobsrv_progress_t, which are
 * `done` and `total`, then any others as initialisers.
 *
 *   jobsrv_progressed(job, 3, 10);
 *   jobsrv_progressed(job, 3, 10, .unit = "files", .phase = "copying");
 *   jobsrv_progressed(job, i, n, .phase = "linking", .from = 80);
 */
#define jobsrv_progressed(job, now, ...)                                      \
  jobsrv_progress((job), &(const jobsrv_progress_t) {                         \
                             .done = (double) (now),                          \
                             JOBSRV_TOTAL_ __VA_ARGS__ })
#define JOBSRV_TOTAL_ .total = (double)

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_EMIT_H */
