/* The complement of a shape is the union, over everything it demands, of "all else is free and this
 * is not so". The intersection of two unions is the union of the intersections of their members, so
 * shapes that no value can have are dropped as early as that is cheap to see.
 *
 * Whether an expression has a value at all is a least fixed point: while it is being looked for,
 * the answer is no, and a no that leaned on such an answer is not remembered.
 */
#include "grammar/value_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "grammar/number.h"
#include "grammar/regex.h"

enum { LIVE_STEPS_MAX = 2000000, LOOK_DEPTH = 3 };

typedef enum kind { TRUE_, FALSE_, NODE, AND, NOT } kind;
typedef enum life { LIFE_UNKNOWN, DEAD, ALIVE } life;

typedef struct mu_expr_row {
    kind kind;
    uint32_t a, b; /* NODE: node; AND: two expressions; NOT: one */
    mu_value_set *set;
    bool is_evaluating, is_visiting, is_settled;
    life life;
} row;

static bool has_failed(const mu_algebra *alg) {
    return alg->lexicon->status != MU_OK;
}

static void *get(mu_algebra *alg, size_t n, size_t elem_size) {
    void *piece = has_failed(alg) ? NULL : mu_chunks_alloc(alg->memory, n, elem_size);
    if (!piece && !has_failed(alg)) mu_lexicon_fail_nomem(alg->lexicon);
    return piece;
}

static void fail_limit(mu_algebra *alg, const char *text) {
    mu_lexicon_fail(alg->lexicon, MU_ERR_LIMIT, text);
}

/* Expressions. */

static size_t row_slot(const mu_algebra *alg, kind what, uint32_t a, uint32_t b) {
    uint64_t hash = (((uint64_t)a << 32 | b) + what) * UINT64_C(0x9E3779B97F4A7C15);
    size_t slot = (size_t)(hash >> 32) & (alg->slots_size - 1);
    while (alg->slots[slot] != 0) {
        const row *r = &alg->rows[alg->slots[slot] - 1];
        if (r->kind == what && r->a == a && r->b == b) break;
        slot = (slot + 1) & (alg->slots_size - 1);
    }
    return slot;
}

static bool grow_rows(mu_algebra *alg) {
    if (!mu_grow((void **)&alg->rows, &alg->rows_cap, alg->n_rows + 1, sizeof(row))) return false;
    if (alg->n_rows * 2 < alg->slots_size) return true;
    size_t size = alg->slots_size ? alg->slots_size * 2 : 128;
    uint32_t *slots = MU_ALLOC(uint32_t, size);
    if (!slots) return false;
    mu_free(alg->slots);
    alg->slots = slots;
    alg->slots_size = size;
    for (size_t i = 0; i < alg->n_rows; i++) {
        slots[row_slot(alg, alg->rows[i].kind, alg->rows[i].a, alg->rows[i].b)] = (uint32_t)i + 1;
    }
    return true;
}

static mu_expr intern(mu_algebra *alg, kind what, uint32_t a, uint32_t b) {
    if (!mu_lexicon_spend(alg->lexicon, 1)) return MU_EXPR_FALSE;
    if (alg->n_rows == MU_EXPRS_MAX) fail_limit(alg, "the schema combines too many others");
    if (!grow_rows(alg)) mu_lexicon_fail_nomem(alg->lexicon);
    if (has_failed(alg)) return MU_EXPR_FALSE;
    size_t slot = row_slot(alg, what, a, b);
    if (alg->slots[slot] == 0) {
        alg->rows[alg->n_rows++] = (row){.kind = what, .a = a, .b = b};
        alg->slots[slot] = (uint32_t)alg->n_rows;
    }
    return alg->slots[slot] - 1;
}

void mu_algebra_init(mu_algebra *alg, mu_lexicon *lexicon) {
    *alg = (mu_algebra){.memory = lexicon->memory, .lexicon = lexicon};
    alg->number_any = mu_number_any(lexicon);
    alg->number_plain = mu_number_plain(lexicon);
    alg->number_integer = mu_number_integer(lexicon);
    intern(alg, TRUE_, 0, 0);
    intern(alg, FALSE_, 0, 0);
}

void mu_algebra_deinit(mu_algebra *alg) {
    mu_free(alg->rows);
    mu_free(alg->slots);
    mu_free(alg->objects);
    mu_free(alg->arrays);
    *alg = (mu_algebra){0};
}

mu_expr mu_expr_node(mu_algebra *alg, uint32_t node) {
    return intern(alg, NODE, node, 0);
}

static bool is_factor(const mu_algebra *alg, mu_expr of, mu_expr factor) {
    while (of != factor && alg->rows[of].kind == AND) {
        if (alg->rows[of].b == factor) return true;
        of = alg->rows[of].a;
    }
    return of == factor;
}

/* Products are chains, the factors ascending from the inside out, so that equal ones are one. */
static mu_expr and_one(mu_algebra *alg, mu_expr a, mu_expr factor) {
    if (has_failed(alg)) return MU_EXPR_FALSE;
    if (a == MU_EXPR_TRUE) return factor;
    row r = alg->rows[a];
    if (is_factor(alg, a, factor)) return a;
    mu_expr opposite = alg->rows[factor].kind == NOT ? alg->rows[factor].a : MU_EXPR_TRUE;
    if (opposite != MU_EXPR_TRUE && is_factor(alg, a, opposite)) return MU_EXPR_FALSE;
    if (r.kind != AND) {
        if (r.kind == NOT && r.a == factor) return MU_EXPR_FALSE;
        return a < factor ? intern(alg, AND, a, factor) : intern(alg, AND, factor, a);
    }
    if (r.b < factor) return intern(alg, AND, a, factor);
    return intern(alg, AND, and_one(alg, r.a, factor), r.b);
}

