/* One prompt or a loop of prompts, streamed. The engine is stepped here, on the main thread. */
#include <errno.h>
#include <histedit.h>
#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "chat/call_grammar.h"
#include "cmd/cmd.h"
#include "cmd/common.h"
#include "cmd/dialogue.h"
#include "cmd/options.h"
#include "hub/builtin.h"

typedef struct run_options {
    uint32_t max_tokens, min_tokens, top_k, threads, ctx, prefill_chunk;
    uint64_t seed;
    float temperature, top_p, min_p, repetition_penalty, frequency_penalty, presence_penalty;
    const char *model, *device, *dtype, *kv, *tokens, *prompt_file;
    const char *chat_template, *system, *json_schema, *grammar;
    uint32_t logprobs;
    mu_texts stop, logit_bias;
    bool greedy, ignore_eos, json, special, has_logprobs, no_prompt_lookup, raw;
} run_options;

typedef struct run {
    const run_options *o;
    mu_model *model;
    mu_engine *engine;
    mu_dialogue *dialogue; /* NULL: text is continued */
    mu_token_trie *trie;   /* of a grammar; NULL before the first */
    mu_buf grammar_text;   /* of --grammar */
    json_t *schema;        /* of --json-schema; NULL: none */
    float temperature;
    mu_logit_bias biases[MU_TEXTS_MAX];
} run;

/* What one generation took. */
typedef struct timings {
    uint64_t start_ns, first_ns, end_ns;
    uint32_t n_prompt, n_cached, n_output;
    mu_finish finish;
} timings;

static const char *finish_name(mu_finish finish) {
    static const char *const names[] = {"none", "stop", "length", "canceled", "error"};
    return names[finish];
}

static mu_status parse_biases(run *r, mu_err *err) {
    for (uint32_t i = 0; i < r->o->logit_bias.n; i++) {
        char end;
        if (sscanf(r->o->logit_bias.items[i], "%d=%f%c", &r->biases[i].token, &r->biases[i].bias,
                   &end) != 2) {
            return mu_fail(err, MU_ERR_INVALID, "--logit-bias: \"%.40s\" is not TOKEN=BIAS",
                           r->o->logit_bias.items[i]);
        }
    }
    return MU_OK;
}

static float settle_temperature(const run *r) {
    float temperature = 0.8f;
    if (r->o->greedy) return 0.0f;
    if (!isnan(r->o->temperature)) return r->o->temperature;
    mu_model_temperature(r->model, &temperature);
    return temperature;
}

/* Output tokens, where nobody says how many: all that fit in a chat. */
static uint32_t max_tokens(const run *r) {
    enum { TEXT_TOKENS = 128 };
    if (r->o->max_tokens != UINT32_MAX) return r->o->max_tokens;
    return r->dialogue || r->schema || r->grammar_text.n > 0 ? mu_engine_n_ctx(r->engine)
                                                             : TEXT_TOKENS;
}

/* stops: room for MU_TEXTS_MAX + 1. */
static mu_seq_options seq_options(const run *r, const mu_token *prompt, uint32_t n_prompt,
                                  const char **stops) {
    const run_options *o = r->o;
    const char *own_stop = r->dialogue && !o->ignore_eos ? mu_dialogue_stop(r->dialogue) : NULL;
    memcpy(stops, o->stop.items, o->stop.n * sizeof(*stops));
    if (own_stop) stops[o->stop.n] = own_stop;
    uint32_t room = mu_engine_n_ctx(r->engine) - n_prompt; /* a wrong one is refused by submit() */
    bool fits = n_prompt < mu_engine_n_ctx(r->engine);
    return (mu_seq_options){
        .prompt = prompt,
        .n_prompt = n_prompt,
        .n_output_max = fits && room < max_tokens(r) ? room : max_tokens(r),
        .n_output_min = o->min_tokens,
        .ignore_eos = o->ignore_eos,
        .stop_strings = stops,
        .n_stop_strings = o->stop.n + (own_stop ? 1 : 0),
        .show_special = o->special || (r->dialogue && mu_dialogue_shows_special(r->dialogue)),
        .show_end = o->special,
        .sampling =
            {
                .temperature = r->temperature,
                .top_k = o->top_k,
                .top_p = o->top_p,
                .min_p = o->min_p,
                .repetition_penalty = o->repetition_penalty,
                .frequency_penalty = o->frequency_penalty,
                .presence_penalty = o->presence_penalty,
                .seed = o->seed,
                .biases = r->biases,
                .n_biases = o->logit_bias.n,
                .n_logprobs = o->has_logprobs ? (int32_t)o->logprobs : -1,
            },
    };
}

