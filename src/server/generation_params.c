#include "server/generation_params.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/alloc.h"

/* -1 is UINT32_MAX, so this is something else. */
enum { NOT_GIVEN = INT32_MAX };

#define AT(member) offsetof(mu_generation_params, member)
static const mu_param shared_rows[] = {
    {"model", MU_PARAM_TEXT, AT(model), 0, 0, "the server's", "id of a served model"},
    {"max_tokens", MU_PARAM_U32, AT(max_tokens), -1, 1 << 20, NULL,
     "output tokens at most; -1: what is left of the context"},
    {"max_completion_tokens", MU_PARAM_U32, AT(max_completion_tokens), -1, 1 << 20, NULL,
     "the same, by its newer name"},
    {"min_tokens", MU_PARAM_U32, AT(min_tokens), 0, 1 << 20, "0",
     "output tokens before eos or a stop may end it"},
    {"n", MU_PARAM_U32, AT(n), 1, MU_CHOICES_MAX, "1", "choices for each prompt"},
    {"stream", MU_PARAM_BOOL, AT(stream), 0, 0, "false", "server-sent events, token by token"},
    {"stream_options", MU_PARAM_JSON, AT(stream_options), 0, 0, NULL,
     "`include_usage`: a last chunk with usage; `continuous_usage_stats`: usage in all"},
    {"stop", MU_PARAM_JSON, AT(stop), 0, 0, NULL, "a text or up to 16; not part of the output"},
    {"stop_token_ids", MU_PARAM_JSON, AT(stop_token_ids), 0, 0, NULL,
     "up to 1024 token ids that end it"},
    {"temperature", MU_PARAM_F32, AT(temperature), 0, 100, "the model's, or 1",
     "randomness; 0 is greedy"},
    {"top_p", MU_PARAM_F32, AT(top_p), 0, 1, "1", "of the smallest set with this probability"},
    {"top_k", MU_PARAM_U32, AT(top_k), -1, 1 << 22, "0", "of the k most likely; 0, -1: no limit"},
    {"min_p", MU_PARAM_F32, AT(min_p), 0, 1, "0", "drop tokens below min_p times the best"},
    {"repetition_penalty", MU_PARAM_F32, AT(repetition_penalty), 0.01, 100, "1",
     "against tokens of prompt and output; 1: none"},
    {"repeat_penalty", MU_PARAM_F32, AT(repetition_penalty), 0.01, 100, "1",
     "the same, by another name"},
    {"frequency_penalty", MU_PARAM_F32, AT(frequency_penalty), -100, 100, "0",
     "per occurrence in the output"},
    {"presence_penalty", MU_PARAM_F32, AT(presence_penalty), -100, 100, "0",
     "once for tokens of the output"},
    {"logit_bias", MU_PARAM_JSON, AT(logit_bias), 0, 0, NULL,
     "object of token id to bias, -100 bans; up to 1024"},
    {"seed", MU_PARAM_U64, AT(seed), 0, 0, "drawn",
     "same seed, same output, whatever else the server does; choice i uses seed + i; -1: drawn"},
    {"response_format", MU_PARAM_JSON, AT(constraint.response_format), 0, 0, NULL,
     "`text`, `json_object` or `json_schema` with a `schema`; `strict`: properties in its order"},
    {"json_schema", MU_PARAM_JSON, AT(constraint.json_schema), 0, 0, NULL,
     "a JSON Schema that the output is valid under; one such field at most"},
    {"grammar", MU_PARAM_TEXT, AT(constraint.grammar), 0, 0, NULL, "a GBNF grammar of the output"},
    {"guided_json", MU_PARAM_JSON, AT(constraint.guided_json), 0, 0, NULL,
     "as `json_schema`; an object or its text"},
    {"guided_regex", MU_PARAM_TEXT, AT(constraint.guided_regex), 0, 0, NULL,
     "a regular expression that the whole output matches"},
    {"guided_choice", MU_PARAM_JSON, AT(constraint.guided_choice), 0, 0, NULL,
     "texts, one of which is the output"},
    {"guided_grammar", MU_PARAM_TEXT, AT(constraint.guided_grammar), 0, 0, NULL, "as `grammar`"},
    {"structured_outputs", MU_PARAM_JSON, AT(constraint.structured_outputs), 0, 0, NULL,
     "an object with one of `json`, `regex`, `choice`, `grammar`, `json_object`"},
    {"ignore_eos", MU_PARAM_BOOL, AT(ignore_eos), 0, 0, "false", "go on after end of text"},
    {"cache_prompt", MU_PARAM_BOOL, AT(cache_prompt), 0, 0, "true",
     "use and leave blocks in the prefix cache"},
    {"skip_special_tokens", MU_PARAM_IGNORED, 0, 0, 0, NULL, "special tokens are not shown"},
    {"user", MU_PARAM_IGNORED, 0, 0, 0, NULL, "accepted, not used"},
    {"logprobs", MU_PARAM_JSON, AT(logprobs), 0, 0, NULL,
     "completions: a number of alternatives, 0 to 20; chat: true or false"},
};

