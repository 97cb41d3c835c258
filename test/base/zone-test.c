/* SPDX-License-Identifier: MIT */

/* Row 14: local time of named zones, and files that are not sound. */

#include "test.h"

#include "base/civil.h"
#include "base/zone.h"
#include "failing.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER "/usr/share/zoneinfo"

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t next_random(void) {
  seed ^= seed << 13;
  seed ^= seed >> 7;
  seed ^= seed << 17;
  return seed;
}

static jobsrv__zone_t *load(const char *name) {
  jobsrv__zone_t *zone;

  assert_ok(jobsrv__zone_load(&zone, NULL, FOLDER, name));
  return zone;
}

static int64_t utc_of(uint32_t y, uint32_t mo, uint32_t d, int h, int mi) {
  return (int64_t) jobsrv__civil_days(y, mo, d) * 86400 + h * 3600 + mi * 60;
}

static int64_t offset_at(const jobsrv__zone_t *zone, int64_t utc) {
  jobsrv__zone_span_t span;

  jobsrv__zone_span(zone, utc, &span);
  assert_true(span.begin <= utc && utc < span.end);
  return span.offset;
}

static int64_t span_begin(const jobsrv__zone_t *zone, int64_t utc) {
  jobsrv__zone_span_t span;

  jobsrv__zone_span(zone, utc, &span);
  return span.begin;
}

static void no_zone_is_utc(void **state) {
  int64_t first, last;

  (void) state;
  assert_int_equal(offset_at(NULL, 0), 0);
  assert_int_equal(jobsrv__zone_when(NULL, 1234567890, &first, &last),
                   JOBSRV__CIVIL_ONCE);
  assert_int_equal(first, 1234567890);
  assert_int_equal(last, 1234567890);
}

static void a_gap_and_an_overlap_are_told(void **state) {
  jobsrv__zone_t *zone = load("Europe/Berlin");
  int64_t first, last;

  (void) state;
  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2026, 3, 29, 1, 59), &first, &last),
      JOBSRV__CIVIL_ONCE);
  assert_int_equal(first, utc_of(2026, 3, 29, 0, 59));
  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2026, 3, 29, 2, 0), &first, &last),
      JOBSRV__CIVIL_NEVER);
  assert_int_equal(first, utc_of(2026, 3, 29, 1, 0));
  assert_int_equal(last, first);
  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2026, 3, 29, 3, 0), &first, &last),
      JOBSRV__CIVIL_ONCE);
  assert_int_equal(first, utc_of(2026, 3, 29, 1, 0));

  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2026, 10, 25, 2, 0), &first, &last),
      JOBSRV__CIVIL_TWICE);
  assert_int_equal(first, utc_of(2026, 10, 25, 0, 0));
  assert_int_equal(last, utc_of(2026, 10, 25, 1, 0));
  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2026, 10, 25, 2, 59), &first, &last),
      JOBSRV__CIVIL_TWICE);
  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2026, 10, 25, 3, 0), &first, &last),
      JOBSRV__CIVIL_ONCE);
  assert_int_equal(first, utc_of(2026, 10, 25, 2, 0));
  jobsrv__zone_free(zone);
}

static void a_day_that_was_left_out_is_one_gap(void **state) {
  jobsrv__zone_t *zone = load("Pacific/Apia");
  int64_t first, last;

  (void) state;
  assert_int_equal(
      jobsrv__zone_when(zone, utc_of(2011, 12, 30, 12, 0), &first, &last),
      JOBSRV__CIVIL_NEVER);
  assert_int_equal(first, utc_of(2011, 12, 30, 10, 0));
  jobsrv__zone_free(zone);
}

/* ---- against the C library, in every zone there is ---- */

static void use(const char *name) {
  setenv("TZ", name, 1);
  tzset();
}

static int64_t expected(int64_t utc) {
  time_t t = (time_t) utc;
  struct tm tm;

  assert_non_null(localtime_r(&t, &tm));
  return tm.tm_gmtoff;
}

