/* States of JSON outside strings and numbers.
 *
 * Blanks: where JSON allows them after an opening bracket, a comma or a colon and before a closing
 * bracket, either one space, or a line break and up to 64 spaces or 16 tabs. That is what writers
 * write, and it keeps a model from writing blanks for ever. Nothing comes before the first bracket.
 *
 * An object remembers which properties it has seen, so each comes once, in any order or in that of
 * the schema, and what is required can always still come. Properties without a slot are only
 * counted.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/automaton.h"

/* Blanks read: none, one space, or a line break and then spaces or tabs, not both. */
enum { NO_BLANK, ONE_SPACE, LINE_BREAK, SPACES_MAX = LINE_BREAK + 64, TABS_MAX = SPACES_MAX + 16 };

/* Phases. OPEN, KEY and VALUE of objects and arrays allow blanks before what they expect. */
enum {
    OPEN,  /* after the opening bracket */
    AFTER, /* after a comma */
    NEXT,  /* after a value: a comma or the closing bracket */
    KEY,   /* inside the name of a slot: c bytes, among the sorted names d & 0xFFFF .. d >> 16 */
    COLON, /* after a name: c expression */
    VALUE, /* after the colon: c expression */
};

/* The names of a shape's slots as JSON strings without the opening quote, sorted. */
typedef struct name {
    const char *text; /* [n] */
    uint32_t n, slot;
} name;

typedef struct mu_object_names {
    uint32_t n;
    name list[]; /* [n] */
} names;

static const char *const literals[] = {"null", "true", "false"};
static const uint8_t literal_bits[] = {MU_LITERAL_NULL, MU_LITERAL_TRUE, MU_LITERAL_FALSE};

static void fail_memory(mu_automaton *a) {
    if (a->status == MU_OK) a->status = a->memory->is_full ? MU_ERR_LIMIT : MU_ERR_NOMEM;
}

static bool take_blank(uint8_t *blanks, uint8_t byte) {
    if (byte == '\n' && *blanks == NO_BLANK) {
        *blanks = LINE_BREAK;
    } else if (byte == ' ' && *blanks == NO_BLANK) {
        *blanks = ONE_SPACE;
    } else if (byte == ' ' && *blanks >= LINE_BREAK && *blanks < SPACES_MAX) {
        (*blanks)++;
    } else if (byte == '\t' && *blanks == LINE_BREAK) {
        *blanks = SPACES_MAX + 1;
    } else if (byte == '\t' && *blanks > SPACES_MAX && *blanks < TABS_MAX) {
        (*blanks)++;
    } else {
        return false;
    }
    return true;
}

/* Values. */

static void add_state(mu_automaton *a, const mu_key *key, const uint32_t *extra, uint32_t n_extra,
                      mu_paths *out) {
    mu_paths_add(out, mu_automaton_intern(a, key, extra, n_extra));
}

static void add_lexeme_start(mu_automaton *a, const mu_value_set *set, uint8_t byte,
                             mu_paths *out) {
    if (byte == '"' && set->string != MU_LEXEME_NONE) {
        mu_key key = {.kind = MU_KIND_STRING, .a = set->string};
        add_state(a, &key, NULL, 0, out);
    }
    if (set->number == MU_LEXEME_NONE || (byte != '-' && (byte < '0' || byte > '9'))) return;
    uint32_t to = mu_lexeme_step(mu_lexeme_get(a->lexicon, set->number), 0, byte);
    mu_key key = {.kind = MU_KIND_TEXT, .a = set->number, .b = to};
    if (to != UINT32_MAX) add_state(a, &key, NULL, 0, out);
}

static uint32_t n_bits(const mu_object_shape *shape) {
    return shape->n_slots + shape->n_classes;
}

static void add_containers(mu_automaton *a, const mu_value_set *set, uint8_t byte, mu_paths *out) {
    static const uint32_t no_counts[MU_CONTAINS_MAX];
    for (uint32_t i = 0; byte == '[' && i < set->n_arrays; i++) {
        mu_key key = {.kind = MU_KIND_ARRAY, .phase = OPEN, .a = set->arrays[i]->id};
        add_state(a, &key, no_counts, set->arrays[i]->n_contains, out);
    }
    for (uint32_t i = 0; byte == '{' && i < set->n_objects; i++) {
        uint32_t n = (n_bits(set->objects[i]) + 31) / 32;
        uint32_t *none = MU_ALLOC(uint32_t, n + 1);
        if (!none) {
            fail_memory(a);
            return;
        }
        mu_key key = {.kind = MU_KIND_OBJECT, .phase = OPEN, .a = set->objects[i]->id};
        add_state(a, &key, none, n, out);
        mu_free(none);
    }
}

