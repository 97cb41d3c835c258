/* SPDX-License-Identifier: MIT */

#include "core/process_spawn.h"

#include "base/alloc.h"
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

enum { REAP_TRIES = 100 }; /* a millisecond each */

/* ---- descriptors ---- */

int jobsrv__pipe_open(int fds[2]) {
  int pair[2];
  int err;

  if (pipe2(pair, O_CLOEXEC) != 0)
    return -errno;
  pair[0] = jobsrv__fd_high(pair[0]);
  err = pair[0] < 0 ? -errno : 0;
  pair[1] = jobsrv__fd_high(pair[1]);
  if (err == 0 && pair[1] < 0)
    err = -errno;
  if (err == 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) != 0)
    err = -errno;
  if (err != 0) {
    for (int i = 0; i < 2; i++)
      if (pair[i] >= 0)
        close(pair[i]);
    return err;
  }
  fds[0] = pair[0];
  fds[1] = pair[1];
  return 0;
}

/* ---- the program ---- */

static const char *env_path(const jobsrv_process_t *plan) {
  const jobsrv__buf_t *env = &plan->env;

  for (size_t at = 0; at < env->len; at += strlen(env->data + at) + 1)
    if (strncmp(env->data + at, "PATH=", 5) == 0)
      return env->data + at + 5;
  return "/usr/bin:/bin";
}

/* 0 if `path`, as seen from the child's folder, may be executed. */
static int look_at(const jobsrv_process_t *plan, const char *path) {
  jobsrv__buf_t full;
  struct stat st;
  const char *at = path;
  int err = 0;

  jobsrv__buf_init(&full, plan->alloc, 0);
  if (path[0] != '/' && plan->cwd != NULL) {
    (void) jobsrv__buf_printf(&full, "%s/%s", plan->cwd, path);
    at = jobsrv__buf_str(&full);
  }
  if (at == NULL)
    err = UV_ENOMEM;
  else if (stat(at, &st) != 0)
    err = -errno;
  else if (!S_ISREG(st.st_mode) ||
           faccessat(AT_FDCWD, at, X_OK, AT_EACCESS) != 0)
    err = UV_EACCES;
  jobsrv__buf_free(&full);
  return err;
}

/* Finds the program as the child's own PATH says, which is not the host's. */
static int look_up(const jobsrv_process_t *plan, jobsrv__buf_t *program) {
  const char *name = plan->args.data;
  const char *dir = env_path(plan);
  int denied = 0;
  int err;

  if (strchr(name, '/') != NULL)
    return jobsrv__buf_puts(program, name);
  for (;; dir++) {
    size_t len = strcspn(dir, ":");

    jobsrv__buf_reset(program);
    if (len == 0)
      (void) jobsrv__buf_putc(program, '.');
    (void) jobsrv__buf_append(program, dir, len);
    (void) jobsrv__buf_putc(program, '/');
    (void) jobsrv__buf_puts(program, name);
    if (jobsrv__buf_str(program) == NULL)
      return UV_ENOMEM;
    err = look_at(plan, program->data);
    if (err == 0 || err == UV_ENOMEM)
      return err;
    denied |= err == UV_EACCES;
    dir += len;
    if (*dir == '\0')
      return denied ? UV_EACCES : UV_ENOENT;
  }
}

/* ---- execution ---- */

static size_t strings_count(const jobsrv__buf_t *strings) {
  size_t n = 0;

  for (size_t at = 0; at < strings->len; n++)
    at += strlen(strings->data + at) + 1;
  return n;
}

static char **strings_list(const jobsrv__buf_t *strings, char **to) {
  for (size_t at = 0; at < strings->len;) {
    *to++ = strings->data + at;
    at += strlen(strings->data + at) + 1;
  }
  *to++ = NULL;
  return to;
}

