/* SPDX-License-Identifier: MIT */

#include "testing/capture.h"

#include <stdarg.h>
#include <stdio.h>

/* Text of a bounded length, for people. */
typedef struct {
  char *to;
  size_t cap;
  size_t used;
} text_t;

static void begin(text_t *text, char *to, size_t cap) {
  text->to = to;
  text->cap = cap;
  text->used = 0;
  if (cap > 0)
    to[0] = '\0';
}

JOBSRV_PRINTF(2, 3)
static void say(text_t *text, const char *format, ...) {
  va_list args;
  int n;

  if (text->used >= text->cap)
    return;
  va_start(args, format);
  n = vsnprintf(text->to + text->used, text->cap - text->used, format, args);
  va_end(args);
  if (n > 0)
    text->used += (size_t) n;
}

static void say_event(text_t *text, const jobsrv_event_t *event) {
  say(text, "%llu %s %s %s %s %s: %s", (unsigned long long) event->seq,
      jobsrv_kind_name(event->kind), jobsrv_level_name(event->level),
      event->actor != NULL ? event->actor : "-",
      event->action != NULL ? event->action : "-",
      event->target != NULL ? event->target : "-",
      event->human != NULL ? event->human : "");
}

static void say_text(text_t *text,
                     const char *what,
                     const char *how,
                     const char *value) {
  if (value != NULL)
    say(text, " %s %s \"%s\"", what, how, value);
}

static void say_field(text_t *text, const jobsrv_match_field_t *field) {
  switch (field->how) {
  case JOBSRV_MATCH_HOW_HAS:
    say(text, " %s is there", field->name);
    break;
  case JOBSRV_MATCH_HOW_LACKS:
    say(text, " %s is not there", field->name);
    break;
  case JOBSRV_MATCH_HOW_IS:
    say_text(text, field->name, "is", field->text);
    break;
  case JOBSRV_MATCH_HOW_HOLDS:
    say_text(text, field->name, "holds", field->text);
    break;
  case JOBSRV_MATCH_HOW_WITHIN:
    say(text, " %s within %.17g..%.17g", field->name, field->least,
        field->most);
    break;
  default:
    break;
  }
}

static void say_match(text_t *text, const jobsrv_match_t *match) {
  size_t before;

  say(text, "{");
  before = text->used;
  if (match != NULL) {
    say_text(text, "job_id", "is", match->job_id);
    say_text(text, "actor", "is", match->actor);
    say_text(text, "action", "is", match->action);
    say_text(text, "target", "is", match->target);
    say_text(text, "human", "holds", match->includes);
    say_text(text, "json", "holds", match->json);
    if (match->level != 0)
      say(text, " level is %s", jobsrv_level_name(match->level));
    if (match->min_level != 0)
      say(text, " level from %s", jobsrv_level_name(match->min_level));
    if (match->max_level != 0)
      say(text, " level to %s", jobsrv_level_name(match->max_level));
    if (match->has_kind)
      say(text, " kind is %s", jobsrv_kind_name(match->kind));
    if (match->after_server_seq != 0)
      say(text, " server_seq above %llu",
          (unsigned long long) match->after_server_seq);
    for (size_t i = 0; i < JOBSRV_MATCH_FIELDS; i++)
      if (match->fields[i].name != NULL)
        say_field(text, &match->fields[i]);
    if (match->where != NULL)
      say(text, " where says so");
  }
  say(text, text->used == before ? " anything }" : " }");
}

static void say_seen(text_t *text,
                     const jobsrv_capture_t *capture,
                     size_t from,
                     const jobsrv_match_t *match) {
  for (size_t i = from; i < capture->count && text->used < text->cap; i++) {
    const jobsrv_event_t *event = *jobsrv__capture_slot(capture, i);
    const char *fails = jobsrv__match_fails(match, event);

    say(text, fails == NULL ? "* " : "  ");
    say_event(text, event);
    if (fails != NULL)
      say(text, "  (not by %s)", fails);
    say(text, "\n");
  }
  if (capture->lost > 0)
    say(text, "  and %llu that were lost\n",
        (unsigned long long) capture->lost);
}

const char *jobsrv_capture_dump(const jobsrv_capture_t *capture,
                                char *to,
                                size_t cap) {
  text_t text;

  begin(&text, to, cap);
  for (size_t i = 0; i < capture->count && text.used < cap; i++) {
    say_event(&text, *jobsrv__capture_slot(capture, i));
    say(&text, "\n");
  }
  return to;
}

const char *jobsrv_capture_explain(const jobsrv_capture_t *capture,
                                   const jobsrv_match_t *match,
                                   char *to,
                                   size_t cap) {
  text_t text;

  begin(&text, to, cap);
  say(&text, "%zu of %zu events match ", jobsrv_capture_count(capture, match),
      capture->count);
  say_match(&text, match);
  say(&text, "\n");
  say_seen(&text, capture, 0, match);
  return to;
}

const char *jobsrv_capture_explain_sequence(const jobsrv_capture_t *capture,
                                            const jobsrv_match_t *patterns,
                                            size_t n,
                                            char *to,
                                            size_t cap) {
  size_t met = 0;
  size_t after = 0;
  text_t text;

  begin(&text, to, cap);
  for (size_t i = 0; i < capture->count && met < n; i++) {
    if (jobsrv__match_fails(&patterns[met],
                            *jobsrv__capture_slot(capture, i)) != NULL)
      continue;
    met++;
    after = i + 1;
  }
  say(&text, "%zu of %zu steps are met", met, n);
  if (met == n) {
    say(&text, "\n");
    return to;
  }
  say(&text, "; nothing behind them matches ");
  say_match(&text, &patterns[met]);
  say(&text, "\n");
  say_seen(&text, capture, after, &patterns[met]);
  return to;
}
