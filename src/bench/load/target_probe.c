/* The probe sends what the load will send, written by the same function, and believes what it sees
 * in the answers. All optional fields are tried at once; only a server that refuses that is asked
 * about each alone.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bench/load/answer.h"
#include "bench/load/target_state.h"
#include "format/json.h"

enum {
    PROBE_OUTPUT = 24, /* tokens; few models end by themselves that early */
    PROBE_PROMPT = 24, /* tokens, enough for a block of a prefix cache to be full */
    WORDS_FEW = 16,    /* of the two calibration prompts */
    WORDS_MANY = 80,
    CHECKS = 3,              /* requests of a verification */
    INDEX_LAST = 0x7fffffff, /* probe prompts count down from here, loads up from 0 */
};

typedef struct probe {
    mu_target *t;
    mu_reply reply;
    mu_answer answer;
    mu_buf body;
    uint32_t n_sent;
} probe;

static void probe_deinit(probe *p) {
    mu_buf_deinit(&p->reply.body);
    mu_buf_deinit(&p->body);
    mu_answer_deinit(&p->answer);
}

static mu_status fetch(probe *p, const char *path, const char *body, mu_err *err) {
    p->n_sent++;
    return mu_target_fetch(p->t, path, body, &p->reply, err);
}

static bool is_good(const probe *p) {
    return p->reply.status >= 200 && p->reply.status < 300;
}

/* The reply as a JSON object; NULL when it is none. */
static json_t *reply_json(const probe *p) {
    json_t *json = NULL;
    if (!is_good(p) || p->reply.body.n == 0 ||
        mu_json_parse(p->reply.body.data, p->reply.body.n, &json, NULL) != MU_OK) {
        return NULL;
    }
    if (json_is_object(json)) return json;
    json_decref(json);
    return NULL;
}

/* What the server says went wrong, one line. */
static const char *complaint(const probe *p, char out[MU_CHUNK_MESSAGE_MAX]) {
    mu_chunk chunk = {0};
    uint64_t hash = MU_TEXT_HASH_EMPTY;
    if (p->reply.body.n > 0) mu_chunk_parse(p->reply.body.data, p->reply.body.n, &chunk, &hash);
    snprintf(out, MU_CHUNK_MESSAGE_MAX, "%s", chunk.message);
    return out;
}

static mu_status refuse(const probe *p, mu_status status, const char *what, mu_err *err) {
    char text[MU_CHUNK_MESSAGE_MAX];
    complaint(p, text);
    if (p->reply.status == 401 || p->reply.status == 403) status = MU_ERR_INVALID;
    return mu_fail(err, status, "%.80s: %s: HTTP %u%s%.80s", p->t->info.url, what, p->reply.status,
                   text[0] ? ": " : "", text);
}

static const struct {
    const char *owned_by;
    mu_target_engine engine;
    const char *version_path, *version_key;
} engines[] = {
    {"muai", MU_TARGET_MUAI, "/version", "version"},
    {"vllm", MU_TARGET_VLLM, "/version", "version"},
    {"llamacpp", MU_TARGET_LLAMA_SERVER, "/props", "build_info"},
    {"library", MU_TARGET_OLLAMA, "/api/version", "version"},
    {"sglang", MU_TARGET_SGLANG, "/get_server_info", "version"},
    {NULL, MU_TARGET_TGI, "/info", "docker_label"}, /* not told by owned_by */
    {NULL, MU_TARGET_OLLAMA, "/api/version", "version"},
};

static uint32_t count_of(const json_t *object, const char *key) {
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n > 0 && n < MU_TOKENS_UNKNOWN ? (uint32_t)n : 0;
}

/* The entry of /v1/models that is our model, or the first. */
static const json_t *find_model(const json_t *list, const char *id) {
    const json_t *data = json_object_get(list, "data");
    for (size_t i = 0; id[0] && i < json_array_size(data); i++) {
        const json_t *entry = json_array_get(data, i);
        const char *name = json_string_value(json_object_get(entry, "id"));
        if (name && strcmp(name, id) == 0) return entry;
    }
    return json_array_get(data, 0);
}

static mu_status read_models(probe *p, char owner[64], mu_err *err) {
    mu_target *t = p->t;
    mu_status status = fetch(p, "/v1/models", NULL, err);
    if (status != MU_OK) return status;
    if (p->reply.status == 401 || p->reply.status == 403) {
        return refuse(p, MU_ERR_INVALID, "the API key is refused", err);
    }
    json_t *json = reply_json(p);
    const json_t *entry = find_model(json, t->info.model);
    const char *id = json_string_value(json_object_get(entry, "id"));
    const char *owned_by = json_string_value(json_object_get(entry, "owned_by"));
    const json_t *meta = json_object_get(entry, "meta");
    snprintf(owner, 64, "%s", owned_by ? owned_by : "");
    t->info.n_ctx = count_of(entry, "max_model_len");
    if (t->info.n_ctx == 0) t->info.n_ctx = count_of(meta, "n_ctx_train");
    if (t->vocab_size == 0) t->vocab_size = count_of(meta, "n_vocab");
    if (t->info.model[0] == '\0') {
        status = id ? mu_target_set_model(t, id, err)
                    : mu_fail(err, MU_ERR_NOT_FOUND,
                              "%.80s: /v1/models names no model; say which with --target-model",
                              t->info.url);
    }
    json_decref(json);
    return status;
}

