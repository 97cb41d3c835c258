/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/process_spawn.h"
#include "core/trace.h"

#include <string.h>

#include <uv.h>

void jobsrv__plan_init(jobsrv_process_t *plan, const jobsrv_alloc_t *alloc) {
  memset(plan, 0, sizeof(*plan));
  plan->alloc = alloc;
  jobsrv__buf_init(&plan->args, alloc, 0);
  jobsrv__buf_init(&plan->env, alloc, 0);
}

void jobsrv__process_plan_free(jobsrv_process_t *plan) {
  jobsrv__buf_free(&plan->args);
  jobsrv__buf_free(&plan->env);
  jobsrv__free(plan->alloc, plan->cwd);
  plan->cwd = NULL;
}

int jobsrv_process_arg(jobsrv_process_t *process, const char *arg) {
  if (jobsrv__buf_append(&process->args, arg, strlen(arg) + 1) != 0)
    process->failed = UV_ENOMEM;
  return process->failed;
}

/* Takes an earlier setting of the name out. */
static void env_unset(jobsrv__buf_t *env, const char *name, size_t len) {
  size_t at = 0;
  size_t size;

  while (at < env->len) {
    char *entry = env->data + at;

    size = strlen(entry) + 1;
    if (size > len && memcmp(entry, name, len) == 0 && entry[len] == '=') {
      memmove(entry, entry + size, env->len - at - size);
      env->len -= size;
      return;
    }
    at += size;
  }
}

static int env_has(const jobsrv__buf_t *env, const char *name) {
  size_t len = strlen(name);

  for (size_t at = 0; at < env->len; at += strlen(env->data + at) + 1)
    if (strncmp(env->data + at, name, len) == 0 && env->data[at + len] == '=')
      return 1;
  return 0;
}

static void on_identity(void *data, const char *name, const char *value) {
  jobsrv_process_t *process = data;

  if (!env_has(&process->env, name))
    (void) jobsrv_process_env(process, name, value);
}

void jobsrv__process_identify(jobsrv_process_t *process,
                              const jobsrv_job_t *job) {
  jobsrv__trace_env(job, jobsrv__trace_span(job, jobsrv__job_attempt(job)),
                    NULL, NULL, on_identity, process);
}

int jobsrv_process_env(jobsrv_process_t *process,
                       const char *name,
                       const char *value) {
  jobsrv__buf_t *env = &process->env;
  size_t nlen = strlen(name);
  size_t vlen = strlen(value);
  char *to;

  if (nlen == 0 || memchr(name, '=', nlen) != NULL)
    return UV_EINVAL;
  if (jobsrv__buf_reserve(env, nlen + vlen + 2) == NULL) {
    process->failed = UV_ENOMEM;
    return UV_ENOMEM;
  }
  env_unset(env, name, nlen);
  to = env->data + env->len;
  memcpy(to, name, nlen);
  to[nlen] = '=';
  memcpy(to + nlen + 1, value, vlen + 1);
  env->len += nlen + vlen + 2;
  return process->failed;
}

int jobsrv_process_cwd(jobsrv_process_t *process, const char *path) {
  char *copy = jobsrv__strdup(process->alloc, path);

  if (copy == NULL) {
    process->failed = UV_ENOMEM;
    return UV_ENOMEM;
  }
  jobsrv__free(process->alloc, process->cwd);
  process->cwd = copy;
  return process->failed;
}

int jobsrv_process_output(jobsrv_process_t *process, jobsrv_output_t output) {
  if ((unsigned int) output >= JOBSRV_OUTPUT_MAX)
    return UV_EINVAL;
  process->output = output;
  return 0;
}
