/* A bound is compared digit by digit. JSON forbids leading zeros, so of two whole parts the longer
 * is larger, and of equally long ones the first digit that differs decides.
 */
#include "grammar/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "grammar/regex.h"

static mu_lexeme from_pattern(mu_lexicon *lexicon, const char *pattern) {
    return mu_regex_lexeme(lexicon, pattern, strlen(pattern), MU_REGEX_WHOLE);
}

mu_lexeme mu_number_any(mu_lexicon *lexicon) {
    return from_pattern(lexicon, "-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?");
}

mu_lexeme mu_number_plain(mu_lexicon *lexicon) {
    return from_pattern(lexicon, "-?(0|[1-9][0-9]*)(\\.[0-9]+)?");
}

mu_lexeme mu_number_integer(mu_lexicon *lexicon) {
    return from_pattern(lexicon, "-?(0|[1-9][0-9]*)");
}

/* Magnitude compared with the bound's: less, equal, greater. */
enum { LESS, EQUAL, GREATER, N_ORDERS };

/* Which orders of the magnitude a number with and without a minus sign may have. */
typedef struct wanted {
    bool positive[N_ORDERS], negative[N_ORDERS];
} wanted;

typedef struct bound {
    char whole[MU_NUMBER_TEXT_MAX], fraction[MU_NUMBER_TEXT_MAX]; /* no zeros at the end */
    uint32_t n_whole, n_fraction;
    bool is_negative, is_zero;
} bound;

static bound parse_bound(const char *text) {
    bound b = {0};
    b.is_negative = *text == '-';
    if (*text == '-') text++;
    size_t n_whole = strcspn(text, ".");
    MU_ASSERT(n_whole > 0 && strlen(text) < MU_NUMBER_TEXT_MAX);
    memcpy(b.whole, text, n_whole);
    b.n_whole = (uint32_t)n_whole;
    if (text[n_whole] == '.') {
        b.n_fraction = (uint32_t)strlen(text + n_whole + 1);
        memcpy(b.fraction, text + n_whole + 1, b.n_fraction);
    }
    while (b.n_fraction > 0 && b.fraction[b.n_fraction - 1] == '0') {
        b.n_fraction--;
    }
    b.is_zero = b.n_fraction == 0 && strcmp(b.whole, "0") == 0;
    return b;
}

/* States of one sign: whole[order][i] after i digits, zero after a leading 0, fraction[j] equal up
 * to j digits, decided[order] in a fraction that is less or greater for good. */
typedef struct comparer {
    mu_lexeme_draft *draft;
    const bound *b;
    const bool *wanted;
    uint32_t whole[N_ORDERS][MU_NUMBER_TEXT_MAX]; /* [1..n_whole] */
    uint32_t longer, zero;
    uint32_t fraction[MU_NUMBER_TEXT_MAX]; /* [0..n_fraction], 0: just after the point */
    uint32_t decided[N_ORDERS];            /* after a digit */
    uint32_t points[N_ORDERS];             /* just after the point, decided already */
} comparer;

/* The order of a whole part of n digits whose digits so far compare as `order`. */
static int whole_order(const bound *b, uint32_t n, int order) {
    return n < b->n_whole ? LESS : order;
}

static void add_states(comparer *c) {
    const bound *b = c->b;
    bool has_rest = b->n_fraction > 0;
    for (uint32_t i = 1; i <= b->n_whole; i++) {
        for (int order = 0; order < N_ORDERS; order++) {
            int whole = whole_order(b, i, order);
            if (whole == EQUAL && has_rest) whole = LESS;
            c->whole[order][i] = mu_lexeme_draft_state(c->draft, c->wanted[whole]);
        }
    }
    int zero = b->n_whole == 1 && b->whole[0] == '0' ? (has_rest ? LESS : EQUAL) : LESS;
    c->zero = mu_lexeme_draft_state(c->draft, c->wanted[zero]);
    c->longer = mu_lexeme_draft_state(c->draft, c->wanted[GREATER]);
    for (uint32_t j = 0; j <= b->n_fraction; j++) {
        bool is_equal = j == b->n_fraction;
        c->fraction[j] =
            mu_lexeme_draft_state(c->draft, j > 0 && c->wanted[is_equal ? EQUAL : LESS]);
    }
    for (int order = 0; order < N_ORDERS; order++) {
        c->points[order] = mu_lexeme_draft_state(c->draft, false);
        c->decided[order] = mu_lexeme_draft_state(c->draft, c->wanted[order]);
    }
}

static void add_point(comparer *c, uint32_t from, int order) {
    uint32_t to = order == EQUAL ? c->fraction[0] : c->points[order];
    mu_lexeme_draft_edge(c->draft, from, '.', '.', to);
}

