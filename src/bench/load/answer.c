/* Tokens of a chunk: its ids, else how far usage or timings have moved since the last count. An
 * object without text still is a chunk when its count has moved (a token whose text is not out
 * yet), but not when it ends the answer and is the first that counts at all: then the count is of
 * everything, and the object carries nothing. (A server that is known to count in every object is
 * believed there too.)
 */
#include "bench/load/answer.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

enum { ERROR_BODY_MAX = 1 << 16 };

bool mu_answer_begin(mu_answer *answer, const mu_answer_options *options,
                     const mu_scheduled *request, uint64_t intended_ns) {
    mu_answer *a = answer;
    void *gaps = a->gaps;
    if (!mu_grow(&gaps, &a->cap_gaps, request->output_tokens + 1u, sizeof(*a->gaps))) return false;
    a->gaps = gaps;
    a->options = *options;
    a->record = (mu_record){.intended_ns = intended_ns,
                            .index = request->index,
                            .prompt_tokens_wanted = request->prompt_tokens,
                            .output_tokens_wanted = request->output_tokens,
                            .prompt_tokens = MU_TOKENS_UNKNOWN,
                            .cached_tokens = MU_TOKENS_UNKNOWN,
                            .output_tokens = MU_TOKENS_UNKNOWN,
                            .first_chunk_tokens = MU_TOKENS_UNKNOWN,
                            .text_hash = MU_TEXT_HASH_EMPTY};
    a->message[0] = '\0';
    mu_sse_init(&a->sse);
    mu_buf_clear(&a->body);
    a->is_done = a->out_of_memory = false;
    a->at_ns = a->receive = a->chunk_receive = 0;
    a->n_usage = a->n_timings = a->n_uncounted = a->n_new_tokens = 0;
    a->n_counted = 0;
    a->usage_total = a->timings_total = -1;
    a->chunk_source = MU_TOKEN_SOURCE_NONE;
    return true;
}

void mu_answer_deinit(mu_answer *answer) {
    mu_free(answer->gaps);
    mu_sse_deinit(&answer->sse);
    mu_buf_deinit(&answer->body);
    *answer = (mu_answer){0};
}

static void fail(mu_answer *a, mu_failure failure, const char *message) {
    if (a->record.failure != MU_FAILURE_NONE) return;
    a->record.failure = (uint8_t)failure;
    snprintf(a->message, sizeof(a->message), "%s", message);
}

void mu_answer_head(mu_answer *answer, uint16_t http_status, bool is_event_stream) {
    answer->record.http_status = http_status;
    answer->record.is_stream = is_event_stream && http_status >= 200 && http_status < 300;
}

static uint32_t to_u32(int64_t n) {
    return n >= 0 && n < MU_TOKENS_UNKNOWN ? (uint32_t)n : MU_TOKENS_UNKNOWN;
}

/* How far a count of the answer so far has moved; -1 when the object has none. */
static int64_t moved(int64_t now, int64_t before) {
    if (now < 0) return -1;
    int64_t since = before > 0 ? before : 0;
    return now > since ? now - since : 0;
}

/* Tokens of the answer so far, by whichever count says more: a server may have timings in every
 * chunk and usage in the last one only. -1: by none. */
static int64_t told_so_far(const mu_answer *a) {
    return a->usage_total > a->timings_total ? a->usage_total : a->timings_total;
}

/* Tokens of this object, -1 when it does not say, and by which means. */
static int64_t count_tokens(const mu_answer *a, const mu_chunk *c, mu_token_source *source) {
    *source = MU_TOKEN_SOURCE_IDS;
    if (c->n_token_ids >= 0) return c->n_token_ids;
    *source = MU_TOKEN_SOURCE_USAGE_CHUNK;
    int64_t n = moved(c->completion_tokens, told_so_far(a));
    if (n >= 0) return n;
    *source = MU_TOKEN_SOURCE_TIMINGS;
    return moved(c->predicted_n, told_so_far(a));
}

static void note_counts(mu_answer *a, const mu_chunk *c) {
    if (c->completion_tokens >= 0) {
        a->usage_total = c->completion_tokens;
        a->n_usage++;
    }
    if (c->predicted_n >= 0) {
        a->timings_total = c->predicted_n;
        a->n_timings++;
    }
    if (c->prompt_tokens >= 0) a->record.prompt_tokens = to_u32(c->prompt_tokens);
    if (c->cached_tokens >= 0) a->record.cached_tokens = to_u32(c->cached_tokens);
    if (c->finish != MU_CHUNK_FINISH_NONE) a->record.finish = (uint8_t)c->finish;
}

static bool carries_tokens(const mu_answer *a, const mu_chunk *c, int64_t n_tokens) {
    if (c->n_choices == 0) return false;
    if (c->channels != 0) return true;
    if (n_tokens <= 0) return false;
    bool counted_before = a->options.counts_chunks || a->usage_total >= 0 || a->timings_total >= 0;
    return counted_before || c->finish == MU_CHUNK_FINISH_NONE;
}

