/* SPDX-License-Identifier: MIT */

/*
 * Drives a fuzz target without libFuzzer: replay TIMES FOLDER... runs each file
 * in them, then TIMES copies of it that are changed in the same way each time.
 */

#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

enum { MAX_SIZE = 1 << 20 };

typedef struct {
  uint8_t *data;
  size_t size;
} input_t;

typedef struct {
  input_t *all;
  size_t n;
} inputs_t;

static uint32_t seed = 20261123;

static uint32_t roll(uint32_t below) {
  seed ^= seed << 13;
  seed ^= seed >> 17;
  seed ^= seed << 5;
  return below > 0 ? seed % below : 0;
}

/* In memory of just this size, so that a read past it is seen. */
static void run(const uint8_t *data, size_t size) {
  uint8_t *exact = malloc(size > 0 ? size : 1);

  fuzz_check(exact != NULL);
  if (size > 0)
    memcpy(exact, data, size);
  (void) LLVMFuzzerTestOneInput(exact, size);
  free(exact);
}

static void change(const inputs_t *inputs, const input_t *of, uint8_t *room) {
  const input_t *other = &inputs->all[roll((uint32_t) inputs->n)];
  size_t size = of->size;
  size_t at, n;

  memcpy(room, of->data, size);
  for (uint32_t times = 1 + roll(4); times > 0 && size > 0; times--) {
    at = roll((uint32_t) size);
    switch (roll(5)) {
    case 0:
      room[at] ^= (uint8_t) (1u << roll(8));
      break;
    case 1:
      room[at] = (uint8_t) roll(256);
      break;
    case 2:
      size = at;
      break;
    case 3: /* the rest of it once more */
      n = size - at;
      if (size + n > MAX_SIZE)
        break;
      memcpy(room + size, room + at, n);
      size += n;
      break;
    default: /* the end of another */
      if (other->size == 0)
        break;
      n = roll((uint32_t) other->size) + 1;
      if (at + n > MAX_SIZE)
        break;
      memcpy(room + at, other->data + other->size - n, n);
      size = at + n;
      break;
    }
  }
  run(room, size);
}

static int read_file(const char *name, input_t *input) {
  FILE *file = fopen(name, "rb");

  if (file == NULL)
    return 0;
  input->data = malloc(MAX_SIZE);
  fuzz_check(input->data != NULL);
  input->size = fread(input->data, 1, MAX_SIZE, file);
  (void) fclose(file);
  return 1;
}

/* In the order of their names: the changes follow from it. */
static void read_folder(const char *folder, inputs_t *inputs) {
  struct dirent **entries;
  int n = scandir(folder, &entries, NULL, alphasort);

  for (int i = 0; i < n; i++) {
    char name[1024];
    input_t input;

    snprintf(name, sizeof(name), "%s/%s", folder, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && read_file(name, &input)) {
      inputs->all = realloc(inputs->all, (inputs->n + 1) * sizeof(input));
      fuzz_check(inputs->all != NULL);
      inputs->all[inputs->n++] = input;
    }
    free(entries[i]);
  }
  if (n >= 0)
    free(entries);
}

int main(int argc, char **argv) {
  uint8_t *room = malloc(MAX_SIZE);
  inputs_t inputs = { NULL, 0 };
  int times = argc > 1 ? atoi(argv[1]) : 0;

  fuzz_check(room != NULL);
  for (int i = 2; i < argc; i++)
    read_folder(argv[i], &inputs);
  run(NULL, 0);
  for (size_t i = 0; i < inputs.n; i++)
    run(inputs.all[i].data, inputs.all[i].size);
  for (size_t i = 0; i < inputs.n; i++)
    for (int k = 0; k < times; k++)
      change(&inputs, &inputs.all[i], room);
  printf("%zu inputs, each also changed %d times\n", inputs.n, times);
  for (size_t i = 0; i < inputs.n; i++)
    free(inputs.all[i].data);
  free(inputs.all);
  free(room);
  return inputs.n > 0 ? 0 : 1;
}
