/* SPDX-License-Identifier: MIT */

#include "sse/openapi.h"

/* The events of streams and pages, told apart by `type`. */

#define REF(name) "{'$ref':'#/components/schemas/" name "'}"
#define TEXT "{'type':'string'}"
#define COUNT "{'type':'integer','minimum':0}"
#define SEQ "{'type':'integer','minimum':1}"
/* `id`: in NDJSON of many jobs */
#define TYPE(name)                                                            \
  "'type':{'const':'" name "'},'time':" REF("Time") ",'id':" TEXT
#define LOGGED(name) TYPE(name) ",'seq':" SEQ ",'job_id':" REF("JobId")

static const char EVENT[] =
    "'Event':{'oneOf':[" REF("Narration") "," REF("Data") ","
    REF("Opening") "," REF("StateChange") "," REF("ProgressReport") ","
    REF("Dropped") "," REF("Gap") "," REF("End") "," REF("Heartbeat") "]},";

static const char OTHERS[] =
    "'Data':{'type':'object','description':'For programs, from the "
    "operation.','required':['type','time','seq','job_id','action',"
    "'payload'],'properties':{" LOGGED("data") ",'action':" TEXT
    ",'payload':true}},"
    "'Opening':{'description':'The first of a stream: the record as it is "
    "now.','allOf':[" REF("Job") "],'type':'object','required':['type',"
    "'time'],'not':{'required':['seq']},'properties':{" TYPE("state") "}},"
    "'StateChange':{'type':'object','required':['type','time','seq','job_id',"
    "'state','attempt','cancel_requested'],'properties':{" LOGGED("state")
    ",'state':" REF("State") ",'previous':" REF("State") ",'attempt':" COUNT
    ",'cancel_requested':{'type':'boolean'}}},"
    "'ProgressReport':{'allOf':[" REF("Progress") "],'type':'object',"
    "'required':['type','time','job_id'],'properties':{" TYPE("progress")
    ",'job_id':" REF("JobId") "}},"
    "'Dropped':{'type':'object','description':'That many were lost before "
    "they had numbers.','required':['type','time','seq','job_id','count'],"
    "'properties':{" LOGGED("dropped") ",'count':" SEQ "}},"
    "'Gap':{'type':'object','description':'What this watcher has missed.',"
    "'required':['type','time','reason'],'properties':{" TYPE("gap")
    ",'job_id':" REF("JobId")
    ",'reason':{'enum':['trimmed','restart','forgotten']},"
    "'missed_from':" SEQ ",'missed_to':" SEQ "}},"
    "'End':{'description':'The last one, with the final record.','allOf':["
    REF("Job") "],'type':'object','required':['type','time','seq'],"
    "'properties':{" TYPE("end") ",'seq':" SEQ "}},"
    "'Heartbeat':{'type':'object','description':'Of NDJSON alone.',"
    "'required':['type','time'],'properties':{" TYPE("heartbeat")
    ",'job_id':" REF("JobId") ",'after':" COUNT "}}";

/* What JSON has for a field of that type. */
#define SCHEMA_STRING "{'type':['string','null']}"
#define SCHEMA_U64 COUNT
#define SCHEMA_JSON "true"

static const char NARRATION[] =
    "'Narration':{'type':'object','description':'What the operation says, or "
    "a process of it prints.','required':['type','time','seq','job_id',"
    "'level','actor','action','human'],'properties':{" LOGGED("narration")
    ",'level':{'enum':['trace','debug','info','warn','error','fatal']},"
    "'actor':" TEXT ",'action':" TEXT ",'target':" TEXT ",'human':" TEXT
    ",'cute':" TEXT ",'story':" TEXT ",'correlation_id':" TEXT
    ",'request_id':" TEXT ",'trace_id':" TEXT ",'span_id':" TEXT
    ",'parent_span_id':" TEXT ",'fn_name':" TEXT ",'source':" TEXT
#define XX(name, type) ",'" #name "':" SCHEMA_##type
    JOBSRV_WELL_KNOWN_MAP(XX)
#undef XX
    ",'fields':{'type':'object'}}},";

void jobsrv__doc_put_events(jobsrv__buf_t *buf) {
  jobsrv__doc_put(buf, EVENT);
  jobsrv__doc_put(buf, NARRATION);
  jobsrv__doc_put(buf, OTHERS);
}