static void add_gap(mu_answer *a, uint32_t tokens) {
    mu_record *r = &a->record;
    void *gaps = a->gaps;
    if (!mu_grow(&gaps, &a->cap_gaps, r->n_gaps + 1u, sizeof(*a->gaps))) {
        a->out_of_memory = true;
        return;
    }
    a->gaps = gaps;
    bool coalesced = a->receive == a->chunk_receive;
    uint64_t ns = a->at_ns - r->last_token_ns;
    a->gaps[r->n_gaps++] = (mu_gap){ns, tokens, coalesced ? MU_GAP_COALESCED : 0};
    r->n_coalesced += coalesced;
    if (ns > r->gap_max_ns) r->gap_max_ns = ns;
}

static void add_chunk(mu_answer *a, const mu_chunk *c, int64_t n_tokens, mu_token_source source) {
    mu_record *r = &a->record;
    uint32_t tokens = to_u32(n_tokens);
    if (n_tokens >= 0) {
        a->n_counted += n_tokens;
        a->chunk_source = source;
        a->n_new_tokens += tokens;
    } else {
        a->n_uncounted++;
        a->n_new_tokens++;
    }
    if (r->n_chunks == 0) {
        r->first_token_ns = a->at_ns;
        r->first_chunk_tokens = tokens;
    } else {
        if (r->n_chunks == 1) r->second_chunk_ns = a->at_ns;
        add_gap(a, tokens);
    }
    if (r->first_content_ns == 0 && (c->channels & MU_CHUNK_VISIBLE)) {
        r->first_content_ns = a->at_ns;
    }
    r->n_chunks++;
    r->last_token_ns = a->at_ns;
    a->chunk_receive = a->receive;
}

/* An object of JSON; false: the answer has failed. */
static bool read_object(mu_answer *a, const char *json, size_t n, mu_chunk *c) {
    switch (mu_chunk_parse(json, n, c, &a->record.text_hash)) {
    case MU_CHUNK_INVALID_UTF8:
        fail(a, MU_FAILURE_INVALID_UTF8, "the answer is not UTF-8");
        return false;
    case MU_CHUNK_INVALID_JSON:
        fail(a, MU_FAILURE_INVALID_JSON, "the answer is not JSON");
        return false;
    default:
        break;
    }
    if (!c->is_error) return true;
    fail(a, MU_FAILURE_STREAM_ERROR, c->message[0] ? c->message : "an error without a message");
    return false;
}

static bool take_event(void *ctx, char *data, size_t n) {
    mu_answer *a = ctx;
    if (a->is_done) return true; /* nothing is expected behind the end */
    if (n == 6 && memcmp(data, "[DONE]", 6) == 0) {
        a->is_done = true;
        a->record.end_ns = a->at_ns;
        return true;
    }
    mu_chunk c;
    if (!read_object(a, data, n, &c)) return true;
    mu_token_source source;
    int64_t n_tokens = count_tokens(a, &c, &source);
    if (carries_tokens(a, &c, n_tokens)) add_chunk(a, &c, n_tokens, source);
    note_counts(a, &c);
    return true;
}

/* What a stream is called by its server, a framework or a proxy is not always what it is: a line of
 * events begins as no JSON does. */
static bool begins_a_stream(const mu_answer *a, const char *bytes, size_t n) {
    bool is_good = a->record.http_status >= 200 && a->record.http_status < 300;
    if (!a->options.wants_stream || !is_good || a->body.n > 0) return false;
    size_t at = n >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < n && strchr("\r\n", bytes[at]))
        at++;
    return at < n && bytes[at] != '\0' &&
           strchr(":deir", bytes[at]); /* comment, data, event, ... */
}

void mu_answer_feed(mu_answer *answer, const char *bytes, size_t n, uint64_t at_ns,
                    uint64_t receive) {
    mu_answer *a = answer;
    a->at_ns = at_ns;
    a->receive = receive;
    if (a->record.first_byte_ns == 0) a->record.first_byte_ns = at_ns;
    if (!a->record.is_stream && begins_a_stream(a, bytes, n)) a->record.is_stream = true;
    if (a->record.is_stream) {
        mu_err err = {0};
        mu_status status = mu_sse_feed(&a->sse, bytes, n, take_event, a, &err);
        if (status == MU_ERR_NOMEM) a->out_of_memory = true;
        if (status != MU_OK) fail(a, MU_FAILURE_STREAM_ERROR, err.text);
        return;
    }
    bool is_good = a->record.http_status >= 200 && a->record.http_status < 300;
    if (a->body.n + n > (is_good ? MU_ANSWER_BODY_MAX : ERROR_BODY_MAX)) {
        if (is_good) fail(a, MU_FAILURE_STREAM_ERROR, "the answer is over 8 MiB");
        return;
    }
    mu_buf_append(&a->body, bytes, n);
    if (a->body.failed) a->out_of_memory = true;
}

