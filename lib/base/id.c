/* SPDX-License-Identifier: MIT */

#include "base/id.h"

#include <errno.h>
#include <string.h>

#ifdef __linux__
# include <sys/random.h>
#else
# include <fcntl.h>
# include <unistd.h>
#endif

#include <uv.h>

#ifdef __linux__
static int read_kernel(void *to, size_t len) {
  unsigned char *at = to;
  ssize_t n;

  while (len > 0) {
    n = getrandom(at, len, 0);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return n < 0 ? -errno : UV_EIO;
    at += n;
    len -= (size_t) n;
  }
  return 0;
}
#else
static int read_kernel(void *to, size_t len) {
  unsigned char *at = to;
  ssize_t n;
  int err = 0;
  int fd;

  fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return -errno;
  while (len > 0 && err == 0) {
    n = read(fd, at, len);
    if (n > 0) {
      at += n;
      len -= (size_t) n;
    } else if (n == 0 || errno != EINTR) {
      err = n < 0 ? -errno : UV_EIO;
    }
  }
  close(fd);
  return err;
}
#endif

void jobsrv__id_pool_init(jobsrv__id_pool_t *pool,
                          jobsrv__random_cb source,
                          void *ctx) {
  memset(pool, 0, sizeof(*pool));
  pool->source = source;
  pool->ctx = ctx;
}

void jobsrv__id_pool_wipe(jobsrv__id_pool_t *pool) {
  memset(pool->bytes, 0, sizeof(pool->bytes));
  pool->left = 0;
}

static int fill(jobsrv__id_pool_t *pool, void *to, size_t len) {
  if (pool->source == NULL)
    return read_kernel(to, len);
  pool->source(pool->ctx, to, len);
  return 0;
}

/* Small requests only: what is left of the old page is given up. */
static int refill(jobsrv__id_pool_t *pool) {
  int err;

  pool->left = 0;
  err = fill(pool, pool->bytes, sizeof(pool->bytes));
  if (err == 0)
    pool->left = sizeof(pool->bytes);
  return err;
}

int jobsrv__id_random(jobsrv__id_pool_t *pool, void *to, size_t len) {
  unsigned char *from;
  int err;

  if (len > sizeof(pool->bytes) / 4)
    return fill(pool, to, len);
  if (len > pool->left) {
    err = refill(pool);
    if (err)
      return err;
  }

  pool->left -= len;
  from = pool->bytes + pool->left;
  memcpy(to, from, len);
  memset(from, 0, len);
  return 0;
}

static uint64_t load_be64(const unsigned char *p) {
  uint64_t value = 0;
  int i;

  for (i = 0; i < 8; i++)
    value = value << 8 | p[i];
  return value;
}

int jobsrv__id_make(jobsrv__id_pool_t *pool, jobsrv__id_t *id) {
  unsigned char bytes[16];
  int err;

  err = jobsrv__id_random(pool, bytes, sizeof(bytes));
  if (err)
    return err;

  bytes[6] = (unsigned char) ((bytes[6] & 0x0f) | 0x40); /* version 4 */
  bytes[8] = (unsigned char) ((bytes[8] & 0x3f) | 0x80); /* RFC 9562 variant */
  id->hi = load_be64(bytes);
  id->lo = load_be64(bytes + 8);
  return 0;
}

void jobsrv__id_format(const jobsrv__id_t *id, char to[JOBSRV__ID_SIZE]) {
  static const char hex[] = "0123456789abcdef";
  /* where the 16 pairs of digits stand */
  static const unsigned char place[16] = { 4,  6,  8,  10, 13, 15, 18, 20,
                                           23, 25, 28, 30, 32, 34, 36, 38 };
  unsigned int byte;
  int i;

  memcpy(to, "job-xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", JOBSRV__ID_SIZE);
  for (i = 0; i < 16; i++) {
    byte = (unsigned int) ((i < 8 ? id->hi : id->lo) >> (56 - i % 8 * 8) & 255);
    to[place[i]] = hex[byte >> 4];
    to[place[i] + 1] = hex[byte & 15];
  }
}

#define ONES UINT64_C(0x0101010101010101)
#define TOPS UINT64_C(0x8080808080808080)

/*
 * Eight hex digits in one word, first digit lowest. Adds to `*bad` a bit for
 * each byte that is not 0-9 or a-f. Every byte stays below 0x80 once those
 * above are noted, so no sum carries from one byte into the next.
 */
static uint64_t hex8(const char *p, uint64_t *bad) {
  const unsigned char *b = (const unsigned char *) p;
  uint64_t x, digit, letter;

  x = (uint64_t) b[0] | (uint64_t) b[1] << 8 | (uint64_t) b[2] << 16 |
      (uint64_t) b[3] << 24 | (uint64_t) b[4] << 32 | (uint64_t) b[5] << 40 |
      (uint64_t) b[6] << 48 | (uint64_t) b[7] << 56;
  *bad |= x & TOPS;
  x &= ~TOPS;

  digit = (x + ONES * (0x80 - '0')) & ~(x + ONES * (0x7f - '9')) & TOPS;
  letter = (x + ONES * (0x80 - 'a')) & ~(x + ONES * (0x7f - 'f')) & TOPS;
  *bad |= ~(digit | letter) & TOPS;

  x = (x & ONES * 15) + (letter >> 7) * 9;
  x = (x << 4 | x >> 8) & UINT64_C(0x00ff00ff00ff00ff);
  x = (x << 8 | x >> 16) & UINT64_C(0x0000ffff0000ffff);
  return (x << 16 | x >> 32) & UINT64_C(0xffffffff);
}

int jobsrv__id_parse(const char *text, size_t len, jobsrv__id_t *id) {
  char digits[32];
  uint64_t bad = 0;
  uint64_t hi, lo;

  if (len != JOBSRV__ID_LEN || memcmp(text, "job-", 4) != 0 ||
      text[12] != '-' || text[17] != '-' || text[22] != '-' || text[27] != '-')
    return UV_EINVAL;

  memcpy(digits, text + 4, 8);
  memcpy(digits + 8, text + 13, 4);
  memcpy(digits + 12, text + 18, 4);
  memcpy(digits + 16, text + 23, 4);
  memcpy(digits + 20, text + 28, 12);
  hi = hex8(digits, &bad) << 32;
  hi |= hex8(digits + 8, &bad);
  lo = hex8(digits + 16, &bad) << 32;
  lo |= hex8(digits + 24, &bad);

  if (bad != 0 || (hi >> 12 & 15) != 4 || lo >> 62 != 2)
    return UV_EINVAL;
  id->hi = hi;
  id->lo = lo;
  return 0;
}
