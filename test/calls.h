/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CALLS_H
#define JOBSRV_TEST_CALLS_H

/*
 * Calls of the system, of threads and of libuv that fail one by one, in place
 * of the C library's and libuv's own. calls_fail(n) has the (n + 1)-th from
 * then on fail, whoever makes it, with what it fails with when there is no
 * room. Once per program, before anything else is included.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <uv.h>

static atomic_long calls_left = -1;
static _Thread_local int calls_inside; /* libuv, which leaks if its own fail */
static atomic_int calls_hit;
static _Atomic(const char *) calls_failed; /* its name, for messages */

static inline void calls_fail(long n) {
  atomic_store(&calls_hit, 0);
  atomic_store(&calls_failed, "none");
  atomic_store(&calls_left, n);
}

/* 1 if one has failed; none does any more. */
static inline int calls_end(void) {
  atomic_store(&calls_left, -1);
  return atomic_load(&calls_hit);
}

static int calls_fails(const char *name) {
  long left = atomic_load(&calls_left);

  while (left >= 0 && !calls_inside)
    if (atomic_compare_exchange_weak(&calls_left, &left, left - 1))
      break;
  if (left != 0 || calls_inside)
    return 0;
  atomic_store(&calls_failed, name);
  atomic_store(&calls_hit, 1);
  return 1;
}

/* One that returns -1 and sets errno; one that returns the error itself. */
#define CALLS_FAIL(type, name, types, args, failure, ...)                     \
  type name(__VA_ARGS__) {                                                    \
    type (*real) types;                                                       \
                                                                              \
    if (calls_fails(#name))                                                   \
      return failure;                                                         \
    *(void **) &real = dlsym(RTLD_NEXT, #name);                               \
    return real args;                                                         \
  }

CALLS_FAIL(int, eventfd, (unsigned int, int), (n, flags),
           (errno = EMFILE, -1), unsigned int n, int flags)
CALLS_FAIL(int, pipe2, (int *, int), (fds, flags), (errno = EMFILE, -1),
           int fds[2], int flags)
CALLS_FAIL(int, timerfd_create, (clockid_t, int), (clock, flags),
           (errno = EMFILE, -1), clockid_t clock, int flags)
CALLS_FAIL(int, socket, (int, int, int), (domain, type, protocol),
           (errno = EMFILE, -1), int domain, int type, int protocol)
CALLS_FAIL(int, setsockopt, (int, int, int, const void *, socklen_t),
           (fd, level, name, value, len), (errno = ENOBUFS, -1), int fd,
           int level, int name, const void *value, socklen_t len)
CALLS_FAIL(int, getsockopt, (int, int, int, void *, socklen_t *),
           (fd, level, name, value, len), (errno = ENOBUFS, -1), int fd,
           int level, int name, void *value, socklen_t *len)
CALLS_FAIL(int, getsockname, (int, struct sockaddr *, socklen_t *),
           (fd, address, len), (errno = ENOBUFS, -1), int fd,
           struct sockaddr *address, socklen_t *len)
CALLS_FAIL(ssize_t, getrandom, (void *, size_t, unsigned int), (to, len, flags),
           (errno = EIO, -1), void *to, size_t len, unsigned int flags)
CALLS_FAIL(int, fchmod, (int, mode_t), (fd, mode), (errno = EIO, -1), int fd,
           mode_t mode)
CALLS_FAIL(int, chmod, (const char *, mode_t), (path, mode), (errno = EIO, -1),
           const char *path, mode_t mode)
CALLS_FAIL(int, lchown, (const char *, uid_t, gid_t), (path, uid, gid),
           (errno = EPERM, -1), const char *path, uid_t uid, gid_t gid)
CALLS_FAIL(int, unlink, (const char *), (path), (errno = EACCES, -1),
           const char *path)
CALLS_FAIL(int, listen, (int, int), (fd, n), (errno = EADDRINUSE, -1), int fd,
           int n)
CALLS_FAIL(int, fstat, (int, struct stat *), (fd, st), (errno = EIO, -1),
           int fd, struct stat *st)
CALLS_FAIL(int, pthread_attr_init, (pthread_attr_t *), (attr), ENOMEM,
           pthread_attr_t *attr)
CALLS_FAIL(int, pthread_cond_init,
           (pthread_cond_t *, const pthread_condattr_t *), (cond, attr),
           ENOMEM, pthread_cond_t *cond, const pthread_condattr_t *attr)
CALLS_FAIL(int, pthread_create,
           (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *),
           (thread, attr, run, data), EAGAIN, pthread_t *thread,
           const pthread_attr_t *attr, void *(*run)(void *), void *data)
CALLS_FAIL(int, posix_spawn_file_actions_init, (posix_spawn_file_actions_t *),
           (actions), ENOMEM, posix_spawn_file_actions_t *actions)
CALLS_FAIL(int, posix_spawnattr_init, (posix_spawnattr_t *), (attr), ENOMEM,
           posix_spawnattr_t *attr)
CALLS_FAIL(int, uv_poll_init, (uv_loop_t *, uv_poll_t *, int),
           (loop, poll, fd), UV_ENOMEM, uv_loop_t *loop, uv_poll_t *poll,
           int fd)
CALLS_FAIL(int, uv_sem_init, (uv_sem_t *, unsigned int), (sem, n), UV_ENOMEM,
           uv_sem_t *sem, unsigned int n)

int uv_loop_init(uv_loop_t *loop) {
  int (*real)(uv_loop_t *);
  int err;

  if (calls_fails("uv_loop_init"))
    return UV_EMFILE;
  *(void **) &real = dlsym(RTLD_NEXT, "uv_loop_init");
  calls_inside = 1;
  err = real(loop);
  calls_inside = 0;
  return err;
}

int fcntl(int fd, int command, ...) {
  int (*real)(int, int, ...);
  va_list args;
  void *argument;

  va_start(args, command);
  argument = va_arg(args, void *);
  va_end(args);
  if (calls_fails("fcntl")) {
    errno = EMFILE;
    return -1;
  }
  *(void **) &real = dlsym(RTLD_NEXT, "fcntl");
  return real(fd, command, argument);
}

/* By it libuv closes what it has, which is not to fail. */
long syscall(long number, ...) {
  long (*real)(long, ...);
  va_list args;
  long a[6];

  va_start(args, number);
  for (int i = 0; i < 6; i++)
    a[i] = va_arg(args, long);
  va_end(args);
  if (number == SYS_pidfd_open && calls_fails("pidfd_open")) {
    errno = EMFILE;
    return -1;
  }
  *(void **) &real = dlsym(RTLD_NEXT, "syscall");
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif /* JOBSRV_TEST_CALLS_H */