/* Edges of the digits from `first` on: below `digit` to less, it to equal, above to greater. */
static void add_digits(comparer *c, uint32_t from, char first, char digit, const uint32_t to[3]) {
    uint32_t at = (uint32_t)(uint8_t)digit;
    if (first < digit) mu_lexeme_draft_edge(c->draft, from, (uint8_t)first, at - 1, to[LESS]);
    if (first <= digit) mu_lexeme_draft_edge(c->draft, from, at, at, to[EQUAL]);
    char above = digit < first ? first : (char)(digit + 1);
    if (above <= '9') mu_lexeme_draft_edge(c->draft, from, (uint8_t)above, '9', to[GREATER]);
}

static void add_whole_edges(comparer *c) {
    const bound *b = c->b;
    for (uint32_t i = 1; i <= b->n_whole; i++) {
        for (int order = 0; order < N_ORDERS; order++) {
            uint32_t from = c->whole[order][i];
            add_point(c, from, whole_order(b, i, order));
            if (i == b->n_whole) {
                mu_lexeme_draft_edge(c->draft, from, '0', '9', c->longer);
            } else if (order == EQUAL) {
                uint32_t to[3] = {c->whole[LESS][i + 1], c->whole[EQUAL][i + 1],
                                  c->whole[GREATER][i + 1]};
                add_digits(c, from, '0', b->whole[i], to);
            } else {
                mu_lexeme_draft_edge(c->draft, from, '0', '9', c->whole[order][i + 1]);
            }
        }
    }
    bool is_zero_whole = b->n_whole == 1 && b->whole[0] == '0';
    add_point(c, c->zero, is_zero_whole ? EQUAL : LESS);
    add_point(c, c->longer, GREATER);
    mu_lexeme_draft_edge(c->draft, c->longer, '0', '9', c->longer);
}

static void add_fraction_edges(comparer *c) {
    const bound *b = c->b;
    for (uint32_t j = 0; j <= b->n_fraction; j++) {
        bool is_past = j == b->n_fraction; /* the bound has only zeros from here on */
        uint32_t same = is_past ? j : j + 1;
        uint32_t to[3] = {c->decided[LESS], c->fraction[same], c->decided[GREATER]};
        if (is_past && j == 0) to[EQUAL] = c->decided[EQUAL]; /* 3.0: a digit has been read */
        add_digits(c, c->fraction[j], '0', is_past ? '0' : b->fraction[j], to);
    }
    for (int order = 0; order < N_ORDERS; order++) {
        uint32_t to[3] = {c->decided[order], c->decided[order], c->decided[order]};
        mu_lexeme_draft_edge(c->draft, c->points[order], '0', '9', c->decided[order]);
        if (order == EQUAL) to[GREATER] = c->decided[GREATER];
        add_digits(c, c->decided[order], '0', '0', to);
    }
}

/* The edges from the state before the first digit. */
static void add_first_edges(comparer *c, uint32_t from) {
    mu_lexeme_draft_edge(c->draft, from, '0', '0', c->zero);
    uint32_t to[3] = {c->whole[LESS][1], c->whole[EQUAL][1], c->whole[GREATER][1]};
    add_digits(c, from, '1', c->b->whole[0], to);
}

static mu_lexeme compare(mu_lexicon *lexicon, const bound *b, const wanted *w) {
    mu_lexeme_draft draft = {.lexicon = lexicon};
    comparer negative = {.draft = &draft, .b = b, .wanted = w->negative};
    comparer positive = {.draft = &draft, .b = b, .wanted = w->positive};
    uint32_t start = mu_lexeme_draft_state(&draft, false);
    uint32_t minus = mu_lexeme_draft_state(&draft, false);
    add_states(&negative);
    add_states(&positive);
    mu_lexeme_draft_edge(&draft, start, '-', '-', minus);
    add_first_edges(&positive, start);
    add_first_edges(&negative, minus);
    add_whole_edges(&negative);
    add_fraction_edges(&negative);
    add_whole_edges(&positive);
    add_fraction_edges(&positive);
    return mu_lexeme_draft_finish(&draft);
}

mu_lexeme mu_number_bounded(mu_lexicon *lexicon, mu_number_bound kind, const char *text) {
    /* For a bound that is not negative; one that is turns signs and orders around. */
    static const wanted table[] = {
        [MU_NUMBER_AT_LEAST] = {.positive = {false, true, true}},
        [MU_NUMBER_ABOVE] = {.positive = {false, false, true}},
        [MU_NUMBER_AT_MOST] = {.positive = {true, true, false}, .negative = {true, true, true}},
        [MU_NUMBER_BELOW] = {.positive = {true, false, false}, .negative = {true, true, true}},
        [MU_NUMBER_EQUAL] = {.positive = {false, true, false}},
    };
    static const mu_number_bound mirror[] = {
        [MU_NUMBER_AT_LEAST] = MU_NUMBER_AT_MOST, [MU_NUMBER_ABOVE] = MU_NUMBER_BELOW,
        [MU_NUMBER_AT_MOST] = MU_NUMBER_AT_LEAST, [MU_NUMBER_BELOW] = MU_NUMBER_ABOVE,
        [MU_NUMBER_EQUAL] = MU_NUMBER_EQUAL,
    };
    if (lexicon->status != MU_OK) return MU_LEXEME_NONE;
    bound b = parse_bound(text);
    wanted w = table[kind];
    if (b.is_zero) { /* -0 is 0 */
        w.negative[EQUAL] = w.positive[EQUAL];
    } else if (b.is_negative) {
        const wanted *m = &table[mirror[kind]];
        memcpy(w.positive, m->negative, sizeof(w.positive));
        memcpy(w.negative, m->positive, sizeof(w.negative));
    }
    return compare(lexicon, &b, &w);
}

