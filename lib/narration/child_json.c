/* SPDX-License-Identifier: MIT */

#include "base/decimal.h"
#include "base/json_get.h"
#include "base/json_scan.h"
#include "narration/child_said.h"
#include "narration/encode.h"

#include <string.h>
#include <strings.h>

/*
 * An object of a child's that is an event. All its strings, unescaped, go into
 * memory that is taken once: none is longer than what stood in the line, quotes
 * counted for the NUL.
 */

/* What an event has a member for; a string of this name goes there. */
static const struct {
  const char *name;
  size_t member;
} texts[] = {
  { "actor", offsetof(jobsrv_event_t, actor) },
  { "action", offsetof(jobsrv_event_t, action) },
  { "target", offsetof(jobsrv_event_t, target) },
  { "human", offsetof(jobsrv_event_t, human) },
  { "cute", offsetof(jobsrv_event_t, cute) },
  { "story", offsetof(jobsrv_event_t, story) },
  { "source", offsetof(jobsrv_event_t, file) },
  { "fn_name", offsetof(jobsrv_event_t, function) },
};

/* What loggers in use say beside our own names. */
static const struct {
  const char *name;
  int level;
} levels[] = {
  { "trace", JOBSRV_TRACE }, { "debug", JOBSRV_DEBUG },
  { "info", JOBSRV_INFO },   { "notice", JOBSRV_INFO },
  { "warn", JOBSRV_WARN },   { "warning", JOBSRV_WARN },
  { "error", JOBSRV_ERROR }, { "fatal", JOBSRV_FATAL },
  { "critical", JOBSRV_FATAL },
};

/* Kept back until all has been read. */
enum { MESSAGE, MSG, TRACE, SPAN, PARENT, LATER };

_Static_assert(JOBSRV__SAID_FIELDS + LATER + 1 <= JOBSRV__SAID_ROOM,
               "all of them may have to be fields");

static const char *const later_names[LATER] = {
  "message", "msg", "trace_id", "span_id", "parent_span_id",
};

typedef struct {
  jobsrv__said_t *said;
  const char *end;      /* of the line */
  int has_human;
  jobsrv_field_t later[LATER]; /* key NULL: not there */
  const char *fields;   /* the object of that name, or NULL */
  char *others;         /* as many bytes as the line and some have room */
  size_t others_len;
} reader_t;

int jobsrv__said_is_object(const char *text, size_t len) {
  const char *p = jobsrv__json_skip_space(text, text + len);

  return p < text + len && *p == '{';
}

/* ---- values ---- */

/* A string from its quote on, with a NUL behind it. */
static const char *keep(reader_t *reader, const char *quote, size_t *len) {
  jobsrv__buf_t *room = reader->said->room;
  const char *stop = jobsrv__json_string_end(quote + 1, reader->end);
  char *to = room->data + room->len;

  *len = jobsrv__json_unescape(to, quote + 1, (size_t) (stop - quote - 1));
  to[*len] = '\0';
  room->len += *len + 1;
  return to;
}

/* Without a NUL inside, which would end it early. */
static const char *keep_text(reader_t *reader, const char *quote, size_t *len) {
  jobsrv__buf_t *room = reader->said->room;
  char *text = room->data + room->len;
  size_t n;
  char *nul;

  (void) keep(reader, quote, len);
  n = *len;
  while ((nul = memchr(text, '\0', n)) != NULL) { /* was six bytes long */
    memmove(nul + 3, nul + 1, (size_t) (text + n - nul)); /* its NUL too */
    memcpy(nul, "\xef\xbf\xbd", 3);
    n += 2;
  }
  room->len += n - *len;
  *len = n;
  return text;
}

static void set_integer(jobsrv_field_t *field, const char *text, size_t len) {
  uint64_t value = 0;

  for (size_t i = *text == '-'; i < len; i++)
    value = value * 10 + (uint64_t) (text[i] - '0');
  field->type = *text == '-' ? JOBSRV_FIELD_I64 : JOBSRV_FIELD_U64;
  if (*text == '-')
    field->as.i64 = (int64_t) (0 - value);
  else
    field->as.u64 = value;
}

static void set_number(jobsrv_field_t *field, const char *text, size_t len) {
  for (size_t i = 0; i < len; i++) {
    if (strchr(".eE", text[i]) == NULL)
      continue;
    field->type = JOBSRV_FIELD_DOUBLE;
    if (jobsrv__decimal_double(text, len, &field->as.f64) != 0)
      field->as.f64 = 0; /* the check has let none through */
    return;
  }
  set_integer(field, text, len);
}