mu_expr mu_expr_and(mu_algebra *alg, mu_expr a, mu_expr b) {
    if (has_failed(alg)) return MU_EXPR_FALSE;
    if (a == b || b == MU_EXPR_TRUE) return a;
    if (a == MU_EXPR_TRUE) return b;
    if (a == MU_EXPR_FALSE || b == MU_EXPR_FALSE) return MU_EXPR_FALSE;
    uint32_t n = 0;
    while (!has_failed(alg) && alg->rows[b].kind == AND && a != MU_EXPR_FALSE) {
        row r = alg->rows[b];
        if (++n > 64) fail_limit(alg, "too many schemas hold for one value");
        a = and_one(alg, a, r.b);
        b = r.a;
    }
    return a == MU_EXPR_FALSE ? a : and_one(alg, a, b);
}

mu_expr mu_expr_not(mu_algebra *alg, mu_expr a) {
    if (has_failed(alg)) return MU_EXPR_FALSE;
    if (a == MU_EXPR_TRUE) return MU_EXPR_FALSE;
    if (a == MU_EXPR_FALSE) return MU_EXPR_TRUE;
    if (alg->rows[a].kind == NOT) return alg->rows[a].a;
    return intern(alg, NOT, a, 0);
}

static bool compute(mu_algebra *alg, row r, mu_value_set *out) {
    const mu_value_set *a, *b;
    switch (r.kind) {
    case TRUE_:
        *out = mu_value_set_all(alg);
        return true;
    case FALSE_:
        return true;
    case NODE:
        return alg->evaluate(alg->ctx, r.a, out);
    case AND:
        a = mu_expr_evaluate(alg, r.a);
        b = a ? mu_expr_evaluate(alg, r.b) : NULL;
        if (b) *out = mu_value_set_and(alg, a, b);
        return b != NULL;
    case NOT:
        a = mu_expr_evaluate(alg, r.a);
        if (a) *out = mu_value_set_not(alg, a);
        return a != NULL;
    }
    return false;
}

const mu_value_set *mu_expr_evaluate(mu_algebra *alg, mu_expr expr) {
    if (has_failed(alg)) return NULL;
    if (alg->rows[expr].set) return alg->rows[expr].set;
    if (alg->rows[expr].is_evaluating) return NULL;
    if (alg->depth == MU_EXPR_DEPTH_MAX) {
        fail_limit(alg, "schemas refer to one another too deeply");
        return NULL;
    }
    alg->depth++;
    alg->rows[expr].is_evaluating = true;
    mu_value_set set = {0};
    bool ok = compute(alg, alg->rows[expr], &set);
    alg->rows[expr].is_evaluating = false;
    alg->depth--;
    mu_value_set *memo = ok ? get(alg, 1, sizeof(*memo)) : NULL;
    if (!memo || has_failed(alg)) return NULL;
    *memo = set;
    alg->rows[expr].set = memo;
    return memo;
}

/* Shapes. */

mu_array_shape mu_array_shape_all(void) {
    return (mu_array_shape){.rest = MU_EXPR_TRUE, .n_max = UINT32_MAX};
}

mu_object_shape *mu_object_shape_new(mu_algebra *alg, uint32_t n_slots_max,
                                     uint32_t n_classes_max) {
    if (n_slots_max > MU_SLOTS_MAX) fail_limit(alg, "too many properties");
    mu_object_shape *shape = get(alg, 1, sizeof(*shape));
    mu_slot *slots = get(alg, n_slots_max, sizeof(*slots));
    mu_key_class *classes = get(alg, n_classes_max, sizeof(*classes));
    if (!shape || !slots || !classes) return NULL;
    *shape = (mu_object_shape){.slots = slots, .classes = classes, .n_max = UINT32_MAX};
    return shape;
}

static void add_slot(mu_object_shape *shape, const mu_slot *slot) {
    ((mu_slot *)shape->slots)[shape->n_slots++] = *slot;
}

static void add_class(mu_object_shape *shape, mu_lexeme keys, mu_expr expr, bool is_needed) {
    if (keys == MU_LEXEME_NONE || (expr == MU_EXPR_FALSE && !is_needed)) return;
    mu_key_class *classes = (mu_key_class *)shape->classes;
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        const mu_key_class *c = &classes[i];
        if (c->keys == keys && c->expr == expr && c->is_needed == is_needed) return;
    }
    classes[shape->n_classes++] = (mu_key_class){keys, expr, is_needed};
}

static mu_object_shape *object_all(mu_algebra *alg) {
    mu_object_shape *shape = mu_object_shape_new(alg, 1, 4);
    if (shape) add_class(shape, MU_LEXEME_ANY, MU_EXPR_TRUE, false);
    return shape;
}

mu_lexeme mu_slot_names(mu_algebra *alg, const mu_slot *slots, uint32_t n_slots) {
    if (n_slots == 0) return MU_LEXEME_NONE;
    mu_regex_text *texts = MU_ALLOC(mu_regex_text, n_slots);
    if (!texts) {
        mu_lexicon_fail_nomem(alg->lexicon);
        return MU_LEXEME_NONE;
    }
    for (uint32_t i = 0; i < n_slots; i++) {
        texts[i] = (mu_regex_text){slots[i].name, slots[i].n_name};
    }
    mu_lexeme names = mu_regex_texts(alg->lexicon, texts, n_slots);
    mu_free(texts);
    return names;
}

