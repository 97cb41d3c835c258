/* SPDX-License-Identifier: MIT */

#include "world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  world_t world;
  char folder[64];
  char path[96];
  jobsrv_file_options_t options;
  jobsrv_sink_t *sink;
  jobsrv_job_t *job;
  int troubles;
  int err;
  uint64_t lost;
  jobsrv_sink_t *told;
} file_t;

static void on_trouble(jobsrv_sink_t *sink,
                       int err,
                       uint64_t lost,
                       void *data) {
  file_t *f = data;

  f->troubles++;
  f->err = err;
  f->lost = lost;
  f->told = sink;
}

/* Set what the test needs in `options`, then file_add(). */
static void file_open(file_t *f) {
  memset(f, 0, sizeof(*f));
  world_open(&f->world);
  snprintf(f->folder, sizeof(f->folder), "file-test.XXXXXX");
  assert_non_null(mkdtemp(f->folder));
  snprintf(f->path, sizeof(f->path), "%s/log", f->folder);
  jobsrv_file_options_init(&f->options);
  f->options.path = f->path;
  f->options.on_trouble = on_trouble;
  f->options.data = f;
  f->job = begin_job(&f->world);
}

static void file_add(file_t *f) {
  assert_ok(jobsrv_file_add(f->world.srv, &f->options, &f->sink));
}

static void file_close(file_t *f) {
  char command[128];

  world_close(&f->world);
  snprintf(command, sizeof(command), "rm -r %s", f->folder);
  assert_int_equal(system(command), 0);
}

static int is_flushed(void *data) {
  return *(int *) data;
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

/* Ends the job, and waits until all is written. */
static void file_drain(file_t *f) {
  int done = 0;

  (void) jobsrv_job_complete(f->job, NULL, 0);
  assert_ok(jobsrv_drain(f->world.srv, 60000, on_drained, &done));
  assert_true(run_until(&f->world.loop, is_flushed, &done, 5000));
}

static int has_trouble(void *data) {
  file_t *f = data;

  return f->troubles > 0;
}

static int is_well(void *data) {
  file_t *f = data;

  return f->troubles > 1;
}

static bytes_t read_file(const char *path) {
  bytes_t bytes = { 0 };
  char block[65536];
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t n;

  assert_true(fd >= 0);
  bytes_add(&bytes, "", 0);
  while ((n = read(fd, block, sizeof(block))) > 0)
    bytes_add(&bytes, block, (size_t) n);
  close(fd);
  return bytes;
}

static bytes_t read_number(const file_t *f, int number) {
  char path[128];

  if (number == 0)
    return read_file(f->path);
  snprintf(path, sizeof(path), "%s.%d", f->path, number);
  return read_file(path);
}

static int exists(const file_t *f, int number) {
  char path[128];

  snprintf(path, sizeof(path), "%s.%d", f->path, number);
  return access(path, F_OK) == 0;
}

typedef struct {
  unsigned int lines;
  unsigned int events; /* the lines that do not tell of dropped ones */
  uint64_t last;      /* number of the last event named "n" */
  uint64_t missing;   /* numbers of those that did not come */
  uint64_t dropped;   /* as told */
} counts_t;

/* Each line is one JSON object; "n" events count on without being told. */
static void count_lines(const bytes_t *bytes, counts_t *counts) {
  const char *p = bytes->data;
  const char *end;

  for (; p < bytes->data + bytes->len; p = end + 1) {
    json_t *json;

    end = memchr(p, '\n', (size_t) (bytes->data + bytes->len - p));
    assert_non_null(end);
    json = json_loadb(p, (size_t) (end - p), 0, NULL);
    assert_non_null(json);
    counts->lines++;
    if (strcmp(text_of(json, "type"), "dropped") == 0) {
      counts->dropped += (uint64_t) int_of(json, "count");
      assert_non_null(text_of(json, "time"));
      json_decref(json);
      continue;
    }
    counts->events++;
    if (text_of(json, "action") != NULL &&
               strcmp(text_of(json, "action"), "n") == 0) {
      uint64_t n = strtoull(text_of(json, "human"), NULL, 10);

      assert_true(n > counts->last);
      counts->missing += n - counts->last - 1;
      counts->last = n;
    }
    json_decref(json);
  }
}

static void each_event_is_its_json_on_one_line(void **state) {
  static file_t f;
  bytes_t bytes;
  json_t *json;
  char *line;

  (void) state;
  file_open(&f);
  file_add(&f);
  assert_ok(jobsrv_narrate(f.job, "say", "two\nlines and \xff"));
  assert_ok(jobsrv_debug(f.job, "say", "unseen"));
  file_drain(&f);
  bytes = read_file(f.path);
  line = strtok(bytes.data, "\n");
  json = json_loads(line, 0, NULL);
  assert_string_equal(text_of(json, "human"), "two\nlines and \xef\xbf\xbd");
  json_decref(json);
  line = strtok(NULL, "\n");
  json = json_loads(line, 0, NULL);
  assert_string_equal(text_of(json, "type"), "end");
  json_decref(json);
  assert_null(strtok(NULL, "\n"));
  bytes_free(&bytes);
  file_close(&f);
}

static void keep_json(void *self, const jobsrv_event_t *event) {
  bytes_add(self, event->json, event->json_len);
  bytes_add(self, "\n", 1);
}

static void a_line_is_the_event_as_all_sinks_get_it(void **state) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops),
                                         .event = keep_json };
  static file_t f;
  jobsrv_field_t fields[64];
  bytes_t bytes, want = { 0 };
  jobsrv_event_t event = {
    .size = sizeof(event), .level = JOBSRV_FATAL, .actor = "a",
    .action = "b", .target = "c", .human = "d", .cute = "e", .story = "f",
    .correlation_id = "g", .request_id = "h", .file = "i", .line = 1,
    .function = "j", .fields = fields,
  };

  (void) state;
