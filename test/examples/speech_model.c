/* SPDX-License-Identifier: MIT */

#include "speech_model.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { SEGMENTS = 1000, TEXT = 200, STEPS = 4, STEP_MS = 5 };

struct speech_model_s {
  int n;
  char text[SEGMENTS][TEXT];
};

speech_model_t *speech_load(void) {
  return calloc(1, sizeof(speech_model_t));
}

void speech_free(speech_model_t *model) {
  free(model);
}

speech_params_t speech_default_params(void) {
  return (speech_params_t) { .progress_callback = NULL };
}

float *speech_read(const char *path, size_t *n) {
  FILE *file = fopen(path, "rb");
  float *samples = NULL;
  size_t cap = 0;
  int c;

  *n = 0;
  while (file != NULL && (c = getc(file)) != EOF) {
    if (*n == cap) {
      float *more = realloc(samples, (cap += 4096) * sizeof(*samples));

      if (more == NULL)
        break;
      samples = more;
    }
    samples[(*n)++] = (float) c / 256;
  }
  if (file != NULL)
    fclose(file);
  return samples;
}

/* Some milliseconds of hard thinking; 1 when it is to stop. */
static int think(const speech_params_t *params) {
  struct timespec pause = { 0, STEP_MS * 1000000L };

  for (int i = 0; i < STEPS; i++) {
    if (params->abort_callback != NULL &&
        params->abort_callback(params->abort_callback_user_data))
      return 1;
    nanosleep(&pause, NULL);
  }
  return 0;
}

static void segment(speech_model_t *model, const speech_params_t *params,
                    const float *from, const float *to) {
  char *text = model->text[model->n];
  size_t len = 0;

  for (; from < to && len + 1 < TEXT; from++) {
    int c = (int) (*from * 256);

    text[len++] = (char) (isalnum(c) ? c : ' ');
  }
  text[len] = '\0';
  model->n++;
  if (params->new_segment_callback != NULL)
    params->new_segment_callback(model, 1,
                                 params->new_segment_callback_user_data);
}

int speech_full(speech_model_t *model, speech_params_t params,
                const float *samples, size_t n) {
  const float silence = (float) '\n' / 256;
  size_t from = 0;

  model->n = 0;
  for (size_t at = 0; at < n && model->n < SEGMENTS; at++) {
    if (samples[at] != silence)
      continue;
    if (think(&params))
      return -1;
    segment(model, &params, samples + from, samples + at);
    from = at + 1;
    if (params.progress_callback != NULL)
      params.progress_callback(model, (int) (100 * from / n),
                               params.progress_callback_user_data);
  }
  return 0;
}

int speech_n_segments(const speech_model_t *model) {
  return model->n;
}

const char *speech_segment_text(const speech_model_t *model, int i) {
  return model->text[i];
}
