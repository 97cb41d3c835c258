/* SPDX-License-Identifier: MIT */

/*
 * Five jobs talk at once, each on a thread of its own but for the last, which
 * is a process: nobody who watches one gets a byte of another, and nobody who
 * shares them all gets a secret.
 */

#include "outlets.h"
#include "world.h"

#include "jobsrv/console.h"

enum {
  WATCHERS = 3,
  FORMS = JOBSRV_CONSOLE_MESSAGE + 1,
  CHILD = SECRET_JOBS - 1
};

typedef struct {
  pthread_barrier_t together;
  int number; /* of the next to start */
} stage_t;

typedef struct {
  stage_t *stage;
  int number;
} part_t;

typedef struct {
  world_t world;
  stage_t stage;
  part_t parts[SECRET_JOBS];
  jobsrv_job_t *jobs[SECRET_JOBS];
  jobsrv_cursor_t cursors[SECRET_JOBS][WATCHERS];
  bytes_t seen[SECRET_JOBS][WATCHERS];
  secret_sink_t shared[FORMS + 3]; /* consoles, callback, its own mask, file */
  secret_sink_t alone[SECRET_JOBS]; /* of one job each, unredacted */
  outlets_t outlets;
  char path[64];
  char script[64]; /* what the child says */
} play_t;

/* NULL stands for the job of the context: each thread has its own. */
static int play_part(jobsrv_job_t *job, void *data) {
  part_t *part = data;
  char message[SECRET_SIZE];

  (void) pthread_barrier_wait(&part->stage->together);
  secret_story(NULL, part->number);
  secret_text(message, part->number, 1);
  return jobsrv_job_fail(job, "failed", message);
}

static void look(jobsrv_cursor_t *cursor) {
  bytes_t *seen = cursor->data;
  jobsrv_view_t view;
  jobsrv_read_t what;

  while ((what = jobsrv_cursor_peek(cursor, &view)) == JOBSRV_READ_EVENTS ||
         what == JOBSRV_READ_PROGRESS) {
    bytes_add(seen, view.data, view.len);
    jobsrv_cursor_advance(cursor, view.len);
  }
  assert_true(what != JOBSRV_READ_GAP);
}

static void add_shared(play_t *play) {
  jobsrv_file_options_t file;
  jobsrv_sink_options_t how;
  jobsrv_redact_options_t mask;
  int fd;

  jobsrv_sink_options_init(&how);
  how.level = JOBSRV_TRACE;
  how.progress = 1;
  for (int form = 0; form < FORMS; form++) {
    jobsrv_console_options_t options;

    jobsrv_console_options_init(&options);
    play->shared[form].file = tmpfile();
    assert_non_null(play->shared[form].file);
    options.fd = fileno(play->shared[form].file);
    options.form = (jobsrv_console_form_t) form;
    options.voice = (jobsrv_voice_t) (form % 3);
    options.fields = 1;
    options.max_bytes = 64 * 1024 * 1024;
    options.sink = &how;
    assert_ok(jobsrv_console_add(play->world.srv, &options, NULL));
  }
  assert_ok(jobsrv_callback_add(play->world.srv, secret_keep,
                                &play->shared[FORMS], &how, NULL));
  jobsrv_redact_options_init(&mask);
  mask.replacement = "(hidden)";
  assert_ok(jobsrv_redactor_new(&how.redactor, NULL, &mask));
  assert_ok(jobsrv_callback_add(play->world.srv, secret_keep,
                                &play->shared[FORMS + 1], &how, NULL));
  jobsrv_redactor_unref(how.redactor);
  how.redactor = NULL;
  (void) snprintf(play->path, sizeof(play->path), "/tmp/isolation-XXXXXX");
  fd = mkstemp(play->path);
  assert_true(fd >= 0);
  close(fd);
  jobsrv_file_options_init(&file);
  file.path = play->path;
  file.sink = &how;
  file.max_queue = 64 * 1024 * 1024;
  assert_ok(jobsrv_file_add(play->world.srv, &file, NULL));
  outlets_add(&play->outlets, play->world.srv, &how);
}

static void add_operation(play_t *play, int number, const char *name) {
  jobsrv_operation_t operation;

  jobsrv_operation_init(&operation);
  operation.name = name;
  if (number == CHILD) {
    secret_write(play->script, number);
    operation.style = JOBSRV_PROCESS;
    operation.prepare = secret_prepare;
    operation.data = play->script;
  } else {
    play->parts[number] = (part_t) { &play->stage, number };
    operation.style = JOBSRV_THREAD;
    operation.run = play_part;
    operation.data = &play->parts[number];
  }
  assert_ok(jobsrv_operation_add(play->world.srv, &operation));
}