static void read_version(probe *p, const char *owner) {
    mu_target_info *info = &p->t->info;
    for (size_t i = 0; i < MU_COUNTOF(engines) && info->engine == MU_TARGET_UNKNOWN; i++) {
        bool is_named = engines[i].owned_by != NULL;
        if (is_named && strcmp(engines[i].owned_by, owner) != 0) continue;
        if (is_named) info->engine = engines[i].engine;
        if (fetch(p, engines[i].version_path, NULL, NULL) != MU_OK) continue;
        json_t *json = reply_json(p);
        const char *version = json_string_value(json_object_get(json, engines[i].version_key));
        if (version) {
            info->engine = engines[i].engine;
            snprintf(info->version, sizeof(info->version), "%s", version);
        }
        json_decref(json);
    }
    const char *name = mu_target_engine_name(info->engine);
    snprintf(info->name, sizeof(info->name), "%s%s%s", name, info->version[0] ? " " : "",
             info->version);
}

/* Send one request as the load would; p->answer is read, whatever the status. */
static mu_status ask(probe *p, const mu_prompts *prompts, uint32_t n_prompt, uint32_t n_output,
                     bool stream, mu_err *err) {
    mu_scheduled request = {
        .index = INDEX_LAST - p->n_sent, .prompt_tokens = n_prompt, .output_tokens = n_output};
    mu_buf_clear(&p->body);
    mu_target_write_body(p->t, prompts, &request, stream, false, &p->body);
    mu_answer_options options = {.wants_stream = stream};
    if (p->body.failed || !mu_answer_begin(&p->answer, &options, &request, 0)) {
        return mu_fail(err, MU_ERR_NOMEM, "probe");
    }
    mu_status status = fetch(p, p->t->endpoint + strlen(p->t->info.url), p->body.data, err);
    if (status != MU_OK) return status;
    mu_answer_head(&p->answer, p->reply.status, p->reply.is_event_stream);
    if (p->reply.body.n > 0) {
        mu_answer_feed(&p->answer, p->reply.body.data, p->reply.body.n, 1, 1);
    }
    mu_answer_end(&p->answer, MU_FAILURE_NONE, "", 1);
    return p->answer.out_of_memory ? mu_fail(err, MU_ERR_NOMEM, "probe") : MU_OK;
}

/* Which of the two endpoints answer; completions is preferred, because it takes token ids. */
static mu_status find_endpoint(probe *p, mu_err *err) {
    mu_target *t = p->t;
    mu_prompts prompts = {.kind = MU_PROMPT_TEXT, .word_tokens = 1};
    bool *found[] = {&t->info.can.completions, &t->info.can.chat};
    for (int is_chat = t->use_chat; is_chat < 2; is_chat++) {
        mu_target_set_endpoint(t, is_chat);
        mu_status status = ask(p, &prompts, 4, 1, false, err);
        if (status != MU_OK) return status;
        *found[is_chat] = is_good(p);
        if (is_good(p)) return MU_OK;
        if (p->reply.status == 401 || p->reply.status == 403) break;
    }
    return refuse(p, MU_ERR_NOT_FOUND, "no completion", err);
}

/* The largest range of ids that the server takes; a prompt of ids must count as many tokens as it
 * has. */
static mu_status find_token_prompts(probe *p, mu_err *err) {
    static const uint32_t sizes[] = {32000, 8000, 2000, 500, 128};
    mu_target *t = p->t;
    if (t->info.chat || t->use_text) return MU_OK;
    for (size_t i = 0; i < MU_COUNTOF(sizes); i++) {
        uint32_t vocab_size = t->vocab_size > 0 ? t->vocab_size : sizes[i];
        mu_prompts prompts = {
            .kind = MU_PROMPT_TOKENS, .vocab_size = vocab_size, .seed = 1, .word_tokens = 1};
        mu_status status = ask(p, &prompts, PROBE_PROMPT, 1, false, err);
        if (status != MU_OK) return status;
        uint32_t counted = p->answer.record.prompt_tokens;
        if (is_good(p) && counted == PROBE_PROMPT) {
            t->info.can.token_prompts = true;
            t->info.prompt_kind = MU_PROMPT_TOKENS;
            t->info.vocab_size = vocab_size;
            return MU_OK;
        }
        if (is_good(p) || t->vocab_size > 0) return MU_OK; /* taken, but as something else */
    }
    return MU_OK;
}

