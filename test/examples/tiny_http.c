/* SPDX-License-Identifier: MIT */

#include "tiny_http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tiny_http_s {
  int fd;
  void (*handle)(tiny_http_t *request);
  char text[4096];
  char value[1024];
};

const char *tiny_http_param(tiny_http_t *request, const char *name) {
  const char *at = strchr(request->text, '?');
  size_t len = strlen(name);

  request->value[0] = '\0';
  for (; at != NULL; at = strchr(at + 1, '&'))
    if (strncmp(at + 1, name, len) == 0 && at[1 + len] == '=') {
      (void) sscanf(at + 2 + len, "%1023[^& ]", request->value);
      break;
    }
  return request->value;
}

int tiny_http_is_closed(const tiny_http_t *request) {
  char byte;

  return recv(request->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void tiny_http_answer(tiny_http_t *request, int status, const char *text) {
  dprintf(request->fd, "HTTP/1.0 %d -\r\nContent-Length: %zu\r\n\r\n%s",
          status, strlen(text), text);
}

static void *serve(void *arg) {
  tiny_http_t *request = arg;

  if (recv(request->fd, request->text, sizeof(request->text) - 1, 0) > 0)
    request->handle(request);
  close(request->fd);
  free(request);
  return NULL;
}

int tiny_http_serve(const char *port, void (*handle)(tiny_http_t *request)) {
  struct sockaddr_in at = { .sin_family = AF_INET };
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  int on = 1;

  at.sin_port = htons((unsigned short) atoi(port));
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(listener, (void *) &at, sizeof(at)) != 0 ||
      listen(listener, 16) != 0)
    return 1;
  for (;;) {
    tiny_http_t *request = calloc(1, sizeof(*request));
    pthread_t thread;

    if (request == NULL)
      return 1;
    request->handle = handle;
    request->fd = accept(listener, NULL, NULL);
    if (request->fd < 0 || pthread_create(&thread, NULL, serve, request) != 0)
      return 1;
    pthread_detach(thread);
  }
}
