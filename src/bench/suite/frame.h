/* frame.h - the frame of a muai.bench/1 document: tool, run, host, and empty sections.
 *
 * Threads: any. Memory: the caller owns the JSON.
 */
#ifndef MU_BENCH_SUITE_FRAME_H
#define MU_BENCH_SUITE_FRAME_H

#include <jansson.h>
#include <time.h>

#include "base/status.h"

typedef struct mu_document_options {
    const char *suite, *title;
    bool is_quick;
    uint32_t runs;
    uint64_t seed;
    const char *const *command; /* [n_command] */
    uint32_t n_command;
} mu_document_options;

/* NULL: no memory. */
json_t *mu_document_begin(const mu_document_options *options);
/* stop_reason: "done", "budget", "interrupted", "failed"; why may be NULL. */
void mu_document_end(json_t *doc, double duration_s, const char *stop_reason, const char *why);
void mu_document_add_note(json_t *doc, const char *fmt, ...) MU_PRINTF(2, 3);

#endif
