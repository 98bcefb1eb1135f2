/* States inside a lexeme. Bytes are decoded as they come: what has been read of a character is a
 * number (`part`), which stands for a range of characters that it may still become, and is refused
 * as soon as the lexeme has no edge in that range.
 *
 *     0                          between characters
 *     RAW | length | left | bits inside UTF-8
 *     ESCAPE                     after a backslash
 *     UNICODE | digits | value   after \u
 *     PAIR | stage | high | low  after the first half of a surrogate pair
 *     REST | left                inside UTF-8 that leads to one state whatever it becomes
 *
 * The last is what keeps states few: of all the ways to be inside a character, a lexeme that does
 * not care which it is has three.
 */
#include "grammar/automaton.h"

enum { RAW = 1, ESCAPE, UNICODE, PAIR, REST };
enum { N_PAIR_STAGES = 6 }; /* \ u d [c-f] hex hex */

static uint32_t pack(uint32_t what, uint32_t count, uint32_t value) {
    return what << 29 | count << 24 | value;
}

/* Whether some character of lo..hi that is not half of a pair may follow. */
static bool has_char(const mu_lexeme_dfa *dfa, uint32_t state, uint32_t lo, uint32_t hi) {
    if (lo < 0xD800 && mu_lexeme_has_step(dfa, state, lo, hi < 0xD7FF ? hi : 0xD7FF)) return true;
    if (lo < 0xE000) lo = 0xE000;
    if (hi > MU_CHAR_MAX) hi = MU_CHAR_MAX;
    return lo <= hi && mu_lexeme_has_step(dfa, state, lo, hi);
}

typedef struct place {
    const mu_lexeme_dfa *dfa;
    uint32_t state, part;
} place;

static bool step(place *p, uint32_t character) {
    uint32_t to = mu_lexeme_step(p->dfa, p->state, character);
    if (to == UINT32_MAX) return false;
    p->state = to;
    p->part = 0;
    return true;
}

static bool set_raw(place *p, uint32_t length, uint32_t left, uint32_t bits) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint32_t lo = bits << (6 * left), hi = lo | ((1u << (6 * left)) - 1);
    if (lo < least[length]) lo = least[length];
    if (lo > hi || !has_char(p->dfa, p->state, lo, hi)) return false;
    if (left == 0) return step(p, bits);
    bool is_whole = lo == bits << (6 * left) && hi <= MU_CHAR_MAX && (hi < 0xD800 || lo > 0xDFFF);
    uint32_t to = is_whole ? mu_lexeme_step_all(p->dfa, p->state, lo, hi) : UINT32_MAX;
    if (to != UINT32_MAX) {
        p->state = to;
        p->part = pack(REST, left, 0);
        return true;
    }
    p->part = pack(RAW, length << 2 | left, bits);
    return true;
}

static bool start_raw(place *p, uint8_t byte) {
    if (byte < 0x80) return step(p, byte);
    if (byte < 0xC2 || byte > 0xF4) return false;
    uint32_t length = byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
    return set_raw(p, length, length - 1, byte & (0x7Fu >> length));
}

static bool go_on_raw(place *p, uint8_t byte) {
    uint32_t count = p->part >> 24 & 31, bits = p->part & 0xFFFFFF;
    if ((byte & 0xC0) != 0x80) return false;
    return set_raw(p, count >> 2, (count & 3) - 1, bits << 6 | (byte & 0x3F));
}

static bool go_on_rest(place *p, uint8_t byte) {
    uint32_t left = (p->part >> 24 & 31) - 1;
    p->part = left ? pack(REST, left, 0) : 0;
    return (byte & 0xC0) == 0x80;
}