static void add_value_paths(mu_automaton *a, mu_expr expr, uint8_t byte, mu_paths *out) {
    const mu_value_set *set = mu_expr_settled(a->algebra, expr);
    for (uint32_t i = 0; i < MU_COUNTOF(literals); i++) {
        if (!(set->literals & literal_bits[i]) || byte != (uint8_t)literals[i][0]) continue;
        mu_key key = {.kind = MU_KIND_LITERAL, .a = i, .b = 1};
        add_state(a, &key, NULL, 0, out);
    }
    add_lexeme_start(a, set, byte, out);
    add_containers(a, set, byte, out);
}

static void literal_paths(mu_automaton *a, mu_key key, uint8_t byte, mu_paths *out) {
    const char *text = literals[key.a];
    if (byte != (uint8_t)text[key.b]) return;
    key.b++;
    if (text[key.b]) {
        add_state(a, &key, NULL, 0, out);
    } else {
        mu_paths_add(out, MU_STATE_DONE);
    }
}

mu_state mu_value_state(mu_automaton *a, mu_expr expr) {
    mu_key key = {.kind = MU_KIND_VALUE, .a = expr};
    return mu_automaton_intern(a, &key, NULL, 0);
}

/* Arrays. */

typedef struct array_place {
    mu_automaton *a;
    const mu_array_shape *shape;
    mu_key key;                       /* b: elements so far, not above what matters */
    uint32_t counts[MU_CONTAINS_MAX]; /* not above what matters */
} array_place;

static mu_expr variant(const array_place *p, uint32_t index, uint32_t bits) {
    uint32_t at = index < p->shape->n_prefix ? index : p->shape->n_prefix;
    return p->shape->variants[at << p->shape->n_contains | bits];
}

/* Whether an element from `index` on may be one of contains number i. */
static bool may_come(const array_place *p, uint32_t index, uint32_t i) {
    uint32_t at = index < p->shape->n_prefix ? index : p->shape->n_prefix;
    for (; at <= p->shape->n_prefix && at < p->shape->n_max; at++) {
        for (uint32_t bits = 0; bits < 1u << p->shape->n_contains; bits++) {
            if ((bits >> i & 1) && mu_expr_lives(p->a->algebra, variant(p, at, bits))) return true;
        }
    }
    return false;
}

static bool is_feasible(const array_place *p, uint32_t n, const uint32_t *counts) {
    for (uint32_t i = 0; i < p->shape->n_contains; i++) {
        const mu_contains *c = &p->shape->contains[i];
        if (counts[i] > c->n_max) return false;
        uint32_t n_needed = counts[i] < c->n_min ? c->n_min - counts[i] : 0;
        if (n_needed == 0) continue;
        if (n > p->shape->n_max || n_needed > p->shape->n_max - n || !may_come(p, n, i))
            return false;
    }
    return true;
}

/* The place after one more element that is of these contains; false: it cannot be. */
static bool go_on(const array_place *p, uint32_t bits, array_place *out) {
    const mu_array_shape *shape = p->shape;
    if (p->key.b >= shape->n_max || !mu_expr_lives(p->a->algebra, variant(p, p->key.b, bits))) {
        return false;
    }
    *out = *p;
    uint32_t floor = shape->n_prefix > shape->n_min ? shape->n_prefix : shape->n_min;
    bool counts_matter = shape->n_max != UINT32_MAX || p->key.b < floor;
    out->key = (mu_key){.kind = MU_KIND_ARRAY, .phase = NEXT, .a = p->key.a};
    out->key.b = p->key.b + counts_matter;
    for (uint32_t i = 0; i < shape->n_contains; i++) {
        const mu_contains *c = &shape->contains[i];
        if (!(bits >> i & 1)) continue;
        bool matters = c->n_max != UINT32_MAX || p->counts[i] < c->n_min;
        out->counts[i] += matters;
    }
    return is_feasible(out, out->key.b, out->counts);
}

static bool can_go_on(const array_place *p) {
    array_place next;
    for (uint32_t bits = 0; bits < 1u << p->shape->n_contains; bits++) {
        if (go_on(p, bits, &next)) return true;
    }
    return false;
}

