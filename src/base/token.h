/* token.h - the number that stands for a piece of text. Text turns into tokens in text/, and
 * nothing between there and the embedding table looks inside one. */
#ifndef MU_BASE_TOKEN_H
#define MU_BASE_TOKEN_H

#include <stdint.h>

typedef int32_t mu_token; /* 0 <= token < vocab_size; MU_TOKEN_NONE where there is none */

enum { MU_TOKEN_NONE = -1 };

#endif