/* At random, on and around each change, and two centuries past the last. */
static void compare(const char *name) {
  jobsrv__zone_t *zone = load(name);
  jobsrv__zone_span_t span;
  int64_t first, last, utc;

  use(name);
  for (int i = 0; i < 60; i++) {
    utc = (int64_t) (next_random() % (utc_of(2550, 1, 1, 0, 0) + 0u));
    jobsrv__zone_span(zone, utc, &span);
    if (span.offset != expected(utc))
      fail_msg("%s at %lld", name, (long long) utc);
    if (span.begin > 0 && offset_at(zone, span.begin - 1) !=
                              expected(span.begin - 1))
      fail_msg("%s before %lld", name, (long long) span.begin);
    if (span.begin > 0 && expected(span.begin) != span.offset)
      fail_msg("%s from %lld", name, (long long) span.begin);
    if (span.end < INT64_MAX && expected(span.end - 1) != span.offset)
      fail_msg("%s until %lld", name, (long long) span.end);
    if (span.end < INT64_MAX && expected(span.end) != offset_at(zone, span.end))
      fail_msg("%s behind %lld", name, (long long) span.end);
    if (jobsrv__zone_when(zone, utc + span.offset, &first, &last) ==
        JOBSRV__CIVIL_NEVER)
      fail_msg("%s never at %lld", name, (long long) utc);
    assert_true(first == utc || last == utc);
  }
  jobsrv__zone_free(zone);
}

static void every_zone_agrees_with_the_c_library(void **state) {
  FILE *list = fopen(FOLDER "/tzdata.zi", "r");
  static const char *const some[] = {
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
    "Asia/Kolkata", "Europe/Dublin", "Africa/Casablanca", "America/Nuuk",
    "Antarctica/Troll", "Asia/Gaza", "Etc/GMT+12", "America/St_Johns",
  };
  char line[512], name[512];
  int n = 0;

  (void) state;
  for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
    compare(some[i]);
  while (list != NULL && fgets(line, sizeof(line), list) != NULL)
    if (sscanf(line, "Z %511s", name) == 1) {
      compare(name);
      n++;
    }
  if (list != NULL) {
    fclose(list);
    assert_true(n > 300);
  }
  unsetenv("TZ");
  tzset();
}

/* ---- files ---- */

static void put32(unsigned char *p, uint32_t value) {
  for (int i = 0; i < 4; i++)
    p[i] = (unsigned char) (value >> (24 - 8 * i));
}

typedef struct {
  unsigned char bytes[4096];
  size_t len;
} file_t;

static void add_head(file_t *file,
                     char version,
                     uint32_t leaps,
                     uint32_t times,
                     uint32_t types) {
  unsigned char *p = file->bytes + file->len;

  memset(p, 0, 44);
  memcpy(p, "TZif", 4);
  p[4] = (unsigned char) version;
  put32(p + 28, leaps);
  put32(p + 32, times);
  put32(p + 36, types);
  put32(p + 40, 4);
  file->len += 44;
}

static void add_block(file_t *file,
                      size_t size,
                      const int64_t *times,
                      uint32_t ntimes,
                      const int32_t *offsets,
                      uint32_t ntypes) {
  unsigned char *p = file->bytes + file->len;

  for (uint32_t i = 0; i < ntimes; i++) {
    if (size == 8) {
      put32(p, (uint32_t) ((uint64_t) times[i] >> 32));
      p += 4;
    }
    put32(p, (uint32_t) times[i]);
    p += 4;
  }
  for (uint32_t i = 0; i < ntimes; i++)
    *p++ = (unsigned char) ((i + 1) % ntypes);
  for (uint32_t i = 0; i < ntypes; i++, p += 6) {
    put32(p, (uint32_t) offsets[i]);
    p[4] = i != 0;
    p[5] = 0;
  }
  memcpy(p, "ABC", 4);
  file->len = (size_t) (p + 4 - file->bytes);
}

/* One hour ahead from 1000 on; what follows is the footer's. */
static file_t make(const char *footer) {
  static const int64_t times[] = { 1000 };
  static const int32_t offsets[] = { 0, 3600 };
  file_t file = { .len = 0 };

  add_head(&file, '2', 0, 1, 2);
  add_block(&file, 4, times, 1, offsets, 2);
  add_head(&file, '2', 0, 1, 2);
  add_block(&file, 8, times, 1, offsets, 2);
  memcpy(file.bytes + file.len, footer, strlen(footer));
  file.len += strlen(footer);
  return file;
}

