/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_ENCODE_H_
#define JOBSRV_NARRATION_ENCODE_H_

/*
 * Events as JSON, written by hand. Text safety lives here, once: UTF-8 is
 * repaired, controls and everything that could be taken for a line end are
 * escaped, long texts are cut with a mark. Any thread.
 */

#include "base/buf.h"
#include "base/id.h"
#include "core/job.h"
#include "narration/plain.h"

/*
 * A JSON string with its quotes, at most `max` bytes of `text` (0: no bound),
 * never splitting a character; " …(+N bytes)" marks what was cut.
 */
void jobsrv__json_string(jobsrv__buf_t *buf,
                         const char *text,
                         size_t len,
                         size_t max);

/* The same behind `key`, which brings its own quotes and punctuation. */
static inline void jobsrv__json_member(jobsrv__buf_t *buf,
                                       const char *key,
                                       size_t key_len,
                                       const char *text,
                                       size_t len,
                                       size_t max) {
  char *to;

  if (max == 0 || len <= max) {
    to = jobsrv__buf_reserve(buf, key_len + len + 2);
    if (to == NULL)
      return;
    memcpy(to, key, key_len);
    to += key_len;
    *to++ = '"';
    if (jobsrv__copy_plain(to, text, len)) {
      to[len] = '"';
      buf->len += key_len + len + 2;
      return;
    }
  }
  (void) jobsrv__buf_append(buf, key, key_len);
  jobsrv__json_string(buf, text, len, max);
}

/* The same into fixed memory: returns the bytes written, at most `cap`. */
size_t jobsrv__json_string_to(char *to,
                              size_t cap,
                              const char *text,
                              size_t len,
                              size_t max);

/* All of `text` as it is in such a string, without the quotes. */
void jobsrv__json_escaped(jobsrv__buf_t *buf, const char *text, size_t len);

/* Room that a body of these never exceeds. */
enum { JOBSRV__STATE_BODY = 384 };

/*
 * The body of a state event: `"time":..,"job_id":..,"state":..,"previous":..,
 * "attempt":N,"cancel_requested":bool}`; `previous` is left out when `from`
 * equals `to` and the job is created. Returns its length.
 */
size_t jobsrv__encode_state(char to[JOBSRV__STATE_BODY],
                            const jobsrv_job_t *job,
                            const jobsrv__note_t *note,
                            uint64_t wall_ns,
                            uint32_t attempt,
                            int created);

/* The body of a dropped event: `"time":..,"job_id":..,"count":N}`. */
size_t jobsrv__encode_dropped(char to[JOBSRV__STATE_BODY],
                              const jobsrv_job_t *job,
                              uint64_t wall_ns,
                              uint64_t count);

/*
 * Appends the body of a narration or data event, whose `wall_ns` and defaults
 * are filled in, to what is in `buf`. `job` may be NULL: it belongs to none.
 * `human_len` is the length of `human`, of which no more than `max_text` + 4
 * bytes are read. Returns 0, or what jobsrv_narrate_event() returns for a bad
 * event; `buf` is then as it was.
 */
int jobsrv__encode_event(jobsrv__buf_t *buf,
                         const jobsrv_job_t *job,
                         const jobsrv_event_t *event,
                         size_t human_len,
                         uint32_t max_text,
                         uint32_t max_event_bytes);

/* ---- fields.c ---- */

/* The bounds of a field's key, and of the nesting of raw JSON. */
enum { JOBSRV__KEY_MAX = 64, JOBSRV__FIELD_DEPTH = 64 };

/* 0, or UV_EINVAL for a key or type that is none, or a key that is twice. */
int jobsrv__fields_check(const jobsrv_field_t *fields, size_t n);

/*
 * `,"key":value` for each well-known one, then the others as
 * `,"fields":{...}`. Returns 0, JOBSRV_EJSON, or what the buffer returned.
 */
int jobsrv__fields_put(jobsrv__buf_t *buf,
                       const jobsrv_field_t *fields,
                       size_t n,
                       size_t max_text);

/* An object of all of them, checked before; no text is cut. Likewise. */
int jobsrv__fields_object(jobsrv__buf_t *buf,
                          const jobsrv_field_t *fields,
                          size_t n);

/* 1 if an extra of this key could pass for another name of an event. */
int jobsrv__field_name_taken(const char *key);

/*
 * What a field is called among the members of its event, for readers that have
 * all at one level: its key, or "field_KEY" for an extra whose name is taken.
 */
enum { JOBSRV__FLAT_NAME = JOBSRV__KEY_MAX + 8 };
const char *jobsrv__field_flat_name(const jobsrv_field_t *field,
                                    char to[JOBSRV__FLAT_NAME]);

/* Checks `text`, and appends it without white space and harmless. */
int jobsrv__raw_put(jobsrv__buf_t *buf, const char *text, size_t len);

/* ---- text.c ---- */

/* A character that a terminal or a reader of lines might take for more. */
static inline int jobsrv__text_risky(uint32_t cp) {
  return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x61c ||
         cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
         (cp >= 0x2066 && cp <= 0x2069);
}

/* The cut mark: " …(+N bytes)", no NUL. Returns its length. */
enum { JOBSRV__CUT_MARK = 40 };
size_t jobsrv__cut_mark(char to[JOBSRV__CUT_MARK], size_t cut);

/* How much of a text is kept of at most `max`; the mark of the rest, or "". */
int jobsrv__cut_marked(char mark[JOBSRV__CUT_MARK],
                       const char *text,
                       size_t max);

#endif /* JOBSRV_NARRATION_ENCODE_H_ */