#define STRING(key) jobsrv_field_string(key, key)
#define U64(key) jobsrv_field_u64(key, UINT64_MAX)
#define JSON(key) jobsrv_field_json(key, "{\"a\":[null]}")
#define XX(name, type) fields[event.nfields++] = type(#name);
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
#undef STRING
#undef U64
#undef JSON
  file_open(&f);
  file_add(&f);
  assert_ok(jobsrv_sink_add(f.world.srv, &ops, &want, NULL, NULL));
  assert_ok(jobsrv_narrate_event(f.job, &event));
  file_drain(&f);
  bytes = read_file(f.path);
  assert_same_bytes(&bytes, &want);
  assert_contains(bytes.data, "\"suppressed\":18446744073709551615");
  bytes_free(&bytes);
  bytes_free(&want);
  file_close(&f);
}

static void it_is_appended_to_with_the_mode_that_was_asked_for(void **state) {
  mode_t mask = umask(0022);
  static file_t f;
  struct stat info;
  bytes_t bytes;

  (void) state;
  for (int i = 0; i < 2; i++) {
    file_open(&f);
    f.options.mode = i ? 0664 : 0;
    file_add(&f);
    assert_int_equal(stat(f.path, &info), 0);
    assert_int_equal(info.st_mode & 07777, i ? 0644 : 0640);
    assert_ok(jobsrv_narrate(f.job, "n", "1"));
    jobsrv_sink_remove(f.sink);
    file_add(&f);
    assert_ok(jobsrv_narrate(f.job, "n", "2"));
    file_drain(&f);
    bytes = read_file(f.path);
    assert_non_null(strstr(bytes.data, "\"human\":\"1\""));
    assert_non_null(strstr(bytes.data, "\"human\":\"2\""));
    bytes_free(&bytes);
    file_close(&f);
  }
  (void) umask(mask);
}

static void the_sink_options_count(void **state) {
  jobsrv_sink_options_t how;
  static file_t f;
  bytes_t bytes;

  (void) state;
  file_open(&f);
  jobsrv_sink_options_init(&how);
  how.level = JOBSRV_WARN;
  how.filter.action = "yes*";
  f.options.sink = &how;
  file_add(&f);
  assert_ok(jobsrv_narrate(f.job, "yes", "quiet"));
  assert_ok(jobsrv_warn(f.job, "no", "other"));
  assert_ok(jobsrv_warn(f.job, "yes", "password=hunter2"));
  file_drain(&f);
  bytes = read_file(f.path);
  assert_ptr_equal(strchr(bytes.data, '\n'), bytes.data + bytes.len - 1);
  assert_contains(bytes.data, "password=");
  assert_null(strstr(bytes.data, "hunter2"));
  bytes_free(&bytes);
  file_close(&f);
}

