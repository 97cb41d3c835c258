/* SPDX-License-Identifier: MIT */

#include "daemon.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* ---- an entry, as the journal's protocol has it ---- */

enum { MAX_FIELDS = 64 };

typedef struct {
  struct {
    char name[65];
    char *value;
    size_t len;
  } fields[MAX_FIELDS];
  size_t n;
  int was_file;
} entry_t;

static void parse(entry_t *e, const char *p, size_t len) {
  const char *end = p + len;

  e->n = 0;
  while (p < end) {
    const char *from = p;
    size_t value_len = 0;

    assert_true(e->n < MAX_FIELDS);
    assert_true(*p >= 'A' && *p <= 'Z');
    while ((*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') || *p == '_')
      p++;
    assert_in_range(p - from, 1, 64);
    memcpy(e->fields[e->n].name, from, (size_t) (p - from));
    e->fields[e->n].name[p - from] = '\0';
    if (*p == '=') {
      p++;
      value_len = (size_t) ((const char *) memchr(p, '\n',
                                                  (size_t) (end - p)) - p);
    } else {
      assert_int_equal(*p, '\n');
      for (int i = 8; i > 0; i--)
        value_len = value_len << 8 | (unsigned char) p[i];
      p += 9;
      assert_true(value_len < (size_t) (end - p));
    }
    e->fields[e->n].value = malloc(value_len + 1);
    assert_non_null(e->fields[e->n].value);
    memcpy(e->fields[e->n].value, p, value_len);
    e->fields[e->n].value[value_len] = '\0';
    e->fields[e->n++].len = value_len;
    p += value_len;
    assert_int_equal(*p, '\n');
    p++;
  }
}

static void entry_free(entry_t *e) {
  for (size_t i = 0; i < e->n; i++)
    free(e->fields[i].value);
  e->n = 0;
}

static const char *field(const entry_t *e, const char *name) {
  const char *value = NULL;

  for (size_t i = 0; i < e->n; i++)
    if (strcmp(e->fields[i].name, name) == 0) {
      assert_null(value);
      value = e->fields[i].value;
    }
  return value;
}

#define assert_field(e, name, text)                                           \
  do {                                                                        \
    if (field(e, name) == NULL)                                               \
      fail_msg("%s is not there", name);                                      \
    assert_string_equal(field(e, name), text);                                \
  } while (0)

/* A file that came instead of a message, as the journal takes one. */
static void parse_file(entry_t *e, int fd) {
  struct stat info;
  char *data;

  assert_int_equal(fcntl(fd, F_GET_SEALS),
                   F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  assert_int_equal(fstat(fd, &info), 0);
  data = mmap(NULL, (size_t) info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  assert_true(data != MAP_FAILED);
  parse(e, data, (size_t) info.st_size);
  munmap(data, (size_t) info.st_size);
  close(fd);
}

static void next(daemon_t *d, entry_t *e) {
  union {
    struct cmsghdr head;
    char room[CMSG_SPACE(sizeof(int))];
  } control;
  struct iovec part = { d->data, sizeof(d->data) };
  struct msghdr message = {
    .msg_iov = &part,
    .msg_iovlen = 1,
    .msg_control = &control,
    .msg_controllen = sizeof(control.room),
  };
  ssize_t n;
  int fd;

  daemon_await(d->fd);
  n = recvmsg(d->fd, &message, MSG_CMSG_CLOEXEC);
  assert_true(n >= 0);
  e->was_file = message.msg_controllen > 0;
  if (!e->was_file) {
    assert_true(n > 0);
    parse(e, d->data, (size_t) n);
    return;
  }
  assert_int_equal(n, 0);
  assert_int_equal(control.head.cmsg_type, SCM_RIGHTS);
  memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
  parse_file(e, fd);
}

/* ---- the world ---- */

static jobsrv_journal_options_t options_for(daemon_t *d) {
  jobsrv_journal_options_t options;

  jobsrv_journal_options_init(&options);
  options.path = d->path;
  options.on_trouble = daemon_on_trouble;
  options.data = d;
  return options;
}

static void open_journal(daemon_t *d) {
  jobsrv_journal_options_t options;

  daemon_open(d);
  daemon_start(d, SOCK_DGRAM);
  options = options_for(d);
  assert_ok(jobsrv_journal_add(d->world.srv, &options, &d->sink));
}

/* ---- cases ---- */

static void an_entry_has_the_names_of_the_journal(void **state) {
  static daemon_t d;
  static entry_t e;
  char id[JOBSRV_ID_SIZE];
  char line[16];
  int at;

  (void) state;
  open_journal(&d);
  at = __LINE__ + 1;
  assert_ok(jobsrv_warn(d.job, "fetch", "2 of %d", 3));
  next(&d, &e);
  snprintf(line, sizeof(line), "%d", at);
  assert_field(&e, "MESSAGE", "2 of 3");
  assert_field(&e, "PRIORITY", "4");
  assert_field(&e, "SYSLOG_IDENTIFIER", "journal-test");
  assert_contains(field(&e, "CODE_FILE"), "journal-test.c");
  assert_field(&e, "CODE_LINE", line);
  assert_field(&e, "CODE_FUNC", __func__);
  assert_field(&e, "JOBSRV_JOB_ID", jobsrv_job_id(d.job, id));
  assert_field(&e, "JOBSRV_TYPE", "narration");
  assert_field(&e, "JOBSRV_LEVEL", "warn");
  assert_field(&e, "JOBSRV_ACTOR", "work");
  assert_field(&e, "JOBSRV_ACTION", "fetch");
  assert_field(&e, "JOBSRV_TIME", "2026-01-01T00:00:00.000Z");
  assert_null(field(&e, "JOBSRV_HUMAN"));
  assert_false(e.was_file);
  entry_free(&e);
  daemon_close(&d);
}

static void every_member_and_field_arrives(void **state) {
  static const char text[] = "two\nlines, \x1b[1m and \xff";
  static const char repaired[] = "two\nlines, \x1b[1m and \xef\xbf\xbd";
  jobsrv_field_t fields[64];
  jobsrv_event_t event = full_event(text);
  static daemon_t d;
  static entry_t e;
  char name[80];
  size_t n = 0;

  (void) state;
#define STRING(key) fields[n++] = jobsrv_field_string(key, text)
#define U64(key) fields[n++] = jobsrv_field_u64(key, sizeof(key))
#define JSON(key) fields[n++] = jobsrv_field_json(key, "[1, 2]")
#define XX(name, type) type(#name);
  JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
  fields[n++] = jobsrv_field_bool("Some.thing-else", 0);
  event.fields = fields;
  event.nfields = n;
  open_journal(&d);
  assert_ok(jobsrv_narrate_event(d.job, &event));
  next(&d, &e);
  assert_field(&e, "MESSAGE", "two\nlines, \\x1b[1m and \xef\xbf\xbd");
  assert_field(&e, "JOBSRV_HUMAN", repaired);
  assert_field(&e, "JOBSRV_ACTOR", repaired);
  assert_field(&e, "JOBSRV_ACTION", repaired);
  assert_field(&e, "JOBSRV_TARGET", repaired);
  assert_field(&e, "JOBSRV_CUTE", repaired);
  assert_field(&e, "JOBSRV_STORY", repaired);
  assert_field(&e, "JOBSRV_CORRELATION_ID", repaired);
  assert_field(&e, "JOBSRV_REQUEST_ID", repaired);
  assert_field(&e, "JOBSRV_FN_NAME", repaired);
  assert_field(&e, "JOBSRV_SOME_THING_ELSE", "false");
  for (size_t i = 0; i + 1 < n; i++) {
    snprintf(name, sizeof(name), "JOBSRV_%s", fields[i].key);
    for (char *p = name; *p != '\0'; p++)
      *p = *p >= 'a' && *p <= 'z' ? (char) (*p - 32) : *p;
    if (fields[i].type == JOBSRV_FIELD_STRING)
      assert_field(&e, name, repaired);
    else if (fields[i].type == JOBSRV_FIELD_JSON)
      assert_field(&e, name, "[1,2]");
    else
      assert_int_equal(strtoull(field(&e, name), NULL, 10),
                       fields[i].as.u64);
  }
  entry_free(&e);
  daemon_close(&d);
}

static void names_are_cut_and_cannot_pass_for_others(void **state) {
  static daemon_t d;
  static entry_t e;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  open_journal(&d);
  assert_ok(jobsrv_info_with(
      d.job,
      (.action = "a",
       JOBSRV_FIELDS(
           jobsrv_field_string("job.id", "another's"),
           jobsrv_field_string("_0123456789012345678901234567890123456789"
                               "0123456789012345678901", "long"))), "x"));
  next(&d, &e);
  assert_field(&e, "JOBSRV_JOB_ID", jobsrv_job_id(d.job, id));
  assert_field(&e, "JOBSRV_FIELD_JOB_ID", "another's");
  assert_field(&e, "JOBSRV__0123456789012345678901234567890123456789"
                   "0123456789012345", "long");
  entry_free(&e);
  daemon_close(&d);
}

static void text_may_hold_a_nul_and_forge_nothing(void **state) {
  static const char text[] = "a\0b\nPRIORITY=0\nJOBSRV_JOB_ID=x\n";
  static daemon_t d;
  static entry_t e;

  (void) state;
  open_journal(&d);
  assert_ok(jobsrv_info_with(
      d.job, (.action = "a",
              JOBSRV_FIELDS(jobsrv_field_text("task_id", text,
                                              sizeof(text) - 1))), "%s",
      text + 2));
  next(&d, &e);
  assert_field(&e, "PRIORITY", "6");
  assert_field(&e, "MESSAGE", text + 2);
  for (size_t i = 0; i < e.n; i++)
    if (strcmp(e.fields[i].name, "JOBSRV_TASK_ID") == 0)
      assert_true(e.fields[i].len == sizeof(text) - 1 &&
                  memcmp(e.fields[i].value, text, sizeof(text) - 1) == 0);
  assert_null(field(&e, "JOBSRV_HUMAN"));
  entry_free(&e);
  daemon_close(&d);
}

static void what_is_too_large_comes_as_a_sealed_file(void **state) {
  static char large[60000];
  jobsrv_event_t event = full_event(large);
  jobsrv_journal_options_t options;
  static daemon_t d;
  static entry_t e;

  (void) state;
  memset(large, 'x', sizeof(large) - 1);
  large[5] = '\n';
  event.action = "a";
  daemon_open(&d);
  daemon_start(&d, SOCK_DGRAM);
  options = options_for(&d);
  options.identifier = "me";
  assert_ok(jobsrv_journal_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_narrate(d.job, "say", "before"));
  assert_ok(jobsrv_narrate_event(d.job, &event));
  assert_ok(jobsrv_narrate(d.job, "say", "after"));
  next(&d, &e);
  assert_field(&e, "MESSAGE", "before");
  assert_field(&e, "SYSLOG_IDENTIFIER", "me");
  entry_free(&e);
  next(&d, &e);
  assert_true(e.was_file);
  assert_field(&e, "JOBSRV_ACTION", "a");
  assert_memory_equal(field(&e, "MESSAGE"), "xxxxx\nxxxx", 10);
  assert_memory_equal(field(&e, "JOBSRV_CUTE"), "xxxxx\nxxxx", 10);
  entry_free(&e);
  next(&d, &e);
  assert_field(&e, "MESSAGE", "after");
  entry_free(&e);
  assert_int_equal(jobsrv_sink_dropped(d.sink), 0);
  daemon_close(&d);
}

static void ends_and_data_are_entries_too(void **state) {
  static daemon_t d;
  static entry_t e;

  (void) state;
  open_journal(&d);
  assert_ok(jobsrv_data_event(d.job, "sum", "{\"a\": 1}", 0));
  assert_ok(jobsrv_job_fail(d.job, "broken", "it broke"));
  world_turn(&d.world);
  next(&d, &e);
  assert_field(&e, "JOBSRV_TYPE", "data");
  assert_contains(field(&e, "MESSAGE"), "{\"a\":");
  assert_field(&e, "JOBSRV_PAYLOAD", "{\"a\":1}");
  entry_free(&e);
  next(&d, &e);
  assert_field(&e, "JOBSRV_TYPE", "end");
  assert_field(&e, "JOBSRV_STATE", "failed");
  assert_field(&e, "JOBSRV_ERROR_MESSAGE", "it broke");
  assert_field(&e, "MESSAGE", "failed: it broke");
  entry_free(&e);
  daemon_close(&d);
}

static void a_daemon_may_come_late_and_go(void **state) {
  static daemon_t d;
  static entry_t e;
  jobsrv_journal_options_t options;

  (void) state;
  daemon_open(&d);
  options = options_for(&d);
  options.max_queue = 4096;
  assert_ok(jobsrv_journal_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_narrate(d.job, "say", "first"));
  assert_true(run_until(&d.world.loop, daemon_has_trouble, &d, 5000));
  assert_int_equal(d.err, UV_ENOENT);
  for (int i = 0; i < 100; i++)
    assert_ok(jobsrv_narrate(d.job, "say", "%d", i));
  daemon_start(&d, SOCK_DGRAM);
  next(&d, &e);
  assert_field(&e, "MESSAGE", "first");
  assert_true(run_until(&d.world.loop, daemon_is_well, &d, 5000));
  assert_int_equal(d.lost, jobsrv_sink_dropped(d.sink));
  do {
    entry_free(&e);
    next(&d, &e);
  } while (field(&e, "JOBSRV_COUNT") == NULL);
  assert_int_equal(strtoull(field(&e, "JOBSRV_COUNT"), NULL, 10), d.lost);
  assert_field(&e, "JOBSRV_TYPE", "dropped");
  assert_field(&e, "PRIORITY", "4");
  assert_field(&e, "SYSLOG_IDENTIFIER", "journal-test");
  assert_contains(field(&e, "MESSAGE"), " events were dropped");
  entry_free(&e);
  daemon_close(&d);
}

static void the_sink_options_and_policies_count(void **state) {
  jobsrv_sink_options_t how;
  static daemon_t d;
  static entry_t e;
  jobsrv_journal_options_t options;
  int last = -1, n = 0, dropped = 0;

  (void) state;
  daemon_open(&d);
  daemon_start(&d, SOCK_DGRAM);
  options = options_for(&d);
  jobsrv_sink_options_init(&how);
  how.level = JOBSRV_WARN;
  options.sink = &how;
  options.overflow = JOBSRV_OVERFLOW_DROP_OLDEST;
  options.max_queue = 16 * 1024;
  assert_ok(jobsrv_journal_add(d.world.srv, &options, &d.sink));
  assert_ok(jobsrv_narrate(d.job, "say", "unseen"));
  for (int i = 0; i < 3000; i++)
    assert_ok(jobsrv_warn(d.job, "n", "%d", i));
  while (n + dropped < 3000) {
    next(&d, &e);
    if (field(&e, "JOBSRV_COUNT") != NULL) {
      dropped += atoi(field(&e, "JOBSRV_COUNT"));
    } else {
      assert_true(atoi(field(&e, "MESSAGE")) > last);
      last = atoi(field(&e, "MESSAGE"));
      n++;
    }
    entry_free(&e);
  }
  assert_int_equal(last, 2999);
  assert_true(dropped > 0);
  daemon_close(&d);
}

static void options_are_checked(void **state) {
  static char name[300];
  jobsrv_journal_options_t options;
  static daemon_t d;

  (void) state;
  memset(name, 'x', sizeof(name) - 1);
  daemon_open(&d);
#define BAD(member, value, code)                                              \
  options = options_for(&d);                                                  \
  options.member = value;                                                     \
  assert_err(jobsrv_journal_add(d.world.srv, &options, NULL), code)
  BAD(size, 8, UV_EINVAL);
  BAD(path, name, UV_ENAMETOOLONG);
  BAD(identifier, "", UV_EINVAL);
  BAD(identifier, "a\nPRIORITY=0", UV_EINVAL);
  BAD(identifier, name, UV_EINVAL);
  BAD(overflow, (jobsrv_overflow_t) 3, UV_EINVAL);
  daemon_close(&d);
}

static void every_allocation_may_fail(void **state) {
  int err = UV_ENOMEM;
  static daemon_t d;

  (void) state;
  for (uint64_t n = 0; err != 0; n++) {
    jobsrv_journal_options_t options;

    daemon_open(&d);
    options = options_for(&d);
    jobsrv_faults_fail(&d.world.faults, n, 1);
    err = jobsrv_journal_add(d.world.srv, &options, &d.sink);
    assert_int_equal(err, jobsrv_faults_hit(&d.world.faults) ? UV_ENOMEM : 0);
    jobsrv_faults_fail(&d.world.faults, 0, 0);
    daemon_close(&d);
  }
  for (uint64_t n = 0; n < 12; n++) {
    open_journal(&d);
    jobsrv_faults_fail(&d.world.faults, n, 3);
    (void) jobsrv_narrate(d.job, "a", "one");
    (void) jobsrv_narrate(d.job, "a", "two");
    jobsrv_faults_fail(&d.world.faults, 0, 0);
    daemon_close(&d);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(an_entry_has_the_names_of_the_journal),
  cmocka_unit_test(every_member_and_field_arrives),
  cmocka_unit_test(names_are_cut_and_cannot_pass_for_others),
  cmocka_unit_test(text_may_hold_a_nul_and_forge_nothing),
  cmocka_unit_test(what_is_too_large_comes_as_a_sealed_file),
  cmocka_unit_test(ends_and_data_are_entries_too),
  cmocka_unit_test(a_daemon_may_come_late_and_go),
  cmocka_unit_test(the_sink_options_and_policies_count),
  cmocka_unit_test(options_are_checked),
  cmocka_unit_test(every_allocation_may_fail),
};

RUN(tests);