mu_object_shape *mu_object_shape_one(mu_algebra *alg, const char *name, size_t n_name,
                                     mu_expr expr) {
    mu_object_shape *shape = mu_object_shape_new(alg, 1, 4);
    if (!shape) return NULL;
    mu_slot slot = {name, (uint32_t)n_name, expr != MU_EXPR_FALSE, expr};
    add_slot(shape, &slot);
    mu_lexeme names = mu_slot_names(alg, shape->slots, 1);
    add_class(shape, mu_lexeme_minus(alg->lexicon, MU_LEXEME_ANY, names), MU_EXPR_TRUE, false);
    return shape;
}

static void *push_shape(mu_algebra *alg, void *list, uint32_t n, void *shape) {
    if (n == MU_SHAPES_MAX) {
        fail_limit(alg, "combined schemas have too many cases; use fewer alternatives");
        return list;
    }
    bool is_full = (n & (n - 1)) == 0; /* 0, 1, 2, 4, ... */
    void **out = list;
    if (is_full) {
        out = get(alg, n ? 2 * (size_t)n : 1, sizeof(*out));
        if (!out) return list;
        if (n > 0) memcpy(out, list, n * sizeof(*out));
    }
    out[n] = shape;
    return out;
}

void mu_value_set_add_array(mu_algebra *alg, mu_value_set *set, const mu_array_shape *shape) {
    if (has_failed(alg) || shape->n_min > shape->n_max) return;
    mu_array_shape *copy = get(alg, 1, sizeof(*copy));
    if (!copy) return;
    *copy = *shape;
    set->arrays = push_shape(alg, set->arrays, set->n_arrays, copy);
    if (!has_failed(alg)) set->n_arrays++;
}

void mu_value_set_add_object(mu_algebra *alg, mu_value_set *set, mu_object_shape *shape) {
    if (has_failed(alg) || !shape || shape->n_min > shape->n_max) return;
    set->objects = push_shape(alg, set->objects, set->n_objects, shape);
    if (!has_failed(alg)) set->n_objects++;
}

/* Life, as far as a short look tells. */

static bool may_live(mu_algebra *alg, mu_expr expr, int depth);

static bool object_may_live(mu_algebra *alg, const mu_object_shape *shape, int depth) {
    uint32_t n_required = 0, n_slots = 0;
    bool is_open = false;
    mu_lexicon_spend(alg->lexicon, shape->n_slots + 1);
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        const mu_slot *slot = &shape->slots[i];
        if (slot->is_required && !may_live(alg, slot->expr, depth)) return false;
        n_required += slot->is_required;
        n_slots += slot->expr != MU_EXPR_FALSE;
    }
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        const mu_key_class *c = &shape->classes[i];
        if (c->is_needed && !may_live(alg, c->expr, depth)) return false;
        is_open = is_open || !c->is_needed;
    }
    return n_required <= shape->n_max && (is_open || n_slots >= shape->n_min);
}

static mu_expr array_at(const mu_array_shape *shape, uint32_t i) {
    return i < shape->n_prefix ? shape->prefix[i] : shape->rest;
}

static bool array_may_live(mu_algebra *alg, const mu_array_shape *shape, int depth) {
    for (uint32_t i = 0; i < shape->n_min && i <= shape->n_prefix; i++) {
        if (!may_live(alg, array_at(shape, i), depth)) return false;
    }
    for (uint32_t i = 0; i < shape->n_contains; i++) {
        const mu_contains *c = &shape->contains[i];
        if (c->n_min > c->n_max || c->n_min > shape->n_max) return false;
    }
    return true;
}

static bool set_may_live(mu_algebra *alg, const mu_value_set *set, int depth) {
    if (set->literals || set->number != MU_LEXEME_NONE || set->string != MU_LEXEME_NONE)
        return true;
    for (uint32_t i = 0; i < set->n_arrays; i++) {
        if (array_may_live(alg, set->arrays[i], depth)) return true;
    }
    for (uint32_t i = 0; i < set->n_objects; i++) {
        if (object_may_live(alg, set->objects[i], depth)) return true;
    }
    return false;
}

static bool may_live(mu_algebra *alg, mu_expr expr, int depth) {
    if (expr == MU_EXPR_FALSE) return false;
    if (expr == MU_EXPR_TRUE || depth == 0 || has_failed(alg)) return true;
    const mu_value_set *set = mu_expr_evaluate(alg, expr);
    return !set || set_may_live(alg, set, depth - 1);
}

bool mu_value_set_may_live(mu_algebra *alg, const mu_value_set *set) {
    return set_may_live(alg, set, LOOK_DEPTH);
}

/* And. */

static const mu_slot *find_slot(const mu_object_shape *shape, const mu_slot *like) {
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        const mu_slot *slot = &shape->slots[i];
        if (slot->n_name == like->n_name && memcmp(slot->name, like->name, like->n_name) == 0) {
            return slot;
        }
    }
    return NULL;
}

