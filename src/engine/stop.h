/* stop.h - cut streamed text at stop strings.
 *
 * Text goes in as it is decoded and comes out as soon as it cannot be part of a stop string any
 * more. When one is found, what stood before it comes out and nothing after it.
 *
 * Memory: strings are copied into the struct; held text is bounded by the longest of them.
 */
#ifndef MU_ENGINE_STOP_H
#define MU_ENGINE_STOP_H

#include "base/buf.h"
#include "base/status.h"
#include "engine/engine.h"

typedef struct mu_stop {
    uint32_t n_strings;
    char *strings[MU_STOP_STRINGS_MAX]; /* owned, into one allocation at [0] */
    size_t lengths[MU_STOP_STRINGS_MAX];
    mu_buf held; /* text that may still turn out to be a stop string */
    bool is_hit;
} mu_stop;

/* strings: [n], copied. MU_ERR_INVALID: empty, too long or too many. */
mu_status mu_stop_init(mu_stop *stop, const char *const *strings, uint32_t n,
                       mu_err *err) MU_MUST_USE;
void mu_stop_deinit(mu_stop *stop); /* a zeroed stop is allowed */

/* True when a stop string was completed; further text is then ignored. */
bool mu_stop_push(mu_stop *stop, const char *text, size_t n, mu_buf *out);
void mu_stop_finish(mu_stop *stop, mu_buf *out); /* gives out what is held */

#endif
