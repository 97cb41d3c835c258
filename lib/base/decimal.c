/* SPDX-License-Identifier: MIT */

#include "base/decimal.h"

#include <float.h>
#include <string.h>

/*
 * A number is kept as decimal digits, without zeros at either end, and the
 * place of the point. Halving and doubling such a number is exact, so it is
 * brought between 1/2 and 1 by powers of two, and what has been divided by is
 * the exponent. More than 768 digits are never needed to tell on which side of
 * the middle of two doubles a number is, as long as it is known that others
 * follow; each halving adds one, and those beyond the room are known to be.
 */
enum { MAX_DIGITS = 800, MAX_SHIFT = 56, NEW_DIGITS = 17 };

typedef struct decimal_s {
  int negative;
  int more;     /* digits that are not zero follow those that are kept */
  int ndigits;
  int point;    /* 0.DIGITS * 10^point */
  unsigned char digits[MAX_DIGITS + NEW_DIGITS];
} decimal;

enum { FAR = 100000 }; /* an exponent that says enough */

static void trim(decimal *d) {
  while (d->ndigits > 0 && d->digits[d->ndigits - 1] == 0)
    d->ndigits--;
  if (d->ndigits == 0)
    d->point = 0;
}

static int64_t read_exponent(const char *p, const char *end) {
  int less = p < end && *p == '-';
  int64_t value = 0;

  if (p < end && (*p == '-' || *p == '+'))
    p++;
  for (; p < end && *p >= '0' && *p <= '9'; p++)
    if (value < 1000000000)
      value = value * 10 + (*p - '0');
  return less ? -value : value;
}

static void decimal_read(decimal *d, const char *p, size_t len) {
  const char *end = p + len;
  int64_t point = 0;
  int behind = 0;

  d->negative = p < end && *p == '-';
  d->more = 0;
  d->ndigits = 0;
  p += d->negative;
  for (; p < end && (*p == '.' || (*p >= '0' && *p <= '9')); p++) {
    if (*p == '.') {
      behind = 1;
      continue;
    }
    if (d->ndigits == 0 && *p == '0') {
      point -= behind;
      continue;
    }
    point += !behind;
    if (d->ndigits < MAX_DIGITS)
      d->digits[d->ndigits++] = (unsigned char) (*p - '0');
    else if (*p != '0')
      d->more = 1;
  }
  if (p < end)
    point += read_exponent(p + 1, end);
  d->point = (int) (point > FAR ? FAR : point < -FAR ? -FAR : point);
  trim(d);
}

/* ---- by powers of two ---- */

static void divide(decimal *d, int shift) {
  uint64_t mask = (UINT64_C(1) << shift) - 1;
  uint64_t rest = 0;
  int from = 0, to = 0;

  /* as many digits as it takes until there is something to say */
  while (rest >> shift == 0) {
    if (from < d->ndigits)
      rest = rest * 10 + d->digits[from];
    else if (rest == 0)
      break;
    else
      rest *= 10;
    from++;
  }
  if (rest == 0) {
    d->ndigits = 0;
    return;
  }
  d->point -= from - 1;
  for (; from < d->ndigits; from++) {
    d->digits[to++] = (unsigned char) (rest >> shift);
    rest = (rest & mask) * 10 + d->digits[from];
  }
  while (rest != 0) {
    if (to < MAX_DIGITS)
      d->digits[to++] = (unsigned char) (rest >> shift);
    else if (rest >> shift != 0)
      d->more = 1;
    rest = (rest & mask) * 10;
  }
  d->ndigits = to;
  trim(d);
}

static void multiply(decimal *d, int shift) {
  uint64_t carry = 0;
  int gap;

  /* from the last to the first, into the room behind; then to the front */
  for (int i = d->ndigits; i-- > 0;) {
    carry += (uint64_t) d->digits[i] << shift;
    d->digits[i + NEW_DIGITS] = (unsigned char) (carry % 10);
    carry /= 10;
  }
  for (gap = NEW_DIGITS; carry != 0; carry /= 10)
    d->digits[--gap] = (unsigned char) (carry % 10);
  d->point += NEW_DIGITS - gap;
  d->ndigits += NEW_DIGITS - gap;
  memmove(d->digits, d->digits + gap, (size_t) d->ndigits);
  for (; d->ndigits > MAX_DIGITS; d->ndigits--)
    d->more |= d->digits[d->ndigits - 1] != 0;
  trim(d);
}

