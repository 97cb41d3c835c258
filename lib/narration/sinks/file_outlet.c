/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/queue.h"
#include "narration/outlet.h"
#include "narration/sinks/file_tail.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <uv.h>

/*
 * Takes whole lines and nothing else, so that what has been taken ends with a
 * line end, whatever happens behind it.
 */
enum {
  FIRST_RETRY_MS = 50,
  LAST_RETRY_MS = 5000,
  SUFFIX = 16, /* of a file that was moved away */
  SUFFIXES = 2 * SUFFIX
};

typedef struct file_s {
  jobsrv__outlet_t outlet;
  mode_t mode;
  uint64_t max_bytes;
  uint32_t keep;
  /* what is open: it may be closed, or removed, by somebody else */
  dev_t dev;
  ino_t ino;
  int regular;
  int torn;        /* a part of a line is at its end and cannot be removed */
  uint64_t size;   /* when it was last looked at */
  uint64_t rotate_at;
  int put_error;
  int open_error;  /* the path's, while another one is still open */
  char *from;      /* room for two names */
  char *to;
  size_t names;
  char path[];
} file_t;

static file_t *file_of(const jobsrv__outlet_t *outlet) {
  return JOBSRV__CONTAINER(outlet, file_t, outlet);
}

static void set_error(file_t *file) {
  file->outlet.error =
      file->put_error != 0 ? file->put_error : file->open_error;
}

/* ---- opening ---- */

static int open_path(const file_t *file, int flags) {
  int fd;

  do
    fd = open(file->path,
              flags | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
              file->mode);
  while (fd < 0 && errno == EINTR);
  return fd < 0 ? -errno : jobsrv__descriptor_above(fd);
}

/*
 * Opens the path; what was open is closed, or with an error stays. Readable, if
 * that is allowed, to look at the last line.
 */
static int file_open(file_t *file) {
  int fd = open_path(file, O_RDWR);
  struct stat info;
  int err = 0;

  if (fd == UV_EACCES)
    fd = open_path(file, O_WRONLY);
  if (fd < 0)
    return fd;
  if (fstat(fd, &info) != 0)
    err = -errno;
  else if (!S_ISREG(info.st_mode) && !S_ISCHR(info.st_mode))
    err = UV_ESPIPE;
  if (err != 0) {
    close(fd);
    return err;
  }
  if (file->outlet.fd >= 0)
    close(file->outlet.fd);
  file->outlet.fd = fd;
  file->dev = info.st_dev;
  file->ino = info.st_ino;
  file->regular = S_ISREG(info.st_mode);
  file->torn = 0;
  file->rotate_at = file->max_bytes;
  if (file->regular)
    file->torn = jobsrv__file_repair(fd, &file->outlet.alloc);
  return 0;
}

static int reopen(file_t *file) {
  file->open_error = file_open(file);
  set_error(file);
  return file->open_error;
}

/*
 * Whether what is open is still the file that was opened, and still there.
 * Returns 0, or why not; the descriptor is not ours any more then.
 */
static int file_look(file_t *file) {
  struct stat info;

  if (file->outlet.fd < 0)
    return file->open_error != 0 ? file->open_error : UV_EBADF;
  if (fstat(file->outlet.fd, &info) != 0) {
    if (errno != EBADF) /* still ours, and of no use */
      close(file->outlet.fd);
    file->outlet.fd = -1;
    return UV_EBADF;
  }
  if (info.st_dev != file->dev || info.st_ino != file->ino) {
    file->outlet.fd = -1; /* whoever closed it may have opened another */
    return UV_EBADF;
  }
  file->size = (uint64_t) info.st_size;
  return file->regular && info.st_nlink == 0 ? UV_ENOENT : 0;
}

/* ---- moving away ---- */

static void name_of(const file_t *file, char *to, uint32_t number) {
  if (number == 0)
    (void) snprintf(to, file->names, "%s", file->path);
  else
    (void) snprintf(to, file->names, "%s.%u", file->path,
                    (unsigned int) number);
}