static int hex_value(uint8_t byte) {
    if (byte >= '0' && byte <= '9') return byte - '0';
    uint8_t low = byte | 32;
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

static bool set_pair(place *p, uint32_t stage, uint32_t high, uint32_t low) {
    uint32_t n_left = stage < 4 ? 10 : 4 * (N_PAIR_STAGES - stage); /* bits of low to come */
    uint32_t lo = 0x10000 + (high << 10) + (low << n_left);
    if (!mu_lexeme_has_step(p->dfa, p->state, lo, lo + (1u << n_left) - 1)) return false;
    if (stage == N_PAIR_STAGES) return step(p, lo);
    p->part = pack(PAIR, stage, high << 10 | low);
    return true;
}

static bool go_on_pair(place *p, uint8_t byte) {
    uint32_t stage = p->part >> 24 & 31, high = p->part >> 10 & 0x3FF, low = p->part & 0x3FF;
    int hex = hex_value(byte);
    switch (stage) {
    case 0:
        return byte == '\\' && set_pair(p, 1, high, low);
    case 1:
        return byte == 'u' && set_pair(p, 2, high, low);
    case 2:
        return hex == 0xD && set_pair(p, 3, high, low);
    case 3:
        return hex >= 0xC && set_pair(p, 4, high, (uint32_t)hex & 3);
    default:
        return hex >= 0 && set_pair(p, stage + 1, high, low << 4 | (uint32_t)hex);
    }
}

static bool set_unicode(place *p, uint32_t n_digits, uint32_t value) {
    uint32_t n_left = 4 * (4 - n_digits), lo = value << n_left, hi = lo | ((1u << n_left) - 1);
    uint32_t high_lo = lo > 0xD800 ? lo : 0xD800, high_hi = hi < 0xDBFF ? hi : 0xDBFF;
    bool may_be_pair = high_lo <= high_hi &&
                       mu_lexeme_has_step(p->dfa, p->state, 0x10000 + ((high_lo & 0x3FF) << 10),
                                          0x10000 + ((high_hi & 0x3FF) << 10) + 0x3FF);
    if (n_digits == 4 && may_be_pair) return set_pair(p, 0, value & 0x3FF, 0);
    if (!may_be_pair && !has_char(p->dfa, p->state, lo, hi)) return false;
    if (n_digits == 4) return step(p, value);
    p->part = pack(UNICODE, n_digits, value);
    return true;
}

static bool go_on_unicode(place *p, uint8_t byte) {
    int hex = hex_value(byte);
    uint32_t n_digits = p->part >> 24 & 31, value = p->part & 0xFFFF;
    return hex >= 0 && set_unicode(p, n_digits + 1, value << 4 | (uint32_t)hex);
}

static bool go_on_escape(place *p, uint8_t byte) {
    static const struct {
        char letter, character;
    } escapes[] = {{'"', '"'},  {'\\', '\\'}, {'/', '/'},  {'b', '\b'},
                   {'f', '\f'}, {'n', '\n'},  {'r', '\r'}, {'t', '\t'}};
    if (byte == 'u') return set_unicode(p, 0, 0);
    for (size_t i = 0; i < MU_COUNTOF(escapes); i++) {
        if (byte == (uint8_t)escapes[i].letter) return step(p, (uint8_t)escapes[i].character);
    }
    return false;
}

static bool go_on(place *p, uint8_t byte, bool is_string) {
    switch (p->part >> 29) {
    case RAW:
        return go_on_raw(p, byte);
    case ESCAPE:
        return go_on_escape(p, byte);
    case UNICODE:
        return go_on_unicode(p, byte);
    case PAIR:
        return go_on_pair(p, byte);
    case REST:
        return go_on_rest(p, byte);
    default:
        break;
    }
    if (is_string && byte < 0x20) return false;
    if (is_string && byte == '\\') { /* any character has an escape */
        p->part = pack(ESCAPE, 0, 0);
        return has_char(p->dfa, p->state, 0, MU_CHAR_MAX);
    }
    return start_raw(p, byte);
}

void mu_text_paths(mu_automaton *a, const mu_state_row *row, uint8_t byte, mu_paths *out) {
    mu_key key = *row->key;
    place p = {mu_lexeme_get(a->lexicon, key.a), key.b, key.c};
    bool is_string = key.kind == MU_KIND_STRING;
    if (is_string && byte == '"' && p.part == 0) {
        if (p.dfa->states[p.state].accepts) mu_paths_add(out, MU_STATE_DONE);
        return;
    }
    if (!go_on(&p, byte, is_string)) return;
    key.b = p.state;
    key.c = p.part;
    mu_paths_add(out, mu_automaton_intern(a, &key, NULL, 0));
}

bool mu_text_is_final(const mu_automaton *a, const mu_key *key) {
    const mu_lexeme_dfa *dfa = mu_lexeme_get(a->lexicon, key->a);
    return key->c == 0 && key->b < dfa->n_states && dfa->states[key->b].accepts;
}

mu_state mu_text_state(mu_automaton *a, mu_lexeme lexeme) {
    mu_key key = {.kind = MU_KIND_TEXT, .a = lexeme};
    return lexeme == MU_LEXEME_NONE ? MU_STATE_NONE : mu_automaton_intern(a, &key, NULL, 0);
}

/* Safe characters: those that a JSON string holds as they are. */
static const struct {
    uint32_t lo, hi;
} safe[] = {{0x20, 0x21}, {0x23, 0x5B}, {0x5D, 0xD7FF}, {0xE000, MU_CHAR_MAX}};

enum { TARGETS_MAX = 256 };

typedef struct targets {
    uint32_t list[TARGETS_MAX]; /* [n] states */
    uint32_t n;
} targets;

static bool add_target(targets *t, uint32_t state) {
    for (uint32_t i = 0; i < t->n; i++) {
        if (t->list[i] == state) return true;
    }
    if (t->n == TARGETS_MAX) return false;
    t->list[t->n++] = state;
    return true;
}

/* Whether every safe character leads on from the state; adds where to. */
static bool add_targets(const mu_lexeme_dfa *dfa, uint32_t state, targets *out) {
    const mu_lexeme_state *s = &dfa->states[state];
    uint32_t e = 0;
    for (size_t i = 0; i < MU_COUNTOF(safe); i++) {
        for (uint32_t at = safe[i].lo; at <= safe[i].hi;) {
            while (e < s->n_edges && s->edges[e].hi < at) {
                e++;
            }
            if (e == s->n_edges || s->edges[e].lo > at) return false;
            at = s->edges[e].hi + 1;
            if (!add_target(out, s->edges[e].to)) return false;
        }
    }
    return true;
}

/* Whether safe characters lead on for ever: all states they reach do. */
static bool is_free_for_ever(const mu_lexeme_dfa *dfa, uint32_t state) {
    targets reached = {{state}, 1};
    for (uint32_t i = 0; i < reached.n; i++) {
        if (!add_targets(dfa, reached.list[i], &reached)) return false;
    }
    return true;
}

uint32_t mu_string_n_free(const mu_automaton *a, const mu_key *key, uint32_t n_max) {
    if (key->kind != MU_KIND_STRING || key->c != 0) return 0;
    const mu_lexeme_dfa *dfa = mu_lexeme_get(a->lexicon, key->a);
    if (is_free_for_ever(dfa, key->b)) return n_max;
    targets now = {{key->b}, 1};
    for (uint32_t depth = 0; depth < n_max; depth++) {
        targets next = {{0}, 0};
        for (uint32_t i = 0; i < now.n; i++) {
            if (!add_targets(dfa, now.list[i], &next)) return depth;
        }
        now = next;
    }
    return n_max;
}