/* What the shape says of a property by its name: its slot's expression or its class's. */
static mu_expr expr_of_name(const mu_algebra *alg, const mu_object_shape *shape,
                            const mu_slot *like, bool *is_required) {
    const mu_slot *slot = find_slot(shape, like);
    *is_required = slot && slot->is_required;
    if (slot) return slot->expr;
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        const mu_key_class *c = &shape->classes[i];
        if (!c->is_needed && mu_lexeme_matches(alg->lexicon, c->keys, like->name, like->n_name)) {
            return c->expr;
        }
    }
    return MU_EXPR_FALSE;
}

static void merge_slots(mu_algebra *alg, mu_object_shape *out, const mu_object_shape *a,
                        const mu_object_shape *b) {
    mu_lexicon_spend(alg->lexicon, (uint64_t)a->n_slots * b->n_slots / 8 + a->n_slots + b->n_slots);
    for (uint32_t i = 0; i < a->n_slots + b->n_slots && !has_failed(alg); i++) {
        bool is_first = i < a->n_slots, is_required;
        mu_slot slot = is_first ? a->slots[i] : b->slots[i - a->n_slots];
        if (!is_first && find_slot(a, &slot)) continue;
        mu_expr other = expr_of_name(alg, is_first ? b : a, &slot, &is_required);
        slot.expr = mu_expr_and(alg, slot.expr, other);
        slot.is_required = slot.is_required || is_required;
        add_slot(out, &slot);
    }
}

static uint32_t n_needed(const mu_object_shape *shape) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        n += shape->classes[i].is_needed;
    }
    return n;
}

static mu_object_shape *copy_object(mu_algebra *alg, const mu_object_shape *from) {
    mu_object_shape *shape = mu_object_shape_new(alg, from->n_slots, from->n_classes + 1);
    if (!shape) return NULL;
    if (from->n_slots) memcpy((void *)shape->slots, from->slots, from->n_slots * sizeof(mu_slot));
    if (from->n_classes) {
        memcpy((void *)shape->classes, from->classes, from->n_classes * sizeof(mu_key_class));
    }
    shape->n_slots = from->n_slots;
    shape->n_classes = from->n_classes;
    shape->n_min = from->n_min;
    shape->n_max = from->n_max;
    return shape;
}

/* The shapes of `from` in which some property of these keys is of expr: a slot or a class of each
 * takes it. */
static mu_value_set need(mu_algebra *alg, const mu_value_set *from, mu_lexeme keys, mu_expr expr) {
    mu_value_set out = {0};
    for (uint32_t i = 0; i < from->n_objects && !has_failed(alg); i++) {
        const mu_object_shape *shape = from->objects[i];
        for (uint32_t s = 0; s < shape->n_slots; s++) {
            const mu_slot *slot = &shape->slots[s];
            if (!mu_lexicon_spend(alg->lexicon, slot->n_name)) return out;
            if (!mu_lexeme_matches(alg->lexicon, keys, slot->name, slot->n_name)) continue;
            mu_expr both = mu_expr_and(alg, slot->expr, expr);
            mu_object_shape *copy = both == MU_EXPR_FALSE ? NULL : copy_object(alg, shape);
            if (!copy) continue;
            ((mu_slot *)copy->slots)[s].expr = both;
            ((mu_slot *)copy->slots)[s].is_required = true;
            mu_value_set_add_object(alg, &out, copy);
        }
        for (uint32_t c = 0; c < shape->n_classes; c++) {
            const mu_key_class *class = &shape->classes[c];
            if (class->is_needed) continue;
            mu_lexeme both_keys = mu_lexeme_and(alg->lexicon, keys, class->keys);
            mu_expr both = mu_expr_and(alg, class->expr, expr);
            if (both_keys == MU_LEXEME_NONE || both == MU_EXPR_FALSE) continue;
            mu_object_shape *copy = copy_object(alg, shape);
            if (!copy) continue;
            add_class(copy, both_keys, both, true);
            mu_value_set_add_object(alg, &out, copy);
        }
    }
    return out;
}

static void and_objects(mu_algebra *alg, const mu_object_shape *a, const mu_object_shape *b,
                        mu_value_set *out) {
    mu_object_shape *shape =
        mu_object_shape_new(alg, a->n_slots + b->n_slots, a->n_classes * b->n_classes + 1);
    if (!shape) return;
    merge_slots(alg, shape, a, b);
    for (uint32_t i = 0; i < a->n_classes; i++) {
        for (uint32_t j = 0; j < b->n_classes && mu_lexicon_spend(alg->lexicon, 1); j++) {
            const mu_key_class *x = &a->classes[i], *y = &b->classes[j];
            if (x->is_needed || y->is_needed) continue;
            add_class(shape, mu_lexeme_and(alg->lexicon, x->keys, y->keys),
                      mu_expr_and(alg, x->expr, y->expr), false);
        }
    }
    shape->n_min = a->n_min > b->n_min ? a->n_min : b->n_min;
    shape->n_max = a->n_max < b->n_max ? a->n_max : b->n_max;
    mu_value_set all = {0};
    mu_value_set_add_object(alg, &all, shape);
    if (n_needed(a) + n_needed(b) > 0) {
        for (uint32_t i = 0; i < a->n_classes + b->n_classes; i++) {
            const mu_key_class *c =
                i < a->n_classes ? &a->classes[i] : &b->classes[i - a->n_classes];
            if (c->is_needed) all = need(alg, &all, c->keys, c->expr);
        }
    }
    for (uint32_t i = 0; i < all.n_objects; i++) {
        if (!object_may_live(alg, all.objects[i], LOOK_DEPTH)) continue;
        mu_value_set_add_object(alg, out, all.objects[i]);
    }
}