/* 0 when it is moved; then, or when somebody else did, the path is opened. */
static int file_rotate(file_t *file) {
  struct stat info;
  int err = 0;

  if (stat(file->path, &info) == 0 && info.st_dev == file->dev &&
      info.st_ino == file->ino) {
    for (uint32_t i = file->keep; i > 0 && err == 0; i--) {
      name_of(file, file->from, i - 1);
      name_of(file, file->to, i);
      if (rename(file->from, file->to) != 0 && errno != ENOENT)
        err = -errno;
    }
  }
  if (err == 0)
    return reopen(file);
  file->open_error = err;
  set_error(file);
  return err;
}

/*
 * How much of these lines the file may take before it is too large: whole lines
 * only, and at least one where it is empty.
 */
static size_t file_room(file_t *file, const char *data, size_t len) {
  const char *end = memrchr(data, '\n', len);
  const char *first = memchr(data, '\n', len);
  uint64_t room;

  if (end == NULL)
    return len; /* as it is given: not by our sinks */
  len = (size_t) (end - data) + 1;
  if (file->max_bytes == 0 || !file->regular)
    return len;
  if (file->size > 0 &&
      file->size + (size_t) (first - data) + 1 > file->rotate_at) {
    if (file_rotate(file) == 0)
      file->size = 0;
    else
      file->rotate_at = file->size + file->max_bytes; /* it has to do */
  }
  room = file->rotate_at > file->size ? file->rotate_at - file->size : 0;
  if (len <= room)
    return len;
  end = room > 0 ? memrchr(data, '\n', (size_t) room) : NULL;
  return (size_t) ((end != NULL ? end : first) - data) + 1;
}

/* ---- writing ---- */

static ssize_t write_some(const file_t *file, const char *data, size_t len) {
  ssize_t n;

  do
    n = write(file->outlet.fd, data, len);
  while (n < 0 && errno == EINTR);
  return n < 0 ? -errno : n;
}

static ssize_t fail(file_t *file, int err) {
  uint32_t ms = file->outlet.retry_ms * 2;

  file->put_error = err;
  set_error(file);
  file->outlet.retry_ms = ms < FIRST_RETRY_MS  ? FIRST_RETRY_MS
                          : ms > LAST_RETRY_MS ? LAST_RETRY_MS
                                               : ms;
  return JOBSRV__PUT_LATER;
}

/* The last `part` bytes are the start of a line that has no end. */
static void take_back(file_t *file, size_t part) {
  off_t end = lseek(file->outlet.fd, 0, SEEK_CUR); /* behind what we wrote */

  file->torn = 1;
  if (file->regular && end >= (off_t) part &&
      jobsrv__file_cut(file->outlet.fd, end, end - (off_t) part))
    file->torn = 0;
}

/*
 * Whole lines of what was written; the rest of a line is written or removed.
 * `*err` is why it was not all.
 */
static size_t finish(file_t *file,
                     const char *data,
                     size_t len,
                     size_t n,
                     int *err) {
  const char *end;
  size_t lines;
  ssize_t more;

  while (n < len && data[n - 1] != '\n') {
    end = memchr(data + n, '\n', len - n);
    more = write_some(file, data + n,
                      (size_t) ((end != NULL ? end + 1 : data + len) -
                                (data + n)));
    if (more <= 0) {
      *err = more < 0 ? (int) more : UV_ENOSPC;
      break;
    }
    n += (size_t) more;
  }
  if (n == len)
    return n;
  end = memrchr(data, '\n', n);
  lines = end != NULL ? (size_t) (end - data) + 1 : 0;
  if (lines < n)
    take_back(file, n - lines);
  return lines;
}

/*
 * Whether a part of a line is at the end. After trouble the file itself is
 * asked, where it may be read: another one who writes it may have left such a
 * part, or ended the one that we left.
 */
