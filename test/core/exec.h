/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_EXEC_H
#define JOBSRV_TEST_CORE_EXEC_H

/* An operation "exec" that executes what its job's `data` says. */

#include "core/style.h"

#include <unistd.h>

typedef struct plan_s {
  const char *argv[16];
  const char *env[16]; /* name, value, ... */
  const char *cwd;
  int result;          /* of prepare */
  int cancels_itself;
  int calls;
} plan_t;

static inline int prepare(jobsrv_job_t *job,
                          jobsrv_process_t *process,
                          void *data) {
  plan_t *plan = jobsrv_job_data(job);
  int err = 0;

  (void) data;
  plan->calls++;
  if (plan->cancels_itself)
    assert_ok(jobsrv_job_cancel(job, NULL));
  for (int i = 0; plan->argv[i] != NULL && err == 0; i++)
    err = jobsrv_process_arg(process, plan->argv[i]);
  for (int i = 0; plan->env[i] != NULL && err == 0; i += 2)
    err = jobsrv_process_env(process, plan->env[i], plan->env[i + 1]);
  if (plan->cwd != NULL && err == 0)
    err = jobsrv_process_cwd(process, plan->cwd);
  return err != 0 ? err : plan->result;
}

static inline void operation_add(fixture_t *f) {
  jobsrv_operation_t operation;

  jobsrv_operation_init(&operation);
  operation.name = "exec";
  operation.style = JOBSRV_PROCESS;
  operation.prepare = prepare;
  assert_ok(jobsrv_operation_add(f->srv, &operation));
}

static inline void open_with_exec(fixture_t *f) {
  fixture_prepare(f);
  fixture_open(f);
  operation_add(f);
}

#define SH(script) { .argv = { "/bin/sh", "-c", (script) } }

static inline jobsrv_job_t *run(fixture_t *f, plan_t *plan) {
  jobsrv_job_t *job = submit(f, "exec", plan);

  assert_true(runs_to_end(f, job, 10000));
  return job;
}

/* All lines of one stream, each with a '|' behind it. */
static inline const char *output(const fixture_t *f, int stream) {
  static char text[8192];
  size_t len = 0;

  for (size_t i = 0; i < f->nlines; i++)
    if (f->lines[i].stream == stream)
      len += (size_t) snprintf(text + len, sizeof(text) - len, "%s|",
                               f->lines[i].text);
  text[len] = '\0';
  return text;
}

/* Neither running nor, as a zombie, still to be reaped by its parent. */
static inline int is_gone(int pid) {
  char path[64], text[256];
  size_t n;
  FILE *file;
  const char *end;

  snprintf(path, sizeof(path), "/proc/%d/stat", pid);
  file = fopen(path, "r");
  if (file == NULL)
    return 1;
  n = fread(text, 1, sizeof(text) - 1, file);
  fclose(file);
  text[n] = '\0';
  end = strrchr(text, ')');
  return end == NULL || end[2] == 'Z' || end[2] == 'X';
}

/* SIGKILL has been sent before; the kernel needs a moment to act on it. */
static inline void assert_gone(int pid) {
  assert_true(pid > 1);
  for (int i = 0; i < 200 && !is_gone(pid); i++)
    usleep(1000);
  assert_true(is_gone(pid));
}

static inline void wait_for_line(fixture_t *f, size_t n) {
  for (int i = 0; i < 500 && f->nlines < n; i++)
    pause_loop(f, 10);
  assert_true(f->nlines >= n);
}

#endif /* JOBSRV_TEST_CORE_EXEC_H */