static void scale(decimal *d, int shift) {
  for (; shift > 0; shift -= shift < MAX_SHIFT ? shift : MAX_SHIFT)
    multiply(d, shift < MAX_SHIFT ? shift : MAX_SHIFT);
  for (; shift < 0; shift += -shift < MAX_SHIFT ? -shift : MAX_SHIFT)
    divide(d, -shift < MAX_SHIFT ? -shift : MAX_SHIFT);
}

/* The nearest integer, of two the even one; it has at most 19 digits. */
static uint64_t rounded(const decimal *d) {
  uint64_t value = 0;
  int next;

  if (d->point < 0)
    return 0;
  for (int i = 0; i < d->point; i++)
    value = value * 10 + (i < d->ndigits ? d->digits[i] : 0);
  if (d->point >= d->ndigits)
    return value;
  next = d->digits[d->point];
  if (next == 5 && d->point + 1 == d->ndigits && !d->more)
    return value + (value & 1);
  return value + (next >= 5);
}

/* ---- into a double ---- */

/* The largest step that does not go past 1/2, by digits before the point. */
static int step(int digits) {
  static const unsigned char steps[] = { 1, 3, 6, 9, 13, 16, 19, 23, 26 };

  return digits >= 0 && digits < (int) sizeof(steps) ? steps[digits] : 27;
}

/* The bits of the number, without its sign; all of an infinity's if it is. */
static uint64_t bits_of(decimal *d) {
  const uint64_t infinite = UINT64_C(0x7ff) << 52;
  uint64_t mantissa;
  int exponent = 0;
  int n;

  if (d->ndigits == 0 || d->point < -330)
    return 0;
  if (d->point > 310)
    return infinite;
  while (d->point > 0) {
    n = step(d->point);
    scale(d, -n);
    exponent += n;
  }
  while (d->point < 0 || d->digits[0] < 5) {
    n = step(-d->point);
    scale(d, n);
    exponent -= n;
  }
  exponent--; /* a double's is between 1 and 2 */
  if (exponent < -1022) {
    scale(d, exponent + 1022); /* below the smallest normal one */
    exponent = -1022;
  }
  scale(d, 53);
  mantissa = rounded(d);
  if (mantissa == UINT64_C(1) << 53) {
    mantissa >>= 1;
    exponent++;
  }
  if (exponent > 1023)
    return infinite;
  if (mantissa >> 52 == 0)
    return mantissa; /* subnormal, or nothing at all */
  return (mantissa & ((UINT64_C(1) << 52) - 1)) |
         (uint64_t) (exponent + 1023) << 52;
}

#if FLT_EVAL_METHOD == 0
/* Both are exact, so one division or multiplication rounds once, rightly. */
static int is_simple(const decimal *d, double *out) {
  static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,
                                   1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                   1e12, 1e13, 1e14, 1e15, 1e16, 1e17,
                                   1e18, 1e19, 1e20, 1e21, 1e22 };
  int exponent = d->point - d->ndigits;
  uint64_t value = 0;

  if (d->ndigits > 15 || exponent < -22 || exponent > 22)
    return 0;
  for (int i = 0; i < d->ndigits; i++)
    value = value * 10 + d->digits[i];
  *out = exponent < 0 ? (double) value / powers[-exponent]
                      : (double) value * powers[exponent];
  return 1;
}
#else
static int is_simple(const decimal *d, double *out) {
  (void) d;
  (void) out;
  return 0;
}
#endif

int jobsrv__decimal_double(const char *text, size_t len, double *out) {
  decimal d;
  double value;
  uint64_t bits;

  decimal_read(&d, text, len);
  if (!is_simple(&d, &value)) {
    bits = bits_of(&d);
    if (bits >> 52 == 0x7ff)
      return -1;
    memcpy(&value, &bits, sizeof(value));
  }
  *out = d.negative ? -value : value;
  return 0;
}

int jobsrv__decimal_i64(const char *text, size_t len, int64_t *out) {
  uint64_t value = 0;
  uint64_t most;
  decimal d;

  decimal_read(&d, text, len);
  if (d.more || d.ndigits > d.point || d.point > 19)
    return -1;
  most = (uint64_t) INT64_MAX + (d.negative != 0);
  for (int i = 0; i < d.point; i++)
    value = value * 10 + (i < d.ndigits ? d.digits[i] : 0);
  if (value > most)
    return -1;
  *out = d.negative ? (int64_t) -value : (int64_t) value;
  return 0;
}
