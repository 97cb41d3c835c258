/* SPDX-License-Identifier: MIT */

#include "core/exec.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- outcomes ---- */

static void status_zero_completes_the_job(void **state) {
  fixture_t f;
  plan_t plan = SH("exit 0");
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "completed");
  assert_int_equal(info_of(job).exit_status, 0);
  assert_int_equal(jobsrv_job_pid(job), 0);
  fixture_close(&f);
}

static void another_status_fails_it(void **state) {
  fixture_t f;
  plan_t plan = SH("exit 3");
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "exit_status");
  assert_string_equal(info_of(job).error_message, "exited with status 3");
  assert_int_equal(info_of(job).exit_status, 3);
  assert_int_equal(info_of(job).signal, 0);
  fixture_close(&f);
}

static void a_signal_fails_it(void **state) {
  fixture_t f;
  plan_t plan = SH("kill -KILL $$");
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "signal");
  assert_string_equal(info_of(job).error_message, "killed by SIGKILL");
  assert_int_equal(info_of(job).signal, SIGKILL);
  assert_int_equal(info_of(job).exit_status, -1);
  fixture_close(&f);
}

static void assert_spawn_fails(const plan_t *plan, const char *message) {
  fixture_t f;
  plan_t copy = *plan;
  jobsrv_job_t *job;
  int before = descriptors();

  open_with_exec(&f);
  job = run(&f, &copy);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "spawn_failed");
  assert_contains(info_of(job).error_message, message);
  fixture_close(&f);
  assert_int_equal(descriptors(), before);
}

static void a_program_that_cannot_be_run_is_told(void **state) {
  (void) state;
  assert_spawn_fails(&(plan_t) { .argv = { "/no/such/program" } },
                     "cannot run /no/such/program: ");
  assert_spawn_fails(&(plan_t) { .argv = { "no-such-program" } },
                     "cannot run no-such-program: ");
  assert_spawn_fails(&(plan_t) { .argv = { "/etc/passwd" } }, "permission");
  assert_spawn_fails(&(plan_t) { .argv = { "/etc" } }, "permission");
  assert_spawn_fails(&(plan_t) { .argv = { "" } }, "cannot run : ");
  assert_spawn_fails(&(plan_t) { .argv = { NULL } }, "no program");
  assert_spawn_fails(&(plan_t) { .argv = { "/bin/true" }, .cwd = "/no/folder" },
                     "cannot run /bin/true in /no/folder: ");
}

static void an_error_of_prepare_fails_it_by_name(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "/bin/true" }, .result = JOBSRV_EJSON };
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "ejson");
  assert_string_equal(info_of(job).error_message,
                      jobsrv_strerror(JOBSRV_EJSON));
  fixture_close(&f);
}

static void a_job_that_is_cancelled_in_prepare_is_never_run(void **state) {
  fixture_t f;
  plan_t plan = SH("echo ran");
  jobsrv_job_t *job;

  (void) state;
  plan.cancels_itself = 1;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "cancelled");
  assert_int_equal(plan.calls, 1);
  assert_int_equal(f.nlines, 0);
  fixture_close(&f);
}

static void a_status_that_the_host_has_thrown_away_is_told(void **state) {
  fixture_t f;
  plan_t plan = SH("echo said; exit 0");
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before;
  jobsrv_job_t *job;

  (void) state;
  assert_int_equal(sigaction(SIGCHLD, &ignore, &before), 0);
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_int_equal(sigaction(SIGCHLD, &before, NULL), 0);
  assert_state(job, "failed");
  assert_string_equal(info_of(job).error_code, "exit_status_lost");
  assert_string_equal(output(&f, 1), "said|");
  fixture_close(&f);
}

/* ---- what the child finds ---- */