static void set_value(reader_t *reader,
                      jobsrv_field_t *field,
                      const char *value) {
  size_t len = (size_t) (jobsrv__json_skip_value(value, reader->end) - value);

  field->len = 0;
  switch (*value) {
  case '"':
    field->type = JOBSRV_FIELD_STRING;
    field->as.string = keep(reader, value, &field->len);
    break;
  case 'n':
    field->type = JOBSRV_FIELD_STRING;
    field->as.string = NULL;
    break;
  case 't':
  case 'f':
    field->type = JOBSRV_FIELD_BOOL;
    field->as.boolean = *value == 't';
    break;
  case '{':
  case '[':
    field->type = JOBSRV_FIELD_JSON;
    field->as.string = value;
    field->len = len;
    break;
  default:
    set_number(field, value, len);
  }
}

/* ---- members ---- */

static void add_other(reader_t *reader, const jobsrv__json_walk_t *member) {
  const char *from = member->name - 1;
  const char *stop = jobsrv__json_skip_value(member->value, reader->end);
  size_t len = (size_t) (stop - from);
  char *to = reader->others + reader->others_len;

  *to = reader->others_len == 0 ? '{' : ',';
  memcpy(to + 1, from, len);
  reader->others_len += len + 1;
}

/* `name` has been kept; one that is no key, or too many, stands apart. */
static void add_field(reader_t *reader,
                      const jobsrv__json_walk_t *member,
                      const char *name,
                      size_t name_len) {
  jobsrv__said_t *said = reader->said;
  jobsrv_field_t field = { .key = name };

  if (said->nfields >= JOBSRV__SAID_FIELDS || strlen(name) != name_len ||
      jobsrv__fields_check(&field, 1) != 0) {
    add_other(reader, member);
    return;
  }
  set_value(reader, &field, member->value);
  said->fields[said->nfields++] = field;
}

static int find(const char *const *names, int n, const char *name) {
  for (int i = 0; i < n; i++)
    if (strcmp(names[i], name) == 0)
      return i;
  return -1;
}

static int level_of(reader_t *reader, const char *value) {
  char word[12];
  size_t n = sizeof(levels) / sizeof(levels[0]);

  if (*value != '"' ||
      jobsrv_json_string(value,
                         (size_t) (jobsrv__json_skip_string(value,
                                                            reader->end) -
                                   value),
                         "", word, sizeof(word), NULL) != 0)
    return 0;
  for (size_t i = 0; i < n; i++)
    if (strcasecmp(levels[i].name, word) == 0)
      return levels[i].level;
  return 0;
}

/* Returns 1 if the event has a member for it, which it is in now. */
static int take_text(reader_t *reader, const char *name, const char *value) {
  jobsrv_event_t *event = &reader->said->event;
  const char *text;
  size_t len;

  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
    if (strcmp(texts[i].name, name) != 0)
      continue;
    if (texts[i].member == offsetof(jobsrv_event_t, human)) {
      event->human = keep(reader, value, &reader->said->human_len);
      reader->has_human = 1;
      return 1;
    }
    text = keep_text(reader, value, &len);
    if (len > 0)
      memcpy((char *) event + texts[i].member, &text, sizeof(text));
    return 1;
  }
  return 0;
}

/* 1 if a member's value is spelled so, its quotes included. */
static int is_text(const jobsrv__json_walk_t *member, const char *text) {
  size_t len = strlen(text);

  return (size_t) (member->at - member->value) == len &&
         memcmp(member->value, text, len) == 0;
}

static void take_member(reader_t *reader, const jobsrv__json_walk_t *member) {
  const char *value = member->value;
  jobsrv_field_t *later;
  size_t len;
  const char *name = keep(reader, member->name - 1, &len);
  int level;
  int i;

  if (strcmp(name, "type") == 0 && is_text(member, "\"narration\""))
    return;
  if (*value == '"' && take_text(reader, name, value))
    return;
  level = strcmp(name, "level") == 0 ? level_of(reader, value) : 0;
  if (level != 0) {
    reader->said->event.level = level;
    return;
  }
  if (*value == '{' && strcmp(name, "fields") == 0) {
    reader->fields = value;
    return;
  }
  i = *value == '"' ? find(later_names, LATER, name) : -1;
  if (i < 0) {
    add_field(reader, member, name, len);
    return;
  }
  later = &reader->later[i];
  later->key = name;
  later->type = JOBSRV_FIELD_STRING;
  later->as.string = keep(reader, value, &later->len);
}

/* ---- what was kept back ---- */

static void take_message(reader_t *reader) {
  jobsrv_field_t *field;

  for (int i = MESSAGE; i <= MSG && !reader->has_human; i++) {
    field = &reader->later[i];
    if (field->key == NULL)
      continue;
    reader->said->event.human = field->as.string;
    reader->said->human_len = field->len;
    reader->has_human = 1;
    field->key = NULL;
  }
}

static int is_span(const jobsrv_field_t *field) {
  return field->key != NULL && field->len == 16 &&
         strspn(field->as.string, "0123456789abcdef") == 16 &&
         strspn(field->as.string, "0") < 16;
}

