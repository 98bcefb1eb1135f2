/* target.h - a server under test: where it is, what it can do, how it must be asked.
 *
 *     open    reads the URL
 *     probe   asks it a dozen small requests and chooses the methods
 *     verify  three requests of the length to be measured: is the prompt as long as it should be?
 *     body    writes the JSON of a scheduled request
 *
 * The probe asks for every ability and looks at the answer; an error or a silence means no. It does
 * not trust names: the engine is told from what the server says of itself and only used where an
 * ability cannot be seen.
 *
 * Threads: open and probe block and belong to one thread; after that a target is immutable and any
 * thread may write bodies. Memory: owned until close.
 */
#ifndef MU_BENCH_LOAD_TARGET_H
#define MU_BENCH_LOAD_TARGET_H

#include "base/buf.h"
#include "base/status.h"
#include "bench/load/prompt.h"
#include "bench/load/record.h"
#include "bench/load/schedule.h"

typedef enum mu_target_engine {
    MU_TARGET_UNKNOWN,
    MU_TARGET_MUAI,
    MU_TARGET_VLLM,
    MU_TARGET_LLAMA_SERVER,
    MU_TARGET_OLLAMA,
    MU_TARGET_TGI,
    MU_TARGET_SGLANG,
} mu_target_engine;

const char *mu_target_engine_name(mu_target_engine engine);

typedef struct mu_target_options {
    const char *url;     /* "http://host:port", a path before /v1 is kept; /v1 itself may be */
    const char *api_key; /* NULL: none; never written to documents */
    const char *model;   /* NULL: the first of /v1/models */
    uint32_t vocab_size; /* 0: found by the probe */
    bool use_chat;       /* /v1/chat/completions although /v1/completions works */
    bool use_text;       /* text although token ids work */
    bool is_insecure;    /* take any certificate */
    const char *ca_file; /* certificates to trust, PEM; NULL: the system's; copied */
    double timeout_s;    /* of one probe request; 0: 60 */
    const char *text;    /* prompts from this text (borrowed for the life of the target) */
    size_t n_text;
} mu_target_options;

/* What the probe saw. */
typedef struct mu_capabilities {
    bool stream;
    bool usage;            /* in a stream, by stream_options.include_usage */
    bool continuous_usage; /* in each chunk, by continuous_usage_stats */
    bool token_ids;        /* ids in each chunk, by return_token_ids */
    bool timings;          /* timings.predicted_n in each chunk, by timings_per_token */
    bool token_prompts;
    bool ignore_eos; /* taken without an error */
    bool min_tokens;
    bool exact_output;      /* asked for 24 tokens, got 24 */
    bool cached_tokens;     /* usage says how many were cached */
    bool cache_control;     /* cache_prompt: false is taken */
    bool tokenize;          /* POST /tokenize */
    bool metrics;           /* GET /metrics */
    bool done;              /* streams end with [DONE] */
    bool completions, chat; /* which of the two exist */
} mu_capabilities;

typedef struct mu_target mu_target;

typedef struct mu_target_info {
    char url[512]; /* without credentials, without /v1 */
    char model[256];
    mu_target_engine engine;
    char version[64]; /* "" when it does not say */
    char name[96];    /* "muai 0.1.0", "vllm", "unknown" */
    mu_capabilities can;
    bool chat; /* the endpoint that will be used */
    mu_prompt_kind prompt_kind;
    uint32_t vocab_size;             /* ids of prompts are below this; 0 with text */
    uint32_t n_ctx;                  /* tokens; 0: it does not say */
    double base_tokens, word_tokens; /* text prompts, see prompt.h */
    mu_token_source token_source;    /* what to expect of streams */
    uint32_t n_requests;             /* that the probe took */
} mu_target_info;

/* A copy of a URL, or of a word of a command line, in which "user:password@" and what stands behind
 * "?" or "#" are "***". out: [MU_URL_TEXT_MAX], cut off. */
enum { MU_URL_TEXT_MAX = 512 };
void mu_url_without_secrets(const char *url, char out[MU_URL_TEXT_MAX]);

/* Errors: MU_ERR_INVALID (URL), MU_ERR_NOMEM. Sends nothing. */
mu_status mu_target_open(const mu_target_options *options, mu_target **out,
                         mu_err *err) MU_MUST_USE;
void mu_target_close(mu_target *target); /* NULL is allowed */

/* Errors: MU_ERR_IO (not reachable), MU_ERR_NOT_FOUND (no model, no completions), MU_ERR_INVALID
 * (the key is refused), MU_ERR_UNSUPPORTED (no prompt of any kind works), MU_ERR_TIMEOUT. */
mu_status mu_target_probe(mu_target *target, mu_err *err) MU_MUST_USE;
const mu_target_info *mu_target_info_of(const mu_target *target);

/* The prompts of one cell: kind, vocabulary and calibration as the probe found them. */
mu_prompts mu_target_prompts(const mu_target *target, uint64_t seed, uint64_t cell);

typedef struct mu_target_check {
    uint32_t n;                /* answers looked at, 3 */
    double prompt_tokens_mean; /* as the server counts; NAN when it does not say */
    double prompt_error;       /* largest |counted - wanted| / wanted; NAN */
    double output_tokens_mean; /* NAN when nobody says */
    uint32_t n_output_wrong;
    double cached_share; /* of prompt tokens; NAN */
} mu_target_check;

/* Three requests of this shape. Errors: MU_ERR_LIMIT when prompts are more than 1 % (and more than
 * one token) off, *out is set then too; MU_ERR_IO, MU_ERR_INVALID as the server answers. */
mu_status mu_target_verify(const mu_target *target, const mu_prompts *prompts,
                           const mu_shape *shape, mu_target_check *out, mu_err *err) MU_MUST_USE;

/* Append the body of a request: model, prompt or messages, temperature 0, max_tokens and what the
 * server can of min_tokens, ignore_eos, cache_prompt, stream, stream_options. */
void mu_target_write_body(const mu_target *target, const mu_prompts *prompts,
                          const mu_scheduled *request, bool stream, bool keep_cache, mu_buf *out);

/* One GET beside the load, for /metrics and the like: *out gets the body (at most 8 MiB).
 * Errors: MU_ERR_IO, MU_ERR_TIMEOUT, MU_ERR_NOT_FOUND (404). */
mu_status mu_target_get(const mu_target *target, const char *path, mu_buf *out,
                        mu_err *err) MU_MUST_USE;

#endif
