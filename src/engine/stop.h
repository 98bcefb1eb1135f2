/* stop.h - find stop strings in text that comes in pieces.
 *
 * Keeps no text, only how far each string is matched (Knuth, Morris, Pratt 1977), so a byte costs a
 * step per string and what is found does not depend on where tokens begin and end. n_visible is how
 * much of all text may be given out: bytes that may still become a stop string are not in it.
 *
 *     stop string "END", text "the EN"   n_visible 4
 *                        text "the ENV"  n_visible 7
 *                        text "the END"  n_visible 4, hit
 *
 * When several strings match, the one that ends first counts, of those the longest.
 *
 * Memory: strings are copied at init(), nothing is allocated afterwards.
 */
#ifndef MU_ENGINE_STOP_H
#define MU_ENGINE_STOP_H

#include "engine/engine.h"

typedef struct mu_stop {
    uint32_t n_strings;
    char *bytes;                             /* owned, all strings */
    uint16_t *borders;                       /* owned, parallel to bytes: see stop.c */
    uint32_t starts[MU_STOP_STRINGS_MAX];    /* into bytes */
    uint32_t lengths[MU_STOP_STRINGS_MAX];   /* bytes */
    uint32_t n_matched[MU_STOP_STRINGS_MAX]; /* bytes of the string that the text ends with */
    uint64_t n_seen;                         /* bytes of text */
    uint64_t n_visible;
    bool is_hit;
    uint32_t hit; /* which string */
} mu_stop;

/* strings: [n], copied. MU_ERR_INVALID: empty, too long or too many. */
mu_status mu_stop_init(mu_stop *stop, const char *const *strings, uint32_t n,
                       mu_err *err) MU_MUST_USE;
void mu_stop_deinit(mu_stop *stop); /* a zeroed stop is allowed */

/* True when a stop string was completed; further text is then ignored. may_hit false: strings that
 * are completed in this text do not count. */
bool mu_stop_push(mu_stop *stop, const char *text, size_t n, bool may_hit);
void mu_stop_end(mu_stop *stop); /* no more text: unless there was a hit, all of it is visible */

#endif