static json_t *output_json(const mu_output *output) {
    json_t *top = json_array();
    for (uint32_t i = 0; i < output->n_top; i++) {
        json_array_append_new(top, json_pack("{s:i, s:f}", "token", output->top[i].token, "logprob",
                                             (double)output->top[i].logprob));
    }
    return json_pack("{s:i, s:f, s:o}", "token", output->token, "logprob", (double)output->logprob,
                     "top", top);
}

/* Step until the sequence ends; text goes to out as it comes, tokens into the arrays. False: the
 * output was closed. */
static mu_status generate(run *r, mu_seq *seq, mu_buf *text, json_t *tokens, json_t *logprobs,
                          timings *t, mu_err *err) {
    bool is_streaming = !r->o->json;
    while (mu_seq_get_state(seq) != MU_SEQ_FINISHED) {
        if (mu_is_interrupted()) mu_seq_cancel(seq);
        mu_step_report report;
        mu_status status = mu_engine_step(r->engine, &report, err);
        if (status != MU_OK) return status;
        mu_output output;
        while (mu_seq_read(seq, &output, 1, text) == 1) {
            if (t->first_ns == 0) t->first_ns = mu_now_ns();
            json_array_append_new(tokens, json_integer(output.token));
            if (r->o->has_logprobs) json_array_append_new(logprobs, output_json(&output));
        }
        mu_seq_read(seq, NULL, 0, text);
        if (text->n > 0 && (is_streaming || r->dialogue)) {
            if (r->dialogue) {
                mu_dialogue_hear(r->dialogue, text->data, text->n, is_streaming ? stdout : NULL);
            } else {
                fwrite(text->data, 1, text->n, stdout);
            }
            if (fflush(stdout) != 0) return mu_fail_os(err, MU_ERR_IO, "standard output");
            mu_buf_clear(text);
        }
    }
    t->end_ns = mu_now_ns();
    t->finish = mu_seq_finish(seq);
    t->n_output = mu_seq_n_output(seq);
    t->n_cached = mu_seq_n_cached(seq);
    if (text->failed) return mu_fail(err, MU_ERR_NOMEM, "output text");
    if (t->finish == MU_FINISH_ERROR) {
        return mu_fail(err, MU_ERR_DEVICE, "%s: the model gave logits that are not numbers",
                       mu_model_name(r->model));
    }
    return MU_OK;
}

static double seconds(uint64_t from_ns, uint64_t to_ns) {
    return to_ns > from_ns ? (double)(to_ns - from_ns) * 1e-9 : 0.0;
}

static double decode_rate(const timings *t) {
    double s = seconds(t->first_ns, t->end_ns);
    return t->n_output > 1 && s > 0.0 ? (t->n_output - 1) / s : 0.0;
}

