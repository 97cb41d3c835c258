/* SPDX-License-Identifier: MIT */

#include "sse/job_options.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "jobsrv/error.h"
#include "sse/job_body.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

enum { KEY_MAX = 64, VALUE_MAX = 256 };

#define PARENT "/options"

typedef struct known_s known_t;

typedef struct {
  jobsrv__job_options_t *own;
  jobsrv_spec_t *spec;
  const jobsrv_alloc_t *alloc;
  uint32_t max_tags;
  jobsrv_mistake_t *mistake;
} reader_t;

/* How an option is read, and where in the spec it goes. */
struct known_s {
  const char *name;
  int (*read)(const reader_t *reader,
              const jobsrv__member_t *member,
              const known_t *known);
  size_t offset;
  uint64_t min;       /* of a number */
  uint64_t max;
  const char *words;  /* of a choice, with commas; the first is `min` */
};

/* ---- numbers and choices ---- */

static int read_number(const reader_t *reader,
                       const jobsrv__member_t *member,
                       const known_t *known,
                       uint64_t *to) {
  char detail[96];
  uint64_t number;

  if (jobsrv__json_u64(member->value, member->value_len, &number) == 0 &&
      number >= known->min && number <= known->max) {
    *to = number;
    return 0;
  }
  (void) snprintf(detail, sizeof(detail),
                  "must be a whole number from %" PRIu64 " to %" PRIu64,
                  known->min, known->max);
  return jobsrv__mistake(reader->mistake, PARENT, member, detail);
}

static int read_ms(const reader_t *reader,
                   const jobsrv__member_t *member,
                   const known_t *known) {
  uint64_t *to =
      (uint64_t *) (void *) ((char *) reader->spec + known->offset);

  return read_number(reader, member, known, to);
}

static int read_count(const reader_t *reader,
                      const jobsrv__member_t *member,
                      const known_t *known) {
  uint64_t number = 0;
  int err = read_number(reader, member, known, &number);

  if (err == 0)
    *(uint32_t *) (void *) ((char *) reader->spec + known->offset) =
        (uint32_t) number;
  return err;
}

static int read_choice(const reader_t *reader,
                       const jobsrv__member_t *member,
                       const known_t *known) {
  const char *word = known->words;
  char detail[96];
  char text[16];
  size_t len;

  if (jobsrv__json_is_string(member->value) &&
      jobsrv__json_text(text, sizeof(text), member->value + 1,
                        member->value_len - 2, &len) == 0)
    for (int i = (int) known->min; *word != '\0'; i++) {
      size_t n = strcspn(word, ",");

      if (n == len && memcmp(word, text, n) == 0) {
        *(int *) (void *) ((char *) reader->spec + known->offset) = i;
        return 0;
      }
      word += n + (word[n] == ',');
    }
  (void) snprintf(detail, sizeof(detail), "must be one of %s", known->words);
  return jobsrv__mistake(reader->mistake, PARENT, member, detail);
}

/* ---- texts ---- */

static int read_time(const reader_t *reader,
                     const jobsrv__member_t *member,
                     const known_t *known) {
  uint64_t at;

  (void) known;
  /* what a time is made of needs no escapes */
  if (!jobsrv__json_is_string(member->value) ||
      jobsrv__rfc3339_parse(member->value + 1, member->value_len - 2, &at) != 0)
    return jobsrv__mistake(reader->mistake, PARENT, member,
                           "must be a time as 2026-01-31T12:00:00Z");
  reader->spec->run_at_wall_ns = at != 0 ? at : 1; /* 0 says nothing */
  return 0;
}

static int read_key(const reader_t *reader,
                    const jobsrv__member_t *member,
                    const known_t *known) {
  size_t len = 0;

  (void) known;
  if (!jobsrv__json_is_string(member->value) ||
      jobsrv__json_text(reader->own->unique_key,
                        sizeof(reader->own->unique_key), member->value + 1,
                        member->value_len - 2, &len) != 0 ||
      len == 0)
    return jobsrv__mistake(reader->mistake, PARENT, member,
                           "must be a string of 1 to 128 bytes without NUL");
  reader->spec->unique_key = reader->own->unique_key;
  return 0;
}

