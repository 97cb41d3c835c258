/* SPDX-License-Identifier: MIT */

/*
 * The same with jobs: clients see how far it is, can stop it, and come back.
 *
 *   speech PORT
 *   curl -H "Content-Type: application/json" http://127.0.0.1:PORT/v1/jobs \
 *        -d '{"operation":"transcribe","file":"PATH"}'
 */

#include "speech_model.h"

#include <jobsrv/args.h>
#include <jobsrv/sse.h>
#include <pthread.h>
#include <uv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static speech_model_t *model;
static pthread_mutex_t model_mutex = PTHREAD_MUTEX_INITIALIZER;

static void on_progress(speech_model_t *from, int percent, void *user_data) {
  (void) from;
  (void) jobsrv_progress(user_data, &(jobsrv_progress_t) {
    .done = percent, .total = 100, .unit = "%" });
}

static void on_segment(speech_model_t *from, int n, void *user_data) {
  int total = speech_n_segments(from);

  for (int i = total - n; i < total; i++)
    jobsrv_narrate(user_data, "segment", "%s", speech_segment_text(from, i));
}

static int is_aborted(void *user_data) {
  return jobsrv_job_cancelled(user_data);
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

static int on_inference(jobsrv_job_t *job, void *data) {
  const char *path = "";
  int err = jobsrv_job_arg_string(job, "file", &path, NULL);
  char *result = err == 0 ? transcribe(job, path) : NULL;

  (void) data;
  if (result != NULL)
    err = jobsrv_job_complete(job, result, strlen(result));
  else if (jobsrv_job_cancelled(job))
    err = JOBSRV_CANCELLED;
  else
    err = jobsrv_job_fail(job, "no_speech", "cannot transcribe that");
  free(result);
  return err;
}

int main(int argc, char **argv) {
  const char *port = argc > 1 ? argv[1] : "8080";
  jobsrv_operation_t op = { .size = sizeof(op), .name = "transcribe",
                            .style = JOBSRV_THREAD, .run = on_inference,
                            .max_running = 1, .expose = 1 };
  char at[64];
  jobsrv_t *srv;
  jobsrv_sse_t *sse;

  model = speech_load();
  snprintf(at, sizeof(at), "127.0.0.1:%s", port);
  if (model == NULL || jobsrv_new(&srv, uv_default_loop(), NULL) != 0 ||
      jobsrv_operation_add(srv, &op) != 0 ||
      jobsrv_sse_new(&sse, srv, NULL) != 0 || jobsrv_sse_listen(sse, at) != 0)
    return 1;
  return uv_run(uv_default_loop(), UV_RUN_DEFAULT);
}
