/* call_body.h - the bodies of tool calls as models write them, to names and arguments. Private to
 * chat/.
 *
 * Each reader takes the text between the markers of its format. It adds the calls it finds, or
 * says false and adds none: then the text was no call.
 *
 * Threads: any. Memory: calls own their texts.
 */
#ifndef MU_CHAT_CALL_BODY_H
#define MU_CHAT_CALL_BODY_H

#include <jansson.h>

#include "base/buf.h"

typedef struct mu_tool_call {
    char id[10]; /* nine letters and digits: some templates take no others */
    mu_buf name;
    mu_buf arguments; /* JSON, an object */
} mu_tool_call;

typedef struct mu_tool_calls {
    mu_tool_call *items; /* [n] */
    size_t n, cap;
    const json_t *tools; /* of the request, borrowed: values without a type take it from here */
    uint64_t id_state;   /* of the generator of ids */
    bool failed;         /* no memory */
} mu_tool_calls;

void mu_tool_calls_deinit(mu_tool_calls *calls);
/* The one to fill; NULL: no memory. */
mu_tool_call *mu_tool_calls_add(mu_tool_calls *calls, const char *name, size_t n);
void mu_tool_call_deinit(mu_tool_call *call);
void mu_tool_calls_make_id(mu_tool_calls *calls, char out[10]);
void mu_tool_calls_cut(mu_tool_calls *calls, size_t n); /* forget all from the n-th on */
bool mu_tool_is_known(const mu_tool_calls *calls, const char *name, size_t n);

typedef bool mu_call_body_fn(const char *text, size_t n, mu_tool_calls *out);

/* {"name": ..., "arguments" or "parameters": {...}}, or an array of them */
mu_call_body_fn mu_call_body_json;
/* The same, only of a tool that the request has: an answer in JSON is no call. */
mu_call_body_fn mu_call_body_known_json;
/* name, a separator of DeepSeek, Kimi or Mistral, then the arguments in JSON */
mu_call_body_fn mu_call_body_named;
/* <function=f> <parameter=k> value </parameter> </function> */
mu_call_body_fn mu_call_body_function;
/* f <arg_key>k</arg_key> <arg_value>v</arg_value> */
mu_call_body_fn mu_call_body_pairs;
/* call:f{k:<|"|>text<|"|>,n:3} */
mu_call_body_fn mu_call_body_gemma;
/* [f(a="x"), g(n=1)] */
mu_call_body_fn mu_call_body_python;

/* text as a JSON string */
void mu_json_quote(mu_buf *out, const char *text, size_t n);
bool mu_json_is_valid(const char *text, size_t n);

#endif