static int key_ok(const char *key, size_t len) {
  if (len == 0)
    return 0;
  for (size_t i = 0; i < len; i++) {
    char c = key[i];

    if ((c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') &&
        c != '.' && c != '_' && c != '-')
      return 0;
  }
  return 1;
}

/* One tag, its texts from `*text` on. */
static int read_tag(const reader_t *reader,
                    const jobsrv__member_t *member,
                    jobsrv_tag_t *tag,
                    char **text) {
  static const char parent[] = PARENT "/tags";
  size_t len;
  int err;

  err = jobsrv__json_text(*text, KEY_MAX + 1, member->name, member->name_len,
                          &len);
  if (err != 0 || !key_ok(*text, len))
    return jobsrv__mistake(reader->mistake, parent, member,
                           "a key must be 1 to 64 of A-Z a-z 0-9 . _ -");
  tag->key = *text;
  *text += len + 1;

  if (!jobsrv__json_is_string(member->value))
    return jobsrv__mistake(reader->mistake, parent, member,
                           "must be a string");
  err = jobsrv__json_text(*text, VALUE_MAX + 1, member->value + 1,
                          member->value_len - 2, &len);
  if (err != 0)
    return jobsrv__mistake(reader->mistake, parent, member,
                           err == UV_EINVAL ? "must not hold a NUL"
                                            : "must have at most 256 bytes");
  tag->value = *text;
  *text += len + 1;
  return 0;
}

static int read_tags(const reader_t *reader,
                     const jobsrv__member_t *tags,
                     const known_t *known) {
  jobsrv__members_t members;
  jobsrv__member_t member;
  char detail[64];
  size_t count = 0;
  size_t room;
  char *text;
  int err;

  (void) known;
  if (!jobsrv__members_init(&members, tags->value, tags->value_len))
    return jobsrv__mistake(reader->mistake, PARENT, tags,
                           "must be an object of strings");
  while (jobsrv__members_next(&members, &member))
    count++;
  if (count == 0)
    return 0;
  if (count > reader->max_tags) {
    (void) snprintf(detail, sizeof(detail),
                    "must have at most %" PRIu32 " members", reader->max_tags);
    return jobsrv__mistake(reader->mistake, PARENT, tags, detail);
  }

  /* a text and its NUL take no more than its raw content and the quotes */
  room = tags->value_len;
  reader->own->tags =
      jobsrv__malloc(reader->alloc, count * sizeof(jobsrv_tag_t) + room);
  if (reader->own->tags == NULL)
    return UV_ENOMEM;
  text = (char *) (reader->own->tags + count);

  (void) jobsrv__members_init(&members, tags->value, tags->value_len);
  for (size_t i = 0; jobsrv__members_next(&members, &member); i++) {
    err = read_tag(reader, &member, &reader->own->tags[i], &text);
    if (err != 0)
      return err;
  }
  reader->spec->tags = reader->own->tags;
  reader->spec->ntags = count;
  return 0;
}

#define AT(field) offsetof(jobsrv_spec_t, field)
#define MS(name, field) { name, read_ms, AT(field), 1, LONGEST, NULL }
#define CHOICE(name, field, first, words)                                     \
  { name, read_choice, AT(field), first, 0, words }
#define LONGEST JOBSRV__OPTION_MS_MAX

static const known_t known[] = {
  CHOICE("priority", priority, JOBSRV_PRIORITY_LOW,
         "low,normal,high,critical"),
  { "delay_ms", read_ms, AT(delay_ms), 0, LONGEST, NULL },
  { "run_at", read_time, 0, 0, 0, NULL },
  MS("queue_ms", queue_ms),
  MS("timeout_ms", timeout_ms),
  MS("deadline_ms", deadline_ms),
  MS("silence_ms", silence_ms),
  MS("retain_ms", retain_ms),
  { "max_attempts", read_count, AT(retry.max_attempts), 1,
    JOBSRV__OPTION_ATTEMPTS_MAX, NULL },
  MS("backoff_ms", retry.backoff_ms),
  { "unique_key", read_key, 0, 0, 0, NULL },
  CHOICE("on_conflict", on_conflict, JOBSRV_CONFLICT_EXISTING,
         "existing,reject,replace"),
  CHOICE("start", start, JOBSRV_START_NOW, "now,on_stream"),
  MS("start_within_ms", start_within_ms),
  CHOICE("on_last_watcher", on_last_watcher, JOBSRV_LAST_WATCHER_CONTINUE,
         "continue,cancel"),
  MS("last_watcher_grace_ms", last_watcher_grace_ms),
  { "tags", read_tags, 0, 0, 0, NULL },
};

/* ---- the same as JSON Schema ---- */

static void put_choice(jobsrv__buf_t *buf, const char *words) {
  const char *before = "{\"enum\":[\"";

  while (*words != '\0') {
    size_t n = strcspn(words, ",");

    (void) jobsrv__buf_printf(buf, "%s%.*s\"", before, (int) n, words);
    before = ",\"";
    words += n + (words[n] == ',');
  }
  (void) jobsrv__buf_puts(buf, "]}");
}

static void put_schema(jobsrv__buf_t *buf,
                       const known_t *of,
                       uint32_t max_tags) {
  if (of->words != NULL)
    put_choice(buf, of->words);
  else if (of->read == read_ms || of->read == read_count)
    (void) jobsrv__buf_printf(buf,
                              "{\"type\":\"integer\",\"minimum\":%" PRIu64
                              ",\"maximum\":%" PRIu64 "}",
                              of->min, of->max);
  else if (of->read == read_tags)
    (void) jobsrv__buf_printf(
        buf,
        "{\"type\":\"object\",\"maxProperties\":%" PRIu32
        ",\"propertyNames\":{\"pattern\":\"^[A-Za-z0-9._-]{1,%d}$\"},"
        "\"additionalProperties\":{\"type\":\"string\","
        "\"maxLength\":%d}}",
        max_tags, KEY_MAX, VALUE_MAX);
  else if (of->read == read_key)
    (void) jobsrv__buf_printf(
        buf, "{\"type\":\"string\",\"minLength\":1,\"maxLength\":%d}",
        JOBSRV__OPTION_KEY_SIZE - 1);
  else
    (void) jobsrv__buf_puts(
        buf, "{\"type\":\"string\",\"format\":\"date-time\"}");
}

int jobsrv__job_options_schema(jobsrv__buf_t *buf, uint32_t max_tags) {
  (void) jobsrv__buf_puts(buf, "{\"type\":\"object\",\"properties\":");
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    (void) jobsrv__buf_printf(buf, "%c\"%s\":", i > 0 ? ',' : '{',
                              known[i].name);
    put_schema(buf, &known[i], max_tags);
  }
  return jobsrv__buf_puts(buf, "},\"additionalProperties\":false}");
}

