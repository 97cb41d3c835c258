/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/fd.h"
#include "core/process_pipes.h"
#include "core/process_spawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * A child runs until its leader has exited and both outputs are at their end;
 * the outputs are waited for until 2 s after the exit or the end of the grace.
 * Then what is left of the group is killed, the leader reaped, and the job let
 * go. As long as the leader is not reaped its id, and so the group's, cannot
 * be anybody else's: only then is the group sent anything.
 */

enum { LINGER_MS = 2000 };

static jobsrv__child_t *child_of(const jobsrv_job_t *job) {
  if (job->attempt == NULL || job->attempt->style != JOBSRV_PROCESS)
    return NULL;
  return (jobsrv__child_t *) (void *) job->attempt;
}

enum { LEADER_RUNS, LEADER_EXITED, LEADER_GONE };

/*
 * Looks at the leader without reaping it. It is gone when the host has reaped
 * it, or has the kernel do so by ignoring SIGCHLD.
 */
static int leader_state(const jobsrv__child_t *child) {
  int by_fd = child->pidfd >= 0;
  siginfo_t info;
  int err;

  if (child->pid <= 0 || child->flags & JOBSRV__CHILD_LOST)
    return LEADER_GONE;
  do {
    memset(&info, 0, sizeof(info));
    err = waitid(by_fd ? P_PIDFD : P_PID,
                 (id_t) (by_fd ? child->pidfd : child->pid), &info,
                 WEXITED | WNOHANG | WNOWAIT);
  } while (err != 0 && errno == EINTR);
  if (err != 0)
    return errno == EAGAIN ? LEADER_RUNS : LEADER_GONE;
  return info.si_pid != 0 ? LEADER_EXITED : LEADER_RUNS;
}

static void signal_group(const jobsrv__child_t *child, int signo) {
  if (leader_state(child) != LEADER_GONE)
    (void) kill(-child->pid, signo);
}

static void kill_and_reap(const jobsrv__child_t *child) {
  if (leader_state(child) == LEADER_GONE)
    return;
  (void) kill(-child->pid, SIGKILL);
  jobsrv__reap_soon(child->pid, child->pidfd);
}

/* Lets go of everything; what still holds memory are handles being closed. */
static void dispose(jobsrv__child_t *child) {
  if (child->flags & JOBSRV__CHILD_DISPOSED)
    return;
  child->flags |= JOBSRV__CHILD_DISPOSED;
  jobsrv_timer_disarm(child->srv, &child->linger);
  if (child->flags & JOBSRV__CHILD_TURN)
    jobsrv_turn_cancel(&child->turn);
  if (child->job->attempt == &child->attempt)
    child->job->attempt = NULL;
  for (int i = 0; i < 2; i++)
    jobsrv__output_close(&child->outputs[i]);
  if (child->exit.data != NULL)
    jobsrv__child_unwatch(&child->exit);
  if (child->pidfd >= 0)
    close(child->pidfd);
  child->pidfd = -1;
  if (child->pid > 0) {
    jobsrv_part_detach(&child->part);
    child->srv->processes--;
  }
  jobsrv__child_unref(child);
}

static void close_child(jobsrv__child_t *child) {
  jobsrv_job_t *job = child->job;

  kill_and_reap(child);
  dispose(child);
  jobsrv_job_unref(job);
}

/* ---- the end ---- */

static void say_exit(jobsrv_job_t *job, int status) {
  char message[48];

  job->exit_status = (int16_t) status;
  if (status == 0) {
    jobsrv__job_say(job, 1, NULL, NULL);
    return;
  }
  snprintf(message, sizeof(message), "exited with status %d", status);
  jobsrv__job_say(job, 0, "exit_status", message);
}

static void say_signal(jobsrv_job_t *job, int signo) {
  const char *name = sigabbrev_np(signo);
  char message[48];

  job->signal = (int16_t) signo;
  if (name != NULL)
    snprintf(message, sizeof(message), "killed by SIG%s", name);
  else
    snprintf(message, sizeof(message), "killed by signal %d", signo);
  jobsrv__job_say(job, 0, "signal", message);
}

/* Reaps the leader, which has exited, and says what it came to. */
static void reap(const jobsrv__child_t *child, jobsrv_job_t *job) {
  siginfo_t info;
  int err = -1;

  memset(&info, 0, sizeof(info));
  if (child->pidfd >= 0) {
    do
      err = waitid(P_PIDFD, (id_t) child->pidfd, &info, WEXITED | WNOHANG);
    while (err != 0 && errno == EINTR);
  }
  if (jobsrv__job_ended(job))
    return; /* abandoned: its record does not change any more */
  if (err != 0 || info.si_pid == 0)
    jobsrv__job_say(job, 0, "exit_status_lost",
                    "the exit status was lost: the process was reaped by "
                    "somebody else, or its parent ignores SIGCHLD");
  else if (info.si_code == CLD_EXITED)
    say_exit(job, info.si_status);
  else
    say_signal(job, info.si_status);
}

