/* SPDX-License-Identifier: MIT */

#include "base/zone.h"

#include "base/alloc.h"
#include "base/zone_rule.h"
#include "jobsrv/error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

/*
 * offset[0] is valid before at[0], offset[n + 1] from at[n] on; the rule, when
 * the file has one, from the last change on.
 */
struct jobsrv__zone_s {
  jobsrv_alloc_t alloc;
  jobsrv__zone_rule_t rule;
  int has_rule;
  size_t count;
  int32_t *offset;
  int64_t at[];
};

enum {
  MAX_FILE = 64 * 1024,
  MAX_NAME = 255,
  HEAD_SIZE = 44,
  TYPE_SIZE = 6,
  /* what RFC 8536 allows, in seconds east */
  MIN_OFFSET = -89999,
  MAX_OFFSET = 93599
};

/* Either way; files may begin with 1 << 59 seconds ago. Sums with an offset do
   not come near what a number can hold. */
static const int64_t most_time = INT64_C(1) << 60;

/* ---- a file's parts ---- */

/* In the order of the header. */
typedef struct head_s {
  uint32_t utc_count, standard_count, leap_count;
  uint32_t time_count, type_count, char_count;
  char version;
} head;

static uint32_t get32(const unsigned char *p) {
  return (uint32_t) p[0] << 24 | (uint32_t) p[1] << 16 | (uint32_t) p[2] << 8 |
         (uint32_t) p[3];
}

static int64_t get_time(const unsigned char *p, size_t size) {
  if (size == 4)
    return (int32_t) get32(p);
  return (int64_t) ((uint64_t) get32(p) << 32 | get32(p + 4));
}

static int read_head(head *h, const unsigned char *p, size_t len) {
  if (len < HEAD_SIZE || memcmp(p, "TZif", 4) != 0)
    return 0;
  h->version = (char) p[4];
  h->utc_count = get32(p + 20);
  h->standard_count = get32(p + 24);
  h->leap_count = get32(p + 28);
  h->time_count = get32(p + 32);
  h->type_count = get32(p + 36);
  h->char_count = get32(p + 40);
  return (h->version == 0 || h->version >= '2') && h->utc_count <= MAX_FILE &&
         h->standard_count <= MAX_FILE && h->leap_count <= MAX_FILE &&
         h->time_count <= MAX_FILE && h->type_count <= MAX_FILE &&
         h->char_count <= MAX_FILE;
}

static size_t block_size(const head *h, size_t size) {
  return h->time_count * (size + 1) + h->type_count * (size_t) TYPE_SIZE +
         h->char_count + h->leap_count * (size + 4) + h->standard_count +
         h->utc_count;
}

static int block_sound(const head *h) {
  return h->leap_count == 0 && h->type_count >= 1 && h->type_count <= 256 &&
         h->char_count >= 1 &&
         (h->utc_count == 0 || h->utc_count == h->type_count) &&
         (h->standard_count == 0 || h->standard_count == h->type_count);
}

/* A type's offset; 0 when the type is not sound. */
static int read_type(const head *h, const unsigned char *p, int32_t *offset) {
  *offset = (int32_t) get32(p);
  return *offset >= MIN_OFFSET && *offset <= MAX_OFFSET && p[4] <= 1 &&
         p[5] < h->char_count;
}

static int read_block(jobsrv__zone_t *zone,
                      const head *h,
                      const unsigned char *p,
                      size_t size) {
  const unsigned char *indexes = p + h->time_count * size;
  const unsigned char *types = indexes + h->time_count;
  int32_t offset;

  for (uint32_t i = 0; i < h->type_count; i++)
    if (!read_type(h, types + (size_t) i * TYPE_SIZE, &offset))
      return 0;
  (void) read_type(h, types, &zone->offset[0]);
  for (uint32_t i = 0; i < h->time_count; i++) {
    zone->at[i] = get_time(p + i * size, size);
    if ((i > 0 && zone->at[i] <= zone->at[i - 1]) ||
        zone->at[i] < -most_time || zone->at[i] > most_time ||
        indexes[i] >= h->type_count)
      return 0;
    (void) read_type(h, types + (size_t) indexes[i] * TYPE_SIZE,
                     &zone->offset[i + 1]);
  }
  return 1;
}

/* A line of its own at the end; it may be empty. */
static int read_footer(jobsrv__zone_t *zone,
                       const unsigned char *p,
                       const unsigned char *end) {
  const unsigned char *line_end;

  if (p == end || *p++ != '\n')
    return 0;
  line_end = memchr(p, '\n', (size_t) (end - p));
  if (line_end == NULL)
    return 0;
  zone->has_rule = line_end > p;
  return !zone->has_rule ||
         jobsrv__zone_rule_read(&zone->rule, (const char *) p,
                                (size_t) (line_end - p));
}