static bool can_close_array(const array_place *p) {
    for (uint32_t i = 0; i < p->shape->n_contains; i++) {
        if (p->counts[i] < p->shape->contains[i].n_min) return false;
    }
    return p->key.b >= p->shape->n_min;
}

static void element_paths(const array_place *p, uint8_t byte, mu_paths *out) {
    array_place next;
    for (uint32_t bits = 0; bits < 1u << p->shape->n_contains; bits++) {
        if (!go_on(p, bits, &next)) continue;
        uint32_t first = out->n;
        add_value_paths(p->a, variant(p, p->key.b, bits), byte, out);
        if (out->n == first) continue;
        mu_state after = mu_automaton_intern(p->a, &next.key, next.counts, p->shape->n_contains);
        mu_paths_push_below(p->a, out, first, after);
    }
}

static void array_paths(mu_automaton *a, const mu_state_row *row, uint8_t byte, mu_paths *out) {
    array_place p = {.a = a, .shape = a->algebra->arrays[row->key->a - 1], .key = *row->key};
    if (row->n_extra > 0) memcpy(p.counts, row->extra, row->n_extra * sizeof(uint32_t));
    bool can_close = p.key.phase != AFTER && can_close_array(&p);
    bool takes_element = p.key.phase != NEXT;
    mu_key blank = p.key;
    if (byte == ']') {
        if (can_close) mu_paths_add(out, MU_STATE_DONE);
    } else if (byte == ',' && p.key.phase == NEXT) {
        if (p.key.blanks != NO_BLANK || !can_go_on(&p)) return;
        p.key.phase = AFTER;
        add_state(a, &p.key, p.counts, row->n_extra, out);
    } else if (take_blank(&blank.blanks, byte)) {
        if (can_close || takes_element) add_state(a, &blank, p.counts, row->n_extra, out);
    } else if (takes_element) {
        element_paths(&p, byte, out);
    }
}

/* Objects. */

typedef struct object_place {
    mu_automaton *a;
    const mu_object_shape *shape;
    mu_key key;
    uint32_t *seen; /* [n_words] bits: slots, then classes that are needed */
    uint32_t n_words;
    uint32_t n;          /* properties so far, not above what matters */
    uint32_t n_required; /* slots and needed classes still to come */
    uint32_t first_slot; /* the first that may come, in order */
    uint32_t last_slot;  /* the last that may come, in order */
    bool has_class;      /* some class lives */
} object_place;

static bool is_seen(const object_place *p, uint32_t bit) {
    return p->seen[bit / 32] >> (bit % 32) & 1;
}

static bool lives(const object_place *p, mu_expr expr) {
    return expr != MU_EXPR_FALSE && mu_expr_lives(p->a->algebra, expr);
}

static void count_slots(object_place *p) {
    const mu_object_shape *shape = p->shape;
    bool is_ordered = p->a->is_ordered;
    p->last_slot = shape->n_slots;
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        if (is_seen(p, i)) {
            p->n++;
            if (is_ordered) p->first_slot = i + 1;
        } else if (shape->slots[i].is_required) {
            p->n_required++;
            if (is_ordered && p->last_slot == shape->n_slots) p->last_slot = i;
        }
    }
    if (is_ordered && p->key.b > 0) p->first_slot = shape->n_slots; /* the others come last */
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        const mu_key_class *c = &shape->classes[i];
        if (!c->is_needed) p->has_class = p->has_class || lives(p, c->expr);
        if (c->is_needed && !is_seen(p, shape->n_slots + i)) p->n_required++;
    }
}

/* p->seen is the caller's to free; false: no memory. */
static bool open_place(mu_automaton *a, const mu_state_row *row, object_place *p) {
    *p = (object_place){.a = a, .shape = a->algebra->objects[row->key->a - 1], .key = *row->key};
    p->n_words = row->n_extra;
    p->n = p->key.b;
    p->seen = MU_ALLOC(uint32_t, p->n_words + 1);
    if (!p->seen) {
        fail_memory(a);
        return false;
    }
    a->n_work += p->shape->n_slots / 4 + p->shape->n_classes;
    if (p->n_words > 0) memcpy(p->seen, row->extra, p->n_words * sizeof(uint32_t));
    count_slots(p);
    return true;
}

static bool can_close_object(const object_place *p) {
    return p->n_required == 0 && p->n >= p->shape->n_min;
}

/* One more property, which is required or not, leaves room for those that are. */
static bool has_room(const object_place *p, bool is_required) {
    return p->n < p->shape->n_max && p->shape->n_max - p->n - 1 >= p->n_required - is_required;
}