static const mu_param completion_rows[] = {
    {"prompt", MU_PARAM_JSON, AT(prompt), 0, 0, "required",
     "a text, token ids, or an array of either (up to 256)"},
    {"best_of", MU_PARAM_U32, AT(best_of), 1, MU_CHOICES_MAX, "n",
     "generate so many, give the n with the best mean logprob; not with `stream`"},
    {"echo", MU_PARAM_BOOL, AT(echo), 0, 0, "false",
     "put the prompt before the output; not with `logprobs`"},
    {"suffix", MU_PARAM_JSON, AT(suffix), 0, 0, NULL, "refused: the models cannot fill in"},
};

static const mu_param chat_rows[] = {
    {"messages", MU_PARAM_JSON, AT(messages), 0, 0, "required",
     "objects with `role` (system, developer, user, assistant, tool) and `content` (text, or parts "
     "of type text); `tool_calls` of the assistant"},
    {"tools", MU_PARAM_JSON, AT(tools), 0, 0, NULL,
     "functions that the model may call; where its chat template knows none, a system message "
     "describes them"},
    {"tool_choice", MU_PARAM_JSON, AT(tool_choice), 0, 0, "auto",
     "`none`, `auto`, `required`, `allowed_tools` or a function: `{\"type\": \"function\", "
     "\"function\": {\"name\": "
     "...}}`"},
    {"parallel_tool_calls", MU_PARAM_BOOL, AT(parallel_tool_calls), 0, 0, "true",
     "false: at most one call"},
    {"chat_template_kwargs", MU_PARAM_JSON, AT(chat_template_kwargs), 0, 0, NULL,
     "object of further variables of the chat template, such as `enable_thinking`"},
    {"reasoning_effort", MU_PARAM_TEXT, AT(reasoning_effort), 0, 0, NULL,
     "given to the chat template"},
    {"thinking_token_budget", MU_PARAM_U32, AT(thinking_token_budget), -1, 1 << 20, "-1",
     "tokens of reasoning at most, then it is ended; -1: no limit"},
    {"thinking_budget_tokens", MU_PARAM_U32, AT(thinking_budget_tokens), -1, 1 << 20, "-1",
     "the same, as llama-server has it"},
    {"add_generation_prompt", MU_PARAM_BOOL, AT(add_generation_prompt), 0, 0, "true",
     "end the prompt with the invitation to answer"},
    {"continue_final_message", MU_PARAM_BOOL, AT(continue_final_message), 0, 0, "false",
     "the last message is the beginning of the answer"},
    {"top_logprobs", MU_PARAM_U32, AT(top_logprobs), 0, MU_TOP_LOGPROBS_MAX, "0",
     "alternatives for each token; with `logprobs`"},
};

static const mu_param_table shared = {shared_rows, MU_COUNTOF(shared_rows), NULL};
static const mu_param_table completion_table = {completion_rows, MU_COUNTOF(completion_rows),
                                                &shared};
static const mu_param_table chat_table = {chat_rows, MU_COUNTOF(chat_rows), &shared};