/* What a child of the job is told by itself. */
static const char *identity(const jobsrv_job_t *job, char to[256]) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };
  char id[JOBSRV_ID_SIZE];

  jobsrv_job_trace(job, &trace);
  snprintf(to, 256, "TRACEPARENT=00-%s-%s-01|JOBSRV_JOB_ID=%s|",
           trace.trace_id, trace.attempt_span_id, jobsrv_job_id(job, id));
  return to;
}

static void the_environment_is_what_prepare_gave(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "/usr/bin/env" },
                  .env = { "A", "1", "AB", "x=y z", "A", "2", "EMPTY", "" } };
  plan_t none = { .argv = { "/usr/bin/env" } };
  jobsrv_job_t *job;
  char want[300];
  char last[256];

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_state(job, "completed");
  snprintf(want, sizeof(want), "AB=x=y z|A=2|EMPTY=|%s", identity(job, last));
  assert_string_equal(output(&f, 1), want);
  lines_forget(&f);
  job = run(&f, &none);
  assert_state(job, "completed");
  assert_string_equal(output(&f, 1), identity(job, last));
  fixture_close(&f);
}

static void what_prepare_says_of_its_identity_counts(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "/usr/bin/env" },
                  .env = { "TRACEPARENT", "mine", "JOBSRV_JOB_ID", "" } };

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_string_equal(output(&f, 1), "TRACEPARENT=mine|JOBSRV_JOB_ID=|");
  fixture_close(&f);
}

static void a_variable_needs_a_name(void **state) {
  fixture_t f;
  plan_t empty = { .argv = { "/bin/true" }, .env = { "", "x" } };
  plan_t equals = { .argv = { "/bin/true" }, .env = { "A=B", "x" } };
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &empty);
  assert_string_equal(info_of(job).error_code, "einval");
  job = run(&f, &equals);
  assert_string_equal(info_of(job).error_code, "einval");
  fixture_close(&f);
}

static void arguments_arrive_unchanged(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "printf", "%s\\n", "a b", "", "\"q\" 'r'",
                            "$(echo no) `no` $HOME", "*", "\xc3\xa9;|&" } };

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_string_equal(output(&f, 1),
                      "a b||\"q\" 'r'|$(echo no) `no` $HOME|*|\xc3\xa9;|&|");
  fixture_close(&f);
}

static void the_folder_is_the_one_asked_for(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "/bin/pwd" }, .cwd = "/usr/bin" };
  plan_t hosts = { .argv = { "/bin/pwd" } };
  char here[512], expected[520];

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_string_equal(output(&f, 1), "/usr/bin|");
  lines_forget(&f);
  assert_non_null(getcwd(here, sizeof(here)));
  snprintf(expected, sizeof(expected), "%s|", here);
  assert_state(run(&f, &hosts), "completed");
  assert_string_equal(output(&f, 1), expected);
  fixture_close(&f);
}

static void script_make(const char *folder, const char *name, int mode) {
  char path[256];
  FILE *file;

  snprintf(path, sizeof(path), "%s/%s", folder, name);
  file = fopen(path, "w");
  assert_non_null(file);
  fprintf(file, "#!/bin/sh\necho \"$0\"\n");
  fclose(file);
  assert_int_equal(chmod(path, (mode_t) mode), 0);
}