/* ---- all of them ---- */

static int read_one(const reader_t *reader, const jobsrv__member_t *member) {
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (jobsrv__member_is(member, known[i].name))
      return known[i].read(reader, member, &known[i]);
  return jobsrv__mistake(reader->mistake, PARENT, member, "unknown option");
}

/* What only makes sense with, or without, another. */
static int check_together(const reader_t *reader) {
  const jobsrv_spec_t *spec = reader->spec;

  if (spec->delay_ms != 0 && spec->run_at_wall_ns != 0)
    return jobsrv__mistake(reader->mistake, PARENT "/run_at", NULL,
                           "cannot stand beside delay_ms");
  if (spec->on_conflict != JOBSRV_CONFLICT_EXISTING &&
      spec->unique_key == NULL)
    return jobsrv__mistake(reader->mistake, PARENT "/on_conflict", NULL,
                           "needs a unique_key");
  if (spec->start_within_ms != 0 && spec->start != JOBSRV_START_ON_STREAM)
    return jobsrv__mistake(reader->mistake, PARENT "/start_within_ms", NULL,
                           "needs a start of on_stream");
  return 0;
}

int jobsrv__job_options_read(jobsrv__job_options_t *own,
                             jobsrv_spec_t *spec,
                             const jobsrv_alloc_t *alloc,
                             const char *text,
                             size_t len,
                             uint32_t max_tags,
                             jobsrv_mistake_t *mistake) {
  reader_t reader = { own, spec, alloc, max_tags, mistake };
  jobsrv__members_t members;
  jobsrv__member_t member;
  int err;

  if (!jobsrv__members_init(&members, text, len))
    return jobsrv__mistake(mistake, PARENT, NULL, "must be an object");
  for (err = 0; err == 0 && jobsrv__members_next(&members, &member);)
    err = read_one(&reader, &member);
  if (err == 0)
    err = check_together(&reader);
  if (err != 0)
    jobsrv__job_options_free(own, alloc);
  return err;
}

void jobsrv__job_options_free(jobsrv__job_options_t *own,
                              const jobsrv_alloc_t *alloc) {
  jobsrv__free(alloc, own->tags);
  own->tags = NULL;
}
