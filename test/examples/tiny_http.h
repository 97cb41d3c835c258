/* SPDX-License-Identifier: MIT */
#ifndef TINY_HTTP_H
#define TINY_HTTP_H

/* What such a server takes from somewhere: a thread for each connection. */

typedef struct tiny_http_s tiny_http_t;

/* Of the query, or "". */
const char *tiny_http_param(tiny_http_t *request, const char *name);

/* 1 when the client has gone. */
int tiny_http_is_closed(const tiny_http_t *request);

void tiny_http_answer(tiny_http_t *request, int status, const char *text);

/* Calls `handle` for each request, for ever; returns only on failure. */
int tiny_http_serve(const char *port, void (*handle)(tiny_http_t *request));

#endif /* TINY_HTTP_H */