static void a_bare_name_is_looked_up_in_the_childs_path(void **state) {
  fixture_t f;
  char folder[] = "/tmp/jobsrv-test-XXXXXX";
  char path[128], expected[128];
  plan_t plan = { .argv = { "only-here" }, .env = { "PATH", path } };
  plan_t hosts = { .argv = { "only-here" } };
  plan_t relative = { .argv = { "only-here" }, .env = { "PATH", "/no:" } };
  plan_t denied = { .argv = { "not-allowed" }, .env = { "PATH", path } };
  jobsrv_job_t *job;

  (void) state;
  assert_non_null(mkdtemp(folder));
  script_make(folder, "only-here", 0700);
  script_make(folder, "not-allowed", 0600);
  snprintf(path, sizeof(path), "/no/such:%s:/usr/bin", folder);
  snprintf(expected, sizeof(expected), "%s/only-here|", folder);
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_string_equal(output(&f, 1), expected);

  assert_int_equal(setenv("PATH", path, 1), 0);
  assert_state(run(&f, &hosts), "failed");

  lines_forget(&f);
  relative.cwd = folder;
  assert_state(run(&f, &relative), "completed");
  assert_string_equal(output(&f, 1), "./only-here|");

  job = run(&f, &denied);
  assert_contains(info_of(job).error_message, "permission");
  fixture_close(&f);
  snprintf(path, sizeof(path), "%s/only-here", folder);
  unlink(path);
  snprintf(path, sizeof(path), "%s/not-allowed", folder);
  unlink(path);
  rmdir(folder);
}

static void no_descriptor_above_two_is_handed_down(void **state) {
  fixture_t f;
  plan_t plan = { .argv = { "/bin/ls", "/proc/self/fd" } };
  plan_t in = { .argv = { "/bin/readlink", "/proc/self/fd/0" } };
  int low = open("/dev/null", O_RDONLY);
  int high = fcntl(low, F_DUPFD, 200);

  (void) state;
  assert_true(low >= 0 && high >= 200);
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_string_equal(output(&f, 1), "0|1|2|3|"); /* 3 is the list itself */
  lines_forget(&f);
  assert_state(run(&f, &in), "completed");
  assert_string_equal(output(&f, 1), "/dev/null|");
  fixture_close(&f);
  close(low);
  close(high);
}

static void signals_are_neither_blocked_nor_ignored(void **state) {
  static const int ignored[] = { SIGPIPE, SIGUSR1, SIGTERM, SIGINT };
  fixture_t f;
  plan_t plan = { .argv = { "grep", "-E", "Sig(Blk|Ign)",
                            "/proc/self/status" } };
  struct sigaction ignore = { .sa_handler = SIG_IGN }, before[4];
  sigset_t all, mask;

  (void) state;
  for (int i = 0; i < 4; i++)
    sigaction(ignored[i], &ignore, &before[i]);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &mask);
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_string_equal(output(&f, 1),
                      "SigBlk:\t0000000000000000|SigIgn:\t0000000000000000|");
  fixture_close(&f);
  pthread_sigmask(SIG_SETMASK, &mask, NULL);
  for (int i = 0; i < 4; i++)
    sigaction(ignored[i], &before[i], NULL);
}

static void the_child_leads_a_group_of_its_own(void **state) {
  fixture_t f;
  plan_t plan = SH("echo $$; exec sleep 60");
  jobsrv_job_t *job;
  int pid;

  (void) state;
  open_with_exec(&f);
  job = submit(&f, "exec", &plan);
  wait_for_line(&f, 1);
  pid = jobsrv_job_pid(job);
  assert_int_equal(pid, atoi(f.lines[0].text));
  assert_int_equal(getpgid(pid), pid);
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_true(runs_to_end(&f, job, 5000));
  fixture_close(&f);
}

static void a_host_without_standard_streams_is_served_too(void **state) {
  fixture_t f;
  plan_t plan = SH("echo out; echo err >&2; read x || echo eof");
  int saved[3];

  (void) state;
  open_with_exec(&f);
  for (int i = 0; i < 3; i++) {
    saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
    close(i);
  }
  (void) runs_to_end(&f, submit(&f, "exec", &plan), 5000);
  for (int i = 0; i < 3; i++) {
    dup2(saved[i], i);
    close(saved[i]);
  }
  assert_string_equal(output(&f, 1), "out|eof|");
  assert_string_equal(output(&f, 2), "err|");
  fixture_close(&f);
}

/* ---- output ---- */

