/* SPDX-License-Identifier: MIT */

/*
 * The record of a job is a function of its slot, written anew whenever it is
 * asked for: nothing is allocated, and after the end it comes out the same
 * each time. What could change later is left out then (whether the job can be
 * cancelled) or was fixed at the end (the first event retained).
 */

#include "narration/chunk.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "narration/encode.h"

#include <signal.h>
#include <string.h>

enum {
  BRIEF_RESULT = 16 * 1024,
  SLICE = 512,          /* of a text, in one go */
  PROGRESS_SIZE = 1200
};

typedef struct {
  char *to;
  size_t cap;
  size_t len; /* of all, whatever has been written */
} out_t;

static void put_bytes(out_t *out, const char *from, size_t len) {
  size_t room = out->len < out->cap ? out->cap - out->len : 0;

  if (room > 0)
    memcpy(out->to + out->len, from, len < room ? len : room);
  out->len += len;
}

static void put(out_t *out, const char *text) {
  put_bytes(out, text, strlen(text));
}

static void put_number(out_t *out, const char *name, uint64_t value) {
  char digits[20];

  put(out, name);
  put_bytes(out, digits, jobsrv__u64_format(digits, value));
}

static void put_bool(out_t *out, const char *name, int value) {
  put(out, name);
  put(out, value ? "true" : "false");
}

/* In slices, so that the room for a text does not depend on its length. */
static void put_string(out_t *out, const char *text) {
  char escaped[6 * SLICE + 2];
  size_t left = strlen(text);
  size_t slice;
  size_t len;

  put(out, "\"");
  while (left > 0) {
    slice = jobsrv__utf8_cut(text, left, SLICE);
    if (slice == 0)
      slice = 1;
    len = jobsrv__json_string_to(escaped, sizeof(escaped), text, slice, 0);
    if (len > 2)
      put_bytes(out, escaped + 1, len - 2);
    text += slice;
    left -= slice;
  }
  put(out, "\"");
}

static void put_text(out_t *out, const char *name, const char *text) {
  if (text == NULL)
    return;
  put(out, name);
  put_string(out, text);
}

static void put_time(out_t *out, const char *name, uint64_t wall_ns) {
  char text[JOBSRV__RFC3339_SIZE];

  if (wall_ns == 0)
    return;
  jobsrv__rfc3339(text, wall_ns);
  put(out, name);
  put(out, "\"");
  put(out, text);
  put(out, "\"");
}

/* ---- the parts ---- */

static void put_reason(out_t *out, const jobsrv_reason_t *reason) {
  put_bool(out, ",\"cancel_requested\":", reason != NULL);
  if (reason == NULL)
    return;
  put_text(out, ",\"cancel_reason\":{\"code\":",
           jobsrv_reason_name(reason->code));
  put_text(out, ",\"text\":", reason->text);
  put_text(out, ",\"actor\":", reason->actor);
  put(out, "}");
}

static const char *signal_name(int number) {
  switch (number) {
#define XX(name) case name: return #name;
    XX(SIGHUP) XX(SIGINT) XX(SIGQUIT) XX(SIGILL) XX(SIGTRAP) XX(SIGABRT)
    XX(SIGBUS) XX(SIGFPE) XX(SIGKILL) XX(SIGUSR1) XX(SIGSEGV) XX(SIGUSR2)
    XX(SIGPIPE) XX(SIGALRM) XX(SIGTERM) XX(SIGXCPU) XX(SIGXFSZ) XX(SIGSYS)
    XX(SIGVTALRM) XX(SIGPROF)
#undef XX
    default: return NULL;
  }
}

/* How the process ended, after `head`. */
static void put_exit(out_t *out,
                     const char *head,
                     const jobsrv_job_info_t *info) {
  if (info->exit_status < 0 && info->signal <= 0)
    return;
  put(out, head);
  if (info->signal <= 0) {
    put_number(out, "\"exit_status\":", (uint64_t) info->exit_status);
  } else if (signal_name(info->signal) != NULL) {
    put_text(out, "\"signal\":", signal_name(info->signal));
  } else {
    put_number(out, "\"signal\":\"SIG", (uint64_t) info->signal);
    put(out, "\"");
  }
}

static void put_error(out_t *out, const jobsrv_job_info_t *info) {
  if (info->error_code == NULL)
    return;
  put_text(out, ",\"error\":{\"code\":", info->error_code);
  put_text(out, ",\"message\":", info->error_message);
  put_bool(out, ",\"retryable\":", info->error_retryable);
  put_exit(out, ",", info);
  put(out, "}");
}