static int read_made(jobsrv__zone_t **zone, const char *footer) {
  file_t file = make(footer);

  return jobsrv__zone_read(zone, NULL, file.bytes, file.len);
}

static void an_old_file_of_32_bits_can_be_read(void **state) {
  static const int64_t times[] = { -5000, 1000, 2000 };
  static const int32_t offsets[] = { 0, 3600 };
  file_t file = { .len = 0 };
  jobsrv__zone_t *zone;

  (void) state;
  add_head(&file, 0, 0, 3, 2);
  add_block(&file, 4, times, 3, offsets, 2);
  assert_ok(jobsrv__zone_read(&zone, NULL, file.bytes, file.len));
  assert_int_equal(offset_at(zone, -6000), 0);
  assert_int_equal(offset_at(zone, -5000), 3600);
  assert_int_equal(offset_at(zone, 1000), 0);
  assert_int_equal(offset_at(zone, 1999), 0);
  assert_int_equal(offset_at(zone, INT64_C(10000000000)), 3600);
  jobsrv__zone_free(zone);
}

static void the_footer_rules_what_comes_after(void **state) {
  static const struct {
    const char *footer;
    int64_t winter, summer; /* in 2050 */
  } cases[] = {
    { "\n\n", 3600, 3600 }, /* none: as the last change left it */
    { "\nUTC0\n", 0, 0 },
    { "\n<+0530>-5:30\n", 19800, 19800 },
    { "\nCET-1CEST,M3.5.0,M10.5.0/3\n", 3600, 7200 },
    { "\nIST-1GMT0,M10.5.0,M3.5.0/1\n", 0, 3600 },
    { "\nAAA3BBB,J60/0,J300/24\n", -10800, -7200 },
    { "\nAAA-3BBB-4:30:15,59/-1:30,299/167:59:59\n", 10800, 16215 },
    { "\nXXX3EDT4,0/0,J365/23\n", -14400, -14400 }, /* summer all year */
    { "\n<-02>2<-01>,M3.5.0/-1,M10.5.0/0\n", -7200, -3600 },
    { "\n<+1030>-10:30<+11>-11,M10.1.0,M4.1.0\n", 39600, 37800 },
  };
  jobsrv__zone_t *zone;

  (void) state;
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    if (read_made(&zone, cases[i].footer) != 0)
      fail_msg("%s", cases[i].footer);
    assert_int_equal(offset_at(zone, 999), 0);
    assert_int_equal(span_begin(zone, 1001), 1000);
    if (offset_at(zone, utc_of(2050, 1, 15, 0, 0)) != cases[i].winter ||
        offset_at(zone, utc_of(2050, 7, 15, 0, 0)) != cases[i].summer)
      fail_msg("%s", cases[i].footer);
    jobsrv__zone_free(zone);
  }
}

static void days_of_the_year_are_counted_both_ways(void **state) {
  jobsrv__zone_t *zone;
  jobsrv__zone_span_t span;

  (void) state;
  /* J60 is 1 March in every year; 59 is 29 February in a leap year */
  assert_ok(read_made(&zone, "\nAAA0BBB,J60/0,J61/0\n"));
  jobsrv__zone_span(zone, utc_of(2052, 3, 1, 12, 0), &span);
  assert_int_equal(span.begin, utc_of(2052, 3, 1, 0, 0));
  assert_int_equal(span.end, utc_of(2052, 3, 1, 23, 0));
  jobsrv__zone_free(zone);
  assert_ok(read_made(&zone, "\nAAA0BBB,59/0,60/0\n"));
  jobsrv__zone_span(zone, utc_of(2052, 2, 29, 12, 0), &span);
  assert_int_equal(span.begin, utc_of(2052, 2, 29, 0, 0));
  jobsrv__zone_span(zone, utc_of(2053, 3, 1, 12, 0), &span);
  assert_int_equal(span.begin, utc_of(2053, 3, 1, 0, 0));
  jobsrv__zone_free(zone);
}

