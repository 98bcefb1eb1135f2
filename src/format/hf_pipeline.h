/* hf_pipeline.h - the stages of a tokenizer.json around its model: normalizer, pre_tokenizer,
 * post_processor, decoder. Private to format/.
 *
 * Each is an object with a "type", or a Sequence of such. A type, or a value of a field, that is
 * not known is MU_ERR_UNSUPPORTED and named: a tokenizer that is almost right is worse than none.
 *
 * Memory: the builder borrows texts of the JSON until its finish().
 */
#ifndef MU_FORMAT_HF_PIPELINE_H
#define MU_FORMAT_HF_PIPELINE_H

#include <jansson.h>

#include "format/tokenizer_builder.h"

bool mu_hf_is_type(const json_t *json, const char *type);
bool mu_hf_flag(const json_t *json, const char *key, bool absent);

/* Whether some step of the pre_tokenizer is ByteLevel: then tokens are in GPT-2's alphabet. */
bool mu_hf_is_byte_level(const json_t *pre_tokenizer);

mu_status mu_hf_normalizer_read(const json_t *json, mu_tokenizer_builder *b,
                                mu_err *err) MU_MUST_USE;
mu_status mu_hf_pre_tokenizer_read(const json_t *json, mu_tokenizer_builder *b,
                                   mu_err *err) MU_MUST_USE;
/* After the tokens: it names some of them. */
mu_status mu_hf_post_processor_read(const json_t *json, mu_tokenizer_builder *b,
                                    mu_err *err) MU_MUST_USE;
/* After the tokens: it says what each adds to decoded text. */
mu_status mu_hf_decoder_read(const json_t *json, mu_tokenizer_builder *b, mu_err *err) MU_MUST_USE;

#endif
