/* SPDX-License-Identifier: MIT */

#include "otlp/response.h"

#include <string.h>

#include <uv.h>

static jobsrv__otlp_response_t *of(llhttp_t *parser) {
  return parser->data;
}

static int on_begin(llhttp_t *parser) {
  jobsrv__otlp_response_t *response = of(parser);

  response->retry_after[0] = '\0';
  response->name_len = 0;
  response->in_value = 0;
  return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t len) {
  jobsrv__otlp_response_t *response = of(parser);

  if (response->in_value) {
    response->in_value = 0;
    response->name_len = 0;
  }
  for (size_t i = 0; i < len; i++, response->name_len++)
    if (response->name_len < sizeof(response->name))
      response->name[response->name_len] =
          (char) (at[i] >= 'A' && at[i] <= 'Z' ? at[i] + 32 : at[i]);
  return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t len) {
  jobsrv__otlp_response_t *response = of(parser);
  size_t room;

  if (!response->in_value) {
    response->in_value = 1;
    response->value_len = 0;
  }
  if (response->name_len != 11 ||
      memcmp(response->name, "retry-after", 11) != 0)
    return 0;
  room = sizeof(response->retry_after) - 1 - response->value_len;
  if (len > room)
    len = room;
  memcpy(response->retry_after + response->value_len, at, len);
  response->value_len += len;
  response->retry_after[response->value_len] = '\0';
  return 0;
}

/* An answer of 1xx is followed by the real one; 101 nobody has asked for. */
static int on_head(llhttp_t *parser) {
  jobsrv__otlp_response_t *response = of(parser);

  if (parser->status_code == 101)
    return -1;
  response->in_body = parser->status_code >= 200;
  return 0;
}

static int on_body(llhttp_t *parser, const char *at, size_t len) {
  jobsrv__otlp_response_t *response = of(parser);
  size_t room = JOBSRV__OTLP_BODY_MAX - response->body.len;

  response->body_seen += len;
  (void) jobsrv__buf_append(&response->body, at, len < room ? len : room);
  return 0;
}

static int on_complete(llhttp_t *parser) {
  jobsrv__otlp_response_t *response = of(parser);

  if (parser->status_code < 200)
    return 0;
  response->status = parser->status_code;
  response->is_complete = 1;
  response->keeps = llhttp_should_keep_alive(parser) != 0;
  return HPE_PAUSED;
}

void jobsrv__otlp_response_init(jobsrv__otlp_response_t *response,
                                const jobsrv_alloc_t *alloc) {
  memset(response, 0, sizeof(*response));
  llhttp_settings_init(&response->settings);
  response->settings.on_message_begin = on_begin;
  response->settings.on_header_field = on_field;
  response->settings.on_header_value = on_value;
  response->settings.on_headers_complete = on_head;
  response->settings.on_body = on_body;
  response->settings.on_message_complete = on_complete;
  jobsrv__buf_init(&response->body, alloc, 0);
  jobsrv__otlp_response_reset(response);
}

void jobsrv__otlp_response_free(jobsrv__otlp_response_t *response) {
  jobsrv__buf_free(&response->body);
}

void jobsrv__otlp_response_reset(jobsrv__otlp_response_t *response) {
  llhttp_init(&response->parser, HTTP_RESPONSE, &response->settings);
  response->parser.data = response;
  response->status = 0;
  response->keeps = 0;
  response->has_begun = 0;
  response->retry_after[0] = '\0';
  jobsrv__buf_reset(&response->body);
  response->head_len = 0;
  response->body_seen = 0;
  response->name_len = 0;
  response->value_len = 0;
  response->in_value = 0;
  response->in_body = 0;
  response->is_complete = 0;
}

/* A body that never ends is as good as one that ends here. */
static int cut(jobsrv__otlp_response_t *response) {
  response->status = response->parser.status_code;
  response->is_complete = 1;
  response->keeps = 0;
  return 1;
}

int jobsrv__otlp_response_feed(jobsrv__otlp_response_t *response,
                               const char *data,
                               size_t len) {
  const char *stop;
  llhttp_errno_t rc;

  if (len == 0)
    return 0;
  response->has_begun = 1;
  rc = llhttp_execute(&response->parser, data, len);
  if (rc == HPE_PAUSED && response->is_complete) {
    stop = llhttp_get_error_pos(&response->parser);
    if (stop != data + len) /* more than one answer to one request */
      response->keeps = 0;
    return 1;
  }
  if (rc != HPE_OK)
    return UV_EPROTO;
  if (!response->in_body) {
    response->head_len += len;
    return response->head_len > JOBSRV__OTLP_HEAD_MAX ? UV_EPROTO : 0;
  }
  return response->body_seen > JOBSRV__OTLP_BODY_MAX ? cut(response) : 0;
}

int jobsrv__otlp_response_end(jobsrv__otlp_response_t *response) {
  llhttp_errno_t rc = llhttp_finish(&response->parser);

  if ((rc == HPE_OK || rc == HPE_PAUSED) && response->is_complete) {
    response->keeps = 0;
    return 1;
  }
  return UV_EOF;
}