static void and_arrays(mu_algebra *alg, const mu_array_shape *a, const mu_array_shape *b,
                       mu_value_set *out) {
    mu_array_shape shape = mu_array_shape_all();
    shape.n_prefix = a->n_prefix > b->n_prefix ? a->n_prefix : b->n_prefix;
    mu_expr *prefix = get(alg, shape.n_prefix, sizeof(*prefix));
    if (!prefix) return;
    for (uint32_t i = 0; i < shape.n_prefix; i++) {
        prefix[i] = mu_expr_and(alg, array_at(a, i), array_at(b, i));
    }
    shape.prefix = prefix;
    shape.rest = mu_expr_and(alg, a->rest, b->rest);
    shape.n_min = a->n_min > b->n_min ? a->n_min : b->n_min;
    shape.n_max = a->n_max < b->n_max ? a->n_max : b->n_max;
    if (a->n_contains + b->n_contains > MU_CONTAINS_MAX) {
        fail_limit(alg, "too many contains hold for one array");
        return;
    }
    for (uint32_t i = 0; i < a->n_contains + b->n_contains; i++) {
        shape.contains[shape.n_contains++] =
            i < a->n_contains ? a->contains[i] : b->contains[i - a->n_contains];
    }
    if (array_may_live(alg, &shape, LOOK_DEPTH)) mu_value_set_add_array(alg, out, &shape);
}

/* Any number and a set of them: the set, also where that is written more plainly. */
static mu_lexeme and_numbers(mu_algebra *alg, mu_lexeme a, mu_lexeme b) {
    if (a == alg->number_any) return b;
    if (b == alg->number_any) return a;
    return mu_lexeme_and(alg->lexicon, a, b);
}

static bool is_all_objects(const mu_object_shape *s) {
    return s->n_slots == 0 && s->n_classes == 1 && s->classes[0].keys == MU_LEXEME_ANY &&
           s->classes[0].expr == MU_EXPR_TRUE && s->n_min == 0 && s->n_max == UINT32_MAX;
}

static bool is_all_arrays(const mu_array_shape *s) {
    return s->n_prefix == 0 && s->rest == MU_EXPR_TRUE && s->n_min == 0 && s->n_max == UINT32_MAX &&
           s->n_contains == 0;
}

mu_value_set mu_value_set_all(mu_algebra *alg) {
    mu_value_set set = {MU_LITERALS_ALL, alg->number_any, MU_LEXEME_ANY, NULL, 0, NULL, 0};
    mu_array_shape arrays = mu_array_shape_all();
    mu_value_set_add_array(alg, &set, &arrays);
    mu_value_set_add_object(alg, &set, object_all(alg));
    return set;
}

mu_value_set mu_value_set_and(mu_algebra *alg, const mu_value_set *a, const mu_value_set *b) {
    mu_value_set out = {.literals = a->literals & b->literals};
    out.number = and_numbers(alg, a->number, b->number);
    out.string = mu_lexeme_and(alg->lexicon, a->string, b->string);
    for (uint32_t i = 0; i < a->n_arrays && !has_failed(alg); i++) {
        for (uint32_t j = 0; j < b->n_arrays && !has_failed(alg); j++) {
            const mu_array_shape *x = a->arrays[i], *y = b->arrays[j];
            if (is_all_arrays(x) || is_all_arrays(y)) {
                mu_value_set_add_array(alg, &out, is_all_arrays(x) ? y : x);
            } else {
                and_arrays(alg, x, y, &out);
            }
        }
    }
    for (uint32_t i = 0; i < a->n_objects && !has_failed(alg); i++) {
        for (uint32_t j = 0; j < b->n_objects && !has_failed(alg); j++) {
            mu_object_shape *x = a->objects[i], *y = b->objects[j];
            if (is_all_objects(x) || is_all_objects(y)) {
                mu_value_set_add_object(alg, &out, is_all_objects(x) ? y : x);
            } else {
                and_objects(alg, x, y, &out);
            }
        }
    }
    return out;
}

/* Or. */

static bool is_same_object(const mu_object_shape *a, const mu_object_shape *b) {
    if (a == b) return true;
    if (a->n_slots != b->n_slots || a->n_classes != b->n_classes || a->n_min != b->n_min ||
        a->n_max != b->n_max) {
        return false;
    }
    for (uint32_t i = 0; i < a->n_slots; i++) {
        const mu_slot *x = &a->slots[i], *y = &b->slots[i];
        if (x->expr != y->expr || x->is_required != y->is_required || x->n_name != y->n_name ||
            memcmp(x->name, y->name, x->n_name) != 0) {
            return false;
        }
    }
    return a->n_classes == 0 ||
           memcmp(a->classes, b->classes, a->n_classes * sizeof(mu_key_class)) == 0;
}