static void both_outputs_come_line_by_line(void **state) {
  fixture_t f;
  plan_t plan = SH("i=0; while [ $i -lt 100 ]; do echo o$i; echo e$i >&2; "
                   "i=$((i+1)); done");
  char text[16];
  int next[3] = { 0, 0, 0 };

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_int_equal(f.nlines, 200);
  for (size_t i = 0; i < f.nlines; i++) {
    int stream = f.lines[i].stream;

    snprintf(text, sizeof(text), "%c%d", stream == 1 ? 'o' : 'e',
             next[stream]++);
    assert_string_equal(f.lines[i].text, text);
    assert_int_equal(f.lines[i].part, 0);
  }
  fixture_close(&f);
}

static void long_lines_and_odd_bytes_come_through(void **state) {
  fixture_t f;
  plan_t plan = SH("printf 'a\\0b\\r\\n\\377\\376\\n';"
                   "head -c 150000 /dev/zero | tr '\\0' x; printf '\\nrest'");

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_int_equal(f.nlines, 6);
  assert_int_equal(f.lines[0].len, 3);
  assert_memory_equal(f.lines[0].text, "a\0b", 3);
  assert_bytes(f.lines[1].text, f.lines[1].len, "\xff\xfe");
  assert_int_equal(f.lines[2].part, 1);
  assert_int_equal(f.lines[2].len, 65536);
  assert_int_equal(f.lines[3].part, 2);
  assert_int_equal(f.lines[4].part, 3);
  assert_int_equal(f.lines[4].len, 150000 - 2 * 65536);
  assert_string_equal(f.lines[5].text, "rest");
  assert_int_equal(f.lines[5].part, 0);
  fixture_close(&f);
}

static void much_output_is_read_to_its_end(void **state) {
  fixture_t f;
  plan_t plan = SH("seq 1 200000");

  (void) state;
  open_with_exec(&f);
  assert_state(run(&f, &plan), "completed");
  assert_int_equal(f.nlines, 200000);
  assert_string_equal(f.lines[199999].text, "200000");
  fixture_close(&f);
}

static void a_child_that_closes_its_outputs_is_waited_for(void **state) {
  fixture_t f;
  plan_t plan = SH("exec >&- 2>&-; sleep 0.2; exit 4");
  jobsrv_job_t *job;

  (void) state;
  open_with_exec(&f);
  job = run(&f, &plan);
  assert_int_equal(info_of(job).exit_status, 4);
  fixture_close(&f);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(status_zero_completes_the_job),
  cmocka_unit_test(another_status_fails_it),
  cmocka_unit_test(a_signal_fails_it),
  cmocka_unit_test(a_program_that_cannot_be_run_is_told),
  cmocka_unit_test(an_error_of_prepare_fails_it_by_name),
  cmocka_unit_test(a_job_that_is_cancelled_in_prepare_is_never_run),
  cmocka_unit_test(a_status_that_the_host_has_thrown_away_is_told),
  cmocka_unit_test(the_environment_is_what_prepare_gave),
  cmocka_unit_test(what_prepare_says_of_its_identity_counts),
  cmocka_unit_test(a_variable_needs_a_name),
  cmocka_unit_test(arguments_arrive_unchanged),
  cmocka_unit_test(the_folder_is_the_one_asked_for),
  cmocka_unit_test(a_bare_name_is_looked_up_in_the_childs_path),
  cmocka_unit_test(no_descriptor_above_two_is_handed_down),
  cmocka_unit_test(signals_are_neither_blocked_nor_ignored),
  cmocka_unit_test(the_child_leads_a_group_of_its_own),
  cmocka_unit_test(a_host_without_standard_streams_is_served_too),
  cmocka_unit_test(both_outputs_come_line_by_line),
  cmocka_unit_test(long_lines_and_odd_bytes_come_through),
  cmocka_unit_test(much_output_is_read_to_its_end),
  cmocka_unit_test(a_child_that_closes_its_outputs_is_waited_for),
};

RUN(tests);
