/* lookup.h - prompt lookup: draft the next tokens of a sequence from its own text (Saxena 2023,
 * "Prompt Lookup Decoding"). What followed the last occurrence of the newest few tokens is likely
 * to follow again: quoted passages, code, lists, loops.
 *
 * A draft changes no output. The step computes the logits of all its positions at once; tokens
 * are sampled from them one by one, and the first that differs from the draft ends the step for
 * that sequence. A row's logits do not depend on the rows beside it, so each sampled token is the
 * one that would have come without a draft.
 *
 * The length adapts: as many tokens as were accepted last time and some more; after a wrong draft
 * it pauses, twice as long each time.
 *
 * Pure functions of their arguments; no allocation.
 */
#ifndef MU_ENGINE_LOOKUP_H
#define MU_ENGINE_LOOKUP_H

#include "base/base.h"
#include "base/token.h"

enum { MU_DRAFT_MAX = 7 }; /* tokens of a draft */

typedef struct mu_lookup {
    uint32_t length; /* of the next draft; 0: the first */
    uint32_t pause;  /* steps to wait after the next wrong draft */
    uint32_t wait;   /* steps left to wait */
} mu_lookup;

/* Up to n_max tokens that may follow tokens[0 .. n), into out. Returns their number. Counts one
 * step of a pause. */
uint32_t mu_lookup_draft(mu_lookup *lookup, const mu_token *tokens, uint32_t n, uint32_t n_max,
                         mu_token *out);

/* Of n_drafted > 0 tokens the first n_accepted were right. */
void mu_lookup_learn(mu_lookup *lookup, uint32_t n_drafted, uint32_t n_accepted);

#endif