static void a_footer_that_is_not_sound_is_refused(void **state) {
  static const char *const footers[] = {
    "", "\n", "x\n", "\nCET\n", "\nCE-1\n", "\n<CET-1\n", "\n<>-1\n",
    "\nCET-25\n", "\nCET-1:60\n", "\nCET-1:\n", "\nCET-\n", "\nCET-1 \n",
    "\nCET-1CEST\n", "\nCET-1CEST,M3.5.0\n", "\nCET-1CEST,M3.5.0,M10.5.0/\n",
    "\nCET-1CEST,M13.5.0,M10.5.0\n", "\nCET-1CEST,M3.0.0,M10.5.0\n",
    "\nCET-1CEST,M3.6.0,M10.5.0\n", "\nCET-1CEST,M3.5.7,M10.5.0\n",
    "\nCET-1CEST,M3.5,M10.5.0\n", "\nCET-1CEST,J0,M10.5.0\n",
    "\nCET-1CEST,J366,M10.5.0\n", "\nCET-1CEST,366,M10.5.0\n",
    "\nCET-1CEST,M3.5.0/168,M10.5.0\n", "\nCET-1CEST,M3.5.0,M10.5.0/3x\n",
    "\nCET-1CE,M3.5.0,M10.5.0/3\n", "\nCET-1CEST-26,M3.5.0,M10.5.0/3\n",
    "\nCET-99999999999999\n", "\nCET-1CEST,M3.5.0,M10.5.0/3",
  };
  jobsrv__zone_t *zone = NULL;

  (void) state;
  for (size_t i = 0; i < sizeof(footers) / sizeof(footers[0]); i++)
    if (read_made(&zone, footers[i]) != JOBSRV_EZONE)
      fail_msg("\"%s\" was read", footers[i]);
  assert_null(zone);
}

static void what_is_not_sound_is_refused(void **state) {
  static const int64_t backward[] = { 1000, 1000 };
  static const int32_t wild[] = { 100000, 0 }, wilder[] = { INT32_MIN, 0 };
  static const int32_t fine[] = { 0, 3600 };
  jobsrv__zone_t *zone = NULL;
  file_t file = { .len = 0 };

  (void) state;
  add_head(&file, 0, 0, 2, 2);
  add_block(&file, 4, backward, 2, fine, 2);
  assert_err(jobsrv__zone_read(&zone, NULL, file.bytes, file.len),
             JOBSRV_EZONE);
  file.len = 0;
  add_head(&file, 0, 0, 0, 2);
  add_block(&file, 4, NULL, 0, wild, 2);
  assert_err(jobsrv__zone_read(&zone, NULL, file.bytes, file.len),
             JOBSRV_EZONE);
  file.len = 0;
  add_head(&file, 0, 0, 0, 2);
  add_block(&file, 4, NULL, 0, wilder, 2);
  assert_err(jobsrv__zone_read(&zone, NULL, file.bytes, file.len),
             JOBSRV_EZONE);
  file.len = 0;
  add_head(&file, 0, 1, 0, 2); /* counts leap seconds */
  add_block(&file, 4, NULL, 0, fine, 2);
  memset(file.bytes + file.len, 0, 8);
  assert_err(jobsrv__zone_read(&zone, NULL, file.bytes, file.len + 8),
             JOBSRV_EZONE);
  file.len = 0;
  add_head(&file, '1', 0, 0, 2); /* there never was such a version */
  add_block(&file, 4, NULL, 0, fine, 2);
  assert_err(jobsrv__zone_read(&zone, NULL, file.bytes, file.len),
             JOBSRV_EZONE);
  file.len = 0;
  add_head(&file, 0, 0, 0, 0);
  assert_err(jobsrv__zone_read(&zone, NULL, file.bytes, file.len + 4),
             JOBSRV_EZONE);
}