static mu_status print_json(const run *r, const mu_buf *all, json_t *tokens, json_t *logprobs,
                            const timings *t, mu_err *err) {
    const mu_buf *text = r->dialogue ? mu_dialogue_content(r->dialogue) : all;
    json_t *json = json_pack("{s:s, s:s%, s:O, s:s, s:I, s:{s:i, s:i, s:i}, s:{s:f, s:f}}", "model",
                             mu_model_name(r->model), "text", text->data ? text->data : "", text->n,
                             "tokens", tokens, "finish", finish_name(t->finish), "seed",
                             (json_int_t)r->o->seed, "usage", "prompt_tokens", (int)t->n_prompt,
                             "cached_tokens", (int)t->n_cached, "output_tokens", (int)t->n_output,
                             "timings", "ttft_ms", seconds(t->start_ns, t->first_ns) * 1e3,
                             "decode_tokens_per_second", decode_rate(t));
    if (json && r->o->has_logprobs) json_object_set(json, "logprobs", logprobs);
    const mu_buf *reasoning = r->dialogue ? mu_dialogue_reasoning(r->dialogue) : NULL;
    if (json && reasoning && reasoning->n > 0) {
        json_object_set_new(json, "reasoning", json_stringn(reasoning->data, reasoning->n));
    }
    return mu_print_json(json, JSON_COMPACT, err);
}

static void print_stats(const timings *t) {
    if (!isatty(STDERR_FILENO) || !isatty(STDOUT_FILENO)) return;
    fprintf(stderr,
            "\033[2m%u prompt tokens, first token %.0f ms, %u tokens, %.1f tok/s, %s\033[0m\n",
            t->n_prompt, seconds(t->start_ns, t->first_ns) * 1e3, t->n_output, decode_rate(t),
            finish_name(t->finish));
}

/* What the output may be; *out stays NULL where it may be anything. In a chat a value comes after
 * reasoning. */
static mu_status compile_grammar(run *r, mu_grammar **out, mu_err *err) {
    const mu_grammar_spec spec = {
        .kind = MU_GRAMMAR_GBNF, .text = r->grammar_text.data, .n_text = r->grammar_text.n};
    mu_grammar_tags reasoning = {0};
    if (!r->schema && r->grammar_text.n == 0) return MU_OK;
    if (r->dialogue) mu_dialogue_set_reasoning(r->dialogue, &reasoning);
    mu_err why;
    mu_status status = MU_OK;
    if (!r->trie) status = mu_engine_open_trie(r->engine, &r->trie, &why);
    if (status == MU_OK && r->schema) {
        status = mu_value_grammar_compile(r->schema, false, &reasoning, r->trie, out, &why);
    } else if (status == MU_OK) {
        status = mu_grammar_compile(&spec, r->trie, out, &why);
    }
    if (status == MU_OK) return MU_OK;
    return mu_fail(err, status, "%s: %s", r->schema ? "--json-schema" : "--grammar", why.text);
}

static mu_status run_prompt(run *r, const mu_token *prompt, uint32_t n_prompt, mu_err *err) {
    timings t = {.start_ns = mu_now_ns(), .n_prompt = n_prompt};
    const char *stops[MU_TEXTS_MAX + 1];
    mu_seq_options options = seq_options(r, prompt, n_prompt, stops);
    mu_seq *seq = NULL;
    mu_buf text = {0};
    json_t *tokens = json_array(), *logprobs = json_array();
    mu_status status = compile_grammar(r, &options.grammar, err);
    if (status == MU_OK) status = mu_engine_submit(r->engine, &options, &seq, err);
    mu_grammar_unref(options.grammar); /* the sequence has its own */
    if (status == MU_OK) status = generate(r, seq, &text, tokens, logprobs, &t, err);
    if (status == MU_OK && r->dialogue) {
        status = mu_dialogue_end(r->dialogue, r->o->json ? NULL : stdout, err);
    } else if (r->dialogue) {
        mu_dialogue_forget(r->dialogue);
    }
    if (status == MU_OK && r->o->json) status = print_json(r, &text, tokens, logprobs, &t, err);
    if (status == MU_OK && !r->o->json) {
        putchar('\n');
        fflush(stdout);
        print_stats(&t);
    }
    json_decref(tokens);
    json_decref(logprobs);
    mu_buf_deinit(&text);
    mu_seq_free(seq);
    return status;
}