int jobsrv__zone_read(jobsrv__zone_t **out,
                      const jobsrv_alloc_t *alloc,
                      const void *bytes,
                      size_t len) {
  const unsigned char *p = bytes;
  const unsigned char *end = p + len;
  jobsrv__zone_t *zone;
  size_t size = 4;
  head h;

  if (!read_head(&h, p, len))
    return JOBSRV_EZONE;
  p += HEAD_SIZE;
  if (h.version != 0) { /* the same again, in 64 bits */
    if (block_size(&h, size) > (size_t) (end - p))
      return JOBSRV_EZONE;
    p += block_size(&h, size);
    size = 8;
    if (!read_head(&h, p, (size_t) (end - p)) || h.version == 0)
      return JOBSRV_EZONE;
    p += HEAD_SIZE;
  }
  if (!block_sound(&h) || block_size(&h, size) > (size_t) (end - p))
    return JOBSRV_EZONE;

  alloc = jobsrv__alloc(alloc);
  zone = jobsrv__zalloc(alloc, sizeof(*zone) +
                                   h.time_count * sizeof(zone->at[0]) +
                                   (h.time_count + 1) * sizeof(int32_t));
  if (zone == NULL)
    return UV_ENOMEM;
  zone->alloc = *alloc;
  zone->count = h.time_count;
  zone->offset = (int32_t *) (void *) (zone->at + zone->count);
  if (!read_block(zone, &h, p, size) ||
      (size == 8 && !read_footer(zone, p + block_size(&h, size), end))) {
    jobsrv__zone_free(zone);
    return JOBSRV_EZONE;
  }
  *out = zone;
  return 0;
}

/* ---- files ---- */

static int name_ok(const char *name) {
  size_t len = strlen(name);

  return len >= 1 && len <= MAX_NAME && name[0] != '/' &&
         strstr(name, "..") == NULL &&
         strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                      "0123456789._+/-") == len;
}

/* How much there is, at most `cap`, or 0. Whatever is no file is not waited
 * for. */
static size_t read_file(const char *path, unsigned char *to, size_t cap) {
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  struct stat st;
  size_t len = 0;
  ssize_t n = 0;

  if (fd < 0)
    return 0;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
    do {
      n = read(fd, to + len, cap - len);
      if (n > 0)
        len += (size_t) n;
    } while ((n > 0 && len < cap) || (n < 0 && errno == EINTR));
  }
  close(fd);
  return n < 0 ? 0 : len;
}

int jobsrv__zone_load(jobsrv__zone_t **out,
                      const jobsrv_alloc_t *alloc,
                      const char *folder,
                      const char *name) {
  size_t path_size = strlen(folder) + strlen(name) + 2;
  unsigned char *bytes;
  size_t len;
  int err;

  if (!name_ok(name))
    return JOBSRV_EZONE;
  alloc = jobsrv__alloc(alloc);
  bytes = jobsrv__malloc(alloc, path_size + MAX_FILE + 1);
  if (bytes == NULL)
    return UV_ENOMEM;
  snprintf((char *) bytes, path_size, "%s/%s", folder, name);
  len = read_file((char *) bytes, bytes + path_size, MAX_FILE + 1);
  err = len <= MAX_FILE ? jobsrv__zone_read(out, alloc, bytes + path_size, len)
                        : JOBSRV_EZONE;
  jobsrv__free(alloc, bytes);
  return err;
}

void jobsrv__zone_free(jobsrv__zone_t *zone) {
  jobsrv_alloc_t alloc;

  if (zone == NULL)
    return;
  alloc = zone->alloc;
  jobsrv__free(&alloc, zone);
}

/* ---- time ---- */

/* How many changes there are up to `utc`. */
static size_t changes_until(const jobsrv__zone_t *zone, int64_t utc) {
  size_t low = 0, high = zone->count, middle;

  while (low < high) {
    middle = low + (high - low) / 2;
    if (zone->at[middle] <= utc)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void jobsrv__zone_span(const jobsrv__zone_t *zone,
                       int64_t utc,
                       jobsrv__zone_span_t *span) {
  size_t n = 0;

  if (zone == NULL) {
    *span = (jobsrv__zone_span_t) { INT64_MIN, INT64_MAX, 0 };
    return;
  }
  n = changes_until(zone, utc);
  if (n == zone->count && zone->has_rule) {
    jobsrv__zone_rule_span(&zone->rule, utc, span);
    if (n > 0 && span->begin < zone->at[n - 1])
      span->begin = zone->at[n - 1];
    return;
  }
  span->begin = n > 0 ? zone->at[n - 1] : INT64_MIN;
  span->end = n < zone->count ? zone->at[n] : INT64_MAX;
  span->offset = zone->offset[n];
}

/*
 * Spans are looked at from one that is surely early enough on. The first that
 * is not over at this civil time has it, or begins behind it: a gap.
 */
jobsrv__civil_t jobsrv__zone_when(const jobsrv__zone_t *zone,
                                  int64_t civil,
                                  int64_t *first,
                                  int64_t *last) {
  const int64_t widest = INT64_C(2) * MAX_OFFSET;
  jobsrv__zone_span_t span;
  jobsrv__civil_t kind = JOBSRV__CIVIL_ONCE;

  jobsrv__zone_span(zone, civil - widest, &span);
  while (span.end != INT64_MAX && civil >= span.end + span.offset)
    jobsrv__zone_span(zone, span.end, &span);
  if (span.begin != INT64_MIN && civil < span.begin + span.offset) {
    *first = *last = span.begin;
    return JOBSRV__CIVIL_NEVER;
  }
  *first = *last = civil - span.offset;
  while (span.end < civil + widest) {
    jobsrv__zone_span(zone, span.end, &span);
    if (civil >= span.begin + span.offset &&
        (span.end == INT64_MAX || civil < span.end + span.offset)) {
      *last = civil - span.offset;
      kind = JOBSRV__CIVIL_TWICE;
    }
  }
  return kind;
}