mu_value_set mu_value_set_or(mu_algebra *alg, const mu_value_set *a, const mu_value_set *b) {
    mu_value_set out = {.literals = a->literals | b->literals};
    out.number = a->number == alg->number_any || b->number == alg->number_any
                     ? alg->number_any
                     : mu_lexeme_or(alg->lexicon, a->number, b->number);
    out.string = mu_lexeme_or(alg->lexicon, a->string, b->string);
    for (uint32_t i = 0; i < a->n_arrays + b->n_arrays; i++) {
        const mu_array_shape *shape = i < a->n_arrays ? a->arrays[i] : b->arrays[i - a->n_arrays];
        if (is_all_arrays(shape)) out.n_arrays = 0;
        mu_value_set_add_array(alg, &out, shape);
        if (is_all_arrays(shape)) break;
    }
    for (uint32_t i = 0; i < a->n_objects + b->n_objects; i++) {
        mu_object_shape *shape = i < a->n_objects ? a->objects[i] : b->objects[i - a->n_objects];
        bool is_known = false;
        mu_lexicon_spend(alg->lexicon, out.n_objects);
        for (uint32_t j = 0; j < out.n_objects && !is_known; j++) {
            is_known = is_same_object(out.objects[j], shape);
        }
        if (is_all_objects(shape)) out.n_objects = 0;
        if (!is_known) mu_value_set_add_object(alg, &out, shape);
        if (is_all_objects(shape)) break;
    }
    return out;
}

/* Not. */

static mu_value_set not_object(mu_algebra *alg, const mu_object_shape *shape) {
    mu_value_set out = {0}, any = {0};
    mu_value_set_add_object(alg, &any, object_all(alg));
    mu_lexeme known = mu_slot_names(alg, shape->slots, shape->n_slots);
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        const mu_slot *slot = &shape->slots[i];
        mu_expr wrong = mu_expr_not(alg, slot->expr);
        if (slot->is_required) {
            mu_value_set_add_object(
                alg, &out, mu_object_shape_one(alg, slot->name, slot->n_name, MU_EXPR_FALSE));
        }
        if (wrong != MU_EXPR_FALSE) {
            mu_value_set_add_object(alg, &out,
                                    mu_object_shape_one(alg, slot->name, slot->n_name, wrong));
        }
    }
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        const mu_key_class *c = &shape->classes[i];
        mu_expr wrong = mu_expr_not(alg, c->expr);
        if (c->is_needed) {
            mu_object_shape *none = mu_object_shape_new(alg, 0, 2);
            if (!none) return out;
            add_class(none, c->keys, wrong, false);
            add_class(none, mu_lexeme_minus(alg->lexicon, MU_LEXEME_ANY, c->keys), MU_EXPR_TRUE,
                      false);
            mu_value_set_add_object(alg, &out, none);
            continue;
        }
        known = mu_lexeme_or(alg->lexicon, known, c->keys);
        mu_value_set one = need(alg, &any, c->keys, wrong);
        out = mu_value_set_or(alg, &out, &one);
    }
    mu_lexeme unknown = mu_lexeme_minus(alg->lexicon, MU_LEXEME_ANY, known);
    mu_value_set one = need(alg, &any, unknown, MU_EXPR_TRUE);
    out = mu_value_set_or(alg, &out, &one);
    mu_object_shape *fewer = object_all(alg), *more = object_all(alg);
    if (fewer && shape->n_min > 0) {
        fewer->n_max = shape->n_min - 1;
        mu_value_set_add_object(alg, &out, fewer);
    }
    if (more && shape->n_max != UINT32_MAX) {
        more->n_min = shape->n_max + 1;
        mu_value_set_add_object(alg, &out, more);
    }
    return out;
}

/* Any array with these bounds and, where from is not NONE_FROM, this contains. */
static void add_array_with(mu_algebra *alg, mu_value_set *out, uint32_t n_min, uint32_t n_max,
                           const mu_contains *contains) {
    mu_array_shape shape = mu_array_shape_all();
    shape.n_min = n_min;
    shape.n_max = n_max;
    if (contains) shape.contains[shape.n_contains++] = *contains;
    mu_value_set_add_array(alg, out, &shape);
}

static mu_value_set not_array(mu_algebra *alg, const mu_array_shape *shape) {
    mu_value_set out = {0};
    for (uint32_t i = 0; i < shape->n_prefix; i++) {
        mu_expr wrong = mu_expr_not(alg, shape->prefix[i]);
        if (wrong == MU_EXPR_FALSE) continue;
        mu_array_shape one = mu_array_shape_all();
        mu_expr *prefix = get(alg, i + 1, sizeof(*prefix)); /* zeroed: anything */
        if (!prefix) return out;
        prefix[i] = wrong;
        one.prefix = prefix;
        one.n_prefix = one.n_min = i + 1;
        mu_value_set_add_array(alg, &out, &one);
    }
    mu_expr wrong = mu_expr_not(alg, shape->rest);
    if (wrong != MU_EXPR_FALSE) {
        mu_array_shape one = mu_array_shape_all();
        mu_expr *prefix = get(alg, shape->n_prefix, sizeof(*prefix));
        if (!prefix) return out;
        one.prefix = prefix;
        one.n_prefix = shape->n_prefix;
        one.n_min = shape->n_prefix + 1;
        one.contains[one.n_contains++] = (mu_contains){wrong, 1, UINT32_MAX, shape->n_prefix};
        mu_value_set_add_array(alg, &out, &one);
    }
    if (shape->n_min > 0) add_array_with(alg, &out, 0, shape->n_min - 1, NULL);
    if (shape->n_max != UINT32_MAX) {
        add_array_with(alg, &out, shape->n_max + 1, UINT32_MAX, NULL);
    }
    for (uint32_t i = 0; i < shape->n_contains; i++) {
        mu_contains c = shape->contains[i];
        if (c.from > 0) {
            fail_limit(alg, "not of not of an array with both positions and a rest");
            return out;
        }
        mu_contains fewer = {c.expr, 0, c.n_min - 1, 0},
                    more = {c.expr, c.n_max + 1, UINT32_MAX, 0};
        if (c.n_min > 0) add_array_with(alg, &out, 0, UINT32_MAX, &fewer);
        if (c.n_max != UINT32_MAX) add_array_with(alg, &out, 0, UINT32_MAX, &more);
    }
    return out;
}

