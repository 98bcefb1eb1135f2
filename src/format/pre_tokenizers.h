/* pre_tokenizers.h - how the byte-level vocabularies of GGUF files split text, by the name in
 * tokenizer.ggml.pre (github.com/ggml-org/llama.cpp src/llama-vocab.cpp). The patterns are those of
 * the models' own tokenizer.json; llama.cpp runs approximations of some of them.
 *
 * Threads: any, the table is constant.
 */
#ifndef MU_FORMAT_PRE_TOKENIZERS_H
#define MU_FORMAT_PRE_TOKENIZERS_H

#include "tensor/metadata.h"
#include "text/tokenizer.h"

enum { MU_PRE_PATTERNS_MAX = 6 };

typedef struct mu_pre_tokenizer {
    const char *names; /* with a blank between */
    const char *patterns[MU_PRE_PATTERNS_MAX];
    bool ignore_merges, add_bos, add_eos; /* unless the file says otherwise */
} mu_pre_tokenizer;

const mu_pre_tokenizer *mu_pre_tokenizer_find(mu_meta_string name); /* NULL: not known */

#endif
