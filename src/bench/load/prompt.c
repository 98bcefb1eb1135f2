#include "bench/load/prompt.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"

enum { N_WORDS = 256, NONCE_WORDS = 8 }; /* 8 words of 8 bits are one 64-bit number */

/* Each is one token with and without a blank before it in GPT-2's vocabulary, and common enough to
 * be one elsewhere. */
// clang-format off
static const char *const words[N_WORDS] = {
    "the", "of", "and", "to", "in", "is", "that", "it", "was", "for", "on", "are", "as", "with",
    "his", "they", "at", "be", "this", "from", "have", "or", "by", "one", "had", "not", "but",
    "what", "all", "were", "when", "we", "there", "can", "an", "your", "which", "their", "said",
    "if", "do", "will", "each", "about", "how", "up", "out", "them", "then", "she", "many",
    "some", "so", "these", "would", "other", "into", "has", "more", "her", "two", "like", "him",
    "see", "time", "could", "no", "make", "than", "first", "been", "its", "who", "now", "people",
    "my", "made", "over", "did", "down", "only", "way", "find", "use", "may", "water", "long",
    "little", "very", "after", "words", "called", "just", "where", "most", "know", "get",
    "through", "back", "much", "before", "go", "good", "new", "write", "our", "used", "me",
    "man", "too", "any", "day", "same", "right", "look", "think", "also", "around", "another",
    "come", "work", "three", "word", "must", "because", "does", "part", "even", "place", "well",
    "such", "here", "take", "why", "things", "help", "put", "years", "away", "again", "off",
    "went", "old", "number", "great", "tell", "men", "say", "small", "every", "found", "still",
    "between", "name", "should", "home", "big", "give", "air", "line", "set", "own", "under",
    "read", "last", "never", "us", "left", "end", "along", "while", "might", "next", "sound",
    "below", "saw", "thought", "both", "few", "those", "always", "show", "large", "often",
    "house", "world", "going", "want", "school", "until", "form", "food", "keep", "feet", "land",
    "side", "without", "boy", "once", "life", "enough", "four", "head", "above", "kind",
    "almost", "live", "page", "got", "earth", "need", "far", "hand", "high", "year", "mother",
    "light", "parts", "country", "father", "let", "night", "picture", "being", "study", "second",
    "eyes", "soon", "times", "story", "boys", "since", "white", "days", "ever", "paper", "hard",
    "near", "better", "best", "during", "today", "sure", "try", "told", "young", "sun", "ways",
    "thing", "example", "heard", "change", "answer", "room", "sea", "against",
};
// clang-format on

/* One-to-one in index for a seed and cell. */
static uint64_t nonce_of(const mu_prompts *p, uint32_t index) {
    return mu_mix64(mu_mix64(p->seed + 0x9e3779b97f4a7c15u) + mu_mix64(~p->cell) + index);
}

static void append_number(mu_buf *out, uint32_t value) {
    char digits[10];
    size_t at = sizeof(digits);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    mu_buf_append(out, digits + at, sizeof(digits) - at);
}

static void write_tokens(const mu_prompts *p, uint32_t index, uint32_t n_tokens, mu_buf *out) {
    MU_ASSERT(p->vocab_size >= 2);
    uint64_t nonce = nonce_of(p, index), left = UINT64_MAX; /* digits of the nonce, base vocab */
    mu_rng rng = {.state = nonce};
    for (uint32_t i = 0; i < n_tokens || i == 0; i++) {
        uint32_t token = (uint32_t)(nonce % p->vocab_size);
        if (left > 0) {
            nonce /= p->vocab_size;
            left /= p->vocab_size;
        } else {
            token = (uint32_t)mu_rng_below(&rng, p->vocab_size);
        }
        mu_buf_append(out, i == 0 ? "[" : ",", 1);
        append_number(out, token);
    }
    mu_buf_append(out, "]", 1);
}

static void append_escaped(mu_buf *out, const char *text, size_t n) {
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            mu_buf_append(out, "\\", 1);
        } else if (c < ' ') {
            mu_buf_printf(out, "\\u%04x", c);
            continue;
        }
        mu_buf_append(out, text + i, 1);
    }
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of the user's text, which is read round and round. text has one (see find_word). */
static size_t next_word(const mu_prompts *p, size_t *at) {
    while (*at == p->n_text || is_space(p->text[*at])) {
        *at = *at >= p->n_text ? 0 : *at + 1;
    }
    size_t n = 0;
    while (*at + n < p->n_text && !is_space(p->text[*at + n])) {
        n++;
    }
    return n;
}

/* Where a word begins at or behind a place that the number picks; n_text when there is none. */
static size_t find_word(const mu_prompts *p, uint64_t number) {
    if (!p->text || p->n_text == 0) return p->n_text;
    size_t place = (size_t)(number % p->n_text);
    for (size_t i = 0; i < p->n_text; i++) {
        size_t at = (place + i) % p->n_text;
        if (!is_space(p->text[at]) && (at == 0 || is_space(p->text[at - 1]))) return at;
    }
    return p->n_text;
}

static void write_text(const mu_prompts *p, uint32_t index, uint32_t n_words, mu_buf *out) {
    uint64_t nonce = nonce_of(p, index);
    mu_rng rng = {.state = nonce};
    size_t at = find_word(p, mu_rng_u64(&rng));
    bool has_text = p->text && at < p->n_text;
    mu_buf_append(out, "\"", 1);
    for (uint32_t i = 0; i < n_words; i++) {
        if (i > 0) mu_buf_append(out, " ", 1);
        if (i < NONCE_WORDS) {
            mu_buf_append_str(out, words[nonce >> (8 * i) & 0xff]);
        } else if (has_text) {
            size_t n = next_word(p, &at);
            append_escaped(out, p->text + at, n);
            at += n;
        } else {
            mu_buf_append_str(out, words[mu_rng_below(&rng, N_WORDS)]);
        }
    }
    mu_buf_append(out, "\"", 1);
}

void mu_prompt_write(const mu_prompts *prompts, uint32_t index, uint32_t n_tokens, mu_buf *out) {
    if (prompts->kind == MU_PROMPT_TOKENS) {
        write_tokens(prompts, index, n_tokens, out);
    } else {
        write_text(prompts, index, mu_prompt_n_words(prompts, n_tokens), out);
    }
}

uint32_t mu_prompt_n_words(const mu_prompts *prompts, uint32_t n_tokens) {
    double n = round((n_tokens - prompts->base_tokens) / prompts->word_tokens);
    return n >= 1 && n <= UINT32_MAX ? (uint32_t)n : 1;
}

const char *mu_prompt_word(uint32_t i) {
    MU_ASSERT(i < N_WORDS);
    return words[i];
}