mu_value_set mu_value_set_not(mu_algebra *alg, const mu_value_set *a) {
    mu_value_set all = mu_value_set_all(alg);
    mu_value_set out = {.literals = (uint8_t)(MU_LITERALS_ALL & ~a->literals)};
    mu_lexicon *lexicon = alg->lexicon;
    if (a->number == MU_LEXEME_NONE) {
        out.number = alg->number_any;
    } else if (a->number != alg->number_any) {
        out.number = mu_lexeme_minus(lexicon, alg->number_plain, a->number);
    }
    out.string = mu_lexeme_minus(lexicon, MU_LEXEME_ANY, a->string);
    out.arrays = all.arrays;
    out.n_arrays = all.n_arrays;
    out.objects = all.objects;
    out.n_objects = all.n_objects;
    for (uint32_t i = 0; i < a->n_arrays && !has_failed(alg); i++) {
        mu_value_set one = not_array(alg, a->arrays[i]);
        one.literals = out.literals;
        one.number = out.number;
        one.string = out.string;
        one.objects = out.objects;
        one.n_objects = out.n_objects;
        mu_value_set both = mu_value_set_and(
            alg, &(mu_value_set){.arrays = out.arrays, .n_arrays = out.n_arrays}, &one);
        out.arrays = both.arrays;
        out.n_arrays = both.n_arrays;
    }
    for (uint32_t i = 0; i < a->n_objects && !has_failed(alg); i++) {
        mu_value_set one = not_object(alg, a->objects[i]);
        mu_value_set both = mu_value_set_and(
            alg, &(mu_value_set){.objects = out.objects, .n_objects = out.n_objects}, &one);
        out.objects = both.objects;
        out.n_objects = both.n_objects;
    }
    return out;
}

/* Life, exactly. */

static bool is_alive(mu_algebra *alg, mu_expr expr);

static bool object_is_alive(mu_algebra *alg, const mu_object_shape *shape) {
    if (!object_may_live(alg, shape, 0)) return false;
    uint32_t n_usable = 0;
    bool is_open = false;
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        const mu_slot *slot = &shape->slots[i];
        bool counts = slot->is_required || shape->n_min > 0;
        bool lives = counts && is_alive(alg, slot->expr);
        if (slot->is_required && !lives) return false;
        n_usable += lives;
    }
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        const mu_key_class *c = &shape->classes[i];
        if (!c->is_needed && n_usable >= shape->n_min) continue;
        bool lives = is_alive(alg, c->expr);
        if (c->is_needed && !lives) return false;
        is_open = is_open || lives;
    }
    return is_open || n_usable >= shape->n_min;
}

/* Some element may be of the contains. */
static bool contains_is_alive(mu_algebra *alg, const mu_array_shape *shape, const mu_contains *c) {
    for (uint32_t i = c->from; i <= shape->n_prefix && i < shape->n_max; i++) {
        if (is_alive(alg, mu_expr_and(alg, array_at(shape, i), c->expr))) return true;
    }
    return false;
}

static bool array_is_alive(mu_algebra *alg, const mu_array_shape *shape) {
    if (!array_may_live(alg, shape, 0)) return false;
    for (uint32_t i = 0; i < shape->n_min && i <= shape->n_prefix; i++) {
        if (!is_alive(alg, array_at(shape, i))) return false;
    }
    for (uint32_t i = 0; i < shape->n_contains; i++) {
        const mu_contains *c = &shape->contains[i];
        if (c->n_min > 0 && !contains_is_alive(alg, shape, c)) return false;
    }
    return true;
}

static bool set_is_alive(mu_algebra *alg, const mu_value_set *set) {
    if (set->literals || set->number != MU_LEXEME_NONE || set->string != MU_LEXEME_NONE)
        return true;
    for (uint32_t i = 0; i < set->n_arrays; i++) {
        if (array_is_alive(alg, set->arrays[i])) return true;
    }
    for (uint32_t i = 0; i < set->n_objects; i++) {
        if (object_is_alive(alg, set->objects[i])) return true;
    }
    return false;
}

static bool is_alive(mu_algebra *alg, mu_expr expr) {
    if (has_failed(alg)) return false;
    if (alg->rows[expr].life != LIFE_UNKNOWN) return alg->rows[expr].life == ALIVE;
    if (alg->rows[expr].is_visiting) {
        alg->is_tainted = true;
        return false;
    }
    if (alg->depth == MU_EXPR_DEPTH_MAX || ++alg->n_steps > LIVE_STEPS_MAX) {
        fail_limit(alg, "schemas are nested too deeply");
        return false;
    }
    const mu_value_set *set = mu_expr_evaluate(alg, expr);
    if (!set) {
        mu_lexicon_fail(alg->lexicon, MU_ERR_INVALID,
                        "a schema refers to itself before any value begins");
        return false;
    }
    bool was_tainted = alg->is_tainted, is_outermost = alg->depth == 0;
    alg->is_tainted = false;
    alg->rows[expr].is_visiting = true;
    alg->depth++;
    bool lives = set_is_alive(alg, set);
    alg->depth--;
    alg->rows[expr].is_visiting = false;
    if (lives) alg->rows[expr].life = ALIVE;
    if (!lives && (is_outermost || !alg->is_tainted)) alg->rows[expr].life = DEAD;
    alg->is_tainted = !is_outermost && (was_tainted || alg->is_tainted);
    return lives;
}

