/* hf_tokenizer.h - open a tokenizer from Hugging Face files or from GGUF metadata.
 *
 * tokenizer.json: model BPE, byte-level; pre_tokenizer ByteLevel (GPT-2's pattern) or a Sequence of
 * Split by regex and ByteLevel; added_tokens. Older folders: vocab.json + merges.txt, GPT-2's
 * pattern with <|endoftext|> as bos and eos. GGUF: tokenizer.ggml.model
 * "gpt2" with tokens, token_type, merges, and tokenizer.ggml.pre naming the pattern. Anything else
 * is MU_ERR_UNSUPPORTED and says which field.
 */
#ifndef MU_FORMAT_HF_TOKENIZER_H
#define MU_FORMAT_HF_TOKENIZER_H

#include "base/status.h"
#include "tensor/metadata.h"
#include "text/tokenizer.h"

/* folder: looks for tokenizer.json, then vocab.json + merges.txt. MU_ERR_NOT_FOUND when neither. */
mu_status mu_hf_tokenizer_open(const char *folder, mu_tokenizer **out, mu_err *err) MU_MUST_USE;

/* MU_ERR_NOT_FOUND when the metadata hold no tokenizer. */
mu_status mu_gguf_tokenizer_open(const mu_metadata *metadata, mu_tokenizer **out,
                                 mu_err *err) MU_MUST_USE;

/* On plain bytes, for tests and fuzzers. */
mu_status mu_hf_tokenizer_parse(const char *json, size_t n, mu_tokenizer **out,
                                mu_err *err) MU_MUST_USE;
mu_status mu_hf_vocab_merges_parse(const char *vocab, size_t n_vocab, const char *merges,
                                   size_t n_merges, mu_tokenizer **out, mu_err *err) MU_MUST_USE;

#endif
