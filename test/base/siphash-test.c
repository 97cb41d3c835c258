/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/siphash.h"

#include <string.h>

/* Key 00 01 .. 0f, messages 00 01 02 ..: the vectors of its authors. */
static void the_authors_vectors_hold(void **state) {
  static const unsigned char want[][16] = {
    { 0xa3, 0x81, 0x7f, 0x04, 0xba, 0x25, 0xa8, 0xe6,
      0x6d, 0xf6, 0x72, 0x14, 0xc7, 0x55, 0x02, 0x93 },
    { 0xda, 0x87, 0xc1, 0xd8, 0x6b, 0x99, 0xaf, 0x44,
      0x34, 0x76, 0x59, 0x11, 0x9b, 0x22, 0xfc, 0x45 },
    { 0x81, 0x77, 0x22, 0x8d, 0xa4, 0xa4, 0x5d, 0xc7,
      0xfc, 0xa3, 0x8b, 0xde, 0xf6, 0x0a, 0xff, 0xe4 },
  };
  unsigned char key[16];
  unsigned char message[16];
  unsigned char got[16];

  (void) state;
  for (unsigned char i = 0; i < 16; i++)
    key[i] = message[i] = i;
  for (size_t n = 0; n < 3; n++) {
    jobsrv__siphash(got, key, message, n);
    assert_memory_equal(got, want[n], 16);
  }
}

static void every_bit_of_key_and_message_counts(void **state) {
  unsigned char key[16] = { 0 };
  unsigned char message[41] = { 0 };
  unsigned char first[16];
  unsigned char got[16];

  (void) state;
  jobsrv__siphash(first, key, message, sizeof(message));
  for (size_t bit = 0; bit < sizeof(message) * 8; bit++) {
    message[bit / 8] ^= (unsigned char) (1u << bit % 8);
    jobsrv__siphash(got, key, message, sizeof(message));
    assert_memory_not_equal(got, first, 16);
    message[bit / 8] ^= (unsigned char) (1u << bit % 8);
  }
  for (size_t bit = 0; bit < 128; bit++) {
    key[bit / 8] ^= (unsigned char) (1u << bit % 8);
    jobsrv__siphash(got, key, message, sizeof(message));
    assert_memory_not_equal(got, first, 16);
    key[bit / 8] ^= (unsigned char) (1u << bit % 8);
  }
  jobsrv__siphash(got, key, message, sizeof(message) - 1);
  assert_memory_not_equal(got, first, 16);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(the_authors_vectors_hold),
  cmocka_unit_test(every_bit_of_key_and_message_counts),
};

RUN(tests);
