/* run.h - the state of one rendering: its memory, its limits, where it is, what went wrong.
 *
 * Everything that can fail returns false after mu_run_fail(); the first failure stays. A template
 * is foreign code and the conversation foreign data, so work is charged as steps, memory comes from
 * one arena, and recursion is counted.
 *
 * Threads: a run belongs to one thread. Memory: the arena of the run.
 */
#ifndef MU_CHAT_JINJA_RUN_H
#define MU_CHAT_JINJA_RUN_H

#include <time.h>

#include "chat/jinja/marked.h"

enum {
    MU_RUN_STEPS_MAX = 10 * 1000 * 1000,
    MU_RUN_DEPTH_MAX = 1200,          /* nested evaluations: about 600 KiB of stack */
    MU_RUN_MACROS_MAX = 100,          /* macro calls in each other */
    MU_RUN_NESTING_MAX = 100,         /* lists in lists that are printed or compared */
    MU_RUN_TEXT_BYTES_MAX = 32 << 20, /* one text, the result included */
};

typedef struct mu_run {
    mu_arena *arena;
    const char *template_name; /* for messages, borrowed */
    struct tm now;             /* of strftime_now() */
    uint64_t steps_left;
    uint32_t depth, n_macros;
    uint32_t line, column; /* of what is evaluated */
    mu_err err;            /* status MU_OK: nothing went wrong */
    bool is_raised;        /* err is the template's refusal, not an error in it */
} mu_run;

/* "NAME: line 3, column 7: ..."; returns false. */
bool mu_run_fail(mu_run *run, mu_status status, const char *fmt, ...) MU_PRINTF(3, 4);
bool mu_run_fail_memory(mu_run *run);
/* raise_exception(): the template's own words to the client; returns false. */
bool mu_run_raise(mu_run *run, mu_marked message);
bool mu_run_charge(mu_run *run, uint64_t n_steps);

void mu_run_builder(mu_run *run, mu_marked_builder *out);
bool mu_run_built(mu_run *run, const mu_marked_builder *b, mu_marked *out);

#endif