static void finish(jobsrv__child_t *child) {
  jobsrv_job_t *job = child->job;

  child->refs++;
  signal_group(child, SIGKILL);
  for (int i = 0; i < 2; i++)
    jobsrv__output_drain(&child->outputs[i]);
  if (!(child->flags & JOBSRV__CHILD_DISPOSED)) {
    reap(child, job);
    child->flags |= JOBSRV__CHILD_LOST; /* its id may be anybody's now */
    if (!jobsrv__job_ended(job))
      child->srv->observer->exited(job, jobsrv_now(child->srv) -
                                            child->started_ns);
  }
  if (!(child->flags & JOBSRV__CHILD_DISPOSED)) {
    dispose(child);
    jobsrv__job_let_go(job);
    jobsrv_job_unref(job);
  }
  jobsrv__child_unref(child);
}

void jobsrv__child_look(jobsrv__child_t *child) {
  if (child->flags & JOBSRV__CHILD_DISPOSED ||
      !(child->flags & JOBSRV__CHILD_EXITED))
    return;
  if (child->flags & JOBSRV__CHILD_KILLED ||
      (child->outputs[0].fd < 0 && child->outputs[1].fd < 0))
    finish(child);
}

static void on_linger(jobsrv_timer_t *timer) {
  finish(JOBSRV__CONTAINER(timer, jobsrv__child_t, linger));
}

static void on_turn(jobsrv_turn_t *turn) {
  jobsrv__child_t *child = JOBSRV__CONTAINER(turn, jobsrv__child_t, turn);

  child->flags &= ~(unsigned int) JOBSRV__CHILD_TURN;
  jobsrv__child_look(child);
}

static void leader_exited(jobsrv__child_t *child) {
  jobsrv_t *srv = child->srv;

  child->flags |= JOBSRV__CHILD_EXITED;
  jobsrv_timer_arm(srv, &child->linger,
                   jobsrv_now(srv) + (uint64_t) LINGER_MS * 1000000,
                   on_linger);
}

static void on_exit_event(uv_poll_t *poll, int status, int events) {
  jobsrv__child_t *child = JOBSRV__CONTAINER(poll, jobsrv__child_t, exit);

  (void) status;
  (void) events;
  /* The descriptor stays readable from now on, also after the reaping. */
  uv_poll_stop(poll);
  switch (leader_state(child)) {
    case LEADER_RUNS:
      (void) uv_poll_start(poll, UV_READABLE, on_exit_event);
      return;
    case LEADER_GONE:
      child->flags |= JOBSRV__CHILD_LOST;
      break;
    default:
      break;
  }
  leader_exited(child);
  jobsrv__child_look(child);
}

/* Only a child whose job was abandoned is still there by then. */
static void on_server_closing(jobsrv_part_t *part) {
  close_child(JOBSRV__CONTAINER(part, jobsrv__child_t, part));
}

/* ---- the start ---- */

static jobsrv__child_t *child_new(jobsrv_job_t *job) {
  jobsrv__child_t *child = jobsrv__zalloc(&job->srv->alloc, sizeof(*child));

  if (child == NULL)
    return NULL;
  child->attempt.style = JOBSRV_PROCESS;
  child->srv = job->srv;
  child->job = job;
  child->refs = 1;
  child->pidfd = -1;
  for (int i = 0; i < 2; i++) {
    child->outputs[i].child = child;
    child->outputs[i].stream = i + 1;
    child->outputs[i].fd = -1;
  }
  return child;
}

/* Makes both pipes; the ends to be written to are the caller's. */
static int open_outputs(jobsrv__child_t *child, int ends[2]) {
  int fds[2];
  int err;

  for (int i = 0; i < 2; i++) {
    err = jobsrv__pipe_open(fds);
    if (err == 0) {
      ends[i] = fds[1];
      err = jobsrv__output_open(&child->outputs[i], fds[0]);
    }
    if (err != 0)
      return err;
  }
  return 0;
}

/*
 * Watches for the leader's exit. If somebody else reaps the host's children
 * it may be gone by now, and the end of the outputs is all there is to see.
 */
