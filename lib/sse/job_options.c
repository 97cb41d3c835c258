/* SPDX-License-Identifier: MIT */

#include "sse/job_options.h"

#include "base/alloc.h"
#include "jobsrv/error.h"
#include "sse/job_body.h"

#include <inttypes.h>
#include <stdio.h>

#include <uv.h>

enum { KEY_MAX = 64, VALUE_MAX = 256 };

#define PARENT "/options"

typedef struct {
  jobsrv__job_options_t *own;
  jobsrv_spec_t *spec;
  const jobsrv_alloc_t *alloc;
  uint32_t max_tags;
  jobsrv_mistake_t *mistake;
} reader_t;

static int read_ms(const reader_t *reader,
                   const jobsrv__member_t *member,
                   uint64_t *to) {
  char detail[96];
  uint64_t ms;

  if (jobsrv__json_u64(member->value, member->value_len, &ms) == 0 &&
      ms >= 1 && ms <= JOBSRV__OPTION_MS_MAX) {
    *to = ms;
    return 0;
  }
  (void) snprintf(detail, sizeof(detail),
                  "must be a whole number from 1 to %" PRIu64,
                  JOBSRV__OPTION_MS_MAX);
  return jobsrv__mistake(reader->mistake, PARENT, member, detail);
}

static int read_timeout(const reader_t *reader,
                        const jobsrv__member_t *member) {
  return read_ms(reader, member, &reader->spec->timeout_ms);
}

static int read_deadline(const reader_t *reader,
                         const jobsrv__member_t *member) {
  return read_ms(reader, member, &reader->spec->deadline_ms);
}

static int read_retain(const reader_t *reader,
                       const jobsrv__member_t *member) {
  return read_ms(reader, member, &reader->spec->retain_ms);
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

static int read_tags(const reader_t *reader, const jobsrv__member_t *tags) {
  jobsrv__members_t members;
  jobsrv__member_t member;
  char detail[64];
  size_t count = 0;
  size_t room;
  char *text;
  int err;

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

static const struct {
  const char *name;
  int (*read)(const reader_t *reader, const jobsrv__member_t *member);
} known[] = {
  { "timeout_ms", read_timeout },
  { "deadline_ms", read_deadline },
  { "retain_ms", read_retain },
  { "tags", read_tags },
};

static int read_one(const reader_t *reader, const jobsrv__member_t *member) {
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (jobsrv__member_is(member, known[i].name))
      return known[i].read(reader, member);
  return jobsrv__mistake(reader->mistake, PARENT, member, "unknown option");
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
  while (jobsrv__members_next(&members, &member)) {
    err = read_one(&reader, &member);
    if (err != 0) {
      jobsrv__job_options_free(own, alloc);
      return err;
    }
  }
  return 0;
}

void jobsrv__job_options_free(jobsrv__job_options_t *own,
                              const jobsrv_alloc_t *alloc) {
  jobsrv__free(alloc, own->tags);
  own->tags = NULL;
}
