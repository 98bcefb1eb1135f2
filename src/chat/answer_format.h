/* answer_format.h - how a model writes calls and reasoning, known by the marks in its chat
 * template.
 *
 * A row is a format: the marks that tell it, the marks around a call, and the reader of what stands
 * between them. The template's text decides, not the model's name. To add a format: add a row.
 * Threads: any. Memory: constant. */
#ifndef MU_CHAT_ANSWER_FORMAT_H
#define MU_CHAT_ANSWER_FORMAT_H

#include "chat/call_body.h"

enum { MU_DROPPED_MAX = 6 };

/* Calls in JSON as they are written: open, then of each begin NAME middle ARGUMENTS end with
 * between between them, close. begin NULL: they are not in JSON; between NULL: there is only one.
 */
typedef struct mu_call_layout {
    const char *open, *begin, *middle, *end, *between, *close;
} mu_call_layout;

typedef struct mu_call_format {
    const char *name;
    const char *told_by[3]; /* all of these stand in the template */
    const char *open[2];    /* what begins a call; NULL: the whole answer is one, in JSON */
    const char *close;      /* what ends it; NULL: the end of its JSON */
    bool keeps_open;        /* the opening mark is part of the body */
    bool in_json;           /* close does not count within a JSON string */
    bool shows_special;     /* the marks are control tokens, which are else not shown */
    mu_call_body_fn *read, *read_else;   /* the second, or NULL, when the first finds no call */
    const char *dropped[MU_DROPPED_MAX]; /* marks around calls that mean nothing by themselves */
    mu_call_layout layout;
} mu_call_format;

typedef struct mu_reasoning_format {
    const char *open, *close;
    const char *told_by; /* NULL: open */
} mu_reasoning_format;

/* Hermes where none is known. template: [n] */
const mu_call_format *mu_call_format_of(const char *template_text, size_t n);
/* The same, Hermes too where the calls are not in JSON: as they are written when they are
 * constrained. */
const mu_call_format *mu_call_format_constrained(const char *template_text, size_t n);
/* NULL: none that is known. */
const mu_reasoning_format *mu_reasoning_format_of(const char *template_text, size_t n);
/* Does the prompt end where reasoning is open? prompt: [n] */
bool mu_reasoning_is_open(const mu_reasoning_format *f, const char *prompt, size_t n);
bool mu_answer_is_harmony(const char *template_text, size_t n); /* gpt-oss: channels */

#endif
