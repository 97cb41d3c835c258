/* SPDX-License-Identifier: MIT */

#include "sse/openapi.h"

#include "sse/job_options.h"

/*
 * What goes in and comes out, but for events. Clients are to pass over members
 * that they do not know, so no schema rules any out; what is made from a table
 * of the library is made from that very one.
 */

#define REF(name) "{'$ref':'#/components/schemas/" name "'}"
#define TEXT "{'type':'string'}"
#define COUNT "{'type':'integer','minimum':0}"
#define FLAG "{'type':'boolean'}"
#define TIME REF("Time")

/* The members of a record, which some events have too. */
static const char JOB[] =
    "'job_id':" REF("JobId") ",'operation':" TEXT ",'state':" REF("State")
    ",'cancel_requested':" FLAG ",'cancel_reason':{'type':'object',"
    "'required':['code'],'properties':{'code':" REF("Reason") ",'text':" TEXT
    ",'actor':" TEXT "}},'created_at':" TIME ",'queued_at':" TIME
    ",'started_at':" TIME ",'finished_at':" TIME ",'duration_ms':" COUNT
    ",'attempt':" COUNT ",'max_attempts':" COUNT ",'next_attempt_at':" TIME
    ",'priority':" REF("Priority") ",'queue_position':{'type':'integer',"
    "'minimum':1},'progress':" REF("Progress")
    ",'process':" REF("Exit") ",'error':{'type':'object',"
    "'required':['code','retryable'],'properties':{'code':" TEXT
    ",'message':" TEXT ",'retryable':" FLAG ",'exit_status':" COUNT
    ",'signal':" TEXT "}},'result':true,'result_omitted':{'const':true,"
    "'description':'It is in the record of GET alone.'},'tags':" REF("Tags")
    ",'tags_omitted':{'const':true},'events':{'type':'object',"
    "'required':['first_seq','last_seq'],'properties':{'first_seq':" COUNT
    ",'last_seq':" COUNT "}},'expires_at':" TIME ",'principal':" TEXT
    ",'trace_id':{'type':'string','pattern':'^[0-9a-f]{32}$'},"
    "'parent_span_id':{'type':'string','pattern':'^[0-9a-f]{16}$'},"
    "'cancellable':" FLAG ",'open_spans':" COUNT ",'abandoned':{'const':true},"
    "'prompt':{'description':'What a suspended job asks.'},"
    "'prompt_omitted':{'const':true},'links':" REF("Links");

static const char SCALARS[] =
    "'Anything':{'type':'object'},"
    "'JobId':{'type':'string','pattern':"
    "'^job-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'},"
    "'Time':{'type':'string','format':'date-time','pattern':"
    "'^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.][0-9]{3}Z$'},"
    "'Tags':{'type':'object','additionalProperties':" TEXT "},"
    "'Exit':{'type':'object','description':'How the process ended.',"
    "'minProperties':1,'properties':{'exit_status':" COUNT ",'signal':" TEXT
    "}},"
    "'Links':{'type':'object','required':['self','stream','cancel'],"
    "'properties':{'self':" TEXT ",'stream':" TEXT ",'cancel':" TEXT "}},"
    "'Progress':{'type':'object','required':['done'],'properties':{"
    "'done':{'type':'number','minimum':0},'total':{'type':'number',"
    "'exclusiveMinimum':0},'unit':" TEXT ",'phase':" TEXT ",'percent':"
    "{'type':'number','minimum':0,'maximum':100},'rate':{'type':'number',"
    "'exclusiveMinimum':0},'eta_ms':" COUNT "}},";