/* A file of one change at this time. */
static int read_changed_at(jobsrv__zone_t **zone, int64_t at) {
  static const int32_t offsets[] = { -3600, 3600 };
  file_t file = { .len = 0 };

  add_head(&file, '2', 0, 0, 2);
  add_block(&file, 4, NULL, 0, offsets, 2);
  add_head(&file, '2', 0, 1, 2);
  add_block(&file, 8, &at, 1, offsets, 2);
  memcpy(file.bytes + file.len, "\n\n", 2);
  return jobsrv__zone_read(zone, NULL, file.bytes, file.len + 2);
}

static void a_change_beyond_all_time_is_refused(void **state) {
  static const int64_t wrong[] = { INT64_MAX, INT64_MAX - 10, INT64_MIN,
                                   INT64_MIN + 10 };
  jobsrv__zone_t *zone = NULL;
  int64_t first, last;

  (void) state;
  for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
    if (read_changed_at(&zone, wrong[i]) == 0)
      (void) jobsrv__zone_when(zone, 0, &first, &last); /* for a checker */
    assert_null(zone);
  }
  assert_ok(read_changed_at(&zone, -(INT64_C(1) << 59)));
  assert_int_equal(offset_at(zone, 0), 3600);
  jobsrv__zone_free(zone);
}

static size_t slurp(const char *name, unsigned char *to, size_t cap) {
  char path[256];
  FILE *file;
  size_t len;

  snprintf(path, sizeof(path), FOLDER "/%s", name);
  file = fopen(path, "rb");
  assert_non_null(file);
  len = fread(to, 1, cap, file);
  fclose(file);
  return len;
}

/* In a block of exactly its size, so that a checker sees every byte beyond. */
static int read_exact(jobsrv__zone_t **zone, const void *bytes, size_t len) {
  void *copy = malloc(len > 0 ? len : 1);
  int err;

  assert_non_null(copy);
  memcpy(copy, bytes, len);
  err = jobsrv__zone_read(zone, NULL, copy, len);
  free(copy);
  return err;
}

static void a_file_cut_anywhere_is_refused(void **state) {
  unsigned char bytes[8192];
  size_t len = slurp("America/New_York", bytes, sizeof(bytes));
  jobsrv__zone_t *zone = NULL;

  (void) state;
  for (size_t n = 0; n < len; n++)
    assert_err(read_exact(&zone, bytes, n), JOBSRV_EZONE);
  assert_ok(read_exact(&zone, bytes, len));
  jobsrv__zone_free(zone);
}

/* Refused, or it answers: never a byte beyond, never a time without end. */
static void a_file_with_wrong_bytes_does_no_harm(void **state) {
  static const char *const names[] = { "Europe/Berlin", "Asia/Kolkata",
                                       "Australia/Lord_Howe" };
  unsigned char bytes[8192], copy[8192];
  jobsrv__zone_span_t span;
  jobsrv__zone_t *zone;
  int64_t first, last, utc;
  int err;

  (void) state;
  for (size_t i = 0; i < 3; i++) {
    size_t len = slurp(names[i], bytes, sizeof(bytes));

    for (int round = 0; round < 4000; round++) {
      memcpy(copy, bytes, len);
      for (uint64_t n = next_random() % 4 + 1; n > 0; n--)
        copy[next_random() % (round % 2 ? len : 100)] =
            (unsigned char) next_random();
      if (round % 4 == 3) /* the footer */
        copy[len - 2 - next_random() % 8] = (unsigned char) next_random();
      err = read_exact(&zone, copy, len);
      if (err != 0) {
        assert_int_equal(err, JOBSRV_EZONE);
        continue;
      }
      for (int n = 0; n < 20; n++) {
        utc = (int64_t) (next_random() % UINT64_C(18446744073));
        jobsrv__zone_span(zone, utc, &span);
        assert_true(span.begin <= utc && utc < span.end);
        (void) jobsrv__zone_when(zone, utc, &first, &last);
        assert_true(first <= last);
      }
      jobsrv__zone_free(zone);
    }
  }
}

