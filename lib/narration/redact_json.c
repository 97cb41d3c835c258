/* SPDX-License-Identifier: MIT */

#include "narration/redact_event.h"

#include "base/json_scan.h"
#include "base/utf8.h"
#include "narration/encode.h"
#include "narration/redact_find.h"

#include <string.h>

#include <uv.h>

/*
 * A string is looked at with its escapes undone, and goes as it stands if it
 * holds no secret. What has been passed over is copied when there is something
 * to replace, so clean JSON is never copied.
 */
typedef struct {
  const jobsrv_redactor_t *by;
  jobsrv__buf_t *to;
  jobsrv__buf_t *scratch;
  const char *end;
  const char *copied; /* what is before it has been copied, or replaced */
  const char *keep;   /* a string that stays as it is; NULL: none */
  int hide;           /* the voices of an event are secret */
  int changed;
} walker;

static void copy_up_to(walker *w, const char *p) {
  (void) jobsrv__buf_append(w->to, w->copied, (size_t) (p - w->copied));
  w->copied = p;
}

/* `p` to `next` goes, `text` stands in its place, as a string. */
static void replace(walker *w,
                    const char *p,
                    const char *next,
                    const char *text,
                    size_t len) {
  copy_up_to(w, p);
  jobsrv__json_string(w->to, text, len, 0);
  w->copied = next;
  w->changed = 1;
}

/* The content of a string, escapes undone, in `scratch`. */
static void unescape(walker *w, const char *p, const char *end) {
  char bytes[4];

  jobsrv__buf_reset(w->scratch);
  while (p < end)
    (void) jobsrv__buf_append(
        w->scratch, bytes,
        jobsrv__utf8_encode(bytes, jobsrv__json_string_next(&p, end)));
}

static int is_kept(const walker *w, const char *p, const char *next) {
  return w->keep != NULL && strlen(w->keep) == (size_t) (next - p - 2) &&
         memcmp(w->keep, p + 1, (size_t) (next - p - 2)) == 0;
}

/* A value, or the name of a member. */
static void look_at_string(walker *w, const char *p, const char *next) {
  const char *text = p + 1;
  size_t len = (size_t) (next - 1 - text);
  size_t out;
  char *room;

  if (memchr(text, '\\', len) != NULL) {
    unescape(w, text, next - 1);
    text = w->scratch->data;
    len = w->scratch->len;
  }
  if (w->scratch->failed || !jobsrv_redacts(w->by, text, len) ||
      is_kept(w, p, next))
    return;
  if (text == p + 1) {
    jobsrv__buf_reset(w->scratch);
    if (jobsrv__buf_append(w->scratch, text, len) != 0)
      return;
  }
  out = jobsrv_redact(w->by, w->scratch->data, len, NULL, 0);
  room = jobsrv__buf_reserve(w->scratch, out);
  if (room == NULL)
    return;
  (void) jobsrv_redact(w->by, w->scratch->data, len, room, out);
  replace(w, p, next, room, out);
}

static int is_voice(const char *p, size_t len) {
  return (len == 5 && (memcmp(p, "human", 5) == 0 ||
                       memcmp(p, "story", 5) == 0)) ||
         (len == 4 && memcmp(p, "cute", 4) == 0);
}

/* 1 if the value of a member of this name is secret, whatever it is. */
static int name_is_secret(walker *w, const char *p, const char *end) {
  if (w->hide && is_voice(p, (size_t) (end - p)))
    return 1;
  if (memchr(p, '\\', (size_t) (end - p)) == NULL)
    return jobsrv_redacts_name(w->by, p, (size_t) (end - p));
  unescape(w, p, end);
  return !w->scratch->failed &&
         jobsrv_redacts_name(w->by, w->scratch->data, w->scratch->len);
}

/* 1 if there is something to hide in what begins at `p`. */
static int is_worth_it(const walker *w, const char *p, const char *next) {
  const char *mask = w->by->replacement;
  size_t len = (size_t) (next - p);

  if (*p == 'n' || *p == 't' || *p == 'f')
    return 0;
  if (*p != '"')
    return 1;
  return len > 2 && (len - 2 != strlen(mask) ||
                     memcmp(p + 1, mask, len - 2) != 0);
}