/* Tokens of a prompt of so many words; NAN when the server does not count. */
static mu_status count_words(probe *p, uint32_t n_words, double *out, mu_err *err) {
    mu_prompts prompts = mu_target_prompts(p->t, 2, 0);
    prompts.base_tokens = 0;
    prompts.word_tokens = 1;
    mu_status status = ask(p, &prompts, n_words, 1, false, err);
    if (status != MU_OK) return status;
    if (!is_good(p)) return refuse(p, MU_ERR_UNSUPPORTED, "a prompt of text", err);
    uint32_t n = p->answer.record.prompt_tokens;
    *out = n == MU_TOKENS_UNKNOWN ? (double)NAN : n;
    return MU_OK;
}

static mu_status calibrate_words(probe *p, mu_err *err) {
    mu_target_info *info = &p->t->info;
    if (info->prompt_kind == MU_PROMPT_TOKENS) return MU_OK;
    double few = NAN, many = NAN;
    mu_status status = count_words(p, WORDS_FEW, &few, err);
    if (status == MU_OK) status = count_words(p, WORDS_MANY, &many, err);
    if (status != MU_OK || !(many > few)) return status; /* not counted: one token a word */
    info->word_tokens = (many - few) / (WORDS_MANY - WORDS_FEW);
    info->base_tokens = few - WORDS_FEW * info->word_tokens;
    return MU_OK;
}

static mu_status ask_stream(probe *p, uint32_t sends, mu_err *err) {
    p->t->sends = sends;
    mu_prompts prompts = mu_target_prompts(p->t, 3, 0);
    return ask(p, &prompts, PROBE_PROMPT, PROBE_OUTPUT, true, err);
}

/* The largest set of optional fields that is not refused; p->answer is the answer to it. */
static mu_status find_fields(probe *p, mu_err *err) {
    mu_status status = ask_stream(p, MU_SEND_ALL, err);
    if (status != MU_OK || is_good(p)) return status;
    uint32_t sends = 0;
    status = ask_stream(p, sends, err);
    if (status != MU_OK || !is_good(p)) return status;
    for (uint32_t field = 1; field & MU_SEND_ALL; field <<= 1) {
        if (field == MU_SEND_CONTINUOUS && !(sends & MU_SEND_USAGE)) continue;
        status = ask_stream(p, sends | field, err);
        if (status != MU_OK) return status;
        if (is_good(p)) sends |= field;
    }
    return ask_stream(p, sends, err);
}

static bool is_taken(const probe *p, uint32_t field, const char *name) {
    return (p->t->sends & field) && !strstr(p->reply.unknown_fields, name);
}

/* Of several ways to count the tokens of a chunk one is kept: the shortest on the wire. */
static uint32_t choose_fields(const mu_target_info *info, uint32_t sends) {
    const mu_capabilities *can = &info->can;
    uint32_t keep = MU_SEND_IGNORE_EOS | MU_SEND_MIN_TOKENS | MU_SEND_USAGE;
    if (can->cache_control) keep |= MU_SEND_CACHE;
    if (can->continuous_usage) {
        keep |= MU_SEND_CONTINUOUS;
    } else if (can->token_ids) {
        keep |= MU_SEND_TOKEN_IDS;
    } else if (can->timings) {
        keep |= MU_SEND_TIMINGS;
    }
    return sends & keep;
}

static mu_status read_stream(probe *p, mu_err *err) {
    mu_target *t = p->t;
    mu_capabilities *can = &t->info.can;
    mu_status status = find_fields(p, err);
    if (status != MU_OK) return status;
    const mu_answer *a = &p->answer;
    const mu_record *r = &a->record;
    can->stream = is_good(p) && r->is_stream && r->n_chunks > 0;
    if (!can->stream) {
        t->sends = 0;
        return MU_OK;
    }
    can->done = a->is_done;
    can->usage = a->n_usage > 0;
    can->continuous_usage = a->n_usage > 2;
    can->token_ids = a->chunk_source == MU_TOKEN_SOURCE_IDS && a->n_uncounted == 0;
    can->timings = a->n_timings > 2;
    can->ignore_eos = is_taken(p, MU_SEND_IGNORE_EOS, "ignore_eos");
    can->min_tokens = is_taken(p, MU_SEND_MIN_TOKENS, "min_tokens");
    can->exact_output = r->output_tokens == PROBE_OUTPUT;
    can->cached_tokens = r->cached_tokens != MU_TOKENS_UNKNOWN;
    bool knows_field = t->info.engine == MU_TARGET_MUAI || t->info.engine == MU_TARGET_LLAMA_SERVER;
    can->cache_control = knows_field && is_taken(p, MU_SEND_CACHE, "cache_prompt");
    t->sends = choose_fields(&t->info, t->sends);
    t->info.token_source = can->continuous_usage ? MU_TOKEN_SOURCE_USAGE_CHUNK
                           : can->token_ids      ? MU_TOKEN_SOURCE_IDS
                           : can->timings        ? MU_TOKEN_SOURCE_TIMINGS
                                                 : (mu_token_source)r->token_source;
    return MU_OK;
}

