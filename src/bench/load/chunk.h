/* chunk.h - what one JSON object of a completion says: generated text or not, tokens, usage, error.
 *
 * Reads objects of /v1/completions and /v1/chat/completions, streamed (choices[0].text,
 * choices[0].delta) or whole (choices[0].message), of vLLM, llama-server, Ollama, TGI, SGLang and
 * muai. Fields that are not known are skipped but checked: the whole object must be JSON in UTF-8.
 *
 * A scanner, not a tree: nothing is allocated, because it runs for every token of every stream.
 * Depth is limited as in format/json.h.
 *
 * Threads: pure.
 */
#ifndef MU_BENCH_LOAD_CHUNK_H
#define MU_BENCH_LOAD_CHUNK_H

#include "base/status.h"

/* Where generated text was; a chunk whose set is empty carries none (role only, empty delta, usage
 * only). */
enum {
    MU_CHANNEL_TEXT = 1,      /* choices[].text */
    MU_CHANNEL_CONTENT = 2,   /* delta.content, message.content */
    MU_CHANNEL_REASONING = 4, /* reasoning_content, reasoning */
    MU_CHANNEL_TOOL = 8,      /* tool_calls with a name or arguments; function_call */
    MU_CHANNEL_REFUSAL = 16,
};

enum { MU_CHUNK_VISIBLE = MU_CHANNEL_TEXT | MU_CHANNEL_CONTENT | MU_CHANNEL_REFUSAL };
enum { MU_CHUNK_MESSAGE_MAX = 160 };

typedef enum mu_chunk_verdict {
    MU_CHUNK_OK,
    MU_CHUNK_INVALID_JSON,
    MU_CHUNK_INVALID_UTF8,
} mu_chunk_verdict;

typedef enum mu_chunk_finish {
    MU_CHUNK_FINISH_NONE,
    MU_CHUNK_FINISH_STOP,
    MU_CHUNK_FINISH_LENGTH,
    MU_CHUNK_FINISH_OTHER,
} mu_chunk_finish;

/* Counts are -1 where the object does not say. */
typedef struct mu_chunk {
    uint32_t channels;  /* set of MU_CHANNEL_* with at least one byte */
    uint32_t n_choices; /* elements of choices; 0 in a usage-only chunk */
    mu_chunk_finish finish;
    int64_t n_token_ids;       /* choices[].token_ids or .tokens; tokens of this chunk alone */
    int64_t completion_tokens; /* usage.completion_tokens: of the answer so far */
    int64_t predicted_n;       /* timings.predicted_n of llama-server: of the answer so far */
    int64_t prompt_tokens;     /* usage.prompt_tokens */
    int64_t cached_tokens;     /* usage.prompt_tokens_details.cached_tokens, timings.cache_n */
    bool is_error;             /* a truthy "error" field, or "object": "error" */
    char message[MU_CHUNK_MESSAGE_MAX]; /* of the error; one line */
} mu_chunk;

/* FNV-1a of generated text so far; begin with MU_TEXT_HASH_EMPTY. It does not depend on how the
 * text was cut into chunks. */
#define MU_TEXT_HASH_EMPTY 0xcbf29ce484222325u

/* *text_hash is continued over the text of the first choice, all channels in order. *out is set
 * whatever the verdict (zero counts as far as it was read); *text_hash on MU_CHUNK_OK only. */
mu_chunk_verdict mu_chunk_parse(const char *json, size_t n, mu_chunk *out, uint64_t *text_hash);

#endif
