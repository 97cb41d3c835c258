/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_DEMO_OPS_H
#define JOBSRVD_DEMO_OPS_H

/*
 * The operations of --demo, which show and exercise what a host can do:
 *
 *   echo      {"lines":["..",..]}     says each line
 *   count     {"n":..,"interval_ms":..}
 *   sleep     {"ms":..}
 *   fail      {"message":".."}        fails with it
 *   spin      {}                      a thread that ends when asked to
 *   stuck     {}                      never ends, whatever is asked
 *   progress  {"total":..,"step_ms":..}
 *   data      {"value":..}            sends the value as a data event
 *   flood     {"n":..,"rate":..,"burst":..,"size":..}
 */

#include <jobsrv/operation.h>

/* Registers all of them. Returns as jobsrv_operation_add(). */
int jobsrvd_demo_add(jobsrv_t *srv);

/* 1 if one has this name. */
int jobsrvd_demo_has(const char *name);

#endif /* JOBSRVD_DEMO_OPS_H */
