/* SPDX-License-Identifier: MIT */

/*
 * A speech server as they grow: one model behind one mutex, a thread for each
 * connection, and clients that see nothing until they see everything.
 *
 *   speech PORT
 *   curl -X POST "http://127.0.0.1:PORT/inference?file=PATH"
 */

#include "speech_model.h"
#include "tiny_http.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static speech_model_t *model;
static pthread_mutex_t model_mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_progress(speech_model_t *from, int percent, void *user_data) {
  (void) from;
  (void) user_data;
  fprintf(stderr, "progress = %3d%%\n", percent);
}

static void on_segment(speech_model_t *from, int n, void *user_data) {
  int total = speech_n_segments(from);

  (void) user_data;
  for (int i = total - n; i < total; i++)
    fprintf(stderr, "segment %d: %s\n", i, speech_segment_text(from, i));
}

static int is_aborted(void *user_data) {
  return tiny_http_is_closed(user_data);
}

/* All that was heard, as JSON; NULL for want of memory. */
static char *result_of(const speech_model_t *from) {
  char *json = NULL;
  size_t len;
  FILE *out = open_memstream(&json, &len);

  if (out == NULL)
    return NULL;
  fprintf(out, "{\"text\":\"");
  for (int i = 0; i < speech_n_segments(from); i++)
    fprintf(out, "%s%s", i > 0 ? " " : "", speech_segment_text(from, i));
  fprintf(out, "\"}");
  return fclose(out) == 0 ? json : NULL;
}

static char *transcribe(void *user_data, const char *path) {
  speech_params_t params = speech_default_params();
  char *result = NULL;
  float *samples;
  size_t n;

  samples = speech_read(path, &n);
  if (samples == NULL)
    return NULL;
  params.progress_callback = on_progress;
  params.progress_callback_user_data = user_data;
  params.new_segment_callback = on_segment;
  params.new_segment_callback_user_data = user_data;
  params.abort_callback = is_aborted;
  params.abort_callback_user_data = user_data;

  pthread_mutex_lock(&model_mutex);
  if (speech_full(model, params, samples, n) == 0)
    result = result_of(model);
  pthread_mutex_unlock(&model_mutex);
  free(samples);
  return result;
}

static void on_inference(tiny_http_t *request) {
  char *result = transcribe(request, tiny_http_param(request, "file"));

  if (result != NULL)
    tiny_http_answer(request, 200, result);
  else
    tiny_http_answer(request, 500, "cannot transcribe that");
  free(result);
}

int main(int argc, char **argv) {
  const char *port = argc > 1 ? argv[1] : "8080";

  model = speech_load();
  if (model == NULL)
    return 1;
  return tiny_http_serve(port, on_inference);
}