/* ---- arguments of a program, one string each ---- */

static int is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* 1 if it is "--NAME" or "-NAME", of a name whose value is secret. */
static int is_secret_option(walker *w, const char *p, const char *end) {
  const char *name = p;

  if (p == end || (*p != '-' && *p != '\\'))
    return 0;
  if (memchr(p, '\\', (size_t) (end - p)) != NULL) {
    unescape(w, p, end);
    if (w->scratch->failed)
      return 0;
    p = w->scratch->data;
    end = p + w->scratch->len;
    name = p;
  }
  while (name < end && name - p < 2 && *name == '-')
    name++;
  if (name == p || name == end || !is_letter(*name))
    return 0;
  for (p = name; p < end; p++)
    if (!is_letter(*p) && (*p < '0' || *p > '9') && *p != '-' && *p != '_')
      return 0;
  return jobsrv_redacts_name(w->by, name, (size_t) (end - name));
}

/* 1 if it is an option itself, "--x" or "-x": no value came before it. */
static int is_option(const char *p, const char *end) {
  if (end - p < 2 || *p != '-')
    return 0;
  return p[1] == '-' ? end - p == 2 || is_letter(p[2])
                     : end - p == 2 && is_letter(p[1]);
}

/*
 * Hides the next of an array, behind the comma at `p`: a string, or a number.
 * Returns where to go on.
 */
static const char *hide_argument(walker *w, const char *p) {
  const char *at = jobsrv__json_skip_space(p + 1, w->end);
  const char *next, *behind;

  if (at == w->end ||
      (*at != '"' && *at != '-' && (*at < '0' || *at > '9')))
    return at;
  next = jobsrv__json_skip_value(at, w->end);
  behind = jobsrv__json_skip_space(next, w->end);
  if ((behind < w->end && *behind == ':') || /* it is a member's name */
      (*at == '"' && is_option(at + 1, next - 1)))
    return at;
  if (is_worth_it(w, at, next))
    replace(w, at, next, w->by->replacement, w->by->replacement_len);
  return next;
}

static void walk(walker *w, const char *p) {
  const char *next, *value;
  int secret;

  while (p < w->end) {
    if (*p != '"') {
      p++;
      continue;
    }
    next = jobsrv__json_skip_string(p, w->end);
    value = jobsrv__json_skip_space(next, w->end);
    if (value == w->end || *value != ':') {
      look_at_string(w, p, next);
      p = value < w->end && *value == ',' &&
                  is_secret_option(w, p + 1, next - 1)
              ? hide_argument(w, value)
              : next;
      continue;
    }
    value = jobsrv__json_skip_space(value + 1, w->end);
    secret = name_is_secret(w, p + 1, next - 1);
    look_at_string(w, p, next);
    if (secret) {
      next = jobsrv__json_skip_value(value, w->end);
      if (is_worth_it(w, value, next))
        replace(w, value, next, w->by->replacement, w->by->replacement_len);
      value = next;
    }
    p = value;
  }
}

static int run(walker *w, const char *json, size_t len) {
  size_t before = w->to->len;

  w->copied = json;
  w->end = json + len;
  jobsrv__buf_reset(w->scratch);
  walk(w, json);
  if (w->changed)
    copy_up_to(w, w->end);
  if (w->to->failed || w->scratch->failed) {
    w->to->len = before;
    return UV_ENOMEM;
  }
  return w->changed;
}

int jobsrv__redact_json(const jobsrv_redactor_t *by,
                        const char *json,
                        size_t len,
                        jobsrv__buf_t *to,
                        jobsrv__buf_t *scratch) {
  walker w = { .by = by, .to = to, .scratch = scratch };

  return run(&w, json, len);
}

int jobsrv__redact_event_json(const jobsrv_redactor_t *by,
                              const jobsrv_event_t *event,
                              int hide,
                              jobsrv__buf_t *to,
                              jobsrv__buf_t *scratch) {
  walker w = { .by = by, .to = to, .scratch = scratch, .hide = hide };

  w.keep = event->job_id;
  return run(&w, event->json, event->json_len);
}