/* A message of the dialogue. A quarter of the context is the answer's, or what it may have. */
static mu_status run_message(run *r, const char *text, size_t n, mu_err *err) {
    uint32_t n_ctx = mu_engine_n_ctx(r->engine), n_tokens = 0;
    uint32_t n_answer = max_tokens(r) < n_ctx / 4 ? max_tokens(r) : n_ctx / 4;
    mu_token *tokens = NULL;
    while (n > 0 && text[n - 1] == '\n') {
        n--;
    }
    mu_status status =
        mu_dialogue_ask(r->dialogue, text, n, n_ctx - n_answer, &tokens, &n_tokens, err);
    if (status == MU_OK) status = run_prompt(r, tokens, n_tokens, err);
    mu_free(tokens);
    return status;
}

static mu_status run_text(run *r, const char *text, size_t n, mu_err *err) {
    if (r->dialogue) return run_message(r, text, n, err);
    mu_token *tokens = NULL;
    uint32_t n_tokens = 0;
    mu_token start = mu_tokenizer_bos(mu_model_tokenizer(r->model));
    mu_status status = mu_encode_text(r->model, text, n, MU_ENCODE_SPECIAL | MU_ENCODE_BOS, &tokens,
                                      &n_tokens, err);
    bool is_empty = n_tokens == 0 && start != MU_TOKEN_NONE; /* then the model begins by itself */
    if (status == MU_OK) {
        status = run_prompt(r, is_empty ? &start : tokens, is_empty ? 1 : n_tokens, err);
    }
    mu_free(tokens);
    return status;
}

static char *line_prompt(EditLine *editor) {
    (void)editor;
    static char prompt[] = "> ";
    return prompt;
}

/* A line that was typed: a prompt, or a command of a dialogue. */
static bool run_line(run *r, const char *line, size_t n) {
    char text[1024];
    bool is_over = false;
    mu_err err;
    mu_status status;
    if (r->dialogue && line[0] == '/' && n < sizeof(text)) {
        snprintf(text, sizeof(text), "%.*s", (int)n, line);
        status = mu_dialogue_command(r->dialogue, text, &is_over, &err);
    } else {
        status = run_text(r, line, n, &err);
    }
    if (status != MU_OK) mu_report("run", &err);
    return is_over;
}

/* Prompts with line editing and history until end of file. Ctrl-C ends a generation, not
 * the loop. */
static mu_status run_interactive(run *r, mu_err *err) {
    HistEvent event;
    EditLine *editor = el_init("muai", stdin, stdout, stderr);
    History *lines = history_init();
    mu_status status = MU_OK;
    if (!editor || !lines) {
        status = mu_fail(err, MU_ERR_NOMEM, "line editor");
        goto done;
    }
    history(lines, &event, H_SETSIZE, 500);
    el_set(editor, EL_PROMPT, line_prompt);
    el_set(editor, EL_EDITOR, "emacs");
    el_set(editor, EL_HIST, history, lines);
    fprintf(stderr, "%s. %s; Ctrl-D ends.\n", mu_model_name(r->model),
            r->dialogue ? "/help lists commands" : "Text is continued from what you type");
    int n = 0;
    const char *line = NULL;
    bool is_over = false;
    while (!is_over && (line = el_gets(editor, &n)) != NULL && n > 0) {
        size_t length = (size_t)n - (line[n - 1] == '\n');
        if (length == 0) continue;
        history(lines, &event, H_ENTER, line);
        is_over = run_line(r, line, length);
        mu_interrupt_clear();
    }
    if (!is_over) fputc('\n', stderr); /* after Ctrl-D the cursor is still behind the prompt */
done:
    if (lines) history_end(lines);
    if (editor) el_end(editor);
    return status;
}