static void a_hundred_thousand_events_are_there_or_told(void **state) {
  static file_t f;
  const char *given = getenv("FLOOD_EVENTS");
  uint64_t n = given != NULL ? strtoull(given, NULL, 10) : 100000;
  counts_t counts;
  bytes_t bytes;

  (void) state;
  for (int i = JOBSRV_OVERFLOW_DROP_NEWEST; i <= JOBSRV_OVERFLOW_DROP_OLDEST;
       i++) {
    memset(&counts, 0, sizeof(counts));
    file_open(&f);
    f.options.overflow = (jobsrv_overflow_t) i;
    f.options.max_queue = 256 * 1024;
    file_add(&f);
    for (uint64_t k = 1; k <= n; k++)
      assert_ok(jobsrv_narrate(f.job, "n", "%llu", (unsigned long long) k));
    file_drain(&f);
    bytes = read_file(f.path);
    count_lines(&bytes, &counts);
    assert_int_equal(counts.events + counts.dropped, n + 1); /* the end too */
    assert_in_range(counts.dropped - counts.missing, 0, n - counts.last + 1);
    bytes_free(&bytes);
    file_close(&f);
  }
}

static void a_file_that_grows_is_moved_away_at_whole_lines(void **state) {
  static file_t f;
  counts_t counts = { 0, 0, 0, 0, 0 };
  bytes_t bytes;

  (void) state;
  file_open(&f);
  f.options.max_bytes = 4000;
  f.options.keep = 3;
  file_add(&f);
  for (int i = 1; i <= 100; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  file_drain(&f);
  assert_false(exists(&f, 4));
  for (int i = 3; i >= 0; i--) {
    bytes = read_number(&f, i);
    assert_in_range(bytes.len, 1, 4000);
    if (i == 3) /* the first ones are gone */
      counts.last = strtoull(strstr(bytes.data, "human\":\"") + 8, NULL, 10) - 1;
    count_lines(&bytes, &counts);
    bytes_free(&bytes);
  }
  assert_int_equal(counts.last, 100);
  assert_int_equal(counts.missing, 0);
  assert_int_equal(f.troubles, 0);
  file_close(&f);
}

static void five_old_files_are_kept_unless_told_otherwise(void **state) {
  static file_t f;

  (void) state;
  file_open(&f);
  f.options.max_bytes = 1000;
  file_add(&f);
  for (int i = 1; i <= 100; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  file_drain(&f);
  assert_true(exists(&f, 5));
  assert_false(exists(&f, 6));
  file_close(&f);
}

static void a_line_larger_than_the_file_may_be_is_alone_in_it(void **state) {
  static char large[3000];
  static file_t f;
  bytes_t bytes;

  (void) state;
  memset(large, 'x', sizeof(large) - 1);
  file_open(&f);
  f.options.max_bytes = 1000;
  file_add(&f);
  assert_ok(jobsrv_narrate(f.job, "n", "1"));
  assert_ok(jobsrv_narrate(f.job, "say", "%s", large));
  assert_ok(jobsrv_narrate(f.job, "n", "2"));
  file_drain(&f);
  bytes = read_number(&f, 1);
  assert_true(bytes.len > sizeof(large));
  assert_ptr_equal(strchr(bytes.data, '\n'), bytes.data + bytes.len - 1);
  bytes_free(&bytes);
  file_close(&f);
}

static void rotation_under_load_loses_and_tears_nothing(void **state) {
  static file_t f;
  counts_t counts = { 0, 0, 0, 0, 0 };
  bytes_t bytes;

  (void) state;
  file_open(&f);
  f.options.max_bytes = 100000;
  f.options.keep = 1000;
  f.options.max_queue = 64 << 20;
  file_add(&f);
  for (int i = 1; i <= 20000; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  file_drain(&f);
  for (int i = 999; i >= 0; i--) {
    if (i > 0 && !exists(&f, i))
      continue;
    bytes = read_number(&f, i);
    assert_in_range(bytes.len, 1, 100000);
    count_lines(&bytes, &counts);
    bytes_free(&bytes);
  }
  assert_int_equal(counts.last, 20000);
  assert_int_equal(counts.missing + counts.dropped, 0);
  file_close(&f);
}

static void one_that_cannot_be_moved_is_written_on_and_that_told(void **state) {
  static file_t f;
  counts_t counts = { 0, 0, 0, 0, 0 };
  char path[128];
  bytes_t bytes;

  (void) state;
  file_open(&f);
  f.options.max_bytes = 1000;
  f.options.keep = 1;
  snprintf(path, sizeof(path), "%s.1", f.path);
  assert_int_equal(mkdir(path, 0700), 0);
  file_add(&f);
  for (int i = 1; i <= 50; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  assert_true(run_until(&f.world.loop, has_trouble, &f, 5000));
  assert_int_equal(f.err, UV_EISDIR);
  assert_ptr_equal(f.told, f.sink);
  file_drain(&f);
  bytes = read_file(f.path);
  count_lines(&bytes, &counts);
  assert_int_equal(counts.last, 50);
  assert_int_equal(counts.missing + counts.dropped, 0);
  assert_int_equal(f.troubles, 1);
  bytes_free(&bytes);
  file_close(&f);
}

static void a_moved_file_is_written_until_it_is_opened_again(void **state) {
  static file_t f;
  char path[128];
  bytes_t bytes;

  (void) state;
  file_open(&f);
  file_add(&f);
  assert_ok(jobsrv_narrate(f.job, "say", "one"));
  snprintf(path, sizeof(path), "%s.moved", f.path);
  assert_int_equal(rename(f.path, path), 0);
  assert_ok(jobsrv_narrate(f.job, "say", "two"));
  do {
    (void) poll(NULL, 0, 1);
    bytes = read_file(path);
  } while (strstr(bytes.data, "two") == NULL && (bytes_free(&bytes), 1));
  bytes_free(&bytes);
  assert_ok(jobsrv_file_reopen(f.sink));
  while (access(f.path, F_OK) != 0)
    (void) poll(NULL, 0, 1); /* without anything to write */
  assert_ok(jobsrv_narrate(f.job, "say", "three"));
  file_drain(&f);
  bytes = read_file(path);
  assert_null(strstr(bytes.data, "three"));
  bytes_free(&bytes);
  bytes = read_file(f.path);
  assert_contains(bytes.data, "three");
  assert_null(strstr(bytes.data, "two"));
  bytes_free(&bytes);
  assert_int_equal(f.troubles, 0);
  file_close(&f);
}

static void a_reopening_that_fails_is_told_and_repeated(void **state) {
  static file_t f;
  char moved[96];
  bytes_t bytes;

  (void) state;
  file_open(&f);
  file_add(&f);
  snprintf(moved, sizeof(moved), "%s.away", f.folder);
  assert_int_equal(rename(f.folder, moved), 0);
  assert_ok(jobsrv_file_reopen(f.sink));
  assert_true(run_until(&f.world.loop, has_trouble, &f, 5000));
  assert_int_equal(f.err, UV_ENOENT);
  assert_ok(jobsrv_narrate(f.job, "say", "still here"));
  (void) poll(NULL, 0, 300);
  world_turn(&f.world);
  assert_int_equal(f.troubles, 1);
  assert_int_equal(rename(moved, f.folder), 0);
  assert_true(run_until(&f.world.loop, is_well, &f, 5000));
  assert_int_equal(f.err, 0);
  assert_int_equal(f.lost, 0);
  file_drain(&f);
  bytes = read_file(f.path);
  assert_contains(bytes.data, "still here");
  bytes_free(&bytes);
  file_close(&f);
}

static void a_removed_file_is_made_anew_and_that_told(void **state) {
  static file_t f;
  bytes_t bytes;

  (void) state;
  file_open(&f);
  file_add(&f);
  assert_int_equal(unlink(f.path), 0);
  assert_ok(jobsrv_narrate(f.job, "say", "hello"));
  assert_true(run_until(&f.world.loop, is_well, &f, 5000));
  assert_int_equal(f.err, 0);
  assert_int_equal(f.lost, 0);
  assert_int_equal(f.troubles, 2);
  file_drain(&f);
  bytes = read_file(f.path);
  assert_contains(bytes.data, "hello");
  bytes_free(&bytes);
  file_close(&f);
}

static void what_cannot_be_made_anew_yet_waits_for_it(void **state) {
  static file_t f;
  bytes_t bytes;

  (void) state;
  file_open(&f);
  file_add(&f);
  assert_int_equal(unlink(f.path), 0);
  assert_int_equal(rmdir(f.folder), 0);
  for (int i = 1; i <= 10; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  assert_true(run_until(&f.world.loop, has_trouble, &f, 5000));
  assert_int_equal(f.err, UV_ENOENT);
  (void) poll(NULL, 0, 200); /* it goes on trying, and tells it once */
  world_turn(&f.world);
  assert_int_equal(f.troubles, 1);
  assert_int_equal(mkdir(f.folder, 0700), 0);
  assert_true(run_until(&f.world.loop, is_well, &f, 5000));
  assert_int_equal(f.lost, 0);
  file_drain(&f);
  bytes = read_file(f.path);
  assert_contains(bytes.data, "\"human\":\"1\"");
  assert_contains(bytes.data, "\"human\":\"10\"");
  bytes_free(&bytes);
  file_close(&f);
}

/* The descriptor of the file, which nobody else should know. */
static int find_fd(const char *path) {
  struct stat want, info;

  assert_int_equal(stat(path, &want), 0);
  for (int fd = 3; fd < 1024; fd++)
    if (fstat(fd, &info) == 0 && info.st_dev == want.st_dev &&
        info.st_ino == want.st_ino)
      return fd;
  fail_msg("%s is not open", path);
  return -1;
}

/* A host that closes what is not its own, and opens something in its place. */
static void a_stolen_descriptor_is_neither_written_nor_closed(void **state) {
  static file_t f;
  char other[128];
  bytes_t bytes;
  int fd, mine;

  (void) state;
  for (int i = 0; i < 2; i++) {
    file_open(&f);
    file_add(&f);
    fd = find_fd(f.path);
    snprintf(other, sizeof(other), "%s/other", f.folder);
    mine = open(other, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(mine >= 0);
    if (i)
      assert_int_equal(dup3(mine, fd, O_CLOEXEC), fd);
    else
      close(fd);
    assert_ok(jobsrv_narrate(f.job, "say", "hello"));
    assert_true(run_until(&f.world.loop, is_well, &f, 5000));
    assert_int_equal(f.troubles, 2);
    file_drain(&f);
    bytes = read_file(f.path);
    assert_contains(bytes.data, "hello");
    bytes_free(&bytes);
    bytes = read_file(other);
    assert_int_equal(bytes.len, 0);
    bytes_free(&bytes);
    if (i)
      assert_int_equal(close(fd), 0);
    close(mine);
    file_close(&f);
  }
}

static void a_full_device_is_told_once_and_stops_nobody(void **state) {
  static file_t f;
  int done = 0;

  (void) state;
  file_open(&f);
  f.options.path = "/dev/full";
  f.options.max_queue = 16 * 1024;
  file_add(&f);
  assert_ok(jobsrv_narrate(f.job, "say", "x"));
  assert_true(run_until(&f.world.loop, has_trouble, &f, 5000));
  assert_int_equal(f.err, UV_ENOSPC);
  for (int i = 0; i < 1000; i++)
    assert_ok(jobsrv_narrate(f.job, "say", "%d", i));
  assert_true(jobsrv_sink_dropped(f.sink) > 800);
  (void) poll(NULL, 0, 200);
  world_turn(&f.world);
  assert_int_equal(f.troubles, 1);

  /* nor is a drain held up by what will not be written */
  assert_ok(jobsrv_job_complete(f.job, NULL, 0));
  assert_ok(jobsrv_drain(f.world.srv, 60000, on_drained, &done));
  assert_true(run_until(&f.world.loop, is_flushed, &done, 2000));
  file_close(&f);
}

/* Slower than we are, and still no part of a line is there twice. */
static void a_terminal_is_written_as_it_has_room(void **state) {
  static file_t f;
  bytes_t bytes = { 0 };
  int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  char block[1000];
  int lines = 0, n = -1;

  (void) state;
  assert_true(terminal >= 0);
  assert_int_equal(grantpt(terminal), 0);
  assert_int_equal(unlockpt(terminal), 0);
  file_open(&f);
  f.options.path = ptsname(terminal);
  file_add(&f);
  for (int i = 0; i < 1000; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  while (lines < 1000) {
    struct pollfd ready = { .fd = terminal, .events = POLLIN };
    ssize_t got;

    assert_int_equal(poll(&ready, 1, 5000), 1);
    got = read(terminal, block, sizeof(block));
    assert_true(got > 0);
    bytes_add(&bytes, block, (size_t) got);
    for (ssize_t i = 0; i < got; i++)
      lines += block[i] == '\n';
  }
  for (const char *p = bytes.data; (p = strstr(p, "human\":\"")) != NULL;
       p += 8) {
    assert_int_equal(atoi(p + 8), n + 1);
    n++;
  }
  assert_int_equal(n, 999);
  assert_int_equal(f.troubles, 0);
  bytes_free(&bytes);
  file_close(&f);
  close(terminal);
}

/*
 * In a child, where SIGXFSZ ends the process as it does by default. If anything
 * fails there, the child does not come back but ends with a failure itself.
 */
static void set_room(rlim_t bytes) {
  struct rlimit limit;

  assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
  limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
  assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void full_file_in_child(void) {
  static file_t full;
  file_t *f = &full;
  counts_t counts = { 0, 0, 0, 0, 0 };
  bytes_t bytes;

  set_room(10000);
  file_open(f);
  f->options.max_queue = 32 * 1024;
  file_add(f);
  for (int i = 1; i <= 500; i++)
    assert_ok(jobsrv_narrate(f->job, "n", "%d", i));
  assert_true(run_until(&f->world.loop, has_trouble, f, 5000));
  assert_int_equal(f->err, UV_EFBIG);
  bytes = read_file(f->path);
  assert_in_range(bytes.len, 9000, 10000);
  count_lines(&bytes, &counts); /* whole ones only */
  assert_true(counts.last > 10);
  bytes_free(&bytes);
  for (int i = 501; i <= 1000; i++)
    assert_ok(jobsrv_narrate(f->job, "n", "%d", i));

  set_room(RLIM_INFINITY); /* there is room again */
  assert_true(run_until(&f->world.loop, is_well, f, 5000));
  assert_int_equal(f->err, 0);
  assert_true(f->lost >= 400);
  assert_int_equal(f->troubles, 2);
  file_drain(f);
  bytes = read_file(f->path);
  memset(&counts, 0, sizeof(counts));
  count_lines(&bytes, &counts);
  assert_int_equal(counts.events + counts.dropped, 1001);
  bytes_free(&bytes);
  file_close(f);
}

/* As another process, which the limit does not bind. */
static void append_elsewhere(const char *path, const char *text) {
  int status = -1;
  pid_t child = fork();

  assert_true(child >= 0);
  if (child == 0) {
    int fd;

    set_room(RLIM_INFINITY);
    fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    _exit(write(fd, text, strlen(text)) != (ssize_t) strlen(text));
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static int is_full(void *data) {
  const file_t *f = data;
  struct stat info;

  return stat(f->path, &info) == 0 && info.st_size >= 10000;
}

/*
 * What others may have written behind it is not to be cut away: the part of a
 * line stays, on a line of its own. `behind` is what another process writes
 * there in the meantime.
 */
static void shared_file(const char *behind) {
  static file_t f;
  counts_t counts = { 0, 0, 0, 0, 0 };
  bytes_t bytes;
  char *begin, *end;

  file_open(&f);
  f.options.max_queue = 32 * 1024;
  file_add(&f);
  assert_ok(jobsrv_file_add(f.world.srv, &f.options, NULL));
  set_room(10000);
  for (int i = 1; i <= 500; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  assert_true(run_until(&f.world.loop, has_trouble, &f, 20000));
  assert_true(run_until(&f.world.loop, is_full, &f, 20000));
  append_elsewhere(f.path, behind);
  set_room(RLIM_INFINITY);
  file_drain(&f);
  bytes = read_file(f.path);
  assert_true(bytes.len > 20000);
  for (char *p = bytes.data; (p = strstr(p, "\"n\"")) != NULL;)
    p[1] = 'm'; /* each number is there twice */
  begin = (char *) memrchr(bytes.data, '\n', 10000) + 1;
  end = memchr(bytes.data + 10000, '\n', bytes.len - 10000);
  assert_non_null(end);
  assert_int_equal(end - bytes.data, 10000 + strcspn(behind, "\n"));
  memmove(begin, end + 1, strlen(end + 1) + 1); /* without the torn one */
  bytes.len -= (size_t) (end + 1 - begin);
  count_lines(&bytes, &counts);
  assert_true(counts.lines > 10);
  bytes_free(&bytes);
  file_close(&f);
}

static void shared_file_in_child(void) {
  shared_file("");
}

static void file_ended_elsewhere_in_child(void) {
  shared_file("\n{\"type\":\"other\"}\n");
}

static void in_child(void (*run)(void)) {
  int status = -1;
  pid_t child;

  (void) fflush(NULL);
  child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    signal(SIGXFSZ, SIG_DFL);
    run();
    exit(0);
  }
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
}

static void a_full_disk_takes_whole_lines_and_is_written_again(void **state) {
  (void) state;
  in_child(full_file_in_child);
}

static void a_full_disk_tears_one_line_of_a_shared_file_at_most(void **state) {
  (void) state;
  in_child(shared_file_in_child);
}

static void a_torn_line_that_another_writer_ended_is_ended_once(void **state) {
  (void) state;
  in_child(file_ended_elsewhere_in_child);
}

static void write_file(const char *path, const char *text, size_t len) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, len), len);
  close(fd);
}

static void an_unfinished_line_is_finished_or_removed(void **state) {
  static char huge[200000];
  static const struct {
    const char *found;
    const char *left;
  } cases[] = {
    { "{\"a\":1}\n{\"b\":2}", "{\"a\":1}\n{\"b\":2}\n" },
    { "{\"a\":1}\n{\"b\":", "{\"a\":1}\n" },
    { "{\"b\":", "" },
    { "7", "7\n" },
    { "{}\n", "{}\n" },
    { "\n", "\n" },
    { huge, "" },
  };
  static file_t f;
  bytes_t bytes;

  (void) state;
  memset(huge, 'x', sizeof(huge) - 1);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    file_open(&f);
    write_file(f.path, cases[i].found, strlen(cases[i].found));
    file_add(&f);
    bytes = read_file(f.path);
    assert_string_equal(bytes.data, cases[i].left);
    bytes_free(&bytes);
    file_close(&f);
  }
}

static void the_unfinished_line_of_another_writer_is_left(void **state) {
  static file_t f;
  bytes_t bytes;

  (void) state;
  file_open(&f);
  file_add(&f); /* it has the file */
  write_file(f.path, "{\"b\":", 5);
  f.options.path = f.path;
  assert_ok(jobsrv_file_add(f.world.srv, &f.options, NULL));
  bytes = read_file(f.path);
  assert_string_equal(bytes.data, "{\"b\":");
  bytes_free(&bytes);
  file_close(&f);
}

static void two_writers_of_a_file_do_not_tear_their_lines(void **state) {
  static file_t f;
  counts_t counts = { 0, 0, 0, 0, 0 };
  bytes_t bytes;
  int status = -1;
  pid_t child;

  (void) state;
  file_open(&f);
  child = fork();
  assert_true(child >= 0);
  if (child == 0) {
    int fd = open(f.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);

    for (int i = 0; i < 3000; i++)
      if (write(fd, "{\"type\":\"other\"}\n", 17) != 17)
        _exit(1);
    _exit(0);
  }
  file_add(&f);
  for (int i = 1; i <= 3000; i++)
    assert_ok(jobsrv_narrate(f.job, "n", "%d", i));
  file_drain(&f);
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_int_equal(status, 0);
  bytes = read_file(f.path);
  count_lines(&bytes, &counts);
  assert_int_equal(counts.lines, 6001);
  assert_int_equal(counts.last, 3000);
  bytes_free(&bytes);
  file_close(&f);
}

static void what_is_no_file_is_refused(void **state) {
  static file_t f;
  jobsrv_sink_t *sink = NULL;
  char path[128];

  (void) state;
  file_open(&f);
  f.options.path = f.folder;
  assert_err(jobsrv_file_add(f.world.srv, &f.options, &sink), UV_EISDIR);
  snprintf(path, sizeof(path), "%s/pipe", f.folder);
  assert_int_equal(mkfifo(path, 0600), 0);
  f.options.path = path;
  assert_err(jobsrv_file_add(f.world.srv, &f.options, &sink), UV_ESPIPE);
  snprintf(path, sizeof(path), "%s/none/log", f.folder);
  assert_err(jobsrv_file_add(f.world.srv, &f.options, &sink), UV_ENOENT);
  f.options.path = "/dev/null/log";
  assert_err(jobsrv_file_add(f.world.srv, &f.options, &sink), UV_ENOTDIR);
  assert_null(sink);
  file_close(&f);
}

static void options_are_checked(void **state) {
  static file_t f;
  jobsrv_console_options_t console;

  (void) state;
  file_open(&f);
  assert_err(jobsrv_file_add(f.world.srv, NULL, NULL), UV_EINVAL);
  f.options.path = NULL;
  assert_err(jobsrv_file_add(f.world.srv, &f.options, NULL), UV_EINVAL);
  f.options.path = "";
  assert_err(jobsrv_file_add(f.world.srv, &f.options, NULL), UV_EINVAL);
  f.options.path = f.path;
  f.options.mode = 010000;
  assert_err(jobsrv_file_add(f.world.srv, &f.options, NULL), UV_EINVAL);
  f.options.mode = 0;
  f.options.overflow = (jobsrv_overflow_t) 3;
  assert_err(jobsrv_file_add(f.world.srv, &f.options, NULL), UV_EINVAL);
  f.options.overflow = JOBSRV_OVERFLOW_DROP_NEWEST;
  f.options.size = 8;
  assert_err(jobsrv_file_add(f.world.srv, &f.options, NULL), UV_EINVAL);
  assert_int_equal(access(f.path, F_OK), -1);
  jobsrv_console_options_init(&console);
  assert_ok(jobsrv_console_add(f.world.srv, &console, &f.sink));
  assert_err(jobsrv_file_reopen(f.sink), UV_EINVAL);
  jobsrv_sink_remove(f.sink);
  file_close(&f);
}

static void every_allocation_may_fail(void **state) {
  int err = UV_ENOMEM;

  (void) state;
  for (uint64_t n = 0; err != 0; n++) {
    static file_t f;

    file_open(&f);
    jobsrv_faults_fail(&f.world.faults, n, 1);
    err = jobsrv_file_add(f.world.srv, &f.options, &f.sink);
    assert_int_equal(err,
                     jobsrv_faults_hit(&f.world.faults) ? UV_ENOMEM : 0);
    jobsrv_faults_fail(&f.world.faults, 0, 0);
    file_close(&f);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(each_event_is_its_json_on_one_line),
  cmocka_unit_test(a_line_is_the_event_as_all_sinks_get_it),
  cmocka_unit_test(it_is_appended_to_with_the_mode_that_was_asked_for),
  cmocka_unit_test(the_sink_options_count),
  cmocka_unit_test(a_hundred_thousand_events_are_there_or_told),
  cmocka_unit_test(a_file_that_grows_is_moved_away_at_whole_lines),
  cmocka_unit_test(five_old_files_are_kept_unless_told_otherwise),
  cmocka_unit_test(a_line_larger_than_the_file_may_be_is_alone_in_it),
  ONE_MODE(rotation_under_load_loses_and_tears_nothing),
  cmocka_unit_test(one_that_cannot_be_moved_is_written_on_and_that_told),
  cmocka_unit_test(a_moved_file_is_written_until_it_is_opened_again),
  cmocka_unit_test(a_reopening_that_fails_is_told_and_repeated),
  cmocka_unit_test(a_removed_file_is_made_anew_and_that_told),
  cmocka_unit_test(what_cannot_be_made_anew_yet_waits_for_it),
  ONE_MODE(a_stolen_descriptor_is_neither_written_nor_closed),
  cmocka_unit_test(a_full_device_is_told_once_and_stops_nobody),
  cmocka_unit_test(a_terminal_is_written_as_it_has_room),
  ONE_MODE(a_full_disk_takes_whole_lines_and_is_written_again),
  ONE_MODE(a_full_disk_tears_one_line_of_a_shared_file_at_most),
  cmocka_unit_test(an_unfinished_line_is_finished_or_removed),
  ONE_MODE(a_torn_line_that_another_writer_ended_is_ended_once),
  cmocka_unit_test(the_unfinished_line_of_another_writer_is_left),
  ONE_MODE(two_writers_of_a_file_do_not_tear_their_lines),
  cmocka_unit_test(what_is_no_file_is_refused),
  cmocka_unit_test(options_are_checked),
  cmocka_unit_test(every_allocation_may_fail),
};

RUN(tests);
