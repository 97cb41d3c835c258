/* SPDX-License-Identifier: MIT */

#include "limits.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CORE(name, min, max, fallback)                                        \
  { #name, offsetof(jobsrv_options_t, name),                                  \
    sizeof(((jobsrv_options_t *) 0)->name), 0, min, max, fallback }
#define SSE(name, min, max, fallback)                                         \
  { #name, offsetof(jobsrv_sse_options_t, name),                              \
    sizeof(((jobsrv_sse_options_t *) 0)->name), 1, min, max, fallback }

#define COUNT UINT32_MAX
#define BYTES UINT32_MAX
#define MIB 1048576ull
#define MS (UINT64_MAX / 1000000) /* what still fits as nanoseconds */

/* Ranges are those of the library; 0 stands where it means "none" there. */
static const jobsrvd_limit_t limits[] = {
  SSE(max_request_line, 16, MIB, "8192"),
  SSE(max_header_bytes, 64, 16 * MIB, "32768"),
  SSE(max_header_fields, 1, 65535, "100"),
  SSE(max_body, 1, 1024 * MIB, "1048576"),
  SSE(max_chunk_extension, 1, 16 * MIB, "16384"),
  SSE(max_trailer_bytes, 1, 16 * MIB, "8192"),
  SSE(max_json_depth, 1, 1024, "64"),
  SSE(max_connections, 1, 16 * MIB, "1024"),
  SSE(max_streams, 1, COUNT, "3/4 of max_connections"),
  SSE(max_streams_per_job, 1, 16 * MIB, "256"),
  SSE(max_jobs_per_stream, 1, 1024, "64"),
  SSE(max_pipelined, 1, 65536, "100"),
  SSE(head_timeout_ms, 1, INT32_MAX, "10000"),
  SSE(body_timeout_ms, 1, INT32_MAX, "30000"),
  SSE(silent_timeout_ms, 1, INT32_MAX, "10000"),
  SSE(keepalive_idle_ms, 1, INT32_MAX, "60000"),
  SSE(answer_timeout_ms, 1, INT32_MAX, "120000"),
  SSE(write_stall_ms, 1, INT32_MAX, "20000"),
  SSE(heartbeat_ms, 1, INT32_MAX, "15000"),
  SSE(retry_ms, 1000, 60000, "2000"),
  SSE(max_stream_ms, 0, INT32_MAX, "none"),
  SSE(send_buffer, 0, INT32_MAX, "the kernel's"),
  SSE(fanout_loops, 0, 64, "none"),
  SSE(ticket_ttl_ms, 1, INT32_MAX, "60000"),
  SSE(cors_max_age_s, 1, 86400, "600"),
  CORE(max_running, 0, COUNT, "none"),
  CORE(max_threads, 1, COUNT, "8"),
  CORE(max_lost_threads, 1, COUNT, "16"),
  CORE(max_jobs, 1, COUNT, "10000"),
  CORE(max_queued, 1, COUNT, "1024"),
  CORE(max_payload, 1, BYTES, "1048576"),
  CORE(max_result, 1, BYTES, "262144"),
  CORE(max_tags, 1, COUNT, "16"),
  CORE(queue_ms, 0, MS, "none"),
  CORE(timeout_ms, 0, MS, "none"),
  CORE(deadline_ms, 0, MS, "none"),
  CORE(silence_ms, 0, MS, "none"),
  CORE(grace_ms, 1, MS, "5000"),
  CORE(retain_ms, 1, MS, "600000"),
  CORE(retain_failed_ms, 1, MS, "retain_ms"),
  CORE(retain_cancelled_ms, 1, MS, "retain_ms"),
  CORE(max_retained, 1, COUNT, "1000"),
  CORE(max_retained_completed, 1, COUNT, "max_retained"),
  CORE(max_retained_failed, 1, COUNT, "max_retained"),
  CORE(max_retained_cancelled, 1, COUNT, "max_retained"),
  CORE(max_expired, 1, COUNT, "65536"),
  CORE(max_text, 1, BYTES, "65536"),
  CORE(max_event_bytes, 1024, 8 * MIB, "262144"),
  CORE(max_events_per_job, 1, COUNT, "8192"),
  CORE(max_bytes_per_job, 1, BYTES, "1048576"),
  CORE(max_bytes_total, 1, UINT64_MAX, "268435456"),
  CORE(max_inbox_bytes, 1, BYTES, "16777216"),
};

enum { LIMITS = sizeof(limits) / sizeof(limits[0]) };

_Static_assert(LIMITS <= 64, "limits_given has a bit for each");

const jobsrvd_limit_t *jobsrvd_limit_find(const char *name) {
  for (size_t i = 0; i < LIMITS; i++)
    if (strcmp(limits[i].name, name) == 0)
      return &limits[i];
  return NULL;
}

void jobsrvd_limit_set(jobsrvd_settings_t *settings,
                       const jobsrvd_limit_t *limit,
                       uint64_t value,
                       int from_command_line) {
  uint64_t bit = 1ull << (limit - limits);
  char *to = limit->in_sse ? (char *) &settings->sse : (char *) &settings->core;
  uint32_t narrow = (uint32_t) value;

  if (from_command_line)
    settings->limits_given |= bit;
  else if (settings->limits_given & bit)
    return;
  if (limit->width == sizeof(narrow))
    memcpy(to + limit->offset, &narrow, sizeof(narrow));
  else
    memcpy(to + limit->offset, &value, sizeof(value));
}

static int number_parse(const char *text, uint64_t *value) {
  char *end;

  if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
    return -1;
  errno = 0;
  *value = strtoull(text, &end, 10);
  return errno == 0 ? 0 : -1;
}

int jobsrvd_limit_parse(jobsrvd_settings_t *settings, const char *text) {
  const char *equals = strchr(text, '=');
  const jobsrvd_limit_t *limit;
  uint64_t value;
  char name[64];

  if (equals == NULL) {
    jobsrvd_complain("--limit %s: expected NAME=VALUE", text);
    return -1;
  }
  snprintf(name, sizeof(name), "%.*s", (int) (equals - text), text);
  limit = jobsrvd_limit_find(name);
  if (limit == NULL) {
    jobsrvd_complain("--limit %s: there is no limit \"%s\"; --help names all",
                     text, name);
    return -1;
  }
  if (number_parse(equals + 1, &value) != 0 || value < limit->min ||
      value > limit->max) {
    jobsrvd_complain("--limit %s: expected a whole number from %llu to %llu",
                     text, (unsigned long long) limit->min,
                     (unsigned long long) limit->max);
    return -1;
  }
  jobsrvd_limit_set(settings, limit, value, 1);
  return 0;
}

void jobsrvd_limits_list(FILE *to) {
  for (size_t i = 0; i < LIMITS; i++)
    fprintf(to, "  %-23s%s\n", limits[i].name, limits[i].fallback);
}