static int fill_actions(posix_spawn_file_actions_t *actions,
                        const jobsrv_process_t *plan,
                        const int outputs[2]) {
  int err = posix_spawn_file_actions_addopen(actions, STDIN_FILENO,
                                             "/dev/null", O_RDONLY, 0);

  if (err == 0)
    err = posix_spawn_file_actions_adddup2(actions, outputs[0], STDOUT_FILENO);
  if (err == 0)
    err = posix_spawn_file_actions_adddup2(actions, outputs[1], STDERR_FILENO);
  if (err == 0)
    err = posix_spawn_file_actions_addclosefrom_np(actions, STDERR_FILENO + 1);
  if (err == 0 && plan->cwd != NULL)
    err = posix_spawn_file_actions_addchdir_np(actions, plan->cwd);
  return -err;
}

static int fill_attributes(posix_spawnattr_t *attr) {
  sigset_t none, all;
  int err;

  sigemptyset(&none);
  /* Every bit, also those that sigfillset() keeps for the C library: else the
   * child inherits them as ignored. */
  memset(&all, 0xff, sizeof(all));
  err = posix_spawnattr_setflags(attr, POSIX_SPAWN_SETPGROUP |
                                           POSIX_SPAWN_SETSIGMASK |
                                           POSIX_SPAWN_SETSIGDEF);
  if (err == 0)
    err = posix_spawnattr_setpgroup(attr, 0);
  if (err == 0)
    err = posix_spawnattr_setsigmask(attr, &none);
  if (err == 0)
    err = posix_spawnattr_setsigdefault(attr, &all);
  return -err;
}

static int spawn_with(const jobsrv_process_t *plan,
                      const char *program,
                      char **argv,
                      char **envp,
                      const int outputs[2],
                      pid_t *pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attr;
  int err = -posix_spawn_file_actions_init(&actions);

  if (err != 0)
    return err;
  err = -posix_spawnattr_init(&attr);
  if (err == 0) {
    err = fill_actions(&actions, plan, outputs);
    if (err == 0)
      err = fill_attributes(&attr);
    if (err == 0)
      err = -posix_spawn(pid, program, &actions, &attr, argv, envp);
    posix_spawnattr_destroy(&attr);
  }
  posix_spawn_file_actions_destroy(&actions);
  return err;
}

int jobsrv__spawn(const jobsrv_process_t *plan,
                  const int outputs[2],
                  pid_t *pid) {
  jobsrv__buf_t program;
  char **argv, **envp;
  size_t n;
  int err;

  if (plan->failed != 0)
    return plan->failed;
  if (plan->args.len == 0)
    return UV_EINVAL;
  if (plan->args.data[0] == '\0')
    return UV_ENOENT;
  jobsrv__buf_init(&program, plan->alloc, 0);
  n = strings_count(&plan->args) + strings_count(&plan->env) + 2;
  argv = jobsrv__malloc(plan->alloc, n * sizeof(*argv));
  err = argv != NULL ? look_up(plan, &program) : UV_ENOMEM;
  if (err == 0 && jobsrv__buf_str(&program) == NULL)
    err = UV_ENOMEM;
  if (err == 0) {
    envp = strings_list(&plan->args, argv);
    (void) strings_list(&plan->env, envp);
    err = spawn_with(plan, program.data, argv, envp, outputs, pid);
  }
  jobsrv__free(plan->alloc, argv);
  jobsrv__buf_free(&program);
  return err;
}

void jobsrv__reap_soon(pid_t pid, int pidfd) {
  struct pollfd exited = { .fd = pidfd, .events = POLLIN };
  siginfo_t info;

  for (int i = 0; i < REAP_TRIES; i++) {
    memset(&info, 0, sizeof(info));
    if (waitid(P_PID, (id_t) pid, &info, WEXITED | WNOHANG) != 0) {
      if (errno != EINTR)
        return;
    } else if (info.si_pid != 0) {
      return;
    }
    (void) poll(&exited, pidfd >= 0, 1);
  }
}
