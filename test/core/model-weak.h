/* SPDX-License-Identifier: MIT */
#pragma weak jobsrv_job_edit
#pragma weak jobsrv_job_after
#pragma weak jobsrv_find_unique
#pragma weak jobsrv_job_fail_permanently
#pragma weak jobsrv_job_retry_after
#pragma weak jobsrv_job_snooze
#pragma weak jobsrv_job_checkpoint
#pragma weak jobsrv_job_last_checkpoint
#pragma weak jobsrv_job_attempt
#pragma weak jobsrv_job_suspend
#pragma weak jobsrv_job_answer
#pragma weak jobsrv_job_input
#pragma weak jobsrv_job_watch
#pragma weak jobsrv_job_unwatch
#pragma weak jobsrv_job_parent