/* JSON has line breaks only between its tokens; a record is one line. */
static void put_json(out_t *out,
                     const char *name,
                     const char *result,
                     size_t len) {
  size_t from = 0;
  size_t i;

  put(out, name);
  for (i = 0; i < len; i++) {
    if ((unsigned char) result[i] >= 0x20)
      continue;
    put_bytes(out, result + from, i - from);
    put(out, " ");
    from = i + 1;
  }
  put_bytes(out, result + from, len - from);
}

static void put_tags(out_t *out, const jobsrv__labels_t *labels) {
  size_t i;

  for (i = 0; i < labels->ntags; i++) {
    put(out, i == 0 ? ",\"tags\":{" : ",");
    put_string(out, labels->tags[i].key);
    put(out, ":");
    put_string(out, labels->tags[i].value);
  }
  if (labels->ntags > 0)
    put(out, "}");
}

static void put_progress(out_t *out, const jobsrv_job_t *job) {
  char text[PROGRESS_SIZE];
  size_t len = jobsrv__log_progress_json(job, text, sizeof(text));

  if (len == 0 || len > sizeof(text))
    return;
  put(out, ",");
  put_bytes(out, text, len);
}

static void put_events(out_t *out, const jobsrv_job_t *job, int ended) {
  uint64_t first;
  uint64_t last;

  jobsrv__log_range(job, &first, &last);
  if (ended)
    first = job->log != NULL ? job->log->first_at_end : 1;
  put_number(out, ",\"events\":{\"first_seq\":", first);
  put_number(out, ",\"last_seq\":", job->seq);
  put(out, "}");
}

static void put_head(out_t *out,
                     const jobsrv_job_t *job,
                     const jobsrv_job_info_t *info) {
  char id[JOBSRV_ID_SIZE];

  put(out, "{\"job_id\":\"");
  put(out, job->log != NULL ? job->log->id : jobsrv_job_id(job, id));
  put_text(out, "\",\"operation\":", jobsrv_job_operation(job));
  put_text(out, ",\"state\":", jobsrv_state_name(info->state));
  put_reason(out, info->cancel_reason);
  put_time(out, ",\"created_at\":", info->created_wall_ns);
  put_time(out, ",\"queued_at\":", info->queued_wall_ns);
  put_time(out, ",\"started_at\":", info->started_wall_ns);
  put_time(out, ",\"finished_at\":", info->finished_wall_ns);
  if (info->started_wall_ns != 0)
    put_number(out, ",\"duration_ms\":", info->duration_ns / 1000000);
  put_number(out, ",\"attempt\":", info->attempt);
  put_number(out, ",\"max_attempts\":", info->max_attempts);
  if (info->next_attempt_wall_ns != UINT64_MAX) /* else: never */
    put_time(out, ",\"next_attempt_at\":", info->next_attempt_wall_ns);
  put_text(out, ",\"priority\":", jobsrv_priority_name(info->priority));
  if (info->queue_position > 0)
    put_number(out, ",\"queue_position\":", info->queue_position);
}

enum { WITH_RESULT = 1, WITH_TAGS = 2, WITH_PROMPT = 4 };

static size_t write_record(const jobsrv_job_t *job,
                           const jobsrv_job_info_t *info,
                           int parts,
                           char *to,
                           size_t cap) {
  int ended = jobsrv_state_terminal(info->state);
  out_t out = { to, cap, 0 };

  put_head(&out, job, info);
  put_progress(&out, job);
  put_exit(&out, ",\"process\":{", info);
  if (info->exit_status >= 0 || info->signal > 0)
    put(&out, "}");
  put_error(&out, info);
  if (info->result != NULL && (parts & WITH_RESULT))
    put_json(&out, ",\"result\":", info->result, info->result_len);
  else if (info->result != NULL)
    put(&out, ",\"result_omitted\":true");
  if (job->labels != NULL && (parts & WITH_TAGS))
    put_tags(&out, job->labels);
  else if (job->labels != NULL && job->labels->ntags > 0)
    put(&out, ",\"tags_omitted\":true");
  put_events(&out, job, ended);
  if (info->expires_wall_ns != UINT64_MAX)
    put_time(&out, ",\"expires_at\":", info->expires_wall_ns);
  put_text(&out, ",\"principal\":", info->principal);
  if (job->labels != NULL && job->labels->trace != NULL) {
    put_text(&out, ",\"trace_id\":", info->trace_id);
    put_text(&out, ",\"parent_span_id\":", info->parent_span_id);
  }
  if (!ended)
    put_bool(&out, ",\"cancellable\":", info->cancellable);
  if (info->open_spans > 0)
    put_number(&out, ",\"open_spans\":", info->open_spans);
  if (info->abandoned)
    put(&out, ",\"abandoned\":true");
  if (info->prompt != NULL && (parts & WITH_PROMPT))
    put_json(&out, ",\"prompt\":", info->prompt, info->prompt_len);
  else if (info->prompt != NULL)
    put(&out, ",\"prompt_omitted\":true");
  put(&out, "}");
  return out.len;
}

