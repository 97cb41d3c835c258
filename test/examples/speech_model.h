/* SPDX-License-Identifier: MIT */
#ifndef SPEECH_MODEL_H
#define SPEECH_MODEL_H

/*
 * A stand-in for a speech model's C API, of the usual shape: one big object
 * that works for one caller at a time, a call that blocks until all is done,
 * and callbacks from inside it. What it "hears" is text: a line of the file is
 * what was said between two silences.
 */

#include <stddef.h>

typedef struct speech_model_s speech_model_t;

typedef struct speech_params_s {
  /* `n` segments more are there, the last ones */
  void (*new_segment_callback)(speech_model_t *model, int n, void *user_data);
  void *new_segment_callback_user_data;
  /* 0..100 */
  void (*progress_callback)(speech_model_t *model, int percent,
                            void *user_data);
  void *progress_callback_user_data;
  /* asked often; other than 0 stops */
  int (*abort_callback)(void *user_data);
  void *abort_callback_user_data;
} speech_params_t;

speech_model_t *speech_load(void);
void speech_free(speech_model_t *model);

speech_params_t speech_default_params(void);

/* Reads samples; NULL when there are none. To be freed with free(). */
float *speech_read(const char *path, size_t *n);

/* Returns 0, or -1 when it was aborted. */
int speech_full(speech_model_t *model, speech_params_t params,
                const float *samples, size_t n);

/* Of the last run. */
int speech_n_segments(const speech_model_t *model);
const char *speech_segment_text(const speech_model_t *model, int i);

#endif /* SPEECH_MODEL_H */