/* Where the prompt comes from: token ids, a file, the command line, standard input, or a person. */
static mu_status run_all(run *r, const char *prompt, mu_err *err) {
    mu_status status;
    if (r->o->tokens) {
        mu_token *tokens = NULL;
        uint32_t n = 0;
        status = mu_parse_tokens(r->o->tokens, &tokens, &n, err);
        if (status == MU_OK) status = run_prompt(r, tokens, n, err);
        mu_free(tokens);
        return status;
    }
    if (!mu_model_has_own_tokenizer(r->model)) {
        fprintf(stderr, "muai run: %s has no tokenizer; text is taken as bytes\n",
                mu_model_name(r->model));
    }
    if (prompt && strcmp(prompt, "-") != 0) return run_text(r, prompt, strlen(prompt), err);
    if (!prompt && !r->o->prompt_file && isatty(STDIN_FILENO)) return run_interactive(r, err);
    mu_buf text = {0};
    status = mu_read_all(r->o->prompt_file ? r->o->prompt_file : "-", &text, err);
    if (status == MU_OK) status = run_text(r, text.data ? text.data : "", text.n, err);
    mu_buf_deinit(&text);
    return status;
}

static mu_status open_engine(run *r, const mu_ref *ref, mu_err *err) {
    mu_engine_options e = mu_engine_options_default();
    e.n_seqs_max = 1;
    e.n_threads = r->o->threads;
    e.n_ctx = r->o->ctx;
    e.prefill_chunk_max = r->o->prefill_chunk;
    e.no_prompt_lookup = r->o->no_prompt_lookup;
    const mu_placement_options options = {
        .device = r->o->device, .dtype = r->o->dtype, .kv = r->o->kv};
    mu_placement p;
    mu_status status = mu_settle_placement(r->model, ref, &options, &p, err);
    if (status != MU_OK) return status;
    mu_placement_apply(&p, &e);
    if (strcmp(r->o->device, "cpu") != 0) fprintf(stderr, "device: %s\n", p.text);
    return mu_engine_open(r->model, &e, &r->engine, err);
}

/* A text in the option, or the file that it names. */
static mu_status read_option(const char *option, bool is_text, mu_buf *out, mu_err *err) {
    if (!is_text) return mu_read_all(option, out, err);
    mu_buf_append_str(out, option);
    return out->failed ? mu_fail(err, MU_ERR_NOMEM, "out of memory") : MU_OK;
}

static mu_status read_grammar(run *r, mu_err *err) {
    const char *schema = r->o->json_schema, *grammar = r->o->grammar;
    mu_buf text = {0};
    mu_status status = MU_OK;
    if (schema && grammar)
        return mu_fail(err, MU_ERR_INVALID, "--json-schema and --grammar: one of them");
    if (grammar) status = read_option(grammar, strstr(grammar, "::="), &r->grammar_text, err);
    if (schema) status = read_option(schema, schema[0] == '{', &text, err);
    if (status == MU_OK && schema) {
        json_error_t why;
        r->schema = json_loadb(text.data ? text.data : "", text.n, JSON_REJECT_DUPLICATES, &why);
        if (!r->schema)
            status = mu_fail(err, MU_ERR_INVALID, "--json-schema: line %d: %s", why.line, why.text);
    }
    mu_buf_deinit(&text);
    return status;
}

/* A model with a chat template is talked to; one without continues text, unless it is asked. */
static mu_status open_dialogue(run *r, mu_err *err) {
    const run_options *o = r->o;
    mu_buf text = {0};
    mu_status status = mu_model_chat_template(r->model, &text, err);
    bool is_chat = text.n > 0 || o->chat_template || o->system;
    mu_buf_deinit(&text);
    if (o->raw || o->tokens || (status == MU_OK && !is_chat)) return MU_OK;
    const mu_dialogue_options options = {.chat_template = o->chat_template,
                                         .system = o->system,
                                         .is_bound_at_once = r->grammar_text.n > 0};
    return mu_dialogue_open(r->model, &options, &r->dialogue, err);
}