static void end_http_error(mu_answer *a) {
    char text[MU_CHUNK_MESSAGE_MAX];
    mu_chunk c;
    uint64_t hash = MU_TEXT_HASH_EMPTY;
    mu_chunk_verdict verdict = MU_CHUNK_INVALID_JSON;
    if (a->body.n > 0) verdict = mu_chunk_parse(a->body.data, a->body.n, &c, &hash);
    bool has_message = verdict == MU_CHUNK_OK && c.message[0] != '\0';
    snprintf(text, sizeof(text), "HTTP %u%s%s", a->record.http_status, has_message ? ": " : "",
             has_message ? c.message : "");
    bool is_4xx = a->record.http_status >= 400 && a->record.http_status < 500;
    fail(a, is_4xx ? MU_FAILURE_HTTP_4XX : MU_FAILURE_HTTP_5XX, text);
}

/* A whole answer: what it says of itself is the record; its tokens have no instants. */
static void end_whole(mu_answer *a) {
    mu_chunk c;
    if (!read_object(a, a->body.data ? a->body.data : "", a->body.n, &c)) return;
    note_counts(a, &c);
    mu_record *r = &a->record;
    int64_t n = c.completion_tokens >= 0 ? c.completion_tokens
                : c.n_token_ids >= 0     ? c.n_token_ids
                                         : c.predicted_n;
    r->output_tokens = to_u32(n);
    r->token_source = n < 0                      ? MU_TOKEN_SOURCE_NONE
                      : c.completion_tokens >= 0 ? MU_TOKEN_SOURCE_USAGE
                      : c.n_token_ids >= 0       ? MU_TOKEN_SOURCE_IDS
                                                 : MU_TOKEN_SOURCE_TIMINGS;
    a->n_new_tokens = n > 0 ? r->output_tokens : 0;
    if (n <= 0 && c.channels == 0) fail(a, MU_FAILURE_WRONG_LENGTH, "the answer has no token");
}

/* Total and source of a stream. When usage tells only the total and there is one chunk a token, the
 * chunks are counted after all. */
static void settle_tokens(mu_answer *a) {
    mu_record *r = &a->record;
    bool all_counted = r->n_chunks > 0 && a->n_uncounted == 0;
    int64_t total = a->usage_total >= 0     ? a->usage_total
                    : all_counted           ? a->n_counted
                    : a->timings_total >= 0 ? a->timings_total
                                            : -1;
    if (all_counted) {
        r->token_source = (uint8_t)a->chunk_source;
    } else if (total >= 0) {
        bool one_each = r->n_chunks > 0 && total == r->n_chunks;
        r->token_source = one_each ? MU_TOKEN_SOURCE_USAGE_ONE : MU_TOKEN_SOURCE_USAGE;
        if (one_each) r->first_chunk_tokens = 1;
        for (uint32_t i = 0; one_each && i < r->n_gaps; i++) {
            a->gaps[i].tokens = 1;
        }
    } else {
        r->token_source = r->n_chunks > 0 ? MU_TOKEN_SOURCE_CHUNKS : MU_TOKEN_SOURCE_NONE;
        total = r->n_chunks;
    }
    r->output_tokens = to_u32(total);
}

static void end_stream(mu_answer *a) {
    mu_record *r = &a->record;
    bool named_end = r->finish != MU_CHUNK_FINISH_NONE;
    if (!a->is_done && (a->options.needs_done || !named_end || mu_sse_has_rest(&a->sse))) {
        fail(a, MU_FAILURE_TRUNCATED, "the stream ended without [DONE]");
    }
    if (r->output_tokens == 0) fail(a, MU_FAILURE_WRONG_LENGTH, "the stream has no token");
}

static void check_length(mu_answer *a) {
    const mu_record *r = &a->record;
    bool is_known = r->output_tokens != MU_TOKENS_UNKNOWN &&
                    r->token_source != MU_TOKEN_SOURCE_CHUNKS &&
                    r->token_source != MU_TOKEN_SOURCE_NONE;
    if (!a->options.needs_exact || !is_known || r->output_tokens == r->output_tokens_wanted) {
        return;
    }
    char text[MU_CHUNK_MESSAGE_MAX];
    snprintf(text, sizeof(text), "%u tokens, not the %u asked for", r->output_tokens,
             r->output_tokens_wanted);
    fail(a, MU_FAILURE_WRONG_LENGTH, text);
}

void mu_answer_end(mu_answer *answer, mu_failure transport, const char *message, uint64_t at_ns) {
    mu_answer *a = answer;
    mu_record *r = &a->record;
    if (r->end_ns == 0) r->end_ns = at_ns;
    if (r->is_stream) settle_tokens(a);
    /* The server has said all there was: what the connection does behind it is its own affair. */
    if (transport != MU_FAILURE_NONE && !a->is_done) fail(a, transport, message);
    if (r->http_status == 0) fail(a, MU_FAILURE_TRUNCATED, "the answer ended in its head");
    if (r->failure != MU_FAILURE_NONE) return;
    if (r->http_status < 200 || r->http_status >= 300) {
        end_http_error(a);
    } else if (r->is_stream) {
        end_stream(a);
    } else {
        end_whole(a);
    }
    check_length(a);
}