static mu_status read_extras(probe *p, mu_err *err) {
    mu_capabilities *can = &p->t->info.can;
    mu_buf_clear(&p->body);
    mu_buf_append_str(&p->body, "{\"content\":\"the of\",\"prompt\":\"the of\"");
    if (p->t->model_json) {
        mu_buf_append_str(&p->body, ",\"model\":");
        mu_buf_append_str(&p->body, p->t->model_json);
    }
    mu_buf_append_str(&p->body, "}");
    if (p->body.failed) return mu_fail(err, MU_ERR_NOMEM, "probe");
    mu_status status = fetch(p, "/tokenize", p->body.data, err);
    if (status != MU_OK) return status;
    json_t *json = reply_json(p);
    can->tokenize = json_is_array(json_object_get(json, "tokens"));
    json_decref(json);
    status = fetch(p, "/metrics", NULL, err);
    can->metrics = is_good(p);
    return status;
}

mu_status mu_target_probe(mu_target *target, mu_err *err) {
    probe p = {.t = target};
    char owner[64] = "";
    target->sends = 0;
    mu_status status = read_models(&p, owner, err);
    if (status == MU_OK) {
        read_version(&p, owner);
        status = find_endpoint(&p, err);
    }
    if (status == MU_OK) status = find_token_prompts(&p, err);
    if (status == MU_OK) status = calibrate_words(&p, err);
    if (status == MU_OK) status = read_stream(&p, err);
    if (status == MU_OK) status = read_extras(&p, err);
    target->info.n_requests = p.n_sent;
    probe_deinit(&p);
    return status;
}

typedef struct sums {
    uint32_t n_prompt, n_output; /* answers that count them */
    double prompt, output, cached;
} sums;

static void add_answer(sums *s, const mu_record *r, const mu_shape *shape, mu_target_check *out) {
    out->n++;
    if (r->prompt_tokens != MU_TOKENS_UNKNOWN) {
        double error = fabs((double)r->prompt_tokens - shape->prompt_tokens) / shape->prompt_tokens;
        if (s->n_prompt++ == 0 || error > out->prompt_error) out->prompt_error = error;
        s->prompt += r->prompt_tokens;
        if (r->cached_tokens != MU_TOKENS_UNKNOWN) s->cached += r->cached_tokens;
    }
    if (r->output_tokens != MU_TOKENS_UNKNOWN) {
        s->n_output++;
        s->output += r->output_tokens;
        out->n_output_wrong += r->output_tokens != shape->output_tokens;
    }
}

mu_status mu_target_verify(const mu_target *target, const mu_prompts *prompts,
                           const mu_shape *shape, mu_target_check *out, mu_err *err) {
    mu_target copy = *target; /* ask() takes one that it may change, but does not change it */
    probe p = {.t = &copy};
    sums s = {0};
    mu_status status = MU_OK;
    *out = (mu_target_check){.prompt_error = NAN};
    for (int i = 0; i < CHECKS && status == MU_OK; i++) {
        status = ask(&p, prompts, shape->prompt_tokens, shape->output_tokens,
                     target->info.can.stream, err);
        if (status == MU_OK && !is_good(&p)) {
            status = refuse(&p, MU_ERR_INVALID, shape->name, err);
        } else if (status == MU_OK && p.answer.record.failure == MU_FAILURE_STREAM_ERROR) {
            status = mu_fail(err, MU_ERR_IO, "%.80s: %s", target->info.url, p.answer.message);
        }
        if (status == MU_OK) add_answer(&s, &p.answer.record, shape, out);
    }
    out->prompt_tokens_mean = s.n_prompt > 0 ? s.prompt / s.n_prompt : (double)NAN;
    out->output_tokens_mean = s.n_output > 0 ? s.output / s.n_output : (double)NAN;
    out->cached_share =
        target->info.can.cached_tokens && s.prompt > 0 ? s.cached / s.prompt : (double)NAN;
    probe_deinit(&p);
    double tokens_off = out->prompt_error * shape->prompt_tokens;
    if (status != MU_OK || !(out->prompt_error > 0.01 && tokens_off > 1.5)) return status;
    return mu_fail(err, MU_ERR_LIMIT,
                   "%.80s: prompts of %u tokens are counted as %.1f; measure with --model and "
                   "text the server counts right",
                   target->info.url, shape->prompt_tokens, out->prompt_tokens_mean);
}
