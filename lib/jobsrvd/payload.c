/* SPDX-License-Identifier: MIT */

#include "payload.h"

#include <stdio.h>
#include <string.h>
#include <uv.h>

int jobsrvd_payload_load(json_t **out,
                         const char *text,
                         size_t len,
                         jobsrv_mistake_t *mistake) {
  json_error_t error;
  json_t *payload =
      json_loadb(text != NULL ? text : "", len, JSON_ALLOW_NUL, &error);

  if (payload == NULL && json_error_code(&error) == json_error_out_of_memory)
    return UV_ENOMEM;
  if (payload == NULL || !json_is_object(payload)) {
    mistake->pointer[0] = '\0';
    snprintf(mistake->detail, sizeof(mistake->detail), "%s",
             payload == NULL ? error.text : "must be an object");
    json_decref(payload);
    return JOBSRV_EPAYLOAD;
  }
  *out = payload;
  return 0;
}

int jobsrvd_payload_mistake(jobsrv_mistake_t *mistake,
                            const char *name,
                            const char *detail) {
  size_t at = 0;
  size_t cap = sizeof(mistake->pointer);

  mistake->pointer[at++] = '/';
  for (; *name != '\0' && at + 2 < cap; name++) {
    if (*name == '~' || *name == '/') {
      mistake->pointer[at++] = '~';
      mistake->pointer[at++] = *name == '~' ? '0' : '1';
    } else {
      mistake->pointer[at++] = *name;
    }
  }
  /* A name that does not fit is no pointer: the whole payload is meant. */
  mistake->pointer[*name == '\0' ? at : 0] = '\0';
  if (detail != NULL)
    snprintf(mistake->detail, sizeof(mistake->detail), "%s", detail);
  return JOBSRV_EPAYLOAD;
}