static int watch_leader(jobsrv__child_t *child) {
  int err;

  child->pidfd =
      jobsrv__fd_high((int) syscall(SYS_pidfd_open, child->pid, 0));
  if (child->pidfd < 0) {
    if (errno != ESRCH)
      return -errno;
    child->flags |= JOBSRV__CHILD_LOST;
    leader_exited(child);
    return 0;
  }
  err = jobsrv__child_watch(child, &child->exit, child->pidfd);
  if (err == 0)
    err = uv_poll_start(&child->exit, UV_READABLE, on_exit_event);
  return err;
}

static int spawn(jobsrv__child_t *child, const jobsrv_process_t *plan) {
  int ends[2] = { -1, -1 };
  pid_t pid = 0;
  int err = open_outputs(child, ends);

  if (err == 0)
    err = jobsrv__spawn(plan, ends, &pid);
  for (int i = 0; i < 2; i++)
    if (ends[i] >= 0)
      close(ends[i]);
  if (err != 0)
    return err;

  child->pid = pid;
  child->srv->processes++;
  child->part.closing = on_server_closing;
  jobsrv_part_attach(child->srv, &child->part);
  err = watch_leader(child);
  if (err != 0) {
    kill_and_reap(child);
    return err;
  }
  for (int i = 0; i < 2; i++)
    jobsrv__output_start(&child->outputs[i]);
  return 0;
}

static void say_spawn_failed(jobsrv_job_t *job,
                             const jobsrv_process_t *plan,
                             int err) {
  char message[768];
  const char *in = plan->cwd != NULL ? " in " : "";
  const char *cwd = plan->cwd != NULL ? plan->cwd : "";

  if (plan->failed == 0 && plan->args.len == 0)
    snprintf(message, sizeof(message), "no program to run was named");
  else
    snprintf(message, sizeof(message), "cannot run %.256s%s%.256s: %s",
             plan->args.len != 0 ? plan->args.data : "a program", in, cwd,
             jobsrv_strerror(err));
  jobsrv__job_say(job, 0, err == UV_ENOMEM ? "no_memory" : "spawn_failed",
                  message);
}

/* With the plan made. */
static int launch(jobsrv_job_t *job, const jobsrv_process_t *plan) {
  jobsrv__child_t *child = child_new(job);
  int err = child != NULL ? spawn(child, plan) : UV_ENOMEM;

  if (err == 0) {
    job->attempt = &child->attempt;
    jobsrv_job_ref(job);
    child->format = plan->output;
    child->started_ns = jobsrv_now(job->srv);
    job->srv->observer->started(job, (int) child->pid, plan->args.data);
    return 0;
  }
  say_spawn_failed(job, plan, err);
  if (child != NULL)
    dispose(child);
  return err;
}

int jobsrv__process_start(jobsrv_job_t *job) {
  const jobsrv_operation_t *def = &job->operation->def;
  jobsrv_process_t plan;
  int err = 0;

  if (jobsrv_token_reason(&job->token) != NULL)
    return JOBSRV_CANCELLED;
  jobsrv__plan_init(&plan, &job->srv->alloc);
  JOBSRV__WITHIN(job, err = def->prepare(job, &plan, def->data));
  /* By now anything may have happened to the job. */
  if (jobsrv__job_ended(job)) {
    err = 0;
  } else if (jobsrv_token_reason(&job->token) != NULL) {
    err = JOBSRV_CANCELLED;
  } else if (err != 0) {
    jobsrv__attempt_say(job, err);
  } else {
    jobsrv__process_identify(&plan, job);
    err = launch(job, &plan);
  }
  jobsrv__process_plan_free(&plan);
  return err;
}

/* ---- what the server asks for ---- */

void jobsrv__process_stop(jobsrv_job_t *job) {
  const jobsrv__child_t *child = child_of(job);

  if (child != NULL)
    signal_group(child, SIGTERM);
}

void jobsrv__process_kill(jobsrv_job_t *job) {
  jobsrv__child_t *child = child_of(job);

  if (child == NULL)
    return;
  signal_group(child, SIGKILL);
  child->flags |= JOBSRV__CHILD_KILLED;
  if (child->flags & JOBSRV__CHILD_EXITED) {
    /* Not in here: the caller may be walking over jobs. */
    child->flags |= JOBSRV__CHILD_TURN;
    jobsrv_turn_ask(child->srv, &child->turn, on_turn);
  }
}

void jobsrv__process_close(jobsrv_job_t *job) {
  jobsrv__child_t *child = child_of(job);

  if (child != NULL)
    close_child(child);
}

int jobsrv_job_pid(const jobsrv_job_t *job) {
  const jobsrv__child_t *child = child_of(job);

  JOBSRV__ASSERT_LOOP(job->srv);
  if (child == NULL || child->flags & JOBSRV__CHILD_LOST)
    return 0;
  return (int) child->pid;
}
