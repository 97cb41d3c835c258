/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_JSON_TOKEN_H_
#define JOBSRV_BASE_JSON_TOKEN_H_

/*
 * The tokens of JSON, as json_scan reads them. Each call begins at `*p` and
 * moves it behind the token and returns NULL, or moves it to the mistake and
 * returns a constant text that names it.
 */

/* `*p` is the opening quote; a string without an end is told at it. */
const char *jobsrv__json_token_string(const char **p, const char *end);

/* `*p` is a digit or a minus; a number out of range is told at it. */
const char *jobsrv__json_token_number(const char **p, const char *end);

#endif /* JOBSRV_BASE_JSON_TOKEN_H_ */
