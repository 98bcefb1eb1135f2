/* prompt.h - prompts of an exact number of tokens that no prefix cache has seen.
 *
 * Two kinds. Token ids, for servers that take them: exact by construction. Text, for the others:
 * short words that are one token in the vocabularies of today's models, their number corrected by a
 * line (tokens = base + slope * words) that mu_target_probe() fits to what the server counts.
 *
 * Every prompt begins with a nonce: its first tokens (words) spell a 64-bit number that is
 * different for every index of a cell and random between cells and seeds, so a prompt shares no
 * prefix with another beyond chance. The same (seed, cell, index) gives the same prompt.
 *
 * Threads: immutable; any thread may write prompts from it. Memory: borrows the text.
 */
#ifndef MU_BENCH_LOAD_PROMPT_H
#define MU_BENCH_LOAD_PROMPT_H

#include "base/buf.h"
#include "base/status.h"

typedef enum mu_prompt_kind {
    MU_PROMPT_TOKENS, /* [1, 2, 3] */
    MU_PROMPT_TEXT,   /* "..." */
} mu_prompt_kind;

typedef struct mu_prompts {
    mu_prompt_kind kind;
    uint64_t seed;
    uint64_t cell;       /* another number for every cell, round and block */
    uint32_t vocab_size; /* tokens: ids are below this; >= 2 */
    double base_tokens;  /* text: what the server adds (bos, chat template) */
    double word_tokens;  /* text: tokens a word; > 0 */
    const char *text;    /* text: take words from here (borrowed); NULL: the built-in list */
    size_t n_text;
} mu_prompts;

/* Append the prompt as a JSON value. At least one token or word is written. An allocation failure
 * shows in out->failed. */
void mu_prompt_write(const mu_prompts *prompts, uint32_t index, uint32_t n_tokens, mu_buf *out);

/* Words that mu_prompt_write() takes for so many tokens of text; >= 1. */
uint32_t mu_prompt_n_words(const mu_prompts *prompts, uint32_t n_tokens);

/* One plain word of the built-in list, for tests of what a server makes of it. */
const char *mu_prompt_word(uint32_t i); /* i < 256 */

#endif
