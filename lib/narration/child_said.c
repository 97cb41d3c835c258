/* SPDX-License-Identifier: MIT */

#include "narration/child_said.h"

#include <string.h>

/* ---- [actor] action : message ---- */

enum { ACTOR_MAX = 15, ACTION_MAX = 30 };

typedef struct {
  const char *p;
  const char *end;
} rest_t;

static int is_blank(char c) {
  return c == ' ' || c == '\t';
}

static size_t skip_blanks(rest_t *rest) {
  const char *from = rest->p;

  while (rest->p < rest->end && is_blank(*rest->p))
    rest->p++;
  return (size_t) (rest->p - from);
}

static int is_digit(char c) {
  return c >= '0' && c <= '9';
}

static int is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
         c == '_' || c == '-';
}

/* 1 to `max` characters of a word; returns how many, 0 for none or more. */
static size_t take_word(rest_t *rest, size_t max, const char **word) {
  size_t n;

  *word = rest->p;
  while (rest->p < rest->end && is_word(*rest->p))
    rest->p++;
  n = (size_t) (rest->p - *word);
  return n <= max ? n : 0;
}

static int take(rest_t *rest, char c) {
  if (rest->p == rest->end || *rest->p != c)
    return 0;
  rest->p++;
  return 1;
}

/* Into what has been reserved. */
static const char *keep(jobsrv__buf_t *room, const char *text, size_t len) {
  char *to = room->data + room->len;

  memcpy(to, text, len);
  to[len] = '\0';
  room->len += len + 1;
  return to;
}

/*
 * A colon without a blank on either side may belong to an address, a time or a
 * name with colons in it: `https://`, `12:30`, `std::vector`.
 */
static int is_inside(char before, const rest_t *rest, size_t blanks) {
  char next;

  if (blanks > 0 || rest->p == rest->end || is_blank(*rest->p))
    return 0;
  next = *rest->p;
  return next == '/' || next == '\\' || next == ':' ||
         (is_digit(before) && is_digit(next));
}

static jobsrv__said_kind_t read_bracket(jobsrv__said_t *said,
                                        const char *text,
                                        size_t len) {
  rest_t rest = { text, text + len };
  const char *actor, *action;
  size_t actor_len, action_len, blanks;

  skip_blanks(&rest);
  if (!take(&rest, '['))
    return JOBSRV__SAID_PLAIN;
  skip_blanks(&rest);
  actor_len = take_word(&rest, ACTOR_MAX, &actor);
  skip_blanks(&rest);
  if (actor_len == 0 || !take(&rest, ']'))
    return JOBSRV__SAID_PLAIN;
  skip_blanks(&rest);
  action_len = take_word(&rest, ACTION_MAX, &action);
  blanks = skip_blanks(&rest);
  if (action_len == 0 || !take(&rest, ':') ||
      is_inside(action[action_len - 1], &rest, blanks))
    return JOBSRV__SAID_PLAIN;
  skip_blanks(&rest);
  if (rest.p == rest.end ||
      jobsrv__buf_reserve(said->room, actor_len + action_len + 2) == NULL)
    return JOBSRV__SAID_PLAIN;
  said->event.actor = keep(said->room, actor, actor_len);
  said->event.action = keep(said->room, action, action_len);
  said->event.human = rest.p;
  said->human_len = (size_t) (rest.end - rest.p);
  return JOBSRV__SAID_EVENT;
}

jobsrv__said_kind_t jobsrv__said_read(jobsrv__said_t *said,
                                      jobsrv__buf_t *room,
                                      jobsrv_output_t format,
                                      const char *trace_id,
                                      int stream,
                                      const char *text,
                                      size_t len) {
  jobsrv__said_kind_t kind = JOBSRV__SAID_PLAIN;

  if (format == JOBSRV_OUTPUT_PLAIN || len == 0)
    return kind;
  memset(&said->event, 0, sizeof(said->event));
  memset(&said->progress, 0, sizeof(said->progress));
  said->event.size = sizeof(said->event);
  said->event.level = stream == 1 ? JOBSRV_INFO : JOBSRV_WARN;
  said->event.human = "";
  said->human_len = 0;
  said->nfields = 0;
  said->room = room;
  said->trace_id = trace_id;
  if (format != JOBSRV_OUTPUT_BRACKET && jobsrv__said_is_object(text, len))
    kind = jobsrv__said_json(said, text, len);
  else if (format != JOBSRV_OUTPUT_JSON)
    kind = read_bracket(said, text, len);
  said->event.fields = said->fields;
  said->event.nfields = said->nfields;
  return kind;
}
