/* mock_request.h - what the body of a generation request asks the truth server for. Pure.
 *
 * Prompt tokens are counted, not made: a token id is one, and a word between blanks is one.
 */
#ifndef MU_BENCH_MOCK_MOCK_REQUEST_H
#define MU_BENCH_MOCK_MOCK_REQUEST_H

#include "bench/mock/mock_plan.h"

enum { MU_MOCK_TOKENS_MAX = 1 << 20, MU_MOCK_MODEL_BYTES = 128 };

/* body [n] is changed (half surrogates). out_model is "mock" when the body names none.
 * MU_ERR_FORMAT: not JSON; MU_ERR_INVALID names the field. */
mu_status mu_mock_wish_parse(char *body, size_t n, bool is_chat, mu_mock_wish *out,
                             char out_model[MU_MOCK_MODEL_BYTES], mu_err *err) MU_MUST_USE;

#endif
