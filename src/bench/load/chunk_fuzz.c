/* Any bytes as a chunk: a verdict, counts in range, a message that is a line of UTF-8; what jansson
 * takes as an object is taken too (unless it repeats keys), and what it refuses is refused.
 */
#include "bench/load/chunk.h"

#include <string.h>

#include "format/json.h"
#include "text/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mu_chunk chunk;
    uint64_t hash = MU_TEXT_HASH_EMPTY;
    mu_chunk_verdict verdict = mu_chunk_parse((const char *)data, size, &chunk, &hash);
    size_t n = strnlen(chunk.message, sizeof(chunk.message));
    MU_ASSERT(n < sizeof(chunk.message));
    MU_ASSERT(chunk.completion_tokens >= -1 && chunk.prompt_tokens >= -1);
    MU_ASSERT(chunk.cached_tokens >= -1 && chunk.predicted_n >= -1 && chunk.n_token_ids >= -1);
    if (verdict != MU_CHUNK_OK) {
        MU_ASSERT(hash == MU_TEXT_HASH_EMPTY);
    } else {
        MU_ASSERT(mu_utf8_valid(chunk.message, n) == n);
        MU_ASSERT((hash == MU_TEXT_HASH_EMPTY) || chunk.channels != 0);
    }
    if (memchr(data, '\0', size)) return 0; /* which jansson passes over */
    json_t *json = NULL;
    mu_status status = mu_json_parse((const char *)data, size, &json, NULL);
    if (status == MU_OK && json_is_object(json)) MU_ASSERT(verdict == MU_CHUNK_OK);
    json_decref(json);
    return 0;
}