typedef struct stream_options {
    bool include_usage, continuous_usage_stats;
} stream_options;

static const mu_param stream_rows[] = {
    {"include_usage", MU_PARAM_BOOL, offsetof(stream_options, include_usage), 0, 0, "false", ""},
    {"continuous_usage_stats", MU_PARAM_BOOL, offsetof(stream_options, continuous_usage_stats), 0,
     0, "false", ""},
};

static const mu_param_table stream_table = {stream_rows, MU_COUNTOF(stream_rows), NULL};

bool mu_tokens_read(const char *name, json_t *array, mu_token **out, uint32_t *out_n,
                    mu_api_error *error) {
    size_t n = json_array_size(array);
    if (!json_is_array(array) || n > 1 << 20) return mu_api_wrong(error, name, "must be token ids");
    mu_token *tokens = MU_ALLOC(mu_token, n);
    if (!tokens) return mu_api_fail(error, MU_API_OVERLOADED, NULL, "no memory for %zu tokens", n);
    for (size_t i = 0; i < n; i++) {
        json_t *id = json_array_get(array, i);
        json_int_t value = json_integer_value(id);
        if (!json_is_integer(id) || value < 0 || value > INT32_MAX) {
            mu_free(tokens);
            return mu_api_wrong(error, name, "token ids are whole numbers, not negative");
        }
        tokens[i] = (mu_token)value;
    }
    *out = tokens;
    *out_n = (uint32_t)n;
    return true;
}

static bool read_stops(mu_generation_params *p, mu_api_error *error) {
    if (!p->stop) return true;
    size_t n = json_is_array(p->stop) ? json_array_size(p->stop) : 1;
    if (n > MU_COUNTOF(p->stops)) return mu_api_wrong(error, "stop", "more than 16 texts");
    for (size_t i = 0; i < n; i++) {
        json_t *stop = json_is_array(p->stop) ? json_array_get(p->stop, i) : p->stop;
        if (!json_is_string(stop))
            return mu_api_wrong(error, "stop", "must be a text or an array of texts");
        const char *text = json_string_value(stop);
        if (text[0] == '\0' || strlen(text) != json_string_length(stop)) {
            return mu_api_wrong(error, "stop", "must not be empty nor hold a NUL");
        }
        p->stops[p->n_stops++] = text;
    }
    return true;
}

static bool read_biases(mu_generation_params *p, mu_api_error *error) {
    if (!p->logit_bias) return true;
    size_t n = json_object_size(p->logit_bias);
    if (!json_is_object(p->logit_bias))
        return mu_api_wrong(error, "logit_bias", "must be an object");
    if (n > MU_BIASES_MAX) return mu_api_wrong(error, "logit_bias", "more than 1024 tokens");
    p->biases = MU_ALLOC(mu_logit_bias, n);
    if (!p->biases) return mu_api_fail(error, MU_API_OVERLOADED, NULL, "no memory");
    const char *name;
    json_t *value;
    json_object_foreach(p->logit_bias, name, value) {
        char *end;
        errno = 0;
        long id = strtol(name, &end, 10);
        double bias = json_number_value(value);
        bool is_id = end != name && *end == '\0' && errno == 0 && id >= 0 && id <= INT32_MAX;
        if (!is_id || !json_is_number(value) || bias < -1000 || bias > 1000) {
            return mu_api_wrong(error, "logit_bias", "maps token ids to numbers in [-1000, 1000]");
        }
        p->biases[p->n_biases++] = (mu_logit_bias){(mu_token)id, (float)bias};
    }
    return true;
}

static bool read_logprobs(mu_generation_params *p, bool is_chat, mu_api_error *error) {
    p->n_logprobs = -1;
    if (is_chat) {
        if (p->logprobs && !json_is_boolean(p->logprobs)) {
            return mu_api_wrong(error, "logprobs", "must be true or false");
        }
        if (json_is_true(p->logprobs)) p->n_logprobs = (int32_t)p->top_logprobs;
        if (p->n_logprobs < 0 && p->top_logprobs > 0) {
            return mu_api_wrong(error, "top_logprobs", "needs \"logprobs\": true");
        }
        return true;
    }
    if (!p->logprobs || json_is_false(p->logprobs)) return true;
    json_int_t n = json_integer_value(p->logprobs);
    if (!json_is_integer(p->logprobs) || n < 0 || n > MU_TOP_LOGPROBS_MAX) {
        return mu_api_wrong(error, "logprobs", "must be a whole number in [0, 20]");
    }
    p->n_logprobs = (int32_t)n;
    return true;
}