static const char ANSWERS[] =
    "'JobPage':{'type':'object','required':['jobs'],'properties':{'jobs':"
    "{'type':'array','items':" REF("Job") "},'next_cursor':" TEXT "}},"
    "'EventPage':{'type':'object','required':['events','next_after','ended'],"
    "'properties':{'events':{'type':'array','items':" REF("Event")
    "},'next_after':" COUNT ",'ended':" FLAG "}},"
    "'JobMade':{'type':'object','required':['job_id','sse_url','state',"
    "'links'],'properties':{'job_id':" REF("JobId") ",'sse_url':" TEXT
    ",'state':" REF("State") ",'ticket':" TEXT ",'links':" REF("Links") "}},"
    "'JobMadeOrEnded':{'anyOf':[" REF("JobMade") "," REF("Job") "]},"
    "'Ticket':{'type':'object','required':['ticket','ttl_ms','sse_url'],"
    "'properties':{'ticket':" TEXT ",'ttl_ms':" COUNT ",'sse_url':" TEXT "}},"
    "'Health':{'type':'object','required':['status','version','boot'],"
    "'properties':{'status':{'const':'ok'},'version':" TEXT
    ",'boot':{'type':'string','pattern':'^[0-9a-z]{1,16}$'}}},"
    "'Ready':{'type':'object','required':['status'],"
    "'properties':{'status':{'const':'ready'}}},"
    "'Problem':{'type':'object','description':'RFC 9457.','required':["
    "'type','title','status','detail','code'],'properties':{'type':" TEXT
    ",'title':" TEXT ",'status':{'type':'integer','minimum':400,"
    "'maximum':599},'detail':" TEXT ",'code':{'type':'string','pattern':"
    "'^[a-z0-9_]{1,64}$'},'job_id':" TEXT ",'pointer':{'type':'string',"
    "'description':'JSON Pointer of what is wrong.'},'line':" COUNT
    ",'column':" COUNT "}},";

static const char BODIES[] =
    "'NewJob':{'type':'object','description':'All other members are the "
    "payload of the operation.','required':['operation'],'properties':{"
    "'operation':{'type':'string','minLength':1,'maxLength':64},'options':"
    REF("Options") "},'additionalProperties':true},"
    "'CancelRequest':{'type':'object','properties':{'reason':{"
    "'type':'string','description':'At most 1,024 bytes.'}},"
    "'additionalProperties':false},"
    "'Answer':{'description':'Whatever the job waits for.'},";

/* ---- from tables ---- */

typedef const char *(*name_cb)(int at);

static const char *state_at(int at) {
  return jobsrv_state_name((jobsrv_state_t) at);
}

static const char *reason_at(int at) {
  return jobsrv_reason_name((jobsrv_reason_code_t) at);
}

static void put_names(jobsrv__buf_t *buf,
                      const char *key,
                      name_cb name,
                      int first,
                      int end) {
  (void) jobsrv__buf_printf(buf, "\"%s\":{\"type\":\"string\",\"enum\":", key);
  for (int i = first; i < end; i++)
    (void) jobsrv__buf_printf(buf, "%s\"%s\"", i > first ? "," : "[", name(i));
  (void) jobsrv__buf_puts(buf, "]},");
}

static void put_job(jobsrv__buf_t *buf) {
  jobsrv__doc_put(buf, "'Job':{'type':'object','description':'What is absent "
                       "does not apply.','required':['job_id','operation',"
                       "'state','cancel_requested','created_at','attempt',"
                       "'max_attempts','priority','events','links'],"
                       "'properties':{");
  jobsrv__doc_put(buf, JOB);
  (void) jobsrv__buf_puts(buf, "}},");
}

void jobsrv__doc_put_schemas(const jobsrv_sse_t *sse, jobsrv__buf_t *buf) {
  put_names(buf, "State", state_at, 0, JOBSRV_STATE_MAX);
  put_names(buf, "Priority", jobsrv_priority_name, JOBSRV_PRIORITY_LOW,
            JOBSRV_PRIORITY_CRITICAL + 1);
  put_names(buf, "Reason", reason_at, 0, JOBSRV_REASON_MAX);
  jobsrv__doc_put(buf, SCALARS);
  put_job(buf);
  jobsrv__doc_put(buf, ANSWERS);
  jobsrv__doc_put(buf, BODIES);
  (void) jobsrv__buf_puts(buf, "\"Options\":");
  jobsrv__job_options_schema(buf, jobsrv_options(sse->srv)->max_tags);
  (void) jobsrv__buf_putc(buf, ',');
  jobsrv__doc_put_events(buf);
}
