/* chunks.h - memory of one compiled grammar: many small pieces that die together.
 *
 * Pieces come from chunks that never move, so pointers stay valid until deinit. The sum is bounded:
 * a grammar from outside cannot take more than it was given.
 *
 * Threads: one at a time. Memory: deinit() frees all.
 */
#ifndef MU_GRAMMAR_CHUNKS_H
#define MU_GRAMMAR_CHUNKS_H

#include "base/base.h"

typedef struct mu_chunk mu_chunk;

typedef struct mu_chunks {
    mu_chunk *head; /* owned, the one pieces are taken from */
    size_t bytes;   /* of all chunks */
    size_t bytes_max;
    bool is_full; /* bytes_max was the reason of a NULL, not the system */
} mu_chunks;

void mu_chunks_init(mu_chunks *chunks, size_t bytes_max);
void mu_chunks_deinit(mu_chunks *chunks); /* a zeroed one is allowed */

/* Zeroed memory for n elements; n may be 0. NULL: no memory, or more than bytes_max. */
void *mu_chunks_alloc(mu_chunks *chunks, size_t n, size_t elem_size) MU_MUST_USE;
#define MU_CHUNK_NEW(chunks, type, n) ((type *)mu_chunks_alloc((chunks), (n), sizeof(type)))

#endif