static bool settle(mu_generation_params *p, bool is_chat, mu_api_error *error) {
    json_t *required = is_chat ? p->messages : p->prompt;
    if (!required) return mu_api_wrong(error, is_chat ? "messages" : "prompt", "is missing");
    if (p->suffix && json_string_length(p->suffix) > 0) {
        return mu_api_fail(error, MU_API_NOT_SUPPORTED, "suffix", "suffix: not supported");
    }
    if (p->max_tokens == NOT_GIVEN) p->max_tokens = p->max_completion_tokens;
    if (p->thinking_token_budget == UINT32_MAX)
        p->thinking_token_budget = p->thinking_budget_tokens;
    if (p->max_tokens == 0) {
        return mu_api_wrong(error, "max_tokens", "0 is not in [1, 1048576]; -1 is what is left");
    }
    if (p->max_tokens == NOT_GIVEN) p->max_tokens = 0;
    if (p->top_k == UINT32_MAX) p->top_k = 0;
    if (p->best_of == 0) p->best_of = p->n;
    if (p->best_of < p->n) return mu_api_wrong(error, "best_of", "is less than n");
    if (p->best_of > p->n && p->stream) return mu_api_wrong(error, "best_of", "not with stream");
    if (p->echo && p->n_logprobs >= 0) return mu_api_wrong(error, "echo", "not with logprobs");
    if (p->seed == UINT64_MAX) {
        if (getrandom(&p->seed, sizeof(p->seed), 0) != (ssize_t)sizeof(p->seed)) p->seed = 0;
        p->seed >>= 11; /* as much as JSON numbers hold */
    }
    return true;
}

bool mu_generation_params_read(json_t *body, bool is_chat, mu_generation_params *out,
                               mu_buf *unknown, mu_api_error *error) {
    *out = (mu_generation_params){
        .n = 1,
        .temperature = 1.0f,
        .top_p = 1.0f,
        .repetition_penalty = 1.0f,
        .seed = UINT64_MAX,
        .max_tokens = NOT_GIVEN,
        .max_completion_tokens = NOT_GIVEN,
        .thinking_token_budget = UINT32_MAX,
        .thinking_budget_tokens = UINT32_MAX,
        .cache_prompt = true,
        .add_generation_prompt = true,
        .parallel_tool_calls = true,
    };
    const mu_param_table *table = is_chat ? &chat_table : &completion_table;
    if (!mu_params_read(table, body, out, unknown, error)) return false;
    stream_options options = {0};
    if (out->stream_options &&
        !mu_params_read(&stream_table, out->stream_options, &options, unknown, error)) {
        return false;
    }
    out->include_usage = options.include_usage || options.continuous_usage_stats;
    out->continuous_usage_stats = options.continuous_usage_stats;
    if (!read_stops(out, error) || !read_biases(out, error)) return false;
    if (!read_logprobs(out, is_chat, error)) return false;
    if (json_array_size(out->stop_token_ids) > MU_STOP_TOKENS_MAX) {
        return mu_api_wrong(error, "stop_token_ids", "more than 1024 token ids");
    }
    if (out->stop_token_ids && !mu_tokens_read("stop_token_ids", out->stop_token_ids,
                                               &out->stop_tokens, &out->n_stop_tokens, error)) {
        return false;
    }
    return settle(out, is_chat, error);
}

void mu_generation_params_deinit(mu_generation_params *p) {
    mu_free(p->stop_tokens);
    mu_free(p->biases);
}

void mu_generation_params_document(bool is_chat, mu_buf *out) {
    mu_params_document(is_chat ? &chat_table : &completion_table, out);
}