static void add_jobs(play_t *play) {
  jobsrv_sink_options_t how;
  jobsrv_spec_t spec;
  char name[24], id[JOBSRV_ID_SIZE];

  jobsrv_sink_options_init(&how);
  how.unredacted = 1;
  how.progress = 1;
  for (int i = 0; i < SECRET_JOBS; i++) {
    (void) snprintf(name, sizeof(name), "part-%d", i);
    add_operation(play, i, name);
    jobsrv_spec_init(&spec);
    spec.operation = name;
    assert_ok(jobsrv_submit(play->world.srv, &spec, NULL, &play->jobs[i]));
    jobsrv_job_ref(play->jobs[i]);
    how.filter.job_id = jobsrv_job_id(play->jobs[i], id);
    assert_ok(jobsrv_callback_add(play->world.srv, secret_keep,
                                  &play->alone[i], &how, NULL));
    for (int k = 0; k < WATCHERS; k++) {
      assert_ok(jobsrv_cursor_attach(&play->cursors[i][k], play->jobs[i], 0,
                                     look));
      play->cursors[i][k].data = &play->seen[i][k];
    }
  }
}

static int have_ended(void *data) {
  play_t *play = data;
  int ended = 1;

  for (int i = 0; i < SECRET_JOBS; i++)
    ended &= jobsrv_job_state(play->jobs[i]) == JOBSRV_STATE_FAILED;
  return ended;
}

static void on_done(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static int is_set(void *data) {
  return *(int *) data;
}

static void run(play_t *play) {
  int drained = 0;

  memset(play, 0, sizeof(*play));
  world_init(&play->world);
  play->world.options.max_bytes_per_job = 16 * 1024 * 1024;
  world_start(&play->world);
  assert_int_equal(
      pthread_barrier_init(&play->stage.together, NULL, CHILD), 0);
  outlets_open(&play->outlets);
  add_shared(play);
  add_jobs(play);
  assert_true(run_until(&play->world.loop, have_ended, play, 20000));
  world_turn(&play->world);
  assert_ok(jobsrv_drain(play->world.srv, 5000, on_done, &drained));
  assert_true(run_until(&play->world.loop, is_set, &drained, 10000));
  outlets_close(&play->outlets);
}

static void end(play_t *play) {
  for (int i = 0; i < SECRET_JOBS; i++) {
    for (int k = 0; k < WATCHERS; k++) {
      jobsrv_cursor_detach(&play->cursors[i][k]);
      bytes_free(&play->seen[i][k]);
    }
    secret_sink_free(&play->alone[i]);
    jobsrv_job_unref(play->jobs[i]);
  }
  for (int i = 0; i < FORMS + 3; i++)
    secret_sink_free(&play->shared[i]);
  outlets_free(&play->outlets);
  world_close(&play->world);
  unlink(play->path);
  unlink(play->script);
  pthread_barrier_destroy(&play->stage.together);
}

static void nobody_gets_a_byte_of_another_s_job(void **state) {
  static play_t play;

  (void) state;
  run(&play);
  for (int i = 0; i < SECRET_JOBS; i++) {
    for (int k = 0; k < WATCHERS; k++) {
      assert_only_of("a watcher", play.seen[i][k].data, play.seen[i][k].len,
                     i);
      assert_all_of(play.seen[i][k].data, play.seen[i][k].len, i);
    }
    assert_only_of("a sink of one job", play.alone[i].text,
                   play.alone[i].len, i);
    assert_all_of(play.alone[i].text, play.alone[i].len, i);
  }
  end(&play);
}

/* And yet all is there. */
static void no_shared_sink_gets_a_secret(void **state) {
  static play_t play;

  (void) state;
  run(&play);
  play.shared[FORMS + 2].file = fopen(play.path, "r");
  for (int i = 0; i < FORMS + 3; i++) {
    secret_sink_read(&play.shared[i]);
    assert_masked("a shared sink", &play.shared[i],
                  i == FORMS + 1 ? "(hidden)" : "[REDACTED]");
  }
  assert_outlets_masked(&play.outlets);
  end(&play);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(nobody_gets_a_byte_of_another_s_job),
  cmocka_unit_test(no_shared_sink_gets_a_secret),
};

RUN_WITH_COLLECTOR(tests);