static int ends_torn(const file_t *file) {
  char last;

  if (!file->torn && file->put_error == 0)
    return 0;
  if (!file->regular || file->size == 0 ||
      pread(file->outlet.fd, &last, 1, (off_t) file->size - 1) != 1)
    return file->torn;
  return last != '\n';
}

static ssize_t write_lines(file_t *file, const char *data, size_t len) {
  int err = UV_ENOSPC;
  ssize_t n = 0;
  size_t lines;

  file->torn = ends_torn(file);
  if (file->torn) {
    n = write_some(file, "\n", 1);
    file->torn = n < 0;
  }
  if (n >= 0)
    n = write_some(file, data, len);
  if (n == -EAGAIN)
    return 0;
  if (n <= 0)
    return fail(file, n < 0 ? (int) n : UV_ENOSPC);
  lines = (size_t) n;
  if (lines < len && file->regular) /* a terminal takes what it has room for */
    lines = finish(file, data, len, lines, &err);
  if (lines == 0)
    return fail(file, err);
  if (lines == len) {
    file->put_error = 0;
    file->outlet.retry_ms = 0;
    set_error(file);
  }
  return (ssize_t) lines;
}

static ssize_t put(jobsrv__outlet_t *outlet, const char *data, size_t len) {
  file_t *file = file_of(outlet);
  int err = file_look(file);

  if (err != 0) {
    if (reopen(file) != 0)
      return fail(file, file->open_error);
    file->put_error = err; /* until something is written */
    set_error(file);
    return 0;
  }
  len = file_room(file, data, len);
  return write_lines(file, data, len);
}

static size_t notice(const jobsrv__outlet_t *outlet,
                     char to[JOBSRV__NOTICE_MAX],
                     uint64_t count,
                     uint64_t wall_ns) {
  char time[JOBSRV__RFC3339_SIZE];

  (void) outlet;
  jobsrv__rfc3339(time, wall_ns);
  return jobsrv__format(to, JOBSRV__NOTICE_MAX,
                        "{\"type\":\"dropped\",\"time\":\"%s\","
                        "\"count\":%llu}\n",
                        time, (unsigned long long) count);
}

/* Opened again, as was asked for. */
static int poke(jobsrv__outlet_t *outlet) {
  file_t *file = file_of(outlet);

  (void) file_look(file); /* what is not ours is not to be closed */
  return reopen(file) == 0 ? 0 : JOBSRV__PUT_LATER;
}

static void close_it(jobsrv__outlet_t *outlet) {
  file_t *file = file_of(outlet);
  jobsrv_alloc_t alloc = outlet->alloc;

  (void) file_look(file);
  if (outlet->fd >= 0)
    close(outlet->fd);
  jobsrv__free(&alloc, file);
}

static const jobsrv__outlet_ops_t ops = {
  .batch = JOBSRV__BATCH_MAX,
  .put = put,
  .notice = notice,
  .poke = poke,
  .close = close_it,
};

int jobsrv__file_outlet(jobsrv__outlet_t **out,
                        const jobsrv_alloc_t *alloc,
                        const char *path,
                        uint32_t mode,
                        uint64_t max_bytes,
                        uint32_t keep) {
  size_t len = strlen(path) + 1;
  file_t *file = jobsrv__zalloc(alloc, sizeof(*file) + 3 * len + SUFFIXES);
  int err;

  if (file == NULL)
    return UV_ENOMEM;
  file->outlet.ops = &ops;
  file->outlet.alloc = *alloc;
  file->outlet.fd = -1;
  file->mode = (mode_t) mode;
  file->max_bytes = max_bytes;
  file->keep = keep;
  memcpy(file->path, path, len);
  file->names = len + SUFFIX;
  file->from = file->path + len;
  file->to = file->from + file->names;
  err = file_open(file);
  if (err != 0) {
    jobsrv__free(alloc, file);
    return err;
  }
  *out = &file->outlet;
  return 0;
}