static int run_model(const run_options *o, const char *reference, const char *prompt) {
    mu_err err;
    mu_ref ref;
    run r = {.o = o};
    mu_interrupts_install();
    signal(SIGPIPE, SIG_IGN); /* a closed output is an error of fflush(), not a signal */
    mu_status status = parse_biases(&r, &err);
    if (status == MU_OK) status = read_grammar(&r, &err);
    if (status == MU_OK) status = mu_open_generator(reference, &ref, &r.model, &err);
    if (status == MU_OK) status = open_engine(&r, &ref, &err);
    if (status == MU_OK) status = open_dialogue(&r, &err);
    if (status == MU_OK) r.temperature = settle_temperature(&r);
    if (status == MU_OK) status = run_all(&r, prompt, &err);
    mu_dialogue_close(r.dialogue);
    mu_engine_close(r.engine);
    mu_token_trie_unref(r.trie);
    mu_model_close(r.model);
    mu_buf_deinit(&r.grammar_text);
    json_decref(r.schema);
    if (status != MU_OK && err.os_errno == EPIPE) return MU_EXIT_OK; /* as head(1) wants it */
    if (status != MU_OK) return mu_report("run", &err);
    return mu_is_interrupted() ? MU_EXIT_INTERRUPTED : MU_EXIT_OK;
}

/* The command's options; they hold the defaults until main() has parsed the command line. */
static run_options o = {
    .max_tokens = UINT32_MAX,
    .temperature = NAN,
    .top_p = 0.95f,
    .repetition_penalty = 1.0f,
    .device = "cpu",
    .dtype = "auto",
    .kv = "auto",
    .logprobs = UINT32_MAX,
};

static const mu_option options[] = {
    MU_MODEL_OPTION(&o.model),
    {"max-tokens", 'n', MU_OPTION_U32, &o.max_tokens, 1, 1 << 20, "N",
     "output tokens at most; else 128, in a chat what fits"},
    {"min-tokens", 0, MU_OPTION_U32, &o.min_tokens, 0, 1 << 20, "N", "output tokens at least"},
    {"temperature", 't', MU_OPTION_F32, &o.temperature, 0, 100, "X",
     "randomness; 0 is greedy; else the model's, or 0.8"},
    {"greedy", 0, MU_OPTION_FLAG, &o.greedy, 0, 0, NULL, "always the most likely token"},
    {"top-k", 0, MU_OPTION_U32, &o.top_k, 0, 1 << 22, "N", "of the N most likely; 0: no limit"},
    {"top-p", 0, MU_OPTION_F32, &o.top_p, 0, 1, "X", "of the smallest set with this probability"},
    {"min-p", 0, MU_OPTION_F32, &o.min_p, 0, 1, "X", "drop tokens below X times the best"},
    {"repetition-penalty", 0, MU_OPTION_F32, &o.repetition_penalty, 0.01, 100, "X",
     "against tokens of prompt and output; 1: none"},
    {"frequency-penalty", 0, MU_OPTION_F32, &o.frequency_penalty, -100, 100, "X",
     "per occurrence in the output"},
    {"presence-penalty", 0, MU_OPTION_F32, &o.presence_penalty, -100, 100, "X",
     "once for tokens of the output"},
    {"logit-bias", 0, MU_OPTION_TEXTS, &o.logit_bias, 0, 0, "ID=X",
     "add X to a token's logit; -100 bans; may be repeated"},
    {"seed", 's', MU_OPTION_U64, &o.seed, 0, 9e15, "N", "same seed, same text"},
    {"stop", 0, MU_OPTION_TEXTS, &o.stop, 0, 0, "TEXT", "end before TEXT; may be repeated"},
    {"ignore-eos", 0, MU_OPTION_FLAG, &o.ignore_eos, 0, 0, NULL, "go on after end of text"},
    {"special", 0, MU_OPTION_FLAG, &o.special, 0, 0, NULL, "show special tokens"},
    {"chat-template", 0, MU_OPTION_TEXT, &o.chat_template, 0, 0, "TEMPLATE",
     "plain, chatml or a file, instead of the model's own"},
    {"system", 0, MU_OPTION_TEXT, &o.system, 0, 0, "TEXT", "of a chat: how to answer"},
    {"raw", 0, MU_OPTION_FLAG, &o.raw, 0, 0, NULL,
     "continue the text as it is, though the model has a chat template"},
    {"json-schema", 0, MU_OPTION_TEXT, &o.json_schema, 0, 0, "SCHEMA",
     "answer with JSON that is valid under it: its text or a file"},
    {"grammar", 0, MU_OPTION_TEXT, &o.grammar, 0, 0, "GBNF",
     "answer as this grammar has it: its text or a file"},
    {"logprobs", 0, MU_OPTION_U32, &o.logprobs, 0, MU_TOP_LOGPROBS_MAX, "N",
     "with --json: log-probabilities and the N most likely"},
    {"tokens", 0, MU_OPTION_TEXT, &o.tokens, 0, 0, "IDS", "the prompt as token ids: 1,2,3"},
    {"prompt-file", 'f', MU_OPTION_TEXT, &o.prompt_file, 0, 0, "FILE", "the prompt from a file"},
    MU_DEVICE_OPTION(&o.device),
    {"dtype", 0, MU_OPTION_TEXT, &o.dtype, 0, 0, "TYPE",
     "f32, bf16, q8, q6_k, q4 or q4_k weights; auto: as the file, on a GPU bf16"},
    {"kv", 0, MU_OPTION_TEXT, &o.kv, 0, 0, "TYPE",
     "KV cache as f32, bf16 or f16; auto: f32 beside f32 weights, else 16 bits"},
    {"threads", 0, MU_OPTION_U32, &o.threads, 0, 1024, "N", "0: what affinity and quota allow"},
    {"ctx", 'c', MU_OPTION_U32, &o.ctx, 0, 1 << 20, "N", "context in tokens; 0: the model's"},
    {"prefill-chunk", 0, MU_OPTION_U32, &o.prefill_chunk, 0, 1 << 20, "N",
     "prompt tokens a step at most; 0: 512"},
    {"no-prompt-lookup", 0, MU_OPTION_FLAG, &o.no_prompt_lookup, 0, 0, NULL,
     "do not draft tokens from the text so far; the output is the same"},
    {"json", 0, MU_OPTION_FLAG, &o.json, 0, 0, NULL, "one JSON object at the end"},
};