static bool may_take_slot(const object_place *p, uint32_t i) {
    const mu_slot *slot = &p->shape->slots[i];
    if (i < p->first_slot || i > p->last_slot || is_seen(p, i) || !lives(p, slot->expr))
        return false;
    if (!has_room(p, slot->is_required)) return false;
    if (!p->a->is_ordered || p->has_class || p->n + 1 >= p->shape->n_min) return true;
    uint32_t n_after = 0; /* slots before this one are given up, the least number must be reached */
    for (uint32_t j = i + 1; j < p->shape->n_slots; j++) {
        n_after += !is_seen(p, j) && lives(p, p->shape->slots[j].expr);
    }
    return p->n + 1 + n_after >= p->shape->n_min;
}

static bool may_take_class(const object_place *p, uint32_t i) {
    const mu_key_class *c = &p->shape->classes[i];
    if (!lives(p, c->expr)) return false;
    if (c->is_needed && is_seen(p, p->shape->n_slots + i)) return false;
    if (p->a->is_ordered && p->last_slot < p->shape->n_slots) return false;
    return has_room(p, c->is_needed);
}

static bool may_take_any(const object_place *p) {
    for (uint32_t i = 0; i < p->shape->n_slots; i++) {
        if (may_take_slot(p, i)) return true;
    }
    for (uint32_t i = 0; i < p->shape->n_classes; i++) {
        if (may_take_class(p, i)) return true;
    }
    return false;
}

/* Names. */

static int by_text(const void *a, const void *b) {
    const name *x = a, *y = b;
    uint32_t n = x->n < y->n ? x->n : y->n;
    int order = memcmp(x->text, y->text, n);
    return order ? order : (x->n > y->n) - (x->n < y->n);
}

/* name" as JSON writes it: only what must be escaped is. */
static const char *write_name(mu_chunks *memory, const mu_slot *slot, uint32_t *out_n) {
    char *text = MU_CHUNK_NEW(memory, char, 6 * (size_t)slot->n_name + 2);
    if (!text) return NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < slot->n_name; i++) {
        uint8_t c = (uint8_t)slot->name[i];
        static const char plain[] = "\b\t\n\f\r\"\\", letters[] = "btnfr\"\\";
        const char *special = c ? strchr(plain, c) : NULL;
        if (special) {
            text[n++] = '\\';
            text[n++] = letters[special - plain];
        } else if (c < 0x20) {
            n += (uint32_t)snprintf(text + n, 7, "\\u%04x", c);
        } else {
            text[n++] = (char)c;
        }
    }
    text[n++] = '"';
    *out_n = n;
    return text;
}

static const names *names_of(mu_automaton *a, const mu_object_shape *shape) {
    if (a->names[shape->id - 1]) return a->names[shape->id - 1];
    names *all = mu_chunks_alloc(a->memory, 1, sizeof(*all) + shape->n_slots * sizeof(name));
    for (uint32_t i = 0; all && i < shape->n_slots; i++) {
        all->list[i].slot = i;
        all->list[i].text = write_name(a->memory, &shape->slots[i], &all->list[i].n);
        if (!all->list[i].text) all = NULL;
    }
    if (!all) {
        fail_memory(a);
        return NULL;
    }
    all->n = shape->n_slots;
    qsort(all->list, all->n, sizeof(all->list[0]), by_text);
    a->names[shape->id - 1] = all;
    return all;
}

static void add_object_state(const object_place *p, const mu_key *key, mu_paths *out) {
    add_state(p->a, key, p->seen, p->n_words, out);
}

/* After the quote of a name: inside the slots' names, and inside those of each class. */
static void name_paths(object_place *p, mu_paths *out) {
    bool has_slot = false;
    for (uint32_t i = 0; i < p->shape->n_slots && !has_slot; i++) {
        has_slot = may_take_slot(p, i);
    }
    mu_key key = p->key;
    key.blanks = NO_BLANK;
    key.phase = KEY;
    key.c = 0;
    key.d = p->shape->n_slots << 16;
    if (has_slot) add_object_state(p, &key, out);
    uint32_t b_max = p->shape->n_max != UINT32_MAX ? p->shape->n_max : p->shape->n_min;
    for (uint32_t i = 0; i < p->shape->n_classes; i++) {
        const mu_key_class *c = &p->shape->classes[i];
        if (!may_take_class(p, i)) continue;
        uint32_t first = out->n, bit = p->shape->n_slots + i;
        mu_key text = {.kind = MU_KIND_STRING, .a = c->keys};
        add_state(p->a, &text, NULL, 0, out);
        mu_key colon = p->key;
        colon.blanks = NO_BLANK;
        colon.phase = COLON;
        colon.c = c->expr;
        colon.b += colon.b < b_max || colon.b == 0;
        if (c->is_needed) p->seen[bit / 32] |= 1u << (bit % 32);
        mu_paths_push_below(p->a, out, first,
                            mu_automaton_intern(p->a, &colon, p->seen, p->n_words));
        if (c->is_needed) p->seen[bit / 32] &= ~(1u << (bit % 32));
    }
}