size_t jobsrv_job_record(const jobsrv_job_t *job,
                         int flags,
                         char *to,
                         size_t cap) {
  jobsrv_job_info_t info = { .size = sizeof(info) };
  int parts = WITH_RESULT | WITH_TAGS | WITH_PROMPT;
  size_t len;

  JOBSRV__ASSERT_LOOP(job->srv);
  jobsrv_job_info(job, &info);
  if ((flags & JOBSRV_RECORD_BRIEF) && info.result_len > BRIEF_RESULT)
    parts &= ~WITH_RESULT;
  if ((flags & JOBSRV_RECORD_BRIEF) && info.prompt_len > BRIEF_RESULT)
    parts &= ~WITH_PROMPT;
  len = write_record(job, &info, parts, to, cap);
  if ((flags & JOBSRV_RECORD_BRIEF) && len > JOBSRV_RECORD_MAX)
    len = write_record(job, &info, parts & ~WITH_TAGS, to, cap);
  return len;
}

/* ---- event ids ---- */

enum { MAX_DIGITS = 19, MAX_BOOT = 16 };

/* Returns 0 or JOBSRV_EBADCURSOR. */
static int parse_seq(const char *text, size_t len, uint64_t *seq) {
  uint64_t value = 0;
  size_t i;

  if (len == 0 || len > MAX_DIGITS || (text[0] == '0' && len > 1))
    return JOBSRV_EBADCURSOR;
  for (i = 0; i < len; i++) {
    if (text[i] < '0' || text[i] > '9')
      return JOBSRV_EBADCURSOR;
    value = value * 10 + (uint64_t) (text[i] - '0');
  }
  *seq = value;
  return 0;
}

static int boot_char(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

/* Splits an id into its boot, len 0 without one, and what is behind it. */
static int parse_boot(const char *text,
                      size_t len,
                      size_t *boot_len,
                      const char **rest) {
  const char *dash = len > 0 ? memchr(text, '-', len) : NULL;
  size_t i;

  *boot_len = 0;
  *rest = text;
  if (dash == NULL)
    return 0;
  *boot_len = (size_t) (dash - text);
  *rest = dash + 1;
  if (*boot_len == 0 || *boot_len > MAX_BOOT)
    return JOBSRV_EBADCURSOR;
  for (i = 0; i < *boot_len; i++)
    if (!boot_char(text[i]))
      return JOBSRV_EBADCURSOR;
  return 0;
}

static int parse_id(const jobsrv_t *srv,
                    const char *text,
                    size_t len,
                    int is_global,
                    uint64_t *seq) {
  const char *boot = jobsrv_boot(srv);
  const char *rest;
  size_t boot_len;
  size_t left;
  int err = parse_boot(text, len, &boot_len, &rest);

  if (err != 0)
    return err;
  left = len - (size_t) (rest - text);
  if (is_global && left > 0 && *rest == 'g') {
    rest++;
    left--;
  } else if (is_global && boot_len > 0) {
    return JOBSRV_EBADCURSOR;
  }
  err = parse_seq(rest, left, seq);
  if (err != 0)
    return err;
  return boot_len > 0 &&
         (boot_len != strlen(boot) || memcmp(text, boot, boot_len) != 0);
}

int jobsrv_event_id_parse(const jobsrv_t *srv,
                          const char *text,
                          size_t len,
                          uint64_t *seq) {
  return parse_id(srv, text, len, 0, seq);
}

int jobsrv_server_id_parse(const jobsrv_t *srv,
                           const char *text,
                           size_t len,
                           uint64_t *server_seq) {
  return parse_id(srv, text, len, 1, server_seq);
}