static void names_that_lead_elsewhere_are_refused(void **state) {
  static const char *const names[] = {
    "", "/usr/share/zoneinfo/UTC", "../zoneinfo/UTC", "Europe/../UTC", "..",
    "Europe/", "Europe", "Europe/Nowhere", "europe berlin", "Europe\\Berlin",
    "UTC\n", "U\xc3\xa9", ".", "tzdata.zi", "Europe/Berlin/x",
  };
  char name[400];
  jobsrv__zone_t *zone = NULL;

  (void) state;
  for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
    if (jobsrv__zone_load(&zone, NULL, FOLDER, names[i]) != JOBSRV_EZONE)
      fail_msg("\"%s\" was read", names[i]);
  memset(name, 'x', sizeof(name) - 1);
  name[sizeof(name) - 1] = '\0';
  assert_err(jobsrv__zone_load(&zone, NULL, FOLDER, name), JOBSRV_EZONE);
  assert_err(jobsrv__zone_load(&zone, NULL, "/nowhere/at/all", "UTC"),
             JOBSRV_EZONE);
}

static void a_file_too_large_or_no_file_is_refused(void **state) {
  char folder[] = "zone-test-XXXXXX", path[64];
  file_t file = make("\nUTC0\n");
  jobsrv__zone_t *zone = NULL;
  FILE *to;

  (void) state;
  assert_non_null(mkdtemp(folder));
  snprintf(path, sizeof(path), "%s/Made", folder);
  to = fopen(path, "wb");
  assert_non_null(to);
  assert_int_equal(fwrite(file.bytes, 1, file.len, to), file.len);
  assert_int_equal(fclose(to), 0);
  assert_ok(jobsrv__zone_load(&zone, NULL, folder, "Made"));
  jobsrv__zone_free(zone);
  zone = NULL;
  assert_int_equal(truncate(path, 65536), 0);
  assert_ok(jobsrv__zone_load(&zone, NULL, folder, "Made"));
  jobsrv__zone_free(zone);
  zone = NULL;
  assert_int_equal(truncate(path, 65537), 0);
  assert_err(jobsrv__zone_load(&zone, NULL, folder, "Made"), JOBSRV_EZONE);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(mkfifo(path, 0600), 0); /* is not waited for */
  assert_err(jobsrv__zone_load(&zone, NULL, folder, "Made"), JOBSRV_EZONE);
  assert_int_equal(unlink(path), 0);
  assert_int_equal(rmdir(folder), 0);
}

static void memory_that_runs_out_is_told(void **state) {
  jobsrv__zone_t *zone = NULL;
  failing_t memory;
  jobsrv_alloc_t alloc;
  int n = 0;

  (void) state;
  for (;; n++) {
    alloc = failing_alloc(&memory, n);
    if (jobsrv__zone_load(&zone, &alloc, FOLDER, "Europe/Berlin") == 0)
      break;
    assert_err(jobsrv__zone_load(&zone, NULL, FOLDER, "no"), JOBSRV_EZONE);
    assert_null(zone);
    assert_int_equal(memory.live, 0);
    assert_true(n < 10);
  }
  assert_int_equal(n, 2);
  assert_int_equal(memory.live, 1);
  jobsrv__zone_free(zone);
  assert_int_equal(memory.live, 0);
  jobsrv__zone_free(NULL);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(no_zone_is_utc),
  cmocka_unit_test(a_gap_and_an_overlap_are_told),
  cmocka_unit_test(a_day_that_was_left_out_is_one_gap),
  cmocka_unit_test(every_zone_agrees_with_the_c_library),
  cmocka_unit_test(an_old_file_of_32_bits_can_be_read),
  cmocka_unit_test(the_footer_rules_what_comes_after),
  cmocka_unit_test(days_of_the_year_are_counted_both_ways),
  cmocka_unit_test(a_footer_that_is_not_sound_is_refused),
  cmocka_unit_test(what_is_not_sound_is_refused),
  cmocka_unit_test(a_change_beyond_all_time_is_refused),
  cmocka_unit_test(a_file_cut_anywhere_is_refused),
  cmocka_unit_test(a_file_with_wrong_bytes_does_no_harm),
  cmocka_unit_test(names_that_lead_elsewhere_are_refused),
  cmocka_unit_test(a_file_too_large_or_no_file_is_refused),
  cmocka_unit_test(memory_that_runs_out_is_told),
};

RUN(tests);