static void key_paths(object_place *p, uint8_t byte, mu_paths *out) {
    const names *all = names_of(p->a, p->shape);
    uint32_t depth = p->key.c, lo = p->key.d & 0xFFFF, hi = p->key.d >> 16;
    if (!all) return;
    while (lo < hi && (uint8_t)all->list[lo].text[depth] < byte) {
        lo++;
    }
    uint32_t end = lo;
    bool has_slot = false;
    while (end < hi && (uint8_t)all->list[end].text[depth] == byte) {
        has_slot = has_slot || may_take_slot(p, all->list[end].slot);
        end++;
    }
    if (!has_slot) return;
    mu_key key = p->key;
    key.c++;
    key.d = end << 16 | lo;
    if (all->list[lo].n == key.c) { /* the closing quote: no name goes on after it */
        uint32_t slot = all->list[lo].slot;
        key.phase = COLON;
        key.c = p->shape->slots[slot].expr;
        key.d = 0;
        p->seen[slot / 32] |= 1u << (slot % 32);
    }
    add_object_state(p, &key, out);
}

static void property_paths(object_place *p, uint8_t byte, mu_paths *out) {
    uint32_t first = out->n;
    mu_key blank = p->key;
    if (take_blank(&blank.blanks, byte)) {
        add_object_state(p, &blank, out);
        return;
    }
    add_value_paths(p->a, p->key.c, byte, out);
    if (out->n == first) return;
    mu_key next = p->key;
    next.phase = NEXT;
    next.blanks = NO_BLANK;
    next.c = 0;
    mu_paths_push_below(p->a, out, first, mu_automaton_intern(p->a, &next, p->seen, p->n_words));
}

static void between_paths(object_place *p, uint8_t byte, mu_paths *out) {
    bool can_close = p->key.phase != AFTER && can_close_object(p);
    bool takes_name = p->key.phase != NEXT;
    mu_key blank = p->key;
    if (byte == '}') {
        if (can_close) mu_paths_add(out, MU_STATE_DONE);
    } else if (byte == ',' && p->key.phase == NEXT) {
        if (p->key.blanks != NO_BLANK || !may_take_any(p)) return;
        p->key.phase = AFTER;
        add_object_state(p, &p->key, out);
    } else if (byte == '"' && takes_name) {
        name_paths(p, out);
    } else if (take_blank(&blank.blanks, byte) && (can_close || takes_name)) {
        add_object_state(p, &blank, out);
    }
}

static void object_paths(mu_automaton *a, const mu_state_row *row, uint8_t byte, mu_paths *out) {
    object_place p;
    if (!open_place(a, row, &p)) return;
    if (p.key.phase == KEY) {
        key_paths(&p, byte, out);
    } else if (p.key.phase == VALUE) {
        property_paths(&p, byte, out);
    } else if (p.key.phase == COLON) {
        p.key.phase = VALUE;
        if (byte == ':') add_object_state(&p, &p.key, out);
    } else {
        between_paths(&p, byte, out);
    }
    mu_free(p.seen);
}

void mu_json_paths(mu_automaton *a, const mu_state_row *row, uint8_t byte, mu_paths *out) {
    switch ((mu_state_kind)row->key->kind) {
    case MU_KIND_LITERAL:
        literal_paths(a, *row->key, byte, out);
        return;
    case MU_KIND_VALUE:
        add_value_paths(a, row->key->a, byte, out);
        return;
    case MU_KIND_ARRAY:
        array_paths(a, row, byte, out);
        return;
    case MU_KIND_OBJECT:
        object_paths(a, row, byte, out);
        return;
    case MU_KIND_FIXED:
    case MU_KIND_TEXT:
    case MU_KIND_STRING:
    case MU_KIND_RULE:
        break;
    }
}