static uint32_t power_of_ten_mod(uint32_t n, uint32_t mod) {
    uint32_t value = 1 % mod;
    for (uint32_t i = 0; i < n; i++) {
        value = value * 10 % mod;
    }
    return value;
}

/* States hold the remainder of the digits so far: of the whole part, then with j digits of the
 * fraction. After as many as the divisor has, only zeros may follow. */
static mu_lexeme divide(mu_lexicon *lexicon, uint32_t divisor, uint32_t n_fraction) {
    mu_lexeme_draft draft = {.lexicon = lexicon};
    mu_lexeme_draft_state(&draft, false);            /* 0: before the sign */
    mu_lexeme_draft_state(&draft, false);            /* 1: after it */
    for (uint32_t j = 0; j <= n_fraction + 1; j++) { /* j = 0: the whole part */
        uint32_t scale = power_of_ten_mod(n_fraction - (j == 0 ? 0 : j - 1), divisor);
        for (uint32_t rest = 0; rest < divisor; rest++) { /* 2 + j * divisor + rest */
            uint64_t value = (uint64_t)rest * scale % divisor;
            mu_lexeme_draft_state(&draft, value == 0);
        }
    }
    mu_lexeme_draft_edge(&draft, 0, '-', '-', 1);
    for (uint32_t from = 0; from < 2; from++) {
        for (uint32_t d = 0; d < 10; d++) {
            mu_lexeme_draft_edge(&draft, from, '0' + d, '0' + d, 2 + d % divisor);
        }
    }
    for (uint32_t j = 0; j <= n_fraction + 1 && lexicon->status == MU_OK; j++) {
        for (uint32_t rest = 0; rest < divisor; rest++) {
            uint32_t from = 2 + j * divisor + rest;
            if (j == 0) mu_lexeme_draft_edge(&draft, from, '.', '.', 2 + divisor + rest);
            bool is_past = j == n_fraction + 1;
            uint32_t to_j = j == 0 || is_past ? j : j + 1;
            for (uint32_t d = 0; d < (is_past ? 1u : 10u); d++) {
                uint32_t next = is_past ? rest : (rest * 10 + d) % divisor;
                uint32_t to = 2 + to_j * divisor + next;
                mu_lexeme_draft_edge(&draft, from, '0' + d, '0' + d, to);
            }
        }
    }
    mu_lexeme lexeme = mu_lexeme_draft_finish(&draft);
    return mu_lexeme_and(lexicon, lexeme, mu_number_plain(lexicon));
}

mu_lexeme mu_number_multiple(mu_lexicon *lexicon, const char *text) {
    if (lexicon->status != MU_OK) return MU_LEXEME_NONE;
    bound b = parse_bound(text);
    uint64_t divisor = 0;
    for (uint32_t i = 0; i < b.n_whole + b.n_fraction && divisor <= MU_NUMBER_DIVISOR_MAX; i++) {
        char digit = i < b.n_whole ? b.whole[i] : b.fraction[i - b.n_whole];
        divisor = divisor * 10 + (uint64_t)(digit - '0');
    }
    MU_ASSERT(divisor > 0);
    if (divisor > MU_NUMBER_DIVISOR_MAX) {
        mu_lexicon_fail(lexicon, MU_ERR_LIMIT, "too large or too fine a divisor");
        return MU_LEXEME_NONE;
    }
    return divide(lexicon, (uint32_t)divisor, b.n_fraction);
}

bool mu_number_write(double value, char out[MU_NUMBER_TEXT_MAX]) {
    if (!isfinite(value)) return false;
    char text[64];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*e", digits - 1, value);
        if (strtod(text, NULL) == value) break;
    }
    int exponent = (int)strtol(strchr(text, 'e') + 1, NULL, 10), n_digits = 0;
    for (const char *at = text; *at != 'e'; at++) {
        n_digits += *at >= '0' && *at <= '9';
    }
    /* d.ddd x 10^e has n_digits - 1 - e digits after the point when written plainly. */
    int n_fraction = n_digits - 1 - exponent;
    int n = snprintf(out, MU_NUMBER_TEXT_MAX, "%.*f", n_fraction > 0 ? n_fraction : 0, value);
    return n > 0 && n < MU_NUMBER_TEXT_MAX;
}
