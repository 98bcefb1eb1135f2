/* hf_files.h - the files beside a tokenizer that say more about its tokens: tokenizer_config.json,
 * special_tokens_map.json, added_tokens.json, and config.json and generation_config.json for the
 * tokens that end a text. Any may be absent. Private to format/.
 *
 * Memory: owned until close(); the builder borrows their texts until its finish().
 */
#ifndef MU_FORMAT_HF_FILES_H
#define MU_FORMAT_HF_FILES_H

#include <jansson.h>

#include "format/tokenizer_builder.h"

typedef enum mu_hf_file {
    MU_HF_TOKENIZER_CONFIG,
    MU_HF_SPECIAL_TOKENS,
    MU_HF_ADDED_TOKENS,
    MU_HF_CONFIG,
    MU_HF_GENERATION,
    MU_N_HF_FILES
} mu_hf_file;

typedef struct mu_hf_files {
    json_t *roots[MU_N_HF_FILES]; /* owned objects; NULL: no such file */
} mu_hf_files;

/* MU_ERR_FORMAT: a file is not a JSON object. */
mu_status mu_hf_files_open(const char *folder, mu_hf_files *out, mu_err *err) MU_MUST_USE;
void mu_hf_files_close(mu_hf_files *files); /* a zeroed one is allowed */

/* What the files add to a vocabulary of *n_ids: ids, and bytes of their texts. */
void mu_hf_files_measure(const mu_hf_files *files, uint64_t *n_ids, size_t *n_bytes);

/* Added tokens that the vocabulary does not have as such yet. */
mu_status mu_hf_files_add_tokens(const mu_hf_files *files, mu_tokenizer_builder *b,
                                 mu_err *err) MU_MUST_USE;
/* bos, eos, whether they surround a text, and the tokens that end one. */
mu_status mu_hf_files_settle(const mu_hf_files *files, mu_tokenizer_builder *b,
                             mu_err *err) MU_MUST_USE;

/* One added token: {"content", "special", "lstrip", ...}. */
mu_status mu_hf_added_token_read(const json_t *added, uint64_t id, mu_tokenizer_builder *b,
                                 mu_err *err) MU_MUST_USE;

#endif