int mu_cmd_run(int argc, char **argv) {
    const mu_command_line line = {
        .command = "run",
        .usage = "[MODEL [PROMPT]]",
        .about =
            "Generate text, or chat with a model that has a chat template. Without PROMPT, reads\n"
            "standard input, or asks when that is a terminal. Without MODEL, muai-tiny, which is\n"
            "part of the program; a prompt alone goes with -m.",
        .examples = "  muai run\n"
                    "  muai run -m muai-tiny \"Once upon a time\"\n"
                    "  muai run gpt2 \"Once upon a time\"\n"
                    "  muai run ./gpt2.gguf -n 64 --greedy < prompt.txt\n"
                    "  muai run ./qwen3-0.6b --system \"Answer in one line.\"\n"
                    "  muai run -m muai-tiny Hi --json-schema '{\"enum\": [\"yes\", \"no\"]}'\n"
                    "  muai run synthetic:gpt2 --tokens 464,3797 --json\n",
        .options = options,
        .n_options = MU_COUNTOF(options),
        .n_positional_max = 2,
    };
    const char *positional[2] = {NULL, NULL};
    uint32_t n_positional;
    int code;
    if (!mu_options_start(&line, argc, argv, positional, &n_positional, &code)) return code;
    o.has_logprobs = o.logprobs != UINT32_MAX;
    const char *model = mu_take_model(&line, o.model, 0, positional, &n_positional);
    if (!model) return MU_EXIT_USAGE;
    bool is_text = strchr(model, ' ') && access(model, F_OK) != 0;
    if (is_text && n_positional == 0) { /* no model is called so: meant as the prompt */
        fprintf(
            stderr,
            "muai run: \"%.60s\": no MODEL; a prompt alone goes with -m: muai run -m %s PROMPT\n",
            model, mu_builtin_default());
        return MU_EXIT_USAGE;
    }
    return run_model(&o, model, positional[0]);
}