/* A span of its own, if it says that it is of this trace. */
static void take_span(reader_t *reader) {
  jobsrv_event_t *event = &reader->said->event;
  jobsrv_field_t *later = reader->later;
  const char *trace_id = reader->said->trace_id;

  if (trace_id == NULL || later[TRACE].key == NULL ||
      strcmp(later[TRACE].as.string, trace_id) != 0 || !is_span(&later[SPAN]))
    return;
  event->trace_id = trace_id;
  event->span_id = later[SPAN].as.string;
  later[TRACE].key = NULL;
  later[SPAN].key = NULL;
  if (!is_span(&later[PARENT]))
    return;
  event->parent_span_id = later[PARENT].as.string;
  later[PARENT].key = NULL;
}

static void take_rest(reader_t *reader) {
  jobsrv__said_t *said = reader->said;
  jobsrv__json_walk_t w = { .at = reader->fields };
  const char *name;
  size_t len;

  take_message(reader);
  take_span(reader);
  for (int i = 0; i < LATER; i++) {
    if (reader->later[i].key != NULL)
      said->fields[said->nfields++] = reader->later[i];
  }
  while (w.at != NULL && jobsrv__json_walk(&w, reader->end)) {
    name = keep(reader, w.name - 1, &len);
    add_field(reader, &w, name, len);
  }
  if (reader->others_len == 0)
    return;
  reader->others[reader->others_len++] = '}';
  said->fields[said->nfields++] = (jobsrv_field_t) {
    .key = JOBSRV__SAID_OTHERS,
    .type = JOBSRV_FIELD_JSON,
    .as.string = reader->others,
    .len = reader->others_len,
  };
}

/* ---- the kinds ---- */

static jobsrv__said_kind_t read_narration(reader_t *reader, const char *text) {
  jobsrv__json_walk_t w = { .at = text };

  while (jobsrv__json_walk(&w, reader->end))
    take_member(reader, &w);
  take_rest(reader);
  if (!reader->has_human && reader->said->event.action == NULL)
    return JOBSRV__SAID_PLAIN;
  if (reader->said->event.action == NULL)
    reader->said->event.action = "say";
  return JOBSRV__SAID_EVENT;
}

/* A number that may be absent; 0 for a member that is none. */
static int take_double(const reader_t *reader,
                       const char *text,
                       const char *name,
                       double *out) {
  int err = jobsrv_json_double(text, (size_t) (reader->end - text), name, out);

  return err == 0 || err == JOBSRV_ENOARG;
}

static const char *take_string(reader_t *reader,
                               const char *text,
                               const char *name) {
  const char *value = jobsrv__json_find_member(
      text, (size_t) (reader->end - text), name);
  size_t len;

  return value != NULL && *value == '"' ? keep_text(reader, value, &len)
                                        : NULL;
}

static jobsrv__said_kind_t read_progress(reader_t *reader, const char *text) {
  jobsrv_progress_t *progress = &reader->said->progress;

  if (jobsrv_json_double(text, (size_t) (reader->end - text), "done",
                         &progress->done) != 0 ||
      !take_double(reader, text, "total", &progress->total) ||
      !take_double(reader, text, "from", &progress->from) ||
      !take_double(reader, text, "to", &progress->to))
    return JOBSRV__SAID_PLAIN;
  progress->unit = take_string(reader, text, "unit");
  progress->phase = take_string(reader, text, "phase");
  return JOBSRV__SAID_PROGRESS;
}

static jobsrv__said_kind_t read_data(reader_t *reader, const char *text) {
  jobsrv_event_t *event = &reader->said->event;
  const char *payload = jobsrv__json_find_member(
      text, (size_t) (reader->end - text), "payload");
  const char *action;

  if (payload == NULL)
    return JOBSRV__SAID_PLAIN;
  action = take_string(reader, text, "action");
  event->action = action != NULL && *action != '\0' ? action : "data";
  event->kind = JOBSRV_KIND_DATA;
  event->level = JOBSRV_INFO;
  event->payload = payload;
  event->payload_len =
      (size_t) (jobsrv__json_skip_value(payload, reader->end) - payload);
  return JOBSRV__SAID_EVENT;
}

jobsrv__said_kind_t jobsrv__said_json(jobsrv__said_t *said,
                                      const char *text,
                                      size_t len) {
  reader_t reader = { .said = said, .end = text + len };
  char type[12] = "";

  if (jobsrv__json_scan(said->room->alloc, NULL, NULL, text, len,
                        JOBSRV__SAID_DEPTH, NULL) != 0 ||
      jobsrv__buf_reserve(said->room, 2 * len + 4) == NULL)
    return JOBSRV__SAID_PLAIN;
  reader.others = said->room->data + said->room->len + len + 1;
  text = jobsrv__json_skip_space(text, reader.end);
  if (jobsrv_json_string(text, (size_t) (reader.end - text), "type", type,
                         sizeof(type), NULL) != 0)
    type[0] = '\0';
  if (strcmp(type, "progress") == 0)
    return read_progress(&reader, text);
  if (strcmp(type, "data") == 0)
    return read_data(&reader, text);
  return read_narration(&reader, text);
}
