/* SPDX-License-Identifier: MIT */

#include "narration/sinks/file_tail.h"

#include "base/alloc.h"
#include "jobsrv/json.h"

#include <errno.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Who writes a file holds a shared lock on it, so whoever gets an exclusive one
 * is alone with it, as is everybody where there are no locks. Nobody waits.
 */
enum { BLOCK = 64 * 1024, LONGEST = 16 * 1024 * 1024, DEPTH = 64 };

static int alone(int fd) {
  return flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

static void share(int fd) {
  (void) flock(fd, LOCK_SH | LOCK_NB);
}

/* Where the last line of `size` bytes begins; -1: it is no line of ours. */
static off_t last_line(int fd, off_t size, char *block) {
  off_t at = size;
  const char *end;
  ssize_t n;

  while (at > 0 && size - at < LONGEST) {
    off_t from = at > BLOCK ? at - BLOCK : 0;

    n = pread(fd, block, (size_t) (at - from), from);
    if (n != at - from)
      return -1;
    end = memrchr(block, '\n', (size_t) n);
    if (end != NULL)
      return from + (end - block) + 1;
    at = from;
  }
  return at == 0 ? 0 : -1;
}

/* 1 if all from there is one JSON value. */
static int is_json(int fd,
                   off_t from,
                   off_t size,
                   const jobsrv_alloc_t *alloc) {
  size_t len = (size_t) (size - from);
  char *text = jobsrv__malloc(alloc, len);
  int is = text != NULL && pread(fd, text, len, from) == (ssize_t) len &&
           jobsrv_json_check(text, len, DEPTH, NULL) == 0;

  jobsrv__free(alloc, text);
  return is;
}

/* Returns 1 if the unfinished line is left. */
static int repair(int fd, off_t size, const jobsrv_alloc_t *alloc) {
  char *block = jobsrv__malloc(alloc, BLOCK);
  off_t from;

  if (block == NULL)
    return 1;
  from = last_line(fd, size, block);
  jobsrv__free(alloc, block);
  if (from < 0 || is_json(fd, from, size, alloc))
    return write(fd, "\n", 1) != 1;
  return ftruncate(fd, from) != 0;
}

int jobsrv__file_repair(int fd, const jobsrv_alloc_t *alloc) {
  struct stat info;
  char last = '\n';
  int torn = 0;

  if (alone(fd) && fstat(fd, &info) == 0 && info.st_size > 0 &&
      pread(fd, &last, 1, info.st_size - 1) == 1 && last != '\n')
    torn = repair(fd, info.st_size, alloc);
  share(fd);
  return torn;
}

int jobsrv__file_cut(int fd, off_t end, off_t to) {
  struct stat info;
  int cut = alone(fd) && fstat(fd, &info) == 0 && info.st_size == end &&
            ftruncate(fd, to) == 0;

  share(fd);
  return cut;
}