/* Settling. */

typedef struct todo {
    mu_expr *list; /* [n], owned */
    size_t n, cap;
} todo;

static void add_todo(mu_algebra *alg, todo *t, mu_expr expr) {
    if (has_failed(alg) || !is_alive(alg, expr) || alg->rows[expr].is_settled) return;
    alg->rows[expr].is_settled = true;
    if (!mu_grow((void **)&t->list, &t->cap, t->n + 1, sizeof(mu_expr))) {
        mu_lexicon_fail_nomem(alg->lexicon);
        return;
    }
    t->list[t->n++] = expr;
}

/* Names are the schema's until here; from here on it may go. */
static void own_names(mu_algebra *alg, mu_object_shape *shape) {
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        mu_slot *slot = &((mu_slot *)shape->slots)[i];
        char *name = get(alg, (size_t)slot->n_name + 1, 1);
        if (!name) return;
        memcpy(name, slot->name, slot->n_name);
        slot->name = name;
    }
}

static void settle_object(mu_algebra *alg, todo *t, mu_object_shape *shape) {
    if (shape->id == 0) {
        if (!mu_grow((void **)&alg->objects, &alg->objects_cap, alg->n_objects + 1,
                     sizeof(shape))) {
            mu_lexicon_fail_nomem(alg->lexicon);
            return;
        }
        alg->objects[alg->n_objects++] = shape;
        shape->id = (uint32_t)alg->n_objects; /* 0: none yet */
        own_names(alg, shape);
    }
    for (uint32_t i = 0; i < shape->n_slots; i++) {
        add_todo(alg, t, shape->slots[i].expr);
    }
    for (uint32_t i = 0; i < shape->n_classes; i++) {
        add_todo(alg, t, shape->classes[i].expr);
    }
}

static mu_expr variant(mu_algebra *alg, const mu_array_shape *shape, uint32_t index,
                       uint32_t bits) {
    mu_expr expr = array_at(shape, index);
    for (uint32_t i = 0; i < shape->n_contains; i++) {
        const mu_contains *c = &shape->contains[i];
        bool is_in = bits >> i & 1;
        if (index < c->from) {
            if (is_in) return MU_EXPR_FALSE;
        } else {
            expr = mu_expr_and(alg, expr, is_in ? c->expr : mu_expr_not(alg, c->expr));
        }
    }
    return expr;
}

static void settle_array(mu_algebra *alg, todo *t, mu_array_shape *shape) {
    if (shape->id == 0) {
        uint32_t n = (shape->n_prefix + 1) << shape->n_contains;
        mu_expr *variants = get(alg, n, sizeof(*variants));
        if (!variants) return;
        for (uint32_t i = 0; i < n; i++) {
            variants[i] =
                variant(alg, shape, i >> shape->n_contains, i & ((1u << shape->n_contains) - 1));
        }
        if (!mu_grow((void **)&alg->arrays, &alg->arrays_cap, alg->n_arrays + 1, sizeof(shape))) {
            mu_lexicon_fail_nomem(alg->lexicon);
            return;
        }
        shape->variants = variants;
        alg->arrays[alg->n_arrays++] = shape;
        shape->id = (uint32_t)alg->n_arrays;
    }
    for (uint32_t i = 0; i < (shape->n_prefix + 1) << shape->n_contains; i++) {
        add_todo(alg, t, shape->variants[i]);
    }
}

/* Lists may be shared between sets, so what lives goes into new ones. */
static void settle_one(mu_algebra *alg, todo *t, mu_value_set *set) {
    mu_value_set live = {.literals = set->literals, .number = set->number, .string = set->string};
    for (uint32_t i = 0; i < set->n_arrays && !has_failed(alg); i++) {
        if (!array_is_alive(alg, set->arrays[i])) continue;
        settle_array(alg, t, set->arrays[i]);
        live.arrays = push_shape(alg, live.arrays, live.n_arrays, set->arrays[i]);
        live.n_arrays++;
    }
    for (uint32_t i = 0; i < set->n_objects && !has_failed(alg); i++) {
        if (!object_is_alive(alg, set->objects[i])) continue;
        settle_object(alg, t, set->objects[i]);
        live.objects = push_shape(alg, live.objects, live.n_objects, set->objects[i]);
        live.n_objects++;
    }
    *set = live;
}

void mu_algebra_settle(mu_algebra *alg, mu_expr expr) {
    todo t = {0};
    add_todo(alg, &t, expr);
    while (t.n > 0 && !has_failed(alg)) {
        mu_expr next = t.list[--t.n];
        settle_one(alg, &t, alg->rows[next].set);
    }
    mu_free(t.list);
}

const mu_value_set *mu_expr_settled(const mu_algebra *alg, mu_expr expr) {
    MU_ASSERT(alg->rows[expr].is_settled);
    return alg->rows[expr].set;
}

bool mu_expr_lives(const mu_algebra *alg, mu_expr expr) {
    return alg->rows[expr].life == ALIVE;
}
