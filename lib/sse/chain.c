/* SPDX-License-Identifier: MIT */

#include "sse/chain.h"

#include "base/alloc.h"
#include "base/options.h"
#include "sse/api.h"
#include "sse/cors.h"
#include "sse/ticket.h"

static int add(jobsrv_sse_t *sse,
               const jobsrv_sse_middleware_t *ops,
               void *self,
               int is_hosts) {
  jobsrv__middleware_t *middleware =
      jobsrv__zalloc(sse->alloc, sizeof(*middleware));

  if (middleware == NULL)
    return UV_ENOMEM;
  middleware->ops = *ops;
  middleware->self = self;
  middleware->is_hosts = (uint8_t) is_hosts;
  jobsrv__queue_push_back(&sse->chain, &middleware->link);
  return 0;
}

/* ---- the library's own ---- */

static jobsrv_sse_verdict_t host(void *self, jobsrv__request_t *request) {
  (void) self;
  return jobsrv__auth_host(request) ? JOBSRV_SSE_NEXT : JOBSRV_SSE_ANSWERED;
}

static jobsrv_sse_verdict_t token(void *self, jobsrv__request_t *request) {
  (void) self;
  return jobsrv__auth_token(request) ? JOBSRV_SSE_NEXT : JOBSRV_SSE_ANSWERED;
}

int jobsrv__chain_init(jobsrv_sse_t *sse) {
  static const jobsrv_sse_middleware_t own[] = {
    { .request = host },
    { .request = jobsrv__cors_request, .response = jobsrv__cors_response,
      .for_open = 1 },
    { .request = jobsrv__ticket_request },
    { .request = token },
  };
  int err = 0;

  for (size_t i = 0; err == 0 && i < sizeof(own) / sizeof(own[0]); i++)
    err = add(sse, &own[i], NULL, 0);
  return err;
}

/* ---- the host's ---- */

int jobsrv_sse_use(jobsrv_sse_t *sse,
                   const jobsrv_sse_middleware_t *ops,
                   void *self) {
  jobsrv_sse_middleware_t mine;
  int err;

  JOBSRV__ASSERT_LOOP(sse->srv);
  if (sse->is_closing)
    return JOBSRV_ECLOSED;
  err = jobsrv__options_read(&mine, sizeof(mine), sizeof(mine), ops);
  return err != 0 ? err : add(sse, &mine, self, 1);
}

/* Links are only ever added behind. */
int jobsrv__chain_has_hosts(const jobsrv_sse_t *sse) {
  const jobsrv__queue_t *link = jobsrv__queue_back(&sse->chain);

  return link != NULL &&
         JOBSRV__CONTAINER(link, jobsrv__middleware_t, link)->is_hosts;
}

void jobsrv__chain_free(jobsrv_sse_t *sse) {
  jobsrv__middleware_t *middleware;
  jobsrv__queue_t *link;

  while ((link = jobsrv__queue_back(&sse->chain)) != NULL) {
    middleware = JOBSRV__CONTAINER(link, jobsrv__middleware_t, link);
    jobsrv__queue_remove(link);
    if (middleware->ops.close != NULL)
      middleware->ops.close(middleware->self);
    jobsrv__free(sse->alloc, middleware);
  }
}

/* ---- running ---- */

/* Links are only ever added behind, so a request's place stays right. */
static jobsrv__middleware_t *next_of(const jobsrv__request_t *request) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv__queue_t *link =
      request->passed == NULL
          ? jobsrv__queue_front(&sse->chain)
          : jobsrv__queue_next(&sse->chain, &request->passed->link);

  return link != NULL ? JOBSRV__CONTAINER(link, jobsrv__middleware_t, link)
                      : NULL;
}

jobsrv_sse_verdict_t jobsrv__chain_run(jobsrv__request_t *request) {
  jobsrv_sse_verdict_t verdict = JOBSRV_SSE_NEXT;
  jobsrv__middleware_t *middleware;

  while (verdict == JOBSRV_SSE_NEXT &&
         (middleware = next_of(request)) != NULL) {
    request->passed = middleware;
    if (middleware->ops.request != NULL &&
        (!request->is_open || middleware->ops.for_open))
      verdict = middleware->ops.request(middleware->self, request);
  }
  return verdict;
}

void jobsrv__chain_response(jobsrv__request_t *request, int status) {
  const jobsrv_sse_t *sse = request->sse;
  jobsrv__queue_t *link = jobsrv__queue_front(&sse->chain);

  for (; link != NULL; link = jobsrv__queue_next(&sse->chain, link)) {
    jobsrv__middleware_t *middleware =
        JOBSRV__CONTAINER(link, jobsrv__middleware_t, link);

    if (middleware->ops.response != NULL)
      middleware->ops.response(middleware->self, request, status);
  }
}
