/* kv_blocks.h - who uses which KV block, and which blocks hold known tokens.
 *
 * A block is free or has one or more users. A full block may be registered: then it can be found
 * again by its content, also after its last user has left, until it is handed out for something
 * else. Content means the tokens of the block and everything before them: each registered content
 * has a serial, and a child is found by its parent's serial and its own tokens, compared in full,
 * so there are no false hits.
 *
 *     serial 0 (nothing) ──tokens──▶ serial 7 ──tokens──▶ serial 12 ...
 *
 * Threads: belongs to the engine's thread. Memory: all taken from the arena at create().
 */
#ifndef MU_ENGINE_KV_BLOCKS_H
#define MU_ENGINE_KV_BLOCKS_H

#include "backend/backend.h"
#include "base/arena.h"

typedef struct mu_kv_blocks mu_kv_blocks;

enum { MU_KV_ROOT = 0 }; /* serial of the empty prefix */

size_t mu_kv_blocks_bytes(uint32_t n_blocks, uint32_t block_tokens); /* create() takes at most */
mu_kv_blocks *mu_kv_blocks_create(mu_arena *model_arena, uint32_t n_blocks, uint32_t block_tokens);

/* n blocks with one user each, or none at all. out_ids: [n] */
bool mu_kv_blocks_acquire(mu_kv_blocks *kv, uint32_t n, mu_kv_block_id *out_ids);
void mu_kv_blocks_ref(mu_kv_blocks *kv,
                      mu_kv_block_id id); /* one more user; revives a free block */
void mu_kv_blocks_unref(mu_kv_blocks *kv, mu_kv_block_id id);
uint32_t mu_kv_blocks_n_free(const mu_kv_blocks *kv);
uint32_t mu_kv_blocks_n(const mu_kv_blocks *kv);
uint32_t mu_kv_blocks_block_tokens(const mu_kv_blocks *kv);
uint32_t mu_kv_blocks_n_refs(const mu_kv_blocks *kv, mu_kv_block_id id);

/* Say what a used, full block holds. Returns the serial of that content, which may be that of
 * another block that held it first. tokens: [block_tokens], copied. */
uint64_t mu_kv_blocks_register(mu_kv_blocks *kv, mu_kv_block_id id, uint64_t parent_serial,
                               const mu_token *tokens);

/* Find a block by content. False when there is none. */
bool mu_kv_blocks_find(const mu_kv_blocks *kv, uint64_t parent_serial, const mu_token *tokens,
                       mu_kv_block_id *out_id, uint64_t *out_serial);

/* No content is known any more. */
void mu_kv_blocks_forget(mu_kv_blocks *kv);

/* Walk every invariant; asserts. O(n_blocks). */
void mu_kv_blocks_check(const mu_kv_blocks *kv);

#endif
