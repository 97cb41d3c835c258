/* SPDX-License-Identifier: MIT */

#include "narration/sinks/members.h"

#include "base/json_get.h"
#include "base/json_scan.h"
#include "narration/encode.h"

#include <errno.h>
#include <string.h>

#include <uv.h>

typedef struct walk_s {
  jobsrv__buf_t *scratch;
  jobsrv__member_cb cb;
  void *arg;
  const char *end;
} walk_t;

static const char *const opened[] = { "error", "progress", "tags" };

static int is_one_of(const char *name,
                     size_t len,
                     const char *const *list,
                     size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strlen(list[i]) == len && memcmp(list[i], name, len) == 0)
      return 1;
  return 0;
}

/* Behind the value at `p`, which is told; `name` is whole. */
static void tell(const walk_t *walk,
                 const char *name,
                 const char *p,
                 const char *behind) {
  char *to;

  if (*p != '"') {
    walk->cb(walk->arg, name, p, (size_t) (behind - p));
    return;
  }
  jobsrv__buf_reset(walk->scratch);
  to = jobsrv__buf_reserve(walk->scratch, (size_t) (behind - p));
  if (to != NULL)
    walk->cb(walk->arg, name, to,
             jobsrv__json_unescape(to, p + 1, (size_t) (behind - p) - 2));
}

static void name_put(char to[JOBSRV__MEMBER_NAME],
                     const char *prefix,
                     const char *raw,
                     size_t raw_len) {
  size_t at = strlen(prefix);
  size_t most = JOBSRV__MEMBER_NAME - 1 - at;

  memcpy(to, prefix, at);
  if (raw_len > most)
    raw_len = most; /* no key of ours, nor a tag's, is so long */
  at += jobsrv__json_unescape(to + at, raw, raw_len);
  to[at] = '\0';
}

/*
 * The members of the object at `p`. `prefix` begins their names; NULL for those
 * at the top, whose own objects are opened, "" for extra fields.
 */
static void each(const walk_t *walk, const char *p, const char *prefix) {
  char name[JOBSRV__MEMBER_NAME];
  char inner[16];
  const char *key, *key_end, *behind;
  size_t len;

  p++;
  while (p < walk->end && *p == '"') {
    key = p + 1;
    key_end = jobsrv__json_skip_string(p, walk->end) - 1;
    len = (size_t) (key_end - key);
    p = key_end + 2; /* the colon: there are no spaces */
    behind = jobsrv__json_skip_value(p, walk->end);
    if (prefix == NULL && *p == '{' && len == 6 &&
        memcmp(key, "fields", 6) == 0) {
      each(walk, p, "");
    } else if (prefix == NULL && *p == '{' && is_one_of(key, len, opened, 3)) {
      memcpy(inner, key, len);
      memcpy(inner + len, "_", 2);
      each(walk, p, inner);
    } else {
      name_put(name, prefix != NULL ? prefix : "", key, len);
      if (prefix != NULL && prefix[0] == '\0' && jobsrv__field_name_taken(name))
        name_put(name, "field_", key, len);
      tell(walk, name, p, behind);
    }
    p = behind + (behind < walk->end && *behind == ',');
  }
}

int jobsrv__members_each(const jobsrv_event_t *event,
                         jobsrv__buf_t *scratch,
                         jobsrv__member_cb cb,
                         void *arg) {
  walk_t walk = { scratch, cb, arg, event->json + event->json_len };

  jobsrv__buf_reset(scratch);
  each(&walk, event->json, NULL);
  return scratch->failed;
}

int jobsrv__severity(int level) {
  switch (level) {
  case JOBSRV_FATAL:
    return 2;
  case JOBSRV_ERROR:
    return 3;
  case JOBSRV_WARN:
    return 4;
  case JOBSRV_INFO:
    return 6;
  default:
    return 7;
  }
}

const char *jobsrv__program_name(void) {
  return program_invocation_short_name != NULL &&
                 program_invocation_short_name[0] != '\0'
             ? program_invocation_short_name
             : "jobsrv";
}
